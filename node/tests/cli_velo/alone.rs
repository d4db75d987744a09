//! One person, one device, no node running.

use crate::device::Device;
use serde_json::{Value as Json, json};

const BOARD: &str = r#"{"id": "b1", "name": "Garden", "desc": "", "closed": false,
    "lists": [{"id": "l1", "name": "Ideas", "closed": false, "pos": 1}],
    "cards": [{"id": "c1", "name": "Plant a tree", "desc": "", "idList": "l1", "pos": 1, "closed": false,
        "idLabels": [], "idMembers": [], "due": null}],
    "labels": [], "members": [], "checklists": [], "actions": []}"#;

fn titles(tasks: &Json) -> Vec<&str> {
    tasks.as_array().unwrap().iter().map(|task| task["title"].as_str().unwrap()).collect()
}

#[test]
fn a_task_lives_through_everything_that_can_happen_to_it() {
    let anna = Device::with_project();
    anna.ok(&["label", "add", "urgent"]);
    let added = anna.json(&["task", "add", "Order the paint", "--due", "2026-12-01", "--label", "urgent"]);
    assert_eq!(added["short"], "HOUS-1");
    assert_eq!(added["column"], "To do");
    assert_eq!(added["due"], "2026-12-01");
    assert_eq!(added["labels"], json!(["urgent"]));
    assert_eq!(anna.json(&["task", "add", "Paint the wall"])["short"], "HOUS-2");

    anna.ok(&[
        "task",
        "edit",
        "hous-1",
        "--title",
        "Order green paint",
        "--priority",
        "high",
        "--assign",
        "ann",
    ]);
    anna.ok(&["task", "edit", "HOUS-1", "--due", "none", "--unlabel", "urgent", "--estimate", "90"]);
    anna.ok(&["task", "move", "HOUS-1", "doing"]);
    anna.ok(&["comment", "add", "HOUS-1", "The shop opens at eight"]);
    let task = anna.json(&["task", "show", "HOUS-1"]);
    assert_eq!(task["title"], "Order green paint");
    assert_eq!(task["priority"], "high");
    assert_eq!(task["assignees"], json!(["Anna"]));
    assert_eq!(task["column"], "Doing");
    assert_eq!(task["estimate"], 90);
    assert_eq!((&task["due"], &task["labels"]), (&Json::Null, &json!([])));
    assert_eq!(task["comments"][0]["text"], "The shop opens at eight");
    assert_eq!(task["comments"][0]["by"], "Anna");

    assert_eq!(anna.json(&["task", "done", "HOUS-1"])["done"], true);
    assert_eq!(titles(&anna.json(&["task", "list", "--open"])), ["Paint the wall"]);
    anna.ok(&["task", "delete", "HOUS-1"]);
    assert_eq!(titles(&anna.json(&["task", "list"])), ["Paint the wall"]);
    assert_eq!(anna.json(&["task", "list"])[0]["short"], "HOUS-2", "numbers stay after a deletion");
    assert_eq!(titles(&anna.json(&["task", "list", "--deleted"])), ["Order green paint"]);
    anna.ok(&["task", "restore", "HOUS-1"]);
    let task = anna.json(&["task", "show", "HOUS-1"]);
    assert_eq!(task["column"], "Done");
    assert_eq!(task["comments"].as_array().unwrap().len(), 1, "its comments come back with it");
}

#[test]
fn places_in_a_column_are_as_asked() {
    let anna = Device::with_project();
    for title in ["one", "two", "three"] {
        anna.ok(&["task", "add", title]);
    }
    anna.ok(&["task", "move", "HOUS-3", "To do", "--top"]);
    assert_eq!(titles(&anna.json(&["task", "list"])), ["three", "one", "two"]);
    anna.ok(&["task", "move", "HOUS-3", "To do", "--after", "HOUS-1"]);
    assert_eq!(titles(&anna.json(&["task", "list"])), ["one", "three", "two"]);
    anna.ok(&["task", "move", "HOUS-1", "To do"]);
    assert_eq!(titles(&anna.json(&["task", "list"])), ["three", "two", "one"]);
}

