//! Values as people write them. Every command that takes the value of a field reads it here, so that
//! what one understands, all do.

use super::{
    ApiError, date,
    reference::{self, Precision},
    scope::Scope,
};
use jiff::Zoned;
use velo_protocol::{
    describe,
    model::{EntityKey, FieldSpec, FieldType, Kind, Slot, custom_field, task},
    value::{Element, Value},
};

/// Reads the value of a field of `key`, or, for one that does not exist yet, of its kind. `like`: a
/// value that the field has or had, which tells what a custom field takes if that does not.
pub fn value(
    scope: &Scope<'_>,
    key: EntityKey,
    slot: &Slot,
    text: &str,
    like: Option<&Value>,
) -> Result<Value, ApiError> {
    let spec = key.kind.field(slot.field);
    let spec =
        spec.ok_or_else(|| ApiError::Invalid("this version of Velo does not know the field".into()))?;
    match spec.ty {
        FieldType::Line { .. } => Ok(Value::text(text.trim())),
        FieldType::Lines | FieldType::LongText => Ok(Value::text(text)),
        FieldType::Choice(words) => choice(&name(key.kind, spec), words, text),
        FieldType::Date => or_none(text, |text| date::parse(text, &Zoned::now()).map(Value::Date)),
        FieldType::Int { .. } => or_none(text, |text| number(&amount(key.kind, spec), text)),
        FieldType::Bool => yes_or_no(&name(key.kind, spec), text),
        FieldType::Ref(Kind::Task) => {
            or_none(text, |text| reference::shown_task(scope, text, Precision::Part).map(Value::Entity))
        }
        FieldType::Ref(Kind::Column) => column(scope, key, text),
        FieldType::Any => custom(scope, slot, text, like),
        FieldType::Ref(_) | FieldType::Elsewhere | FieldType::Who | FieldType::Order => {
            Err(ApiError::Invalid(format!("the {} cannot be typed", name(key.kind, spec))))
        }
    }
}

/// Reads one of `words`.
pub fn choice(name: &str, words: &[&str], text: &str) -> Result<Value, ApiError> {
    let place = words.iter().position(|known| known.eq_ignore_ascii_case(text.trim()));
    let wrong = || ApiError::Invalid(format!("{name} is one of {}, not \"{text}\"", words.join(", ")));
    place.map(|place| Value::Int(place as i64)).ok_or_else(wrong)
}

fn name(kind: Kind, spec: &FieldSpec) -> String {
    describe::field(kind, spec.field)
}

/// The word `none` empties a field.
fn or_none(text: &str, read: impl FnOnce(&str) -> Result<Value, ApiError>) -> Result<Value, ApiError> {
    if text.trim().eq_ignore_ascii_case("none") { Ok(Value::Unset) } else { read(text) }
}

/// What a number counts.
fn amount(kind: Kind, spec: &FieldSpec) -> String {
    let minutes = (kind, spec.field) == (Kind::Task, task::ESTIMATE);
    format!("the {} is a whole number{}", name(kind, spec), if minutes { " of minutes" } else { "" })
}

fn number(rule: &str, text: &str) -> Result<Value, ApiError> {
    let wrong = |_| ApiError::Invalid(format!("{rule} or none, not \"{text}\""));
    text.trim().parse().map(Value::Int).map_err(wrong)
}

fn yes_or_no(name: &str, text: &str) -> Result<Value, ApiError> {
    match text.trim().to_lowercase().as_str() {
        "true" | "yes" => Ok(Value::Bool(true)),
        "false" | "no" => Ok(Value::Bool(false)),
        _ => Err(ApiError::Invalid(format!("{name} is true or false, not \"{text}\""))),
    }
}

/// A column of the task's project.
fn column(scope: &Scope<'_>, key: EntityKey, text: &str) -> Result<Value, ApiError> {
    let nowhere =
        || ApiError::Invalid("the task stands in no project: `velo task move` puts it into one".into());
    let project = scope.workspace.project_of(key.id).ok_or_else(nowhere)?;
    reference::column(&scope.workspace, project, text, Precision::Part).map(Value::Entity)
}

/// A custom field says itself what it takes. Of one that does not, such as one whose type this version
/// does not know, an earlier value does.
fn custom(scope: &Scope<'_>, slot: &Slot, text: &str, like: Option<&Value>) -> Result<Value, ApiError> {
    let word = custom_type(scope, slot).or(match like {
        Some(Value::Date(_)) => Some("date"),
        Some(Value::Int(_)) => Some("number"),
        Some(Value::Bool(_)) => Some("yes/no"),
        _ => None,
    });
    or_none(text, |text| match word {
        Some("date") => date::parse(text, &Zoned::now()).map(Value::Date),
        Some("number") => number("the value is a whole number", text),
        Some("yes/no") => yes_or_no("the value", text),
        _ => Ok(Value::text(text)),
    })
}

/// A word of [`custom_field::TYPES`].
fn custom_type(scope: &Scope<'_>, slot: &Slot) -> Option<&'static str> {
    let Some(Element::Entity(id)) = slot.element else { return None };
    let key = EntityKey::new(Kind::CustomField, id);
    let place = scope.workspace.value(key, &custom_field::TYPE.into())?.as_int()?;
    custom_field::TYPES.get(usize::try_from(place).ok()?).copied()
}
