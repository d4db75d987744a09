//! The log files: what every store must do, and what only files can suffer.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use std::{
    fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    sync::Arc,
};
use velo_node::store::{
    disk::{FailingDisk, OsDisk},
    log_files::{FileLog, LogOptions, OpenError, OpenReport},
};
use velo_protocol::{
    id::WorkspaceId,
    store::{
        ChainNo, LogReader, LogStore, StoreError,
        conformance::{self, Author, WORKSPACE, batch},
    },
};

fn open(dir: &Path, index: Option<&[u8]>) -> (FileLog, OpenReport) {
    FileLog::open(dir, WORKSPACE, index).unwrap()
}

/// Small files, so that a test has several.
fn small_files() -> LogOptions {
    LogOptions { file_bytes: 8 * 1024, disk: Arc::new(OsDisk) }
}

fn open_small(dir: &Path, index: Option<&[u8]>) -> (FileLog, OpenReport) {
    FileLog::open_with(dir, WORKSPACE, index, small_files()).unwrap()
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let items = fs::read_dir(dir).unwrap().map(|item| item.unwrap().path());
    let mut files: Vec<_> = items.filter(|path| path.extension().is_some_and(|ext| ext == "vlog")).collect();
    files.sort();
    files
}

/// Three devices writing in turns, `rounds` times.
fn fill(log: &mut FileLog, rounds: usize) -> Vec<Author> {
    let mut authors: Vec<Author> = (1..=3).map(Author::new).collect();
    for round in 0..rounds {
        let runs =
            authors.iter_mut().zip(0..).map(|(author, no)| author.write(ChainNo(no), 1 + round % 3, 60));
        log.append(&batch(runs.collect::<Vec<_>>())).unwrap();
    }
    authors
}

fn assert_all_held(log: &FileLog, authors: &[Author]) {
    for (author, no) in authors.iter().zip(0..) {
        author.assert_held(&log.reader(), ChainNo(no));
    }
}

#[test]
fn conforms() {
    let mut kept = Vec::new();
    conformance::check(|| {
        let dir = tempfile::tempdir().unwrap();
        let (log, report) = open(dir.path(), None);
        assert!(!report.in_doubt());
        kept.push(dir);
        log
    });
}

#[test]
fn conforms_with_a_file_for_nearly_every_batch() {
    let mut kept = Vec::new();
    conformance::check(|| {
        let dir = tempfile::tempdir().unwrap();
        let options = LogOptions { file_bytes: 300, disk: Arc::new(OsDisk) };
        let (log, _) = FileLog::open_with(dir.path(), WORKSPACE, None, options).unwrap();
        kept.push(dir);
        log
    });
}

#[test]
fn opens_again_with_and_without_index() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open_small(dir.path(), None);
    let mut authors = fill(&mut log, 100);
    let index = log.index();
    let run = authors[1].write(ChainNo(1), 2, 50);
    log.append(&batch([run])).unwrap();
    let chains = log.reader().chains();
    drop(log);
    assert!(files(dir.path()).len() > 3);

    let (log, report) = open_small(dir.path(), None);
    assert!(!report.used_index && !report.in_doubt(), "{report:?}");
    assert_eq!(log.reader().chains(), chains);
    assert_all_held(&log, &authors);
    drop(log);

    let (mut log, report) = open_small(dir.path(), Some(&index));
    assert!(report.used_index && !report.in_doubt() && report.scanned < 1000, "{report:?}");
    assert_eq!(log.reader().chains(), chains);
    let run = authors[2].write(ChainNo(2), 2, 50);
    log.append(&batch([run])).unwrap();
    assert_all_held(&log, &authors);
    assert!(log.reader().verify_all().unwrap().is_good());
}

#[test]
fn branches_survive_opening() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open_small(dir.path(), None);
    let mut trunk = Author::new(1);
    log.append(&batch([trunk.write(ChainNo(0), 5, 50)])).unwrap();
    let mut branch = trunk.clone();
    log.append(&batch([trunk.write(ChainNo(0), 5, 50)])).unwrap();
    log.append(&batch([branch.write(ChainNo(1), 5, 51)])).unwrap();
    let chains = log.reader().chains();
    for index in [None, Some(log.index())] {
        let (log, _) = open_small(dir.path(), index.as_deref());
        assert_eq!(log.reader().chains(), chains);
        assert_all_held(&log, &[trunk.clone(), branch.clone()]);
    }
}

