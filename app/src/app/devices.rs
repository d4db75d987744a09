//! Further devices of the person.

use super::{Pending, VeloApp};
use crate::{
    bridge::Request,
    view::{
        phrase::{Step, Words},
        state::{Dialog, Link, LinkStep},
        toast::Tone,
    },
};
use velo_protocol::{link_code::LinkCode, replica::Command};

impl VeloApp {
    /// Takes in the device that shows a code. Its dialog stays open until that is done.
    pub(super) fn link(&mut self, code: LinkCode) {
        let link = Link { text: code.to_string(), problem: None, step: LinkStep::Looking };
        let from = Dialog::Link(link.clone());
        self.view.dialog = Dialog::Link(link);
        self.send(Request::Replica(Command::Link { code }), Pending::Linked { from });
    }

    /// The device was taken in. Whoever has closed the dialog meanwhile hears it too.
    pub(super) fn linked(&mut self) {
        match &mut self.view.dialog {
            Dialog::Link(link) if link.step == LinkStep::Looking => link.step = LinkStep::Done,
            _ => self.say("The new device is one of yours now", Tone::Done, false),
        }
    }

    pub(super) fn not_linked(&mut self, from: Dialog, problem: String) {
        match &mut self.view.dialog {
            dialog @ Dialog::Link(Link { step: LinkStep::Looking, .. }) => {
                dialog.complain(&problem);
            }
            _ => self.ask_again(from, problem),
        }
    }

    /// Shows the 24 words, if they are still wanted.
    pub(super) fn show_phrase(&mut self, words: Option<Words>) {
        let Dialog::Phrase(phrase) = &mut self.view.dialog else { return };
        match words {
            Some(words) => phrase.step = Step::Shown(words),
            None => {
                self.view.dialog = Dialog::None;
                self.say("You have confirmed your words before: this device forgot them", Tone::Done, false);
            }
        }
    }

    /// The 24 words are confirmed.
    pub(super) fn confirmed(&mut self) {
        if matches!(self.view.dialog, Dialog::Phrase(_)) {
            self.view.dialog = Dialog::None;
        }
        self.say("Your 24 words are confirmed. Keep them safe", Tone::Done, false);
    }

    /// The 24 words cannot be shown, or were others.
    pub(super) fn no_phrase(&mut self, problem: String) {
        if !matches!(self.view.dialog, Dialog::Phrase(_)) || !self.view.dialog.complain(&problem) {
            self.say(problem, Tone::Problem, false);
        }
    }
}
