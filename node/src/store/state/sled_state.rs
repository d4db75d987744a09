//! Pages in sled 0.34.7.
//!
//! One tree, since a batch is atomic within a tree only. Beside the version it holds **records**, each
//! cut into parts under keys of their own:
//!
//! ```text
//! v                       format version (2) | workspace (32)
//! what | number | part    a part of a record; number and part are four bytes each, big-endian
//! record                  CRC32C of the rest, what and number (4) | length unpacked (4) | zstd
//! what                    p: the page of this number; m: meta, i: the log's index, c: number of
//!                         parts and checksum of every page, which tell whether all belongs together
//! ```
//!
//! sled is beta by its own word. It may leave a half-written snapshot behind that it then refuses
//! to open, panic on damaged files, or fail on a full disk; and leaves above a quarter of a segment
//! go to files that it does not sync. Segments in turn are what its files grow by, so large ones are
//! mostly empty. So parts are small, every record has a checksum, and everything that goes wrong
//! ends the same way: the folder is put aside, a new one is begun, and the caller rebuilds the
//! state from the log.
//!
//! A leaf that is split is written anew with all its values, so filling a tree writes each of them
//! two or three times, and the space comes back only much later. So the keys of new parts are put in
//! their places first, with empty values: a **placeholder** is nothing, and leaves of them split
//! cheaply. sled's own cleaning lets half of a file be garbage, and doubles the file first while it
//! works. So its thread is off, and a file with too much garbage is written anew in another folder,
//! which then takes the place of the first.

use super::{SavedState, StateError, StateStore};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs, io,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};
use velo_protocol::{
    codec,
    id::WorkspaceId,
    snapshot::{PageNo, Pages},
};

/// Of the layout above. Another one is put aside, since a rebuild is the migration.
const FORMAT: u16 = 2;
/// By how many bytes the files grow. A power of two.
pub const SEGMENT: usize = 64 * 1024;
const CACHE: u64 = 8 * 1024 * 1024;
/// Bytes in one value. A leaf has 16 of them, and up to 20 for a moment, which together stay below a
/// quarter of a segment.
const PART: usize = SEGMENT / 4 / 24;
/// Garbage that is left alone: a third of what is live, and some segments.
const GARBAGE: u64 = 3;
const GARBAGE_SEGMENTS: u64 = 3;
/// How long to wait for sled's lock, and between attempts.
const LOCK_WAIT: Duration = Duration::from_secs(2);
const LOCK_POLL: Duration = Duration::from_millis(10);
/// Damaged folders kept for those who want to look into them.
const KEPT: usize = 2;

/// See the module.
#[derive(Debug)]
pub struct SledState {
    path: PathBuf,
    /// `None` if even an empty one could not be opened.
    db: Option<sled::Db>,
    pages: BTreeMap<u32, Written>,
    /// Parts written of meta, index and checksums.
    parts: [u32; 3],
}

/// What is known of a page that was written.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Written {
    parts: u32,
    /// CRC32C of the record.
    checksum: u32,
}

/// Why what is on disk is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unusable {
    #[error(transparent)]
    Sled(#[from] sled::Error),
    #[error("another process has it open")]
    Locked,
    #[error("it panicked")]
    Panic,
    #[error("another version or workspace")]
    Version,
    #[error("a checksum is wrong")]
    Damaged,
}

const SINGLES: [u8; 3] = *b"mic";

