//! Tasks, projects and comments as the relay's own person sees them: only where a member gave them a role, and
//! with it the keys.

use super::{App, Asked, caller::Caller, problem::Problem};
use crate::limits;
use axum::{Json, extract::State};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use velo_node::{
    api::{comment::CommentRow, project::ProjectRow, scope::Scope, show::Stamp, task::TaskSummary},
    handle::NodeHandle,
};
use velo_protocol::{
    id::{EntityId, WorkspaceId},
    model::{EntityKey, Kind, comment, task},
    value::Value,
    workspace::Workspace,
};

/// A part of the rows that fit.
#[derive(Debug, Serialize)]
pub(super) struct Part<T> {
    rows: Vec<T>,
    /// How many fit.
    total: usize,
    /// The offset from which to go on, if there are more.
    next: Option<usize>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Order {
    #[default]
    Asc,
    Desc,
}

impl Order {
    fn of(self, ordering: Ordering) -> Ordering {
        if self == Self::Asc { ordering } else { ordering.reverse() }
    }
}

fn part<T>(all: Vec<T>, offset: usize, limit: Option<usize>) -> Part<T> {
    let limit = limit.unwrap_or(limits::ROWS).clamp(1, limits::ROWS);
    let (total, next) = (all.len(), offset.saturating_add(limit));
    let rows = all.into_iter().skip(offset).take(limit).collect();
    Part { rows, total, next: (next < total).then_some(next) }
}

/// Has rows made of a workspace that the relay can read, on a thread that may take its time.
async fn of_readable<T: Send + 'static>(
    app: &App,
    workspace: WorkspaceId,
    make: impl FnOnce(&Scope<'_>) -> T + Send + 'static,
) -> Result<T, Problem> {
    let node = app.node.clone();
    let room = app.reading.clone().acquire_owned().await.map_err(|error| Problem::internal(&error))?;
    let done = tokio::task::spawn_blocking(move || {
        let _room = room;
        readable(&node, workspace)?;
        // Not by its text: that may be the name of another one.
        let scope = Scope::of(&node, workspace);
        scope.map(|scope| make(&scope)).map_err(|error| Problem::internal(&error))
    });
    done.await.map_err(|error| Problem::internal(&error))?
}

/// Whether the relay's person is in, and so has the keys.
pub(super) fn readable(node: &NodeHandle, id: WorkspaceId) -> Result<Workspace, Problem> {
    let shown = node.workspace(id).filter(|shown| shown.roster().role_of(node.person()).is_some());
    shown.ok_or_else(|| {
        let detail =
            "this relay carries the workspace and cannot read it: `velo relay role viewer` lets it be asked this";
        Problem::forbidden("not_readable", detail)
    })
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum TaskSort {
    /// As on the boards.
    #[default]
    Board,
    Title,
    Due,
    Priority,
    Created,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TaskQuery {
    project: Option<EntityId>,
    column: Option<String>,
    label: Option<String>,
    assignee: Option<String>,
    search: Option<String>,
    done: Option<bool>,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    sort: TaskSort,
    #[serde(default)]
    order: Order,
    #[serde(default)]
    offset: usize,
    limit: Option<usize>,
}

/// A task, with what it is to be sorted by.
#[derive(Debug, Serialize)]
pub(super) struct TaskRow {
    #[serde(flatten)]
    task: TaskSummary,
    project_id: Option<EntityId>,
    description: String,
    /// Milliseconds since 1970.
    created: u64,
    #[serde(skip)]
    priority_place: i64,
}

impl TaskRow {
    fn of(scope: &Scope<'_>, id: EntityId) -> Self {
        let view = scope.workspace.task(id);
        Self {
            task: TaskSummary::of(scope, id),
            project_id: scope.workspace.project_of(id),
            description: scope.workspace.text(EntityKey::new(Kind::Task, id), task::DESCRIPTION).to_owned(),
            created: view.map_or(0, |view| view.created.ms()),
            priority_place: view.map_or(0, |view| view.priority),
        }
    }

    /// What there is comes before what there is not, in either order.
    fn compare(&self, other: &Self, sort: TaskSort, order: Order) -> Ordering {
        let dated = || {
            let missing = self.task.due.is_none().cmp(&other.task.due.is_none());
            missing.then_with(|| order.of(self.task.due.cmp(&other.task.due)))
        };
        match sort {
            TaskSort::Board => Ordering::Equal,
            TaskSort::Title => order.of(self.task.title.to_lowercase().cmp(&other.task.title.to_lowercase())),
            TaskSort::Due => dated(),
            TaskSort::Priority => order.of(self.priority_place.cmp(&other.priority_place)),
            TaskSort::Created => order.of(self.created.cmp(&other.created)),
        }
    }
}

impl TaskQuery {
    fn fits(&self, row: &TaskRow) -> bool {
        let task = &row.task;
        let is = |wanted: &Option<String>, given: &str| {
            wanted.as_ref().is_none_or(|wanted| wanted.to_lowercase() == given.to_lowercase())
        };
        let any = |wanted: &Option<String>, given: &[String]| {
            wanted.is_none() || given.iter().any(|given| is(wanted, given))
        };
        let found = |wanted: &String| task.title.to_lowercase().contains(&wanted.to_lowercase());
        self.project.is_none_or(|project| row.project_id == Some(project))
            && is(&self.column, task.column.as_deref().unwrap_or_default())
            && any(&self.label, &task.labels)
            && any(&self.assignee, &task.assignees)
            && self.search.as_ref().is_none_or(found)
            && self.done.is_none_or(|done| task.done == done)
            && (self.archived || !task.archived)
    }

    fn rows(&self, scope: &Scope<'_>) -> Part<TaskRow> {
        let workspace = &scope.workspace;
        let columns = workspace.projects().into_iter().flat_map(|project| workspace.columns(project));
        let mut ids: Vec<EntityId> = columns.flat_map(|column| workspace.tasks(column)).collect();
        ids.extend(workspace.tasks_without_project());
        let rows = ids.into_iter().map(|id| TaskRow::of(scope, id));
        let mut rows: Vec<TaskRow> = rows.filter(|row| self.fits(row)).collect();
        // Stable: what is equal stays as on the boards.
        rows.sort_by(|a, b| a.compare(b, self.sort, self.order));
        if self.sort == TaskSort::Board && self.order == Order::Desc {
            rows.reverse();
        }
        part(rows, self.offset, self.limit)
    }
}

pub(super) async fn tasks(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<TaskQuery>,
) -> Result<Json<Part<TaskRow>>, Problem> {
    of_readable(&app, caller.workspace, move |scope| query.rows(scope)).await.map(Json)
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ProjectSort {
    #[default]
    Board,
    Name,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProjectQuery {
    search: Option<String>,
    #[serde(default)]
    archived: bool,
    #[serde(default)]
    sort: ProjectSort,
    #[serde(default)]
    order: Order,
    #[serde(default)]
    offset: usize,
    limit: Option<usize>,
}

pub(super) async fn projects(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<ProjectQuery>,
) -> Result<Json<Part<ProjectRow>>, Problem> {
    let make = move |scope: &Scope<'_>| {
        let wanted = query.search.as_ref().map(|wanted| wanted.to_lowercase());
        let fits = |row: &ProjectRow| {
            wanted.as_ref().is_none_or(|wanted| row.name.to_lowercase().contains(wanted))
                && (query.archived || !row.archived)
        };
        let rows = scope.workspace.projects().into_iter().map(|id| ProjectRow::of(scope, id));
        let mut rows: Vec<ProjectRow> = rows.filter(fits).collect();
        if query.sort == ProjectSort::Name {
            rows.sort_by_cached_key(|row| row.name.to_lowercase());
        }
        if query.order == Order::Desc {
            rows.reverse();
        }
        part(rows, query.offset, query.limit)
    };
    of_readable(&app, caller.workspace, make).await.map(Json)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CommentQuery {
    /// On which task; without it, all.
    task: Option<EntityId>,
    search: Option<String>,
    /// By when they were written.
    #[serde(default)]
    order: Order,
    #[serde(default)]
    offset: usize,
    limit: Option<usize>,
}

/// A comment, with its task.
#[derive(Debug, Serialize)]
pub(super) struct TaskComment {
    #[serde(flatten)]
    comment: CommentRow,
    task: Option<EntityId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created: Option<Stamp>,
}

impl TaskComment {
    fn of(scope: &Scope<'_>, id: EntityId) -> Self {
        let (workspace, key) = (&scope.workspace, EntityKey::new(Kind::Comment, id));
        Self {
            comment: CommentRow::of(scope, id),
            task: workspace.value(key, &comment::TASK.into()).and_then(Value::as_entity),
            created: workspace.created(key).map(|(hlc, person)| Stamp::of(workspace, hlc, person)),
        }
    }
}

pub(super) async fn comments(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<CommentQuery>,
) -> Result<Json<Part<TaskComment>>, Problem> {
    let make = move |scope: &Scope<'_>| {
        let ids: Vec<EntityId> = match query.task {
            Some(task) => scope.workspace.comments(task),
            None => scope.workspace.shown(Kind::Comment).collect(),
        };
        let wanted = query.search.as_ref().map(|wanted| wanted.to_lowercase());
        let fits = |row: &TaskComment| {
            wanted.as_ref().is_none_or(|wanted| row.comment.text.to_lowercase().contains(wanted))
        };
        let rows = ids.into_iter().map(|id| TaskComment::of(scope, id));
        let mut rows: Vec<TaskComment> = rows.filter(fits).collect();
        rows.sort_by(|a, b| query.order.of(a.comment.at.cmp(&b.comment.at)));
        part(rows, query.offset, query.limit)
    };
    of_readable(&app, caller.workspace, make).await.map(Json)
}
