//! Syncing, who is here, and what to do when something is wrong.

use super::{Pending, VeloApp};
use crate::{
    bridge::Request,
    view::{
        doctor::{Diagnostics, Doctor},
        relay::RelayLine,
        state::Dialog,
        toast::Tone,
    },
};
use velo_protocol::replica::Command;

impl VeloApp {
    /// Tells the others what the person looks at, if it is something else than before.
    pub(super) fn tell_presence(&mut self) {
        let open = self.view.open.filter(|_| self.view.page.has_tasks());
        let hidden = self.view.preferences.hidden;
        let Some((doing, workspace)) = self.told.news(self.shown, open, hidden) else { return };
        self.send(Request::Replica(Command::SetPresence { doing, workspace }), Pending::Shown);
    }

    pub(super) fn hide_presence(&mut self, hidden: bool) {
        self.view.preferences.hidden = hidden;
        self.keep_preferences();
    }

    pub(super) fn set_auto_sync(&mut self, on: bool) {
        let Some(workspace) = self.workspace_id() else { return };
        self.send(Request::Replica(Command::SetAutoSync { workspace, on }), Pending::Switched { on });
    }

    pub(super) fn add_relay(&mut self, line: RelayLine) {
        let Some(workspace) = self.workspace_id() else { return };
        let text = format!("{} {}", line.address, line.token);
        let from = Dialog::AddRelay { text: text.trim_end().to_owned(), problem: None };
        self.say("Asking the relay", Tone::Done, false);
        self.send(Request::AddRelay(workspace, line), Pending::RelayAdded { from });
    }

    pub(super) fn switched(&mut self, on: bool) {
        let words = if on {
            "Automatic sync is on"
        } else {
            "Automatic sync is off: nothing is sent or taken until you sync"
        };
        self.say(words, Tone::Done, false);
    }

    pub(super) fn ask_doctor(&mut self) {
        self.view.dialog = Dialog::Doctor(Doctor::Looking);
        self.send(Request::Doctor, Pending::Doctor);
    }

    /// Shows what the doctor found, unless its dialog was closed meanwhile.
    pub(super) fn doctor_found(&mut self, found: Doctor) {
        if let Dialog::Doctor(doctor) = &mut self.view.dialog {
            *doctor = found;
        }
    }

    pub(super) fn diagnose(&mut self) {
        self.send(Request::Diagnose, Pending::Diagnosed);
    }

    /// Says where the file is, or why there is none, also where its dialog was closed meanwhile.
    pub(super) fn diagnosed(&mut self, how: Diagnostics) {
        match (&mut self.view.dialog, how) {
            (Dialog::Diagnostics(dialog), how) => *dialog = how,
            (_, Diagnostics::Written(bundle)) => {
                self.say(format!("Written to {}", bundle.path.display()), Tone::Done, false);
            }
            (_, Diagnostics::Failed(problem)) => self.say(problem, Tone::Problem, false),
            _ => {}
        }
    }
}
