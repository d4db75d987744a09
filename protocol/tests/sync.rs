//! What a device says to its peers, and what it makes of what they say: one story a test.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "sync/admission.rs"]
mod admission;
#[path = "sync/blobs.rs"]
mod blobs;
#[path = "sync/blind.rs"]
mod blind;
#[path = "sync/bundle.rs"]
mod bundle;
#[path = "sync/device.rs"]
mod device;
#[path = "sync/flips.rs"]
mod flips;
#[path = "sync/forget.rs"]
mod forget;
#[path = "sync/linking.rs"]
mod linking;
#[path = "sync/lying.rs"]
mod lying;
#[path = "sync/newer.rs"]
mod newer;
#[path = "sync/opening.rs"]
mod opening;
#[path = "sync/outside.rs"]
mod outside;
#[path = "sync/peers.rs"]
mod peers;
#[path = "sync/presence.rs"]
mod presence;
#[path = "sync/private.rs"]
mod private;
#[path = "sync/pulls.rs"]
mod pulls;
#[path = "sync/relays.rs"]
mod relays;
#[path = "sync/repair.rs"]
mod repair;
#[path = "sync/shares.rs"]
mod shares;
#[path = "sync/strangers.rs"]
mod strangers;
#[path = "sync/switch.rs"]
mod switch;
#[path = "sync/taking.rs"]
mod taking;
#[path = "sync/texts.rs"]
mod texts;
