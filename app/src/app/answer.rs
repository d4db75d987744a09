//! What becomes of requests, told to the person.
//!
//! Fields and dialogs are cleared when their content is sent. It is held here until the answer
//! comes: what is refused goes back to where it was typed.

use super::VeloApp;
use crate::{
    bridge::{Answered, Request},
    view::{
        attachments,
        conflict::sentence,
        detail::{Line, Of, Part},
        doctor::{Diagnostics, Doctor},
        edit,
        picture::Wanted,
        state::{Dialog, Page},
        story,
        toast::Tone,
    },
};
use velo_protocol::{
    id::WorkspaceId,
    replica::{Command, Reply},
};

/// The name of the project a new workspace starts with.
const FIRST_PROJECT: &str = "First project";

/// What was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Pending {
    /// A workspace.
    Found { sample: bool, from: Dialog },
    /// To join one.
    Joined { from: Dialog },
    /// The content of the sample board or of a first project.
    Filled,
    /// An edit, and what to say when it is done.
    Edited { done: String, typed: Source },
    /// To save a text of a task.
    Saved(Of, Part),
    /// To keep something for the person alone.
    Kept,
    /// To keep a comment that is not finished.
    Draft(Of, String),
    /// Undo or redo.
    Undone { again: bool },
    /// To post void work again, or to let it go.
    PostedAgain { post: bool },
    /// A ticket.
    Invited,
    /// A role, ticket or device, and what to say when it is done.
    Managed(String),
    /// To remove a workspace from this device.
    Forgotten(WorkspaceId),
    /// To take in another device.
    Linked { from: Dialog },
    /// The code of this device.
    Code,
    /// To bring a person back.
    Recovering,
    /// The 24 words.
    Phrase,
    /// To compare the 24 words.
    Confirmed,
    /// Another passphrase, or none, and what to say when it is done.
    Passphrase(&'static str),
    /// The code in a picture.
    Picture(Wanted),
    /// A connection.
    Dialled { from: Dialog },
    /// A relay that is to carry the workspace.
    RelayAdded { from: Dialog },
    /// To compare with every peer.
    Compared,
    /// To switch automatic sync.
    Switched { on: bool },
    /// To tell the others what the person does.
    Shown,
    /// What is between this device and every other.
    Doctor,
    /// The diagnostics file.
    Diagnosed,
    /// What happened to a task.
    Told(story::Of),
    /// To attach so many files.
    Attached(usize),
    /// What of attachments is here.
    Attachments(attachments::Of),
    /// To save content to a file.
    SavedContent,
    /// What takes up space.
    Storage,
}

/// Where the words of an edit were typed, and the words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Source {
    /// It has none.
    None,
    /// In a dialog.
    Dialog(Dialog),
    /// In the detail of a task.
    Line(Of, Line, String),
}

impl Pending {
    /// Whether something is lost if the app ends before the answer.
    pub fn saves(&self) -> bool {
        match self {
            Self::Found { .. }
            | Self::Joined { .. }
            | Self::Filled
            | Self::Edited { .. }
            | Self::Saved(..)
            | Self::Kept
            | Self::Draft(..)
            | Self::Undone { .. }
            | Self::PostedAgain { .. }
            | Self::Managed(_)
            | Self::Forgotten(_)
            | Self::Confirmed
            | Self::Passphrase(_)
            | Self::Switched { .. }
            | Self::Diagnosed
            | Self::RelayAdded { .. }
            | Self::Attached(_)
            | Self::SavedContent => true,
            Self::Invited
            | Self::Linked { .. }
            | Self::Code
            | Self::Recovering
            | Self::Phrase
            | Self::Picture(_)
            | Self::Dialled { .. }
            | Self::Compared
            | Self::Shown
            | Self::Doctor
            | Self::Told(_)
            | Self::Attachments(_)
            | Self::Storage => false,
        }
    }
}

impl VeloApp {
    pub(super) fn take_answers(&mut self) {
        for answer in self.bridge.answers() {
            let Some(pending) = self.pending.remove(&answer.request) else { continue };
            match answer.result {
                Ok(Answered::Reply(reply)) => self.answered(pending, reply),
                Ok(Answered::Story(told)) => {
                    if let Pending::Told(of) = pending {
                        self.view.story.take(of, told);
                    }
                }
                Ok(Answered::Picture(found)) => {
                    if let Pending::Picture(wanted) = pending {
                        self.picture_read(wanted, found);
                    }
                }
                Ok(Answered::Phrase(words)) => self.show_phrase(words),
                Ok(Answered::Attachments(found)) => {
                    if let Pending::Attachments(of) = pending {
                        self.view.attachments.take(of, found);
                    }
                }
                Ok(Answered::Saved(place)) => self.say(format!("Saved as {place}"), Tone::Done, false),
                Ok(Answered::Storage(space)) => self.measured(space),
                Ok(Answered::Doctor(found)) => self.doctor_found(Doctor::Found(found)),
                Ok(Answered::Diagnosed(bundle)) => self.diagnosed(Diagnostics::Written(bundle)),
                Err(problem) => self.refused(pending, &problem),
            }
        }
    }

