//! From a board to changes.
//!
//! Everything is made with [`Change::Create`] under an id derived from the source, in an order in
//! which references point backwards. A reference to something the file lacks is left out and
//! reported: Velo refuses changes that refer to nothing.

mod category;
mod tasks;

use super::{board, rules};
use crate::import::{
    Import, Target,
    fidelity::{
        Fate::{Dropped, Kept, Mapped},
        Imported, Ledger,
    },
    text,
};
use board::{Board, CustomContent, CustomField, Label, List, Person};
use std::collections::{BTreeMap, BTreeSet};
use velo_protocol::{
    change::Change,
    id::EntityId,
    limits,
    model::{EntityKey, Field, Kind, Slot, column, contact, custom_field, label, project},
    value::{Element, Value},
};

/// The accent of the app's palette that is nearest to a colour of Trello's. Shades such as
/// `green_dark` count as theirs. For black there is none.
const ACCENTS: &[(&str, i64)] = &[
    ("blue", 0),
    ("green", 1),
    ("yellow", 2),
    ("red", 3),
    ("sky", 4),
    ("purple", 5),
    ("pink", 6),
    ("lime", 8),
    ("orange", 9),
];

/// The changes for `board`, and what became of what `ledger` has seen.
pub(super) fn build(board: &Board, ledger: Ledger, target: Target) -> Import {
    let derived = || EntityId::derived(&[&target.workspace.0, b"trello", b"board", board.id.as_bytes()]);
    let project = target.project.unwrap_or_else(derived);
    let mut build = Build {
        target,
        project,
        ledger,
        changes: Vec::new(),
        made: BTreeSet::new(),
        done: Imported::default(),
    };
    build.project(board);
    let known = Known {
        contacts: build.contacts(board),
        labels: build.labels(board),
        columns: build.columns(&board.lists),
        fields: build.custom_fields(board),
    };
    build.tasks(board, &known);
    let name = format!("Trello board {:?}", board.name);
    let report = build.ledger.report(name, build.done, rules::rule);
    Import { changes: build.changes, report, project }
}

/// What tasks can refer to, by the id in the source.
struct Known<'a> {
    contacts: BTreeMap<&'a str, EntityId>,
    labels: BTreeMap<&'a str, EntityId>,
    columns: BTreeMap<&'a str, (EntityId, i64)>,
    fields: BTreeMap<&'a str, KnownField<'a>>,
}

/// A custom field as it was made.
struct KnownField<'a> {
    id: EntityId,
    ty: FieldType,
    source: &'a CustomField,
}

/// What a custom field holds: the number is the place in [`custom_field::TYPES`].
#[derive(Clone, Copy, PartialEq, Eq)]
enum FieldType {
    Text = 0,
    Number = 1,
    YesNo = 2,
    Date = 3,
}

struct Build {
    target: Target,
    project: EntityId,
    ledger: Ledger,
    changes: Vec<Change>,
    /// Parts of cards, of which the file may have several with one id.
    made: BTreeSet<EntityId>,
    done: Imported,
}

/// The fields of one entity to be made.
#[derive(Default)]
struct Fields(Vec<(Slot, Value)>);

impl Fields {
    fn set(mut self, field: Field, value: Value) -> Self {
        self.0.push((field.into(), value));
        self
    }

    fn set_if(self, set: bool, field: Field, value: Value) -> Self {
        if set { self.set(field, value) } else { self }
    }

    fn set_some(self, field: Field, value: Option<Value>) -> Self {
        match value {
            Some(value) => self.set(field, value),
            None => self,
        }
    }

    fn element(mut self, field: Field, element: EntityId, value: Value) -> Self {
        self.0.push((Slot::element(field, Element::Entity(element)), value));
        self
    }
}

impl Build {
    /// The id of something of the board.
    fn id(&self, kind: &str, source: &str) -> EntityId {
        EntityId::derived(&[&self.project.0, b"trello", kind.as_bytes(), source.as_bytes()])
    }

    fn create(&mut self, kind: Kind, id: EntityId, fields: Fields) -> EntityId {
        self.changes.push(Change::Create { key: EntityKey::new(kind, id), fields: fields.0 });
        id
    }

