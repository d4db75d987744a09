//! The way to the courier.

use super::Job;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::mpsc::{self, error::TrySendError};
use velo_protocol::id::{DeviceId, WorkspaceId};

/// Peers of which something is to be told, and the workspaces of which each may have blobs; none if it has
/// gone.
pub(super) type PeerNews = Arc<Mutex<BTreeMap<DeviceId, BTreeSet<WorkspaceId>>>>;

/// The way to the courier, which may wait for the disk. What others ask for goes by a channel with a bound, see
/// [`Self::ask`]. What must not be lost goes by one without, in which there is little: an answer for each question
/// that the courier put itself, of which each peer has one; the workspaces of this device; and of peers only the
/// latest is told.
#[derive(Debug, Clone)]
pub(crate) struct CourierHandle {
    pub(super) jobs: mpsc::UnboundedSender<Job>,
    pub(super) asked: mpsc::Sender<Job>,
    pub(super) peers: PeerNews,
}

impl CourierHandle {
    /// Asks it for something. Returns whether there was room: if not, nothing was done, and it is to be asked
    /// again later.
    #[must_use]
    pub fn ask(&self, job: Job) -> bool {
        // After its end nobody has a use for it.
        !matches!(self.asked.try_send(job), Err(TrySendError::Full(_)))
    }

    /// Tells it something. After its end nobody has a use for it.
    pub fn tell(&self, job: Job) {
        drop(self.jobs.send(job));
    }

    /// Tells it that a peer may have blobs of these workspaces. However often that changes while the courier
    /// waits for the disk, it is told once.
    pub fn tell_peer(&self, peer: DeviceId, workspaces: BTreeSet<WorkspaceId>) {
        let mut peers = self.peers.lock().unwrap_or_else(PoisonError::into_inner);
        let is_told = !peers.is_empty();
        peers.insert(peer, workspaces);
        if !is_told {
            self.tell(Job::Peers);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::COURIER_QUEUE;
    use velo_protocol::id::BlobId;

    /// A way to a courier that waits for the disk.
    fn handle() -> (CourierHandle, mpsc::UnboundedReceiver<Job>, mpsc::Receiver<Job>) {
        let (jobs, taken) = mpsc::unbounded_channel();
        let (asked, wishes) = mpsc::channel(COURIER_QUEUE);
        (CourierHandle { jobs, asked, peers: PeerNews::default() }, taken, wishes)
    }

    #[test]
    fn who_asks_for_too_much_is_told_so() {
        let (handle, _taken, mut wishes) = handle();
        let want = |n: usize| {
            let mut manifest = BlobId([0; 32]);
            manifest.0[..8].copy_from_slice(&n.to_le_bytes());
            handle.ask(Job::Want { workspace: WorkspaceId([3; 32]), manifest, size: 1, asked: true })
        };
        assert_eq!((0..2 * COURIER_QUEUE).filter(|n| want(*n)).count(), COURIER_QUEUE);
        wishes.try_recv().unwrap();
        assert!(want(0));
        drop(wishes);
        assert!(want(1), "after the end nobody has a use for it");
    }

    #[test]
    fn of_a_peer_only_the_latest_is_told() {
        let (handle, mut taken, _wishes) = handle();
        let (peer, other) = (DeviceId([1; 32]), DeviceId([2; 32]));
        let shared: BTreeSet<_> = [WorkspaceId([3; 32])].into();
        // The courier waits for the disk, and somebody comes and goes.
        for _ in 0..1000 {
            handle.tell_peer(peer, BTreeSet::new());
            handle.tell_peer(peer, shared.clone());
        }
        handle.tell_peer(other, BTreeSet::new());
        assert!(matches!(taken.try_recv(), Ok(Job::Peers)));
        assert!(taken.try_recv().is_err(), "one job for all");
        let news = std::mem::take(&mut *handle.peers.lock().unwrap());
        assert_eq!(news, [(peer, shared), (other, BTreeSet::new())].into());
        handle.tell_peer(peer, BTreeSet::new());
        assert!(matches!(taken.try_recv(), Ok(Job::Peers)), "and one for what comes later");
    }
}
