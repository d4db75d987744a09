//! Which life of the database this is.
//!
//! A database that was restored goes on from an older state and gives the same positions out again, for other
//! entries. So a row says on which server and timeline it was written, and by which transaction. After a
//! restore in time the timeline differs; on another server, the server's own number; and rows that came out of
//! a dump were written by another transaction than they say. Whoever finds that counts up, once.

use super::cursor::Generation;
use sqlx::{Error, PgPool, Row};

/// What a relay has to know of its database before it makes or reads a cursor.
#[derive(Debug, Clone)]
pub(super) struct Life {
    pub generation: Generation,
    /// Drawn once, when the database was made.
    pub salt: Vec<u8>,
}

const LOOK: &str = "\
    SELECT salt, system, timeline, restores, system = system_identifier AND timeline = timeline_id \
        AND generation.xmin::text::bigint = writer % 4294967296 AS fits \
    FROM generation, pg_control_system(), pg_control_checkpoint()";
const COUNT: &str = "\
    UPDATE generation SET restores = restores + 1, system = system_identifier, timeline = timeline_id, \
        writer = pg_current_xact_id()::text::bigint \
    FROM pg_control_system(), pg_control_checkpoint() \
    WHERE NOT (system = system_identifier AND timeline = timeline_id \
        AND generation.xmin::text::bigint = writer % 4294967296)";

/// What is there now. It costs one small query: the server may change under a relay that runs on.
pub(super) async fn look(pool: &PgPool) -> Result<Life, Error> {
    loop {
        let row = sqlx::query(LOOK).fetch_one(pool).await?;
        if row.try_get("fits")? {
            let salt: Vec<u8> = row.try_get("salt")?;
            let mut hasher = blake3::Hasher::new_derive_key("velo 2026 relay generation");
            hasher.update(&(salt.len() as u64).to_le_bytes()).update(&salt);
            hasher.update(&row.try_get::<i64, _>("system")?.to_le_bytes());
            hasher.update(&row.try_get::<i32, _>("timeline")?.to_le_bytes());
            hasher.update(&row.try_get::<i32, _>("restores")?.to_le_bytes());
            let mut generation = [0; 16];
            generation.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
            return Ok(Life { generation: Generation(generation), salt });
        }
        // Whoever comes second waits for the row, and finds that it fits.
        let counted = sqlx::query(COUNT).execute(pool).await?;
        if counted.rows_affected() > 0 {
            tracing::warn!("the database was restored: whoever follows changes starts over");
        }
    }
}
