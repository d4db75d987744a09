//! The blobs of one workspace, wherever they lie.
//!
//! On a device they are files ([`super::files`]), which stay as long as an attachment shows them. A relay keeps
//! what it carries in its database, if it has one, and cannot tell what is shown: there stays what devices go on
//! offering, and nothing else is dropped before there is no room ([`KeptBlobs::drop_stale`]).

use super::files::BlobFiles;
use crate::store::disk::{self, Disk};
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};
use velo_protocol::{blob::Manifest, id::BlobId};

/// Why content was not kept or read.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// There is no room.
    #[error(
        "the disk is full: make room, for instance with `velo storage clean`, and try again. Nothing was added"
    )]
    Full,
    /// Nobody knows what is still needed.
    #[error(
        "an attachment's list of its parts is damaged on this disk, so it is not known which parts are its: \
         fetch that attachment again (`velo attach list TASK` shows which is not here), or remove it"
    )]
    ListDamaged,
    /// The disk or its permissions.
    #[error("{doing} {}: {}", path.display(), disk::trouble(source))]
    Io {
        /// What was tried, as in "writing".
        doing: &'static str,
        /// To what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// They lie elsewhere, and cannot be reached: why.
    #[error("{0}")]
    Elsewhere(String),
}

impl BlobError {
    pub(super) fn of<'path>(
        doing: &'static str,
        path: &'path Path,
    ) -> impl FnOnce(io::Error) -> Self + 'path {
        move |source| match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full,
            _ => Self::Io { doing, path: path.to_owned(), source },
        }
    }
}

/// A blob on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stored {
    /// Which.
    pub blob: BlobId,
    /// Its length.
    pub bytes: u64,
    /// In which state.
    pub state: State,
}

/// How a blob on the disk stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// An attachment may show it.
    Shown,
    /// None shows it, since then.
    Unshown(SystemTime),
    /// Its bytes are others, which was found then.
    Damaged(SystemTime),
}

/// Where blobs lie.
pub trait KeptBlobs: fmt::Debug + Send + Sync {
    /// Whether a blob is here, without a look at its bytes.
    fn has(&self, blob: BlobId) -> bool;

    /// Those of these that are not here.
    fn missing(&self, blobs: &[BlobId]) -> Result<BTreeSet<BlobId>, BlobError>;

    /// Whether what is here of a blob are other bytes.
    fn is_damaged(&self, blob: BlobId) -> bool;

    /// Reads a blob. One that is damaged is not here.
    fn read(&self, blob: BlobId) -> Result<Option<Vec<u8>>, BlobError>;

    /// Keeps the bytes of a blob: durable when [`Self::sync`] returns after it. Returns whether it was not here
    /// before.
    fn write(&self, blob: BlobId, bytes: &[u8]) -> Result<bool, BlobError>;

    /// Makes what was written durable.
    fn sync(&self) -> Result<(), BlobError>;

    /// Deletes a blob, if it is here.
    fn remove(&self, blob: BlobId) -> Result<(), BlobError>;

    /// Notes that no attachment shows a blob from now on, or that one does again.
    fn set_shown(&self, blob: BlobId, shown: bool) -> Result<(), BlobError>;

    /// Every blob that is here, by name, and what is damaged.
    fn list(&self) -> Result<Vec<Stored>, BlobError>;

    /// How many bytes all of them take.
    fn bytes(&self) -> Result<u64, BlobError>;

    /// Somebody offers these, as from now. What is written counts as offered then.
    fn renew(&self, blobs: &[BlobId]) -> Result<(), BlobError>;

    /// Drops of what nobody has offered since then, the oldest first, until so many bytes are free. Returns how
    /// many are.
    fn drop_stale(&self, before: SystemTime, need: u64) -> Result<u64, BlobError>;
}

#[derive(Debug)]
struct Inner {
    kept: Box<dyn KeptBlobs>,
    is_carried: bool,
    /// Blobs of files that are being attached, and how many of these hold them: no attachment names
    /// them yet.
    held: Mutex<BTreeMap<BlobId, usize>>,
}

/// See the module. Cheap to clone; every clone is the same store.
#[derive(Debug, Clone)]
pub struct BlobStore(Arc<Inner>);

impl BlobStore {
    /// Opens the store of a device in `folder`, which need not be there yet. There must be no other one: what
    /// somebody was writing when the program ended is deleted.
    pub fn open(folder: PathBuf) -> Self {
        Self::of(Box::new(BlobFiles::open(folder)), false)
    }

