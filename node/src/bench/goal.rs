//! What the figures are to reach, and whether they do.

use crate::cli::output::{BAD, GOOD, styled};
use serde_json::{Value as Json, json};

/// Operations for which goals of the whole are meant.
const FULL: u64 = 1_000_000;

/// Whether a figure may not be greater, or not less.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Bound {
    Most(f64),
    Least(f64),
}

/// What one figure is to reach.
#[derive(Debug, Clone, Copy)]
pub struct Goal {
    /// Where the figure stands in the JSON.
    figure: &'static str,
    bound: Bound,
    /// For people.
    told: &'static str,
    /// Whether it is meant for [`FULL`] operations: less of them prove nothing good.
    is_for_full: bool,
}

impl Goal {
    /// A figure, named as it stands in the JSON, that may not be greater. `told`: the same for people.
    pub const fn most(figure: &'static str, most: f64, told: &'static str) -> Self {
        Self { figure, bound: Bound::Most(most), told, is_for_full: false }
    }

    /// The same of one that may not be less.
    pub const fn least(figure: &'static str, least: f64, told: &'static str) -> Self {
        Self { figure, bound: Bound::Least(least), told, is_for_full: false }
    }

    /// Meant for a million operations.
    #[must_use]
    pub const fn for_full(mut self) -> Self {
        self.is_for_full = true;
        self
    }

    /// `None` if the figures do not tell.
    fn is_reached(&self, figures: &Json) -> Option<bool> {
        let value = figures.pointer(self.figure)?.as_f64()?;
        let reached = match self.bound {
            Bound::Most(most) => value <= most,
            Bound::Least(least) => value >= least,
        };
        let proves = !self.is_for_full || figures["ops"].as_u64().is_some_and(|ops| ops >= FULL);
        (proves || !reached).then_some(reached)
    }

    fn to_json(self, figures: &Json) -> Json {
        let (Bound::Most(goal) | Bound::Least(goal)) = self.bound;
        let figure = self.figure.trim_start_matches('/').replace('/', ".");
        json!({ "figure": figure, "goal": goal, "reached": self.is_reached(figures) })
    }

    fn to_text(self, figures: &Json) -> String {
        match self.is_reached(figures) {
            Some(true) => format!("{} {}", styled(GOOD, "✓"), self.told),
            Some(false) => format!("{} {}", styled(BAD, "✗"), self.told),
            None => format!("  {}", self.told),
        }
    }
}

/// Goals of one program.
#[derive(Debug, Clone, Copy)]
pub struct Goals(pub &'static [Goal]);

impl Goals {
    /// Every goal, as JSON.
    pub fn to_json(self, figures: &Json) -> Json {
        self.0.iter().map(|goal| goal.to_json(figures)).collect()
    }

    /// The goals of the figures that start so, each with its mark.
    pub fn marked(self, figures: &Json, start: &str) -> String {
        let goals = self.0.iter().filter(|goal| !start.is_empty() && goal.figure.starts_with(start));
        goals.map(|goal| goal.to_text(figures)).collect::<Vec<_>>().join(", ")
    }

    /// How many are reached and missed.
    pub fn summary(self, figures: &Json) -> String {
        let told: Vec<bool> = self.0.iter().filter_map(|goal| goal.is_reached(figures)).collect();
        let missed = told.iter().filter(|reached| !**reached).count();
        format!("{} of {} goals reached (✓), {missed} missed (✗)", told.len() - missed, told.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    const GOALS: Goals = Goals(&[
        Goal::least("/catchup_ops_per_s", 200_000.0, "200,000 op/s"),
        Goal::most("/live_ms/p50", 3.0, "3 ms"),
        Goal::most("/live_ms/p99", 10.0, "99 %: 10 ms"),
        Goal::most("/open_ms", 1000.0, "1,000 ms at 1,000,000").for_full(),
        Goal::most("/rss_mb", 400.0, "400 MiB at 1,000,000").for_full(),
        Goal::most("/disk_ratio", 1.5, "1.5"),
    ]);

    fn figures(ops: u64) -> Json {
        json!({
            "ops": ops, "catchup_ops_per_s": 150_000.0, "live_ms": { "p50": 1.0, "p99": 12.5 },
            "disk_ratio": 1.5, "open_ms": 900.0, "rss_mb": null,
        })
    }

    #[test]
    fn every_goal_is_marked_as_reached_or_missed() {
        let figures = figures(FULL);
        let mark = |start| plain(&GOALS.marked(&figures, start));
        assert_eq!(mark("/catchup_ops_per_s"), "✗ 200,000 op/s");
        assert_eq!(mark("/live_ms"), "✓ 3 ms, ✗ 99 %: 10 ms");
        assert_eq!(mark("/disk_ratio"), "✓ 1.5");
        assert_eq!(mark("/open_ms"), "✓ 1,000 ms at 1,000,000");
        assert_eq!(mark("/rss_mb"), "  400 MiB at 1,000,000", "unknown on this system");
        assert_eq!(mark(""), "");
        assert_eq!(GOALS.summary(&figures), "3 of 5 goals reached (✓), 2 missed (✗)");
    }

    #[test]
    fn a_small_run_proves_no_goal_of_a_great_one() {
        let mut few = figures(2_000);
        assert_eq!(plain(&GOALS.marked(&few, "/open_ms")), "  1,000 ms at 1,000,000");
        few["open_ms"] = json!(1_001.0);
        assert_eq!(plain(&GOALS.marked(&few, "/open_ms")), "✗ 1,000 ms at 1,000,000");
        let all = GOALS.to_json(&few);
        let live = all.as_array().unwrap().iter().find(|goal| goal["figure"] == "live_ms.p99").unwrap();
        assert_eq!(*live, json!({ "figure": "live_ms.p99", "goal": 10.0, "reached": false }));
    }
}
