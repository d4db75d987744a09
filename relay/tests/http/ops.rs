//! What programs write, and what can be read as JSON.

use super::{
    curl::{Answer, Curl},
    scene::{PATIENCE, Scene},
};
use serde_json::{Value, json};
use std::process::Command;
use velo_tests::{binary, device::text_at};

/// Runs a command of the relay's own.
pub fn token_command(scene: &Scene, args: &[&str]) -> Result<String, String> {
    let mut command = Command::new(binary("velo-relay"));
    let output = command.arg("token").args(args).env("DATABASE_URL", scene.postgres.url()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

pub fn integration(scene: &Scene, name: &str) -> String {
    token_command(scene, &["add-integration", name, "--workspace", &scene.workspace]).unwrap()
}

struct Bot<'a> {
    scene: &'a Scene,
    token: String,
}

impl Bot<'_> {
    fn send(&self, ops: &[Value]) -> Answer {
        Curl::post(&self.scene.of("/ops"), &json!({ "ops": ops })).token(&self.token).send()
    }

    fn applied(&self, op: Value) -> Value {
        let answer = self.send(&[op]).good();
        assert_eq!(answer["rejected"], json!([]));
        answer["applied"][0].clone()
    }

    fn rejected(&self, op: Value, code: &str) {
        let answer = self.send(&[op]).good();
        assert_eq!(
            (&answer["applied"], &answer["rejected"][0]["code"]),
            (&json!([]), &json!(code)),
            "{answer}"
        );
    }
}

fn op(id: &str, kind: &str, entity: &str, payload: &Value) -> Value {
    json!({
        "id": id, "entity": { "kind": kind, "id": entity }, "type": "UPSERT", "payload": payload,
        "timestamp": 1_700_000_000_000_i64,
    })
}

fn deleted(id: &str, kind: &str, entity: &str) -> Value {
    json!({ "id": id, "entity": { "kind": kind, "id": entity }, "type": "DELETE", "timestamp": 1 })
}

fn shows(scene: &Scene, title: &str) {
    let has = |device: &velo_tests::device::Device| Ok(device.titles()?.contains(title));
    scene.anna.wait_for(title, PATIENCE, has).unwrap();
}

#[test]
fn what_a_bot_writes_appears_on_a_device_under_its_name() {
    let Some(scene) = Scene::new("member") else { return };
    let bot = Bot { scene: &scene, token: integration(&scene, "builds") };
    let wish = || {
        op(
            "1",
            "task",
            "build-77",
            &json!({ "title": "Build 77 failed", "priority": "high", "due": "2026-12-01" }),
        )
    };
    let first = bot.applied(wish());
    shows(&scene, "Build 77 failed");
    // Again: nothing is done, and the answer is the same, also after a person changed it.
    scene.anna.velo(&["task", "edit", "Build 77 failed", "--title", "Somebody looks at build 77"]).unwrap();
    scene.settle();
    assert_eq!(bot.applied(wish()), first);
    scene.settle();
    assert!(scene.anna.titles().unwrap().contains("Somebody looks at build 77"));
    bot.rejected(op("1", "task", "build-78", &json!({ "title": "Another" })), "id_reused");

    bot.applied(op("2", "comment", "note-1", &json!({ "task": "build-77", "text": "It was the *linker*." })));
    bot.applied(op("3", "project", "infra", &json!({ "name": "Infrastructure" })));
    bot.applied(op("4", "task", "build-77", &json!({ "project": "infra", "column": "doing", "due": null })));
    bot.applied(op("5", "task", "disk", &json!({ "title": "A disk is full", "project": "infra" })));
    shows(&scene, "A disk is full");
    scene.settle();
    let task = scene.anna.velo(&["task", "show", "Somebody looks at build 77"]).unwrap();
    assert_eq!(
        (&task["project"], &task["column"], &task["due"]),
        (&json!("Infrastructure"), &json!("Doing"), &Value::Null)
    );
    assert_eq!(
        (&task["comments"][0]["by"], &task["comments"][0]["text"]),
        (&json!("builds"), &json!("It was the *linker*."))
    );
    bot.applied(deleted("6", "task", "disk"));
    bot.applied(deleted("7", "task", "disk"));
    // What a person made is named by its id.
    scene.anna.velo(&["task", "add", "Made by Anna", "--project", "House"]).unwrap();
    scene.settle();
    let rows = scene.anna.velo(&["task", "list", "--search", "Made by Anna"]).unwrap();
    let made = text_at(&rows, "/0/id").unwrap();
    bot.applied(op("8", "comment", "note-2", &json!({ "task": made, "text": "Seen." })));
    bot.applied(deleted("9", "task", made));
    scene.anna.wait_for("deletion", PATIENCE, |anna| Ok(anna.titles()?.len() == 1)).unwrap();
}

