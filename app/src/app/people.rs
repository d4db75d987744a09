//! Tickets, roles and devices: who comes in, what they may do, and how they go.

use super::{Pending, VeloApp};
use crate::{
    bridge::Request,
    view::{
        conflict::sentence,
        members::a_role,
        qr::Qr,
        state::{Dialog, Invite, InviteStep, Page},
        toast::Tone,
    },
};
use velo_protocol::{
    access::Role,
    id::{DeviceId, EntryId, PersonId, WorkspaceId},
    replica::Command,
    ticket::Ticket,
};

const DAY_MS: u64 = 24 * 3_600_000;

impl VeloApp {
    pub(super) fn join(&mut self, ticket: Ticket, person_name: String) {
        self.view.onboarding.waiting = true;
        self.bridge.introduce(&person_name);
        let from = Dialog::Join { text: ticket.to_string(), problem: None };
        self.send(Request::Replica(Command::Join { ticket, person_name }), Pending::Joined { from });
    }

    /// Opens the dialog for another ticket where one turned out to be of no use, saying why.
    pub(super) fn hear_refusals(&mut self) {
        let told = std::mem::take(&mut self.refused);
        for (workspace, reason) in &self.model.refusals {
            if told.get(workspace) != Some(reason) {
                let problem = Some(sentence(reason));
                self.view.returned.push(Dialog::Join { text: String::new(), problem });
            }
            self.refused.insert(*workspace, reason.clone());
        }
    }

    pub(super) fn make_ticket(&mut self, role: Role, days: u64) {
        let Some(workspace) = self.workspace_id() else { return };
        self.view.dialog = Dialog::Invite(Invite { role, days, step: InviteStep::Making });
        let expires_ms = self.model.moment.wall_ms.saturating_add(days.saturating_mul(DAY_MS));
        let addresses = self.bridge.addresses();
        self.send(
            Request::Replica(Command::Invite { workspace, role, single_use: false, expires_ms, addresses }),
            Pending::Invited,
        );
    }

    /// Shows a ticket, if its dialog is still open. It stays in the list of open ones otherwise.
    pub(super) fn show_ticket(&mut self, ticket: Ticket) {
        if let Dialog::Invite(invite) = &mut self.view.dialog {
            let text = ticket.to_string();
            invite.step = InviteStep::Made { qr: Qr::of(&text), ticket: Box::new(ticket), text };
        }
    }

    /// A ticket was refused: another role or time may do.
    pub(super) fn no_ticket(&mut self, problem: String) {
        if let Dialog::Invite(invite) = &mut self.view.dialog {
            invite.step = InviteStep::Choosing;
        }
        self.say(problem, Tone::Problem, false);
    }

    pub(super) fn withdraw(&mut self, invite: EntryId) {
        let Some(workspace) = self.workspace_id() else { return };
        self.manage(Command::Revoke { workspace, invite }, "Ticket withdrawn".to_owned());
    }

    pub(super) fn set_role(&mut self, person: PersonId, role: Option<Role>) {
        let Some(workspace) = self.workspace_id() else { return };
        let own = person == self.model.me.person;
        let name = self.model.members.name(person);
        let done = match role {
            Some(role) if own => format!("You are {} now", a_role(role)),
            Some(role) => format!("{name} is {} now", a_role(role)),
            None if own => "You left the workspace".to_owned(),
            None => format!("{name} was removed"),
        };
        self.manage(Command::SetRole { workspace, person, role }, done);
    }

    pub(super) fn unlink(&mut self, device: DeviceId) {
        let command = Command::Unlink { device, root: None };
        self.manage(command, format!("Device {} unlinked", device.short()));
    }

    pub(super) fn forget(&mut self) {
        let Some(workspace) = self.workspace_id() else { return };
        self.send(
            Request::Replica(Command::Forget { workspace, unsent: false }),
            Pending::Forgotten(workspace),
        );
    }

    /// A workspace is gone: another one is shown, or the first page, which asks for a new ticket.
    pub(super) fn forgotten(&mut self, workspace: WorkspaceId) {
        if self.view.preferences.workspace == Some(workspace) {
            self.view.preferences.workspace = None;
            self.view.preferences.project = None;
            self.keep_preferences();
        }
        self.view.page = Page::Project;
        (self.view.onboarding.ticket, self.view.onboarding.problem) = (String::new(), None);
        self.say("The workspace was removed from this device", Tone::Done, false);
    }

    fn manage(&mut self, command: Command, done: String) {
        self.send(Request::Replica(command), Pending::Managed(done));
    }
}
