//! Random things that people do to each other: roles, tickets and devices.
//!
//! Whoever the dice choose asks for whatever the dice choose, allowed or not: a refusal in words is as
//! good an outcome as any. The founder alone keeps its role, so that work goes on.

use crate::{
    access::Role,
    dice::Dice,
    id::{PersonId, WorkspaceId},
    replica::{Command, Identity},
    root::Root,
    roster::Roster,
};

/// A random command of the person of `own`, who has the words of `root`, and its name for the coverage.
pub(super) fn command(
    dice: &mut Dice,
    workspace: WorkspaceId,
    roster: &Roster,
    (own, root): (&Identity, &Root),
    (founder, can_return): (PersonId, bool),
) -> (Command, &'static str) {
    let others = |person: &&PersonId| **person != founder;
    let members: Vec<PersonId> = roster.members.keys().filter(others).copied().collect();
    let former: Vec<PersonId> = roster.former.keys().filter(others).copied().collect();
    let set = |person, role| Command::SetRole { workspace, person, role };
    // To a clock that stands far off every ticket has expired.
    if can_return && roster.former.contains_key(&own.person) && dice.chance(300) {
        return (Command::Forget { workspace, unsent: dice.chance(500) }, "forget");
    }
    let Some(somebody) = dice.pick(&members).or_else(|| dice.pick(&former)).copied() else {
        return (invite(workspace, Role::Member), "invite");
    };
    match dice.below(100) {
        0..18 => (set(somebody, None), "remove"),
        18..40 => {
            let role = dice.pick(&Role::ALL).copied().unwrap_or(Role::Member);
            let is_more = roster.role_of(somebody) < Some(role);
            (set(somebody, Some(role)), if is_more { "raise a role" } else { "lower a role" })
        }
        40..65 => match dice.pick(&former) {
            Some(person) => {
                let role = dice.pick(&[Role::Member, Role::Member, Role::Viewer, Role::Admin]);
                (set(*person, role.copied()), "let in again")
            }
            None => (set(somebody, Some(Role::Admin)), "raise a role"),
        },
        65..70 if own.person != founder => (set(own.person, None), "leave"),
        65..80 => {
            let role = if dice.chance(700) { Role::Member } else { Role::Viewer };
            (invite(workspace, role), "invite")
        }
        80..90 => match dice.pick(&roster.invites) {
            Some(open) => (Command::Revoke { workspace, invite: open.id }, "revoke"),
            None => (invite(workspace, Role::Member), "invite"),
        },
        _ => {
            let devices = roster.members.get(&own.person).map_or(&[][..], |own| &own.devices);
            let device = dice.pick(devices).copied().unwrap_or(own.device_id());
            // The founder goes on with the device it has.
            let spares = own.person != founder;
            if spares {
                if dice.chance(400) {
                    (Command::Unlink { device, root: Some(root.clone()) }, "unlink with the words")
                } else {
                    (Command::Unlink { device, root: None }, "unlink")
                }
            } else {
                (invite(workspace, Role::Viewer), "invite")
            }
        }
    }
}

/// A ticket that lasts longer than any schedule.
pub(super) fn invite(workspace: WorkspaceId, role: Role) -> Command {
    Command::Invite { workspace, role, single_use: false, expires_ms: u64::MAX, addresses: Vec::new() }
}

/// Somebody whom an admin may remove on its side of a split.
pub(super) fn removal(dice: &mut Dice, workspace: WorkspaceId, roster: &Roster, own: PersonId) -> Command {
    let lower = roster
        .members
        .iter()
        .filter(|(person, standing)| **person != own && roster.role_of(own) > Some(standing.role));
    let lower: Vec<PersonId> = lower.map(|(person, _)| *person).collect();
    let person = dice.pick(&lower).copied().unwrap_or(own);
    Command::SetRole { workspace, person, role: None }
}
