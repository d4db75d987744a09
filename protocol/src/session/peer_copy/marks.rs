//! How far a peer has each chain: by its own word, and by what is on its way to it.
//!
//! What it said it holds stays true for the session. What was sent may have been dropped there, and
//! what is presumed may be wrong, so both are doubted when the peer announces everything it holds.

use crate::{
    limits,
    log_set::LogSet,
    store::{ChainNo, EntryAt},
    time::Now,
};
use std::collections::{BTreeMap, VecDeque};

/// See the module.
#[derive(Debug, Default)]
#[cfg_attr(feature = "sim", derive(Clone))]
pub(super) struct Marks {
    /// What the peer announced or sent: it holds this durably.
    acked: BTreeMap<ChainNo, u64>,
    /// What it most likely has besides, or will have soon.
    likely: BTreeMap<ChainNo, Likely>,
    /// What was sent and may still wait for the network: the bytes queued before, and the chain.
    queued: VecDeque<(u64, ChainNo)>,
}

#[derive(Debug, Clone, Copy)]
struct Likely {
    position: u64,
    why: Why,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Why {
    /// Its head lies beyond ours, so it most likely has what we have.
    Presumed,
    /// It waits for the network behind so many bytes. On a slow line that takes long, and sending
    /// it again would make it take longer.
    Queued(u64),
    /// Since then the network has written it, and the peer has not acknowledged more of it.
    Written(u64),
}

impl Marks {
    /// How far the peer has a chain, or will have it.
    pub fn has(&self, logs: &LogSet, number: ChainNo) -> u64 {
        let likely = self.likely.get(&number).map_or(0, |likely| likely.position);
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

    /// The peer holds `at`, and what lies before it on this chain and the chains it left. Returns
    /// the chains of the log about which something wrong may have been presumed.
    pub fn acknowledge(&mut self, now: Now, logs: &LogSet, at: EntryAt) -> Vec<ChainNo> {
        let mut next = Some(at);
        while let Some(at) = next {
            if self.set_acked(at.chain, at.position) {
                self.note_progress(now, at.chain);
            }
            next = logs.chain(at.chain).and_then(|chain| chain.parent);
        }
        // The head stands on one of our chains now: no more guessing where it continues.
        let chains = logs.chain(at.chain).map_or(&[][..], |chain| logs.chains_of(chain.log));
        let presumed =
            |number: &ChainNo| self.likely.get(number).is_some_and(|likely| likely.why == Why::Presumed);
        let doubtful: Vec<ChainNo> = chains.iter().copied().filter(presumed).collect();
        for number in &doubtful {
            self.likely.remove(number);
        }
        doubtful
    }

    /// A transfer that moves is not lost.
    fn note_progress(&mut self, now: Now, number: ChainNo) {
        if let Some(Likely { why: Why::Written(since), .. }) = self.likely.get_mut(&number) {
            *since = now.mono_ms;
        }
    }

    /// The peer most likely has this much of a chain.
    pub fn presume(&mut self, number: ChainNo, position: u64) {
        if self.likely.get(&number).is_none_or(|likely| likely.position < position) {
            self.likely.insert(number, Likely { position, why: Why::Presumed });
        }
    }

    /// A run up to `position` goes to the network, behind so many bytes. What was sent before and
    /// is not acknowledged keeps its time: who goes on typing must not put off the repair.
    pub fn send(&mut self, logs: &LogSet, number: ChainNo, position: u64, behind: u64) {
        let acked = self.acked(logs, number);
        let outstanding = |likely: &&Likely| likely.position > acked && likely.why != Why::Presumed;
        let why =
            self.likely.get(&number).filter(outstanding).map_or(Why::Queued(behind), |likely| likely.why);
        self.likely.insert(number, Likely { position, why });
        self.queued.push_back((behind, number));
    }

    /// The network has written so many bytes of the session.
    pub fn written(&mut self, now: Now, bytes: u64) {
        while let Some((behind, number)) = self.queued.front().copied().filter(|(behind, _)| *behind < bytes)
        {
            self.queued.pop_front();
            if let Some(likely) =
                self.likely.get_mut(&number).filter(|likely| likely.why == Why::Queued(behind))
            {
                likely.why = Why::Written(now.mono_ms);
            }
        }
    }

    /// The peer says everything that it holds: what it got long enough ago and does not name was
    /// dropped, and what was presumed is to be presumed anew.
    pub fn doubt(&mut self, now: Now) {
        self.likely.retain(|_, likely| match likely.why {
            Why::Presumed => false,
            Why::Queued(_) => true,
            Why::Written(at) => now.mono_ms < at + limits::RESEND_MS,
        });
    }
}
