//! Messages in the lower corner.

use super::Cx;
use crate::{
    command::AppCommand,
    fonts, icons,
    theme::{Tokens, radius, size, space, tokens},
    view::toast::{Toast, Tone},
    widget::{
        button::{self, Weight},
        mark,
    },
};
use egui::{
    Align2, Area, Context, CornerRadius, Frame, Id, Label, Margin, Order, RichText, Stroke, Ui, vec2,
};

/// Paints what there is to say.
pub fn show(ctx: &Context, cx: &mut Cx<'_>) {
    if cx.view.toasts.shown().is_empty() {
        return;
    }
    let area =
        Area::new(Id::new("toasts")).order(Order::Tooltip).anchor(Align2::CENTER_BOTTOM, vec2(0.0, -24.0));
    area.show(ctx, |ui| {
        let out = &mut *cx.out;
        for (at, toast) in cx.view.toasts.shown().iter().enumerate() {
            one(ui, at, toast, out, tokens(ctx));
            ui.add_space(space::XS);
        }
    });
}

fn one(ui: &mut Ui, at: usize, toast: &Toast, out: &mut Vec<AppCommand>, tokens: &Tokens) {
    let (sign, color) = match toast.tone {
        Tone::Done => (icons::CIRCLE_CHECK, tokens.ok),
        Tone::Problem => (icons::TRIANGLE_ALERT, tokens.danger),
    };
    let frame = Frame::new()
        .fill(tokens.raised)
        .stroke(Stroke::new(1.0, tokens.border_strong))
        .corner_radius(CornerRadius::same(radius::L))
        .shadow(egui::Shadow { offset: [0, 8], blur: 24, spread: 0, color: tokens.shadow })
        .inner_margin(Margin { left: 14, right: 6, top: 5, bottom: 5 });
    frame.show(ui, |ui| {
        ui.horizontal(|ui| {
            mark::icon_ui(ui, sign, 15.0, color);
            let words = RichText::new(&toast.text).font(fonts::regular(size::BODY)).color(tokens.text);
            ui.add(Label::new(words));
            if toast.undo && button::words(ui, Weight::Quiet, icons::UNDO_2, "Undo").clicked() {
                out.push(AppCommand::Undo);
                out.push(AppCommand::Dismiss(at));
            }
            if button::icon(ui, icons::X, "Dismiss", None).clicked() {
                out.push(AppCommand::Dismiss(at));
            }
        });
    });
}
