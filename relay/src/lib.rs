//! `velo-relay`: a peer that stays awake, so that people who are never online together still meet.
//!
//! It is the headless node with the same commands. With a database it keeps the logs there instead of in
//! files ([`store`]) and the attachments that it carries ([`blobs`]), and beside them tables of what it can read ([`tables`]). It carries workspaces for whoever
//! shows a token of its operator ([`tokens`]), and answers programs that are no peers over HTTP ([`http`]). Several share one
//! database ([`neighbours`]). [`mod@bench`] measures it.

mod arrivals;
pub mod bench;
pub mod blobs;
pub mod database;
pub mod http;
pub mod integration;
pub mod limits;
pub mod neighbours;
pub mod operating;
pub mod store;
pub mod tables;
pub mod tokens;
