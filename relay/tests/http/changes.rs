//! Changes by cursor.

use super::{curl::Curl, scene::Scene};
use data_encoding::BASE64;
use serde_json::Value;
use std::{
    collections::BTreeSet,
    thread,
    time::{Duration, Instant},
};
use velo_protocol::log::{Head, parse_entries};
use velo_tests::device::RELAY;

fn rows(page: &Value) -> &Vec<Value> {
    page["changes"].as_array().unwrap()
}

fn next(page: &Value) -> String {
    page["nextCursor"].as_str().unwrap().to_owned()
}

#[test]
fn pages_bring_every_entry_once_with_all_it_takes_to_check_it() {
    let Some(scene) = Scene::new("viewer") else { return };
    let mut control = scene.anna.control().unwrap();
    for number in 0..30 {
        control.add_task(&format!("Errand {number}"), None).unwrap();
    }
    scene.settle();
    let token = scene.token();
    let get = |query: &str| Curl::get(&scene.of(&format!("/changes{query}"))).token(&token).send();
    let (mut cursor, mut ids) = (String::new(), BTreeSet::new());
    loop {
        let query =
            if cursor.is_empty() { "?limit=7".to_owned() } else { format!("?limit=7&cursor={cursor}") };
        let page = get(&query).good();
        assert!(rows(&page).len() <= 7 && page["restarted"] == false);
        for change in rows(&page) {
            let bytes = |name: &str| BASE64.decode(change[name].as_str().unwrap().as_bytes()).unwrap();
            let (position, id) = (change["seq"].as_u64().unwrap(), change["previous"].as_str().unwrap());
            let before = Head { position: position - 1, id: id.parse().unwrap() };
            let entries = parse_entries(before, &[bytes("header"), bytes("body")].concat()).unwrap();
            assert_eq!(entries.len(), 1);
            assert_eq!(entries[0].id.to_string(), change["id"].as_str().unwrap());
            assert!(ids.insert(entries[0].id), "an entry came twice");
        }
        cursor = next(&page);
        if page["more"] == false {
            break;
        }
    }
    assert_eq!(ids.len().to_string(), scene.postgres.query("SELECT count(*) FROM entries e JOIN workspaces w ON w.number = e.workspace WHERE w.next_cursor > 20"));
    // The same question has the same answer.
    let again = get(&format!("?cursor={cursor}")).good();
    assert_eq!((rows(&again).len(), next(&again)), (0, cursor));
    for query in ["?cursor=AAAA", "?cursor=%27%3B--", "?cursor=%00", "?cursor="] {
        get(query).problem(400, "invalid_cursor");
    }
    for query in
        ["?limit=0", "?limit=-1", "?limit=1001", "?limit=x", "?wait=-1", "?limit=1&limit=2", "?other=1"]
    {
        get(query).problem(400, "invalid_query");
    }
}

#[test]
fn who_waits_is_woken_by_what_comes() {
    let Some(scene) = Scene::new("viewer") else { return };
    let token = scene.token();
    let get = |query: String| Curl::get(&scene.of(&query)).token(&token).send().good();
    let mut page = get("/changes?limit=1000".to_owned());
    // Acknowledgements may still be on their way.
    loop {
        let later = get(format!("/changes?cursor={}&wait=2", next(&page)));
        if rows(&later).is_empty() {
            break;
        }
        page = later;
    }
    let start = Instant::now();
    let quiet = get(format!("/changes?cursor={}&wait=1", next(&page)));
    assert!(rows(&quiet).is_empty() && start.elapsed() >= Duration::from_secs(1));
    thread::scope(|scope| {
        let waiting = scope.spawn(|| {
            let start = Instant::now();
            (get(format!("/changes?cursor={}&wait=30", next(&page))), start.elapsed())
        });
        thread::sleep(Duration::from_millis(500));
        scene.anna.control().unwrap().add_task("Come soon", None).unwrap();
        let (page, waited) = waiting.join().unwrap();
        assert!(!rows(&page).is_empty());
        assert!(waited < Duration::from_secs(15), "{waited:?}");
    });
    // Whoever waits, and the relay itself, hear through the same connection.
    let hearing = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'";
    assert_eq!(scene.postgres.query(hearing), "1");
}

