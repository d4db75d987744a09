//! Attachments: add files to a task, list, fetch, save and remove them.

use super::{
    ApiError, Json, answer,
    reference::{self, Precision},
    scope::Scope,
    show::Stamp,
};
use crate::blobs::{content::Presence, usage};
use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use velo_protocol::{
    change::Change,
    id::EntityId,
    model::{EntityKey, Kind, attachment},
    replica::Fetching,
    value::Value,
};

/// Actions on attachments.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Attach files to a task
    Add(Add),
    /// List the attachments of a task
    #[command(after_help = "Examples:\n  velo attach list HOUS-1\n  velo attach list HOUS-1 --json")]
    List(super::task::Which),
    /// Write the content to a file, after fetching what of it is not on this device
    Save(Save),
    /// Open the content with the program that the system has for it
    Open(Open),
    /// Fetch the content from other devices
    Fetch(Fetch),
    /// Take an attachment off its task
    #[command(after_help = "Example:\n  velo attach remove k3f7qa2m\n\n`velo undo` brings it back.")]
    Remove(Which),
    /// Show or choose when content is fetched from other devices
    Fetching(Choose),
    /// How much of files is kept that are being attached: answered with bytes.
    #[command(skip)]
    Adding {
        /// The files, in the order in which they are attached.
        files: Vec<PathBuf>,
    },
}

/// Attaches files.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Example:\n  velo attach add HOUS-1 leak.jpg plan.pdf")]
pub struct Add {
    /// The task, such as VELO-42
    pub task: String,
    /// The files
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
}

/// Names an attachment.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub struct Which {
    /// The attachment, as `velo attach list` names it, or its whole id
    pub attachment: String,
}

/// Writes content to a file.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Examples:\n  velo attach save k3f7qa2m\n  velo attach save k3f7qa2m leak.jpg\n\n\
    Exits with 4 if no device that has the content was reached.")]
pub struct Save {
    /// The attachment, as `velo attach list` names it, or its whole id
    pub attachment: String,
    /// Where to [default: under its name in this folder]
    pub path: Option<PathBuf>,
    /// Seconds to wait without anything arriving, at most a day
    #[arg(long, default_value_t = 60)]
    pub wait: u64,
}

/// Opens content.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Example:\n  velo attach open k3f7qa2m\n\n\
    What is opened is a copy for reading, in the folder for temporary files: changes to it stay there. Programs \
    and other files that could do harm are not opened; `velo attach save` saves them. Exits with 4 if no device \
    that has the content was reached.")]
pub struct Open {
    /// The attachment, as `velo attach list` names it, or its whole id
    pub attachment: String,
    /// Seconds to wait without anything arriving, at most a day
    #[arg(long, default_value_t = 60)]
    pub wait: u64,
}

/// Fetches content.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Example:\n  velo attach fetch k3f7qa2m\n\n\
    Exits with 4 if no device that has the content was reached.")]
pub struct Fetch {
    /// The attachment, as `velo attach list` names it, or its whole id
    pub attachment: String,
    /// Seconds to wait without anything arriving, at most a day
    #[arg(long, default_value_t = 60)]
    pub wait: u64,
}

/// Chooses when content is fetched.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Examples:\n  velo attach fetching\n  velo attach fetching metered")]
pub struct Choose {
    /// When; without it the present choice is shown
    pub when: Option<When>,
}

/// When content is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// All of it, as soon as another device has it
    Always,
    /// What you look at, and small ones in advance
    Viewed,
    /// Only what you ask for, on a line that costs money
    Metered,
}

impl From<Fetching> for When {
    fn from(fetching: Fetching) -> Self {
        match fetching {
            Fetching::Always => Self::Always,
            Fetching::Viewed => Self::Viewed,
            Fetching::Metered => Self::Metered,
        }
    }
}

impl From<When> for Fetching {
    fn from(when: When) -> Self {
        match when {
            When::Always => Self::Always,
            When::Viewed => Self::Viewed,
            When::Metered => Self::Metered,
        }
    }
}

/// When content is fetched, in answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FetchingAnswer {
    /// When.
    pub fetching: When,
}

/// An attachment in a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AttachmentRow {
    /// Which.
    pub id: EntityId,
    /// The same in short, such as `k3f7qa2m`.
    pub short: String,
    /// The task, such as `VELO-42`.
    pub task: String,
    /// The file's name.
    pub name: String,
    /// Such as `image/jpeg`.
    pub media_type: Option<String>,
    /// Bytes.
    pub size: u64,
    /// Where it lives, if it is a link.
    pub url: Option<String>,
    /// When it was attached, and by whom.
    pub added: Option<Stamp>,
    /// How much of the content is on this device; `None` for a link, and where nobody looked.
    pub content: Option<Presence>,
    /// Why nothing of it can be kept at the moment, if something is missing and that is so.
    #[serde(default)]
    pub trouble: Option<String>,
}

