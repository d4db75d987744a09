//! The page that asks for the passphrase of the keys, before there is anything else to show.

use super::{
    link_ui,
    onboarding_ui::{card, column, glow, logo},
};
use crate::{
    fonts, icons,
    theme::{Tokens, size, space, tokens},
    view::unlock::Unlock,
    widget::{
        button::{self, Weight},
        field,
    },
};
use egui::{CentralPanel, Frame, Key, RichText, ScrollArea, Ui, vec2};

/// Paints the page. Returns whether what was typed is to be tried.
pub fn show(ui: &mut Ui, unlock: &mut Unlock) -> bool {
    let tokens = tokens(ui.ctx());
    let page = CentralPanel::default().frame(Frame::new().fill(tokens.app)).show(ui, |ui| {
        glow(ui, tokens);
        let room = ui.max_rect();
        let width = 440.0_f32.min(room.width() - 2.0 * space::L);
        let top = (room.height() * 0.5 - 220.0).max(space::L);
        let mut tried = false;
        ScrollArea::vertical().auto_shrink([false, false]).show(ui, |ui| {
            ui.add_space(top);
            column(ui, width, |ui| {
                greeting(ui, tokens);
                ui.add_space(space::L);
                card(ui, tokens, |ui| tried = form(ui, unlock));
                ui.add_space(space::L);
            });
        });
        tried
    });
    page.inner
}

fn greeting(ui: &mut Ui, tokens: &Tokens) {
    ui.vertical_centered(|ui| {
        let (rect, _) = ui.allocate_exact_size(vec2(44.0, 44.0), egui::Sense::hover());
        logo(ui, rect, tokens);
        ui.add_space(space::M);
        let title = RichText::new("Velo is locked").font(fonts::semibold(size::TITLE));
        ui.label(title.color(tokens.text));
        field::note(
            ui,
            "The keys of this device lie under a passphrase. Your work shows once they are open.",
        );
    });
}

fn form(ui: &mut Ui, unlock: &mut Unlock) -> bool {
    ui.spacing_mut().item_spacing.y = 6.0;
    field::heading(ui, "Passphrase of this device");
    let typed = ui.add_enabled_ui(!unlock.opening, |ui| {
        field::secret(ui, "Passphrase", "What you chose for this device", &mut unlock.typed)
    });
    let response = typed.inner;
    // Before it takes the focus back.
    let entered = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    if ui.memory(|memory| memory.focused().is_none()) {
        response.request_focus();
    }
    if response.changed() {
        unlock.problem = None;
    }
    if let Some(problem) = &unlock.problem {
        ui.add_space(space::XS);
        field::problem(ui, problem);
    }
    ui.add_space(space::S);
    let ready = !unlock.opening && !unlock.typed.is_empty();
    let pressed = ui.horizontal(|ui| {
        let words = if unlock.opening { "Opening…" } else { "Unlock" };
        let open = ui.add_enabled_ui(ready, |ui| button::words(ui, Weight::Primary, icons::LOCK_OPEN, words));
        if button::words(ui, Weight::Quiet, "", "I forgot it").clicked() {
            unlock.forgotten = !unlock.forgotten;
        }
        open.inner.clicked()
    });
    if unlock.forgotten {
        ui.add_space(space::S);
        let ways = unlock.ways_back();
        link_ui::steps(ui, &ways.each_ref().map(String::as_str));
    }
    ready && (pressed.inner || entered)
}
