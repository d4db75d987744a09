//! The board: columns side by side, cards that can be dragged between and within them.

use super::{
    Cx,
    card_ui::{self, GAP, Hold},
    standing_ui,
};
use crate::{
    command::{AppCommand, TaskCommand},
    fonts, icons,
    theme::{Tokens, measure, radius, size, space, tokens},
    view::{
        board::{self, Column, Stack},
        card::Card,
        picker::category_icon,
        state::{Dialog, Dragged, NamePurpose},
    },
    widget::{
        button::{self, Weight},
        focus_ring, mark, text,
    },
};
use egui::{
    Align, Align2, CornerRadius, CursorIcon, Id, LayerId, Layout, Order, Popup, Rect, RichText, ScrollArea,
    Sense, Stroke, Ui, UiBuilder, WidgetInfo, WidgetType, pos2, vec2,
};
use std::rc::Rc;
use velo_protocol::id::EntityId;

const HEAD: f32 = 40.0;
/// Columns up to this length have cards of different heights.
const MEASURED: usize = 400;

/// Paints the board.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>) {
    restack(ui, cx);
    ScrollArea::horizontal().id_salt("board").auto_shrink([false, false]).show(ui, |ui| {
        let height = ui.available_height();
        if cx.view.dragged.is_some() {
            scroll_at_edge(ui);
        }
        let revealed = cx.view.reveal.then_some(cx.view.cursor).flatten();
        let revealed = revealed.and_then(|task| cx.view.board.place_of(task)).map(|(column, _)| column);
        ui.horizontal_top(|ui| {
            ui.spacing_mut().item_spacing.x = 0.0;
            ui.add_space(space::S);
            for at in 0..cx.view.board.columns.len() {
                let (rect, _) = ui.allocate_exact_size(vec2(measure::COLUMN, height), Sense::hover());
                if revealed == Some(at) {
                    ui.scroll_to_rect(rect, None);
                }
                if ui.is_rect_visible(rect) {
                    ui.scope_builder(UiBuilder::new().max_rect(rect).id_salt(at), |ui| {
                        column(ui, cx, at, rect);
                    });
                }
            }
            add_column(ui, cx);
        });
    });
    lifted(ui, cx);
}

/// Measures the cards again when they may have changed.
fn restack(ui: &Ui, cx: &mut Cx<'_>) {
    let Some(workspace) = &cx.model.workspace else { return };
    let of = Some((workspace.revision(), cx.model.moment.today(), cx.view.board.of));
    if cx.view.stacks.of == of {
        return;
    }
    let view = &mut *cx.view;
    let stacks = view.board.columns.iter().map(|column| {
        // Measuring reads every card. In a long column all get the same height instead.
        let measured = column.tasks.len() <= MEASURED;
        let heights = column.tasks.iter().map(|task| {
            let card = measured
                .then(|| view.cards.get(workspace, cx.model.names_and_personal(), *task, cx.model.moment));
            card.flatten().map_or(card_ui::HIGHEST, |card| card_ui::height(ui, &card))
        });
        Rc::new(Stack::new(heights, GAP))
    });
    view.stacks.columns = stacks.collect();
    view.stacks.of = of;
}

fn column(ui: &mut Ui, cx: &mut Cx<'_>, at: usize, rect: Rect) {
    let Some(column) = cx.view.board.columns.get(at).cloned() else { return };
    let head = Rect::from_min_size(rect.min, vec2(rect.width(), HEAD));
    ui.scope_builder(UiBuilder::new().max_rect(head.shrink2(vec2(space::S, 4.0))), |ui| {
        column_head(ui, cx, &column);
    });
    let body = Rect::from_min_max(pos2(rect.left(), head.bottom()), rect.max);
    let mut top = body.top();
    ui.scope_builder(UiBuilder::new().max_rect(body), |ui| {
        let shown = ScrollArea::vertical()
            .id_salt(column.id.map(|id| id.0))
            .auto_shrink([false, false])
            .show_viewport(ui, |ui, viewport| cards(ui, cx, at, &column, viewport));
        top = shown.inner;
    });
    drop_here(ui, cx, at, &column, rect, top);
}

