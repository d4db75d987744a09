//! What the driver of a node and its handles have in common.

use super::{NodeError, NodeEvent};
use crate::{
    blobs::{courier::CourierHandle, store::BlobStore},
    keystore::KeyDoor,
    net::NetHandle,
    store::home::KeptReader,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock, PoisonError, RwLock, RwLockReadGuard, atomic::AtomicUsize},
};
use tokio::sync::{Notify, broadcast, mpsc, oneshot};
use velo_protocol::{
    blob::AtRelay,
    crypto::SecretKey,
    id::{BlobId, DeviceId, PersonId, WorkspaceId},
    model::{EntityKey, Kind},
    replica::{Command, Fetching, Identity, PeerStatus, Present, Reply},
    workspace::Workspace,
};

/// What the driver publishes and everybody reads.
#[derive(Debug, Default)]
pub(crate) struct Published {
    pub workspaces: BTreeMap<WorkspaceId, Workspace>,
    pub peers: Vec<PeerStatus>,
    pub read_only: Option<String>,
    pub readers: BTreeMap<WorkspaceId, KeptReader>,
    pub blobs: BTreeMap<WorkspaceId, BlobStore>,
    pub fetching: BTreeMap<WorkspaceId, Fetching>,
    /// Bytes of attachments, by manifest, that are on their way and not kept yet.
    pub coming: BTreeMap<(WorkspaceId, BlobId), u64>,
    /// Why nothing of attachments can be kept at the moment, if so.
    pub fetch_trouble: Option<String>,
    /// What relays have of the attachments here, as far as they said.
    pub at_relays: BTreeMap<(DeviceId, WorkspaceId), AtRelay>,
    /// Files that are being attached, and how many bytes of them are kept.
    pub adding: BTreeMap<PathBuf, u64>,
    /// Those that sync only when a person asks.
    pub by_hand: BTreeSet<WorkspaceId>,
    /// Who else is here.
    pub present: BTreeMap<WorkspaceId, Vec<Present>>,
}

impl Published {
    /// A workspace is here no more. Its state goes when the event that says so is told.
    fn remove(&mut self, workspace: WorkspaceId) {
        let Self {
            workspaces: _,
            peers: _,
            read_only: _,
            adding: _,
            fetch_trouble: _,
            readers,
            blobs,
            fetching,
            coming,
            at_relays,
            by_hand,
            present,
        } = self;
        readers.remove(&workspace);
        blobs.remove(&workspace);
        fetching.remove(&workspace);
        coming.retain(|(of, _), _| *of != workspace);
        at_relays.retain(|(_, of), _| *of != workspace);
        by_hand.remove(&workspace);
        present.remove(&workspace);
    }
}

/// What the driver is asked for.
pub(crate) struct Request {
    pub command: Command,
    pub answer: oneshot::Sender<Result<Reply, NodeError>>,
}

/// Whose device a node runs on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Owner {
    pub person: PersonId,
    /// Their private workspace, whether it is open or not.
    pub private: Option<WorkspaceId>,
}

impl Owner {
    pub fn of(identity: &Identity) -> Self {
        let private = identity.private.as_ref().map(|private| private.id);
        Self { person: identity.person, private }
    }
}

/// What the driver and its handles have in common.
pub(crate) struct Shared {
    /// Whose device it is: another person's once it was linked or a person was brought back to it.
    pub owner: RwLock<Owner>,
    pub device: DeviceId,
    /// For checking what this device wrote.
    pub key: SecretKey,
    /// For the person's phrase.
    pub keys: KeyDoor,
    pub data_dir: PathBuf,
    pub requests: mpsc::Sender<Request>,
    pub stop: Notify,
    pub events: broadcast::Sender<NodeEvent>,
    pub unopened: Vec<String>,
    pub published: Arc<RwLock<Published>>,
    pub courier: CourierHandle,
    /// Batches on their way to the disk.
    pub in_flight: AtomicUsize,
    /// Why nothing more is written.
    pub failed: OnceLock<String>,
    pub net: Option<NetHandle>,
    pub runtime: tokio::runtime::Handle,
}

