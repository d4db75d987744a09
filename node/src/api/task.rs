//! Tasks: add, edit, move, show, list, done, delete, restore.

mod answer;
mod edit;
mod list;

pub use answer::{ChecklistRow, TaskDetail, TaskSummary};
pub use list::List;

use super::{
    ApiError, Json, answer,
    reference::{self, Precision},
    scope::Scope,
};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use velo_protocol::{
    change::Change,
    history,
    id::EntityId,
    model::{EntityKey, Kind, column, task},
    value::Value,
};

/// Actions on tasks.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Add a task
    Add(Add),
    /// Change fields of a task
    Edit(Edit),
    /// Move a task to another column, or to another place
    Move(Move),
    /// Show a task with everything in it
    #[command(after_help = "Examples:\n  velo task show HOUS-1\n  velo task show paint --json")]
    Show(Which),
    /// List tasks
    List(List),
    /// Move a task to the project's "done" column
    #[command(after_help = "Examples:\n  velo task done HOUS-1\n  velo task done \"Order the paint\"")]
    Done(Which),
    /// Delete a task; `restore` brings it back
    #[command(after_help = "Examples:\n  velo task delete HOUS-1\n  velo task delete \"Order the paint\"")]
    Delete(Which),
    /// Bring a deleted task back
    #[command(after_help = "Examples:\n  velo task list --deleted\n  velo task restore HOUS-1")]
    Restore(Which),
}

/// Adds a task.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(after_help = "Examples:\n  \
    velo task add \"Order the paint\"\n  \
    velo task add \"Order the paint\" --project House --column Doing --due friday --label urgent\n  \
    velo task add \"Compare prices\" --parent HOUS-1 --assign Ben")]
pub struct Add {
    /// One line that says what to do
    pub title: String,
    /// The project, by part of its name [default: the only one]
    #[arg(long, short)]
    #[serde(default)]
    pub project: Option<String>,
    /// The column, by part of its name [default: the first]
    #[arg(long, short)]
    #[serde(default)]
    pub column: Option<String>,
    /// The rest of what to set.
    #[command(flatten)]
    #[serde(default)]
    pub fields: Fields,
}

/// Changes a task.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(after_help = "Examples:\n  \
    velo task edit HOUS-1 --title \"Order green paint\" --priority high\n  \
    velo task edit HOUS-1 --due none --unlabel urgent")]
pub struct Edit {
    /// The task, such as VELO-42, its title or part of it, or the start of its id
    pub task: String,
    /// One line that says what to do
    #[arg(long, short)]
    #[serde(default)]
    pub title: Option<String>,
    /// Take a label off
    #[arg(long, value_name = "LABEL")]
    #[serde(default)]
    pub unlabel: Vec<String>,
    /// Take somebody off
    #[arg(long, value_name = "NAME")]
    #[serde(default)]
    pub unassign: Vec<String>,
    /// Put it away (true) or back on the board (false)
    #[arg(long)]
    #[serde(default)]
    pub archived: Option<bool>,
    /// The rest of what to set.
    #[command(flatten)]
    #[serde(default)]
    pub fields: Fields,
}

/// Fields that can be set when a task is added and later.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default)]
pub struct Fields {
    /// Longer text, in Markdown
    #[arg(long, short)]
    pub description: Option<String>,
    /// none, low, medium, high or urgent
    #[arg(long)]
    pub priority: Option<String>,
    /// 2026-12-01, 2026-12-01T14:30, tomorrow, friday, 3d, or none
    #[arg(long, value_name = "DATE")]
    pub due: Option<String>,
    /// When work starts; written like --due
    #[arg(long, value_name = "DATE")]
    pub start: Option<String>,
    /// Minutes of work, or none
    #[arg(long, value_name = "MINUTES")]
    pub estimate: Option<String>,
    /// Put a label on; may be repeated
    #[arg(long, short)]
    pub label: Vec<String>,
    /// Give it to a member or contact; may be repeated
    #[arg(long, short, value_name = "NAME")]
    pub assign: Vec<String>,
    /// Make it a subtask of this task, or none
    #[arg(long, value_name = "TASK")]
    pub parent: Option<String>,
}

/// Moves a task.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Examples:\n  \
    velo task move HOUS-1 Doing\n  \
    velo task move HOUS-1 Doing --top\n  \
    velo task move HOUS-1 Ideas --project Garden --after GARD-7")]
pub struct Move {
    /// The task, such as VELO-42, its title, or the start of its id
    pub task: String,
    /// The column, by part of its name
    pub column: String,
    /// The column's project, if it is another one
    #[arg(long, short)]
    #[serde(default)]
    pub project: Option<String>,
    /// To the first place rather than the last
    #[arg(long, conflicts_with = "after")]
    #[serde(default)]
    pub top: bool,
    /// Right after this task
    #[arg(long, value_name = "TASK")]
    #[serde(default)]
    pub after: Option<String>,
}

/// Names a task.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub struct Which {
    /// The task, such as VELO-42, its title, or the start of its id
    pub task: String,
}