impl SledState {
    /// Opens the state in `path`, made if it is not there. Gives what was saved last, or `None` if
    /// there is nothing or nothing usable: the state is then to be rebuilt from the log.
    ///
    /// Only one may be open at a time; the lock on the data directory sees to that.
    pub fn open(path: &Path, workspace: WorkspaceId) -> (Self, Option<SavedState>) {
        let opened = guarded(|| {
            remove_half_written_snapshots(path);
            remove_folder(&fresh_folder(path)).map_err(sled::Error::Io)?;
            let db = open_db(path)?;
            let saved = load(&db, workspace)?;
            Ok((db, saved))
        });
        match opened {
            Ok((db, Some(saved))) => {
                let mut state = Self::new(path, Some(db));
                (state.pages, state.parts) = (saved.pages, saved.parts);
                (state, Some(saved.state))
            }
            Ok((db, None)) => (Self::begin(path, db, workspace), None),
            // Nothing is wrong with it, so it stays where it is.
            Err(error @ Unusable::Locked) => {
                tracing::warn!(%error, path = %path.display(), "no state is kept in this run");
                (Self::new(path, None), None)
            }
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "the state is rebuilt from the log");
                (Self::anew(path, workspace), None)
            }
        }
    }

    fn new(path: &Path, db: Option<sled::Db>) -> Self {
        Self { path: path.to_owned(), db, pages: BTreeMap::new(), parts: [0; 3] }
    }

    fn begin(path: &Path, db: sled::Db, workspace: WorkspaceId) -> Self {
        let written = db.insert(b"v", version(workspace));
        Self::new(path, written.is_ok().then_some(db))
    }

    /// Puts aside what is there.
    fn anew(path: &Path, workspace: WorkspaceId) -> Self {
        let moved = put_aside(path).map_err(|error| sled::Error::Io(error).into());
        match moved.and_then(|()| guarded(|| open_db(path))) {
            Ok(db) => Self::begin(path, db, workspace),
            Err(error) => {
                tracing::warn!(%error, path = %path.display(), "no new state can be begun");
                Self::new(path, None)
            }
        }
    }

    /// Forgets everything, and begins anew in the same place.
    pub fn begin_again(&mut self, workspace: WorkspaceId) {
        self.remove();
        *self = Self::open(&self.path, workspace).0;
    }

    fn remove(&mut self) {
        // What could not be opened is somebody else's, or was put aside.
        let Some(db) = self.db.take() else { return };
        close(db);
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "the old state could not be removed");
        }
    }

    /// How many bytes sled uses on disk.
    pub fn size(&self) -> u64 {
        self.db.as_ref().and_then(|db| db.size_on_disk().ok()).unwrap_or(0)
    }

    /// Bytes of what is there, at most.
    fn live(&self) -> u64 {
        let parts = self.pages.values().map(|page| page.parts).chain(self.parts);
        parts.map(|parts| u64::from(parts) * PART as u64).sum()
    }

    /// Writes everything anew, without the garbage. If the process ends in the middle, the old
    /// folder is still there, or nothing, and then the state is rebuilt.
    fn compact(&mut self) -> Result<(), StateError> {
        let Some(old) = self.db.take() else { return Ok(()) };
        let fresh = fresh_folder(&self.path);
        if let Err(error) = copy(&old, &fresh) {
            // Garbage harms nobody.
            tracing::debug!(%error, "the state could not be compacted");
            self.db = Some(old);
            return Ok(());
        }
        drop(old);
        fs::remove_dir_all(&self.path).map_err(StateError::Move)?;
        fs::rename(&fresh, &self.path).map_err(StateError::Move)?;
        self.db = Some(open_db(&self.path).map_err(|error| StateError::Reopen(error.to_string()))?);
        Ok(())
    }

    fn changes(&mut self, pages: &Pages, log_index: &[u8]) -> Result<Changes, StateError> {
        let mut changes = Changes::default();
        for (no, bytes) in &pages.pages {
            let name = name(b'p', no.0);
            let record = pack(name, bytes)?;
            let before = self.pages.get(&no.0).map_or(0, |page| page.parts);
            let parts = changes.put(name, &record, before);
            self.pages.insert(no.0, Written { parts, checksum: crc32c::crc32c(&record) });
        }
        let checksums = codec::encode(&self.pages);
        let singles = SINGLES.into_iter().zip([&pages.meta, log_index, &checksums]);
        for ((what, bytes), parts) in singles.zip(&mut self.parts) {
            let name = name(what, 0);
            *parts = changes.put(name, &pack(name, bytes)?, *parts);
        }
        Ok(changes)
    }
}

impl StateStore for SledState {
    fn save(&mut self, pages: &Pages, log_index: &[u8]) -> Result<(), StateError> {
        let changes = self.changes(pages, log_index)?;
        let db = self.db.as_ref().ok_or(StateError::Closed)?;
        for key in changes.new_keys {
            db.insert(key, &[])?;
        }
        db.apply_batch(changes.batch)?;
        // Not for durability, which sled does not give: to hear of a full disk now.
        db.flush()?;
        if self.size() > self.live() + self.live() / GARBAGE + GARBAGE_SEGMENTS * SEGMENT as u64 {
            self.compact()?;
        }
        Ok(())
    }

    fn discard(mut self) {
        self.remove();
    }
}

impl Drop for SledState {
    fn drop(&mut self) {
        if let Some(db) = self.db.take() {
            close(db);
        }
    }
}

