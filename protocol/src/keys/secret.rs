//! The key of an epoch, what it is known by, and how one is carried under another.

use crate::id::EntryId;
use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// The 32 secret bytes of an epoch. Zeroised when dropped, and never printed.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize)]
#[serde(transparent)]
#[zeroize(drop)]
pub struct EpochKey([u8; 32]);

impl fmt::Debug for EpochKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EpochKey(…)")
    }
}

impl EpochKey {
    /// A new key.
    pub fn random(rng: &mut impl CryptoRng) -> Self {
        let mut key = Self([0; 32]);
        rng.fill_bytes(&mut key.0);
        key
    }

    /// The key that these bytes are.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bytes, for deriving keys and for the own store.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// What this key is known by.
    pub fn commitment(&self) -> Commitment {
        Commitment(blake3::derive_key("velo 2026 epoch key commitment", &self.0))
    }

    /// A key for one purpose, which tells nothing about this one or those for other purposes.
    pub(super) fn derive(&self, context: &str) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(blake3::derive_key(context, &self.0))
    }
}

/// `H("velo 2026 epoch key commitment", key)`: names a key without telling it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Commitment(pub [u8; 32]);

impl fmt::Debug for Commitment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Commitment({})", data_encoding::HEXLOWER.encode(&self.0[..4]))
    }
}

/// An encrypted epoch key: 48 bytes, the last 16 of them the tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedKey {
    /// The ciphertext.
    pub text: [u8; 32],
    /// Its Poly1305 tag.
    pub tag: [u8; 16],
}

/// Carries older keys under a newer one: XChaCha20-Poly1305 under a key of its own, with nonce and
/// associated data from the older epoch's id and commitment. The commitment stands for the key, so
/// one nonce never meets two plaintexts.
pub(super) struct OlderCipher(XChaCha20Poly1305);

impl OlderCipher {
    /// The cipher under `newer`.
    pub(super) fn new(newer: &EpochKey) -> Self {
        Self(XChaCha20Poly1305::new((&*newer.derive("velo 2026 older key cipher key")).into()))
    }

    fn nonce(name: &[u8; 64]) -> XNonce {
        let hash = blake3::derive_key("velo 2026 older key nonce", name);
        let mut nonce = XNonce::default();
        nonce.copy_from_slice(&hash[..24]);
        nonce
    }

    fn name(epoch: EntryId, commitment: Commitment) -> [u8; 64] {
        let mut name = [0; 64];
        name[..32].copy_from_slice(&epoch.0);
        name[32..].copy_from_slice(&commitment.0);
        name
    }

    /// Encrypts the key of the epoch `epoch`. `None` never happens: the cipher refuses only texts
    /// of 256 GiB.
    pub(super) fn seal(&self, epoch: EntryId, older: &EpochKey) -> Option<SealedKey> {
        let name = Self::name(epoch, older.commitment());
        let mut text = older.0;
        let tag = self.0.encrypt_inout_detached(&Self::nonce(&name), &name, text.as_mut_slice().into());
        tag.ok().map(|tag| SealedKey { text, tag: tag.into() })
    }

    /// The key of the epoch `epoch`, if it is encrypted here and is the one committed to.
    pub(super) fn open(
        &self,
        epoch: EntryId,
        commitment: Commitment,
        sealed: &SealedKey,
    ) -> Option<EpochKey> {
        let name = Self::name(epoch, commitment);
        let mut key = EpochKey(sealed.text);
        let (text, tag) = (key.0.as_mut_slice().into(), Tag::from(sealed.tag));
        self.0.decrypt_inout_detached(&Self::nonce(&name), &name, text, &tag).ok()?;
        (key.commitment() == commitment).then_some(key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_key_is_bound_to_its_epoch_and_commitment() {
        let (newer, older) = (EpochKey::from_bytes([1; 32]), EpochKey::from_bytes([2; 32]));
        let (id, cipher) = (EntryId([3; 32]), OlderCipher::new(&newer));
        let sealed = cipher.seal(id, &older).unwrap();
        let opened = cipher.open(id, older.commitment(), &sealed).unwrap();
        assert_eq!(opened.as_bytes(), older.as_bytes());
        assert!(cipher.open(EntryId([4; 32]), older.commitment(), &sealed).is_none());
        assert!(cipher.open(id, newer.commitment(), &sealed).is_none());
        assert!(OlderCipher::new(&older).open(id, older.commitment(), &sealed).is_none());
        for bit in 0..8 * 48 {
            let mut flipped = sealed;
            let byte = bit / 8;
            *flipped.text.iter_mut().chain(&mut flipped.tag).nth(byte).unwrap() ^= 1 << (bit % 8);
            assert!(cipher.open(id, older.commitment(), &flipped).is_none(), "bit {bit}");
        }
    }

    #[test]
    fn a_lie_about_a_key_is_noticed() {
        let (newer, older) = (EpochKey::from_bytes([1; 32]), EpochKey::from_bytes([2; 32]));
        let promised = EpochKey::from_bytes([5; 32]).commitment();
        let (id, cipher) = (EntryId([3; 32]), OlderCipher::new(&newer));
        let name = OlderCipher::name(id, promised);
        let mut text = older.0;
        let nonce = OlderCipher::nonce(&name);
        let tag = cipher.0.encrypt_inout_detached(&nonce, &name, text.as_mut_slice().into()).unwrap();
        assert!(cipher.open(id, promised, &SealedKey { text, tag: tag.into() }).is_none());
    }

    #[test]
    fn a_key_is_never_printed() {
        assert_eq!(format!("{:?}", EpochKey::from_bytes([65; 32])), "EpochKey(…)");
    }
}
