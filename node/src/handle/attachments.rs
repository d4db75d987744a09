//! The content of attachments, for whoever shows, adds or saves it.
//!
//! What is not said to return at once waits for the disk.

use super::{NodeError, NodeHandle};
use crate::{
    blobs::{
        content::{self, Added, ContentFault, Presence},
        courier::Job,
        store::{BlobError, BlobStore},
        usage::{self, Sum, Usage},
    },
    data_dir,
    store::log_files::Damage,
};
use std::{
    fs::{self, File},
    io::{self, BufReader, Write},
    path::Path,
};
use velo_protocol::{
    blob::Content,
    id::{EntityId, WorkspaceId},
    replica::{Command, Fetching, Refusal},
};

/// Bytes on the disk of one workspace.
#[derive(Debug, Clone, Default)]
pub struct Space {
    /// Its log.
    pub log: u64,
    /// The index of it, which can be rebuilt.
    pub state: u64,
    /// Its attachments.
    pub attachments: Usage,
}

impl NodeHandle {
    fn blobs(&self, workspace: WorkspaceId) -> Result<BlobStore, NodeError> {
        self.shared.blobs(workspace).ok_or(NodeError::Refused(Refusal::NoWorkspace(workspace)))
    }

    /// Keeps the content of a file, durably, for an attachment that is to name it: see [`Added`]. Tells how
    /// many bytes it has done.
    pub fn keep_content(
        &self,
        workspace: WorkspaceId,
        path: &Path,
        told: impl FnMut(u64),
    ) -> Result<Added, NodeError> {
        let store = self.blobs(workspace)?;
        let failed = |error: io::Error| ContentFault::Read(error);
        let meta = fs::metadata(path).map_err(failed)?;
        if !meta.is_file() {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file")).into());
        }
        let mut file = BufReader::new(File::open(path).map_err(failed)?);
        Ok(content::add(&store, &mut file, meta.len(), told)?)
    }

    /// How much of an attachment's content is on this device. `None`: it has none, or another workspace.
    pub fn presence(
        &self,
        workspace: WorkspaceId,
        attachment: EntityId,
    ) -> Result<Option<Presence>, NodeError> {
        let Some(content) = self.content(workspace, attachment) else { return Ok(None) };
        Ok(Some(content::presence(&self.blobs(workspace)?, &content).map_err(ContentFault::from)?))
    }

    fn content(&self, workspace: WorkspaceId, attachment: EntityId) -> Option<Content> {
        self.workspace(workspace)?.content(attachment)
    }

    /// Has the content fetched from peers, unless it is here. `asked`: somebody asked for it, rather than
    /// looked at where it is shown. Returns at once.
    pub fn fetch_content(&self, workspace: WorkspaceId, attachment: EntityId, asked: bool) {
        let Some(state) = self.workspace(workspace) else { return };
        if let Some(Content { manifest, .. }) = state.content(attachment) {
            let size = usage::size(&state, attachment);
            self.shared.courier.tell(Job::Want { workspace, manifest, size, asked });
        }
    }

    /// Writes the content out. [`ContentFault::NotHere`] if part of it is missing, which is fetched then.
    pub fn read_content(
        &self,
        workspace: WorkspaceId,
        attachment: EntityId,
        out: &mut impl Write,
    ) -> Result<u64, NodeError> {
        let content = self.content(workspace, attachment).ok_or(ContentFault::NotHere)?;
        let read = content::read_out(&self.blobs(workspace)?, &content, out);
        if matches!(read, Err(ContentFault::NotHere)) {
            self.fetch_content(workspace, attachment, true);
        }
        Ok(read?)
    }

    /// When content is fetched. Returns at once.
    pub fn fetching(&self, workspace: WorkspaceId) -> Fetching {
        self.shared.read().fetching.get(&workspace).copied().unwrap_or_default()
    }

    /// Chooses when content is fetched.
    pub fn set_fetching(
        &self,
        workspace: WorkspaceId,
        fetching: Fetching,
    ) -> impl Future<Output = Result<(), NodeError>> + Send + 'static {
        let done = self.submit(Command::SetFetching { workspace, fetching });
        async move { done.await.map(|_| ()) }
    }

    /// What a workspace takes on the disk.
    pub fn space(&self, workspace: WorkspaceId) -> Result<Space, NodeError> {
        let state = self.workspace(workspace).ok_or(Refusal::NoWorkspace(workspace))?;
        let folder = data_dir::workspace_folder(self.data_dir(), workspace);
        Ok(Space {
            log: data_dir::folder_size(&folder.join("log")),
            state: data_dir::folder_size(&folder.join("state")),
            attachments: usage::measure(&self.blobs(workspace)?, &state).map_err(ContentFault::from)?,
        })
    }

    /// Drops the content that no attachment shows. Not while part of the workspace cannot be read: it may
    /// show some.
    pub fn clean_content(&self, workspace: WorkspaceId) -> Result<Sum, NodeError> {
        let state = self.workspace(workspace).ok_or(Refusal::NoWorkspace(workspace))?;
        let is_whole = |damage: &Damage| damage.gaps.is_empty() && !damage.is_fresh;
        let whole = self.damage(workspace).is_some_and(|damage| damage.as_ref().is_ok_and(is_whole));
        if state.locked_entries() > 0 || state.newer_entries() > 0 || !whole {
            return Err(NodeError::Unread);
        }
        Ok(usage::clean(&self.blobs(workspace)?, &state).map_err(ContentFault::from)?)
    }
}

impl From<BlobError> for NodeError {
    fn from(error: BlobError) -> Self {
        Self::Content(error.into())
    }
}
