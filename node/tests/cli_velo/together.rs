//! Several devices.

use crate::device::Device;
use serde_json::{Value as Json, json};
use std::fs;
use velo_protocol::{
    change::Change,
    id::{EntityId, WorkspaceId},
    model::{EntityKey, Kind, Slot, custom_field, task},
    replica::Command,
    value::{Element, Value},
};

/// Anna's workshop with two tasks, which Ben has joined. No node runs.
fn workshop_of_two() -> (Device, Device) {
    let (anna, ben) = (Device::with_project(), Device::of("Ben"));
    anna.ok(&["task", "add", "Order the paint"]);
    anna.ok(&["task", "add", "Clean the brushes"]);
    let annas = anna.start_node();
    let ticket = anna.json(&["invite"])["ticket"].as_str().unwrap().to_owned();
    assert_eq!(ben.json(&["join", &ticket])["tasks"], 2);
    assert!(annas.stop().success());
    (anna, ben)
}

/// Both run for as long as it takes until they have the same.
fn meet(anna: &Device, ben: &Device) {
    let (annas, bens) = (anna.start_node(), ben.start_node());
    let added = anna.json(&["peers", "add", bens.addresses[0].as_str().unwrap()]);
    assert_eq!(added["reached"], true, "{added}");
    for device in [anna, ben] {
        assert_eq!(device.json(&["sync", "--wait", "20"])["synced"], true);
    }
    assert_eq!(anna.state_hash(), ben.state_hash());
    assert!(annas.stop().success() && bens.stop().success());
}

#[test]
fn two_people_share_a_workspace_by_ticket_and_settle_a_conflict() {
    let (anna, ben) = (Device::with_project(), Device::of("Ben"));
    anna.ok(&["task", "add", "Order the paint"]);
    let (annas, bens) = (anna.start_node(), ben.start_node());
    let ticket = anna.json(&["invite"])["ticket"].as_str().unwrap().to_owned();
    assert_eq!(ben.json(&["join", &ticket])["name"], "Workshop");
    assert_eq!(ben.json(&["sync", "--wait", "20"])["synced"], true);
    assert_eq!(anna.json(&["sync", "--wait", "20"])["synced"], true);
    assert_eq!(ben.json(&["task", "show", "HOUS-1"])["title"], "Order the paint");
    // What he is called follows right after he is in.
    let mut left = 400;
    while anna.json(&["peers", "list"])[0]["name"] != "Ben" && left > 0 {
        std::thread::sleep(std::time::Duration::from_millis(50));
        left -= 1;
    }
    assert_eq!(anna.json(&["peers", "list"])[0]["name"], "Ben");

    assert!(annas.stop().success() && bens.stop().success());
    anna.ok(&["task", "edit", "HOUS-1", "--title", "Order green paint"]);
    ben.ok(&["task", "edit", "HOUS-1", "--title", "Order blue paint"]);
    let (annas, bens) = (anna.start_node(), ben.start_node());
    anna.ok(&["peers", "add", bens.addresses[0].as_str().unwrap()]);
    assert_eq!(anna.json(&["sync", "--wait", "20"])["synced"], true);
    assert_eq!(ben.json(&["sync", "--wait", "20"])["synced"], true);
    assert_eq!(anna.state_hash(), ben.state_hash());

    let conflicts = anna.json(&["conflicts", "list"]);
    assert_eq!(conflicts, ben.json(&["conflicts", "list"]));
    let sentence = conflicts[0]["sentence"].as_str().unwrap();
    for part in ["Anna", "Ben", "Order green paint", "Order blue paint", "title"] {
        assert!(sentence.contains(part), "{sentence}");
    }
    let id = conflicts[0]["id"].as_str().unwrap();
    assert_eq!(ben.run(&["conflicts", "resolve", "1", "--pick", "2"]).code, 3, "numbers are no names");
    let answer = ben.run(&["conflicts", "resolve", "HOUS-1", "--pick", "2"]);
    assert_eq!(answer.code, 2, "{}", answer.err);
    assert!(answer.err.contains(id), "{}", answer.err);
    ben.ok(&["conflicts", "resolve", id, "--pick", "2"]);
    assert_eq!(ben.run(&["conflicts", "resolve", id, "--pick", "1"]).code, 3, "it is settled");
    ben.ok(&["undo"]);
    assert_eq!(
        ben.ok(&["conflicts", "resolve", "HOUS-1", "--value", "Order any paint"]),
        "Settled: the title of the task is \"Order any paint\"\n"
    );
    assert_eq!(ben.json(&["sync", "--wait", "20"])["synced"], true);
    assert_eq!(anna.json(&["task", "show", "HOUS-1"])["title"], "Order any paint");
    assert_eq!(anna.json(&["conflicts", "list"]), Json::Array(Vec::new()));
    assert!(annas.stop().success() && bens.stop().success());
}

