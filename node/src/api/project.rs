//! Projects: add, list, show, delete.

use super::{
    ApiError, Json, answer,
    column::ColumnRow,
    reference::{self, Precision},
    scope::Scope,
};
use crate::short_id;
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use velo_protocol::{
    change::Change,
    id::EntityId,
    model::{EntityKey, Kind, column, project},
    value::Value,
};

/// Actions on projects.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Add a project with its columns
    Add(Add),
    /// List projects
    #[command(after_help = "Examples:\n  velo project list\n  velo project list --json")]
    List,
    /// Show a project with its columns
    #[command(after_help = "Example:\n  velo project show House")]
    Show(Which),
    /// Delete a project and everything in it; `velo undo` brings it back
    #[command(after_help = "Examples:\n  velo project delete House\n  velo project delete HOUS")]
    Delete(Which),
}

/// Adds a project.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Examples:\n  \
    velo project add House\n  \
    velo project add \"New website\" --prefix WEB --columns \"Ideas,Writing,Online:done\"")]
pub struct Add {
    /// Its name
    pub name: String,
    /// Letters before the number in short ids [default: from the name]
    #[arg(long)]
    #[serde(default)]
    pub prefix: Option<String>,
    /// What it is for, in Markdown
    #[arg(long, short)]
    #[serde(default)]
    pub description: Option<String>,
    /// Columns from left to right; `:done` and the like says what a column is for
    #[arg(long, value_delimiter = ',', default_value = "To do:todo,Doing:doing,Done:done")]
    #[serde(default)]
    pub columns: Vec<String>,
}

/// Names a project.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub struct Which {
    /// The project, by name, prefix or the start of its id
    pub project: String,
}

/// A project in a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProjectRow {
    /// Which.
    pub id: EntityId,
    /// Its name.
    pub name: String,
    /// Letters before the number in short ids.
    pub prefix: String,
    /// Markdown.
    pub description: String,
    /// How many columns it has.
    pub columns: usize,
    /// How many tasks stand in them.
    pub tasks: usize,
    /// Put away.
    pub archived: bool,
}

/// A project with its columns.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProjectDetail {
    /// What lists show.
    #[serde(flatten)]
    pub project: ProjectRow,
    /// From left to right.
    pub board: Vec<ColumnRow>,
}

impl ProjectRow {
    /// The project as it is now.
    pub fn of(scope: &Scope<'_>, id: EntityId) -> Self {
        let workspace = &scope.workspace;
        let key = EntityKey::new(Kind::Project, id);
        let columns = workspace.columns(id);
        Self {
            id,
            name: workspace.text(key, project::NAME).to_owned(),
            prefix: short_id::prefix(workspace, id),
            description: workspace.text(key, project::DESCRIPTION).to_owned(),
            columns: columns.len(),
            tasks: columns.into_iter().map(|column| workspace.tasks(column).len()).sum(),
            archived: workspace.value(key, &project::ARCHIVED.into()).is_some_and(Value::is_true),
        }
    }
}

/// Carries out a request on projects.
pub(super) async fn execute(request: Request, scope: Scope<'_>) -> Result<Json, ApiError> {
    match request {
        Request::Add(request) => add(request, scope).await,
        Request::List => {
            let rows = scope.workspace.projects().into_iter().map(|id| ProjectRow::of(&scope, id));
            answer(&rows.collect::<Vec<_>>())
        }
        Request::Show(which) => {
            let id = reference::project(&scope.workspace, Some(&which.project), Precision::Part)?;
            let columns = scope.workspace.columns(id).into_iter();
            let board = columns.map(|column| ColumnRow::of(&scope, column)).collect();
            answer(&ProjectDetail { project: ProjectRow::of(&scope, id), board })
        }
        Request::Delete(which) => delete(&which, scope).await,
    }
}

async fn add(request: Add, mut scope: Scope<'_>) -> Result<Json, ApiError> {
    let key = EntityKey::new(Kind::Project, scope.node.new_entity_id());
    let name = request.name.trim();
    let prefix = match request.prefix {
        Some(prefix) => checked_prefix(&prefix)?,
        None => free_prefix(&scope, name),
    };
    let mut fields =
        vec![(project::NAME.into(), Value::text(name)), (project::PREFIX.into(), Value::text(prefix))];
    if let Some(text) = request.description {
        fields.push((project::DESCRIPTION.into(), Value::text(text)));
    }
    let after = scope.workspace.projects().last().copied();
    let mut changes = vec![Change::Create { key, fields }, Change::Place { key, container: None, after }];
    let mut left = None;
    for text in &request.columns {
        let column = EntityKey::new(Kind::Column, scope.node.new_entity_id());
        let mut fields = column_fields(text)?;
        fields.push((column::PROJECT.into(), Value::Entity(key.id)));
        let container = Some((column::PROJECT, key.id));
        changes.push(Change::Create { key: column, fields });
        changes.push(Change::Place { key: column, container, after: left.replace(column.id) });
    }
    scope.edit(changes).await?;
    answer(&ProjectRow::of(&scope, key.id))
}

fn column_fields(text: &str) -> Result<Vec<(velo_protocol::model::Slot, Value)>, ApiError> {
    let (name, category) = text.rsplit_once(':').unwrap_or((text, "todo"));
    Ok(super::column::fields(name, category)?.into())
}

fn checked_prefix(prefix: &str) -> Result<String, ApiError> {
    let good = !prefix.is_empty() && prefix.chars().all(char::is_alphanumeric);
    let wrong =
        || ApiError::Invalid(format!("the prefix \"{prefix}\" must be letters and digits, such as VELO"));
    if good { Ok(prefix.to_uppercase()) } else { Err(wrong()) }
}

/// A prefix made from the name that no other project has.
fn free_prefix(scope: &Scope<'_>, name: &str) -> String {
    let wanted = short_id::prefix_from(name);
    let taken: Vec<_> =
        scope.workspace.projects().into_iter().map(|id| short_id::prefix(&scope.workspace, id)).collect();
    let numbered = (2..).map(|number: u32| format!("{wanted}{number}"));
    let mut all = std::iter::once(wanted.clone()).chain(numbered);
    all.find(|prefix| !taken.contains(prefix)).unwrap_or_default()
}

async fn delete(which: &Which, mut scope: Scope<'_>) -> Result<Json, ApiError> {
    let id = reference::project(&scope.workspace, Some(&which.project), Precision::Whole)?;
    let row = ProjectRow::of(&scope, id);
    scope.edit(vec![Change::Delete { key: EntityKey::new(Kind::Project, id) }]).await?;
    answer(&row)
}
