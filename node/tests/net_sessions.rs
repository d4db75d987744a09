//! Sessions between real nodes over loopback TCP.

#[path = "net_sessions/bad_peer.rs"]
mod bad_peer;
#[path = "net_sessions/finding.rs"]
mod finding;
#[path = "net_sessions/flow.rs"]
mod flow;
#[path = "net_sessions/support.rs"]
mod support;
