//! Tasks as they are shown.

use crate::api::{
    attach::AttachmentRow,
    comment::CommentRow,
    conflict::ConflictRow,
    date,
    scope::Scope,
    show::{self, Stamp},
};
use serde::{Deserialize, Serialize};
use velo_protocol::{
    id::EntityId,
    model::{EntityKey, Field, Kind, checklist_item, column, task},
    value::Value,
};

/// A task in a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TaskSummary {
    /// Which.
    pub id: EntityId,
    /// Such as `VELO-42`.
    pub short: String,
    /// One line.
    pub title: String,
    /// Name of the project it is shown in.
    pub project: Option<String>,
    /// Name of the column it is shown in.
    pub column: Option<String>,
    /// Whether that column is one of done tasks.
    pub done: bool,
    /// A word of [`task::PRIORITIES`].
    pub priority: String,
    /// When work starts, as [`date::show`] writes it.
    pub start: Option<String>,
    /// When it must be done.
    pub due: Option<String>,
    /// Minutes of work.
    pub estimate: Option<i64>,
    /// Names of labels.
    pub labels: Vec<String>,
    /// Names of people and contacts.
    pub assignees: Vec<String>,
    /// Fields with several values.
    pub conflicts: usize,
    /// Put away.
    pub archived: bool,
    /// Deleted; can be restored.
    pub deleted: bool,
}

/// A task with everything in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TaskDetail {
    /// What lists show.
    #[serde(flatten)]
    pub task: TaskSummary,
    /// Markdown.
    pub description: String,
    /// When and by whom.
    pub created: Option<Stamp>,
    /// The task it is a part of.
    pub parent: Option<String>,
    /// Its parts.
    pub subtasks: Vec<TaskSummary>,
    /// Its checklist.
    pub checklist: Vec<ChecklistRow>,
    /// What was said.
    pub comments: Vec<CommentRow>,
    /// Files and links.
    pub attachments: Vec<AttachmentRow>,
    /// What is undecided.
    pub open_conflicts: Vec<ConflictRow>,
}

/// A line of a checklist.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChecklistRow {
    /// What to do.
    pub title: String,
    /// Ticked off.
    pub done: bool,
    /// The heading it stands under.
    pub list: Option<String>,
}

impl TaskSummary {
    /// The task as it is now.
    pub fn of(scope: &Scope<'_>, id: EntityId) -> Self {
        let workspace = &scope.workspace;
        let key = EntityKey::new(Kind::Task, id);
        let named = |kind, id| show::name(workspace, EntityKey::new(kind, id));
        let date =
            |field: Field| workspace.value(key, &field.into()).and_then(Value::as_date).map(date::show);
        let int = |field: Field| workspace.value(key, &field.into())?.as_int();
        let column = workspace.column_of(id);
        let category = column.and_then(|column| {
            workspace.value(EntityKey::new(Kind::Column, column), &column::CATEGORY.into())?.as_int()
        });
        Self {
            id,
            short: workspace.short_id(id),
            title: workspace.text(key, task::TITLE).to_owned(),
            project: workspace.project_of(id).map(|id| named(Kind::Project, id)),
            column: column.map(|id| named(Kind::Column, id)),
            done: category == Some(column::DONE),
            priority: show::choice(task::PRIORITIES, int(task::PRIORITY).unwrap_or(0)).to_owned(),
            start: date(task::START),
            due: date(task::DUE),
            estimate: int(task::ESTIMATE),
            labels: show::elements(workspace, key, task::LABELS),
            assignees: show::elements(workspace, key, task::ASSIGNEES),
            conflicts: workspace.conflicts_of(key).len(),
            archived: workspace.value(key, &task::ARCHIVED.into()).is_some_and(Value::is_true),
            deleted: !workspace.is_shown(key),
        }
    }
}

impl TaskDetail {
    /// The task as it is now.
    pub fn of(scope: &Scope<'_>, id: EntityId) -> Self {
        let workspace = &scope.workspace;
        let key = EntityKey::new(Kind::Task, id);
        Self {
            task: TaskSummary::of(scope, id),
            description: workspace.text(key, task::DESCRIPTION).to_owned(),
            created: workspace.created(key).map(|(hlc, person)| Stamp::of(workspace, hlc, person)),
            parent: workspace.parent_of(id).map(|id| workspace.short_id(id)),
            subtasks: workspace.subtasks(id).into_iter().map(|id| TaskSummary::of(scope, id)).collect(),
            checklist: workspace.checklist(id).into_iter().map(|id| ChecklistRow::of(scope, id)).collect(),
            comments: workspace.comments(id).into_iter().map(|id| CommentRow::of(scope, id)).collect(),
            attachments: workspace
                .attachments(id)
                .into_iter()
                .map(|id| AttachmentRow::of(scope, id))
                .collect(),
            open_conflicts: workspace
                .conflicts_of(key)
                .iter()
                .map(|one| ConflictRow::of(scope, one))
                .collect(),
        }
    }
}

impl ChecklistRow {
    fn of(scope: &Scope<'_>, id: EntityId) -> Self {
        let key = EntityKey::new(Kind::ChecklistItem, id);
        let list = scope.workspace.text(key, checklist_item::LIST);
        Self {
            title: scope.workspace.text(key, checklist_item::TITLE).to_owned(),
            done: scope.workspace.value(key, &checklist_item::DONE.into()).is_some_and(Value::is_true),
            list: (!list.is_empty()).then(|| list.to_owned()),
        }
    }
}
