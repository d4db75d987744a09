//! What strangers, and members who are up to something, may try.

use super::{
    curl::Curl,
    ops::integration,
    scene::{PATIENCE, SECRET, Scene, ticket, token},
};
use data_encoding::BASE64URL_NOPAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};
use velo_tests::device::{Device, LOOPBACK};

/// Every address that needs a token: method, path behind the workspace, and whether a body goes with it.
const GUARDED: [(&str, bool); 7] = [
    ("/changes", false),
    ("/logs", false),
    ("/logs/{log}/entries", false),
    ("/tasks", false),
    ("/projects", false),
    ("/comments", false),
    ("/ops", true),
];

fn made(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
    let said = format!("{}.{}", part(header), part(claims));
    let mac: Hmac<Sha256> = Hmac::new_from_slice(SECRET.as_bytes()).unwrap();
    let mac = mac.chain_update(said.as_bytes()).finalize().into_bytes();
    format!("{said}.{}", BASE64URL_NOPAD.encode(&mac))
}

fn claims(token: &str) -> Value {
    let claims = BASE64URL_NOPAD.decode(token.split('.').nth(1).unwrap().as_bytes()).unwrap();
    serde_json::from_slice(&claims).unwrap()
}

#[test]
fn a_token_that_was_tampered_with_is_good_nowhere() {
    let Some(scene) = Scene::new("viewer") else { return };
    let good = scene.token();
    let get = |token: &str| Curl::get(&scene.of("/changes")).token(token).send();
    let header = json!({ "alg": "HS256", "typ": "JWT" });
    get(&made(&header, &claims(&good))).good();
    let with = |name: &str, value: Value| {
        let mut claims = claims(&good);
        claims[name] = value;
        made(&header, &claims)
    };
    get(&with("exp", json!(1_000))).problem(401, "token_expired");
    get(&with("aud", json!("another-service"))).problem(401, "token_invalid");
    // Somebody who is in, and nobody, and no device at all.
    get(&with("sub", json!("0".repeat(64)))).problem(403, "not_a_member");
    get(&with("sub", json!("'; --"))).problem(401, "token_invalid");
    get(&with("workspace", json!("0".repeat(64)))).problem(403, "other_workspace");
    for algorithm in ["none", "NONE", "HS384", "RS256"] {
        get(&made(&json!({ "alg": algorithm }), &claims(&good))).problem(401, "token_invalid");
    }
    let unsigned = made(&json!({ "alg": "none" }), &claims(&good));
    get(&format!("{}.", unsigned.rsplit_once('.').unwrap().0)).problem(401, "token_invalid");
    let mut flipped = good.into_bytes();
    let last = flipped.len() - 3;
    flipped[last] = if flipped[last] == b'A' { b'B' } else { b'A' };
    get(&String::from_utf8(flipped).unwrap()).problem(401, "token_invalid");
}