    /// Whether this part of a card is the first with its id. Of a second one, which in Velo would be
    /// the same thing, the report says that it is left out.
    fn is_first(&mut self, id: EntityId, path: &str, shown: &str) -> bool {
        let first = self.made.insert(id);
        if !first {
            self.ledger.instead(path, Dropped, "another one has the same id", shown);
        }
        first
    }

    /// A name of at most `max` characters out of `source`, which stood at `path`.
    fn line(&mut self, path: &str, source: &str, max: usize, fallback: &str) -> Value {
        let line = text::line(source, max, fallback);
        if let Some(note) = line.note {
            self.ledger.instead(path, Mapped, format!("{}, {note}", rules::rule(path).1), source);
        }
        Value::text(line.text)
    }

    /// A text that has no second place to go on in.
    fn long_text(&mut self, path: &str, source: &str) -> Option<Value> {
        if source.is_empty() {
            return None;
        }
        let parts = text::parts(source, limits::LONG_TEXT_BYTES);
        if parts.len() > 1 {
            self.ledger.instead(path, Mapped, "cut after 24 KiB, the most a text can have", source);
        }
        parts.first().map(|part| Value::text(*part))
    }

    fn project(&mut self, board: &Board) {
        if self.target.project.is_some() {
            const NOTE: &str = "the tasks go into a project that has its own";
            self.ledger.instead("name", Dropped, NOTE, &board.name);
            self.ledger.instead("desc", Dropped, NOTE, &board.desc);
            self.ledger.instead("closed", Dropped, NOTE, if board.closed { "true" } else { "false" });
            return;
        }
        let fields = Fields::default()
            .set(project::NAME, self.line("name", &board.name, limits::NAME_CHARS, "Trello board"))
            .set_some(project::DESCRIPTION, self.long_text("desc", &board.desc))
            .set_if(board.closed, project::ARCHIVED, Value::Bool(true));
        self.create(Kind::Project, self.project, fields);
    }