#[test]
fn what_two_write_offline_in_one_description_is_merged() {
    let (anna, ben) = workshop_of_two();
    let write = |device: &Device, text: &str| {
        device.ok(&["task", "edit", "HOUS-1", "--description", text]);
    };
    write(&anna, "Five litres.\nFrom the shop in town.");
    meet(&anna, &ben);
    write(&anna, "Five litres, white.\nFrom the shop in town.");
    write(&ben, "Five litres.\nFrom the shop in town, it opens at nine.");
    meet(&anna, &ben);
    let merged = "Five litres, white.\nFrom the shop in town, it opens at nine.";
    for device in [&anna, &ben] {
        assert_eq!(device.json(&["task", "show", "HOUS-1"])["description"], merged);
        assert_eq!(device.json(&["conflicts", "list"]), Json::Array(Vec::new()));
    }
    assert_eq!(anna.state_hash(), ben.state_hash());
    // Undo takes back one's own words, and the history knows each version.
    anna.ok(&["undo"]);
    meet(&anna, &ben);
    let left = "Five litres.\nFrom the shop in town, it opens at nine.";
    assert_eq!(ben.json(&["task", "show", "HOUS-1"])["description"], left);
    anna.ok(&["redo"]);
    meet(&anna, &ben);
    assert_eq!(ben.json(&["task", "show", "HOUS-1"])["description"], merged);
}

/// Its name was gone with it, and the state was an error of the network.
#[test]
fn a_peer_that_has_gone_keeps_its_name() {
    let (anna, ben) = workshop_of_two();
    let (annas, bens) = (anna.start_node(), ben.start_node());
    anna.ok(&["peers", "add", bens.addresses[0].as_str().unwrap()]);
    assert_eq!(anna.json(&["sync", "--wait", "20"])["synced"], true);
    assert!(bens.stop().success());
    let told_away = || {
        let row = anna.json(&["peers", "list"])[0].clone();
        assert!(row["connected"] == false && row["name"] == "Ben" && row["last_seen"].is_string(), "{row}");
        let trouble = row["trouble"].as_str().unwrap();
        let told = anna.ok(&["peers", "list"]);
        let line = told.lines().nth(1).unwrap();
        assert!(line.starts_with("Ben ") && line.contains(" offline ") && !line.contains(';'), "{line}");
        assert!(told.contains("\nBen (") && !trouble.is_empty(), "{told}");
    };
    let mut left = 400;
    while anna.json(&["peers", "list"])[0]["connected"] == true && left > 0 {
        std::thread::sleep(std::time::Duration::from_millis(50));
        left -= 1;
    }
    told_away();
    assert!(annas.stop().success());
    let annas = anna.start_node();
    // Known from the address book, before it is met again.
    told_away();
    assert!(annas.stop().success());
}

/// What the doctor promises.
#[test]
fn a_peer_brings_back_what_damage_took() {
    let (anna, ben) = workshop_of_two();
    let path = anna.workspace_folders()[0].join("log/000001.vlog");
    let before = fs::read(&path).unwrap();
    for n in 1..=4 {
        anna.ok(&["task", "add", &format!("Task {n}")]);
    }
    meet(&anna, &ben);
    let whole = anna.state_hash();
    let mut bytes = fs::read(&path).unwrap();
    assert!(!bytes.windows(6).any(|bytes| bytes == b"Task 1"), "what people write is encrypted");
    // In the record of the first task; the others stand behind it.
    let first = before.iter().zip(&bytes).position(|(before, after)| before != after);
    bytes[first.unwrap_or(before.len()) + 100] ^= 1;
    fs::write(&path, bytes).unwrap();
    // Meets the damage; the next opening copes with it.
    anna.run(&["task", "list"]);
    let answer = anna.run(&["doctor"]);
    assert!(answer.code == 1 && answer.out.contains("lost by damage"), "{}", answer.out);
    assert_ne!(anna.state_hash(), whole);

    meet(&anna, &ben);
    assert_eq!(anna.state_hash(), whole);
    let told = anna.ok(&["doctor"]);
    assert!(told.contains("nothing waits for what 1 damaged place of the past took"), "{told}");
}

