//! The key ring: which epochs a workspace has, and which keys this device holds.
//!
//! Keys are kept by commitment, and an epoch's key is held if there is one with its commitment. One
//! key leads to others: the epochs that have it carry older ones, which carry older ones still.
//!
//! ```text
//!   wrap to us ─┐
//!   KeyShare   ─┼─> key of E4 ──older──> keys of E2, E3 ──older──> key of E1
//!   own store  ─┘
//! ```
//!
//! A key that is learned before its epoch's entry arrives waits under its commitment. So the ring
//! depends on what was added only, not on the order.
//!
//! What does not open (garbage, another key than promised) is ignored: [`KeyRing::faults`] tells
//! which entries it stands in. An author who lies about a key hurts readers of that epoch, who ask
//! for it ([`KeyRing::missing`]) and get it from somebody else.
//!
//! Whether an entry counts is the access rule's verdict and handed in; a late one is corrected with
//! [`KeyRing::set_effective`]. Keys are learned from void entries too: a key is known by its
//! commitment, whoever passed it on, and text written under a void epoch must be readable.

use super::{
    body::BodyCipher,
    ciphers::Ciphers,
    epoch::{KeyEpoch, KeyShare, Older},
    presence::PresenceCipher,
    secret::{Commitment, EpochKey, OlderCipher},
    wrap::{ReceivingKey, RecipientKey, Wrap},
};
use crate::{
    id::{EntryId, WorkspaceId},
    limits,
};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

mod choice;

pub use choice::{Rotation, Write};

/// Something in an entry that is not what it should be. For diagnosis: the entry is used as far as
/// it is right.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fault {
    /// This `KeyEpoch` or `KeyShare` has a wrap for this device that does not give the key.
    Wrap(EntryId),
    /// The first epoch does not carry the key of the second as it says.
    Older(EntryId, EntryId),
}

/// Who gets a key by one entry, and the wraps that are for this device.
#[derive(Debug)]
#[cfg_attr(feature = "sim", derive(Clone))]
struct Given {
    /// Ascending.
    recipients: Vec<RecipientKey>,
    own: Vec<(RecipientKey, Wrap)>,
    effective: bool,
}

#[derive(Debug)]
#[cfg_attr(feature = "sim", derive(Clone))]
struct Epoch {
    commitment: Commitment,
    older: Vec<Older>,
    given: Given,
    /// More than that of every epoch here that it names.
    depth: u64,
    /// Those of `older` whose key was found as promised, once this epoch's is held.
    opened: BTreeSet<EntryId>,
}

#[derive(Debug)]
#[cfg_attr(feature = "sim", derive(Clone))]
struct Share {
    epoch: EntryId,
    given: Given,
}

#[derive(Debug)]
#[cfg_attr(feature = "sim", derive(Clone))]
struct Held {
    key: EpochKey,
    cipher: Arc<BodyCipher>,
}

/// The epochs of one workspace and the keys that this device holds.
#[derive(Debug)]
#[cfg_attr(feature = "sim", derive(Clone))]
pub struct KeyRing {
    workspace: WorkspaceId,
    secrets: Vec<ReceivingKey>,
    epochs: BTreeMap<EntryId, Epoch>,
    /// More than one epoch with a commitment only if an author copied it.
    by_commitment: BTreeMap<Commitment, BTreeSet<EntryId>>,
    /// Which epochs name this one as older, be it here or not.
    named_by: BTreeMap<EntryId, BTreeSet<EntryId>>,
    shares: BTreeMap<EntryId, Share>,
    shares_of: BTreeMap<EntryId, BTreeSet<EntryId>>,
    keys: BTreeMap<Commitment, Held>,
    needed: BTreeSet<EntryId>,
    /// See [`Self::set_leaks`].
    leaks: BTreeSet<EntryId>,
}

impl KeyRing {
    /// An empty ring. `secrets` are this device's key, and while it joins or recovers also the
    /// invite's or the recovery key.
    pub fn new(workspace: WorkspaceId, secrets: Vec<ReceivingKey>) -> Self {
        Self {
            workspace,
            secrets,
            epochs: BTreeMap::new(),
            by_commitment: BTreeMap::new(),
            named_by: BTreeMap::new(),
            shares: BTreeMap::new(),
            shares_of: BTreeMap::new(),
            keys: BTreeMap::new(),
            needed: BTreeSet::new(),
            leaks: BTreeSet::new(),
        }
    }

