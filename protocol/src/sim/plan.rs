//! What a schedule is to do: settings that follow from the seed, and steps that are laid out before it
//! begins.
//!
//! Each step brings its own dice, so that a plan can be written down, played again, and played with
//! fewer steps ([`shrink`](super::shrink)).

use crate::dice::Dice;
use serde::{Deserialize, Serialize};

/// Time between two commands, on average.
const PACE_MS: u64 = 120;
/// From the virtual clocks' beginning to the last day of the year 9999.
const YEAR_9999_MS: i64 = 251_634_988_800_000;
/// A day.
const DAY_MS: u64 = 86_400_000;

/// How a schedule runs. All of it follows from the seed; [`Plan::from_seed`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fault that strikes or does not")]
pub struct Plan {
    /// Feeds every choice that no step makes.
    pub seed: u64,
    /// Replicas, 3 to 5.
    pub replicas: usize,
    /// Frames lost, doubled and overtaken, in thousandths.
    pub loss: u64,
    /// See `loss`.
    pub duplication: u64,
    /// See `loss`.
    pub reordering: u64,
    /// Whether devices crash around their writes.
    pub crashes: bool,
    /// Readings that fail, in thousandths of the commands; writes fail too unless it is 0. A restart
    /// repairs the disk.
    pub disk_faults: u64,
    /// Whether a device is restored from a backup.
    pub restores: bool,
    /// Whether a restored device notices by its marker. Without it, it may fork its log.
    pub marker: bool,
    /// Greatest error of a device's clock at the beginning, in milliseconds either way.
    pub skew_ms: u64,
    /// Whether people give and take roles, tickets and devices.
    pub people: bool,
    /// Whether the third device is a second one of the second person.
    pub second_device: bool,
    /// Whether everybody has a private workspace. Then the second device of a person is taken in with a link
    /// code or comes with the phrase; otherwise it takes a ticket.
    pub private: bool,
    /// The device that joins during the schedule, if one does.
    pub late: Option<usize>,
    /// The device whose person signs what nobody should, if one does: always the last.
    pub byzantine: Option<usize>,
    /// The device that lies about what it holds, as a bad relay would, if one does: always the last.
    pub liar: Option<usize>,
    /// What happens when.
    pub steps: Vec<Step>,
}

/// Something that happens at a time laid down before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// Milliseconds after everybody has joined.
    pub at_ms: u64,
    /// What.
    pub what: What,
    /// Feeds the choices that are made then.
    pub seed: u64,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// Somebody gives a command.
    Act,
    /// The network splits.
    Partition,
    /// It is whole again.
    Heal,
    /// The power of a device goes.
    Crash(usize),
    /// A device's disk is copied.
    Backup(usize),
    /// A device comes back as it was copied.
    Restore(usize),
    /// A device takes a ticket.
    Join(usize),
    /// The founder gives others more to say.
    Appoint,
    /// On both sides of a split somebody removes somebody.
    CrossRemovals,
    /// The member that cheats does something.
    Cheat,
    /// A device's disk is full from now on.
    FillDisk(usize),
    /// Somebody makes room on it.
    FreeDisk(usize),
    /// A device's clock shows another time: wrong by so many milliseconds.
    SetClock(usize, i64),
}

impl What {
    /// Whether it is a fault, which healing ends, rather than something people want.
    pub const fn is_fault(self) -> bool {
        !matches!(self, Self::Act | Self::Heal | Self::Join(_) | Self::Appoint | Self::FreeDisk(_))
    }
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
        let liar = social.chance(250);
        // Three honest ones at least.
        replicas = replicas.max(if byzantine || liar { 4 } else { 3 });
        let last_honest = replicas - 1 - usize::from(byzantine || liar);
        let mut plan = Self {
            seed,
            replicas,
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
            private: social.chance(400),
            late: social.chance(300).then_some(last_honest),
            byzantine: byzantine.then_some(replicas - 1),
            liar: liar.then_some(replicas - 1),
            steps: Vec::new(),
        };
        plan.lay_steps(&mut dice);
        plan
    }

    /// Lays out commands and faults over virtual time.
    fn lay_steps(&mut self, dice: &mut Dice) {
        let commands = 220 + dice.below(40);
        let length = commands * PACE_MS;
        for _ in 0..commands {
            self.step(dice, 0..length, What::Act);
        }
        let split = self.step(dice, length / 5..2 * length / 5, What::Partition);
        self.step(dice, split + length / 3..split + length / 3 + 1, What::Heal);
        if self.crashes {
            for _ in 0..=dice.below(4) {
                let device = self.any_device(dice);
                self.step(dice, 0..length, What::Crash(device));
            }
        }
        if self.restores {
            let device = self.any_device(dice);
            let backup = self.step(dice, 0..length / 2, What::Backup(device));
            self.step(dice, backup + length / 4..backup + length / 4 + 1, What::Restore(device));
        }
        if dice.chance(150) {
            self.lay_full_disk(dice, length);
        }
        if dice.chance(200) {
            self.lay_clocks(dice, length);
        }
        self.lay_people(dice, length, split);
        self.steps.sort_by_key(|step| step.at_ms);
    }

    fn lay_full_disk(&mut self, dice: &mut Dice, length: u64) {
        let device = self.any_device(dice);
        let full = self.step(dice, 0..length / 2, What::FillDisk(device));
        self.step(dice, full + 1_000..full + 12_000, What::FreeDisk(device));
    }

    /// Clocks jump both ways: by minutes, by days, and to the ends of the calendar.
    fn lay_clocks(&mut self, dice: &mut Dice, length: u64) {
        for _ in 0..2 + dice.below(4) {
            let device = self.any_device(dice);
            let error = match dice.below(10) {
                0..3 => dice.below(1_200_001) as i64 - 600_000,
                3..6 => dice.below(60 * DAY_MS) as i64 - 30 * DAY_MS as i64,
                6..8 => YEAR_9999_MS,
                8 => -(super::EPOCH_MS as i64),
                _ => 0,
            };
            self.step(dice, 0..length, What::SetClock(device, error));
        }
    }

    /// Lays out what people do to each other. Somebody beside the founder may let people in and out.
    fn lay_people(&mut self, dice: &mut Dice, length: u64, split: u64) {
        if let Some(device) = self.late {
            self.step(dice, length / 5..7 * length / 10, What::Join(device));
        }
        if self.byzantine.is_some() {
            let mut at = length / 10 + dice.below(length / 5);
            while at < length {
                self.step(dice, at..at + 1, What::Cheat);
                at += 1 + dice.below(length / 12);
            }
        }
        if self.people {
            self.step(dice, length / 20..length / 20 + 1, What::Appoint);
            self.step(dice, split + length / 10..split + length / 5, What::CrossRemovals);
        }
    }

    fn any_device(&self, dice: &mut Dice) -> usize {
        dice.below(self.replicas as u64) as usize
    }

    /// Adds a step at some time in a range, and returns the time.
    fn step(&mut self, dice: &mut Dice, when: std::ops::Range<u64>, what: What) -> u64 {
        let at_ms = when.start + dice.below(when.end - when.start);
        self.steps.push(Step { at_ms, what, seed: dice.roll() });
        at_ms
    }
}
