//! Columns of a project: add, list, rename, move, delete.

use super::{
    ApiError, Json, answer,
    reference::{self, Precision},
    scope::Scope,
    show, written,
};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use velo_protocol::{
    change::Change,
    id::EntityId,
    model::{EntityKey, Kind, Slot, column, project},
    value::Value,
};

/// Actions on columns.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Add a column at the right end
    Add(Add),
    /// List the columns of a project
    #[command(after_help = "Example:\n  velo column list --project House")]
    List(Of),
    /// Give a column another name
    #[command(after_help = "Example:\n  velo column rename Review Check --project House")]
    Rename(Rename),
    /// Delete a column; its tasks show in the project's first one
    #[command(after_help = "Example:\n  velo column delete Review --project House")]
    Delete(Which),
}

/// Adds a column.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Examples:\n  \
    velo column add Review --project House\n  \
    velo column add Done --category done")]
pub struct Add {
    /// Its name
    pub name: String,
    /// The project [default: the only one]
    #[arg(long, short)]
    #[serde(default)]
    pub project: Option<String>,
    /// backlog, todo, doing, done or cancelled
    #[arg(long, default_value = "todo")]
    pub category: String,
}

/// Names a project.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub struct Of {
    /// The project [default: the only one]
    #[arg(long, short)]
    #[serde(default)]
    pub project: Option<String>,
}

/// Renames a column.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub struct Rename {
    /// Which column.
    #[command(flatten)]
    #[serde(flatten)]
    pub which: Which,
    /// The new name
    pub name: String,
}

/// Names a column.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub struct Which {
    /// The column, by name or the start of its id
    pub column: String,
    /// The project [default: the only one]
    #[arg(long, short)]
    #[serde(default)]
    pub project: Option<String>,
}

/// A column in a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ColumnRow {
    /// Which.
    pub id: EntityId,
    /// Its name.
    pub name: String,
    /// Name of its project.
    pub project: String,
    /// What its tasks are: a word of [`column::CATEGORIES`].
    pub category: String,
    /// How many tasks stand in it.
    pub tasks: usize,
    /// Put away.
    pub archived: bool,
}

impl ColumnRow {
    /// The column as it is now.
    pub fn of(scope: &Scope<'_>, id: EntityId) -> Self {
        let workspace = &scope.workspace;
        let key = EntityKey::new(Kind::Column, id);
        let project = workspace.value(key, &column::PROJECT.into()).and_then(Value::as_entity);
        let category = workspace.value(key, &column::CATEGORY.into()).and_then(Value::as_int).unwrap_or(0);
        let name_of = |id| workspace.text(EntityKey::new(Kind::Project, id), project::NAME).to_owned();
        Self {
            id,
            name: workspace.text(key, column::NAME).to_owned(),
            project: project.map(name_of).unwrap_or_default(),
            category: show::choice(column::CATEGORIES, category).to_owned(),
            tasks: workspace.tasks(id).len(),
            archived: workspace.value(key, &column::ARCHIVED.into()).is_some_and(Value::is_true),
        }
    }
}

/// Carries out a request on columns.
pub(super) async fn execute(request: Request, scope: Scope<'_>) -> Result<Json, ApiError> {
    match request {
        Request::Add(request) => add(request, scope).await,
        Request::List(of) => {
            let project = reference::project(&scope.workspace, of.project.as_deref(), Precision::Part)?;
            let columns = scope.workspace.columns(project).into_iter();
            answer(&columns.map(|id| ColumnRow::of(&scope, id)).collect::<Vec<_>>())
        }
        Request::Rename(request) => {
            let key = find(&request.which, &scope, Precision::Part)?;
            let value = Value::text(request.name.trim());
            write(scope, key, vec![Change::Set { key, slot: column::NAME.into(), value }]).await
        }
        Request::Delete(which) => {
            let key = find(&which, &scope, Precision::Whole)?;
            write(scope, key, vec![Change::Delete { key }]).await
        }
    }
}

async fn add(request: Add, scope: Scope<'_>) -> Result<Json, ApiError> {
    let project = reference::project(&scope.workspace, request.project.as_deref(), Precision::Part)?;
    let key = EntityKey::new(Kind::Column, scope.node.new_entity_id());
    let mut fields = Vec::from(fields(&request.name, &request.category)?);
    fields.push((column::PROJECT.into(), Value::Entity(project)));
    let after = scope.workspace.columns(project).last().copied();
    let place = Change::Place { key, container: Some((column::PROJECT, project)), after };
    write(scope, key, vec![Change::Create { key, fields }, place]).await
}

/// The fields of a new column.
pub(super) fn fields(name: &str, category: &str) -> Result<[(Slot, Value); 2], ApiError> {
    let category = written::choice("category", column::CATEGORIES, category)?;
    Ok([(column::NAME.into(), Value::text(name.trim())), (column::CATEGORY.into(), category)])
}

fn find(which: &Which, scope: &Scope<'_>, precision: Precision) -> Result<EntityKey, ApiError> {
    let project = reference::project(&scope.workspace, which.project.as_deref(), Precision::Part)?;
    reference::column(&scope.workspace, project, &which.column, precision)
        .map(|id| EntityKey::new(Kind::Column, id))
}

async fn write(mut scope: Scope<'_>, key: EntityKey, changes: Vec<Change>) -> Result<Json, ApiError> {
    scope.edit(changes).await?;
    answer(&ColumnRow::of(&scope, key.id))
}