    /// Receives under one more key. What came before is not looked at again.
    pub fn receive_under(&mut self, receiving: ReceivingKey) {
        self.secrets.push(receiving);
    }

    /// Whether this is one of the keys that it receives under.
    pub fn receives_under(&self, receiving: RecipientKey) -> bool {
        self.secrets.iter().any(|own| own.public() == receiving)
    }

    /// Receives nothing under this key any more. What was learned with it stays, see
    /// [`Self::not_given`].
    pub fn forget(&mut self, receiving: RecipientKey) {
        self.secrets.retain(|own| own.public() != receiving);
    }

    /// Takes in a `KeyEpoch` entry. Returns the epochs whose bodies can be read from now on.
    pub fn add_epoch(&mut self, id: EntryId, body: &KeyEpoch, effective: bool) -> Vec<EntryId> {
        if self.set_effective(id, effective) {
            return Vec::new();
        }
        let given = self.given(&body.wraps, effective);
        let (commitment, older) = (body.commitment, body.older.clone());
        self.by_commitment.entry(commitment).or_default().insert(id);
        for named in &older {
            self.named_by.entry(named.epoch).or_default().insert(id);
        }
        self.epochs.insert(id, Epoch { commitment, older, given, depth: 0, opened: BTreeSet::new() });
        self.settle_depth(id);
        if self.holds(id) {
            let found = self.open_older(id);
            return [vec![id], self.learn_all(found)].concat();
        }
        let found = self.unwrap_epoch(id);
        self.learn_all(found.into_iter().collect())
    }

    /// Takes in a `KeyShare` entry. Returns the epochs whose bodies can be read from now on.
    pub fn add_share(&mut self, id: EntryId, body: &KeyShare, effective: bool) -> Vec<EntryId> {
        if self.set_effective(id, effective) {
            return Vec::new();
        }
        let given = self.given(&body.wraps, effective);
        self.shares_of.entry(body.epoch).or_default().insert(id);
        let share = Share { epoch: body.epoch, given };
        let found = self.unwrap_given(body.epoch, &share.given);
        self.shares.insert(id, share);
        self.learn_all(found.into_iter().collect())
    }

    /// Notes the access rule's verdict on an entry. False if the entry is not here.
    pub fn set_effective(&mut self, id: EntryId, effective: bool) -> bool {
        let epoch = self.epochs.get_mut(&id).map(|epoch| &mut epoch.given);
        let given = epoch.or_else(|| self.shares.get_mut(&id).map(|share| &mut share.given));
        given.map(|given| given.effective = effective).is_some()
    }

    /// Names the void entries that may have given a key away all the same. Whom others gave it by such
    /// entries is out by something that the choice does not go on without knowing of: see `knows` in
    /// [`Self::to_write`].
    pub fn set_leaks(&mut self, leaks: BTreeSet<EntryId>) {
        self.leaks = leaks;
    }

    /// Takes in a key: one made by [`Self::rotate`], or from the own store, see [`Self::not_given`].
    /// Returns the epochs whose bodies can be read from now on.
    pub fn learn(&mut self, key: EpochKey) -> Vec<EntryId> {
        self.learn_all(vec![key])
    }

    /// Notes that there is a body under this epoch's key.
    pub fn need(&mut self, epoch: EntryId) {
        self.needed.insert(epoch);
    }

    /// The needed epochs whose key is not held, to ask others for a `KeyShare`.
    pub fn missing(&self) -> impl Iterator<Item = EntryId> {
        self.needed.iter().copied().filter(|epoch| !self.holds(*epoch))
    }

    /// Whether the epoch is here and its key is held.
    pub fn holds(&self, epoch: EntryId) -> bool {
        self.held(epoch).is_some()
    }

    /// Whether a key is held, or there is none to be had yet.
    pub fn is_useful(&self) -> bool {
        !self.keys.is_empty() || self.epochs.is_empty()
    }

    /// The epochs to ask others for: effective ones whose key is not held and that no other such one
    /// leads to, the deepest first.
    pub fn to_ask_for(&self) -> Vec<EntryId> {
        let lacking = |id: &EntryId| !self.holds(*id);
        let mut wanted: Vec<_> = self
            .epochs
            .iter()
            .filter(|(id, epoch)| epoch.given.effective && lacking(id))
            .filter(|(id, _)| {
                !self.named_by.get(*id).is_some_and(|by| {
                    // One that nobody is asked for leads nowhere.
                    let is_asked = |newer: &EntryId| {
                        self.epochs.get(newer).is_some_and(|epoch| epoch.given.effective) && lacking(newer)
                    };
                    by.iter().any(is_asked)
                })
            })
            .map(|(id, epoch)| (Reverse(epoch.depth), *id))
            .collect();
        wanted.sort_unstable();
        wanted.into_iter().map(|(_, id)| id).take(limits::EPOCHS_ASKED).collect()
    }