    /// The same on any disk.
    pub fn on(folder: PathBuf, disk: impl Disk + 'static) -> Self {
        Self::of(Box::new(BlobFiles::on(folder, disk)), false)
    }

    /// What a relay carries.
    pub fn carried(kept: Box<dyn KeptBlobs>) -> Self {
        Self::of(kept, true)
    }

    fn of(kept: Box<dyn KeptBlobs>, is_carried: bool) -> Self {
        Self(Arc::new(Inner { kept, is_carried, held: Mutex::default() }))
    }

    /// Whether it is a relay's. What an attachment shows says nothing then about what is needed.
    pub fn is_carried(&self) -> bool {
        self.0.is_carried
    }

    /// How many bytes all blobs take.
    pub fn bytes(&self) -> Result<u64, BlobError> {
        self.0.kept.bytes()
    }

    /// Somebody offers these.
    pub fn renew(&self, blobs: &[BlobId]) -> Result<(), BlobError> {
        self.0.kept.renew(blobs)
    }

    /// See [`KeptBlobs::drop_stale`].
    pub fn drop_stale(&self, before: SystemTime, need: u64) -> Result<u64, BlobError> {
        self.0.kept.drop_stale(before, need)
    }

    /// Whether a blob is here, without a look at its bytes.
    pub fn has(&self, blob: BlobId) -> bool {
        self.0.kept.has(blob)
    }

    /// Whether what is here of a blob are other bytes.
    pub fn is_damaged(&self, blob: BlobId) -> bool {
        self.0.kept.is_damaged(blob)
    }

    /// Reads a blob. One that is damaged is put aside, and not here.
    pub fn read(&self, blob: BlobId) -> Result<Option<Vec<u8>>, BlobError> {
        self.0.kept.read(blob)
    }

    /// Reads a manifest, if it is here. One that contradicts itself is as good as not there: nobody has
    /// a better one.
    pub fn manifest(&self, blob: BlobId) -> Result<Option<Manifest>, BlobError> {
        Ok(self.read(blob)?.and_then(|bytes| Manifest::decode(&bytes).ok()))
    }

    /// The blobs of a manifest that are not here.
    pub fn missing(&self, manifest: &Manifest) -> Result<BTreeSet<BlobId>, BlobError> {
        self.0.kept.missing(manifest.blobs())
    }

    /// Keeps a blob: durable when [`Self::sync`] returns after it. Returns its name, and whether it was
    /// not here before.
    pub fn write(&self, bytes: &[u8]) -> Result<(BlobId, bool), BlobError> {
        let blob = BlobId::of(bytes);
        self.0.kept.write(blob, bytes).map(|new| (blob, new))
    }

    /// Makes what was written durable.
    pub fn sync(&self) -> Result<(), BlobError> {
        self.0.kept.sync()
    }

    /// Deletes a blob, if it is here.
    pub fn remove(&self, blob: BlobId) -> Result<(), BlobError> {
        self.0.kept.remove(blob)
    }

    /// Deletes a blob unless somebody holds it. Returns whether it did.
    pub(super) fn remove_unheld(&self, blob: BlobId) -> Result<bool, BlobError> {
        // Whoever wants to hold it waits until it is gone, and then writes it.
        let held = self.held();
        if held.contains_key(&blob) {
            return Ok(false);
        }
        self.remove(blob).map(|()| true)
    }

    /// Notes that no attachment shows a blob from now on, or that one does again.
    pub fn set_shown(&self, blob: BlobId, shown: bool) -> Result<(), BlobError> {
        self.0.kept.set_shown(blob, shown)
    }

    /// Every blob that is here, by name, and what is damaged.
    pub fn list(&self) -> Result<Vec<Stored>, BlobError> {
        self.0.kept.list()
    }

    /// Keeps a blob from being dropped although no attachment names it yet.
    pub fn hold(&self, blob: BlobId) {
        *self.held().entry(blob).or_default() += 1;
    }

    /// Takes [`Self::hold`] back.
    pub fn release(&self, blob: BlobId) {
        let mut held = self.held();
        if let Some(count) = held.get_mut(&blob) {
            *count -= 1;
            if *count == 0 {
                held.remove(&blob);
            }
        }
    }

    /// Whether somebody holds it.
    pub fn is_held(&self, blob: BlobId) -> bool {
        self.held().contains_key(&blob)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, BTreeMap<BlobId, usize>> {
        // Nobody panics while holding the lock.
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
