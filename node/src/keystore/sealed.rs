//! Keys under a passphrase.
//!
//! Argon2id makes a key of the passphrase, slowly and with much memory, so that guessing is dear;
//! XChaCha20-Poly1305 encrypts under it. What Argon2id was told stands beside the ciphertext and may
//! grow with machines; it is bounded, since a damaged file could ask for anything.

use super::{KeystoreError, passphrase::Passphrase, random};
use crate::limits;
use argon2::{Algorithm, Argon2, Params, Version};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305, XNonce,
    aead::{Aead, Payload},
};
use serde::{Deserialize, Serialize};
use velo_protocol::codec;
use zeroize::Zeroizing;

const DOMAIN: &str = "velo/sealed keys/1";

/// What Argon2id is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cost {
    kib: u32,
    passes: u32,
    lanes: u32,
    salt: [u8; 16],
}

impl Cost {
    fn params(&self) -> Option<Params> {
        let is_bounded = self.kib <= limits::ARGON2_KIB_MOST
            && self.passes <= limits::ARGON2_PASSES_MOST
            && self.lanes <= limits::ARGON2_LANES_MOST;
        is_bounded.then(|| Params::new(self.kib, self.passes, self.lanes, Some(32)).ok())?
    }
}

/// Encrypted keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Sealed {
    /// Whether the person's root is among them: to be reminded of the phrase takes no passphrase.
    pub has_root: bool,
    cost: Cost,
    nonce: [u8; 24],
    text: Vec<u8>,
}

impl Sealed {
    /// `None` if it cannot have been written by this program.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let sealed: Self = codec::decode(bytes).ok()?;
        sealed.cost.params().is_some().then_some(sealed)
    }

    fn bound(has_root: bool, cost: &Cost) -> Vec<u8> {
        codec::encode(&(DOMAIN, has_root, cost))
    }
}

/// What a passphrase and a [`Cost`] make. Kept in memory to change the keys without asking again.
#[derive(Clone)]
pub(super) struct SealingKey {
    cost: Cost,
    key: Zeroizing<[u8; 32]>,
}

impl SealingKey {
    /// For keys to be sealed anew.
    pub fn new(passphrase: &Passphrase) -> Result<Self, KeystoreError> {
        let salt = random().map_err(KeystoreError::NoRandomness)?;
        let (kib, passes) = (limits::ARGON2_KIB, limits::ARGON2_PASSES);
        Ok(Self::derive(passphrase, Cost { kib, passes, lanes: 1, salt }))
    }

    /// For keys that are sealed.
    pub fn of(sealed: &Sealed, passphrase: &Passphrase) -> Self {
        Self::derive(passphrase, sealed.cost)
    }

    /// # Panics
    /// Never: the cost was checked where it was read.
    #[expect(clippy::expect_used, reason = "see Panics above")]
    fn derive(passphrase: &Passphrase, cost: Cost) -> Self {
        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, cost.params().expect("a checked cost"));
        let mut key = Zeroizing::new([0; 32]);
        argon2
            .hash_password_into(passphrase.bytes(), &cost.salt, &mut *key)
            .expect("lengths as they must be");
        Self { cost, key }
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.key).into())
    }

    /// Encrypts under a nonce of its own.
    pub fn seal(&self, has_root: bool, keys: &[u8]) -> Result<Sealed, KeystoreError> {
        let nonce: [u8; 24] = random().map_err(KeystoreError::NoRandomness)?;
        let aad = Sealed::bound(has_root, &self.cost);
        let text = self.cipher().encrypt(&XNonce::from(nonce), Payload { msg: keys, aad: &aad });
        // Refused are only texts of 256 GiB.
        let text = text.map_err(|_| KeystoreError::TooLarge)?;
        Ok(Sealed { has_root, cost: self.cost, nonce, text })
    }

    /// `None` if the passphrase or the keys are others.
    pub fn open(&self, sealed: &Sealed) -> Option<Zeroizing<Vec<u8>>> {
        if sealed.cost != self.cost {
            return None;
        }
        let aad = Sealed::bound(sealed.has_root, &self.cost);
        let payload = Payload { msg: &sealed.text, aad: &aad };
        self.cipher().decrypt(&XNonce::from(sealed.nonce), payload).ok().map(Zeroizing::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(passphrase: &str) -> SealingKey {
        let passphrase = Passphrase::new(passphrase.to_owned());
        SealingKey::derive(&passphrase, Cost { kib: 8, passes: 1, lanes: 1, salt: [7; 16] })
    }

    #[test]
    fn sealed_keys_open_under_their_passphrase_only() {
        let sealed = key("correct horse").seal(true, b"keys").unwrap();
        assert_eq!(**key("correct horse").open(&sealed).unwrap(), *b"keys");
        assert!(key("battery staple").open(&sealed).is_none());
        assert!(!codec::encode(&sealed).windows(4).any(|window| window == b"keys"));
        let other = Sealed { has_root: false, ..sealed.clone() };
        assert!(key("correct horse").open(&other).is_none(), "what stands in the open is bound");
        assert_ne!(key("correct horse").seal(true, b"keys").unwrap().nonce, sealed.nonce);
    }

    #[test]
    fn a_cost_beyond_all_bounds_is_not_paid() {
        let sealed = key("correct horse").seal(true, b"keys").unwrap();
        for cost in [
            Cost { kib: limits::ARGON2_KIB_MOST + 1, ..sealed.cost },
            Cost { passes: limits::ARGON2_PASSES_MOST + 1, ..sealed.cost },
            Cost { lanes: limits::ARGON2_LANES_MOST + 1, ..sealed.cost },
            Cost { kib: 0, ..sealed.cost },
        ] {
            let asked = Sealed { cost, ..sealed.clone() };
            assert!(Sealed::decode(&codec::encode(&asked)).is_none(), "{cost:?}");
        }
        assert!(Sealed::decode(&codec::encode(&sealed)).is_some());
    }
}