impl AttachmentRow {
    /// The attachment as it is now, without a look at the disk.
    pub fn of(scope: &Scope<'_>, id: EntityId) -> Self {
        let workspace = &scope.workspace;
        let key = EntityKey::new(Kind::Attachment, id);
        let text = |field| Some(workspace.text(key, field).to_owned()).filter(|text| !text.is_empty());
        let task = workspace.value(key, &attachment::TASK.into()).and_then(Value::as_entity);
        Self {
            id,
            short: short(id),
            task: task.map(|task| workspace.short_id(task)).unwrap_or_default(),
            name: text(attachment::NAME).unwrap_or_default(),
            media_type: text(attachment::MEDIA_TYPE),
            size: usage::size(workspace, id),
            url: text(attachment::URL),
            added: workspace.created(key).map(|(hlc, person)| Stamp::of(workspace, hlc, person)),
            content: None,
            trouble: None,
        }
    }

    /// The same with what of the content is here.
    fn with_content(scope: &Scope<'_>, id: EntityId) -> Result<Self, ApiError> {
        let content = scope.node.presence(scope.id, id)?;
        let is_missing = content.is_some_and(|content| !content.whole);
        let trouble = scope.node.fetch_trouble().filter(|_| is_missing);
        Ok(Self { content, trouble, ..Self::of(scope, id) })
    }

    /// Whether all of the content is here.
    pub fn is_here(&self) -> bool {
        self.content.is_some_and(|content| content.whole)
    }
}

/// Made from a hash, as a comment's.
fn short(id: EntityId) -> String {
    super::comment::short(id)
}

/// Carries out a request on attachments.
pub(super) async fn execute(request: Request, scope: Scope<'_>) -> Result<Json, ApiError> {
    match request {
        Request::Add(request) => add(request, scope).await,
        Request::List(which) => {
            let task = reference::shown_task(&scope, &which.task, Precision::Part)?;
            let rows = scope.apart(move |scope| {
                let all = scope.workspace.attachments(task).into_iter();
                all.map(|id| AttachmentRow::with_content(scope, id)).collect::<Result<Vec<_>, _>>()
            });
            answer(&rows.await??)
        }
        Request::Save(request) => save(request, &scope).await,
        Request::Open(_) => Err(ApiError::Invalid("a node opens nothing: that is the command line's".into())),
        Request::Fetch(request) => fetch(&request.attachment, &scope).await,
        Request::Remove(which) => remove(&which, scope).await,
        Request::Fetching(Choose { when }) => {
            if let Some(when) = when {
                scope.node.set_fetching(scope.id, when.into()).await?;
            }
            answer(&FetchingAnswer { fetching: scope.node.fetching(scope.id).into() })
        }
        Request::Adding { files } => answer(&adding(&scope, &files)),
    }
}

/// They are kept one after the other: those before the one under way are done.
fn adding(scope: &Scope<'_>, files: &[PathBuf]) -> u64 {
    let size = |path: &PathBuf| std::fs::metadata(path).map_or(0, |meta| meta.len());
    let under_way = files.iter().enumerate().find_map(|(at, path)| Some((at, scope.node.adding(path)?)));
    under_way.map_or(0, |(at, bytes)| files[..at].iter().map(size).sum::<u64>() + bytes)
}

fn find(scope: &Scope<'_>, text: &str) -> Result<EntityId, ApiError> {
    let wanted = text.to_lowercase();
    let is_meant = |id: &EntityId| short(*id) == wanted || id.to_string() == wanted;
    let found: Vec<_> = scope.workspace.shown(Kind::Attachment).filter(is_meant).collect();
    let [id] = found[..] else {
        return Err(ApiError::not_found("attachment", text, "see `velo attach list TASK`"));
    };
    Ok(id)
}

async fn add(request: Add, mut scope: Scope<'_>) -> Result<Json, ApiError> {
    let task = reference::shown_task(&scope, &request.task, Precision::Part)?;
    let kept = scope.apart(move |scope| scope.node.keep_files(scope.id, task, &request.files)).await??;
    scope.attach(kept.changes, kept.contents).await?;
    let rows = kept.attachments.into_iter().map(|id| AttachmentRow::with_content(&scope, id));
    answer(&rows.collect::<Result<Vec<_>, _>>()?)
}

async fn fetch(attachment: &str, scope: &Scope<'_>) -> Result<Json, ApiError> {
    let id = find(scope, attachment)?;
    let row = scope.apart(move |scope| AttachmentRow::with_content(scope, id)).await??;
    if row.content.is_none() {
        let there = row.url.unwrap_or_default();
        return Err(ApiError::Refused(format!("\"{}\" is a link: it lives at {there}", row.name)));
    }
    if !row.is_here() {
        scope.node.fetch_content(scope.id, id, true)?;
    }
    answer(&row)
}

async fn save(request: Save, scope: &Scope<'_>) -> Result<Json, ApiError> {
    let id = find(scope, &request.attachment)?;
    let path = request.path.ok_or_else(|| ApiError::Invalid("say where to save it".into()))?;
    let row = scope.apart(move |scope| {
        scope.node.save_content(scope.id, id, &path)?;
        AttachmentRow::with_content(scope, id)
    });
    answer(&row.await??)
}

async fn remove(which: &Which, mut scope: Scope<'_>) -> Result<Json, ApiError> {
    let id = find(&scope, &which.attachment)?;
    let row = AttachmentRow::of(&scope, id);
    scope.edit(vec![Change::Delete { key: EntityKey::new(Kind::Attachment, id) }]).await?;
    answer(&row)
}
