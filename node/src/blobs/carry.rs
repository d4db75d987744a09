//! Blobs out of a store into a bundle, and out of a bundle into a store.
//!
//! Of an attachment the manifest goes first and then what it names, as far as it is here. Whoever takes them
//! in believes nothing: a blob is kept if a shown attachment names it by its hash, and any other is left out.
//! So nobody can fill a disk with a bundle, and what is kept does not depend on who made it.

use super::{
    store::{BlobError, BlobStore},
    usage,
};
use serde::{Deserialize, Serialize};
use velo_protocol::{
    blob::{Content, Manifest},
    id::{BlobId, EntityId},
    limits,
    model::{EntityKey, Kind},
    workspace::Workspace,
};

/// What of an attachment can be carried.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Bytes of its blobs that are here.
    pub bytes: u64,
    /// Whether all of it is here.
    pub whole: bool,
}

/// What is here of a content, without a look at the bytes.
pub fn load(store: &BlobStore, content: &Content) -> Result<Load, BlobError> {
    let Some(manifest) = store.manifest(content.manifest)? else {
        return Ok(Load { bytes: 0, whole: false });
    };
    let missing = store.missing(&manifest)?;
    let len = |number| Manifest::part_len(manifest.size(), number).unwrap_or(0) + limits::BODY_TAG;
    let here = (0..).zip(manifest.blobs()).filter(|(_, blob)| !missing.contains(blob));
    let parts: usize = here.map(|(number, _)| len(number)).sum();
    Ok(Load { bytes: (manifest.encode().len() + parts) as u64, whole: missing.is_empty() })
}

/// The next blob that is here, and where to go on behind it. The manifest stands at 0.
pub fn next(
    store: &BlobStore,
    content: &Content,
    from: usize,
) -> Result<Option<(Vec<u8>, usize)>, BlobError> {
    let Some(bytes) = store.read(content.manifest)? else { return Ok(None) };
    let Ok(manifest) = Manifest::decode(&bytes) else { return Ok(None) };
    if from == 0 {
        return Ok(Some((bytes, 1)));
    }
    for (number, blob) in manifest.blobs().iter().enumerate().skip(from - 1) {
        if let Some(bytes) = store.read(*blob)? {
            return Ok(Some((bytes, number + 2)));
        }
    }
    Ok(None)
}

/// What became of a blob out of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Took {
    /// It is kept.
    New,
    /// It was here.
    Here,
    /// No attachment that is shown names it.
    Unnamed,
}

/// Takes a blob in. Durable when [`BlobStore::sync`] returns after it.
pub fn take(
    store: &BlobStore,
    workspace: &Workspace,
    attachment: EntityId,
    bytes: &[u8],
) -> Result<Took, BlobError> {
    let blob = BlobId::of(bytes);
    if !is_named(store, workspace, attachment, blob, bytes)? {
        return Ok(Took::Unnamed);
    }
    // One that is damaged is deleted by this, and replaced.
    if store.has(blob) && store.read(blob)?.is_some() {
        return Ok(Took::Here);
    }
    store.write(bytes)?;
    Ok(Took::New)
}

