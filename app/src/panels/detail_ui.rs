//! The detail of one task: everything is edited in place.

use super::{Cx, attachments_ui, card_ui::due_color, comments_ui, presence_ui};
use crate::{
    command::{self, AppCommand, TaskCommand},
    fonts, icons,
    theme::{Tokens, measure, radius, size, space, tokens},
    view::{
        card,
        conflict::capital,
        date,
        detail::Carets,
        picker::{Subject, category_icon, priority_icon},
        state::Page,
    },
    widget::{button, field, focus_ring, hairline, mark, text},
};
use egui::{
    Align, Align2, Color32, CornerRadius, CursorIcon, Frame, Id, Key, Layout, Margin, Rect, Response,
    RichText, ScrollArea, Sense, TextEdit, Ui, UiBuilder, WidgetInfo, WidgetType, pos2,
    text::{CCursor, CCursorRange},
    text_edit::TextEditState,
    vec2,
};
use egui_commonmark::CommonMarkViewer;
use velo_protocol::{
    change::Change,
    id::EntityId,
    model::{self, EntityKey, Kind, task},
    value::Value,
    workspace::Workspace,
};

/// Paints the detail of the open task.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>) {
    let (Some(workspace), Some(id)) = (&cx.model.workspace, cx.view.open) else { return };
    ui.spacing_mut().item_spacing.y = 0.0;
    head(ui, cx, workspace, id);
    hairline(ui);
    ScrollArea::vertical().id_salt(("detail", id.0)).auto_shrink([false, false]).show(ui, |ui| {
        Frame::new().inner_margin(Margin::symmetric(20, 16)).show(ui, |ui| {
            ui.spacing_mut().item_spacing.y = space::XS;
            conflict_banner(ui, cx, id);
            presence_ui::at_task(ui, cx, id);
            title(ui, cx, id);
            ui.add_space(space::S);
            properties(ui, cx, workspace, id);
            ui.add_space(space::M);
            description(ui, cx, id);
            ui.add_space(space::L);
            checklist(ui, cx, workspace, id);
            subtasks(ui, cx, workspace, id);
            attachments_ui::show(ui, cx, workspace, id);
            comments_ui::show(ui, cx, workspace, id);
        });
    });
}

fn head(ui: &mut Ui, cx: &mut Cx<'_>, workspace: &Workspace, id: EntityId) {
    let tokens = tokens(ui.ctx());
    let size = vec2(ui.available_width(), measure::HEADER - 1.0);
    ui.allocate_ui_with_layout(size, Layout::right_to_left(Align::Center), |ui| {
        ui.set_min_height(measure::HEADER - 1.0);
        ui.spacing_mut().item_spacing.x = space::XXS;
        ui.add_space(space::M);
        if button::icon(ui, icons::X, "Close", None).clicked() {
            cx.say(AppCommand::Close);
        }
        for task in [TaskCommand::Delete, TaskCommand::CopyId] {
            let named = command::entry(&AppCommand::ForTarget(task.clone()));
            let allowed = |named: &&command::Named| cx.model.standing.allows(named.command.need()).is_ok();
            let Some(named) = named.filter(allowed) else { continue };
            if button::icon(ui, named.icon, named.name, named.keys).clicked() {
                cx.say(AppCommand::ForTask(id, task));
            }
        }
        super::star(ui, cx, EntityKey::new(Kind::Task, id));
        ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
            ui.add_space(20.0);
            let project = workspace
                .project_of(id)
                .map(|project| workspace.text(EntityKey::new(Kind::Project, project), model::project::NAME));
            let words = format!("{}  ·  {}", project.unwrap_or("No project"), workspace.short_id(id));
            ui.label(RichText::new(words).font(fonts::regular(size::SMALL)).color(tokens.muted));
        });
    });
}

