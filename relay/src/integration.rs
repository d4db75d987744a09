//! Tokens of integrations: programs, such as bots and webhooks, that write to a workspace over HTTP.
//!
//! A token is random and shown once. The database holds its hash, which is of no use to whoever reads it.

pub mod command;

use crate::database::Database;
use data_encoding::BASE64URL_NOPAD;
use sqlx::{Error, Row};
use velo_protocol::id::WorkspaceId;

/// How every such token starts, so that people and scanners know one when they see it.
pub const PREFIX: &str = "velo_it_";

/// An integration, by its token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Integration {
    /// Of the workspace, in the database.
    pub workspace: i32,
    /// What people call it.
    pub name: String,
}

/// What is kept of a token.
pub fn hash(token: &str) -> [u8; 32] {
    blake3::derive_key("velo 2026 integration token", token.as_bytes())
}

/// A new token.
pub fn draw() -> Result<String, getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(format!("{PREFIX}{}", BASE64URL_NOPAD.encode(&bytes)))
}

/// Keeps a token. `false`: the workspace is not in the database.
pub fn add(database: &Database, id: WorkspaceId, name: String, token: &str) -> Result<bool, Error> {
    let hash = hash(token);
    database.insist(crate::limits::HTTP_PATIENCE_MS, move |pool| {
        let name = name.clone();
        async move {
            let added = sqlx::query(
                "INSERT INTO integration_tokens (workspace, hash, name) \
                 SELECT number, $2, $3 FROM workspaces WHERE id = $1 ON CONFLICT DO NOTHING",
            );
            let added = added.bind(id.0).bind(hash).bind(name).execute(&pool).await?;
            Ok(added.rows_affected() > 0)
        }
    })
}

/// Takes all tokens of that name away. Gives how many there were.
pub fn remove(database: &Database, id: WorkspaceId, name: String) -> Result<u64, Error> {
    database.insist(crate::limits::HTTP_PATIENCE_MS, move |pool| {
        let name = name.clone();
        async move {
            let removed = sqlx::query(
                "DELETE FROM integration_tokens \
                 WHERE workspace = (SELECT number FROM workspaces WHERE id = $1) AND name = $2",
            );
            Ok(removed.bind(id.0).bind(name).execute(&pool).await?.rows_affected())
        }
    })
}

/// The names of a workspace's integrations, and when each token was made.
pub fn list(database: &Database, id: WorkspaceId) -> Result<Vec<(String, String)>, Error> {
    database.insist(crate::limits::HTTP_PATIENCE_MS, move |pool| async move {
        let rows = sqlx::query(
            "SELECT name, to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS made \
             FROM integration_tokens WHERE workspace = (SELECT number FROM workspaces WHERE id = $1) \
             ORDER BY name, created_at",
        );
        let rows = rows.bind(id.0).fetch_all(&pool).await?;
        rows.iter().map(|row| Ok((row.try_get("name")?, row.try_get("made")?))).collect()
    })
}

/// Whose token it is in a workspace.
pub async fn find(database: &Database, id: WorkspaceId, token: &str) -> Result<Option<Integration>, Error> {
    let hash = hash(token);
    let asked = database.ask(crate::limits::HTTP_PATIENCE_MS, move |pool| async move {
        let row = sqlx::query(
            "SELECT token.workspace, token.name FROM integration_tokens AS token \
             JOIN workspaces AS held ON held.number = token.workspace WHERE held.id = $1 AND token.hash = $2",
        );
        let row = row.bind(id.0).bind(hash).fetch_optional(&pool).await?;
        let read = |row: &sqlx::postgres::PgRow| {
            Ok(Integration { workspace: row.try_get("workspace")?, name: row.try_get("name")? })
        };
        row.as_ref().map(read).transpose()
    });
    asked.await
}
