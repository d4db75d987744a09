//! The content of attachments, for whoever shows, adds or saves it.
//!
//! What is not said to return at once waits for the disk.

use super::{NodeError, NodeHandle};
use crate::{
    blobs::{
        carry::{self, Load, Took},
        content::{self, Added, ContentFault, Presence},
        courier::Job,
        named,
        store::{BlobError, BlobStore},
        usage::{self, Sum, Usage},
    },
    data_dir,
    store::log_files::Damage,
};
use std::{
    fs::{self, File},
    io::{self, BufReader, Write},
    path::{Path, PathBuf},
};
use velo_protocol::{
    blob::Content,
    change::Change,
    id::{EntityId, WorkspaceId},
    replica::{Command, Fetching, Refusal, Reply},
    workspace::Workspace,
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

/// Files whose content is kept, and what attaches them: see [`NodeHandle::keep_files`].
#[derive(Debug, Default)]
pub struct KeptFiles {
    /// The attachments that are to be, one for each file.
    pub attachments: Vec<EntityId>,
    /// The changes that make them.
    pub changes: Vec<Change>,
    /// What they name.
    pub contents: Vec<Added>,
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

    /// Keeps the content of files that are to be attached to a task with [`Self::attach`], all or none of them.
    pub fn keep_files(
        &self,
        workspace: WorkspaceId,
        task: EntityId,
        files: &[PathBuf],
    ) -> Result<KeptFiles, NodeError> {
        let mut kept = KeptFiles::default();
        for path in files {
            let about = |error| NodeError::File { path: path.clone(), source: Box::new(error) };
            let (id, added) = (self.new_entity_id(), self.keep_content(workspace, path).map_err(about)?);
            kept.changes.push(named::attach(id, task, path, &added));
            kept.attachments.push(id);
            kept.contents.push(added);
        }
        Ok(kept)
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

    /// Attaches files whose content is kept: `changes` name it. The content lasts as long as an attachment
    /// may name it, also if nobody waits for the answer any more: the change may be durable all the same,
    /// and others show the file.
    pub fn attach(
        &self,
        workspace: WorkspaceId,
        changes: Vec<Change>,
        mut kept: Vec<Added>,
    ) -> impl Future<Output = Result<Reply, NodeError>> + Send + 'static {
        let edited = self.submit(Command::Edit { workspace, changes });
        let attached = self.runtime().spawn(async move {
            set_may_be_named(&mut kept, true);
            let reply = edited.await;
            if matches!(&reply, Err(error) if changed_nothing(error)) {
                set_may_be_named(&mut kept, false);
            }
            reply
        });
        async move { attached.await.unwrap_or(Err(NodeError::Stopped)) }
    }

    /// As [`Self::attach`], for threads that may wait.
    pub fn attach_blocking(
        &self,
        workspace: WorkspaceId,
        changes: Vec<Change>,
        kept: Vec<Added>,
    ) -> Result<Reply, NodeError> {
        futures::executor::block_on(self.attach(workspace, changes, kept))
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
    /// looked at where it is shown. Returns at once; an error says that it is to be asked for again later.
    pub fn fetch_content(
        &self,
        workspace: WorkspaceId,
        attachment: EntityId,
        asked: bool,
    ) -> Result<(), NodeError> {
        let Some(state) = self.workspace(workspace) else { return Ok(()) };
        let Some(Content { manifest, .. }) = state.content(attachment) else { return Ok(()) };
        let size = usage::size(&state, attachment);
        let is_taken = self.shared.courier.ask(Job::Want { workspace, manifest, size, asked });
        if is_taken { Ok(()) } else { Err(NodeError::Busy) }
    }

    /// Why nothing that is fetched can be kept at the moment, if so: the disk is full, for instance. It is tried
    /// again before long, and when somebody asks. Returns at once.
    pub fn fetch_trouble(&self) -> Option<String> {
        self.shared.read().fetch_trouble.clone()
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
            // If there is no room for that, whoever tries again asks again.
            self.fetch_content(workspace, attachment, true).ok();
        }
        Ok(read?)
    }

    /// Writes the content to a file, which must not be there yet. Nothing stands in its place before it is whole,
    /// and nothing that has come there meanwhile is lost. As [`Self::read_content`] otherwise.
    pub fn save_content(
        &self,
        workspace: WorkspaceId,
        attachment: EntityId,
        path: &Path,
    ) -> Result<(), NodeError> {
        if path.exists() {
            return Err(NodeError::PlaceTaken(path.to_owned()));
        }
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => NodeError::PlaceTaken(path.to_owned()),
            _ => NodeError::Place { path: path.to_owned(), source },
        };
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut builder = tempfile::Builder::new();
        // As any file that a program makes, rather than for its owner alone.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let mut file = builder.tempfile_in(folder.unwrap_or(Path::new("."))).map_err(failed)?;
        self.read_content(workspace, attachment, &mut file)?;
        file.flush().and_then(|()| file.as_file().sync_all()).map_err(failed)?;
        data_dir::persist_new(file, path).map_err(failed)
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
        let dropped = usage::clean(&self.blobs(workspace)?, || self.whole_workspace(workspace));
        self.shared.courier.tell(Job::Dropped(workspace));
        dropped
    }

    /// The workspace, if all of it can be read.
    fn whole_workspace(&self, workspace: WorkspaceId) -> Result<Workspace, NodeError> {
        let state = self.workspace(workspace).ok_or(Refusal::NoWorkspace(workspace))?;
        let is_whole = |damage: &Damage| damage.gaps.is_empty() && !damage.is_fresh;
        let whole = self.damage(workspace).is_some_and(|damage| damage.as_ref().is_ok_and(is_whole));
        if state.locked_entries() > 0 || state.newer_entries() > 0 || !whole {
            return Err(NodeError::Unread);
        }
        Ok(state)
    }
}

