use super::*;
use velo_protocol::{
    id::{DeviceId, Incarnation, PersonId},
    log::Origin,
    ticket::SessionSecret,
};

fn record(n: u8) -> WorkspaceRecord {
    let origin = Origin {
        person: PersonId([n; 32]),
        device: DeviceId([n; 32]),
        incarnation: Incarnation([n; 8]),
        founder: true,
    };
    let (id, secret) = (WorkspaceId([n; 32]), SessionSecret([n; 32]));
    WorkspaceRecord {
        id,
        secret,
        origin,
        auto_sync: true,
        fetching: velo_protocol::replica::Fetching::default(),
        way: velo_protocol::replica::Way::Founded,
        keys: Vec::new(),
    }
}

#[test]
fn a_second_opening_says_who_holds_the_directory() {
    let home = tempfile::tempdir().unwrap();
    assert_eq!(holder(home.path()), None);
    let first = DataDir::open(home.path()).unwrap();
    let begun = Instant::now();
    let error = DataDir::open(home.path()).unwrap_err().to_string();
    assert!(begun.elapsed().as_millis() >= u128::from(limits::LOCK_WAIT_MS), "others may be done soon");
    let pid = format!("(process {})", std::process::id());
    assert!(error.contains(&pid), "{error}");
    assert!(holder(home.path()).unwrap().contains(&pid));
    drop(first);
    assert_eq!(holder(home.path()), None);
    DataDir::open(home.path()).unwrap();
}

#[test]
fn records_come_back_and_a_damaged_one_is_named() {
    let home = tempfile::tempdir().unwrap();
    let dir = DataDir::open(home.path()).unwrap();
    dir.remember(&record(2)).unwrap();
    dir.remember(&record(1)).unwrap();
    fs::create_dir(dir.workspace(record(3).id)).unwrap();
    assert_eq!(dir.records().unwrap().whole, [record(1), record(2)]);
    let path = dir.workspace(record(1).id).join("record.json");
    fs::write(&path, "{\"id\": 3").unwrap();
    let records = dir.records().unwrap();
    assert_eq!(records.whole, [record(2)], "the others can be used");
    let [(id, error)] = records.damaged.as_slice() else { panic!("{records:?}") };
    assert_eq!(*id, record(1).id);
    assert!(error.to_string().contains(path.to_str().unwrap()), "{error}");
    dir.forget(record(2).id, &markers(home.path())).unwrap();
    assert_eq!(dir.records().unwrap().whole, []);
}

fn markers(home: &Path) -> Markers {
    Markers::open(&home.join("state"), DeviceId([7; 32]), home).unwrap()
}

fn names_in(folder: &Path) -> Vec<String> {
    let items = fs::read_dir(folder).unwrap();
    items.map(|item| item.unwrap().file_name().into_string().unwrap()).collect()
}

/// Cut off after the rename, after the marker is gone, or in the middle of the folder.
#[test]
fn what_is_left_of_a_forgotten_workspace_is_no_workspace_and_goes_at_the_next_start() {
    let home = tempfile::tempdir().unwrap();
    let (dir, markers) = (DataDir::open(home.path()).unwrap(), markers(home.path()));
    let id = record(1).id;
    for (without_marker, without_record) in [(false, false), (true, false), (true, true)] {
        dir.remember(&record(1)).unwrap();
        dir.remember(&record(2)).unwrap();
        fs::create_dir_all(dir.log(id)).unwrap();
        let kept = markers.marker(record(2).id).unwrap();
        drop(markers.marker(id).unwrap());
        fs::rename(dir.workspace(id), dir.doomed(id)).unwrap();
        if without_marker {
            markers.remove(id).unwrap();
        }
        if without_record {
            fs::remove_file(dir.doomed(id).join("record.json")).unwrap();
        }
        let records = dir.records().unwrap();
        assert_eq!((records.whole, records.damaged.len()), (vec![record(2)], 0));
        dir.clear_forgotten(&markers).unwrap();
        drop(kept);
        assert_eq!(names_in(&dir.workspaces()), [record(2).id.to_string()]);
        let folder = fs::read_dir(home.path().join("state")).unwrap().next().unwrap().unwrap().path();
        assert_eq!(names_in(&folder), [record(2).id.to_string()]);
    }
}

#[test]
fn a_workspace_is_forgotten_again_where_something_was_left_of_it() {
    let home = tempfile::tempdir().unwrap();
    let (dir, markers) = (DataDir::open(home.path()).unwrap(), markers(home.path()));
    let id = record(1).id;
    fs::create_dir_all(dir.doomed(id).join("log")).unwrap();
    dir.remember(&record(1)).unwrap();
    dir.forget(id, &markers).unwrap();
    assert!(names_in(&dir.workspaces()).is_empty());
    let error = dir.forget(id, &markers).unwrap_err().to_string();
    assert!(error.contains(&id.to_string()), "{error}");
}

#[test]
fn a_lost_record_is_named_and_stray_files_are_not_ours() {
    let home = tempfile::tempdir().unwrap();
    let dir = DataDir::open(home.path()).unwrap();
    fs::write(dir.path().join("workspaces/.DS_Store"), "x").unwrap();
    fs::create_dir(dir.path().join("workspaces/backup of May")).unwrap();
    assert!(dir.records().unwrap().is_empty());
    // With a log there was a record once.
    fs::create_dir_all(dir.log(record(1).id)).unwrap();
    assert_eq!(dir.records().unwrap().damaged.len(), 1);
    // A folder that was renamed, or copied from another device.
    dir.remember(&record(2)).unwrap();
    fs::rename(dir.workspace(record(2).id), dir.workspace(record(3).id)).unwrap();
    assert_eq!(dir.records().unwrap().damaged.len(), 2);
}

#[test]
fn who_wants_the_directory_waits_for_those_who_are_done_soon() {
    let home = tempfile::tempdir().unwrap();
    let first = DataDir::open(home.path()).unwrap();
    let path = home.path().to_owned();
    let second = thread::spawn(move || DataDir::open(&path).map(drop));
    thread::sleep(Duration::from_millis(100));
    drop(first);
    second.join().unwrap().unwrap();
}

#[test]
#[cfg(unix)]
fn nobody_else_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    let dir = DataDir::open(&home.path().join("velo")).unwrap();
    dir.remember(&record(1)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(dir.path()), 0o700);
    assert_eq!(mode(&dir.keys()), 0o700);
    assert_eq!(mode(&dir.workspace(record(1).id).join("record.json")), 0o600);
}

#[test]
fn ballast_takes_space_and_gives_it_back() {
    let home = tempfile::tempdir().unwrap();
    let dir = DataDir::open(home.path()).unwrap();
    dir.put_ballast();
    let path = home.path().join("ballast");
    assert_eq!(fs::metadata(&path).unwrap().len(), limits::BALLAST_BYTES);
    assert!(dir.size() < limits::BALLAST_BYTES);
    dir.release_ballast();
    assert!(!path.exists());
}
