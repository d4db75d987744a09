//! Control entries in the words of history: who let whom in, with what, and who took it away.

use super::super::{date, member::RoleName};
use crate::handle::StoredEntry;
use velo_protocol::{
    control::{Cap, Control, ControlError, Link},
    id::{DeviceId, EntryId},
    log::EntryKind,
    workspace::Workspace,
};

/// What the author of a control entry did. What it comes to is each device's own verdict: see
/// `velo member list`.
pub(super) fn words(workspace: &Workspace, stored: &StoredEntry) -> String {
    let header = &stored.entry.header;
    match Control::read(header.kind, stored.origin.person, stored.contents.plain().unwrap_or_default()) {
        Some(Ok(control)) => of_control(workspace, stored, &control),
        Some(Err(ControlError::Newer)) => NEWER.to_owned(),
        Some(Err(error)) => format!("wrote what has no effect: {error}"),
        None => of_kind(header.kind).to_owned(),
    }
}

const NEWER: &str = "did something that this version of Velo does not know";

/// Those that the access rule does not look into.
fn of_kind(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::ACK => "acknowledged what others wrote",
        EntryKind::KEY_EPOCH => "made a new key for what is written from then on",
        EntryKind::KEY_SHARE => "handed on a key",
        _ => NEWER,
    }
}

fn of_control(workspace: &Workspace, stored: &StoredEntry, control: &Control) -> String {
    let name = |person| workspace.person_name(person);
    let author = stored.origin.person;
    match control {
        Control::Genesis(_) => "started the workspace".to_owned(),
        Control::Grant(grant) => {
            format!("made {} {}", name(grant.subject), RoleName::from(grant.role).with_article())
        }
        Control::Cap(Cap { subject, role: None, .. }) if *subject == author => "left".to_owned(),
        Control::Cap(Cap { subject, role: None, .. }) => format!("removed {}", name(*subject)),
        Control::Cap(Cap { subject, role: Some(role), .. }) => {
            let who = if *subject == author { "their own role".to_owned() } else { name(*subject) };
            format!("lowered {who} to {}", role.name())
        }
        Control::Invite(invite) => {
            let (role, until) = (RoleName::from(invite.role).with_article(), date::moment(invite.expires_ms));
            format!("made a ticket for {role}, good until {until}")
        }
        Control::Revoke(revoke) => format!("withdrew {}", ticket(workspace, revoke.invite)),
        Control::Join(_) => match stored.entry.header.auth {
            Some(invite) => format!("joined with {}", ticket(workspace, invite)),
            None => "joined".to_owned(),
        },
        Control::Link(link) => format!("linked {}", linked(link)),
        Control::Unlink(unlink) => format!("took away device {}", unlink.device.short()),
    }
}

/// A ticket by who made it, and the start of its id.
fn ticket(workspace: &Workspace, invite: EntryId) -> String {
    match workspace.roster().inviters.get(&invite) {
        Some(by) => format!("ticket {} of {}", invite.short(), workspace.person_name(*by)),
        None => format!("ticket {}", invite.short()),
    }
}

fn linked(link: &Link) -> String {
    let device: Option<DeviceId> = link.chain.last().map(|last| last.child);
    device.map_or_else(|| "a device".to_owned(), |device| format!("device {}", device.short()))
}
