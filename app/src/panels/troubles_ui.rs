//! What keeps this device from showing or saving everything: a banner that stays, and a page where
//! there is nothing else to show.

use super::{Cx, onboarding_ui};
use crate::{
    command::AppCommand,
    fonts, icons,
    theme::{Tokens, radius, size, space, tokens},
    view::model::Model,
    widget::{
        button::{self, Weight},
        field, mark, text,
    },
};
use egui::{
    CentralPanel, CornerRadius, Frame, Galley, Margin, Panel, RichText, ScrollArea, Sense, Stroke, Ui,
    WidgetInfo, WidgetType, vec2,
};
use std::sync::Arc;

/// How many sentences the banner shows at most.
const MOST: usize = 3;
/// How many rows of each are shown; the pointer brings up the rest.
const ROWS: usize = 8;
/// Room for the sign before a sentence.
const INDENT: f32 = 24.0;

/// Paints the banner over the page, if there is anything to say.
pub fn banner(ui: &mut Ui, model: &Model) {
    if model.troubles.is_empty() {
        return;
    }
    let tokens = tokens(ui.ctx());
    let mut words: Vec<String> = model.troubles.iter().take(MOST).cloned().collect();
    if let Some(more) = model.troubles.len().checked_sub(MOST + 1) {
        words.push(format!("And {} more: \"velo doctor\" tells them.", more + 1));
    }
    let margin = Margin::symmetric(16, 8);
    // A panel that measures itself is as high as its content was the last time, and cuts off the rest.
    let width = ui.available_width() - margin.sum().x;
    let heights = words.iter().map(|words| laid_out(ui, words, width, tokens).size().y);
    let height = heights.sum::<f32>() + margin.sum().y;
    let fill = tokens.app.lerp_to_gamma(tokens.danger, 0.16);
    let frame = Frame::new().fill(fill).inner_margin(margin);
    let panel = Panel::top("troubles").exact_size(height).resizable(false).show_separator_line(false);
    panel.frame(frame).show(ui, |ui| {
        ui.spacing_mut().item_spacing.y = 0.0;
        for words in &words {
            one(ui, words, tokens);
        }
    });
}

fn laid_out(ui: &Ui, words: &str, width: f32, tokens: &Tokens) -> Arc<Galley> {
    let font = fonts::regular(size::BODY);
    text::galley(ui.painter(), words, font, tokens.text, width - INDENT, ROWS)
}

/// Paints one sentence.
fn one(ui: &mut Ui, words: &str, tokens: &Tokens) {
    let width = ui.available_width();
    let galley = laid_out(ui, words, width, tokens);
    let (rect, response) = ui.allocate_exact_size(vec2(width, galley.size().y), Sense::hover());
    response.widget_info(|| WidgetInfo::labeled(WidgetType::Label, true, words));
    let icon = rect.left_top() + vec2(8.0, 10.0);
    mark::icon(ui.painter(), icon, icons::TRIANGLE_ALERT, 15.0, tokens.danger);
    ui.painter().galley(rect.left_top() + vec2(INDENT, 0.0), galley, tokens.text);
    response.on_hover_text(words);
}

/// Paints the page that stands in for workspaces that cannot be shown.
pub fn page(ui: &mut Ui, cx: &mut Cx<'_>) {
    let tokens = tokens(ui.ctx());
    CentralPanel::default().frame(Frame::new().fill(tokens.app)).show(ui, |ui| {
        let room = ui.max_rect();
        let width = 560.0_f32.min(room.width() - 2.0 * space::L);
        let rect = egui::Rect::from_min_max(
            egui::pos2(room.center().x - width / 2.0, room.top() + (room.height() * 0.2).max(space::L)),
            egui::pos2(room.center().x + width / 2.0, room.bottom() - space::L),
        );
        ui.scope_builder(egui::UiBuilder::new().max_rect(rect), |ui| content(ui, cx, tokens));
    });
}

fn content(ui: &mut Ui, cx: &mut Cx<'_>, tokens: &Tokens) {
    ui.spacing_mut().item_spacing.y = space::S;
    let (rect, _) = ui.allocate_exact_size(vec2(44.0, 44.0), Sense::hover());
    onboarding_ui::logo(ui, rect, tokens);
    ui.add_space(space::S);
    let title = RichText::new("Your work cannot be shown").font(fonts::semibold(size::TITLE));
    ui.label(title.color(tokens.text));
    field::note(ui, "Nothing was deleted. What is there on this device could not be read:");
    let frame = Frame::new()
        .fill(tokens.panel)
        .stroke(Stroke::new(1.0, tokens.border))
        .corner_radius(CornerRadius::same(radius::L))
        .inner_margin(Margin::same(16));
    frame.show(ui, |ui| {
        ui.set_width(ui.available_width());
        ScrollArea::vertical().max_height(240.0).show(ui, |ui| {
            for trouble in &cx.model.troubles {
                one(ui, trouble, tokens);
            }
        });
    });
    field::note(ui, "Keep a copy of that directory before anything else. \"velo doctor\" tells more.");
    ui.add_space(space::S);
    ui.horizontal(|ui| {
        ui.spacing_mut().item_spacing.x = space::S;
        if button::words(ui, Weight::Plain, icons::COPY, "Copy what is wrong").clicked() {
            cx.out.push(AppCommand::Copy(cx.model.troubles.join("\n"), "What is wrong"));
        }
        if button::words(ui, Weight::Quiet, icons::ARROW_RIGHT, "Begin another workspace").clicked() {
            cx.view.onboarding.anyway = true;
        }
    });
}
