//! Bad input: the exit code, a message that says what to do, and nothing changed.

use crate::device::Device;

/// Runs a command that must fail with `code`, saying all of `parts`, and change nothing.
#[track_caller]
fn refused(device: &Device, args: &[&str], code: i32, parts: &[&str]) {
    let before = device.state_hash();
    let answer = device.run(args);
    assert_eq!(answer.code, code, "velo {args:?}\n{}{}", answer.out, answer.err);
    for part in parts {
        assert!(answer.err.contains(part), "velo {args:?} does not say {part:?}:\n{}", answer.err);
    }
    assert_eq!(device.state_hash(), before, "velo {args:?} changed something");
}

#[test]
fn without_an_identity_the_first_step_is_told() {
    let nobody = Device::new();
    for args in [&["task", "list"][..], &["node"], &["workspace", "create", "Workshop"], &["status"]] {
        let answer = nobody.run(args);
        assert_eq!(answer.code, 5, "velo {args:?}\n{}", answer.err);
        assert!(answer.err.contains("velo init --name YOURNAME"), "{}", answer.err);
    }
    assert!(!nobody.data_dir().exists(), "asking makes no folder");
    let anna = Device::of("Anna");
    let answer = anna.run(&["task", "list"]);
    assert_eq!(answer.code, 5);
    assert!(answer.err.contains("velo workspace create NAME"), "{}", answer.err);
}

#[test]
fn a_second_introduction_changes_nothing() {
    let anna = Device::of("Anna");
    let answer = anna.run(&["init", "--name", "Ben"]);
    assert_eq!(answer.code, 1);
    assert!(answer.err.contains("Anna") && answer.err.contains("--data-dir"), "{}", answer.err);
    assert!(answer.err.contains("`velo init --rename --name \"Ben\"`"), "{}", answer.err);
    assert_eq!(Device::new().run(&["init", "--name", " "]).code, 2);
}

#[test]
fn what_does_not_exist_is_named() {
    let anna = Device::with_project();
    anna.ok(&["task", "add", "Order the paint"]);
    refused(&anna, &["task", "show", "HOUS-9"], 3, &["HOUS-9", "velo task list"]);
    refused(&anna, &["task", "edit", "ffffffff", "--title", "x"], 3, &["velo task list"]);
    refused(&anna, &["task", "move", "HOUS-1", "Nowhere"], 3, &["column", "Nowhere", "velo column list"]);
    refused(&anna, &["task", "add", "x", "--project", "Garden"], 3, &["Garden", "velo project list"]);
    refused(&anna, &["task", "edit", "HOUS-1", "--label", "urgent"], 3, &["urgent", "velo label list"]);
    refused(&anna, &["task", "edit", "HOUS-1", "--assign", "Zoe"], 3, &["Zoe"]);
    refused(&anna, &["conflicts", "resolve", "1", "--pick", "1"], 3, &["velo conflicts list"]);
    refused(&anna, &["--workspace", "Elsewhere", "task", "list"], 3, &["velo workspace list"]);
    anna.ok(&["task", "delete", "HOUS-1"]);
    refused(&anna, &["task", "edit", "HOUS-1", "--title", "x"], 3, &["velo task restore HOUS-1"]);
}

#[test]
fn what_fits_several_things_is_listed() {
    let anna = Device::with_project();
    anna.ok(&["project", "add", "Housing estate"]);
    refused(&anna, &["task", "add", "x", "--project", "hous"], 3, &["fits several projects"]);
    refused(&anna, &["task", "add", "x"], 2, &["--project NAME"]);
    refused(&anna, &["project", "delete", "Hous"], 3, &["House", "Housing estate"]);
    anna.ok(&["task", "add", "Whole names win", "--project", "house"]);
}

#[test]
fn values_that_do_not_fit_are_explained() {
    let anna = Device::with_project();
    anna.ok(&["task", "add", "Order the paint"]);
    let long = "x".repeat(501);
    refused(&anna, &["task", "add", "x", "--due", "someday"], 2, &["someday", "2026-12-01"]);
    refused(
        &anna,
        &["task", "edit", "HOUS-1", "--priority", "huge"],
        2,
        &["none, low, medium, high, urgent"],
    );
    refused(&anna, &["task", "edit", "HOUS-1", "--estimate", "long"], 2, &["minutes"]);
    refused(&anna, &["task", "edit", "HOUS-1"], 2, &["--title"]);
    refused(&anna, &["task", "add", " "], 2, &["title"]);
    refused(&anna, &["workspace", "create", " "], 2, &["name"]);
    refused(&anna, &["task", "edit", "HOUS-1", "--title", &long], 2, &["title", "500"]);
    refused(&anna, &["task", "edit", "HOUS-1", "--title", "two\nlines"], 2, &["title", "single line"]);
    refused(&anna, &["comment", "add", "HOUS-1", "  "], 2, &["empty"]);
    refused(
        &anna,
        &["column", "add", "x", "--category", "later"],
        2,
        &["backlog, todo, doing, done, cancelled"],
    );
    refused(&anna, &["project", "add", "x", "--prefix", "a b"], 2, &["letters and digits"]);
    refused(&anna, &["task", "frobnicate"], 2, &["frobnicate"]);
    anna.ok(&["label", "add", "urgent"]);
    refused(&anna, &["label", "add", "Urgent"], 1, &["already"]);
}