#[test]
fn the_last_action_is_undone_and_made_again_also_after_a_restart() {
    let anna = Device::with_project();
    anna.ok(&["task", "add", "Order the paint"]);
    let before = anna.state_hash();
    anna.ok(&["task", "edit", "HOUS-1", "--title", "Order green paint", "--due", "tomorrow"]);
    let title = || anna.json(&["task", "show", "HOUS-1"])["title"].clone();
    assert!(anna.json(&["undo"])["operations"].as_u64().unwrap() >= 2);
    assert_eq!(title(), "Order the paint");
    assert_eq!(anna.json(&["task", "show", "HOUS-1"])["due"], Json::Null);
    anna.ok(&["redo"]);
    assert_eq!(title(), "Order green paint");
    assert_ne!(anna.state_hash(), before);
}

#[test]
fn history_tells_who_changed_what() {
    let anna = Device::with_project();
    anna.ok(&["task", "add", "Order the paint"]);
    anna.ok(&["task", "add", "Paint the wall"]);
    anna.ok(&["task", "edit", "HOUS-1", "--title", "Order green paint"]);
    anna.ok(&["comment", "add", "HOUS-1", "From the shop in town"]);
    let story = anna.ok(&["history", "HOUS-1"]);
    for part in ["Anna", "created", "Order green paint", "From the shop in town"] {
        assert!(story.contains(part), "{part} is missing in\n{story}");
    }
    assert!(!story.contains("Paint the wall"), "{story}");
    let all = anna.json(&["history"]);
    assert!(all.to_string().contains("started the workspace"), "{all}");
    assert_eq!(anna.json(&["history", "--limit", "2"]).as_array().unwrap().len(), 2);
}

#[test]
fn an_import_is_shown_first_done_once_and_taken_back_whole() {
    let anna = Device::with_project();
    let file = anna.file("board.json", BOARD);
    let before = anna.state_hash();
    let dry = anna.json(&["import", "trello", &file, "--dry-run"]);
    assert_eq!((dry["dry_run"].as_bool(), dry["operations"].as_u64()), (Some(true), Some(0)));
    assert_eq!(dry["fidelity"]["imported"]["tasks"], 1);
    assert_eq!(anna.state_hash(), before);

    assert!(anna.json(&["import", "trello", &file])["operations"].as_u64().unwrap() > 0);
    assert_eq!(titles(&anna.json(&["task", "list", "--project", "Garden"])), ["Plant a tree"]);
    assert_eq!(anna.json(&["import", "trello", &file])["operations"], 0, "twice doubles nothing");
    anna.ok(&["undo"]);
    assert_eq!(titles(&anna.json(&["task", "list"])), [""; 0]);
}

#[test]
fn projects_columns_and_labels_are_listed_and_removed() {
    let anna = Device::with_project();
    anna.ok(&["project", "add", "Housing estate", "--columns", "Ideas, Built:done"]);
    let projects = anna.json(&["project", "list"]);
    assert_eq!(projects[1]["prefix"], "HE");
    assert_eq!(anna.json(&["column", "list", "--project", "estate"])[1]["category"], "done");
    anna.ok(&["column", "add", "Review", "--project", "House"]);
    anna.ok(&["column", "rename", "Review", "Check", "--project", "House"]);
    let names = anna.json(&["column", "list", "--project", "House"]);
    let names: Vec<_> =
        names.as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["To do", "Doing", "Done", "Check"]);
    anna.ok(&["project", "delete", "estate"]);
    assert_eq!(anna.json(&["project", "list"]).as_array().unwrap().len(), 1);
    anna.ok(&["undo"]);
    assert_eq!(anna.json(&["project", "show", "estate"])["board"].as_array().unwrap().len(), 2);
}

#[test]
fn the_doctor_reads_every_entry() {
    let anna = Device::with_project();
    let report = anna.json(&["doctor", "--verify"]);
    assert_eq!(report["healthy"], true, "{report}");
    assert!(report.to_string().contains("are whole"), "{report}");
}

#[test]
fn tables_are_plain_text_where_no_terminal_is() {
    let anna = Device::with_project();
    anna.ok(&["task", "add", "Order the paint"]);
    let table = anna.ok(&["task", "list"]);
    assert!(table.starts_with("ID      TITLE            PROJECT  COLUMN"), "{table}");
    assert!(table.contains("HOUS-1  Order the paint  House    To do\n"), "{table}");
    assert!(!table.contains('\u{1b}'), "{table:?}");
}
