//! Attachments of the open task, and the storage they take.

use super::{Pending, VeloApp};
use crate::{
    bridge::Request,
    view::{
        state::Dialog,
        storage::{Space, StorageDialog},
        toast::Tone,
    },
};
use egui::Context;
use std::path::PathBuf;
use velo_protocol::{
    id::EntityId,
    replica::{Command, Fetching},
};

impl VeloApp {
    /// Asks what of the open task's attachments is here, when that may have changed.
    pub(super) fn follow_attachments(&mut self) {
        let Some(workspace) = &self.model.workspace else { return };
        let now = (self.bridge.arrived(), self.model.moment.wall_ms);
        if let Some(of) = self.view.attachments.ask(workspace, self.view.open, now) {
            self.send(Request::Attachments(of.clone()), Pending::Attachments(of));
        }
    }

    /// Attaches files to a task.
    pub(super) fn attach(&mut self, task: EntityId, files: Vec<PathBuf>) {
        let Some(workspace) = self.workspace_id() else { return };
        let count = files.len();
        self.view.attachments.adding += count;
        self.view.attachments.problem = None;
        self.send(Request::Attach(workspace, task, files), Pending::Attached(count));
    }

    /// Files dropped on the window go to the open task.
    pub(super) fn attach_dropped(&mut self, ctx: &Context) {
        let Some(task) = self.view.open.filter(|_| self.view.dialog == Dialog::None) else { return };
        if self.model.standing.allows(crate::command::Need::Edit).is_err() {
            return;
        }
        let dropped = ctx.input(|input| input.raw.dropped_files.clone());
        let files: Vec<PathBuf> = dropped.into_iter().filter_map(|file| file.path).collect();
        if !files.is_empty() {
            self.attach(task, files);
        }
    }

    pub(super) fn attached(&mut self, count: usize) {
        self.view.attachments.added(count, None);
        let words = if count == 1 { "Attached".to_owned() } else { format!("{count} files attached") };
        self.say(words, Tone::Done, true);
    }

    pub(super) fn not_attached(&mut self, count: usize, problem: String) {
        self.view.attachments.added(count, Some(problem));
    }

    pub(super) fn fetch_content(&mut self, attachment: EntityId) {
        let Some(workspace) = self.workspace_id() else { return };
        self.view.attachments.fetching.insert(attachment);
        self.send(Request::FetchContent(workspace, attachment), Pending::Kept);
    }

    pub(super) fn save_content(&mut self, attachment: EntityId) {
        let Some(workspace) = self.workspace_id() else { return };
        self.send(Request::SaveContent(workspace, attachment), Pending::SavedContent);
    }

    /// Shows what takes up space.
    pub(super) fn show_storage(&mut self) {
        let Some(workspace) = self.workspace_id() else { return };
        self.view.dialog = Dialog::Storage(StorageDialog::default());
        self.send(Request::Storage(workspace), Pending::Storage);
    }

    pub(super) fn clean_storage(&mut self) {
        let Some(workspace) = self.workspace_id() else { return };
        if let Dialog::Storage(dialog) = &mut self.view.dialog {
            dialog.working = true;
        }
        self.send(Request::CleanStorage(workspace), Pending::Storage);
    }

    pub(super) fn set_fetching(&mut self, fetching: Fetching) {
        let Some(workspace) = self.workspace_id() else { return };
        if let Dialog::Storage(StorageDialog { space: Some(space), .. }) = &mut self.view.dialog {
            space.fetching = fetching;
        }
        self.send(Request::Replica(Command::SetFetching { workspace, fetching }), Pending::Kept);
    }

    pub(super) fn measured(&mut self, space: Space) {
        if let Dialog::Storage(dialog) = &mut self.view.dialog {
            *dialog = StorageDialog { space: Some(space), ..StorageDialog::default() };
        }
    }

    pub(super) fn not_measured(&mut self, problem: String) {
        if let Dialog::Storage(dialog) = &mut self.view.dialog {
            (dialog.working, dialog.problem) = (false, Some(problem));
        }
    }
}
