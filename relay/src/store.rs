//! Logs in `PostgreSQL`.
//!
//! An entry is a row, in the bytes in which its device wrote it; a seal stands with the entry that it
//! closes. Everything that appends to a workspace first locks its row in `workspaces`. So cursors are dense
//! and appear in order: whoever has read up to one misses nothing that comes with a lower one.
//!
//! ```text
//! workspaces   number, id, next cursor and chain      the lock
//! chains       whose log, where it begins and ends    in order of first appearance
//! entries      cursor -> chain, position, header, body, seal  partitioned by workspace
//! checkpoints  chain, position                        where runs end that are read
//! ```
//!
//! Several relays may write to one database. Each numbers the chains of a workspace as its own replica met
//! them, so here is written down which rows its chain consists of ([`Piece`]): what another relay wrote
//! already is found and not written twice ([`append`]).

mod append;
mod holders;
mod open;
mod rows;

use crate::{
    arrivals::Arrivals,
    blobs::BlobRows,
    database::{Database, DatabaseError},
    limits,
};
pub(crate) use append::APPENDED;
use append::Item;
pub(crate) use open::{CHAIN_COLUMNS, ChainRow, bytes as fixed_bytes, number_of, origin_of};
use sqlx::Row;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard},
};
use velo_node::{
    blobs::store::KeptBlobs,
    data_dir::DataDirError,
    store::{
        home::{KeptLog, KeptReader, LogHome, ReadLog},
        log_files::{Damage, OpenError, OpenReport, VerifyReport},
    },
};
use velo_protocol::{
    codec,
    crypto::{PublicKey, SecretKey, Sig},
    id::{EntryId, LogId, WorkspaceId},
    log::{self, ChainEnd, Head, Origin, Run, is_own_seal},
    store::{
        Batch, ChainInfo, ChainNo, LogReader, LogStore, StoreError,
        chains::{ChainTable, PieceSource, StoredRun, end_before},
    },
};

/// The logs of a relay's workspaces in its database, which is connected when it is needed.
/// A clone is the same.
#[derive(Debug, Clone)]
pub struct InDatabase {
    url: String,
    database: Arc<OnceLock<Database>>,
    arrivals: Arc<OnceLock<Arc<Arrivals>>>,
}

impl InDatabase {
    /// The database at a URL.
    pub fn at(url: String) -> Self {
        Self { url, database: Arc::default(), arrivals: Arc::default() }
    }

    /// What names it.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The same, open.
    pub fn database(&self) -> Result<&Database, DatabaseError> {
        if let Some(database) = self.database.get() {
            return Ok(database);
        }
        let opened = Database::open(&self.url)?;
        Ok(self.database.get_or_init(|| opened))
    }

    /// What is heard of it, by whoever asks through one connection.
    pub(crate) fn arrivals(&self) -> Result<Arc<Arrivals>, DatabaseError> {
        let database = self.database()?;
        Ok(Arc::clone(self.arrivals.get_or_init(|| Arc::new(Arrivals::listen(database)))))
    }
}

impl LogHome for InDatabase {
    fn name(&self) -> Option<&'static str> {
        Some("a database")
    }

    fn prepare(&self) -> Result<(), String> {
        self.database().map(drop).map_err(|error| error.to_string())
    }

    fn open(
        &self,
        workspace: WorkspaceId,
        folder: &Path,
        index: Option<&[u8]>,
    ) -> Result<(Box<dyn KeptLog>, OpenReport), OpenError> {
        let opened = self.held(workspace, folder, open::open)?;
        let report = open::compare(&opened.shared.table().infos(), index);
        Ok((Box::new(opened), report))
    }

    fn begin(
        &self,
        workspace: WorkspaceId,
        folder: &Path,
    ) -> Result<(Box<dyn KeptLog>, OpenReport), OpenError> {
        let begun = self.held(workspace, folder, open::begin)?;
        Ok((Box::new(begun), OpenReport::default()))
    }

    fn carried_blobs(&self, workspace: WorkspaceId, _folder: PathBuf) -> Box<dyn KeptBlobs> {
        Box::new(BlobRows::of(self.clone(), workspace))
    }

    fn forget(&self, workspace: WorkspaceId, folder: &Path) -> Result<(), StoreError> {
        let database = self.database().map_err(|error| StoreError::Write(error.to_string()))?;
        holders::forget(database, workspace, folder)
    }
}

