//! What came of the demo.

use crate::{
    api::status::Entities,
    cli::output::{BAD, GOOD, NOTICE, count, fields, lines, styled},
};
use hdrhistogram::Histogram;
use serde_json::{Value as Json, json};
use std::fmt;

/// Longer times count as this: ten minutes.
const LONGEST_NS: u64 = 600_000_000_000;

/// Times of one kind.
#[derive(Debug, Clone)]
pub struct Latency(Histogram<u64>);

impl Default for Latency {
    #[expect(clippy::expect_used, reason = "refused are only a maximum below 2 and more than five digits")]
    fn default() -> Self {
        Self(Histogram::new_with_max(LONGEST_NS, 3).expect("three significant digits"))
    }
}

impl Latency {
    /// Adds one time.
    pub fn add(&mut self, ns: u64) {
        self.0.saturating_record(ns);
    }

    /// In milliseconds, at a quantile from 0 to 1.
    pub fn ms(&self, quantile: f64) -> f64 {
        (self.0.value_at_quantile(quantile) as f64 / 1e4).round() / 100.0
    }
}

impl Latency {
    /// In microseconds, at a quantile from 0 to 1.
    pub fn us(&self, quantile: f64) -> f64 {
        (self.0.value_at_quantile(quantile) as f64 / 10.0).round() / 100.0
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ms (median; {} ms at the 99th percentile)", self.ms(0.5), self.ms(0.99))
    }
}

/// See the module.
pub(super) struct Report {
    pub converged: bool,
    pub peers: usize,
    pub entities: Entities,
    pub conflicts: usize,
    pub resolved: usize,
    pub open: usize,
    pub catchup_ms: f64,
    pub reunion_ms: f64,
    pub live: Latency,
    pub sentences: Vec<String>,
    pub merged: Vec<String>,
    pub state_hashes: Vec<String>,
}

impl Report {
    /// One object with the keys that scripts rely on.
    pub(super) fn to_json(&self) -> Json {
        json!({
            "converged": self.converged,
            "peers": self.peers,
            "entities": self.entities,
            "conflicts": self.conflicts,
            "resolved": self.resolved,
            "catchup_ms": self.catchup_ms,
            "live_ms": { "p50": self.live.ms(0.5), "p99": self.live.ms(0.99) },
            "reunion_ms": self.reunion_ms,
            "conflict_sentences": self.sentences,
            "merged": self.merged,
            "state_hashes": self.state_hashes,
        })
    }

    /// For people.
    pub(super) fn to_text(&self) -> String {
        let verdict = if self.converged {
            styled(GOOD, "All three agree.")
        } else {
            styled(BAD, "The devices do NOT agree.")
        };
        let merged = lines(self.merged.iter().map(|line| styled(GOOD, line)));
        let conflicts = lines(self.sentences.iter().map(|line| styled(NOTICE, line)));
        let hashes: Vec<_> =
            self.state_hashes.iter().map(|hash| hash.chars().take(16).collect::<String>()).collect();
        let figures = fields(&[
            ("State hashes", hashes.join("  ")),
            ("Board", board(&self.entities)),
            (
                "Conflicts",
                format!(
                    "{}, {} settled by Ben, {} left open on purpose",
                    self.conflicts, self.resolved, self.open
                ),
            ),
            ("First catch-up", format!("{} ms for two devices", self.catchup_ms)),
            ("After offline", format!("{} ms until equal", self.reunion_ms)),
            ("Live edit", self.live.to_string()),
        ]);
        format!("\n{merged}{conflicts}\n{verdict}\n{figures}")
    }
}

fn board(entities: &Entities) -> String {
    let parts = [
        count(entities.projects, "project"),
        count(entities.columns, "column"),
        count(entities.tasks, "task"),
        count(entities.comments, "comment"),
        count(entities.labels, "label"),
        count(entities.members, "member"),
    ];
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_unit_asked_for() {
        let mut latency = Latency::default();
        (1..=100).for_each(|ms| latency.add(ms * 1_000_000));
        assert!((latency.ms(0.5) - 50.0).abs() < 0.1, "{latency}");
        assert!((latency.us(0.99) - 99_000.0).abs() < 100.0, "{latency}");
    }
}