/// It told the old conflict, and the field by the name that programs know it by: "alive".
#[test]
fn settling_a_conflict_says_what_remains() {
    let (anna, ben) = workshop_of_two();
    anna.ok(&["task", "edit", "HOUS-1", "--title", "Order green paint"]);
    ben.ok(&["task", "delete", "HOUS-1"]);
    anna.ok(&["task", "edit", "HOUS-2", "--priority", "high"]);
    ben.ok(&["task", "edit", "HOUS-2", "--priority", "low"]);
    meet(&anna, &ben);
    let conflicts = anna.json(&["conflicts", "list"]);
    let id = |field: &str| {
        let row = conflicts.as_array().unwrap().iter().find(|row| row["field"] == field);
        row.unwrap_or_else(|| panic!("{conflicts}"))["id"].as_str().unwrap()
    };
    let (alive, priority) = (id("alive"), id("priority"));
    assert_eq!(
        anna.ok(&["conflicts", "resolve", alive, "--pick", "1"]),
        "Settled: task \"Order green paint\" stays\n"
    );
    let settled = ben.json(&["conflicts", "resolve", alive, "--pick", "2"]);
    assert_eq!(settled["sentence"], "task \"Order green paint\" is deleted");
    assert_eq!((&settled["id"], &settled["value"]), (&json!(alive), &json!("delete it")));
    assert_eq!(settled["options"], Json::Null, "what could be picked is over");

    let both = anna.json(&["conflicts", "list"])[0]["options"].clone();
    let settled = anna.json(&["conflicts", "resolve", priority, "--pick", "2"]);
    assert_eq!((&settled["field"], &settled["value"]), (&json!("priority"), &both[1]["value"]));
    let value = both[1]["value"].as_str().unwrap();
    assert_eq!(settled["sentence"], format!("the priority of task \"Clean the brushes\" is {value}"));
}

/// A date was refused: only texts could be typed.
#[test]
fn a_conflict_is_settled_with_what_an_edit_takes() {
    let (anna, ben) = workshop_of_two();
    let edit = |device: &Device, due: &str, priority: &str, estimate: &str| {
        let fields = ["--due", due, "--priority", priority, "--estimate", estimate];
        device.ok(&[&["task", "edit", "HOUS-1"][..], &fields].concat());
    };
    edit(&anna, "2026-12-01", "high", "30");
    edit(&ben, "2026-12-02", "low", "60");
    for (device, column) in [(&anna, "Doing"), (&ben, "Done")] {
        device.ok(&["task", "move", "HOUS-1", column]);
    }
    meet(&anna, &ben);
    let settle = |field: &str, value: &str| {
        anna.run(&["conflicts", "resolve", "HOUS-1", "--field", field, "--value", value])
    };
    for (field, wrong, hint) in [
        ("due", "soonish", "is not a date"),
        ("priority", "2", "one of none, low, medium, high, urgent"),
        ("estimate", "long", "whole number of minutes or none"),
        ("column", "Nowhere", "there is no column"),
    ] {
        let answer = settle(field, wrong);
        assert!(answer.code != 0 && answer.err.contains(hint), "{field}: {}", answer.err);
    }
    for (field, value) in
        [("due", "2026-12-24T18:00"), ("priority", "Urgent"), ("estimate", "none"), ("column", "doing")]
    {
        let answer = settle(field, value);
        assert_eq!(answer.code, 0, "{field}: {}", answer.err);
    }
    let task = anna.json(&["task", "show", "HOUS-1"]);
    assert!(task["due"].as_str().unwrap().starts_with("2026-12-24 18:00"), "{task}");
    assert_eq!((&task["priority"], &task["estimate"]), (&json!("urgent"), &Json::Null));
    assert_eq!(task["column"], "Doing");
    assert_eq!(anna.json(&["conflicts", "list"]), Json::Array(Vec::new()));
}

