//! Saving what has been typed: when a field or a task is left, and when the window closes.

use super::{Pending, VeloApp};
use crate::{bridge::Request, view::detail::Of};
use velo_protocol::{replica::Command, workspace::Workspace};

/// How many pauses of the bridge the end waits for answers: some seconds.
const LAST_PAUSES: usize = 400;

impl VeloApp {
    /// Saves what was typed and waits until it is on the disk, or for some seconds. For the end of
    /// the app, before the node stops.
    pub fn finish(&mut self) {
        self.leave_draft();
        for of in self.view.detail.unsaved() {
            self.save(of);
        }
        for _ in 0..LAST_PAUSES {
            self.take_answers();
            if !self.is_saving() {
                return;
            }
            self.bridge.pause();
        }
        tracing::warn!("the app ended before everything was saved");
    }

    /// Whether anything but reading waits for its answer.
    fn is_saving(&self) -> bool {
        self.pending.values().any(|pending| {
            !matches!(
                pending,
                Pending::Told(_)
                    | Pending::Code
                    | Pending::Phrase
                    | Pending::Picture(_)
                    | Pending::Linked { .. }
            )
        })
    }

    /// Saves what has been typed into the fields of the open task.
    pub(super) fn save_typed(&mut self) {
        if let Some(of) = self.view.detail.of() {
            self.save(of);
        }
    }

    /// Saves what has been typed into the fields of a task.
    pub(super) fn save(&mut self, of: Of) {
        for (part, change) in self.view.detail.save(of) {
            let command = Command::Edit { workspace: of.0, changes: vec![change] };
            self.send(Request::Replica(command), Pending::Saved(of, part));
        }
    }

    /// Has the detail show the open task. What was typed about another one is saved.
    pub(super) fn follow_detail(&mut self, workspace: &Workspace) {
        let open = self.view.open.map(|task| (workspace.id(), task));
        if self.view.detail.of() != open {
            self.save_typed();
            self.leave_draft();
            self.view.detail.turn_to(open);
            self.view.unread.clear();
        }
        if let Some((_, task)) = open {
            // What comes while it is looked at is new as well.
            self.view.unread.extend(self.model.personal.unread(workspace, task));
        }
        self.view.detail.follow(workspace);
    }
}
