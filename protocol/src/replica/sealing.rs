//! Content keys of one workspace at work: taking keys in, reading what they unlock, and choosing the
//! one to write under.

use super::{
    Holding, Identity, Replica, linking,
    write::{Draft, Written},
};
use crate::{
    access::Role,
    causality::Frontier,
    id::{DeviceId, EntryId, PersonId, WorkspaceId},
    keys::{
        body::BodyError,
        ciphers::{Ciphers, Contents},
        epoch::{KeyEpoch, KeyShare},
        ring::{KeyRing, Rotation, Write},
        wrap::{ReceivingKey, RecipientKey},
    },
    limits,
    log::{EntryKind, Header, Origin},
    log_set::{EntryReader, Ready, Turn},
    message::{Message, NeedKeys},
    model::EntityKey,
    replica::Logs,
    store::{EntryAt, LogReader, StoreError},
    ticket::Ticket,
    time::Now,
};
use rand_core::CryptoRng;
use std::collections::BTreeSet;

/// The keys under which this device receives: its own, and those of the tickets it came with.
pub(super) fn receiving_keys(identity: &Identity, record: &super::WorkspaceRecord) -> Vec<ReceivingKey> {
    let invited = record.way.invited().into_iter();
    let tickets = invited.flat_map(|invited| std::iter::once(&invited.ticket).chain(&invited.earlier));
    let others = tickets.map(Ticket::receiving).chain(linking::recovery_key(&record.way));
    std::iter::once(identity.receiving.clone()).chain(others).collect()
}

/// A ring that holds what is remembered of keys.
pub(super) fn new_ring(identity: &Identity, record: &super::WorkspaceRecord) -> KeyRing {
    let mut ring = KeyRing::new(record.id, receiving_keys(identity, record));
    record.keys.iter().for_each(|key| {
        ring.learn(key.clone());
    });
    ring
}

impl Holding {
    /// Takes in a `KeyEpoch` or `KeyShare`, whether it counts or not. Returns whether something can be
    /// read that could not be.
    pub fn note_keys(&mut self, turn: &Turn<'_>, effective: bool) -> bool {
        let body = turn.body.plain().unwrap_or_default();
        let readable = match turn.header.kind {
            EntryKind::KEY_EPOCH => {
                KeyEpoch::read(body).map(|epoch| self.ring.add_epoch(turn.id, &epoch, effective))
            }
            EntryKind::KEY_SHARE => {
                KeyShare::read(body).map(|share| self.ring.add_share(turn.id, &share, effective))
            }
            _ => return false,
        };
        self.key_entries.insert(turn.at);
        self.note_void_key(turn.id, turn.origin, effective || readable.is_err());
        readable.is_ok_and(|epochs| !epochs.is_empty())
    }

    /// Notes whether a key entry has an effect.
    pub fn note_void_key(&mut self, id: EntryId, origin: &Origin, effective: bool) {
        self.writing = None;
        if effective {
            self.void_keys.remove(&id);
        } else {
            self.void_keys.insert(id, (origin.person, origin.device));
        }
    }

    /// Makes the key ring anew, under the receiving keys of now: the old one kept of each entry only
    /// what it could use. What the old one held is held on to.
    pub fn renew_ring(&mut self, identity: &Identity, reader: &dyn LogReader) -> Result<(), StoreError> {
        let entries = EntryReader::new(&self.logs, reader);
        let mut read = Vec::with_capacity(self.key_entries.len());
        for at in &self.key_entries {
            let ready = entries.try_read(*at)?;
            read.extend(self.logs.chain(at.chain).map(|chain| (ready, chain.origin)));
        }
        let before = std::mem::replace(&mut self.ring, new_ring(identity, &self.record));
        self.note_all_keys(&read);
        before.keys().for_each(|key| {
            self.ring.learn(key.clone());
        });
        self.record.keys = self.ring.not_given();
        self.unlock(reader);
        Ok(())
    }

    /// Takes in what is read of key entries, by the verdicts of now. Others among them are passed over.
    pub fn note_all_keys(&mut self, read: &[(Ready, Origin)]) {
        for (ready, origin) in read {
            let void = self.members.why_void(ready.at, origin, ready.entry().header.kind);
            let contents = ready.open(&Ciphers::default());
            self.note_keys(&ready.turn(origin, &contents), void.is_none());
        }
    }

