//! Carrying out commands.

use super::{Pending, VeloApp, answer::Source};
use crate::{
    bridge::Request,
    command::{AppCommand, TaskCommand},
    view::{
        detail::Line,
        edit,
        keys::KeysDialog,
        onboarding::UNNAMED,
        picker::{Picker, Subject},
        quick_add::Draft,
        state::{Dialog, Invite, Layout, NamePurpose, Page},
        toast::Tone,
    },
};
use egui::Context;
use velo_protocol::{
    change::Change,
    id::{EntityId, OpId},
    model::{EntityKey, Kind},
    replica::Command,
};

impl VeloApp {
    /// Carries out a command, unless the person may not: then they hear why.
    pub fn carry_out(&mut self, ctx: &Context, command: AppCommand) {
        if self.model.workspace.is_some()
            && let Err(why) = self.model.standing.allows(command.need())
        {
            self.say(why, Tone::Problem, false);
            return;
        }
        match command {
            AppCommand::ForTarget(command) => {
                if let Some(task) = self.view.target() {
                    self.for_task(ctx, task, command);
                }
            }
            AppCommand::ForTask(task, command) => self.for_task(ctx, task, command),
            AppCommand::Edit { changes, done } => self.edit(changes, done),
            AppCommand::AddTask { draft, text, column } => self.add_task(&draft, text, column),
            AppCommand::AddNamed { purpose, name, seen } => self.add_named(purpose, name, seen),
            AppCommand::SaveTyped => self.save_typed(),
            AppCommand::Move(task, place) => self.edit(vec![place.of(task)], String::new()),
            AppCommand::Shift(across, down) => self.shift(across, down),
            AppCommand::Restore(key) => self.restore(key),
            AppCommand::Undo => self.undo(false),
            AppCommand::Redo => self.undo(true),
            AppCommand::PostAgain => self.post_again(true),
            AppCommand::LetGo => self.post_again(false),
            AppCommand::Copy(text, what) => {
                ctx.copy_text(text);
                self.say(format!("{what} copied"), Tone::Done, false);
            }
            AppCommand::ToggleTheme => {
                self.view.preferences.dark = Some(ctx.theme() != egui::Theme::Dark);
                self.apply_theme(ctx);
                self.keep_preferences();
            }
            other => self.show_or_connect(other),
        }
    }

    /// What changes nothing in the workspace.
    fn show_or_connect(&mut self, command: AppCommand) {
        match command {
            AppCommand::ShowProject(project) => self.show_project(project),
            AppCommand::ShowWorkspace(workspace) => {
                self.view.preferences.workspace = Some(workspace);
                self.view.page = Page::Project;
                self.keep_preferences();
            }
            AppCommand::ShowPage(page) => self.view.page = page,
            AppCommand::ShowLayout(layout) => self.show_layout(layout),
            AppCommand::Open(task) => self.open(task),
            AppCommand::Close => self.close(),
            AppCommand::Step(across, down) => self.step(across, down),
            AppCommand::OpenPalette => self.view.picker = Some(Picker::new(Subject::Everything, None)),
            AppCommand::OpenSearch => self.view.picker = Some(Picker::new(Subject::Tasks, None)),
            AppCommand::Pick(subject, at) => {
                self.view.picker = Some(Picker::new(subject, at.map(|(x, y)| (x as f32, y as f32))));
            }
            AppCommand::OpenDialog(dialog) => self.open_dialog(dialog),
            AppCommand::Dismiss(at) => self.view.toasts.dismiss(at),
            AppCommand::Favourite => {
                if let Some(key) = self.favourite_target() {
                    self.toggle_favourite(key);
                }
            }
            AppCommand::ToggleFavourite(key) => self.toggle_favourite(key),
            other => self.connect(other),
        }
    }

    /// Opens a dialog; that for a new name over the name there is now.
    fn open_dialog(&mut self, mut dialog: Dialog) {
        if let (Dialog::Name { purpose, seen, .. }, Some(workspace)) = (&mut dialog, &self.model.workspace) {
            match purpose {
                NamePurpose::RenameProject(id) => *seen = edit::behind_name(workspace, Kind::Project, *id),
                NamePurpose::RenameColumn(id) => *seen = edit::behind_name(workspace, Kind::Column, *id),
                _ => {}
            }
        }
        if matches!(dialog, Dialog::QuickAdd { .. }) && self.view.page == Page::WithoutProject {
            // A new task goes to a project: the one shown last, which is then seen.
            self.view.page = Page::Project;
        }
        self.view.dialog = dialog;
    }

