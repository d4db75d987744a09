//! The small files of a data directory, with anything in them. The first byte says which.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::{fs, path::PathBuf, sync::LazyLock};
use tempfile::TempDir;
use velo_node::{
    api::workspace::Introduction,
    data_dir::{DataDir, holder, marker::Markers},
    fuzzing::with_sum,
};
use velo_protocol::{
    id::{DeviceId, EntryId, LogId, WorkspaceId},
    log::Head,
    replica::WorkspaceRecord,
};

const LOG: LogId = LogId([3; 32]);

struct Home {
    _home: TempDir,
    dir: DataDir,
    record: PathBuf,
    markers: Markers,
    marker: PathBuf,
}

/// One directory for all inputs: making it takes longer than all else.
static HOME: LazyLock<Home> = LazyLock::new(|| {
    let home = tempfile::tempdir().expect("a folder");
    let dir = DataDir::open(&home.path().join("data")).expect("a data directory");
    let folder = dir.path().join("workspaces").join(workspace().to_string());
    fs::create_dir(&folder).expect("a folder");
    let state = home.path().join("state");
    let markers = Markers::open(&state, DeviceId([2; 32]), dir.path()).expect("markers");
    let folder_of_markers = fs::read_dir(&state).expect("a folder").next().expect("one").expect("one").path();
    let marker = folder_of_markers.join(workspace().to_string());
    Home { _home: home, dir, record: folder.join("record.json"), markers, marker }
});

fn workspace() -> WorkspaceId {
    WorkspaceId([1; 32])
}

fuzz_target!(|input: &[u8]| {
    let Some((which, bytes)) = input.split_first() else { return };
    match which % 5 {
        0 => record(bytes),
        1 => introduction(bytes),
        2 => marker(bytes),
        3 => marker(&[bytes, &crc32c::crc32c(bytes).to_le_bytes()].concat()),
        _ => lock(bytes),
    }
});

/// What is understood is what would be written.
fn record(bytes: &[u8]) {
    // Mostly with a checksum that fits, since nothing else is looked at.
    let content = if bytes.len() % 8 == 7 { bytes.to_vec() } else { with_sum(bytes) };
    fs::write(&HOME.record, content).expect("a file");
    let records = HOME.dir.records().expect("the folder can be read");
    match (records.whole.as_slice(), records.damaged.as_slice()) {
        ([record], []) => {
            let written = serde_json::to_vec(record).expect("a record");
            assert_eq!(serde_json::from_slice::<WorkspaceRecord>(&written).ok().as_ref(), Some(record));
        }
        ([], [(_, error)]) => assert!(error.to_string().contains("restore it from a backup"), "{error}"),
        _ => panic!("{records:?}"),
    }
}

fn introduction(bytes: &[u8]) {
    fs::write(HOME.dir.path().join("person.json"), with_sum(bytes)).expect("a file");
    if let Err(error) = Introduction::read(HOME.dir.path()) {
        assert!(error.to_string().contains("run `velo init`"), "{error}");
    }
}

/// A marker that is not understood counts as one that knows nothing.
fn marker(bytes: &[u8]) {
    fs::write(&HOME.marker, bytes).expect("a file");
    let marker = HOME.markers.marker(workspace()).expect("a marker");
    let at = |position| Head { position, id: EntryId([0; 32]) };
    let knows_this_log = bytes.starts_with(&LOG.0) && !marker.tells_cut_back(LOG, at(u64::MAX));
    assert!(knows_this_log || marker.tells_cut_back(LOG, at(u64::MAX)));
    if !marker.tells_cut_back(LOG, at(1)) {
        assert!(bytes.len() == 44 && knows_this_log, "{bytes:?}");
    }
}

fn lock(bytes: &[u8]) {
    fs::write(HOME.dir.path().join("lock"), bytes).expect("a file");
    let text = holder(HOME.dir.path()).expect("this program holds it");
    assert!(!text.is_empty() && text.lines().count() == 1, "{text:?}");
}
