//! One card of the board: painted by hand, so that a hundred of them cost little.

use crate::{
    fonts, icons,
    theme::{Tokens, measure, radius, size},
    view::{card::Card, date::Urgency, picker::priority_icon},
    widget::{mark, text},
};
use egui::{Color32, CornerRadius, FontId, Painter, Rect, Stroke, StrokeKind, Ui, pos2, vec2};

/// Gap between two cards.
pub const GAP: f32 = 6.0;
/// Width of a card.
pub const WIDTH: f32 = measure::COLUMN - 16.0;
const MARGIN: f32 = 12.0;
const ID_LINE: f32 = 17.0;
const TITLE_LINE: f32 = 19.0;
const LABELS: f32 = 24.0;
const META: f32 = 26.0;

/// How high a card can be.
pub const HIGHEST: f32 = 20.0 + ID_LINE + 2.0 * TITLE_LINE + LABELS + META;

fn title_font() -> FontId {
    fonts::medium(size::BODY)
}

/// How high a card is: its short id, one or two lines of title, labels, and the line below.
pub fn height(ui: &Ui, card: &Card) -> f32 {
    let title =
        text::galley(ui.painter(), &card.title, title_font(), Color32::WHITE, WIDTH - 2.0 * MARGIN, 2);
    let title = if title.rows.len() > 1 { 2.0 * TITLE_LINE } else { TITLE_LINE };
    let labels = if card.labels.is_empty() { 0.0 } else { LABELS };
    let meta = if card.has_meta() { META } else { 0.0 };
    20.0 + ID_LINE + title + labels + meta
}

/// How a card is held.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Hold {
    /// The pointer is on it.
    pub hovered: bool,
    /// The keyboard is on it, or it is open.
    pub selected: bool,
    /// It is being dragged.
    pub lifted: bool,
}

/// Paints a card.
pub fn paint(painter: &Painter, rect: Rect, card: &Card, hold: Hold, tokens: &Tokens) {
    let corner = CornerRadius::same(radius::L - 2);
    if hold.lifted {
        let shadow = egui::Shadow { offset: [0, 10], blur: 24, spread: 0, color: tokens.shadow };
        painter.add(shadow.as_shape(rect, corner));
    }
    let fill = if hold.hovered || hold.lifted { tokens.raised } else { tokens.card };
    let line = match hold {
        Hold { selected: true, .. } => Stroke::new(1.5, tokens.accent),
        Hold { hovered: true, .. } | Hold { lifted: true, .. } => Stroke::new(1.0, tokens.border_strong),
        Hold { .. } => Stroke::new(1.0, tokens.border),
    };
    painter.rect(rect, corner, fill, line, StrokeKind::Inside);
    painter.hline(
        (rect.left() + 8.0)..=(rect.right() - 8.0),
        rect.top() + 1.0,
        Stroke::new(1.0, tokens.highlight),
    );
    content(painter, rect, card, tokens);
}

fn content(painter: &Painter, rect: Rect, card: &Card, tokens: &Tokens) {
    let inner = rect.shrink2(vec2(MARGIN, 10.0));
    let ink = if card.finished { tokens.secondary } else { tokens.text };
    let font = fonts::medium(size::TINY);
    let width = inner.width();
    text::line(painter, inner.min, egui::Align2::LEFT_TOP, &card.short_id, font, tokens.muted, width);
    let title = text::galley(painter, &card.title, title_font(), ink, width, 2);
    let rows = title.rows.len().clamp(1, 2) as f32;
    painter.galley(inner.min + vec2(0.0, ID_LINE), title, ink);
    let mut y = inner.top() + ID_LINE + rows * TITLE_LINE;
    if !card.labels.is_empty() {
        labels(painter, pos2(inner.left(), y + 5.0), inner.width(), card, tokens);
        y += LABELS;
    }
    if card.has_meta() {
        meta(painter, Rect::from_min_max(pos2(inner.left(), y + 6.0), inner.max), card, tokens);
    }
}

fn labels(painter: &Painter, at: egui::Pos2, width: f32, card: &Card, tokens: &Tokens) {
    let mut x = 0.0;
    for (name, color) in &card.labels {
        let accent = tokens.accent_at(*color);
        let Some(used) = mark::label_chip(painter, at + vec2(x, 0.0), name, accent, tokens, width - x) else {
            return;
        };
        x += used + 4.0;
    }
}

/// The line at the foot: conflict, priority, due date, steps, comments; on the right who does it.
fn meta(painter: &Painter, rect: Rect, card: &Card, tokens: &Tokens) {
    let mut x = rect.left();
    let y = rect.center().y;
    let mut put = |sign: &str, words: &str, color: Color32| {
        mark::icon(painter, pos2(x + 7.0, y), sign, 13.0, color);
        x += 18.0;
        if !words.is_empty() {
            let font = fonts::medium(size::TINY);
            let at = pos2(x, y);
            x = text::line(painter, at, egui::Align2::LEFT_CENTER, words, font, color, 120.0).right();
        }
        x += 9.0;
    };
    if card.conflict {
        put(icons::GIT_MERGE, "", tokens.conflict);
    }
    if card.priority > 0 {
        put(priority_icon(card.priority), "", mark::priority_color(tokens, card.priority));
    }
    if let Some((due, urgency)) = &card.due {
        put(icons::CALENDAR, due, due_color(tokens, *urgency, card.finished));
    }
    if card.steps.1 > 0 {
        let color = if card.steps.0 == card.steps.1 { tokens.ok } else { tokens.muted };
        put(icons::LIST_CHECKS, &format!("{}/{}", card.steps.0, card.steps.1), color);
    }
    if card.comments > 0 {
        let color = if card.unread > 0 { tokens.accent } else { tokens.muted };
        put(icons::MESSAGE_SQUARE, &card.comments.to_string(), color);
    }
    avatars(painter, pos2(rect.right() - 10.0, y), card, tokens);
}

/// Up to three people, from the right.
pub fn avatars(painter: &Painter, mut center: egui::Pos2, card: &Card, tokens: &Tokens) {
    for (initials, _, color) in card.assignees.iter().take(3) {
        mark::avatar(painter, center, 21.0, initials, tokens.accent_at(*color), tokens);
        center.x -= 17.0;
    }
}

/// The colour of a due date.
pub fn due_color(tokens: &Tokens, urgency: Urgency, finished: bool) -> Color32 {
    match urgency {
        _ if finished => tokens.muted,
        Urgency::Overdue => tokens.danger,
        Urgency::Today => tokens.warn,
        Urgency::Soon => tokens.secondary,
        Urgency::Later => tokens.muted,
    }
}

/// What a card is called for those who do not see it.
pub fn spoken(card: &Card) -> String {
    match card.unread {
        0 => card.title.clone(),
        1 => format!("{}, 1 new comment", card.title),
        count => format!("{}, {count} new comments", card.title),
    }
}
