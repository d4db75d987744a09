//! Nodes are killed again and again while they are given work. What they acknowledged is written down
//! outside their process, and must be there every time they come back.
//!
//! Writers speak to the control socket, several at once, so that commits of one and of many both are
//! hit. A kill comes 5 to 150 ms after the node was ready, and now and then before, while it opens
//! what the last kill left.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use serde_json::json;
use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use velo_protocol::dice::Dice;
use velo_tests::device::{Device, LOOPBACK, text_at, wait_equal};

/// Writers at once.
const WRITERS: u64 = 3;
/// Kills of one device; then another begins, since opening reads all that was ever written.
const KILLS_EACH: u64 = 25;
/// Devices at once.
const LANES: usize = 3;
const PATIENCE: Duration = Duration::from_mins(1);

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// How many kills `VELO_KILLS` asks for, and the dice that `VELO_SEED` does.
fn wanted() -> (u64, Dice) {
    let (seed, kills) = (number("VELO_SEED", 2026), number("VELO_KILLS", 500));
    println!("seed {seed}");
    (kills, Dice::new(seed))
}

/// Anna's device, with a workspace and a project.
fn with_project() -> anyhow::Result<Device> {
    let device = Device::new("Anna")?;
    device.velo(&["workspace", "create", "Workshop"])?;
    device.velo(&["project", "add", "House"])?;
    Ok(device)
}

/// Titles of what was acknowledged.
type Audit = Arc<Mutex<BTreeSet<String>>>;

/// Adds tasks to the running node as fast as they are acknowledged, until it is gone.
fn write(device: &Device, name: String, seed: u64, audit: &Audit) -> anyhow::Result<JoinHandle<()>> {
    let (mut control, audit, mut dice) = (device.control()?, Arc::clone(audit), Dice::new(seed));
    Ok(thread::spawn(move || {
        for task in 0.. {
            let title = format!("{name}-{task}");
            // Some are larger than what is committed at once.
            let description = (dice.below(8) == 0).then(|| "word ".repeat(dice.below(4_000) as usize));
            if control.add_task(&title, description.as_deref()).is_err() {
                return;
            }
            audit.lock().unwrap().insert(title);
        }
    }))
}

fn write_all(
    device: &Device,
    life: &str,
    dice: &mut Dice,
    audit: &Audit,
) -> anyhow::Result<Vec<JoinHandle<()>>> {
    (0..WRITERS).map(|writer| write(device, format!("{life}-{writer}"), dice.roll(), audit)).collect()
}

fn join_all(threads: Vec<JoinHandle<()>>) {
    for thread in threads {
        thread.join().unwrap();
    }
}

fn assert_there(audit: &BTreeSet<String>, found: &BTreeSet<String>, when: &str) {
    let lost: Vec<_> = audit.difference(found).collect();
    assert!(lost.is_empty(), "{when}: {} of {} are lost: {lost:?}", lost.len(), audit.len());
}

/// Kills a node while it opens.
fn kill_while_opening(device: &mut Device, dice: &mut Dice) -> anyhow::Result<()> {
    let _said = device.begin(&LOOPBACK)?;
    thread::sleep(Duration::from_millis(dice.below(80)));
    device.kill();
    Ok(())
}

/// Gives a device work and kills it, so many times. Returns how many tasks were acknowledged.
fn kill_one_device(kills: u64, mut dice: Dice) -> anyhow::Result<usize> {
    let (mut device, audit) = (with_project()?, Audit::default());
    device.start(None, &LOOPBACK)?;
    for kill in 0..kills {
        let writers = write_all(&device, &kill.to_string(), &mut dice, &audit)?;
        thread::sleep(Duration::from_millis(5 + dice.below(146)));
        device.kill();
        join_all(writers);
        if dice.below(10) == 0 {
            kill_while_opening(&mut device, &mut dice)?;
        }
        device.start(None, &LOOPBACK)?;
        assert_there(&audit.lock().unwrap(), &device.control()?.titles()?, &format!("kill {kill}"));
        if kill == KILLS_EACH / 2 {
            // What follows is killed with a saved state behind the log.
            device.stop()?;
            device.start(None, &LOOPBACK)?;
        }
    }
    let acknowledged = audit.lock().unwrap().len();
    Ok(acknowledged)
}

/// Has `one` done for so many kills, on several devices at once. Returns the sum of what it returns.
fn at_once(
    kills: u64,
    dice: &mut Dice,
    one: impl Fn(u64, Dice) -> anyhow::Result<usize> + Sync,
) -> anyhow::Result<u64> {
    let starts = (0..kills).step_by(KILLS_EACH as usize);
    let jobs: Vec<_> = starts.map(|first| (KILLS_EACH.min(kills - first), Dice::new(dice.roll()))).collect();
    let jobs = Mutex::new(jobs.into_iter());
    let lane = || {
        let mut sum = 0;
        loop {
            let Some((kills, dice)) = jobs.lock().unwrap().next() else { return anyhow::Ok(sum) };
            sum += one(kills, dice)? as u64;
        }
    };
    thread::scope(|scope| {
        let lanes: Vec<_> = (0..LANES).map(|_| scope.spawn(lane)).collect();
        lanes.into_iter().map(|lane| lane.join().unwrap()).sum()
    })
}

