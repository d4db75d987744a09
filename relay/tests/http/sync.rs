//! Runs in and changes out; heads and ranges.

use super::{
    curl::Curl,
    scene::{PATIENCE, Scene, relay, ticket, token},
};
use data_encoding::BASE64;
use serde_json::{Value, json};
use velo_tests::device::{Device, RELAY};

/// A device that answers for itself, so that its runs can be had without meeting anybody.
struct Offline {
    device: Device,
    url: String,
    token: String,
    workspace: String,
}

impl Offline {
    /// Carol joins, and then works alone.
    fn new(scene: &Scene) -> Self {
        let (mut device, url) = relay(None);
        device.start(None, &RELAY).unwrap();
        device.velo(&["join", &ticket(&scene.anna, "member")]).unwrap();
        velo_tests::device::wait_equal(&[&scene.anna, &scene.relay, &device], PATIENCE).unwrap();
        device.stop().unwrap();
        device.start(None, &["--offline"]).unwrap();
        let (token, workspace) = (token(&url, &device, &scene.workspace), scene.workspace.clone());
        Self { device, url, token, workspace }
    }

    fn get(&self, path: &str) -> Value {
        let url = format!("{}/v1/workspaces/{}{path}", self.url, self.workspace);
        Curl::get(&url).token(&self.token).send().good()
    }

    /// Every run of its logs that hold something behind these heads.
    fn runs(&self, behind: &Value) -> Vec<Value> {
        let known = |log: &Value| {
            let known = behind["logs"].as_array().unwrap().iter().find(|known| known["log"] == log["log"]);
            known.map_or(0, |known| known["head"]["position"].as_u64().unwrap())
        };
        let heads = self.get("/logs");
        let mut runs = Vec::new();
        for log in heads["logs"].as_array().unwrap() {
            let mut from = known(log) + 1;
            loop {
                let name = log["log"].as_str().unwrap();
                let part = self.get(&format!("/logs/{name}/entries?from={from}"));
                runs.extend(part["runs"].as_array().unwrap().iter().cloned());
                let Some(next) = part["next"].as_u64() else { break };
                from = next;
            }
        }
        runs
    }
}

/// A request out of runs as `.../entries` gives them.
fn wish(workspace: &str, runs: &[Value]) -> Value {
    let seals: Vec<Value> = runs.iter().map(|run| run["seal"].clone()).collect();
    let mut ops = runs.to_vec();
    for op in &mut ops {
        op.as_object_mut().unwrap().remove("seal");
    }
    json!({ "workspace": workspace, "ops": ops, "seals": seals })
}

#[test]
fn what_was_written_offline_is_brought_over_http_and_sending_it_twice_changes_nothing() {
    let Some(scene) = Scene::new("viewer") else { return };
    let carol = Offline::new(&scene);
    let mut control = carol.device.control().unwrap();
    for number in 0..300 {
        control.add_task(&format!("On the train {number}"), None).unwrap();
    }
    let mine = token(&scene.url, &carol.device, &scene.workspace);
    let heads = Curl::get(&scene.of("/logs")).token(&mine).send().good();
    let runs = carol.runs(&heads);
    assert!(runs.len() > 1, "checkpoints divide them");
    let ask = || Curl::post(&scene.at("/v1/sync"), &wish(&scene.workspace, &runs)).token(&mine).send().good();
    let first = ask();
    assert_eq!(first["rejected"], json!([]));
    assert!(first["ack"].as_array().unwrap().len() >= 300);
    // Durable: the database has them.
    let held: Vec<String> =
        first["ack"].as_array().unwrap().iter().map(|id| format!("'\\x{}'", id.as_str().unwrap())).collect();
    let held =
        scene.postgres.query(&format!("SELECT count(*) FROM entries WHERE id IN ({})", held.join(", ")));
    assert_eq!(held, first["ack"].as_array().unwrap().len().to_string());
    let second = ask();
    assert_eq!((&second["ack"], &second["rejected"]), (&first["ack"], &first["rejected"]));
    scene.settle();
    assert_eq!(scene.anna.titles().unwrap().len(), 300);
    // The cursor of the answer goes on where its changes end.
    let cursor = first["nextCursor"].as_str().unwrap();
    let on = json!({ "workspace": scene.workspace, "cursor": cursor, "limit": 5 });
    let on = Curl::post(&scene.at("/v1/sync"), &on).token(&mine).send().good();
    assert_eq!(on["changes"].as_array().unwrap().len(), 5);
    assert_ne!(on["changes"][0]["id"], first["changes"][0]["id"]);
    // A range, and no more than is asked for but the rest of its run.
    let log = runs[0]["log"].as_str().unwrap();
    let range = Curl::get(&scene.of(&format!("/logs/{log}/entries?from=2&to=3"))).token(&mine).send().good();
    assert_eq!(
        (range["runs"].as_array().unwrap().len(), &range["runs"][0]["after"]["position"]),
        (1, &json!(1))
    );
}

#[test]
fn what_does_not_verify_is_rejected_and_the_rest_is_taken() {
    let Some(scene) = Scene::new("viewer") else { return };
    let carol = Offline::new(&scene);
    let mut control = carol.device.control().unwrap();
    for number in 0..300 {
        control.add_task(&format!("On the train {number}"), None).unwrap();
    }
    let mine = token(&scene.url, &carol.device, &scene.workspace);
    let heads = Curl::get(&scene.of("/logs")).token(&mine).send().good();
    let runs = carol.runs(&heads);
    let ask = |runs: &[Value]| {
        Curl::post(&scene.at("/v1/sync"), &wish(&scene.workspace, runs)).token(&mine).send().good()
    };
    let flipped = |name: &str| {
        let mut run = runs[0].clone();
        let mut bytes = BASE64.decode(run[name].as_str().unwrap().as_bytes()).unwrap();
        *bytes.last_mut().unwrap() ^= 1;
        run[name] = BASE64.encode(&bytes).into();
        run
    };
    for bad in [flipped("entries"), flipped("seal")] {
        let answer = ask(&[bad]);
        assert_eq!(
            (answer["ack"].as_array().unwrap().len(), &answer["rejected"][0]["code"]),
            (0, &json!("invalid"))
        );
    }
    for text in ["", "?", "AAAA", "\u{0}'; --"] {
        for name in ["entries", "seal"] {
            let mut bad = runs[0].clone();
            bad[name] = text.into();
            assert_eq!(ask(&[bad])["rejected"][0]["code"], "invalid", "{name} {text}");
        }
    }
    let gap = ask(&runs[1..2]);
    assert_eq!(gap["rejected"][0]["code"], "gap");
    let mixed = ask(&[flipped("seal"), runs[0].clone(), runs[1].clone()]);
    assert_eq!(mixed["rejected"].as_array().unwrap().len(), 1);
    assert_eq!(mixed["rejected"][0]["op"], 0);
    assert!(mixed["ack"].as_array().unwrap().len() > 1);
    let mut odd = wish(&scene.workspace, &runs[..2]);
    odd["seals"].as_array_mut().unwrap().pop();
    Curl::post(&scene.at("/v1/sync"), &odd).token(&mine).send().problem(400, "invalid_sync");
}
