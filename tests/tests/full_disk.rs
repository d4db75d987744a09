//! A disk that fills up while a node works on it: a real file system, of some megabytes (tmpfs).
//!
//! The node says that the disk is full and what to do, keeps what it acknowledged, and works again:
//! at once at the next start, since it gives its ballast up, and for good when somebody has made room.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use serde_json::{Value, json};
use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};
use velo_tests::{
    control::Control,
    device::{Device, LOOPBACK},
    life::{Peer, Promised},
    skip,
};

/// Room for the ballast, and for four times that beside it: otherwise none is put there.
const DISK_KIB: u64 = 96 * 1024;
const BALLAST_BYTES: u64 = 16 * 1024 * 1024;

/// A file system of its own. It goes when it is dropped.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    /// `None`, and that is told, where none can be mounted.
    fn new() -> anyhow::Result<Option<Self>> {
        let folder = tempfile::tempdir()?;
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={DISK_KIB}k"), "velo-test"])
            .arg(folder.path())
            .output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            skip::tell("a tmpfs cannot be mounted (needs root)");
            return Ok(None);
        }
        Ok(Some(Self(folder)))
    }

    fn filler(&self) -> PathBuf {
        self.0.path().join("filler")
    }

    /// Fills it with something else, up to so many bytes.
    fn fill(&self, free: u64) -> anyhow::Result<()> {
        let mut file = File::options().append(true).create(true).open(self.filler())?;
        let block = vec![1; 64 * 1024];
        let full = loop {
            if let Err(error) = file.write_all(&block) {
                break error;
            }
        };
        anyhow::ensure!(full.kind() == io::ErrorKind::StorageFull, "{full}");
        file.set_len(file.metadata()?.len() - free)?;
        Ok(())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

fn ballast(device: &Device) -> PathBuf {
    device.data_dir().join("ballast")
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).map_or(0, |meta| meta.len())
}

/// Adds tasks until one is refused. Returns what was acknowledged, and the refusal.
fn add_until_refused(control: &mut Control, name: &str) -> (BTreeSet<String>, String) {
    let text = "word ".repeat(2_000);
    let mut added = BTreeSet::new();
    for n in 0..100_000 {
        let title = format!("{name} {n}");
        match control.add_task(&title, Some(&text)) {
            Ok(()) => drop(added.insert(title)),
            Err(error) => return (added, error.to_string()),
        }
    }
    panic!("the disk did not fill up");
}

fn read_only(control: &mut Control) -> anyhow::Result<String> {
    let status = control.ask(&json!("status"))?;
    Ok(status.get("read_only").and_then(Value::as_str).unwrap_or_default().to_owned())
}

#[test]
fn on_a_full_disk_nothing_is_lost_and_the_next_start_works() -> anyhow::Result<()> {
    let Some(disk) = SmallDisk::new()? else { return Ok(()) };
    let mut device = Device::new_in(disk.0.path(), "Anna")?;
    device.velo(&["workspace", "create", "Workshop"])?;
    device.velo(&["project", "add", "House"])?;
    let mut added = BTreeSet::new();
    for (round, has_ballast) in [("with ballast", true), ("without", false)] {
        device.start(None, &["--offline"])?;
        let mut control = device.control()?;
        assert_eq!(length(&ballast(&device)) == BALLAST_BYTES, has_ballast);
        disk.fill(400 * 1024)?;
        let (more, refusal) = add_until_refused(&mut control, round);
        assert!(more.len() > 5, "{round}: {} before {refusal}", more.len());
        added.extend(more);
        assert!(refusal.contains("the disk is full: make room, then start Velo again"), "{refusal}");
        assert!(read_only(&mut control)?.contains("make room"));
        let again = control.add_task("One more", None).unwrap_err().to_string();
        assert!(again.contains("make room"), "{again}");
        assert!(added.is_subset(&control.titles()?), "{round}: it is not shown any more");
        assert!(!ballast(&device).exists(), "it is given up");
        device.stop()?;
        if !has_ballast {
            // Nobody has made room: it can be read, and says why nothing can be changed.
            device.start(None, &["--offline"])?;
            let mut control = device.control()?;
            assert!(added.is_subset(&control.titles()?), "{round}: lost at the start on a full disk");
            let (_, refusal) = add_until_refused(&mut control, "on the full disk");
            assert!(refusal.contains("make room"), "{refusal}");
            device.stop()?;
        }
    }
    fs::remove_file(disk.filler())?;
    device.start(None, &["--offline"])?;
    let mut control = device.control()?;
    control.add_task("There is room again", None)?;
    assert!(added.is_subset(&control.titles()?), "lost");
    assert_eq!(length(&ballast(&device)), BALLAST_BYTES, "set aside again");
    println!("{} acknowledged tasks, none lost", added.len());
    Ok(())
}

/// With so much room left at a time that each file in turn is the one that does not fit: logs, records,
/// keys, state, address book.
#[test]
fn whatever_does_not_fit_nothing_acknowledged_is_lost() -> anyhow::Result<()> {
    let peer = Peer::new()?;
    let (start, mut refused) = (Instant::now(), 0);
    let steps = 16;
    for step in 0..steps {
        let Some(disk) = SmallDisk::new()? else { return Ok(()) };
        let mut device = Device::new_in(disk.0.path(), "Anna")?;
        // Has the ballast put there.
        device.start(None, &["--offline"])?;
        device.stop()?;
        disk.fill(step * 28 * 1024)?;
        let (mut promised, what) = (Promised::default(), format!("{} KiB left", step * 28));
        if device.start(None, &LOOPBACK).is_ok() {
            promised.live(&device, &peer);
            if let Some(refusal) = &promised.refusal {
                refused += 1;
                assert!(refusal.contains("make room"), "{what}: {refusal}\n{}", device.log());
                promised.look(&device, &what)?;
            }
            device.stop()?;
        }
        fs::remove_file(disk.filler())?;
        promised.check(&mut device, &what)?;
    }
    println!("{steps} full disks in {:?}, {refused} of them before the person was done", start.elapsed());
    assert!(refused > 0);
    Ok(())
}
