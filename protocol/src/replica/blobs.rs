//! When blobs may travel: between whom, and not before entries.
//!
//! Blobs do not go through the replica, which neither holds nor waits for them. The driver asks here
//! before it sends one, and before it asks a peer for one. Entries are served to whoever is or was in
//! (`admission`); blobs only to those who are: they are not needed to understand anything that a removed
//! device may still have to hear. And to relays, which carry them to those.
//!
//! How much a relay keeps of a workspace is one figure for entries and blobs. Blobs leave a quarter of it to the
//! entries: a relay that is full of photos still hears of who was removed.

use super::{Holding, Replica, io::Way};
use crate::{
    id::{DeviceId, WorkspaceId},
    limits,
    time::Now,
};
use std::collections::BTreeSet;

/// Whether blobs may travel between this device and a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carriage {
    /// Yes.
    Now,
    /// Entries are under way between the two: ask again in a moment.
    Later,
    /// The peer is neither in the workspace nor a relay of it, or nothing is exchanged with anybody.
    Never,
}

impl Holding {
    /// Whether a device acts for somebody who is in.
    fn is_of_member(&self, device: DeviceId) -> bool {
        !self.members.keys_of_device(device).is_empty()
    }

    /// How many bytes of blobs this relay may keep. None: as many as there are, or it is no relay.
    fn room_for_blobs(&self) -> Option<u64> {
        let Way::Carried { room: Some(room) } = self.record.way else { return None };
        Some((room - room / limits::ENTRIES_ROOM).saturating_sub(self.carrying.entry_bytes))
    }
}

impl Replica {
    /// Whether blobs of a workspace may travel between this device and a peer now.
    pub fn carries_blobs(&self, now: Now, peer: DeviceId, workspace: WorkspaceId) -> Carriage {
        let (Some(session), Some(holding)) = (self.sessions.get(&peer), self.holdings.get(&workspace)) else {
            return Carriage::Never;
        };
        let Some(copy) = session.copies.get(&workspace) else { return Carriage::Never };
        let may_have = holding.is_of_member(peer) || holding.relay_by(copy).is_some();
        if !may_have || !holding.syncs(now) {
            return Carriage::Never;
        }
        // Of any workspace: they share the line.
        if session.is_quiet(now) { Carriage::Now } else { Carriage::Later }
    }

    /// Whether this device, as a relay, takes what a peer offers of a workspace now. Only of those who are in.
    pub fn takes_offers(&self, now: Now, peer: DeviceId, workspace: WorkspaceId) -> Carriage {
        let holding = self.holdings.get(&workspace);
        let is_relay = |holding: &&Holding| matches!(holding.record.way, Way::Carried { .. });
        match holding.filter(is_relay).filter(|holding| holding.is_of_member(peer)) {
            Some(_) => self.carries_blobs(now, peer, workspace),
            None => Carriage::Never,
        }
    }

    /// How many bytes of blobs this device may keep of a workspace, as a relay. None: as many as there are.
    pub fn room_for_blobs(&self, workspace: WorkspaceId) -> Option<u64> {
        self.holdings.get(&workspace).and_then(Holding::room_for_blobs)
    }

    /// Says how many bytes of blobs this device keeps of a workspace, as a relay: they count as the entries do.
    pub fn note_blobs(&mut self, workspace: WorkspaceId, bytes: u64) {
        if let Some(holding) = self.holdings.get_mut(&workspace) {
            holding.carrying.blob_bytes = bytes;
        }
    }

    /// The workspaces that a connected peer shares: it may have blobs of them. Whether it may be asked is
    /// another question, whose answer can change at any time.
    pub fn shared_with(&self, peer: DeviceId) -> BTreeSet<WorkspaceId> {
        let session = self.sessions.get(&peer);
        session.into_iter().flat_map(|session| session.copies.keys().copied()).collect()
    }

    /// Those of them that the peer carries as a relay, and this device does not.
    pub fn carried_by(&self, peer: DeviceId) -> BTreeSet<WorkspaceId> {
        let copies = self.sessions.get(&peer).into_iter().flat_map(|session| &session.copies);
        let carried = copies.filter(|(workspace, copy)| {
            self.holdings.get(workspace).is_some_and(|holding| {
                !matches!(holding.record.way, Way::Carried { .. }) && holding.relay_by(copy).is_some()
            })
        });
        carried.map(|(workspace, _)| *workspace).collect()
    }
}
