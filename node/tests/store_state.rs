//! The state in sled: what it must do, and each weakness of sled 0.34.7 that we know of.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use std::{fs, path::Path};
use velo_node::store::state::{MemoryState, SEGMENT, SavedState, SledState, StateStore};
use velo_protocol::{
    id::WorkspaceId,
    snapshot::{PageNo, Pages},
};

const WORKSPACE: WorkspaceId = WorkspaceId([7; 32]);

/// Bytes that do not compress, different for each `seed`.
fn noise(seed: u32, len: usize) -> Vec<u8> {
    let mut state = u64::from(seed) * 2 + 1;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as u8
    };
    (0..len).map(|_| next()).collect()
}

fn pages(seed: u32, numbers: impl IntoIterator<Item = u32>) -> Pages {
    let pages = numbers.into_iter().map(|no| (PageNo(no), noise(seed * 1000 + no, 20_000))).collect();
    Pages { pages, meta: noise(seed, 500) }
}

/// Saves a history of rounds; returns what must be found afterwards.
fn fill(state: &mut SledState, rounds: u32) -> SavedState {
    let mut memory = MemoryState::default();
    for round in 0..rounds {
        let pages = pages(round, (0..40).filter(|no| (no + round) % 3 == 0));
        let index = noise(round + 77, 1000 * (1 + round as usize % 200));
        state.save(&pages, &index).unwrap();
        memory.save(&pages, &index).unwrap();
    }
    memory.saved().unwrap()
}

fn open(path: &Path) -> (SledState, Option<SavedState>) {
    SledState::open(path, WORKSPACE)
}

#[test]
fn keeps_what_was_saved() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let (mut state, found) = open(&path);
    assert_eq!(found, None);
    let saved = fill(&mut state, 12);
    drop(state);
    let (mut state, found) = open(&path);
    assert!(found.as_ref() == Some(&saved), "the state comes back");
    // Shorter than before: parts of the old index must not stay.
    let last = pages(99, [3]);
    state.save(&last, b"short").unwrap();
    drop(state);
    let (state, found) = open(&path);
    let found = found.unwrap();
    assert_eq!((found.log_index.as_slice(), &found.meta), (&b"short"[..], &last.meta));
    assert!(found.pages.contains(&last.pages[0]));
    state.discard();
    assert!(!path.exists());
}

/// Finding 1: killed while it writes a snapshot, sled leaves a file with which it does not open.
#[test]
fn a_half_written_snapshot_is_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let (mut state, _) = open(&path);
    let saved = fill(&mut state, 3);
    drop(state);
    fs::write(path.join("snap.0000000000000010.generating"), b"half").unwrap();
    let (_state, found) = open(&path);
    assert!(found == Some(saved));
    assert!(!path.join("snap.0000000000000010.generating").exists());
    assert!(!dir.path().join("state.damaged-1").exists());
}

/// Finding 3: values above a quarter of a segment go to `blobs/`, which sled does not sync.
#[test]
fn nothing_goes_to_blobs() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let (mut state, _) = open(&path);
    for round in 0..6 {
        state.save(&pages(round, 0..300), &noise(round, 3_000_000)).unwrap();
    }
    drop(state);
    let (_state, found) = open(&path);
    assert!(found.is_some());
    let blobs: Vec<_> = fs::read_dir(path.join("blobs")).into_iter().flatten().flatten().collect();
    assert!(blobs.is_empty(), "{blobs:?}");
}

#[test]
fn a_damaged_database_is_begun_anew() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let (mut state, _) = open(&path);
    fill(&mut state, 3);
    drop(state);
    let mut bytes = fs::read(path.join("db")).unwrap();
    bytes.iter_mut().step_by(997).for_each(|byte| *byte ^= 0x55);
    fs::write(path.join("db"), bytes).unwrap();
    let (mut state, found) = open(&path);
    assert_eq!(found, None, "nothing damaged is used");
    let saved = fill(&mut state, 2);
    drop(state);
    assert!(open(&path).1 == Some(saved), "the new one works");
}

#[test]
fn garbage_does_not_pile_up() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    // Left by a compaction that was cut off.
    fs::create_dir(dir.path().join("state.fresh")).unwrap();
    let (mut state, _) = open(&path);
    assert!(!dir.path().join("state.fresh").exists());
    let mut live = 0;
    for round in 0..40 {
        let saved = fill(&mut state, 3 + round % 2);
        live = saved.pages.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        let allowed = live + live / 2 + 8 * SEGMENT as u64;
        assert!(state.size() <= allowed, "round {round}: {} bytes on disk for {live}", state.size());
    }
    assert!(live > 10 * SEGMENT as u64);
    let saved = fill(&mut state, 4);
    drop(state);
    assert!(open(&path).1 == Some(saved), "and all is there");
}

#[test]
fn another_version_or_workspace_is_not_used() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let (mut state, _) = open(&path);
    fill(&mut state, 1);
    drop(state);
    assert_eq!(SledState::open(&path, WorkspaceId([8; 32])).1, None);
    let db = raw(&path);
    db.insert(b"v", &[255, 255]).unwrap();
    drop(db);
    assert_eq!(open(&path).1, None);
}

#[test]
fn pages_that_do_not_belong_together_are_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    for round in 1..=4 {
        let (mut state, found) = open(&path);
        assert_eq!(found, None);
        fill(&mut state, 3);
        drop(state);
        let db = raw(&path);
        let (key, _) = db.scan_prefix(b"p").next().unwrap().unwrap();
        db.remove(key).unwrap();
        drop(db);
        assert_eq!(open(&path).1, None);
        assert!(dir.path().join(format!("state.damaged-{round}")).exists());
    }
    let aside = fs::read_dir(dir.path()).unwrap().count() - 1;
    assert_eq!(aside, 2, "the oldest are removed");
}

/// sled's lock may be held for a moment longer than its last handle: a good state was put aside.
#[test]
fn a_locked_state_is_waited_for_and_never_put_aside() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("state");
    let (mut state, _) = open(&path);
    let saved = fill(&mut state, 2);
    let (mut second, found) = open(&path);
    assert_eq!(found, None, "locked for good");
    assert!(second.save(&pages(1, [1]), &[]).is_err());
    second.discard();
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing was put aside or removed");
    let release = std::thread::spawn(move || {
        std::thread::sleep(std::time::Duration::from_millis(200));
        drop(state);
    });
    assert!(open(&path).1 == Some(saved), "it was waited for");
    release.join().unwrap();
}

/// The database itself. sled's threads may hold its lock for a moment after the last handle is gone.
fn raw(path: &Path) -> sled::Db {
    let config = sled::Config::new().path(path).segment_size(SEGMENT);
    for _ in 0..500 {
        if let Ok(db) = config.open() {
            return db;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    config.open().unwrap()
}
