//! Text fields.

use crate::{
    fonts,
    theme::{radius, size, tokens},
    view::secret::Secret,
};
use egui::{
    CornerRadius, Frame, Label, Margin, Response, RichText, Stroke, TextEdit, Ui, WidgetInfo, WidgetType,
};

/// A field with a border, as wide as there is room. `name` is for those who do not see it.
pub fn single(ui: &mut Ui, name: &str, hint: &str, text: &mut String) -> Response {
    framed(ui, name, hint, TextEdit::singleline(text))
}

/// A field of several lines with a border.
pub fn several(ui: &mut Ui, name: &str, hint: &str, rows: usize, text: &mut String) -> Response {
    framed(ui, name, hint, TextEdit::multiline(text).desired_rows(rows))
}

/// A field with a border that shows dots.
pub fn secret(ui: &mut Ui, name: &str, hint: &str, secret: &mut Secret) -> Response {
    framed(ui, name, hint, TextEdit::singleline(secret).password(true))
}

fn framed(ui: &mut Ui, name: &str, hint: &str, edit: TextEdit<'_>) -> Response {
    let tokens = tokens(ui.ctx());
    let id = ui.auto_id_with(name);
    let focused = ui.memory(|memory| memory.has_focus(id));
    // The thicker line of the focused field takes its room from the margin: nothing moves.
    let (line, margin) = if focused {
        (Stroke::new(2.0, tokens.accent), Margin::symmetric(9, 6))
    } else {
        (Stroke::new(1.0, tokens.border_strong), Margin::symmetric(10, 7))
    };
    // The field itself draws no frame, so that the border can be at least 3:1 and the ring 2 px.
    let frame = Frame::new()
        .fill(tokens.app)
        .stroke(line)
        .corner_radius(CornerRadius::same(radius::M))
        .inner_margin(margin);
    let shown = frame.show(ui, |ui| bare(ui, id, name, hint, edit));
    shown.inner
}

/// A field without border, for editing in place.
pub fn bare(ui: &mut Ui, id: egui::Id, name: &str, hint: &str, edit: TextEdit<'_>) -> Response {
    let tokens = tokens(ui.ctx());
    let hint = RichText::new(hint).color(tokens.muted);
    let edit = edit.id(id).frame(Frame::NONE).margin(Margin::ZERO).hint_text(hint);
    let response = ui.add(edit.desired_width(f32::INFINITY).text_color(tokens.text));
    let name = name.to_owned();
    ui.ctx().accesskit_node_builder(response.id, |node| node.set_label(name));
    response
}

/// A heading over a group of fields or a list.
pub fn heading(ui: &mut Ui, text: &str) {
    let tokens = tokens(ui.ctx());
    ui.label(RichText::new(text).font(fonts::medium(size::SMALL)).color(tokens.secondary));
}

/// A quiet sentence.
pub fn note(ui: &mut Ui, text: &str) -> Response {
    let tokens = tokens(ui.ctx());
    let words = RichText::new(text).font(fonts::regular(size::BODY)).color(tokens.secondary);
    // In a line nothing wraps by itself, and would widen what is around it.
    ui.add(Label::new(words).wrap())
}

/// A sentence that says what is wrong.
pub fn problem(ui: &mut Ui, text: &str) {
    let tokens = tokens(ui.ctx());
    let response = ui.horizontal_top(|ui| {
        super::mark::icon_ui(ui, crate::icons::CIRCLE_ALERT, 14.0, tokens.danger);
        let words = RichText::new(text).font(fonts::regular(size::BODY)).color(tokens.danger);
        ui.add(Label::new(words).wrap());
    });
    response.response.widget_info(|| WidgetInfo::labeled(WidgetType::Label, true, text));
}
