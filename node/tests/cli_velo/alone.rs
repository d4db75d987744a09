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
fn a_short_id_names_one_task_for_ever() {
    let anna = Device::with_project();
    anna.ok(&["project", "add", "Garden"]);
    for title in ["one", "two", "three"] {
        anna.ok(&["task", "add", title, "--project", "House"]);
    }
    let title = |short: &str| anna.json(&["task", "show", short])["title"].clone();
    anna.ok(&["task", "move", "HOUS-1", "To do", "--project", "Garden"]);
    assert_eq!(
        (title("HOUS-1"), title("HOUS-2"), title("HOUS-3")),
        ("one".into(), "two".into(), "three".into())
    );
    assert_eq!(anna.json(&["task", "add", "four", "--project", "House"])["short"], "HOUS-4");
    assert_eq!(anna.json(&["task", "add", "five", "--project", "Garden"])["short"], "GARD-1");
    // Nor is a number given out again.
    anna.ok(&["task", "delete", "HOUS-4"]);
    assert_eq!(anna.json(&["task", "add", "six", "--project", "House"])["short"], "HOUS-5");
    anna.ok(&["undo"]);
    assert_eq!(anna.json(&["task", "add", "seven", "--project", "House"])["short"], "HOUS-6");
    let child = anna.json(&["task", "add", "eight", "--project", "House", "--parent", "HOUS-2"]);
    assert_eq!(child["short"], "HOUS-7");
}

#[test]
fn what_a_peer_wrote_cannot_speak_to_the_terminal() {
    let anna = Device::with_project();
    anna.ok(&["task", "add", "Invoice \u{202e}fdp.exe"]);
    anna.ok(&[
        "task",
        "edit",
        "HOUS-1",
        "--description",
        "first\u{1b}[2J\u{1b}]0;owned\u{7}\rHOUS-9  forged\nHOUS-8  forged",
    ]);
    anna.ok(&["comment", "add", "HOUS-1", "nice\nAnna (2026): forged\u{9b}1m"]);
    for args in [
        &["task", "show", "HOUS-1"][..],
        &["task", "list"],
        &["history", "HOUS-1"],
        &["comment", "list", "HOUS-1"],
    ] {
        for json in [false, true] {
            let args = if json { [args, &["--json"]].concat() } else { args.to_vec() };
            let out = anna.ok(&args);
            let obeyed = |c: char| c != '\n' && (c.is_control() || c == '\u{202e}');
            assert!(!out.contains(obeyed), "velo {args:?}: {out:?}");
        }
        let out = anna.ok(args);
        let forged = |line: &&str| {
            line.starts_with("HOUS-8") || line.starts_with("HOUS-9") || line.starts_with("Anna (")
        };
        assert_eq!(out.lines().find(forged), None, "velo {args:?}: {out}");
    }
    assert!(anna.ok(&["task", "list"]).contains("Invoice <202E>fdp.exe"));
    let error = anna.run(&["task", "delete", "Invoice"]).err;
    assert!(error.contains("<202E>") && !error.contains('\u{202e}'), "{error}");
}

#[test]
fn looking_into_another_workspace_does_not_move_what_follows() {
    let anna = Device::with_project();
    anna.ok(&["workspace", "create", "Club"]);
    anna.ok(&["project", "add", "Party"]);
    anna.ok(&["--workspace", "Workshop", "task", "list"]);
    assert_eq!(anna.json(&["task", "add", "Buy cake"])["project"], "Party");
    anna.ok(&["--workspace", "Workshop", "task", "add", "Order the paint"]);
    assert_eq!(anna.json(&["task", "add", "Paint the wall"])["project"], "House");
}

#[test]
fn two_projects_of_one_name_are_told_apart_by_prefix() {
    let anna = Device::with_project();
    anna.ok(&["project", "add", "Shop"]);
    anna.ok(&["project", "add", "Shop"]);
    let answer = anna.run(&["task", "add", "x", "--project", "Shop"]);
    assert_eq!(answer.code, 3);
    assert!(answer.err.contains("SHOP2"), "{}", answer.err);
    for prefix in ["SHOP", "SHOP2", "shop2"] {
        let short = anna.json(&["task", "add", "x", "--project", prefix])["short"].clone();
        assert!(short.as_str().unwrap().starts_with(&format!("{}-", prefix.to_uppercase())), "{short}");
    }
}