fn set_may_be_named(kept: &mut [Added], may_be_named: bool) {
    for added in kept {
        added.set_may_be_named(may_be_named);
    }
}

/// Whether it is certain. What could not be saved may be on the disk all the same, and so may what nobody
/// answered to.
fn changed_nothing(error: &NodeError) -> bool {
    matches!(error, NodeError::Refused(refusal) if !matches!(refusal, Refusal::ReadOnly(_)))
}

impl From<BlobError> for NodeError {
    fn from(error: BlobError) -> Self {
        Self::Content(error.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        blobs::{store::State, usage},
        handle::{Node, NodeConfig},
    };
    use std::{
        thread,
        time::{Duration, Instant, SystemTime},
    };
    use tempfile::TempDir;
    use velo_protocol::{
        model::{EntityKey, Kind, task},
        value::Value,
    };

    /// Nothing here takes longer, even on a busy machine.
    const PATIENCE: Duration = Duration::from_mins(2);

    struct Home {
        node: Node,
        workspace: WorkspaceId,
        task: EntityId,
        folder: TempDir,
    }

    fn config(folder: &TempDir) -> NodeConfig {
        NodeConfig {
            state_dir: Some(folder.path().join("state")),
            ..NodeConfig::offline(folder.path().join("data"))
        }
    }

    impl Home {
        /// A device with a task.
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let node = Node::start(config(&folder)).unwrap();
            let found = Command::CreateWorkspace { name: "Workshop".into(), person_name: "Anna".into() };
            let Reply::Workspace(workspace) = node.submit_blocking(found).unwrap() else { panic!("none") };
            let task = node.new_entity_id();
            let fields = vec![(task::TITLE.into(), Value::text("Fix the leak"))];
            let changes = vec![Change::Create { key: EntityKey::new(Kind::Task, task), fields }];
            node.submit_blocking(Command::Edit { workspace, changes }).unwrap();
            Self { node, workspace, task, folder }
        }

        fn store(&self) -> BlobStore {
            self.node.blobs(self.workspace).unwrap()
        }

        /// Keeps a file, and makes the change that attaches it.
        fn keep(&self, name: &str) -> (EntityId, Change, Added) {
            let path = self.folder.path().join(name);
            fs::write(&path, name).unwrap();
            let added = self.node.keep_content(self.workspace, &path).unwrap();
            let id = self.node.new_entity_id();
            (id, named::attach(id, self.task, &path, &added), added)
        }

        fn attach(&self, name: &str) -> EntityId {
            let (id, change, added) = self.keep(name);
            self.node.attach_blocking(self.workspace, vec![change], vec![added]).unwrap();
            id
        }

        fn is_whole(&self, id: EntityId) -> bool {
            self.node.presence(self.workspace, id).unwrap().is_some_and(|presence| presence.whole)
        }
    }

