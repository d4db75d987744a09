//! Comments: add, list, delete.

use super::{
    ApiError, Json, answer, date,
    reference::{self, Precision},
    scope::Scope,
    show,
};
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
    #[command(after_help = "Example:\n  velo comment list HOUS-1")]
    List(super::task::Which),
    /// Delete a comment
    #[command(after_help = "Examples:\n  velo comment list HOUS-1\n  velo comment delete HOUS-1 k3f7qa2m")]
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
    /// The comment, as `velo comment list` names it, or its whole id
    pub comment: String,
}

/// A comment in a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CommentRow {
    /// Which.
    pub id: EntityId,
    /// The same in short, such as `k3f7qa2m`. It does not change when other comments arrive.
    pub short: String,
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
            short: short(id),
            at: written_at
                .map(date::show)
                .or_else(|| created.map(|(hlc, _)| date::stamp(hlc)))
                .unwrap_or_default(),
            by: by.or_else(|| created.map(|(_, person)| workspace.person_name(person))).unwrap_or_default(),
            text: workspace.text(key, comment::TEXT).to_owned(),
        }
    }
}

/// Made from a hash: ids begin with the time, so those of a conversation begin alike.
pub(super) fn short(id: EntityId) -> String {
    const LETTERS: usize = 8;
    let hash = blake3::hash(id.as_bytes());
    data_encoding::BASE32_NOPAD.encode(hash.as_bytes()).to_lowercase()[..LETTERS].to_owned()
}

/// Carries out a request on comments.
pub(super) async fn execute(request: Request, scope: Scope<'_>) -> Result<Json, ApiError> {
    match request {
        Request::Add(request) => add(request, scope).await,
        Request::List(which) => {
            let task = reference::shown_task(&scope, &which.task, Precision::Part)?;
            let comments = scope.workspace.comments(task).into_iter();
            answer(&comments.map(|id| CommentRow::of(&scope, id)).collect::<Vec<_>>())
        }
        Request::Delete(which) => delete(&which, scope).await,
    }
}

async fn add(request: Add, mut scope: Scope<'_>) -> Result<Json, ApiError> {
    let task = reference::shown_task(&scope, &request.task, Precision::Part)?;
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
    let task = reference::shown_task(&scope, &which.task, Precision::Part)?;
    let wanted = which.comment.to_lowercase();
    let is_meant = |id: &EntityId| short(*id) == wanted || id.to_string() == wanted;
    let comments = scope.workspace.comments(task).into_iter();
    let found: Vec<_> = comments.filter(is_meant).collect();
    let [id] = found[..] else {
        let hint = format!("see `velo comment list {}`", which.task);
        return Err(ApiError::not_found("comment", &which.comment, &hint));
    };
    let row = CommentRow::of(&scope, id);
    scope.edit(vec![Change::Delete { key: EntityKey::new(Kind::Comment, id) }]).await?;
    answer(&row)
}
