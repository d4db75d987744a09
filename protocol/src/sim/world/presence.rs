//! Who is here, once everything has healed and everybody holds the same.
//!
//! Whoever is in sees what every other member's device does, if it has the key that this was said under,
//! and if members' devices lead from one to the other: who is out passes nothing on. Whose device has gone
//! without a word is seen no more after the time for which such a word holds.

use super::{World, reference::Reference};
use crate::{
    id::{EntityId, WorkspaceId},
    limits,
    presence::Doing,
    replica::Command,
};
use std::collections::BTreeSet;

/// Time in which everybody meets again, and a word goes round.
const ROUND_MS: u64 = 3_000;

impl World {
    pub(super) fn check_presence(&mut self) -> Result<(), String> {
        let workspace = self.workspace.ok_or("no workspace")?;
        // Every device was started again, and its peers have not noticed.
        for (a, b) in self.links.keys().copied().collect::<Vec<_>>() {
            self.cut(a, b)?;
        }
        self.run_until(Some(self.now_ms + ROUND_MS))?;
        // Whose joining was undone may not have heard of it.
        let let_in = Reference::read(self, workspace)?.let_in;
        let is_in = |device: &usize| {
            let_in.contains(&self.devices[*device].identity.person) && self.is_in(workspace, *device)
        };
        let devices: Vec<usize> = self.honest().filter(is_in).collect();
        for device in &devices {
            let doing = what_it_does(*device);
            self.command(*device, Command::SetPresence { doing, workspace: Some(workspace) })?;
        }
        self.run_until(Some(self.now_ms + ROUND_MS))?;
        for device in &devices {
            self.check_seen(workspace, &devices, *device)?;
        }
        let Some((gone, others)) = devices.split_last() else { return Ok(()) };
        self.devices[*gone].crash();
        for other in 0..self.devices.len() {
            self.cut(*gone, other)?;
        }
        self.run_until(Some(self.now_ms + limits::PRESENCE_MS + ROUND_MS))?;
        for device in others {
            if self.sees(workspace, *device, *gone).is_some() {
                return Err(format!("device {device} still sees device {gone}, which has gone"));
            }
            self.coverage.count("presence ran out");
        }
        Ok(())
    }

    /// Whether a device can act for somebody who is in, as far as it knows itself.
    fn is_in(&self, workspace: WorkspaceId, device: usize) -> bool {
        let (id, replica) = (self.devices[device].id(), self.devices[device].replica.as_ref());
        let state = replica.and_then(|replica| replica.workspace(workspace));
        let members = state.iter().flat_map(|state| state.roster().members.values());
        members.into_iter().any(|standing| standing.devices.contains(&id))
    }

    fn check_seen(&mut self, workspace: WorkspaceId, devices: &[usize], from: usize) -> Result<(), String> {
        let replica = self.devices[from].replica.as_ref();
        let Some(epoch) = replica.and_then(|replica| replica.own_presence_epoch(workspace)) else {
            self.coverage.count("no key to say under who is here");
            return Ok(());
        };
        for to in self.led_to(devices, from) {
            let reads = |replica: &crate::replica::Replica| replica.reads_presence(workspace, epoch);
            if to == from || !self.devices[to].replica.as_ref().is_some_and(reads) {
                continue;
            }
            let seen = self.sees(workspace, to, from);
            // What it says counts as older than what it said while its clock stood further ahead.
            if seen.is_none_or(|seen| seen != what_it_does(from)) && self.devices[from].clock_went_back {
                self.coverage.count("not seen after its clock went back");
                continue;
            }
            if seen != Some(what_it_does(from)) {
                return Err(format!("device {to} sees device {from} do {seen:?}"));
            }
            let near = self.link(from, to).is_some();
            self.coverage.count(if near { "presence seen" } else { "presence seen over several hops" });
        }
        Ok(())
    }

    fn sees(&self, workspace: WorkspaceId, device: usize, other: usize) -> Option<Doing> {
        let other = self.devices[other].id();
        let present = self.devices[device].replica.as_ref()?.present(workspace);
        present.into_iter().find(|present| present.device == other).map(|present| present.doing)
    }

    /// The devices to which links between these lead.
    fn led_to(&self, devices: &[usize], from: usize) -> BTreeSet<usize> {
        let (mut found, mut waiting) = (BTreeSet::from([from]), vec![from]);
        while let Some(at) = waiting.pop() {
            let next = devices.iter().filter(|next| self.link(at, **next).is_some());
            waiting.extend(next.copied().filter(|next| found.insert(*next)));
        }
        found
    }
}

fn what_it_does(device: usize) -> Doing {
    Doing::At(EntityId([device as u8 + 1; 16]))
}