/// sled asserts that its last bytes can be written. If not, the state is rebuilt from the log.
fn close(db: sled::Db) {
    if catch_unwind(AssertUnwindSafe(|| drop(db))).is_err() {
        tracing::warn!("the state could not be closed; it may be rebuilt from the log at the next start");
    }
}

fn fresh_folder(path: &Path) -> PathBuf {
    path.with_extension("fresh")
}

/// Copies all records to a new database, which is closed again.
fn copy(old: &sled::Db, to: &Path) -> Result<(), Unusable> {
    remove_folder(to).map_err(sled::Error::Io)?;
    let new = open_db(to)?;
    for item in old.iter() {
        new.insert(item?.0, &[])?;
    }
    for item in old.iter() {
        let (key, value) = item?;
        new.insert(key, value)?;
    }
    new.flush()?;
    Ok(())
}

fn remove_folder(path: &Path) -> io::Result<()> {
    if path.exists() { fs::remove_dir_all(path) } else { Ok(()) }
}

/// Waits for the lock: sled's threads may hold it for a moment after the last handle was dropped.
fn open_db(path: &Path) -> Result<sled::Db, Unusable> {
    let config = sled::Config::new().path(path).segment_size(SEGMENT).cache_capacity(CACHE);
    let config = config.flush_every_ms(None);
    let give_up = Instant::now() + LOCK_WAIT;
    loop {
        match config.open() {
            Err(error) if is_locked(&error) && Instant::now() < give_up => thread::sleep(LOCK_POLL),
            Err(error) if is_locked(&error) => return Err(Unusable::Locked),
            opened => return Ok(opened?),
        }
    }
}

/// sled has no kind of error for it.
fn is_locked(error: &sled::Error) -> bool {
    matches!(error, sled::Error::Io(error) if error.to_string().starts_with("could not acquire lock"))
}

/// sled asserts where it could return an error.
fn guarded<T>(work: impl FnOnce() -> Result<T, Unusable>) -> Result<T, Unusable> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or(Err(Unusable::Panic))
}

/// A snapshot that was being written when the process ended; sled would take it for corruption.
fn remove_half_written_snapshots(path: &Path) {
    let Ok(items) = fs::read_dir(path) else {
        return;
    };
    for item in items.flatten() {
        let name = item.file_name().to_string_lossy().into_owned();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            // If it stays, opening fails and everything is put aside.
            let _ = fs::remove_file(item.path());
        }
    }
}

/// Renames `path` to `<path>.damaged-N` and removes all but the newest of these.
fn put_aside(path: &Path) -> io::Result<()> {
    if !path.exists() {
        return Ok(());
    }
    let stem = format!("{}.damaged-", path.file_name().unwrap_or_default().to_string_lossy());
    let dir = path.parent().unwrap_or(Path::new("."));
    let number = |name: &str| name.strip_prefix(&stem)?.parse::<usize>().ok();
    let mut old: Vec<usize> =
        fs::read_dir(dir)?.flatten().filter_map(|item| number(&item.file_name().to_string_lossy())).collect();
    old.sort_unstable();
    let next = old.last().map_or(1, |last| last + 1);
    for number in old.iter().rev().skip(KEPT - 1) {
        fs::remove_dir_all(dir.join(format!("{stem}{number}")))?;
    }
    fs::rename(path, dir.join(format!("{stem}{next}")))
}

fn version(workspace: WorkspaceId) -> Vec<u8> {
    [&FORMAT.to_le_bytes()[..], &workspace.0].concat()
}

/// Of a record: how the keys of its parts begin.
fn name(what: u8, no: u32) -> [u8; 5] {
    let [a, b, c, d] = no.to_be_bytes();
    [what, a, b, c, d]
}

fn part_key(name: [u8; 5], part: u32) -> [u8; 9] {
    let mut key = [0; 9];
    key[..5].copy_from_slice(&name);
    key[5..].copy_from_slice(&part.to_be_bytes());
    key
}

/// A record as it is stored in parts.
pub fn pack(name: [u8; 5], bytes: &[u8]) -> Result<Vec<u8>, StateError> {
    let packed = zstd::bulk::compress(bytes, 1).map_err(StateError::Compress)?;
    let mut record = vec![0; 4];
    record.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    record.extend_from_slice(&packed);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&name), &record[4..]);
    record[..4].copy_from_slice(&crc.to_le_bytes());
    Ok(record)
}