    #[test]
    fn a_file_that_is_attached_between_two_looks_is_neither_dropped_nor_put_aside() {
        let home = Home::new();
        let (store, node) = (home.store(), &home.node);
        // The worst moment: the workspace that is looked at does not name it yet, and then nobody holds it.
        let (first, change, added) = home.keep("first");
        let shown = || {
            let before = node.whole_workspace(home.workspace);
            node.attach_blocking(home.workspace, vec![change], vec![added]).unwrap();
            before
        };
        assert_eq!(usage::clean(&store, shown).unwrap(), Sum::default());
        assert!(home.is_whole(first));
        let (second, change, added) = home.keep("second");
        let shown = || {
            let before = node.workspace(home.workspace);
            node.attach_blocking(home.workspace, vec![change], vec![added]).unwrap();
            before
        };
        usage::sweep(&store, shown, SystemTime::now()).unwrap();
        assert!(home.is_whole(second));
        assert!(store.list().unwrap().iter().all(|stored| stored.state == State::Shown));
    }

    #[test]
    fn nothing_is_lost_when_files_are_attached_while_others_are_dropped() {
        let home = Home::new();
        let attached = thread::scope(|scope| {
            let attaching = scope.spawn(|| (0..60).map(|n| home.attach(&n.to_string())).collect::<Vec<_>>());
            while !attaching.is_finished() {
                home.node.clean_content(home.workspace).unwrap();
                let shown = || home.node.workspace(home.workspace);
                usage::sweep(&home.store(), shown, SystemTime::now()).unwrap();
            }
            attaching.join().unwrap()
        });
        assert_eq!(attached.iter().filter(|id| !home.is_whole(**id)).count(), 0);
    }

    #[test]
    fn nothing_is_dropped_while_a_list_of_parts_is_damaged() {
        let home = Home::new();
        let (store, id) = (home.store(), home.attach("leak.jpg"));
        let manifest = home.node.content(home.workspace, id).unwrap().manifest;
        let bytes = store.read(manifest).unwrap().unwrap();
        let folder = data_dir::workspace_folder(home.node.data_dir(), home.workspace).join("blobs");
        fs::write(folder.join(manifest.to_string()), b"damaged").unwrap();
        let refused = home.node.clean_content(home.workspace);
        assert!(matches!(refused, Err(NodeError::Content(ContentFault::Blob(BlobError::ListDamaged)))));
        let shown = || home.node.workspace(home.workspace);
        let later = SystemTime::now() + Duration::from_hours(24 * 365);
        assert!(matches!(usage::sweep(&store, shown, later), Err(BlobError::ListDamaged)));
        // A peer brings the list again: nothing of the file is lost.
        store.write(&bytes).unwrap();
        assert!(home.is_whole(id));
        assert_eq!(home.node.clean_content(home.workspace).unwrap(), Sum::default());
    }

    #[test]
    fn what_is_attached_stays_although_nobody_waits_for_it() {
        let home = Home::new();
        let (id, change, added) = home.keep("leak.jpg");
        drop(home.node.attach(home.workspace, vec![change], vec![added]));
        let start = Instant::now();
        let is_shown =
            || home.node.workspace(home.workspace).unwrap().shown(Kind::Attachment).any(|one| one == id);
        while !is_shown() {
            assert!(start.elapsed() < PATIENCE, "it is never attached");
            thread::sleep(Duration::from_millis(5));
        }
        assert!(home.is_whole(id));
        // Nor does it go when the node ends meanwhile.
        let (id, change, added) = home.keep("plan.pdf");
        let attached = home.node.attach(home.workspace, vec![change], vec![added]);
        let Home { node, workspace, task, folder } = home;
        node.shutdown().unwrap();
        let _ = futures::executor::block_on(attached);
        let home = Home { node: Node::start(config(&folder)).unwrap(), workspace, task, folder };
        let shown = home.node.workspace(workspace).unwrap().shown(Kind::Attachment).any(|one| one == id);
        assert!(!shown || home.is_whole(id));
    }

    #[test]
    fn what_is_refused_leaves_nothing() {
        let home = Home::new();
        let (_, change, added) = home.keep("leak.jpg");
        let elsewhere = WorkspaceId([9; 32]);
        let refused = home.node.attach_blocking(elsewhere, vec![change], vec![added]);
        assert!(matches!(refused, Err(NodeError::Refused(_))), "{refused:?}");
        assert_eq!(home.store().list().unwrap(), []);
    }
}
