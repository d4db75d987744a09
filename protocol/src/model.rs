//! What can be worked with: the kinds of entity, their fields, and what each field may hold.
//!
//! One file a kind holds its field numbers and its [`FieldSpec`] table. The table is the schema: an
//! operation is checked against it before it is authored and again, by its own bytes alone, when
//! it arrives. Field numbers are part of the format and never reused.
//!
//! [`Containment`] says what stands in what.

pub mod attachment;
pub mod checklist_item;
pub mod column;
pub mod comment;
pub mod contact;
mod containment;
pub mod custom_field;
pub mod label;
pub mod personal;
pub mod profile;
pub mod project;
pub mod saved_view;
pub mod task;
pub mod template;
pub mod workspace;

pub use containment::Containment;

use crate::{
    id::EntityId,
    limits,
    value::{Element, Value},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Numbers what this program makes of entries: bumped whenever kinds of entries or entities, fields,
/// operations or what they may hold change. A cached state remembers verdicts (void, made by a newer
/// version), and those of another schema must be given anew.
pub const SCHEMA: u8 = 6;

/// A kind of entity. The number is part of the format.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "u8", from = "u8")]
#[allow(missing_docs, reason = "each has a module of its own that explains it")]
pub enum Kind {
    Workspace,
    Profile,
    Contact,
    Project,
    Column,
    Label,
    Task,
    ChecklistItem,
    CustomField,
    Comment,
    Attachment,
    SavedView,
    Template,
    Personal,
    /// Made by a newer version: kept and forwarded, not applied.
    Unknown(u8),
}

const KINDS: [(Kind, u8, &str); 14] = [
    (Kind::Workspace, 1, "workspace"),
    (Kind::Profile, 2, "profile"),
    (Kind::Contact, 3, "contact"),
    (Kind::Project, 4, "project"),
    (Kind::Column, 5, "column"),
    (Kind::Label, 6, "label"),
    (Kind::Task, 7, "task"),
    (Kind::ChecklistItem, 8, "checklist item"),
    (Kind::CustomField, 9, "custom field"),
    (Kind::Comment, 10, "comment"),
    (Kind::Attachment, 11, "attachment"),
    (Kind::SavedView, 12, "saved view"),
    (Kind::Template, 13, "template"),
    (Kind::Personal, 14, "personal note"),
];

impl Kind {
    /// Every kind this program knows.
    pub fn all() -> impl Iterator<Item = Self> {
        KINDS.iter().map(|(kind, _, _)| *kind)
    }

    /// The word for it, as people read it.
    pub fn name(self) -> &'static str {
        KINDS.iter().find(|(kind, _, _)| *kind == self).map_or("unknown", |(_, _, name)| name)
    }

    /// The fields an entity of this kind has.
    pub fn fields(self) -> &'static [FieldSpec] {
        match self {
            Self::Workspace => workspace::FIELDS,
            Self::Profile => profile::FIELDS,
            Self::Contact => contact::FIELDS,
            Self::Project => project::FIELDS,
            Self::Column => column::FIELDS,
            Self::Label => label::FIELDS,
            Self::Task => task::FIELDS,
            Self::ChecklistItem => checklist_item::FIELDS,
            Self::CustomField => custom_field::FIELDS,
            Self::Comment => comment::FIELDS,
            Self::Attachment => attachment::FIELDS,
            Self::SavedView => saved_view::FIELDS,
            Self::Template => template::FIELDS,
            Self::Personal => personal::FIELDS,
            Self::Unknown(_) => &[],
        }
    }

    /// The schema of one field.
    pub fn field(self, field: Field) -> Option<&'static FieldSpec> {
        if field == ALIVE.field {
            return Some(&ALIVE);
        }
        self.fields().iter().find(|spec| spec.field == field)
    }

    /// The field of this name.
    pub fn field_named(self, name: &str) -> Option<&'static FieldSpec> {
        self.fields().iter().find(|spec| spec.name == name)
    }
}