/// It said "0 operations", and left an empty row in history.
#[test]
fn an_undo_of_what_somebody_changed_since_says_so() {
    let (anna, ben) = workshop_of_two();
    anna.ok(&["label", "add", "urgent"]);
    anna.ok(&["task", "edit", "HOUS-1", "--title", "Order green paint"]);
    meet(&anna, &ben);
    ben.ok(&["task", "edit", "HOUS-1", "--title", "Order blue paint"]);
    meet(&anna, &ben);
    let told = anna.ok(&["undo"]);
    for part in
        ["Nothing was changed", "Ben changed the title of \"Order blue paint\" since", "one step further"]
    {
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
    let told = anna.ok(&["redo"]);
    assert!(told.contains("Nothing was left to make again"), "{told}");
    let again = anna.json(&["undo"]);
    assert_eq!((&again["operations"], again["kept"].as_array().unwrap().len()), (&json!(0), 1));
    assert_eq!(anna.json(&["label", "list"]).as_array().unwrap().len(), 1);
    let told = anna.ok(&["undo"]);
    assert!(told.starts_with("Taken back with 1 operation:\n"), "{told}");
    assert_eq!(anna.json(&["label", "list"]), json!([]), "the step before");

    let about = "of: changed task \"Order blue paint\": title → \"Order green paint\"";
    for device in [&anna, &ben] {
        let rows = device.json(&["history"]);
        let silent = |row: &&Json| row["what"].as_array().unwrap().iter().all(|what| what == "");
        assert_eq!(rows.as_array().unwrap().iter().find(silent), None);
        meet(&anna, &ben);
        let told = device.ok(&["history"]);
        assert_eq!(told.matches(&format!("Anna found nothing left to undo {about}")).count(), 2, "{told}");
        assert_eq!(told.matches(&format!("Anna found nothing left to redo {about}")).count(), 1, "{told}");
    }
}

/// Makes changes as one action.
fn edit_at_once(
    device: &Device,
    changes: impl FnOnce(&velo_node::handle::Node, &velo_protocol::workspace::Workspace) -> Vec<Change>,
) {
    let node = device.open_node();
    let workspace: WorkspaceId = node.workspaces()[0];
    let changes = changes(&node, &node.workspace(workspace).unwrap());
    node.submit_blocking(Command::Edit { workspace, changes }).unwrap();
    node.shutdown().unwrap();
}

fn set_title(id: EntityId, title: &str) -> Change {
    Change::Set { key: EntityKey::new(Kind::Task, id), slot: task::TITLE.into(), value: Value::text(title) }
}

/// It told what the first of the tasks had been called, which it had left alone.
#[test]
fn an_undo_tells_of_what_it_changed_alone() {
    let (anna, ben) = workshop_of_two();
    edit_at_once(&anna, |_, workspace| {
        let mut tasks: Vec<_> = workspace.shown(Kind::Task).collect();
        tasks.sort();
        vec![set_title(tasks[0], "Order green paint"), set_title(tasks[1], "Clean the rollers")]
    });
    meet(&anna, &ben);
    ben.ok(&["task", "edit", "HOUS-1", "--title", "Order blue paint"]);
    meet(&anna, &ben);
    let undone = anna.json(&["undo"]);
    let what = json!(["changed task \"Clean the brushes\": title → \"Clean the rollers\""]);
    assert_eq!((&undone["operations"], &undone["what"]), (&json!(1), &what), "{undone}");
    assert_eq!(undone["kept"].as_array().map(Vec::len), Some(1));
    let told = anna.ok(&["redo"]);
    assert!(told.contains("Clean the rollers") && !told.contains("green"), "{told}");
}

/// A value of another type was taken for the rule, and a yes or no could not be emptied.
#[test]
fn a_conflict_over_a_custom_field_is_settled_by_its_type() {
    let (anna, ben) = workshop_of_two();
    let mut field = None;
    let mut set = |device: &Device, text: &str, ty: i64| {
        edit_at_once(device, |node, workspace| {
            let id = *field.get_or_insert_with(|| node.new_entity_id());
            let key = EntityKey::new(Kind::CustomField, id);
            let mut changes = Vec::new();
            if !workspace.is_shown(key) {
                let name = (custom_field::NAME.into(), Value::text("Size"));
                changes.push(Change::Create {
                    key,
                    fields: vec![name, (custom_field::TYPE.into(), Value::Int(0))],
                });
            }
            let first = workspace.shown(Kind::Task).min().unwrap();
            let slot = Slot::element(task::CUSTOM, Element::Entity(id));
            changes.push(Change::Set {
                key: EntityKey::new(Kind::Task, first),
                slot,
                value: Value::text(text),
            });
            if ty != 0 {
                changes.push(Change::Set { key, slot: custom_field::TYPE.into(), value: Value::Int(ty) });
            }
            changes
        });
    };
    set(&anna, "small", 0);
    meet(&anna, &ben);
    set(&anna, "large", 1);
    set(&ben, "huge", 0);
    meet(&anna, &ben);
    let settle = |value: &str| {
        let conflicts = anna.json(&["conflicts", "list"]);
        let id = conflicts[0]["id"].as_str().unwrap_or_else(|| panic!("{conflicts}")).to_owned();
        anna.run(&["conflicts", "resolve", &id, "--value", value])
    };
    let answer = settle("enormous");
    assert!(answer.code == 2 && answer.err.contains("whole number or none"), "{}", answer.err);
    let answer = settle("none");
    assert_eq!(answer.code, 0, "{}", answer.err);
    assert_eq!(anna.json(&["conflicts", "list"]), json!([]));
}

/// All that the ticket said was where the inviter is, and that was forgotten with the command.
#[test]
fn whoever_joins_while_the_inviter_is_away_meets_them_later() {
    let (anna, ben) = (Device::with_project(), Device::of("Ben"));
    let annas = anna.start_node();
    let ticket = anna.json(&["invite"])["ticket"].as_str().unwrap().to_owned();
    assert!(annas.stop().success());
    let bens = ben.start_node();
    // Nobody is reached, and it may say so.
    let joined = ben.run(&["join", &ticket, "--wait", "1"]);
    assert!([0, 4].contains(&joined.code), "{}{}", joined.out, joined.err);
    assert!(bens.stop().success());
    let (annas, bens) = (anna.start_node(), ben.start_node());
    assert_eq!(ben.json(&["sync", "--wait", "20"])["synced"], true);
    assert!(annas.stop().success() && bens.stop().success());
}

/// `velo sync` failed for ever as soon as one such device was on the LAN.
#[test]
fn somebody_elses_device_holds_up_nobody() {
    let (anna, ben, zoe) = (Device::with_project(), Device::of("Ben"), Device::with_project());
    let nodes = [&anna, &ben, &zoe].map(Device::start_node);
    let ticket = anna.json(&["invite"])["ticket"].as_str().unwrap().to_owned();
    ben.json(&["join", &ticket]);
    let zoes = zoe.json(&["status"])["device"].clone();
    anna.ok(&["peers", "add", nodes[2].addresses[0].as_str().unwrap()]);
    let connected = |rows: &Json| {
        let row = rows.as_array().unwrap().iter().find(|row| row["device"] == zoes)?;
        (row["connected"] == true).then(|| row.clone())
    };
    let row = (0..200).find_map(|_| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        connected(&anna.json(&["peers", "list"]))
    });
    let row = row.unwrap_or_else(|| panic!("not connected: {}", anna.ok(&["peers", "list"])));
    assert_eq!((&row["shares"], &row["synced"]), (&Json::Bool(false), &Json::Bool(false)));
    assert!(anna.ok(&["peers", "list"]).contains("no common workspace"));
    assert_eq!(anna.json(&["sync", "--wait", "20"])["synced"], true);
    let one_is_not_two = anna.run(&["sync", "--wait", "1", "--peers", "2"]);
    assert_eq!(one_is_not_two.code, 4, "{}", one_is_not_two.out);
}

