//! Which key an honest writer uses: one that nobody can have who must not read on.
//!
//! An epoch *fits* if everybody who may have its key is current. That is more than those it was
//! wrapped to: who has the key of a newer epoch that carries this one reads this one too. An epoch
//! from before somebody joined has only old friends as recipients, and the one who joined, and was
//! removed since, has its key all the same. So the readers of an epoch are the recipients of it and
//! of every epoch that leads to it.
//!
//! Nobody can tell for sure who has a key: a share may be on its way, or have been written by somebody
//! who is out by now and counts for nothing. So after a removal nothing is written under an epoch that was
//! started without knowing of it, whoever seems to have its key. Who shares a later one knows of the
//! removal too, so what void shares say does not matter, but for [`KeyRing::set_leaks`].

use super::{Epoch, KeyRing};
use crate::{
    id::EntryId,
    keys::{
        epoch::{KEYS_VERSION, KeyEpoch, KeyShare, Older, OlderKey, wrap_to},
        secret::{EpochKey, OlderCipher},
        wrap::RecipientKey,
    },
    limits,
};
use rand_core::CryptoRng;
use std::{cmp::Reverse, collections::BTreeSet};

/// What a writer must do before it writes a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Write {
    /// Write under this epoch.
    Use(EntryId),
    /// Share this epoch with those who lack it ([`KeyRing::share`]), then write under it.
    ShareFirst(EntryId, BTreeSet<RecipientKey>),
    /// Start a new epoch ([`KeyRing::rotate`]), then ask again.
    Rotate,
}

/// A new epoch. Its id is known once the entry is written: then give the ring both key and body.
#[derive(Debug)]
pub struct Rotation {
    /// The new key.
    pub key: EpochKey,
    /// What to write.
    pub body: KeyEpoch,
}

impl KeyRing {
    /// What to do before writing a body, when `current` are all who shall read it: the deepest
    /// effective epoch, then that of the lowest id, whose key is held, whose readers are all
    /// current, and which `knows` of everybody who went.
    ///
    /// Looks at every epoch: keep the answer until the ring, `current` or `knows` changes.
    pub fn to_write(&self, current: &BTreeSet<RecipientKey>, knows: impl Fn(EntryId) -> bool) -> Write {
        let effective = self.epochs.iter().filter(|(_, epoch)| epoch.given.effective);
        let mut held: Vec<_> = effective
            .filter(|(_, epoch)| self.keys.contains_key(&epoch.commitment))
            .map(|(id, epoch)| (Reverse(epoch.depth), *id))
            .collect();
        held.sort_unstable();
        let Some((_, epoch)) = held.into_iter().find(|(_, id)| self.fits(*id, current) && knows(*id)) else {
            return Write::Rotate;
        };
        let given = self.recipients(epoch);
        let missing: BTreeSet<_> =
            current.difference(&given).copied().filter(RecipientKey::is_usable).collect();
        if missing.is_empty() { Write::Use(epoch) } else { Write::ShareFirst(epoch, missing) }
    }

    /// A new epoch for `current`, which leads to every key held. Recipients beyond the entry's size
    /// are what [`Self::to_write`] then says is missing; this device is never among them.
    pub fn rotate(&self, current: &BTreeSet<RecipientKey>, rng: &mut impl CryptoRng) -> Rotation {
        let key = EpochKey::random(rng);
        let older = self.to_carry(&key);
        let own = self.secrets.iter().map(super::ReceivingKey::public).filter(|own| current.contains(own));
        let own: BTreeSet<_> = own.collect();
        let others = current.difference(&own).filter(|to| to.is_usable());
        let first = own.iter().chain(others).copied().take(limits::WRAPS);
        let wraps = wrap_to(self.workspace, &key, first, rng);
        let body = KeyEpoch { version: KEYS_VERSION, commitment: key.commitment(), older, wraps };
        Rotation { key, body }
    }

    /// `KeyShare`s of a held epoch for `to`; none if its key is not held. For those whom
    /// [`Self::to_write`] names, and for who asks: a recipient may have been given garbage.
    pub fn share(
        &self,
        epoch: EntryId,
        to: impl IntoIterator<Item = RecipientKey>,
        rng: &mut impl CryptoRng,
    ) -> Vec<KeyShare> {
        self.held(epoch)
            .map_or_else(Vec::new, |held| KeyShare::split(self.workspace, epoch, &held.key, to, rng))
    }

    /// Held epochs that `chosen` does not lead to, with those of `current` who were not given the key:
    /// two who started an epoch at the same time did not know of each other's, so neither carries the
    /// other, and who came later has one key only. At most [`limits::LEFT_OUT`], the deepest first.
    pub fn left_out(
        &self,
        chosen: EntryId,
        current: &BTreeSet<RecipientKey>,
    ) -> Vec<(EntryId, BTreeSet<RecipientKey>)> {
        let mut covered = self.led_to(chosen);
        let held = self.epochs.iter().filter(|(id, _)| self.holds(**id) && !covered.contains(*id));
        let mut held: Vec<_> =
            held.map(|(id, epoch)| ((!epoch.given.effective, Reverse(epoch.depth)), *id)).collect();
        held.sort_unstable();
        let mut left_out = Vec::new();
        for (_, id) in held {
            if covered.contains(&id) || left_out.len() >= limits::LEFT_OUT {
                continue;
            }
            let given = self.given_the_key(id);
            let missing: BTreeSet<_> =
                current.difference(&given).copied().filter(RecipientKey::is_usable).collect();
            if !missing.is_empty() {
                left_out.push((id, missing));
            }
            covered.extend(self.led_to(id));
        }
        left_out
    }

