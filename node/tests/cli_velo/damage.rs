//! A data directory that lost something: what is left can be used, and the rest is named.

use crate::device::Device;
use serde_json::Value as Json;
use std::{fs, ops::Range, path::Path};

/// New keys would be a stranger's: what they sign no other device would ever take.
#[test]
fn without_its_key_file_a_device_does_not_become_another() {
    let anna = Device::with_project();
    let before = anna.json(&["status"]);
    let (key, aside) = (anna.data_dir().join("keys/device.key"), anna.path().join("aside"));
    fs::rename(&key, &aside).unwrap();
    for args in [&["task", "add", "Order the paint"][..], &["node", "--offline"], &["doctor"]] {
        let answer = anna.run(args);
        assert_eq!(answer.code, 1, "velo {args:?}\n{}", answer.out);
        let told = answer.out + &answer.err;
        assert!(told.contains("device.key is missing") && told.contains("backup"), "{told}");
    }
    let person = anna.data_dir().join("person.json");
    fs::rename(&person, anna.path().join("person")).unwrap();
    let answer = anna.run(&["init", "--name", "Anna"]);
    assert!(answer.code == 1 && answer.err.contains("device.key is missing"), "{}", answer.err);
    assert!(!key.exists(), "none was made");
    fs::rename(anna.path().join("person"), &person).unwrap();

    // The key of another device is no better.
    let ben = Device::of("Ben");
    fs::copy(ben.data_dir().join("keys/device.key"), &key).unwrap();
    let answer = anna.run(&["task", "add", "Order the paint"]);
    assert!(answer.code == 1 && answer.err.contains("of another device"), "{}", answer.err);

    fs::rename(&aside, &key).unwrap();
    assert_eq!(anna.json(&["status"])["device"], before["device"]);
    anna.ok(&["task", "add", "Order the paint"]);
}

#[test]
fn a_stray_file_among_the_workspaces_is_nobodys() {
    let anna = Device::with_project();
    fs::write(anna.data_dir().join("workspaces/.DS_Store"), "x").unwrap();
    anna.ok(&["task", "add", "Order the paint"]);
    assert_eq!(anna.json(&["doctor", "--verify"])["healthy"], true);
}

#[test]
fn a_damaged_record_keeps_nobody_from_the_other_workspaces() {
    let anna = Device::with_project();
    let house = anna.workspace_folders()[0].clone();
    anna.ok(&["workspace", "create", "Garden"]);
    fs::write(house.join("record.json"), "{").unwrap();
    assert_eq!(anna.json(&["workspace", "list"])[0]["name"], "Garden");
    anna.ok(&["project", "add", "Beds"]);
    let unopened = anna.json(&["status"])["unopened"].clone();
    assert!(unopened[0].as_str().unwrap().contains("record.json is damaged"), "{unopened}");
    let answer = anna.run(&["doctor"]);
    assert!(answer.code == 1 && answer.out.contains("record.json is damaged"), "{}", answer.out);
}

#[test]
fn the_doctor_verifies_every_workspace_and_none() {
    let anna = Device::of("Anna");
    assert_eq!(anna.json(&["doctor", "--verify"])["healthy"], true, "nothing is wrong with an empty device");
    anna.ok(&["workspace", "create", "Workshop"]);
    anna.ok(&["workspace", "create", "Garden"]);
    for name in ["Workshop", "Garden"] {
        anna.ok(&["--workspace", name, "project", "add", "House"]);
    }
    fs::remove_file(anna.data_dir().join("last-workspace")).unwrap();
    let report = anna.json(&["doctor", "--verify"]);
    assert_eq!(report["healthy"], true, "{report}");
    assert!(report.to_string().contains("of 2 workspaces are whole"), "{report}");

    flip_seals(&anna.workspace_folders()[1].join("log/000001.vlog"), |place| place == 0);
    let answer = anna.run(&["doctor", "--verify"]);
    assert!(answer.code == 1 && answer.out.contains("a seal does not fit"), "{}", answer.out);
}

