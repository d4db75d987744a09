//! Further devices of the person.

use super::{Pending, VeloApp};
use crate::{
    bridge::Request,
    view::{
        onboarding::{Code, Onboarding, UNNAMED, Way},
        phrase::{Step, Words},
        qr::Qr,
        secret::Secret,
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
        if let Some(words) = words {
            phrase.step = Step::Shown(words);
        } else {
            self.view.dialog = Dialog::None;
            self.say("You have confirmed your words before: this device forgot them", Tone::Done, false);
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

    pub(super) fn set_passphrase(&mut self, now: Option<Secret>, new: Option<Secret>) {
        let done = match (&now, &new) {
            (_, None) => "The passphrase is removed",
            (Some(_), Some(_)) => "The passphrase is changed",
            (None, Some(_)) => "The passphrase is set. Velo asks for it at the next start",
        };
        self.send(Request::SetPassphrase(now, new), Pending::Passphrase(done));
    }

    pub(super) fn passphrase_set(&mut self, done: &str) {
        if matches!(self.view.dialog, Dialog::Keys(_)) {
            self.view.dialog = Dialog::None;
        }
        self.say(done, Tone::Done, false);
    }

    /// The passphrase stays as it was. What was typed is gone, so the dialog is not opened again.
    pub(super) fn no_passphrase(&mut self, problem: String) {
        if !matches!(self.view.dialog, Dialog::Keys(_)) || !self.view.dialog.complain(&problem) {
            self.say(problem, Tone::Problem, false);
        }
    }

    pub(super) fn make_code(&mut self) {
        let addresses = self.bridge.addresses();
        self.send(Request::Replica(Command::ShowLinkCode { addresses }), Pending::Code);
    }

    pub(super) fn show_code(&mut self, code: &LinkCode) {
        let text = code.to_string();
        self.view.onboarding.code = Some(Code { qr: Qr::of(&text), text });
    }

    /// Notes the person's name where none was given here and a workspace shows one: another device of
    /// theirs took this one in, or their words brought them back. What is made from now on says the same.
    pub(super) fn note_name(&mut self) {
        let unnamed = self.bridge.name().is_none_or(|name| name == UNNAMED);
        if unnamed && self.model.name.is_some() && self.noted != self.model.name {
            self.noted.clone_from(&self.model.name);
            self.bridge.introduce(self.noted.as_deref().unwrap_or_default());
        }
    }

    /// This device was new, and is in workspaces now. What was entered for that is of no more use.
    pub(super) fn arrived(&mut self) {
        let state = &mut self.view.onboarding;
        if !matches!(state.way, Way::Device | Way::Lost) {
            return;
        }
        *state = Onboarding::default();
        self.say("This device is yours now. Your workspaces arrive here", Tone::Done, false);
    }
}
