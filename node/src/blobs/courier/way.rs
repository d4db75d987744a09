//! The way to the courier.

use super::Job;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::sync::mpsc::{self, error::TrySendError};
use velo_protocol::{
    id::{DeviceId, WorkspaceId},
    model::{EntityKey, Kind},
};

/// The workspaces of which a connected peer may have blobs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Met {
    /// None if it has gone.
    pub shared: BTreeSet<WorkspaceId>,
    /// Those of them that it carries as a relay.
    pub carried: BTreeSet<WorkspaceId>,
}

/// What changes often. However often that is while the courier waits for the disk, it is told once.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct News {
    /// What each of these peers may have.
    pub peers: BTreeMap<DeviceId, Met>,
    /// Workspaces of which attachments changed.
    pub changed: BTreeSet<WorkspaceId>,
}

impl News {
    fn is_empty(&self) -> bool {
        self.peers.is_empty() && self.changed.is_empty()
    }
}

pub(super) type SharedNews = Arc<Mutex<News>>;

/// The way to the courier, which may wait for the disk. What others ask for goes by a channel with a bound, see
/// [`Self::ask`]. What must not be lost goes by one without, in which there is little: an answer for each question
/// that the courier put itself, of which each peer has one; the workspaces of this device; and of [`News`] only
/// the latest is told.
#[derive(Debug, Clone)]
pub(crate) struct CourierHandle {
    pub(super) jobs: mpsc::UnboundedSender<Job>,
    pub(super) asked: mpsc::Sender<Job>,
    pub(super) news: SharedNews,
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

    /// Tells it what a peer may have.
    pub fn tell_peer(&self, peer: DeviceId, met: Met) {
        self.tell_news(|news| _ = news.peers.insert(peer, met));
    }

    /// Tells it what changed in a workspace, which is published already. What concerns no attachment does not
    /// wake its thread: every edit would pay for that. Nor does a task of which attachments are fetched: with it
    /// they are deleted, and each is named as changed.
    pub fn tell_changes(&self, workspace: WorkspaceId, entities: &[EntityKey]) {
        if entities.iter().any(|key| key.kind == Kind::Attachment) {
            self.tell_news(|news| _ = news.changed.insert(workspace));
        }
    }

    fn tell_news(&self, add: impl FnOnce(&mut News)) {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let is_told = !news.is_empty();
        add(&mut news);
        if !is_told {
            self.tell(Job::News);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::COURIER_QUEUE;
    use velo_protocol::id::{BlobId, EntityId};

    /// A way to a courier that waits for the disk.
    fn handle() -> (CourierHandle, mpsc::UnboundedReceiver<Job>, mpsc::Receiver<Job>) {
        let (jobs, taken) = mpsc::unbounded_channel();
        let (asked, wishes) = mpsc::channel(COURIER_QUEUE);
        (CourierHandle { jobs, asked, news: SharedNews::default() }, taken, wishes)
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
        let shared = Met { shared: [WorkspaceId([3; 32])].into(), carried: BTreeSet::new() };
        // The courier waits for the disk, and somebody comes and goes.
        for _ in 0..1000 {
            handle.tell_peer(peer, Met::default());
            handle.tell_peer(peer, shared.clone());
        }
        handle.tell_peer(other, Met::default());
        assert!(matches!(taken.try_recv(), Ok(Job::News)));
        assert!(taken.try_recv().is_err(), "one job for all");
        let news = std::mem::take(&mut *handle.news.lock().unwrap());
        assert_eq!(news.peers, [(peer, shared), (other, Met::default())].into());
        handle.tell_peer(peer, Met::default());
        assert!(matches!(taken.try_recv(), Ok(Job::News)), "and one for what comes later");
    }

    #[test]
    fn only_changes_of_attachments_wake_it() {
        let (handle, mut taken, _wishes) = handle();
        let key = |kind| EntityKey::new(kind, EntityId([1; 16]));
        let [first, second] = [1, 2].map(|n| WorkspaceId([n; 32]));
        handle.tell_changes(first, &[key(Kind::Task), key(Kind::Comment)]);
        assert!(taken.try_recv().is_err(), "an edit pays nothing");
        handle.tell_changes(first, &[key(Kind::Task), key(Kind::Attachment)]);
        handle.tell_changes(second, &[key(Kind::Attachment)]);
        handle.tell_peer(DeviceId([1; 32]), Met::default());
        assert!(matches!(taken.try_recv(), Ok(Job::News)));
        assert!(taken.try_recv().is_err(), "one job for all");
        let news = std::mem::take(&mut *handle.news.lock().unwrap());
        assert_eq!((news.changed, news.peers.len()), ([first, second].into(), 1));
    }
}
