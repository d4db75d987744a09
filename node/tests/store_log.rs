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
    record::{self, FILE_HEADER, Record},
};
use velo_protocol::{
    crypto::SecretKey,
    id::{LogId, WorkspaceId},
    store::{
        Batch, ChainNo, LogReader, LogStore, StoreError,
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
    assert!(log.reader().verify_all(None).unwrap().is_good());
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

    let cut_back = whole.iter().position(|whole| !whole).unwrap();
    let damage = log.reader().damage().unwrap();
    let [gap] = damage.gaps[..] else { panic!("{damage:?}") };
    assert_eq!(gap.of, Some((kept[cut_back].log, kept[cut_back].origin)));
    let missing = authors[cut_back].end().head.position - kept[cut_back].end.head.position;
    assert!(gap.lost > 0 && gap.lost + gap.waiting == missing, "{gap:?} of {missing}");

    // A peer sends the lost part again.
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
    let verified = log.reader().verify_all(None).unwrap();
    assert!(verified.is_good() && verified.known == 1, "{verified:?}");
    let damage = log.reader().damage().unwrap();
    assert!(damage.places == 1 && damage.gaps.is_empty(), "nothing waits any more: {damage:?}");
}

/// A longer log of somebody else was taken for the one that had lost its name.
#[test]
fn entries_whose_author_is_lost_wait_beside_a_longer_log() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(dir.path(), None);
    let (mut longer, mut shorter) = (Author::new(1), Author::new(2));
    let runs: Vec<_> = (0..20).map(|_| longer.write(ChainNo(0), 2, 60)).collect();
    log.append(&batch(runs)).unwrap();
    log.append(&batch([shorter.write(ChainNo(1), 1, 60), shorter.write(ChainNo(1), 2, 60)])).unwrap();
    drop(log);
    flip_definition(&files(dir.path())[0], shorter.log());

    let (mut log, report) = open(dir.path(), None);
    assert_eq!((report.damaged.len(), report.loose), (1, 2), "{report:?}");
    let damage = log.reader().damage().unwrap();
    let [gap] = damage.gaps[..] else { panic!("{damage:?}") };
    assert_eq!((gap.of, gap.lost, gap.waiting), (None, 0, 3));

    // The same entries come again, first some and then all.
    let mut again = Author::new(2);
    for (entries, left) in [(1, 2), (2, 0)] {
        let run = again.write(ChainNo(1), entries, 60);
        log.append(&batch([run])).unwrap();
        let waiting: u64 = log.reader().damage().unwrap().gaps.iter().map(|gap| gap.waiting).sum();
        assert_eq!(waiting, left);
    }
    shorter.assert_held(&log.reader(), ChainNo(1));
}

/// Flips a byte of the record that says which log a number stands for.
fn flip_definition(path: &Path, log: LogId) {
    let mut bytes = fs::read(path).unwrap();
    let mut at = FILE_HEADER;
    while let Some(raw) = record::read(&bytes[at..]) {
        if matches!(raw.decode(), Some(Record::Chain(definition)) if definition.log == log) {
            break;
        }
        at += raw.len;
    }
    bytes[at + 12] ^= 1;
    fs::write(path, bytes).unwrap();
}

#[test]
fn local_seals_count_for_their_own_device_alone() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(dir.path(), None);
    let (mut own, other) = (Author::new(1), Author::new(2));
    let runs = vec![own.write(ChainNo(0), 1, 10), own.write_locally(ChainNo(0), 10)];
    log.append(&Batch { runs }).unwrap();
    let verified = |key: Option<&SecretKey>| log.reader().verify_all(key).unwrap();
    assert!(verified(Some(own.key())).is_good());
    for stranger in [None, Some(other.key())] {
        let report = verified(stranger);
        assert_eq!((report.is_good(), report.bad_seals.len(), report.entries), (false, 1, 2));
    }
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
    assert!(!log.reader().verify_all(None).unwrap().is_good());
    let read = |no| log.reader().read_run(ChainNo(no), 0);
    assert!((0..3).any(|no| matches!(read(no), Err(StoreError::Read(_)))));
    // It was told of from the next opening on only.
    let damage = log.reader().damage().unwrap();
    assert!(damage.is_fresh && damage.places == 1, "{damage:?}");
    drop(log);
    let (log, report) = open_small(dir.path(), Some(&index));
    assert!(!report.used_index && report.in_doubt() && report.must_rebuild(), "{report:?}");
    let damage = log.reader().damage().unwrap();
    assert!(!damage.is_fresh && damage.places == 1, "{damage:?}");
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
    bytes[8] = record::FORMAT as u8 + 1;
    let crc = crc32c::crc32c(&bytes[..42]);
    bytes[42..46].copy_from_slice(&crc.to_le_bytes());
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(FileLog::open(dir.path(), WORKSPACE, None), Err(OpenError::Newer { .. })));
}