#[test]
fn a_ticket_names_every_address_once() {
    let anna = Device::with_project();
    let node = anna.start_node();
    let (own, other) = (node.addresses[0].as_str().unwrap(), "/ip4/203.0.113.7/tcp/4001");
    let invited = anna.json(&["invite", "--address", own, "--address", other]);
    assert_eq!(invited["addresses"], serde_json::json!([own, other]));
}

#[test]
fn one_short_id_given_by_two_devices_names_neither_alone() {
    let (anna, ben) = (Device::with_project(), Device::of("Ben"));
    let (annas, bens) = (anna.start_node(), ben.start_node());
    let ticket = anna.json(&["invite"])["ticket"].as_str().unwrap().to_owned();
    ben.ok(&["join", &ticket]);
    assert_eq!(ben.json(&["sync", "--wait", "20"])["synced"], true);
    assert!(annas.stop().success() && bens.stop().success());
    assert_eq!(anna.json(&["task", "add", "Annas"])["short"], "HOUS-1");
    assert_eq!(ben.json(&["task", "add", "Bens"])["short"], "HOUS-1");
    let (annas, bens) = (anna.start_node(), ben.start_node());
    anna.ok(&["peers", "add", bens.addresses[0].as_str().unwrap()]);
    assert_eq!(anna.json(&["sync", "--wait", "20"])["synced"], true);
    assert_eq!(ben.json(&["sync", "--wait", "20"])["synced"], true);

    let refused = ben.run(&["task", "delete", "HOUS-1"]);
    assert_eq!(refused.code, 3, "{}", refused.err);
    let tasks = anna.json(&["task", "list"]);
    assert_eq!(tasks, ben.json(&["task", "list"]));
    for task in tasks.as_array().unwrap() {
        let short = task["short"].as_str().unwrap();
        assert!(short.len() > "HOUS-1".len() && refused.err.contains(short), "{short}: {}", refused.err);
        assert_eq!(ben.json(&["task", "show", short])["title"], task["title"]);
    }
    assert_eq!(ben.json(&["task", "add", "Bens other"])["short"], "HOUS-2");
    assert!(annas.stop().success() && bens.stop().success());
}

