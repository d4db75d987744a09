//! A store in memory that fails when it is told to, for the simulator and for tests.
//!
//! Nothing fails by chance: the caller draws its faults from its own seed and names them here.
//! What was appended is durable; a crash is either an append that kept some of its runs
//! ([`MemoryLog::tear`]) or one that never came. After a failure the store is read-only until
//! [`MemoryLog::reopen`], as a real one is.

use super::{
    Batch, BatchRun, ChainInfo, ChainNo, LogReader, LogStore, StoreError,
    chains::{ChainTable, PieceSource, StoredRun, end_before},
};
use crate::{id::EntryId, log::Run};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a read says that fails because it was told to.
pub const FAULT: &str = "a fault was injected";

/// How an append fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Fault {
    /// Appends that succeed before.
    after: u64,
    /// Runs of the failing batch that are there nevertheless.
    keep: usize,
}

#[derive(Debug, Default, Clone)]
struct Shared {
    /// Everything durable, in order: the truth from which `table` follows.
    runs: Vec<Arc<BatchRun>>,
    table: ChainTable<Arc<BatchRun>>,
    fault: Option<Fault>,
    /// Whether the next run that is read fails.
    read_fault: bool,
    read_only: bool,
}

impl Shared {
    fn append(&mut self, runs: &[BatchRun]) -> Result<(), StoreError> {
        self.table.check(runs)?;
        for run in runs {
            let run = Arc::new(run.clone());
            self.note(&run)?;
            self.runs.push(run);
        }
        Ok(())
    }

    fn note(&mut self, item: &Arc<BatchRun>) -> Result<(), StoreError> {
        if self.table.end(item.chain).is_none() {
            let base = end_before(&item.run, &item.end);
            let left = self.table.left_by(item.run.log, base.head, &InMemory)?;
            self.table.start_chain(item.run.log, item.origin, base, left);
        }
        self.table.extend(item.chain, item.end, Arc::clone(item), |_, _| false);
        Ok(())
    }

    /// How many runs of the next batch survive, if it is to fail.
    fn next_fault(&mut self) -> Option<usize> {
        let fault = self.fault.as_mut()?;
        if fault.after > 0 {
            fault.after -= 1;
            return None;
        }
        self.fault.take().map(|fault| fault.keep)
    }
}

struct InMemory;

impl PieceSource for InMemory {
    type Piece = Arc<BatchRun>;

    fn read(&self, piece: &Self::Piece) -> Result<Vec<StoredRun>, StoreError> {
        let after = piece.run.after.position;
        let entries = piece.end.head.position.saturating_sub(after) as u32;
        let (bytes, seal) = (piece.run.bytes.clone(), piece.run.seal);
        Ok(vec![StoredRun { after, entries, bytes, seal }])
    }
}

/// See the module. A clone is another handle to the same storage.
#[derive(Debug, Clone, Default)]
pub struct MemoryLog {
    shared: Arc<Mutex<Shared>>,
}

/// Reads a [`MemoryLog`].
#[derive(Debug, Clone)]
pub struct MemoryReader {
    shared: Arc<Mutex<Shared>>,
}