fn unpack(name: [u8; 5], record: &[u8]) -> Option<Vec<u8>> {
    let (crc, rest) = record.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*crc) != crc32c::crc32c_append(crc32c::crc32c(&name), rest) {
        return None;
    }
    let (len, packed) = rest.split_first_chunk::<4>()?;
    zstd::bulk::decompress(packed, u32::from_le_bytes(*len) as usize).ok()
}

/// What one save does.
#[derive(Default)]
struct Changes {
    /// Get placeholders before the batch.
    new_keys: Vec<[u8; 9]>,
    batch: sled::Batch,
}

impl Changes {
    /// Writes a record in place of one that had `before` parts; returns how many it has.
    fn put(&mut self, name: [u8; 5], record: &[u8], before: u32) -> u32 {
        let mut count = 0;
        for part in record.chunks(PART) {
            let key = part_key(name, count);
            self.batch.insert(&key, part);
            if count >= before {
                self.new_keys.push(key);
            }
            count += 1;
        }
        for gone in count..before {
            self.batch.remove(&part_key(name, gone));
        }
        count
    }
}

type Item = (sled::IVec, sled::IVec);

/// The parts of all records of a kind, in order.
fn parts_of(db: &sled::Db, what: u8) -> impl Iterator<Item = sled::Result<Item>> {
    let is_part = |item: &sled::Result<Item>| item.as_ref().map_or(true, |(_, value)| !value.is_empty());
    db.scan_prefix([what]).filter(is_part)
}

/// The next of these records, all of whose parts have to be there.
fn next_record(
    items: &mut impl Iterator<Item = sled::Result<Item>>,
    name: [u8; 5],
    parts: u32,
) -> Result<Vec<u8>, Unusable> {
    let mut record = Vec::new();
    for part in 0..parts {
        let (key, bytes) = items.next().ok_or(Unusable::Damaged)??;
        if *key != part_key(name, part) {
            return Err(Unusable::Damaged);
        }
        record.extend_from_slice(&bytes);
    }
    Ok(record)
}

/// A record of which there is only one, and how many parts it has.
fn single(db: &sled::Db, what: u8) -> Result<(Vec<u8>, u32), Unusable> {
    let name = name(what, 0);
    let parts = parts_of(db, what).count() as u32;
    let record = next_record(&mut parts_of(db, what), name, parts)?;
    Ok((unpack(name, &record).ok_or(Unusable::Damaged)?, parts))
}

pub(crate) struct Loaded {
    pub(crate) state: SavedState,
    pages: BTreeMap<u32, Written>,
    parts: [u32; 3],
}

/// Everything saved; `None` if nothing was yet.
pub(crate) fn load(db: &sled::Db, workspace: WorkspaceId) -> Result<Option<Loaded>, Unusable> {
    match db.get(b"v")? {
        None if db.is_empty() => return Ok(None),
        Some(found) if *found == *version(workspace) => {}
        _ => return Err(Unusable::Version),
    }
    if SINGLES.iter().chain(b"p").all(|what| parts_of(db, *what).next().is_none()) {
        return Ok(None);
    }
    let (meta, meta_parts) = single(db, SINGLES[0])?;
    let (log_index, index_parts) = single(db, SINGLES[1])?;
    let (checksums, checksum_parts) = single(db, SINGLES[2])?;
    let written: BTreeMap<u32, Written> = codec::decode_own(&checksums).map_err(|_| Unusable::Damaged)?;
    let pages = load_pages(db, &written)?;
    let parts = [meta_parts, index_parts, checksum_parts];
    Ok(Some(Loaded { state: SavedState { meta, pages, log_index }, pages: written, parts }))
}

fn load_pages(db: &sled::Db, written: &BTreeMap<u32, Written>) -> Result<Vec<(PageNo, Vec<u8>)>, Unusable> {
    let mut pages = Vec::with_capacity(written.len());
    let mut items = parts_of(db, b'p');
    for (&no, page) in written {
        let name = name(b'p', no);
        let record = next_record(&mut items, name, page.parts)?;
        if crc32c::crc32c(&record) != page.checksum {
            return Err(Unusable::Damaged);
        }
        pages.push((PageNo(no), unpack(name, &record).ok_or(Unusable::Damaged)?));
    }
    if items.next().is_some() { Err(Unusable::Damaged) } else { Ok(pages) }
}