/// Carries out a request on tasks.
pub(super) async fn execute(request: Request, scope: Scope<'_>) -> Result<Json, ApiError> {
    match request {
        Request::Add(request) => add(request, scope).await,
        Request::Edit(request) => edit_task(request, scope).await,
        Request::Move(request) => move_task(request, scope).await,
        Request::Show(which) => {
            let id = reference::task(&scope, &which.task, Precision::Part)?;
            answer(&TaskDetail::of(&scope, id))
        }
        Request::List(list) => answer(&list.run(&scope)?),
        Request::Done(which) => done(&which, scope).await,
        Request::Delete(which) => {
            let key = find(&which.task, &scope, Precision::Whole)?;
            write(scope, key, vec![Change::Delete { key }]).await
        }
        Request::Restore(which) => {
            let id = reference::task(&scope, &which.task, Precision::Whole)?;
            let key = EntityKey::new(Kind::Task, id);
            let contents = move |scope: &Scope<'_>| {
                let read = |at| scope.logged(at);
                history::with_contents(&scope.workspace, &[Change::Restore { key }], &read)
            };
            let changes = scope.apart(contents).await?;
            write(scope, key, changes).await
        }
    }
}

async fn add(request: Add, scope: Scope<'_>) -> Result<Json, ApiError> {
    let workspace = &scope.workspace;
    let project = reference::project(workspace, request.project.as_deref(), Precision::Part)?;
    let column = match &request.column {
        Some(text) => reference::column(workspace, project, text, Precision::Part)?,
        None => *workspace.columns(project).first().ok_or_else(|| {
            ApiError::not_found("column", "", "the project has none yet. `velo column add NAME` makes one")
        })?,
    };
    let key = EntityKey::new(Kind::Task, scope.node.new_entity_id());
    let mut fields = vec![
        (task::TITLE.into(), Value::text(request.title.trim())),
        (task::COLUMN.into(), Value::Entity(column)),
    ];
    fields.extend(edit::settings(&request.fields, key, &scope)?);
    let after = workspace.tasks(column).last().copied();
    let place = Change::Place { key, container: Some((task::COLUMN, column)), after };
    write(scope, key, vec![Change::Create { key, fields }, place]).await
}

async fn edit_task(request: Edit, scope: Scope<'_>) -> Result<Json, ApiError> {
    let key = find(&request.task, &scope, Precision::Part)?;
    let settings = edit::all_settings(&request, key, &scope)?;
    if settings.is_empty() {
        return Err(ApiError::Invalid(
            "say what to change, such as --title or --due: `velo task edit --help`".into(),
        ));
    }
    let changes = settings.into_iter().map(|(slot, value)| Change::Set { key, slot, value }).collect();
    write(scope, key, changes).await
}

async fn move_task(request: Move, scope: Scope<'_>) -> Result<Json, ApiError> {
    let workspace = &scope.workspace;
    let key = find(&request.task, &scope, Precision::Whole)?;
    let project = match (&request.project, workspace.project_of(key.id)) {
        (None, Some(own)) => own,
        (wanted, _) => reference::project(workspace, wanted.as_deref(), Precision::Part)?,
    };
    let column = reference::column(workspace, project, &request.column, Precision::Part)?;
    let after = match &request.after {
        Some(text) => Some(reference::shown_task(&scope, text, Precision::Whole)?),
        None if request.top => None,
        None => last_other(&scope, column, key.id),
    };
    let place = Change::Place { key, container: Some((task::COLUMN, column)), after };
    write(scope, key, vec![place]).await
}

async fn done(which: &Which, scope: Scope<'_>) -> Result<Json, ApiError> {
    let key = find(&which.task, &scope, Precision::Whole)?;
    let workspace = &scope.workspace;
    let columns = workspace.project_of(key.id).map(|project| workspace.columns(project)).unwrap_or_default();
    let is_done = |id: &&EntityId| show_category(&scope, **id) == Some(column::DONE);
    let Some(column) = columns.iter().find(is_done).copied() else {
        let hint = "its project has none. `velo column add Done --category done` makes one";
        return Err(ApiError::not_found("column", "done", hint));
    };
    if workspace.column_of(key.id) == Some(column) {
        return answer(&TaskSummary::of(&scope, key.id));
    }
    let after = last_other(&scope, column, key.id);
    let place = Change::Place { key, container: Some((task::COLUMN, column)), after };
    write(scope, key, vec![place]).await
}

fn show_category(scope: &Scope<'_>, column: EntityId) -> Option<i64> {
    let key = EntityKey::new(Kind::Column, column);
    scope.workspace.value(key, &column::CATEGORY.into())?.as_int()
}

fn last_other(scope: &Scope<'_>, column: EntityId, task: EntityId) -> Option<EntityId> {
    scope.workspace.tasks(column).into_iter().rfind(|id| *id != task)
}

fn find(text: &str, scope: &Scope<'_>, precision: Precision) -> Result<EntityKey, ApiError> {
    let id = reference::shown_task(scope, text, precision)?;
    Ok(EntityKey::new(Kind::Task, id))
}

/// Writes and answers with the task as it is then.
async fn write(mut scope: Scope<'_>, key: EntityKey, changes: Vec<Change>) -> Result<Json, ApiError> {
    scope.edit(changes).await?;
    answer(&TaskSummary::of(&scope, key.id))
}