fn is_named(
    store: &BlobStore,
    workspace: &Workspace,
    attachment: EntityId,
    blob: BlobId,
    bytes: &[u8],
) -> Result<bool, BlobError> {
    if !workspace.is_shown(EntityKey::new(Kind::Attachment, attachment)) {
        return Ok(false);
    }
    let size = usage::size(workspace, attachment);
    for content in usage::contents(workspace, attachment) {
        if content.manifest == blob {
            return Ok(Manifest::decode(bytes).is_ok_and(|manifest| manifest.size() == size));
        }
        let manifest = store.manifest(content.manifest)?;
        if manifest.is_some_and(|manifest| manifest.blobs().contains(&blob)) {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        blobs::named,
        handle::{Node, NodeConfig, NodeHandle},
    };
    use std::fs;
    use velo_protocol::{
        blob::PART,
        change::Change,
        id::WorkspaceId,
        model::{attachment, task},
        replica::{Command, Reply},
        value::Value,
    };

    /// A node with a task on which a file of two parts stands.
    struct Desk {
        node: Node,
        workspace: WorkspaceId,
        attachment: EntityId,
        content: Content,
        home: tempfile::TempDir,
    }

    impl Desk {
        fn new() -> Self {
            let home = tempfile::tempdir().unwrap();
            let config = NodeConfig::offline(home.path().join("data"));
            let node =
                Node::start(NodeConfig { state_dir: Some(home.path().join("state")), ..config }).unwrap();
            let handle = node.handle();
            let found = Command::CreateWorkspace { name: "Workshop".into(), person_name: "Anna".into() };
            let Reply::Workspace(workspace) = handle.submit_blocking(found).unwrap() else {
                panic!("no workspace")
            };
            let (task, file) = (handle.new_entity_id(), home.path().join("leak.jpg"));
            fs::write(&file, vec![7; PART + 9]).unwrap();
            let added = handle.keep_content(workspace, &file).unwrap();
            let content = added.content.clone();
            let fields = vec![(task::TITLE.into(), Value::text("Fix the leak"))];
            let attachment = handle.new_entity_id();
            let changes = vec![
                Change::Create { key: EntityKey::new(Kind::Task, task), fields },
                named::attach(attachment, task, &file, &added),
            ];
            handle.submit_blocking(Command::Edit { workspace, changes }).unwrap();
            added.keep();
            Self { node, workspace, attachment, content, home }
        }

        fn handle(&self) -> &NodeHandle {
            self.node.handle()
        }

        /// Its blobs, the manifest first.
        fn blobs(&self) -> Vec<Vec<u8>> {
            let (mut blobs, mut from) = (Vec::new(), 0);
            while let Some((bytes, next)) =
                self.handle().next_blob(self.workspace, self.attachment, from).unwrap()
            {
                blobs.push(bytes);
                from = next;
            }
            blobs
        }

        fn take(&self, bytes: &[u8]) -> Took {
            self.handle().take_blob(self.workspace, self.attachment, bytes).unwrap()
        }

        fn place(&self, bytes: &[u8]) -> std::path::PathBuf {
            let folder = self.home.path().join("data/workspaces").join(self.workspace.to_string());
            folder.join("blobs").join(BlobId::of(bytes).to_string())
        }
    }

    #[test]
    fn what_is_here_is_carried_and_what_is_missing_is_left_out() {
        let desk = Desk::new();
        let blobs = desk.blobs();
        assert_eq!(blobs.len(), 3);
        assert_eq!(BlobId::of(&blobs[0]), desk.content.manifest);
        let load = || desk.handle().load(desk.workspace, desk.attachment).unwrap().unwrap();
        let bytes = |blobs: &[Vec<u8>]| blobs.iter().map(|blob| blob.len() as u64).sum::<u64>();
        assert_eq!(load(), Load { bytes: bytes(&blobs), whole: true });
        fs::remove_file(desk.place(&blobs[1])).unwrap();
        let left = [blobs[0].clone(), blobs[2].clone()];
        assert_eq!(load(), Load { bytes: bytes(&left), whole: false });
        assert_eq!(desk.blobs(), left);
        fs::remove_file(desk.place(&blobs[0])).unwrap();
        assert_eq!((load(), desk.blobs()), (Load { bytes: 0, whole: false }, Vec::new()));
    }

    #[test]
    fn only_what_a_shown_attachment_names_is_taken() {
        let desk = Desk::new();
        let blobs = desk.blobs();
        for blob in &blobs {
            fs::remove_file(desk.place(blob)).unwrap();
        }
        // Nothing says yet that the parts belong to it.
        assert_eq!(desk.take(&blobs[1]), Took::Unnamed);
        let mut flipped = blobs[0].clone();
        flipped[40] ^= 1;
        assert_eq!(desk.take(&flipped), Took::Unnamed);
        assert_eq!(desk.take(b"something else"), Took::Unnamed);
        assert_eq!(desk.take(&blobs[0]), Took::New);
        flipped.clone_from(&blobs[1]);
        flipped[40] ^= 1;
        assert_eq!(desk.take(&flipped), Took::Unnamed);
        assert_eq!((desk.take(&blobs[2]), desk.take(&blobs[1])), (Took::New, Took::New));
        assert_eq!(desk.take(&blobs[1]), Took::Here);
        // What the disk damaged is mended.
        fs::write(desk.place(&blobs[2]), "torn").unwrap();
        assert_eq!(desk.take(&blobs[2]), Took::New);
        let here = desk.handle().settle(desk.workspace, desk.attachment).unwrap().unwrap();
        assert_eq!((here.whole, here.bytes), (true, (PART + 9) as u64));

        let key = EntityKey::new(Kind::Attachment, desk.attachment);
        let changes = vec![Change::Delete { key }];
        desk.handle().submit_blocking(Command::Edit { workspace: desk.workspace, changes }).unwrap();
        fs::remove_file(desk.place(&blobs[1])).unwrap();
        assert_eq!(desk.take(&blobs[1]), Took::Unnamed, "it was deleted");
    }

    #[test]
    fn a_manifest_of_another_size_than_is_said_is_not_taken() {
        let desk = Desk::new();
        let blobs = desk.blobs();
        let key = EntityKey::new(Kind::Attachment, desk.attachment);
        let changes =
            vec![Change::Set { key, slot: attachment::SIZE.into(), value: Value::Int(PART as i64) }];
        desk.handle().submit_blocking(Command::Edit { workspace: desk.workspace, changes }).unwrap();
        fs::remove_file(desk.place(&blobs[0])).unwrap();
        assert_eq!(desk.take(&blobs[0]), Took::Unnamed);
    }
}