fn conflict_banner(ui: &mut Ui, cx: &mut Cx<'_>, id: EntityId) {
    let tokens = tokens(ui.ctx());
    let found = cx.model.conflicts.iter().position(|item| item.task == Some(id));
    let Some((at, item)) = found.and_then(|at| cx.model.conflicts.get(at).map(|item| (at, item))) else {
        return;
    };
    let frame = Frame::new().fill(tokens.tint(tokens.conflict)).corner_radius(CornerRadius::same(radius::M));
    frame.inner_margin(Margin::symmetric(12, 8)).show(ui, |ui| {
        ui.horizontal(|ui| {
            mark::icon_ui(ui, icons::GIT_MERGE, 15.0, tokens.conflict);
            ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
                if button::words(ui, button::Weight::Plain, "", "Decide").clicked() {
                    cx.view.conflict = at;
                    cx.say(AppCommand::ShowPage(Page::Conflicts));
                }
                ui.with_layout(Layout::left_to_right(Align::Center), |ui| {
                    ui.add(egui::Label::new(RichText::new(&item.sentence).color(tokens.text)).wrap());
                });
            });
        });
    });
    ui.add_space(space::S);
}

fn title(ui: &mut Ui, cx: &mut Cx<'_>, id: EntityId) {
    let may = cx.may_edit();
    let detail = &mut cx.view.detail;
    if !may {
        let words = RichText::new(&detail.typed.title.text).font(fonts::semibold(size::TITLE));
        ui.add(egui::Label::new(words.color(tokens(ui.ctx()).text)).wrap().selectable(true));
        return;
    }
    let widget = Id::new(("title", id.0));
    let edit = TextEdit::multiline(&mut detail.typed.title.text)
        .font(fonts::semibold(size::TITLE))
        .desired_rows(1)
        .return_key(None);
    let response = field::bare(ui, widget, "Title", "What is to be done?", edit);
    if std::mem::take(&mut detail.focus_title) {
        response.request_focus();
    }
    let enter = response.has_focus() && ui.input(|input| input.key_pressed(Key::Enter));
    if enter {
        response.surrender_focus();
    }
    if let Some(problem) = detail.typed.title.problem() {
        field::problem(ui, &not_saved(problem));
    }
    save_when_left(cx, &response, enter);
}

fn not_saved(problem: &str) -> String {
    format!("Not saved yet: {problem}")
}

/// What has been typed is saved when the field is left.
fn save_when_left(cx: &mut Cx<'_>, response: &Response, now: bool) {
    if response.lost_focus() || now {
        cx.say(AppCommand::SaveTyped);
    }
}

/// A property: its name, and its value as a button that opens the choices.
struct Property<'a> {
    name: &'a str,
    icon: &'a str,
    color: Color32,
    value: &'a str,
    muted: bool,
}

fn property(ui: &mut Ui, cx: &mut Cx<'_>, property: &Property<'_>, subject: Subject) -> Rect {
    let tokens = tokens(ui.ctx());
    let (sense, kind) = if cx.may_edit() {
        (Sense::click(), WidgetType::Button)
    } else {
        (Sense::hover(), WidgetType::Label)
    };
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), 30.0), sense);
    let spoken = format!("{}: {}", property.name, property.value);
    response.widget_info(|| WidgetInfo::labeled(kind, true, &spoken));
    let value = Rect::from_min_max(pos2(rect.left() + 104.0, rect.top()), rect.max);
    if cx.may_edit() && (response.hovered() || response.has_focus()) {
        ui.painter().rect_filled(value, CornerRadius::same(radius::M), tokens.hover);
    }
    let at = pos2(rect.left(), rect.center().y);
    let font = fonts::regular(size::BODY);
    text::line(ui.painter(), at, Align2::LEFT_CENTER, property.name, font.clone(), tokens.muted, 100.0);
    let mut x = value.left() + 8.0;
    if !property.icon.is_empty() {
        mark::icon(ui.painter(), pos2(x + 7.0, rect.center().y), property.icon, 14.0, property.color);
        x += 22.0;
    }
    let ink = if property.muted { tokens.muted } else { tokens.text };
    let at = pos2(x, rect.center().y);
    text::line(ui.painter(), at, Align2::LEFT_CENTER, property.value, font, ink, rect.right() - x - 8.0);
    focus_ring(ui, &response, value, radius::M);
    if !cx.may_edit() {
        return value;
    }
    if response.on_hover_cursor(CursorIcon::PointingHand).clicked() {
        let anchor = (value.left() as i32, value.bottom() as i32 + 4);
        cx.say(AppCommand::Pick(subject, Some(anchor)));
    }
    value
}

