//! Pages in memory.

use super::{SavedState, StateError, StateStore};
use std::collections::BTreeMap;
use velo_protocol::snapshot::{PageNo, Pages};

/// A store that loses everything with the process.
#[derive(Debug, Clone, Default)]
pub struct MemoryState {
    pages: BTreeMap<PageNo, Vec<u8>>,
    rest: Option<(Vec<u8>, Vec<u8>)>,
}

impl MemoryState {
    /// What was saved last; `None` if nothing was.
    pub fn saved(&self) -> Option<SavedState> {
        let (meta, log_index) = self.rest.clone()?;
        let pages = self.pages.iter().map(|(no, bytes)| (*no, bytes.clone())).collect();
        Some(SavedState { meta, pages, log_index })
    }
}

impl StateStore for MemoryState {
    fn save(&mut self, pages: &Pages, log_index: &[u8]) -> Result<(), StateError> {
        self.pages.extend(pages.pages.iter().cloned());
        self.rest = Some((pages.meta.clone(), log_index.to_vec()));
        Ok(())
    }

    fn discard(self) {}
}