#[test]
fn a_good_token_opens_one_workspace_and_no_other_at_any_address() {
    let Some(scene) = Scene::new("member") else { return };
    // Ben has a workspace of his own, in the same relay.
    let mut ben = Device::new("Ben").unwrap();
    ben.velo(&["workspace", "create", "Cellar"]).unwrap();
    ben.velo(&["project", "add", "Wine"]).unwrap();
    ben.velo(&["task", "add", "Hide the good one"]).unwrap();
    ben.start(None, &LOOPBACK).unwrap();
    scene.relay.velo(&["join", &ticket(&ben, "member")]).unwrap();
    let his = super::scene::id(&ben);
    let bens = soon_in(&scene, &ben, &his);
    let annas = scene.token();
    let bot = integration(&scene, "builds");
    let of = |id: &str, path: &str| format!("{}/v1/workspaces/{id}{path}", scene.url);
    let logs = Curl::get(&of(&his, "/logs")).token(&bens).send().good();
    let log = logs["logs"][0]["log"].as_str().unwrap().to_owned();
    let ask = |id: &str, path: &str, with_body: bool, token: &str| {
        let url = of(id, &path.replace("{log}", &log));
        let op = json!({
            "ops": [{ "id": "1", "entity": { "kind": "task", "id": "1" }, "type": "UPSERT",
                "payload": { "title": "Planted" }, "timestamp": 1 }],
        });
        let request = if with_body { Curl::post(&url, &op) } else { Curl::get(&url) };
        request.token(token).send()
    };
    for id in [
        &*his,
        &"0".repeat(64),
        "x",
        "..",
        "%2e%2e",
        "%00",
        "'%20OR%20'1'='1",
        &"f".repeat(63),
        "%f0%9f%92%a9",
    ] {
        for (path, with_body) in GUARDED {
            for token in [&annas, &bot] {
                let answer = ask(id, path, with_body, token);
                assert!(matches!(answer.status, 401 | 403 | 404), "{id} {path}: {answer:?}");
                assert!(!answer.text.contains("Hide") && !answer.text.contains("Wine"), "{answer:?}");
            }
        }
    }
    // A log of another workspace below the own one, and cursors across.
    let entries = Curl::get(&of(&scene.workspace, &format!("/logs/{log}/entries"))).token(&annas).send();
    entries.problem(404, "not_found");
    let cursor = Curl::get(&of(&his, "/changes?limit=1")).token(&bens).send().good();
    let cursor = cursor["nextCursor"].as_str().unwrap();
    let crossed = Curl::get(&scene.of(&format!("/changes?cursor={cursor}"))).token(&annas).send();
    crossed.problem(400, "invalid_cursor");
    let sync = json!({ "workspace": his });
    Curl::post(&scene.at("/v1/sync"), &sync).token(&annas).send().problem(403, "other_workspace");
    // His task is not there to be filtered by, nor to be written to.
    let rows = Curl::get(&of(&his, "/tasks")).token(&bens).send().good();
    let task = rows["rows"][0]["id"].as_str().unwrap();
    let comments = Curl::get(&scene.of(&format!("/comments?task={task}"))).token(&annas).send().good();
    assert_eq!(comments["total"], 0);
    let comment = json!({
        "ops": [{ "id": "1", "entity": { "kind": "comment", "id": "1" }, "type": "UPSERT",
            "payload": { "task": task, "text": "Planted" }, "timestamp": 1 }],
    });
    let answer = Curl::post(&scene.of("/ops"), &comment).token(&bot).send().good();
    assert_eq!(answer["rejected"][0]["code"], "invalid_op");
    assert_eq!(ben.titles().unwrap().len(), 1);
}

/// A token of somebody of whom the relay may have yet to hear.
fn soon_in(scene: &Scene, device: &Device, workspace: &str) -> String {
    let asked = |_: &Device| {
        let signed = super::scene::signed(&scene.url, device, workspace);
        Ok(Curl::post(&scene.at("/v1/auth/token"), &signed).send().status == 200)
    };
    device.wait_for("token", PATIENCE, asked).unwrap();
    token(&scene.url, device, workspace)
}

