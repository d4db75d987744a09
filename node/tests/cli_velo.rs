//! The real binary, as people and scripts use it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

#[path = "cli_velo/alone.rs"]
mod alone;
#[path = "cli_velo/attachments.rs"]
mod attachments;
#[path = "cli_velo/beside.rs"]
mod beside;
#[path = "cli_velo/bundle.rs"]
mod bundle;
#[path = "cli_velo/damage.rs"]
mod damage;
#[path = "cli_velo/device.rs"]
mod device;
#[cfg(unix)]
#[path = "cli_velo/keys.rs"]
mod keys;
#[path = "cli_velo/people.rs"]
mod people;
#[path = "cli_velo/refusals.rs"]
mod refusals;
#[path = "cli_velo/standing.rs"]
mod standing;
#[path = "cli_velo/team.rs"]
mod team;
#[path = "cli_velo/together.rs"]
mod together;
