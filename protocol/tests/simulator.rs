//! Simulated schedules: `VELO_SCHEDULES` says how many (default 300), `VELO_SEED` replays one.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may fail by panicking, and the environment says how many schedules"
)]

use std::{
    env,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use velo_protocol::sim::{self, Coverage, Failure};

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// Runs the schedules of seeds `0..count` on every core.
fn run_all(count: u64) -> (Coverage, Vec<Failure>) {
    let next = AtomicU64::new(0);
    let results = Mutex::new((Coverage::default(), Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= count || results.lock().unwrap().1.len() >= 5 {
                        return;
                    }
                    let result = sim::run(seed);
                    let mut results = results.lock().unwrap();
                    match result {
                        Ok(report) => {
                            results.0.count("schedule");
                            results.0.merge(&report.coverage);
                        }
                        Err(failure) => results.1.push(failure),
                    }
                }
            });
        }
    });
    results.into_inner().unwrap()
}

/// A fault that never strikes proves nothing: how often each must have, in every thousand schedules.
const PEOPLE: &[(&str, u64)] = &[
    ("appoint", 300),
    ("remove", 300),
    ("raise a role", 300),
    ("lower a role", 300),
    ("leave", 100),
    ("let in again", 300),
    ("invite", 300),
    ("revoke", 100),
    ("unlink", 60),
    ("unlink with the words", 40),
    ("removals on both sides of a split", 50),
    ("late join away from the inviter", 100),
    ("inviter off during a join", 50),
    ("late joiner is in", 50),
    ("join refused", 50),
    ("told of the removal", 500),
    ("told of having left", 200),
    ("told that the device was taken", 100),
    ("told of a role that is too low", 200),
    ("key checked at a write", 10_000),
    ("key checked after somebody was out", 2_000),
    ("member's device at the end", 1_000),
    ("device locked out at the end", 100),
    ("joining undone at the end", 5),
    ("void entries at the end", 1_000),
];

/// The same for what a member that cheats did.
const CHEATS: &[(&str, u64)] = &[
    ("cheat floods", 20),
    ("cheat forks its log", 200),
    ("fork by a cheat seen", 200),
    ("cheat opens a log", 100),
    ("cheat claims a device", 50),
    ("cheat disconnected", 50),
    ("cheat takes rights it has not", 100),
    ("cheat writes garbage control", 30),
    ("cheat links somebody's device", 20),
    ("cheat links a made-up device", 20),
    ("cheat wraps garbage", 50),
    ("cheat shares garbage", 50),
    ("cheat writes a body that does not open", 40),
    ("refused bodies at the end", 40),
    ("cheat writes in plain", 20),
    ("cheat makes an epoch up", 10),
    ("cheat writes under a key", 100),
    ("cheat while it is out", 100),
    ("cheat that is out writes of a newer version", 20),
];

fn check_people(coverage: &Coverage) {
    let schedules = coverage.get("schedule");
    // What is as rare as this may well be absent from a few schedules.
    for (what, floor) in PEOPLE.iter().chain(CHEATS).filter(|_| schedules >= 100) {
        let (times, floor) = (coverage.get(what), floor * schedules / 1_000);
        assert!(times >= floor, "{what}: {times} times in {schedules} schedules, which is less than {floor}");
    }
}

#[test]
fn schedules_converge() {
    if let Some(seed) = number("VELO_SEED") {
        let report = sim::run(seed).unwrap_or_else(|failure| panic!("{failure}"));
        println!("{}", report.coverage);
        return;
    }
    let count = number("VELO_SCHEDULES").unwrap_or(300);
    let (coverage, failures) = run_all(count);
    println!("{coverage}");
    for failure in &failures {
        println!("{failure}");
    }
    assert!(failures.is_empty(), "{} schedules failed; replay one with VELO_SEED=<seed>", failures.len());
    assert_eq!(coverage.get("schedule"), count);
    for fault in ["partition", "crash", "crash before a write", "crash in a write", "crash after a write"] {
        assert!(coverage.get(fault) > 0, "no schedule exercised: {fault}");
    }
    for fault in ["frame lost", "frame doubled", "frame overtaken", "restored from a backup", "pages saved"] {
        assert!(coverage.get(fault) > 0, "no schedule exercised: {fault}");
    }
    check_people(&coverage);
    for fault in ["read failed", "write failed", "founding or joining undone", "set automatic sync"] {
        assert!(coverage.get(fault) > 0, "no schedule exercised: {fault}");
    }
}

#[test]
fn a_seed_replays_bit_for_bit() {
    for seed in [1, 7, 23] {
        assert_eq!(sim::run(seed), sim::run(seed));
    }
}