    fn connect(&mut self, command: AppCommand) {
        match command {
            AppCommand::Found { workspace, person, sample } => {
                self.view.onboarding.waiting = true;
                self.found(workspace, &person, Pending::Found { sample, from: Dialog::None });
            }
            AppCommand::Join { ticket, person } => self.join(ticket, person),
            AppCommand::Invite => self.view.dialog = Dialog::Invite(Invite::default()),
            AppCommand::MakeTicket { role, days } => self.make_ticket(role, days),
            AppCommand::Withdraw(invite) => self.withdraw(invite),
            AppCommand::SetRole(person, role) => self.set_role(person, role),
            AppCommand::Unlink(device) => self.unlink(device),
            AppCommand::Forget => self.forget(),
            AppCommand::Link(code) => self.link(code),
            AppCommand::ShowLinkCode => self.make_code(),
            AppCommand::Recover { root, address } => {
                self.view.onboarding.waiting = true;
                self.send(Request::Recover(root, address), Pending::Recovering);
            }
            AppCommand::ShowPhrase => self.send(Request::Phrase, Pending::Phrase),
            AppCommand::ConfirmPhrase(words) => {
                self.send(Request::ConfirmPhrase(words), Pending::Confirmed);
            }
            AppCommand::ShowKeys => self.view.dialog = Dialog::Keys(KeysDialog::default()),
            AppCommand::SetPassphrase { now, new } => self.set_passphrase(now, new),
            AppCommand::ShowStorage => self.show_storage(),
            AppCommand::CleanStorage => self.clean_storage(),
            AppCommand::SetFetching(fetching) => self.set_fetching(fetching),
            AppCommand::FetchContent(attachment) => self.fetch_content(attachment),
            AppCommand::SaveContent(attachment) => self.save_content(attachment),
            AppCommand::ReadPicture(wanted, picture) => self.read_picture(wanted, picture),
            AppCommand::Dial(address) => {
                let from = Dialog::AddPeer { text: address.clone(), problem: None };
                self.send(Request::Dial(address), Pending::Dialled { from });
            }
            AppCommand::AddRelay(line) => self.add_relay(line),
            AppCommand::SetAutoSync(on) => self.set_auto_sync(on),
            AppCommand::HidePresence(hidden) => self.hide_presence(hidden),
            AppCommand::Doctor => self.ask_doctor(),
            AppCommand::Diagnose => self.diagnose(),
            AppCommand::SyncNow => self.send(Request::Replica(Command::SyncNow), Pending::Compared),
            _ => {}
        }
    }

    /// Founds a workspace. A name that was not given is not noted, so that it is asked for later.
    fn found(&mut self, name: String, person: &str, pending: Pending) {
        if !person.is_empty() {
            self.bridge.introduce(person);
        }
        let person_name = if person.is_empty() { UNNAMED } else { person }.to_owned();
        self.send(Request::Replica(Command::CreateWorkspace { name, person_name }), pending);
    }

    pub(super) fn edit(&mut self, changes: Vec<Change>, done: String) {
        self.edit_from(Source::None, changes, done);
    }

    /// An edit with words that go back to where they were typed if it is refused.
    fn edit_from(&mut self, typed: Source, changes: Vec<Change>, done: String) {
        let Some(workspace) = self.workspace_id() else { return };
        self.send(Request::Replica(Command::Edit { workspace, changes }), Pending::Edited { done, typed });
    }

    /// Brings back an entity with what was deleted together with it.
    fn restore(&mut self, key: EntityKey) {
        let Some(workspace) = self.workspace_id() else { return };
        let pending = Pending::Edited { done: "Restored".to_owned(), typed: Source::None };
        self.send(Request::Restore(workspace, key), pending);
    }

    fn undo(&mut self, again: bool) {
        let Some(workspace) = self.workspace_id() else { return };
        let command = if again { Command::Redo { workspace } } else { Command::Undo { workspace } };
        self.send(Request::Replica(command), Pending::Undone { again });
    }

    /// Posts again what was done while the person was out, or lets it go.
    fn post_again(&mut self, post: bool) {
        let Some(workspace) = self.workspace_id() else { return };
        let command = if post { Command::PostAgain { workspace } } else { Command::LetGo { workspace } };
        self.send(Request::Replica(command), Pending::PostedAgain { post });
    }

    fn show_layout(&mut self, layout: Layout) {
        self.view.page = Page::Project;
        self.view.preferences.layout = layout;
        self.keep_layout(layout);
        self.keep_preferences();
    }

    fn step(&mut self, across: isize, down: isize) {
        if self.view.page == Page::Conflicts {
            let last = self.model.conflicts.len().saturating_sub(1);
            self.view.conflict = self.view.conflict.saturating_add_signed(down).min(last);
            return;
        }
        let from = self.view.cursor.or(self.view.open);
        let Some(next) = self.view.board.step(from, across, down) else { return };
        self.view.cursor = Some(next);
        self.view.reveal = true;
        if self.view.open.is_some() {
            self.view.open = Some(next);
        }
    }

