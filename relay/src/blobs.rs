//! The attachments that a relay carries, in its database: see `0005_blobs.sql`.
//!
//! Several relays on one database have the same ones. Each statement stands for itself and may be done twice, so
//! a database that goes away in between costs nothing but time.

use crate::{
    database::Database,
    limits,
    store::{InDatabase, number_of},
};
use sqlx::{Error, PgPool, Row};
use std::{
    collections::BTreeSet,
    future::Future,
    sync::{Arc, OnceLock},
    time::{SystemTime, UNIX_EPOCH},
};
use velo_node::blobs::store::{BlobError, KeptBlobs, State, Stored};
use velo_protocol::id::{BlobId, WorkspaceId};

/// The blobs of one workspace. See the module.
#[derive(Debug)]
pub struct BlobRows {
    home: InDatabase,
    workspace: WorkspaceId,
    number: OnceLock<i32>,
}

fn failed(error: impl std::fmt::Display) -> BlobError {
    BlobError::Elsewhere(format!("the database: {error}"))
}

fn names(blobs: &[BlobId]) -> Vec<Vec<u8>> {
    blobs.iter().map(|blob| blob.0.to_vec()).collect()
}

fn named(name: Vec<u8>) -> Option<BlobId> {
    name.try_into().ok().map(BlobId)
}

impl BlobRows {
    /// Those of a workspace. Nothing is looked at before it is needed.
    pub fn of(home: InDatabase, workspace: WorkspaceId) -> Self {
        Self { home, workspace, number: OnceLock::new() }
    }

    fn number(&self, database: &Database) -> Result<i32, BlobError> {
        if let Some(number) = self.number.get() {
            return Ok(*number);
        }
        let workspace = self.workspace;
        let number = database
            .insist(limits::BLOB_PATIENCE_MS, move |pool| async move { number_of(&pool, workspace).await });
        let number = number.map_err(failed)?;
        Ok(*self.number.get_or_init(|| number))
    }

    fn run<T, F>(&self, work: impl Fn(PgPool, i32) -> F + Send + 'static) -> Result<T, BlobError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let database = self.home.database().map_err(failed)?;
        let number = self.number(database)?;
        database.insist(limits::BLOB_PATIENCE_MS, move |pool| work(pool, number)).map_err(failed)
    }
}

impl KeptBlobs for BlobRows {
    fn has(&self, blob: BlobId) -> bool {
        // Whoever relies on it writes it once more at the worst.
        self.missing(&[blob]).is_ok_and(|missing| missing.is_empty())
    }

    fn missing(&self, blobs: &[BlobId]) -> Result<BTreeSet<BlobId>, BlobError> {
        let names = names(blobs);
        let missing: Vec<Vec<u8>> = self.run(move |pool, number| {
            let names = names.clone();
            async move {
                let missing = sqlx::query_scalar(
                    "SELECT name FROM unnest($2::bytea[]) AS name \
                     WHERE NOT EXISTS (SELECT FROM blobs WHERE workspace = $1 AND blob = name)",
                );
                missing.bind(number).bind(names).fetch_all(&pool).await
            }
        })?;
        Ok(missing.into_iter().filter_map(named).collect())
    }

    fn is_damaged(&self, _blob: BlobId) -> bool {
        // What is damaged is deleted when it is found.
        false
    }

    fn read(&self, blob: BlobId) -> Result<Option<Vec<u8>>, BlobError> {
        let read: Option<Vec<u8>> = self.run(move |pool, number| async move {
            let bytes = sqlx::query_scalar("SELECT bytes FROM blobs WHERE workspace = $1 AND blob = $2");
            bytes.bind(number).bind(blob.0).fetch_optional(&pool).await
        })?;
        let Some(bytes) = read else { return Ok(None) };
        if BlobId::of(&bytes) == blob {
            return Ok(Some(bytes));
        }
        tracing::warn!(blob = %blob.short(), "a part of an attachment is damaged in the database: it is fetched again");
        self.remove(blob)?;
        Ok(None)
    }

