//! Which blob is asked of whom next: the fetching of attachments, as a state machine.
//!
//! The driver says what is wanted and what of it is missing ([`Fetches::want`]), who is there
//! ([`Fetches::meet`]) and what came; [`Fetches::next`] says what to ask. At any time one piece of one
//! blob is under way from each peer. Each blob comes whole from one peer, so one whose hash does not fit
//! tells who sent it, and that peer is not asked for it again. Different peers fetch different blobs of
//! one file at the same time.
//!
//! No peer keeps a blob from the others: one that has no time, or does not answer, has it no more. What it
//! sent is kept for when it is asked again. One that was asked and is silent for some seconds may still
//! answer; a peer with nothing else to do is asked for the same blob meanwhile.
//!
//! There is room for a bounded number of attachments. What no peer that is there has gives way to what one
//! may have, and what was looked at long ago to what is looked at now.
//!
//! A relay does not know what it wants until somebody offers it ([`Fetches::take_offer`]). It asks those who
//! offered it and nobody else, and no longer when they have gone.

use super::{Answer, Ask, Manifest, pace::Pace};
use crate::{
    id::{BlobId, DeviceId, WorkspaceId},
    limits,
};
use std::collections::{BTreeMap, BTreeSet};

mod offered;

/// How much somebody waits for an attachment. The first ones are fetched first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Urgency {
    /// Somebody looks at it.
    Viewed,
    /// It is small, and fetched in advance.
    Small,
    /// Everything is fetched in advance.
    Background,
}

/// What is here already of a file, if its manifest is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The manifest.
    pub manifest: Manifest,
    /// Its blobs that are not here.
    pub missing: BTreeSet<BlobId>,
}

/// What came of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing to do.
    Nothing,
    /// A blob is whole and as its name says: to be kept. When it is durable, say
    /// [`Fetches::stored`]; a manifest is wanted anew with what it names ([`Fetches::want`]).
    Keep {
        /// Where.
        workspace: WorkspaceId,
        /// Which.
        blob: BlobId,
        /// Its bytes.
        bytes: Vec<u8>,
        /// Whether it is a manifest.
        is_manifest: bool,
    },
    /// The peer sent other bytes than those asked for. It is not asked for that blob again.
    Lied {
        /// Which.
        blob: BlobId,
    },
}

/// One attachment on its way.
#[derive(Debug)]
struct Fetch {
    urgency: Urgency,
    /// Number of the wish: later ones of somebody who looks go first, others wait their turn.
    turn: u64,
    known: Option<Known>,
    /// Who offered it, and is asked for it. None: whoever may have it.
    by: Option<BTreeSet<DeviceId>>,
}

/// A blob on its way from a peer.
#[derive(Debug)]
struct Coming {
    workspace: WorkspaceId,
    blob: BlobId,
    /// The manifest of the attachment that it is for.
    manifest: BlobId,
    bytes: Vec<u8>,
    total: Option<u32>,
    /// When the piece under way was asked for, and its length.
    asked: Option<(u64, u32)>,
}

#[derive(Debug, Default)]
struct Peer {
    workspaces: BTreeSet<WorkspaceId>,
    pace: Pace,
    coming: Option<Coming>,
    /// What came of a blob when the peer last had no time for the rest, or was silent.
    begun: Option<Coming>,
    /// Attachments that it does not have, until when it is not asked again.
    lacks: BTreeMap<BlobId, u64>,
    rests_until: u64,
    /// How often it has not answered since it brought something.
    failures: u32,
}

type Key = (WorkspaceId, BlobId);

/// See the module.
#[derive(Debug, Default)]
pub struct Fetches {
    wanted: BTreeMap<Key, Fetch>,
    peers: BTreeMap<DeviceId, Peer>,
    lies: BTreeSet<(DeviceId, BlobId)>,
    turn: u64,
    /// Nothing is asked for until then: the disk is full.
    halted_until: u64,
}

impl Fetches {
    /// Fetches the attachment of this manifest, or what is missing of it. Returns whether there is room,
    /// as there always is for what somebody looks at; if not, it may be asked again later.
    pub fn want(&mut self, now_ms: u64, key: Key, urgency: Urgency, known: Option<Known>) -> bool {
        self.turn += 1;
        let turn = self.turn;
        if let Some(fetch) = self.wanted.get_mut(&key) {
            if urgency < fetch.urgency {
                (fetch.urgency, fetch.turn) = (urgency, turn);
            }
            (fetch.known, fetch.by) = (known, None);
            return true;
        }
        let fetch = Fetch { urgency, turn, known, by: None };
        if self.is_full() && !self.make_room(now_ms, &key, &fetch) {
            return false;
        }
        self.wanted.insert(key, fetch);
        true
    }

