//! Opening log files: the index, the tail behind it, and what to do about damage.

use super::{Active, Encoded, FileLog, Files, LogOptions, Shared};
use crate::store::{
    disk::{self, Disk},
    record::{self, FILE_HEADER, FileHeader, Place},
    scan::{Builder, Extent, FileEnd, SealCheck},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File, OpenOptions},
    io::{self, Read, Seek, SeekFrom},
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, RwLock},
};
use velo_protocol::{
    codec,
    id::WorkspaceId,
    store::{ChainInfo, ChainNo, StoreError, chains::ChainTable},
};

/// Of the index; another one is not read.
const INDEX_VERSION: u16 = 1;
/// Files in a row that may be missing. Each is noted, so a stray file must not make up millions.
const MISSING: u32 = 10_000;
/// Numbers of chains in one file. A file with a greater one is not continued: new ones could run out.
const LOCALS: u32 = u32::MAX / 2;

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The operating system says no.
    #[error("{path}: {}", disk::trouble(source), path = .path.display())]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// What it says.
        source: io::Error,
    },
    /// Written by a later version.
    #[error("{path} was written by a newer version of Velo (format {format}): update to open it", path = .path.display())]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its format.
        format: u16,
    },
    /// A file that belongs to another workspace.
    #[error("{path} belongs to another workspace: move it back to where it came from", path = .path.display())]
    Foreign {
        /// Which file.
        path: PathBuf,
    },
    /// Its number has nothing to do with those of the other files.
    #[error("{path} is not a file of this log, whose other files end long before it: move it away", path = .path.display())]
    Stray {
        /// Which file.
        path: PathBuf,
    },
    /// Reading the log failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> OpenError + '_ {
    move |source| OpenError::Io { path: path.to_owned(), source }
}

/// What was found on opening.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct OpenReport {
    /// Damage that was not known before; copies lie in `quarantine/`.
    pub damaged: Vec<Place>,
    /// Bytes cut off the end of the last file, a copy of which lies in `quarantine/`.
    pub cut: Option<Place>,
    /// Good records that continue nothing, because what comes before them is lost.
    pub loose: usize,
    /// The index reaches further than the files do, so acknowledged entries are gone.
    pub shortened: bool,
    /// Whether the index could be used.
    pub used_index: bool,
    /// Bytes that were scanned.
    pub scanned: u64,
}

impl OpenReport {
    /// Entries that were published may be gone: the next own entry needs a new incarnation.
    pub fn in_doubt(&self) -> bool {
        self.shortened || self.cut.is_some() || !self.damaged.is_empty()
    }

    /// Nothing was ever here but, at most, a first write that was cut off.
    pub fn is_blank(&self) -> bool {
        !self.shortened && self.damaged.is_empty() && self.loose == 0
    }

    /// The state may know entries that the log has lost, or number chains differently: it must be
    /// rebuilt from the log.
    pub fn must_rebuild(&self) -> bool {
        self.shortened || !self.used_index
    }
}

/// What reading everything found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VerifyReport {
    /// Files read.
    pub files: usize,
    /// Bytes read.
    pub bytes: u64,
    /// Entries whose checksum, chain and seal are good.
    pub entries: u64,
    /// Damaged places that opening has not met yet.
    pub damaged: Vec<Place>,
    /// Damaged places that were reported on an earlier opening.
    pub known: usize,
    /// Runs whose seal does not fit.
    pub bad_seals: Vec<Place>,
    /// Chains of the open log that the files do not hold in full.
    pub short_chains: usize,
}

impl VerifyReport {
    /// Whether nothing is wrong.
    pub fn is_good(&self) -> bool {
        self.damaged.is_empty() && self.bad_seals.is_empty() && self.short_chains == 0
    }
}

/// The log in memory, as it is saved beside the state.
#[derive(Serialize, Deserialize)]
struct Index<Table> {
    version: u16,
    workspace: WorkspaceId,
    table: Table,
    file: u32,
    offset: u64,
    locals: BTreeMap<ChainNo, u32>,
    known_damage: Vec<Place>,
}

