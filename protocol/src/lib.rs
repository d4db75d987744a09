//! The pure core of Velo: logs, merging and synchronisation of a project-management workspace.
//!
//! Peers without a server must agree on three things: which bytes belong to whom ([`log`]), which
//! operations count ([`access`]), and what the counted operations mean together ([`register`],
//! [`workspace`]).
//! Each of the three is a pure function of the *set* of stored entries, never of arrival order,
//! wall clocks or which peer brought them.
//!
//! Nothing here reads a clock, draws randomness, spawns a thread, opens a file or a socket: all of
//! that is handed in. [`replica::Replica`] is the one door; a driver gives it one
//! [`replica::Input`] and then drains its [`replica::Output`]s.
//!
//! Each module imports only modules that stand above it in this list. The one exception is
//! [`workspace`], which keeps book of the pages that [`snapshot`] writes.

pub mod id;
pub mod fingerprint;
pub mod limits;
pub mod time;
pub mod codec;
pub mod crypto;
pub mod relay_token;
mod memo;
pub mod log;
pub mod blob;
pub mod value;
pub mod model;
pub mod op;
pub mod armour;
pub mod ticket;
pub mod link_code;
pub mod store;
pub mod causality;
pub mod access;
pub mod log_set;
pub mod keys;
pub mod root;
pub mod control;
pub mod founding;
pub mod roster;
pub mod members;
pub mod register;
pub mod text;
pub mod workspace;
pub mod snapshot;
pub mod describe;
pub mod change;
pub mod private;
pub mod undo;
pub mod history;
pub mod presence;
pub mod bundle;
pub mod message;
pub mod session;
pub mod replica;
#[cfg(feature = "workload")]
pub mod dice;
#[cfg(feature = "sim")]
pub mod sim;
#[cfg(feature = "workload")]
pub mod workload;
