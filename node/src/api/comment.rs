//! Comments: add, list, delete.

use super::{ApiError, Json, answer, date, reference, scope::Scope, show};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use velo_protocol::{
    change::Change,
    id::EntityId,
    model::{EntityKey, Kind, comment},
    value::Value,
};

/// Actions on comments.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Write a comment
    Add(Add),
    /// List the comments of a task, oldest first
    List(super::task::Which),
    /// Delete a comment
    Delete(Which),
}

/// Writes a comment.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Example:\n  velo comment add HOUS-1 \"The shop opens at eight\"")]
pub struct Add {
    /// The task, such as VELO-42
    pub task: String,
    /// What to say, in Markdown
    pub text: String,
}

/// Names a comment.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub struct Which {
    /// The task, such as VELO-42
    pub task: String,
    /// The comment's place in `velo comment list`, or the start of its id
    pub comment: String,
}

/// A comment in a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommentRow {
    /// Which.
    pub id: EntityId,
    /// When: RFC 3339 in UTC, or the date in the source of an import.
    pub at: String,
    /// Who.
    pub by: String,
    /// Markdown.
    pub text: String,
}

impl CommentRow {
    /// The comment as it is now.
    pub fn of(scope: &Scope<'_>, id: EntityId) -> Self {
        let workspace = &scope.workspace;
        let key = EntityKey::new(Kind::Comment, id);
        let created = workspace.created(key);
        let by = match workspace.value(key, &comment::AUTHOR.into()) {
            Some(Value::Entity(contact)) => {
                Some(show::name(workspace, EntityKey::new(Kind::Contact, *contact)))
            }
            Some(Value::Person(person)) => Some(workspace.person_name(*person)),
            _ => None,
        };
        let written_at = workspace.value(key, &comment::WRITTEN_AT.into()).and_then(Value::as_date);
        Self {
            id,
            at: written_at
                .map(date::show)
                .or_else(|| created.map(|(hlc, _)| date::stamp(hlc)))
                .unwrap_or_default(),
            by: by.or_else(|| created.map(|(_, person)| workspace.person_name(person))).unwrap_or_default(),
            text: workspace.text(key, comment::TEXT).to_owned(),
        }
    }
}

/// Carries out a request on comments.
pub(super) async fn execute(request: Request, scope: Scope<'_>) -> Result<Json, ApiError> {
    match request {
        Request::Add(request) => add(request, scope).await,
        Request::List(which) => {
            let task = reference::shown_task(&scope, &which.task)?;
            let comments = scope.workspace.comments(task).into_iter();
            answer(&comments.map(|id| CommentRow::of(&scope, id)).collect::<Vec<_>>())
        }
        Request::Delete(which) => delete(&which, scope).await,
    }
}

async fn add(request: Add, mut scope: Scope<'_>) -> Result<Json, ApiError> {
    let task = reference::shown_task(&scope, &request.task)?;
    if request.text.trim().is_empty() {
        return Err(ApiError::Invalid("the comment is empty: write what you want to say".into()));
    }
    let key = EntityKey::new(Kind::Comment, scope.node.new_entity_id());
    let fields =
        vec![(comment::TASK.into(), Value::Entity(task)), (comment::TEXT.into(), Value::text(request.text))];
    scope.edit(vec![Change::Create { key, fields }]).await?;
    answer(&CommentRow::of(&scope, key.id))
}

async fn delete(which: &Which, mut scope: Scope<'_>) -> Result<Json, ApiError> {
    let task = reference::shown_task(&scope, &which.task)?;
    let comments = scope.workspace.comments(task);
    let place = which.comment.parse::<usize>().ok().and_then(|place| place.checked_sub(1));
    let by_place = place.and_then(|place| comments.get(place)).copied();
    let by_id = || comments.iter().find(|id| reference::starts(&id.to_string(), &which.comment)).copied();
    let hint = format!("see `velo comment list {}`", which.task);
    let id = by_place.or_else(by_id).ok_or_else(|| ApiError::not_found("comment", &which.comment, &hint))?;
    let row = CommentRow::of(&scope, id);
    scope.edit(vec![Change::Delete { key: EntityKey::new(Kind::Comment, id) }]).await?;
    answer(&row)
}
