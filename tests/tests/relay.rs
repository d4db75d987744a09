//! Real relays on a real database, and devices that are never online at the same time.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use std::time::Duration;
use velo_tests::{
    device::{Device, LOOPBACK, RELAY, text_at, without_addresses},
    postgres::Postgres,
    relay::{address, carry, ticket, wait_kept},
};

const PATIENCE: Duration = Duration::from_mins(1);

fn add(device: &Device, titles: std::ops::Range<u32>) -> anyhow::Result<()> {
    let mut control = device.control()?;
    titles.into_iter().try_for_each(|number| control.add_task(&format!("Secret errand {number}"), None))
}

/// How many entries of a database hold a text, in any column.
fn entries_with(postgres: &Postgres, text: &str) -> String {
    postgres.query(&format!(
        "SELECT count(*) FROM entries WHERE position('{text}'::bytea IN body) > 0 \
         OR position('{text}'::bytea IN header) > 0"
    ))
}

#[test]
fn two_who_are_never_online_together_agree_through_a_relay_that_reads_nothing() -> anyhow::Result<()> {
    let Some(mut postgres) = Postgres::start() else { return Ok(()) };
    let mut relay = Device::relay(Some(postgres.url()))?;
    let (mut anna, mut ben) = (Device::new("Anna")?, Device::new("Ben")?);
    anna.velo(&["workspace", "create", "Workshop"])?;
    anna.velo(&["project", "add", "House"])?;
    anna.start(None, &LOOPBACK)?;
    relay.start(None, &RELAY)?;
    carry(&relay, &anna, "Workshop")?;
    add(&anna, 0..40)?;
    wait_kept(&anna)?;
    let for_ben = ticket(&anna, "member")?;
    wait_kept(&anna)?;
    let of_anna = anna.state_hash()?;
    anna.stop()?;

    // Anna is away. Her ticket names the relay: Ben joins by it, and works.
    ben.start(None, &LOOPBACK)?;
    ben.velo(&["join", &for_ben])?;
    ben.wait_for("everything that Anna did", PATIENCE, |ben| {
        Ok(ben.titles().is_ok_and(|titles| titles.len() == 40))
    })?;
    add(&ben, 40..80)?;
    wait_kept(&ben)?;
    ben.stop()?;

    // The power fails where the relay is, and comes back.
    relay.kill();
    postgres.kill();
    postgres.start_again();
    relay.start(None, &RELAY)?;
    anna.start(None, &LOOPBACK)?;
    anna.velo(&["peers", "add", &address(&relay)?])?;
    anna.wait_for("what Ben did", PATIENCE, |anna| Ok(anna.titles()?.len() == 80))?;
    wait_kept(&anna)?;
    assert_eq!(anna.state_hash()?, ben.state_hash()?);
    assert_ne!(of_anna, ben.state_hash()?);

    // What the database holds is encrypted, and complete; the relay itself knows no name.
    assert_eq!(entries_with(&postgres, "Secret errand"), "0");
    let dense = postgres.query("SELECT count(*) > 80 AND bool_and(entries = last) FROM (SELECT count(*) AS entries, max(cursor) AS last FROM entries GROUP BY workspace) AS workspaces, entries");
    assert_eq!(dense, "t");
    let seen = relay.velo(&["status"])?.to_string();
    assert!(!seen.contains("Workshop") && !seen.contains("House"), "{seen}");
    assert_eq!(postgres.query("SELECT count(*) FROM velo.tasks"), "0");
    let report = relay.velo(&["doctor", "--verify"])?;
    assert!(report.to_string().contains("\"good\""), "{report}");

    // The team lets it read: its tables have the rows, each once. Until it may not any more.
    anna.velo(&["relay", "role", "viewer"])?;
    relay.wait_for("rows", PATIENCE, |_| {
        Ok(postgres.query("SELECT count(*), count(DISTINCT title) FROM velo.tasks") == "80|80")
    })?;
    let made = postgres.query("SELECT person, count(*) FROM velo.activity WHERE kind = 'task' AND action = 'created' GROUP BY 1 ORDER BY 1");
    assert_eq!(made, "Anna|40\nBen|40");
    anna.velo(&["relay", "role", "none"])?;
    relay.wait_for("no rows", PATIENCE, |_| Ok(postgres.query("SELECT count(*) FROM velo.tasks") == "0"))?;
    Ok(())
}

#[test]
fn a_new_relay_is_filled_by_the_devices_and_a_new_device_by_the_relay() -> anyhow::Result<()> {
    let (mut first, mut second) = (Device::relay(None)?, Device::relay(None)?);
    let mut anna = Device::new("Anna")?;
    anna.velo(&["workspace", "create", "Workshop"])?;
    anna.velo(&["project", "add", "House"])?;
    anna.start(None, &LOOPBACK)?;
    add(&anna, 0..20)?;
    first.start(None, &RELAY)?;
    carry(&first, &anna, "Workshop")?;
    wait_kept(&anna)?;
    // The disk of the first is gone. Another one takes its place.
    first.stop()?;
    second.start(None, &RELAY)?;
    carry(&second, &anna, "Workshop again")?;
    let rows = anna.velo(&["relay", "list"])?;
    let gone = text_at(
        rows.as_array().and_then(|rows| rows.iter().find(|row| row["connected"] == false)).unwrap(),
        "/id",
    )?;
    anna.velo(&["relay", "remove", gone])?;
    wait_kept(&anna)?;
    let for_ben = ticket(&anna, "member")?;
    wait_kept(&anna)?;
    anna.stop()?;

    let mut ben = Device::new("Ben")?;
    ben.start(None, &LOOPBACK)?;
    ben.velo(&["join", &for_ben])?;
    ben.wait_for("everything that Anna did", PATIENCE, |ben| {
        Ok(ben.titles().is_ok_and(|titles| titles.len() == 20))
    })?;
    Ok(())
}

