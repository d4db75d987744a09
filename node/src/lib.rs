//! A Velo peer: the pure core of [`velo_protocol`] with a disk, a network and threads.

pub mod api;
pub mod bench;
pub mod blobs;
pub mod cli;
pub mod companion;
pub mod control;
pub mod data_dir;
pub mod demo;
pub mod diagnostics;
mod driver;
#[cfg(feature = "fuzzing")]
pub mod fuzzing;
pub mod handle;
pub mod import;
pub mod keystore;
pub mod limits;
pub mod logging;
pub mod metrics;
pub mod net;
pub mod operator;
mod plain;
pub mod qr;
pub mod short_id;
pub mod store;
