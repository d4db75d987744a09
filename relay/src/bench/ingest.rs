//! Writing entries into the database, beside a bare `COPY` of the same rows into a table without any index.
//!
//! What is measured is the whole of [`DatabaseLog`]: entries are taken out of their runs, compared with what is
//! there, copied, and committed in parts as large as the node's commits. The bare copy is one transaction.

use super::{process::blocking, server};
use crate::{database::Database, limits, store::DatabaseLog};
use sqlx::{Error, PgPool, postgres::PgPoolCopyExt};
use std::time::{Duration, Instant};
use velo_node::{api::ApiError, limits::COMMIT_BYTES};
use velo_protocol::{
    store::{Batch, LogStore, StoreError},
    workload,
};

/// How often the bare copy is done: the median counts.
const COPIES: usize = 3;
const COPY_OUT: &str = "COPY (SELECT * FROM entries) TO STDOUT WITH (FORMAT binary)";
const COPY_IN: &str = "COPY bare FROM STDIN WITH (FORMAT binary)";

/// What it took.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ingest {
    pub entries: u64,
    /// Of headers and bodies.
    pub bytes: u64,
    /// Appending.
    pub append: Duration,
    /// The bare copy.
    pub bare: Duration,
}

impl Ingest {
    /// How fast appending is, of how fast the bare copy is.
    pub fn ratio(&self) -> f64 {
        self.bare.as_secs_f64() / self.append.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

/// Measures it in an empty database.
pub(super) async fn measure(url: &str, seed: u64, ops: u64) -> Result<Ingest, ApiError> {
    let database = server::open(url).await?;
    let log = database.clone();
    let (entries, bytes, append) = blocking(move || append(&log, seed, ops)).await?;
    let bare = database.ask(limits::WRITE_PATIENCE_MS, |pool| async move { bare(&pool).await }).await;
    let bare = bare.map_err(|error| ApiError::Failed(format!("copying: {error}")))?;
    Ok(Ingest { entries, bytes, append, bare })
}

fn append(database: &Database, seed: u64, ops: u64) -> Result<(u64, u64, Duration), StoreError> {
    let mut parts: Vec<Batch> = Vec::new();
    let mut room = 0;
    let trace = workload::generate(seed, ops, &mut |batch| {
        let bytes = batch.runs.iter().map(|run| run.run.bytes.len()).sum::<usize>();
        match parts.last_mut() {
            Some(part) if bytes <= room => part.runs.extend(batch.runs),
            _ => {
                parts.push(batch);
                room = COMMIT_BYTES;
            }
        }
        room = room.saturating_sub(bytes);
        Ok(())
    })?;
    let mut log = DatabaseLog::open(database, trace.record.id)?;
    let start = Instant::now();
    parts.iter().try_for_each(|part| log.append(part))?;
    Ok((trace.entries, trace.bytes, start.elapsed()))
}

async fn bare(pool: &PgPool) -> Result<Duration, Error> {
    let rows = everything(pool).await?;
    sqlx::raw_sql("CREATE TABLE bare (LIKE entries)").execute(pool).await?;
    let mut times = Vec::new();
    for _ in 0..COPIES {
        sqlx::raw_sql("TRUNCATE bare; CHECKPOINT").execute(pool).await?;
        let start = Instant::now();
        let mut copy = pool.copy_in_raw(COPY_IN).await?;
        for part in &rows {
            copy.send(part.as_slice()).await?;
        }
        copy.finish().await?;
        times.push(start.elapsed());
    }
    times.sort_unstable();
    Ok(times[COPIES / 2])
}

/// Every row, in parts as they came.
async fn everything(pool: &PgPool) -> Result<Vec<Vec<u8>>, Error> {
    /// Sent at once, as appending does.
    const PART: usize = limits::COPY_BYTES;
    let mut stream = pool.copy_out_raw(COPY_OUT).await?;
    let mut parts = vec![Vec::new()];
    while let Some(row) = std::future::poll_fn(|context| stream.as_mut().poll_next(context)).await {
        if parts.last().is_none_or(|part| part.len() >= PART) {
            parts.push(Vec::with_capacity(PART));
        }
        if let Some(part) = parts.last_mut() {
            part.extend_from_slice(&row?);
        }
    }
    Ok(parts)
}
