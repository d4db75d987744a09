//! The figures, as a table and as JSON.

use super::{
    goal::{Goal, Goals},
    local::Durable,
    many::Many,
    pair::Pair,
    split::Split,
};
use crate::{
    cli::output::{Table, count},
    demo::report::Latency,
};
use serde_json::{Value as Json, json};
use std::time::Duration;
use velo_protocol::{model::Kind, workload::Trace};

const MIB: f64 = 1024.0 * 1024.0;
const GOALS: Goals = Goals(&[
    Goal::most("/local_edit_us/p99", 20.0, "99 %: 20 µs"),
    Goal::most("/durable_ratio", 1.2, "1.2"),
    Goal::least("/catchup_ops_per_s", 200_000.0, "200,000 op/s"),
    Goal::most("/access_share", 0.333, "a third"),
    Goal::most("/live_ms/p50", 3.0, "3 ms"),
    Goal::most("/live_ms/p99", 10.0, "99 %: 10 ms"),
    Goal::most("/wire_bytes_per_op", 120.0, "120 bytes"),
    Goal::most("/from_three/received_ratio", 1.1, "1.1 of those from one"),
    Goal::most("/idle_sync_bytes", 1024.0, "1,024 bytes"),
    Goal::most("/open_ms", 1000.0, "1,000 ms at 1,000,000").for_full(),
    Goal::most("/rss_mb", 400.0, "400 MiB at 1,000,000").for_full(),
    Goal::most("/disk_ratio", 1.5, "1.5"),
]);

/// See the module.
pub(super) struct Report {
    pub seed: u64,
    pub trace: Trace,
    pub in_memory: Latency,
    pub split: Split,
    pub durable: Durable,
    pub pair: Pair,
    pub many: Many,
}

