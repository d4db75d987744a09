//! Who can read what, found from every secret there is: honest writers use no key that somebody has who
//! is out.
//!
//! The simulator keeps every `KeyEpoch` and `KeyShare` ever written, and knows to whom each receiving
//! key belongs. Whenever an honest device writes a body it follows wraps and older keys, as far as that
//! device had them, and looks for a reader who is not in by the roster of that device. Only when it
//! finds one does it open the wraps themselves: what was wrapped wrongly opens nothing.

use super::World;
use crate::{
    control::Control,
    dice::Dice,
    id::{DeviceId, EntryId, PersonId, WorkspaceId},
    keys::{
        epoch::{KeyEpoch, KeyShare},
        ring::KeyRing,
        wrap::{ReceivingKey, RecipientKey},
    },
    log::{self, Entry, EntryKind},
    op,
    replica::Identity,
    root::Root,
    roster::Roster,
    sim::device::Device,
    store::Batch,
    ticket::Ticket,
};
use std::collections::{BTreeMap, BTreeSet};

/// Whose receiving key it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    Device(PersonId, DeviceId),
    Recovery(PersonId),
    Ticket(EntryId),
}

impl Owner {
    fn is_in(self, roster: &Roster) -> bool {
        match self {
            Self::Device(person, device) => {
                roster.members.get(&person).is_some_and(|standing| standing.devices.contains(&device))
            }
            Self::Recovery(person) => roster.members.contains_key(&person),
            Self::Ticket(invite) => roster.invites.iter().any(|open| open.id == invite),
        }
    }
}

#[derive(Debug)]
enum KeyEntry {
    Epoch(KeyEpoch),
    Share(KeyShare),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Secrets {
    owners: BTreeMap<RecipientKey, (Owner, ReceivingKey)>,
    /// Every key entry, and who wrote it.
    entries: BTreeMap<EntryId, (DeviceId, KeyEntry)>,
    /// Own entries of honest devices, noted when they were written.
    written: BTreeSet<EntryId>,
}

impl Secrets {
    pub fn new(devices: &[Device]) -> Self {
        let mut owners = BTreeMap::new();
        for device in devices {
            let person = device.identity.person;
            let (receiving, recovery) =
                (device.identity.receiving.clone(), Root::from_seed(device.root).recovery());
            owners.insert(receiving.public(), (Owner::Device(person, device.id()), receiving));
            owners.insert(recovery.public(), (Owner::Recovery(person), recovery));
        }
        Self { owners, entries: BTreeMap::new(), written: BTreeSet::new() }
    }

    /// A device is of another person now.
    pub fn note_device(&mut self, identity: &Identity) {
        let owner = Owner::Device(identity.person, identity.device_id());
        self.owners.insert(identity.receiving.public(), (owner, identity.receiving.clone()));
    }

    pub fn note_ticket(&mut self, ticket: &Ticket) {
        let receiving = ticket.receiving();
        self.owners.insert(receiving.public(), (Owner::Ticket(ticket.invite), receiving));
    }

    /// Notes an entry that gives a key.
    pub fn note(&mut self, by: DeviceId, entry: &Entry, bytes: &[u8]) {
        let body = entry.body(bytes);
        let read = match entry.header.kind {
            EntryKind::KEY_EPOCH => KeyEpoch::read(body).ok().map(KeyEntry::Epoch),
            EntryKind::KEY_SHARE => KeyShare::read(body).ok().map(KeyEntry::Share),
            _ => None,
        };
        if let Some(read) = read {
            self.entries.insert(entry.id, (by, read));
        }
    }

    /// Who wrote an epoch's entry.
    pub fn author(&self, epoch: EntryId) -> Option<DeviceId> {
        self.entries.get(&epoch).map(|(by, _)| *by)
    }

    fn kind(&self, id: EntryId) -> Option<EntryKind> {
        self.entries.get(&id).map(|(_, entry)| match entry {
            KeyEntry::Epoch(_) => EntryKind::KEY_EPOCH,
            KeyEntry::Share(_) => EntryKind::KEY_SHARE,
        })
    }

    /// A ring that opens whatever any honest device, ticket or recovery key opens.
    pub fn ring_of_all(&self, workspace: WorkspaceId, without: Option<PersonId>) -> KeyRing {
        let honest = self.owners.values().filter(|(owner, _)| match owner {
            Owner::Device(person, _) | Owner::Recovery(person) => Some(*person) != without,
            Owner::Ticket(_) => true,
        });
        KeyRing::new(workspace, honest.map(|(_, secret)| secret.clone()).collect())
    }