impl InDatabase {
    /// Opens a log, and notes before that this relay holds it.
    fn held(
        &self,
        workspace: WorkspaceId,
        folder: &Path,
        open: fn(&Database, WorkspaceId) -> Result<DatabaseLog, StoreError>,
    ) -> Result<DatabaseLog, OpenError> {
        let database = self.database().map_err(|error| StoreError::Read(error.to_string()));
        let opened = database.and_then(|database| {
            holders::hold(database, workspace, folder)?;
            open(database, workspace)
        });
        opened.map_err(OpenError::Store)
    }
}

/// Rows of one chain, from behind one position up to another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Piece {
    chain: i32,
    after: u64,
    to: u64,
}

impl Piece {
    /// Takes in what follows. Runs of a span are read together, so only the last seal matters.
    fn merge(&mut self, next: &Self) -> bool {
        let follows = self.chain == next.chain && self.to == next.after;
        if follows {
            self.to = next.to;
        }
        follows
    }
}

/// The rows of one workspace.
#[derive(Debug, Clone)]
struct Place {
    database: Database,
    id: WorkspaceId,
    number: i32,
}

impl PieceSource for Place {
    type Piece = Piece;

    fn read(&self, piece: &Piece) -> Result<Vec<StoredRun>, StoreError> {
        let (number, Piece { chain, after, to }) = (self.number, *piece);
        let read = self.database.insist(limits::READ_PATIENCE_MS, move |pool| async move {
            let row = sqlx::query(
                "SELECT count(*), string_agg(header || body, ''::bytea ORDER BY seq), \
                     (array_agg(seal ORDER BY seq DESC))[1] \
                 FROM entries_of($1, $2, $3, $4)",
            );
            let row =
                row.bind(number).bind(chain).bind(after as i64).bind(to as i64).fetch_one(&pool).await?;
            let (count, bytes): (i64, Option<Vec<u8>>) = (row.try_get(0)?, row.try_get(1)?);
            // None where another relay wrote on within one run: then that is the last one read.
            let seal: Option<Vec<u8>> = row.try_get(2)?;
            Ok((count as u64, bytes.unwrap_or_default(), seal))
        });
        let (count, bytes, seal) = read.map_err(|error| failed_read(&error))?;
        if count != to - after {
            return Err(StoreError::Read(format!("the database holds {count} of {} entries", to - after)));
        }
        let seal = seal.and_then(|seal| seal.try_into().ok()).map_or(Sig([0; 64]), Sig);
        Ok(vec![StoredRun { after, entries: count as u32, bytes, seal }])
    }
}

fn failed_read(error: &sqlx::Error) -> StoreError {
    StoreError::Read(format!("the database: {error}"))
}

fn failed_write(error: &sqlx::Error) -> StoreError {
    StoreError::Write(format!("the database: {error}"))
}

/// What the log and its readers have in common.
#[derive(Debug)]
struct Shared {
    place: Place,
    table: RwLock<ChainTable<Piece>>,
}

impl Shared {
    fn table(&self) -> RwLockReadGuard<'_, ChainTable<Piece>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Shows readers what has become durable.
    fn publish(&self, batch: &Batch, pieces: Vec<Vec<(Piece, ChainEnd)>>) -> Result<(), StoreError> {
        for (item, pieces) in batch.runs.iter().zip(pieces) {
            let log = item.run.log;
            let base = end_before(&item.run, &item.end);
            let starts = self.table().end(item.chain).is_none();
            let left = if starts { self.table().left_by(log, base.head, &self.place)? } else { None };
            let mut table = self.table.write().unwrap_or_else(PoisonError::into_inner);
            if starts {
                table.start_chain(log, item.origin, base, left);
            }
            for (piece, end) in pieces {
                table.extend(item.chain, end, piece, Piece::merge);
            }
        }
        Ok(())
    }
}

/// The writing half of a log. See the module.
#[derive(Debug)]
pub struct DatabaseLog {
    shared: Arc<Shared>,
    /// To which rows each chain is appended.
    chains: BTreeMap<ChainNo, i32>,
    /// Why nothing more is written.
    read_only: Option<String>,
}

impl DatabaseLog {
    /// Opens the log of a workspace, made where there is none.
    pub fn open(database: &Database, workspace: WorkspaceId) -> Result<Self, StoreError> {
        open::open(database, workspace)
    }

