//! The access rule: against its executable reference, by what it promises, and by what it costs.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "access/circles.rs"]
mod circles;
#[path = "access/logs.rs"]
mod logs;
#[path = "access/promises.rs"]
mod promises;
#[path = "access/random.rs"]
mod random;
#[path = "access/scale.rs"]
mod scale;
#[path = "access/vectors.rs"]
mod vectors;
#[path = "access/world.rs"]
mod world;
