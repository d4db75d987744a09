//! The log of one workspace in append-only files.
//!
//! One append is one write and one `fdatasync`; only then does the table of chains show it to
//! readers. After a failed write or sync nothing is tried again: what the kernel still holds of the
//! file is unknown, so the log is read-only until it is opened anew.
//!
//! A file that grows makes every `fdatasync` wait for the file system's journal as well, and for
//! whatever else is in it. So a small append brings [`ROOM_BYTES`] zeros along, and those that follow
//! write over them, which takes half the time and does not depend on what others write (`PostgreSQL` and
//! `SQLite` do the same with their logs). Closing cuts the zeros off.
//!
//! Opening reads what follows the index, or everything without one. Bytes behind the last good
//! record of the last file are room if they are zero; else they are a torn append and are cut, after
//! a copy was put aside. Damage
//! anywhere else is copied aside too, noted in the log, and never cut: every chain stays usable up
//! to what it lost, and the rest is pulled from peers again. Either way own entries that were
//! published may be among what is gone, so [`OpenReport::in_doubt`] asks for a new incarnation.

use super::{
    disk::{self, Disk, OsDisk},
    record::{self, Definition, Place},
    scan::{Extent, SealCheck},
};
use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock, RwLockReadGuard},
};
use velo_protocol::{
    crypto::SecretKey,
    id::{EntryId, WorkspaceId},
    log::Run,
    store::{
        Batch, BatchRun, ChainInfo, ChainNo, LogReader, LogStore, StoreError,
        chains::{ChainTable, PieceSource, StoredRun, end_before},
    },
};

mod gaps;
mod lost;
mod open;
mod orphans;

pub use gaps::{Damage, Gap};
pub use open::{OpenError, OpenReport, VerifyReport};

/// A new file is begun when one has grown to this.
pub const FILE_BYTES: u64 = 64 * 1024 * 1024;
/// Zeros that a small append leaves behind itself, for those that follow.
pub const ROOM_BYTES: usize = 64 * 1024;
/// A larger append brings no room along: in a transfer that would be written for nothing.
const SMALL_BYTES: usize = 16 * 1024;
/// Files kept open for reading.
const OPEN_FILES: usize = 16;

/// Where log files are opened, and how.
#[derive(Debug, Clone)]
pub struct LogOptions {
    /// A new file is begun when one has grown to this many bytes.
    pub file_bytes: u64,
    /// How the disk is changed.
    pub disk: Arc<dyn Disk>,
}

impl Default for LogOptions {
    fn default() -> Self {
        Self { file_bytes: FILE_BYTES, disk: Arc::new(OsDisk) }
    }
}

/// The writing half; there is one for each log. See the module.
#[derive(Debug)]
pub struct FileLog {
    workspace: WorkspaceId,
    options: LogOptions,
    shared: Arc<Shared>,
    /// The file appended to; `None` until the first append that needs a new one.
    active: Option<Active>,
    /// Number of the last file, 0 if there is none.
    last_file: u32,
    /// Why nothing more is written.
    read_only: Option<String>,
}

#[derive(Debug)]
struct Active {
    file: File,
    /// Durable length of the records.
    len: u64,
    /// Where the room behind them ends.
    room_end: u64,
    /// Numbers of the chains it defines.
    locals: BTreeMap<ChainNo, u32>,
    next_local: u32,
}

/// Reads a [`FileLog`], also from other threads while it is appended to.
#[derive(Debug, Clone)]
pub struct FileReader {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    files: Files,
    workspace: WorkspaceId,
    table: RwLock<ChainTable<Extent>>,
    /// Damaged places that this opening or an earlier one met. What meets further ones asks for a new
    /// opening.
    known_damage: Vec<Place>,
}

impl Shared {
    fn table(&self) -> RwLockReadGuard<'_, ChainTable<Extent>> {
        self.table.read().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The files of one directory, a few of them open for reading.
#[derive(Debug)]
struct Files {
    dir: PathBuf,
    open: Mutex<Vec<(u32, Arc<File>)>>,
}

impl Files {
    fn path(&self, file: u32) -> PathBuf {
        self.dir.join(open::name(file))
    }

    /// Exists while a read or a check met damage: the next opening then looks at everything.
    fn suspect(&self) -> PathBuf {
        self.dir.join("suspect")
    }

    /// Has the next opening look at everything. If even this fails, the damage is still found by
    /// `velo doctor --verify`.
    fn mark_suspect(&self) {
        let _ = std::fs::write(self.suspect(), []);
    }

    /// Where copies of damaged places lie.
    fn quarantine(&self) -> PathBuf {
        self.dir.join("quarantine")
    }

    /// A number may come to stand for another file.
    fn forget_open(&self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn get(&self, number: u32) -> io::Result<Arc<File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = open.iter().position(|(held, _)| *held == number) {
            open[..=at].rotate_right(1);
            return Ok(Arc::clone(&open[0].1));
        }
        let file = Arc::new(File::open(self.path(number))?);
        open.truncate(OPEN_FILES - 1);
        open.insert(0, (number, Arc::clone(&file)));
        Ok(file)
    }

