//! Small signs: icons, avatars, chips, counts.

use super::text;
use crate::{
    fonts,
    theme::{Tokens, radius, size, tokens},
};
use egui::{Align2, Color32, CornerRadius, Painter, Pos2, Rect, Stroke, StrokeKind, Ui, Vec2, pos2, vec2};

/// Paints an icon, centred.
pub fn icon(painter: &Painter, center: Pos2, icon: &str, size: f32, color: Color32) {
    painter.text(center, Align2::CENTER_CENTER, icon, fonts::icons(size), color);
}

/// Allocates room for an icon and paints it.
pub fn icon_ui(ui: &mut Ui, sign: &str, size: f32, color: Color32) {
    let (rect, _) = ui.allocate_exact_size(Vec2::splat(size + 2.0), egui::Sense::hover());
    icon(ui.painter(), rect.center(), sign, size, color);
}

/// The colour of a stage of work.
pub fn category_color(tokens: &Tokens, category: i64) -> Color32 {
    match category {
        0 | 4 => tokens.muted,
        2 => tokens.warn,
        3 => tokens.ok,
        _ => tokens.secondary,
    }
}

/// The colour of a priority.
pub fn priority_color(tokens: &Tokens, priority: i64) -> Color32 {
    match priority {
        4 => tokens.danger,
        3 => tokens.warn,
        0 => tokens.muted,
        _ => tokens.secondary,
    }
}

/// Paints a person's initials in a circle.
pub fn avatar(
    painter: &Painter,
    center: Pos2,
    diameter: f32,
    initials: &str,
    color: Color32,
    tokens: &Tokens,
) {
    painter.circle_filled(center, diameter / 2.0, tokens.card.lerp_to_gamma(color, 0.28));
    painter.circle_stroke(center, diameter / 2.0 - 0.5, Stroke::new(1.0, color.gamma_multiply(0.45)));
    let font = fonts::semibold((diameter * 0.42).max(8.0));
    painter.text(center, Align2::CENTER_CENTER, initials, font, tokens.text);
}

/// Paints a label as a chip with a dot. Returns its width; `None` if it does not fit.
pub fn label_chip(
    painter: &Painter,
    at: Pos2,
    name: &str,
    color: Color32,
    tokens: &Tokens,
    room: f32,
) -> Option<f32> {
    let words = text::galley(
        painter,
        name,
        fonts::medium(size::TINY),
        tokens.secondary,
        140.0_f32.min(room - 22.0),
        1,
    );
    let width = words.size().x + 22.0;
    if width > room || room < 40.0 {
        return None;
    }
    let rect = Rect::from_min_size(at, vec2(width, 18.0));
    let line = Stroke::new(1.0, tokens.border_strong);
    painter.rect(rect, CornerRadius::same(9), Color32::TRANSPARENT, line, StrokeKind::Inside);
    painter.circle_filled(pos2(rect.left() + 9.0, rect.center().y), 3.0, color);
    painter.galley(pos2(rect.left() + 16.0, rect.center().y - words.size().y / 2.0), words, tokens.text);
    Some(width)
}

/// A chip with an icon, in the tone of `color`.
pub fn chip(ui: &mut Ui, sign: &str, words: &str, color: Color32) {
    let tokens = tokens(ui.ctx());
    let galley = text::galley(ui.painter(), words, fonts::medium(size::SMALL), tokens.text, 260.0, 1);
    let (rect, response) = ui.allocate_exact_size(vec2(galley.size().x + 30.0, 24.0), egui::Sense::hover());
    response.widget_info(|| egui::WidgetInfo::labeled(egui::WidgetType::Label, true, words));
    ui.painter().rect_filled(rect, CornerRadius::same(radius::M), tokens.tint(color));
    icon(ui.painter(), pos2(rect.left() + 13.0, rect.center().y), sign, 13.0, color);
    let at = pos2(rect.left() + 23.0, rect.center().y - galley.size().y / 2.0);
    ui.painter().galley(at, galley, tokens.text);
}
