//! The content of attachments on this device: kept as files named by their hash, fetched from peers, and
//! dropped when nothing shows it any more.
//!
//! ```text
//!   attach ─▶ content::add ─▶ BlobStore ◀── Courier ◀─ answers ── driver ◀─ /velo/blob/1 ─▶ peers
//!   save   ─▶ content::read_out ◀─┘           └────── asks ─────▶ driver
//!   bundle ─▶ carry ◀─────────────┘
//! ```
//!
//! What is whole here is offered to the relays of a workspace, which cannot read what there is to fetch. Such a
//! relay has a courier too, which takes what it is offered.
//!
//! The driver does no more than ask the replica whether blobs may travel now; everything that touches the
//! disk happens on the courier's own thread, or on the thread of whoever attaches or saves a file.

pub mod carry;
pub mod content;
pub(crate) mod courier;
pub mod files;
pub mod named;
pub mod store;
pub mod usage;
