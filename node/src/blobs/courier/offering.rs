//! What this device offers to the relays of its workspaces, and what they have of it.
//!
//! Everything that attachments show and that is whole here is offered, page by page, and what a relay has not got
//! yet is offered again: so this device knows what is safe there. While a relay asks for pieces it is left in
//! peace. What it has is offered again after a day, since it drops first what nobody offers.

use super::{Courier, known};
use crate::handle::NodeEvent;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::PoisonError,
};
use velo_protocol::{
    blob::{Answer, AtRelay, Offer, Offered, Uptake},
    id::{BlobId, DeviceId, WorkspaceId},
    limits,
};

/// A relay, and what it carries.
type Key = (DeviceId, WorkspaceId);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Offering {
    relays: BTreeMap<Key, Told>,
    /// What is shown and whole here, with the sizes of the files.
    whole: BTreeMap<WorkspaceId, BTreeMap<BlobId, u64>>,
}

/// What a relay that is here was told, and said.
#[derive(Debug, Default)]
struct Told {
    said: BTreeMap<BlobId, (Uptake, u64)>,
    is_asked: bool,
    /// It is offered nothing until then, as it had no time or did not answer,
    rests_until: u64,
    /// and nothing again until then.
    again_at: u64,
    /// How many offers brought nothing since one did.
    fruitless: u32,
    /// When something is to be offered.
    due: Option<u64>,
}

impl Told {
    /// When an attachment is to be offered.
    fn due_of(&self, manifest: &BlobId) -> u64 {
        let due = match self.said.get(manifest) {
            None => 0,
            Some((Uptake::Here, at)) => at + limits::OFFER_RENEW_MS,
            Some((Uptake::Wanted | Uptake::Later, _)) => self.again_at,
            Some((Uptake::NoRoom, at)) => at + limits::OFFER_NO_ROOM_MS,
        };
        due.max(self.rests_until)
    }

    fn set_due(&mut self, whole: &BTreeMap<BlobId, u64>) {
        let due = whole.keys().map(|manifest| self.due_of(manifest)).min();
        self.due = due.filter(|_| !self.is_asked);
    }

    /// What to offer now: what it has not said anything of first, then what it wants.
    fn page(&self, now_ms: u64, whole: &BTreeMap<BlobId, u64>) -> Vec<Offered> {
        let due = whole.iter().filter(|(manifest, _)| self.due_of(manifest) <= now_ms);
        let mut due: Vec<_> = due.map(|(manifest, size)| (self.place(manifest), *manifest, *size)).collect();
        due.sort_unstable();
        let is_again = due.first().is_some_and(|(place, ..)| *place > 0);
        let most = if is_again { limits::OFFER_AGAIN } else { limits::OFFER };
        due.into_iter().take(most).map(|(_, manifest, size)| Offered { manifest, size }).collect()
    }

    fn place(&self, manifest: &BlobId) -> u8 {
        match self.said.get(manifest) {
            None | Some((Uptake::Here, _)) => 0,
            Some((Uptake::Wanted, _)) => 1,
            Some((Uptake::Later, _)) => 2,
            Some((Uptake::NoRoom, _)) => 3,
        }
    }

    fn pause_ms(&self) -> u64 {
        limits::OFFER_AGAIN_MS << self.fruitless.min(limits::OFFER_DOUBLINGS)
    }