    fn shift(&mut self, across: isize, down: isize) {
        let Some(task) = self.view.cursor.or(self.view.open) else { return };
        if let Some(place) = self.view.board.move_by(task, across, down) {
            self.view.cursor = Some(task);
            self.view.reveal = true;
            self.edit(vec![place.of(task)], String::new());
        }
    }

    fn for_task(&mut self, ctx: &Context, task: EntityId, command: TaskCommand) {
        let pick = |subject| Some(Picker::new(subject, None));
        match command {
            TaskCommand::Open => self.open(task),
            TaskCommand::Status => self.view.picker = pick(Subject::Status(task)),
            TaskCommand::Priority => self.view.picker = pick(Subject::Priority(task)),
            TaskCommand::Assign => self.view.picker = pick(Subject::Assignees(task)),
            TaskCommand::Label => self.view.picker = pick(Subject::Labels(task)),
            TaskCommand::Due => self.view.picker = pick(Subject::Due(task)),
            TaskCommand::Project => self.view.picker = pick(Subject::Project(task)),
            TaskCommand::Edit => {
                self.open(task);
                self.view.detail.focus_title = true;
            }
            TaskCommand::CopyId => {
                let Some(workspace) = &self.model.workspace else { return };
                let id = workspace.short_id(task);
                self.say(format!("{id} copied"), Tone::Done, false);
                ctx.copy_text(id);
            }
            TaskCommand::Delete => {
                let changes = vec![Change::Delete { key: EntityKey::new(Kind::Task, task) }];
                self.edit(changes, "Task deleted".to_owned());
            }
            TaskCommand::Attach(files) => self.attach(task, files),
            other => self.add_to_task(task, other),
        }
    }

    fn add_to_task(&mut self, task: EntityId, command: TaskCommand) {
        let id = self.bridge.new_id();
        let me = crate::view::directory::element_of(self.model.me.person);
        let Some(workspace) = &self.model.workspace else { return };
        let of = (workspace.id(), task);
        let (changes, typed) = match command {
            TaskCommand::AssignMe => (edit::toggle_assignee(workspace, task, me), Source::None),
            TaskCommand::NewLabel(name) => (edit::add_label_to(task, id, &name), Source::None),
            TaskCommand::AddItem(words) => {
                (edit::add_item(workspace, task, id, &words), Source::Line(of, Line::Item, words))
            }
            TaskCommand::AddComment(words) => {
                (edit::add_comment(task, id, &words), Source::Line(of, Line::Comment, words))
            }
            _ => return,
        };
        self.edit_from(typed, changes, String::new());
    }

    fn add_task(&mut self, draft: &Draft, text: String, column: Option<EntityId>) {
        let Some(workspace) = &self.model.workspace else { return };
        let from = Dialog::QuickAdd { column, text };
        let elsewhere =
            draft.project.as_ref().and_then(|(project, _)| workspace.columns(*project).first().copied());
        let here = column.or(self.view.board.columns.first().and_then(|column| column.id));
        let Some(column) = elsewhere.or(here) else {
            let name = draft.project.as_ref().map_or("This project", |(_, name)| name);
            self.say(format!("{name} has no column yet: add one first"), Tone::Problem, false);
            self.view.returned.push(from);
            return;
        };
        let id = self.bridge.new_id();
        let changes = edit::add_task(workspace, id, column, draft, || self.bridge.new_id());
        self.view.cursor = Some(id);
        self.view.reveal = true;
        self.edit_from(Source::Dialog(from), changes, String::new());
    }

    fn add_named(&mut self, purpose: NamePurpose, name: String, seen: Vec<OpId>) {
        let from = Dialog::Name { purpose, text: name.clone(), seen: seen.clone() };
        if purpose == NamePurpose::Workspace {
            let person = self.view.onboarding.person(&self.model);
            self.found(name, &person, Pending::Found { sample: false, from });
            return;
        }
        let id = self.bridge.new_id();
        let Some(workspace) = &self.model.workspace else { return };
        let changes = match purpose {
            NamePurpose::Project => edit::add_project(workspace, id, &name, || self.bridge.new_id()),
            NamePurpose::Column(project) => edit::add_column(workspace, project, id, &name),
            NamePurpose::RenameColumn(column) => edit::rename(Kind::Column, column, &name, seen),
            NamePurpose::RenameProject(project) => edit::rename(Kind::Project, project, &name, seen),
            NamePurpose::Workspace => return,
        };
        if purpose == NamePurpose::Project {
            self.show_project(id);
        }
        self.edit_from(Source::Dialog(from), changes, String::new());
    }
}
