//! Attachments that reach who is never online at the same time, through real relays that cannot read them.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use std::{fs, path::Path, time::Duration};
use velo_tests::{
    device::{Device, LOOPBACK, RELAY, text_at, without_addresses},
    postgres::Postgres,
    relay::{address, carry, ticket, wait_kept},
};

const PATIENCE: Duration = Duration::from_mins(1);
/// What the file is full of.
const SECRET: &str = "Where the spare key lies ";

/// Anna, at work on a task.
fn at_work() -> anyhow::Result<Device> {
    let mut anna = Device::new("Anna")?;
    anna.velo(&["workspace", "create", "Workshop"])?;
    anna.velo(&["project", "add", "House"])?;
    anna.velo(&["task", "add", "Fix the leak"])?;
    anna.start(None, &LOOPBACK)?;
    Ok(anna)
}

/// Attaches a text of some megabytes. Returns how it is named, and the text.
fn attach(device: &Device, name: &str, megabytes: usize) -> anyhow::Result<(String, String)> {
    let text: String = (0..).map(|n| format!("{SECRET}{n}\n")).take(megabytes * 36_000).collect();
    let path = device.data_dir().with_file_name(name);
    fs::write(&path, &text)?;
    let rows = device.velo(&["attach", "add", "HOUS-1", path.to_str().unwrap()])?;
    Ok((text_at(&rows, "/0/short")?.to_owned(), text))
}

/// Saves an attachment, from wherever it comes, and says whether it is the text.
fn saves(device: &Device, short: &str, text: &str) -> anyhow::Result<bool> {
    let path = device.data_dir().with_file_name(format!("saved-{short}"));
    device.velo(&["attach", "save", short, path.to_str().unwrap(), "--wait", "60"])?;
    Ok(fs::read_to_string(path)? == text)
}

/// Whether a file below a folder holds the text of the attachment.
fn any_file_tells(folder: &Path) -> bool {
    fs::read_dir(folder).into_iter().flatten().flatten().any(|item| {
        let tells = |bytes: Vec<u8>| bytes.windows(SECRET.len()).any(|at| at == SECRET.as_bytes());
        item.path().is_dir() && any_file_tells(&item.path()) || fs::read(item.path()).is_ok_and(tells)
    })
}

/// Ben comes in by Anna's ticket while she is away, and reads what she attached.
fn comes_and_reads(ticket: &str, short: &str, text: &str) -> anyhow::Result<Device> {
    let mut ben = Device::new("Ben")?;
    ben.start(None, &LOOPBACK)?;
    ben.velo(&["join", ticket])?;
    ben.wait_for("the attachment", PATIENCE, |ben| {
        Ok(ben.velo(&["attach", "list", "HOUS-1"]).is_ok_and(|rows| rows.to_string().contains(short)))
    })?;
    assert!(saves(&ben, short, text)?);
    Ok(ben)
}

fn hands_on(database: Option<String>) -> anyhow::Result<(Device, Device, Device)> {
    let (mut anna, mut relay) = (at_work()?, Device::relay(database)?);
    relay.start(None, &RELAY)?;
    let (early, text) = attach(&anna, "early.txt", 1)?;
    carry(&relay, &anna, "Workshop")?;
    let (late, longer) = attach(&anna, "late.txt", 4)?;
    wait_kept(&anna)?;
    let for_ben = ticket(&anna, "member")?;
    wait_kept(&anna)?;
    anna.stop()?;
    // The power fails where the relay is, and comes back.
    relay.kill();
    relay.start(None, &RELAY)?;
    let ben = comes_and_reads(&for_ben, &early, &text)?;
    assert!(saves(&ben, &late, &longer)?);
    assert!(!any_file_tells(&relay.data_dir()), "the relay cannot read it");
    Ok((anna, ben, relay))
}

#[test]
fn a_file_reaches_who_is_never_online_at_the_same_time() -> anyhow::Result<()> {
    let (mut anna, mut ben, relay) = hands_on(None)?;
    let storage = relay.velo(&["storage"])?;
    assert!(storage.pointer("/workspaces/0/carried").unwrap().as_u64().unwrap() > 5_000_000, "{storage}");
    assert_eq!(
        relay.velo(&["storage", "clean"])?.pointer("/dropped/blobs").unwrap(),
        0,
        "it is nobody's to drop"
    );
    // And the other way: who came in by the relay attaches something.
    let (photo, text) = attach(&ben, "photo.txt", 1)?;
    wait_kept(&ben)?;
    ben.stop()?;
    anna.start(None, &LOOPBACK)?;
    anna.velo(&["peers", "add", &address(&relay)?])?;
    anna.wait_for("what Ben attached", PATIENCE, |anna| {
        Ok(anna.velo(&["attach", "list", "HOUS-1"])?.to_string().contains(&photo))
    })?;
    assert!(saves(&anna, &photo, &text)?);
    Ok(())
}

#[test]
fn with_a_database_the_same_lies_there_and_any_relay_on_it_hands_it_on() -> anyhow::Result<()> {
    let Some(postgres) = Postgres::start() else { return Ok(()) };
    let (mut anna, _ben, mut first) = hands_on(Some(postgres.url()))?;
    let kept = postgres.query("SELECT count(*) > 20, sum(octet_length(bytes)) > 5000000 FROM blobs");
    assert_eq!(kept, "t|t");
    assert_eq!(
        postgres.query(&format!("SELECT count(*) FROM blobs WHERE position('{SECRET}'::bytea IN bytes) > 0")),
        "0"
    );
    let counted = "SELECT (SELECT sum(octet_length(bytes)) FROM blobs) = (SELECT sum(bytes) FROM blobs_size)";
    assert_eq!(postgres.query(counted), "t");
    assert!(!first.workspace_dir()?.join("blobs").exists(), "nothing of it lies in files");

    // Another relay on the same database has what Anna gave the first.
    anna.start(None, &LOOPBACK)?;
    anna.velo(&["peers", "add", &address(&first)?])?;
    let (late, text) = attach(&anna, "late.txt", 2)?;
    wait_kept(&anna)?;
    let mut second = Device::relay(Some(postgres.url()))?;
    second.start(None, &RELAY)?;
    carry(&second, &anna, "Second")?;
    wait_kept(&anna)?;
    let for_carla = without_addresses(&ticket(&anna, "member")?)?;
    wait_kept(&anna)?;
    anna.stop()?;
    first.stop()?;
    let mut carla = Device::new("Carla")?;
    carla.start(None, &LOOPBACK)?;
    carla.velo(&["peers", "add", &address(&second)?])?;
    carla.velo(&["join", &for_carla])?;
    carla.wait_for("the attachment", PATIENCE, |carla| {
        Ok(carla.velo(&["attach", "list", "HOUS-1"]).is_ok_and(|rows| rows.to_string().contains(&late)))
    })?;
    assert!(saves(&carla, &late, &text)?);
    Ok(())
}