/// What came from the environment stood in the usage line as if it had to be typed.
#[test]
fn a_usage_line_names_only_what_must_be_typed() {
    let anna = Device::with_project();
    let variables = [("VELO_WORKSPACE", "Workshop")];
    let answer = anna.run_with_env(&["task", "show"], &variables);
    assert_eq!(answer.code, 2, "{}", answer.err);
    assert!(answer.err.contains("Usage: velo task show <TASK>"), "{}", answer.err);
    let help = anna.run_with_env(&["task", "show", "--help"], &variables).out;
    assert!(help.contains("Usage: velo task show [OPTIONS] <TASK>"), "{help}");
    for variable in ["[env: VELO_DATA_DIR]", "[env: VELO_WORKSPACE]"] {
        assert!(help.contains(variable), "{help}");
    }
}

/// The variables count, as the help says, and an option given outdoes them.
#[test]
fn the_environment_chooses_the_workspace() {
    let anna = Device::with_project();
    anna.ok(&["workspace", "create", "Club"]);
    let shown = |args: &[&str], name| anna.run_with_env(args, &[("VELO_WORKSPACE", name)]);
    assert!(shown(&["workspace", "show"], "Workshop").out.contains("Workshop"));
    assert!(shown(&["workspace", "show"], "").out.contains("Club"), "an empty one chooses nothing");
    assert!(shown(&["workspace", "show", "-w", "Club"], "Workshop").out.contains("Club"));
    assert_eq!(shown(&["workspace", "show"], "Elsewhere").code, 3);
}

/// A second one was made without a word, and what followed went there.
#[test]
fn a_second_workspace_of_one_name_must_be_asked_for() {
    let anna = Device::with_project();
    for name in ["Workshop", " workshop "] {
        let parts = ["\"Workshop\"", "--workspace \"Workshop\"", "--another"];
        refused(&anna, &["workspace", "create", name], 1, &parts);
    }
    let ids = || {
        let all = anna.json(&["workspace", "list"]);
        all.as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids().len(), 1);
    anna.ok(&["workspace", "create", "Workshop", "--another"]);
    assert_eq!(ids().len(), 2);
    // The name alone would not do any more.
    let answer = anna.run(&["workspace", "create", "Workshop"]);
    assert_eq!(answer.code, 1, "{}", answer.err);
    let named = answer.err.split("--workspace ").nth(1).and_then(|rest| rest.split(';').next()).unwrap();
    assert!(
        ids().contains(&anna.json(&["workspace", "show", "-w", named])["id"].as_str().unwrap().to_owned())
    );
    anna.ok(&["workspace", "create", "Club"]);
}

#[test]
fn what_cannot_be_taken_back_easily_needs_a_whole_name() {
    let anna = Device::with_project();
    anna.ok(&["task", "add", "Buy 7 nails"]);
    for action in ["delete", "done"] {
        refused(&anna, &["task", action, "7"], 3, &["Did you mean", "HOUS-1", "Buy 7 nails"]);
    }
    refused(&anna, &["task", "move", "nails", "Doing"], 3, &["Did you mean"]);
    refused(&anna, &["project", "delete", "ous"], 3, &["Did you mean", "House"]);
    anna.ok(&["label", "add", "urgent"]);
    refused(&anna, &["label", "delete", "urg"], 3, &["Did you mean", "urgent"]);
    refused(&anna, &["column", "delete", "Do"], 3, &["Did you mean", "Doing", "To do"]);
    anna.ok(&["task", "show", "nails"]);
    anna.ok(&["task", "delete", "buy 7 Nails"]);
    refused(&anna, &["task", "restore", "7"], 3, &["velo task list --deleted"]);
    anna.ok(&["task", "restore", "Buy 7 nails"]);
}