#[test]
fn files_that_are_none_of_the_logs_are_left_alone_or_named() {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(dir.path(), None);
    let authors = fill(&mut log, 3);
    drop(log);
    for name in ["1.vlog", "+2.vlog", "000000.vlog"] {
        fs::write(dir.path().join(name), "a note").unwrap();
        let (log, report) = open(dir.path(), None);
        assert!(!report.in_doubt(), "{name}: {report:?}");
        assert_all_held(&log, &authors);
        assert_eq!(fs::read(dir.path().join(name)).unwrap(), b"a note");
    }
    // Every number below it would count as a lost file.
    fs::write(dir.path().join("4294967295.vlog"), "a note").unwrap();
    let stray = FileLog::open(dir.path(), WORKSPACE, None);
    assert!(matches!(stray, Err(OpenError::Stray { .. })), "{stray:?}");
}

/// The records of a log to which `author` wrote three times, each with its bytes: one that defines
/// the chain, then three runs.
fn three_runs(author: &mut Author) -> Vec<Vec<u8>> {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = open(dir.path(), None);
    for _ in 0..3 {
        log.append(&batch([author.write(ChainNo(0), 2, 20)])).unwrap();
    }
    let bytes = fs::read(files(dir.path()).remove(0)).unwrap();
    let mut rest = &bytes[FILE_HEADER..];
    let mut records = Vec::new();
    while let Some(raw) = record::read(rest) {
        records.push(rest[..raw.len].to_vec());
        rest = &rest[raw.len..];
    }
    records
}

/// Opens a log of one file with these records; everything of `author` is there, and it goes on.
fn goes_on(records: &[&[u8]], author: &mut Author) -> OpenReport {
    let dir = tempfile::tempdir().unwrap();
    let bytes = [&record::file_header(WORKSPACE), &*records.concat()].concat();
    fs::write(dir.path().join("000001.vlog"), bytes).unwrap();
    let (mut log, report) = open(dir.path(), None);
    author.assert_held(&log.reader(), ChainNo(0));
    log.append(&batch([author.write(ChainNo(0), 1, 20), Author::new(9).write(ChainNo(1), 1, 20)])).unwrap();
    author.assert_held(&log.reader(), ChainNo(0));
    let index = log.index();
    drop(log);
    for index in [Some(&*index), None] {
        let (log, report) = open(dir.path(), index);
        assert!(!report.in_doubt(), "{report:?}");
        author.assert_held(&log.reader(), ChainNo(0));
    }
    report
}

/// What lies near each other in one file is read at once, and a run among it that belongs nowhere
/// broke the reading of its chain.
#[test]
fn a_run_without_a_place_stands_in_nobodys_way() {
    let mut author = Author::new(1);
    let records = three_runs(&mut author);
    let [chain, first, second, third] = [0, 1, 2, 3].map(|at: usize| &*records[at]);
    for order in [[chain, first, first, second, third], [chain, first, second, third, second]] {
        assert_eq!(goes_on(&order, &mut author.clone()).loose, 1);
    }
}

#[test]
fn a_number_is_given_to_one_chain_of_a_file() {
    let (mut author, mut other) = (Author::new(1), Author::new(2));
    let (records, others) = (three_runs(&mut author), three_runs(&mut other));
    let order = [&*records[0], &records[1], &others[0], &others[1], &records[2], &records[3]];
    assert_eq!(goes_on(&order, &mut author).loose, 2);
}

/// The next chain would have needed a greater number than there is.
#[test]
fn a_file_without_numbers_left_is_not_continued() {
    let mut author = Author::new(1);
    let records = three_runs(&mut author);
    let Some(Record::Chain(mut definition)) = record::read(&records[0]).unwrap().decode() else {
        panic!("a chain is defined first");
    };
    definition.local = u32::MAX;
    let mut bytes = Vec::new();
    record::write_chain(&mut bytes, &definition);
    for run in &records[1..] {
        let Some(Record::Run(_, run)) = record::read(run).unwrap().decode() else { panic!("then come runs") };
        record::write_run(&mut bytes, u32::MAX, run.after, run.entries, &run.seal, &run.bytes);
    }
    assert_eq!(goes_on(&[&bytes], &mut author).loose, 0);
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
    assert!(log.reader().verify_all(None).unwrap().is_good());
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
