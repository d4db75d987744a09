//! One workspace, as a request sees it.

use super::{
    ApiError,
    reference::{self, Precision},
};
use crate::{blobs::content::Added, handle::NodeHandle};
use std::path::Path;
use velo_protocol::{
    change::Change,
    history::LoggedEntry,
    id::WorkspaceId,
    replica::{Command, Reply},
    store::EntryAt,
    workspace::Workspace,
};

/// Names the workspace that was used last, in the data directory.
const LAST_USED: &str = "last-workspace";

/// The workspace a request is about: a snapshot to read, and the node to write through.
pub struct Scope<'a> {
    /// The node.
    pub node: &'a NodeHandle,
    /// Which workspace.
    pub id: WorkspaceId,
    /// Its state when the request began, and after [`Scope::edit`] the state it led to.
    pub workspace: Workspace,
    /// Whether the request named the workspace.
    named: bool,
}

impl<'a> Scope<'a> {
    /// Opens the workspace meant: the one named, else the only one, else the one used last.
    pub fn open(node: &'a NodeHandle, wanted: Option<&str>) -> Result<Self, ApiError> {
        let id = match (wanted, node.workspaces().as_slice()) {
            (_, []) if node.unopened().is_empty() => return Err(ApiError::NoWorkspace),
            (_, []) => return Err(ApiError::Failed(node.unopened().join("\n"))),
            (Some(text), _) => find(node, text, Precision::Part)?,
            (None, [only]) => *only,
            (None, all) => {
                last_used(node.data_dir()).filter(|id| all.contains(id)).ok_or_else(|| which(node, all))?
            }
        };
        let workspace = node.workspace(id).ok_or(ApiError::NoWorkspace)?;
        Ok(Self { node, id, workspace, named: wanted.is_some() })
    }

    /// A workspace that is known to be there.
    pub fn of(node: &'a NodeHandle, id: WorkspaceId) -> Result<Self, ApiError> {
        let workspace = node.workspace(id).ok_or(ApiError::NoWorkspace)?;
        Ok(Self { node, id, workspace, named: false })
    }

    /// Makes changes, as one action that can be undone. Returns when they are durable, with the
    /// number of operations written.
    pub async fn edit(&mut self, changes: Vec<Change>) -> Result<usize, ApiError> {
        let reply = self.submit(Command::Edit { workspace: self.id, changes }).await?;
        Ok(if let Reply::Edited { operations, .. } = reply { operations } else { 0 })
    }

    /// Has a command done, and takes the state it led to.
    pub async fn submit(&mut self, command: Command) -> Result<Reply, ApiError> {
        let reply = self.node.submit(command).await?;
        self.note_change();
        Ok(reply)
    }

    /// Attaches files whose content is kept; see [`NodeHandle::attach`].
    pub async fn attach(&mut self, changes: Vec<Change>, kept: Vec<Added>) -> Result<(), ApiError> {
        self.node.attach(self.id, changes, kept).await?;
        self.note_change();
        Ok(())
    }

    fn note_change(&mut self) {
        // Looking into another workspace does not change where the next change goes.
        if self.named {
            remember_last(self.node.data_dir(), self.id);
        }
        self.refresh();
    }

    /// An entry, for history. One that cannot be read is as if it were not there: the story gets a
    /// gap, which `velo doctor --verify` names.
    pub fn logged(&self, at: EntryAt) -> Option<LoggedEntry> {
        let stored = self.node.read_entry(self.id, at).ok().flatten()?;
        stored.logged()
    }

    /// Has something done that reads the disk, away from the threads that answer other requests.
    pub async fn apart<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Scope<'_>) -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let (node, id, workspace) = (self.node.clone(), self.id, self.workspace.clone());
        let done =
            tokio::task::spawn_blocking(move || work(&Scope { node: &node, id, workspace, named: false }));
        done.await.map_err(|error| ApiError::Failed(format!("reading the disk: {error}")))
    }

    /// Whether anything of the workspace is here: before that nobody is in it, as far as this device knows.
    pub fn has_arrived(&self) -> bool {
        !self.workspace.name().is_empty() || !self.workspace.roster().members.is_empty()
    }

    /// Takes the state as it is now.
    pub fn refresh(&mut self) {
        if let Some(workspace) = self.node.workspace(self.id) {
            self.workspace = workspace;
        }
    }
}

/// The name of a workspace, also of the private one; empty as long as it is not known.
pub(super) fn title(node: &NodeHandle, id: WorkspaceId) -> String {
    if node.private_id() == Some(id) {
        return "Your private workspace".to_owned();
    }
    node.workspace(id).map(|workspace| workspace.name().to_owned()).unwrap_or_default()
}

/// The workspaces of that name, whatever its case.
pub(super) fn called(node: &NodeHandle, name: &str) -> Vec<Workspace> {
    let wanted = name.to_lowercase();
    let all = node.workspaces().into_iter().filter_map(|id| node.workspace(id));
    all.filter(|workspace| workspace.name().to_lowercase() == wanted).collect()
}

/// Finds a workspace by its name, whatever its case, or the start of its id; by part of its name, if that
/// is enough.
pub(super) fn find(node: &NodeHandle, text: &str, precision: Precision) -> Result<WorkspaceId, ApiError> {
    let (all, wanted) = (node.workspaces(), text.to_lowercase());
    let name = |id: &WorkspaceId| node.workspace(*id).map(|w| w.name().to_lowercase()).unwrap_or_default();
    let exact: Vec<_> = called(node, text).iter().map(Workspace::id).collect();
    let starts = |id: &WorkspaceId| reference::starts(&id.to_string(), text);
    let part = |id: &&WorkspaceId| name(id).contains(&wanted) || starts(id);
    let found = if exact.is_empty() { all.iter().filter(part).copied().collect() } else { exact.clone() };
    if precision == Precision::Whole && exact.is_empty() && !found.is_empty() && !found.iter().any(starts) {
        let hint = reference::did_you_mean(lines(node, &found).into_iter());
        return Err(ApiError::not_found("workspace", text, &hint));
    }
    match found.as_slice() {
        [] => Err(ApiError::not_found("workspace", text, "see `velo workspace list`")),
        [only] => Ok(*only),
        several => Err(ApiError::Ambiguous {
            kind: "workspace".into(),
            text: text.into(),
            candidates: lines(node, several),
        }),
    }
}

fn which(node: &NodeHandle, all: &[WorkspaceId]) -> ApiError {
    ApiError::Invalid(format!(
        "there are several workspaces: say which with --workspace NAME\n{}",
        lines(node, all).join("\n")
    ))
}

fn lines(node: &NodeHandle, all: &[WorkspaceId]) -> Vec<String> {
    let name = |id: &WorkspaceId| node.workspace(*id).map(|w| w.name().to_owned()).unwrap_or_default();
    all.iter().map(|id| format!("{}  {}", id.short(), name(id))).collect()
}

fn last_used(data_dir: &Path) -> Option<WorkspaceId> {
    std::fs::read_to_string(data_dir.join(LAST_USED)).ok()?.trim().parse().ok()
}

/// Notes which workspace the next command means when it names none.
pub(super) fn remember_last(data_dir: &Path, id: WorkspaceId) {
    // Only a convenience: if it cannot be noted, the next command asks which one is meant.
    if let Err(error) = std::fs::write(data_dir.join(LAST_USED), id.to_string()) {
        tracing::debug!(%error, "the last used workspace was not noted");
    }
}