    fn take(&mut self, now_ms: u64, offer: &Offer, answer: Option<Answer>) {
        self.is_asked = false;
        let rest = match answer {
            Some(Answer::Offered(uptakes)) => {
                let uptakes = uptakes.into_iter().chain(std::iter::repeat(Uptake::Later));
                let mut is_news = false;
                for (offered, uptake) in offer.attachments.iter().zip(uptakes) {
                    let before = self.said.insert(offered.manifest, (uptake, now_ms));
                    let is_new = before.is_none_or(|(before, _)| before != uptake);
                    is_news |= is_new && matches!(uptake, Uptake::Here | Uptake::Wanted);
                }
                self.fruitless = if is_news { 0 } else { self.fruitless.saturating_add(1) };
                0
            }
            Some(Answer::Later) => limits::BLOB_LATER_MS,
            // It may not know this device yet.
            Some(Answer::NotHere | Answer::Piece { .. }) => limits::BLOB_LACKED_MS,
            None => {
                self.fruitless = self.fruitless.saturating_add(1);
                limits::BLOB_FAILED_MS << self.fruitless.min(limits::BLOB_FAILED_DOUBLINGS)
            }
        };
        self.rests_until = now_ms + rest;
        self.again_at = now_ms + self.pause_ms();
    }

    fn at_relay(&self, whole: &BTreeMap<BlobId, u64>) -> AtRelay {
        let said = |is: Uptake| {
            let said = |manifest: &&BlobId| self.said.get(manifest).is_some_and(|(said, _)| *said == is);
            whole.keys().filter(said).count() as u64
        };
        AtRelay { lacks: whole.len() as u64 - said(Uptake::Here), has_no_room_for: said(Uptake::NoRoom) }
    }
}

impl Offering {
    /// Whether a relay that is here carries a workspace.
    pub fn is_carried(&self, workspace: WorkspaceId) -> bool {
        self.relays.keys().any(|(_, of)| *of == workspace)
    }

    /// A peer carries these workspaces. Returns those of which it did not until now.
    fn meet(&mut self, peer: DeviceId, carried: &BTreeSet<WorkspaceId>) -> Vec<WorkspaceId> {
        self.relays.retain(|(relay, of), _| *relay != peer || carried.contains(of));
        let is_new = |of: &WorkspaceId| !self.relays.contains_key(&(peer, *of));
        let new: Vec<WorkspaceId> = carried.iter().copied().filter(is_new).collect();
        for workspace in &new {
            self.relays.insert((peer, *workspace), Told::default());
        }
        new
    }

    /// What is shown and whole here.
    fn set_whole(&mut self, workspace: WorkspaceId, whole: BTreeMap<BlobId, u64>) {
        for (_, told) in self.relays.iter_mut().filter(|((_, of), _)| *of == workspace) {
            told.said.retain(|manifest, _| whole.contains_key(manifest));
            told.set_due(&whole);
        }
        self.whole.insert(workspace, whole);
    }

    /// A relay was given a piece: it is busy.
    pub fn served(&mut self, now_ms: u64, peer: DeviceId, workspace: WorkspaceId) {
        let (Some(told), Some(whole)) = (self.relays.get_mut(&(peer, workspace)), self.whole.get(&workspace))
        else {
            return;
        };
        told.again_at = now_ms + told.pause_ms();
        told.set_due(whole);
    }

    /// What to offer to whom next, if there is anything. Say [`Self::answered`] for each.
    pub fn next(&mut self, now_ms: u64) -> Option<(DeviceId, Offer)> {
        let due = |told: &Told| told.due.is_some_and(|due| due <= now_ms);
        let ((peer, workspace), told) = self.relays.iter_mut().find(|(_, told)| due(told))?;
        let attachments = self.whole.get(workspace).map(|whole| told.page(now_ms, whole)).unwrap_or_default();
        (told.is_asked, told.due) = (true, None);
        Some((*peer, Offer { workspace: *workspace, attachments }))
    }

    /// When [`Self::next`] has something to offer.
    pub fn next_due(&self) -> Option<u64> {
        self.relays.values().filter_map(|told| told.due).min()
    }

    /// What came of an offer.
    fn answered(&mut self, now_ms: u64, peer: DeviceId, offer: &Offer, answer: Option<Answer>) {
        let key = (peer, offer.workspace);
        if let (Some(told), Some(whole)) = (self.relays.get_mut(&key), self.whole.get(&key.1)) {
            told.take(now_ms, offer, answer);
            told.set_due(whole);
        }
    }

