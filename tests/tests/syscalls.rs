//! A short life of a real node, cut off or failed at every system call that changes its files.
//!
//! `strace` lets the node live once and tells which calls touched its files. Then it lives once for
//! each of these calls: killed on entering it, or with that call and all later ones of its kind
//! failing. What the node acknowledged until then, to its person or to a peer, must be there at the
//! next start, and what comes next must work.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Instant,
};
use velo_tests::{
    device::{Device, LOOPBACK},
    life::{Peer, Promised},
    skip,
};

/// Those that change files.
const CALLS: [&str; 14] = [
    "openat",
    "write",
    "pwrite64",
    "fdatasync",
    "fsync",
    "sync_file_range",
    "ftruncate",
    "fallocate",
    "rename",
    "renameat2",
    "unlink",
    "unlinkat",
    "rmdir",
    "mkdir",
];
/// Of these, those that a full or broken disk fails, and that touch nothing but files.
const FAILING: [&str; 8] =
    ["pwrite64", "fdatasync", "fsync", "sync_file_range", "ftruncate", "rename", "mkdir", "fallocate"];
/// Lives at once.
const AT_ONCE: usize = 2;

/// One life under strace, with these options of it.
fn live(peer: &Peer, options: &[String]) -> anyhow::Result<(Device, Promised, Option<Value>)> {
    let mut device = Device::new("Anna")?;
    let strace = ["strace", "-f", "-qq"].map(str::to_owned);
    let mut promised = Promised::default();
    if device.start_under(&[&strace[..], options].concat(), &LOOPBACK).is_err() {
        device.kill();
        return Ok((device, promised, None));
    }
    promised.live(&device, peer);
    let status = device.control().and_then(|mut control| control.ask(&json!("status"))).ok();
    device.stop()?;
    Ok((device, promised, status))
}

/// Calls of a life that touch its files: kind, and which of its kind in its thread, as strace counts.
fn calls(trace: &str, folders: &[String]) -> BTreeSet<(String, usize)> {
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for line in trace.lines() {
        let Some((thread, rest)) = line.split_once(' ') else { continue };
        let Some((call, arguments)) = rest.trim_start().split_once('(') else { continue };
        if !CALLS.contains(&call) {
            continue;
        }
        let count = counts.entry((thread, call)).or_default();
        *count += 1;
        let is_theirs = folders.iter().any(|folder| arguments.contains(folder));
        // Nothing is read from there.
        let is_theirs = is_theirs && !arguments.contains("/data/ballast");
        let changes = call != "openat" || arguments.contains("O_CREAT") || arguments.contains("O_TRUNC");
        if is_theirs && changes {
            found.insert((call.to_owned(), *count));
        }
    }
    found
}

/// Lives once to its end; `None` if strace cannot be used here.
fn traced() -> anyhow::Result<Option<BTreeSet<(String, usize)>>> {
    let probe = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).status();
    if !probe.is_ok_and(|status| status.success()) {
        skip::tell("strace is missing or may not trace here (apt-get install strace)");
        return Ok(None);
    }
    let home = tempfile::tempdir()?;
    let file = home.path().join("trace");
    let options = ["-y", "-o", file.to_str().unwrap(), "-e", &format!("trace={}", CALLS.join(","))];
    let (device, promised, _) = live(&Peer::new()?, &options.map(str::to_owned))?;
    assert!(promised.is_whole, "{promised:?}");
    let folders = [device.data_dir(), device.state_dir()].map(|path| path.display().to_string());
    Ok(Some(calls(&fs::read_to_string(file)?, &folders)))
}

/// Does something for every point, several at once, each beside a peer of its own.
fn for_each(points: &[(String, usize)], check: impl Fn(&Peer, &str, usize) -> anyhow::Result<()> + Sync) {
    let (next, failures) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                let peer = Peer::new().unwrap();
                while let Some((call, n)) = points.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(error) = check(&peer, call, *n) {
                        failures.lock().unwrap().push(format!("{call} {n}: {error:#}"));
                    }
                }
            });
        }
    });
    let failures = failures.into_inner().unwrap();
    assert!(failures.is_empty(), "{} of {}: {failures:#?}", failures.len(), points.len());
}

#[test]
fn killed_at_every_call_of_a_nodes_life_nothing_acknowledged_is_lost() -> anyhow::Result<()> {
    let Some(points) = traced()? else { return Ok(()) };
    let (points, start) = (points.into_iter().collect::<Vec<_>>(), Instant::now());
    let killed = AtomicUsize::new(0);
    for_each(&points, |peer, call, n| {
        let options = ["-o", "/dev/null", "-e", &format!("inject={call}:signal=KILL:when={n}")];
        let (mut device, promised, status) = live(peer, &options.map(str::to_owned))?;
        killed.fetch_add(usize::from(status.is_none()), Ordering::Relaxed);
        promised.check(&mut device, &format!("killed at {call} {n}"))
    });
    println!(
        "{} kill points, {} before the person was done, in {:?}; nothing was lost",
        points.len(),
        killed.into_inner(),
        start.elapsed()
    );
    Ok(())
}

#[test]
fn with_every_call_failing_nothing_acknowledged_is_lost_and_people_are_told() -> anyhow::Result<()> {
    let Some(points) = traced()? else { return Ok(()) };
    let points = points.into_iter().filter(|(call, _)| FAILING.contains(&call.as_str()));
    let (points, start) = (points.collect::<Vec<_>>(), Instant::now());
    let (told, unharmed) = (AtomicUsize::new(0), AtomicUsize::new(0));
    for_each(&points, |peer, call, n| {
        let error = if n % 2 == 0 { "EIO" } else { "ENOSPC" };
        let options = ["-o", "/dev/null", "-e", &format!("inject={call}:error={error}:when={n}+")];
        let (mut device, promised, status) = live(peer, &options.map(str::to_owned))?;
        let what = format!("{error} at {call} {n}");
        if promised.is_whole {
            unharmed.fetch_add(1, Ordering::Relaxed);
        } else if let Some(refusal) = &promised.refusal {
            told.fetch_add(1, Ordering::Relaxed);
            let status =
                status.with_context(|| format!("{what}: the node ended: {refusal}; {}", device.log()))?;
            let says = status.get("read_only").and_then(Value::as_str).unwrap_or(refusal);
            ensure!(
                ["start Velo again", "check the disk", "make room"].iter().any(|words| says.contains(words)),
                "{what}: nothing says what to do: {says}; {refusal}"
            );
        }
        promised.check(&mut device, &what)
    });
    println!(
        "{} failing calls in {:?}: people were told {} times, {} did not matter",
        points.len(),
        start.elapsed(),
        told.into_inner(),
        unharmed.into_inner()
    );
    Ok(())
}