    /// What nobody has gives way first, then what somebody waits for least.
    fn make_room(&mut self, now_ms: u64, key: &Key, new: &Fetch) -> bool {
        let place = |(key, fetch): &(&Key, &Fetch)| (!self.may_come(now_ms, key, fetch), fetch.place());
        let wanted = self.wanted.iter().filter(|(_, fetch)| fetch.by.is_none());
        let Some(last) = wanted.max_by_key(place) else { return true };
        let ((is_idle, (urgency, _)), last) = (place(&last), *last.0);
        let is_better = is_idle && self.may_come(now_ms, key, new);
        let gives_way = is_better || urgency > new.urgency || new.urgency == Urgency::Viewed;
        if gives_way {
            self.wanted.remove(&last);
        }
        gives_way
    }

    /// Whether a peer that is there may have some of what is missing.
    fn may_come(&self, now_ms: u64, key: &Key, fetch: &Fetch) -> bool {
        let mut peers = self.peers.iter();
        peers.any(|(id, peer)| {
            fetch.may_come_from(*id)
                && peer.may_have(now_ms, key)
                && fetch.needs(key.1).any(|blob| !self.lies.contains(&(*id, blob)))
        })
    }

    /// No longer fetches it.
    pub fn unwant(&mut self, key: Key) {
        self.wanted.remove(&key);
    }

    /// No longer fetches anything of a workspace.
    pub fn part_with(&mut self, workspace: WorkspaceId) {
        self.wanted.retain(|(of, _), _| *of != workspace);
    }

    /// No longer fetches what is not among these, in a workspace.
    pub fn keep_only(&mut self, workspace: WorkspaceId, shown: &BTreeSet<BlobId>) {
        self.wanted.retain(|(of, manifest), _| *of != workspace || shown.contains(manifest));
    }

    /// No longer fetches what nobody looks at, in a workspace.
    pub fn only_viewed(&mut self, workspace: WorkspaceId) {
        self.wanted.retain(|(of, _), fetch| *of != workspace || fetch.urgency == Urgency::Viewed);
    }

    /// Whether it is being fetched.
    pub fn is_wanted(&self, key: Key) -> bool {
        self.wanted.contains_key(&key)
    }

    /// Whether nothing is being fetched.
    pub fn is_idle(&self) -> bool {
        self.wanted.is_empty()
    }

    /// Bytes of parts on their way, of which nothing is kept yet, by attachment. Its manifest is no part.
    pub fn coming(&self) -> BTreeMap<Key, u64> {
        let mut bytes = BTreeMap::new();
        let parts = self.peers.values().filter_map(|peer| peer.coming.as_ref());
        for part in parts.filter(|part| part.blob != part.manifest && !part.bytes.is_empty()) {
            *bytes.entry((part.workspace, part.manifest)).or_default() += part.bytes.len() as u64;
        }
        bytes
    }

    /// Whether something has to give way to what is wanted next.
    pub fn is_full(&self) -> bool {
        self.wanted.values().filter(|fetch| fetch.by.is_none()).count() >= limits::FETCHES
    }

    /// Whether there is room for an attachment that some peer may have.
    pub fn has_room(&self, now_ms: u64) -> bool {
        let mut wanted = self.wanted.iter().filter(|(_, fetch)| fetch.by.is_none());
        !self.is_full() || wanted.any(|(key, fetch)| !self.may_come(now_ms, key, fetch))
    }

    /// Whether a peer that is there may have an attachment.
    pub fn may_be_had(&self, now_ms: u64, key: Key) -> bool {
        self.peers.values().any(|peer| peer.may_have(now_ms, &key))
    }

    /// A peer is there, and may be asked for blobs of these workspaces. None of them: it has gone.
    pub fn meet(&mut self, peer: DeviceId, workspaces: BTreeSet<WorkspaceId>) {
        if workspaces.is_empty() {
            self.peers.remove(&peer);
            self.take_back(peer, |_| true);
        } else {
            self.peers.entry(peer).or_default().workspaces = workspaces;
        }
    }

