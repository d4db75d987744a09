//! How far a peer has each chain: by its own word, and by what is on its way to it.
//!
//! What it said it holds stays true for the session. What was sent may have been dropped there, and
//! what is presumed may be wrong, so both are forgotten when the peer announces everything it holds. They
//! only say where a live edit is pushed: what a peer lacks it pulls by itself.

use crate::{
    log_set::LogSet,
    store::{ChainNo, EntryAt},
};
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
#[cfg_attr(feature = "sim", derive(Clone))]
pub(super) struct Marks {
    /// What the peer announced or sent: it holds this durably.
    acked: BTreeMap<ChainNo, u64>,
    /// What it most likely has besides, or will have soon.
    likely: BTreeMap<ChainNo, u64>,
}

impl Marks {
    /// How far the peer has a chain, or will have it.
    pub fn has(&self, logs: &LogSet, number: ChainNo) -> u64 {
        let likely = self.likely.get(&number).copied().unwrap_or(0);
        self.acked(logs, number).max(likely)
    }

    /// How far the peer said it has a chain.
    pub fn acked(&self, logs: &LogSet, number: ChainNo) -> u64 {
        let base = logs.chain(number).and_then(|chain| chain.parent).map_or(0, |parent| parent.position);
        self.acked.get(&number).copied().unwrap_or(0).max(base)
    }

    /// The peer holds this much of a chain.
    pub fn set_acked(&mut self, number: ChainNo, position: u64) -> bool {
        super::raise(&mut self.acked, number, position)
    }

    /// The peer holds `at`, and what lies before it on this chain and the chains it left.
    pub fn acknowledge(&mut self, logs: &LogSet, at: EntryAt) {
        let mut next = Some(at);
        while let Some(at) = next {
            self.set_acked(at.chain, at.position);
            next = logs.chain(at.chain).and_then(|chain| chain.parent);
        }
    }

    /// The peer most likely has this much of a chain, or will have it soon.
    pub fn presume(&mut self, number: ChainNo, position: u64) {
        super::raise(&mut self.likely, number, position);
    }

    /// The peer says everything that it holds.
    pub fn doubt(&mut self) {
        self.likely.clear();
    }
}
