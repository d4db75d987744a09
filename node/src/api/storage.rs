//! What takes up space on this device, and giving some back.

use super::{ApiError, Json, answer, attach::AttachmentRow, scope::Scope, show};
use crate::{
    blobs::usage::Sum,
    handle::{NodeHandle, Space},
};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use velo_protocol::{
    id::{EntityId, WorkspaceId},
    model::{EntityKey, Kind, attachment},
    value::Value,
};

/// Attachments listed, the largest first.
const LARGEST: usize = 10;

/// `velo storage`.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub struct Storage {
    /// What to do; without it the figures are shown
    #[command(subcommand)]
    #[serde(default)]
    pub request: Option<Request>,
}

/// Actions on what is stored.
#[derive(Debug, Clone, Copy, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Drop the content of attachments that were deleted
    #[command(after_help = "Example:\n  velo storage clean\n\n\
        Content of attachments that are shown is never dropped. What was deleted goes by itself after 30 days; \
        after this a deletion taken back needs another device that still has the content.")]
    Clean,
}

/// What takes up space.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct StorageAnswer {
    /// By id of the workspace.
    pub workspaces: Vec<WorkspaceSpace>,
    /// Bytes free on the disk.
    pub free: Option<u64>,
}

/// Bytes of one workspace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkspaceSpace {
    /// Which.
    pub id: WorkspaceId,
    /// Its name.
    pub name: String,
    /// The log: everything that was ever changed.
    pub log: u64,
    /// The index of it, which can be rebuilt.
    pub state: u64,
    /// Content of attachments that is whole.
    pub attachments: Sum,
    /// Content of which part is missing yet.
    pub pending: Sum,
    /// Content that no attachment shows any more.
    pub unshown: Sum,
    /// Bytes of content that is carried for others, as a relay.
    pub carried: u64,
    /// Bytes of attachments by project, largest first.
    pub projects: Vec<ProjectSpace>,
    /// The largest attachments.
    pub largest: Vec<AttachmentSpace>,
}

/// Bytes of the attachments in one project.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ProjectSpace {
    /// Its name; `None` for tasks without one.
    pub project: Option<String>,
    /// Bytes on this device.
    pub bytes: u64,
}

/// Bytes of one attachment on this device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AttachmentSpace {
    /// Which.
    #[serde(flatten)]
    pub attachment: AttachmentRow,
    /// Bytes on this device.
    pub bytes: u64,
}

/// What was dropped.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CleanAnswer {
    /// In all workspaces.
    pub dropped: Sum,
}

/// Carries out a request on the storage, in the workspace named, or in all.
pub(super) async fn execute(
    storage: Storage,
    wanted: Option<&str>,
    node: &NodeHandle,
) -> Result<Json, ApiError> {
    let ids = match wanted {
        Some(_) => vec![Scope::open(node, wanted)?.id],
        None => node.workspaces(),
    };
    let node = node.clone();
    let done = tokio::task::spawn_blocking(move || match storage.request {
        None => answer(&measured(&node, &ids)?),
        Some(Request::Clean) => answer(&cleaned(&node, &ids)?),
    });
    done.await.map_err(|error| ApiError::Failed(format!("reading the disk: {error}")))?
}

fn cleaned(node: &NodeHandle, ids: &[WorkspaceId]) -> Result<CleanAnswer, ApiError> {
    let mut dropped = Sum::default();
    for id in ids {
        let of_one = node.clean_content(*id)?;
        dropped.blobs += of_one.blobs;
        dropped.bytes += of_one.bytes;
    }
    Ok(CleanAnswer { dropped })
}

fn measured(node: &NodeHandle, ids: &[WorkspaceId]) -> Result<StorageAnswer, ApiError> {
    let workspaces = ids.iter().map(|id| measure(node, *id)).collect::<Result<_, _>>()?;
    Ok(StorageAnswer { workspaces, free: free(node) })
}

/// Bytes free on the disk.
pub fn free(node: &NodeHandle) -> Option<u64> {
    fs4::available_space(node.data_dir()).ok()
}

/// What one workspace takes.
pub fn measure(node: &NodeHandle, id: WorkspaceId) -> Result<WorkspaceSpace, ApiError> {
    let scope = Scope::of(node, id)?;
    let Space { log, state, attachments: usage } = node.space(id)?;
    let mut projects: BTreeMap<Option<EntityId>, u64> = BTreeMap::new();
    for (attachment, bytes) in &usage.attachments {
        *projects.entry(project_of(&scope, *attachment)).or_default() += bytes;
    }
    let workspace = &scope.workspace;
    let name = |id: EntityId| show::name(workspace, EntityKey::new(Kind::Project, id));
    let mut projects: Vec<ProjectSpace> = projects
        .into_iter()
        .map(|(project, bytes)| ProjectSpace { project: project.map(name), bytes })
        .collect();
    projects.sort_by_key(|space| std::cmp::Reverse(space.bytes));
    let largest = usage.attachments.iter().take(LARGEST).map(|(attachment, bytes)| AttachmentSpace {
        attachment: AttachmentRow::of(&scope, *attachment),
        bytes: *bytes,
    });
    Ok(WorkspaceSpace {
        id,
        name: workspace.name().to_owned(),
        log,
        state,
        attachments: usage.whole,
        pending: usage.pending,
        unshown: usage.unshown,
        carried: usage.carried,
        projects,
        largest: largest.collect(),
    })
}

fn project_of(scope: &Scope<'_>, attachment: EntityId) -> Option<EntityId> {
    let key = EntityKey::new(Kind::Attachment, attachment);
    let task = scope.workspace.value(key, &attachment::TASK.into()).and_then(Value::as_entity)?;
    scope.workspace.project_of(task)
}