#[test]
fn comments_are_named_by_what_other_comments_do_not_change() {
    let anna = Device::with_project();
    anna.ok(&["task", "add", "Order the paint"]);
    let names: Vec<_> = ["one", "two"]
        .map(|text| anna.json(&["comment", "add", "HOUS-1", text])["short"].as_str().unwrap().to_owned())
        .into();
    assert!(anna.ok(&["comment", "list", "HOUS-1"]).contains(&names[0]));
    assert_eq!(
        anna.run(&["comment", "delete", "HOUS-1", "1"]).code,
        3,
        "numbers count what a sync may change"
    );
    anna.ok(&["comment", "delete", "HOUS-1", &names[0]]);
    let left = anna.json(&["comment", "list", "HOUS-1"]);
    assert_eq!((left[0]["text"].as_str(), left.as_array().unwrap().len()), (Some("two"), 1));
}

#[test]
fn a_board_can_come_through_a_pipe() {
    let anna = Device::with_project();
    for node in [None, Some(anna.start_node())] {
        let answer = anna.run_with_input(&["import", "trello", "/dev/stdin"], BOARD);
        assert_eq!(answer.code, 0, "beside a node: {}, {}", node.is_some(), answer.err);
    }
    assert_eq!(titles(&anna.json(&["task", "list", "--project", "Garden"])), ["Plant a tree"]);
}

