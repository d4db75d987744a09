//! The desktop app of Velo.
//!
//! What is shown is plain data ([`view`]); [`panels`] paint it; everything that can be done is a
//! [`command::AppCommand`], which [`app`] carries out through the [`bridge`], the only door to node,
//! clock and files. `view` and `panels` therefore also compile for a browser.

pub mod app;
pub mod bridge;
pub mod command;
pub mod fonts;
pub mod icons;
pub mod panels;
#[cfg(not(target_arch = "wasm32"))]
pub mod scripts;
#[cfg(not(target_arch = "wasm32"))]
pub mod start;
pub mod theme;
pub mod view;
pub mod widget;