    fn answered(&mut self, pending: Pending, reply: Reply) {
        match (pending, reply) {
            (Pending::Found { sample, .. }, Reply::Workspace(id)) => self.founded(id, sample),
            (Pending::Joined { .. }, Reply::Workspace(id)) => {
                self.enter(id);
            }
            (Pending::Edited { done, .. }, Reply::Edited { operations, .. })
                if operations > 0 && !done.is_empty() =>
            {
                self.say(done, Tone::Done, true);
            }
            (Pending::Saved(of, part), _) => {
                let workspace = self.bridge.workspace(of.0);
                if self.view.detail.saved(of, part, workspace.as_ref()) {
                    self.save(of);
                }
            }
            (Pending::Draft(of, _), _) => self.view.draft.kept(of),
            (Pending::Undone { again }, Reply::Edited { operations, kept, .. }) => {
                self.say(edit::undone(again, operations > 0, &kept), Tone::Done, false);
            }
            (Pending::PostedAgain { post }, Reply::Edited { operations, kept, .. }) => {
                self.say(edit::posted_again(post, operations > 0, &kept), Tone::Done, operations > 0);
            }
            (Pending::Invited, Reply::Ticket(ticket)) => self.show_ticket(ticket),
            (Pending::Managed(done), _) => self.say(done, Tone::Done, false),
            (Pending::Forgotten(workspace), _) => self.forgotten(workspace),
            (Pending::Linked { .. }, _) => self.linked(),
            (Pending::Code, Reply::LinkCode(code)) => self.show_code(&code),
            (Pending::Recovering, _) => {
                self.view.onboarding.waiting = false;
                self.view.onboarding.recovering = true;
            }
            (Pending::Confirmed, _) => self.confirmed(),
            (Pending::Passphrase(done), _) => self.passphrase_set(done),
            (Pending::Dialled { .. }, _) => {
                self.say("Connecting. It shows here when it is there.", Tone::Done, false);
            }
            (Pending::RelayAdded { .. }, _) => {
                self.say("The relay carries this workspace, and reads nothing of it", Tone::Done, false);
            }
            (Pending::Attached(count), _) => self.attached(count),
            (Pending::Switched { on }, _) => self.switched(on),
            (Pending::Compared, _) => {
                self.say("Comparing with everybody who is connected", Tone::Done, false);
            }
            _ => {}
        }
    }

    fn refused(&mut self, pending: Pending, problem: &str) {
        let problem = sentence(problem);
        self.view.onboarding.waiting = false;
        let first_start = self.model.workspace.is_none();
        match pending {
            Pending::Found { .. } | Pending::Joined { .. } | Pending::Code | Pending::Recovering
                if first_start =>
            {
                self.view.onboarding.problem = Some(problem);
            }
            Pending::Found { from, .. }
            | Pending::Joined { from }
            | Pending::Dialled { from }
            | Pending::RelayAdded { from } => {
                self.ask_again(from, problem);
            }
            Pending::Linked { from } => self.not_linked(from, problem),
            Pending::Picture(wanted) => self.picture_unread(wanted, problem),
            Pending::Passphrase(_) => self.no_passphrase(problem),
            Pending::Phrase | Pending::Confirmed => self.no_phrase(problem),
            Pending::Invited => self.no_ticket(problem),
            Pending::Saved(of, part) => {
                self.view.detail.refused(of, part, &problem);
                self.say(problem, Tone::Problem, false);
            }
            Pending::Draft(of, text) => {
                self.view.draft.refused(of, &text);
                if self.view.detail.of() != Some(of) {
                    self.view.detail.give_back(of, Line::Comment, &text);
                }
                self.say(problem, Tone::Problem, false);
            }
            Pending::Edited { typed: Source::Dialog(dialog), .. } => self.ask_again(dialog, problem),
            Pending::Edited { typed: Source::Line(of, line, words), .. } => {
                self.view.detail.give_back(of, line, &words);
                self.say(problem, Tone::Problem, false);
            }
            Pending::Doctor => self.doctor_found(Doctor::Failed(problem)),
            Pending::Diagnosed => self.diagnosed(Diagnostics::Failed(problem)),
            // It is told again with the next change.
            Pending::Shown => {}
            // The story is asked for again when the task changes.
            Pending::Told(of) => self.view.story.failed(of),
            Pending::Attachments(of) => self.view.attachments.failed(of),
            Pending::Attached(count) => self.not_attached(count, problem),
            Pending::Storage => self.not_measured(problem),
            _ => self.say(problem, Tone::Problem, false),
        }
    }

    /// Opens a dialog again whose content was refused.
    pub(super) fn ask_again(&mut self, mut dialog: Dialog, problem: String) {
        if !dialog.complain(&problem) {
            self.say(problem, Tone::Problem, false);
        }
        if dialog != Dialog::None {
            self.view.returned.push(dialog);
        }
    }

    fn enter(&mut self, id: WorkspaceId) {
        self.view.onboarding.waiting = false;
        self.view.preferences.workspace = Some(id);
        self.view.preferences.project = None;
        self.view.page = Page::Project;
        self.keep_preferences();
    }

    fn founded(&mut self, id: WorkspaceId, sample: bool) {
        self.enter(id);
        if sample {
            self.send(Request::Sample(id), Pending::Filled);
            return;
        }
        let Some(workspace) = self.bridge.workspace(id) else { return };
        let project = self.bridge.new_id();
        let changes = edit::add_project(&workspace, project, FIRST_PROJECT, || self.bridge.new_id());
        self.send(Request::Replica(Command::Edit { workspace: id, changes }), Pending::Filled);
    }
}
