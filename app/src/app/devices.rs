//! Further devices of the person.

use super::{Pending, VeloApp};
use crate::{
    bridge::Request,
    view::{
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
}
