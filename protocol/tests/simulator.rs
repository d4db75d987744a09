//! Simulated schedules. `VELO_SCHEDULES` says how many (default 300), `VELO_FIRST_SEED` from which seed
//! on (default 0).
//!
//! A schedule that fails is told by its seed, which `VELO_SEED` plays again. The first one is also made
//! shorter, and what is left is written to a file that `VELO_PLAN` plays, with what happened in words
//! beside it. `VELO_SHRINK` says how many shorter plans are tried (default 300; 0 leaves it as it is).
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may fail by panicking, and the environment says how many schedules"
)]

use std::{
    env, fs,
    path::Path,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
};
use velo_protocol::sim::{self, Coverage, Failure, Plan, shrink};

fn number(name: &str) -> Option<u64> {
    env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} must be a number")))
}

/// Runs the schedules of `count` seeds from `first` on, on every core.
fn run_all(first: u64, count: u64) -> (Coverage, Vec<Failure>) {
    let next = AtomicU64::new(0);
    let results = Mutex::new((Coverage::default(), Vec::new()));
    let workers = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..workers {
            scope.spawn(|| {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count || results.lock().unwrap().1.len() >= 5 {
                        return;
                    }
                    let result = sim::run(first + number);
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

/// Makes the plan of a schedule that failed shorter, and writes it down.
fn save(failure: &Failure) {
    let plan = Plan::from_seed(failure.seed);
    let steps = plan.steps.len();
    let tries = number("VELO_SHRINK").unwrap_or(300) as usize;
    let shrunk = shrink(plan, failure.what.clone(), tries);
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let (plan, story) = (format!("seed-{}.json", failure.seed), format!("seed-{}.txt", failure.seed));
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join(&plan), serde_json::to_string_pretty(&shrunk.plan).unwrap()).unwrap();
    fs::write(folder.join(&story), sim::tell(shrunk.plan.clone()).join("\n")).unwrap();
    println!(
        "seed {}: {} of {steps} steps are left after {} tries: {}\n  play them with VELO_PLAN={}\n  what \
         happened: {}",
        failure.seed,
        shrunk.plan.steps.len(),
        shrunk.tried,
        shrunk.what,
        folder.join(plan).display(),
        folder.join(story).display(),
    );
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
    ("presence seen", 3_000),
    ("presence seen over several hops", 500),
    ("presence ran out", 1_000),
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

/// The same for what people have to themselves, long texts, disks, clocks and lies.
const REST: &[(&str, u64)] = &[
    ("edit a text", 5_000),
    ("text of several edits at the end", 1_000),
    ("text with edits that have no effect at the end", 100),
    ("keep something private", 2_000),
    ("private workspace at the end", 400),
    ("private workspace of several devices at the end", 30),
    ("linked by a code", 10),
    ("brought in by the phrase", 10),
    ("workspace forgotten", 100),
    ("came back after forgetting", 20),
    ("disk full", 100),
    ("write on a full disk", 100),
    ("clock jumped back", 100),
    ("clock jumped ahead", 100),
    ("clock far off", 50),
    ("run withheld", 2_000),
    ("run withheld from some", 5_000),
    ("run sent late", 2_000),
    ("run out of order", 2_000),
    ("heads withheld", 1_000),
    ("old heads announced again", 2_000),
    ("made-up heads announced", 2_000),
    ("lie about a digest", 1_000),
];

fn check_people(coverage: &Coverage) {
    let schedules = coverage.get("schedule");
    // What is as rare as this may well be absent from a few schedules.
    for (what, floor) in PEOPLE.iter().chain(CHEATS).chain(REST).filter(|_| schedules >= 100) {
        let (times, floor) = (coverage.get(what), floor * schedules / 1_000);
        assert!(times >= floor, "{what}: {times} times in {schedules} schedules, which is less than {floor}");
    }
}

fn plan_of(path: &str) -> Plan {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

/// Plays one plan, and says what happened.
fn replay(plan: Plan) {
    for line in sim::tell(plan.clone()) {
        println!("{line}");
    }
    let report = sim::play(plan).unwrap_or_else(|what| panic!("{what}"));
    println!("{}", report.coverage);
}

#[test]
fn schedules_converge() {
    if let Ok(path) = env::var("VELO_PLAN") {
        return replay(plan_of(&path));
    }
    if let Some(seed) = number("VELO_SEED") {
        return replay(Plan::from_seed(seed));
    }
    let count = number("VELO_SCHEDULES").unwrap_or(300);
    let (coverage, failures) = run_all(number("VELO_FIRST_SEED").unwrap_or(0), count);
    println!("{coverage}");
    for failure in &failures {
        println!("{failure}");
    }
    if let Some(first) = failures.first() {
        save(first);
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

/// What was written to a file is what is played from it.
#[test]
fn a_plan_survives_its_file() {
    for seed in 0..20 {
        let plan = Plan::from_seed(seed);
        let text = serde_json::to_string(&plan).unwrap();
        assert_eq!(serde_json::from_str::<Plan>(&text).unwrap(), plan);
    }
}
