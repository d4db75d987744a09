//! What the plan lays down: steps, what people do, and the end of all faults.

use super::{HEAL_MS, Happening, REDIAL_MS, World};
use crate::{
    replica::Command,
    sim::{What, actions, device::Device},
};

impl World {
    /// Puts what the plan says into the queue.
    pub(super) fn lay_steps(&mut self) {
        let steps = std::mem::take(&mut self.plan.steps);
        self.acts_left = steps.iter().filter(|step| step.what == What::Act).count();
        for step in steps {
            self.at(self.now_ms + step.at_ms, Happening::Step(step));
        }
    }

    pub(super) fn take_step(&mut self, what: What) -> Result<(), String> {
        match what {
            What::Act => {
                self.acts_left -= 1;
                return self.act();
            }
            What::Partition => {
                self.coverage.count("partition");
                self.sides = Some((0..self.devices.len()).map(|_| self.dice.chance(500)).collect());
                return self.cut_links();
            }
            What::Heal => self.sides = None,
            What::Crash(device) => return self.crash(device, "crash"),
            What::Backup(device) => self.devices[device].back_up(),
            What::Restore(device) => return self.restore(device),
            What::Join(device) => return self.join_late(device),
            What::Appoint => return self.appoint(),
            What::CrossRemovals => return self.cross_removals(),
            What::Cheat => self.cheat(),
            What::FillDisk(device) => self.fill_disk(device, true),
            What::FreeDisk(device) => self.fill_disk(device, false),
            What::SetClock(device, error) => self.set_clock(device, error),
        }
        Ok(())
    }

    /// A clock shows another time from now on. Timers go on: they hang on a clock that never jumps.
    fn set_clock(&mut self, device: usize, error_ms: i64) {
        let is_far_off = is_far_off(error_ms);
        if is_far_off && !self.devices[device].has_entered() {
            // Every ticket would have expired, for as long as its clock stands there.
            return;
        }
        let before = std::mem::replace(&mut self.devices[device].clock_error_ms, error_ms);
        self.devices[device].clock_went_back |= error_ms < before;
        self.coverage.count(if error_ms < before { "clock jumped back" } else { "clock jumped ahead" });
        if is_far_off {
            self.coverage.count("clock far off");
        }
    }

    fn act(&mut self) -> Result<(), String> {
        let device = self.actor();
        self.maybe_fail_read(device);
        if self.plan.people && self.dice.chance(100) {
            return self.act_on_people(device);
        }
        let Some(state) =
            self.devices[device].replica.as_ref().and_then(|replica| replica.workspace(self.workspace?))
        else {
            self.coverage.count("command while off");
            return Ok(());
        };
        let Some(workspace) = self.workspace else { return Ok(()) };
        let private = self.devices[device].private_id().filter(|_| self.dice.chance(80));
        let (command, name) = match private {
            Some(private) => actions::keep(&mut self.dice, private, workspace),
            None => actions::command(&mut self.dice, workspace, state),
        };
        self.coverage.count(name);
        self.tell(|| format!("device {device}: {name}"));
        self.command(device, command).map(drop)
    }

    /// The end of all faults.
    pub(super) fn heal(&mut self) -> Result<(), String> {
        (self.sides, self.apart) = (None, None);
        self.queue.retain(|_, what| !matches!(what, Happening::Step(step) if step.what.is_fault()));
        for device in 0..self.devices.len() {
            self.devices[device].disk.is_full = false;
        }
        for device in 0..self.devices.len() {
            if self.devices[device].broken {
                self.crash(device, "restart after a disk fault")?;
            } else if self.devices[device].replica.is_none() {
                self.at(self.now_ms, Happening::Start { device });
            }
            self.at(self.now_ms + HEAL_MS, Happening::SyncOn { device });
        }
        Ok(())
    }

    /// A device that a late fault keeps from it right now is asked again.
    pub(super) fn switch_sync_on(&mut self, device: usize) -> Result<(), String> {
        let is_off = |device: &Device| device.disk.record.as_ref().is_some_and(|record| !record.auto_sync);
        let Some(workspace) = self.workspace.filter(|_| is_off(&self.devices[device])) else { return Ok(()) };
        if self.devices[device].replica.is_some() {
            self.command(device, Command::SetAutoSync { workspace, on: true })?;
        }
        if is_off(&self.devices[device]) {
            self.at(self.now_ms + REDIAL_MS, Happening::SyncOn { device });
        }
        Ok(())
    }
}

/// More than a hundred years.
pub(super) const fn is_far_off(clock_error_ms: i64) -> bool {
    clock_error_ms.unsigned_abs() > 1 << 42
}
