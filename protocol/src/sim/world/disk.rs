//! Disks: what becomes of a write, and how reading and writing fail.

use super::{Happening, World};
use crate::{
    id::WorkspaceId,
    replica::{BatchId, Input},
    store::{Batch, LogStore},
};

impl World {
    /// A batch reaches the disk, unless the device crashes right before, in the middle, or right
    /// after, or the disk fails.
    pub(super) fn persist(
        &mut self,
        (device, workspace): (usize, WorkspaceId),
        life: u64,
        batch: BatchId,
        runs: &Batch,
    ) -> Result<(), String> {
        if self.devices[device].life != life {
            return Ok(());
        }
        // Founding and joining are few writes: each is in greater danger.
        let danger = if self.founding { 60 } else { 8 };
        let risky = self.acting && self.plan.crashes && self.dice.chance(danger);
        let moment = if risky { self.dice.below(3) } else { 3 };
        let keep = self.dice.below(runs.runs.len() as u64 + 1) as usize;
        match moment {
            0 => return self.crash(device, "crash before a write"),
            1 => self.devices[device].disk_of(workspace).log.tear(keep),
            // Part of the batch may still find room.
            _ if self.devices[device].disk.is_full => {
                self.devices[device].disk_of(workspace).log.tear(keep);
                self.coverage.count("write on a full disk");
                self.break_down(device);
            }
            _ if self.acting && self.plan.disk_faults > 0 && self.dice.chance(danger / 2) => {
                self.devices[device].disk_of(workspace).log.tear(keep);
                self.break_down(device);
            }
            _ => {}
        }
        let stored = self.devices[device].disk_of(workspace).log.append(runs);
        match (moment, stored) {
            (1, _) => self.crash(device, "crash in a write"),
            (2, Ok(())) => self.crash(device, "crash after a write"),
            (_, Ok(())) => {
                self.input(device, Input::Persisted { batch })?;
                self.maybe_save_pages(device);
                Ok(())
            }
            (_, Err(error)) if self.devices[device].broken => {
                self.coverage.count("write failed");
                self.input(device, Input::PersistFailed { batch, reason: error.to_string() })
            }
            (_, Err(error)) => Err(format!("device {device}: {error}")),
        }
    }

    /// There is no room on a disk, or some again. Whoever started on a full one goes on once it is noticed:
    /// what could not be saved was refused, and the device started anew.
    pub(super) fn fill_disk(&mut self, device: usize, full: bool) {
        self.coverage.count(if full { "disk full" } else { "disk freed" });
        self.devices[device].disk.is_full = full;
    }

    /// The disk failed. Somebody notices before long and starts the device again.
    pub(super) fn break_down(&mut self, device: usize) {
        if !std::mem::replace(&mut self.devices[device].broken, true) {
            let at = self.now_ms + 500 + self.dice.below(3_000);
            self.at(at, Happening::Restart { device });
        }
    }

    pub(super) fn maybe_fail_read(&mut self, device: usize) {
        if self.acting && self.dice.chance(self.plan.disk_faults) {
            self.devices[device].disk.log.fail_read();
        }
    }

    fn maybe_save_pages(&mut self, device: usize) {
        if !self.dice.chance(100) {
            return;
        }
        let pending =
            |what: &Happening| matches!(what, Happening::Persist { device: of, .. } if *of == device);
        if let Some(workspace) = self.workspace
            && !self.queue.values().any(pending)
        {
            self.coverage.count("pages saved");
            let private = self.devices[device].private_id();
            for workspace in [Some(workspace), private].into_iter().flatten() {
                self.devices[device].save_pages(workspace);
            }
        }
    }
}