#[test]
fn nothing_acknowledged_is_lost_in_a_crash() -> anyhow::Result<()> {
    let ((kills, mut dice), start) = (wanted(), Instant::now());
    let acknowledged = at_once(kills, &mut dice, kill_one_device)?;
    println!("{kills} kills in {:?}, {acknowledged} acknowledged tasks, none lost", start.elapsed());
    assert!(acknowledged >= kills, "the nodes were hardly given any work");
    Ok(())
}

/// One of two devices that sync, with what it must have.
struct Side {
    device: Device,
    /// What its own writers were told, and what the other device was told that it has.
    audit: Audit,
}

impl Side {
    /// Notes, until this node is gone, what of its tasks `other` says it has stored.
    fn watch(&self, mine: &Audit, other: &Audit) -> anyhow::Result<JoinHandle<()>> {
        let (mut control, mine, other) = (self.device.control()?, Arc::clone(mine), Arc::clone(other));
        Ok(thread::spawn(move || {
            loop {
                // In this order: what comes in between is not counted.
                let written = mine.lock().unwrap().clone();
                let Ok(peers) = control.ask(&json!({ "network": "list" })) else { return };
                let peer = peers.get(0);
                let is = |field| peer.and_then(|peer| peer.get(field)).cloned();
                if is("shares") == Some(json!(true)) && is("lacks") == Some(json!(0)) {
                    other.lock().unwrap().extend(written);
                }
                thread::sleep(Duration::from_millis(5));
            }
        }))
    }
}

/// Anna and Ben, with running nodes and a workspace in common.
fn two_members() -> anyhow::Result<[Side; 2]> {
    let (mut anna, mut ben) = (with_project()?, Device::new("Ben")?);
    anna.start(None, &LOOPBACK)?;
    ben.start(None, &LOOPBACK)?;
    let invite = anna.velo(&["invite"])?;
    ben.velo(&["join", text_at(&invite, "/ticket")?])?;
    wait_equal(&[&anna, &ben], PATIENCE)?;
    for device in [&mut anna, &mut ben] {
        // Now their ports and addresses are written down, by which they find each other after a kill.
        device.stop()?;
        device.start(None, &LOOPBACK)?;
    }
    Ok([anna, ben].map(|device| Side { device, audit: Audit::default() }))
}

/// Has both write, kills either, also while it receives, and looks at both. Returns how many tasks a peer
/// was told of.
fn kill_one_of_two(kills: u64, mut dice: Dice) -> anyhow::Result<usize> {
    let mut sides = two_members()?;
    // What each wrote itself.
    let own = [Audit::default(), Audit::default()];
    for kill in 0..kills {
        let mut threads = Vec::new();
        for (side, own) in sides.iter().zip(&own) {
            threads.push(write(&side.device, format!("{kill}-{}", threads.len()), dice.roll(), own)?);
        }
        threads.push(sides[0].watch(&own[0], &sides[1].audit)?);
        threads.push(sides[1].watch(&own[1], &sides[0].audit)?);
        thread::sleep(Duration::from_millis(50 + dice.below(250)));
        // The other one ends cleanly, so that nobody sends anything again before it is looked at.
        let killed = dice.below(2) as usize;
        sides[killed].device.kill();
        sides[1 - killed].device.stop()?;
        join_all(threads);
        for (side, own) in sides.iter_mut().zip(&own) {
            let found = side.device.titles()?;
            assert_there(&own.lock().unwrap(), &found, &format!("own, kill {kill} of {killed}"));
            assert_there(&side.audit.lock().unwrap(), &found, &format!("told, kill {kill} of {killed}"));
            side.device.start(None, &LOOPBACK)?;
        }
    }
    wait_equal(&[&sides[0].device, &sides[1].device], PATIENCE)?;
    let told = sides.iter().map(|side| side.audit.lock().unwrap().len()).sum();
    Ok(told)
}

/// What a device told a peer that it holds must be there as well as what it told its own person.
#[test]
fn nothing_that_a_peer_was_told_of_is_lost_in_a_crash() -> anyhow::Result<()> {
    let ((kills, mut dice), start) = (wanted(), Instant::now());
    let kills = kills.div_ceil(10);
    let told = at_once(kills, &mut dice, kill_one_of_two)?;
    println!("{kills} kills in {:?}, {told} tasks that a peer was told of, none lost", start.elapsed());
    assert!(told >= kills, "hardly anything was told to a peer");
    Ok(())
}

#[test]
fn a_damaged_index_is_rebuilt_from_the_log() -> anyhow::Result<()> {
    let device = Device::new("Anna")?;
    device.velo(&["workspace", "create", "Workshop"])?;
    device.velo(&["project", "add", "House"])?;
    for task in 0..20 {
        device.velo(&["task", "add", &format!("Task {task}")])?;
    }
    let before = device.state_hash()?;
    let state = device.workspace_dir()?.join("state");
    assert!(state.exists(), "{} is missing", state.display());
    std::fs::remove_dir_all(&state)?;
    assert_eq!(device.state_hash()?, before, "without the index");
    let mut dice = Dice::new(7);
    for round in 0..20 {
        damage(&mut dice, &state)?;
        assert_eq!(device.state_hash()?, before, "damaged, round {round}");
    }
    Ok(())
}

/// Overwrites random bytes of every file below `dir`.
fn damage(dice: &mut Dice, dir: &Path) -> anyhow::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            damage(dice, &path)?;
            continue;
        }
        let mut bytes = std::fs::read(&path)?;
        for _ in 0..8 {
            let place = dice.below(bytes.len() as u64) as usize;
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 + dice.below(255) as u8;
            }
        }
        std::fs::write(&path, bytes)?;
    }
    Ok(())
}
