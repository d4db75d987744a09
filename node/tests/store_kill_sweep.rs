//! Killed at every system call that changes the disk: whatever was acknowledged is there again.
//!
//! The test runs itself once more under `strace`, which kills that process on entering the n-th
//! call of a kind, for every kind and every n. The process appends known batches to a log, saves a
//! state now and then, and says on a pipe what was acknowledged.
//!
//! A kill is not a power failure: the kernel still writes what it was given. For that the order of
//! the calls is proved from a trace.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

#[path = "../../tests/src/skip.rs"]
mod skip;

use std::{
    collections::BTreeMap,
    fs,
    io::Write,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};
use velo_node::store::{
    disk::OsDisk,
    log_files::{FileLog, LogOptions},
    state::{SledState, StateStore},
};
use velo_protocol::{
    snapshot::{PageNo, Pages},
    store::{
        ChainNo, LogReader, LogStore,
        conformance::{Author, WORKSPACE, batch},
    },
};

const DIR: &str = "VELO_TEST_SWEEP_DIR";
const APPENDS: usize = 12;
const CALLS: [&str; 13] = [
    "write",
    "pwrite64",
    "fdatasync",
    "fsync",
    "sync_file_range",
    "rename",
    "renameat2",
    "unlink",
    "unlinkat",
    "mkdir",
    "ftruncate",
    "openat",
    "creat",
];

fn options() -> LogOptions {
    LogOptions { file_bytes: 700, disk: Arc::new(OsDisk) }
}

/// A run of one entry by a first author, and now and then one of three by a second.
fn next(authors: &mut [Author; 2], step: usize) -> velo_protocol::store::Batch {
    let first = authors[0].write(ChainNo(0), 1, 60);
    let second = (step % 3 == 1).then(|| authors[1].write(ChainNo(1), 3, 40));
    batch([first].into_iter().chain(second))
}

/// Not a test of its own: what the sweep kills.
#[test]
fn swept_process() {
    let Some(dir) = std::env::var_os(DIR) else {
        return;
    };
    let dir = Path::new(&dir);
    let (mut state, saved) = SledState::open(&dir.join("state"), WORKSPACE);
    let index = saved.map(|saved| saved.log_index);
    let (mut log, _) = FileLog::open_with(&dir.join("log"), WORKSPACE, index.as_deref(), options()).unwrap();
    let mut authors = [Author::new(1), Author::new(2)];
    for step in 0..APPENDS {
        log.append(&next(&mut authors, step)).unwrap();
        let mut out = std::io::stdout();
        out.write_all(format!("acknowledged {}\n", step + 1).as_bytes()).unwrap();
        out.flush().unwrap();
        if step % 4 == 3 {
            let pages = (0..3).map(|no| (PageNo(no), vec![step as u8; 9_000])).collect();
            let meta = authors[0].end().head.position.to_le_bytes().to_vec();
            state.save(&Pages { pages, meta }, &log.index()).unwrap();
        }
    }
}

fn strace(dir: &Path, args: &[&str]) -> Option<Vec<usize>> {
    let output = Command::new("strace")
        .args(["-f", "-qq"])
        .args(args)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "swept_process", "--nocapture", "--test-threads=1"])
        .env(DIR, dir)
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let acknowledged = text.lines().filter_map(|line| line.rsplit_once("acknowledged ")?.1.parse().ok());
    Some(acknowledged.collect())
}

/// A trace of a run to its end; `None` if strace cannot be used here.
fn trace() -> Option<String> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("trace");
    let calls = format!("trace={}", CALLS.join(","));
    let acknowledged = strace(dir.path(), &["-y", "-o", file.to_str().unwrap(), "-e", &calls]);
    let whole = acknowledged.is_some_and(|seen| seen.len() == APPENDS);
    if !whole {
        skip::tell("strace is missing or may not trace here (apt-get install strace)");
        return None;
    }
    fs::read_to_string(file).ok()
}

/// How often a thread made each call at most. strace counts by thread and call.
fn counts(trace: &str) -> BTreeMap<&'static str, usize> {
    let mut by_thread: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        if let Some((call, _)) = rest.trim_start().split_once('(') {
            *by_thread.entry((thread, call)).or_default() += 1;
        }
    }
    let most = |call: &str| by_thread.iter().filter(|((_, made), _)| *made == call).map(|(_, n)| *n).max();
    CALLS.iter().filter_map(|call| Some((*call, most(call)?))).collect()
}