    /// Makes a contact of every member, and of those others who wrote a comment or have a card.
    fn contacts<'a>(&mut self, board: &'a Board) -> BTreeMap<&'a str, EntityId> {
        let mut contacts = BTreeMap::new();
        for member in &board.members {
            contacts.insert(&*member.id, self.contact(member, "members[]"));
        }
        let assigned = board.cards.iter().flat_map(|card| &card.members);
        let named: BTreeSet<&str> = assigned
            .chain(board.comments.iter().flat_map(|comment| &comment.author))
            .map(|id| &**id)
            .collect();
        for id in named {
            if !contacts.contains_key(id) {
                let nameless = || Person { id: id.to_owned(), ..Person::default() };
                let person = board.actors.get(id).cloned().unwrap_or_else(nameless);
                contacts.insert(id, self.contact(&person, "actions[type=commentCard].memberCreator"));
            }
        }
        contacts
    }

    /// `stood` is where the person stood in the file.
    fn contact(&mut self, person: &Person, stood: &str) -> EntityId {
        let short: String = person.id.chars().take(8).collect();
        let fallback = format!("Trello member {short}");
        let fallback = if person.username.is_empty() { &fallback } else { &person.username };
        let name = self.line(&format!("{stood}.fullName"), &person.full_name, limits::NAME_CHARS, fallback);
        let handle = (!person.username.is_empty()).then(|| format!("@{}", person.username));
        let handle = handle
            .map(|handle| self.line(&format!("{stood}.username"), &handle, limits::NAME_CHARS, fallback));
        let fields = Fields::default().set(contact::NAME, name).set_some(contact::HANDLE, handle);
        // Of the workspace, not the project: somebody on two boards is one contact.
        let id = EntityId::derived(&[&self.target.workspace.0, b"trello", b"member", person.id.as_bytes()]);
        self.done.contacts += 1;
        self.create(Kind::Contact, id, fields)
    }

    fn labels<'a>(&mut self, board: &'a Board) -> BTreeMap<&'a str, EntityId> {
        let mut labels = BTreeMap::new();
        for label in board.labels.iter().chain(board.card_labels.values()) {
            if !labels.contains_key(&*label.id) {
                labels.insert(&*label.id, self.label(label));
            }
        }
        labels
    }

    fn label(&mut self, source: &Label) -> EntityId {
        let base = source.color.split('_').next().unwrap_or_default();
        let accent = ACCENTS.iter().find(|(color, _)| *color == base).map(|(_, accent)| *accent);
        if accent.is_none() && !source.color.is_empty() {
            self.ledger.instead("labels[].color", Dropped, "Velo has no accent like it", &source.color);
        }
        let fallback = capitalised(&source.color.replace('_', " "));
        let fallback = if fallback.is_empty() { "Label" } else { &fallback };
        let fields = Fields::default()
            .set(label::NAME, self.line("labels[].name", &source.name, limits::NAME_CHARS, fallback))
            .set_some(label::COLOR, accent.map(Value::Int));
        self.done.labels += 1;
        self.create(Kind::Label, self.id("label", &source.id), fields)
    }

    /// Makes a column of every list. Returns its id and category.
    fn columns<'a>(&mut self, lists: &'a [List]) -> BTreeMap<&'a str, (EntityId, i64)> {
        let mut columns = BTreeMap::new();
        for list in lists {
            let category = category::guess(&list.name);
            let word = column::CATEGORIES.get(category).copied().unwrap_or_default();
            let limit = list.limit.filter(|limit| (0..=100_000).contains(limit));
            if let Some(other) = list.limit.filter(|_| limit.is_none()) {
                let note = "a column holds from 0 to 100000 tasks";
                self.ledger.instead("lists[].softLimit", Dropped, note, &other.to_string());
            }
            let name = text::line(&list.name, limits::NAME_CHARS, "Untitled");
            let fate = if name.note.is_some() { Mapped } else { Kept };
            let note = format!(
                "the column's name{}; it counts as {word}",
                name.note.map_or_else(String::new, |note| format!(", {note}"))
            );
            self.ledger.instead("lists[].name", fate, note, &list.name);
            let fields = Fields::default()
                .set(column::NAME, Value::text(name.text))
                .set(column::PROJECT, Value::Entity(self.project))
                .set(column::ORDER, text::order(&[list.pos]))
                .set(column::CATEGORY, Value::Int(category as i64))
                .set_some(column::WIP_LIMIT, limit.map(Value::Int))
                .set_if(list.closed, column::ARCHIVED, Value::Bool(true));
            self.done.columns += 1;
            let id = self.create(Kind::Column, self.id("list", &list.id), fields);
            columns.insert(&*list.id, (id, category as i64));
        }
        columns
    }

    fn custom_fields<'a>(&mut self, board: &'a Board) -> BTreeMap<&'a str, KnownField<'a>> {
        let fractional = fractional(board);
        let mut fields = BTreeMap::new();
        for source in &board.custom_fields {
            if source.id == tasks::MARKED_COMPLETE {
                let note = "Velo has a field of its own with this id";
                self.ledger.instead("customFields[].name", Dropped, note, &source.name);
                continue;
            }
            let ty = match &*source.kind {
                "number" if !fractional.contains(&*source.id) => FieldType::Number,
                "checkbox" => FieldType::YesNo,
                "date" => FieldType::Date,
                _ => FieldType::Text,
            };
            if source.kind == "number" && ty == FieldType::Text {
                let note = "text, since not all of its values are whole numbers";
                self.ledger.instead("customFields[].type", Mapped, note, &source.name);
            }
            let name = self.line("customFields[].name", &source.name, limits::NAME_CHARS, "Untitled");
            let id = self.custom_field(&source.id, name, ty, source.pos);
            fields.insert(&*source.id, KnownField { id, ty, source });
        }
        fields
    }

    fn custom_field(&mut self, source: &str, name: Value, ty: FieldType, pos: f64) -> EntityId {
        let fields = Fields::default()
            .set(custom_field::NAME, name)
            .set(custom_field::PROJECT, Value::Entity(self.project))
            .set(custom_field::TYPE, Value::Int(ty as i64))
            .set(custom_field::ORDER, text::order(&[pos]));
        self.done.custom_fields += 1;
        self.create(Kind::CustomField, self.id("custom field", source), fields)
    }
}

/// The fields with a value that is not a whole number.
fn fractional(board: &Board) -> BTreeSet<&str> {
    let values = board.cards.iter().flat_map(|card| &card.custom);
    let odd = values.filter(
        |custom| matches!(&custom.value, CustomContent::Number(number) if number.parse::<i64>().is_err()),
    );
    odd.map(|custom| &*custom.field).collect()
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
