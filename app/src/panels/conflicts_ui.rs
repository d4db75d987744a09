//! Conflicts: the queue on the left, the values with author and time on the right.

use super::{Cx, board_ui};
use crate::{
    command::AppCommand,
    fonts, icons,
    theme::{Tokens, radius, size, space, tokens},
    view::conflict::{Item, Side},
    widget::{
        button::{self, Weight},
        focus_ring, mark, text,
    },
};
use egui::{
    Align, Align2, CornerRadius, CursorIcon, Frame, Layout, Margin, Panel, RichText, ScrollArea, Sense,
    Stroke, Ui, WidgetInfo, WidgetType, pos2, vec2,
};

/// Paints the page.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>) {
    if cx.model.conflicts.is_empty() {
        board_ui::empty(
            ui,
            icons::CHECK_CHECK,
            "Nothing to decide",
            "When two people change the same thing while apart, both values are kept and wait here.",
            |_| {},
        );
        return;
    }
    cx.view.conflict = cx.view.conflict.min(cx.model.conflicts.len() - 1);
    let tokens = tokens(ui.ctx());
    let queue = Panel::left("conflict queue")
        .exact_size(320.0)
        .resizable(false)
        .show_separator_line(false)
        .frame(Frame::new().inner_margin(Margin::same(space::S as i8)))
        .show(ui, |ui| queue(ui, cx));
    let rect = queue.response.rect;
    ui.painter().vline(rect.right(), rect.y_range(), Stroke::new(1.0, tokens.border));
    let chosen = cx.model.conflicts.get(cx.view.conflict);
    if let Some(item) = chosen {
        ScrollArea::vertical().id_salt("conflict").auto_shrink([false, false]).show(ui, |ui| {
            Frame::new().inner_margin(Margin::same(space::XL as i8)).show(ui, |ui| one(ui, cx, item));
        });
    }
}

fn queue(ui: &mut Ui, cx: &mut Cx<'_>) {
    ui.spacing_mut().item_spacing.y = space::XXS;
    let all = &cx.model.conflicts;
    ScrollArea::vertical().id_salt("queue").auto_shrink([false, false]).show_rows(
        ui,
        52.0,
        all.len(),
        |ui, rows| {
            for at in rows {
                if let Some(item) = all.get(at)
                    && entry(ui, item, cx.view.conflict == at)
                {
                    cx.view.conflict = at;
                }
            }
        },
    );
}

fn entry(ui: &mut Ui, item: &Item, selected: bool) -> bool {
    let tokens = tokens(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 52.0), Sense::click());
    let spoken = format!("Conflict: {}. {}", item.title, item.sentence);
    response.widget_info(|| WidgetInfo::selected(WidgetType::Button, true, selected, &spoken));
    if selected || response.hovered() {
        let fill = if selected { tokens.hover } else { tokens.card };
        ui.painter().rect_filled(rect, CornerRadius::same(radius::M), fill);
    }
    mark::icon(
        ui.painter(),
        pos2(rect.left() + 18.0, rect.top() + 18.0),
        icons::GIT_MERGE,
        14.0,
        tokens.conflict,
    );
    let left = rect.left() + 34.0;
    let room = rect.right() - left - 10.0;
    let line = |y: f32, words: &str, font, color| {
        text::line(ui.painter(), pos2(left, y), Align2::LEFT_CENTER, words, font, color, room);
    };
    line(rect.top() + 18.0, &item.title, fonts::medium(size::BODY), tokens.text);
    line(rect.top() + 36.0, &item.sentence, fonts::regular(size::SMALL), tokens.muted);
    focus_ring(ui, &response, rect, radius::M);
    response.on_hover_cursor(CursorIcon::PointingHand).clicked()
}

fn one(ui: &mut Ui, cx: &mut Cx<'_>, item: &Item) {
    let tokens = tokens(ui.ctx());
    ui.set_max_width(ui.available_width().min(720.0));
    ui.label(RichText::new(&item.title).font(fonts::semibold(size::TITLE)).color(tokens.text));
    ui.add_space(space::XS);
    ui.label(RichText::new(&item.sentence).font(fonts::regular(size::LARGE)).color(tokens.secondary));
    ui.add_space(space::M);
    for side in &item.sides {
        value(ui, cx, side, tokens);
        ui.add_space(space::S);
    }
    let note = "The decision is an edit like any other: it reaches everybody, and can be undone.";
    ui.label(RichText::new(note).font(fonts::regular(size::SMALL)).color(tokens.muted));
    if let Some(task) = item.task
        && cx.model.workspace.as_ref().is_some_and(|workspace| workspace.task(task).is_some())
    {
        ui.add_space(space::S);
        if button::words(ui, Weight::Quiet, icons::ARROW_RIGHT, "Open the task").clicked() {
            cx.say(AppCommand::Open(task));
        }
    }
}

fn value(ui: &mut Ui, cx: &mut Cx<'_>, side: &Side, tokens: &Tokens) {
    let line = if side.shown { tokens.conflict } else { tokens.border_strong };
    let frame = Frame::new()
        .fill(tokens.card)
        .stroke(Stroke::new(1.0, line))
        .corner_radius(CornerRadius::same(radius::L))
        .inner_margin(Margin::same(14));
    frame.show(ui, |ui| {
        ui.horizontal(|ui| {
            ui.label(RichText::new(&side.author).font(fonts::semibold(size::BODY)).color(tokens.text));
            ui.label(RichText::new(&side.when).font(fonts::regular(size::SMALL)).color(tokens.muted));
            if side.shown {
                mark::chip(ui, icons::INFO, "Shown now", tokens.conflict);
            }
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                let weight = if side.mine { Weight::Primary } else { Weight::Plain };
                let may = cx.may_edit();
                let keep = ui.add_enabled_ui(may, |ui| button::words(ui, weight, icons::CHECK, &side.keep));
                if keep.inner.on_disabled_hover_text(cx.model.standing.why_not()).clicked() {
                    let changes = vec![side.change.clone()];
                    cx.say(AppCommand::Edit { changes, done: "Conflict resolved".to_owned() });
                }
            });
        });
        ui.add_space(space::XS);
        ui.add(
            egui::Label::new(RichText::new(&side.text).font(fonts::regular(size::LARGE)).color(tokens.text))
                .wrap(),
        );
    });
}