    /// Those to whom an epoch's key was given, directly or through a newer one, as far as `has` says
    /// that the entries are known.
    fn readers(&self, epoch: EntryId, has: &dyn Fn(EntryId) -> bool) -> BTreeSet<RecipientKey> {
        let known: Vec<_> = self.entries.iter().filter(|(id, _)| has(**id)).collect();
        let (mut seen, mut open) = (BTreeSet::from([epoch]), vec![epoch]);
        let mut readers = BTreeSet::new();
        while let Some(next) = open.pop() {
            let mut leads = |id: EntryId| {
                if seen.insert(id) {
                    open.push(id);
                }
            };
            let commitment = match self.entries.get(&next) {
                Some((_, KeyEntry::Epoch(body))) => Some(body.commitment),
                _ => None,
            };
            for (id, (_, entry)) in &known {
                match entry {
                    KeyEntry::Epoch(body) => {
                        if **id == next {
                            readers.extend(body.recipients());
                        }
                        let carries =
                            body.older.iter().any(|older| older.epoch == next && older.key.is_some());
                        if carries || Some(body.commitment) == commitment {
                            leads(**id);
                        }
                    }
                    KeyEntry::Share(body) if body.epoch == next => readers.extend(body.recipients()),
                    KeyEntry::Share(_) => {}
                }
            }
        }
        readers
    }

    /// Whether somebody has an epoch's key by what `has` says is known.
    fn opens(
        &self,
        workspace: WorkspaceId,
        secret: &ReceivingKey,
        epoch: EntryId,
        has: &dyn Fn(EntryId) -> bool,
    ) -> bool {
        let mut ring = KeyRing::new(workspace, vec![secret.clone()]);
        for (id, (_, entry)) in self.entries.iter().filter(|(id, _)| has(**id)) {
            match entry {
                KeyEntry::Epoch(body) => ring.add_epoch(*id, body, true),
                KeyEntry::Share(body) => ring.add_share(*id, body, true),
            };
        }
        ring.holds(epoch)
    }

    /// Whether the phrase of a member alone, if its key is among the `recovery` keys that are known, or an
    /// open ticket opens these epochs. Those of a member that cheats do not count: it may have given
    /// garbage.
    pub fn opens_all(
        &self,
        workspace: WorkspaceId,
        dice: &mut Dice,
        roster: &Roster,
        recovery: &BTreeSet<RecipientKey>,
        epochs: &[EntryId],
    ) -> Result<(), String> {
        let may_open = |(key, (owner, _)): &(&RecipientKey, &(Owner, ReceivingKey))| match owner {
            Owner::Device(..) => false,
            Owner::Recovery(_) => owner.is_in(roster) && recovery.contains(key),
            Owner::Ticket(_) => owner.is_in(roster),
        };
        let in_now: Vec<_> = self.owners.iter().filter(may_open).map(|(_, owner)| owner).collect();
        let Some((owner, secret)) = dice.pick(&in_now) else { return Ok(()) };
        match epochs.iter().find(|epoch| !self.opens(workspace, secret, **epoch, &|_| true)) {
            Some(_) => Err(format!("{owner:?} is in and does not open what was written")),
            None => Ok(()),
        }
    }

    /// Somebody who is not in, and has the key of an epoch.
    fn outsider(
        &self,
        workspace: WorkspaceId,
        epoch: EntryId,
        roster: &Roster,
        has: &dyn Fn(EntryId) -> bool,
    ) -> Option<Owner> {
        let readers = self.readers(epoch, has);
        let owners = readers.iter().filter_map(|reader| self.owners.get(reader));
        let mut outside = owners.filter(|(owner, _)| !owner.is_in(roster));
        let found = outside.find(|(_, secret)| self.opens(workspace, secret, epoch, has));
        found.map(|(owner, _)| *owner)
    }
}

impl World {
    /// Looks at what a device hands to its disk: what it wrote itself just now.
    pub(super) fn check_written(
        &mut self,
        (device, workspace): (usize, WorkspaceId),
        batch: &Batch,
    ) -> Result<(), String> {
        // What a person keeps is written for their own devices: see `private`.
        if self.devices[device].is_private(workspace) {
            return Ok(());
        }
        let id = self.devices[device].id();
        for run in batch.runs.iter().filter(|run| run.origin.device == id) {
            let entries =
                log::parse_entries(run.run.after, &run.run.bytes).map_err(|error| error.to_string())?;
            for entry in &entries {
                self.secrets.note(id, entry, &run.run.bytes);
                let is_news = self.secrets.written.insert(entry.id);
                if is_news && self.is_honest(device) {
                    self.check_entry(device, entry, entry.body(&run.run.bytes))?;
                }
            }
        }
        Ok(())
    }