#[test]
fn a_field_is_emptied_however_none_is_written() {
    let anna = Device::with_project();
    anna.ok(&["task", "add", "Order the paint", "--due", "friday", "--estimate", "5"]);
    anna.ok(&["task", "edit", "HOUS-1", "--due", "None", "--estimate", "NONE"]);
    let task = anna.json(&["task", "show", "HOUS-1"]);
    assert_eq!((&task["due"], &task["estimate"]), (&Json::Null, &Json::Null));
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

/// A first start without a display makes somebody of the login name, who could not be renamed.
#[test]
fn a_person_takes_another_name_everywhere() {
    let anna = Device::of("root");
    anna.ok(&["workspace", "create", "Workshop"]);
    anna.ok(&["workspace", "create", "Garden"]);
    let before = anna.json(&["status"]);
    let told = anna.ok(&["init", "--name", "Anna", "--rename"]);
    assert_eq!(told, "root is now called Anna, in every workspace.\n");
    let status = anna.json(&["status"]);
    assert_eq!((&status["name"], &status["person"]), (&"Anna".into(), &before["person"]));
    for workspace in ["Workshop", "Garden"] {
        let shown = anna.json(&["--workspace", workspace, "workspace", "show"]);
        assert_eq!(shown["people"][0]["name"], "Anna");
    }
    let node = anna.start_node();
    let again = anna.json(&["init", "--name", "Anna Keller", "--rename"]);
    assert_eq!((&again["name"], &again["before"]), (&"Anna Keller".into(), &"Anna".into()));
    assert_eq!(anna.json(&["workspace", "show"])["people"][0]["name"], "Anna Keller");
    assert!(node.stop().success());
    assert_eq!(anna.run(&["init", "--name", " ", "--rename"]).code, 2);
    let same = anna.json(&["init", "--name", "Anna Keller"]);
    assert_eq!((&same["name"], same.get("before")), (&"Anna Keller".into(), None), "it is so already");
}

/// The name was noted last, so a failure left some workspaces with it and the device without.
#[test]
fn a_name_that_some_workspace_does_not_take_is_finished_by_another_run() {
    let anna = Device::of("root");
    anna.ok(&["workspace", "create", "Workshop"]);
    let before = log_folders(&anna);
    anna.ok(&["workspace", "create", "Garden"]);
    let garden = log_folders(&anna).into_iter().find(|folder| !before.contains(folder)).unwrap();
    // An opening that cannot remove it makes the log read-only.
    let obstacle = garden.join("suspect");
    std::fs::create_dir(&obstacle).unwrap();
    let answer = anna.run(&["init", "--name", "Anna", "--rename"]);
    assert_ne!(answer.code, 0, "{}", answer.out);
    for part in
        ["not every workspace", "\"Garden\" (", "`velo init --rename --name \"Anna\"` again finishes it"]
    {
        assert!(answer.err.contains(part), "{part} is missing in {}", answer.err);
    }
    std::fs::remove_dir(&obstacle).unwrap();
    assert_eq!(anna.json(&["status"])["name"], "Anna", "noted all the same");
    anna.ok(&["init", "--name", "Anna", "--rename"]);
    for workspace in ["Workshop", "Garden"] {
        let shown = anna.json(&["--workspace", workspace, "workspace", "show"]);
        assert_eq!(shown["people"][0]["name"], "Anna");
    }
}

fn log_folders(device: &Device) -> Vec<std::path::PathBuf> {
    device.workspace_folders().into_iter().map(|folder| folder.join("log")).collect()
}

/// It only named the task: whoever undid twice did not know what was gone.
#[test]
fn undo_and_redo_say_what_they_turn() {
    let anna = Device::with_project();
    anna.ok(&["task", "add", "Order the paint"]);
    anna.ok(&["task", "edit", "HOUS-1", "--title", "Order green paint"]);
    anna.ok(&["task", "edit", "HOUS-1", "--priority", "high"]);
    let renamed = "changed task \"Order the paint\": title → \"Order green paint\"";
    let raised = "changed task \"Order green paint\": priority → high";
    let told = anna.ok(&["undo"]);
    assert!(told.starts_with("Taken back with 1 operation:\n  ") && told.contains(raised), "{told}");
    let again = anna.json(&["redo"]);
    assert_eq!(again["what"], serde_json::json!([raised]));
    let told = anna.ok(&["undo"]) + &anna.ok(&["undo"]);
    assert!(told.contains(raised) && told.contains(renamed), "{told}");
    let told = anna.ok(&["redo"]);
    let renamed = renamed.replacen("the", "green", 1);
    assert!(told.starts_with("Made again with 1 operation:\n  ") && told.contains(&renamed), "{told}");
    anna.ok(&["undo"]);
    let told = anna.ok(&["undo"]);
    assert!(told.contains("created task \"Order the paint\""), "{told}");
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
fn history_calls_what_was_made_by_the_name_it_was_made_with() {
    let anna = Device::with_project();
    anna.ok(&["task", "add", "Order the paint"]);
    anna.ok(&["task", "edit", "HOUS-1", "--title", "Order green paint"]);
    for args in [&["history"][..], &["history", "HOUS-1"]] {
        let told = anna.ok(args);
        assert!(told.contains("Anna created task \"Order the paint\""), "velo {args:?}\n{told}");
    }
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
    anna.ok(&["project", "delete", "housing estate"]);
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

#[test]
fn history_tells_what_an_edit_of_a_description_changed() {
    let anna = Device::with_project();
    anna.ok(&["task", "add", "Paint", "--description", "Order the paint for the hall"]);
    anna.ok(&["task", "edit", "HOUS-1", "--description", "Order the blue paint for the \u{202e}hall"]);
    anna.ok(&["task", "edit", "HOUS-1", "--description", "Order the red paint"]);
    let rows = anna.json(&["history", "HOUS-1"]);
    let told: Vec<&str> =
        rows.as_array().unwrap().iter().map(|row| row["what"][0].as_str().unwrap()).collect();
    let words = "Anna edited the description of \"Paint\"";
    assert_eq!(told[0], "Anna created task \"Paint\"");
    assert_eq!(told[1], format!("{words}: +\"blue\""), "what turns the line round is left out");
    assert_eq!(told[2], format!("{words}: \"blue\" → \"red\", −\"for the hall\""));
    let all = anna.ok(&["history"]);
    assert!(all.contains("description +\"red\""), "{all}");
}