impl From<Kind> for u8 {
    fn from(kind: Kind) -> Self {
        if let Kind::Unknown(number) = kind {
            return number;
        }
        KINDS.iter().find(|(known, _, _)| *known == kind).map_or(0, |(_, number, _)| *number)
    }
}

impl From<u8> for Kind {
    fn from(number: u8) -> Self {
        KINDS
            .iter()
            .find(|(_, known, _)| *known == number)
            .map_or(Self::Unknown(number), |(kind, _, _)| *kind)
    }
}

/// An entity: what it is and which.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EntityKey {
    /// Its kind.
    pub kind: Kind,
    /// Its id, unique within the kind.
    pub id: EntityId,
}

impl EntityKey {
    /// An entity of `kind` with `id`.
    pub const fn new(kind: Kind, id: EntityId) -> Self {
        Self { kind, id }
    }
}

impl fmt::Display for EntityKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind.name(), self.id.short())
    }
}

/// The number of a field within its kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Field(pub u8);

/// Which register of an entity: a field, and in set-like fields the element.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Slot {
    /// The field.
    pub field: Field,
    /// The element, for fields that hold several.
    pub element: Option<Element>,
}

impl From<Field> for Slot {
    fn from(field: Field) -> Self {
        Self { field, element: None }
    }
}

impl Slot {
    /// One element of a set-like field.
    pub const fn element(field: Field, element: Element) -> Self {
        Self { field, element: Some(element) }
    }
}

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// One line of at most so many characters; may it be empty?
    Line {
        /// Most characters.
        max: usize,
        /// Whether it must have a visible character.
        required: bool,
    },
    /// Several lines, at most [`limits::LONG_TEXT_BYTES`], replaced as a whole.
    Lines,
    /// Several lines of Markdown, merged character by character: see [`crate::text`].
    LongText,
    /// A whole number in this range.
    Int {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// One of these words; the value is its place in the list.
    Choice(&'static [&'static str]),
    /// Yes or no.
    Bool,
    /// Another entity of this kind.
    Ref(Kind),
    /// An entity of another workspace.
    Elsewhere,
    /// A person, or a contact.
    Who,
    /// A day or an instant.
    Date,
    /// A place among siblings.
    Order,
    /// Any of text, number, yes/no and date: the value of a custom field.
    Any,
}

/// Whether a field holds one value or an element set, and of what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Elements {
    /// One value.
    None,
    /// Entities of this kind.
    Of(Kind),
    /// People and contacts.
    Who,
    /// One person's marks.
    Marks,
    /// Short texts, such as names of settings.
    Texts,
    /// Entities of another workspace.
    Elsewhere,
}

/// The schema of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldSpec {
    /// Its number.
    pub field: Field,
    /// Its name in JSON, on the command line and in messages.
    pub name: &'static str,
    /// What it holds.
    pub ty: FieldType,
    /// Whether it is set-like.
    pub elements: Elements,
    /// Whether several differing live values are a conflict to tell people of.
    pub conflicts: bool,
}

impl FieldSpec {
    const fn one(number: u8, name: &'static str, ty: FieldType) -> Self {
        Self { field: Field(number), name, ty, elements: Elements::None, conflicts: false }
    }

    const fn set(number: u8, name: &'static str, elements: Elements) -> Self {
        Self { field: Field(number), name, ty: FieldType::Bool, elements, conflicts: false }
    }

    const fn conflicting(mut self) -> Self {
        self.conflicts = true;
        self
    }
}

/// Every entity's register of existence. `Create` and `Restore` set it.
pub const ALIVE: FieldSpec = FieldSpec::one(0, "alive", FieldType::Bool);