fn lock(shared: &Mutex<Shared>) -> MutexGuard<'_, Shared> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl MemoryLog {
    /// An empty store.
    pub fn new() -> Self {
        Self::default()
    }

    /// Another storage that holds the same.
    pub fn duplicate(&self) -> Self {
        Self { shared: Arc::new(Mutex::new(lock(&self.shared).clone())) }
    }

    /// Lets `after` more appends succeed and the next one fail with nothing written.
    pub fn fail(&self, after: u64) {
        lock(&self.shared).fault = Some(Fault { after, keep: 0 });
    }

    /// Lets the next append fail after its first `keep` runs have become durable: a crash in the
    /// middle of it.
    pub fn tear(&self, keep: usize) {
        lock(&self.shared).fault = Some(Fault { after: 0, keep });
    }

    /// Lets the next reading of a run fail.
    pub fn fail_read(&self) {
        lock(&self.shared).read_fault = true;
    }

    /// Opens the storage again after a failure. Faults that have not struck are forgotten.
    pub fn reopen(&self) {
        let mut shared = lock(&self.shared);
        (shared.read_only, shared.fault, shared.read_fault) = (false, None, false);
    }

    /// How many runs are durable: names the present state for [`MemoryLog::restore`].
    pub fn durable_runs(&self) -> usize {
        lock(&self.shared).runs.len()
    }

    /// Restores the backup taken when `runs` runs were durable. Every chain is cut back to then;
    /// chains that came later are gone.
    pub fn restore(&self, runs: usize) -> Result<(), StoreError> {
        let mut shared = lock(&self.shared);
        shared.runs.truncate(runs);
        shared.table = ChainTable::default();
        (shared.read_only, shared.fault) = (false, None);
        for run in shared.runs.clone() {
            shared.note(&run)?;
        }
        Ok(())
    }
}

impl LogStore for MemoryLog {
    type Reader = MemoryReader;

    fn reader(&self) -> MemoryReader {
        MemoryReader { shared: Arc::clone(&self.shared) }
    }

    fn append(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let mut shared = lock(&self.shared);
        if shared.read_only {
            return Err(StoreError::Write("storage is read-only after a failure".into()));
        }
        let Some(keep) = shared.next_fault() else {
            return shared.append(&batch.runs);
        };
        shared.read_only = true;
        let kept = batch.runs.get(..keep).unwrap_or(&batch.runs);
        shared.append(kept)?;
        Err(StoreError::Write("a fault was injected".into()))
    }
}

impl LogReader for MemoryReader {
    fn chains(&self) -> Vec<ChainInfo> {
        lock(&self.shared).table.infos()
    }

    fn read_run(&self, chain: ChainNo, position: u64) -> Result<Option<Run>, StoreError> {
        let mut shared = lock(&self.shared);
        if std::mem::take(&mut shared.read_fault) {
            return Err(StoreError::Read(FAULT.into()));
        }
        let plan = shared.table.plan_run(chain, position);
        plan.map(|plan| plan.carry_out(&InMemory)).transpose()
    }

    fn entry_id(&self, chain: ChainNo, position: u64) -> Result<Option<EntryId>, StoreError> {
        let plan = lock(&self.shared).table.plan_id(chain, position);
        plan.map_or(Ok(None), |plan| plan.carry_out(&InMemory))
    }
}

#[cfg(all(test, feature = "sim"))]
mod tests {
    use super::*;
    use crate::store::conformance::{self, Author, batch};

    #[test]
    fn conforms() {
        conformance::check(MemoryLog::new);
    }

    #[test]
    fn faults_strike_when_told_and_leave_a_prefix() {
        let (mut log, mut author) = (MemoryLog::new(), Author::new(1));
        log.fail(1);
        log.append(&batch([author.write(ChainNo(0), 1, 10)])).unwrap();
        let durable = author.clone();
        let lost = batch([author.write(ChainNo(0), 1, 10), author.write(ChainNo(0), 2, 10)]);
        assert!(log.append(&lost).is_err());
        assert!(log.append(&lost).is_err(), "read-only until reopened");
        durable.assert_held(&log.reader(), ChainNo(0));
        log.reopen();
        log.tear(1);
        assert!(log.append(&lost).is_err());
        assert_eq!(log.reader().chains()[0].end.head.position, 2);
    }

    #[test]
    fn a_backup_forgets_what_came_later() {
        let (mut log, mut author) = (MemoryLog::new(), Author::new(1));
        log.append(&batch([author.write(ChainNo(0), 5, 10)])).unwrap();
        let (backup, then) = (log.durable_runs(), author.clone());
        log.append(&batch([author.write(ChainNo(0), 5, 10), Author::new(2).write(ChainNo(1), 1, 1)]))
            .unwrap();
        log.restore(backup).unwrap();
        assert_eq!(log.reader().chains().len(), 1);
        then.assert_held(&log.reader(), ChainNo(0));
    }
}
