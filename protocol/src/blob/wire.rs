//! What peers say about blobs: one question, one answer, on a stream of its own (`/velo/blob/1`).
//!
//! Who is asked answers only to whom it serves entries of that workspace (see [`crate::replica`]), and
//! to everybody else as if it had nothing.
//!
//! A relay cannot read which attachments there are. So whoever has all of some offers them ([`Offer`]), and it
//! asks for what it wants of them like any other peer. It is offered the same again and again, until it says that
//! it has them.

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

/// An attachment that somebody has, all of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offered {
    /// Its manifest.
    pub manifest: BlobId,
    /// Bytes of its file, so that a relay without room need not ask for the manifest.
    pub size: u64,
}

/// Offers attachments to a relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// Of which workspace.
    pub workspace: WorkspaceId,
    /// Which: at most [`limits::OFFER`].
    pub attachments: Vec<Offered>,
}

/// What a relay does with an attachment that it is offered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Uptake {
    /// It has all of it.
    Here,
    /// It asks for it now.
    Wanted,
    /// It has too much to do: it is to be offered again.
    Later,
    /// It has no room for it.
    NoRoom,
}

/// What a peer is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Question {
    /// For a piece.
    Piece(Ask),
    /// Whether it wants something.
    Offer(Offer),
}

/// The answer to a [`Question`].
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
    /// To an offer: what is done with each attachment, in their order.
    Offered(Vec<Uptake>),
}

impl Question {
    /// Of which workspace.
    pub fn workspace(&self) -> WorkspaceId {
        match self {
            Self::Piece(ask) => ask.workspace,
            Self::Offer(offer) => offer.workspace,
        }
    }

    /// As it is sent.
    pub fn encode(&self) -> Vec<u8> {
        codec::encode(self)
    }

    /// Reads one. A piece that is too long, or what is offered beyond the bound, is cut rather than refused.
    pub fn decode(bytes: &[u8]) -> Result<Self, CodecError> {
        let mut question = codec::decode(bytes)?;
        match &mut question {
            Self::Piece(ask) => ask.len = ask.len.min(limits::PIECE_MOST),
            Self::Offer(offer) => offer.attachments.truncate(limits::OFFER),
        }
        Ok(question)
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
            if let Ok(Question::Offer(offer)) = Question::decode(&bytes) {
                prop_assert!(offer.attachments.len() <= limits::OFFER);
            }
            let _ = Answer::decode(&bytes);
        }

        #[test]
        fn any_ask_is_answered_within_bounds(offset: u32, len: u32, size in 0usize..500) {
            let ask = Ask { workspace: WorkspaceId([1; 32]), blob: BlobId([2; 32]), offset, len };
            let question = Question::Piece(ask).encode();
            prop_assert!(question.len() <= limits::BLOB_QUESTION);
            let Question::Piece(read) = Question::decode(&question).unwrap() else {
                return Err(TestCaseError::fail("a question for a piece"));
            };
            let blob = vec![3; size];
            let Answer::Piece { total, bytes } = Answer::of(&read, &blob) else {
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

    #[test]
    fn the_largest_offer_and_its_answer_keep_their_bounds() {
        let one = Offered { manifest: BlobId([0xFF; 32]), size: u64::MAX };
        let mut offer = Offer { workspace: WorkspaceId([0xFF; 32]), attachments: vec![one; limits::OFFER] };
        let question = Question::Offer(offer.clone());
        assert!(question.encode().len() <= limits::BLOB_QUESTION, "{}", question.encode().len());
        assert_eq!(Question::decode(&question.encode()), Ok(question.clone()));
        offer.attachments.push(one);
        assert_eq!(Question::decode(&Question::Offer(offer).encode()), Ok(question));
        let answer = Answer::Offered(vec![Uptake::NoRoom; limits::OFFER]);
        assert!(answer.encode().len() <= limits::BLOB_ANSWER);
        assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
    }
}