    /// What an honest device just wrote rests on nothing that is void by what it knows.
    fn check_entry(&mut self, device: usize, entry: &Entry, body: &[u8]) -> Result<(), String> {
        // While it founds the workspace, nobody else is in.
        let Some(workspace) = self.workspace else { return Ok(()) };
        let Some(replica) = &self.devices[device].replica else { return Ok(()) };
        let Some((state, logs)) = replica.workspace(workspace).zip(replica.logs(workspace)) else {
            return Ok(());
        };
        let is_void = |id, kind| {
            let at = logs.find(id)?;
            replica.why_void(workspace, at, kind)
        };
        // Of somebody who is in also what has no effect itself is named: it may bring a device.
        let is_out = |dep| {
            let author = logs.chain(logs.find(dep)?.chain)?.origin.person;
            let void = is_void(dep, EntryKind::ACK).and_then(|_| is_void(dep, EntryKind::DATA));
            void.filter(|_| state.roster().role_of(author).is_none())
        };
        let named = entry.header.deps.iter().find_map(|dep| is_out(*dep));
        // Who removes somebody names what is to count of theirs, which by now may be out.
        if let Some(why) = named.filter(|_| entry.header.kind != EntryKind::CAP) {
            return Err(format!("device {device} named an entry that is void: {why}"));
        }
        let own = self.devices[device].identity.person;
        let removal = match Control::read(entry.header.kind, own, body) {
            Some(Ok(Control::Cap(cap))) => cap.role.is_none() && cap.subject != own,
            _ => false,
        };
        if removal && !state.roster().invites.is_empty() {
            return Err(format!("device {device} removed somebody and left a ticket open"));
        }
        if op::has_data_body(entry.header.kind) {
            let epoch = entry.header.epoch.ok_or_else(|| format!("device {device} wrote in plain"))?;
            if let Some(why) = is_void(epoch, EntryKind::KEY_EPOCH) {
                return Err(format!("device {device} wrote under an epoch that is void: {why}"));
            }
            self.check_epoch(device, epoch)?;
        }
        Ok(())
    }

    /// Whether somebody holds a ticket that is open: whoever is out by their own doing, or has lost a
    /// device, reads on with it until an admin withdraws it.
    fn has_open_ticket(&self, owner: Owner, roster: &Roster) -> bool {
        let person = match owner {
            Owner::Device(person, _) | Owner::Recovery(person) => person,
            Owner::Ticket(_) => return false,
        };
        let of_person = self.devices.iter().filter(|device| device.identity.person == person);
        let invited = of_person.filter_map(|device| device.disk.record.as_ref()?.way.invited());
        let mut tickets =
            invited.flat_map(|invited| std::iter::once(&invited.ticket).chain(&invited.earlier));
        tickets.any(|ticket| roster.invites.iter().any(|open| open.id == ticket.invite))
    }

    fn check_epoch(&mut self, device: usize, epoch: EntryId) -> Result<(), String> {
        let Some(workspace) = self.workspace else { return Ok(()) };
        let Some(replica) = &self.devices[device].replica else { return Ok(()) };
        let Some((state, logs)) = replica.workspace(workspace).zip(replica.logs(workspace)) else {
            return Ok(());
        };
        self.coverage.count("key checked at a write");
        if !state.roster().former.is_empty() {
            self.coverage.count("key checked after somebody was out");
        }
        // A cheat who has a key may give it to anybody, without an entry too: what it writes to no effect is
        // none of a writer's business. What takes effect is seen, and the key not gone on with.
        let has = |id| {
            let at = logs.find(id).filter(|at| logs.is_applied(*at));
            let kind = self.secrets.kind(id).unwrap_or(EntryKind::KEY_SHARE);
            let is_honest = self.secrets.author(id).is_none_or(|author| self.honest_id(author));
            at.is_some_and(|at| is_honest || replica.why_void(workspace, at, kind).is_none())
        };
        match self.secrets.outsider(workspace, epoch, state.roster(), &has) {
            None => Ok(()),
            Some(owner) if self.has_open_ticket(owner, state.roster()) => {
                self.coverage.count("key that somebody out has by an open ticket");
                Ok(())
            }
            Some(owner) => Err(format!("device {device} wrote under a key that {owner:?} has, who is out")),
        }
    }
}
