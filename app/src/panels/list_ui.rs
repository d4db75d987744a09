//! The list: rows of 32 pixels under the columns' headings.

use super::{
    Cx,
    board_ui::{self, task_menu},
    card_ui::{avatars, due_color},
};
use crate::{
    command::AppCommand,
    fonts, icons,
    theme::{Tokens, measure, radius, size, space, tokens},
    view::{
        board::Board,
        card::Card,
        picker::{category_icon, priority_icon},
    },
    widget::{focus_ring, mark, text},
};
use egui::{
    Align2, CornerRadius, CursorIcon, Id, Rect, ScrollArea, Sense, Stroke, Ui, WidgetInfo, WidgetType, pos2,
    vec2,
};
use velo_protocol::id::EntityId;

/// Room for a short id: as much as most take, so that titles stand below each other, and the most.
const ID_LEAST: f32 = 44.0;
const ID_WIDTH: f32 = 120.0;

/// What a row shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Heading(usize),
    Task(usize, EntityId),
}

/// The row at a place, found without listing all.
fn line_at(board: &Board, mut at: usize) -> Option<Line> {
    for (number, column) in board.columns.iter().enumerate() {
        if at == 0 {
            return Some(Line::Heading(number));
        }
        if let Some(task) = column.tasks.get(at - 1) {
            return Some(Line::Task(number, *task));
        }
        at -= column.tasks.len() + 1;
    }
    None
}

fn count(board: &Board) -> usize {
    board.columns.iter().map(|column| column.tasks.len() + 1).sum()
}

/// Paints the list.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>) {
    ui.spacing_mut().item_spacing.y = 0.0;
    let rows = count(&cx.view.board);
    let area = ScrollArea::vertical().id_salt("list").auto_shrink([false, false]);
    area.show_viewport(ui, |ui, viewport| {
        ui.set_height(rows as f32 * measure::ROW + space::XL);
        let origin = ui.max_rect().min;
        let first = (viewport.top() / measure::ROW).max(0.0) as usize;
        let last = ((viewport.bottom() / measure::ROW).max(0.0) as usize + 1).min(rows);
        for at in first..last {
            let min = origin + vec2(0.0, at as f32 * measure::ROW);
            let rect = Rect::from_min_size(min, vec2(ui.available_width(), measure::ROW));
            match line_at(&cx.view.board, at) {
                Some(Line::Heading(column)) => heading(ui, cx, column, rect),
                Some(Line::Task(column, task)) => row(ui, cx, column, task, rect),
                None => {}
            }
        }
        reveal(ui, cx, origin);
    });
}

/// The tasks that stand in no project. Nothing that lives is hidden.
pub fn without_project(ui: &mut Ui, cx: &mut Cx<'_>) {
    if cx.view.board.is_empty() {
        let note = "A task comes here when somebody deletes its project while somebody else works on it.";
        board_ui::empty(ui, icons::FOLDER_X, "Every task has its project", note, |_| {});
        return;
    }
    show(ui, cx);
}

fn reveal(ui: &Ui, cx: &mut Cx<'_>, origin: egui::Pos2) {
    if !std::mem::take(&mut cx.view.reveal) {
        return;
    }
    let Some((column, place)) = cx.view.cursor.and_then(|task| cx.view.board.place_of(task)) else { return };
    let above: usize = cx.view.board.columns.iter().take(column).map(|column| column.tasks.len() + 1).sum();
    let min = origin + vec2(0.0, (above + 1 + place) as f32 * measure::ROW);
    ui.scroll_to_rect(Rect::from_min_size(min, vec2(1.0, measure::ROW)), None);
}

fn heading(ui: &Ui, cx: &Cx<'_>, column: usize, rect: Rect) {
    let tokens = tokens(ui.ctx());
    let Some(column) = cx.view.board.columns.get(column) else { return };
    ui.painter().rect_filled(rect, CornerRadius::ZERO, tokens.panel);
    let y = rect.center().y;
    let color = mark::category_color(tokens, column.category);
    mark::icon(ui.painter(), pos2(rect.left() + 24.0, y), category_icon(column.category), 14.0, color);
    let at = pos2(rect.left() + 40.0, y);
    let font = fonts::semibold(size::BODY);
    let name = text::line(ui.painter(), at, Align2::LEFT_CENTER, &column.name, font, tokens.text, 320.0);
    let count = column.tasks.len().to_string();
    let at = pos2(name.right() + 8.0, y);
    text::line(ui.painter(), at, Align2::LEFT_CENTER, &count, fonts::regular(size::BODY), tokens.muted, 60.0);
}