impl Report {
    fn ops_per_s(&self) -> f64 {
        self.trace.operations as f64 / self.pair.catchup.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    fn wire_bytes_per_op(&self) -> f64 {
        self.pair.wire_bytes as f64 / self.trace.operations.max(1) as f64
    }

    /// Bytes received from three devices, over those from one.
    fn received_ratio(&self) -> f64 {
        self.many.wire_bytes as f64 / self.pair.wire_bytes.max(1) as f64
    }

    fn disk_ratio(&self) -> f64 {
        self.pair.disk_bytes as f64 / self.pair.entry_bytes.max(1) as f64
    }

    fn durable_ratio(&self) -> f64 {
        self.durable.edit.us(0.5) / self.durable.bare.us(0.5).max(f64::MIN_POSITIVE)
    }

    /// What access and decryption are of catching up.
    fn access_share(&self) -> f64 {
        self.split.of_access().as_secs_f64() / self.pair.catchup.as_secs_f64().max(f64::MIN_POSITIVE)
    }

    /// Microseconds that a part takes for an operation.
    fn us_per_op(&self, part: Duration) -> f64 {
        rounded(part.as_secs_f64() * 1e6 / self.trace.operations.max(1) as f64)
    }

    fn tasks(&self) -> usize {
        self.trace.state.shown(Kind::Task).count()
    }

    /// One object with the keys that scripts rely on, and the goals.
    pub(super) fn to_json(&self) -> Json {
        let mut figures = self.figures();
        figures["goals"] = GOALS.to_json(&figures);
        figures
    }

    fn figures(&self) -> Json {
        let us = |latency: &Latency| json!({ "p50": latency.us(0.5), "p99": latency.us(0.99) });
        let pair = &self.pair;
        json!({
            "ops": self.trace.operations,
            "local_edit_us": us(&self.in_memory),
            "durable_edit_us": us(&self.durable.edit),
            "bare_fsync_us": us(&self.durable.bare),
            "durable_ratio": rounded(self.durable_ratio()),
            "catchup_s": rounded(pair.catchup.as_secs_f64()),
            "catchup_ops_per_s": self.ops_per_s().round(),
            "catchup_us_per_op": {
                "whole": self.us_per_op(pair.catchup),
                "verify": self.us_per_op(self.split.verify),
                "judge": self.us_per_op(self.split.judge),
                "decrypt": self.us_per_op(self.split.decrypt),
                "apply": self.us_per_op(self.split.apply),
            },
            "access_share": rounded(self.access_share()),
            "live_ms": { "p50": pair.live.ms(0.5), "p99": pair.live.ms(0.99) },
            "wire_bytes_per_op": rounded(self.wire_bytes_per_op()),
            "from_three": {
                "catchup_s": rounded(self.many.catchup.as_secs_f64()),
                "received_ratio": rounded(self.received_ratio()),
            },
            "idle_sync_bytes": pair.idle_bytes,
            "open_ms": millis(pair.open),
            "rss_mb": pair.rss_bytes.map(|bytes| rounded(bytes as f64 / MIB)),
            "disk_ratio": rounded(self.disk_ratio()),
            "entries": self.trace.entries,
            "entry_bytes": self.trace.bytes,
            "tasks": self.tasks(),
            "seed": self.seed,
        })
    }

    /// For people.
    pub(super) fn to_text(&self) -> String {
        let figures = self.figures();
        let mut table = Table::new(["FIGURE", "MEDIAN", "99 %", "GOAL"]);
        let mut row = |figure: &str, median: String, most: String, goals: &str| {
            table.row([figure.to_owned(), median, most, GOALS.marked(&figures, goals)]);
        };
        let us = |latency: &Latency, quantile| format!("{} µs", latency.us(quantile));
        let ms = |latency: &Latency, quantile| format!("{} ms", latency.ms(quantile));
        let (pair, none) = (&self.pair, String::new);
        row("local edit in memory", us(&self.in_memory, 0.5), us(&self.in_memory, 0.99), "/local_edit_us");
        row("durable edit", us(&self.durable.edit, 0.5), us(&self.durable.edit, 0.99), "");
        row("bare append + fdatasync", us(&self.durable.bare, 0.5), us(&self.durable.bare, 0.99), "");
        row("durable / bare", format!("{:.2}", self.durable_ratio()), none(), "/durable_ratio");
        let speed = format!("{:.0} op/s", self.ops_per_s());
        row("catch-up", format!("{:.2} s", pair.catchup.as_secs_f64()), speed, "/catchup");
        let part = |name: &str| format!("{} µs", figures["catchup_us_per_op"][name]);
        for (figure, name) in [
            ("  an operation", "whole"),
            ("  in one thread: verify", "verify"),
            ("  access rule", "judge"),
            ("  decrypt", "decrypt"),
            ("  apply", "apply"),
        ] {
            row(figure, part(name), none(), "");
        }
        row(
            "access and decryption, of catch-up",
            format!("{:.0} %", 100.0 * self.access_share()),
            none(),
            "/access_share",
        );
        row("live edit", ms(&pair.live, 0.5), ms(&pair.live, 0.99), "/live_ms");
        let wire = format!("{:.1} bytes", self.wire_bytes_per_op());
        row("on the wire, an operation", wire, none(), "/wire");
        let of_three = format!("{:.2} s", self.many.catchup.as_secs_f64());
        let received = format!("{:.2} of the bytes", self.received_ratio());
        row("catch-up from three", of_three, received, "/from_three");
        row("sync with nothing to do", format!("{} bytes", pair.idle_bytes), none(), "/idle_sync");
        row("open to the first page", format!("{} ms", millis(pair.open)), none(), "/open_ms");
        let memory = pair
            .rss_bytes
            .map_or_else(|| "unknown".to_owned(), |bytes| format!("{:.0} MiB", bytes as f64 / MIB));
        row("memory then", memory, none(), "/rss_mb");
        row("disk / entries", format!("{:.2}", self.disk_ratio()), none(), "/disk_ratio");
        let (entries, tasks) = (self.trace.entries, count(self.tasks(), "task"));
        let head =
            format!("{} operations in {entries} entries, {tasks}; seed {}", self.trace.operations, self.seed);
        format!("{head}\n\n{}\n{}", table.show(""), GOALS.summary(&figures))
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e5).round() / 100.0
}