#[test]
fn what_does_not_fit_is_refused_and_changes_nothing() {
    let Some(scene) = Scene::new("member") else { return };
    let bot = Bot { scene: &scene, token: integration(&scene, "builds") };
    for (payload, kind) in [
        (json!({}), "task"),
        (json!({ "title": "" }), "task"),
        (json!({ "title": "two\nlines" }), "task"),
        (json!({ "title": "x".repeat(501) }), "task"),
        (json!({ "title": "A", "other": 1 }), "task"),
        (json!({ "title": "A", "priority": "very" }), "task"),
        (json!({ "title": "A", "due": "tomorrow" }), "task"),
        (json!({ "title": "A", "due": "2026-02-30" }), "task"),
        (json!({ "title": "A", "estimate": -1 }), "task"),
        (json!({ "title": "A", "project": "nowhere" }), "task"),
        (json!({ "title": "A", "column": "nowhere" }), "task"),
        (json!({ "title": ["A"] }), "task"),
        (json!({ "text": "A" }), "comment"),
        (json!({ "task": "nothing", "text": "A" }), "comment"),
        (json!({ "description": "A" }), "project"),
        (json!("A"), "project"),
    ] {
        bot.rejected(op("1", kind, "thing", &payload), "invalid_op");
    }
    let mut late = op("1", "task", "thing", &json!({ "title": "A" }));
    late["timestamp"] = json!(i64::MAX);
    bot.rejected(late, "invalid_op");
    for id in ["", "two\nlines", "\u{0}", &"x".repeat(101)] {
        bot.rejected(op(id, "task", "thing", &json!({ "title": "A" })), "invalid_op");
        bot.rejected(op("1", "task", id, &json!({ "title": "A" })), "invalid_op");
    }
    bot.rejected(deleted("1", "task", "nothing"), "invalid_op");
    bot.rejected(deleted("1", "task", "'; DROP TABLE entries; --"), "invalid_op");
    for body in [
        json!({}),
        json!({ "ops": [{ "id": "1" }] }),
        json!({ "ops": [op("1", "workspace", "x", &json!({}))] }),
    ] {
        Curl::post(&scene.of("/ops"), &body).token(&bot.token).send().problem(400, "invalid_json");
    }
    let many: Vec<Value> =
        (0..101).map(|n| op(&n.to_string(), "task", "x", &json!({ "title": "A" }))).collect();
    bot.send(&many).problem(400, "invalid_ops");
    assert!(scene.anna.titles().unwrap().is_empty());
    // The id was not used up by what was refused.
    bot.applied(op("1", "task", "thing", &json!({ "title": "'; DROP TABLE entries; --" })));
    shows(&scene, "'; DROP TABLE entries; --");
}

