//! Sessions between real nodes over loopback TCP.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test ends where something unexpected happens"
)]

#[path = "net_sessions/bad_peer.rs"]
mod bad_peer;
#[path = "net_sessions/broken_link.rs"]
mod broken_link;
#[path = "../../protocol/tests/sync/device.rs"]
#[allow(dead_code, reason = "the tests of the protocol use the rest")]
mod device;
#[path = "net_sessions/finding.rs"]
mod finding;
#[path = "net_sessions/flow.rs"]
mod flow;
#[path = "net_sessions/lying.rs"]
mod lying;
#[path = "net_sessions/raw.rs"]
mod raw;
#[path = "net_sessions/relays.rs"]
mod relays;
#[path = "net_sessions/support.rs"]
mod support;