    /// What to ask of whom next, if there is anything. Say [`Self::answered`] or [`Self::failed`] for each.
    pub fn next(&mut self, now_ms: u64) -> Option<(DeviceId, Ask)> {
        if now_ms < self.halted_until {
            return None;
        }
        // A relay knows many peers, few of which offer something.
        let of_anybody = self.wanted.values().any(|fetch| fetch.by.is_none());
        let offering: BTreeSet<DeviceId> = self.offers().flatten().copied().collect();
        let idle = self.peers.iter().filter(|(id, peer)| {
            (of_anybody || offering.contains(id) || peer.coming.is_some()) && peer.is_idle(now_ms)
        });
        let idle: Vec<DeviceId> = idle.map(|(id, _)| *id).collect();
        idle.into_iter().find_map(|id| self.ask(now_ms, id).map(|ask| (id, ask)))
    }

    /// When [`Self::next`] may have something to ask that it has not now, if nothing else happens.
    pub fn next_due(&self, now_ms: u64) -> Option<u64> {
        if self.wanted.is_empty() || self.peers.is_empty() {
            return None;
        }
        if now_ms < self.halted_until {
            return Some(self.halted_until);
        }
        let rests = self.peers.values().map(|peer| peer.rests_until);
        let is_wanted = |peer: &Peer, manifest: &BlobId| {
            peer.workspaces.iter().any(|workspace| self.wanted.contains_key(&(*workspace, *manifest)))
        };
        let lacks = self.peers.values().flat_map(|peer| {
            peer.lacks.iter().filter(move |(manifest, _)| is_wanted(peer, manifest)).map(|(_, until)| *until)
        });
        let silent = self.peers.values().filter_map(Peer::silent_from);
        rests.chain(lacks).chain(silent).filter(|at| *at > now_ms).min()
    }

    fn ask(&mut self, now_ms: u64, id: DeviceId) -> Option<Ask> {
        self.drop_unwanted(id);
        self.give_way(now_ms, id);
        if self.peers.get(&id)?.coming.is_none() {
            let coming = self.choose(now_ms, id)?;
            let peer = self.peers.get_mut(&id)?;
            let begun = peer.begun.take_if(|begun| begun.is_of(&coming));
            peer.coming = Some(begun.unwrap_or(coming));
        }
        let peer = self.peers.get_mut(&id)?;
        let coming = peer.coming.as_mut()?;
        let offset = coming.bytes.len() as u32;
        let rest = coming.total.map_or(limits::PIECE_MOST, |total| total.saturating_sub(offset));
        let len = peer.pace.piece().min(rest);
        coming.asked = Some((now_ms, len));
        Some(Ask { workspace: coming.workspace, blob: coming.blob, offset, len })
    }

    /// What is half here may be wanted no more, or have come from elsewhere.
    fn drop_unwanted(&mut self, id: DeviceId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let wanted = &self.wanted;
        peer.coming = peer.coming.take().filter(|coming| coming.is_missing(wanted));
        peer.begun = peer.begun.take().filter(|begun| begun.is_missing(wanted));
    }

    /// Another peer may have been asked for the same blob while this one was silent.
    fn give_way(&mut self, now_ms: u64, id: DeviceId) {
        let is_taken = self.peers.get(&id).and_then(|peer| peer.coming.as_ref()).is_some_and(|coming| {
            let mut others = self.peers.iter().filter(|(other, _)| **other != id);
            others.any(|(_, other)| other.is_at(now_ms, coming.blob))
        });
        if let Some(peer) = self.peers.get_mut(&id).filter(|_| is_taken) {
            peer.set_aside();
        }
    }

