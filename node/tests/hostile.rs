//! Hostile peers against a real node over real libp2p, while an honest device works with it.
//!
//! Each attack must leave the node's memory as it is, up to [`GROWTH_KIB`], and the honest device must
//! come in and agree meanwhile. How much longer that takes than in peace is printed.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

#[path = "hostile/announcements.rs"]
mod announcements;
#[path = "hostile/attacker.rs"]
mod attacker;
#[path = "hostile/frames.rs"]
mod frames;
#[path = "net_sessions/raw.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod raw;
#[path = "hostile/scene.rs"]
mod scene;
#[path = "hostile/slow.rs"]
mod slow;

use velo_tests::{
    lan::{self, Lan},
    skip,
};

/// What an attack may cost in memory.
const GROWTH_KIB: u64 = 64 * 1024;

/// How nodes are started that need no discovery.
const QUIET: [&str; 3] = ["--no-mdns", "--listen", "/ip4/0.0.0.0/tcp/0"];

/// Anna's, Ben's and the attacker's; `None`, and that is told, where there can be none.
fn hosts() -> anyhow::Result<Option<Lan>> {
    if let Some(why) = lan::unavailable() {
        skip::tell(why);
        return Ok(None);
    }
    Lan::new(3).map(Some)
}
