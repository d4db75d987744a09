//! Many peers for long ([`velo_tests::soak`]). Here a few for half a minute, so that it stays fit to be run;
//! `scripts/soak` has 50 for an hour, with the release build:
//!
//! | variable | what |
//! | --- | --- |
//! | `VELO_SOAK_PEERS` | how many |
//! | `VELO_SOAK_MINUTES` | for how long; from [`JUDGED`] on it must be flat |
//! | `VELO_SOAK_EDIT_S` | seconds from one edit of a peer to its next |
//! | `VELO_SOAK_TABLE`, `VELO_SOAK_CHART` | where the readings and the chart go |
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use std::{
    fs::{self, File},
    path::PathBuf,
    time::Duration,
};
use velo_tests::{
    lan::{self, Lan},
    skip,
    soak::{
        chart,
        crowd::{Crowd, Plan},
        readings::{self, Verdict},
    },
};

/// Minutes from which on a run says something about what grows.
const JUDGED: u64 = 10;

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().and_then(|text| text.parse().ok())
}

fn plan() -> Plan {
    let minutes = number("VELO_SOAK_MINUTES").unwrap_or(0);
    let length = if minutes == 0 { Duration::from_secs(30) } else { Duration::from_mins(minutes) };
    let is_long = minutes > 0;
    Plan {
        peers: number("VELO_SOAK_PEERS").unwrap_or(5) as usize,
        length,
        edit_every: Duration::from_secs(number("VELO_SOAK_EDIT_S").unwrap_or(if is_long { 60 } else { 2 })),
        read_every: Duration::from_secs(if is_long { 10 } else { 1 }),
        disturb_every: if is_long { Duration::from_mins(5) } else { Duration::from_secs(16) },
        seed: number("VELO_SEED").unwrap_or(2026),
    }
}

#[test]
fn what_many_peers_use_stays_the_same() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let place = |name: &str, default: &str| {
        std::env::var_os(name).map_or_else(|| folder.path().join(default), PathBuf::from)
    };
    let (table, chart) = (place("VELO_SOAK_TABLE", "soak.csv"), place("VELO_SOAK_CHART", "soak.svg"));
    let plan = plan();
    let lan = match lan::unavailable() {
        Some(why) => {
            skip::tell(&format!("{why}: the peers are on the loopback and nobody loses the cable"));
            None
        }
        None => Some(Lan::new(u8::try_from(plan.peers)?)?),
    };
    let minutes = plan.length.as_secs() / 60;
    let mut crowd = Crowd::gather(plan, lan)?;
    crowd.live(&mut File::create(&table)?)?;
    let took = crowd.settle(Duration::from_mins(3))?;
    println!("{}; all equal {} ms after the end", crowd.summary(), took.as_millis());
    let readings = readings::from_csv(&fs::read_to_string(&table)?)?;
    chart::draw(&readings, &chart)?;
    let verdict = Verdict::of(&readings)?;
    println!("{verdict}");
    if minutes >= JUDGED { verdict.check() } else { Ok(()) }
}
