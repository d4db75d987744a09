//! Below a field for a ticket or a link code: the same from a picture.

use super::{Cx, link_ui};
use crate::{
    command::AppCommand,
    fonts, icons,
    theme::{Tokens, radius, size, space, tokens},
    view::picture::{Picture, Wanted},
    widget::{
        button::{self, Weight},
        field, mark,
    },
};
use egui::{CornerRadius, Frame, Key, Margin, RichText, Stroke, Ui};

/// Paints a button, or the way in for a picture once it was pressed.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, wanted: Wanted) {
    if !cx.view.picture.open {
        if button::words(ui, Weight::Quiet, icons::IMAGE_UP, "From a picture…").clicked() {
            cx.view.picture.open = true;
        }
        return;
    }
    let tokens = tokens(ui.ctx());
    let over = ui.input(|input| !input.raw.hovered_files.is_empty());
    let line = if over { Stroke::new(2.0, tokens.accent) } else { Stroke::new(1.0, tokens.border_strong) };
    let frame = Frame::new().fill(tokens.app).stroke(line).corner_radius(CornerRadius::same(radius::M));
    frame.inner_margin(Margin::same(10)).show(ui, |ui| {
        ui.set_width(ui.available_width());
        ui.spacing_mut().item_spacing.y = 6.0;
        drop_here(ui, tokens);
        path(ui, cx, wanted);
        if let Some(problem) = &cx.view.picture.problem {
            field::problem(ui, problem);
        }
        if cx.view.picture.reading {
            link_ui::waiting(ui, "Looking for the code in the picture…");
        }
    });
}

fn drop_here(ui: &mut Ui, tokens: &Tokens) {
    ui.horizontal_top(|ui| {
        mark::icon_ui(ui, icons::IMAGE_UP, 16.0, tokens.secondary);
        ui.add_space(space::XXS);
        let words = "Drop a picture of the QR code on this window, PNG or JPEG, or say where it lies.";
        let words = RichText::new(words).font(fonts::regular(size::BODY)).color(tokens.secondary);
        ui.add(egui::Label::new(words).wrap());
    });
}

fn path(ui: &mut Ui, cx: &mut Cx<'_>, wanted: Wanted) {
    let picture = &mut cx.view.picture;
    let reading = picture.reading;
    let hint = "/home/anna/Pictures/code.png";
    let typed = ui
        .add_enabled_ui(!reading, |ui| field::single(ui, "Where the picture lies", hint, &mut picture.path));
    let entered = typed.inner.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    if typed.inner.changed() {
        picture.problem = None;
    }
    let ready = !reading && !picture.path.trim().is_empty();
    let read = ui.add_enabled_ui(ready, |ui| button::words(ui, Weight::Plain, "", "Read picture").clicked());
    if read.inner || (ready && entered) {
        let picture = Picture::File(picture.typed());
        cx.say(AppCommand::ReadPicture(wanted, picture));
    }
}
