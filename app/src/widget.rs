//! The app's own widgets: fixed heights, explicit focus rings, a name for every interactive node.

pub mod button;
pub mod field;
pub mod mark;
pub mod text;

use crate::theme::{Tokens, tokens};
use egui::{CornerRadius, Rect, Response, Stroke, StrokeKind, Ui};

/// Draws the ring around whatever has the keyboard's focus.
pub fn focus_ring(ui: &Ui, response: &Response, rect: Rect, radius: u8) {
    if response.has_focus() {
        let stroke = Stroke::new(2.0, tokens(ui.ctx()).accent);
        let corner = CornerRadius::same(radius.saturating_add(1));
        ui.painter().rect_stroke(rect.expand(1.0), corner, stroke, StrokeKind::Outside);
    }
}

/// Says under the pointer, and to screen readers, why something cannot be done.
pub fn explain(ui: &Ui, response: Response, why: &str) -> Response {
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_description(why));
    response.on_hover_text(why).on_disabled_hover_text(why)
}

/// A line one pixel wide from left to right.
pub fn hairline(ui: &mut Ui) {
    let color = tokens(ui.ctx()).border;
    let (rect, _) = ui.allocate_exact_size(egui::vec2(ui.available_width(), 1.0), egui::Sense::hover());
    ui.painter().hline(rect.x_range(), rect.center().y, Stroke::new(1.0, color));
}

/// Paints a raised surface: fill, hairline, and a line of light along its upper edge.
pub fn surface(ui: &Ui, rect: Rect, fill: egui::Color32, radius: u8, tokens: &Tokens) {
    let corner = CornerRadius::same(radius);
    ui.painter().rect(rect, corner, fill, Stroke::new(1.0, tokens.border), StrokeKind::Inside);
    let inset = f32::from(radius);
    let line = (rect.left() + inset)..=(rect.right() - inset);
    ui.painter().hline(line, rect.top() + 1.0, Stroke::new(1.0, tokens.highlight));
}