/// Why a value does not fit its field. Names the field and what it takes, for people to read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// There is no such field.
    #[error("a {kind} has no field number {field}")]
    NoField {
        /// Of what.
        kind: &'static str,
        /// Which.
        field: u8,
    },
    /// Another type of value is wanted.
    #[error("{field} takes {wanted}")]
    WrongType {
        /// Which.
        field: &'static str,
        /// What it takes.
        wanted: String,
    },
    /// The field is set-like and no element is given, or the reverse, or it is of the wrong kind.
    #[error("{field} {wanted}")]
    WrongElement {
        /// Which.
        field: &'static str,
        /// What is wanted.
        wanted: &'static str,
    },
    /// Too long.
    #[error("{field} takes at most {max} {unit}, this has {found}")]
    TooLong {
        /// Which.
        field: &'static str,
        /// The bound.
        max: usize,
        /// Of what.
        unit: &'static str,
        /// How many there are.
        found: usize,
    },
    /// Must not be empty.
    #[error("{field} must not be empty")]
    Empty {
        /// Which.
        field: &'static str,
    },
    /// A line with a control character in it.
    #[error("{field} must be a single line without control characters")]
    NotALine {
        /// Which.
        field: &'static str,
    },
    /// Out of range.
    #[error("{field} takes a number from {min} to {max}, this is {found}")]
    OutOfRange {
        /// Which.
        field: &'static str,
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
        /// What was given.
        found: i64,
    },
}

/// Checks one value against the schema of `kind`. By the bytes given alone: references may dangle.
pub fn check(kind: Kind, slot: &Slot, value: &Value) -> Result<(), SchemaError> {
    let spec =
        kind.field(slot.field).ok_or(SchemaError::NoField { kind: kind.name(), field: slot.field.0 })?;
    check_element(spec, slot.element.as_ref())?;
    check_value(spec, value)
}

/// What is written to a field as to one of another type: a value to a long text, an edit to another.
pub(crate) fn not_of(spec: &FieldSpec) -> SchemaError {
    let wanted = if spec.ty == FieldType::LongText { "edits, not a value" } else { "a value, not edits" };
    SchemaError::WrongType { field: spec.name, wanted: wanted.to_owned() }
}

fn check_element(spec: &FieldSpec, element: Option<&Element>) -> Result<(), SchemaError> {
    let wrong = |wanted| Err(SchemaError::WrongElement { field: spec.name, wanted });
    match (spec.elements, element) {
        (Elements::None, None)
        | (Elements::Of(_) | Elements::Elsewhere, Some(Element::Entity(_)))
        | (Elements::Who, Some(Element::Entity(_) | Element::Person(_))) => Ok(()),
        (Elements::None, Some(_)) => wrong("holds one value, not several"),
        (Elements::Marks, Some(Element::Mark(_, text))) => {
            check_line(spec.name, text, limits::ELEMENT_TEXT, true)
        }
        (Elements::Texts, Some(Element::Text(text))) => {
            check_line(spec.name, text, limits::ELEMENT_ADDRESS, true)
        }
        _ => wrong("holds several values: say which to add or remove"),
    }
}