    /// Reads whatever the keys at hand open. Returns what changed by it.
    pub fn unlock(&mut self, reader: &dyn LogReader) -> Vec<EntityKey> {
        self.state.set_ciphers(self.ring.ciphers());
        let mut changed = Vec::new();
        let entries = EntryReader::new(&self.logs, reader);
        let (mut own, mut unread) = (Vec::new(), None);
        for (first, last) in self.state.take_locked() {
            let places = (first.position..=last).map(|position| EntryAt { position, ..first });
            for at in places {
                let Some(chain) = self.logs.chain(at.chain) else { continue };
                let ready = match entries.try_read(at) {
                    Ok(ready) => ready,
                    Err(error) => {
                        // It stays locked until it can be read.
                        self.state.lock(at);
                        unread = Some(error);
                        continue;
                    }
                };
                let contents = ready.open(self.state.ciphers());
                let void = self.members.why_void(at, &chain.origin, ready.entry().header.kind);
                changed.extend(self.state.unlock(&ready.turn(&chain.origin, &contents), void).changed);
                if chain.origin.device == self.record.origin.device {
                    own.push(ready);
                }
            }
        }
        for ready in &own {
            self.note_transaction(ready, &self.contents(ready));
            self.void.look_again();
        }
        self.lag.unlocked(unread);
        changed
    }

    /// What an entry says.
    pub fn contents<'a>(&self, ready: &'a Ready) -> Contents<'a> {
        ready.open(self.state.ciphers())
    }

    /// Makes sure that there is a key to write under that everybody has who shall read, and nobody
    /// else: shares one or makes a new one, if this device's person may.
    pub fn prepare_to_encrypt(
        &mut self,
        now: Now,
        identity: &Identity,
        rng: &mut impl CryptoRng,
        written: &mut Written,
        reader: &dyn LogReader,
    ) {
        let readers = self.members.readers();
        let access = self.members.access();
        let removals: Vec<EntryAt> = access.removals().collect();
        let leaks = self.leaks(&removals);
        self.ring.set_leaks(leaks);
        let mut rotated = None;
        // A new epoch that does not fit into one entry is shared further, and then it fits.
        for attempt in 0..3 {
            let may_share = self.may(Role::Member).is_ok();
            let drafts = match self.ring.to_write(&readers, |epoch| self.has_seen(epoch, &removals)) {
                Write::Use(epoch) => {
                    let left_out = self.ring.left_out(epoch, &readers);
                    let shares = left_out.into_iter().filter(|_| may_share);
                    let shares = shares.flat_map(|(epoch, to)| self.ring.share(epoch, to, rng));
                    let drafts = shares.map(|share| Draft::new(EntryKind::KEY_SHARE, &share));
                    let drafts: Vec<_> = drafts.map(|draft| (draft, false)).collect();
                    self.append(now, identity, drafts, written, reader);
                    self.writing = Some(epoch);
                    return;
                }
                Write::ShareFirst(epoch, _) if !may_share && attempt > 0 => {
                    self.writing = Some(epoch);
                    return;
                }
                Write::ShareFirst(epoch, mut missing) => {
                    if !may_share {
                        // A viewer shares with their own devices. It does not count, and opens all the same.
                        let own = self.members.keys_of_person(self.record.origin.person);
                        missing.retain(|key| own.contains(key));
                    }
                    let shares = self.ring.share(epoch, missing, rng);
                    shares.iter().map(|share| Draft::new(EntryKind::KEY_SHARE, share)).collect()
                }
                Write::Rotate if !may_share => return,
                Write::Rotate => {
                    let Rotation { key, body } = self.ring.rotate(&readers, rng);
                    self.ring.learn(key);
                    rotated = Some(body.commitment);
                    vec![Draft::new(EntryKind::KEY_EPOCH, &body)]
                }
            };
            self.append(
                now,
                identity,
                drafts.into_iter().map(|draft| (draft, false)).collect(),
                written,
                reader,
            );
            if let Some(epoch) = rotated.take().and_then(|commitment| self.ring.epoch_of(commitment)) {
                self.rotated = Some((epoch, removals.iter().copied().collect()));
            }
        }
    }

    /// Whether the key that would be written under now was given to `reader`.
    pub fn is_given_keys(&self, reader: RecipientKey) -> bool {
        let removals: Vec<EntryAt> = self.members.access().removals().collect();
        match self.ring.to_write(&self.members.readers(), |epoch| self.has_seen(epoch, &removals)) {
            Write::Use(epoch) => {
                let left_out = self.ring.left_out(epoch, &self.members.readers());
                left_out.iter().all(|(_, missing)| !missing.contains(&reader))
            }
            Write::ShareFirst(_, missing) => !missing.contains(&reader),
            Write::Rotate => false,
        }
    }

    /// Void key entries that may have given a key away all the same.
    ///
    /// As a rule there is none. Who shares an epoch honestly has applied its entry, and so all removals
    /// that it names: they share it with nobody who is out by one of those, whether their share counts
    /// or not. And nobody writes under an epoch that does not name every removal, so a share by
    /// somebody whose role was lowered, or who never had it, makes nobody start another one. Only where
    /// this device started an epoch and could not name a removal, others may have shared it without
    /// knowing of that.
    fn leaks(&self, removals: &[EntryAt]) -> BTreeSet<EntryId> {
        let access = self.members.access();
        let is_in =
            |(person, device): (PersonId, DeviceId)| access.best_auth(person, device, Role::Viewer).is_some();
        if self.rotated.as_ref().is_none_or(|(epoch, _)| self.names(*epoch, removals)) {
            return BTreeSet::new();
        }
        self.void_keys.iter().filter(|(_, by)| is_in(**by)).map(|(id, _)| *id).collect()
    }

    /// Whether the author of an epoch knew of these entries.
    pub fn has_seen(&self, epoch: EntryId, entries: &[EntryAt]) -> bool {
        let known = self.rotated.as_ref().filter(|(rotated, _)| *rotated == epoch);
        let is_known = known.is_some_and(|(_, known)| entries.iter().all(|entry| known.contains(entry)));
        is_known || self.names(epoch, entries)
    }

    /// Whether these entries lie in the past of an epoch's.
    fn names(&self, epoch: EntryId, entries: &[EntryAt]) -> bool {
        if entries.is_empty() {
            return true;
        }
        let Some(at) = self.logs.find(epoch) else { return false };
        let past = self.logs.past(&[at], Frontier::default());
        entries.iter().all(|entry| past.contains(*entry))
    }

    /// What to ask peers for, if this device cannot read all.
    pub fn needed_keys(&self) -> Vec<EntryId> {
        let reads_all = self.state.locked_entries() == 0 && self.ring.is_useful();
        if reads_all || self.is_carrier() {
            return Vec::new();
        }
        self.ring.to_ask_for()
    }

    /// Encrypts a body at its place. The header is complete then.
    pub fn encrypt(&self, previous: EntryId, header: &mut Header, body: &[u8]) -> Result<Vec<u8>, BodyError> {
        let cipher = self.writing.and_then(|epoch| Some((epoch, self.ring.cipher(epoch)?)));
        let (epoch, cipher) = cipher.ok_or(BodyError::Refused)?;
        header.epoch = Some(epoch);
        cipher.seal(self.own_log(), previous, header, body)
    }
}