#[test]
fn a_relay_that_may_only_read_writes_nothing_and_a_token_is_good_where_it_was_made() {
    let Some(scene) = Scene::new("viewer") else { return };
    let bot = Bot { scene: &scene, token: integration(&scene, "builds") };
    let wish = || op("1", "task", "thing", &json!({ "title": "A" }));
    bot.send(&[wish()]).problem(403, "relay_cannot_write");
    let others = scene.of("/ops").replace(&scene.workspace, &scene.workspace.replace(['0', '1'], "2"));
    Curl::post(&others, &json!({ "ops": [wish()] })).token(&bot.token).send().problem(401, "token_invalid");
    for token in ["velo_it_", "velo_it_AAAA", &scene.token(), &bot.token.to_uppercase()] {
        Curl::post(&scene.of("/ops"), &json!({ "ops": [wish()] }))
            .token(token)
            .send()
            .problem(401, "token_invalid");
    }
    // A device's way in is closed to it, and the reverse.
    Curl::get(&scene.of("/tasks")).token(&bot.token).send().problem(401, "token_invalid");
    let name = |args: &[&str]| token_command(&scene, args);
    assert!(name(&["list-integrations", "--workspace", &scene.workspace]).unwrap().contains("builds"));
    assert!(
        name(&["add-integration", "x", "--workspace", &"0".repeat(64)]).unwrap_err().contains("comes first")
    );
    assert!(
        name(&["add-integration", "a\nb", "--workspace", &scene.workspace]).unwrap_err().contains("one line")
    );
    assert!(!scene.postgres.query("SELECT * FROM integration_tokens").contains(&bot.token));
    name(&["remove-integration", "builds", "--workspace", &scene.workspace]).unwrap();
    bot.send(&[wish()]).problem(401, "token_invalid");
}

#[test]
fn tasks_projects_and_comments_are_filtered_sorted_and_paged() {
    let Some(scene) = Scene::new("viewer") else { return };
    let velo = |args: &[&str]| scene.anna.velo(args).unwrap();
    for (title, priority, due) in
        [("Paint", "low", "2026-12-03"), ("Order paint", "urgent", "2026-12-01"), ("Sweep", "none", "none")]
    {
        velo(&["task", "add", title, "--priority", priority, "--due", due]);
    }
    velo(&["comment", "add", "Sweep", "With the new broom"]);
    velo(&["task", "done", "Paint"]);
    velo(&["project", "add", "Garden"]);
    scene.settle();
    let token = scene.token();
    let get = |query: &str| Curl::get(&scene.of(query)).token(&token).send();
    let titles = |query: &str| -> Vec<String> {
        let answer = get(&format!("/tasks{query}")).good();
        let rows = answer["rows"].as_array().unwrap();
        rows.iter().map(|row| row["title"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(titles("?sort=title"), ["Order paint", "Paint", "Sweep"]);
    assert_eq!(titles("?sort=due"), ["Order paint", "Paint", "Sweep"]);
    assert_eq!(titles("?sort=due&order=desc"), ["Paint", "Order paint", "Sweep"]);
    assert_eq!(titles("?sort=priority&order=desc"), ["Order paint", "Paint", "Sweep"]);
    assert_eq!(titles("?sort=created&order=desc"), ["Sweep", "Order paint", "Paint"]);
    assert_eq!(titles("?done=true"), ["Paint"]);
    assert_eq!(titles("?search=PAINT&sort=title&limit=1"), ["Order paint"]);
    assert_eq!(titles("?search=paint&sort=title&limit=1&offset=1"), ["Paint"]);
    assert_eq!(titles("?column=done"), ["Paint"]);
    assert_eq!(titles("?label=none"), Vec::<String>::new());
    let page = get("/tasks?limit=2").good();
    assert_eq!((&page["total"], &page["next"]), (&json!(3), &json!(2)));
    let projects = get("/projects?sort=name").good();
    assert_eq!(
        (&projects["rows"][0]["name"], &projects["rows"][1]["name"]),
        (&json!("Garden"), &json!("House"))
    );
    let comments = get("/comments?search=broom").good();
    assert_eq!(comments["rows"][0]["by"], "Anna");
    for query in
        ["/tasks?sort=random", "/tasks?limit=x", "/tasks?project=1", "/projects?x=1", "/comments?task=x"]
    {
        get(query).problem(400, "invalid_query");
    }
    // Out of the workspace, the relay's own person reads no more.
    velo(&["member", "remove", "Relay", "--yes"]);
    scene.relay.wait_for("removal", PATIENCE, |_| Ok(get("/tasks").status == 403)).unwrap();
    get("/tasks").problem(403, "not_readable");
}

#[test]
fn tokens_of_programs_need_a_database() {
    let output = Command::new(binary("velo-relay"))
        .args(["token", "list-integrations", "--workspace", &"0".repeat(64)])
        .env_remove("DATABASE_URL")
        .output()
        .unwrap();
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("DATABASE_URL"));
}
