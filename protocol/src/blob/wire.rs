//! What peers say about blobs: one question, one answer, on a stream of its own (`/velo/blob/1`).
//!
//! Who is asked answers only to whom it serves entries of that workspace (see [`crate::replica`]), and
//! to everybody else as if it had nothing.

use crate::{
    codec::{self, CodecError},
    id::{BlobId, WorkspaceId},
    limits,
};
use serde::{Deserialize, Serialize};

/// Asks for a piece of a blob.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ask {
    /// Of which workspace it is.
    pub workspace: WorkspaceId,
    /// Which.
    pub blob: BlobId,
    /// The first byte wanted.
    pub offset: u32,
    /// Bytes wanted, at most [`limits::PIECE_MOST`].
    pub len: u32,
}

/// The answer to an [`Ask`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Answer {
    /// The bytes, fewer at the blob's end.
    Piece {
        /// Of the whole blob.
        total: u32,
        /// From the offset on.
        bytes: Vec<u8>,
    },
    /// There is no such blob here, or not for whoever asks.
    NotHere,
    /// Not now: entries go first.
    Later,
}

impl Ask {
    /// As it is sent.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads one. A piece that is too long is cut rather than refused.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut ask: Self = codec::decode(bytes)?;
        ask.len = ask.len.min(limits::PIECE_MOST);
        Ok(ask)
    }
}

impl Answer {
    /// What this says of a blob that is here.
    pub fn of(ask: &Ask, blob: &[u8]) -> Self {
        let from = (ask.offset as usize).min(blob.len());
        let to = from.saturating_add(ask.len as usize).min(blob.len());
        Self::Piece { total: blob.len() as u32, bytes: blob[from..to].to_vec() }
    }

    /// As it is sent.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads one.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        codec::decode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn hostile_bytes_are_no_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Ask::decode(&bytes);
            let _ = Answer::decode(&bytes);
        }

        #[test]
        fn any_ask_is_answered_within_bounds(offset: u32, len: u32, size in 0usize..500) {
            let ask = Ask { workspace: WorkspaceId([1; 32]), blob: BlobId([2; 32]), offset, len };
            prop_assert!(ask.encode().len() <= limits::BLOB_ASK);
            let blob = vec![3; size];
            let Answer::Piece { total, bytes } = Answer::of(&Ask::decode(&ask.encode()).unwrap(), &blob) else {
                return Err(TestCaseError::fail("a piece"));
            };
            prop_assert_eq!(total as usize, size);
            prop_assert_eq!(bytes.len(), size.saturating_sub(offset as usize).min(len.min(limits::PIECE_MOST) as usize));
        }
    }

    #[test]
    fn the_largest_answer_keeps_its_bound() {
        let ask = Ask {
            workspace: WorkspaceId([1; 32]),
            blob: BlobId([2; 32]),
            offset: 0,
            len: limits::PIECE_MOST,
        };
        let answer = Answer::of(&ask, &vec![0xFF; limits::BLOB]);
        assert!(answer.encode().len() <= limits::BLOB_ANSWER);
        assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
    }
}
