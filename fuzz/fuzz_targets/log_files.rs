//! Log files and an index, damaged in any way: opening never panics, what is there afterwards can be
//! read to its end, and the log can be written to and opened again.
//!
//! ```text
//! input = what to mend (1) | part*        bit 0: the checksums of the files, bit 1: of the index
//! part  = which file (1) | length (2) | bytes
//! ```
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::{
    fs::{self, File},
    io,
    path::Path,
    sync::{Arc, LazyLock},
};
use tempfile::TempDir;
use velo_node::store::{
    disk::{Disk, OsDisk},
    log_files::{FileLog, LogOptions, OpenReport},
    record::FILE_HEADER,
};
use velo_protocol::{
    log::parse_entries,
    store::{
        Batch, ChainNo, LogReader, LogStore,
        conformance::{Author, WORKSPACE},
    },
};

/// Part 0 is the index; these are the files.
const NAMES: [&str; 9] = [
    "000001.vlog",
    "000002.vlog",
    "000003.vlog",
    "000007.vlog",
    "000000.vlog",
    "4294967295.vlog",
    "1.vlog",
    "+2.vlog",
    "suspect",
];

static HOME: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a folder"));

/// The system's, except that nothing is made durable.
#[derive(Debug)]
struct Hasty;

impl Disk for Hasty {
    fn create(&self, path: &Path) -> io::Result<File> {
        OsDisk.create(path)
    }
    fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        OsDisk.write(file, offset, bytes)
    }
    fn sync(&self, _: &File) -> io::Result<()> {
        Ok(())
    }
    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
    fn cut(&self, file: &File, len: u64) -> io::Result<()> {
        OsDisk.cut(file, len)
    }
}

fuzz_target!(|input: &[u8]| {
    let dir = HOME.path().join("log");
    // Missing on the first run.
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir(&dir).expect("a folder");
    let index = lay_out(&dir, input);
    let Ok((log, report)) = open(&dir, index.as_deref()) else { return };
    if report.used_index {
        // It may promise anything. What it promises is checked when it is read.
        let _ = read(&log);
        let _ = log.reader().verify_all(None);
    } else {
        read(&log).expect("everything can be read");
        let found = log.reader().verify_all(None).expect("everything can be read");
        assert_eq!(found.short_chains, 0, "{found:?}");
        goes_on(&dir, log);
    }
});

fn open(
    dir: &Path,
    index: Option<&[u8]>,
) -> Result<(FileLog, OpenReport), velo_node::store::log_files::OpenError> {
    let options = LogOptions { disk: Arc::new(Hasty), ..LogOptions::default() };
    FileLog::open_with(dir, WORKSPACE, index, options)
}

/// Writes the files; returns the index.
fn lay_out(dir: &Path, input: &[u8]) -> Option<Vec<u8>> {
    let (mend, mut rest) = input.split_first()?;
    let mut index = None;
    while let Some(([which, low, high], after)) = rest.split_first_chunk::<3>() {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
        let (part, after) = after.split_at(length);
        let mut part = part.to_vec();
        match usize::from(*which).checked_sub(1) {
            None => {
                if mend & 2 != 0 {
                    part.extend(crc32c::crc32c(&part).to_le_bytes());
                }
                index = Some(part);
            }
            Some(file) => {
                if mend & 1 != 0 {
                    mend_file(&mut part);
                }
                fs::write(dir.join(NAMES[file % NAMES.len()]), part).expect("a file");
            }
        }
        rest = after;
    }
    index
}

/// Gives the header and every record in front of it the checksum it should have.
fn mend_file(bytes: &mut [u8]) {
    const SUM: usize = FILE_HEADER - 4;
    if bytes.len() < FILE_HEADER {
        return;
    }
    let sum = crc32c::crc32c(&bytes[..SUM]);
    bytes[SUM..FILE_HEADER].copy_from_slice(&sum.to_le_bytes());
    let mut rest = &mut bytes[FILE_HEADER..];
    while let Some((length, _)) = rest.split_first_chunk::<4>() {
        let end = u32::from_le_bytes(*length) as usize + 8;
        if end > rest.len() {
            return;
        }
        let (record, after) = rest.split_at_mut(end);
        let sum = crc32c::crc32c_append(crc32c::crc32c(&record[..4]), &record[8..]);
        record[4..8].copy_from_slice(&sum.to_le_bytes());
        rest = after;
    }
}

/// Reads every chain from its start to the end that the table promises.
fn read(log: &FileLog) -> Result<(), String> {
    let reader = log.reader();
    for (no, info) in reader.chains().iter().enumerate() {
        let no = ChainNo(no as u32);
        let mut position = 0;
        while position < info.end.head.position {
            let run = reader.read_run(no, position).map_err(|error| error.to_string())?;
            let run = run.ok_or(format!("no run after {position} of {}", info.end.head.position))?;
            let entries = parse_entries(run.after, &run.bytes).map_err(|error| error.to_string())?;
            let last = entries.last().ok_or("an empty run")?;
            let id = reader.entry_id(no, last.position).map_err(|error| error.to_string())?;
            if id != Some(last.id) || run.after.position != position {
                return Err(format!("another entry {}", last.position));
            }
            position = last.position;
        }
        let end = reader.entry_id(no, position).map_err(|error| error.to_string())?;
        if end != Some(info.end.head.id) {
            return Err(format!("another end at {position}"));
        }
    }
    Ok(())
}

/// Appends to the log and opens it twice more, from its own index and without.
fn goes_on(dir: &Path, mut log: FileLog) {
    if log.read_only().is_some() {
        return;
    }
    let mut author = Author::new(200);
    let runs = vec![author.write(ChainNo(log.reader().chains().len() as u32), 3, 20)];
    log.append(&Batch { runs }).expect("the log can be written to");
    let (chains, index) = (log.reader().chains(), log.index());
    drop(log);
    for index in [Some(&*index), None] {
        let (log, report) = open(dir, index).expect("the log can be opened again");
        assert_eq!(log.reader().chains(), chains, "from an index: {}", report.used_index);
        assert!(!report.in_doubt(), "{report:?}");
        read(&log).expect("everything can be read again");
    }
}
