//! Devices that join, are removed, write and sync in any order, all of them honest.

use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::BTreeSet;
use velo_protocol::{
    id::{EntryId, WorkspaceId},
    keys::{
        epoch::{KeyEpoch, KeyShare},
        ring::{KeyRing, Write},
        wrap::{ReceivingKey, RecipientKey},
    },
};

pub const WORKSPACE: WorkspaceId = WorkspaceId([7; 32]);
pub const DEVICES: usize = 4;

pub fn secret(device: usize) -> ReceivingKey {
    ReceivingKey::from_seed(&[device as u8 + 1; 32])
}

pub fn public(device: usize) -> RecipientKey {
    secret(device).public()
}

pub fn all(devices: impl IntoIterator<Item = usize>) -> BTreeSet<RecipientKey> {
    devices.into_iter().map(public).collect()
}

pub fn ring(device: usize) -> KeyRing {
    KeyRing::new(WORKSPACE, vec![secret(device)])
}

#[derive(Debug, Clone)]
pub enum Body {
    Epoch(KeyEpoch),
    Share(KeyShare),
}

#[derive(Debug, Clone)]
pub struct Entry {
    pub id: EntryId,
    pub body: Body,
    pub author: usize,
    /// Which version of the membership its author had seen.
    pub view: usize,
}

pub fn add(ring: &mut KeyRing, entry: &Entry, effective: bool) {
    match &entry.body {
        Body::Epoch(body) => ring.add_epoch(entry.id, body, effective),
        Body::Share(body) => ring.add_share(entry.id, body, effective),
    };
}

pub struct Device {
    pub ring: KeyRing,
    pub seen: BTreeSet<usize>,
    pub view: usize,
}

pub struct World {
    /// Who is current, by version. Everybody sees versions in this order, sooner or later.
    pub versions: Vec<BTreeSet<usize>>,
    pub entries: Vec<Entry>,
    pub devices: Vec<Device>,
    pub rng: ChaCha20Rng,
    /// Whether who was removed may come back.
    returns: bool,
}

#[derive(Debug, Clone, Copy)]
pub enum Action {
    Join(usize),
    Remove(usize),
    Write(usize),
    /// As after a ticket was used up, whether or not an epoch fits.
    Rotate(usize),
    Sync(usize, usize),
}

/// Device 0 is the founder and stays.
pub fn actions() -> impl Strategy<Value = Vec<Action>> {
    let action = prop_oneof![
        2 => (1..DEVICES).prop_map(Action::Join),
        2 => (1..DEVICES).prop_map(Action::Remove),
        3 => (0..DEVICES).prop_map(Action::Write),
        2 => (0..DEVICES).prop_map(Action::Rotate),
        3 => (0..DEVICES, 0..DEVICES).prop_map(|(to, from)| Action::Sync(to, from)),
    ];
    proptest::collection::vec(action, 1..30)
}

impl World {
    pub fn new(returns: bool) -> Self {
        let device = |n| Device { ring: ring(n), seen: BTreeSet::new(), view: 0 };
        Self {
            versions: vec![BTreeSet::from([0, 1])],
            entries: Vec::new(),
            devices: (0..DEVICES).map(device).collect(),
            rng: ChaCha20Rng::from_seed([9; 32]),
            returns,
        }
    }

    /// Does it. Returns the epoch under which was written.
    pub fn act(&mut self, action: Action) -> Option<EntryId> {
        match action {
            Action::Join(device) => self.join(device),
            Action::Remove(device) => self.remove(device),
            Action::Sync(to, from) => self.sync(to, from),
            Action::Write(device) => return self.write(device),
            Action::Rotate(device) if self.current(device).contains(&device) => {
                self.rotate(device, &all(self.current(device).clone()));
            }
            Action::Rotate(_) => {}
        }
        None
    }

