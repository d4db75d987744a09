//! Which keys are devices of a person.
//!
//! A certificate leads from a parent key to a child key, and entries bring it. A device is linked
//! when certificates lead to it from the root and none of them was brought, by every entry that
//! brought it, after its parent had been unlinked. Only unlinks as strong as the act in question
//! count, so what is kept of each key is the depth *from which on* it is no longer linked: the best
//! way down from the root, where a way is as good as its worst step. That is Dijkstra's algorithm
//! with the least in place of the sum; it needs no tree, and circles do it no harm.

use super::{Access, ActNo, act::Link, circles, grant::Depth};
use crate::{
    id::{DeviceId, PersonId},
    store::EntryAt,
};
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};

/// Which unlinks concern an act: to unlink the own device does not undo the unlinks that it, and
/// those below it, wrote before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Walk {
    /// For an unlink: those of a device by itself do not count.
    Unlink,
    /// For all else.
    Other,
}

/// One key of a person. Grows with the acts that name it.
#[derive(Debug, Clone, Default)]
struct Device {
    /// The certificates for it: by parent, the entries that brought it.
    parents: BTreeMap<DeviceId, Vec<EntryAt>>,
    /// Keys with a certificate by this one.
    children: Vec<DeviceId>,
    /// Well-formed unlinks of it.
    unlinks: Vec<ActNo>,
    /// Whether it wrote a well-formed act.
    acted: bool,
    /// More than that of every key above it.
    rank: u32,
}

/// The keys of one person.
#[derive(Debug, Clone)]
pub(super) struct Devices {
    root: DeviceId,
    keys: BTreeMap<DeviceId, Device>,
    /// From which depth on each linked key is no longer linked.
    until: BTreeMap<(Walk, DeviceId), Depth>,
}

/// What bringing a certificate did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Brought {
    /// It was here already. Who had seen its older bringers had not seen this one: no link gets better.
    Known,
    /// It is the only one for a key of which nothing else is known.
    Leaf,
    /// Ways to other keys may have changed.
    Other,
}

impl Devices {
    pub fn new(person: PersonId) -> Self {
        let root = DeviceId(person.0);
        let until = [Walk::Unlink, Walk::Other].map(|walk| ((walk, root), Depth::Nobody)).into();
        Self { root, keys: BTreeMap::new(), until }
    }

    /// The unlinks of a key.
    pub fn unlinks(&self, device: DeviceId) -> &[ActNo] {
        self.keys.get(&device).map_or(&[], |key| &key.unlinks)
    }

    /// Every key that a certificate was brought for, and the root.
    pub fn linked(&self) -> impl Iterator<Item = DeviceId> + '_ {
        let keys = self.until.range((Walk::Other, DeviceId([0; 32]))..);
        keys.map(|((_, device), _)| *device)
    }

    /// From which depth on a key is not linked. `None` if no certificates lead to it.
    pub fn until(&self, walk: Walk, device: DeviceId) -> Option<Depth> {
        self.until.get(&(walk, device)).copied()
    }

    /// The rank of a key, higher than that of all above it.
    pub fn rank(&self, device: DeviceId) -> u32 {
        self.keys.get(&device).map_or(0, |key| key.rank)
    }

    pub fn acted(&mut self, device: DeviceId) {
        self.keys.entry(device).or_default().acted = true;
    }

    pub fn add_unlink(&mut self, no: ActNo, target: DeviceId) {
        self.keys.entry(target).or_default().unlinks.push(no);
    }

    /// Whether `upper` answers for `lower`, directly or through others, and not the other way round.
    pub fn is_above(&self, upper: DeviceId, lower: DeviceId) -> bool {
        let (rank, mut seen, mut open) = (self.rank(upper), BTreeSet::new(), vec![lower]);
        while let Some(key) = open.pop() {
            if key == upper {
                return rank < self.rank(lower);
            }
            if self.rank(key) >= rank && seen.insert(key) {
                let parents = self.keys.get(&key).into_iter().flat_map(|key| key.parents.keys());
                open.extend(parents.copied());
            }
        }
        false
    }

    /// The keys with a certificate by `device`: until where they are linked at most, and who brought it.
    pub fn below(&self, device: DeviceId) -> impl Iterator<Item = (Option<Depth>, &[EntryAt])> {
        let children = self.keys.get(&device).into_iter().flat_map(|key| &key.children);
        children.map(move |child| {
            let until = [Walk::Unlink, Walk::Other].map(|walk| self.until(walk, *child));
            (until.into_iter().max().flatten(), self.bringers(device, *child))
        })
    }

    fn bringers(&self, parent: DeviceId, child: DeviceId) -> &[EntryAt] {
        self.keys.get(&child).and_then(|key| key.parents.get(&parent)).map_or(&[], |at| at)
    }

    /// Takes a certificate. Nobody answers for the root, nor for himself.
    fn bring(&mut self, at: EntryAt, link: Link) -> Brought {
        if link.child == self.root || link.child == link.parent {
            return Brought::Known;
        }
        let rank = self.rank(link.parent) + 1;
        let child = self.keys.entry(link.child).or_default();
        if let Some(bringers) = child.parents.get_mut(&link.parent) {
            bringers.push(at);
            return Brought::Known;
        }
        let known = child.acted
            || !(child.parents.is_empty() && child.children.is_empty() && child.unlinks.is_empty());
        child.parents.insert(link.parent, vec![at]);
        child.rank = rank;
        self.keys.entry(link.parent).or_default().children.push(link.child);
        if known { Brought::Other } else { Brought::Leaf }
    }

    /// Finds all ranks anew.
    fn rank_all(&mut self) {
        let numbers: BTreeMap<_, _> = self.keys.keys().zip(0..).map(|(key, number)| (*key, number)).collect();
        let above =
            |key: &Device| key.parents.keys().filter_map(|parent| numbers.get(parent).copied()).collect();
        let ranks = circles::ranks(&self.keys.values().map(above).collect::<Vec<_>>());
        self.keys.values_mut().zip(ranks).for_each(|(key, rank)| key.rank = rank);
    }
}

