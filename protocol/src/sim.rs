//! A network of replicas in virtual time: the real core under faults, driven by one seed.
//!
//! A *schedule* is a few replicas of one workspace making random changes while frames are lost,
//! doubled and reordered, links break, the network splits, devices crash around every write to
//! disk, disks fail to read or write, people switch syncing off, and sometimes a device is restored
//! from a backup. Founding and joining are under fire too. In every other schedule people also give
//! and take roles, tickets and devices, allowed or not; in some, somebody joins late, away from who
//! invited; and in some, a member signs and sends whatever it likes ([`byzantine`]). Afterwards everything heals, and all
//! replicas must agree, hold every acknowledged change, and come back equal from their logs alone.
//! No fault of the network ever makes a device disconnect another one.
//!
//! Everything random comes from the schedule's seed, so a failure replays bit for bit, which the
//! fingerprint of a [`Report`] shows. [`Coverage`] counts how often each fault and rule was exercised, since a fault that
//! never strikes proves nothing.

use crate::{dice::Dice, memo::Memory};
use std::{collections::BTreeMap, fmt};

mod actions;
mod byzantine;
mod device;
mod people;
mod world;

pub use world::World;

/// How a schedule runs. All of it follows from the seed; [`Plan::from_seed`].
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fault that strikes or does not")]
pub struct Plan {
    /// Feeds every choice.
    pub seed: u64,
    /// Replicas, 3 to 5.
    pub replicas: usize,
    /// Commands given, over all replicas.
    pub commands: usize,
    /// Frames lost, doubled and overtaken, in thousandths.
    pub loss: u64,
    /// See `loss`.
    pub duplication: u64,
    /// See `loss`.
    pub reordering: u64,
    /// Whether devices crash.
    pub crashes: bool,
    /// Readings that fail, in thousandths of the commands; writes fail too unless it is 0. A restart
    /// repairs the disk.
    pub disk_faults: u64,
    /// Whether a device is restored from a backup.
    pub restores: bool,
    /// Whether a restored device notices by its marker. Without it, it may fork its log.
    pub marker: bool,
    /// Greatest error of a device's clock, in milliseconds either way.
    pub skew_ms: u64,
    /// Whether people give and take roles, tickets and devices.
    pub people: bool,
    /// Whether the third device is a second one of the second person.
    pub second_device: bool,
    /// The device that joins during the schedule, if one does.
    pub late: Option<usize>,
    /// The device that turns against the others, if one does: always the last.
    pub byzantine: Option<usize>,
}

impl Plan {
    /// The schedule of this seed: at least 3 replicas, 200 commands and one partition, with
    /// crashes in every other one, failing disks in every fourth and a restored backup in every eighth;
    /// people who change roles in every other one, and a member who cheats in every fourth.
    pub fn from_seed(seed: u64) -> Self {
        let mut dice = Dice::new(seed ^ 0x5EED);
        let harsh = dice.chance(500);
        let mut replicas = 3 + dice.below(3) as usize;
        let mut social = Dice::new(seed ^ 0x0050_C1A1);
        let byzantine = social.chance(250);
        // Three honest ones at least.
        replicas = replicas.max(if byzantine { 4 } else { 3 });
        let last_honest = replicas - 1 - usize::from(byzantine);
        Self {
            seed,
            replicas,
            commands: 200 + dice.below(40) as usize,
            loss: if harsh { 20 } else { 0 },
            duplication: if harsh { 20 } else { 0 },
            reordering: if harsh { 20 } else { 0 },
            crashes: dice.chance(500),
            disk_faults: if dice.chance(250) { 20 } else { 0 },
            restores: dice.chance(125),
            marker: dice.chance(700),
            skew_ms: if dice.chance(300) { 600_000 } else { 50 },
            people: social.chance(500),
            second_device: social.chance(300),
            late: social.chance(300).then_some(last_honest),
            byzantine: byzantine.then_some(replicas - 1),
        }
    }
}

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
    let _memory = Memory::start();
    let plan = Plan::from_seed(seed);
    let mut world = World::new(plan);
    world.play().map_err(|what| Failure { seed, what })?;
    Ok(world.into_report())
}
