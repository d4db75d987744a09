//! What of the content on the disk is still needed, and what may go.
//!
//! The rule: content that an attachment shows is never dropped here, so the only copy of it cannot get
//! lost. What no attachment shows (it was deleted, or its task was) is kept for 30 days from when this
//! device noticed, so that a deletion can be taken back without anybody's help; a person may drop it
//! earlier. The time is that of this device's own clock: nobody can make others drop content early by
//! claiming that it was deleted long ago.
//!
//! At a relay attachments say nothing about what is needed: it may read none, or not all. There nothing is put
//! aside, and nothing is dropped but for room.
//!
//! As long as the list of a shown attachment's parts is damaged, nobody knows which parts are its, and
//! nothing is dropped at all.

use super::store::{BlobError, BlobStore, State, Stored};
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
    /// Bytes of what is carried for others, as a relay.
    pub carried: u64,
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
#[derive(Default)]
struct Named {
    all: BTreeSet<BlobId>,
    /// Of attachments of which something is missing.
    pending: BTreeSet<BlobId>,
    /// By attachment.
    each: Vec<(EntityId, BTreeSet<BlobId>)>,
    /// Whether a manifest is damaged, so that there may be more.
    is_partial: bool,
}

impl Named {
    fn of(store: &BlobStore, workspace: &Workspace) -> Result<Self, BlobError> {
        let mut named = Self::default();
        for id in workspace.shown(Kind::Attachment) {
            let mut of_this = BTreeSet::new();
            for content in contents(workspace, id) {
                let manifest = store.manifest(content.manifest)?;
                named.is_partial |= manifest.is_none() && store.is_damaged(content.manifest);
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
    let mut usage = Usage::default();
    if store.is_carried() {
        usage.carried = store.bytes()?;
        return Ok(usage);
    }
    let (named, stored) = (Named::of(store, workspace)?, store.list()?);
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

/// What may be put aside or dropped, unless it is named.
struct Candidates {
    /// What is here that nobody holds.
    unheld: Vec<Stored>,
    /// What the workspace names.
    named: BTreeSet<BlobId>,
}

/// Looks at what is here that nobody holds, and only then at what the workspace names: `None` if there is
/// no such workspace. [`BlobError::ListDamaged`] if not all that it names is known.
///
/// In this order nothing falls between: who attaches a file holds its blobs until the workspace that others
/// see names them. The other way round, a file that was attached between the two looks would be neither
/// named nor held.
fn look<E: From<BlobError>>(
    store: &BlobStore,
    shown: impl FnOnce() -> Result<Option<Workspace>, E>,
) -> Result<Option<Candidates>, E> {
    if store.is_carried() {
        return Ok(None);
    }
    let unheld = store.list()?.into_iter().filter(|one| !store.is_held(one.blob)).collect();
    let Some(workspace) = shown()? else { return Ok(None) };
    let named = Named::of(store, &workspace)?;
    if named.is_partial {
        return Err(BlobError::ListDamaged.into());
    }
    Ok(Some(Candidates { unheld, named: named.all }))
}

/// Puts aside what no attachment shows any more, takes back what one shows again, and drops what was
/// aside for its time. Returns what was dropped. `shown` gives the workspace as it is when it is called.
pub fn sweep(
    store: &BlobStore,
    shown: impl FnOnce() -> Option<Workspace>,
    now: SystemTime,
) -> Result<Sum, BlobError> {
    let mut dropped = Sum::default();
    let Some(found) = look(store, || Ok::<_, BlobError>(shown()))? else { return Ok(dropped) };
    for one in found.unheld {
        let is_named = found.named.contains(&one.blob);
        match one.state {
            State::Shown if !is_named => store.set_shown(one.blob, false)?,
            State::Unshown(_) if is_named => store.set_shown(one.blob, true)?,
            State::Unshown(since) | State::Damaged(since)
                if !is_named && is_over(since, now) && store.remove_unheld(one.blob)? =>
            {
                dropped.add(&one);
            }
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
    let Some(found) = look(store, || shown().map(Some))? else { return Ok(dropped) };
    for one in found.unheld.into_iter().filter(|one| !found.named.contains(&one.blob)) {
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