#[test]
fn a_tail_torn_at_any_byte_loses_only_the_last_batch() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(dir.path(), None);
    let mut author = Author::new(1);
    log.append(&batch([author.write(ChainNo(0), 3, 30)])).unwrap();
    let (path, acknowledged) = (files(dir.path()).remove(0), author.clone());
    let durable = fs::metadata(&path).unwrap().len();
    log.append(&batch([author.write(ChainNo(0), 1, 30), Author::new(2).write(ChainNo(1), 1, 5)])).unwrap();
    let whole = fs::read(&path).unwrap();
    drop(log);
    for len in durable as usize..whole.len() {
        for file in files(dir.path()) {
            fs::remove_file(file).unwrap();
        }
        fs::write(&path, &whole[..len]).unwrap();
        let (mut log, report) = open(dir.path(), None);
        assert!(report.cut.is_none_or(|cut| cut.offset >= durable), "{report:?}");
        let mut author = acknowledged.clone();
        let position = log.reader().chains()[0].end.head.position;
        assert!(position == 3 || position == 4);
        if position == 4 {
            author.write(ChainNo(0), 1, 30);
        }
        log.append(&batch([author.write(ChainNo(0), 2, 9)])).unwrap();
        author.assert_held(&log.reader(), ChainNo(0));
        drop(log);
        let (log, report) = open(dir.path(), None);
        assert!(!report.in_doubt(), "{report:?}");
        author.assert_held(&log.reader(), ChainNo(0));
    }
}

#[test]
fn damage_is_put_aside_reported_once_and_pulled_again() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open_small(dir.path(), None);
    let authors = fill(&mut log, 100);
    drop(log);
    let path = files(dir.path()).remove(1);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(&path, &bytes).unwrap();

    let (mut log, report) = open_small(dir.path(), None);
    assert!(report.in_doubt() && report.damaged.len() == 1 && report.loose > 0, "{report:?}");
    assert_eq!(fs::read(&path).unwrap(), bytes, "the damaged file is left as it is");
    let place = report.damaged[0];
    let aside = dir.path().join(format!("quarantine/{:06}-{}.bytes", place.file, place.offset));
    assert_eq!(fs::read(aside).unwrap().len() as u64, place.len);
    let kept = log.reader().chains();
    let whole: Vec<bool> = kept.iter().zip(&authors).map(|(info, author)| info.end == author.end()).collect();
    assert_eq!(whole.iter().filter(|whole| !**whole).count(), 1, "one chain is cut back, others are whole");

    // A peer sends the lost part again.
    let cut_back = whole.iter().position(|whole| !whole).unwrap();
    let peer_dir = tempfile::tempdir().unwrap();
    let (mut peer, _) = open(peer_dir.path(), None);
    fill(&mut peer, 100);
    let no = ChainNo(cut_back as u32);
    while let Some(run) =
        peer.reader().read_run(no, log.reader().chains()[cut_back].end.head.position).unwrap()
    {
        let before = log.reader().chains()[cut_back].end;
        let end = authors[cut_back].verify(before, run.clone()).unwrap();
        let origin = kept[cut_back].origin;
        log.append(&batch([velo_protocol::store::BatchRun { chain: no, origin, run, end }])).unwrap();
    }
    assert_all_held(&log, &authors);
    drop(log);
    let (log, report) = open_small(dir.path(), None);
    assert!(!report.in_doubt(), "reported once: {report:?}");
    assert_all_held(&log, &authors);
    let verified = log.reader().verify_all().unwrap();
    assert!(verified.is_good() && verified.known == 1, "{verified:?}");
}

#[test]
fn a_lost_file_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open_small(dir.path(), None);
    fill(&mut log, 100);
    let index = log.index();
    drop(log);
    let all = files(dir.path());
    fs::remove_file(&all[1]).unwrap();
    let (log, report) = open_small(dir.path(), None);
    assert!(report.in_doubt() && report.loose > 0, "{report:?}");
    drop(log);
    fs::remove_file(all.last().unwrap()).unwrap();
    let (_, report) = open_small(dir.path(), Some(&index));
    assert!(report.shortened && report.in_doubt() && report.must_rebuild(), "{report:?}");
}

#[test]
fn damage_met_by_a_reader_is_repaired_at_the_next_opening() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open_small(dir.path(), None);
    fill(&mut log, 100);
    let index = log.index();
    let path = files(dir.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(!log.reader().verify_all().unwrap().is_good());
    let read = |no| log.reader().read_run(ChainNo(no), 0);
    assert!((0..3).any(|no| matches!(read(no), Err(StoreError::Read(_)))));
    drop(log);
    let (_, report) = open_small(dir.path(), Some(&index));
    assert!(!report.used_index && report.in_doubt() && report.must_rebuild(), "{report:?}");
}

