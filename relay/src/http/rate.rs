//! How often somebody may ask: a token bucket for each, and a bound on how many there are.

use crate::limits::{self, Rate};
use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

#[derive(Debug, Clone, Copy)]
struct Bucket {
    left: f64,
    at: Instant,
}

impl Bucket {
    fn filled(self, rate: Rate, now: Instant) -> Self {
        let more = now.saturating_duration_since(self.at).as_secs_f64() * rate.per_second;
        Self { left: (self.left + more).min(rate.burst), at: now }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Buckets<K> {
    rate: Rate,
    counted: Mutex<HashMap<K, Bucket>>,
    /// Of all who came when there was no room for more.
    others: Mutex<Option<Bucket>>,
}

impl<K: Eq + Hash> Buckets<K> {
    pub fn new(rate: Rate) -> Self {
        Self { rate, counted: Mutex::default(), others: Mutex::new(None) }
    }

    /// Counts a request. An error says after which time there is room for the next.
    pub fn take(&self, who: K, now: Instant) -> Result<(), Duration> {
        let full = Bucket { left: self.rate.burst, at: now };
        // Nobody panics while holding the locks.
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if counted.len() >= limits::COUNTED && !counted.contains_key(&who) {
            // Who asked nothing for a while is as good as new.
            counted.retain(|_, bucket| bucket.filled(self.rate, now).left < self.rate.burst);
            if counted.len() >= limits::COUNTED {
                let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
                return self.draw(others.get_or_insert(full), now);
            }
        }
        self.draw(counted.entry(who).or_insert(full), now)
    }

    fn draw(&self, bucket: &mut Bucket, now: Instant) -> Result<(), Duration> {
        *bucket = bucket.filled(self.rate, now);
        if bucket.left < 1.0 {
            return Err(Duration::from_secs_f64((1.0 - bucket.left) / self.rate.per_second));
        }
        bucket.left -= 1.0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate { per_second: 2.0, burst: 3.0 };

    #[test]
    fn who_asks_too_often_waits_and_others_do_not() {
        let (buckets, start) = (Buckets::new(RATE), Instant::now());
        for _ in 0..3 {
            assert_eq!(buckets.take(1, start), Ok(()));
        }
        assert_eq!(buckets.take(1, start), Err(Duration::from_millis(500)));
        assert_eq!(buckets.take(2, start), Ok(()));
        assert_eq!(buckets.take(1, start + Duration::from_millis(500)), Ok(()));
        assert!(buckets.take(1, start + Duration::from_millis(500)).is_err());
    }

    #[test]
    fn however_many_come_memory_is_bounded() {
        let (buckets, start) = (Buckets::new(RATE), Instant::now());
        for who in 0..limits::COUNTED + 3 {
            assert_eq!(buckets.take(who, start), Ok(()));
        }
        assert!(buckets.take(usize::MAX, start).is_err(), "those beyond the bound share one bucket");
        let later = start + Duration::from_secs(10);
        assert_eq!(buckets.take(usize::MAX, later), Ok(()));
        assert_eq!(buckets.counted.lock().unwrap().len(), 1);
    }
}
