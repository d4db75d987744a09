//! Cards, and what hangs on them.

use super::{Build, FieldType, Fields, Known, KnownField};
use crate::import::{
    fidelity::Fate::{Dropped, Mapped},
    text,
    trello::board::{Attachment, Board, Card, Checklist, Comment, CustomContent, CustomValue},
};
use std::collections::{BTreeMap, BTreeSet};
use velo_protocol::{
    id::EntityId,
    limits,
    model::{Kind, attachment, checklist_item, column, comment, task},
    value::Value,
};

/// Room that the heading of a continued text needs.
const HEADING: usize = 64;
/// Where the custom field for completed cards stands: after those of the board.
const LAST: f64 = 1e15;
/// The source id of that field; Trello's own ids are hexadecimal.
pub(super) const MARKED_COMPLETE: &str = "dueComplete";

impl Build {
    /// Makes the tasks, then what refers to them.
    pub(super) fn tasks(&mut self, board: &Board, known: &Known<'_>) {
        let marked = self.marked_complete(board, known);
        let mut tasks = BTreeMap::new();
        for card in &board.cards {
            let id = self.id("card", &card.id);
            tasks.insert(&*card.id, id);
            let created = board.created.get(&card.id).copied().or_else(|| created(&card.id));
            self.task(card, id, created, known, marked);
        }
        self.checklists(board, &tasks);
        for comment in &board.comments {
            self.comment(comment, &tasks, known);
        }
        for card in &board.cards {
            for attachment in &card.attachments {
                self.attachment(attachment, self.id("card", &card.id));
            }
        }
    }

    fn task(
        &mut self,
        card: &Card,
        id: EntityId,
        created: Option<i64>,
        known: &Known<'_>,
        marked: Option<EntityId>,
    ) {
        let title = text::line(&card.name, limits::TITLE_CHARS, "Untitled");
        if let Some(note) = title.note {
            let rest = if title.rest.is_empty() { "" } else { ", the rest begins the description" };
            self.ledger.instead(
                "cards[].name",
                Mapped,
                format!("the task's title, {note}{rest}"),
                &card.name,
            );
        }
        let description = match &*title.rest {
            "" => card.desc.clone(),
            rest => format!("…{rest}\n\n{}", card.desc),
        };
        let parts = text::parts(&description, limits::LONG_TEXT_BYTES - HEADING);
        let column = known.columns.get(&*card.list);
        if column.is_none() {
            self.ledger.instead("cards[].idList", Dropped, "its list is not in the file", &card.list);
        }
        let fields = Fields::default()
            .set(task::TITLE, Value::text(title.text))
            .set_some(
                task::DESCRIPTION,
                parts.first().filter(|part| !part.is_empty()).map(|part| Value::text(*part)),
            )
            .set_some(task::COLUMN, column.map(|(column, _)| Value::Entity(*column)))
            .set(task::ORDER, text::order(&[card.pos]))
            .set_some(task::START, card.start.map(text::date))
            .set_some(task::DUE, card.due.map(text::date))
            .set_if(card.closed, task::ARCHIVED, Value::Bool(true))
            .set_some(task::CREATED_AT, created.map(text::date))
            .set_some(task::SOURCE, self.source(&card.url));
        let fields = self.references(fields, card, known);
        let fields = self.completion(fields, card, column.map(|(_, category)| *category), marked);
        self.done.tasks += 1;
        self.create(Kind::Task, id, fields);
        if parts.len() > 1 {
            self.ledger.instead(
                "cards[].desc",
                Mapped,
                "goes on in comments, being longer than 24 KiB",
                &card.desc,
            );
            self.continued(&card.id, id, created, &parts);
        }
    }

    fn source(&mut self, url: &str) -> Option<Value> {
        (!url.is_empty()).then(|| self.line("cards[].shortUrl", url, limits::TITLE_CHARS, ""))
    }

    /// The rest of a description that was too long, as comments.
    fn continued(&mut self, card: &str, task: EntityId, created: Option<i64>, parts: &[&str]) {
        for (at, part) in parts.iter().enumerate().skip(1) {
            let heading = format!("Description, part {} of {}\n\n", at + 1, parts.len());
            let fields = Fields::default()
                .set(comment::TASK, Value::Entity(task))
                .set(comment::TEXT, Value::text(heading + part))
                .set_some(comment::WRITTEN_AT, created.map(|ms| text::date(ms + at as i64)));
            self.done.comments += 1;
            self.create(Kind::Comment, self.id("description", &format!("{card} {at}")), fields);
        }
    }

