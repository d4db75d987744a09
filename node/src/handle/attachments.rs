//! The content of attachments, for whoever shows, adds or saves it.
//!
//! What is not said to return at once waits for the disk.

use super::{NodeError, NodeHandle};
use crate::{
    blobs::{
        carry::{self, Load, Took},
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

    /// Keeps the content of a file, durably, for an attachment that is to name it: see [`Added`]. How far
    /// it is, [`Self::adding`] tells.
    pub fn keep_content(&self, workspace: WorkspaceId, path: &Path) -> Result<Added, NodeError> {
        let store = self.blobs(workspace)?;
        let failed = |error: io::Error| ContentFault::Read(error);
        let meta = fs::metadata(path).map_err(failed)?;
        if !meta.is_file() {
            return Err(failed(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file")).into());
        }
        let mut file = BufReader::new(File::open(path).map_err(failed)?);
        let added = content::add(&store, &mut file, meta.len(), |bytes| {
            self.shared.note_adding(path, Some(bytes));
        });
        self.shared.note_adding(path, None);
        Ok(added?)
    }

    /// Bytes that are kept of a file which is being attached. Returns at once.
    pub fn adding(&self, path: &Path) -> Option<u64> {
        self.shared.read().adding.get(path).copied()
    }

    /// What of an attachment a bundle can carry.
    pub fn load(&self, workspace: WorkspaceId, attachment: EntityId) -> Result<Option<Load>, NodeError> {
        let Some(content) = self.content(workspace, attachment) else { return Ok(None) };
        Ok(Some(carry::load(&self.blobs(workspace)?, &content)?))
    }

    /// The next blob of an attachment that is here, for a bundle, and where to go on behind it.
    pub fn next_blob(
        &self,
        workspace: WorkspaceId,
        attachment: EntityId,
        from: usize,
    ) -> Result<Option<(Vec<u8>, usize)>, NodeError> {
        let Some(content) = self.content(workspace, attachment) else { return Ok(None) };
        Ok(carry::next(&self.blobs(workspace)?, &content, from)?)
    }

    /// Takes a blob of an attachment in, out of a bundle. Durable after [`Self::settle`].
    pub fn take_blob(
        &self,
        workspace: WorkspaceId,
        attachment: EntityId,
        bytes: &[u8],
    ) -> Result<Took, NodeError> {
        let state = self.workspace(workspace).ok_or(Refusal::NoWorkspace(workspace))?;
        Ok(carry::take(&self.blobs(workspace)?, &state, attachment, bytes)?)
    }

    /// Makes durable what was taken in, and tells how much of the attachment is here now.
    pub fn settle(
        &self,
        workspace: WorkspaceId,
        attachment: EntityId,
    ) -> Result<Option<Presence>, NodeError> {
        self.blobs(workspace)?.sync()?;
        if let Some(Content { manifest, .. }) = self.content(workspace, attachment) {
            self.shared.courier.tell(Job::Brought { workspace, manifest });
        }
        self.presence(workspace, attachment)
    }

    /// How much of an attachment's content is on this device. `None`: it has none, or another workspace.
    pub fn presence(
        &self,
        workspace: WorkspaceId,
        attachment: EntityId,
    ) -> Result<Option<Presence>, NodeError> {
        let Some(content) = self.content(workspace, attachment) else { return Ok(None) };
        let mut presence = content::presence(&self.blobs(workspace)?, &content)?;
        let coming = self.shared.read().coming.get(&(workspace, content.manifest)).copied();
        presence.bytes += coming.unwrap_or(0);
        Ok(Some(presence))
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
            attachments: usage::measure(&self.blobs(workspace)?, &state)?,
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
        Ok(usage::clean(&self.blobs(workspace)?, &state)?)
    }
}

impl From<BlobError> for NodeError {
    fn from(error: BlobError) -> Self {
        Self::Content(error.into())
    }
}
