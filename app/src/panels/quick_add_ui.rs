//! Quick-add: one line, and chips that say what was understood.

use super::{Cx, dialog_ui};
use crate::{
    command::AppCommand,
    fonts, icons,
    theme::{Tokens, size, space, tokens},
    view::{
        conflict::capital,
        date,
        picker::priority_icon,
        quick_add::{self, Draft, Known, LabelChoice},
    },
    widget::{
        button::{self, Weight},
        field, mark,
    },
};
use egui::{Context, Id, Key, RichText, TextEdit, Ui};
use velo_protocol::{
    id::EntityId,
    model::{EntityKey, Kind, column, task},
};

/// Paints the dialog. Returns whether it stays.
pub fn show(ctx: &Context, cx: &mut Cx<'_>, column: Option<EntityId>, text: &mut String) -> bool {
    let known =
        Known { directory: &cx.model.names, projects: &cx.model.projects, today: cx.model.moment.today() };
    let draft = quick_add::parse(text, known);
    let ((done, cancelled), close) = dialog_ui::window(ctx, "quick add", 560.0, |ui| {
        place(ui, cx, column, &draft);
        let edit = TextEdit::singleline(text).font(fonts::medium(size::LARGE));
        let hint = "Fix pump @anna #urgent !2 tomorrow";
        let response = field::bare(ui, Id::new("quick add text"), "Describe the task", hint, edit);
        let enter = response.lost_focus() && ui.input(|input| input.key_pressed(Key::Enter));
        if ui.memory(|memory| memory.focused().is_none()) {
            response.request_focus();
        }
        ui.add_space(space::XS);
        chips(ui, cx, &draft);
        crate::widget::hairline(ui);
        if !cx.may_edit() {
            field::problem(ui, &cx.model.standing.why_not());
        }
        let ready = !draft.title.is_empty() && cx.may_edit();
        let (done, cancelled) = foot(ui, ready);
        (done || (enter && ready), cancelled)
    });
    if done {
        cx.say(AppCommand::AddTask { draft, text: text.clone(), column });
    }
    !(done || cancelled || close)
}

/// Where the task will stand.
fn place(ui: &mut Ui, cx: &Cx<'_>, column: Option<EntityId>, draft: &Draft) {
    let tokens = tokens(ui.ctx());
    let project = draft.project.as_ref().map_or(cx.view.board.name.as_str(), |(_, name)| name);
    let column = column.filter(|_| draft.project.is_none());
    let workspace = cx.model.workspace.as_ref();
    let column =
        column.zip(workspace).map(|(id, ws)| ws.text(EntityKey::new(Kind::Column, id), column::NAME));
    let first = cx.view.board.columns.first().map(|column| column.name.as_str());
    let column = column.or(first.filter(|_| draft.project.is_none()));
    let words = column.map_or_else(|| project.to_owned(), |column| format!("{project}  ›  {column}"));
    ui.label(RichText::new(words).font(fonts::medium(size::SMALL)).color(tokens.muted));
}

fn chips(ui: &mut Ui, cx: &Cx<'_>, draft: &Draft) {
    let tokens = tokens(ui.ctx());
    let nothing = draft.understood.is_empty() && draft.doubts.is_empty();
    ui.horizontal_wrapped(|ui| {
        ui.set_min_height(24.0);
        ui.spacing_mut().item_spacing.x = 6.0;
        if nothing {
            let words = "@ person   # label   ! priority   + project   and a day, such as friday";
            ui.label(RichText::new(words).font(fonts::regular(size::SMALL)).color(tokens.muted));
        }
        understood(ui, cx, draft, tokens);
    });
}

fn understood(ui: &mut Ui, cx: &Cx<'_>, draft: &Draft, tokens: &Tokens) {
    for (_, name) in &draft.assignees {
        mark::chip(ui, icons::USER, name, tokens.info);
    }
    for doubt in &draft.doubts {
        mark::chip(ui, icons::CIRCLE_ALERT, doubt, tokens.danger);
    }
    for label in &draft.labels {
        match label {
            LabelChoice::Known(_, name) => mark::chip(ui, icons::TAG, name, tokens.ok),
            LabelChoice::New(name) => mark::chip(ui, icons::TAG, &format!("{name} (new)"), tokens.ok),
        }
    }
    if let Some(priority) = draft.priority {
        let name = task::PRIORITIES.get(priority as usize).copied().unwrap_or_default();
        mark::chip(ui, priority_icon(priority), &capital(name), mark::priority_color(tokens, priority));
    }
    if let Some(due) = draft.due {
        mark::chip(ui, icons::CALENDAR, &date::day_text(due, cx.model.moment.today()), tokens.warn);
    }
    if let Some((_, name)) = &draft.project {
        mark::chip(ui, icons::SQUARE_KANBAN, name, tokens.accent);
    }
}

fn foot(ui: &mut Ui, ready: bool) -> (bool, bool) {
    dialog_ui::foot_row(ui, |ui| {
        let add = ui.add_enabled_ui(ready, |ui| button::words(ui, Weight::Primary, "", "Add task"));
        let add = add.inner.on_hover_text("Add task   Enter").clicked();
        (add, button::words(ui, Weight::Quiet, "", "Cancel").clicked())
    })
}
