//! One address that has as much open as it may.

use super::{
    curl::Curl,
    scene::{PATIENCE, SECRET, Scene},
};
use std::{
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};
use velo_tests::{
    device::{Device, RELAY},
    lan::Lan,
    netns, skip,
};

/// Fills the places of an address, asks for one more, and gives one back.
const CROWD: &str = r#"
# Who writes to what was closed is told, and goes on.
trap '' PIPE
connect() { exec {fd}<>/dev/tcp/10.77.0.1/8080; }
ask() { printf 'GET /healthz HTTP/1.1\r\nHost: relay\r\n\r\n' >&"$1" && read -r line <&"$1"; }
for _ in $(seq 64); do connect; kept=$fd; done
connect
ask "$fd" 2>/dev/null && echo "one too many is answered"
ask "$kept" && echo "kept: ${line%$'\r'}"
exec {kept}>&-
for _ in $(seq 500); do
    connect
    ask "$fd" 2>/dev/null && { echo "again: ${line%$'\r'}"; break; }
    exec {fd}>&-
done
"#;

#[test]
fn an_address_with_too_many_connections_gets_no_more_and_others_do() {
    if let Some(why) = netns::unavailable() {
        skip::tell(why);
        return;
    }
    let lan = Lan::new(2).unwrap();
    let [here, guest] = lan.hosts() else { unreachable!("there are two") };
    let mut relay =
        Device::relay(None).unwrap().with("VELO_HTTP", "10.77.0.1:8080").with("JWT_SECRET", SECRET);
    relay.start(Some(here), &RELAY).unwrap();
    let crowd = guest.command(Path::new("bash")).args(["-c", CROWD]).output().unwrap();
    let told = String::from_utf8_lossy(&crowd.stdout);
    assert_eq!(told, "kept: HTTP/1.1 200 OK\nagain: HTTP/1.1 200 OK\n", "{crowd:?}");
    // While somebody holds all places of one address, another one is answered.
    let held = CROWD.split("connect\n").next().unwrap().to_owned() + "echo full; read -r";
    let mut crowd = guest.command(Path::new("bash"));
    crowd.args(["-c", &held]).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut crowd = crowd.spawn().unwrap();
    let mut full = String::new();
    std::io::BufRead::read_line(&mut std::io::BufReader::new(crowd.stdout.take().unwrap()), &mut full)
        .unwrap();
    let asked = here
        .command(Path::new("curl"))
        .args(["-sS", "--noproxy", "*", "http://10.77.0.1:8080/healthz"])
        .output();
    drop(crowd.stdin.take());
    crowd.wait().unwrap();
    assert_eq!((full.as_str(), asked.unwrap().stdout), ("full\n", br#"{"status":"ok"}"#.to_vec()));
}

#[test]
fn behind_a_proxy_an_address_has_so_many_requests_open_and_no_more() {
    let Some(scene) = Scene::new("viewer") else { return };
    let token = scene.token();
    let mut query = "?limit=1000".to_owned();
    // Acknowledgements may still be on their way.
    let cursor = loop {
        let page = Curl::get(&scene.of(&format!("/changes{query}"))).token(&token).send().good();
        let cursor = page["nextCursor"].as_str().unwrap().to_owned();
        if page["changes"].as_array().unwrap().is_empty() {
            break cursor;
        }
        query = format!("?wait=2&cursor={cursor}");
    };
    let mut waiting = Command::new("curl");
    waiting.args(["-sS", "--noproxy", "*", "--parallel", "--parallel-immediate", "--parallel-max", "64"]);
    waiting.args(["-H", "X-Forwarded-For: 203.0.113.7", "-H", &format!("Authorization: Bearer {token}")]);
    waiting.arg(scene.of(&format!("/changes?wait=60&cursor={cursor}&limit=[1-64]")));
    let mut waiting = waiting.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let ask = |from: &str| {
        let asked = Curl::get(&scene.at("/openapi.json")).arg("-H").arg(&format!("X-Forwarded-For: {from}"));
        asked.send()
    };
    let until = Instant::now() + PATIENCE;
    while ask("203.0.113.7").status != 429 {
        assert!(Instant::now() < until, "there is always room for more");
        thread::sleep(Duration::from_millis(20));
    }
    let refused = ask("203.0.113.7");
    refused.problem(429, "too_many_requests");
    assert!(refused.text.contains("at once") && refused.head.contains("retry-after: "), "{refused:?}");
    ask("203.0.113.8").good();
    waiting.kill().unwrap();
    waiting.wait().unwrap();
    while ask("203.0.113.7").status != 200 {
        assert!(Instant::now() < until, "places are not given back");
        thread::sleep(Duration::from_millis(20));
    }
}
