//! What the person keeps for themselves: written to their private workspace, in passing.

use super::{Pending, VeloApp};
use crate::{
    bridge::Request,
    view::{
        detail::Of,
        personal::Personal,
        state::{Layout, Page},
    },
};
use velo_protocol::{
    change::Change,
    id::EntityId,
    model::{EntityKey, Kind},
    replica::Command,
    workspace::Workspace,
};

impl VeloApp {
    fn keep(&mut self, change: Change, pending: Pending) {
        if let Some(workspace) = self.model.personal.place() {
            self.send(Request::Replica(Command::Edit { workspace, changes: vec![change] }), pending);
        }
    }

    /// Makes something a favourite, or none any more.
    pub(super) fn toggle_favourite(&mut self, key: EntityKey) {
        if let Some(change) = self.model.personal.toggle(key) {
            self.keep(change, Pending::Kept);
        }
    }

    /// The open task, or the project shown.
    pub(super) fn favourite_target(&self) -> Option<EntityKey> {
        let task = self.view.target().map(|id| EntityKey::new(Kind::Task, id));
        let shown = (self.view.page == Page::Project).then(|| self.view.board.project()).flatten();
        task.or(shown.map(|id| EntityKey::new(Kind::Project, id)))
    }

    /// Notes what is seen: the workspace, and the comments on the open task. What was refused is not asked
    /// for again before something changed.
    pub(super) fn note_read(&mut self, workspace: &Workspace) {
        let of = (self.model.personal.revision(), workspace.revision(), self.view.open);
        let is_waiting = self.pending.values().any(|pending| *pending == Pending::Kept);
        if is_waiting || self.read_noted == Some(of) {
            return;
        }
        self.read_noted = Some(of);
        let begun = self.model.personal.begin(self.model.moment.wall_ms);
        let read = || {
            let task = self.view.open?;
            self.model.personal.read(task, &self.model.personal.unread(workspace, task))
        };
        if let Some(change) = begun.or_else(read) {
            self.keep(change, Pending::Kept);
        }
    }

    /// Follows the comment that is being written on the open task.
    pub(super) fn follow_draft(&mut self) {
        if !self.model.personal.is_open() {
            return;
        }
        let open = self.view.detail.of();
        let kept = open.map(|of| self.model.personal.draft(of)).unwrap_or_default();
        let (typed, now_ms) = (&mut self.view.detail.typed.comment, self.model.moment.wall_ms);
        let due = self.view.draft.follow(open, typed, kept, now_ms);
        if let (Some(of), Some(text)) = (open, due) {
            self.keep_draft(of, text);
        }
    }

    /// The field is left: what is in it is kept.
    pub(super) fn leave_draft(&mut self) {
        let Some(of) = self.view.detail.of().filter(|_| self.model.personal.is_open()) else { return };
        if let Some(text) = self.view.draft.keep(&self.view.detail.typed.comment) {
            self.keep_draft(of, text);
        }
        // It comes back from where it is kept.
        if self.view.draft.follows(of) {
            self.view.detail.typed.comment.clear();
        }
    }

    fn keep_draft(&mut self, of: Of, text: String) {
        self.keep(Personal::keep_draft(of, &text), Pending::Draft(of, text));
    }

    /// Shows a project as it was looked at last, on whichever device.
    pub(super) fn recall_layout(&mut self, project: EntityId) {
        match self.model.personal.view(project) {
            "board" => self.view.preferences.layout = Layout::Board,
            "list" => self.view.preferences.layout = Layout::List,
            _ => {}
        }
    }

    /// Keeps how the project shown is looked at.
    pub(super) fn keep_layout(&mut self, layout: Layout) {
        let name = match layout {
            Layout::Board => "board",
            Layout::List => "list",
        };
        let shown = self.view.board.project();
        if let Some(change) = shown.and_then(|project| self.model.personal.keep_view(project, name)) {
            self.keep(change, Pending::Kept);
        }
    }
}
