//! What people have to themselves: further devices, private workspaces, and workspaces that they take
//! off a device.

use super::{Happening, World};
use crate::{
    id::{PersonId, WorkspaceId},
    private::{self, KnownWorkspace},
    replica::{Command, Identity, Reply, WorkspaceRecord},
    root::Root,
    sim::device::Device,
    store::Batch,
};
use std::collections::BTreeSet;

/// How often a person tries to bring in a further device.
const TRIES: usize = 60;

impl World {
    /// Whether a device comes in as a further one of a person, by a code or the phrase.
    pub(super) fn is_taken_in(&self, device: usize) -> bool {
        self.plan.private && self.plan.second_device && device == 2
    }

    /// The second person brings in their second device, under fire.
    pub(super) fn take_in(&mut self, device: usize) -> Result<(), String> {
        let by_phrase = self.dice.chance(400);
        for _ in 0..TRIES {
            let of = self.devices[1].root;
            if by_phrase {
                self.devices[device].by_words = true;
                self.ask(device, Command::Recover { root: Root::from_seed(of) })?;
            } else if let Some(Reply::LinkCode(code)) =
                self.ask(device, Command::ShowLinkCode { addresses: Vec::new() })?
            {
                self.ask(1, Command::Link { code })?;
            }
            self.run_until(Some(self.now_ms + 1_000))?;
            if self.devices[device].is_member() {
                self.coverage.count(if by_phrase { "brought in by the phrase" } else { "linked by a code" });
                return Ok(());
            }
        }
        Err(format!("device {device} was not taken in"))
    }

    /// The same in the middle of everything: once, and again if nothing comes of it.
    pub(super) fn ask_in(&mut self, device: usize) -> Result<(), String> {
        self.coverage.count("late device of a person");
        if self.dice.chance(400) {
            let root = Root::from_seed(self.devices[1].root);
            self.devices[device].by_words = true;
            self.command(device, Command::Recover { root })?;
        } else {
            let request = self.command(device, Command::ShowLinkCode { addresses: Vec::new() })?;
            if let Some(Reply::LinkCode(code)) = self.replies.remove(&request) {
                self.command(1, Command::Link { code })?;
            }
        }
        if self.acting {
            self.join_at(self.now_ms + 2_000, device);
        }
        Ok(())
    }

    /// A device belongs to another person now, and keeps that.
    pub(super) fn become_device(&mut self, device: usize, identity: Identity) {
        let root = self.devices.iter().find(|other| other.identity.person == identity.person);
        if let Some(root) = root.map(|other| other.root) {
            self.devices[device].root = root;
        }
        self.secrets.note_device(&identity);
        self.devices[device].identity = identity;
    }

    /// A workspace is no longer on a device. What was on its way to the disk has nowhere to go.
    pub(super) fn forgotten(&mut self, device: usize, workspace: WorkspaceId) {
        self.coverage.count("workspace forgotten");
        self.forgot.insert(device);
        self.tell(|| format!("device {device} forgets the workspace"));
        let kept = std::mem::take(self.devices[device].disk_of(workspace));
        for happening in self.queue.values_mut() {
            match happening {
                Happening::Persist { device: of, workspace: id, runs, .. }
                    if (*of, *id) == (device, workspace) =>
                {
                    *runs = Batch::default();
                }
                _ => {}
            }
        }
        if let Some(record) = kept.record {
            let own = record.origin.log_id(workspace);
            self.written.retain(|_, (log, _)| *log != own);
        }
        self.devices[device].disk_of(workspace).is_full = kept.is_full;
        self.forget_what_nobody_has();
        if self.acting {
            let at = self.now_ms + 1_000 + self.dice.below(5_000);
            self.join_at(at, device);
        }
    }

    /// What was taken off a person's only device comes back with a ticket, and never by itself.
    pub(super) fn check_remembered(&self, device: usize, record: &WorkspaceRecord) -> Result<(), String> {
        let person = self.person(device);
        let is_only = self.devices.iter().filter(|other| other.identity.person == person).count() == 1;
        let is_asked_for = record.way.invited().is_some() || Some(record.id) != self.workspace;
        if is_only && self.forgot.contains(&device) && !is_asked_for {
            return Err(format!("device {device} forgot the workspace, and it came back by itself"));
        }
        Ok(())
    }

    /// The devices of a person agree on what they have to themselves, and it lists what they share with
    /// others.
    pub(super) fn check_private(&mut self) -> Result<(), String> {
        let people: BTreeSet<PersonId> =
            self.honest().map(|device| self.devices[device].identity.person).collect();
        for person in people {
            let own: Vec<usize> = self.honest().filter(|device| self.has_private(*device, person)).collect();
            // Who was taken away is told nothing more.
            let is_in = |device: &usize| own.iter().all(|other| self.counts_in(*other, *device));
            let own: Vec<usize> = own.iter().copied().filter(is_in).collect();
            let seen: BTreeSet<_> = own.iter().filter_map(|device| self.private_of(*device)).collect();
            if seen.len() > 1 {
                return Err(format!("devices {own:?} of one person have different private workspaces"));
            }
            for device in &own {
                self.check_listed(*device)?;
            }
            match own.len() {
                0 => {}
                1 => self.coverage.count("private workspace at the end"),
                _ => self.coverage.count("private workspace of several devices at the end"),
            }
        }
        Ok(())
    }

    fn has_private(&self, device: usize, person: PersonId) -> bool {
        self.devices[device].identity.person == person && self.private_of(device).is_some()
    }

    /// What a device shows and holds of its private workspace.
    fn private_of(&self, device: usize) -> Option<([u8; 32], [u8; 32])> {
        shown(&self.devices[device])
    }

    /// Whether one device of a person counts another one among theirs.
    fn counts_in(&self, device: usize, other: usize) -> bool {
        let of = &self.devices[device];
        let state = of.replica.as_ref().zip(of.private_id()).and_then(|(replica, id)| replica.workspace(id));
        let standing = state.and_then(|state| state.roster().members.get(&of.identity.person));
        standing.is_some_and(|standing| standing.devices.contains(&self.devices[other].id()))
    }

    /// A workspace in which the person is, by what their device knows, is on the list for the others, unless
    /// one of those has heard of what put them out, and this one has not.
    fn check_listed(&self, device: usize) -> Result<(), String> {
        let of = &self.devices[device];
        let (Some(replica), Some(id), Some(shared)) = (&of.replica, of.private_id(), self.workspace) else {
            return Ok(());
        };
        let (Some(private), Some(state)) = (replica.workspace(id), replica.workspace(shared)) else {
            return Ok(());
        };
        let is_listed = private::workspaces(private).iter().any(|known| known.id == shared);
        let is_in = state.roster().role_of(of.identity.person).is_some();
        let has_heard = |id| replica.logs(shared).is_some_and(|logs| logs.has_applied(id));
        let knows_all = KnownWorkspace::out_by(private, shared).into_iter().all(has_heard);
        if is_in && !is_listed && knows_all {
            return Err(format!("device {device} is in the workspace and does not list it"));
        }
        Ok(())
    }
}

/// What a device shows and holds of its private workspace.
pub(super) fn shown(device: &Device) -> Option<([u8; 32], [u8; 32])> {
    let (replica, id) = device.replica.as_ref().zip(device.private_id())?;
    Some((replica.workspace(id)?.state_hash(), replica.logs(id)?.digest()))
}
