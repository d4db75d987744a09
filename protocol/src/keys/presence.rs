//! Encryption of what devices say of themselves for the moment: see [`crate::presence`].
//!
//! XChaCha20-Poly1305 under a key of its own. The nonce is a keyed hash of the place and the text, so that
//! a counter which was used before with another text, after a clock was set back, repeats no nonce.

use super::secret::EpochKey;
use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use std::fmt;
use zeroize::Zeroizing;

/// The keys of one epoch.
pub struct PresenceCipher {
    nonce_key: Zeroizing<[u8; 32]>,
    /// Zeroises its key (feature `zeroize`).
    cipher: XChaCha20Poly1305,
}

impl fmt::Debug for PresenceCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PresenceCipher(…)")
    }
}

impl PresenceCipher {
    /// Derives the keys of an epoch.
    pub fn new(key: &EpochKey) -> Self {
        Self {
            nonce_key: key.derive("velo 2026 presence nonce key"),
            cipher: XChaCha20Poly1305::new((&*key.derive("velo 2026 presence cipher key")).into()),
        }
    }

    /// Encrypts a short text at a place, which is not sent with it. Returns nonce and ciphertext; `None`
    /// never happens: the cipher refuses only texts of 256 GiB.
    pub fn seal(&self, context: &[u8], plain: &[u8]) -> Option<([u8; 24], Vec<u8>)> {
        let mut hasher = blake3::Hasher::new_keyed(&self.nonce_key);
        hasher.update(&(context.len() as u64).to_le_bytes()).update(context).update(plain);
        let mut nonce = [0; 24];
        nonce.copy_from_slice(&hasher.finalize().as_bytes()[..24]);
        let mut text = plain.to_vec();
        let in_place = text.as_mut_slice().into();
        let tag = self.cipher.encrypt_inout_detached(&XNonce::from(nonce), context, in_place).ok()?;
        text.extend_from_slice(&tag);
        Some((nonce, text))
    }

    /// Decrypts it. `None` if it was not encrypted under this key for this place.
    pub fn open(&self, context: &[u8], nonce: [u8; 24], sealed: &[u8]) -> Option<Vec<u8>> {
        let (text, tag) = sealed.split_last_chunk::<16>()?;
        let mut plain = text.to_vec();
        let in_place = plain.as_mut_slice().into();
        let opened =
            self.cipher.decrypt_inout_detached(&XNonce::from(nonce), context, in_place, &Tag::from(*tag));
        opened.ok().map(|()| plain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_and_place_open_it() {
        let cipher = PresenceCipher::new(&EpochKey::from_bytes([1; 32]));
        let (nonce, sealed) = cipher.seal(b"here", b"task").unwrap();
        assert_eq!(cipher.open(b"here", nonce, &sealed), Some(b"task".to_vec()));
        assert_eq!(cipher.open(b"there", nonce, &sealed), None);
        let other = PresenceCipher::new(&EpochKey::from_bytes([2; 32]));
        assert_eq!(other.open(b"here", nonce, &sealed), None);
        for bit in 0..8 * sealed.len() {
            let mut flipped = sealed.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(cipher.open(b"here", nonce, &flipped), None);
        }
        assert_eq!(cipher.open(b"here", nonce, &[]), None);
        assert_ne!(cipher.seal(b"here", b"text").unwrap().0, nonce, "other text, other nonce");
    }
}
