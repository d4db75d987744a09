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

use super::store::{BlobError, KeptBlobs, State, Stored};
use crate::store::disk::{Disk, OsDisk};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::SystemTime,
};
use velo_protocol::id::BlobId;

/// See the module.
#[derive(Debug)]
pub struct BlobFiles {
    folder: PathBuf,
    disk: Box<dyn Disk>,
    next_name: AtomicU64,
    /// Whether the folder's own name is known to be durable.
    is_named: AtomicBool,
    /// The bytes of all, once somebody wanted to know.
    counted: Mutex<Option<u64>>,
}

impl BlobFiles {
    /// Those in `folder`, which need not be there yet. There must be no other of the same: what somebody
    /// was writing when the program ended is deleted.
    pub fn open(folder: PathBuf) -> Self {
        Self::on(folder, OsDisk)
    }

    /// The same on any disk.
    pub fn on(folder: PathBuf, disk: impl Disk + 'static) -> Self {
        clear_unfinished(&folder);
        let (next_name, is_named, counted) = (AtomicU64::new(0), AtomicBool::new(false), Mutex::default());
        Self { folder, disk: Box::new(disk), next_name, is_named, counted }
    }

    fn place(&self, blob: BlobId) -> PathBuf {
        self.folder.join(blob.to_string())
    }

    fn unshown_folder(&self) -> PathBuf {
        self.folder.join("unshown")
    }

    fn unshown_place(&self, blob: BlobId) -> PathBuf {
        self.unshown_folder().join(blob.to_string())
    }

    fn damaged_folder(&self) -> PathBuf {
        self.folder.join("damaged")
    }

    fn damaged_place(&self, blob: BlobId) -> PathBuf {
        self.damaged_folder().join(blob.to_string())
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

    fn write_new(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let disk = &self.disk;
        let file = disk.create(path)?;
        disk.write(&file, 0, bytes)?;
        disk.sync(&file)
    }

    fn sync_folder(&self, folder: &Path) -> Result<(), BlobError> {
        self.disk.sync_dir(folder).map_err(BlobError::of("syncing", folder))
    }

    fn counted(&self) -> MutexGuard<'_, Option<u64>> {
        // Nobody panics while holding the lock.
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The blobs in a folder of them, their bytes and their times.
    fn scan(folder: &Path) -> Result<Vec<(BlobId, u64, SystemTime)>, BlobError> {
        let items = match fs::read_dir(folder) {
            Ok(items) => items,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(BlobError::of("reading", folder)(error)),
        };
        let read = |item: fs::DirEntry| {
            let named = item.file_name().to_str().and_then(|name| name.parse().ok());
            // It may have gone meanwhile.
            let (blob, meta) = (named?, item.metadata().ok()?);
            Some((blob, meta.len(), meta.modified().unwrap_or_else(|_| SystemTime::now())))
        };
        Ok(items.flatten().filter_map(read).collect())
    }
}

impl KeptBlobs for BlobFiles {
    fn has(&self, blob: BlobId) -> bool {
        self.place(blob).exists() || self.unshown_place(blob).exists()
    }

    fn is_damaged(&self, blob: BlobId) -> bool {
        !self.has(blob) && self.damaged_place(blob).exists()
    }

