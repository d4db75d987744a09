//! What the core asks of storage: an append-only home for runs.
//!
//! The log is the truth. [`LogStore`] keeps it; everything else on disk is an index that can be
//! rebuilt. Implementations: files (`velo-node`), memory with faults (below, for the simulator and
//! tests), `PostgreSQL` (`velo-relay`). One conformance suite runs against all of them.

use crate::{
    id::{EntryId, LogId},
    log::{ChainEnd, Head, Origin, Run},
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub mod chains;
#[cfg(feature = "sim")]
pub mod conformance;
pub mod memory;

/// Why storage failed. After [`StoreError::Write`] nothing more may be written until it is reopened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// Reading failed: the disk, or bytes that fail their checksum.
    #[error("reading the log: {0}")]
    Read(String),
    /// Writing failed. What was being written may or may not be there after reopening.
    #[error("writing the log: {0}")]
    Write(String),
}

/// One branch of one log. A log has one, unless its device forked it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ChainNo(pub u32);

/// Where an entry stands in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntryAt {
    /// Its chain.
    pub chain: ChainNo,
    /// Its position.
    pub position: u64,
}

impl EntryAt {
    /// On no chain: behind everything there can be.
    pub const NOWHERE: Self = Self { chain: ChainNo(u32::MAX), position: 1 };
}

/// What a store knows of one chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainInfo {
    /// The log.
    pub log: LogId,
    /// Whose it is.
    pub origin: Origin,
    /// Where it leaves another chain of the same log; the start of the log for its first chain.
    pub base: Head,
    /// Its last entry, and how far the last checkpoint lies back.
    pub end: ChainEnd,
}

/// Runs to be made durable together. Each continues a chain's end or starts a new chain.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// In the order in which they were verified.
    pub runs: Vec<BatchRun>,
}

/// A verified run on its way to the disk.
#[derive(Debug, Clone)]
pub struct BatchRun {
    /// Its chain. Numbers are given in order, from 0, by the replica, in order of first appearance
    /// in the store.
    pub chain: ChainNo,
    /// Whose log it is.
    pub origin: Origin,
    /// The bytes, as received.
    pub run: Run,
    /// The chain's end after it.
    pub end: ChainEnd,
}

/// An append-only home for the logs of one workspace.
///
/// Chains are numbered by the caller in order of first appearance; a store reports them in the
/// same order when it is opened.
pub trait LogReader {
    /// Every chain, by number, up to its last durable entry.
    fn chains(&self) -> Vec<ChainInfo>;

    /// The next run after `position` of `chain`: up to the next checkpoint, or to the durable end
    /// with its seal. `None` at the end. The run starts exactly after `position`.
    fn read_run(&self, chain: ChainNo, position: u64) -> Result<Option<Run>, StoreError>;

    /// The id of the entry at `position` of `chain`. A position below the chain's base is answered
    /// from the chain it left.
    fn entry_id(&self, chain: ChainNo, position: u64) -> Result<Option<EntryId>, StoreError>;
}

impl<R: LogReader + ?Sized> LogReader for Arc<R> {
    fn chains(&self) -> Vec<ChainInfo> {
        (**self).chains()
    }

    fn read_run(&self, chain: ChainNo, position: u64) -> Result<Option<Run>, StoreError> {
        (**self).read_run(chain, position)
    }

    fn entry_id(&self, chain: ChainNo, position: u64) -> Result<Option<EntryId>, StoreError> {
        (**self).entry_id(chain, position)
    }
}

/// The writing half.
pub trait LogStore: Send {
    /// Reads what [`LogStore::append`] made durable, also while another thread appends.
    type Reader: LogReader + Clone + Send + 'static;

    /// A reader of this store.
    fn reader(&self) -> Self::Reader;

    /// Makes a batch durable, all of it or, after a crash, a prefix of its runs. When it returns,
    /// the bytes have survived.
    fn append(&mut self, batch: &Batch) -> Result<(), StoreError>;
}

impl<S: LogStore + ?Sized> LogStore for Box<S> {
    type Reader = S::Reader;

    fn reader(&self) -> S::Reader {
        (**self).reader()
    }

    fn append(&mut self, batch: &Batch) -> Result<(), StoreError> {
        (**self).append(batch)
    }
}
