//! Text painted at a place, cut with an ellipsis where it does not fit.

use egui::{
    Align2, Color32, FontId, Galley, Painter, Pos2, Rect,
    text::{LayoutJob, TextFormat, TextWrapping},
};
use std::sync::Arc;

/// Lays out text in at most so many rows of a width.
pub fn galley(
    painter: &Painter,
    text: &str,
    font: FontId,
    color: Color32,
    width: f32,
    rows: usize,
) -> Arc<Galley> {
    let size = font.size;
    let mut format = TextFormat::simple(font, color);
    if rows > 1 {
        format.line_height = Some((size * 1.45).round());
    }
    let mut job = LayoutJob::single_section(text.to_owned(), format);
    job.wrap = TextWrapping { max_width: width, max_rows: rows, ..TextWrapping::default() };
    if rows == 1 {
        job.wrap.break_anywhere = true;
    }
    painter.layout_job(job)
}

/// Paints one line, cut to `width`. Returns where it stands.
pub fn line(
    painter: &Painter,
    at: Pos2,
    align: Align2,
    text: &str,
    font: FontId,
    color: Color32,
    width: f32,
) -> Rect {
    let galley = galley(painter, text, font, color, width.max(0.0), 1);
    let rect = align.anchor_size(at, galley.size());
    painter.galley(rect.min, galley, color);
    rect
}
