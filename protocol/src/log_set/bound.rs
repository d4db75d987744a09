//! Bounds on branches and logs, made so that they cannot split peers.
//!
//! Every chain costs every peer memory and a line in each announcement, and one member can make as
//! many as it likes: so there are bounds ([`limits::BRANCHES_PER_LOG`], [`limits::LOGS_PER_DEVICE`],
//! [`limits::LOGS_PER_WORKSPACE`]). But two honest peers may reach a bound with different chains,
//! and must agree nevertheless on everything honest. Therefore:
//!
//! * A refused run is no fault of its sender.
//! * Nothing is refused while a log of another device waits for an entry that is not here: what an
//!   honest entry names is always taken, with all that leads to it.
//! * One chain more than the bound is kept as the proof that it was passed, so that whoever meets
//!   a peer that passed it soon knows the same. Such a *surplus* chain is held back: it is neither
//!   applied nor continued until an applicable entry names it.
//! * Where a bound is passed, the digest counts of a log only what other devices' entries name.
//!   That is equal on peers that applied the same entries, whatever else they hold.
//! * A device that applied a chain of such a log which nobody has named writes an `Ack` that names
//!   it: the others then take it too, and show the same.
//! * An own entry names chains within the bounds only, so an honest log names at most
//!   [`limits::BRANCHES_PER_LOG`] branches of one log and [`limits::LOGS_PER_DEVICE`] logs of one
//!   device. An entry that goes beyond, counted over its whole log up to there, is *not
//!   well-formed*: neither it nor anything after it is ever applied. That depends on the log and on
//!   what it names alone, so all peers find the same.

use super::{Chain, LogSet, Rejected};
use crate::{
    causality::Frontier,
    id::{DeviceId, EntryId, LogId},
    limits,
    log::Head,
    store::{ChainNo, EntryAt},
};
use std::collections::{BTreeMap, BTreeSet};

/// What the bounds need to know.
#[derive(Debug, Clone, Default)]
pub(super) struct Bounds {
    /// The logs of each device.
    by_device: BTreeMap<DeviceId, Vec<LogId>>,
    /// Logs of more branches than the bound.
    crowded_logs: BTreeSet<LogId>,
    /// Devices of more logs than the bound.
    crowded_devices: BTreeSet<DeviceId>,
    /// What the entries of a chain name within a crowd. Found when first asked for.
    names: BTreeMap<(ChainNo, Crowd), Vec<EntryAt>>,
}

/// Chains of which one log may name only so many.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Crowd {
    /// The branches of a log.
    Branches(LogId),
    /// The logs of a device.
    Logs(DeviceId),
}

impl Crowd {
    const fn bound(self) -> usize {
        match self {
            Self::Branches(_) => limits::BRANCHES_PER_LOG,
            Self::Logs(_) => limits::LOGS_PER_DEVICE,
        }
    }
}

/// Whether one chain more is within the bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Room {
    Free,
    /// It is kept as the proof that there is no room.
    Proof,
    None,
}

impl Room {
    fn beside(held: usize, bound: usize) -> Self {
        match held.cmp(&bound) {
            std::cmp::Ordering::Less => Self::Free,
            std::cmp::Ordering::Equal => Self::Proof,
            std::cmp::Ordering::Greater => Self::None,
        }
    }
}

impl LogSet {
    fn room(&self, log: LogId, device: DeviceId) -> Room {
        let Some(first) = self.first_chain(log).and_then(|number| self.chain(number)) else {
            let logs = self.bounds.by_device.get(&device).map_or(0, Vec::len);
            return Room::beside(logs, limits::LOGS_PER_DEVICE)
                .max(Room::beside(self.by_log.len(), limits::LOGS_PER_WORKSPACE));
        };
        if first.held_back {
            return Room::None;
        }
        Room::beside(self.chains_of(log).len(), limits::BRANCHES_PER_LOG)
    }

    /// Refuses a new chain that is over a bound and that nobody waits for.
    pub(super) fn check_room(&self, log: LogId, device: DeviceId) -> Result<(), Rejected> {
        if self.room(log, device) == Room::None && !self.is_missed(device) {
            return Err(Rejected::Bound);
        }
        Ok(())
    }

    /// Whether a chain about to be added is surplus.
    pub(super) fn is_surplus(&self, log: LogId, device: DeviceId) -> bool {
        let first = self.first_chain(log).and_then(|number| self.chain(number));
        first.is_some_and(|first| first.surplus) || self.room(log, device) != Room::Free
    }

    /// Counts a chain that was added.
    pub(super) fn count_chain(&mut self, log: LogId, device: DeviceId) {
        let branches = self.chains_of(log).len();
        let logs = self.bounds.by_device.entry(device).or_default();
        if branches == 1 {
            logs.push(log);
        }
        if logs.len() > limits::LOGS_PER_DEVICE {
            self.bounds.crowded_devices.insert(device);
        }
        if branches > limits::BRANCHES_PER_LOG {
            self.bounds.crowded_logs.insert(log);
        }
    }

