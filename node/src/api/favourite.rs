//! Favourites: kept in the person's private workspace, so that all of their devices show the same and
//! nobody else any.

use super::{
    ApiError, Json, answer,
    reference::{self, Precision},
    scope::Scope,
    show,
};
use crate::handle::NodeHandle;
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use velo_protocol::{
    id::{EntityId, WorkspaceId},
    model::{EntityKey, Kind, personal},
    private::{self, About},
    replica::Command,
    value::Value,
    workspace::Workspace,
};

/// Actions on favourites.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Make a project or task a favourite
    #[command(after_help = "Examples:\n  velo favourite add House\n  velo favourite add HOUS-1")]
    Add(Which),
    /// Make it none any more
    #[command(after_help = "Examples:\n  velo favourite remove House\n  velo favourite remove HOUS-1")]
    Remove(Which),
    /// List your favourites, of every workspace
    #[command(after_help = "Example:\n  velo favourite list")]
    List,
}

/// What is, or shall be, a favourite.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub struct Which {
    /// A project by its whole name, or a task by `HOUS-1`, its title or part of it
    pub what: String,
}

/// A favourite in a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FavouriteRow {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Its name.
    pub workspace_name: String,
    /// "project" or "task".
    pub kind: String,
    /// Which.
    pub id: EntityId,
    /// What it is called.
    pub name: String,
    /// A task's short id; empty for a project.
    pub short_id: String,
}

impl FavouriteRow {
    fn of(workspace: &Workspace, key: EntityKey) -> Self {
        let is_task = key.kind == Kind::Task;
        Self {
            workspace: workspace.id(),
            workspace_name: workspace.name().to_owned(),
            kind: key.kind.name().to_owned(),
            id: key.id,
            name: show::name(workspace, key),
            short_id: if is_task { workspace.short_id(key.id) } else { String::new() },
        }
    }
}

/// Carries out a request on favourites.
pub(super) async fn execute(
    request: Request,
    wanted: Option<&str>,
    node: &NodeHandle,
) -> Result<Json, ApiError> {
    match request {
        Request::Add(which) => mark(&which, true, wanted, node).await,
        Request::Remove(which) => mark(&which, false, wanted, node).await,
        Request::List => answer(&rows(node)),
    }
}

async fn mark(
    which: &Which,
    is_favourite: bool,
    wanted: Option<&str>,
    node: &NodeHandle,
) -> Result<Json, ApiError> {
    let scope = Scope::open(node, wanted)?;
    let key = meant(&scope, &which.what)?;
    let change = About::entity(scope.id, key).keep([(personal::FAVOURITE, Value::Bool(is_favourite))]);
    let workspace = node.private().map(|private| private.id()).ok_or_else(|| {
        let told = "your private workspace is not open yet: try again in a moment";
        ApiError::Refused(told.to_owned())
    })?;
    node.submit(Command::Edit { workspace, changes: vec![change] }).await?;
    answer(&FavouriteRow::of(&scope.workspace, key))
}

/// A project of that very name, else the task that is meant.
fn meant(scope: &Scope<'_>, text: &str) -> Result<EntityKey, ApiError> {
    let project = reference::project(&scope.workspace, Some(text), Precision::Whole);
    match project {
        Ok(id) => Ok(EntityKey::new(Kind::Project, id)),
        Err(_) => {
            reference::shown_task(scope, text, Precision::Part).map(|id| EntityKey::new(Kind::Task, id))
        }
    }
}

/// Those that are shown: what was deleted, or stands in a workspace that is not here, is none to go to.
fn rows(node: &NodeHandle) -> Vec<FavouriteRow> {
    let Some(private) = node.private() else { return Vec::new() };
    let shown = private::favourites(&private).into_iter().filter_map(|about| {
        let workspace = node.workspace(about.workspace)?;
        workspace.is_shown(about.entity).then(|| FavouriteRow::of(&workspace, about.entity))
    });
    let mut rows: Vec<_> = shown.collect();
    rows.sort_by(|one, other| {
        let by = |row: &FavouriteRow| {
            (row.workspace_name.to_lowercase(), row.kind.clone(), row.name.to_lowercase())
        };
        by(one).cmp(&by(other))
    });
    rows
}
