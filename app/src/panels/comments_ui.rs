//! One stream of what happened to a task and what was said about it.

use super::Cx;
use crate::{
    command::{AppCommand, TaskCommand},
    fonts, icons,
    theme::{Tokens, radius, size, space, tokens},
    view::{
        date::{self, Moment},
        directory::{Directory, color_of, initials},
        story::What,
    },
    widget::{
        button::{self, Weight},
        field, hairline, mark,
    },
};
use egui::{
    Align, CornerRadius, Frame, Id, Key, Label, Layout, Margin, Modifiers, RichText, Sense, TextEdit, Ui,
    vec2,
};
use egui_commonmark::CommonMarkViewer;
use velo_protocol::{
    id::EntityId,
    model::{EntityKey, Kind, comment},
    value::{Element, Value},
    workspace::Workspace,
};

/// Paints the comments and the field for a new one.
pub fn show(ui: &mut Ui, cx: &mut Cx<'_>, workspace: &Workspace, task: EntityId) {
    let tokens = tokens(ui.ctx());
    hairline(ui);
    ui.add_space(space::M);
    field::heading(ui, "Activity");
    ui.add_space(space::XS);
    let moment = cx.model.moment;
    let told = std::mem::take(&mut cx.view.story.told);
    for told in &told {
        match &told.what {
            What::Happened(sentence) => happened(ui, sentence, &date::ago(told.at_ms, moment), tokens),
            What::Said(id) => {
                let mut said = Said::read(workspace, &cx.model.names, *id, moment);
                said.is_new = cx.view.unread.contains(id);
                ui.push_id(id.0, |ui| one(ui, cx, workspace, *id, &said));
            }
        }
    }
    cx.view.story.told = told;
    if cx.may_edit() {
        ui.add_space(space::XS);
        write(ui, cx, task, tokens);
    }
}

fn happened(ui: &mut Ui, sentence: &str, when: &str, tokens: &Tokens) {
    ui.horizontal_top(|ui| {
        ui.add_space(4.0);
        mark::icon_ui(ui, icons::CLOCK, 13.0, tokens.muted);
        ui.add_space(4.0);
        let words = RichText::new(format!("{sentence} · {when}"));
        ui.add(Label::new(words.font(fonts::regular(size::SMALL)).color(tokens.muted)).wrap());
    });
}

/// Who said it, and when.
struct Said {
    name: String,
    initials: String,
    color: usize,
    when: String,
    /// Whether it had not been read when the task was opened.
    is_new: bool,
}

impl Said {
    fn read(workspace: &Workspace, names: &Directory, id: EntityId, moment: Moment) -> Self {
        let key = EntityKey::new(Kind::Comment, id);
        let created = workspace.created(key);
        let element = match workspace.value(key, &comment::AUTHOR.into()) {
            Some(Value::Entity(id)) => Some(Element::Entity(*id)),
            Some(Value::Person(person)) => Some(Element::Person(*person)),
            _ => created.map(|(_, person)| Element::Person(person)),
        };
        let who = element.as_ref().and_then(|element| names.who(element));
        let name = who.map_or_else(
            || created.map_or_else(|| "Somebody".to_owned(), |(_, person)| workspace.person_name(person)),
            |who| who.name.clone(),
        );
        let written = workspace.value(key, &comment::WRITTEN_AT.into()).and_then(Value::as_date);
        let when = match written {
            Some(written) => date::date_text(written, moment),
            None => created.map(|(when, _)| date::ago(when.ms(), moment)).unwrap_or_default(),
        };
        let color = who.map_or_else(|| color_of(name.as_bytes()), |who| who.color);
        Self { initials: initials(&name), name, color, when, is_new: false }
    }
}

fn one(ui: &mut Ui, cx: &mut Cx<'_>, workspace: &Workspace, id: EntityId, said: &Said) {
    let tokens = tokens(ui.ctx());
    let text = workspace.text(EntityKey::new(Kind::Comment, id), comment::TEXT);
    ui.add_space(space::XS);
    ui.horizontal_top(|ui| {
        let (rect, _) = ui.allocate_exact_size(vec2(24.0, 24.0), Sense::hover());
        mark::avatar(ui.painter(), rect.center(), 24.0, &said.initials, tokens.accent_at(said.color), tokens);
        ui.vertical(|ui| {
            ui.horizontal(|ui| {
                ui.label(RichText::new(&said.name).font(fonts::semibold(size::BODY)).color(tokens.text));
                ui.label(RichText::new(&said.when).font(fonts::regular(size::SMALL)).color(tokens.muted));
                if said.is_new {
                    ui.label(RichText::new("New").font(fonts::semibold(size::SMALL)).color(tokens.accent));
                }
            });
            CommonMarkViewer::new().show(ui, cx.markdown, text);
        });
    });
}

fn write(ui: &mut Ui, cx: &mut Cx<'_>, task: EntityId, tokens: &Tokens) {
    let frame = Frame::new()
        .fill(tokens.app)
        .stroke(egui::Stroke::new(1.0, tokens.border_strong))
        .corner_radius(CornerRadius::same(radius::M));
    frame.inner_margin(Margin::symmetric(10, 8)).show(ui, |ui| {
        let draft = &mut cx.view.detail.typed.comment;
        let edit = TextEdit::multiline(draft).desired_rows(2);
        let response = field::bare(ui, Id::new(("comment", task.0)), "New comment", "Leave a comment", edit);
        let sent =
            response.has_focus() && ui.input_mut(|input| input.consume_key(Modifiers::COMMAND, Key::Enter));
        let mut pressed = false;
        ui.with_layout(Layout::right_to_left(Align::Center), |ui| {
            let ready = !draft.trim().is_empty();
            ui.add_enabled_ui(ready, |ui| {
                let button = button::words(ui, Weight::Plain, icons::SEND, "Comment");
                pressed = button.on_hover_text("Comment   Ctrl+Enter").clicked();
            });
        });
        if (sent || pressed) && !draft.trim().is_empty() {
            let text = std::mem::take(draft);
            cx.out.push(AppCommand::ForTask(task, TaskCommand::AddComment(text.trim().to_owned())));
        }
    });
}
