//! A workspace in a file: for a stick that is carried between devices which no network connects, and as a
//! backup that lies anywhere.
//!
//! ```text
//!   head    magic (16 bytes), salt (32), tag (32)
//!   part*   length as u32, little endian, then so many bytes of cipher text of a portion
//!
//!   portion   0, runs of entries in bincode  ┐ entries first: what is shown decides which
//!             1, attachment (16), a blob     │ blobs are taken; of each attachment its manifest first
//!             2                              ┘ the end, once
//! ```
//!
//! Everything is encrypted under a key from the workspace's session secret and the salt, so that whoever finds
//! the file learns its size and nothing else, while every device of the workspace can read it, also one that
//! has no more than a ticket yet. The tag tells those which workspace it is of. It is the same for nobody
//! else, and another one in each file.
//!
//! Parts are encrypted as in STREAM (Hoang, Reyhanitabar, Rogaway, Vizár: "Online Authenticated-Encryption and
//! its Nonce-Reuse Misuse-Resistance", 2015): the nonce holds the number of the part and whether it is the
//! last, so parts can neither be left out, nor moved, nor the end cut off unseen.
//!
//! What is inside is no more trusted than what a peer sends: each run has its seal, and each blob is named by
//! its hash.

use crate::{codec, id::EntityId, limits, log::Run, ticket::SessionSecret};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce, aead::Aead};
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroizing;

/// How a bundle starts. The number is that of this layout.
const MAGIC: [u8; 16] = *b"velo bundle 1\r\n\0";

/// Why something is not read as part of a bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// Some other file.
    #[error("this is not a bundle of Velo, or one of a newer version")]
    NotABundle,
    /// Changed, or in another place than it was made for.
    #[error("the bundle is damaged here: copy it again from where it was made")]
    Damaged,
}

/// The start of a bundle: says, to those who have the workspace, of which one it is.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    salt: [u8; 32],
    tag: [u8; 32],
}

impl fmt::Debug for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Head(…)")
    }
}

impl Head {
    /// Bytes of it.
    pub const BYTES: usize = 80;

    /// A new one. `salt` is random.
    pub fn new(secret: &SessionSecret, salt: [u8; 32]) -> Self {
        Self { salt, tag: *derive(secret, "velo 2026 bundle tag", &salt) }
    }

    /// Whether the bundle is of the workspace with this secret.
    pub fn is_of(&self, secret: &SessionSecret) -> bool {
        *self == Self::new(secret, self.salt)
    }

    /// As it stands in the file.
    pub fn to_bytes(self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..16].copy_from_slice(&MAGIC);
        bytes[16..48].copy_from_slice(&self.salt);
        bytes[48..].copy_from_slice(&self.tag);
        bytes
    }

    /// Reads it.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Result<Self, BundleError> {
        let (magic, rest) = bytes.split_first_chunk::<16>().ok_or(BundleError::NotABundle)?;
        let (salt, tag) = rest.split_first_chunk::<32>().ok_or(BundleError::NotABundle)?;
        match tag.first_chunk::<32>() {
            Some(tag) if *magic == MAGIC => Ok(Self { salt: *salt, tag: *tag }),
            _ => Err(BundleError::NotABundle),
        }
    }

    fn cipher(&self, secret: &SessionSecret) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*derive(secret, "velo 2026 bundle key", &self.salt)).into())
    }
}

/// Where a part stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartNo {
    /// Counted from 0.
    pub number: u64,
    /// Whether none follows.
    pub last: bool,
}

impl PartNo {
    fn nonce(self) -> XNonce {
        let mut nonce = [0; 24];
        nonce[..8].copy_from_slice(&self.number.to_le_bytes());
        nonce[8] = u8::from(self.last);
        nonce.into()
    }
}

/// What stands in a part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Portion {
    /// Entries.
    Runs(Vec<Run>),
    /// A blob of an attachment's content: its manifest, or what that names.
    Blob {
        /// Whose.
        attachment: EntityId,
        /// Its bytes, at most [`limits::BLOB`].
        bytes: Vec<u8>,
    },
    /// Nothing more: who reads this has read everything.
    End,
}

const RUNS: u8 = 0;
const BLOB: u8 = 1;
const END: u8 = 2;

