//! What stays on disk: the logs in plain append-only files, and an index that can be lost.
//!
//! ```text
//! workspaces/<id>/log/000001.vlog    the truth: entries and seals, appended and synced
//!                 log/quarantine/    damaged bytes, copied before anything else happens to them
//!                 state/             sled: pages of the visible state and the log's index
//!                 ballast            space to give back when the disk is full
//! ```
//!
//! An acknowledgement costs one append and one `fdatasync` ([`log_files`]). The state ([`state`])
//! is written later, never ahead of the log, and rebuilt from the log whenever it is missing, old
//! or damaged: no weakness of a database can lose an edit.

pub mod disk;
pub mod home;
pub mod log_files;
pub mod record;
mod scan;
pub mod state;
