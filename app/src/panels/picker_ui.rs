//! The list to choose from: palette, search, and the values of a field.

use super::Cx;
use crate::{
    fonts,
    theme::{Tokens, radius, size, space, tokens},
    view::picker::{Item, Picker, Source, Tone},
    widget::{
        button::{self, Row},
        field, hairline, mark,
    },
};
use egui::{
    Align2, Area, Color32, Context, CornerRadius, Frame, Id, Key, Margin, Modal, Modifiers, Order,
    ScrollArea, Sense, Stroke, TextEdit, Ui, UiKind, vec2,
};

/// Paints the open picker.
pub fn show(ctx: &Context, cx: &mut Cx<'_>) {
    let Some(mut picker) = cx.view.picker.take() else { return };
    let Some(workspace) = &cx.model.workspace else { return };
    let (names, board) = (&cx.model.names, &cx.view.board);
    let standing = &cx.model.standing;
    picker.find(Source { workspace, names, board, standing, moment: cx.model.moment });
    let steps = ctx.input_mut(|input| {
        let down = input.count_and_consume_key(Modifiers::NONE, Key::ArrowDown) as isize;
        down - input.count_and_consume_key(Modifiers::NONE, Key::ArrowUp) as isize
    });
    picker.step(steps);
    let chosen = ctx.input_mut(|input| input.consume_key(Modifiers::NONE, Key::Enter));
    let (clicked, close) = surface(ctx, &mut picker);
    let item = clicked.or(chosen.then_some(picker.cursor)).and_then(|at| picker.items.get(at));
    let several = picker.subject.is_several();
    if let Some(item) = item {
        cx.say(item.command.clone());
        if !several {
            return;
        }
    }
    if !close {
        cx.view.picker = Some(picker);
    }
}

fn surface(ctx: &Context, picker: &mut Picker) -> (Option<usize>, bool) {
    let tokens = tokens(ctx);
    let screen = ctx.content_rect();
    let width = if picker.anchor.is_some() { 300.0 } else { 600.0_f32.min(screen.width() - 80.0) };
    let area =
        Area::new(Id::new("picker")).kind(UiKind::Modal).sense(Sense::hover()).order(Order::Foreground);
    let area = match picker.anchor {
        Some((x, y)) => {
            let x = x.min(screen.right() - width - 20.0);
            area.fixed_pos(egui::pos2(x, y.min(screen.bottom() - 320.0)))
        }
        None => area.anchor(Align2::CENTER_TOP, vec2(0.0, screen.height() * 0.14)),
    };
    let scrim = if picker.anchor.is_some() { Color32::TRANSPARENT } else { tokens.scrim };
    let frame = Frame::new()
        .fill(tokens.panel)
        .stroke(Stroke::new(1.0, tokens.border_strong))
        .corner_radius(CornerRadius::same(radius::L))
        .shadow(egui::Shadow { offset: [0, 16], blur: 48, spread: 0, color: tokens.shadow })
        .inner_margin(Margin::same(6));
    let modal = Modal::new(Id::new("picker")).area(area).frame(frame).backdrop_color(scrim).show(ctx, |ui| {
        ui.set_width(width);
        ui.spacing_mut().item_spacing.y = space::XXS;
        query(ui, picker);
        hairline(ui);
        list(ui, picker, tokens)
    });
    let close = modal.should_close();
    (modal.inner, close)
}

fn query(ui: &mut Ui, picker: &mut Picker) {
    Frame::new().inner_margin(Margin::symmetric(10, 8)).show(ui, |ui| {
        let prompt = picker.subject.prompt();
        let edit = TextEdit::singleline(&mut picker.query).font(fonts::regular(size::LARGE));
        let response = field::bare(ui, Id::new("picker query"), prompt, prompt, edit);
        if !response.has_focus() {
            response.request_focus();
        }
    });
}

fn list(ui: &mut Ui, picker: &Picker, tokens: &Tokens) -> Option<usize> {
    if picker.items.is_empty() {
        Frame::new().inner_margin(Margin::symmetric(12, 14)).show(ui, |ui| field::note(ui, "Nothing found."));
        return None;
    }
    let mut clicked = None;
    ScrollArea::vertical().max_height(384.0).show(ui, |ui| {
        for (at, item) in picker.items.iter().enumerate() {
            let response = entry(ui, item, at == picker.cursor, tokens);
            if at == picker.cursor
                && ui.input(|input| input.key_down(Key::ArrowDown) || input.key_down(Key::ArrowUp))
            {
                response.scroll_to_me(None);
            }
            if response.clicked() {
                clicked = Some(at);
            }
        }
    });
    clicked
}

fn entry(ui: &mut Ui, item: &Item, selected: bool, tokens: &Tokens) -> egui::Response {
    let color = match item.tone {
        Tone::Plain => tokens.secondary,
        Tone::Category(category) => mark::category_color(tokens, category),
        Tone::Priority(priority) => mark::priority_color(tokens, priority),
        Tone::Accent(accent) => tokens.accent_at(accent),
    };
    let end = if item.checked { "✓" } else { item.detail.as_str() };
    button::row(ui, Row { icon: item.icon, color, text: &item.text, end, selected })
}
