//! The member that cheats and the device that lies, in the network.

use super::{Happening, World};
use crate::{
    id::{DeviceId, LogId},
    log,
    message::{Message, Ops},
    sim::byzantine::Cheat,
    store::LogStore,
};

impl World {
    /// Whether a device never cheats nor lies.
    pub(super) fn is_honest(&self, device: usize) -> bool {
        self.plan.byzantine != Some(device) && self.plan.liar != Some(device)
    }

    /// Whether somebody is not honest.
    pub(super) fn has_dishonest(&self) -> bool {
        self.plan.byzantine.or(self.plan.liar).is_some()
    }

    /// Whether a device signs by now what no replica would.
    pub(super) fn is_cheating(&self, device: usize) -> bool {
        self.plan.byzantine == Some(device) && self.cheat.is_some()
    }

    /// Whether what a device sends may break the rules by now.
    pub(super) fn breaks_rules(&self, device: usize) -> bool {
        self.is_cheating(device) || self.lies(device)
    }

    /// Whether a device lies by now. It joins like everybody else.
    fn lies(&self, device: usize) -> bool {
        self.plan.liar == Some(device) && !self.founding
    }

    /// What a device says in place of a frame: just that, unless it lies.
    pub(super) fn lie(&mut self, from: usize, to: usize, link: u64, frame: Vec<u8>) -> Vec<Vec<u8>> {
        let liar = if self.lies(from) { self.liar.as_mut() } else { None };
        let Some(liar) = liar else { return vec![frame] };
        let said = liar.say(to, frame, &mut self.coverage);
        for frame in said.later {
            let at = self.now_ms + 1_000 + self.dice.below(15_000);
            self.at(at, Happening::Deliver { from, to, link, frame });
        }
        said.now
    }

    pub(super) fn honest(&self) -> impl Iterator<Item = usize> + '_ {
        (0..self.devices.len()).filter(|device| self.is_honest(*device))
    }

    pub(super) fn honest_id(&self, id: DeviceId) -> bool {
        self.device(id).is_some_and(|device| self.is_honest(device))
    }

    /// Whether a log, seen by `device`, belongs to the one who cheats.
    pub(super) fn is_of_cheat(&self, device: usize, log: LogId) -> bool {
        let logs = self.devices[device].replica.as_ref().zip(self.workspace);
        let logs = logs.and_then(|(replica, workspace)| replica.logs(workspace));
        let chain = logs.and_then(|logs| logs.chain(logs.first_chain(log)?));
        self.cheat.is_some() && chain.is_some_and(|chain| !self.honest_id(chain.origin.device))
    }

    /// Signs and sends something that an honest device would not, to some of those at hand.
    pub(super) fn cheat(&mut self) {
        let Some((device, workspace)) = self.plan.byzantine.zip(self.workspace) else { return };
        let Some(replica) = &self.devices[device].replica else { return };
        let Some((state, logs)) = replica.workspace(workspace).zip(replica.logs(workspace)) else {
            return;
        };
        let links = (0..self.devices.len()).filter(|other| *other != device);
        let near: Vec<_> = links.filter_map(|other| Some((other, self.link(device, other)?))).collect();
        if near.is_empty() {
            return;
        }
        let identity = &self.devices[device].identity;
        let is_out = state.roster().role_of(identity.person).is_none();
        let cheat = match &mut self.cheat {
            Some(cheat) => cheat,
            none => none.insert(Cheat::new(&mut self.dice, workspace, identity.clone())),
        };
        let others: Vec<_> = self.devices.iter().map(|device| device.identity.clone()).collect();
        let reader = self.devices[device].disk.log.reader();
        let wall_ms = super::EPOCH_MS + self.now_ms;
        let Some((name, runs)) = cheat.act(&mut self.dice, wall_ms, state, logs, &reader, &others) else {
            return;
        };
        self.coverage.count(name);
        let id = self.devices[device].id();
        for run in &runs {
            for entry in log::parse_entries(run.after, &run.bytes).unwrap_or_default() {
                self.secrets.note(id, &entry, &run.bytes);
            }
        }
        if is_out {
            self.coverage.count("cheat while it is out");
        }
        let Some(first) = self.dice.pick(&near).copied() else { return };
        for (other, link) in near {
            if (other, link) == first || self.dice.chance(400) {
                for (run, after) in runs.iter().zip(1..) {
                    let frame = Message::Ops(Ops { workspace, runs: vec![run.clone()] }).encode();
                    self.at(self.now_ms + after, Happening::Deliver { from: device, to: other, link, frame });
                }
            }
        }
    }
}
