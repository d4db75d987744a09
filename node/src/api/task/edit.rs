//! From what was asked for to values of fields.

use super::{Edit, Fields};
use crate::api::{
    ApiError, date,
    reference::{self, Precision},
    scope::Scope,
};
use jiff::Zoned;
use velo_protocol::{
    model::{Slot, task},
    value::{Element, Value},
};

/// Whether this is the word that empties a field.
fn is_none(text: &str) -> bool {
    text.trim().eq_ignore_ascii_case("none")
}

type Settings = Vec<(Slot, Value)>;

/// Every register that an edit sets.
pub(super) fn all_settings(request: &Edit, scope: &Scope<'_>) -> Result<Settings, ApiError> {
    let mut settings = settings(&request.fields, scope)?;
    if let Some(title) = &request.title {
        settings.push((task::TITLE.into(), Value::text(title.trim())));
    }
    if let Some(archived) = request.archived {
        settings.push((task::ARCHIVED.into(), Value::Bool(archived)));
    }
    for label in &request.unlabel {
        settings.push(label_slot(scope, label, false)?);
    }
    for name in &request.unassign {
        settings.push((
            Slot::element(task::ASSIGNEES, reference::who(&scope.workspace, name)?),
            Value::Bool(false),
        ));
    }
    Ok(settings)
}

/// The registers that adding and editing have in common.
pub(super) fn settings(fields: &Fields, scope: &Scope<'_>) -> Result<Settings, ApiError> {
    let mut settings = Settings::new();
    if let Some(text) = &fields.description {
        settings.push((task::DESCRIPTION.into(), Value::text(text.as_str())));
    }
    if let Some(word) = &fields.priority {
        settings.push((task::PRIORITY.into(), priority(word)?));
    }
    for (field, text) in [(task::DUE, &fields.due), (task::START, &fields.start)] {
        if let Some(text) = text {
            settings.push((field.into(), date_or_none(text)?));
        }
    }
    if let Some(text) = &fields.estimate {
        settings.push((task::ESTIMATE.into(), minutes(text)?));
    }
    if let Some(text) = &fields.parent {
        settings.push((task::PARENT.into(), parent(text, scope)?));
    }
    for label in &fields.label {
        settings.push(label_slot(scope, label, true)?);
    }
    for name in &fields.assign {
        settings.push((
            Slot::element(task::ASSIGNEES, reference::who(&scope.workspace, name)?),
            Value::Bool(true),
        ));
    }
    Ok(settings)
}

fn label_slot(scope: &Scope<'_>, label: &str, on: bool) -> Result<(Slot, Value), ApiError> {
    let id = reference::label(&scope.workspace, label, Precision::Part)?;
    Ok((Slot::element(task::LABELS, Element::Entity(id)), Value::Bool(on)))
}

fn priority(word: &str) -> Result<Value, ApiError> {
    let place = task::PRIORITIES.iter().position(|known| known.eq_ignore_ascii_case(word));
    let wrong =
        || ApiError::Invalid(format!("priority is one of {}, not \"{word}\"", task::PRIORITIES.join(", ")));
    place.map(|place| Value::Int(place as i64)).ok_or_else(wrong)
}

fn date_or_none(text: &str) -> Result<Value, ApiError> {
    if is_none(text) { Ok(Value::Unset) } else { date::parse(text, &Zoned::now()).map(Value::Date) }
}

fn minutes(text: &str) -> Result<Value, ApiError> {
    if is_none(text) {
        return Ok(Value::Unset);
    }
    let wrong = |_| ApiError::Invalid(format!("the estimate is a number of minutes or none, not \"{text}\""));
    text.parse().map(Value::Int).map_err(wrong)
}

fn parent(text: &str, scope: &Scope<'_>) -> Result<Value, ApiError> {
    if is_none(text) {
        return Ok(Value::Unset);
    }
    reference::shown_task(scope, text, Precision::Part).map(Value::Entity)
}