    /// What the relays have of a workspace.
    fn at_relays(&self, workspace: WorkspaceId) -> Vec<(Key, AtRelay)> {
        let Some(whole) = self.whole.get(&workspace) else { return Vec::new() };
        let relays = self.relays.iter().filter(|((_, of), _)| *of == workspace);
        relays.map(|(key, told)| (*key, told.at_relay(whole))).collect()
    }

    /// The workspace is here no more.
    pub fn part_with(&mut self, workspace: WorkspaceId) {
        self.relays.retain(|(_, of), _| *of != workspace);
        self.whole.remove(&workspace);
    }
}

impl Courier {
    /// A peer carries these workspaces.
    pub(super) fn meet_relay(&mut self, peer: DeviceId, carried: &BTreeSet<WorkspaceId>) {
        for workspace in self.offering.meet(peer, carried) {
            // What it had when it was here last says nothing.
            let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);
            published.at_relays.remove(&(peer, workspace));
            drop(published);
            self.look_soon(workspace);
        }
    }

    /// Finds what of the shown attachments is whole, where a relay wants to know.
    pub(super) fn look_for_offers(&mut self, id: WorkspaceId, shown: impl Iterator<Item = (BlobId, u64)>) {
        let Some(holding) = self.holdings.get_mut(&id).filter(|_| self.offering.is_carried(id)) else {
            return;
        };
        let mut whole = BTreeMap::new();
        for (manifest, size) in shown {
            let is_whole = holding.whole.contains(&manifest)
                || known(&holding.store, manifest).is_ok_and(|known| {
                    known.is_some_and(|known| known.missing.is_empty() && known.manifest.size() == size)
                });
            if is_whole {
                holding.whole.insert(manifest);
                whole.insert(manifest, size);
            }
        }
        self.offering.set_whole(id, whole);
        self.publish_at_relays(id);
    }

    pub(super) fn offer_answered(&mut self, peer: DeviceId, offer: &Offer, answer: Option<Answer>) {
        self.offering.answered(self.now_ms(), peer, offer, answer);
        self.publish_at_relays(offer.workspace);
    }

    /// Tells what relays have, unless that is to be looked at anew.
    fn publish_at_relays(&self, workspace: WorkspaceId) {
        let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);
        let is_changed =
            self.news.lock().unwrap_or_else(PoisonError::into_inner).changed.contains(&workspace);
        if is_changed || self.stale.contains_key(&workspace) {
            return;
        }
        let mut news = Vec::new();
        for (key, now) in self.offering.at_relays(workspace) {
            if published.at_relays.insert(key, now) != Some(now) {
                news.push(key.0);
            }
        }
        drop(published);
        for peer in news {
            // Nobody may be listening.
            drop(self.events.send(NodeEvent::PeerChanged { peer }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RELAY: DeviceId = DeviceId([1; 32]);
    const HOME: WorkspaceId = WorkspaceId([2; 32]);

    fn named(n: usize) -> BlobId {
        BlobId::of(&n.to_le_bytes())
    }

    /// A device with so many attachments, which has met a relay.
    fn with(attachments: usize) -> Offering {
        let mut offering = Offering::default();
        assert_eq!(offering.meet(RELAY, &[HOME].into()), [HOME]);
        assert_eq!(offering.next(0), None, "it is not known yet what there is");
        offering.set_whole(HOME, (0..attachments).map(|n| (named(n), 7)).collect());
        offering
    }

    fn answer(offering: &mut Offering, now_ms: u64, offer: &Offer, uptake: Uptake) {
        let answer = Answer::Offered(vec![uptake; offer.attachments.len()]);
        offering.answered(now_ms, RELAY, offer, Some(answer));
    }

    fn lacks(offering: &Offering) -> AtRelay {
        offering.at_relays(HOME)[0].1
    }

    #[test]
    fn everything_is_offered_once_and_again_after_a_day() {
        let mut offering = with(300);
        let mut offered = BTreeSet::new();
        for most in [limits::OFFER, limits::OFFER, 300 - 2 * limits::OFFER] {
            let (peer, offer) = offering.next(5).unwrap();
            assert_eq!((peer, offer.attachments.len()), (RELAY, most));
            assert_eq!(offering.next(5), None, "one at a time");
            offered.extend(offer.attachments.iter().map(|one| one.manifest));
            answer(&mut offering, 5, &offer, Uptake::Here);
        }
        assert_eq!(offered.len(), 300);
        assert_eq!(lacks(&offering), AtRelay::default());
        assert_eq!((offering.next(6), offering.next_due()), (None, Some(5 + limits::OFFER_RENEW_MS)));
        assert!(offering.next(5 + limits::OFFER_RENEW_MS).is_some());
        // What is attached then is offered at once, and alone.
        let mut offering = with(1);
        let (_, offer) = offering.next(5).unwrap();
        answer(&mut offering, 5, &offer, Uptake::Here);
        offering.set_whole(HOME, (0..2).map(|n| (named(n), 7)).collect());
        assert_eq!(lacks(&offering).lacks, 1);
        assert_eq!(offering.next(6).unwrap().1.attachments, [Offered { manifest: named(1), size: 7 }]);
    }

    #[test]
    fn what_a_relay_wants_is_offered_again_when_it_asks_no_more() {
        let mut offering = with(100);
        let (_, offer) = offering.next(0).unwrap();
        answer(&mut offering, 0, &offer, Uptake::Wanted);
        for now_ms in (0..20_000).step_by(500) {
            offering.served(now_ms, RELAY, HOME);
            assert_eq!(offering.next(now_ms), None);
        }
        let due = offering.next_due().unwrap();
        assert_eq!(due, 19_500 + limits::OFFER_AGAIN_MS);
        let (_, offer) = offering.next(due).unwrap();
        assert_eq!(offer.attachments.len(), limits::OFFER_AGAIN);
        // Nothing came of it: it is asked less and less often.
        let mut pauses = Vec::new();
        let mut now_ms = due;
        answer(&mut offering, now_ms, &offer, Uptake::Wanted);
        for _ in 0..10 {
            let due = offering.next_due().unwrap();
            pauses.push(due - now_ms);
            now_ms = due;
            let (_, offer) = offering.next(now_ms).unwrap();
            answer(&mut offering, now_ms, &offer, Uptake::Wanted);
        }
        assert!(
            pauses.is_sorted() && pauses[9] == limits::OFFER_AGAIN_MS << limits::OFFER_DOUBLINGS,
            "{pauses:?}"
        );
    }

    #[test]
    fn a_relay_without_room_and_one_that_answers_nonsense_are_left_alone() {
        let mut offering = with(3);
        let (_, offer) = offering.next(0).unwrap();
        answer(&mut offering, 0, &offer, Uptake::NoRoom);
        assert_eq!(lacks(&offering), AtRelay { lacks: 3, has_no_room_for: 3 });
        assert_eq!(offering.next_due(), Some(limits::OFFER_NO_ROOM_MS));
        for (answer, rest) in [
            (Some(Answer::Offered(Vec::new())), limits::OFFER_AGAIN_MS),
            (Some(Answer::Later), limits::BLOB_LATER_MS),
            (Some(Answer::NotHere), limits::BLOB_LACKED_MS),
            (None, limits::BLOB_FAILED_MS),
        ] {
            let mut offering = with(3);
            let (_, offer) = offering.next(0).unwrap();
            offering.answered(0, RELAY, &offer, answer);
            assert!(offering.next_due().unwrap() >= rest, "{:?}", offering.next_due());
            assert_eq!(lacks(&offering).lacks, 3);
        }
        // Who has gone is offered nothing.
        let mut offering = with(3);
        offering.meet(RELAY, &BTreeSet::new());
        assert_eq!((offering.next(0), offering.next_due()), (None, None));
    }
}