    /// An epoch and those whose keys follow from its key.
    fn led_to(&self, epoch: EntryId) -> BTreeSet<EntryId> {
        let (mut seen, mut waiting) = (BTreeSet::from([epoch]), vec![epoch]);
        while let Some(id) = waiting.pop() {
            let Some(epoch) = self.epochs.get(&id) else { continue };
            let carried = epoch.older.iter().filter(|older| self.may_carry(epoch, older));
            let same = self.by_commitment.get(&epoch.commitment).into_iter().flatten().copied();
            waiting.extend(carried.map(|older| older.epoch).chain(same).filter(|next| seen.insert(*next)));
        }
        seen
    }

    /// To whom any entry gave the key of an epoch, directly or through another one.
    fn given_the_key(&self, epoch: EntryId) -> BTreeSet<RecipientKey> {
        let (mut seen, mut waiting) = (BTreeSet::from([epoch]), vec![epoch]);
        let mut given = BTreeSet::new();
        while let Some(id) = waiting.pop() {
            given.extend(self.all_given_for(id).flat_map(|(_, given)| &given.recipients).copied());
            waiting.extend(self.leading_to(id).filter(|next| seen.insert(*next)));
        }
        given
    }

    /// Whether everybody who may have the key of this epoch is current.
    fn fits(&self, epoch: EntryId, current: &BTreeSet<RecipientKey>) -> bool {
        let (mut seen, mut waiting) = (BTreeSet::from([epoch]), vec![epoch]);
        while let Some(id) = waiting.pop() {
            let given =
                self.all_given_for(id).filter(|(by, given)| given.effective || self.leaks.contains(by));
            let mut recipients = given.flat_map(|(_, given)| &given.recipients);
            if !recipients.all(|recipient| current.contains(recipient)) {
                return false;
            }
            waiting.extend(self.leading_to(id).filter(|next| seen.insert(*next)));
        }
        true
    }

    /// Epochs whose key gives that of `id`: those that carry it, and those that have the same.
    fn leading_to(&self, id: EntryId) -> impl Iterator<Item = EntryId> {
        let naming = self.named_by.get(&id).into_iter().flatten().copied();
        let carrying = naming.filter(move |newer| {
            let newer = self.epochs.get(newer);
            newer.is_some_and(|newer| self.carries(newer, id))
        });
        let commitment = self.epochs.get(&id).map(|epoch| epoch.commitment);
        let same = commitment.and_then(|commitment| self.by_commitment.get(&commitment));
        carrying.chain(same.into_iter().flatten().copied())
    }

    fn carries(&self, newer: &Epoch, id: EntryId) -> bool {
        newer.older.iter().any(|older| older.epoch == id && self.may_carry(newer, older))
    }

    /// What a new epoch names: every held one that no other held one leads to, and, so that it is
    /// deeper than they, those not held that no other names. If there are too many, what is read
    /// most first.
    fn to_carry(&self, key: &EpochKey) -> Vec<Older> {
        let carried = self.carried();
        let mut named: Vec<(_, EntryId)> = self
            .epochs
            .iter()
            .filter(|(id, _)| if self.holds(**id) { !carried.contains(*id) } else { !self.is_named(**id) })
            .map(|(id, epoch)| ((!self.holds(*id), !epoch.given.effective, Reverse(epoch.depth)), *id))
            .collect();
        named.sort_unstable();
        named.truncate(limits::OLDER_EPOCHS);
        let cipher = OlderCipher::new(key);
        let mut older: Vec<_> = named
            .into_iter()
            .map(|(_, epoch)| Older { epoch, key: self.seal_older(&cipher, epoch) })
            .collect();
        older.sort_unstable_by_key(|older| older.epoch);
        older
    }

    fn seal_older(&self, cipher: &OlderCipher, epoch: EntryId) -> Option<OlderKey> {
        let key = &self.held(epoch)?.key;
        Some(OlderKey { commitment: key.commitment(), sealed: cipher.seal(epoch, key)? })
    }

    /// Epochs whose key is found under that of another held one.
    fn carried(&self) -> BTreeSet<EntryId> {
        let held = self.epochs.iter().filter(|(_, epoch)| self.keys.contains_key(&epoch.commitment));
        let found = held.flat_map(|(_, epoch)| {
            let older = epoch.older.iter().filter(|older| self.may_carry(epoch, older));
            older.map(|older| older.epoch)
        });
        found.collect()
    }

    fn is_named(&self, id: EntryId) -> bool {
        self.named_by.get(&id).is_some_and(|by| by.iter().any(|newer| self.epochs.contains_key(newer)))
    }
}
