//! One simulated device: a replica, and a disk that survives its crashes.

use super::Plan;
use crate::{
    crypto::LinkCert,
    dice::Dice,
    id::{DeviceId, EntryId, Incarnation, LogId, WorkspaceId},
    replica::{Identity, Logs, Opened, Replica, WorkspaceRecord},
    snapshot::PageNo,
    store::{
        ChainInfo, LogReader, LogStore, StoreError,
        memory::{MemoryLog, MemoryReader},
    },
    workspace::Workspace,
};
use std::collections::BTreeMap;

/// The meta record, and the pages by number.
type SavedPages = (Vec<u8>, BTreeMap<PageNo, Vec<u8>>);

/// What lies on a device's disk.
#[derive(Debug, Default)]
pub(super) struct Disk {
    pub record: Option<WorkspaceRecord>,
    pub log: MemoryLog,
    /// The last pages of the visible state that were written, if any.
    pub pages: Option<SavedPages>,
    /// Whether there is no room left.
    pub is_full: bool,
    /// A backup: how many runs there were, and the record.
    pub backup: Option<(usize, WorkspaceRecord)>,
}

/// A running replica's view of its disk.
pub(super) struct DiskLogs(pub MemoryReader);

impl Logs for DiskLogs {
    fn reader(&self, _: WorkspaceId) -> Option<&dyn LogReader> {
        Some(&self.0)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Device {
    pub identity: Identity,
    /// The seed of its person's root.
    pub root: [u8; 32],
    pub disk: Disk,
    /// `None` while it is off.
    pub replica: Option<Replica>,
    /// Counts starts: what was meant for an earlier life is dropped.
    pub life: u64,
    pub clock_error_ms: i64,
    pub wake_at: Option<u64>,
    /// Batches reach the disk in order.
    pub disk_busy_until: u64,
    /// The incarnation that must not be written to any more: the marker outside of the backup.
    pub doubtful: Option<Incarnation>,
    /// Its disk failed: it must be started again.
    pub broken: bool,
    /// Entries of its own that it acknowledged to its person.
    pub acknowledged: Vec<(LogId, EntryId)>,
}

impl Device {
    /// `first`: the device of the same person that links this one.
    pub fn new(dice: &mut Dice, plan: &Plan, first: Option<&Self>) -> Self {
        let (seed, device) = (dice.bytes(), dice.bytes());
        let root = first.map_or(seed, |first| first.root);
        let mut identity = Identity::from_seeds(root, &device);
        if let Some(first) = first {
            let (to, receiving) = (&identity.device, identity.receiving.public());
            let link = LinkCert::issue(identity.person, &first.identity.device, to, receiving.0);
            identity.chain = [&first.identity.chain[..], &[link]].concat();
        }
        Self {
            replica: Some(Replica::new(identity.clone(), dice.bytes())),
            identity,
            root,
            disk: Disk::default(),
            life: 0,
            clock_error_ms: dice.below(2 * plan.skew_ms + 1) as i64 - plan.skew_ms as i64,
            wake_at: None,
            disk_busy_until: 0,
            doubtful: None,
            broken: false,
            acknowledged: Vec::new(),
        }
    }

    pub fn id(&self) -> DeviceId {
        self.identity.device_id()
    }

    pub fn logs(&self) -> DiskLogs {
        DiskLogs(self.disk.log.reader())
    }

    /// The power goes.
    pub fn crash(&mut self) {
        self.replica = None;
        self.wake_at = None;
        self.life += 1;
    }

    /// Copies the disk.
    pub fn back_up(&mut self) {
        let disk = &mut self.disk;
        disk.backup = disk.record.clone().map(|record| (disk.log.durable_runs(), record));
    }

    /// Starts again from the disk.
    pub fn start(&mut self, dice: &mut Dice) -> Result<(), StoreError> {
        self.disk.log.reopen();
        self.broken = false;
        let mut replica = Replica::new(self.identity.clone(), dice.bytes());
        if let Some(record) = self.disk.record.clone() {
            let state = self.saved_state(record.id);
            let fresh_incarnation = self.doubtful == Some(record.origin.incarnation);
            let reader = self.disk.log.reader();
            if replica.open_workspace(record, state, &reader, fresh_incarnation)? == Opened::Nothing {
                (self.disk.record, self.disk.pages) = (None, None);
            }
        }
        self.replica = Some(replica);
        self.life += 1;
        Ok(())
    }

    /// Whether it was ever in: its own log has a durable entry.
    pub fn has_entered(&self) -> bool {
        let own = |chain: &ChainInfo| chain.origin.device == self.id() && chain.end.head.position > 0;
        self.disk.log.reader().chains().iter().any(own)
    }

    /// Whether it founded or joined a workspace for good.
    pub fn is_member(&self) -> bool {
        let open = self.replica.as_ref().and_then(|replica| {
            let workspace = replica.workspaces().into_iter().next()?;
            replica.workspace(workspace)?.roster().role_of(self.identity.person)
        });
        let own = |chain: &ChainInfo| chain.origin.device == self.id() && chain.end.head.position > 0;
        open.is_some() && self.disk.log.reader().chains().iter().any(own)
    }

    fn saved_state(&self, workspace: WorkspaceId) -> Option<Workspace> {
        let (meta, pages) = self.disk.pages.as_ref()?;
        let pages = pages.iter().map(|(number, bytes)| (*number, bytes.clone()));
        Workspace::from_pages(workspace, meta, pages).ok()
    }

    /// Writes the visible state's changed pages, as a driver does when nothing is in flight.
    pub fn save_pages(&mut self, workspace: WorkspaceId) {
        let Some(state) = self.replica.as_mut().and_then(|replica| replica.workspace_mut(workspace)) else {
            return;
        };
        let taken = state.take_pages();
        let saved = self.disk.pages.get_or_insert_default();
        saved.0 = taken.meta;
        saved.1.extend(taken.pages);
    }
}
