//! What the author's device checks besides the schema. Receivers check none of it: what a value
//! refers to may be deleted, or not yet here, on another device.

use super::{ChangeError, draft::Draft, named};
use crate::{
    id::{EntityId, PersonId},
    limits,
    model::{self, Elements, EntityKey, Field, FieldSpec, FieldType, Kind, SchemaError, Slot, task},
    text::TextEdit,
    value::{Element, Value},
};

/// Kinds of which every workspace or person has exactly one.
pub(super) const fn is_permanent(kind: Kind) -> bool {
    matches!(kind, Kind::Workspace | Kind::Profile)
}

pub(super) fn must_be_known(draft: &Draft<'_>, key: EntityKey) -> Result<(), ChangeError> {
    if draft.is_known(key) { Ok(()) } else { Err(ChangeError::NotFound(key)) }
}

pub(super) fn must_be_shown(draft: &Draft<'_>, key: EntityKey) -> Result<(), ChangeError> {
    must_be_known(draft, key)?;
    if draft.is_shown(key) { Ok(()) } else { Err(ChangeError::Deleted(named(draft, key))) }
}

/// An edit must be of a long text, and leave it no longer than one may be.
pub(super) fn edit(
    draft: &Draft<'_>,
    key: EntityKey,
    field: Field,
    edit: &TextEdit,
) -> Result<(), ChangeError> {
    let no_field = || SchemaError::NoField { kind: key.kind.name(), field: field.0 };
    let spec = key.kind.field(field).ok_or_else(no_field)?;
    if spec.ty != FieldType::LongText {
        return Err(model::not_of(spec).into());
    }
    if draft.writes(key, field) {
        let wanted = "one edit at a time".to_owned();
        return Err(SchemaError::WrongType { field: spec.name, wanted }.into());
    }
    let too_long =
        |max, found| Err(SchemaError::TooLong { field: spec.name, max, unit: "bytes", found }.into());
    let (now, found) = draft.lengths(key, field, edit);
    match edit.inserted() {
        inserted if inserted > limits::LONG_TEXT_BYTES => too_long(limits::LONG_TEXT_BYTES, inserted),
        _ if found > limits::LONG_TEXT_MOST && found > now => too_long(limits::LONG_TEXT_MOST, found),
        _ => Ok(()),
    }
}

/// What is set over certain values is a value.
pub(super) fn is_value(key: EntityKey, field: Field) -> Result<(), ChangeError> {
    match key.kind.field(field).filter(|spec| spec.ty == FieldType::LongText) {
        Some(spec) => Err(model::not_of(spec).into()),
        None => Ok(()),
    }
}

/// A new entity needs its required texts, and the container without which nobody would see it.
/// A task may stand without a project.
pub(super) fn complete(kind: Kind, fields: &[(Slot, Value)]) -> Result<(), ChangeError> {
    let given = |spec: &FieldSpec| {
        fields.iter().any(|(slot, value)| slot.field == spec.field && *value != Value::Unset)
    };
    for spec in kind.fields() {
        let is_container = kind != Kind::Task && kind.containment(spec.field).is_some();
        let is_required = is_container || matches!(spec.ty, FieldType::Line { required: true, .. });
        if is_required && !given(spec) {
            return Err(SchemaError::Empty { field: spec.name }.into());
        }
    }
    Ok(())
}

/// Whatever a value or element refers to must be shown. Taking a reference away is always right.
pub(super) fn references(
    draft: &mut Draft<'_>,
    key: EntityKey,
    slot: &Slot,
    value: &Value,
) -> Result<(), ChangeError> {
    let Some(spec) = key.kind.field(slot.field) else { return Ok(()) };
    if *value == Value::Unset || *value == Value::Bool(false) && spec.ty == FieldType::Bool {
        return Ok(());
    }
    match &slot.element {
        Some(Element::Entity(_)) if spec.elements == Elements::Elsewhere => {}
        Some(Element::Entity(id)) => refer(draft, key, spec, kind_of_element(spec.elements), *id)?,
        Some(Element::Person(person) | Element::Mark(person, _)) => is_member(draft, spec, *person)?,
        Some(Element::Text(_)) | None => {}
    }
    match (spec.ty, value) {
        (FieldType::Ref(kind), Value::Entity(id)) => refer(draft, key, spec, kind, *id)?,
        (FieldType::Who, Value::Entity(id)) => refer(draft, key, spec, Kind::Contact, *id)?,
        (FieldType::Who, Value::Person(person)) => is_member(draft, spec, *person)?,
        _ => {}
    }
    match (key.kind, slot, value) {
        (Kind::Task, Slot { field: task::PARENT, .. }, Value::Entity(parent)) => {
            not_below_itself(draft, key.id, *parent)
        }
        (Kind::Task, Slot { field: task::CUSTOM, element: Some(Element::Entity(id)) }, value) => {
            custom_type(draft, *id, value)
        }
        _ => Ok(()),
    }
}

const fn kind_of_element(elements: Elements) -> Kind {
    match elements {
        Elements::Of(kind) => kind,
        _ => Kind::Contact,
    }
}

fn refer(
    draft: &Draft<'_>,
    key: EntityKey,
    spec: &FieldSpec,
    kind: Kind,
    id: EntityId,
) -> Result<(), ChangeError> {
    let to = EntityKey::new(kind, id);
    let wrong = |what| Err(ChangeError::Reference { field: spec.name, what });
    if to == key {
        return wrong(format!("a {} cannot refer to itself", kind.name()));
    }
    if !draft.is_known(to) {
        return wrong(format!("there is no such {}: {id}", kind.name()));
    }
    if !draft.is_shown(to) {
        return wrong(format!("{} was deleted", named(draft, to)));
    }
    Ok(())
}

fn is_member(draft: &mut Draft<'_>, spec: &FieldSpec, person: PersonId) -> Result<(), ChangeError> {
    if draft.is_member(person) {
        return Ok(());
    }
    let what = format!("{} is not a member of this workspace", person.short());
    Err(ChangeError::Reference { field: spec.name, what })
}

fn not_below_itself(draft: &Draft<'_>, task: EntityId, parent: EntityId) -> Result<(), ChangeError> {
    let wrong = |what: &str| Err(ChangeError::Reference { field: "parent", what: what.to_owned() });
    let above = std::iter::successors(Some(parent), |id| draft.parent_of(*id));
    // Counted, because what is shown may hold a cycle: see `limits::PARENT_CYCLE`.
    for (depth, id) in above.enumerate() {
        if id == task {
            return wrong("a task cannot be part of its own subtask");
        }
        if depth == limits::NESTING {
            return wrong("the tasks there are nested too deep");
        }
    }
    Ok(())
}

fn custom_type(draft: &Draft<'_>, id: EntityId, value: &Value) -> Result<(), ChangeError> {
    let key = EntityKey::new(Kind::CustomField, id);
    let place = draft.value(key, &model::custom_field::TYPE.into()).and_then(Value::as_int);
    let word = place.and_then(|place| model::custom_field::TYPES.get(usize::try_from(place).ok()?));
    let fits = match word {
        Some(&"text") => matches!(value, Value::Text(_)),
        Some(&"number") => matches!(value, Value::Int(_)),
        Some(&"yes/no") => matches!(value, Value::Bool(_)),
        Some(&"date") => matches!(value, Value::Date(_)),
        _ => true,
    };
    match word {
        Some(word) if !fits => {
            let what = format!("{} takes a {word}", named(draft, key)).replace("a text", "text");
            Err(ChangeError::Reference { field: "custom", what })
        }
        _ => Ok(()),
    }
}
