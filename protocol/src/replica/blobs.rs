//! When blobs may travel: between whom, and not before entries.
//!
//! Blobs do not go through the replica, which neither holds nor waits for them. The driver asks here
//! before it sends one, and before it asks a peer for one. Entries are served to whoever is or was in
//! (`admission`); blobs only to those who are: they are not needed to understand anything that a removed
//! device may still have to hear.

use super::{Holding, Replica};
use crate::{
    id::{DeviceId, WorkspaceId},
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
    /// The peer is not in the workspace, or nothing is exchanged with anybody.
    Never,
}

impl Holding {
    /// Whether a device acts for somebody who is in.
    fn is_of_member(&self, device: DeviceId) -> bool {
        !self.members.keys_of_device(device).is_empty()
    }
}

impl Replica {
    /// Whether blobs of a workspace may travel between this device and a peer now.
    pub fn carries_blobs(&self, now: Now, peer: DeviceId, workspace: WorkspaceId) -> Carriage {
        let (Some(session), Some(holding)) = (self.sessions.get(&peer), self.holdings.get(&workspace)) else {
            return Carriage::Never;
        };
        let shared = session.copies.contains_key(&workspace);
        if !shared || !holding.syncs(now) || !holding.is_of_member(peer) {
            return Carriage::Never;
        }
        // Of any workspace: they share the line.
        if session.is_quiet(now) { Carriage::Now } else { Carriage::Later }
    }

    /// The workspaces that a connected peer shares: it may have blobs of them. Whether it may be asked is
    /// another question, whose answer can change at any time.
    pub fn shared_with(&self, peer: DeviceId) -> BTreeSet<WorkspaceId> {
        let session = self.sessions.get(&peer);
        session.into_iter().flat_map(|session| session.copies.keys().copied()).collect()
    }
}
