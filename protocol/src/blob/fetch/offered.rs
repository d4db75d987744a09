//! What a relay fetches: it cannot read which attachments there are, and takes what it is offered.

use super::{Fetch, Fetches, Key, Known, Urgency};
use crate::{
    id::{BlobId, DeviceId, WorkspaceId},
    limits,
};
use std::collections::BTreeSet;

impl Fetches {
    /// A peer offers the attachment of this manifest: it is fetched from those who offer it. Returns whether
    /// there is room; if not, it may be offered again later.
    pub fn take_offer(&mut self, peer: DeviceId, key: Key, known: Option<Known>) -> bool {
        if self.lies.contains(&(peer, key.1)) {
            return false;
        }
        if !self.is_offered_by(peer, key) {
            let of_peer = |by: &&BTreeSet<DeviceId>| by.contains(&peer);
            if self.offers().filter(of_peer).count() >= limits::OFFERS_TAKEN_FROM {
                return false;
            }
            if !self.wanted.contains_key(&key) && self.offers().count() >= limits::OFFERS_TAKEN {
                return false;
            }
        }
        let turn = self.turn + 1;
        let new = || Fetch { urgency: Urgency::Background, turn, known: None, by: Some(BTreeSet::new()) };
        self.turn = turn;
        if let Some(by) = &mut self.wanted.entry(key).or_insert_with(new).by {
            by.insert(peer);
        }
        self.learn(key, known)
    }

    /// Says what is here of an attachment that is being fetched. Returns whether there is room for what it
    /// lacks; if not, it is fetched no longer.
    pub fn learn(&mut self, key: Key, known: Option<Known>) -> bool {
        let missing = known.as_ref().map_or(0, |known| known.missing.len());
        let others = self.wanted.iter().filter(|(other, fetch)| **other != key && fetch.by.is_some());
        let others: usize =
            others.filter_map(|(_, fetch)| fetch.known.as_ref()).map(|known| known.missing.len()).sum();
        let Some(fetch) = self.wanted.get_mut(&key) else { return false };
        fetch.known = known;
        let fits = fetch.by.is_none() || others + missing <= limits::OFFERED_PARTS;
        if !fits {
            self.wanted.remove(&key);
        }
        fits
    }

    pub(super) fn offers(&self) -> impl Iterator<Item = &BTreeSet<DeviceId>> {
        self.wanted.values().filter_map(|fetch| fetch.by.as_ref())
    }

    /// Whether it is being fetched because somebody offered it.
    pub fn is_offered(&self, key: Key) -> bool {
        self.wanted.get(&key).is_some_and(|fetch| fetch.by.is_some())
    }

    /// Whether it is being fetched because this peer offered it.
    pub fn is_offered_by(&self, peer: DeviceId, key: Key) -> bool {
        let by = self.wanted.get(&key).and_then(|fetch| fetch.by.as_ref());
        by.is_some_and(|by| by.contains(&peer))
    }

    /// What is being fetched of a workspace because somebody offered it, and how many parts it lacks, where that
    /// is known.
    pub fn offered_of(&self, workspace: WorkspaceId) -> impl Iterator<Item = (BlobId, Option<usize>)> {
        let of = self.wanted.iter().filter(move |((of, _), fetch)| *of == workspace && fetch.by.is_some());
        of.map(|((_, manifest), fetch)| (*manifest, fetch.known.as_ref().map(|known| known.missing.len())))
    }

    /// A peer has not got what it offered, or has gone. What nobody offers is fetched no longer.
    pub(super) fn take_back(&mut self, peer: DeviceId, is_meant: impl Fn(&Key) -> bool) {
        self.wanted.retain(|key, fetch| {
            let Some(by) = fetch.by.as_mut().filter(|_| is_meant(key)) else { return true };
            by.remove(&peer);
            !by.is_empty()
        });
    }
}