/// Empty while no file is appended to: there is nothing an opening could go on from.
pub(super) fn write_index(log: &FileLog) -> Vec<u8> {
    let Some(active) = &log.active else {
        return Vec::new();
    };
    let index = Index {
        version: INDEX_VERSION,
        workspace: log.workspace,
        table: &*log.shared.table(),
        file: log.last_file,
        offset: active.len,
        locals: active.locals.clone(),
        known_damage: log.shared.known_damage.clone(),
    };
    let mut bytes = codec::encode(&index);
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_le_bytes());
    bytes
}

fn parse_index(bytes: &[u8], workspace: WorkspaceId) -> Option<Index<ChainTable<Extent>>> {
    let (body, crc) = bytes.split_last_chunk::<4>()?;
    if u32::from_le_bytes(*crc) != crc32c::crc32c(body) {
        return None;
    }
    let index: Index<ChainTable<Extent>> = codec::decode_own(body).ok()?;
    let ours = index.version == INDEX_VERSION && index.workspace == workspace;
    (ours && index.table.is_sound()).then_some(index)
}

/// What the file with this number is called.
pub(super) fn name(file: u32) -> String {
    format!("{file:06}.vlog")
}

/// The number of a file of this name. A copy that somebody called `1.vlog` is none of the log's.
fn number_of(name_found: &str) -> Option<u32> {
    let number = name_found.strip_suffix(".vlog")?.parse().ok()?;
    (number > 0 && name_found == name(number)).then_some(number)
}

/// Numbers and lengths of the log files in `dir`.
pub(super) fn list(dir: &Path) -> Result<BTreeMap<u32, u64>, OpenError> {
    let mut files = BTreeMap::new();
    for item in fs::read_dir(dir).map_err(at(dir))? {
        let item = item.map_err(at(dir))?;
        if let Some(number) = item.file_name().to_str().and_then(number_of) {
            files.insert(number, item.metadata().map_err(at(&item.path()))?.len());
        }
    }
    let before = std::iter::once(0).chain(files.keys().copied());
    let stray = before.zip(files.keys()).find(|(before, number)| *number - before > MISSING);
    match stray {
        Some((_, number)) => Err(OpenError::Stray { path: dir.join(name(*number)) }),
        None => Ok(files),
    }
}

pub(super) fn open(
    dir: &Path,
    workspace: WorkspaceId,
    index: Option<&[u8]>,
    options: LogOptions,
) -> Result<(FileLog, OpenReport), OpenError> {
    create_dir(dir, &*options.disk).map_err(at(dir))?;
    let files = Files { dir: dir.to_owned(), open: Mutex::default() };
    let Scanned { mut report, table, locals, known_damage, last } = scan(&files, workspace, index)?;
    let mut log = FileLog {
        workspace,
        options,
        last_file: last.map_or(0, |(number, _)| number),
        shared: Arc::new(Shared { files, workspace, table: RwLock::new(table), known_damage }),
        active: None,
        read_only: None,
    };
    if let Err(error) = log.settle(&mut report, last, locals) {
        log.give_up(&error);
    }
    Ok((log, report))
}

/// Makes the directory, and its name and those of the folders around it durable: who made these
/// may not have done so.
fn create_dir(dir: &Path, disk: &dyn Disk) -> io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(dir)?;
    dir.ancestors().skip(1).take(3).filter(|around| around.is_dir()).try_for_each(|dir| disk.sync_dir(dir))
}

/// What a scan found.
struct Scanned {
    report: OpenReport,
    table: ChainTable<Extent>,
    /// Numbers in the last file, if it can be continued.
    locals: Option<BTreeMap<ChainNo, u32>>,
    known_damage: Vec<Place>,
    /// The last file and its end.
    last: Option<(u32, FileEnd)>,
}

