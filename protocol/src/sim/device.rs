//! One simulated device: a replica, and a disk that survives its crashes.

use super::Plan;
use crate::{
    crypto::LinkCert,
    dice::Dice,
    id::{DeviceId, EntryId, Incarnation, LogId, WorkspaceId},
    replica::{Identity, Logs, Opened, Replica, WorkspaceRecord},
    root::Root,
    snapshot::PageNo,
    store::{
        ChainInfo, ChainNo, LogReader, LogStore, StoreError,
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

impl Disk {
    /// Whether an entry lies in a log here.
    pub fn holds(&self, log: LogId, id: EntryId) -> bool {
        let reader = self.log.reader();
        let chains = reader.chains().into_iter().enumerate().filter(|(_, chain)| chain.log == log);
        let mut entries = chains.flat_map(|(number, chain)| {
            let positions = (chain.base.position + 1..=chain.end.head.position).rev();
            positions.map(move |position| (ChainNo(number as u32), position))
        });
        entries
            .any(|(chain, position)| matches!(reader.entry_id(chain, position), Ok(Some(held)) if held == id))
    }

    fn back_up(&mut self) {
        self.backup = self.record.clone().map(|record| (self.log.durable_runs(), record));
    }

    /// Goes back to the backup, if there is one. Returns the log that was written to then.
    fn restore(&mut self) -> Result<Option<Incarnation>, StoreError> {
        let Some((runs, record)) = self.backup.take() else { return Ok(None) };
        self.log.restore(runs)?;
        let incarnation = record.origin.incarnation;
        (self.record, self.pages) = (Some(record), None);
        Ok(Some(incarnation))
    }

    fn saved_state(&self, workspace: WorkspaceId) -> Option<Workspace> {
        let (meta, pages) = self.pages.as_ref()?;
        let pages = pages.iter().map(|(number, bytes)| (*number, bytes.clone()));
        Workspace::from_pages(workspace, meta, pages).ok()
    }

    fn open(&mut self, replica: &mut Replica, doubtful: &[Incarnation]) -> Result<(), StoreError> {
        self.log.reopen();
        let Some(record) = self.record.clone() else { return Ok(()) };
        let state = self.saved_state(record.id);
        let fresh_incarnation = doubtful.contains(&record.origin.incarnation);
        if replica.open_workspace(record, state, &self.log.reader(), fresh_incarnation)? == Opened::Nothing {
            (self.record, self.pages) = (None, None);
        }
        Ok(())
    }
}

/// A running replica's view of its disks.
pub(super) struct DiskLogs {
    shared: MemoryReader,
    private: Option<(WorkspaceId, MemoryReader)>,
}

impl Logs for DiskLogs {
    fn reader(&self, workspace: WorkspaceId) -> Option<&dyn LogReader> {
        match &self.private {
            Some((private, reader)) if *private == workspace => Some(reader),
            _ => Some(&self.shared),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Device {
    pub identity: Identity,
    /// The seed of its person's root.
    pub root: [u8; 32],
    /// What is kept of the workspace that all share.
    pub disk: Disk,
    /// What is kept of the person's private one.
    pub private: Disk,
    /// `None` while it is off.
    pub replica: Option<Replica>,
    /// Counts starts: what was meant for an earlier life is dropped.
    pub life: u64,
    pub clock_error_ms: i64,
    /// Whether it was brought in by the words of its person.
    pub by_words: bool,
    /// Whether it ever showed an earlier time than before.
    pub clock_went_back: bool,
    pub wake_at: Option<u64>,
    /// Batches reach the disk in order.
    pub disk_busy_until: u64,
    /// Incarnations that must not be written to any more: the marker outside of the backup.
    pub doubtful: Vec<Incarnation>,
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
        if plan.private {
            identity.private = Some(Box::new(Root::from_seed(root).private_workspace()));
        }
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
            private: Disk::default(),
            life: 0,
            clock_went_back: false,
            by_words: false,
            clock_error_ms: dice.below(2 * plan.skew_ms + 1) as i64 - plan.skew_ms as i64,
            wake_at: None,
            disk_busy_until: 0,
            doubtful: Vec::new(),
            broken: false,
            acknowledged: Vec::new(),
        }
    }

    pub fn id(&self) -> DeviceId {
        self.identity.device_id()
    }

    /// Its person's private workspace.
    pub fn private_id(&self) -> Option<WorkspaceId> {
        self.identity.private.as_ref().map(|private| private.id)
    }

    pub fn is_private(&self, workspace: WorkspaceId) -> bool {
        self.private_id() == Some(workspace)
    }

    /// What is kept of a workspace.
    pub fn disk_of(&mut self, workspace: WorkspaceId) -> &mut Disk {
        if self.is_private(workspace) { &mut self.private } else { &mut self.disk }
    }

    pub fn logs(&self) -> DiskLogs {
        let private = self.private_id().map(|id| (id, self.private.log.reader()));
        DiskLogs { shared: self.disk.log.reader(), private }
    }

    /// The power goes.
    pub fn crash(&mut self) {
        self.replica = None;
        self.wake_at = None;
        self.life += 1;
    }

    /// Copies the disks.
    pub fn back_up(&mut self) {
        self.disk.back_up();
        self.private.back_up();
    }

    /// Goes back to the copy, if there is one. `marker`: whether it notices.
    pub fn go_back(&mut self, marker: bool) -> Result<(), StoreError> {
        let back = [self.disk.restore()?, self.private.restore()?];
        self.doubtful.extend(back.into_iter().flatten().filter(|_| marker));
        Ok(())
    }

    /// Starts again from the disks.
    pub fn start(&mut self, dice: &mut Dice) -> Result<(), StoreError> {
        self.broken = false;
        let mut replica = Replica::new(self.identity.clone(), dice.bytes());
        for disk in [&mut self.disk, &mut self.private] {
            disk.open(&mut replica, &self.doubtful)?;
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
            let workspace = replica.workspaces().into_iter().find(|id| !self.is_private(*id))?;
            replica.workspace(workspace)?.roster().role_of(self.identity.person)
        });
        let own = |chain: &ChainInfo| chain.origin.device == self.id() && chain.end.head.position > 0;
        open.is_some() && self.disk.log.reader().chains().iter().any(own)
    }

    /// Writes the visible state's changed pages, as a driver does when nothing is in flight.
    pub fn save_pages(&mut self, workspace: WorkspaceId) {
        let Some(state) = self.replica.as_mut().and_then(|replica| replica.workspace_mut(workspace)) else {
            return;
        };
        let taken = state.take_pages();
        let saved = self.disk_of(workspace).pages.get_or_insert_default();
        saved.0 = taken.meta;
        saved.1.extend(taken.pages);
    }
}