    fn bytes(&self, extent: &Extent) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; extent.len as usize];
        self.get(extent.file)?.read_exact_at(&mut bytes, u64::from(extent.offset))?;
        Ok(bytes)
    }

    fn damaged(&self, extent: &Extent, at: usize) -> StoreError {
        self.mark_suspect();
        let place = extent.offset as usize + at;
        StoreError::Read(format!(
            "{} is damaged at byte {place}: restart Velo to repair it from other devices",
            self.path(extent.file).display()
        ))
    }
}

impl PieceSource for Files {
    type Piece = Extent;

    fn read(&self, extent: &Extent) -> Result<Vec<StoredRun>, StoreError> {
        let bytes = self.bytes(extent).map_err(|error| match error.kind() {
            // The file was cut, or is gone: what stood there is lost like any damaged record.
            io::ErrorKind::UnexpectedEof | io::ErrorKind::NotFound => self.damaged(extent, 0),
            _ => StoreError::Read(format!("{}: {error}", self.path(extent.file).display())),
        })?;
        let (mut runs, mut at) = (Vec::new(), 0);
        while at < bytes.len() {
            let raw = record::read(&bytes[at..]).ok_or_else(|| self.damaged(extent, at))?;
            if raw.run_of() == Some(extent.local)
                && let Some(record::Record::Run(_, run)) = raw.decode()
            {
                runs.push(run);
            }
            at += raw.len;
        }
        Ok(runs)
    }
}

impl FileLog {
    /// Opens the log in `dir`, made if it is not there. `index` is what [`FileLog::index`] gave
    /// when the state was last saved; without it, or if it does not fit, everything is read.
    pub fn open(
        dir: &Path,
        workspace: WorkspaceId,
        index: Option<&[u8]>,
    ) -> Result<(Self, OpenReport), OpenError> {
        Self::open_with(dir, workspace, index, LogOptions::default())
    }

    /// As [`FileLog::open`], with other options.
    pub fn open_with(
        dir: &Path,
        workspace: WorkspaceId,
        index: Option<&[u8]>,
        options: LogOptions,
    ) -> Result<(Self, OpenReport), OpenError> {
        open::open(dir, workspace, index, options)
    }

    /// What is in memory of the log, to be saved beside the state: opening then reads only what
    /// was appended since.
    pub fn index(&self) -> Vec<u8> {
        open::write_index(self)
    }

    /// Why nothing can be written any more, if so.
    pub fn read_only(&self) -> Option<&str> {
        self.read_only.as_deref()
    }

    /// Encodes the batch for the file appended to, or for a new one if that is full.
    fn encode(&self, runs: &[BatchRun]) -> Encoded {
        let active = self.active.as_ref().filter(|active| active.len < self.options.file_bytes);
        let start = active.map_or(0, |active| active.len);
        let mut next = active.map_or(0, |active| active.next_local);
        let mut encoded = Encoded { new_file: active.is_none(), ..Encoded::default() };
        let bytes = &mut encoded.bytes;
        if encoded.new_file {
            *bytes = record::file_header(self.workspace);
        }
        for item in runs {
            let known = active.and_then(|active| active.locals.get(&item.chain)).copied();
            let local = known.unwrap_or_else(|| {
                *encoded.locals.entry(item.chain).or_insert_with(|| {
                    record::write_chain(bytes, &self.define(item, next));
                    next += 1;
                    next - 1
                })
            });
            let (after, offset) = (item.run.after.position, bytes.len());
            let entries = item.end.head.position.saturating_sub(after) as u32;
            record::write_run(bytes, local, after, entries, &item.run.seal, &item.run.bytes);
            encoded.places.push((local, start + offset as u64, (bytes.len() - offset) as u32));
        }
        encoded
    }

    fn define(&self, item: &BatchRun, local: u32) -> Definition {
        let from = end_before(&item.run, &item.end);
        let base = self.shared.table().definition(item.chain).map_or(from, |(_, _, base)| base);
        Definition { local, log: item.run.log, origin: item.origin, base, from }
    }

    /// Writes and syncs. When it returns, the bytes have survived.
    fn make_durable(&mut self, encoded: &Encoded) -> io::Result<()> {
        if encoded.new_file {
            self.begin_file()?;
        }
        let Some(active) = &mut self.active else {
            return Err(io::Error::other("no file to write to"));
        };
        let disk = &self.options.disk;
        active.write(&**disk, &encoded.bytes)?;
        disk.sync(&active.file)?;
        if encoded.new_file {
            disk.sync_dir(&self.shared.files.dir)?;
        }
        active.len += encoded.bytes.len() as u64;
        active.locals.extend(&encoded.locals);
        active.next_local += encoded.locals.len() as u32;
        Ok(())
    }

    fn begin_file(&mut self) -> io::Result<()> {
        let number = self.last_file + 1;
        let file = self.options.disk.create(&self.shared.files.path(number))?;
        self.last_file = number;
        if let Some(full) = self.active.replace(Active::new(file)) {
            full.cut_room(&*self.options.disk);
        }
        Ok(())
    }