fn properties(ui: &mut Ui, cx: &mut Cx<'_>, workspace: &Workspace, id: EntityId) {
    let tokens = tokens(ui.ctx());
    let Some(view) = workspace.task(id) else { return };
    ui.spacing_mut().item_spacing.y = space::XXS;
    status(ui, cx, workspace, id);
    let name = task::PRIORITIES.get(view.priority as usize).copied().unwrap_or_default();
    let value = if view.priority == 0 { "No priority".to_owned() } else { capital(name) };
    let priority = Property {
        name: "Priority",
        icon: priority_icon(view.priority),
        color: mark::priority_color(tokens, view.priority),
        value: &value,
        muted: view.priority == 0,
    };
    property(ui, cx, &priority, Subject::Priority(id));
    assignees(ui, cx, id);
    labels(ui, cx, id);
    let due =
        view.due.map(|due| (date::date_text(due, cx.model.moment), date::urgency(due, cx.model.moment)));
    let finished = workspace.column_of(id).is_some_and(|column| card::is_finished(workspace, column));
    let due = Property {
        name: "Due",
        icon: icons::CALENDAR,
        color: due.as_ref().map_or(tokens.muted, |(_, urgency)| due_color(tokens, *urgency, finished)),
        value: due.as_ref().map_or("No due date", |(text, _)| text),
        muted: due.is_none(),
    };
    property(ui, cx, &due, Subject::Due(id));
}

fn status(ui: &mut Ui, cx: &mut Cx<'_>, workspace: &Workspace, id: EntityId) {
    let tokens = tokens(ui.ctx());
    let column = workspace.column_of(id);
    let category = column.map_or(1, |column| card::category(workspace, column));
    let value =
        column.map(|column| workspace.text(EntityKey::new(Kind::Column, column), model::column::NAME));
    let status = Property {
        name: "Status",
        icon: category_icon(category),
        color: mark::category_color(tokens, category),
        value: value.unwrap_or("No status"),
        muted: value.is_none(),
    };
    property(ui, cx, &status, Subject::Status(id));
}

