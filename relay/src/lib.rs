//! `velo-relay`: a peer that stays awake, so that people who are never online together still meet.
//!
//! It is the headless node with the same commands. With a database it keeps the logs there instead of in
//! files ([`store`]). Programs that are no peers ask it over HTTP ([`http`]).

pub mod cli;
pub mod database;
pub mod http;
pub mod integration;
pub mod limits;
pub mod store;
