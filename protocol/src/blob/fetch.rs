//! Which blob is asked of whom next: the fetching of attachments, as a state machine.
//!
//! The driver says what is wanted and what of it is missing ([`Fetches::want`]), who is there
//! ([`Fetches::meet`]) and what came; [`Fetches::next`] says what to ask. At any time one piece of one
//! blob is under way from each peer. Each blob comes whole from one peer, so one whose hash does not fit
//! tells who sent it, and that peer is not asked for it again. Different peers fetch different blobs of
//! one file at the same time.

use super::{Answer, Ask, Manifest, pace::Pace};
use crate::{
    id::{BlobId, DeviceId, WorkspaceId},
    limits,
};
use std::collections::{BTreeMap, BTreeSet};

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
    /// Fetches the attachment of this manifest, or what is missing of it. Returns whether there is room;
    /// if not, it may be asked again later.
    pub fn want(&mut self, key: Key, urgency: Urgency, known: Option<Known>) -> bool {
        let is_new = !self.wanted.contains_key(&key);
        if is_new && self.wanted.len() >= limits::FETCHES && !self.make_room(urgency) {
            return false;
        }
        self.turn += 1;
        let turn = self.turn;
        let fetch = self.wanted.entry(key).or_insert(Fetch { urgency, turn, known: None });
        if urgency < fetch.urgency {
            (fetch.urgency, fetch.turn) = (urgency, turn);
        }
        fetch.known = known;
        true
    }

    /// What somebody looks at takes the place of what was to be fetched in advance.
    fn make_room(&mut self, urgency: Urgency) -> bool {
        let last = self.wanted.iter().max_by_key(|(_, fetch)| (fetch.urgency, fetch.turn));
        let last = last.filter(|(_, fetch)| fetch.urgency > urgency).map(|(key, _)| *key);
        last.is_some_and(|key| self.wanted.remove(&key).is_some())
    }

    /// No longer fetches it.
    pub fn unwant(&mut self, key: Key) {
        self.wanted.remove(&key);
    }

    /// No longer fetches anything of a workspace.
    pub fn part_with(&mut self, workspace: WorkspaceId) {
        self.wanted.retain(|(of, _), _| *of != workspace);
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

    /// Whether one more attachment may be wanted for now.
    pub fn has_room(&self) -> bool {
        self.wanted.len() < limits::FETCHES
    }

    /// A peer is there, and may be asked for blobs of these workspaces. None of them: it has gone.
    pub fn meet(&mut self, peer: DeviceId, workspaces: BTreeSet<WorkspaceId>) {
        if workspaces.is_empty() {
            self.peers.remove(&peer);
        } else {
            self.peers.entry(peer).or_default().workspaces = workspaces;
        }
    }

    /// What to ask of whom next, if there is anything. Say [`Self::answered`] or [`Self::failed`] for each.
    pub fn next(&mut self, now_ms: u64) -> Option<(DeviceId, Ask)> {
        if now_ms < self.halted_until {
            return None;
        }
        let idle = |peer: &Peer| {
            now_ms >= peer.rests_until && peer.coming.as_ref().is_none_or(|coming| coming.asked.is_none())
        };
        let idle: Vec<DeviceId> =
            self.peers.iter().filter(|(_, peer)| idle(peer)).map(|(id, _)| *id).collect();
        idle.into_iter().find_map(|id| self.ask(now_ms, id).map(|ask| (id, ask)))
    }

    fn ask(&mut self, now_ms: u64, id: DeviceId) -> Option<Ask> {
        self.drop_unwanted(id);
        if self.peers.get(&id)?.coming.is_none() {
            let coming = self.choose(now_ms, id)?;
            self.peers.get_mut(&id)?.coming = Some(coming);
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
        peer.coming = peer.coming.take().filter(|coming| {
            let fetch = wanted.get(&(coming.workspace, coming.manifest));
            fetch.is_some_and(|fetch| match &fetch.known {
                None => coming.blob == coming.manifest,
                Some(known) => known.missing.contains(&coming.blob),
            })
        });
    }

    fn choose(&self, now_ms: u64, id: DeviceId) -> Option<Coming> {
        let peer = self.peers.get(&id)?;
        let under_way: BTreeSet<BlobId> =
            self.peers.values().filter_map(|peer| Some(peer.coming.as_ref()?.blob)).collect();
        let may_ask = |(key, _): &(&Key, &Fetch)| {
            peer.workspaces.contains(&key.0) && peer.lacks.get(&key.1).is_none_or(|until| now_ms >= *until)
        };
        let mut fetches: Vec<_> = self.wanted.iter().filter(may_ask).collect();
        fetches.sort_by_key(|(_, fetch)| fetch.place());
        let is_free = |blob: &BlobId| !under_way.contains(blob) && !self.lies.contains(&(id, *blob));
        fetches.into_iter().find_map(|((workspace, manifest), fetch)| {
            let blob = fetch.needs(*manifest).find(is_free)?;
            let (workspace, manifest) = (*workspace, *manifest);
            Some(Coming { workspace, blob, manifest, bytes: Vec::new(), total: None, asked: None })
        })
    }

    /// A peer answered. An answer to what was asked before it went away says nothing.
    pub fn answered(&mut self, now_ms: u64, id: DeviceId, ask: &Ask, answer: Answer) -> Outcome {
        let Some(peer) = self.peers.get_mut(&id) else { return Outcome::Nothing };
        let Some(coming) = peer.coming.as_mut().filter(|coming| coming.is_asked(ask)) else {
            return Outcome::Nothing;
        };
        let Some((asked_ms, asked)) = coming.asked.take() else { return Outcome::Nothing };
        let (total, bytes) = match answer {
            Answer::Piece { total, bytes } => (total, bytes),
            Answer::NotHere => {
                peer.lacks.retain(|_, until| now_ms < *until);
                peer.lacks.insert(coming.manifest, now_ms + limits::BLOB_LACKED_MS);
                peer.coming = None;
                return Outcome::Nothing;
            }
            Answer::Later => {
                peer.rests_until = now_ms + limits::BLOB_LATER_MS;
                return Outcome::Nothing;
            }
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
        Outcome::Lied { blob: coming.blob }
    }

    /// A peer did not answer: it is left alone for a moment, and for longer each time. What it was asked
    /// for is asked of others then.
    pub fn failed(&mut self, now_ms: u64, id: DeviceId) {
        if let Some(peer) = self.peers.get_mut(&id) {
            let rest = limits::BLOB_FAILED_MS << peer.failures.min(limits::BLOB_FAILED_DOUBLINGS);
            peer.failures = peer.failures.saturating_add(1);
            peer.rests_until = now_ms + rest;
            if let Some(coming) = &mut peer.coming {
                coming.asked = None;
            }
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

impl Fetch {
    fn place(&self) -> (Urgency, i128) {
        let turn = i128::from(self.turn);
        (self.urgency, if self.urgency == Urgency::Viewed { -turn } else { turn })
    }

    /// The blobs to fetch: the manifest, or what it names.
    fn needs(&self, manifest: BlobId) -> impl Iterator<Item = BlobId> {
        let first = self.known.is_none().then_some(manifest);
        let rest = self.known.iter().flat_map(|known| known.missing.iter().copied());
        first.into_iter().chain(rest)
    }
}

impl Coming {
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