    /// A change by the founder, who has seen all that went before.
    fn change(&mut self, change: impl FnOnce(&mut BTreeSet<usize>)) {
        let mut next = self.versions[self.versions.len() - 1].clone();
        change(&mut next);
        self.versions.push(next);
        self.look(0, self.versions.len() - 1);
    }

    pub fn join(&mut self, device: usize) {
        let was_here = self.versions.iter().any(|version| version.contains(&device));
        if self.returns || !was_here {
            self.change(|current| _ = current.insert(device));
        }
    }

    pub fn remove(&mut self, device: usize) {
        self.change(|current| _ = current.remove(&device));
    }

    pub fn sync(&mut self, to: usize, from: usize) {
        let missing: Vec<_> = self.devices[from].seen.difference(&self.devices[to].seen).copied().collect();
        for entry in missing {
            self.receive(to, entry);
        }
        self.look(to, self.devices[from].view);
    }

    /// What a removed device wrote without having seen it is void for who has seen it.
    fn is_effective(&self, entry: &Entry, view: usize) -> bool {
        let later = self.versions.get(entry.view..=view).unwrap_or_default();
        later.iter().all(|version| version.contains(&entry.author))
    }

    fn receive(&mut self, device: usize, entry: usize) {
        let effective = self.is_effective(&self.entries[entry], self.devices[device].view);
        add(&mut self.devices[device].ring, &self.entries[entry], effective);
        self.devices[device].seen.insert(entry);
    }

    fn look(&mut self, device: usize, view: usize) {
        let view = view.max(self.devices[device].view);
        self.devices[device].view = view;
        for entry in self.devices[device].seen.clone() {
            let effective = self.is_effective(&self.entries[entry], view);
            self.devices[device].ring.set_effective(self.entries[entry].id, effective);
        }
    }

    pub fn current(&self, device: usize) -> &BTreeSet<usize> {
        &self.versions[self.devices[device].view]
    }

    pub fn post(&mut self, author: usize, body: Body) -> EntryId {
        let mut id = EntryId([0; 32]);
        self.rng.fill_bytes(&mut id.0);
        self.entries.push(Entry { id, body, author, view: self.devices[author].view });
        self.receive(author, self.entries.len() - 1);
        id
    }

    pub fn rotate(&mut self, author: usize, current: &BTreeSet<RecipientKey>) -> EntryId {
        let rotation = self.devices[author].ring.rotate(current, &mut self.rng);
        self.devices[author].ring.learn(rotation.key);
        self.post(author, Body::Epoch(rotation.body))
    }

    /// Whether the author of an epoch had seen every removal up to a version.
    fn knows(&self, epoch: EntryId, view: usize) -> bool {
        let removes = |version: &usize| !self.versions[version - 1].is_subset(&self.versions[*version]);
        let last = (1..=view).rev().find(removes).unwrap_or(0);
        self.entries.iter().any(|entry| entry.id == epoch && entry.view >= last)
    }

    pub fn write(&mut self, device: usize) -> Option<EntryId> {
        let current = self.current(device).clone();
        if !current.contains(&device) {
            return None;
        }
        let current = all(current);
        for _ in 0..3 {
            let knows = |epoch| self.knows(epoch, self.devices[device].view);
            match self.devices[device].ring.to_write(&current, knows) {
                Write::Use(epoch) => return Some(epoch),
                Write::Rotate => _ = self.rotate(device, &current),
                Write::ShareFirst(epoch, missing) => {
                    let shares = self.devices[device].ring.share(epoch, missing, &mut self.rng);
                    for share in shares {
                        self.post(device, Body::Share(share));
                    }
                }
            }
        }
        panic!("a rotation and a share are enough");
    }
}

/// What this device can read if it gets these entries.
pub fn reader<'a>(device: usize, entries: impl IntoIterator<Item = &'a Entry>) -> KeyRing {
    let mut ring = ring(device);
    entries.into_iter().for_each(|entry| add(&mut ring, entry, true));
    ring
}
