//! Which tasks to list.

use super::TaskSummary;
use crate::api::{
    ApiError,
    reference::{self, Precision},
    scope::Scope,
    show,
};
use clap::Args;
use serde::{Deserialize, Serialize};
use velo_protocol::{
    id::EntityId,
    model::{EntityKey, Field, Kind, column, task},
    value::Element,
};

/// Lists tasks in the order of the board. Filters narrow each other.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[serde(default)]
#[command(after_help = "Examples:\n  \
    velo task list\n  \
    velo task list --project House --column Doing\n  \
    velo task list --assignee Ben --open --json\n  \
    velo task list --search paint")]
pub struct List {
    /// Of this project
    #[arg(long, short)]
    pub project: Option<String>,
    /// In columns whose name has this in it
    #[arg(long, short)]
    pub column: Option<String>,
    /// With this label
    #[arg(long, short)]
    pub label: Option<String>,
    /// Of this member or contact
    #[arg(long, short, value_name = "NAME")]
    pub assignee: Option<String>,
    /// With this in the title
    #[arg(long, short, value_name = "TEXT")]
    pub search: Option<String>,
    /// Not done yet
    #[arg(long)]
    pub open: bool,
    /// Archived ones too
    #[arg(long)]
    pub archived: bool,
    /// Deleted ones instead, latest first
    #[arg(long)]
    pub deleted: bool,
    /// At most so many
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

impl List {
    /// The tasks that fit.
    pub(super) fn run(&self, scope: &Scope<'_>) -> Result<Vec<TaskSummary>, ApiError> {
        let tasks = if self.deleted { scope.workspace.deleted(Kind::Task) } else { self.on_boards(scope)? };
        self.check_column(scope)?;
        let label = self.label.as_deref();
        let label =
            label.map(|text| reference::label(&scope.workspace, text, Precision::Part)).transpose()?;
        let who = self.assignee.as_deref().map(|text| reference::who(&scope.workspace, text)).transpose()?;
        let label = label.map(|id| name(scope, task::LABELS, &Element::Entity(id)));
        let who = who.map(|who| name(scope, task::ASSIGNEES, &who));
        let rows = tasks.into_iter().map(|id| TaskSummary::of(scope, id));
        let fitting = rows.filter(|row| self.fits(row, label.as_deref(), who.as_deref()));
        Ok(fitting.take(self.limit.unwrap_or(usize::MAX)).collect())
    }

    /// A name that no column has is a slip, not an empty column.
    fn check_column(&self, scope: &Scope<'_>) -> Result<(), ApiError> {
        let Some(part) = &self.column else { return Ok(()) };
        let names = scope.workspace.shown(Kind::Column).map(|id| EntityKey::new(Kind::Column, id));
        let mut names = names.map(|key| scope.workspace.text(key, column::NAME).to_lowercase());
        let hint = "see `velo column list`";
        if names.any(|name| name.contains(&part.to_lowercase())) {
            Ok(())
        } else {
            Err(ApiError::not_found("column", part, hint))
        }
    }

    fn on_boards(&self, scope: &Scope<'_>) -> Result<Vec<EntityId>, ApiError> {
        let workspace = &scope.workspace;
        let projects = match &self.project {
            Some(text) => vec![reference::project(workspace, Some(text), Precision::Part)?],
            None => workspace.projects(),
        };
        let columns = projects.into_iter().flat_map(|project| workspace.columns(project));
        let mut tasks: Vec<_> = columns.flat_map(|column| workspace.tasks(column)).collect();
        if self.project.is_none() {
            tasks.extend(workspace.tasks_without_project());
        }
        Ok(tasks)
    }

    fn fits(&self, row: &TaskSummary, label: Option<&str>, who: Option<&str>) -> bool {
        let has = |text: &str, part: &str| text.to_lowercase().contains(&part.to_lowercase());
        let column = row.column.as_deref().unwrap_or_default();
        self.column.as_deref().is_none_or(|part| has(column, part))
            && self.search.as_deref().is_none_or(|part| has(&row.title, part))
            && label.is_none_or(|label| row.labels.iter().any(|other| other == label))
            && who.is_none_or(|who| row.assignees.iter().any(|other| other == who))
            && !(self.open && row.done)
            && (self.archived || self.deleted || !row.archived)
    }
}

fn name(scope: &Scope<'_>, field: Field, element: &Element) -> String {
    show::element_name(&scope.workspace, Kind::Task, field, element)
}
