//! Time as the core sees it: given by the caller, never read.

use crate::limits;
use serde::{Deserialize, Serialize};

/// The moment at which an input is handled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// Milliseconds since the Unix epoch, as the device's clock has it. May be wrong, may jump.
    pub wall_ms: u64,
    /// Milliseconds of a clock that never goes back; for timers.
    pub mono_ms: u64,
}

/// A hybrid logical clock stamp (Kulkarni et al., 2014): 48 bits of milliseconds, 16 bits of counter.
///
/// It orders concurrent values for display and dates them for people. It never decides whether an
/// operation counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hlc(pub u64);

impl Hlc {
    /// The stamp of a wall-clock time with a counter of zero.
    pub const fn from_ms(wall_ms: u64) -> Self {
        Self(wall_ms << 16)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn ms(self) -> u64 {
        self.0 >> 16
    }

    /// The stamp of a new entry: the wall clock, or one more than the greatest of `own` (the
    /// author's last entry) and those `deps` that lie at most [`limits::CLOCK_AHEAD_MS`] ahead of
    /// the wall. So one peer with a clock in the year 9999 does not pull the others along.
    pub fn next(wall_ms: u64, own: Self, deps: impl IntoIterator<Item = Self>) -> Self {
        let horizon = Self::from_ms(wall_ms.saturating_add(limits::CLOCK_AHEAD_MS));
        let seen = deps.into_iter().filter(|dep| *dep <= horizon).fold(own, Self::max);
        Self::from_ms(wall_ms).max(Self(seen.0.saturating_add(1)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_follows_everything_seen_but_not_a_clock_far_ahead() {
        let near = Hlc::from_ms(1_000 + limits::CLOCK_AHEAD_MS);
        let far = Hlc::from_ms(1_001 + limits::CLOCK_AHEAD_MS);
        assert_eq!(Hlc::next(1_000, Hlc(0), [far]), Hlc::from_ms(1_000));
        assert_eq!(Hlc::next(1_000, Hlc(0), [near, far]), Hlc(near.0 + 1));
        assert_eq!(Hlc::next(1_000, far, []), Hlc(far.0 + 1));
    }
}
