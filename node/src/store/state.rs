//! The visible state on disk: pages written now and then, so that opening need not read the log.
//!
//! A cache, nothing more: whatever is wrong with it, it is put away and the state is rebuilt from
//! the log. Two things must hold. It is never ahead of the log, so it is saved only after the log
//! is durable; and what one [`StateStore::save`] brings is there in full or not at all.

#[cfg(feature = "testing")]
mod memory;
pub(crate) mod sled_state;

#[cfg(feature = "testing")]
pub use memory::MemoryState;
pub use sled_state::{SEGMENT, SledState};

use velo_protocol::snapshot::{PageNo, Pages};

/// What was saved last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SavedState {
    /// How far the pages reach, and small tables.
    pub meta: Vec<u8>,
    /// Every page.
    pub pages: Vec<(PageNo, Vec<u8>)>,
    /// What [`super::log_files::FileLog::index`] gave at that time.
    pub log_index: Vec<u8>,
}

/// Why the state was not saved. The log has everything, so nothing is lost but time.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The database says no.
    #[error("the state database: {0}")]
    Database(#[from] sled::Error),
    /// Compressing failed.
    #[error("compressing a page: {0}")]
    Compress(std::io::Error),
    /// A compacted database could not take the place of the old one.
    #[error("moving the compacted state: {0}")]
    Move(std::io::Error),
    /// It took its place, and cannot be opened.
    #[error("opening the compacted state: {0}")]
    Reopen(String),
    /// It could not even be opened.
    #[error("the state database cannot be opened; the state is rebuilt from the log at each start")]
    Closed,
    /// It ended by a panic.
    #[error("the state database panicked")]
    Panicked,
}

/// Keeps the pages of one workspace.
pub trait StateStore: Send {
    /// Adds pages, each in place of the one with its number, and replaces the rest.
    fn save(&mut self, pages: &Pages, log_index: &[u8]) -> Result<(), StateError>;

    /// Forgets everything, for good: pages that were taken from the state are lost, and later ones
    /// would not fit.
    fn discard(self);
}
