//! A team over time: joining without the one who invited, removal while away, keys that change, second
//! devices, and coming back with the phrase.

use crate::device::{Device, Running};
use serde_json::Value as Json;
use std::{
    fs,
    io::{BufRead, BufReader},
    path::Path,
    process::Child,
    thread,
    time::Duration,
};
use velo_node::qr;

/// A device with its node running, on loopback.
struct Member {
    device: Device,
    node: Option<Running>,
}

impl Member {
    fn new(device: Device) -> Self {
        let node = Some(device.start_node());
        Self { device, node }
    }

    fn address(&self) -> String {
        self.node.as_ref().unwrap().addresses[0].as_str().unwrap().to_owned()
    }

    fn stop(&mut self) {
        assert!(self.node.take().unwrap().stop().success());
    }

    fn start(&mut self) {
        self.node = Some(self.device.start_node());
    }

    fn reach(&self, other: &Self) {
        self.device.ok(&["peers", "add", &other.address()]);
    }

    fn sync(&self) {
        assert_eq!(self.device.json(&["sync", "--wait", "30"])["synced"], true);
    }

    fn add(&self, title: &str) {
        self.device.ok(&["task", "add", title]);
    }

    fn has(&self, title: &str) -> bool {
        self.device.ok(&["task", "list"]).contains(title)
    }

    #[track_caller]
    fn waits_for(&self, what: &str, fits: impl Fn(&Self) -> bool) {
        for _ in 0..400 {
            if fits(self) {
                return;
            }
            thread::sleep(Duration::from_millis(50));
        }
        panic!("not in time: {what}\n{}", self.device.ok(&["status"]));
    }

    fn waits_for_task(&self, title: &str) {
        self.waits_for(title, |member| member.has(title));
    }
}

fn anna() -> Member {
    Member::new(Device::with_project())
}

fn joined(name: &str, ticket: &str) -> Member {
    let member = Member::new(Device::of(name));
    member.device.ok(&["join", ticket, "--wait", "30"]);
    member
}

/// A ticket that leads to `through` only.
fn ticket(by: &Member, through: &Member) -> String {
    let made = by.device.json(&["invite", "--address", &through.address()]);
    made["ticket"].as_str().unwrap().to_owned()
}

/// Whether any file below a folder holds a text.
fn holds(folder: &Path, text: &str) -> bool {
    fs::read_dir(folder).unwrap().any(|entry| {
        let path = entry.unwrap().path();
        if path.is_dir() {
            return holds(&path, text);
        }
        let bytes = fs::read(&path).unwrap_or_default();
        bytes.windows(text.len()).any(|part| part == text.as_bytes())
    })
}

#[test]
fn one_joins_through_another_while_who_invited_is_away() {
    let mut anna = anna();
    let ben = joined("Ben", &ticket(&anna, &anna));
    anna.add("Order the paint");
    anna.sync();
    let for_carla = ticket(&anna, &ben);
    anna.sync();
    anna.stop();
    let carla = joined("Carla", &for_carla);
    assert!(carla.has("Order the paint"), "what was written before she came");
    carla.add("Ask for a ladder");
    ben.waits_for_task("Ask for a ladder");
    anna.start();
    anna.reach(&ben);
    anna.waits_for_task("Ask for a ladder");
    assert_eq!(anna.device.json(&["member", "list"]).as_array().unwrap().len(), 3);
}

#[test]
fn what_a_removed_member_wrote_while_away_has_no_effect_and_they_are_told() {
    let anna = anna();
    let mut ben = joined("Ben", &ticket(&anna, &anna));
    ben.add("Seen before");
    anna.waits_for_task("Seen before");
    ben.stop();
    for number in 0..3 {
        ben.add(&format!("Written too late {number}"));
    }
    anna.device.ok(&["member", "remove", "Ben", "--yes"]);
    anna.add("The safe opens with 4711");
    ben.start();
    ben.reach(&anna);
    let told = "Anna removed you";
    ben.waits_for(told, |ben| ben.device.run(&["task", "add", "And this"]).err.contains(told));
    assert!(anna.has("Seen before") && !anna.has("Written too late"));
    ben.waits_for("its own changes undone", |ben| !ben.has("Written too late"));
    // He is sent what is written from then on, and cannot read it.
    thread::sleep(Duration::from_millis(500));
    // Words, since digits alone stand in times and ports, too.
    assert!(!ben.has("4711") && !holds(ben.device.path(), "safe opens"));
    assert!(
        !holds(&anna.device.data_dir().join("workspaces"), "safe opens"),
        "the log is encrypted at Anna's too"
    );
    let former = anna.device.ok(&["member", "list", "--all"]);
    assert!(former.contains("Ben") && former.contains("removed by Anna"), "{former}");
}

#[test]
fn who_slept_through_two_new_keys_reads_everything() {
    let anna = anna();
    let mut ben = joined("Ben", &ticket(&anna, &anna));
    let others = ["Carla", "Dora"].map(|name| joined(name, &ticket(&anna, &anna)));
    ben.sync();
    ben.stop();
    for (other, name) in others.iter().zip(["Carla", "Dora"]) {
        other.add(&format!("Written by {name}"));
        anna.waits_for_task(&format!("Written by {name}"));
        anna.device.ok(&["member", "remove", name, "--yes"]);
        anna.add(&format!("Written without {name}"));
    }
    drop(others);
    ben.start();
    ben.reach(&anna);
    for title in ["by Carla", "without Carla", "by Dora", "without Dora"] {
        ben.waits_for_task(&format!("Written {title}"));
    }
    ben.waits_for("the same state", |ben| ben.device.state_hash() == anna.device.state_hash());
}