#[test]
fn the_demo_agrees() {
    let device = Device::new();
    let report = device.json(&["demo"]);
    assert_eq!(report["converged"], true, "{report}");
    assert_eq!(report["peers"], 3);
    assert_eq!(report["conflicts"], 3, "title, column, deletion: {report}");
    assert_eq!(report["resolved"], 1);
    assert!(report["entities"]["tasks"].as_u64().unwrap() > 3);
    assert!(report["live_ms"]["p99"].as_f64().unwrap() > 0.0);
    let hashes = report["state_hashes"].as_array().unwrap();
    assert!(hashes.iter().all(|hash| *hash == hashes[0]), "{report}");
    assert_eq!(fs::read_dir(device.path()).unwrap().count(), 0, "it leaves nothing at home");
}

#[test]
fn the_bench_measures_everything_it_promises() {
    let device = Device::new();
    let report = device.json(&["bench", "--ops", "2000", "--edits", "50"]);
    for latency in ["local_edit_us", "durable_edit_us", "bare_fsync_us", "live_ms"] {
        let (p50, p99) = (&report[latency]["p50"], &report[latency]["p99"]);
        assert!(p50.as_f64().unwrap() > 0.0 && p99.as_f64() >= p50.as_f64(), "{latency}: {report}");
    }
    for figure in
        ["catchup_s", "catchup_ops_per_s", "wire_bytes_per_op", "idle_sync_bytes", "open_ms", "disk_ratio"]
    {
        assert!(report[figure].as_f64().unwrap() > 0.0, "{figure}: {report}");
    }
    assert!(report["ops"].as_u64().unwrap() >= 2000);
    assert!(report["rss_mb"].as_f64().is_none_or(|mb| mb > 1.0), "{report}");
    let wire = report["goals"].as_array().unwrap().iter().find(|goal| goal["figure"] == "wire_bytes_per_op");
    let reached = report["wire_bytes_per_op"].as_f64().unwrap() <= 120.0;
    assert_eq!(wire, Some(&json!({ "figure": "wire_bytes_per_op", "goal": 120.0, "reached": reached })));
}

#[test]
fn a_join_waits_until_everything_has_arrived() {
    let (anna, ben) = (Device::with_project(), Device::of("Ben"));
    let cards: Vec<Json> = (0..1_500)
        .map(|n| json!({ "id": format!("c{n}"), "name": format!("Card {n}"), "idList": "l", "pos": n, "desc": "x".repeat(300) }))
        .collect();
    let list = json!({ "id": "l", "name": "To do", "pos": 1 });
    let board = json!({ "id": "b", "name": "Large", "lists": [list], "cards": cards }).to_string();
    anna.ok(&["import", "trello", &anna.file("large.json", &board)]);
    let annas = anna.start_node();
    let ticket = anna.json(&["invite"])["ticket"].as_str().unwrap().to_owned();
    // No node runs at Ben's: the command alone brings the workspace.
    let joined = ben.json(&["join", &ticket, "--wait", "60"]);
    assert_eq!((&joined["arrived"], &joined["tasks"]), (&Json::Bool(true), &Json::from(1_500)));
    assert!(annas.stop().success());
    assert_eq!(ben.json(&["status"])["workspaces"][0]["tasks"], 1_500);
}
