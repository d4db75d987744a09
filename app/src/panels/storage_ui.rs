//! The dialog about what takes up space on this device, and when content is fetched.

use super::{
    Cx,
    dialog_ui::{foot_row, title, window},
    link_ui,
};
use crate::{
    command::AppCommand,
    fonts,
    theme::{size, space, tokens},
    view::{
        attachments::bytes,
        storage::{CHOICES, Space, StorageDialog},
    },
    widget::{
        button::{self, Weight},
        field,
    },
};
use egui::{Align, Context, Layout, RichText, Ui};

/// Paints the dialog. Returns whether it stays.
pub fn show(ctx: &Context, cx: &mut Cx<'_>, dialog: &mut StorageDialog) -> bool {
    let (kept, close) = window(ctx, "storage dialog", 480.0, |ui| {
        title(ui, "Storage on this device");
        match &dialog.space {
            Some(space) => figures(ui, cx, space),
            None if dialog.problem.is_none() => link_ui::waiting(ui, "Counting…"),
            None => {}
        }
        if let Some(problem) = &dialog.problem {
            field::problem(ui, problem);
        }
        ui.add_space(space::S);
        foot(ui, cx, dialog)
    });
    kept && !close
}

fn figures(ui: &mut Ui, cx: &mut Cx<'_>, of: &Space) {
    let between = std::mem::replace(&mut ui.spacing_mut().item_spacing.y, 0.0);
    line(ui, "Changes", of.changes);
    line(ui, "Index", of.index);
    line(ui, "Attachments", of.attachments);
    if of.pending > 0 {
        line(ui, "Attachments on their way", of.pending);
    }
    if of.deleted > 0 {
        line(ui, "Deleted attachments", of.deleted);
    }
    if let Some(free) = of.free {
        line(ui, "Free on the disk", free);
    }
    if !of.largest.is_empty() {
        ui.add_space(space::S);
        field::heading(ui, "Largest attachments");
        for (name, bytes) in &of.largest {
            line(ui, name, *bytes);
        }
    }
    ui.spacing_mut().item_spacing.y = between;
    ui.add_space(space::S);
    field::heading(ui, "What is fetched from other devices");
    ui.horizontal_wrapped(|ui| {
        for (fetching, name, _) in CHOICES {
            if button::tab(ui, "", name, of.fetching == fetching, None).clicked() {
                cx.say(AppCommand::SetFetching(fetching));
            }
        }
    });
    let meaning = CHOICES.iter().find(|(fetching, ..)| *fetching == of.fetching);
    field::note(ui, meaning.map_or("", |(_, _, meaning)| meaning));
}

fn line(ui: &mut Ui, name: &str, amount: u64) {
    let tokens = tokens(ui.ctx());
    let words = |words: &str, ink| RichText::new(words).font(fonts::regular(size::BODY)).color(ink);
    ui.horizontal(|ui| {
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            ui.label(words(&bytes(amount), tokens.text));
            ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                ui.add(egui::Label::new(words(name, tokens.secondary)).truncate());
            });
        });
    });
}

fn foot(ui: &mut Ui, cx: &mut Cx<'_>, dialog: &StorageDialog) -> bool {
    let deleted = dialog.space.as_ref().map_or(0, |space| space.deleted);
    let (clean, done) = foot_row(ui, |ui| {
        let done = button::words(ui, Weight::Primary, "", "Done").clicked();
        let drop = |ui: &mut Ui| button::words(ui, Weight::Plain, "", "Drop deleted attachments").clicked();
        (deleted > 0 && ui.add_enabled_ui(!dialog.working, drop).inner, done)
    });
    if clean {
        cx.say(AppCommand::CleanStorage);
    }
    !done
}