    /// Labels, assignees and values of custom fields.
    fn references(&mut self, mut fields: Fields, card: &Card, known: &Known<'_>) -> Fields {
        for label in unique(&card.labels) {
            match known.labels.get(label) {
                Some(id) => fields = fields.element(task::LABELS, *id, Value::Bool(true)),
                None => {
                    self.ledger.instead("cards[].idLabels[]", Dropped, "no such label in the file", label);
                }
            }
        }
        for member in unique(&card.members) {
            if let Some(id) = known.contacts.get(member) {
                fields = fields.element(task::ASSIGNEES, *id, Value::Bool(true));
            }
        }
        let mut given = BTreeSet::new();
        for custom in &card.custom {
            let field = known.fields.get(&*custom.field);
            match field.and_then(|field| Some((field.id, self.custom_value(field, custom)?))) {
                Some((id, value)) if given.insert(id) => fields = fields.element(task::CUSTOM, id, value),
                Some(_) => self.lost_value(custom, "the card has another value in this custom field"),
                None if field.is_some() => self.lost_value(custom, "not among what the custom field takes"),
                None => self.lost_value(custom, "no such custom field in the file"),
            }
        }
        fields
    }

    /// The value in the field's type, if it can be had.
    fn custom_value(&mut self, field: &KnownField<'_>, custom: &CustomValue) -> Option<Value> {
        match (field.ty, &custom.value) {
            (FieldType::Text, CustomContent::Text(text) | CustomContent::Number(text)) => {
                self.long_text(path_of(&custom.value), text)
            }
            (FieldType::Text, CustomContent::Choice(choice)) => {
                let text = field.source.options.get(choice)?;
                self.long_text("customFields[].options[].value.text", text)
            }
            (FieldType::Number, CustomContent::Number(number)) => number.parse().ok().map(Value::Int),
            (FieldType::YesNo, CustomContent::Checked(checked)) => Some(Value::Bool(*checked)),
            (FieldType::Date, CustomContent::Date(ms)) => Some(text::date(*ms)),
            _ => None,
        }
    }

    fn lost_value(&mut self, custom: &CustomValue, note: &str) {
        let example = match &custom.value {
            // An empty text is no value, and nothing is lost with it.
            CustomContent::Text(text) | CustomContent::Number(text) if text.is_empty() => return,
            CustomContent::Text(text) | CustomContent::Number(text) | CustomContent::Choice(text) => text,
            CustomContent::Checked(_) | CustomContent::Date(_) => "",
            CustomContent::Other => return,
        };
        self.ledger.instead(path_of(&custom.value), Dropped, note, example);
    }

    /// A task is done by standing in a done column. For completed cards elsewhere there is a custom
    /// field: moving them would change the board, and dropping the mark would lose it.
    fn marked_complete(&mut self, board: &Board, known: &Known<'_>) -> Option<EntityId> {
        let elsewhere = |card: &Card| !is_done(known.columns.get(&*card.list).map(|(_, category)| *category));
        let needed = board.cards.iter().any(|card| card.due_complete && elsewhere(card));
        needed.then(|| {
            self.custom_field(MARKED_COMPLETE, Value::text("Marked complete"), FieldType::YesNo, LAST)
        })
    }

    fn completion(
        &mut self,
        fields: Fields,
        card: &Card,
        category: Option<i64>,
        marked: Option<EntityId>,
    ) -> Fields {
        match marked {
            Some(field) if card.due_complete && !is_done(category) => {
                fields.element(task::CUSTOM, field, Value::Bool(true))
            }
            _ if card.due_complete => {
                let note = "the task stands in a column that counts as done";
                self.ledger.instead("cards[].dueComplete", Mapped, note, &card.name);
                fields
            }
            _ => fields,
        }
    }

    fn checklists(&mut self, board: &Board, tasks: &BTreeMap<&str, EntityId>) {
        let listed: BTreeSet<&str> = board.checklists.iter().map(|list| &*list.id).collect();
        let others = board.card_checklists.iter().filter(|list| !listed.contains(&*list.id));
        let mut headings = BTreeMap::new();
        for list in board.checklists.iter().chain(others) {
            let Some(task) = tasks.get(&*list.card) else {
                self.ledger.instead("checklists[].name", Dropped, "its card is not in the file", &list.name);
                for item in &list.items {
                    let note = "its card is not in the file";
                    self.ledger.instead("checklists[].checkItems[].name", Dropped, note, &item.name);
                }
                continue;
            };
            if list.items.is_empty() {
                self.ledger.instead("checklists[].name", Dropped, "a checklist without lines", &list.name);
                continue;
            }
            let before = headings.entry((*task, &*list.name)).or_insert(0_usize);
            *before += 1;
            let heading = self.heading(list, *before);
            self.checklist(list, *task, &heading);
        }
    }

    /// Two checklists of one name on one card stay apart by a number.
    fn heading(&mut self, list: &Checklist, occurrence: usize) -> Value {
        if occurrence == 1 {
            return self.line("checklists[].name", &list.name, limits::NAME_CHARS, "Checklist");
        }
        let note = "numbered, since the card has several of this name";
        self.ledger.instead("checklists[].name", Mapped, note, &list.name);
        let room = limits::NAME_CHARS - 24;
        let name = text::line(&list.name, room, "Checklist").text;
        Value::text(format!("{name} ({occurrence})"))
    }

