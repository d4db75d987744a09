//! Flipped bytes and cut files, anywhere in a store: noticed or harmless, and never believed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use velo_node::store::{
    disk::OsDisk,
    log_files::{FileLog, LogOptions, OpenReport},
    state::{SavedState, SledState, StateStore},
};
use velo_protocol::{
    snapshot::{PageNo, Pages},
    store::{
        BatchRun, ChainNo, LogReader, LogStore,
        conformance::{Author, WORKSPACE, batch},
    },
};

/// Named in every failure; change it to try other places.
const SEED: u64 = 2026;
const LOG_TRIALS: u64 = 700;
const STATE_TRIALS: u64 = 300;

struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % bound.max(1)
    }
}

fn open_log(dir: &Path, index: Option<&[u8]>) -> (FileLog, OpenReport) {
    let options = LogOptions { file_bytes: 6 * 1024, disk: Arc::new(OsDisk) };
    FileLog::open_with(dir, WORKSPACE, index, options).unwrap()
}

fn write_log(dir: &Path) -> (Vec<Author>, Vec<u8>) {
    let (mut log, _) = open_log(dir, None);
    let mut authors: Vec<Author> = (1..=3).map(Author::new).collect();
    let mut index = Vec::new();
    for round in 0..60 {
        let runs =
            authors.iter_mut().zip(0..).map(|(author, no)| author.write(ChainNo(no), 1 + round % 4, 50));
        log.append(&batch(runs.collect::<Vec<_>>())).unwrap();
        if round == 40 {
            index = log.index();
        }
    }
    (authors, index)
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let path = item.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_dir(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for item in fs::read_dir(dir).unwrap() {
        let path = item.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found.retain(|path| fs::metadata(path).unwrap().len() > 0);
    found.sort();
    found
}

/// Flips a bit or cuts the file; says what it did.
fn harm(dice: &mut Dice, dir: &Path) -> String {
    let files = files(dir);
    let path = &files[dice.below(files.len())];
    let mut bytes = fs::read(path).unwrap();
    let at = dice.below(bytes.len());
    let what = if dice.below(4) == 0 {
        bytes.truncate(at);
        "cut at"
    } else {
        bytes[at] ^= 1 << dice.below(8);
        "flipped"
    };
    fs::write(path, bytes).unwrap();
    format!("{} {what} {at}", path.display())
}

/// Whether every chain is there in full; what is there must be what was written.
fn whole(log: &FileLog, authors: &[Author], what: &str) -> bool {
    let mut whole = true;
    for author in authors {
        let chains = log.reader().chains();
        let Some(no) = chains.iter().position(|info| info.log == author.log()) else {
            whole = false;
            continue;
        };
        let end = chains[no].end.head;
        let written = author.written().get((end.position as usize).wrapping_sub(1));
        assert_eq!(written.map(|entry| entry.id), Some(end.id), "{what}: foreign entries");
        whole &= end == author.end().head;
    }
    whole
}

/// Pulls from `peer` what `log` lacks.
fn pull(log: &mut FileLog, peer: &FileLog, authors: &[Author]) {
    for (author, from) in authors.iter().zip(0..) {
        let chains = log.reader().chains();
        let held = chains.iter().position(|info| info.log == author.log());
        let no = ChainNo(held.unwrap_or(chains.len()) as u32);
        let mut end = held.map_or(velo_protocol::log::ChainEnd::start(author.log()), |no| chains[no].end);
        let origin = peer.reader().chains()[from as usize].origin;
        while let Some(run) = peer.reader().read_run(ChainNo(from), end.head.position).unwrap() {
            end = author.verify(end, run.clone()).unwrap();
            log.append(&batch([BatchRun { chain: no, origin, run, end }])).unwrap();
        }
    }
}

#[test]
fn damaged_log_files_are_noticed_and_healed() {
    let pristine = tempfile::tempdir().unwrap();
    let (authors, index) = write_log(pristine.path());
    let (peer, _) = open_log(pristine.path(), None);
    let mut dice = Dice(SEED);
    let (mut noticed, mut unfinished) = (0, 0);
    for trial in 0..LOG_TRIALS {
        let dir = tempfile::tempdir().unwrap();
        copy_dir(pristine.path(), dir.path());
        let what = format!("seed {SEED}, trial {trial}: {}", harm(&mut dice, dir.path()));
        let index = (trial % 2 == 0).then_some(index.as_slice());
        let (mut log, mut report) = open_log(dir.path(), index);
        if report.used_index && !report.in_doubt() && !log.reader().verify_all(None).unwrap().is_good() {
            // Damage below the index shows when it is read or checked, and is repaired at the next opening.
            drop(log);
            (log, report) = open_log(dir.path(), index);
            assert!(report.in_doubt(), "{what}: {report:?}");
        }
        if !whole(&log, &authors, &what) {
            // A file cut exactly between two records looks as if no more had been written.
            unfinished += usize::from(!report.in_doubt());
        }
        noticed += usize::from(report.in_doubt());
        pull(&mut log, &peer, &authors);
        assert!(whole(&log, &authors, &what), "{what}");
        drop(log);
        let (log, report) = open_log(dir.path(), None);
        assert!(!report.in_doubt() && whole(&log, &authors, &what), "{what}: {report:?}");
    }
    println!("{LOG_TRIALS} damaged logs, {noticed} noticed on opening, {unfinished} cut between records");
    assert!(noticed as u64 > LOG_TRIALS * 9 / 10);
    assert!(unfinished < 10);
}

fn write_state(path: &Path) -> SavedState {
    let (mut state, _) = SledState::open(path, WORKSPACE);
    for round in 0..4_u8 {
        let page =
            |no: u32| (PageNo(no), format!("page {no} {round} ").repeat(50 + no as usize).into_bytes());
        state
            .save(&Pages { pages: (0..30).map(page).collect(), meta: vec![round; 300] }, &[round; 900])
            .unwrap();
    }
    drop(state);
    SledState::open(path, WORKSPACE).1.unwrap()
}

#[test]
fn a_damaged_state_is_never_believed() {
    let pristine = tempfile::tempdir().unwrap();
    let saved = write_state(&pristine.path().join("state"));
    let mut dice = Dice(SEED);
    let (mut used, mut rebuilt) = (0, 0);
    for trial in 0..STATE_TRIALS {
        let dir = tempfile::tempdir().unwrap();
        copy_dir(pristine.path(), dir.path());
        let path = dir.path().join("state");
        let what = format!("seed {SEED}, trial {trial}: {}", harm(&mut dice, &path));
        let (mut state, found) = SledState::open(&path, WORKSPACE);
        if let Some(found) = found {
            used += 1;
            assert!(found == saved, "{what}: other bytes than were saved");
        } else {
            rebuilt += 1;
            let again = Pages { pages: saved.pages.clone(), meta: saved.meta.clone() };
            state.save(&again, &saved.log_index).unwrap();
            drop(state);
            assert!(SledState::open(&path, WORKSPACE).1.as_ref() == Some(&saved), "{what}: rebuilt");
        }
    }
    println!("{STATE_TRIALS} damaged states, {used} harmless, {rebuilt} rebuilt");
    assert!(rebuilt > 10 && used > 10);
}