fn check_value(spec: &FieldSpec, value: &Value) -> Result<(), SchemaError> {
    let wrong = |wanted: &str| Err(SchemaError::WrongType { field: spec.name, wanted: wanted.to_owned() });
    match (spec.ty, value) {
        (FieldType::Line { required: true, .. }, Value::Unset) => {
            Err(SchemaError::Empty { field: spec.name })
        }
        (FieldType::Int { min, max }, Value::Int(found)) if !(min..=max).contains(found) => {
            Err(SchemaError::OutOfRange { field: spec.name, min, max, found: *found })
        }
        (_, Value::Unset)
        | (FieldType::Int { .. }, Value::Int(_))
        | (FieldType::Bool, Value::Bool(_))
        | (FieldType::Ref(_) | FieldType::Elsewhere | FieldType::Who, Value::Entity(_))
        | (FieldType::Who, Value::Person(_))
        | (FieldType::Any, Value::Int(_) | Value::Bool(_)) => Ok(()),
        (FieldType::Line { max, required }, Value::Text(text)) => check_line(spec.name, text, max, required),
        (FieldType::Lines | FieldType::LongText | FieldType::Any, Value::Text(text)) => {
            check_long_text(spec.name, text)
        }
        (FieldType::Choice(words), Value::Int(found)) if (0..words.len() as i64).contains(found) => Ok(()),
        (FieldType::Date | FieldType::Any, Value::Date(date)) => check_date(spec.name, date),
        (FieldType::Order, Value::Order(key)) if key.is_well_formed() => Ok(()),
        (FieldType::Line { .. } | FieldType::Lines | FieldType::LongText, _) => wrong("text"),
        (FieldType::Int { .. }, _) => wrong("a number"),
        (FieldType::Choice(words), _) => wrong(&format!("one of {}", words.join(", "))),
        (FieldType::Bool, _) => wrong("yes or no"),
        (FieldType::Ref(kind), _) => wrong(&format!("the id of a {}", kind.name())),
        (FieldType::Elsewhere, _) => wrong("the id of an entity"),
        (FieldType::Who, _) => wrong("a person or a contact"),
        (FieldType::Date, _) => wrong("a date"),
        (FieldType::Order, _) => wrong("a place among its siblings"),
        (FieldType::Any, _) => wrong("text, a number, yes or no, or a date"),
    }
}

fn check_line(field: &'static str, text: &str, max: usize, required: bool) -> Result<(), SchemaError> {
    if required && text.trim().is_empty() {
        return Err(SchemaError::Empty { field });
    }
    let found = text.chars().count();
    if found > max {
        return Err(SchemaError::TooLong { field, max, unit: "characters", found });
    }
    if text.chars().any(char::is_control) {
        return Err(SchemaError::NotALine { field });
    }
    Ok(())
}

fn check_long_text(field: &'static str, text: &str) -> Result<(), SchemaError> {
    if text.len() > limits::LONG_TEXT_BYTES {
        let (max, found) = (limits::LONG_TEXT_BYTES, text.len());
        return Err(SchemaError::TooLong { field, max, unit: "bytes", found });
    }
    Ok(())
}

fn check_date(field: &'static str, date: &crate::value::Date) -> Result<(), SchemaError> {
    // The years 0 to 9999, in which every calendar library agrees.
    const DAYS: std::ops::RangeInclusive<i64> = -719_528..=2_932_896;
    let (day, zone) = match date {
        crate::value::Date::Day(day) => (i64::from(*day), ""),
        crate::value::Date::At { ms, zone } => (ms.div_euclid(86_400_000), &**zone),
    };
    if !DAYS.contains(&day) {
        return Err(SchemaError::OutOfRange { field, min: *DAYS.start(), max: *DAYS.end(), found: day });
    }
    check_line(field, zone, limits::ELEMENT_TEXT, false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::EntryKind;

    /// Everything that a verdict on an entry depends on, as far as it stands in tables.
    fn schema() -> String {
        let fields: Vec<_> = KINDS.iter().map(|(kind, number, _)| (number, kind.fields())).collect();
        let entries: Vec<_> = (0..=u8::MAX).map(EntryKind).filter(|kind| kind.is_known()).collect();
        let limits = (limits::BODY, limits::OPS_PER_ENTRY, limits::NAMES_PER_OP, limits::LONG_TEXT_BYTES);
        let more = (limits::ORDER_KEY, limits::ELEMENT_TEXT, limits::SPLICES_PER_OP, crate::op::BODY_VERSION);
        format!("{fields:?} {entries:?} {limits:?} {more:?}")
    }

    #[test]
    fn whoever_changes_the_schema_numbers_it_anew() {
        let hash = blake3::hash(schema().as_bytes()).to_hex();
        assert_eq!((SCHEMA, &hash[..8]), (6, "9e429ad5"), "the tables changed: bump SCHEMA");
    }
}