fn column_head(ui: &mut Ui, cx: &mut Cx<'_>, column: &Column) {
    let tokens = tokens(ui.ctx());
    ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
        ui.spacing_mut().item_spacing.x = 0.0;
        let name = format!("Add task to {}", column.name);
        if cx.may_edit() && button::icon(ui, icons::PLUS, &name, None).clicked() {
            let column = column.id;
            cx.say(AppCommand::OpenDialog(Dialog::QuickAdd { column, text: String::new() }));
        }
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            let (sense, kind) = if cx.may_edit() {
                (Sense::click(), WidgetType::Button)
            } else {
                (Sense::hover(), WidgetType::Label)
            };
            let (rect, response) = ui.allocate_exact_size(ui.available_size(), sense);
            let spoken = format!("Column {}", column.name);
            response.widget_info(|| WidgetInfo::labeled(kind, true, &spoken));
            column_name(ui, rect, column, tokens);
            if !cx.may_edit() {
                return;
            }
            focus_ring(ui, &response, rect, radius::M);
            let response = response.on_hover_cursor(CursorIcon::PointingHand);
            Popup::menu(&response).show(|ui| column_menu(ui, cx, column));
        });
    });
}

fn column_name(ui: &Ui, rect: Rect, column: &Column, tokens: &Tokens) {
    let color = mark::category_color(tokens, column.category);
    mark::icon(
        ui.painter(),
        pos2(rect.left() + 12.0, rect.center().y),
        category_icon(column.category),
        14.0,
        color,
    );
    let at = pos2(rect.left() + 26.0, rect.center().y);
    let font = fonts::semibold(size::BODY);
    let name = text::line(
        ui.painter(),
        at,
        Align2::LEFT_CENTER,
        &column.name,
        font,
        tokens.text,
        rect.width() - 80.0,
    );
    let count = match column.wip_limit {
        Some(limit) => format!("{} / {limit}", column.tasks.len()),
        None => column.tasks.len().to_string(),
    };
    let color = if column.is_over_limit() { tokens.danger } else { tokens.muted };
    let at = pos2(name.right() + 8.0, rect.center().y);
    text::line(ui.painter(), at, Align2::LEFT_CENTER, &count, fonts::regular(size::BODY), color, 60.0);
}

fn column_menu(ui: &mut Ui, cx: &mut Cx<'_>, column: &Column) {
    let Some(id) = column.id else { return };
    if button::words(ui, Weight::Quiet, icons::PENCIL, "Rename column").clicked() {
        let purpose = NamePurpose::RenameColumn(id);
        cx.say(AppCommand::OpenDialog(Dialog::name(purpose, column.name.clone())));
    }
    if button::words(ui, Weight::Quiet, icons::TRASH_2, "Delete column").clicked() {
        let key = velo_protocol::model::EntityKey::new(velo_protocol::model::Kind::Column, id);
        let changes = vec![velo_protocol::change::Change::Delete { key }];
        cx.say(AppCommand::Edit { changes, done: format!("Deleted column {}", column.name) });
    }
}

/// Paints the visible cards. Returns where the first one starts on the screen.
fn cards(ui: &mut Ui, cx: &mut Cx<'_>, at: usize, column: &Column, viewport: Rect) -> f32 {
    let stack = cx.view.stacks.columns.get(at).cloned().unwrap_or_default();
    let origin = ui.max_rect().min;
    ui.set_height(stack.height() + space::XL);
    if column.tasks.is_empty() {
        empty_column(ui, origin, cx.may_edit());
    }
    let reveal = cx.view.reveal.then_some(cx.view.cursor).flatten();
    if let Some(place) = reveal.and_then(|task| column.tasks.iter().position(|id| *id == task)) {
        let top = origin.y + stack.top(place);
        let rect = Rect::from_min_size(
            pos2(origin.x, top),
            vec2(measure::COLUMN, stack.top(place + 1) - stack.top(place)),
        );
        ui.scroll_to_rect(rect, None);
        cx.view.reveal = false;
    }
    for place in stack.visible(viewport.top(), viewport.bottom()) {
        let Some(task) = column.tasks.get(place) else { continue };
        let min = origin + vec2(space::S, stack.top(place));
        let height = stack.top(place + 1) - stack.top(place) - GAP;
        card(ui, cx, *task, Rect::from_min_size(min, vec2(card_ui::WIDTH, height)));
    }
    origin.y
}

