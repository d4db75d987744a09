//! The figures, as a table and as JSON.

use super::{changes::Changes, crowd::Crowd, ingest::Ingest, live::Live};
use serde_json::{Value as Json, json};
use std::time::Duration;
use velo_node::{
    bench::{
        Latency,
        goal::{Goal, Goals},
    },
    cli::output::Table,
};

const MIB: f64 = 1024.0 * 1024.0;
const GOALS: Goals = Goals(&[
    Goal::least("/ingest_ratio", 0.5, "half of it"),
    Goal::most("/changes_ms/p99", 5.0, "99 %: 5 ms at 1,000,000").for_full(),
    Goal::most("/live_ms/p50", 30.0, "30 ms"),
    Goal::most("/crowd/rss_mb", 1024.0, "1 GiB with 1,000"),
]);

/// See the module.
pub(super) struct Report {
    pub ops: u64,
    pub seed: u64,
    pub ingest: Ingest,
    /// From asking a relay to carry until it has everything.
    pub fill: Duration,
    pub changes: Changes,
    pub live: Live,
    pub crowd: Crowd,
}

impl Report {
    /// One object with the keys that scripts rely on, and the goals.
    pub fn to_json(&self) -> Json {
        let mut figures = self.figures();
        figures["goals"] = GOALS.to_json(&figures);
        figures
    }

    fn figures(&self) -> Json {
        let ms = |latency: &Latency| json!({ "p50": latency.ms(0.5), "p90": latency.ms(0.9), "p99": latency.ms(0.99) });
        let mib = |bytes: Option<u64>| bytes.map(|bytes| rounded(bytes as f64 / MIB));
        let (ingest, crowd) = (&self.ingest, &self.crowd);
        json!({
            "ops": self.ops,
            "entries": ingest.entries,
            "entry_bytes": ingest.bytes,
            "ingest_s": rounded(ingest.append.as_secs_f64()),
            "bare_copy_s": rounded(ingest.bare.as_secs_f64()),
            "ingest_ratio": rounded(ingest.ratio()),
            "fill_s": rounded(self.fill.as_secs_f64()),
            "changes_ms": ms(&self.changes.page),
            "changes_entries": self.changes.entries,
            "page_entries": self.changes.page_entries,
            "live_ms": ms(&self.live.edit),
            "bare_commit_ms": ms(&self.live.commit),
            "crowd": {
                "devices": crowd.devices,
                "teams": crowd.teams,
                "rss_alone_mb": mib(crowd.alone),
                "rss_mb": mib(crowd.full),
            },
            "seed": self.seed,
        })
    }

    /// For people.
    pub fn to_text(&self) -> String {
        let figures = self.figures();
        let mut table = Table::new(["FIGURE", "MEDIAN", "99 %", "GOAL"]);
        let mut row = |figure: &str, median: String, most: String, goals: &str| {
            table.row([figure.to_owned(), median, most, GOALS.marked(&figures, goals)]);
        };
        let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
        let ms = |latency: &Latency, quantile| format!("{} ms", latency.ms(quantile));
        let (ingest, none) = (&self.ingest, String::new);
        let speed = |time: Duration| {
            format!("{:.0} entries/s", ingest.entries as f64 / time.as_secs_f64().max(f64::MIN_POSITIVE))
        };
        row("appending", seconds(ingest.append), speed(ingest.append), "");
        row("bare COPY of the same rows", seconds(ingest.bare), speed(ingest.bare), "");
        row("appending, of a bare COPY", format!("{:.2}", ingest.ratio()), none(), "/ingest_ratio");
        row("a device fills a relay", seconds(self.fill), speed(self.fill), "");
        let page = format!("changes, {} on a page", self.changes.page_entries);
        row(&page, ms(&self.changes.page, 0.5), ms(&self.changes.page, 0.99), "/changes_ms");
        let live = &self.live;
        row("live edit over two relays", ms(&live.edit, 0.5), ms(&live.edit, 0.99), "/live_ms");
        row("bare commit", ms(&live.commit, 0.5), ms(&live.commit, 0.99), "");
        let crowd = format!("memory with {} devices", self.crowd.devices);
        row(&crowd, memory(self.crowd.full), none(), "/crowd/rss_mb");
        row("memory with nobody", memory(self.crowd.alone), none(), "");
        let head = format!("{} operations in {} entries; seed {}", self.ops, ingest.entries, self.seed);
        format!("{head}\n\n{}\n{}", table.show(""), GOALS.summary(&figures))
    }
}

fn memory(bytes: Option<u64>) -> String {
    bytes.map_or_else(|| "unknown".to_owned(), |bytes| format!("{:.0} MiB", bytes as f64 / MIB))
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}