    /// Whether a log of another device waits, itself or through others, for an entry that is not
    /// here: then it may be any, and nothing of `device` is refused.
    pub(super) fn is_missed(&self, device: DeviceId) -> bool {
        self.waits_in_vain(|chain| chain.origin.device != device)
    }

    /// Whether one of these chains waits, itself or through any others, for an entry that is not here.
    pub fn waits_in_vain(&self, is_one: impl Fn(&Chain) -> bool) -> bool {
        let mut waits: BTreeMap<ChainNo, Vec<EntryId>> = BTreeMap::new();
        for (id, chains) in &self.waiting {
            for chain in chains {
                waits.entry(*chain).or_default().push(*id);
            }
        }
        let is_one = |number: &ChainNo| self.chain(*number).is_some_and(&is_one);
        let mut open: Vec<ChainNo> = waits.keys().copied().filter(is_one).collect();
        let mut seen: BTreeSet<ChainNo> = open.iter().copied().collect();
        while let Some(number) = open.pop() {
            for id in waits.get(&number).into_iter().flatten() {
                match self.find(*id) {
                    None => return true,
                    Some(at) if seen.insert(at.chain) => open.push(at.chain),
                    Some(_) => {}
                }
            }
        }
        false
    }

    /// Whether only what others name counts of this chain's log.
    pub(super) fn is_crowded(&self, chain: &Chain) -> bool {
        self.bounds.crowded_logs.contains(&chain.log)
            || self.bounds.crowded_devices.contains(&chain.origin.device)
    }

    pub(super) fn is_full(&self) -> bool {
        self.by_log.len() > limits::LOGS_PER_WORKSPACE
    }

    /// What the digest counts of a chain.
    fn counted_head(&self, number: ChainNo) -> Option<(LogId, Head)> {
        let chain = self.chain(number)?;
        if self.is_crowded(chain) {
            // What lies below a named entry of a branch is no head.
            let position = (chain.named > chain.passed).then_some(chain.named)?;
            return Some((chain.log, Head { position, id: chain.own_id(position)? }));
        }
        if self.is_full() && !self.is_named(chain.log) {
            return None;
        }
        self.durable_head(number)
    }

    /// How far the digest counts a chain; 0 if it does not.
    pub fn counted_position(&self, number: ChainNo) -> u64 {
        self.counted_head(number).map_or(0, |(_, head)| head.position)
    }

    /// Whether peers that hold the same must agree on all of a chain: none may have refused some of it.
    pub fn counts_whole(&self, number: ChainNo) -> bool {
        self.chain(number).is_some_and(|chain| !self.is_crowded(chain) && !self.is_full())
    }

    /// What the digest counts, sorted.
    pub(super) fn counted_heads(&self) -> Vec<(LogId, Head)> {
        let mut heads: Vec<_> = self.chains().filter_map(|(number, _)| self.counted_head(number)).collect();
        heads.sort_unstable();
        heads
    }

    /// Whether an entry of another device names any of this log.
    fn is_named(&self, log: LogId) -> bool {
        self.chains_of(log).iter().any(|number| self.chain(*number).is_some_and(Chain::is_named))
    }

    /// Notes that an applied entry of chain `by` names these, and with them what their own device
    /// wrote before them.
    pub(super) fn note_named(&mut self, by: ChainNo, named: &[EntryAt]) {
        let Some(device) = self.chain(by).map(|chain| chain.origin.device) else { return };
        let mut open = named.to_vec();
        while let Some(at) = open.pop() {
            let Some(chain) = self.chains.get_mut(at.chain.0 as usize) else { continue };
            if chain.origin.device == device || at.position <= chain.named {
                continue;
            }
            let before = std::mem::replace(&mut chain.named, at.position).max(chain.passed);
            let mut left = chain.parent;
            self.siblings_named(at, before, &mut open);
            while let Some(at) = left {
                let Some(chain) = self.chains.get_mut(at.chain.0 as usize) else { break };
                let before = chain.named.max(chain.passed);
                chain.passed = chain.passed.max(at.position);
                left = chain.parent;
                self.siblings_named(at, before, &mut open);
            }
        }
    }

    /// What the entries of a chain behind `before`, up to `at`, name of their own device.
    fn siblings_named(&self, at: EntryAt, before: u64, siblings: &mut Vec<EntryAt>) {
        let Some(chain) = self.chain(at.chain) else { return };
        let device = chain.origin.device;
        let alone = self.bounds.by_device.get(&device).is_none_or(|logs| logs.len() < 2);
        if alone && self.chains_of(chain.log).len() < 2 {
            return;
        }
        let of_device = |dep: &EntryAt| self.chain(dep.chain).is_some_and(|of| of.origin.device == device);
        siblings.extend(self.deps.named_behind(at, before).filter(of_device));
    }

