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
