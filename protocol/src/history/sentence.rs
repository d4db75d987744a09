//! History in sentences: `Anna moved "Fix pump" from Todo to Doing`.

use super::{Happened, HistoryItem};
use crate::{
    describe,
    model::{self, EntityKey, FieldType, Kind, Slot},
    value::Value,
    workspace::Workspace,
};

/// What happened, in one sentence without a full stop. Titles and names are those of now, but for
/// what was created: it is called as it was then.
pub fn describe(workspace: &Workspace, key: EntityKey, item: &HistoryItem) -> String {
    let who = workspace.person_name(item.person);
    let what = describe::short(workspace, key);
    let entity = describe::entity(workspace, key);
    let sentence = match &item.happened {
        Happened::Created { fields } => {
            let first = fields.iter().map(|(_, slot, value)| (slot, value));
            format!("{who} created {}", created(workspace, key, first))
        }
        Happened::Deleted => format!("{who} deleted {entity}"),
        Happened::Restored => format!("{who} restored {entity}"),
        Happened::Void { reason } => format!("a change by {who} to {what} has no effect: {reason}"),
        Happened::Edited { field, edit, .. } => {
            let (field, words) = (describe::field(key.kind, *field), edit.words());
            let colon = if words.is_empty() { "" } else { ": " };
            format!("{who} edited the {field} of {what}{colon}{words}")
        }
        Happened::Set { slot, from, to } => format!("{who} {}", set(workspace, key, slot, from, to)),
    };
    match item.reverts {
        None => sentence,
        Some(false) => format!("{sentence} (undo)"),
        Some(true) => format!("{sentence} (redo)"),
    }
}

/// An entity as it was made with these first values: by the title among them, else by that of now.
pub fn created<'a>(
    workspace: &Workspace,
    key: EntityKey,
    first: impl IntoIterator<Item = (&'a Slot, &'a Value)>,
) -> String {
    let title = describe::title_field(key.kind).map(Slot::from);
    let set = first.into_iter().find(|(slot, _)| Some(*slot) == title.as_ref());
    match set.and_then(|(_, value)| value.as_text()) {
        Some(title) => describe::entity_called(key, title),
        None => describe::entity(workspace, key),
    }
}

fn set(workspace: &Workspace, key: EntityKey, slot: &Slot, from: &[Value], to: &Value) -> String {
    let what = describe::short(workspace, key);
    let Some(spec) = key.kind.field(slot.field) else {
        return format!("changed field {} of {what}", slot.field.0);
    };
    let name = describe::field(key.kind, slot.field);
    let say = |value: &Value| describe::value(workspace, key.kind, slot, value);
    let was = from.iter().map(say).collect::<Vec<_>>().join(" and ");
    match (spec.ty, &slot.element) {
        (FieldType::Bool, Some(_)) => element(workspace, key, slot, to, &name),
        (_, Some(_)) => {
            let custom = describe::element(workspace, key.kind, slot);
            changed(&format!("{custom} of {what}"), &was, to, &say(to))
        }
        (FieldType::Order, None) => format!("moved {what} to another place"),
        (FieldType::Bool, None) => flag(key.kind, &what, to, &name),
        (FieldType::Ref(_), None) if is_move(key.kind, slot) && *to != Value::Unset => {
            let origin = if was.is_empty() { String::new() } else { format!(" from {was}") };
            format!("moved {what}{origin} to {}", say(to))
        }
        _ if describe::title_field(key.kind) == Some(slot.field) && !from.is_empty() => {
            format!("renamed {was} to {}", say(to))
        }
        _ => changed(&format!("the {name} of {what}"), &was, to, &say(to)),
    }
}

fn is_move(kind: Kind, slot: &Slot) -> bool {
    match kind {
        Kind::Task => slot.field == model::task::COLUMN,
        Kind::Column => slot.field == model::column::PROJECT,
        Kind::ChecklistItem => slot.field == model::checklist_item::TASK,
        _ => false,
    }
}

fn changed(what: &str, was: &str, to: &Value, now: &str) -> String {
    match (was, to) {
        (_, Value::Unset) => format!("emptied {what}"),
        ("" | "nothing", _) => format!("set {what} to {now}"),
        _ => format!("changed {what} from {was} to {now}"),
    }
}

fn element(workspace: &Workspace, key: EntityKey, slot: &Slot, to: &Value, name: &str) -> String {
    let what = describe::short(workspace, key);
    let element = describe::element(workspace, key.kind, slot);
    if to.is_true() {
        format!("added {element} to the {name} of {what}")
    } else {
        format!("removed {element} from the {name} of {what}")
    }
}

fn flag(kind: Kind, what: &str, to: &Value, name: &str) -> String {
    match (kind, name, to.is_true()) {
        (Kind::ChecklistItem, _, true) => format!("ticked {what} off"),
        (Kind::ChecklistItem, _, false) => format!("unticked {what}"),
        (_, "archived", true) => format!("archived {what}"),
        (_, "archived", false) => format!("took {what} out of the archive"),
        (_, _, on) => format!("set the {name} of {what} to {}", if on { "yes" } else { "no" }),
    }
}
