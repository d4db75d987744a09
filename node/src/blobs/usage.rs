//! What of the content on the disk is still needed, and what may go.
//!
//! The rule: content that an attachment shows is never dropped here, so the only copy of it cannot get
//! lost. What no attachment shows (it was deleted, or its task was) is kept for 30 days from when this
//! device noticed, so that a deletion can be taken back without anybody's help; a person may drop it
//! earlier. The time is that of this device's own clock: nobody can make others drop content early by
//! claiming that it was deleted long ago.

use super::store::{BlobError, BlobStore, Stored};
use std::{
    collections::BTreeSet,
    time::{Duration, SystemTime},
};
use velo_protocol::{
    blob::{Content, Manifest},
    id::{BlobId, EntityId},
    limits,
    model::{EntityKey, Kind, attachment},
    value::Value,
    workspace::Workspace,
};

/// Files and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Sum {
    /// How many.
    pub blobs: u64,
    /// How large.
    pub bytes: u64,
}

impl Sum {
    fn add(&mut self, stored: &Stored) {
        self.blobs += 1;
        self.bytes += stored.bytes;
    }
}

/// What is kept of the attachments of a workspace.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Usage {
    /// Of attachments of which everything is here.
    pub whole: Sum,
    /// Of attachments of which something is missing yet.
    pub pending: Sum,
    /// Of what no attachment shows any more.
    pub unshown: Sum,
    /// Bytes here of each shown attachment, largest first.
    pub attachments: Vec<(EntityId, u64)>,
}

/// Every content that a shown attachment may have: also one that lost against another value.
pub(super) fn contents(workspace: &Workspace, id: EntityId) -> impl Iterator<Item = Content> {
    let key = EntityKey::new(Kind::Attachment, id);
    let live = workspace.live(key, &attachment::CONTENT.into()).iter();
    let texts: Vec<Content> =
        live.filter_map(|live| live.value.as_text()).filter_map(|text| text.parse().ok()).collect();
    texts.into_iter()
}

/// What a workspace names.
struct Named {
    all: BTreeSet<BlobId>,
    /// Of attachments of which something is missing.
    pending: BTreeSet<BlobId>,
    /// By attachment.
    each: Vec<(EntityId, BTreeSet<BlobId>)>,
}

impl Named {
    fn of(store: &BlobStore, workspace: &Workspace) -> Result<Self, BlobError> {
        let mut named = Self { all: BTreeSet::new(), pending: BTreeSet::new(), each: Vec::new() };
        for id in workspace.shown(Kind::Attachment) {
            let mut of_this = BTreeSet::new();
            for content in contents(workspace, id) {
                let manifest = store.manifest(content.manifest)?;
                let blobs: Vec<BlobId> = manifest.iter().flat_map(Manifest::blobs).copied().collect();
                if manifest.is_none() || blobs.iter().any(|blob| !store.has(*blob)) {
                    named.pending.extend(blobs.iter().copied().chain([content.manifest]));
                }
                of_this.extend(blobs.into_iter().chain([content.manifest]));
            }
            named.all.extend(&of_this);
            named.each.push((id, of_this));
        }
        Ok(named)
    }
}

/// What the attachments of a workspace take on the disk.
pub fn measure(store: &BlobStore, workspace: &Workspace) -> Result<Usage, BlobError> {
    let named = Named::of(store, workspace)?;
    let (mut usage, stored) = (Usage::default(), store.list()?);
    for one in &stored {
        match (named.all.contains(&one.blob), named.pending.contains(&one.blob)) {
            (_, true) => usage.pending.add(one),
            (true, false) => usage.whole.add(one),
            (false, false) => usage.unshown.add(one),
        }
    }
    let bytes = |blob: &BlobId| {
        let found = stored.binary_search_by_key(blob, |one| one.blob);
        found.map_or(0, |at| stored[at].bytes)
    };
    let each = named.each.iter().map(|(id, blobs)| (*id, blobs.iter().map(bytes).sum()));
    usage.attachments = each.filter(|(_, bytes)| *bytes > 0).collect();
    usage.attachments.sort_by_key(|(id, bytes)| (std::cmp::Reverse(*bytes), *id));
    Ok(usage)
}

/// Looks at what is here that nobody holds, and only then at what the workspace names: `None` if there is
/// no such workspace.
///
/// In this order nothing falls between: who attaches a file holds its blobs until the workspace that others
/// see names them. The other way round, a file that was attached between the two looks would be neither
/// named nor held.
fn look<E: From<BlobError>>(
    store: &BlobStore,
    shown: impl FnOnce() -> Result<Option<Workspace>, E>,
) -> Result<Option<(Vec<Stored>, BTreeSet<BlobId>)>, E> {
    let stored = store.list()?.into_iter().filter(|one| !store.is_held(one.blob)).collect();
    let Some(workspace) = shown()? else { return Ok(None) };
    Ok(Some((stored, Named::of(store, &workspace)?.all)))
}

/// Puts aside what no attachment shows any more, takes back what one shows again, and drops what was
/// aside for its time. Returns what was dropped. `shown` gives the workspace as it is when it is called.
pub fn sweep(
    store: &BlobStore,
    shown: impl FnOnce() -> Option<Workspace>,
    now: SystemTime,
) -> Result<Sum, BlobError> {
    let mut dropped = Sum::default();
    let Some((stored, named)) = look(store, || Ok::<_, BlobError>(shown()))? else { return Ok(dropped) };
    for one in stored {
        let is_named = named.contains(&one.blob);
        match one.unshown {
            None if !is_named => store.set_shown(one.blob, false)?,
            Some(_) if is_named => store.set_shown(one.blob, true)?,
            Some(since) if is_over(since, now) && store.remove_unheld(one.blob)? => dropped.add(&one),
            _ => {}
        }
    }
    Ok(dropped)
}

fn is_over(since: SystemTime, now: SystemTime) -> bool {
    // A clock that was put back makes it wait longer.
    now.duration_since(since).unwrap_or_default() >= Duration::from_millis(limits::UNSHOWN_MS)
}

/// Drops everything that no attachment shows, now. Returns what was dropped. `shown` gives the workspace as
/// it is when it is called.
pub fn clean<E: From<BlobError>>(
    store: &BlobStore,
    shown: impl FnOnce() -> Result<Workspace, E>,
) -> Result<Sum, E> {
    let mut dropped = Sum::default();
    let Some((stored, named)) = look(store, || shown().map(Some))? else { return Ok(dropped) };
    for one in stored.into_iter().filter(|one| !named.contains(&one.blob)) {
        if store.remove_unheld(one.blob)? {
            dropped.add(&one);
        }
    }
    Ok(dropped)
}

/// The size that an attachment says it has.
pub fn size(workspace: &Workspace, id: EntityId) -> u64 {
    let key = EntityKey::new(Kind::Attachment, id);
    let size = workspace.value(key, &attachment::SIZE.into()).and_then(Value::as_int);
    size.and_then(|size| u64::try_from(size).ok()).unwrap_or(0)
}