    /// Gives up writing. What was being written is taken off again if the disk allows it.
    fn give_up(&mut self, error: &io::Error) -> StoreError {
        if let Some(active) = &self.active {
            // Opening copes with what stays.
            let _ = self.options.disk.cut(&active.file, active.len);
        }
        let reason = disk::trouble(error);
        self.read_only = Some(reason.clone());
        StoreError::Write(reason)
    }

    /// Shows readers what has become durable.
    fn publish(&self, runs: &[BatchRun], encoded: &Encoded) -> Result<(), StoreError> {
        for (item, &(local, offset, len)) in runs.iter().zip(&encoded.places) {
            let extent = Extent { file: self.last_file, offset: offset as u32, len, local };
            let base = end_before(&item.run, &item.end);
            let starts = self.shared.table().end(item.chain).is_none();
            let log = item.run.log;
            let left =
                if starts { self.shared.table().left_by(log, base.head, &self.shared.files)? } else { None };
            let mut table = self.shared.table.write().unwrap_or_else(PoisonError::into_inner);
            if starts {
                table.start_chain(log, item.origin, base, left);
            }
            table.extend(item.chain, item.end, extent, Extent::merge);
        }
        Ok(())
    }
}

impl Drop for FileLog {
    fn drop(&mut self) {
        if let Some(active) = &self.active {
            active.cut_room(&*self.options.disk);
        }
    }
}

impl Active {
    fn new(file: File) -> Self {
        Self { file, len: 0, room_end: 0, locals: BTreeMap::new(), next_local: 0 }
    }

    /// Writes behind the records; where that leaves the room, with new room if `bytes` are few.
    fn write(&mut self, disk: &dyn Disk, bytes: &[u8]) -> io::Result<()> {
        let end = self.len + bytes.len() as u64;
        if end <= self.room_end || bytes.len() > SMALL_BYTES {
            disk.write(&self.file, self.len, bytes)?;
            self.room_end = self.room_end.max(end);
            return Ok(());
        }
        let mut roomy = Vec::with_capacity(bytes.len() + ROOM_BYTES);
        roomy.extend_from_slice(bytes);
        roomy.resize(bytes.len() + ROOM_BYTES, 0);
        disk.write(&self.file, self.len, &roomy)?;
        self.room_end = end + ROOM_BYTES as u64;
        Ok(())
    }

    fn cut_room(&self, disk: &dyn Disk) {
        if self.room_end > self.len {
            // Opening copes with what stays.
            let _ = disk.cut(&self.file, self.len);
        }
    }
}

/// A batch as bytes.
#[derive(Default)]
struct Encoded {
    new_file: bool,
    bytes: Vec<u8>,
    /// Numbers of the chains it defines.
    locals: BTreeMap<ChainNo, u32>,
    /// For each run its chain's number in the file, offset and length.
    places: Vec<(u32, u64, u32)>,
}

impl LogStore for FileLog {
    type Reader = FileReader;

    fn reader(&self) -> FileReader {
        FileReader { shared: Arc::clone(&self.shared) }
    }

    fn append(&mut self, batch: &Batch) -> Result<(), StoreError> {
        if let Some(reason) = &self.read_only {
            return Err(StoreError::Write(reason.clone()));
        }
        if batch.runs.is_empty() {
            return Ok(());
        }
        self.shared.table().check(&batch.runs)?;
        let encoded = self.encode(&batch.runs);
        if let Err(error) = self.make_durable(&encoded) {
            return Err(self.give_up(&error));
        }
        // It is durable, but without its place in the table nothing can follow it.
        self.publish(&batch.runs, &encoded).inspect_err(|error| self.read_only = Some(error.to_string()))
    }
}

impl LogReader for FileReader {
    fn chains(&self) -> Vec<ChainInfo> {
        self.shared.table().infos()
    }

    fn read_run(&self, chain: ChainNo, position: u64) -> Result<Option<Run>, StoreError> {
        let plan = self.shared.table().plan_run(chain, position);
        plan.map(|plan| plan.carry_out(&self.shared.files)).transpose()
    }

    fn entry_id(&self, chain: ChainNo, position: u64) -> Result<Option<EntryId>, StoreError> {
        let plan = self.shared.table().plan_id(chain, position);
        plan.map_or(Ok(None), |plan| plan.carry_out(&self.shared.files))
    }
}

impl FileReader {
    /// Reads every byte of the log as if it were opened for the first time, and checks every
    /// checksum, chain and seal. `own` is the key of this device: what it wrote may have a local seal
    /// instead of a signature.
    pub fn verify_all(&self, own: Option<&SecretKey>) -> Result<VerifyReport, OpenError> {
        open::verify(&self.shared, SealCheck { own })
    }

    /// What damage took from the log, and what waits for it. Reads every byte if there was any, or if a
    /// read or a check has met some.
    pub fn damage(&self) -> Result<Damage, OpenError> {
        gaps::damage(&self.shared)
    }
}
