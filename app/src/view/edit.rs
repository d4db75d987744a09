//! The changes behind what a person does: from "a task in this column" to fields and places.

use super::{
    board::Place,
    directory::color_of,
    quick_add::{Draft, LabelChoice},
};
use velo_protocol::{
    change::Change,
    id::{EntityId, OpId},
    model::{EntityKey, Field, Kind, Slot, checklist_item, column, comment, label, project, task},
    value::{Date, Element, Value},
    workspace::Workspace,
};

/// The columns a new project starts with, and their stages of work.
const FIRST_COLUMNS: [(&str, i64); 3] = [("To do", 1), ("Doing", 2), ("Done", column::DONE)];

fn text(field: Field, text: &str) -> (Slot, Value) {
    (field.into(), Value::text(text))
}

fn present(field: Field, element: Element) -> (Slot, Value) {
    (Slot::element(field, element), Value::Bool(true))
}

/// A task at the end of a column. `new_id` gives ids for labels that have to be made.
pub fn add_task(
    workspace: &Workspace,
    id: EntityId,
    column: EntityId,
    draft: &Draft,
    mut new_id: impl FnMut() -> EntityId,
) -> Vec<Change> {
    let mut changes = Vec::new();
    let mut fields = vec![text(task::TITLE, &draft.title)];
    fields.extend(draft.priority.map(|priority| (task::PRIORITY.into(), Value::Int(priority))));
    fields.extend(draft.due.map(|day| (task::DUE.into(), Value::Date(Date::Day(day)))));
    fields.extend(draft.assignees.iter().map(|(who, _)| present(task::ASSIGNEES, who.clone())));
    for choice in &draft.labels {
        let label = match choice {
            LabelChoice::Known(id, _) => *id,
            LabelChoice::New(name) => {
                let id = new_id();
                changes.push(add_label(id, name));
                id
            }
        };
        fields.push(present(task::LABELS, Element::Entity(label)));
    }
    changes.push(Change::Create { key: EntityKey::new(Kind::Task, id), fields });
    changes.push(Place { column, after: workspace.tasks(column).last().copied() }.of(id));
    changes
}

/// A label with an accent of its own.
pub fn add_label(id: EntityId, name: &str) -> Change {
    let color = (color_of(name.as_bytes()) % 10) as i64;
    let fields = vec![text(label::NAME, name), (label::COLOR.into(), Value::Int(color))];
    Change::Create { key: EntityKey::new(Kind::Label, id), fields }
}

/// A label made for a task and put on it.
pub fn add_label_to(task: EntityId, id: EntityId, name: &str) -> Vec<Change> {
    let (slot, value) = present(task::LABELS, Element::Entity(id));
    vec![add_label(id, name), Change::Set { key: EntityKey::new(Kind::Task, task), slot, value }]
}

/// A project behind the others, with columns to start with.
pub fn add_project(
    workspace: &Workspace,
    id: EntityId,
    name: &str,
    mut new_id: impl FnMut() -> EntityId,
) -> Vec<Change> {
    let key = EntityKey::new(Kind::Project, id);
    let after = workspace.projects().last().copied();
    let mut changes = vec![
        Change::Create { key, fields: vec![text(project::NAME, name)] },
        Change::Place { key, container: None, after },
    ];
    let mut before = None;
    for (name, category) in FIRST_COLUMNS {
        let column = new_id();
        changes.extend(column_after(id, column, name, category, before));
        before = Some(column);
    }
    changes
}

/// A column behind the others.
pub fn add_column(workspace: &Workspace, project: EntityId, id: EntityId, name: &str) -> Vec<Change> {
    column_after(project, id, name, 1, workspace.columns(project).last().copied()).into()
}

fn column_after(
    project: EntityId,
    id: EntityId,
    name: &str,
    category: i64,
    after: Option<EntityId>,
) -> [Change; 2] {
    let key = EntityKey::new(Kind::Column, id);
    let fields = vec![
        text(column::NAME, name),
        (column::PROJECT.into(), Value::Entity(project)),
        (column::CATEGORY.into(), Value::Int(category)),
    ];
    let container = Some((column::PROJECT, project));
    [Change::Create { key, fields }, Change::Place { key, container, after }]
}

