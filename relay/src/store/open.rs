//! Opening a log: which chains there are, and where their runs end.

use super::{DatabaseLog, Piece, Place, Shared, failed_read};
use crate::{database::Database, limits};
use sqlx::{Error, PgPool, Row, postgres::PgRow};
use std::{
    collections::BTreeMap,
    sync::{Arc, RwLock},
};
use velo_node::store::log_files::OpenReport;
use velo_protocol::{
    codec,
    id::{DeviceId, EntryId, Incarnation, LogId, PersonId, WorkspaceId},
    log::{ChainEnd, Head, Origin},
    store::{ChainInfo, ChainNo, StoreError, chains::ChainTable},
};

/// A row of `chains`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ChainRow {
    pub chain: i32,
    pub log: LogId,
    pub origin: Origin,
    pub base: ChainEnd,
    pub end: ChainEnd,
}

/// What [`ChainRow::read`] takes.
pub(crate) const CHAIN_COLUMNS: &str = "chain, log, person, device, incarnation, founder, \
    base_seq, base_id, base_entries, base_bytes, end_seq, end_id, end_entries, end_bytes";

impl ChainRow {
    pub fn read(row: &PgRow) -> Result<Self, Error> {
        Ok(Self {
            chain: row.try_get("chain")?,
            log: LogId(bytes(row, "log")?),
            origin: origin_of(row)?,
            base: end_of(row, ["base_seq", "base_id", "base_entries", "base_bytes"])?,
            end: end_of(row, ["end_seq", "end_id", "end_entries", "end_bytes"])?,
        })
    }
}

/// Whose log it is.
pub(crate) fn origin_of(row: &PgRow) -> Result<Origin, Error> {
    Ok(Origin {
        person: PersonId(bytes(row, "person")?),
        device: DeviceId(bytes(row, "device")?),
        incarnation: Incarnation(bytes(row, "incarnation")?),
        founder: row.try_get("founder")?,
    })
}

/// A column of a fixed length.
pub(crate) fn bytes<const N: usize>(row: &PgRow, column: &str) -> Result<[u8; N], Error> {
    let bytes: &[u8] = row.try_get(column)?;
    bytes.try_into().map_err(|_| Error::ColumnDecode {
        index: column.to_owned(),
        source: format!("it has {} bytes instead of {N}", bytes.len()).into(),
    })
}

fn end_of(row: &PgRow, [seq, id, entries, len]: [&str; 4]) -> Result<ChainEnd, Error> {
    let head = Head { position: row.try_get::<i64, _>(seq)? as u64, id: EntryId(bytes(row, id)?) };
    let (entries, bytes): (i32, i32) = (row.try_get(entries)?, row.try_get(len)?);
    Ok(ChainEnd { head, entries: entries as u32, bytes: bytes as u32 })
}

type Loaded = (i32, Vec<ChainRow>, BTreeMap<i32, Vec<ChainEnd>>);

/// The number of a workspace, which is given to it here if it has none.
pub(crate) async fn number_of<'a>(
    executor: impl sqlx::PgExecutor<'a>,
    workspace: WorkspaceId,
) -> Result<i32, Error> {
    sqlx::query_scalar(
        "INSERT INTO workspaces (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET id = excluded.id RETURNING number",
    )
    .bind(workspace.0)
    .fetch_one(executor)
    .await
}

async fn load(pool: PgPool, workspace: WorkspaceId) -> Result<Loaded, Error> {
    let number = number_of(&pool, workspace).await?;
    // One moment for both: another relay may be appending.
    let mut moment = pool.begin_with("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
    let sql = sqlx::AssertSqlSafe(format!(
        "SELECT {CHAIN_COLUMNS} FROM chains WHERE workspace = $1 ORDER BY chain"
    ));
    let chains = sqlx::query(sql).bind(number).fetch_all(&mut *moment).await?;
    let chains = chains.iter().map(ChainRow::read).collect::<Result<_, _>>()?;
    let rows = sqlx::query(
        "SELECT chain, seq, id, entries, bytes FROM checkpoints WHERE workspace = $1 ORDER BY chain, seq",
    );
    let rows = rows.bind(number).fetch_all(&mut *moment).await?;
    moment.commit().await?;
    let mut checkpoints: BTreeMap<i32, Vec<ChainEnd>> = BTreeMap::new();
    for row in &rows {
        let end = end_of(row, ["seq", "id", "entries", "bytes"])?;
        checkpoints.entry(row.try_get("chain")?).or_default().push(end);
    }
    Ok((number, chains, checkpoints))
}

pub(super) fn open(database: &Database, workspace: WorkspaceId) -> Result<DatabaseLog, StoreError> {
    let loaded = database.insist(limits::READ_PATIENCE_MS, move |pool| load(pool, workspace));
    let (number, rows, mut checkpoints) = loaded.map_err(|error| failed_read(&error))?;
    let place = Place { database: database.clone(), id: workspace, number };
    let (mut table, mut chains) = (ChainTable::<Piece>::default(), BTreeMap::new());
    for (row, no) in rows.iter().zip(0..) {
        let left = table.left_by(row.log, row.base.head, &place)?;
        table.start_chain(row.log, row.origin, row.base, left);
        let mut ends = checkpoints.remove(&row.chain).unwrap_or_default();
        if ends.last().is_none_or(|last| last.head != row.end.head) {
            ends.push(row.end);
        }
        let mut after = row.base.head.position;
        for end in ends {
            let to = end.head.position;
            table.extend(ChainNo(no), end, Piece { chain: row.chain, after, to }, Piece::merge);
            after = to;
        }
        chains.insert(ChainNo(no), row.chain);
    }
    let shared = Arc::new(Shared { place, table: RwLock::new(table) });
    Ok(DatabaseLog { shared, chains, read_only: None })
}

/// Opens it for a relay to which the workspace is new. What others wrote already is found when the relay appends
/// it, and until then is none of its chains.
pub(super) fn begin(database: &Database, workspace: WorkspaceId) -> Result<DatabaseLog, StoreError> {
    let number = database
        .insist(limits::READ_PATIENCE_MS, move |pool| async move { number_of(&pool, workspace).await });
    let number = number.map_err(|error| failed_read(&error))?;
    let place = Place { database: database.clone(), id: workspace, number };
    let shared = Arc::new(Shared { place, table: RwLock::new(ChainTable::default()) });
    Ok(DatabaseLog { shared, chains: BTreeMap::new(), read_only: None })
}

/// Whether a state that was saved with this index goes on from what the database holds.
pub(super) fn compare(held: &[ChainInfo], index: Option<&[u8]>) -> OpenReport {
    let Some(saved) = index.and_then(|index| codec::decode::<Vec<ChainInfo>>(index).ok()) else {
        return OpenReport::default();
    };
    let is_same = |(saved, held): (&ChainInfo, &ChainInfo)| (saved.log, saved.base) == (held.log, held.base);
    let used_index = saved.len() <= held.len() && saved.iter().zip(held).all(is_same);
    let end = |chain: &ChainInfo| {
        let same = held.iter().filter(|held| (held.log, held.base) == (chain.log, chain.base));
        same.map(|held| held.end.head.position).max().unwrap_or(0)
    };
    let shortened = saved.iter().any(|chain| end(chain) < chain.end.head.position);
    OpenReport { used_index, shortened, ..OpenReport::default() }
}
