//! Saving what has been typed: when a field or a task is left, and when the window closes.

use super::{Pending, VeloApp};
use crate::{
    bridge::Request,
    view::{detail::Of, toast::Tone},
};
use egui::{Context, ViewportCommand};
use velo_protocol::{replica::Command, workspace::Workspace};

/// How many pauses of the bridge the end waits for answers: some seconds.
const LAST_PAUSES: usize = 400;
/// How long the window stays open for what is on its way to the disk, in milliseconds: a large file that is
/// attached takes so long.
const CLOSE_MS: u64 = 60_000;
/// What it says meanwhile.
const SAVING: &str = "Saving. The window closes when that is done; close it once more to leave now.";

impl VeloApp {
    /// Saves what was typed and waits until it is on the disk, or for some seconds. For the end of
    /// the app, before the node stops.
    pub fn finish(&mut self) {
        self.save_all();
        for _ in 0..LAST_PAUSES {
            self.take_answers();
            if !self.is_saving() {
                return;
            }
            self.bridge.pause();
        }
        tracing::warn!("the app ended before everything was saved");
    }

    fn save_all(&mut self) {
        self.leave_draft();
        for of in self.view.detail.unsaved() {
            self.save(of);
        }
    }

    /// Whether something is on its way to the disk.
    fn is_saving(&self) -> bool {
        self.pending.values().any(Pending::saves)
    }

    /// Keeps the window open, and says why, while something is on its way to the disk. Whoever closes it
    /// once more does not wait.
    pub(super) fn close_when_saved(&mut self, ctx: &Context) {
        let is_asked = ctx.input(|input| input.viewport().close_requested());
        let now = self.model.moment.wall_ms;
        match self.closing {
            None if is_asked => {
                self.save_all();
                if self.is_saving() {
                    ctx.send_viewport_cmd(ViewportCommand::CancelClose);
                    self.closing = Some(now);
                    self.say(SAVING, Tone::Done, false);
                }
            }
            Some(since) if self.is_saving() && now < since + CLOSE_MS => {
                self.say(SAVING, Tone::Done, false);
            }
            Some(_) => ctx.send_viewport_cmd(ViewportCommand::Close),
            None => {}
        }
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
