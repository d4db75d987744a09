//! From what was asked for to values of fields.

use super::{Edit, Fields};
use crate::api::{
    ApiError,
    reference::{self, Precision},
    scope::Scope,
    written,
};
use velo_protocol::{
    model::{EntityKey, Slot, task},
    value::{Element, Value},
};

type Settings = Vec<(Slot, Value)>;

/// Every register that an edit sets.
pub(super) fn all_settings(request: &Edit, key: EntityKey, scope: &Scope<'_>) -> Result<Settings, ApiError> {
    let mut settings = settings(&request.fields, key, scope)?;
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

/// The registers that adding and editing have in common. `key`: the task, which may not exist yet.
pub(super) fn settings(fields: &Fields, key: EntityKey, scope: &Scope<'_>) -> Result<Settings, ApiError> {
    let mut settings = Settings::new();
    for (field, text) in [
        (task::DESCRIPTION, &fields.description),
        (task::PRIORITY, &fields.priority),
        (task::DUE, &fields.due),
        (task::START, &fields.start),
        (task::ESTIMATE, &fields.estimate),
        (task::PARENT, &fields.parent),
    ] {
        if let Some(text) = text {
            let slot = field.into();
            let value = written::value(scope, key, &slot, text, None)?;
            settings.push((slot, value));
        }
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