#[test]
fn a_cursor_of_another_life_of_the_database_starts_over() {
    let Some(scene) = Scene::new("viewer") else { return };
    let token = scene.token();
    let get = |query: String| Curl::get(&scene.of(&query)).token(&token).send().good();
    let first = get("/changes?limit=3".to_owned());
    let on = get(format!("/changes?cursor={}", next(&first)));
    assert!(on["restarted"] == false && rows(&on)[0]["id"] != rows(&first)[0]["id"]);
    let mut cursor = next(&first);
    for restored in [
        // Out of a dump: another transaction wrote the row than it says.
        "CREATE TABLE dump AS SELECT * FROM generation; DELETE FROM generation; \
         INSERT INTO generation SELECT * FROM dump; DROP TABLE dump",
        // Another server, another timeline.
        "UPDATE generation SET system = system + 1, writer = pg_current_xact_id()::text::bigint",
        "UPDATE generation SET timeline = timeline + 1, writer = pg_current_xact_id()::text::bigint",
    ] {
        scene.postgres.query(restored);
        let over = get(format!("/changes?cursor={cursor}&limit=3"));
        assert_eq!(over["restarted"], true, "{restored}");
        assert_eq!(rows(&over)[0]["id"], rows(&first)[0]["id"]);
        cursor = next(&over);
        let on = get(format!("/changes?cursor={cursor}"));
        assert_eq!(on["restarted"], false);
    }
}

/// Nothing tells a database that its files are those of last week. Then another entry stands where somebody has
/// read to, or none.
#[test]
fn a_cursor_of_a_later_copy_of_the_database_starts_over() {
    let Some(scene) = Scene::new("viewer") else { return };
    let token = scene.token();
    let get = |query: String| Curl::get(&scene.of(&query)).token(&token).send().good();
    let first = get("/changes?limit=3".to_owned());
    let cursor = next(&first);
    assert_eq!(get(format!("/changes?cursor={cursor}"))["restarted"], false);
    scene.postgres.query("UPDATE entries SET id = sha256(id) WHERE cursor = 3");
    let over = get(format!("/changes?cursor={cursor}&limit=3"));
    assert_eq!(over["restarted"], true);
    assert_eq!(rows(&over)[0]["id"], rows(&first)[0]["id"]);
}

#[test]
fn tokens_and_cursors_outlive_the_process_and_not_the_secret() {
    let Some(scene) = Scene::new("viewer") else { return };
    let token = scene.token();
    let Scene { postgres: _postgres, mut relay, anna: _anna, url, workspace } = scene;
    let get = |query: &str| {
        Curl::get(&format!("{url}/v1/workspaces/{workspace}/changes?limit=3{query}")).token(&token).send()
    };
    let first = get("").good();
    relay.stop().unwrap();
    relay.start(None, &RELAY).unwrap();
    let on = get(&format!("&cursor={}", next(&first))).good();
    assert!(on["restarted"] == false && !rows(&on).is_empty());
    assert_ne!(rows(&on)[0]["id"], rows(&first)[0]["id"]);
    relay.stop().unwrap();
    let mut relay = relay.with("JWT_SECRET", "another secret of tests, long enough for HMAC-SHA-256");
    relay.start(None, &RELAY).unwrap();
    get("").problem(401, "token_invalid");
}

#[test]
fn while_the_database_is_away_requests_are_told_so() {
    let Some(mut scene) = Scene::new("viewer") else { return };
    let token = scene.token();
    let get = |path: &str| Curl::get(path).token(&token).send();
    let first = get(&scene.of("/changes?limit=3")).good();
    scene.postgres.kill();
    let away = get(&scene.of("/changes"));
    away.problem(503, "database_away");
    assert!(away.head.contains("retry-after: "), "{away:?}");
    get(&scene.at("/readyz")).problem(503, "database_away");
    get(&scene.at("/healthz")).good();
    scene.postgres.start_again();
    let on = get(&scene.of(&format!("/changes?cursor={}", next(&first)))).good();
    assert_eq!(on["restarted"], false, "a restart is no restore");
}