    /// What opens and seals bodies of an epoch.
    pub fn cipher(&self, epoch: EntryId) -> Option<&BodyCipher> {
        self.held(epoch).map(|held| &*held.cipher)
    }

    /// What opens and seals words of the moment, under the key of an epoch.
    pub fn presence_cipher(&self, epoch: EntryId) -> Option<PresenceCipher> {
        self.held(epoch).map(|held| PresenceCipher::new(&held.key))
    }

    /// The epoch here that has this key.
    pub fn epoch_of(&self, commitment: Commitment) -> Option<EntryId> {
        self.by_commitment.get(&commitment)?.first().copied()
    }

    /// What opens the bodies of every epoch whose key is held.
    pub fn ciphers(&self) -> Ciphers {
        let held = self.epochs.keys().filter_map(|id| Some((*id, Arc::clone(&self.held(*id)?.cipher))));
        Ciphers::new(held)
    }

    /// Every held key, for the own store.
    pub fn keys(&self) -> impl Iterator<Item = &EpochKey> {
        self.keys.values().map(|held| &held.key)
    }

    /// The epochs that are here.
    pub fn epochs(&self) -> impl Iterator<Item = EntryId> {
        self.epochs.keys().copied()
    }

    /// 1 for an epoch that names none that is here, else more than that of each it names.
    pub fn depth(&self, epoch: EntryId) -> Option<u64> {
        self.epochs.get(&epoch).map(|epoch| epoch.depth)
    }

    /// To whom effective entries give the key of this epoch.
    pub fn recipients(&self, epoch: EntryId) -> BTreeSet<RecipientKey> {
        self.given_for(epoch).flat_map(|given| &given.recipients).copied().collect()
    }

    /// What is not as it should be.
    pub fn faults(&self) -> BTreeSet<Fault> {
        let unopened = |id: EntryId, given: &Given| !given.own.is_empty() && !self.holds(id);
        let epochs = self.epochs.iter().filter(|(id, epoch)| unopened(**id, &epoch.given));
        let shares = self.shares.iter().filter(|(_, share)| {
            self.epochs.contains_key(&share.epoch) && unopened(share.epoch, &share.given)
        });
        let wraps = epochs.map(|(id, _)| *id).chain(shares.map(|(id, _)| *id)).map(Fault::Wrap);
        let older = self.epochs.iter().flat_map(|(id, epoch)| {
            let named = epoch.older.iter().filter(|older| older.key.is_some());
            let false_ones = named.filter(|older| !self.may_carry(epoch, older));
            false_ones.map(|older| Fault::Older(*id, older.epoch))
        });
        wraps.chain(older).collect()
    }

    /// The held keys that nothing here leads to from a receiving key of now, for the own store: a ring
    /// made anew would lack them.
    pub fn not_given(&self) -> Vec<EpochKey> {
        let is_given = |(id, epoch): &(&EntryId, &Epoch)| {
            self.all_given_for(**id).any(|(_, given)| self.unwrap(epoch.commitment, given).is_some())
        };
        let mut open: Vec<Commitment> =
            self.epochs.iter().filter(is_given).map(|(_, epoch)| epoch.commitment).collect();
        let mut given = BTreeSet::new();
        while let Some(commitment) = open.pop() {
            if !given.insert(commitment) {
                continue;
            }
            let epochs = self.by_commitment.get(&commitment).into_iter().flatten();
            let opened = epochs.filter_map(|id| self.epochs.get(id)).flat_map(|epoch| &epoch.opened);
            open.extend(opened.filter_map(|id| self.epochs.get(id)).map(|epoch| epoch.commitment));
        }
        let others = self.keys.iter().filter(|(commitment, _)| !given.contains(*commitment));
        others.map(|(_, held)| held.key.clone()).collect()
    }

    fn held(&self, epoch: EntryId) -> Option<&Held> {
        self.keys.get(&self.epochs.get(&epoch)?.commitment)
    }

