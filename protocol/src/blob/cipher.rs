//! Encryption of a file's parts: XChaCha20-Poly1305 with the part's number as nonce.
//!
//! A nonce must never meet two texts under one key. Here each key is random and used for one file,
//! which is read once, so counting is enough. Nobody may therefore add to a file or change it under the
//! same key: what is changed is another attachment.
//!
//! The size of the whole file is associated data: parts of another file under the same key, made by an
//! author who breaks that rule, do not pass for parts of this one.

use super::manifest::Manifest;
use crate::limits;
use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// The 32 secret bytes under which one attachment is encrypted. Zeroised when dropped, never printed by
/// `Debug`.
#[derive(Clone, PartialEq, Eq, Zeroize)]
#[zeroize(drop)]
pub struct ContentKey([u8; 32]);

impl fmt::Debug for ContentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentKey(…)")
    }
}

impl ContentKey {
    /// The key that these bytes are: random ones, for a new attachment.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for the attachment's operation.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Why content cannot be read although its blobs are the right ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// A part does not open under the key.
    #[error("the content cannot be decrypted: whoever attached it wrote it wrongly. Ask for the file anew")]
    Refused,
    /// A part of this number and length is not in the file.
    #[error("the file has no such part")]
    NoPart,
}

/// Encrypts and decrypts the parts of one attachment.
pub struct ContentCipher {
    /// Zeroises its key (feature `zeroize`).
    cipher: XChaCha20Poly1305,
    size: u64,
}

impl fmt::Debug for ContentCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ContentCipher(…)")
    }
}

impl ContentCipher {
    /// For a file of `size` bytes under `key`.
    pub fn new(key: &ContentKey, size: u64) -> Self {
        let key = Zeroizing::new(blake3::derive_key("velo 2026 attachment cipher key", &key.0));
        Self { cipher: XChaCha20Poly1305::new((&*key).into()), size }
    }

    /// Makes the blob of one part. `part` must be as long as the file's size says.
    pub fn seal(&self, number: u32, part: &[u8]) -> Result<Vec<u8>, ContentError> {
        self.check_length(number, part.len())?;
        let mut blob = Vec::with_capacity(part.len() + limits::BODY_TAG);
        blob.extend_from_slice(part);
        let (nonce, context) = (nonce(number), self.size.to_le_bytes());
        let tag = self.cipher.encrypt_inout_detached(&nonce, &context, blob.as_mut_slice().into());
        blob.extend_from_slice(&tag.map_err(|_| ContentError::NoPart)?);
        Ok(blob)
    }

    /// Reads the part that a blob holds, in place.
    pub fn open(&self, number: u32, mut blob: Vec<u8>) -> Result<Vec<u8>, ContentError> {
        let len = blob.len().checked_sub(limits::BODY_TAG).ok_or(ContentError::Refused)?;
        self.check_length(number, len)?;
        let (part, tag) = blob.split_last_chunk_mut::<{ limits::BODY_TAG }>().ok_or(ContentError::Refused)?;
        let (nonce, context) = (nonce(number), self.size.to_le_bytes());
        self.cipher
            .decrypt_inout_detached(&nonce, &context, part.into(), &Tag::from(*tag))
            .map_err(|_| ContentError::Refused)?;
        blob.truncate(len);
        Ok(blob)
    }

    fn check_length(&self, number: u32, len: usize) -> Result<(), ContentError> {
        let expected = Manifest::part_len(self.size, number);
        if expected == Some(len) { Ok(()) } else { Err(ContentError::NoPart) }
    }
}

fn nonce(number: u32) -> XNonce {
    let mut nonce = XNonce::default();
    nonce[..4].copy_from_slice(&number.to_le_bytes());
    nonce
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_flipped_bit_and_every_other_place_is_refused(text in proptest::collection::vec(any::<u8>(), 1..200), bit: prop::sample::Index) {
            let cipher = ContentCipher::new(&ContentKey::from_bytes([1; 32]), text.len() as u64);
            let blob = cipher.seal(0, &text).unwrap();
            prop_assert_eq!(cipher.open(0, blob.clone()), Ok(text.clone()));
            let mut flipped = blob.clone();
            let bit = bit.index(8 * blob.len());
            flipped[bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(cipher.open(0, flipped), Err(ContentError::Refused));
            prop_assert!(cipher.open(1, blob.clone()).is_err());
            let other = ContentCipher::new(&ContentKey::from_bytes([2; 32]), text.len() as u64);
            prop_assert_eq!(other.open(0, blob.clone()), Err(ContentError::Refused));
            let longer = ContentCipher::new(&ContentKey::from_bytes([1; 32]), text.len() as u64 + 1);
            prop_assert!(longer.open(0, blob).is_err());
        }
    }

    #[test]
    fn equal_parts_make_different_blobs() {
        let part = vec![5; super::super::PART];
        let cipher = ContentCipher::new(&ContentKey::from_bytes([1; 32]), 2 * part.len() as u64);
        let (first, second) = (cipher.seal(0, &part).unwrap(), cipher.seal(1, &part).unwrap());
        assert_ne!(first, second);
        assert_eq!(first.len(), limits::BLOB);
        assert!(cipher.open(1, first).is_err(), "a part cannot be moved");
        assert_eq!(cipher.seal(2, &part), Err(ContentError::NoPart));
        assert_eq!(cipher.seal(0, &part[1..]), Err(ContentError::NoPart));
    }
}
