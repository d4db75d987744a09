//! Tokens: who gets one, and for how long it is good.

use super::{
    curl::Curl,
    scene::{PATIENCE, Scene, device_id, relay, signed, ticket, token},
};
use serde_json::{Value, json};
use velo_tests::device::{Device, LOOPBACK, RELAY};

#[test]
fn a_device_gets_a_token_for_its_signature_once() {
    let Some(scene) = Scene::new("viewer") else { return };
    let ask = |body: &Value| Curl::post(&scene.at("/v1/auth/token"), body).send();
    let signed = signed(&scene.url, &scene.anna, &scene.workspace);
    for (name, value) in [
        ("workspace", scene.workspace.replace(['0', '1'], "2")),
        ("device", device_id(&scene.relay)),
        ("signature", "A".repeat(86)),
        ("signature", String::new()),
        ("nonce", "A".repeat(54)),
    ] {
        let mut other = signed.clone();
        other[name] = value.into();
        assert_eq!(ask(&other).status, 401, "{name}");
    }
    let answer = ask(&signed).good();
    let token = answer["token"].as_str().unwrap();
    Curl::get(&scene.of("/changes")).token(token).send().good();
    ask(&signed).problem(401, "nonce_invalid");
    Curl::get(&scene.of("/changes")).send().problem(401, "token_missing");
    Curl::get(&scene.of("/changes")).token("a.b.c").send().problem(401, "token_invalid");
    let denied = Curl::get(&scene.of("/changes")).send();
    assert!(denied.head.contains("www-authenticate: bearer"), "{denied:?}");
    for body in
        [json!({}), json!([]), json!({"device": 7}), json!({"device": device_id(&scene.anna), "x": 1})]
    {
        Curl::post(&scene.at("/v1/auth/challenge"), &body).send().problem(400, "invalid_json");
    }
}

#[test]
fn who_is_no_member_gets_no_token_and_who_was_removed_is_heard_no_more() {
    let Some(scene) = Scene::new("viewer") else { return };
    let (mut ben, mut cleo) = (Device::new("Ben").unwrap(), Device::new("Cleo").unwrap());
    ben.start(None, &LOOPBACK).unwrap();
    ben.velo(&["join", &ticket(&scene.anna, "member")]).unwrap();
    scene.settle();
    let bens = token(&scene.url, &ben, &scene.workspace);
    Curl::get(&scene.of("/changes")).token(&bens).send().good();
    // Cleo is in no workspace of Anna's, but she can sign for one of her own.
    cleo.velo(&["workspace", "create", "Workshop"]).unwrap();
    cleo.start(None, &LOOPBACK).unwrap();
    let hers = signed(&scene.url, &cleo, "Workshop");
    Curl::post(&scene.at("/v1/auth/token"), &hers).send().problem(403, "not_a_member");

    scene.anna.velo(&["member", "remove", "Ben", "--yes"]).unwrap();
    scene.settle();
    Curl::get(&scene.of("/changes")).token(&bens).send().problem(403, "not_a_member");
    Curl::get(&scene.of("/changes")).token(&scene.token()).send().good();
}

#[test]
fn a_relay_without_a_database_says_what_it_cannot_be_asked() {
    let (mut relay, url) = relay(None);
    let mut anna = Device::new("Anna").unwrap();
    anna.velo(&["workspace", "create", "Workshop"]).unwrap();
    anna.start(None, &LOOPBACK).unwrap();
    relay.start(None, &RELAY).unwrap();
    relay.velo(&["join", &ticket(&anna, "viewer")]).unwrap();
    velo_tests::device::wait_equal(&[&anna, &relay], PATIENCE).unwrap();
    let workspace = super::scene::id(&anna);
    let token = token(&url, &anna, &workspace);
    let changes = Curl::get(&format!("{url}/v1/workspaces/{workspace}/changes")).token(&token).send();
    changes.problem(501, "needs_database");
    assert_eq!(Curl::get(&format!("{url}/readyz")).send().good()["database"], false);
}

#[test]
fn a_relay_says_what_is_wrong_with_its_settings() {
    let refused = |listen: &str, secret: &str| {
        let relay = Device::relay(None).unwrap().with("VELO_HTTP", listen).with("JWT_SECRET", secret);
        relay.velo(&["node", "--name", "Relay", "--offline"]).unwrap_err().to_string()
    };
    let short = refused("127.0.0.1:0", "short");
    assert!(short.contains("JWT_SECRET has 5 bytes") && short.contains("32"), "{short}");
    assert!(refused("8080", "").contains("127.0.0.1:8080"));
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    assert!(refused(&address, "").contains(&address));
}
