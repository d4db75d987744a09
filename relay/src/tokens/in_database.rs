//! Tokens in the database: see `0004_operator_tokens.sql`.

use super::{Hash, Token, TokenError};
use crate::{limits, store::InDatabase};
use sqlx::{PgPool, Row, postgres::PgRow};
use std::{future::Future, sync::Arc};
use velo_protocol::id::WorkspaceId;

fn run<T, F>(home: &Arc<InDatabase>, work: impl Fn(PgPool) -> F + Send + 'static) -> Result<T, TokenError>
where
    T: Send + 'static,
    F: Future<Output = Result<T, sqlx::Error>> + Send + 'static,
{
    let database = home.database().map_err(|error| TokenError::Storage(error.to_string()))?;
    let done = database.insist(limits::OPERATOR_PATIENCE_MS, work);
    done.map_err(|error| TokenError::Storage(format!("the database: {error}")))
}

pub(super) fn add(home: &Arc<InDatabase>, token: Token, hash: Hash) -> Result<(), TokenError> {
    let name = token.name.clone();
    let added = run(home, move |pool| {
        let Token { name, room, workspaces, .. } = token.clone();
        async move {
            let row = sqlx::query(
                "INSERT INTO operator_tokens (name, hash, room, workspaces) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT DO NOTHING",
            );
            let row = row.bind(&name).bind(&hash[..]);
            let room = room.map(|room| i64::try_from(room).unwrap_or(i64::MAX));
            let row = row.bind(room).bind(i32::try_from(workspaces).unwrap_or(i32::MAX));
            row.execute(&pool).await?;
            // It may have been written the first time, and the answer lost with the connection.
            let is_this = sqlx::query_scalar("SELECT hash = $2 FROM operator_tokens WHERE name = $1");
            is_this.bind(&name).bind(&hash[..]).fetch_one(&pool).await
        }
    })?;
    if added { Ok(()) } else { Err(TokenError::Taken(name)) }
}

pub(super) fn list(home: &Arc<InDatabase>) -> Result<Vec<Token>, TokenError> {
    run(home, |pool| async move {
        let rows = sqlx::query(
            "SELECT name, room, workspaces, \
                 array(SELECT workspace FROM admitted WHERE token = name ORDER BY workspace) AS admitted \
             FROM operator_tokens ORDER BY name",
        );
        rows.fetch_all(&pool).await?.iter().map(token).collect()
    })
}

pub(super) fn remove(home: &Arc<InDatabase>, name: String) -> Result<bool, TokenError> {
    run(home, move |pool| {
        let name = name.clone();
        async move {
            let gone = sqlx::query("DELETE FROM operator_tokens WHERE name = $1").bind(name);
            Ok(gone.execute(&pool).await?.rows_affected() > 0)
        }
    })
}

/// The token with this hash, which has admitted the workspace if there was a place. Whoever counts places
/// holds the token's row.
pub(super) fn admit(
    home: &Arc<InDatabase>,
    workspace: WorkspaceId,
    hash: Hash,
) -> Result<Option<Token>, TokenError> {
    run(home, move |pool| async move {
        let mut transaction = pool.begin().await?;
        let name =
            sqlx::query_scalar::<_, String>("SELECT name FROM operator_tokens WHERE hash = $1 FOR UPDATE");
        let Some(name) = name.bind(&hash[..]).fetch_optional(&mut *transaction).await? else {
            return Ok(None);
        };
        let admit = sqlx::query(
            "INSERT INTO admitted (token, workspace) SELECT name, $2 FROM operator_tokens \
             WHERE name = $1 AND workspaces > (SELECT count(*) FROM admitted WHERE token = $1) \
             ON CONFLICT DO NOTHING",
        );
        admit.bind(&name).bind(&workspace.0[..]).execute(&mut *transaction).await?;
        let row = sqlx::query(
            "SELECT name, room, workspaces, array(SELECT workspace FROM admitted WHERE token = name) AS admitted \
             FROM operator_tokens WHERE name = $1",
        );
        let row = row.bind(name).fetch_one(&mut *transaction).await?;
        transaction.commit().await?;
        token(&row).map(Some)
    })
}

fn token(row: &PgRow) -> Result<Token, sqlx::Error> {
    let (room, workspaces): (Option<i64>, i32) = (row.try_get("room")?, row.try_get("workspaces")?);
    let admitted: Vec<Vec<u8>> = row.try_get("admitted")?;
    let admitted = admitted.into_iter().filter_map(|id| id.try_into().ok()).map(WorkspaceId).collect();
    let (room, workspaces) = (room.map(|room| room as u64), workspaces as u32);
    Ok(Token { name: row.try_get("name")?, room, workspaces, admitted })
}
