//! Buttons.

use super::{focus_ring, mark, text};
use crate::{
    command::Keys,
    fonts, icons,
    theme::{measure, radius, size, tokens},
};
use egui::{
    Align2, Color32, CornerRadius, CursorIcon, Response, Sense, Stroke, StrokeKind, Ui, Vec2, WidgetInfo,
    WidgetType, pos2, vec2,
};

/// How much a button asks to be pressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weight {
    /// The one thing to do here.
    Primary,
    /// One of several.
    Plain,
    /// Only words until the pointer is on it.
    Quiet,
    /// Destroys something.
    Danger,
}

/// What a tooltip says: a name, and the keys that do the same.
pub fn tip(response: Response, name: &str, keys: Option<Keys>) -> Response {
    match keys {
        Some(keys) => response.on_hover_text(format!("{name}   {keys}")),
        None => response.on_hover_text(name),
    }
}

/// A square button with an icon; its name is in the tooltip.
pub fn icon(ui: &mut Ui, sign: &str, name: &str, keys: Option<Keys>) -> Response {
    icon_in(ui, sign, None, name, keys)
}

/// As [`icon`], in a colour that tells something.
pub fn icon_in(ui: &mut Ui, sign: &str, color: Option<Color32>, name: &str, keys: Option<Keys>) -> Response {
    let (rect, response) = ui.allocate_exact_size(Vec2::splat(measure::TARGET), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(WidgetType::Button, ui.is_enabled(), name));
    let tokens = tokens(ui.ctx());
    let hot = response.hovered() || response.has_focus();
    if hot {
        ui.painter().rect_filled(rect, CornerRadius::same(radius::M), tokens.hover);
    }
    let color = color.unwrap_or(if hot { tokens.text } else { tokens.secondary });
    mark::icon(ui.painter(), rect.center(), sign, 15.0, color);
    focus_ring(ui, &response, rect, radius::M);
    tip(response.on_hover_cursor(CursorIcon::PointingHand), name, keys)
}

/// How wide [`words`] makes a button.
pub fn width(ui: &Ui, sign: &str, name: &str) -> f32 {
    let galley =
        text::galley(ui.painter(), name, fonts::medium(size::BODY), Color32::PLACEHOLDER, f32::INFINITY, 1);
    galley.size().x + lead(sign) + 22.0
}

/// Room for the icon before the words.
fn lead(sign: &str) -> f32 {
    if sign.is_empty() { 0.0 } else { 20.0 }
}

/// A button with words, and an icon before them unless that is empty.
pub fn words(ui: &mut Ui, weight: Weight, sign: &str, name: &str) -> Response {
    let tokens = tokens(ui.ctx());
    let enabled = ui.is_enabled();
    let (fill, line, ink) = match weight {
        _ if !enabled => (tokens.raised, tokens.border, tokens.muted),
        Weight::Primary => (tokens.accent, tokens.accent, tokens.on_accent),
        Weight::Plain => (tokens.raised, tokens.border_strong, tokens.text),
        Weight::Quiet => (Color32::TRANSPARENT, Color32::TRANSPARENT, tokens.secondary),
        Weight::Danger => (Color32::TRANSPARENT, tokens.border_strong, tokens.danger),
    };
    let galley = text::galley(ui.painter(), name, fonts::medium(size::BODY), ink, f32::INFINITY, 1);
    let lead = lead(sign);
    let (rect, response) = ui.allocate_exact_size(vec2(galley.size().x + lead + 22.0, 30.0), Sense::click());
    response.widget_info(|| WidgetInfo::labeled(WidgetType::Button, enabled, name));
    let hot = enabled && (response.hovered() || response.has_focus());
    let fill = match weight {
        Weight::Primary if hot => fill.lerp_to_gamma(tokens.text, 0.12),
        _ if hot => tokens.hover,
        _ => fill,
    };
    ui.painter().rect(rect, CornerRadius::same(radius::M), fill, Stroke::new(1.0, line), StrokeKind::Inside);
    if !sign.is_empty() {
        mark::icon(ui.painter(), pos2(rect.left() + 18.0, rect.center().y), sign, 14.0, ink);
    }
    let at = pos2(rect.left() + 11.0 + lead, rect.center().y - galley.size().y / 2.0);
    ui.painter().galley(at, galley, ink);
    focus_ring(ui, &response, rect, radius::M);
    response.on_hover_cursor(if enabled { CursorIcon::PointingHand } else { CursorIcon::Default })
}

