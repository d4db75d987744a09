//! A node is killed again and again while it is given work. What it acknowledged is written down
//! outside the process, and must be there every time it comes back.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use std::{
    collections::BTreeSet,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};
use velo_protocol::dice::Dice;
use velo_tests::device::Device;

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn titles(device: &Device) -> anyhow::Result<BTreeSet<String>> {
    let tasks = device.velo(&["task", "list"])?;
    let rows = tasks.as_array().or_else(|| tasks.get("tasks").and_then(|rows| rows.as_array()));
    let title =
        |row: &serde_json::Value| row.get("title").and_then(|title| title.as_str()).map(str::to_owned);
    Ok(rows.into_iter().flatten().filter_map(title).collect())
}

#[test]
fn nothing_acknowledged_is_lost_in_a_crash() -> anyhow::Result<()> {
    let (seed, kills) = (number("VELO_SEED", 2026), number("VELO_KILLS", 50));
    println!("seed {seed}");
    let mut dice = Dice::new(seed);
    let mut device = Device::new("Anna")?;
    device.velo(&["workspace", "create", "Workshop"])?;
    device.velo(&["project", "add", "House"])?;
    let mut acknowledged = BTreeSet::new();
    for kill in 0..kills {
        device.start(None, &["--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"])?;
        let life = Duration::from_millis(20 + dice.below(300));
        let node = device.node_id().expect("it was just started");
        let killer = std::thread::spawn(move || {
            std::thread::sleep(life);
            Command::new("kill").args(["-KILL", &node.to_string()]).status()
        });
        let end = Instant::now() + life + Duration::from_millis(50);
        for task in 0.. {
            if Instant::now() >= end || !device.is_running() {
                break;
            }
            // After the kill a command may find nobody, or open the directory itself: either way
            // only its success counts as an acknowledgement.
            let title = format!("Task {kill}-{task}");
            if device.velo(&["task", "add", &title]).is_ok() {
                acknowledged.insert(title);
            }
        }
        killer.join().expect("it only sleeps and kills")?;
        device.kill();
        let found = titles(&device)?;
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "after kill {kill} these are lost: {lost:?}");
    }
    println!("{kills} kills, {} acknowledged tasks, none lost", acknowledged.len());
    assert!(acknowledged.len() as u64 >= kills, "the node was hardly given any work");
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