/// Opens what a killed process left, and checks it against what that process acknowledged.
/// Returns whether the state had to be rebuilt although some had been saved.
fn check(dir: &Path, acknowledged: usize, what: &str) -> bool {
    let (_state, saved) = SledState::open(&dir.join("state"), WORKSPACE);
    let index = saved.as_ref().map(|saved| saved.log_index.as_slice());
    let (mut log, report) = FileLog::open_with(&dir.join("log"), WORKSPACE, index, options()).unwrap();
    assert!(report.damaged.is_empty() && !report.shortened, "{what}: {report:?}");
    let reader = log.reader();
    let mut authors = [Author::new(1), Author::new(2)];
    let held = |no: u32| reader.chains().get(no as usize).map_or(0, |info| info.end.head.position);
    let mut steps = 0;
    while authors[0].end().head.position < held(0) {
        next(&mut authors, steps);
        steps += 1;
    }
    assert!(steps >= acknowledged, "{what}: {acknowledged} acknowledged, {steps} held");
    if steps > 0 {
        authors[0].assert_held(&reader, ChainNo(0));
    }
    // The last batch may have lost its second run, if it was never acknowledged.
    if authors[1].end().head.position == held(1) {
        if held(1) > 0 {
            authors[1].assert_held(&reader, ChainNo(1));
        }
    } else {
        assert!(steps > acknowledged, "{what}: half of an acknowledged batch");
    }
    if let Some(saved) = &saved {
        let reached = u64::from_le_bytes(saved.meta[..8].try_into().unwrap());
        assert!(reached <= held(0), "{what}: the state is ahead of the log");
    }
    log.append(&batch([authors[0].write(ChainNo(0), 2, 30)])).unwrap();
    authors[0].assert_held(&reader, ChainNo(0));
    assert!(reader.verify_all(None).unwrap().is_good(), "{what}");
    // Two saves are acknowledged long before the last append.
    saved.is_none() && acknowledged > 4
}

#[test]
fn killed_at_every_call_nothing_acknowledged_is_lost() {
    let Some(trace) = trace() else {
        return;
    };
    let (mut points, mut killed, mut rebuilt) = (0, 0, 0);
    for (call, most) in counts(&trace) {
        for n in 1..=most {
            let dir = tempfile::tempdir().unwrap();
            let inject = format!("inject={call}:signal=KILL:when={n}");
            let acknowledged = strace(dir.path(), &["-o", "/dev/null", "-e", &inject]).unwrap();
            let acknowledged = acknowledged.last().copied().unwrap_or(0);
            points += 1;
            killed += usize::from(acknowledged < APPENDS);
            rebuilt += usize::from(check(dir.path(), acknowledged, &format!("{call} {n}")));
        }
    }
    println!(
        "{points} kill points, {killed} of them before the end, {rebuilt} states rebuilt; none lost an entry"
    );
    assert!(killed > 50, "only {killed} points");
}

#[test]
fn written_then_synced_then_acknowledged() {
    let Some(trace) = trace() else {
        return;
    };
    let (mut written, mut synced, mut new_file, mut acknowledged) = (0, 0, false, 0);
    for line in trace.lines() {
        let ok = !line.contains(" = -1 ");
        if line.contains("openat(") && line.contains("O_CREAT|O_EXCL") && line.contains(".vlog") && ok {
            new_file = true;
        } else if line.contains("pwrite64(") && line.contains(".vlog>") {
            assert_eq!((written, synced), (0, 0), "one write for each append: {line}");
            written += 1;
        } else if line.contains("fdatasync(") && line.contains(".vlog>") && written > 0 {
            assert!(ok, "{line}");
            synced += 1;
        } else if line.contains("fsync(") && line.contains("/log>") && ok {
            assert_eq!(synced, 1, "the file is durable before its name: {line}");
            new_file = false;
        } else if line.contains("write(1<") && line.contains("acknowledged ") {
            assert_eq!((written, synced, new_file), (1, 1, false), "before: {line}");
            (written, synced) = (0, 0);
            acknowledged += 1;
        }
    }
    assert_eq!(acknowledged, APPENDS);
}
