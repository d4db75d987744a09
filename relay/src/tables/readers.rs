//! The role under which reports are read.

use crate::{database::Database, limits};
use sqlx::{Error, PgPool, error::DatabaseError};

/// It may read the views, and nothing else. It is nobody's login: an administrator grants it to whoever makes
/// reports.
pub const READER: &str = "velo_reader";

const GRANTS: [&str; 2] = [
    "GRANT USAGE ON SCHEMA velo TO velo_reader",
    "GRANT SELECT ON velo.projects, velo.tasks, velo.comments, velo.activity TO velo_reader",
];

/// Makes the role, unless it is there, and grants it the views. Where this user may not, that is told: the
/// tables do without.
pub(super) fn prepare(database: &Database) {
    if let Err(error) = database.insist(limits::READ_PATIENCE_MS, make) {
        tracing::warn!(
            %error,
            "nobody but this user can read the views: let an administrator run `CREATE ROLE {READER} NOLOGIN`, \
             and start again"
        );
    }
}

async fn make(pool: PgPool) -> Result<(), Error> {
    let is_there: bool =
        sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = 'velo_reader')")
            .fetch_one(&pool)
            .await?;
    if !is_there {
        let made = sqlx::query("CREATE ROLE velo_reader NOLOGIN").execute(&pool).await;
        // Another relay may have been quicker.
        let was_made = |error: &Error| {
            let code = error.as_database_error().and_then(DatabaseError::code);
            code.is_some_and(|code| ["42710", "23505"].contains(&&*code))
        };
        if let Err(error) = made
            && !was_made(&error)
        {
            return Err(error);
        }
    }
    for grant in GRANTS {
        sqlx::query(grant).execute(&pool).await?;
    }
    Ok(())
}
