//! Blobs of one workspace, as files.
//!
//! ```text
//!   workspaces/<id>/blobs/<hash>          its bytes
//!                   blobs/unshown/<hash>  no attachment shows it any more, since the time of the file
//!                   blobs/damaged/<hash>  other bytes than its name says, found at the time of the file
//!                   blobs/<hash>-<n>.new  being written; deleted at the next start
//! ```
//! A blob is written under another name, synced and renamed: a name that can be read as a hash stands for
//! a whole blob. Should the disk damage it all the same, its hash tells. It is put aside then, and counts as
//! not being here: a peer brings it again. A disk that only misread it has it still: whoever reads it finds
//! it there.

use crate::store::disk::{self, Disk, OsDisk};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
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
}

impl BlobError {
    fn of<'path>(doing: &'static str, path: &'path Path) -> impl FnOnce(io::Error) -> Self + 'path {
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

#[derive(Debug)]
struct Inner {
    folder: PathBuf,
    disk: Box<dyn Disk>,
    next_name: AtomicU64,
    /// Whether the folder's own name is known to be durable.
    is_named: AtomicBool,
    /// Blobs of files that are being attached, and how many of these hold them: no attachment names
    /// them yet.
    held: Mutex<BTreeMap<BlobId, usize>>,
}

/// See the module. Cheap to clone; every clone is the same store.
#[derive(Debug, Clone)]
pub struct BlobStore(Arc<Inner>);

impl BlobStore {
    /// Opens the store in `folder`, which need not be there yet. There must be no other one: what somebody
    /// was writing when the program ended is deleted.
    pub fn open(folder: PathBuf) -> Self {
        Self::on(folder, OsDisk)
    }

    /// The same on any disk.
    pub fn on(folder: PathBuf, disk: impl Disk + 'static) -> Self {
        clear_unfinished(&folder);
        let disk = Box::new(disk);
        let (next_name, is_named) = (AtomicU64::new(0), AtomicBool::new(false));
        Self(Arc::new(Inner { folder, disk, next_name, is_named, held: Mutex::default() }))
    }

    fn place(&self, blob: BlobId) -> PathBuf {
        self.0.folder.join(blob.to_string())
    }

    fn unshown_folder(&self) -> PathBuf {
        self.0.folder.join("unshown")
    }

    fn unshown_place(&self, blob: BlobId) -> PathBuf {
        self.unshown_folder().join(blob.to_string())
    }

    fn damaged_folder(&self) -> PathBuf {
        self.0.folder.join("damaged")
    }

    fn damaged_place(&self, blob: BlobId) -> PathBuf {
        self.damaged_folder().join(blob.to_string())
    }

    /// Whether a blob is here, without a look at its bytes.
    pub fn has(&self, blob: BlobId) -> bool {
        self.place(blob).exists() || self.unshown_place(blob).exists()
    }

    /// Whether what is here of a blob are other bytes.
    pub fn is_damaged(&self, blob: BlobId) -> bool {
        !self.has(blob) && self.damaged_place(blob).exists()
    }

    /// Reads a blob. One that is damaged is put aside, and not here.
    pub fn read(&self, blob: BlobId) -> Result<Option<Vec<u8>>, BlobError> {
        for place in [self.place(blob), self.unshown_place(blob)] {
            let Some(bytes) = read_file(&place)? else { continue };
            if BlobId::of(&bytes) == blob {
                return Ok(Some(bytes));
            }
            tracing::warn!(blob = %blob.short(), "a part of an attachment is damaged on the disk: it is fetched again");
            put_aside(&place, &self.damaged_folder(), blob)?;
        }
        self.read_again(blob)
    }

    /// What was found damaged may have been misread.
    fn read_again(&self, blob: BlobId) -> Result<Option<Vec<u8>>, BlobError> {
        let (place, aside) = (self.place(blob), self.damaged_place(blob));
        let Some(bytes) = read_file(&aside)?.filter(|bytes| BlobId::of(bytes) == blob) else {
            return Ok(None);
        };
        fs::rename(&aside, &place).map_err(BlobError::of("moving", &aside))?;
        Ok(Some(bytes))
    }

    /// Reads a manifest, if it is here. One that contradicts itself is as good as not there: nobody has
    /// a better one.
    pub fn manifest(&self, blob: BlobId) -> Result<Option<Manifest>, BlobError> {
        Ok(self.read(blob)?.and_then(|bytes| Manifest::decode(&bytes).ok()))
    }

    /// The blobs of a manifest that are not here.
    pub fn missing(&self, manifest: &Manifest) -> BTreeSet<BlobId> {
        manifest.blobs().iter().copied().filter(|blob| !self.has(*blob)).collect()
    }

    /// Keeps a blob: durable when [`Self::sync`] returns after it. Returns its name, and whether it was
    /// not here before.
    pub fn write(&self, bytes: &[u8]) -> Result<(BlobId, bool), BlobError> {
        let blob = BlobId::of(bytes);
        if self.has(blob) {
            return Ok((blob, false));
        }
        create_folder(&self.0.folder)?;
        let number = self.0.next_name.fetch_add(1, Ordering::Relaxed);
        let new = self.0.folder.join(format!("{blob}-{number}.new"));
        let written = self.write_new(&new, bytes).and_then(|()| fs::rename(&new, self.place(blob)));
        if let Err(error) = written {
            // It may not have been created.
            let _ = fs::remove_file(&new);
            return Err(BlobError::of("writing", &new)(error));
        }
        // What was damaged is of no use now. If it cannot be deleted, it is with the blob itself.
        let _ = fs::remove_file(self.damaged_place(blob));
        Ok((blob, true))
    }

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let disk = &self.0.disk;
        let file = disk.create(path)?;
        disk.write(&file, 0, bytes)?;
        disk.sync(&file)
    }

    /// Makes what was written durable.
    pub fn sync(&self) -> Result<(), BlobError> {
        // Not there yet: nothing was written.
        if !self.0.folder.exists() {
            return Ok(());
        }
        self.sync_folder(&self.0.folder)?;
        // Once is enough, but whoever made the folder may not have come so far.
        if !self.0.is_named.load(Ordering::Acquire) {
            self.0.folder.parent().map_or(Ok(()), |around| self.sync_folder(around))?;
            self.0.is_named.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn sync_folder(&self, folder: &Path) -> Result<(), BlobError> {
        self.0.disk.sync_dir(folder).map_err(BlobError::of("syncing", folder))
    }

    /// Deletes a blob, if it is here.
    pub fn remove(&self, blob: BlobId) -> Result<(), BlobError> {
        for place in [self.place(blob), self.unshown_place(blob), self.damaged_place(blob)] {
            match fs::remove_file(&place) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(BlobError::of("removing", &place)(error));
                }
                _ => {}
            }
        }
        Ok(())
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
        let (place, aside) = (self.place(blob), self.unshown_place(blob));
        if shown {
            return fs::rename(&aside, &place).map_err(BlobError::of("moving", &aside));
        }
        put_aside(&place, &self.unshown_folder(), blob)
    }

    /// Every blob that is here, by name, and what is damaged.
    pub fn list(&self) -> Result<Vec<Stored>, BlobError> {
        let mut all = Vec::new();
        let shown = (self.0.folder.clone(), (|_| State::Shown) as fn(SystemTime) -> State);
        let unshown = (self.unshown_folder(), State::Unshown as fn(SystemTime) -> State);
        let damaged = (self.damaged_folder(), State::Damaged as fn(SystemTime) -> State);
        for (folder, state) in [shown, unshown, damaged] {
            let items = match fs::read_dir(&folder) {
                Ok(items) => items,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(BlobError::of("reading", &folder)(error)),
            };
            for item in items.flatten() {
                let named = item.file_name().to_str().and_then(|name| name.parse().ok());
                // It may have gone meanwhile.
                let (Some(blob), Ok(meta)) = (named, item.metadata()) else { continue };
                let since = meta.modified().unwrap_or_else(|_| SystemTime::now());
                all.push(Stored { blob, bytes: meta.len(), state: state(since) });
            }
        }
        all.sort_by_key(|stored| stored.blob);
        Ok(all)
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

/// Never with parents: the folder of a workspace that was forgotten must not come back.
fn create_folder(folder: &Path) -> Result<(), BlobError> {
    match fs::create_dir(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(BlobError::of("creating", folder)(error))
        }
        _ => Ok(()),
    }
}

/// Moves a blob's file to a folder of those that are not needed, or not right. Its time is then that of the
/// move.
fn put_aside(place: &Path, folder: &Path, blob: BlobId) -> Result<(), BlobError> {
    create_folder(folder)?;
    // The time first: what is moved with the time of its writing would be dropped too early.
    let dated = fs::File::options().append(true).open(place);
    let dated = dated.and_then(|file| file.set_modified(SystemTime::now()));
    let moved = dated.and_then(|()| fs::rename(place, folder.join(blob.to_string())));
    moved.map_err(BlobError::of("moving", place))
}

/// `None` if it is not there.
fn read_file(place: &Path) -> Result<Option<Vec<u8>>, BlobError> {
    match fs::read(place) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(BlobError::of("reading", place)(error)),
    }
}

fn clear_unfinished(folder: &Path) {
    for item in fs::read_dir(folder).into_iter().flatten().flatten() {
        if item.path().extension().is_some_and(|extension| extension == "new") {
            // Only room is lost by it.
            let _ = fs::remove_file(item.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_or_flipped_blob_is_not_here() {
        let home = tempfile::tempdir().unwrap();
        let store = BlobStore::open(home.path().join("blobs"));
        let bytes = vec![7; 1000];
        let blob = BlobId::of(&bytes);
        for damage in [|bytes: &mut Vec<u8>| bytes.truncate(500), |bytes: &mut Vec<u8>| bytes[10] ^= 1] {
            let (_, new) = store.write(&bytes).unwrap();
            assert!(new);
            assert_eq!(store.read(blob).unwrap(), Some(bytes.clone()));
            let mut damaged = bytes.clone();
            damage(&mut damaged);
            fs::write(store.place(blob), damaged).unwrap();
            assert!(store.has(blob), "nobody looked yet");
            assert_eq!(store.read(blob).unwrap(), None);
            assert!(!store.has(blob) && store.is_damaged(blob), "it can be fetched again");
            assert!(matches!(store.list().unwrap()[..], [Stored { state: State::Damaged(_), .. }]));
        }
        store.write(&bytes).unwrap();
        assert!(!store.is_damaged(blob));
        let listed = store.list().unwrap();
        assert!(matches!(listed[..], [Stored { state: State::Shown, .. }]), "{listed:?}");
    }

    #[test]
    fn what_was_misread_once_is_not_lost() {
        let home = tempfile::tempdir().unwrap();
        let store = BlobStore::open(home.path().join("blobs"));
        let (blob, _) = store.write(b"photo").unwrap();
        put_aside(&store.place(blob), &store.damaged_folder(), blob).unwrap();
        assert!(store.is_damaged(blob));
        assert_eq!(store.read(blob).unwrap().as_deref(), Some(&b"photo"[..]));
        assert!(store.has(blob) && !store.is_damaged(blob));
    }

    /// Notes which folders' names were made durable.
    #[derive(Debug, Clone, Default)]
    struct NotingDisk(Arc<Mutex<Vec<PathBuf>>>);

    impl Disk for NotingDisk {
        fn create(&self, path: &Path) -> io::Result<fs::File> {
            OsDisk.create(path)
        }

        fn write(&self, file: &fs::File, offset: u64, bytes: &[u8]) -> io::Result<()> {
            OsDisk.write(file, offset, bytes)
        }

        fn sync(&self, file: &fs::File) -> io::Result<()> {
            OsDisk.sync(file)
        }

        fn sync_dir(&self, path: &Path) -> io::Result<()> {
            self.0.lock().unwrap().push(path.to_owned());
            OsDisk.sync_dir(path)
        }

        fn cut(&self, file: &fs::File, len: u64) -> io::Result<()> {
            OsDisk.cut(file, len)
        }
    }

    #[test]
    fn the_folder_itself_is_durable_with_the_first_blob() {
        let home = tempfile::tempdir().unwrap();
        let (folder, disk) = (home.path().join("blobs"), NotingDisk::default());
        // It may be there already, made by a process that came no further.
        for is_made in [false, true] {
            let store = BlobStore::on(folder.clone(), disk.clone());
            for bytes in [b"one", b"two"] {
                store.write(bytes).unwrap();
                store.sync().unwrap();
            }
            let synced = std::mem::take(&mut *disk.0.lock().unwrap());
            assert_eq!(synced, [&folder, home.path(), &folder], "{is_made}");
        }
    }

    #[test]
    fn what_is_not_shown_is_still_here_and_comes_back() {
        let home = tempfile::tempdir().unwrap();
        let store = BlobStore::open(home.path().join("blobs"));
        let (blob, _) = store.write(b"photo").unwrap();
        store.set_shown(blob, false).unwrap();
        assert!(matches!(store.list().unwrap()[0].state, State::Unshown(_)));
        assert_eq!(store.read(blob).unwrap().as_deref(), Some(&b"photo"[..]));
        assert!(!store.write(b"photo").unwrap().1, "it is not written twice");
        store.set_shown(blob, true).unwrap();
        assert_eq!(store.list().unwrap()[0].state, State::Shown);
        store.remove(blob).unwrap();
        assert_eq!(store.list().unwrap(), []);
    }

    #[test]
    fn what_was_cut_off_is_cleared_away() {
        let home = tempfile::tempdir().unwrap();
        let store = BlobStore::open(home.path().to_owned());
        let (blob, _) = store.write(b"whole").unwrap();
        fs::write(home.path().join(format!("{blob}-0.new")), b"half").unwrap();
        assert_eq!(store.list().unwrap().len(), 1);
        drop(store);
        BlobStore::open(home.path().to_owned());
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