fn row(ui: &mut Ui, cx: &mut Cx<'_>, column: usize, task: EntityId, rect: Rect) {
    let tokens = tokens(ui.ctx());
    let Some(workspace) = &cx.model.workspace else { return };
    let Some(card) = cx.view.cards.get(workspace, cx.model.names_and_personal(), task, cx.model.moment)
    else {
        return;
    };
    let category = cx.view.board.columns.get(column).map_or(1, |column| column.category);
    let response = ui.interact(rect, Id::new(("row", task.0)), Sense::click());
    let selected = cx.view.open == Some(task) || cx.view.cursor == Some(task);
    response.widget_info(|| WidgetInfo::selected(WidgetType::Button, true, selected, &card.title));
    if selected || response.hovered() {
        ui.painter().rect_filled(rect, CornerRadius::ZERO, if selected { tokens.hover } else { tokens.card });
    }
    ui.painter().hline(
        rect.x_range(),
        rect.bottom() - 0.5,
        Stroke::new(1.0, tokens.border.gamma_multiply(0.6)),
    );
    paint(ui, rect, &card, category, tokens);
    focus_ring(ui, &response, rect.shrink(2.0), radius::S);
    if response.clicked() {
        cx.say(AppCommand::Open(task));
    }
    response.on_hover_cursor(CursorIcon::PointingHand).context_menu(|ui| task_menu(ui, cx, task));
}

/// Priority, status, title; from the right: who, due, comments, labels.
fn paint(ui: &Ui, rect: Rect, card: &Card, category: i64, tokens: &Tokens) {
    let painter = ui.painter();
    let y = rect.center().y;
    let color = mark::priority_color(tokens, card.priority);
    mark::icon(painter, pos2(rect.left() + 24.0, y), priority_icon(card.priority), 14.0, color);
    let color = mark::category_color(tokens, category);
    mark::icon(painter, pos2(rect.left() + 48.0, y), category_icon(category), 14.0, color);
    let mut right = rect.right() - space::L;
    avatars(painter, pos2(right - 10.0, y), card, tokens);
    right -= 72.0;
    if let Some((due, urgency)) = &card.due {
        let at = pos2(right, y);
        let color = due_color(tokens, *urgency, card.finished);
        text::line(painter, at, Align2::RIGHT_CENTER, due, fonts::regular(size::SMALL), color, 110.0);
    }
    right -= 118.0;
    if card.conflict {
        mark::icon(painter, pos2(right, y), icons::GIT_MERGE, 14.0, tokens.conflict);
        right -= 22.0;
    }
    let from = rect.left() + 66.0;
    let id = pos2(from, y);
    let font = fonts::regular(size::SMALL);
    let id = text::line(painter, id, Align2::LEFT_CENTER, &card.short_id, font, tokens.muted, ID_WIDTH);
    let from = id.right().max(from + ID_LEAST) + 10.0;
    let ink = if card.finished { tokens.secondary } else { tokens.text };
    let room = (right - from).max(80.0);
    let at = pos2(from, y);
    let title =
        text::line(painter, at, Align2::LEFT_CENTER, &card.title, fonts::regular(size::BODY), ink, room);
    let mut x = title.right() + 10.0;
    for (name, color) in &card.labels {
        let at = pos2(x, y - 9.0);
        let Some(used) = mark::label_chip(painter, at, name, tokens.accent_at(*color), tokens, right - x)
        else {
            break;
        };
        x += used + 4.0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::board::Column;

    #[test]
    fn rows_are_found_by_their_place() {
        let id = |number: u8| EntityId([number; 16]);
        let column = |number: u8, tasks: Vec<EntityId>| Column {
            id: Some(id(number)),
            name: String::new(),
            category: 1,
            wip_limit: None,
            tasks,
        };
        let columns = vec![column(9, vec![id(1), id(2)]), column(8, vec![]), column(7, vec![id(3)])];
        let columns = columns.into_iter().map(std::rc::Rc::new).collect();
        let board = Board { columns, ..Board::default() };
        let lines: Vec<Line> = (0..count(&board)).filter_map(|at| line_at(&board, at)).collect();
        assert_eq!(
            lines,
            [
                Line::Heading(0),
                Line::Task(0, id(1)),
                Line::Task(0, id(2)),
                Line::Heading(1),
                Line::Heading(2),
                Line::Task(2, id(3))
            ]
        );
        assert_eq!(line_at(&board, 6), None);
    }
}