fn scan(files: &Files, workspace: WorkspaceId, index: Option<&[u8]>) -> Result<Scanned, OpenError> {
    let lengths = list(&files.dir)?;
    let index = index.and_then(|bytes| parse_index(bytes, workspace));
    let reaches = |index: &Index<_>| lengths.get(&index.file).is_some_and(|len| *len >= index.offset);
    let shortened = index.as_ref().is_some_and(|index| !reaches(index));
    let index = index.filter(|index| reaches(index) && !files.suspect().exists());
    let mut report = OpenReport { shortened, used_index: index.is_some(), ..OpenReport::default() };

    let mut builder = Builder::new(workspace, files, None);
    let mut from = (0, 0);
    if let Some(index) = index {
        from = (index.file, index.offset);
        builder.known = index.known_damage;
        builder.resume(index.table, &index.locals);
    }
    let last = scan_files(files, &mut builder, workspace, &lengths, from, &mut report.scanned)?;
    report.loose = builder.loose.len();
    let mut known_damage = std::mem::take(&mut builder.known);
    report.damaged = builder.damage.iter().filter(|place| !known_damage.contains(place)).copied().collect();
    known_damage.extend(&report.damaged);
    // A file with records without a place is not continued: they would be read with what follows.
    let tidy = builder.loose.iter().all(|place| last.is_none_or(|(number, _)| place.file != number));
    let locals = builder.locals().filter(|_| tidy);
    Ok(Scanned { report, table: builder.table, locals, known_damage, last })
}

/// Reads all files from a place on. Returns the last one and its end.
pub(super) fn scan_files(
    files: &Files,
    builder: &mut Builder<'_, Files>,
    workspace: WorkspaceId,
    lengths: &BTreeMap<u32, u64>,
    (first, offset): (u32, u64),
    scanned: &mut u64,
) -> Result<Option<(u32, FileEnd)>, OpenError> {
    let mut last: Option<(u32, FileEnd)> = None;
    for (&number, &len) in lengths.range(first..) {
        let expected = last.map_or(first.max(1), |(number, _)| number + 1);
        if let Some((file, end)) = last {
            if end.rest > 0 {
                builder.damage.push(Place { file, offset: end.good, len: end.rest });
            }
            builder.next_file();
        }
        builder.damage.extend((expected..number).map(|file| Place { file, offset: 0, len: 0 }));
        let start = if number == first { offset } else { 0 };
        *scanned += len.saturating_sub(start);
        last = Some((number, scan_file(files, builder, workspace, number, start)?));
    }
    Ok(last)
}

fn scan_file(
    files: &Files,
    builder: &mut Builder<'_, Files>,
    workspace: WorkspaceId,
    file: u32,
    offset: u64,
) -> Result<FileEnd, OpenError> {
    let path = files.path(file);
    let mut bytes = Vec::new();
    let mut handle = File::open(&path).map_err(at(&path))?;
    handle.seek(SeekFrom::Start(offset)).map_err(at(&path))?;
    handle.read_to_end(&mut bytes).map_err(at(&path))?;
    if offset > 0 {
        return Ok(builder.file(file, offset, &bytes)?);
    }
    let header = match record::parse_file_header(&bytes, workspace) {
        FileHeader::Ours => true,
        FileHeader::Unreadable => false,
        FileHeader::Foreign => return Err(OpenError::Foreign { path }),
        FileHeader::Newer(format) => return Err(OpenError::Newer { path, format }),
    };
    let start = if header { FILE_HEADER } else { 0 };
    let end = builder.file(file, start as u64, &bytes[start..])?;
    Ok(end)
}