/// It was as good as silent: four of six tasks were gone, and every step had its tick.
#[test]
fn the_doctor_says_how_much_waits_for_what_a_flipped_byte_took() {
    let anna = Device::with_project();
    for n in 1..=6 {
        anna.ok(&["task", "add", &format!("Task {n}")]);
    }
    let whole = anna.json(&["doctor"]);
    assert_eq!(step(&whole, "damage")["told"], "none", "{whole}");

    let log = anna.workspace_folders()[0].join("log");
    let path = log.join("000001.vlog");
    let mut bytes = fs::read(&path).unwrap();
    // Three tasks were added after it.
    let lost = runs(&bytes).into_iter().nth_back(3).unwrap();
    bytes[lost.end - 1] ^= 1;
    fs::write(&path, &bytes).unwrap();
    // The index lies about the files: the opening that finds out copes with it at once.
    anna.ok(&["task", "list"]);

    for _ in 0..2 {
        let answer = anna.run(&["doctor"]);
        assert_eq!(answer.code, 1, "{}", answer.out);
        let line = answer.out.lines().find(|line| line.contains("damage ")).unwrap();
        assert!(line.starts_with('✗') && line.contains("\"Workshop\": 3 entries of Anna's log"), "{line}");
        assert!(line.contains("wait for one lost by damage"), "{line}");
        assert!(line.contains(log.join("quarantine").to_str().unwrap()), "{line}");
        assert!(line.contains("Any other device with this workspace brings back what is lost"), "{line}");
        let out = anna.run(&["doctor", "--json"]).out;
        let report: Json = serde_json::from_str(&out).unwrap();
        let gap = &step(&report, "damage")["damage"][0]["logs"][0];
        assert_eq!((&gap["author"], &gap["lost"], &gap["waiting"]), (&"Anna".into(), &1.into(), &3.into()));
    }
}

/// What is damaged at the very end is cut off as if an append had been torn. It had been acknowledged.
#[test]
fn the_doctor_says_what_is_lost_at_the_end_of_the_own_log() {
    let anna = Device::with_project();
    for n in 1..=3 {
        anna.ok(&["task", "add", &format!("Task {n}")]);
    }
    let path = anna.workspace_folders()[0].join("log/000001.vlog");
    let mut bytes = fs::read(&path).unwrap();
    let last = runs(&bytes).into_iter().next_back().unwrap();
    bytes[last.end - 1] ^= 1;
    fs::write(&path, &bytes).unwrap();
    for again in 0..3 {
        let answer = anna.run(&["doctor", "--verify"]);
        let line = answer.out.lines().find(|line| line.contains("damage ")).unwrap();
        assert!(answer.code == 1 && line.starts_with('✗'), "{again}: {}", answer.out);
        assert!(line.contains("the last entry of Anna's log on device"), "{again}: {line}");
        if again == 1 {
            anna.ok(&["task", "add", "Goes on in another log"]);
        }
    }
}

#[test]
fn a_log_file_that_was_cut_short_is_coped_with() {
    let anna = Device::with_project();
    for n in 1..=6 {
        anna.ok(&["task", "add", &format!("Task {n}")]);
    }
    let path = anna.workspace_folders()[0].join("log/000001.vlog");
    let mut bytes = fs::read(&path).unwrap();
    let lost = runs(&bytes).into_iter().nth_back(3).unwrap();
    bytes[lost.end - 1] ^= 1;
    fs::write(&path, &bytes).unwrap();
    // After damage a file is not continued: what is cut now is closed, and stands in the index.
    anna.ok(&["task", "add", "In another file"]);
    bytes.truncate(bytes.len() - 1);
    fs::write(&path, &bytes).unwrap();
    let shown = anna.ok(&["task", "list"]);
    assert!(shown.contains("In another file"), "{shown}");
    assert!(anna.run(&["doctor"]).out.contains("start them again, which repairs it"));
    for _ in 0..2 {
        let answer = anna.run(&["doctor"]);
        assert!(answer.code == 1 && answer.out.contains("of Anna's log"), "{}", answer.out);
    }
}

/// A log file that is gone is damage like any other.
#[test]
fn a_log_file_that_is_gone_is_coped_with() {
    let anna = Device::with_project();
    for n in 1..=3 {
        anna.ok(&["task", "add", &format!("Task {n}")]);
    }
    let path = anna.workspace_folders()[0].join("log/000001.vlog");
    let mut bytes = fs::read(&path).unwrap();
    let lost = runs(&bytes).into_iter().nth_back(1).unwrap();
    bytes[lost.end - 1] ^= 1;
    fs::write(&path, &bytes).unwrap();
    // After damage a file is not continued, so there is a second one.
    anna.ok(&["task", "add", "In another file"]);
    fs::remove_file(&path).unwrap();
    anna.ok(&["workspace", "list"]);
    anna.ok(&["status"]);
    assert_eq!(anna.json(&["workspace", "list"]).as_array().map(Vec::len), Some(1));
    assert_eq!(anna.run(&["doctor"]).code, 1);
}