    fn write(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let items = batch.runs.iter().map(Item::new).collect::<Result<Vec<Item>, _>>();
        let items = Arc::new(items.map_err(|error| StoreError::Write(error.to_string()))?);
        let (number, known) = (self.shared.place.number, self.chains.clone());
        let written = self.shared.place.database.insist(limits::WRITE_PATIENCE_MS, move |pool| {
            let (items, known) = (Arc::clone(&items), known.clone());
            async move { append::append(&pool, number, &items, known).await }
        });
        let written = written.map_err(|error| failed_write(&error))?;
        self.chains = written.chains;
        self.shared.publish(batch, written.pieces)
    }
}

impl LogStore for DatabaseLog {
    type Reader = KeptReader;

    fn reader(&self) -> KeptReader {
        Arc::new(DatabaseReader(Arc::clone(&self.shared)))
    }

    fn append(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if let Some(reason) = &self.read_only {
            return Err(StoreError::Write(reason.clone()));
        }
        if batch.runs.is_empty() {
            return Ok(());
        }
        self.shared.table().check(&batch.runs)?;
        self.write(batch).inspect_err(|error| self.read_only = Some(error.to_string()))
    }
}

impl KeptLog for DatabaseLog {
    /// The ends of the chains in this order: the state that is saved beside it fits no other.
    fn index(&self) -> Vec<u8> {
        codec::encode(&self.shared.table().infos())
    }

    fn note_lost(&self, log: LogId, _origin: Origin, position: u64) -> Result<(), DataDirError> {
        tracing::warn!(log = %log.short(), position, "the database was restored: peers bring back what it lacks");
        Ok(())
    }
}

#[derive(Debug)]
struct DatabaseReader(Arc<Shared>);

impl LogReader for DatabaseReader {
    fn chains(&self) -> Vec<ChainInfo> {
        self.0.table().infos()
    }

    fn read_run(&self, chain: ChainNo, position: u64) -> Result<Option<Run>, StoreError> {
        let plan = self.0.table().plan_run(chain, position);
        plan.map(|plan| plan.carry_out(&self.0.place)).transpose()
    }

    fn entry_id(&self, chain: ChainNo, position: u64) -> Result<Option<EntryId>, StoreError> {
        let plan = self.0.table().plan_id(chain, position);
        plan.map_or(Ok(None), |plan| plan.carry_out(&self.0.place))
    }
}

impl ReadLog for DatabaseReader {
    fn verify_all(&self, own: Option<&SecretKey>) -> Result<VerifyReport, OpenError> {
        let mut report = VerifyReport::default();
        for (chain, number) in self.chains().iter().zip(0..) {
            let mut head = chain.base;
            while let Some(run) = self.read_run(ChainNo(number), head.position).map_err(OpenError::Store)? {
                let (bytes, entries) = (run.bytes.len() as u64, head.position);
                head = check(self.0.place.id, chain, head, &run, own).map_err(OpenError::Store)?;
                report.bytes += bytes;
                report.entries += head.position - entries;
            }
            report.short_chains += usize::from(head != chain.end.head);
        }
        Ok(report)
    }

    fn damage(&self) -> Result<Damage, OpenError> {
        Ok(Damage::default())
    }
}

/// Checks that a run goes on from `head`, and its seal. Gives its end.
fn check(
    workspace: WorkspaceId,
    chain: &ChainInfo,
    head: Head,
    run: &Run,
    own: Option<&SecretKey>,
) -> Result<Head, StoreError> {
    let wrong =
        |what: &str| StoreError::Read(format!("log {} behind {}: {what}", chain.log.short(), head.position));
    if run.after != head {
        return Err(wrong("the rows do not continue it"));
    }
    let entries = log::parse_entries(head, &run.bytes).map_err(|error| wrong(&error.to_string()))?;
    let end = entries.last().map_or(head, |last| Head { position: last.position, id: last.id });
    let signed = PublicKey::parse(&chain.origin.device.0)
        .map_err(log_error)
        .and_then(|key| log::verify_seal(&key, workspace, chain.log, end, &run.seal).map_err(log_error));
    let is_own = own.is_some_and(|key| is_own_seal(key, workspace, chain.log, end, &run.seal));
    if is_own { Ok(end) } else { signed.map(|()| end).map_err(|error| wrong(&error)) }
}

fn log_error(error: impl std::fmt::Display) -> String {
    error.to_string()
}
