//! `velo-relay`: a peer that stays awake, so that people who are never online together still meet.
//!
//! It is the headless node with the same commands. With a database it keeps the logs there instead of in
//! files ([`store`]), and beside them tables of what it can read ([`tables`]).

pub mod database;
pub mod limits;
pub mod store;
pub mod tables;
