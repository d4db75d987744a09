//! Real relays on a real database, and devices that are never online at the same time.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use anyhow::Context;
use serde_json::Value;
use std::time::Duration;
use velo_tests::{
    device::{Device, LOOPBACK, RELAY, text_at, wait_equal},
    postgres::Postgres,
};

const PATIENCE: Duration = Duration::from_mins(1);

/// Where a running node is reached.
fn address(device: &Device) -> anyhow::Result<String> {
    let status = device.velo(&["status"])?;
    let address = status.pointer("/addresses/0").and_then(Value::as_str);
    address.map(str::to_owned).with_context(|| format!("no address in {status}"))
}

fn ticket(device: &Device, role: &str) -> anyhow::Result<String> {
    Ok(text_at(&device.velo(&["invite", "--role", role])?, "/ticket")?.to_owned())
}

fn add(device: &Device, titles: std::ops::Range<u32>) -> anyhow::Result<()> {
    let mut control = device.control()?;
    titles.into_iter().try_for_each(|number| control.add_task(&format!("Secret errand {number}"), None))
}

#[test]
fn two_who_are_never_online_together_agree_through_the_database_of_a_relay() -> anyhow::Result<()> {
    let Some(mut postgres) = Postgres::start() else { return Ok(()) };
    let mut relay = Device::relay(Some(postgres.url()))?;
    let (mut anna, mut ben) = (Device::new("Anna")?, Device::new("Ben")?);
    anna.velo(&["workspace", "create", "Workshop"])?;
    anna.velo(&["project", "add", "House"])?;
    anna.start(None, &LOOPBACK)?;
    relay.start(None, &RELAY)?;
    relay.velo(&["join", &ticket(&anna, "viewer")?])?;
    let for_ben = ticket(&anna, "member")?;
    add(&anna, 0..40)?;
    wait_equal(&[&anna, &relay], PATIENCE)?;
    anna.stop()?;

    // Anna is away. Ben joins by the relay, and works.
    ben.start(None, &LOOPBACK)?;
    ben.velo(&["peers", "add", &address(&relay)?])?;
    ben.velo(&["join", &for_ben])?;
    wait_equal(&[&ben, &relay], PATIENCE)?;
    add(&ben, 40..80)?;
    wait_equal(&[&ben, &relay], PATIENCE)?;
    ben.stop()?;

    // The power fails where the relay is, and comes back.
    relay.kill();
    postgres.kill();
    postgres.start_again();
    relay.start(None, &RELAY)?;
    anna.start(None, &LOOPBACK)?;
    anna.velo(&["peers", "add", &address(&relay)?])?;
    wait_equal(&[&anna, &relay], PATIENCE)?;
    assert_eq!(anna.titles()?.len(), 80);
    // A viewer has the keys, so its tables have the rows, each once.
    relay.wait_for("rows", PATIENCE, |_| {
        Ok(postgres.query("SELECT count(*), count(DISTINCT title) FROM velo.tasks") == "80|80")
    })?;
    let made = postgres.query("SELECT person, count(*) FROM velo.activity WHERE kind = 'task' AND action = 'created' GROUP BY 1 ORDER BY 1");
    assert_eq!(made, "Anna|40\nBen|40");
    assert_eq!(anna.state_hash()?, ben.state_hash()?);

    // What the database holds is encrypted, and complete.
    let found = postgres.query(
        "SELECT count(*) FROM entries WHERE position('Secret errand'::bytea IN body) > 0 OR position('Secret errand'::bytea IN header) > 0",
    );
    assert_eq!(found, "0");
    let dense = postgres.query("SELECT count(*) > 80 AND bool_and(entries = last) FROM (SELECT count(*) AS entries, max(cursor) AS last FROM entries GROUP BY workspace) AS workspaces, entries");
    assert_eq!(dense, "t");
    let report = relay.velo(&["doctor", "--verify"])?;
    assert!(report.to_string().contains("\"good\""), "{report}");
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
