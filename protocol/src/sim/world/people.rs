//! People at work on each other: who is in, who comes late, and removals that cross.

use super::{Happening, World, steps::is_far_off};
use crate::{
    access::Role,
    change::Change,
    id::{EntityId, PersonId},
    model::{self, EntityKey, Kind},
    replica::{Command, Reply},
    root::Root,
    sim::{Step, What, people},
    value::Value,
    workspace::Workspace,
};

/// Time in which what the founder writes last reaches everybody: some rounds of digests.
const SPREAD_MS: u64 = 25_000;

/// What a refusal for want of a role is counted as: each says why.
pub(super) fn refused(words: &str) -> &'static str {
    let kinds = [
        ("removed you", "told of the removal"),
        ("you left", "told of having left"),
        ("taken from you", "told that the device was taken"),
        ("not a member", "told of being no member"),
        ("gets a new key", "told to wait for a key"),
        ("and it takes", "told of a role that is too low"),
    ];
    kinds.iter().find(|(part, _)| words.contains(part)).map_or("told why not", |(_, name)| name)
}

impl World {
    /// Whose turn it is to do something.
    pub(super) fn actor(&mut self) -> usize {
        let device = self.dice.below(self.devices.len() as u64) as usize;
        if self.is_cheating(device) { 0 } else { device }
    }

    pub(super) fn person(&self, device: usize) -> PersonId {
        self.devices[device].identity.person
    }

    /// The founder gives some of the others more to say.
    pub(super) fn appoint(&mut self) -> Result<(), String> {
        let Some(workspace) = self.workspace else { return Ok(()) };
        for device in 1..self.devices.len() {
            let role = match self.dice.below(if device == 1 { 2 } else { 4 }) {
                0 => Role::Admin,
                1 => Role::Owner,
                _ => continue,
            };
            self.coverage.count("appoint");
            let person = self.person(device);
            self.command(0, Command::SetRole { workspace, person, role: Some(role) })?;
        }
        Ok(())
    }

    pub(super) fn act_on_people(&mut self, device: usize) -> Result<(), String> {
        // Those who have most to say do most of it.
        let device = if self.dice.chance(350) { 0 } else { device };
        let founder = self.person(0);
        let open = self.devices[device].replica.as_ref().zip(self.workspace);
        let Some((state, id)) = open.and_then(|(replica, id)| Some((replica.workspace(id)?, id))) else {
            self.coverage.count("command while off");
            return Ok(());
        };
        let can_return = !is_far_off(self.devices[device].clock_error_ms);
        let own = (&self.devices[device].identity, &Root::from_seed(self.devices[device].root));
        let (command, name) = people::command(&mut self.dice, id, state.roster(), own, (founder, can_return));
        self.coverage.count(name);
        self.tell(|| format!("device {device}: {name}"));
        self.command(device, command).map(drop)
    }

    /// On each side of a split somebody who may removes somebody.
    pub(super) fn cross_removals(&mut self) -> Result<(), String> {
        let (Some(id), Some(sides)) = (self.workspace, self.sides.clone()) else { return Ok(()) };
        let mut removals = 0;
        for side in [true, false] {
            let judge = (0..self.devices.len()).find_map(|device| {
                let on_side = sides.get(device) == Some(&side) && !self.is_cheating(device);
                let roster = self.devices[device].replica.as_ref()?.workspace(id)?.roster();
                let role = roster.role_of(self.person(device));
                (on_side && role >= Some(Role::Admin)).then(|| (device, roster.clone()))
            });
            let Some((device, roster)) = judge else { continue };
            let own = self.person(device);
            let command = people::removal(&mut self.dice, id, &roster, own);
            if command != (Command::SetRole { workspace: id, person: own, role: None }) {
                removals += 1;
                self.command(device, command)?;
            }
        }
        if removals == 2 {
            self.coverage.count("removals on both sides of a split");
        }
        Ok(())
    }

    /// A device takes a ticket in the middle of everything, and does not meet who invited: sometimes
    /// because that one is off.
    pub(super) fn join_late(&mut self, device: usize) -> Result<(), String> {
        if self.devices[device].replica.is_none() {
            self.join_at(self.now_ms + 500, device);
            return Ok(());
        }
        if self.is_taken_in(device) && self.person(device) != self.person(1) {
            return self.ask_in(device);
        }
        let newest = self.tickets.last().filter(|_| self.dice.chance(600)).cloned();
        let Some(ticket) = newest.or_else(|| self.dice.pick(&self.tickets).cloned()) else { return Ok(()) };
        let inviter = (0..self.devices.len()).find(|device| self.person(*device) == ticket.inviter);
        if let Some(inviter) = inviter.filter(|inviter| *inviter != device && self.acting) {
            self.coverage.count("late join away from the inviter");
            self.apart = Some((inviter.min(device), inviter.max(device)));
            self.cut(inviter, device)?;
            if self.dice.chance(400) && self.devices[inviter].replica.is_some() {
                self.crash(inviter, "inviter off during a join")?;
            }
        }
        self.command(device, Command::Join { ticket, person_name: format!("Person {device}") }).map(drop)
    }

    pub(super) fn join_at(&mut self, at: u64, device: usize) {
        let step = Step { at_ms: 0, what: What::Join(device), seed: self.dice.roll() };
        self.at(at, Happening::Step(step));
    }

    /// Whether the founder's device does not know some other one.
    pub(super) fn is_somebody_unknown(&self) -> bool {
        let founder = self.devices[0].replica.as_ref().zip(self.workspace);
        founder.is_some_and(|(replica, workspace)| {
            self.devices.iter().any(|device| !replica.knows(workspace, device.id()))
        })
    }

    /// The ticket was withdrawn: its holder tries another one.
    pub(super) fn join_refused(&mut self, device: usize) {
        self.coverage.count("join refused");
        if self.acting {
            self.join_at(self.now_ms + 2_000, device);
        }
    }

    pub(super) fn note_ticket(&mut self, reply: &Reply) {
        if let Reply::Ticket(ticket) = reply {
            self.secrets.note_ticket(ticket);
            self.tickets.push(ticket.clone());
        }
    }

    /// Once everybody has everything the founder writes: whoever lacks a key is given it then.
    pub(super) fn write_last(&mut self) -> Result<(), String> {
        let workspace = self.workspace.ok_or("no workspace")?;
        let founder = self.devices[0].replica.as_ref().and_then(|replica| replica.workspace(workspace));
        if founder.is_some_and(Workspace::needs_update) {
            self.coverage.count("read-only for want of an update at the end");
            return Ok(());
        }
        let mut id = [0; 16];
        id.copy_from_slice(&self.dice.bytes()[..16]);
        let key = EntityKey::new(Kind::Project, EntityId(id));
        let fields = vec![(model::project::NAME.into(), Value::text("The last one"))];
        let changes = vec![Change::Create { key, fields }];
        let reply = self.ask(0, Command::Edit { workspace, changes })?;
        reply.ok_or("the founder's last edit was not answered")?;
        let end = self.now_ms + SPREAD_MS;
        self.run_until(Some(end))
    }
}