/// Starts `velo link` on a new device, and reads its code.
fn code_of(device: &Device) -> (Child, String) {
    let mut waiting = device.start(&["link", "--json", "--wait", "60"]);
    let mut line = String::new();
    BufReader::new(waiting.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let answer: Json = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no code: {line:?}"));
    (waiting, answer["code"].as_str().unwrap().to_owned())
}

#[test]
fn a_second_device_is_linked_and_with_the_phrase_one_comes_back_after_losing_both() {
    let anna = anna();
    let ben = Device::of("Ben");
    let phrase = ben.open_node().phrase().unwrap().unwrap().to_string();
    let mut ben = Member::new(ben);
    ben.device.ok(&["join", &ticket(&anna, &anna), "--wait", "30"]);
    anna.add("Order the paint");
    let phone = Member::new(Device::of("Phone"));
    let (mut waiting, code) = code_of(&phone.device);
    let picture = ben.device.path().join("code.png");
    fs::write(&picture, qr::png(&qr::matrix(&code).unwrap()).unwrap()).unwrap();
    let picture = picture.to_str().unwrap();
    let other = ben.device.run(&["join", "--image", picture]);
    assert!(other.code == 2 && other.err.contains("no ticket for Velo"), "{}", other.err);
    ben.device.ok(&["link", "--image", picture]);
    assert!(waiting.wait().unwrap().success(), "the new device says that it was taken in");
    phone.waits_for_task("Order the paint");
    phone.add("From the phone");
    phone.reach(&anna);
    anna.waits_for_task("From the phone");
    assert_eq!(ben.device.json(&["device", "list"]).as_array().unwrap().len(), 2);
    let keys = phone.device.ok(&["key", "show"]);
    assert!(keys.contains("never on this device"), "nobody has confirmed the words: {keys}");
    assert!(ben.device.ok(&["key", "show"]).contains("not confirmed yet"));
    let wrong = phone.device.run(&["link"]);
    assert!(wrong.code != 0 && wrong.err.contains("another person"), "{}", wrong.err);

    // Both are lost.
    ben.stop();
    let lost = ben.device.json(&["status"])["device"].as_str().unwrap().to_owned();
    drop((ben, phone));
    let new = Member::new(Device::of("New"));
    let typo = new.device.run_with_input(&["recover"], &phrase.replacen(' ', " xyzzy ", 1));
    assert!(typo.code != 0 && typo.err.contains("25"), "{}", typo.err);
    let words: Vec<&str> = phrase.split(' ').collect();
    let unknown = [&["xyzzy"], &words[1..]].concat().join(" ");
    let unknown = new.device.run_with_input(&["recover"], &unknown);
    assert!(unknown.code != 0 && unknown.err.contains("xyzzy"), "{}", unknown.err);
    let back = new.device.run_with_input(&["recover", "--address", &anna.address()], &phrase);
    assert_eq!(back.code, 0, "{}{}", back.out, back.err);
    assert!(back.out.contains("Ben"), "{}", back.out);
    assert!(new.has("Order the paint") && new.has("From the phone"));
    new.add("Back again");
    anna.waits_for_task("Back again");
    let devices = new.device.ok(&["device", "list"]);
    assert!(devices.contains(&lost[..6]), "{devices}");
    let refused = new.device.run(&["device", "unlink", &lost[..8], "--yes"]);
    assert!(refused.code != 0 && refused.err.contains("24 words"), "{}", refused.err);
    let gone = new.device.run_with_input(&["device", "unlink", &lost[..8], "--yes", "--words"], &phrase);
    assert_eq!(gone.code, 0, "{}{}", gone.out, gone.err);
    let devices = new.device.ok(&["device", "list"]);
    assert!(!devices.contains(&lost[..6]), "{devices}");
    // Anna has seen it, or what she writes now would be for the lost devices as well.
    anna.waits_for("the lost device gone", |anna| {
        !anna.device.ok(&["device", "list", "--all"]).contains(&lost[..6])
    });
    anna.add("After the loss");
    new.waits_for_task("After the loss");
}

#[test]
fn own_devices_share_favourites_and_workspaces_with_nobody_else() {
    let anna = anna();
    let ben = joined("Ben", &ticket(&anna, &anna));
    anna.add("Order the paint");
    ben.waits_for_task("Order the paint");
    let phone = Member::new(Device::of("Phone"));
    let (mut waiting, code) = code_of(&phone.device);
    ben.device.ok(&["link", &code]);
    assert!(waiting.wait().unwrap().success());
    phone.waits_for_task("Order the paint");
    ben.device.ok(&["favourite", "add", "paint"]);
    let shown = |member: &Member| member.device.ok(&["favourite", "list"]);
    phone.waits_for("the favourite", |phone| shown(phone).contains("Order the paint"));
    // A workspace that one of them begins is there on the other, by itself.
    phone.device.ok(&["workspace", "create", "Garden"]);
    phone.device.ok(&["--workspace", "Garden", "project", "add", "Beds"]);
    ben.waits_for("the other workspace", |ben| {
        ben.device.run(&["--workspace", "Garden", "project", "list"]).out.contains("Beds")
    });
    ben.device.ok(&["--workspace", "Garden", "project", "add", "Tools"]);
    phone.waits_for("what was written there", |phone| {
        phone.device.ok(&["--workspace", "Garden", "project", "list"]).contains("Tools")
    });
    // The private workspace is in no list, and nobody else's business.
    assert_eq!(ben.device.json(&["workspace", "list"]).as_array().unwrap().len(), 2);
    assert_eq!(anna.device.json(&["workspace", "list"]).as_array().unwrap().len(), 1);
    assert!(!shown(&anna).contains("paint"));
    ben.device.ok(&["--workspace", "Workshop", "favourite", "remove", "paint"]);
    phone.waits_for("no favourite", |phone| shown(phone).contains("No favourites"));
}