fn empty_column(ui: &Ui, origin: egui::Pos2, may: bool) {
    let tokens = tokens(ui.ctx());
    let rect = Rect::from_min_size(origin + vec2(space::S, 0.0), vec2(card_ui::WIDTH, 56.0));
    let line = Stroke::new(1.0, tokens.border);
    let points =
        [rect.left_top(), rect.right_top(), rect.right_bottom(), rect.left_bottom(), rect.left_top()];
    ui.painter().extend(egui::Shape::dashed_line(&points, line, 4.0, 4.0));
    ui.painter().text(
        rect.center(),
        Align2::CENTER_CENTER,
        if may { "Drop a task here, or add one with +" } else { "No tasks" },
        fonts::regular(size::SMALL),
        tokens.muted,
    );
}

fn read(cx: &mut Cx<'_>, task: EntityId) -> Option<Rc<Card>> {
    let workspace = cx.model.workspace.as_ref()?;
    cx.view.cards.get(workspace, cx.model.names_and_personal(), task, cx.model.moment)
}

fn card(ui: &mut Ui, cx: &mut Cx<'_>, task: EntityId, rect: Rect) {
    let tokens = tokens(ui.ctx());
    let Some(card) = read(cx, task) else { return };
    let sense = if cx.may_edit() { Sense::click_and_drag() } else { Sense::click() };
    let response = ui.interact(rect, Id::new(("card", task.0)), sense);
    let selected = cx.view.open == Some(task) || cx.view.cursor == Some(task);
    response.widget_info(|| WidgetInfo::selected(WidgetType::Button, true, selected, card_ui::spoken(&card)));
    if response.drag_started()
        && let Some(pointer) = response.interact_pointer_pos()
    {
        let grip = pointer - rect.min;
        cx.view.dragged = Some(Dragged { task, grip: (grip.x, grip.y) });
    }
    if response.clicked() {
        cx.say(AppCommand::Open(task));
    }
    if cx.view.dragged.is_some_and(|dragged| dragged.task == task) {
        let ghost = CornerRadius::same(radius::L - 2);
        ui.painter().rect_filled(rect, ghost, tokens.card.gamma_multiply(0.4));
    } else {
        let hold = Hold { hovered: response.hovered(), selected, lifted: false };
        card_ui::paint(ui.painter(), rect, &card, hold, tokens);
    }
    focus_ring(ui, &response, rect, radius::L - 2);
    response.on_hover_cursor(CursorIcon::PointingHand).context_menu(|ui| task_menu(ui, cx, task));
}

/// What the right button offers for a task.
pub fn task_menu(ui: &mut Ui, cx: &mut Cx<'_>, task: EntityId) {
    let commands = [
        TaskCommand::Status,
        TaskCommand::Priority,
        TaskCommand::Assign,
        TaskCommand::Label,
        TaskCommand::Due,
        TaskCommand::Project,
        TaskCommand::CopyId,
        TaskCommand::Delete,
    ];
    ui.set_width(220.0);
    let ink = tokens(ui.ctx()).secondary;
    for command in commands {
        let named = crate::command::entry(&AppCommand::ForTarget(command.clone()));
        let Some(named) = named.filter(|named| cx.model.standing.allows(named.command.need()).is_ok()) else {
            continue;
        };
        let end = named.keys.map(|keys| keys.to_string()).unwrap_or_default();
        let row = button::Row { icon: named.icon, color: ink, text: named.name, end: &end, selected: false };
        if button::row(ui, row).clicked() {
            cx.say(AppCommand::ForTask(task, command));
            ui.close();
        }
    }
}

/// While a card is dragged over the column: the line where it would go; when it is let go: the move.
fn drop_here(ui: &Ui, cx: &mut Cx<'_>, at: usize, column: &Column, rect: Rect, top: f32) {
    let Some(dragged) = cx.view.dragged else { return };
    let Some(pointer) = ui.ctx().pointer_latest_pos().filter(|pointer| rect.x_range().contains(pointer.x))
    else {
        return;
    };
    let tokens = tokens(ui.ctx());
    let stack = cx.view.stacks.columns.get(at).cloned().unwrap_or_default();
    let gap = stack.gap_at(pointer.y - top);
    let place = board::drop_at(column, gap, dragged.task);
    let released = ui.input(|input| input.pointer.any_released());
    if place.is_some() {
        let y = (top + stack.top(gap) - GAP / 2.0).clamp(rect.top() + HEAD - 2.0, rect.bottom() - 4.0);
        let line = (rect.left() + space::S + 4.0)..=(rect.right() - space::S);
        ui.painter().hline(line, y, Stroke::new(2.0, tokens.accent));
        ui.painter().circle_filled(pos2(rect.left() + space::S + 3.0, y), 3.5, tokens.accent);
    }
    if released {
        if let Some(place) = place {
            cx.say(AppCommand::Move(dragged.task, place));
        }
        cx.view.dragged = None;
    }
}