#[test]
fn foreign_and_newer_files_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(dir.path(), None);
    fill(&mut log, 3);
    drop(log);
    let other = FileLog::open(dir.path(), WorkspaceId([9; 32]), None);
    assert!(matches!(other, Err(OpenError::Foreign { .. })));
    let path = files(dir.path()).remove(0);
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 2;
    let crc = crc32c::crc32c(&bytes[..42]);
    bytes[42..46].copy_from_slice(&crc.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(FileLog::open(dir.path(), WORKSPACE, None), Err(OpenError::Newer { format: 2, .. })));
}

/// EIO and ENOSPC at each operation of a history with several files, while writing and while opening.
#[test]
fn every_failing_operation_leaves_what_was_acknowledged() {
    for error in [ErrorKind::StorageFull, ErrorKind::Other] {
        let mut failures = 0;
        for good in 0.. {
            let dir = tempfile::tempdir().unwrap();
            let disk = FailingDisk::new(good, error);
            let options = LogOptions { file_bytes: 500, disk: Arc::new(disk.clone()) };
            let (mut log, _) = FileLog::open_with(dir.path(), WORKSPACE, None, options.clone()).unwrap();
            let mut author = Author::new(1);
            let mut acknowledged = author.clone();
            let failed = (0..12).any(|_| {
                let result = log.append(&batch([author.write(ChainNo(0), 1, 60)]));
                if result.is_ok() {
                    acknowledged = author.clone();
                }
                result.is_err()
            });
            if !failed {
                break;
            }
            failures += 1;
            assert!(log.read_only().is_some());
            assert!(log.append(&batch([author.write(ChainNo(0), 1, 60)])).is_err(), "nothing is tried again");
            acknowledged_is_held(&log, &acknowledged);
            drop(log);
            let (log, _) = FileLog::open_with(dir.path(), WORKSPACE, None, options.clone()).unwrap();
            assert!(acknowledged.end().head.position == 0 || log.reader().chains()[0].end.head.position > 0);
            drop(log);
            disk.mend();
            let (log, _) = FileLog::open_with(dir.path(), WORKSPACE, None, options).unwrap();
            acknowledged_is_held(&log, &acknowledged);
        }
        assert!(failures > 24, "only {failures} operations");
    }
}

fn acknowledged_is_held(log: &FileLog, author: &Author) {
    let head = author.end().head;
    if head.position > 0 {
        assert_eq!(log.reader().entry_id(ChainNo(0), head.position).unwrap(), Some(head.id));
    }
}

#[test]
fn room_is_left_by_a_crash_alone_and_used_again() {
    let (dir, crashed) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (mut log, _) = open(dir.path(), None);
    let mut author = Author::new(1);
    log.append(&batch([author.write(ChainNo(0), 1, 60)])).unwrap();
    let name = |dir: &Path| files(dir).remove(0);
    let length = |path: &Path| fs::metadata(path).unwrap().len();
    let roomy = length(&name(dir.path()));
    log.append(&batch([author.write(ChainNo(0), 1, 60)])).unwrap();
    assert_eq!(length(&name(dir.path())), roomy, "the second append found room");
    assert!(log.reader().verify_all().unwrap().is_good());
    fs::copy(name(dir.path()), crashed.path().join("000001.vlog")).unwrap();
    drop(log);
    let exact = length(&name(dir.path()));
    assert!(exact < roomy, "closing leaves none");

    let (mut log, report) = open(crashed.path(), None);
    assert!(!report.in_doubt() && report.cut.is_none(), "{report:?}");
    acknowledged_is_held(&log, &author);
    log.append(&batch([author.write(ChainNo(0), 1, 60)])).unwrap();
    assert_eq!(length(&name(crashed.path())), roomy);
    drop(log);
    assert!(length(&name(crashed.path())) < roomy);
    let (log, _) = open(crashed.path(), None);
    acknowledged_is_held(&log, &author);
}

#[test]
fn a_single_edit_costs_little_more_than_its_seal() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(dir.path(), None);
    let mut author = Author::new(1);
    let mut entries = 0;
    for _ in 0..1000 {
        let run = author.write(ChainNo(0), 1, 100);
        entries += run.run.bytes.len() as u64;
        log.append(&batch([run])).unwrap();
    }
    assert!(log.index().len() < 2000, "{} bytes of index", log.index().len());
    drop(log);
    let disk = fs::metadata(&files(dir.path())[0]).unwrap().len();
    assert!(disk < entries + 1000 * (64 + 16), "{disk} bytes for {entries}");
}
