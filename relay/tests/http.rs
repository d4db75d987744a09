//! The HTTP API as others meet it: real processes, a real database, and curl.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

#[path = "http/auth.rs"]
mod auth;
#[path = "http/caddy.rs"]
mod caddy;
#[path = "http/changes.rs"]
mod changes;
#[path = "http/crowd.rs"]
mod crowd;
#[path = "http/curl.rs"]
mod curl;
#[path = "http/hostile.rs"]
mod hostile;
#[path = "http/ops.rs"]
mod ops;
#[path = "http/sync.rs"]
mod sync;
#[path = "http/readme.rs"]
mod readme;
#[path = "http/scene.rs"]
mod scene;