    fn checklist(&mut self, list: &Checklist, task: EntityId, heading: &Value) {
        for item in &list.items {
            let path = "checklists[].checkItems[].name";
            let id = self.id("check item", &item.id);
            if !self.is_first(id, path, &item.name) {
                continue;
            }
            let title = text::line(&item.name, limits::TITLE_CHARS, "Untitled");
            if let Some(note) = title.note {
                let note = format!("a line of the task's checklist, {note}");
                self.ledger.instead(path, Mapped, note, &item.name);
            }
            let fields = Fields::default()
                .set(checklist_item::TITLE, Value::text(title.text))
                .set(checklist_item::TASK, Value::Entity(task))
                .set(checklist_item::ORDER, text::order(&[list.pos, item.pos]))
                .set(checklist_item::DONE, Value::Bool(item.complete))
                .set(checklist_item::LIST, heading.clone());
            self.done.checklist_items += 1;
            self.create(Kind::ChecklistItem, id, fields);
        }
    }

    fn comment(&mut self, source: &Comment, tasks: &BTreeMap<&str, EntityId>, known: &Known<'_>) {
        let action = if source.copied { "copyCommentCard" } else { "commentCard" };
        let path = &*format!("actions[type={action}].data.text");
        let Some(task) = source.card.as_deref().and_then(|card| tasks.get(card)) else {
            self.ledger.instead(path, Dropped, "its card is not in the file", &source.text);
            return;
        };
        let author = source.author.as_deref().and_then(|author| known.contacts.get(author));
        let written = source.date.or_else(|| created(&source.id));
        let parts = text::parts(&source.text, limits::LONG_TEXT_BYTES);
        if parts.len() > 1 {
            self.ledger.instead(path, Mapped, "several comments, being longer than 24 KiB", &source.text);
        }
        for (at, part) in parts.iter().enumerate() {
            let id = match at {
                0 => self.id("comment", &source.id),
                _ => self.id("comment", &format!("{} {at}", source.id)),
            };
            if !self.is_first(id, path, part) {
                continue;
            }
            let fields = Fields::default()
                .set(comment::TASK, Value::Entity(*task))
                .set(comment::TEXT, Value::text(*part))
                .set_some(comment::AUTHOR, author.map(|author| Value::Entity(*author)))
                .set_some(comment::WRITTEN_AT, written.map(|ms| text::date(ms + at as i64)));
            self.done.comments += 1;
            self.create(Kind::Comment, id, fields);
        }
    }

    fn attachment(&mut self, source: &Attachment, task: EntityId) {
        let name = if source.name.is_empty() { &source.url } else { &source.name };
        let id = self.id("attachment", &source.id);
        if !self.is_first(id, "cards[].attachments[].name", name) {
            return;
        }
        let name = self.line("cards[].attachments[].name", name, limits::TITLE_CHARS, "Untitled");
        let path = "cards[].attachments[].mimeType";
        let media_type = (!source.media_type.is_empty())
            .then(|| self.line(path, &source.media_type, limits::NAME_CHARS, "unknown"));
        let fields = Fields::default()
            .set(attachment::TASK, Value::Entity(task))
            .set(attachment::NAME, name)
            .set_some(attachment::MEDIA_TYPE, media_type)
            .set_some(attachment::SIZE, source.bytes.map(Value::Int))
            .set_some(attachment::URL, self.long_text("cards[].attachments[].url", &source.url));
        self.done.attachments += 1;
        self.create(Kind::Attachment, id, fields);
    }
}

fn is_done(category: Option<i64>) -> bool {
    matches!(category, Some(column::DONE | column::CANCELLED))
}

/// The elements of a list in which one may stand twice.
fn unique(ids: &[String]) -> BTreeSet<&str> {
    ids.iter().map(|id| &**id).collect()
}

fn path_of(content: &CustomContent) -> &'static str {
    match content {
        CustomContent::Text(_) => "cards[].customFieldItems[].value.text",
        CustomContent::Number(_) => "cards[].customFieldItems[].value.number",
        CustomContent::Checked(_) => "cards[].customFieldItems[].value.checked",
        CustomContent::Date(_) => "cards[].customFieldItems[].value.date",
        CustomContent::Choice(_) => "cards[].customFieldItems[].idValue",
        CustomContent::Other => "cards[].customFieldItems[].value",
    }
}

/// When something was created, in milliseconds: the first four bytes of Trello's ids are seconds.
fn created(id: &str) -> Option<i64> {
    let seconds = id.get(..8).filter(|_| id.len() == 24)?;
    i64::from_str_radix(seconds, 16).ok().map(|seconds| seconds * 1000)
}
