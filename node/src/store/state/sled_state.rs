//! Pages in sled 0.34.7.
//!
//! One tree, since a batch is atomic within a tree only. The first byte of a key says what it is:
//!
//! ```text
//! v           format version (2) | workspace (32)
//! p page      a page; its number is four bytes, big-endian
//! m, i, c     followed by a count: parts of meta, of the log's index, and of the checksums of all
//!             pages; together they tell whether what is there belongs together
//! value       CRC32C of the rest and the key (4) | length before compression (4) | zstd
//! ```
//!
//! sled is beta by its own word. It may leave a half-written snapshot behind that it then refuses
//! to open, panic on damaged files, or fail on a full disk; and values above a quarter of a
//! segment go to files that it does not sync. So segments are large and values small, every value
//! has a checksum, and everything that goes wrong ends the same way: the folder is put aside, a new
//! one is begun, and the caller rebuilds the state from the log.

use super::{SavedState, StateError, StateStore};
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
const FORMAT: u16 = 1;
/// Keeps leaves of 16 values inside the log; the greatest that sled allows is 16 MiB.
const SEGMENT: usize = 8 * 1024 * 1024;
const CACHE: u64 = 8 * 1024 * 1024;
/// Compressed bytes in one value: 16 of them are well below a quarter of a segment.
const PART: usize = 48 * 1024;
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
    checksums: BTreeMap<u32, u32>,
    /// Parts written of meta, index and checksums.
    parts: [usize; 3],
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
            let db = open_db(path)?;
            let saved = load(&db, workspace)?;
            Ok((db, saved))
        });
        match opened {
            Ok((db, Some(saved))) => {
                let mut state = Self::new(path, Some(db));
                (state.checksums, state.parts) = (saved.checksums, saved.parts);
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
        Self { path: path.to_owned(), db, checksums: BTreeMap::new(), parts: [0; 3] }
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

    /// How many bytes sled uses on disk.
    pub fn size(&self) -> u64 {
        self.db.as_ref().and_then(|db| db.size_on_disk().ok()).unwrap_or(0)
    }

    fn batch(&mut self, pages: &Pages, log_index: &[u8]) -> Result<sled::Batch, StateError> {
        let mut batch = sled::Batch::default();
        for (no, bytes) in &pages.pages {
            let key = page_key(no.0);
            let value = pack(&key, bytes)?;
            self.checksums.insert(no.0, crc32c::crc32c(&value));
            batch.insert(&key, value);
        }
        let checksums = codec::encode(&self.checksums);
        for (slot, bytes) in [&pages.meta, log_index, &checksums].into_iter().enumerate() {
            let written = put_parts(&mut batch, SINGLES[slot], bytes)?;
            for gone in written..self.parts[slot] {
                batch.remove(&part_key(SINGLES[slot], gone));
            }
            self.parts[slot] = written;
        }
        Ok(batch)
    }
}

impl StateStore for SledState {
    fn save(&mut self, pages: &Pages, log_index: &[u8]) -> Result<(), StateError> {
        let batch = self.batch(pages, log_index)?;
        let db = self.db.as_ref().ok_or(StateError::Closed)?;
        db.apply_batch(batch)?;
        // Not for durability, which sled does not give: to hear of a full disk now.
        db.flush()?;
        Ok(())
    }

    fn discard(mut self) {
        // What could not be opened is somebody else's, or was put aside.
        let Some(db) = self.db.take() else {
            return;
        };
        drop(db);
        if let Err(error) = fs::remove_dir_all(&self.path) {
            tracing::warn!(%error, path = %self.path.display(), "the old state could not be removed");
        }
    }
}

/// Waits for the lock: sled's threads may hold it for a moment after the last handle was dropped.
fn open_db(path: &Path) -> Result<sled::Db, Unusable> {
    let config = sled::Config::new().path(path).segment_size(SEGMENT).cache_capacity(CACHE);
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

fn page_key(no: u32) -> [u8; 5] {
    keyed(b'p', no)
}

fn part_key(prefix: u8, part: usize) -> [u8; 5] {
    keyed(prefix, part as u32)
}

fn keyed(prefix: u8, no: u32) -> [u8; 5] {
    let [a, b, c, d] = no.to_be_bytes();
    [prefix, a, b, c, d]
}

/// A value as it is stored under `key`.
pub fn pack(key: &[u8], bytes: &[u8]) -> Result<Vec<u8>, StateError> {
    let packed = zstd::bulk::compress(bytes, 1).map_err(StateError::Compress)?;
    let mut value = vec![0; 4];
    value.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    value.extend_from_slice(&packed);
    let crc = crc32c::crc32c_append(crc32c::crc32c(key), &value[4..]);
    value[..4].copy_from_slice(&crc.to_le_bytes());
    Ok(value)
}

fn unpack(key: &[u8], value: &[u8]) -> Option<Vec<u8>> {
    let (crc, rest) = value.split_first_chunk::<4>()?;
    if u32::from_le_bytes(*crc) != crc32c::crc32c_append(crc32c::crc32c(key), rest) {
        return None;
    }
    let (len, packed) = rest.split_first_chunk::<4>()?;
    zstd::bulk::decompress(packed, u32::from_le_bytes(*len) as usize).ok()
}

/// Writes `bytes` in parts; returns how many.
fn put_parts(batch: &mut sled::Batch, prefix: u8, bytes: &[u8]) -> Result<usize, StateError> {
    let whole = pack(&[prefix], bytes)?;
    let parts = whole.chunks(PART);
    let count = parts.len();
    for (no, part) in parts.enumerate() {
        batch.insert(&part_key(prefix, no), part);
    }
    Ok(count)
}

fn get_parts(db: &sled::Db, prefix: u8) -> Result<(Vec<u8>, usize), Unusable> {
    let (mut whole, mut count) = (Vec::new(), 0);
    for item in db.scan_prefix([prefix]) {
        let (key, part) = item?;
        if *key != part_key(prefix, count) {
            return Err(Unusable::Damaged);
        }
        whole.extend_from_slice(&part);
        count += 1;
    }
    let bytes = unpack(&[prefix], &whole).ok_or(Unusable::Damaged)?;
    Ok((bytes, count))
}

pub(crate) struct Loaded {
    pub(crate) state: SavedState,
    checksums: BTreeMap<u32, u32>,
    parts: [usize; 3],
}

/// Everything saved; `None` if nothing was yet.
pub(crate) fn load(db: &sled::Db, workspace: WorkspaceId) -> Result<Option<Loaded>, Unusable> {
    match db.get(b"v")? {
        None if db.is_empty() => return Ok(None),
        Some(found) if *found == *version(workspace) => {}
        _ => return Err(Unusable::Version),
    }
    if db.scan_prefix(b"m").next().is_none() && db.len() == 1 {
        return Ok(None);
    }
    let (meta, meta_parts) = get_parts(db, SINGLES[0])?;
    let (log_index, index_parts) = get_parts(db, SINGLES[1])?;
    let (checksums, checksum_parts) = get_parts(db, SINGLES[2])?;
    let checksums: BTreeMap<u32, u32> = codec::decode_own(&checksums).map_err(|_| Unusable::Damaged)?;
    let pages = load_pages(db, &checksums)?;
    let parts = [meta_parts, index_parts, checksum_parts];
    Ok(Some(Loaded { state: SavedState { meta, pages, log_index }, checksums, parts }))
}

fn load_pages(db: &sled::Db, checksums: &BTreeMap<u32, u32>) -> Result<Vec<(PageNo, Vec<u8>)>, Unusable> {
    let mut pages = Vec::with_capacity(checksums.len());
    let mut found = db.scan_prefix(b"p");
    for (&no, &checksum) in checksums {
        let (key, value) = found.next().ok_or(Unusable::Damaged)??;
        if *key != page_key(no) || crc32c::crc32c(&value) != checksum {
            return Err(Unusable::Damaged);
        }
        pages.push((PageNo(no), unpack(&key, &value).ok_or(Unusable::Damaged)?));
    }
    if found.next().is_some() { Err(Unusable::Damaged) } else { Ok(pages) }
}