    /// What a peer is asked for: what nobody else is at, else what another peer has begun, else what one is
    /// silent about.
    fn choose(&self, now_ms: u64, id: DeviceId) -> Option<Coming> {
        let peer = self.peers.get(&id)?;
        let may_come = |(key, fetch): &(&Key, &Fetch)| fetch.may_come_from(id) && peer.may_have(now_ms, key);
        let mut fetches: Vec<_> = self.wanted.iter().filter(may_come).collect();
        fetches.sort_by_key(|(_, fetch)| fetch.place());
        let others: Vec<_> =
            self.peers.iter().filter(|(other, _)| **other != id).map(|(_, peer)| peer).collect();
        let is_free = |blob: &BlobId| !others.iter().any(|other| other.is_at(now_ms, *blob));
        let is_new = |blob: &BlobId| !others.iter().any(|other| other.has_begun(*blob));
        let find = |fits: &dyn Fn(&BlobId) -> bool| {
            fetches.iter().find_map(|(key, fetch)| {
                let may_ask = |blob: &BlobId| fits(blob) && !self.lies.contains(&(id, *blob));
                let blob = fetch.needs(key.1).find(may_ask)?;
                let (workspace, manifest) = **key;
                Some(Coming { workspace, blob, manifest, bytes: Vec::new(), total: None, asked: None })
            })
        };
        find(&|blob| is_free(blob) && is_new(blob)).or_else(|| find(&is_free))
    }

    /// A peer answered. An answer to what was asked before it went away says nothing.
    pub fn answered(&mut self, now_ms: u64, id: DeviceId, ask: &Ask, answer: Answer) -> Outcome {
        let Some(peer) = self.peers.get_mut(&id) else { return Outcome::Nothing };
        let Some(coming) = peer.coming.as_mut().filter(|coming| coming.is_asked(ask)) else {
            return Outcome::Nothing;
        };
        let Some((asked_ms, asked)) = coming.asked.take() else { return Outcome::Nothing };
        if !coming.is_missing(&self.wanted) {
            // It came from elsewhere.
            peer.coming = None;
            return Outcome::Nothing;
        }
        let (total, bytes) = match answer {
            Answer::Piece { total, bytes } => (total, bytes),
            Answer::NotHere => {
                peer.lacks.retain(|_, until| now_ms < *until);
                peer.lacks.insert(coming.manifest, now_ms + limits::BLOB_LACKED_MS);
                let lacked = (coming.workspace, coming.manifest);
                peer.coming = None;
                self.take_back(id, |key| *key == lacked);
                return Outcome::Nothing;
            }
            Answer::Later => {
                peer.rest(now_ms + limits::BLOB_LATER_MS);
                return Outcome::Nothing;
            }
            // The answer to something else.
            Answer::Offered(_) => return self.lied(id),
        };
        peer.pace.took(bytes.len(), now_ms.saturating_sub(asked_ms));
        if !coming.take(total, asked, &bytes) {
            return self.lied(id);
        }
        peer.failures = 0;
        if coming.bytes.len() < total as usize {
            return Outcome::Nothing;
        }
        if BlobId::of(&coming.bytes) != coming.blob {
            return self.lied(id);
        }
        let Some(Coming { workspace, blob, manifest, bytes, .. }) = peer.coming.take() else {
            return Outcome::Nothing;
        };
        Outcome::Keep { workspace, blob, bytes, is_manifest: blob == manifest }
    }

    fn lied(&mut self, id: DeviceId) -> Outcome {
        let Some(coming) = self.peers.get_mut(&id).and_then(|peer| peer.coming.take()) else {
            return Outcome::Nothing;
        };
        if self.lies.len() >= limits::BLOB_LIES {
            self.lies.pop_first();
        }
        self.lies.insert((id, coming.blob));
        self.take_back(id, |key| *key == (coming.workspace, coming.manifest));
        Outcome::Lied { blob: coming.blob }
    }

    /// A peer did not answer this question: it is left alone for a moment, and for longer each time. What it
    /// was asked for is asked of others then. That nothing came of what was asked before it went away says
    /// nothing.
    pub fn failed(&mut self, now_ms: u64, id: DeviceId, ask: &Ask) {
        let is_asked = |peer: &&mut Peer| {
            let is_under_way =
                |coming: &Coming| coming.asked.is_some_and(|(_, len)| len == ask.len) && coming.is_asked(ask);
            peer.coming.as_ref().is_some_and(is_under_way)
        };
        if let Some(peer) = self.peers.get_mut(&id).filter(is_asked) {
            let rest = limits::BLOB_FAILED_MS << peer.failures.min(limits::BLOB_FAILED_DOUBLINGS);
            peer.failures = peer.failures.saturating_add(1);
            peer.rest(now_ms + rest);
        }
    }

    /// Nothing can be kept: nothing is asked for until then.
    pub fn halt(&mut self, until_ms: u64) {
        self.halted_until = until_ms;
    }

