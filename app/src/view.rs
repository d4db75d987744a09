//! What the screen shows, as plain data: no painting, no threads, no files, no clock.
//!
//! [`crate::panels`] paints it. What is computed from the workspace is cached by its revision, so
//! that a frame formats only what is visible.

pub mod attachments;
pub mod board;
pub mod card;
pub mod confirm;
pub mod conflict;
pub mod date;
pub mod detail;
pub mod directory;
pub mod doctor;
pub mod edit;
pub mod keys;
pub mod members;
pub mod model;
pub mod onboarding;
pub mod peers;
pub mod personal;
pub mod phrase;
pub mod picker;
pub mod picture;
pub mod presence;
pub mod qr;
pub mod quick_add;
pub mod relay;
pub mod secret;
pub mod standing;
pub mod state;
pub mod storage;
pub mod story;
pub mod toast;
pub mod unlock;