    fn given(&self, wraps: &[(RecipientKey, Wrap)], effective: bool) -> Given {
        let is_own = |to: RecipientKey| self.secrets.iter().any(|secret| secret.public() == to);
        Given {
            recipients: wraps.iter().map(|(to, _)| *to).collect(),
            own: wraps.iter().filter(|(to, _)| is_own(*to)).copied().collect(),
            effective,
        }
    }

    /// Effective entries that wrap the key of this epoch.
    fn given_for(&self, id: EntryId) -> impl Iterator<Item = &Given> {
        self.all_given_for(id).map(|(_, given)| given).filter(|given| given.effective)
    }

    /// All entries that wrap the key of this epoch, void ones included.
    fn all_given_for(&self, id: EntryId) -> impl Iterator<Item = (EntryId, &Given)> {
        let shares = self.shares_of.get(&id).into_iter().flatten();
        let shares = shares.filter_map(|share| Some((*share, &self.shares.get(share)?.given)));
        let epoch = self.epochs.get(&id).map(|epoch| (id, &epoch.given));
        epoch.into_iter().chain(shares)
    }

    /// Whether `newer` may carry the key of an older epoch, as far as can be known here: it says so,
    /// with the right commitment, and if its own key is held, the older one was found.
    fn may_carry(&self, newer: &Epoch, older: &Older) -> bool {
        let Some(key) = older.key else { return false };
        let named = self.epochs.get(&older.epoch);
        let is_promised = named.is_none_or(|named| named.commitment == key.commitment);
        let is_open = self.keys.contains_key(&newer.commitment);
        is_promised && (!is_open || newer.opened.contains(&older.epoch))
    }

    fn unwrap_epoch(&self, id: EntryId) -> Option<EpochKey> {
        self.all_given_for(id).find_map(|(_, given)| self.unwrap_given(id, given))
    }

    /// Tries the wraps of one entry, unless the key is held or what it must be is not yet known.
    fn unwrap_given(&self, epoch: EntryId, given: &Given) -> Option<EpochKey> {
        let commitment = self.epochs.get(&epoch)?.commitment;
        if self.keys.contains_key(&commitment) {
            return None;
        }
        self.unwrap(commitment, given)
    }

    fn unwrap(&self, commitment: Commitment, given: &Given) -> Option<EpochKey> {
        given.own.iter().find_map(|(to, wrap)| {
            let secret = self.secrets.iter().find(|secret| secret.public() == *to)?;
            secret.unwrap(self.workspace, commitment, wrap).ok()
        })
    }

    /// Follows each key to those it leads to. Iterative: a chain of epochs may be long.
    fn learn_all(&mut self, mut found: Vec<EpochKey>) -> Vec<EntryId> {
        let mut readable = Vec::new();
        while let Some(key) = found.pop() {
            let commitment = key.commitment();
            if self.keys.contains_key(&commitment) {
                continue;
            }
            let cipher = Arc::new(BodyCipher::new(&key));
            self.keys.insert(commitment, Held { key, cipher });
            for epoch in self.by_commitment.get(&commitment).cloned().unwrap_or_default() {
                found.extend(self.open_older(epoch));
                readable.push(epoch);
            }
        }
        readable
    }

    /// The keys that a held epoch carries.
    fn open_older(&mut self, id: EntryId) -> Vec<EpochKey> {
        let Some(epoch) = self.epochs.get_mut(&id) else { return Vec::new() };
        let Some(held) = self.keys.get(&epoch.commitment) else { return Vec::new() };
        let cipher = OlderCipher::new(&held.key);
        let found = epoch.older.iter().filter_map(|older| {
            let key = older.key?;
            Some((older.epoch, cipher.open(older.epoch, key.commitment, &key.sealed)?))
        });
        let (opened, keys): (_, Vec<_>) = found.unzip();
        epoch.opened = opened;
        keys
    }

    /// Sets the depth of a new epoch, and of those above it if they were here before. No entry can
    /// name its own descendant, so this ends; made-up ids are stopped by the count.
    fn settle_depth(&mut self, id: EntryId) {
        let mut waiting = vec![id];
        while let Some(id) = waiting.pop() {
            let Some(epoch) = self.epochs.get(&id) else { continue };
            let named = epoch.older.iter().filter_map(|older| self.depth(older.epoch));
            let depth = 1 + named.max().unwrap_or(0);
            if depth == epoch.depth || depth > self.epochs.len() as u64 {
                continue;
            }
            waiting.extend(self.named_by.get(&id).into_iter().flatten());
            if let Some(epoch) = self.epochs.get_mut(&id) {
                epoch.depth = depth;
            }
        }
    }
}