    fn read(&self, blob: BlobId) -> Result<Option<Vec<u8>>, BlobError> {
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

    fn missing(&self, blobs: &[BlobId]) -> Result<BTreeSet<BlobId>, BlobError> {
        Ok(blobs.iter().copied().filter(|blob| !self.has(*blob)).collect())
    }

    fn write(&self, blob: BlobId, bytes: &[u8]) -> Result<bool, BlobError> {
        if self.has(blob) {
            return Ok(false);
        }
        create_folder(&self.folder)?;
        let number = self.next_name.fetch_add(1, Ordering::Relaxed);
        let new = self.folder.join(format!("{blob}-{number}.new"));
        let written = self.write_new(&new, bytes).and_then(|()| fs::rename(&new, self.place(blob)));
        if let Err(error) = written {
            // It may not have been created.
            let _ = fs::remove_file(&new);
            return Err(BlobError::of("writing", &new)(error));
        }
        if let Some(counted) = &mut *self.counted() {
            *counted += bytes.len() as u64;
        }
        // What was damaged is of no use now. If it cannot be deleted, it is with the blob itself.
        if fs::remove_file(self.damaged_place(blob)).is_ok() {
            *self.counted() = None;
        }
        Ok(true)
    }

    fn sync(&self) -> Result<(), BlobError> {
        // Not there yet: nothing was written.
        if !self.folder.exists() {
            return Ok(());
        }
        self.sync_folder(&self.folder)?;
        // Once is enough, but whoever made the folder may not have come so far.
        if !self.is_named.load(Ordering::Acquire) {
            self.folder.parent().map_or(Ok(()), |around| self.sync_folder(around))?;
            self.is_named.store(true, Ordering::Release);
        }
        Ok(())
    }

    fn remove(&self, blob: BlobId) -> Result<(), BlobError> {
        *self.counted() = None;
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

    fn set_shown(&self, blob: BlobId, shown: bool) -> Result<(), BlobError> {
        let (place, aside) = (self.place(blob), self.unshown_place(blob));
        if shown {
            return fs::rename(&aside, &place).map_err(BlobError::of("moving", &aside));
        }
        put_aside(&place, &self.unshown_folder(), blob)
    }

    fn list(&self) -> Result<Vec<Stored>, BlobError> {
        let shown = (self.folder.clone(), (|_| State::Shown) as fn(SystemTime) -> State);
        let unshown = (self.unshown_folder(), State::Unshown as fn(SystemTime) -> State);
        let damaged = (self.damaged_folder(), State::Damaged as fn(SystemTime) -> State);
        let mut all = Vec::new();
        for (folder, state) in [shown, unshown, damaged] {
            let found = Self::scan(&folder)?.into_iter();
            all.extend(found.map(|(blob, bytes, since)| Stored { blob, bytes, state: state(since) }));
        }
        all.sort_by_key(|stored| stored.blob);
        Ok(all)
    }

    fn bytes(&self) -> Result<u64, BlobError> {
        let mut counted = self.counted();
        if let Some(bytes) = *counted {
            return Ok(bytes);
        }
        let bytes = self.list()?.iter().map(|stored| stored.bytes).sum();
        *counted = Some(bytes);
        Ok(bytes)
    }

    fn renew(&self, blobs: &[BlobId]) -> Result<(), BlobError> {
        for blob in blobs {
            let place = self.place(*blob);
            let dated = fs::File::options().append(true).open(&place);
            match dated.and_then(|file| file.set_modified(SystemTime::now())) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(BlobError::of("dating", &place)(error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn drop_stale(&self, before: SystemTime, need: u64) -> Result<u64, BlobError> {
        let mut found = Self::scan(&self.folder)?;
        found.retain(|(_, _, offered)| *offered < before);
        found.sort_by_key(|(_, _, offered)| *offered);
        let mut freed = 0;
        for (blob, bytes, _) in found {
            if freed >= need {
                break;
            }
            self.remove(blob)?;
            freed += bytes;
        }
        Ok(freed)
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
    use std::sync::Arc;

    #[test]
    fn a_torn_or_flipped_blob_is_not_here() {
        let home = tempfile::tempdir().unwrap();
        let store = BlobFiles::open(home.path().join("blobs"));
        let bytes = vec![7; 1000];
        let blob = BlobId::of(&bytes);
        for damage in [|bytes: &mut Vec<u8>| bytes.truncate(500), |bytes: &mut Vec<u8>| bytes[10] ^= 1] {
            let new = store.write(blob, &bytes).unwrap();
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
        store.write(blob, &bytes).unwrap();
        assert!(!store.is_damaged(blob));
        let listed = store.list().unwrap();
        assert!(matches!(listed[..], [Stored { state: State::Shown, .. }]), "{listed:?}");
    }

    #[test]
    fn what_was_misread_once_is_not_lost() {
        let home = tempfile::tempdir().unwrap();
        let store = BlobFiles::open(home.path().join("blobs"));
        let blob = BlobId::of(b"photo");
        store.write(blob, b"photo").unwrap();
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
            let store = BlobFiles::on(folder.clone(), disk.clone());
            for bytes in [b"one", b"two"] {
                store.write(BlobId::of(bytes), bytes).unwrap();
                store.sync().unwrap();
            }
            let synced = std::mem::take(&mut *disk.0.lock().unwrap());
            assert_eq!(synced, [&folder, home.path(), &folder], "{is_made}");
        }
    }

    #[test]
    fn what_is_not_shown_is_still_here_and_comes_back() {
        let home = tempfile::tempdir().unwrap();
        let store = BlobFiles::open(home.path().join("blobs"));
        let blob = BlobId::of(b"photo");
        store.write(blob, b"photo").unwrap();
        store.set_shown(blob, false).unwrap();
        assert!(matches!(store.list().unwrap()[0].state, State::Unshown(_)));
        assert_eq!(store.read(blob).unwrap().as_deref(), Some(&b"photo"[..]));
        assert!(!store.write(blob, b"photo").unwrap(), "it is not written twice");
        store.set_shown(blob, true).unwrap();
        assert_eq!(store.list().unwrap()[0].state, State::Shown);
        store.remove(blob).unwrap();
        assert_eq!(store.list().unwrap(), []);
    }

    #[test]
    fn what_was_cut_off_is_cleared_away() {
        let home = tempfile::tempdir().unwrap();
        let store = BlobFiles::open(home.path().to_owned());
        let blob = BlobId::of(b"whole");
        store.write(blob, b"whole").unwrap();
        fs::write(home.path().join(format!("{blob}-0.new")), b"half").unwrap();
        assert_eq!(store.list().unwrap().len(), 1);
        drop(store);
        BlobFiles::open(home.path().to_owned());
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_nobody_offered_for_long_gives_way_first_and_only_as_much_as_is_needed() {
        let home = tempfile::tempdir().unwrap();
        let store = BlobFiles::open(home.path().join("blobs"));
        assert_eq!(store.bytes().unwrap(), 0);
        let blobs: Vec<BlobId> = (0..4_u8).map(|n| BlobId::of(&[n; 100])).collect();
        let long_ago = |days: u64| SystemTime::now() - std::time::Duration::from_hours(24 * days);
        for (n, blob) in (0..).zip(&blobs) {
            store.write(*blob, &[n; 100]).unwrap();
            let file = fs::File::options().append(true).open(store.place(*blob)).unwrap();
            file.set_modified(long_ago(100 - u64::from(n))).unwrap();
        }
        store.renew(&[blobs[0], BlobId([9; 32])]).unwrap();
        assert_eq!(store.bytes().unwrap(), 400);
        assert_eq!(store.drop_stale(long_ago(30), 150).unwrap(), 200);
        assert_eq!(store.bytes().unwrap(), 200);
        assert!(store.has(blobs[0]) && store.has(blobs[3]) && !store.has(blobs[1]) && !store.has(blobs[2]));
        assert_eq!(store.drop_stale(long_ago(30), 1_000).unwrap(), 100, "what is offered stays");
    }
}