/// A line at the end of a task's checklist.
pub fn add_item(workspace: &Workspace, task: EntityId, id: EntityId, words: &str) -> Vec<Change> {
    let key = EntityKey::new(Kind::ChecklistItem, id);
    let fields = vec![text(checklist_item::TITLE, words), (checklist_item::TASK.into(), Value::Entity(task))];
    let container = Some((checklist_item::TASK, task));
    let after = workspace.checklist(task).last().copied();
    vec![Change::Create { key, fields }, Change::Place { key, container, after }]
}

/// A comment on a task.
pub fn add_comment(task: EntityId, id: EntityId, words: &str) -> Vec<Change> {
    let fields = vec![(comment::TASK.into(), Value::Entity(task)), text(comment::TEXT, words)];
    vec![Change::Create { key: EntityKey::new(Kind::Comment, id), fields }]
}

/// The name of a project or column: the entity and the register.
fn name_of(kind: Kind, id: EntityId) -> (EntityKey, Slot) {
    let field = if kind == Kind::Project { project::NAME } else { column::NAME };
    (EntityKey::new(kind, id), field.into())
}

/// The operations behind the name of a project or column.
pub fn behind_name(workspace: &Workspace, kind: Kind, id: EntityId) -> Vec<OpId> {
    let (key, slot) = name_of(kind, id);
    workspace.live(key, &slot).iter().map(|live| live.op).collect()
}

/// A new name for a project or column, over the one that was `seen`.
pub fn rename(kind: Kind, id: EntityId, name: &str, seen: Vec<OpId>) -> Vec<Change> {
    let (key, slot) = name_of(kind, id);
    vec![Change::SetOver { key, slot, value: Value::text(name), seen }]
}

/// Puts somebody on a task, or takes them off.
pub fn toggle_assignee(workspace: &Workspace, task: EntityId, who: Element) -> Vec<Change> {
    let key = EntityKey::new(Kind::Task, task);
    let assigned = workspace.elements(key, task::ASSIGNEES).contains(&&who);
    let slot = Slot::element(task::ASSIGNEES, who);
    vec![Change::Set { key, slot, value: Value::Bool(!assigned) }]
}

/// What became of an undo, or of a redo (`again`): whether it changed anything, and what was left
/// alone.
pub fn undone(again: bool, changed: bool, kept: &[String]) -> String {
    match (changed, kept) {
        (true, []) => (if again { "Made again" } else { "Undone" }).to_owned(),
        (true, [one]) => format!("{}, but {one}", undone(again, true, &[])),
        (true, several) => {
            format!(
                "{}, but {} changes were left as others made them since",
                undone(again, true, &[]),
                several.len()
            )
        }
        (false, []) => format!("Nothing was left to {}", if again { "make again" } else { "undo" }),
        (false, [one, ..]) => format!("Nothing was changed: {one}"),
    }
}

/// What posting void work again did, and what no longer fits.
pub fn posted_again(post: bool, changed: bool, kept: &[String]) -> String {
    match (post, changed, kept) {
        (false, ..) => "Left without effect".to_owned(),
        (true, true, []) => "Posted again".to_owned(),
        (true, true, [one]) => format!("Posted again, but one change does not fit any more: {one}"),
        (true, true, several) => {
            format!("Posted again, but {} changes do not fit any more", several.len())
        }
        (true, false, []) => "Everything was so already".to_owned(),
        (true, false, [one, ..]) => format!("Nothing was posted: {one}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_undo_says_what_it_did_not_do() {
        let kept = ["Ben changed the title since".to_owned(), "Ben moved it since".to_owned()];
        assert_eq!(undone(false, true, &[]), "Undone");
        assert_eq!(undone(true, true, &kept[..1]), "Made again, but Ben changed the title since");
        assert_eq!(undone(false, true, &kept), "Undone, but 2 changes were left as others made them since");
        assert_eq!(undone(false, false, &kept[..1]), "Nothing was changed: Ben changed the title since");
        assert_eq!(undone(true, false, &[]), "Nothing was left to make again");
    }
}