/// The card under the pointer, above everything.
fn lifted(ui: &Ui, cx: &mut Cx<'_>) {
    let Some(dragged) = cx.view.dragged else { return };
    let (pointer, down, escape) = ui.input(|input| {
        (input.pointer.latest_pos(), input.pointer.any_down(), input.key_pressed(egui::Key::Escape))
    });
    let (Some(pointer), true, false) = (pointer, down, escape) else {
        cx.view.dragged = None;
        return;
    };
    if let Some(card) = read(cx, dragged.task) {
        let above = ui.ctx().layer_painter(LayerId::new(Order::Tooltip, Id::new("lifted card")));
        let size = vec2(card_ui::WIDTH, card_ui::height(ui, &card));
        let rect = Rect::from_min_size(pointer - vec2(dragged.grip.0, dragged.grip.1), size);
        let hold = Hold { lifted: true, ..Hold::default() };
        card_ui::paint(&above, rect, &card, hold, tokens(ui.ctx()));
    }
    ui.ctx().set_cursor_icon(CursorIcon::Grabbing);
}

/// Near the left or right edge the board moves along under the card.
fn scroll_at_edge(ui: &Ui) {
    let rect = ui.clip_rect();
    let Some(pointer) = ui.ctx().pointer_latest_pos().filter(|pointer| rect.contains(*pointer)) else {
        return;
    };
    let reach = 48.0;
    let speed = if pointer.x > rect.right() - reach {
        -1.0
    } else if pointer.x < rect.left() + reach {
        1.0
    } else {
        return;
    };
    ui.scroll_with_delta(vec2(speed * 12.0, 0.0));
    ui.ctx().request_repaint();
}

fn add_column(ui: &mut Ui, cx: &mut Cx<'_>) {
    if !cx.may_edit() {
        return;
    }
    ui.vertical(|ui| {
        ui.add_space(6.0);
        if button::words(ui, Weight::Quiet, icons::PLUS, "Add column").clicked()
            && let Some(project) = cx.view.board.project()
        {
            let purpose = NamePurpose::Column(project);
            cx.say(AppCommand::OpenDialog(Dialog::name(purpose, String::new())));
        }
    });
}

/// What is shown in a workspace without projects.
pub fn no_project(ui: &mut Ui, cx: &mut Cx<'_>) {
    if standing_ui::empty(ui, cx) {
        return;
    }
    if !cx.may_edit() {
        empty(ui, icons::SQUARE_KANBAN, "No project yet", "What others make shows here.", |_| {});
        return;
    }
    empty(
        ui,
        icons::SQUARE_KANBAN,
        "A place for the first project",
        "Projects hold tasks in columns. Everything you write is on this device at once, and reaches the others when they are near.",
        |ui| {
            if button::words(ui, Weight::Primary, icons::PLUS, "New project").clicked() {
                let purpose = NamePurpose::Project;
                cx.say(AppCommand::OpenDialog(Dialog::name(purpose, String::new())));
            }
        },
    );
}

/// An empty page: a sign, what belongs here, and how to begin.
pub fn empty(ui: &mut Ui, sign: &str, title: &str, note: &str, begin: impl FnOnce(&mut Ui)) {
    let tokens = tokens(ui.ctx());
    ui.vertical_centered(|ui| {
        ui.spacing_mut().item_spacing.y = space::S;
        ui.add_space((ui.available_height() * 0.28).max(space::XL));
        let (rect, _) = ui.allocate_exact_size(vec2(56.0, 56.0), Sense::hover());
        crate::widget::surface(ui, rect, tokens.card, radius::L, tokens);
        mark::icon(ui.painter(), rect.center(), sign, 24.0, tokens.accent);
        ui.add_space(space::XS);
        ui.label(RichText::new(title).font(fonts::semibold(size::LARGE)).color(tokens.text));
        ui.allocate_ui(vec2(380.0, 0.0), |ui| {
            ui.label(RichText::new(note).font(fonts::regular(size::BODY)).color(tokens.secondary));
        });
        ui.add_space(space::S);
        begin(ui);
    });
}