    /// Lets a surplus chain go on: an entry that is here and well-formed names it.
    pub(super) fn release(&mut self, at: EntryAt) {
        let mut next = Some(at);
        while let Some(at) = next {
            let Some(chain) = self.chains.get_mut(at.chain.0 as usize) else { break };
            if std::mem::take(&mut chain.held_back) {
                self.open.push(at.chain);
            }
            next = chain.parent;
        }
    }

    /// Entries of a chain became durable that are not applied as long as it is held back: who waits
    /// for them may find that now all it names is here.
    pub(super) fn wake_for_held(&mut self, number: ChainNo, from: u64) {
        let Some(chain) = self.chain(number) else { return };
        let positions = from + 1..=chain.durable;
        let ids: Vec<EntryId> = positions.filter_map(|position| chain.own_id(position)).collect();
        for id in ids {
            self.wake(id);
        }
    }

    /// Whether a device should name what nobody has named, itself included (`known`): chains within
    /// the bounds of logs that are over one, which peers that met other chains first refuse. `worth` as
    /// for [`LogSet::news`].
    pub fn owes_ack(&self, own: DeviceId, known: &Frontier, worth: impl Fn(ChainNo, u64) -> u64) -> bool {
        let bounds = &self.bounds;
        if bounds.crowded_logs.is_empty() && bounds.crowded_devices.is_empty() && !self.is_full() {
            return false;
        }
        self.chains().any(|(number, chain)| {
            let head = EntryAt { chain: number, position: worth(number, chain.applied) };
            let shown = !chain.surplus && head.position > chain.base.position && !known.contains(head);
            // Where branches leave, others may have met those and refused what follows here.
            let crowded = self.is_crowded(chain);
            let refused = || {
                crowded && chain.named <= chain.left
                    || !crowded && self.is_full() && !self.is_named(chain.log)
            };
            shown && chain.origin.device != own && refused()
        })
    }

    /// Whether the log of `at` stays within what one log may name.
    pub(super) fn is_well_formed(&mut self, at: EntryAt, deps: &[EntryAt]) -> bool {
        deps.iter().all(|dep| {
            let Some(chain) = self.chain(dep.chain) else { return false };
            let (log, device) = (chain.log, chain.origin.device);
            let branches = self.bounds.crowded_logs.contains(&log).then_some(Crowd::Branches(log));
            let logs = self.bounds.crowded_devices.contains(&device).then_some(Crowd::Logs(device));
            branches.into_iter().chain(logs).all(|crowd| self.may_name(at, crowd, *dep))
        })
    }

    /// Adds a place to those of a crowd that a log names. Where no bound was passed there is none
    /// to break, so most logs are never counted.
    fn may_name(&mut self, at: EntryAt, crowd: Crowd, dep: EntryAt) -> bool {
        let key = (at.chain, crowd);
        let mut names = self.bounds.names.remove(&key).unwrap_or_else(|| self.names_in(at, crowd));
        self.add_name(crowd, &mut names, dep);
        let within = names.len() <= crowd.bound();
        self.bounds.names.insert(key, names);
        within
    }

    /// What the log of `at` names in a crowd, before `at`.
    fn names_in(&self, at: EntryAt, crowd: Crowd) -> Vec<EntryAt> {
        let mut names = Vec::new();
        for dep in self.deps.names(at) {
            let member = self.chain(dep.chain).is_some_and(|chain| match crowd {
                Crowd::Branches(log) => chain.log == log,
                Crowd::Logs(device) => chain.origin.device == device,
            });
            if member {
                self.add_name(crowd, &mut names, dep);
            }
        }
        names
    }

    /// Names are branches, of which the furthest place is kept, or logs.
    fn add_name(&self, crowd: Crowd, names: &mut Vec<EntryAt>, dep: EntryAt) {
        let log_of = |at: EntryAt| self.chain(at.chain).map(|chain| chain.log);
        let known = match crowd {
            Crowd::Logs(_) => names.iter().any(|at| log_of(*at) == log_of(dep)),
            Crowd::Branches(_) => names.iter().any(|at| self.is_before(dep, *at)),
        };
        if !known {
            names.retain(|at| matches!(crowd, Crowd::Logs(_)) || !self.is_before(*at, dep));
            names.push(dep);
        }
    }

    /// Whether an entry is another one, or comes before it on its branch.
    fn is_before(&self, first: EntryAt, second: EntryAt) -> bool {
        let mut next = Some(second);
        while let Some(at) = next {
            if at.chain == first.chain {
                return first.position <= at.position;
            }
            next = self.chain(at.chain).and_then(|chain| chain.parent);
        }
        false
    }
}