impl Access {
    /// Takes the certificates that an entry brings. Returns the most that one of them did.
    pub(super) fn bring(&mut self, person: PersonId, at: EntryAt, links: &[Link]) -> Brought {
        let mut most = Brought::Known;
        for link in links {
            let brought = self.person(person).devices.bring(at, *link);
            match brought {
                Brought::Known => {}
                Brought::Leaf => self.reach_leaf(person, *link),
                Brought::Other => self.rebuild(person),
            }
            most = most.max(brought);
        }
        most
    }

    fn rebuild(&mut self, person: PersonId) {
        self.person(person).devices.rank_all();
        for no in self.acts_of(person).to_vec() {
            self.acts[no].below = self.unlinks_below(&self.acts[no].act);
        }
        self.reach(person);
    }

    fn reach_leaf(&mut self, person: PersonId, link: Link) {
        for walk in [Walk::Unlink, Walk::Other] {
            let devices = &self.person(person).devices;
            let Some(parent) = devices.until(walk, link.parent) else { continue };
            let until = parent.min(self.link_until(person, walk, link));
            self.person(person).devices.until.insert((walk, link.child), until);
        }
    }

    /// Finds anew how far each key of a person is linked.
    pub(super) fn reach(&mut self, person: PersonId) {
        let mut until = BTreeMap::new();
        for walk in [Walk::Unlink, Walk::Other] {
            let mut open = BinaryHeap::from([(Depth::Nobody, DeviceId(person.0))]);
            while let Some((depth, parent)) = open.pop() {
                if until.contains_key(&(walk, parent)) {
                    continue;
                }
                until.insert((walk, parent), depth);
                for link in self.links_by(person, parent) {
                    if !until.contains_key(&(walk, link.child)) {
                        open.push((depth.min(self.link_until(person, walk, link)), link.child));
                    }
                }
            }
        }
        self.person(person).devices.until = until;
    }

    fn links_by(&self, person: PersonId, parent: DeviceId) -> impl Iterator<Item = Link> + '_ {
        let key = self.people.get(&person).and_then(|person| person.devices.keys.get(&parent));
        key.into_iter().flat_map(|key| &key.children).map(move |child| Link { parent, child: *child })
    }

    /// From which depth on one certificate no longer holds: by the best of those who brought it.
    fn link_until(&self, person: PersonId, walk: Walk, link: Link) -> Depth {
        let bringers = self
            .people
            .get(&person)
            .map_or(&[][..], |person| person.devices.bringers(link.parent, link.child));
        let until = |at: &EntryAt| {
            let unlinks = self.unlinks_on(person, link.parent, walk, Depth::Nobody);
            let unseen = unlinks.filter(|unlink| !unlink.saw(*at));
            unseen.map(|unlink| self.depth(unlink)).min().unwrap_or(Depth::Nobody)
        };
        bringers.iter().map(until).max().unwrap_or(Depth::Nobody)
    }
}