    fn write(&self, blob: BlobId, bytes: &[u8]) -> Result<bool, BlobError> {
        let bytes: Arc<[u8]> = bytes.into();
        self.run(move |pool, number| {
            let bytes = Arc::clone(&bytes);
            async move {
                let written = sqlx::query(
                    "WITH added AS ( \
                         INSERT INTO blobs (workspace, blob, bytes) VALUES ($1, $2, $3) \
                         ON CONFLICT DO NOTHING RETURNING octet_length(bytes) AS length) \
                     INSERT INTO blobs_size (workspace, bytes) SELECT $1, length FROM added \
                     ON CONFLICT (workspace) DO UPDATE SET bytes = blobs_size.bytes + excluded.bytes",
                );
                let written = written.bind(number).bind(blob.0).bind(&bytes[..]).execute(&pool).await?;
                Ok(written.rows_affected() > 0)
            }
        })
    }

    fn sync(&self) -> Result<(), BlobError> {
        // Each write is committed.
        Ok(())
    }

    fn remove(&self, blob: BlobId) -> Result<(), BlobError> {
        self.run(move |pool, number| async move {
            let removed = sqlx::query(
                "WITH gone AS ( \
                     DELETE FROM blobs WHERE workspace = $1 AND blob = $2 RETURNING octet_length(bytes) AS length) \
                 UPDATE blobs_size SET bytes = bytes - length FROM gone WHERE workspace = $1",
            );
            removed.bind(number).bind(blob.0).execute(&pool).await.map(drop)
        })
    }

    fn set_shown(&self, _blob: BlobId, _shown: bool) -> Result<(), BlobError> {
        // A relay goes by what it is offered.
        Ok(())
    }

    fn list(&self) -> Result<Vec<Stored>, BlobError> {
        let rows = self.run(|pool, number| async move {
            let rows =
                sqlx::query("SELECT blob, octet_length(bytes) FROM blobs WHERE workspace = $1 ORDER BY blob");
            let rows = rows.bind(number).fetch_all(&pool).await?;
            let pair = |row: &sqlx::postgres::PgRow| Ok((row.try_get(0)?, row.try_get(1)?));
            rows.iter().map(pair).collect::<Result<Vec<(Vec<u8>, i32)>, Error>>()
        })?;
        let stored = |(name, bytes): (Vec<u8>, i32)| {
            Some(Stored { blob: named(name)?, bytes: u64::try_from(bytes).ok()?, state: State::Shown })
        };
        Ok(rows.into_iter().filter_map(stored).collect())
    }

    fn bytes(&self) -> Result<u64, BlobError> {
        let bytes: Option<i64> = self.run(|pool, number| async move {
            let bytes = sqlx::query_scalar("SELECT bytes FROM blobs_size WHERE workspace = $1");
            bytes.bind(number).fetch_optional(&pool).await
        })?;
        Ok(bytes.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0))
    }

    fn renew(&self, blobs: &[BlobId]) -> Result<(), BlobError> {
        let names = names(blobs);
        self.run(move |pool, number| {
            let names = names.clone();
            async move {
                // Another relay may have been offered the same just now.
                let renewed = sqlx::query(
                    "UPDATE blobs SET offered_at = now() \
                     WHERE workspace = $1 AND blob = ANY($2) AND offered_at < now() - interval '1 hour'",
                );
                renewed.bind(number).bind(names).execute(&pool).await.map(drop)
            }
        })
    }

    fn drop_stale(&self, before: SystemTime, need: u64) -> Result<u64, BlobError> {
        let before = before.duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let need = i64::try_from(need).unwrap_or(i64::MAX);
        let freed: Option<i64> = self.run(move |pool, number| async move {
            // Deleted only if nobody offered it meanwhile.
            let freed = sqlx::query_scalar(
                "WITH old AS ( \
                     SELECT blob, sum(octet_length(bytes)) OVER (ORDER BY offered_at, blob) - octet_length(bytes) AS earlier \
                     FROM blobs WHERE workspace = $1 AND offered_at < to_timestamp($2)), \
                 gone AS ( \
                     DELETE FROM blobs USING old \
                     WHERE workspace = $1 AND blobs.blob = old.blob AND earlier < $3 AND offered_at < to_timestamp($2) \
                     RETURNING octet_length(bytes) AS length), \
                 freed AS (SELECT sum(length)::bigint AS length FROM gone) \
                 UPDATE blobs_size SET bytes = bytes - length FROM freed \
                 WHERE workspace = $1 AND length IS NOT NULL RETURNING length",
            );
            freed.bind(number).bind(before).bind(need).fetch_optional(&pool).await
        })?;
        Ok(freed.and_then(|freed| u64::try_from(freed).ok()).unwrap_or(0))
    }
}
