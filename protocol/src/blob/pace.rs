//! How much is asked of a peer at once: what its line carries in the time that an edit may wait.
//!
//! Edits and pieces share one line, and what was sent first arrives first. So only one piece is under
//! way, and its length follows from the rate measured. An answer takes the round trip and the time of
//! its bytes:
//!
//! ```text
//!   rate = (bytes - bytes of the quickest) / (time - time of the quickest)
//! ```
//!
//! The first piece is small, and thus tells the round trip nearly alone: on a satellite line a piece is
//! large although its answer takes long.

use crate::limits;

/// Faster than this is not measured: the clock counts milliseconds, and noise is larger.
const LEAST_MS: u64 = 5;

/// See the module.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Pace {
    /// Of the answer that took the shortest time: its bytes and its milliseconds.
    quickest: Option<(u64, u64)>,
    piece: Option<u32>,
}

impl Pace {
    /// Bytes to ask for.
    pub fn piece(&self) -> u32 {
        self.piece.unwrap_or(limits::PIECE_FIRST)
    }

    /// An answer of so many bytes came after this time.
    pub fn took(&mut self, bytes: usize, ms: u64) {
        let (bytes, before) = (bytes as u64, self.piece());
        let Some((base_bytes, base_ms)) = self.quickest else {
            self.quickest = Some((bytes, ms));
            self.piece = Some(limits::PIECE_LEAST);
            return;
        };
        if ms < base_ms {
            self.quickest = Some((bytes, ms));
        }
        // The rest of a blob says little about the line.
        if bytes < u64::from(limits::PIECE_LEAST) {
            return;
        }
        let took = ms.saturating_sub(base_ms).max(LEAST_MS);
        let fits = bytes.saturating_sub(base_bytes).max(1) * limits::PIECE_MS / took;
        let most = u64::from(before.saturating_mul(4).min(limits::PIECE_MOST));
        self.piece = Some(fits.min(most).max(u64::from(limits::PIECE_LEAST)) as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The length of pieces on a line, after some answers.
    fn settled(round_trip_ms: u64, bytes_per_s: u64) -> u32 {
        let mut pace = Pace::default();
        for _ in 0..20 {
            let piece = pace.piece();
            pace.took(piece as usize, round_trip_ms + u64::from(piece) * 1000 / bytes_per_s);
        }
        pace.piece()
    }

    #[test]
    fn a_piece_never_takes_much_longer_than_an_edit_may_wait() {
        assert_eq!(settled(600, 8_000), limits::PIECE_LEAST, "64 kbit/s");
        assert!((30_000..=34_000).contains(&settled(600, 32_000)), "256 kbit/s");
        assert_eq!(settled(600, 1_000_000), limits::PIECE_MOST, "a satellite");
        assert_eq!(settled(1, 100_000_000), limits::PIECE_MOST, "a LAN");
    }

    #[test]
    fn a_line_that_gets_slow_is_noticed_at_once() {
        let mut pace = Pace::default();
        pace.took(1024, 600);
        for _ in 0..6 {
            pace.took(pace.piece() as usize, 650);
        }
        assert_eq!(pace.piece(), limits::PIECE_MOST);
        pace.took(pace.piece() as usize, 16_600);
        assert_eq!(pace.piece(), limits::PIECE_LEAST);
    }
}