#[test]
fn whatever_stands_in_an_address_is_answered_with_a_problem() {
    let Some(scene) = Scene::new("viewer") else { return };
    let token = scene.token();
    for (path, status, code) in [
        ("/", 404, "not_found"),
        ("/v1", 404, "not_found"),
        ("/v1/workspaces", 404, "not_found"),
        ("/v1/workspaces//changes", 403, "other_workspace"),
        ("/../../etc/passwd", 404, "not_found"),
        ("/v1/auth/token", 405, "method_not_allowed"),
        ("/v1/sync", 405, "method_not_allowed"),
    ] {
        Curl::get(&scene.at(path)).token(&token).send().problem(status, code);
    }
    Curl::post(&scene.at("/healthz"), &json!({})).send().problem(405, "method_not_allowed");
    let form = Curl::get(&scene.at("/v1/auth/challenge")).arg("--data-binary").arg("{}");
    form.send().problem(415, "not_json");
    for body in [&b""[..], b"{", b"\xff\xfe", b"null", "[".repeat(3_000).as_bytes()] {
        let sent = Curl::post_bytes(&scene.at("/v1/auth/challenge"), body.to_vec()).send();
        sent.problem(400, "invalid_json");
    }
    // Figures stay on the machine, whoever a proxy speaks for.
    let figures = Curl::get(&scene.at("/metrics")).send();
    assert!(figures.status == 200 && figures.text.contains("velo_"), "{figures:?}");
    let outside = Curl::get(&scene.at("/metrics")).arg("-H").arg("X-Forwarded-For: 203.0.113.7").send();
    outside.problem(403, "not_here");
    assert_eq!(Curl::get(&scene.at("/openapi.json")).send().good()["openapi"], "3.1.0");
    assert_eq!(Curl::get(&scene.at("/readyz")).send().good()["database"], true);
}

#[test]
fn large_and_slow_bodies_are_not_waited_for() {
    let Some(scene) = Scene::new("viewer") else { return };
    let large = |path: &str, bytes: usize, token: &str| {
        Curl::post_bytes(&scene.at(path), vec![b' '; bytes]).token(token).send().problem(413, "too_large");
    };
    let token = scene.token();
    large("/v1/auth/challenge", 4 * 1024 + 1, "");
    large("/v1/auth/token", 4 * 1024 + 1, "");
    large("/v1/sync", 4 * 1024 * 1024 + 1, &token);
    // Without a length, too.
    let chunked = Curl::post_bytes(&scene.at("/v1/auth/challenge"), vec![b' '; 100_000]);
    chunked.arg("-H").arg("Transfer-Encoding: chunked").send().problem(413, "too_large");
    // A body that never comes to its end.
    let address = scene.url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = "POST /v1/auth/challenge HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{";
    stream.write_all(head.as_bytes()).unwrap();
    let start = Instant::now();
    stream.set_read_timeout(Some(Duration::from_secs(40))).unwrap();
    let mut answer = [0; 4096];
    let read = stream.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..read]).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("too_slow"), "{answer}");
    assert!(start.elapsed() > Duration::from_secs(5));
    // Headers that never come to their end: the connection is closed.
    let mut stream = TcpStream::connect(address).unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost:").unwrap();
    stream.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).unwrap();
}

#[test]
fn who_asks_too_often_is_told_when_to_come_back() {
    let Some(scene) = Scene::new("viewer") else { return };
    let token = scene.token();
    let codes = |url: &str, extra: &[&str]| {
        let mut curl = std::process::Command::new("curl");
        curl.args(["-sS", "-o", "/dev/null", "-w", "%{http_code} %header{retry-after}\\n", "--noproxy", "*"]);
        let output = curl.args(extra).arg(url).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let bearer = format!("Authorization: Bearer {token}");
    let told = codes(&scene.of("/logs?limit=1&offset=[1-250]"), &["-H", &bearer]);
    assert!(told.lines().any(|line| line.starts_with("429 ") && line.len() > 4), "{told}");
    assert!(told.lines().filter(|line| line.starts_with("200")).count() >= 100, "{told}");
    let auth =
        codes(&scene.at("/v1/auth/token?[1-100]"), &["-d", "{}", "-H", "Content-Type: application/json"]);
    assert!(auth.lines().any(|line| line.starts_with("429 ")), "{auth}");
    // Somebody else, for whom the proxy on this machine speaks, has a count of their own.
    let other = Curl::post(&scene.at("/v1/auth/challenge"), &json!({ "device": "0".repeat(64) }));
    other.arg("-H").arg("X-Forwarded-For: 198.51.100.1, 203.0.113.7").send().good();
    // Whether it runs is told at any time.
    let health = codes(&scene.at("/healthz?[1-600]"), &[]);
    assert!(health.lines().all(|line| line.starts_with("200")), "{health}");
}
