//! When the visible state is saved, so that the next opening need not replay the log.
//!
//! Saving is never urgent, since the log holds everything; it only must not fall far behind, nor
//! get ahead: pages are taken when every batch of the workspace is durable.

use crate::limits;

/// What is not saved yet of one workspace. Times are those of the driver's monotonic clock.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Unsaved {
    /// When the first change after the last save became durable.
    since: Option<u64>,
    /// When the last one did.
    last: u64,
    bytes: usize,
    /// Pages are being written.
    pub saving: bool,
}

impl Unsaved {
    /// So many bytes of the log became durable.
    pub fn grow(&mut self, now_ms: u64, bytes: usize) {
        self.since.get_or_insert(now_ms);
        self.last = now_ms;
        self.bytes += bytes;
    }

    /// Pages were taken.
    pub fn taken(&mut self) {
        *self = Self { saving: true, ..Self::default() };
    }

    /// Whether there is anything to save.
    pub fn is_some(&self) -> bool {
        self.since.is_some()
    }

    /// When to save, at the latest.
    pub fn due_ms(&self) -> Option<u64> {
        let since = self.since.filter(|_| !self.saving)?;
        let by_size = if self.bytes >= limits::SAVE_BYTES { since } else { u64::MAX };
        Some(by_size.min(self.last + limits::SAVE_QUIET_MS).min(since + limits::SAVE_LATEST_MS))
    }

    /// Whether saving is due although changes keep coming: they then have to wait a moment.
    pub fn is_pressing(&self, now_ms: u64) -> bool {
        self.due_ms().is_some_and(|due| due <= now_ms) && self.last + limits::SAVE_QUIET_MS > now_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quiet_size_or_age_make_it_due() {
        let mut unsaved = Unsaved::default();
        assert_eq!(unsaved.due_ms(), None);
        unsaved.grow(1_000, 10);
        assert_eq!(unsaved.due_ms(), Some(1_000 + limits::SAVE_QUIET_MS));
        unsaved.grow(60_000, 10);
        assert_eq!(unsaved.due_ms(), Some(1_000 + limits::SAVE_LATEST_MS));
        assert!(!unsaved.is_pressing(60_999));
        assert!(unsaved.is_pressing(61_000));
        unsaved.grow(60_000, limits::SAVE_BYTES);
        assert_eq!(unsaved.due_ms(), Some(1_000));
        unsaved.taken();
        unsaved.grow(61_000, limits::SAVE_BYTES);
        assert_eq!(unsaved.due_ms(), None, "one save at a time");
    }
}