impl Shared {
    /// Nobody panics while holding the lock, and a snapshot is whole at any time.
    pub fn read(&self) -> RwLockReadGuard<'_, Published> {
        self.published.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn owner(&self) -> Owner {
        // Nobody panics while holding the lock.
        *self.owner.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn add_reader(&self, workspace: WorkspaceId, reader: KeptReader) {
        self.published.write().unwrap_or_else(PoisonError::into_inner).readers.insert(workspace, reader);
    }

    pub fn blobs(&self, workspace: WorkspaceId) -> Option<BlobStore> {
        self.read().blobs.get(&workspace).cloned()
    }

    /// Tells the courier what changed, which is published already. Until it has looked nobody knows whether relays
    /// have all attachments.
    pub fn tell_courier_of(&self, workspace: WorkspaceId, entities: &[EntityKey]) {
        if !entities.iter().any(|key| key.kind == Kind::Attachment) {
            return;
        }
        // At once: the courier asks under this lock whether there is something new.
        let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);
        published.at_relays.retain(|(_, of), _| *of != workspace);
        self.courier.tell_changes(workspace, entities);
    }

    /// The attachments of a workspace, and when they are fetched.
    pub fn set_blobs(&self, workspace: WorkspaceId, store: BlobStore, fetching: Fetching) {
        let mut published = self.published.write().unwrap_or_else(PoisonError::into_inner);
        published.blobs.insert(workspace, store);
        published.fetching.insert(workspace, fetching);
    }

    /// How much of a file is kept that is being attached; `None`: it no longer is.
    pub fn note_adding(&self, path: &Path, bytes: Option<u64>) {
        let adding = &mut self.published.write().unwrap_or_else(PoisonError::into_inner).adding;
        match bytes {
            Some(bytes) => _ = adding.insert(path.to_owned(), bytes),
            None => _ = adding.remove(path),
        }
    }

    /// A workspace is here no more.
    pub fn remove(&self, workspace: WorkspaceId) {
        self.published.write().unwrap_or_else(PoisonError::into_inner).remove(workspace);
    }

    /// Notes whether a workspace syncs by itself.
    pub fn note_sync(&self, workspace: WorkspaceId, by_itself: bool) {
        let by_hand = &mut self.published.write().unwrap_or_else(PoisonError::into_inner).by_hand;
        if by_itself {
            by_hand.remove(&workspace)
        } else {
            by_hand.insert(workspace)
        };
    }

    pub fn addresses(&self) -> Vec<String> {
        let addresses = self.net.iter().flat_map(NetHandle::addresses);
        addresses.map(|address| address.to_string()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_left_of_a_workspace_that_is_forgotten() {
        let (gone, other) = (WorkspaceId([1; 32]), WorkspaceId([2; 32]));
        let mut published = Published::default();
        for workspace in [gone, other] {
            let folder = PathBuf::from("nowhere");
            published.blobs.insert(workspace, BlobStore::open(folder));
            published.fetching.insert(workspace, Fetching::default());
            published.coming.insert((workspace, BlobId([3; 32])), 7);
            published.at_relays.insert((DeviceId([4; 32]), workspace), AtRelay::default());
            published.by_hand.insert(workspace);
            published.present.insert(workspace, Vec::new());
        }
        published.remove(gone);
        assert_eq!(published.blobs.keys().collect::<Vec<_>>(), [&other]);
        assert_eq!(published.fetching.keys().collect::<Vec<_>>(), [&other]);
        assert_eq!(published.coming, [((other, BlobId([3; 32])), 7)].into());
        assert_eq!(published.at_relays.keys().collect::<Vec<_>>(), [&(DeviceId([4; 32]), other)]);
        assert_eq!(published.by_hand, [other].into());
        assert_eq!(published.present.keys().collect::<Vec<_>>(), [&other]);
    }
}
