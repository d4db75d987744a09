//! Tickets and link codes from pictures, dropped on the window or named.

use super::{Pending, VeloApp};
use crate::{
    bridge::Request,
    view::{
        onboarding::Way,
        picture::{Picture, PictureField, Wanted},
        state::{Dialog, Link, LinkStep},
        toast::Tone,
    },
};
use egui::{Context, DroppedFile};

impl VeloApp {
    /// What a picture would be looked at for right now.
    fn wants_picture(&self) -> Option<Wanted> {
        match &self.view.dialog {
            // On the first page a picture can only be that of a ticket.
            Dialog::None if self.model.workspace.is_none() => Some(Wanted::Ticket),
            Dialog::Join { .. } => Some(Wanted::Ticket),
            Dialog::Link(Link { step: LinkStep::Asking, .. }) => Some(Wanted::LinkCode),
            _ => None,
        }
    }

    /// Takes a picture that was dropped on the window, where one is of use.
    pub(super) fn take_dropped(&mut self, ctx: &Context) {
        let Some(wanted) = self.wants_picture() else {
            // What was typed or said there belongs to a dialog that has gone.
            self.view.picture = PictureField::default();
            self.attach_dropped(ctx);
            return;
        };
        let dropped = ctx.input(|input| input.raw.dropped_files.first().cloned());
        let Some(DroppedFile { path, bytes, .. }) = dropped else { return };
        let picture = bytes.map(Picture::Bytes).or(path.map(Picture::File));
        if let Some(picture) = picture {
            if self.model.workspace.is_none() {
                self.view.onboarding.way = Way::Join;
            }
            self.read_picture(wanted, picture);
        }
    }

    /// Has a picture read. One at a time: a further one waits for nobody.
    pub(super) fn read_picture(&mut self, wanted: Wanted, picture: Picture) {
        if self.view.picture.reading {
            return;
        }
        let path = std::mem::take(&mut self.view.picture.path);
        self.view.picture = PictureField { open: true, path, reading: true, problem: None };
        self.send(Request::ReadPicture(wanted, picture), Pending::Picture(wanted));
    }

    /// Puts what was found where it is asked for, if it still is.
    pub(super) fn picture_read(&mut self, wanted: Wanted, found: String) {
        if self.wants_picture() != Some(wanted) {
            return;
        }
        self.view.picture = PictureField::default();
        match &mut self.view.dialog {
            Dialog::Join { text, problem } => (*text, *problem) = (found, None),
            Dialog::Link(link) => (link.text, link.problem) = (found, None),
            _ => (self.view.onboarding.ticket, self.view.onboarding.problem) = (found, None),
        }
        let what = if wanted == Wanted::Ticket { "The ticket" } else { "The code" };
        self.say(format!("{what} was read from the picture"), Tone::Done, false);
    }

    pub(super) fn picture_unread(&mut self, wanted: Wanted, problem: String) {
        if self.wants_picture() == Some(wanted) {
            self.view.picture.complain(problem);
        }
    }
}