/// Something that is on or off, as high as [`words`].
pub fn check(ui: &mut Ui, on: bool, name: &str) -> Response {
    let tokens = tokens(ui.ctx());
    let galley = text::galley(ui.painter(), name, fonts::regular(size::BODY), tokens.text, f32::INFINITY, 1);
    let (rect, response) = ui.allocate_exact_size(vec2(galley.size().x + 30.0, 30.0), Sense::click());
    response.widget_info(|| WidgetInfo::selected(WidgetType::Checkbox, ui.is_enabled(), on, name));
    if response.hovered() {
        ui.painter().rect_filled(rect, CornerRadius::same(radius::M), tokens.hover);
    }
    let (sign, color) =
        if on { (icons::SQUARE_CHECK, tokens.accent) } else { (icons::SQUARE, tokens.secondary) };
    mark::icon(ui.painter(), pos2(rect.left() + 10.0, rect.center().y), sign, 15.0, color);
    let at = pos2(rect.left() + 24.0, rect.center().y - galley.size().y / 2.0);
    ui.painter().galley(at, galley, tokens.text);
    focus_ring(ui, &response, rect, radius::M);
    response.on_hover_cursor(CursorIcon::PointingHand)
}

/// What a row of a list of choices shows.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    /// Its icon.
    pub icon: &'a str,
    /// The icon's colour.
    pub color: Color32,
    /// What it says.
    pub text: &'a str,
    /// What stands at its end: a count, keys.
    pub end: &'a str,
    /// Whether it is the one shown or under the cursor.
    pub selected: bool,
}

/// A row as wide as there is room: sidebar entries, choices in a list.
pub fn row(ui: &mut Ui, row: Row<'_>) -> Response {
    let tokens = tokens(ui.ctx());
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 30.0), Sense::click());
    let name = row.text;
    response.widget_info(|| WidgetInfo::selected(WidgetType::Button, true, row.selected, name));
    if row.selected || response.hovered() {
        let fill = if row.selected { tokens.hover } else { tokens.hover.gamma_multiply(0.6) };
        ui.painter().rect_filled(rect, CornerRadius::same(radius::M), fill);
    }
    mark::icon(ui.painter(), pos2(rect.left() + 17.0, rect.center().y), row.icon, 15.0, row.color);
    let mut right = rect.right() - 10.0;
    if !row.end.is_empty() {
        let at = pos2(right, rect.center().y);
        let font = fonts::regular(size::SMALL);
        right = text::line(ui.painter(), at, Align2::RIGHT_CENTER, row.end, font, tokens.muted, 140.0).left()
            - 8.0;
    }
    let ink = if row.selected { tokens.text } else { tokens.text.lerp_to_gamma(tokens.secondary, 0.5) };
    let at = pos2(rect.left() + 34.0, rect.center().y);
    let font = if row.selected { fonts::medium(size::BODY) } else { fonts::regular(size::BODY) };
    text::line(ui.painter(), at, Align2::LEFT_CENTER, row.text, font, ink, right - at.x);
    focus_ring(ui, &response, rect, radius::M);
    response.on_hover_cursor(CursorIcon::PointingHand)
}

/// One of several exclusive choices in a header.
pub fn tab(ui: &mut Ui, sign: &str, name: &str, selected: bool, keys: Option<Keys>) -> Response {
    let tokens = tokens(ui.ctx());
    let ink = if selected { tokens.text } else { tokens.secondary };
    let galley = text::galley(ui.painter(), name, fonts::medium(size::BODY), ink, f32::INFINITY, 1);
    let lead = if sign.is_empty() { 0.0 } else { 18.0 };
    let (rect, response) =
        ui.allocate_exact_size(vec2(galley.size().x + lead + 20.0, measure::TARGET), Sense::click());
    response.widget_info(|| WidgetInfo::selected(WidgetType::Button, true, selected, name));
    let corner = CornerRadius::same(radius::M);
    if selected {
        let line = Stroke::new(1.0, tokens.border_strong);
        ui.painter().rect(rect, corner, tokens.raised, line, StrokeKind::Inside);
    } else if response.hovered() {
        ui.painter().rect_filled(rect, corner, tokens.hover);
    }
    mark::icon(ui.painter(), pos2(rect.left() + 17.0, rect.center().y), sign, 14.0, ink);
    let at = pos2(rect.left() + lead + 11.0, rect.center().y - galley.size().y / 2.0);
    ui.painter().galley(at, galley, ink);
    focus_ring(ui, &response, rect, radius::M);
    tip(response.on_hover_cursor(CursorIcon::PointingHand), name, keys)
}
