//! What answers have in common: who and when, and names.

use super::date;
use serde::{Deserialize, Serialize};
use velo_protocol::{
    describe,
    id::PersonId,
    model::{EntityKey, Field, Kind, Slot},
    time::Hlc,
    value::Element,
    workspace::Workspace,
};

/// Who did something, and when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    /// RFC 3339, UTC.
    pub at: String,
    /// The name shown for the person.
    pub by: String,
    /// The person.
    pub person: PersonId,
}

impl Stamp {
    /// The stamp of an operation.
    pub fn of(workspace: &Workspace, hlc: Hlc, person: PersonId) -> Self {
        Self { at: date::stamp(hlc), by: workspace.person_name(person), person }
    }
}

/// What an entity is called, whole; the start of its id if it has no name.
pub fn name(workspace: &Workspace, key: EntityKey) -> String {
    let name = describe::title_field(key.kind).map_or("", |field| workspace.text(key, field));
    if name.is_empty() { key.id.short() } else { name.to_owned() }
}

/// The names of what a task's set-like field holds.
pub fn elements(workspace: &Workspace, key: EntityKey, field: Field) -> Vec<String> {
    let elements = workspace.elements(key, field).into_iter();
    elements.map(|element| element_name(workspace, key.kind, field, element)).collect()
}

/// The name of a label or person in a set-like field.
pub fn element_name(workspace: &Workspace, kind: Kind, field: Field, element: &Element) -> String {
    describe::element(workspace, kind, &Slot::element(field, element.clone()))
}

/// The word at `place`.
pub fn choice<'a>(words: &[&'a str], place: i64) -> &'a str {
    usize::try_from(place).ok().and_then(|place| words.get(place)).copied().unwrap_or("unknown")
}