    /// A blob is here. Returns the manifests of the attachments that are whole with it: they are no
    /// longer fetched.
    pub fn stored(&mut self, workspace: WorkspaceId, blob: BlobId) -> Vec<BlobId> {
        let mut whole = Vec::new();
        self.wanted.retain(|(of, manifest), fetch| {
            let Some(known) = fetch.known.as_mut().filter(|_| *of == workspace) else { return true };
            known.missing.remove(&blob);
            if known.missing.is_empty() {
                whole.push(*manifest);
            }
            !known.missing.is_empty()
        });
        whole
    }
}

impl Peer {
    /// Whether it can be asked for something.
    fn is_idle(&self, now_ms: u64) -> bool {
        now_ms >= self.rests_until && self.coming.as_ref().is_none_or(|coming| coming.asked.is_none())
    }

    /// Whether it has not said that it lacks an attachment.
    fn may_have(&self, now_ms: u64, (workspace, manifest): &Key) -> bool {
        let lacks = self.lacks.get(manifest).is_some_and(|until| now_ms < *until);
        self.workspaces.contains(workspace) && !lacks
    }

    /// From when on it counts as silent, if it was asked.
    fn silent_from(&self) -> Option<u64> {
        let (asked_ms, _) = self.coming.as_ref()?.asked?;
        Some(asked_ms + limits::BLOB_SILENT_MS)
    }

    /// Whether a blob is on its way from it, as far as one can tell.
    fn is_at(&self, now_ms: u64, blob: BlobId) -> bool {
        let is_silent = self.silent_from().is_some_and(|from| from <= now_ms);
        !is_silent && self.coming.as_ref().is_some_and(|coming| coming.blob == blob)
    }

    /// Whether it was asked for a blob.
    fn has_begun(&self, blob: BlobId) -> bool {
        [&self.coming, &self.begun].into_iter().flatten().any(|coming| coming.blob == blob)
    }

    /// Asks it for nothing until then, and others for what it was asked for.
    fn rest(&mut self, until_ms: u64) {
        self.rests_until = until_ms;
        self.set_aside();
    }

    fn set_aside(&mut self) {
        if let Some(coming) = self.coming.take() {
            self.begun = Some(Coming { asked: None, ..coming });
        }
    }
}

impl Fetch {
    fn place(&self) -> (Urgency, i128) {
        let turn = i128::from(self.turn);
        (self.urgency, if self.urgency == Urgency::Viewed { -turn } else { turn })
    }

    /// Whether a peer may be asked for it.
    fn may_come_from(&self, peer: DeviceId) -> bool {
        self.by.as_ref().is_none_or(|by| by.contains(&peer))
    }

    /// The blobs to fetch: the manifest, or what it names.
    fn needs(&self, manifest: BlobId) -> impl Iterator<Item = BlobId> {
        let first = self.known.is_none().then_some(manifest);
        let rest = self.known.iter().flat_map(|known| known.missing.iter().copied());
        first.into_iter().chain(rest)
    }
}

impl Coming {
    fn is_of(&self, other: &Self) -> bool {
        (self.workspace, self.blob, self.manifest) == (other.workspace, other.blob, other.manifest)
    }

    /// Whether it is still to be fetched.
    fn is_missing(&self, wanted: &BTreeMap<Key, Fetch>) -> bool {
        let fetch = wanted.get(&(self.workspace, self.manifest));
        fetch.is_some_and(|fetch| match &fetch.known {
            None => self.blob == self.manifest,
            Some(known) => known.missing.contains(&self.blob),
        })
    }

    fn is_asked(&self, ask: &Ask) -> bool {
        (self.workspace, self.blob, self.bytes.len()) == (ask.workspace, ask.blob, ask.offset as usize)
    }

    /// Adds a piece; false if it cannot be what was asked for.
    fn take(&mut self, total: u32, asked: u32, bytes: &[u8]) -> bool {
        let end = self.bytes.len() + bytes.len();
        let fits = total as usize <= limits::BLOB && end <= total as usize;
        let known = self.total.is_none_or(|known| known == total);
        if !fits || !known || bytes.is_empty() || bytes.len() > asked as usize {
            return false;
        }
        self.total = Some(total);
        self.bytes.extend_from_slice(bytes);
        true
    }
}

#[cfg(test)]
mod tests;