#[test]
fn a_relay_carries_only_for_those_whom_its_operator_gave_a_token() -> anyhow::Result<()> {
    let mut relay = Device::relay(None)?;
    let mut anna = Device::new("Anna")?;
    for name in ["Workshop", "Garden"] {
        anna.velo(&["workspace", "create", name])?;
    }
    anna.start(None, &LOOPBACK)?;
    relay.start(None, &RELAY)?;
    let at = address(&relay)?;
    let add = |workspace: &str, token: &str| {
        let add = anna.velo(&["relay", "add", &at, "--token", token, "--workspace", workspace]);
        add.map(drop).map_err(|error| error.to_string())
    };
    assert!(add("Workshop", "").unwrap_err().contains("asks for a token"));
    assert!(add("Workshop", "relay-guessed").unwrap_err().contains("does not know that token"));
    let made = relay.velo(&["token", "add", "Anna", "--workspaces", "1"])?;
    let token = text_at(&made, "/token")?;
    add("Workshop", token).unwrap();
    add("Workshop", token).unwrap();
    assert!(add("Garden", token).unwrap_err().contains("used up"));
    let listed = relay.velo(&["token", "list"])?;
    assert_eq!(listed[0]["admitted"].as_array().map(Vec::len), Some(1), "{listed}");
    relay.velo(&["token", "remove", "Anna"])?;
    assert!(add("Garden", token).unwrap_err().contains("does not know"));
    // A device that is no relay says so.
    let mut ben = Device::new("Ben")?;
    ben.start(None, &LOOPBACK)?;
    let refused =
        anna.velo(&["relay", "add", &address(&ben)?, "--workspace", "Garden"]).unwrap_err().to_string();
    assert!(refused.contains("carries for nobody"), "{refused}");
    let nameless = anna.velo(&["relay", "add", "/ip4/127.0.0.1/tcp/4001"]).unwrap_err().to_string();
    assert!(nameless.contains("/p2p/"), "{nameless}");
    Ok(())
}

#[test]
fn two_relays_on_one_database_hand_each_other_what_their_devices_write() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start() else { return Ok(()) };
    let (mut first, mut second) =
        (Device::relay(Some(postgres.url()))?, Device::relay(Some(postgres.url()))?);
    let (mut anna, mut ben) = (Device::new("Anna")?, Device::new("Ben")?);
    anna.velo(&["workspace", "create", "Workshop"])?;
    anna.velo(&["project", "add", "House"])?;
    anna.start(None, &LOOPBACK)?;
    first.start(None, &RELAY)?;
    carry(&first, &anna, "First")?;
    wait_kept(&anna)?;
    let for_ben = without_addresses(&ticket(&anna, "member")?)?;
    wait_kept(&anna)?;
    // Ben knows the second alone. It carries nothing yet; the database does.
    second.start(None, &RELAY)?;
    carry(&second, &anna, "Second")?;
    wait_kept(&anna)?;
    anna.velo(&["peers", "remove", &address(&second)?])?;
    ben.start(None, &LOOPBACK)?;
    ben.velo(&["peers", "add", &address(&second)?])?;
    ben.velo(&["join", &for_ben])?;
    ben.wait_for("the project", PATIENCE, |ben| Ok(ben.titles().is_ok()))?;
    let between = [&anna, &ben];
    for device in between {
        let peers = device.velo(&["peers", "list"])?;
        assert!(!peers.to_string().contains("Anna") && !peers.to_string().contains("Ben"), "{peers}");
    }
    for round in 0..10 {
        let (writer, reader) = (between[round % 2], between[(round + 1) % 2]);
        let title = format!("Errand {round}");
        writer.velo(&["task", "add", &title])?;
        reader.wait_for(&title, PATIENCE, |reader| Ok(reader.titles()?.contains(&title)))?;
    }
    assert_eq!(anna.state_hash()?, ben.state_hash()?);
    let forked = postgres.query(
        "SELECT count(*) FROM (SELECT log FROM chains GROUP BY workspace, log HAVING count(*) > 1) AS forked",
    );
    assert_eq!(forked, "0");
    let twice = postgres
        .query("SELECT count(*) FROM (SELECT id FROM entries GROUP BY id HAVING count(*) > 1) AS twice");
    assert_eq!(twice, "0");
    Ok(())
}

#[test]
fn a_relay_says_what_is_wrong_with_its_database() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start() else { return Ok(()) };
    let mut relay = Device::relay(Some(postgres.url()))?;
    relay.start(None, &RELAY)?;
    relay.stop()?;
    // Its logs lie there, and are not looked for elsewhere.
    let astray = relay.without_database().velo(&["status"]).unwrap_err().to_string();
    assert!(astray.contains("lie in a database, not in files"), "{astray}");
    let url = postgres.url();
    drop(postgres);
    let away = Device::relay(Some(url))?;
    let error = away.velo(&["node", "--name", "Relay"]).unwrap_err().to_string();
    assert!(error.contains("cannot be reached") && error.contains("DATABASE_URL"), "{error}");
    let wrong = Device::relay(Some("mysql://nowhere".to_owned()))?;
    let error = wrong.velo(&["node", "--name", "Relay"]).unwrap_err().to_string();
    assert!(error.contains("DATABASE_URL"), "{error}");
    Ok(())
}
