//! The content of attachments: files cut into blobs that anybody can carry and only members can read.
//!
//! ```text
//!   file ─▶ parts of 256 KiB ─▶ encrypted, each by itself ─▶ blobs, named by BLAKE3 of their bytes
//!                                                              │
//!   attachment (an operation, encrypted) ─▶ Content ─▶ manifest ┘  names the blobs, in order
//!                                             └─▶ key
//! ```
//!
//! A manifest is itself a blob, named by its hash. So whoever has the attachment can check every blob
//! alone, from whichever peer it comes, and a transfer goes on where it stopped. The key is random for
//! each attachment and stands nowhere but in the operation: a peer without the workspace's keys can
//! carry blobs, and sees their sizes only.
//!
//! This module says what blobs are ([`Manifest`], [`ContentCipher`]), what peers say about them
//! ([`Question`], [`Answer`]) and in which order they are fetched ([`Fetches`]). Files and network are the
//! driver's.

mod at_relay;
mod cipher;
mod fetch;
mod manifest;
mod pace;
mod wire;

pub use at_relay::AtRelay;
pub use cipher::{ContentCipher, ContentError, ContentKey};
pub use fetch::{Fetches, Known, Outcome, Urgency};
pub use manifest::{Manifest, ManifestError, PART};
pub use wire::{Answer, Ask, Offer, Offered, Question, Uptake};

use crate::id::BlobId;
use std::{fmt, str::FromStr};

impl BlobId {
    /// The name of a blob.
    pub fn of(bytes: &[u8]) -> Self {
        Self(*blake3::hash(bytes).as_bytes())
    }
}

/// Where the content of an attachment is found, and how it is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// The blob that names the others.
    pub manifest: BlobId,
    /// What they are encrypted under.
    pub key: ContentKey,
}

impl Content {
    /// Characters of its text form: two ids in hexadecimal and a colon.
    pub const CHARS: usize = 129;
}

/// Not the text form of a [`Content`]. The attachment was made by something else than this program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("where the content of the attachment is kept cannot be read: attach the file again")]
pub struct NoContent;

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.manifest, data_encoding::HEXLOWER.encode(self.key.as_bytes()))
    }
}

impl FromStr for Content {
    type Err = NoContent;

    fn from_str(text: &str) -> Result<Self, NoContent> {
        let (manifest, key) = text.split_once(':').ok_or(NoContent)?;
        let key = data_encoding::HEXLOWER.decode(key.as_bytes()).map_err(|_| NoContent)?;
        let key = ContentKey::from_bytes(key.try_into().map_err(|_| NoContent)?);
        Ok(Self { manifest: manifest.parse().map_err(|_| NoContent)?, key })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_read_back_and_nothing_else_is() {
        let content = Content { manifest: BlobId([7; 32]), key: ContentKey::from_bytes([9; 32]) };
        let text = content.to_string();
        assert_eq!(text.len(), Content::CHARS);
        assert_eq!(text.parse(), Ok(content));
        for wrong in ["", ":", &text[1..], &text[..128], &text.replace(':', ";"), &format!("{text}0")] {
            assert_eq!(wrong.parse::<Content>(), Err(NoContent), "{wrong}");
        }
    }
}
