//! A network of replicas in virtual time: the real core under faults, driven by one seed.
//!
//! A *schedule* is a few replicas of one workspace making random changes while frames are lost,
//! doubled and reordered, links break, the network splits, devices crash around every write to
//! disk, disks fail to read or write, people switch syncing off, and sometimes a device is restored
//! from a backup. Founding and joining are under fire too. In every other schedule people also give
//! and take roles, tickets and devices, allowed or not; in some, somebody joins late, away from who
//! invited; in some, a member signs and sends whatever it likes ([`byzantine`]), and in some, a device
//! lies about what it holds, as a bad relay would ([`liar`]). Disks fill up, and clocks jump both ways.
//! Afterwards everything heals but the lies, and all
//! replicas must agree, hold every acknowledged change, and come back equal from their logs alone.
//! No fault of the network ever makes a device disconnect another one.
//!
//! Everything random comes from the schedule's seed, so a failure replays bit for bit, which the
//! fingerprint of a [`Report`] shows. What is to happen is laid down as a [`Plan`] before: one that fails
//! can be written to a file, played again, and made shorter ([`shrink()`]). [`Coverage`] counts how often each fault and rule was exercised, since a fault that
//! never strikes proves nothing.

use crate::memo::Memory;
use std::{
    any::Any,
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

mod actions;
mod byzantine;
mod device;
mod liar;
mod people;
mod plan;
mod shrink;
mod world;

pub use plan::{Plan, Step, What};
pub use shrink::{Shrunk, shrink};
pub use world::World;

/// Midnight at the start of 2026, the virtual clocks' beginning.
const EPOCH_MS: u64 = 1_767_225_600_000;

/// How often each fault and rule was exercised.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<&'static str, u64>);

impl Coverage {
    /// Counts one more.
    pub fn count(&mut self, what: &'static str) {
        self.add(what, 1);
    }

    /// Counts several.
    pub fn add(&mut self, what: &'static str, times: u64) {
        *self.0.entry(what).or_default() += times;
    }

    /// Adds another schedule's counts.
    pub fn merge(&mut self, other: &Self) {
        for (what, times) in &other.0 {
            self.add(what, *times);
        }
    }

    /// How often.
    pub fn get(&self, what: &str) -> u64 {
        self.0.get(what).copied().unwrap_or(0)
    }
}

impl fmt::Display for Coverage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|(what, times)| writeln!(f, "{times:>12}  {what}"))
    }
}

/// What went wrong, with the seed that brings it about again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("seed {seed}: {what}")]
pub struct Failure {
    /// Replays it.
    pub seed: u64,
    /// What.
    pub what: String,
}

/// What a schedule did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was exercised.
    pub coverage: Coverage,
    /// BLAKE3 over everything that every device put out, and the digests in the end.
    pub fingerprint: [u8; 32],
}

/// Runs the schedule of a seed to its end and checks what must hold.
pub fn run(seed: u64) -> Result<Report, Failure> {
    play(Plan::from_seed(seed)).map_err(|what| Failure { seed, what })
}

/// Plays a plan to its end and checks what must hold. Says what did not.
pub fn play(plan: Plan) -> Result<Report, String> {
    let _memory = Memory::start();
    let mut world = World::new(plan);
    finish(&mut world)?;
    Ok(world.into_report())
}

/// Plays a plan and tells what happened, line by line, and in the end what went wrong.
pub fn tell(plan: Plan) -> Vec<String> {
    let _memory = Memory::start();
    let mut world = World::new(plan);
    world.keep_story();
    let end = match finish(&mut world) {
        Ok(()) => "everything holds".to_owned(),
        Err(what) => format!("FAILED: {what}"),
    };
    let mut story = world.into_story();
    story.push(end);
    story
}

/// A panic of the core is a failure like any other, and must not end the program before its seed is told.
fn finish(world: &mut World) -> Result<(), String> {
    catch_unwind(AssertUnwindSafe(|| world.play())).unwrap_or_else(|panic| Err(words_of(&*panic)))
}

fn words_of(panic: &(dyn Any + Send)) -> String {
    let words = panic.downcast_ref::<String>().map(String::as_str);
    let words = words.or_else(|| panic.downcast_ref::<&str>().copied());
    format!("the program panicked: {}", words.unwrap_or("without a word"))
}