impl FileLog {
    /// Copies damage aside, cuts a torn tail, makes everything found durable, and gets ready to
    /// append.
    fn settle(
        &mut self,
        report: &mut OpenReport,
        last: Option<(u32, FileEnd)>,
        locals: Option<BTreeMap<ChainNo, u32>>,
    ) -> io::Result<()> {
        for place in &report.damaged {
            self.put_aside(place)?;
        }
        if let Some((number, end)) = last {
            self.settle_last(report, number, end, locals)?;
        }
        if !report.damaged.is_empty() {
            self.note_damage(&report.damaged)?;
        }
        match fs::remove_file(self.shared.files.suspect()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn settle_last(
        &mut self,
        report: &mut OpenReport,
        number: u32,
        end: FileEnd,
        locals: Option<BTreeMap<ChainNo, u32>>,
    ) -> io::Result<()> {
        let path = self.shared.files.path(number);
        let file = OpenOptions::new().write(true).open(&path)?;
        if end.rest > 0 {
            let cut = Place { file: number, offset: end.good, len: end.rest };
            self.put_aside(&cut)?;
            self.options.disk.cut(&file, end.good)?;
            report.cut = Some(cut);
        }
        if end.good == 0 {
            // Not even its header was written: the number is used again.
            fs::remove_file(&path)?;
            self.shared.files.forget_open();
            self.last_file -= 1;
            return Ok(());
        }
        // After a crash of this program alone, the bytes found may be in the kernel's cache only.
        self.options.disk.sync(&file)?;
        let next_local =
            locals.iter().flat_map(BTreeMap::values).max().map_or(0, |last| last.saturating_add(1));
        if let Some(locals) = locals.filter(|_| report.damaged.is_empty() && next_local < LOCALS) {
            let room_end = end.good + end.room;
            self.active = Some(Active { file, len: end.good, room_end, locals, next_local });
        }
        Ok(())
    }

    /// Copies a damaged place to `quarantine/`, unless that was done before.
    fn put_aside(&self, place: &Place) -> io::Result<()> {
        if place.len == 0 {
            return Ok(());
        }
        let files = &self.shared.files;
        let dir = files.quarantine();
        fs::create_dir_all(&dir)?;
        let target = dir.join(format!("{:06}-{}.bytes", place.file, place.offset));
        if target.exists() {
            return Ok(());
        }
        let mut bytes = vec![0; place.len as usize];
        files.get(place.file)?.read_exact_at(&mut bytes, place.offset)?;
        let disk = &self.options.disk;
        let copy = disk.create(&target)?;
        let copied = disk.write(&copy, 0, &bytes).and_then(|()| disk.sync(&copy));
        copied.inspect_err(|_| {
            // Half a copy must not pass for one.
            let _ = fs::remove_file(&target);
        })
    }

    /// Begins a new file with notes of `damage`, so that it is reported once.
    fn note_damage(&mut self, damage: &[Place]) -> io::Result<()> {
        let mut bytes = record::file_header(self.workspace);
        for place in damage {
            record::write_known(&mut bytes, place);
        }
        self.make_durable(&Encoded { new_file: true, bytes, ..Encoded::default() })
    }
}

pub(super) fn verify(shared: &Shared, seals: SealCheck<'_>) -> Result<VerifyReport, OpenError> {
    let promised = shared.table().clone();
    let lengths = list(&shared.files.dir)?;
    let mut builder = Builder::new(shared.workspace, &shared.files, Some(seals));
    let mut report = VerifyReport { files: lengths.len(), ..VerifyReport::default() };
    scan_files(&shared.files, &mut builder, shared.workspace, &lengths, (0, 0), &mut report.bytes)?;
    for info in promised.infos() {
        let held = builder.table.left_by(info.log, info.end.head, &shared.files)?.is_some();
        report.short_chains += usize::from(!held);
    }
    let known = std::mem::take(&mut builder.known);
    report.known = builder.damage.iter().filter(|place| known.contains(place)).count();
    report.damaged = builder.damage.into_iter().filter(|place| !known.contains(place)).collect();
    report.bad_seals = builder.bad_seals;
    let entries = |info: &ChainInfo| info.end.head.position - info.base.position;
    report.entries = builder.table.infos().iter().map(entries).sum();
    if !report.damaged.is_empty() || report.short_chains > 0 {
        // "Restart Velo to repair it" holds only if the opening does not trust the index.
        shared.files.mark_suspect();
    }
    Ok(report)
}