impl Portion {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Runs(runs) => {
                let mut plain = vec![RUNS];
                codec::encode_into(runs, &mut plain);
                plain
            }
            Self::Blob { attachment, bytes } => [&[BLOB][..], &attachment.0, bytes].concat(),
            Self::End => vec![END],
        }
    }

    fn decode(plain: &[u8]) -> Result<Self, BundleError> {
        match plain.split_first().ok_or(BundleError::Damaged)? {
            (&RUNS, runs) => codec::decode(runs).map(Self::Runs).map_err(|_| BundleError::Damaged),
            (&BLOB, rest) => {
                let (attachment, bytes) = rest.split_first_chunk().ok_or(BundleError::Damaged)?;
                Ok(Self::Blob { attachment: EntityId(*attachment), bytes: bytes.to_vec() })
            }
            (&END, []) => Ok(Self::End),
            _ => Err(BundleError::Damaged),
        }
    }
}

/// Encrypts a part.
pub fn seal(
    secret: &SessionSecret,
    head: &Head,
    at: PartNo,
    portion: &Portion,
) -> Result<Vec<u8>, BundleError> {
    let plain = portion.encode();
    head.cipher(secret).encrypt(&at.nonce(), &*plain).map_err(|_| BundleError::Damaged)
}

/// Decrypts a part.
pub fn open(secret: &SessionSecret, head: &Head, at: PartNo, part: &[u8]) -> Result<Portion, BundleError> {
    if part.len() > limits::BUNDLE_SEALED {
        return Err(BundleError::Damaged);
    }
    let plain = head.cipher(secret).decrypt(&at.nonce(), part).map_err(|_| BundleError::Damaged)?;
    Portion::decode(&plain)
}

fn derive(secret: &SessionSecret, context: &str, salt: &[u8; 32]) -> Zeroizing<[u8; 32]> {
    let key = Zeroizing::new(blake3::derive_key(context, &secret.0));
    Zeroizing::new(*blake3::keyed_hash(&key, salt).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        crypto::Sig,
        id::{EntryId, LogId},
        log::Head as LogHead,
    };

    const SECRET: SessionSecret = SessionSecret([7; 32]);

    fn run(byte: u8) -> Run {
        let after = LogHead { position: 3, id: EntryId([byte; 32]) };
        Run { origin: None, log: LogId([byte; 32]), after, bytes: vec![byte; 100], seal: Sig([byte; 64]) }
    }

    #[test]
    fn a_part_is_read_only_where_it_was_made_for() -> Result<(), BundleError> {
        let head = Head::from_bytes(&Head::new(&SECRET, [1; 32]).to_bytes())?;
        let at = PartNo { number: 5, last: false };
        let portion = Portion::Runs(vec![run(1), run(2)]);
        let part = seal(&SECRET, &head, at, &portion)?;
        assert_eq!(open(&SECRET, &head, at, &part)?, portion);
        let elsewhere = [PartNo { number: 6, ..at }, PartNo { last: true, ..at }];
        for at in elsewhere {
            assert_eq!(open(&SECRET, &head, at, &part), Err(BundleError::Damaged));
        }
        let other = Head::new(&SECRET, [2; 32]);
        assert_eq!(open(&SECRET, &other, at, &part), Err(BundleError::Damaged));
        for at_bit in 0..part.len() * 8 {
            let mut flipped = part.clone();
            flipped[at_bit / 8] ^= 1 << (at_bit % 8);
            assert_eq!(open(&SECRET, &head, at, &flipped), Err(BundleError::Damaged), "bit {at_bit}");
        }
        Ok(())
    }

    #[test]
    fn the_largest_blob_fits_and_what_is_no_portion_is_damaged() -> Result<(), BundleError> {
        let (head, at) = (Head::new(&SECRET, [1; 32]), PartNo { number: 5, last: false });
        let blob = Portion::Blob { attachment: EntityId([3; 16]), bytes: vec![9; limits::BLOB] };
        let part = seal(&SECRET, &head, at, &blob)?;
        assert!(part.len() <= limits::BUNDLE_SEALED, "{}", part.len());
        assert_eq!(open(&SECRET, &head, at, &part)?, blob);
        assert_eq!(Portion::decode(&Portion::End.encode())?, Portion::End);
        for wrong in [&[][..], &[0], &[1, 2, 3], &[2, 0], &[3]] {
            assert_eq!(Portion::decode(wrong), Err(BundleError::Damaged), "{wrong:?}");
        }
        Ok(())
    }

    #[test]
    fn only_who_has_the_workspace_knows_of_which_it_is() {
        let head = Head::new(&SECRET, [1; 32]);
        assert!(head.is_of(&SECRET));
        assert!(!head.is_of(&SessionSecret([8; 32])));
        assert_ne!(head.to_bytes()[48..], Head::new(&SECRET, [2; 32]).to_bytes()[48..]);
        let mut other = head.to_bytes();
        other[12] = b'2';
        assert_eq!(Head::from_bytes(&other), Err(BundleError::NotABundle));
    }
}
