//! Notices that this device slept: looks at the clock every now and then, and finds that far more time
//! went by than it waited.
//!
//! While a machine sleeps its timers stand still and only the wall clock goes on; while just this process
//! is stopped everything goes on without it. The wall clock shows both. That somebody set it forward
//! looks the same, and costs only what waking up costs: a round of dials and of proofs of life.

use std::time::{Duration, Instant, SystemTime};

/// Time between two looks: so late a sleep is noticed.
const LOOK: Duration = Duration::from_secs(2);
/// Being late by more than this is a sleep. A busy machine is late by less.
const SLEEP: Duration = Duration::from_secs(5);

/// See the module.
#[derive(Debug)]
pub struct Vigil {
    last: SystemTime,
    due: Instant,
}

impl Vigil {
    /// Begins now.
    pub fn new(now: Instant, wall: SystemTime) -> Self {
        Self { last: wall, due: now + LOOK }
    }

    /// When to look next.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Looks, if it is time. Returns for how long this device slept, if it did.
    pub fn look(&mut self, now: Instant, wall: SystemTime) -> Option<Duration> {
        if now < self.due {
            return None;
        }
        self.due = now + LOOK;
        let last = std::mem::replace(&mut self.last, wall);
        // A clock that was set back tells nothing.
        let slept = wall.duration_since(last).unwrap_or_default().saturating_sub(LOOK);
        Some(slept).filter(|slept| *slept > SLEEP)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_shows_whether_the_timers_went_on_or_not() {
        let (start, wall) = (Instant::now(), SystemTime::now());
        let s = Duration::from_secs;
        let mut vigil = Vigil::new(start, wall);
        assert_eq!(vigil.look(start + s(1), wall + s(600)), None, "it is not time");
        assert_eq!(vigil.look(start + s(2), wall + s(2)), None);
        assert_eq!(vigil.look(start + s(6), wall + s(6)), None, "a busy machine");
        assert_eq!(vigil.look(start + s(8), wall + s(608)), Some(s(600)), "the machine slept");
        assert_eq!(vigil.look(start + s(38), wall + s(638)), Some(s(28)), "the process was stopped");
        assert_eq!(vigil.look(start + s(40), wall), None, "the clock was set back");
        assert_eq!(vigil.look(start + s(42), wall + s(2)), None);
        assert_eq!(vigil.due(), start + s(44));
    }
}
