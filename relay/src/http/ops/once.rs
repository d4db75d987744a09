//! Doing an operation once.

use super::Problem;
use crate::{database::Database, integration::Integration, limits};
use axum::http::StatusCode;
use sqlx::{Error, Row};
use velo_protocol::id::EntityId;

/// What is known of an operation before it is done.
pub(super) enum Step {
    /// It is this request's to do.
    Begun,
    /// It was done, to this entity.
    Done(EntityId),
}

/// An operation that is to be done.
pub(super) struct Begun<'a> {
    pub integration: &'a Integration,
    pub id: &'a str,
    pub digest: [u8; 32],
    pub entity: EntityId,
    pub made_at: i64,
}

/// Takes an operation that nobody has, or that somebody began and never finished.
const BEGIN: &str = "\
    INSERT INTO integration_ops (workspace, name, id, digest, entity, made_at) VALUES ($1, $2, $3, $4, $5, $6) \
    ON CONFLICT (workspace, name, id) DO UPDATE SET begun_at = now() \
    WHERE NOT integration_ops.done AND integration_ops.digest = excluded.digest \
        AND integration_ops.begun_at < now() - make_interval(secs => $7) \
    RETURNING id";

impl Begun<'_> {
    pub async fn begin(&self, database: &Database) -> Result<Step, Problem> {
        let (workspace, name, id) = self.place();
        let (digest, entity, made_at) = (self.digest, self.entity, self.made_at);
        let asked = database.ask(limits::HTTP_PATIENCE_MS, move |pool| {
            let (name, id) = (name.clone(), id.clone());
            async move {
                let begun = sqlx::query(BEGIN).bind(workspace).bind(&name).bind(&id).bind(digest);
                let begun = begun.bind(entity.0).bind(made_at).bind(limits::OP_PATIENCE_S);
                if begun.fetch_optional(&pool).await?.is_some() {
                    return Ok(None);
                }
                let row = sqlx::query(
                    "SELECT digest, entity, done FROM integration_ops WHERE workspace = $1 AND name = $2 AND id = $3",
                );
                let row = row.bind(workspace).bind(&name).bind(&id).fetch_one(&pool).await?;
                let entity: [u8; 16] = crate::store::fixed_bytes(&row, "entity")?;
                Ok::<_, Error>(Some((row.try_get::<Vec<u8>, _>("digest")?, EntityId(entity), row.try_get("done")?)))
            }
        });
        let conflict = |code, detail: &str| Err(Problem::new(StatusCode::CONFLICT, code, detail));
        match asked.await.map_err(|error| Problem::database(&error))? {
            None => Ok(Step::Begun),
            Some((digest, _, _)) if digest != self.digest => {
                conflict("id_reused", "another operation had this id: give every operation an id of its own")
            }
            Some((_, entity, true)) => Ok(Step::Done(entity)),
            Some(_) => conflict("in_progress", "this operation is being done: ask again in a moment"),
        }
    }

    /// It was done; or it was not, and may be tried again.
    pub async fn end(&self, database: &Database, done: bool) -> Result<(), Problem> {
        let (workspace, name, id) = self.place();
        let asked = database.ask(limits::HTTP_PATIENCE_MS, move |pool| {
            let (name, id) = (name.clone(), id.clone());
            async move {
                let query = if done {
                    "UPDATE integration_ops SET done = true WHERE workspace = $1 AND name = $2 AND id = $3"
                } else {
                    "DELETE FROM integration_ops WHERE workspace = $1 AND name = $2 AND id = $3"
                };
                sqlx::query(query).bind(workspace).bind(&name).bind(&id).execute(&pool).await.map(drop)
            }
        });
        asked.await.map_err(|error| Problem::database(&error))
    }

    fn place(&self) -> (i32, String, String) {
        (self.integration.workspace, self.integration.name.clone(), self.id.to_owned())
    }
}

/// Forgets what was done long ago.
pub(in crate::http) async fn forget_old(database: &Database) {
    let asked = database.ask(limits::HTTP_PATIENCE_MS, |pool| async move {
        let old = "DELETE FROM integration_ops WHERE begun_at < now() - make_interval(days => $1)";
        sqlx::query(old).bind(limits::OPS_KEPT_DAYS).execute(&pool).await
    });
    if let Err(error) = asked.await {
        tracing::warn!(%error, "old operations of integrations were not forgotten");
    }
}
