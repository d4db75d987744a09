//! Files on tasks, which travel between devices.

use crate::device::{Device, Running};
use serde_json::{Value as Json, json};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::{Duration, Instant, SystemTime},
};

/// Longest that anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

fn until(what: &str, mut come: impl FnMut() -> bool) {
    let start = Instant::now();
    while !come() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// Anna's workshop with a task, which Ben has joined; both are connected.
fn connected() -> (Device, Device, Running, Running) {
    let (anna, ben) = (Device::with_project(), Device::of("Ben"));
    anna.ok(&["task", "add", "Fix the leak"]);
    let (annas, bens) = (anna.start_node(), ben.start_node());
    let ticket = anna.json(&["invite"])["ticket"].as_str().unwrap().to_owned();
    ben.ok(&["join", &ticket]);
    assert_eq!(ben.json(&["sync", "--wait", "60"])["synced"], true);
    (anna, ben, annas, bens)
}

/// A file of so many bytes, none of which compress.
fn file(device: &Device, name: &str, len: usize) -> (String, Vec<u8>) {
    let mut bytes = vec![0; len];
    blake3::Hasher::new().update(name.as_bytes()).finalize_xof().fill(&mut bytes);
    let path = device.path().join(name);
    fs::write(&path, &bytes).unwrap();
    (path.to_str().unwrap().to_owned(), bytes)
}

fn attach(device: &Device, path: &str) -> String {
    let rows = device.json(&["attach", "add", "HOUS-1", path]);
    assert_eq!(rows[0]["content"]["whole"], true, "{rows}");
    rows[0]["short"].as_str().unwrap().to_owned()
}

/// Waits until an attachment is known.
fn comes(device: &Device, short: &str) {
    let lists = || device.json(&["attach", "list", "HOUS-1"]).to_string().contains(short);
    until("the attachment is known", lists);
}

fn blobs(device: &Device) -> PathBuf {
    device.workspace_folders()[0].join("blobs")
}

/// The files of whole blobs, and when they were written.
fn kept(folder: &Path) -> BTreeMap<String, SystemTime> {
    let items = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = items.filter_map(|item| Some((item.file_name().into_string().ok()?, item)));
    let blobs = named.filter(|(name, _)| name.len() == 64);
    blobs.filter_map(|(name, item)| Some((name, item.metadata().ok()?.modified().ok()?))).collect()
}

#[test]
fn a_photo_attached_on_one_device_is_saved_on_the_other_byte_for_byte() {
    let (anna, ben, annas, bens) = connected();
    let (path, bytes) = file(&anna, "leak.jpg", 5_000_000);
    let photo = attach(&anna, &path);
    let (note, small) = file(&anna, "note.txt", 3_000);
    let note = attach(&anna, &note);
    comes(&ben, &note);

    let shown = ben.json(&["task", "show", "HOUS-1"])["attachments"].clone();
    assert_eq!(shown.as_array().unwrap().len(), 2, "{shown}");
    assert!(shown.to_string().contains("leak.jpg") && shown.to_string().contains("image/jpeg"), "{shown}");
    assert!(ben.ok(&["task", "show", "HOUS-1"]).contains("leak.jpg (4.77 MiB)"));

    // A small one comes by itself, a large one when somebody asks for it.
    let here = |of: &str| {
        let rows = ben.json(&["attach", "list", "HOUS-1"]);
        let row = rows.as_array().unwrap().iter().find(|row| row["short"] == of).cloned();
        row.unwrap_or_default()["content"]["whole"] == true
    };
    until("the small one comes by itself", || here(&note));
    assert!(!here(&photo));
    let out = ben.path().join("out.jpg");
    let row = ben.json(&["attach", "save", &photo, out.to_str().unwrap()]);
    assert_eq!(row["name"], "leak.jpg");
    assert_eq!(fs::read(&out).unwrap(), bytes);
    let told = ben.run(&["attach", "save", &photo, out.to_str().unwrap()]);
    assert!(told.code == 1 && told.err.contains("is there already"), "{}", told.err);
    // In a folder it gets its own name.
    let folder = ben.path().join("photos");
    fs::create_dir(&folder).unwrap();
    ben.ok(&["attach", "save", &note, folder.to_str().unwrap()]);
    assert_eq!(fs::read(folder.join("note.txt")).unwrap(), small);
    assert!(annas.stop().success() && bens.stop().success());
}

#[test]
fn storage_says_what_takes_space_and_gives_back_what_is_deleted() {
    let anna = Device::with_project();
    anna.ok(&["task", "add", "Fix the leak"]);
    let (path, _) = file(&anna, "plan.pdf", 700_000);
    let plan = attach(&anna, &path);
    let (path, _) = file(&anna, "leak.jpg", 300_000);
    attach(&anna, &path);
    let space = || anna.json(&["storage"])["workspaces"][0].clone();
    let before = space();
    assert_eq!(before["largest"][0]["name"], "plan.pdf", "{before}");
    assert!(before["attachments"]["bytes"].as_u64().unwrap() > 1_000_000, "{before}");
    assert!(before["log"].as_u64().unwrap() > 0, "{before}");
    assert_eq!(before["projects"].as_array().unwrap().len(), 1, "{before}");
    assert_eq!(before["unshown"]["blobs"], 0, "{before}");
    assert!(anna.ok(&["storage", "clean"]).contains("Nothing to drop"));

    anna.ok(&["attach", "remove", &plan]);
    let deleted = space()["unshown"]["bytes"].as_u64().unwrap();
    assert!(deleted > 700_000, "{deleted}");
    anna.ok(&["undo"]);
    assert_eq!(space()["unshown"]["blobs"], 0, "the content is still here");
    assert_eq!(anna.json(&["attach", "list", "HOUS-1"])[0]["content"]["whole"], true);

    anna.ok(&["attach", "remove", &plan]);
    assert_eq!(anna.json(&["storage", "clean"])["dropped"]["bytes"], deleted);
    let after = space();
    assert_eq!(after["unshown"]["bytes"], 0, "{after}");
    assert!(after["attachments"]["bytes"].as_u64().unwrap() > 300_000, "what is shown stays: {after}");
}

#[test]
fn what_was_dropped_and_is_shown_again_is_fetched_again() {
    let (anna, ben, annas, bens) = connected();
    let (path, _) = file(&anna, "note.txt", 3_000);
    let note = attach(&anna, &path);
    comes(&ben, &note);
    let is_here = || ben.json(&["attach", "list", "HOUS-1"])[0]["content"]["whole"] == true;
    until("it comes by itself", is_here);
    anna.ok(&["attach", "remove", &note]);
    let is_gone = || ben.json(&["attach", "list", "HOUS-1"]) == json!([]);
    until("it is removed there too", is_gone);
    assert!(ben.json(&["storage", "clean"])["dropped"]["bytes"].as_u64().unwrap() > 3_000);
    anna.ok(&["undo"]);
    comes(&ben, &note);
    until("it comes again by itself", is_here);
    assert!(annas.stop().success() && bens.stop().success());
}

#[cfg(unix)]
#[test]
fn an_interrupted_transfer_goes_on_where_it_stopped() {
    let (anna, ben, annas, bens) = connected();
    let (path, bytes) = file(&anna, "walk.mp4", 60_000_000);
    let video = attach(&anna, &path);
    comes(&ben, &video);
    let (folder, all) = (blobs(&ben), kept(&blobs(&anna)).len());
    let mut fetching = ben.spawn(&["attach", "fetch", &video]);
    until("some of it has come", || kept(&folder).len() > 5);
    Command::new("kill").args(["-9", &bens.process().to_string()]).status().unwrap();
    drop(bens);
    fetching.wait().unwrap();
    let before = kept(&folder);
    assert!(before.len() < all, "all {all} had come before it could be interrupted");

    let bens = ben.start_node();
    ben.ok(&["peers", "add", annas.addresses[0].as_str().unwrap()]);
    let out = ben.path().join("walk.mp4");
    ben.ok(&["attach", "save", &video, out.to_str().unwrap(), "--wait", "120"]);
    assert!(fs::read(&out).unwrap() == bytes, "other bytes");
    let after = kept(&folder);
    assert_eq!(after.len(), all);
    let again = before.iter().filter(|(name, written)| after.get(*name) != Some(written)).count();
    assert_eq!(again, 0, "fetched again");
    assert!(annas.stop().success() && bens.stop().success());
}

#[test]
fn what_the_disk_damages_is_fetched_again() {
    let (anna, ben, annas, bens) = connected();
    let (path, bytes) = file(&anna, "leak.jpg", 1_500_000);
    let photo = attach(&anna, &path);
    comes(&ben, &photo);
    ben.ok(&["attach", "fetch", &photo]);
    let folder = blobs(&ben);
    let names: Vec<String> = kept(&folder).into_keys().collect();
    for (number, name) in names.iter().enumerate() {
        let place = folder.join(name);
        let mut damaged = fs::read(&place).unwrap();
        if number % 2 == 0 {
            damaged[17] ^= 1;
        } else {
            damaged.truncate(100);
        }
        fs::write(&place, damaged).unwrap();
    }
    let out = ben.path().join("out.jpg");
    ben.ok(&["attach", "save", &photo, out.to_str().unwrap()]);
    assert!(fs::read(&out).unwrap() == bytes, "other bytes");
    // And nobody gets the damaged ones from there: Anna loses hers, and has them from Ben again.
    for name in kept(&blobs(&anna)).into_keys().take(2) {
        fs::write(blobs(&anna).join(name), b"torn").unwrap();
    }
    let out = anna.path().join("out.jpg");
    anna.ok(&["attach", "save", &photo, out.to_str().unwrap()]);
    assert!(fs::read(&out).unwrap() == bytes, "other bytes");
    assert!(annas.stop().success() && bens.stop().success());
}

#[test]
fn who_was_removed_is_served_nothing() {
    let (anna, ben, annas, bens) = connected();
    ben.ok(&["attach", "fetching", "metered"]);
    let (path, _) = file(&anna, "plan.pdf", 200_000);
    let plan = attach(&anna, &path);
    comes(&ben, &plan);
    anna.ok(&["member", "remove", "Ben", "--yes"]);
    let answer = ben.run(&["attach", "fetch", &plan, "--wait", "3"]);
    assert_eq!(answer.code, 4, "{}", answer.err);
    assert!(answer.err.contains("plan.pdf") && answer.err.contains("Anna attached it"), "{}", answer.err);
    assert_eq!(kept(&blobs(&ben)).len(), 0);
    assert!(annas.stop().success() && bens.stop().success());
}

#[test]
fn what_is_fetched_in_advance_is_chosen_by_workspace_and_device() {
    let (anna, ben, annas, bens) = connected();
    assert_eq!(ben.json(&["attach", "fetching"]), json!({ "fetching": "viewed" }));
    ben.ok(&["attach", "fetching", "always"]);
    assert_eq!(anna.json(&["attach", "fetching"]), json!({ "fetching": "viewed" }));
    let (path, _) = file(&anna, "leak.jpg", 1_500_000);
    let photo = attach(&anna, &path);
    comes(&ben, &photo);
    let whole = |row: &Json| row["content"]["whole"] == true;
    until("it comes by itself", || whole(&ben.json(&["attach", "list", "HOUS-1"])[0]));
    assert!(annas.stop().success() && bens.stop().success());
    assert_eq!(ben.json(&["attach", "fetching"]), json!({ "fetching": "always" }), "also after a restart");
}

#[test]
fn what_cannot_be_attached_is_told_and_changes_nothing() {
    let anna = Device::with_project();
    anna.ok(&["task", "add", "Fix the leak"]);
    let home = anna.path().to_str().unwrap().to_owned();
    let answer = anna.run(&["attach", "add", "HOUS-1", &home]);
    assert!(answer.code == 2 && answer.err.contains("is not a file"), "{}", answer.err);
    let answer = anna.run(&["attach", "add", "HOUS-1", "/nowhere/at/all"]);
    assert!(answer.code == 1 && answer.err.contains("/nowhere/at/all"), "{}", answer.err);
    // One of two files is too large: neither is attached.
    let (small, _) = file(&anna, "small", 10);
    let large = anna.path().join("large");
    fs::File::create(&large).unwrap().set_len((1 << 30) + 1).unwrap();
    let answer = anna.run(&["attach", "add", "HOUS-1", &small, large.to_str().unwrap()]);
    assert!(answer.code == 2 && answer.err.contains("1024 MiB"), "{}", answer.err);
    assert_eq!(anna.json(&["attach", "list", "HOUS-1"]), json!([]));
    assert_eq!(kept(&blobs(&anna)).len(), 0);
    assert_eq!(anna.run(&["attach", "save", "xxxxxxxx"]).code, 3);
}

/// With a program of the test's own in place of the system's.
#[cfg(target_os = "linux")]
#[test]
fn an_attachment_is_opened_with_the_systems_program() {
    use std::os::unix::fs::PermissionsExt;
    let anna = Device::with_project();
    anna.ok(&["task", "add", "Fix the leak"]);
    let (path, bytes) = file(&anna, "leak.jpg", 300_000);
    let photo = attach(&anna, &path);
    let (path, _) = file(&anna, "setup.exe", 10);
    let program = attach(&anna, &path);
    let (bin, opened) = (anna.path().join("bin"), anna.path().join("opened"));
    fs::create_dir(&bin).unwrap();
    let script =
        format!("#!/bin/sh\n/bin/cp \"$1\" '{0}.new' && /bin/mv '{0}.new' '{0}'\n", opened.display());
    for name in ["xdg-open", "wslview"] {
        fs::write(bin.join(name), &script).unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let env =
        [("PATH", bin.to_str().unwrap()), ("DISPLAY", ":99"), ("TMPDIR", anna.path().to_str().unwrap())];
    let refused = anna.run_with_env(&["attach", "open", &program], &env);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains(&format!("velo attach save {program}")), "{}", refused.err);
    let headless = anna.run(&["attach", "open", &photo]);
    assert_eq!(headless.code, 1);
    assert!(headless.err.contains("no screen"), "{}", headless.err);
    assert!(headless.err.contains(&format!("velo attach save {photo}")), "{}", headless.err);
    assert!(!opened.exists());
    let empty = [("PATH", "/nowhere"), ("DISPLAY", ":99"), ("TMPDIR", anna.path().to_str().unwrap())];
    let nothing = anna.run_with_env(&["attach", "open", &photo], &empty);
    assert!(nothing.code == 1 && nothing.err.contains("velo attach save"), "{}", nothing.err);

    let answer = anna.run_with_env(&["attach", "open", &photo], &env);
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert!(answer.out.contains("Opened leak.jpg"), "{}", answer.out);
    until("it is opened", || opened.exists());
    assert!(fs::read(&opened).unwrap() == bytes, "other bytes");
}
