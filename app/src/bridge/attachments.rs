//! Attachments and storage: what needs the disk, on threads where it may take its time.

use crate::view::{
    attachments::{Found, Of, THUMBNAIL, Thumbnail},
    storage::Space,
};
use std::path::{Path, PathBuf};
use velo_node::{
    api::storage,
    blobs::named,
    handle::{NodeError, NodeHandle},
    limits, qr,
};
use velo_protocol::{
    id::{EntityId, WorkspaceId},
    model::{EntityKey, Kind, attachment},
    replica::Reply,
    value::Value,
    workspace::Workspace,
};

/// Keeps the content of files and attaches them to a task, all or none of them.
pub fn attach(
    node: &NodeHandle,
    workspace: WorkspaceId,
    task: EntityId,
    files: &[PathBuf],
) -> Result<Reply, String> {
    let kept = node.keep_files(workspace, task, files);
    let attached = kept.and_then(|kept| node.attach_blocking(workspace, kept.changes, kept.contents));
    attached.map_err(|error| error.to_string())
}

/// What of a task's attachments is here. Pictures of a usual size that are not are fetched: somebody
/// looks at them.
pub fn look(node: &NodeHandle, of: &Of) -> Result<Vec<Found>, String> {
    let Some(workspace) = node.workspace(of.workspace) else { return Ok(Vec::new()) };
    let mut all = Vec::new();
    for id in workspace.attachments(of.task) {
        let Some(presence) = node.presence(of.workspace, id).map_err(|error| error.to_string())? else {
            continue;
        };
        let is_picture = is_picture(&workspace, id);
        if !presence.whole && is_picture {
            // If there is no room for that, it is asked for with the next look.
            node.fetch_content(of.workspace, id, false).ok();
        }
        let wanted = presence.whole && is_picture && !of.known.contains(&id);
        let (thumbnail, tried) = match wanted.then(|| thumbnail(node, of.workspace, id, presence.bytes)) {
            Some(Ok(thumbnail)) => (thumbnail, true),
            // Part of it is damaged, and comes again, or the disk fails for a moment.
            Some(Err(_)) | None => (None, false),
        };
        all.push(Found { id, bytes: presence.bytes, whole: presence.whole, thumbnail, tried });
    }
    Ok(all)
}

/// Whether it says that it is a picture, of a size that can be shown.
fn is_picture(workspace: &Workspace, id: EntityId) -> bool {
    let key = EntityKey::new(Kind::Attachment, id);
    let size = workspace.value(key, &attachment::SIZE.into()).and_then(Value::as_int).unwrap_or(0);
    let fits = u64::try_from(size).is_ok_and(|size| size <= limits::PICTURE_BYTES);
    fits && workspace.text(key, attachment::MEDIA_TYPE).starts_with("image/")
}

/// `None`: it cannot be shown, whatever it says of itself: what is here of it has `size` bytes.
fn thumbnail(
    node: &NodeHandle,
    workspace: WorkspaceId,
    id: EntityId,
    size: u64,
) -> Result<Option<Thumbnail>, NodeError> {
    if size > limits::PICTURE_BYTES {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    node.read_content(workspace, id, &mut bytes)?;
    let Ok(picture) = qr::decode(&bytes) else { return Ok(None) };
    let picture = picture.thumbnail(THUMBNAIL, THUMBNAIL).into_rgba8();
    let size = [picture.width() as usize, picture.height() as usize];
    Ok(Some(Thumbnail { size, rgba: picture.into_raw().into() }))
}

/// Saves the content where the person keeps what they download. Returns where that is.
pub fn save(node: &NodeHandle, workspace: WorkspaceId, id: EntityId) -> Result<String, String> {
    let name = node.workspace(workspace).map(|workspace| {
        let key = EntityKey::new(Kind::Attachment, id);
        workspace.text(key, attachment::NAME).to_owned()
    });
    let folder =
        named::download_folder().ok_or("no folder for downloads was found: use `velo attach save`")?;
    save_in(node, workspace, id, &folder, &name.unwrap_or_default())
}

/// The same in a given folder.
pub fn save_in(
    node: &NodeHandle,
    workspace: WorkspaceId,
    id: EntityId,
    folder: &Path,
    name: &str,
) -> Result<String, String> {
    let path = named::free_place(folder, name);
    node.save_content(workspace, id, &path).map_err(|error| error.to_string())?;
    Ok(path.display().to_string())
}

/// What a workspace takes on the disk.
pub fn measure(node: &NodeHandle, workspace: WorkspaceId) -> Result<Space, String> {
    let space = storage::measure(node, workspace).map_err(|error| error.to_string())?;
    Ok(Space {
        changes: space.log,
        index: space.state,
        attachments: space.attachments.bytes,
        pending: space.pending.bytes,
        deleted: space.unshown.bytes,
        largest: space.largest.into_iter().take(5).map(|one| (one.attachment.name, one.bytes)).collect(),
        free: storage::free(node),
        fetching: node.fetching(workspace),
    })
}

/// Drops the content of deleted attachments, and measures again.
pub fn clean(node: &NodeHandle, workspace: WorkspaceId) -> Result<Space, String> {
    node.clean_content(workspace).map_err(|error| error.to_string())?;
    measure(node, workspace)
}
