//! How much of a pull may be under way.
//!
//! What is sent faster than the line takes it waits somewhere on the way, in buffers that a live edit
//! of the same connection must pass too. So the window follows the line: each chunk that is answered
//! tells how long it took, and how much was under way with it. Took it hardly longer than the quickest,
//! nothing waits, and the window grows: to what such a line carries in the time wanted, and a little with
//! each chunk. Took it longer, the window shrinks to what the line carries in that time.
//! One chunk is under way in any case.

use crate::{limits, time::Now};
use std::collections::VecDeque;

/// By which part of each chunk a window grows beyond what is known to fit.
const CAREFULLY: u64 = 4;

/// See the module.
#[derive(Debug)]
#[cfg_attr(feature = "sim", derive(Clone))]
pub struct Window {
    size: u64,
    flight: u64,
    chunks: VecDeque<Sent>,
    /// The shortest time in which a chunk was answered.
    quickest_ms: u64,
}

#[derive(Debug)]
#[cfg_attr(feature = "sim", derive(Clone))]
struct Sent {
    bytes: u64,
    /// What was under way with it.
    flight: u64,
    at_ms: u64,
}

impl Default for Window {
    fn default() -> Self {
        let size = limits::PULL_WINDOW_FIRST as u64;
        Self { size, flight: 0, chunks: VecDeque::new(), quickest_ms: u64::MAX }
    }
}

impl Window {
    /// Bytes that may be under way.
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Bytes of the next chunk, beside its first run: several chunks share a window, so that an answer
    /// comes while others are under way.
    pub fn chunk_bytes(&self) -> usize {
        (self.size / 4).min(limits::OPS_BYTES as u64) as usize
    }

    /// Whether a chunk of so many bytes may follow.
    pub const fn has_room(&self, bytes: u64) -> bool {
        self.flight == 0 || self.flight + bytes <= self.size
    }

    /// Whether everything sent was answered.
    pub fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }

    /// A chunk goes out.
    pub fn sent(&mut self, now: Now, bytes: u64) {
        self.flight += bytes;
        self.chunks.push_back(Sent { bytes, flight: self.flight, at_ms: now.mono_ms });
    }

    /// The first of the chunks under way was answered. Returns whether there was one.
    pub fn taken(&mut self, now: Now) -> bool {
        let Some(sent) = self.chunks.pop_front() else { return false };
        self.flight -= sent.bytes;
        // Less than the clock tells is taken for its least step.
        let took = now.mono_ms.saturating_sub(sent.at_ms).max(1);
        self.quickest_ms = self.quickest_ms.min(took);
        let wanted_ms = self.quickest_ms + limits::PULL_QUEUE_MS.max(self.quickest_ms / 2);
        // The line carried so much at least.
        let fits = sent.flight.saturating_mul(wanted_ms) / took;
        if took <= wanted_ms {
            self.size = (self.size + sent.bytes / CAREFULLY).max(fits).min(limits::PULL_WINDOW as u64);
        } else {
            self.size = self.size.min(fits);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: u64 = 24 * 1024;

    /// A line of so many bytes a second and so long a way, both ways together.
    struct Line {
        bytes_per_s: u64,
        way_ms: u64,
        /// When the line has carried what was given to it.
        free_ms: u64,
    }

    impl Line {
        fn carry(&mut self, now_ms: u64, bytes: u64) -> u64 {
            self.free_ms = self.free_ms.max(now_ms) + bytes * 1_000 / self.bytes_per_s;
            self.free_ms + self.way_ms
        }
    }

    /// Sends without end for so long. Gives the bytes answered, and the longest that a live edit would
    /// have waited in the second half of the time.
    fn transfer(mut line: Line, ms: u64) -> (u64, u64) {
        let (mut window, mut answers) = (Window::default(), VecDeque::new());
        let (mut bytes, mut longest) = (0, 0);
        for now_ms in 0..ms {
            let now = Now { wall_ms: 0, mono_ms: now_ms };
            while answers.front().is_some_and(|at| *at <= now_ms) {
                answers.pop_front();
                assert!(window.taken(now));
                bytes += RUN;
            }
            while window.has_room(RUN) {
                window.sent(now, RUN);
                answers.push_back(line.carry(now_ms, RUN));
            }
            if now_ms > ms / 2 {
                longest = longest.max(line.free_ms.saturating_sub(now_ms));
            }
        }
        (bytes, longest)
    }

    #[test]
    fn on_a_slow_line_a_live_edit_waits_for_two_chunks_at_most() {
        let (bytes, longest) = transfer(Line { bytes_per_s: 8_000, way_ms: 600, free_ms: 0 }, 120_000);
        assert!(longest <= 2 * RUN * 1_000 / 8_000, "{longest} ms");
        assert!(bytes > 120 * 8_000 * 3 / 4, "{bytes} bytes in two minutes");
    }

    #[test]
    fn a_quick_line_is_filled_and_its_buffers_are_not() {
        for (bytes_per_s, way_ms) in [(1_250_000, 40), (12_500_000, 20), (1_250_000, 600)] {
            let (bytes, longest) = transfer(Line { bytes_per_s, way_ms, free_ms: 0 }, 20_000);
            assert!(bytes > 20 * bytes_per_s / 2, "{bytes} bytes at {bytes_per_s} a second");
            assert!(longest <= 2 * limits::PULL_QUEUE_MS.max(way_ms / 2), "{longest} ms");
        }
    }

    #[test]
    fn the_window_is_bounded_and_an_answer_to_nothing_is_none() {
        let mut window = Window::default();
        let now = Now { wall_ms: 0, mono_ms: 0 };
        for _ in 0..1_000 {
            window.sent(now, RUN);
            window.sent(now, RUN);
            assert!(window.taken(now));
            assert!(window.taken(now));
        }
        assert_eq!(window.size(), limits::PULL_WINDOW as u64);
        assert!(window.is_empty() && !window.taken(now));
    }
}
