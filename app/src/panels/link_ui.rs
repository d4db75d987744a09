//! The dialog that takes in another device of the person.

use super::{
    Cx,
    dialog_ui::{foot, foot_row, title, window},
    picture_ui,
};
use crate::{
    command::AppCommand,
    fonts, icons,
    theme::{size, space, tokens},
    view::{
        conflict::sentence,
        picture::Wanted,
        state::{Link, LinkStep},
    },
    widget::{
        button::{self, Weight},
        field, mark,
    },
};
use egui::{Align2, Context, RichText, ScrollArea, Sense, Ui, vec2};
use velo_protocol::link_code::LinkCode;

/// What to do on the new device.
const STEPS: [&str; 3] = [
    "Start Velo on the new device.",
    "Choose “I use Velo on another device” there: it shows a code.",
    "Copy the code and paste it here, or take a picture of it. Both devices must be on.",
];

/// Paints the dialog. Returns whether it stays.
pub fn show(ctx: &Context, cx: &mut Cx<'_>, link: &mut Link) -> bool {
    let (kept, close) = window(ctx, "link dialog", 500.0, |ui| {
        title(ui, "Link a device");
        if link.step == LinkStep::Done { done(ui) } else { ask(ui, cx, link) }
    });
    kept && !close
}

fn ask(ui: &mut Ui, cx: &mut Cx<'_>, link: &mut Link) -> bool {
    field::note(ui, "The new device will be yours as this one is, in all your workspaces.");
    ui.add_space(space::XS);
    steps(ui, &STEPS);
    ui.add_space(space::XS);
    let looking = link.step == LinkStep::Looking;
    field::heading(ui, "The code of the new device");
    let typed = ui.add_enabled_ui(!looking, |ui| {
        ScrollArea::vertical().id_salt("link code").max_height(132.0).show(ui, |ui| {
            let response = field::several(ui, "Link code", "velolink1…", 5, &mut link.text);
            if ui.memory(|memory| memory.focused().is_none()) {
                response.request_focus();
            }
            response.changed()
        })
    });
    if typed.inner.inner {
        link.problem = None;
    }
    if let Some(problem) = &link.problem {
        field::problem(ui, problem);
    }
    if looking {
        waiting(ui, "Looking for the device…");
    } else {
        picture_ui::show(ui, cx, Wanted::LinkCode);
    }
    let (pressed, cancelled) = foot(ui, "Link device", !looking && !link.text.trim().is_empty());
    if pressed {
        match link.text.parse::<LinkCode>() {
            Ok(code) => {
                (link.problem, link.step) = (None, LinkStep::Looking);
                cx.say(AppCommand::Link(code));
            }
            Err(error) => link.problem = Some(sentence(&error.to_string())),
        }
    }
    !cancelled
}

fn done(ui: &mut Ui) -> bool {
    ui.horizontal_top(|ui| {
        mark::icon_ui(ui, icons::CIRCLE_CHECK, 16.0, tokens(ui.ctx()).ok);
        field::note(
            ui,
            "The new device is one of yours now. Your workspaces arrive there while both are on.",
        );
    });
    ui.add_space(space::S);
    let row = foot_row(ui, |ui| button::words(ui, Weight::Primary, "", "Done").clicked());
    !row
}

/// What to do, one after the other.
pub fn steps(ui: &mut Ui, steps: &[&str]) {
    let tokens = tokens(ui.ctx());
    for (number, words) in (1..).zip(steps) {
        ui.horizontal_top(|ui| {
            // Digits differ in width: the words after them start below each other all the same.
            let (rect, _) = ui.allocate_exact_size(vec2(14.0, 18.0), Sense::hover());
            let font = fonts::semibold(size::BODY);
            ui.painter().text(rect.left_top(), Align2::LEFT_TOP, format!("{number}."), font, tokens.accent);
            let words = RichText::new(*words).font(fonts::regular(size::BODY)).color(tokens.text);
            ui.add(egui::Label::new(words).wrap());
        });
    }
}

/// Something is being waited for.
pub fn waiting(ui: &mut Ui, words: &str) {
    ui.horizontal_top(|ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        mark::icon_ui(ui, icons::HOURGLASS, 14.0, tokens(ui.ctx()).info);
        field::note(ui, words);
    });
}