#[test]
fn a_wait_without_end_is_a_long_one() {
    let anna = Device::with_project();
    let endless = u64::MAX.to_string();
    assert_eq!(anna.run(&["sync", "--wait", &endless, "--peers", "0"]).code, 0);
}

#[test]
fn a_ticket_leads_only_to_what_can_be_dialled() {
    let anna = Device::with_project();
    for address in ["foo", "/ip4/192.168.1.7", "/ip4/0.0.0.0/tcp/4001", "/dns4/velo.example/tcp/4001"] {
        refused(&anna, &["invite", "--address", address], 2, &["/ip4/192.168.1.7/tcp/4001"]);
    }
    let addresses: Vec<String> =
        (0..16).map(|n| format!("/ip6/2001:db8:1234:5678:1234:5678:1234:ff{n:02}/tcp/65535")).collect();
    let many = |count: usize| addresses.iter().cycle().take(count).flat_map(|one| ["--address", one]);
    let args: Vec<&str> = std::iter::once("invite").chain(many(16)).collect();
    let ticket = anna.json(&args)["ticket"].as_str().unwrap().to_owned();
    refused(&anna, &["join", &ticket], 1, &["already in that workspace"]);
    let args: Vec<&str> = std::iter::once("invite").chain(many(17)).collect();
    refused(&anna, &args, 2, &["at most 16"]);
    // Nobody listens there: joined, but nothing has come.
    let ticket = anna.json(&["invite", "--address", "/ip4/127.0.0.1/tcp/1"])["ticket"].clone();
    let ben = Device::of("Ben");
    let answer = ben.run(&["join", ticket.as_str().unwrap(), "--wait", "0"]);
    assert_eq!(answer.code, 4, "{}{}", answer.out, answer.err);
    assert!(answer.out.contains("No device of the workspace was reached yet"), "{}", answer.out);
}

#[test]
fn a_bad_ticket_or_file_is_explained() {
    let anna = Device::with_project();
    refused(&anna, &["join", "hello"], 2, &["velo1"]);
    refused(&anna, &["join", "velo1aeaqcai"], 2, &["copy it again"]);
    let cut = anna.file("cut.json", "{\"lists\": [");
    refused(&anna, &["import", "trello", &cut], 2, &["line 1", "Nothing was changed"]);
    let other = anna.file("other.csv", "a,b,c\n1,2,3\n");
    refused(&anna, &["import", "trello", &other], 2, &["not a Trello board"]);
    refused(&anna, &["import", "trello", "/nowhere/board.json"], 1, &["/nowhere/board.json"]);
    refused(&anna, &["peers", "add", "192.168.1.7:4001"], 2, &["/ip4/192.168.1.7/tcp/4001"]);
    refused(&anna, &["peers", "remove", "192.168.1.7:4001"], 2, &["velo peers list"]);
}

#[test]
fn an_address_that_was_removed_is_not_remembered() {
    let anna = Device::with_project();
    let nobody = "/ip4/127.0.0.1/tcp/9";
    refused(&anna, &["peers", "remove", nobody], 2, &[nobody, "velo peers list"]);
    let added = anna.json(&["peers", "add", nobody]);
    assert_eq!(added["reached"], false);
    assert!(added["told"].as_str().unwrap().contains("refused"), "{added}");
    let told = anna.ok(&["peers", "add", nobody]);
    assert!(told.contains("Not reached yet") && told.contains("tried again"), "{told}");
    anna.ok(&["peers", "remove", nobody]);
    refused(&anna, &["peers", "remove", nobody], 2, &[nobody, "velo peers list"]);
}

#[test]
fn errors_are_json_where_json_is_asked_for() {
    let anna = Device::with_project();
    let answer = anna.run(&["task", "show", "HOUS-9", "--json"]);
    assert_eq!((answer.code, answer.err.as_str()), (3, ""));
    let error: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(error["error"]["code"], "not_found");
    assert_eq!(error["error"]["detail"]["text"], "HOUS-9");
    assert!(error["error"]["message"].as_str().unwrap().contains("velo task list"));
    let answer = anna.run(&["task", "frobnicate", "--json"]);
    assert_eq!((answer.code, answer.err.as_str()), (2, ""));
    let error: serde_json::Value = serde_json::from_str(&answer.out).unwrap();
    assert_eq!(error["error"]["code"], "invalid");
    assert!(error["error"]["message"].as_str().unwrap().contains("frobnicate"));
}

#[test]
fn nothing_to_undo_is_said() {
    let anna = Device::of("Anna");
    anna.ok(&["workspace", "create", "Workshop"]);
    refused(&anna, &["redo"], 1, &["nothing to redo"]);
}