/// Magic bytes at the head of a file are no exception.
#[test]
fn a_damaged_file_header_is_repaired_at_the_start_after_it_was_told_of() {
    let anna = Device::with_project();
    for n in 1..=3 {
        anna.ok(&["task", "add", &format!("Task {n}")]);
    }
    let path = anna.workspace_folders()[0].join("log/000001.vlog");
    let mut bytes = fs::read(&path).unwrap();
    let lost = runs(&bytes).into_iter().nth_back(1).unwrap();
    bytes[lost.end - 1] ^= 1;
    fs::write(&path, &bytes).unwrap();
    anna.ok(&["task", "add", "In another file"]);
    bytes[0] ^= 1;
    fs::write(&path, &bytes).unwrap();
    anna.run(&["doctor"]);
    let again = anna.run(&["doctor"]).out;
    assert!(!again.contains("which repairs it"), "{again}");
    anna.ok(&["task", "list"]);
}

/// Until the next start it said "none".
#[test]
fn the_doctor_tells_of_damage_that_a_running_node_met() {
    let anna = Device::with_project();
    for n in 1..=3 {
        anna.ok(&["task", "add", &format!("Task {n}")]);
    }
    let node = anna.start_node();
    let path = anna.workspace_folders()[0].join("log/000001.vlog");
    let mut bytes = fs::read(&path).unwrap();
    let lost = runs(&bytes).into_iter().nth_back(2).unwrap();
    bytes[lost.end - 1] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert_eq!(anna.run(&["doctor", "--verify"]).code, 1, "meets it");
    let answer = anna.run(&["doctor"]);
    let line = answer.out.lines().find(|line| line.contains("damage ")).unwrap();
    assert!(answer.code == 1 && line.contains("1 damaged place met in the log files"), "{line}");
    assert!(line.contains("start them again, which repairs it"), "{line}");
    assert!(node.stop().success());
    let answer = anna.run(&["doctor"]);
    assert!(answer.out.contains("2 entries of Anna's log"), "{}", answer.out);
}

fn step<'a>(report: &'a Json, name: &str) -> &'a Json {
    report["steps"].as_array().unwrap().iter().find(|step| step["name"] == name).unwrap()
}

#[test]
fn a_log_that_another_program_continued_is_not_gone_on_with() {
    let anna = Device::with_project();
    let house = anna.workspace_folders()[0].clone();
    anna.ok(&["workspace", "create", "Garden"]);
    flip_seals(&house.join("log/000001.vlog"), |_| true);
    assert_eq!(anna.json(&["workspace", "list"]).as_array().map(Vec::len), Some(1), "the other one is open");
    let answer = anna.run(&["doctor"]);
    assert!(answer.code == 1 && answer.out.contains("another program changed the files"), "{}", answer.out);
}

/// Where the runs of a log file lie. The layout is told in `store::record`.
fn runs(bytes: &[u8]) -> Vec<Range<usize>> {
    const FILE_HEADER: usize = 46;
    let (mut at, mut runs) = (FILE_HEADER, Vec::new());
    while bytes[at..].iter().any(|byte| *byte != 0) {
        let len = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let end = at + 8 + len;
        if bytes[at + 8] == 2 {
            runs.push(at..end);
        }
        at = end;
    }
    runs
}

/// Flips a bit of the seals of some runs and mends the records' checksums, as only malice does.
fn flip_seals(path: &Path, wanted: impl Fn(usize) -> bool) {
    let mut bytes = fs::read(path).unwrap();
    let all = runs(&bytes).into_iter().enumerate();
    for (_, Range { start: at, end }) in all.filter(|(place, _)| wanted(*place)) {
        // Behind the kind three small numbers, a byte each.
        bytes[at + 8 + 1 + 3] ^= 1;
        let sum = crc32c::crc32c_append(crc32c::crc32c(&bytes[at..at + 4]), &bytes[at + 8..end]);
        bytes[at + 4..at + 8].copy_from_slice(&sum.to_le_bytes());
    }
    fs::write(path, bytes).unwrap();
}
