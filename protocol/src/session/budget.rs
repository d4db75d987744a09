//! What a peer may ask for: something each so often, and now and then several at once.
//!
//! What costs this device more than the peer that asks is bounded this way, by time rather than by
//! session: a session is opened anew in no time.

use crate::time::Now;

/// How often a peer may ask for something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// One more is earned in this many milliseconds,
    pub every_ms: u64,
    /// and so many may be used at once.
    pub at_once: u64,
}

/// What is left of a [`Rate`]; at first everything.
#[derive(Debug, Default)]
#[cfg_attr(feature = "sim", derive(Clone))]
pub(crate) struct Budget {
    spent: u64,
    since_ms: u64,
}

impl Budget {
    /// Uses one, if any is left.
    pub fn take(&mut self, now: Now, rate: Rate) -> bool {
        let earned = now.mono_ms.saturating_sub(self.since_ms) / rate.every_ms;
        if earned >= self.spent {
            (self.spent, self.since_ms) = (0, now.mono_ms);
        } else {
            self.spent -= earned;
            self.since_ms += earned * rate.every_ms;
        }
        let may = self.spent < rate.at_once;
        self.spent += u64::from(may);
        may
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_at_once_and_then_one_each_so_often() {
        let rate = Rate { every_ms: 50, at_once: 3 };
        let mut budget = Budget::default();
        let mut at = |mono_ms| budget.take(Now { mono_ms, wall_ms: 0 }, rate);
        assert_eq!([at(7), at(7), at(8), at(8)], [true, true, true, false]);
        assert_eq!([at(56), at(57), at(57), at(106), at(107)], [false, true, false, false, true]);
        // Nothing is saved up beyond what may be used at once.
        assert_eq!([at(10_000), at(10_000), at(10_000), at(10_000)], [true, true, true, false]);
    }
}
