//! Which peers let pulls fail: they rest, and others are asked first.
//!
//! Remembered by device and across sessions, since a session is opened anew in no time. Whoever brings
//! what is wanted is forgotten here.

use crate::{id::DeviceId, limits, time::Now};
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug, Default)]
#[cfg_attr(feature = "sim", derive(Clone))]
pub(in crate::replica) struct Defaulters {
    of: BTreeMap<DeviceId, Defaulter>,
}

#[derive(Debug, Clone, Copy)]
struct Defaulter {
    times: u32,
    rests_until: u64,
}

impl Defaulters {
    /// A peer let a pull stall, or ended it, or the session, without what was wanted.
    pub fn failed(&mut self, now: Now, peer: DeviceId, stalled: bool) {
        let times = self.times(peer);
        let rest = if stalled {
            limits::PULL_STALL_MS << times.min(limits::STALL_DOUBLINGS)
        } else {
            limits::PULL_BARREN_MS << times.min(limits::BARREN_DOUBLINGS)
        };
        let rests_until = now.mono_ms.saturating_add(rest);
        self.of.insert(peer, Defaulter { times: times.saturating_add(1), rests_until });
        if self.of.len() > limits::DEFAULTERS {
            let rested = self.of.iter().min_by_key(|(_, of)| of.rests_until).map(|(peer, _)| *peer);
            rested.map(|peer| self.of.remove(&peer));
        }
    }

    /// A peer brought what was wanted.
    pub fn brought(&mut self, peer: DeviceId) {
        self.of.remove(&peer);
    }

    /// How often in a row a peer let a pull fail.
    pub fn times(&self, peer: DeviceId) -> u32 {
        self.of.get(&peer).map_or(0, |of| of.times)
    }

    /// Whether a peer is not asked now.
    pub fn rests(&self, now: Now, peer: DeviceId) -> bool {
        self.of.get(&peer).is_some_and(|of| now.mono_ms < of.rests_until)
    }

    /// When one of these may be asked again.
    pub fn deadline<'a>(&self, now: Now, peers: impl Iterator<Item = &'a DeviceId>) -> Option<u64> {
        let resting = peers.filter_map(|peer| self.of.get(peer)).map(|of| of.rests_until);
        resting.filter(|until| now.mono_ms < *until).min()
    }
}