impl Replica {
    /// Asks a peer for the keys that this device lacks.
    pub(super) fn ask_for_keys(&mut self, peer: DeviceId, workspace: WorkspaceId) {
        let (Some(session), Some(holding)) = (self.sessions.get_mut(&peer), self.holdings.get(&workspace))
        else {
            return;
        };
        let epochs = holding.needed_keys();
        if !epochs.is_empty() && session.may_ask(workspace, &epochs) {
            session.say(&Message::NeedKeys(NeedKeys { workspace, epochs }));
        }
    }

    /// A peer lacks keys: one who is in gets them, whatever it was given before.
    pub(super) fn keys_asked(&mut self, now: Now, peer: DeviceId, need: &NeedKeys, logs: &dyn Logs) {
        let workspace = need.workspace;
        let Some(holding) = self.holdings.get_mut(&workspace) else { return };
        let may_write = self.read_only.is_none()
            && !holding.state.needs_update()
            && holding.syncs(now)
            && holding.may(Role::Member).is_ok();
        let keys = holding.members.keys_of_device(peer);
        if !may_write || keys.is_empty() {
            return;
        }
        let mut drafts = Vec::new();
        if holding.given.len() >= limits::SHARES_REMEMBERED {
            holding.given.clear();
        }
        for epoch in &need.epochs {
            if holding.ring.holds(*epoch) && holding.given.insert((peer, *epoch)) {
                let shares = holding.ring.share(*epoch, keys.iter().copied(), &mut self.rng);
                drafts.extend(shares.iter().map(|share| Draft::new(EntryKind::KEY_SHARE, share)));
            }
        }
        if !drafts.is_empty() {
            self.write_unasked(now, workspace, drafts, logs);
        }
    }
}