fn assignees(ui: &mut Ui, cx: &mut Cx<'_>, id: EntityId) {
    let tokens = tokens(ui.ctx());
    let Some(card) = read(cx, id) else { return };
    let names = card.assignees.iter().map(|(_, name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let who = Property {
        name: "Assignees",
        icon: if names.is_empty() { icons::USER } else { "" },
        color: tokens.muted,
        value: if names.is_empty() { "Nobody" } else { &names },
        muted: names.is_empty(),
    };
    property(ui, cx, &who, Subject::Assignees(id));
}

fn labels(ui: &mut Ui, cx: &mut Cx<'_>, id: EntityId) {
    let tokens = tokens(ui.ctx());
    let Some(card) = read(cx, id) else { return };
    let names = card.labels.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let first = card.labels.first().map_or(tokens.muted, |(_, color)| tokens.accent_at(*color));
    let labels = Property {
        name: "Labels",
        icon: icons::TAG,
        color: first,
        value: if names.is_empty() { "No labels" } else { &names },
        muted: names.is_empty(),
    };
    property(ui, cx, &labels, Subject::Labels(id));
}

fn read(cx: &mut Cx<'_>, id: EntityId) -> Option<std::rc::Rc<card::Card>> {
    let workspace = cx.model.workspace.as_ref()?;
    cx.view.cards.get(workspace, cx.model.names_and_personal(), id, cx.model.moment)
}

/// Markdown to read; a text field as soon as it is clicked.
fn description(ui: &mut Ui, cx: &mut Cx<'_>, id: EntityId) {
    let tokens = tokens(ui.ctx());
    let may = cx.may_edit();
    let detail = &mut cx.view.detail;
    if !may {
        if detail.typed.description.text.is_empty() {
            field::note(ui, "No description.");
        } else {
            CommonMarkViewer::new().show(ui, cx.markdown, &detail.typed.description.text);
        }
        return;
    }
    if let Some(problem) = detail.typed.description.problem() {
        field::problem(ui, &not_saved(problem));
    }
    let widget = Id::new(("description", id.0));
    if !detail.editing_description && !detail.typed.description.text.is_empty() {
        let start = ui.cursor().min;
        let shown = ui.scope_builder(UiBuilder::new(), |ui| {
            ui.spacing_mut().item_spacing.y = space::S;
            CommonMarkViewer::new().show(ui, cx.markdown, &detail.typed.description.text);
        });
        let rect = Rect::from_min_max(start, pos2(ui.max_rect().right(), shown.response.rect.bottom()));
        let response = ui.interact(rect, widget.with("read"), Sense::click());
        response.widget_info(|| WidgetInfo::labeled(WidgetType::Button, true, "Edit description"));
        focus_ring(ui, &response, rect.expand(4.0), radius::M);
        if response.on_hover_cursor(CursorIcon::Text).clicked() {
            // The field is there in the next frame, and can have the focus only then.
            detail.editing_description = true;
            detail.focus_description = true;
            ui.ctx().request_repaint();
        }
        return;
    }
    let frame = Frame::new().fill(tokens.app).corner_radius(CornerRadius::same(radius::M));
    place_carets(ui, widget, &mut detail.typed.description.carets);
    let shown = frame.inner_margin(Margin::symmetric(10, 8)).show(ui, |ui| {
        let rows = if detail.typed.description.text.is_empty() { 2 } else { 4 };
        let edit = TextEdit::multiline(&mut detail.typed.description.text).desired_rows(rows);
        field::bare(ui, widget, "Description", "Add a description, in Markdown", edit)
    });
    if let Some(range) = TextEditState::load(ui.ctx(), widget).and_then(|state| state.cursor.char_range()) {
        detail.typed.description.carets.at = [range.primary.index.0, range.secondary.index.0];
    }
    if std::mem::take(&mut detail.focus_description) {
        shown.inner.request_focus();
    }
    if shown.inner.lost_focus() {
        detail.editing_description = false;
    }
    if shown.inner.gained_focus() {
        detail.editing_description = true;
    }
    save_when_left(cx, &shown.inner, false);
}

/// Tells the field that the text below its selection was moved by what a colleague wrote. What it would undo
/// is of the text before: it would take their words out again.
fn place_carets(ui: &Ui, widget: Id, carets: &mut Carets) {
    if !std::mem::take(&mut carets.moved) {
        return;
    }
    if let Some(mut state) = TextEditState::load(ui.ctx(), widget) {
        let [primary, secondary] = carets.at.map(CCursor::new);
        state.cursor.set_char_range(Some(CCursorRange { primary, secondary, h_pos: None }));
        state.clear_undoer();
        state.store(ui.ctx(), widget);
    }
}

fn checklist(ui: &mut Ui, cx: &mut Cx<'_>, workspace: &Workspace, id: EntityId) {
    let items = workspace.checklist(id);
    if items.is_empty() && !cx.may_edit() {
        return;
    }
    let ticked = |item: &EntityId| {
        let key = EntityKey::new(Kind::ChecklistItem, *item);
        workspace.value(key, &model::checklist_item::DONE.into()).is_some_and(Value::is_true)
    };
    let done = items.iter().filter(|item| ticked(item)).count();
    ui.horizontal(|ui| {
        field::heading(ui, "Checklist");
        if !items.is_empty() {
            progress(ui, done, items.len());
        }
    });
    for item in &items {
        checklist_item(ui, cx, workspace, *item, ticked(item));
    }
    if cx.may_edit() {
        new_item(ui, cx, id);
    }
    ui.add_space(space::L);
}

fn new_item(ui: &mut Ui, cx: &mut Cx<'_>, id: EntityId) {
    let typed = &mut cx.view.detail.typed;
    ui.horizontal(|ui| {
        mark::icon_ui(ui, icons::PLUS, 14.0, tokens(ui.ctx()).muted);
        let edit = TextEdit::singleline(&mut typed.new_item);
        let response =
            field::bare(ui, Id::new(("new item", id.0)), "New checklist item", "Add an item", edit);
        let enter = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        if enter && !typed.new_item.trim().is_empty() {
            let text = std::mem::take(&mut typed.new_item);
            cx.out.push(AppCommand::ForTask(id, TaskCommand::AddItem(text.trim().to_owned())));
            response.request_focus();
        }
    });
}

fn progress(ui: &mut Ui, done: usize, all: usize) {
    let tokens = tokens(ui.ctx());
    let (rect, _) = ui.allocate_exact_size(vec2(72.0, 16.0), Sense::hover());
    let bar = Rect::from_center_size(rect.center(), vec2(rect.width(), 4.0));
    ui.painter().rect_filled(bar, CornerRadius::same(2), tokens.border);
    let part =
        Rect::from_min_size(bar.min, vec2(bar.width() * done as f32 / all.max(1) as f32, bar.height()));
    ui.painter().rect_filled(part, CornerRadius::same(2), tokens.ok);
    let words = format!("{done} of {all}");
    ui.label(RichText::new(words).font(fonts::regular(size::SMALL)).color(tokens.muted));
}

fn checklist_item(ui: &mut Ui, cx: &mut Cx<'_>, workspace: &Workspace, item: EntityId, done: bool) {
    let tokens = tokens(ui.ctx());
    let key = EntityKey::new(Kind::ChecklistItem, item);
    let title = workspace.text(key, model::checklist_item::TITLE);
    let may = cx.may_edit();
    let sense = if may { Sense::click() } else { Sense::hover() };
    let (rect, response) = ui.allocate_exact_size(vec2(ui.available_width(), measure::TARGET), sense);
    response.widget_info(|| WidgetInfo::selected(WidgetType::Checkbox, may, done, title));
    if may && response.hovered() {
        ui.painter().rect_filled(rect, CornerRadius::same(radius::M), tokens.hover);
    }
    let (sign, color) =
        if done { (icons::SQUARE_CHECK, tokens.ok) } else { (icons::SQUARE, tokens.secondary) };
    mark::icon(ui.painter(), pos2(rect.left() + 8.0, rect.center().y), sign, 15.0, color);
    let ink = if done { tokens.muted } else { tokens.text };
    let at = pos2(rect.left() + 24.0, rect.center().y);
    let font = fonts::regular(size::BODY);
    let drawn = text::line(ui.painter(), at, Align2::LEFT_CENTER, title, font, ink, rect.width() - 30.0);
    if done {
        ui.painter().hline(drawn.x_range(), drawn.center().y, egui::Stroke::new(1.0, tokens.muted));
    }
    if !may {
        return;
    }
    focus_ring(ui, &response, rect, radius::M);
    let response = response.on_hover_cursor(CursorIcon::PointingHand);
    if response.clicked() {
        let slot = model::checklist_item::DONE.into();
        let changes = vec![Change::Set { key, slot, value: Value::Bool(!done) }];
        cx.say(AppCommand::Edit { changes, done: String::new() });
    }
    response.context_menu(|ui| delete_item(ui, cx, key));
}

fn delete_item(ui: &mut Ui, cx: &mut Cx<'_>, key: EntityKey) {
    if button::words(ui, button::Weight::Quiet, icons::TRASH_2, "Delete item").clicked() {
        cx.say(AppCommand::Edit { changes: vec![Change::Delete { key }], done: "Item deleted".to_owned() });
    }
}

fn subtasks(ui: &mut Ui, cx: &mut Cx<'_>, workspace: &Workspace, id: EntityId) {
    let tasks = workspace.subtasks(id);
    if tasks.is_empty() {
        return;
    }
    field::heading(ui, "Subtasks");
    for task in tasks {
        subtask(ui, cx, workspace, task, tokens(ui.ctx()));
    }
    ui.add_space(space::L);
}

fn subtask(ui: &mut Ui, cx: &mut Cx<'_>, workspace: &Workspace, task: EntityId, tokens: &Tokens) {
    let Some(view) = workspace.task(task) else { return };
    let category = workspace.column_of(task).map_or(1, |column| card::category(workspace, column));
    let color = mark::category_color(tokens, category);
    let row =
        button::Row { icon: category_icon(category), color, text: view.title, end: "", selected: false };
    if button::row(ui, row).clicked() {
        cx.say(AppCommand::Open(task));
    }
}
