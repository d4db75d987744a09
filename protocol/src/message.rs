//! Messages of a session, and their frames.
//!
//! A frame is a type byte and a bincode body; the network layer puts a `u32` length in front and
//! caps it before it allocates.

use crate::{
    codec::{self, CodecError},
    id::WorkspaceId,
    limits,
    log::{Head, Run},
};
use serde::{Deserialize, Serialize};

/// The protocol version of [`Hello`].
pub const PROTOCOL_VERSION: u16 = 1;

/// What peers say to each other. The order of variants is the type byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// First, from both sides.
    Hello(Hello),
    /// One workspace that the sender has, without naming it to those who have it not.
    Auth(Auth),
    /// What the sender holds of a workspace, in 32 bytes.
    Digest(Digest),
    /// Heads that the sender holds.
    Heads(Heads),
    /// Entries.
    Ops(Ops),
    /// The end of the session.
    Bye,
}

/// Who is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`PROTOCOL_VERSION`].
    pub version: u16,
    /// Random in each session; freshness of [`Auth`].
    pub nonce: [u8; 32],
}

/// Proof of knowing a workspace's session secret. A stranger learns nothing from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Auth {
    /// Hash of the session secret and both nonces: says which workspace, to those who have it.
    pub tag: [u8; 32],
    /// MAC under the session secret over sender, receiver and both nonces.
    pub mac: [u8; 32],
}

/// See [`Message::Digest`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Digest {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// BLAKE3 over all durable heads, in order.
    pub hash: [u8; 32],
    /// Whether the sender waits for the peer's in return: a person wants to know.
    pub asks: bool,
}

/// See [`Message::Heads`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heads {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Whether more of the same announcement follows.
    pub more: bool,
    /// Whether this is everything the sender holds, rather than what changed.
    pub full: bool,
    /// At most [`limits::HEADS_PER_MESSAGE`].
    pub heads: Vec<(crate::id::LogId, Head)>,
}

/// See [`Message::Ops`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ops {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// In causal order as far as the sender knows it.
    pub runs: Vec<Run>,
}

impl Message {
    /// The frame: type byte and body.
    pub fn encode(&self) -> Vec<u8> {
        let (tag, body) = match self {
            Self::Hello(hello) => (0, codec::encode(hello)),
            Self::Auth(auth) => (1, codec::encode(auth)),
            Self::Digest(digest) => (2, codec::encode(digest)),
            Self::Heads(heads) => (3, codec::encode(heads)),
            Self::Ops(ops) => (4, codec::encode(ops)),
            Self::Bye => (5, Vec::new()),
        };
        let mut frame = Vec::with_capacity(body.len() + 1);
        frame.push(tag);
        frame.extend_from_slice(&body);
        frame
    }

    /// Reads a frame.
    pub fn decode(frame: &[u8]) -> Result<Self, CodecError> {
        let malformed = |what: &str| CodecError::Malformed("Message", what.to_owned());
        if frame.len() > limits::FRAME {
            return Err(malformed("longer than a frame may be"));
        }
        let (tag, body) = frame.split_first().ok_or_else(|| malformed("empty frame"))?;
        match tag {
            0 => codec::decode(body).map(Self::Hello),
            1 => codec::decode(body).map(Self::Auth),
            2 => codec::decode(body).map(Self::Digest),
            3 => codec::decode(body).map(Self::Heads),
            4 => codec::decode(body).map(Self::Ops),
            5 if body.is_empty() => Ok(Self::Bye),
            other => Err(malformed(&format!("unknown type {other}"))),
        }
    }
}
