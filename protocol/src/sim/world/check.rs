//! What must hold once everything has healed.

use super::World;
use crate::{
    id::WorkspaceId,
    model::Kind,
    sim::device::Device,
    store::{LogReader, LogStore},
};
use std::collections::BTreeSet;

impl World {
    pub(super) fn check(&mut self) -> Result<(), String> {
        let workspace = self.workspace.ok_or("no workspace")?;
        self.check_equal(workspace)?;
        self.check_acknowledged(workspace)?;
        for device in 0..self.devices.len() {
            self.check_reopened(workspace, device)?;
        }
        Ok(())
    }

    fn check_equal(&mut self, workspace: WorkspaceId) -> Result<(), String> {
        let mut seen = BTreeSet::new();
        let mut digests = BTreeSet::new();
        for (number, device) in self.devices.iter().enumerate() {
            let replica = device.replica.as_ref().ok_or(format!("device {number} is off"))?;
            let state = replica.workspace(workspace).ok_or(format!("device {number} lost the workspace"))?;
            let logs = replica.logs(workspace).ok_or("no logs")?;
            let unapplied = logs.chains().filter(|(_, chain)| chain.applied < chain.durable).count();
            if unapplied > 0 {
                return Err(format!("device {number} holds {unapplied} logs that it did not apply"));
            }
            seen.insert((state.state_hash(), state.conflict_count()));
            digests.insert(logs.digest());
            self.trace.update(&state.state_hash()).update(&logs.digest());
            self.coverage.add("conflicts at the end", state.conflict_count() as u64);
            self.coverage.add("tasks at the end", state.shown(Kind::Task).count() as u64);
        }
        if digests.len() > 1 {
            return Err(format!("{} different sets of entries after healing", digests.len()));
        }
        if seen.len() > 1 {
            return Err(format!("{} different states of equal entries", seen.len()));
        }
        Ok(())
    }

    fn check_acknowledged(&self, workspace: WorkspaceId) -> Result<(), String> {
        for (number, device) in self.devices.iter().enumerate() {
            for (log, id) in &device.acknowledged {
                let held = self.devices.iter().all(|device| {
                    let logs = device.replica.as_ref().and_then(|replica| replica.logs(workspace));
                    logs.is_some_and(|logs| logs.find(*id).is_some())
                });
                if !held {
                    return Err(format!(
                        "device {number} lost an acknowledged change in log {}",
                        log.short()
                    ));
                }
            }
        }
        Ok(())
    }

    /// The state is a function of the stored entries: without its pages a device comes back equal.
    fn check_reopened(&mut self, workspace: WorkspaceId, device: usize) -> Result<(), String> {
        let hash = |device: &Device| {
            let replica = device.replica.as_ref()?;
            Some((replica.workspace(workspace)?.state_hash(), replica.logs(workspace)?.digest()))
        };
        let before = hash(&self.devices[device]);
        for pages in [true, false] {
            self.devices[device].crash();
            if !pages {
                self.devices[device].disk.pages = None;
            }
            self.start(device)?;
            if hash(&self.devices[device]) != before {
                let from = if pages { "its pages and log" } else { "its log" };
                return Err(format!("device {device} came back from {from} with another state"));
            }
        }
        let logs = self.devices[device].disk.log.reader();
        self.coverage
            .add("entries at the end", logs.chains().iter().map(|chain| chain.end.head.position).sum());
        Ok(())
    }
}
