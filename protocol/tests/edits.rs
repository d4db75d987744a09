//! Changes, undo and history, on devices that apply real entries.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "edits/changing.rs"]
mod changing;
#[path = "edits/peer.rs"]
mod peer;
#[path = "edits/random.rs"]
mod random;
#[path = "edits/story.rs"]
mod story;
#[path = "edits/surviving.rs"]
mod surviving;
#[path = "edits/undoing.rs"]
mod undoing;
