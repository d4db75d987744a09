//! Encryption of bodies: XChaCha20-Poly1305 with a nonce that is not sent.
//!
//! A nonce must never meet two texts. Random nonces would cost 24 bytes an entry; counting fails
//! when a device is rolled back to a backup and writes other text at the same place. Here the
//! place and the text make the nonce:
//!
//! ```text
//!   salt   = keyed BLAKE3(salt key, previous id, stamp as u64, plaintext)[..8]   in the header
//!   nonce  = keyed BLAKE3(nonce key, previous id, header)[..24]                  not sent
//!   cipher = XChaCha20-Poly1305(cipher key, nonce), associated data: log id, previous id, header
//! ```
//!
//! Other text at the same place has another salt, hence another header and another nonce. Equal
//! text under an equal header gives equal bytes: the same entry. The associated data binds a
//! ciphertext to its place, so it cannot be moved.
//!
//! The header contains the salt and the length of the ciphertext, so it must be complete before the
//! nonce is made. [`BodyCipher::seal`] does both in the one order that works: it completes the
//! header itself.
//!
//! `open` does not check the salt: it is the author's own protection, and an author who makes it
//! wrongly harms only himself.

use super::secret::EpochKey;
use crate::{
    codec,
    id::{EntryId, LogId},
    limits,
    log::Header,
    time::Hlc,
};
use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce, aead::inout::InOutBuf};
use std::fmt;
use zeroize::Zeroizing;

/// Why a body was not encrypted or decrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// More than an entry carries. Nothing was changed.
    #[error("a body holds at most {} bytes before encryption", limits::PLAINTEXT)]
    TooLarge,
    /// Not encrypted under this key for this place. Such a body is void on every device that has
    /// the key.
    #[error("the body cannot be decrypted: it was damaged, moved, or made under another key")]
    Refused,
}

/// The keys for bodies of one epoch, derived once: a million bodies are opened under a few keys.
pub struct BodyCipher {
    salt_key: Zeroizing<[u8; 32]>,
    nonce_key: Zeroizing<[u8; 32]>,
    /// Zeroises its key (feature `zeroize`).
    cipher: XChaCha20Poly1305,
}

impl fmt::Debug for BodyCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BodyCipher(…)")
    }
}

impl BodyCipher {
    /// Derives the keys of an epoch. Three hashes: keep it while the epoch is in use.
    pub fn new(key: &EpochKey) -> Self {
        Self {
            salt_key: key.derive("velo 2026 body salt key"),
            nonce_key: key.derive("velo 2026 body nonce key"),
            cipher: XChaCha20Poly1305::new((&*key.derive("velo 2026 body cipher key")).into()),
        }
    }

    /// Encrypts the body of the entry that follows `previous` in `log`. Sets `salt` and `body_len`
    /// of `header`; everything else in it must be final, and it must be written as it is then.
    pub fn seal(
        &self,
        log: LogId,
        previous: EntryId,
        header: &mut Header,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, BodyError> {
        if plaintext.len() > limits::PLAINTEXT {
            return Err(BodyError::TooLarge);
        }
        header.salt = self.salt(previous, header.hlc, plaintext);
        header.body_len = (plaintext.len() + limits::BODY_TAG) as u32;
        let context = context(log, previous, &codec::encode(header));
        let mut body = Vec::with_capacity(plaintext.len() + limits::BODY_TAG);
        body.extend_from_slice(plaintext);
        let text = body.as_mut_slice().into();
        let tag = self.cipher.encrypt_inout_detached(&self.nonce(&context), &context, text);
        body.extend_from_slice(&tag.map_err(|_| BodyError::TooLarge)?);
        Ok(body)
    }

    /// Decrypts the body of the entry that follows `previous` in `log`, with the header's bytes as
    /// they were received.
    pub fn open(
        &self,
        log: LogId,
        previous: EntryId,
        header: &[u8],
        body: &[u8],
    ) -> Result<Vec<u8>, BodyError> {
        let (text, tag) = body.split_last_chunk::<{ limits::BODY_TAG }>().ok_or(BodyError::Refused)?;
        let context = context(log, previous, header);
        let mut plaintext = vec![0; text.len()];
        let buffer = InOutBuf::new(text, &mut plaintext).map_err(|_| BodyError::Refused)?;
        self.cipher
            .decrypt_inout_detached(&self.nonce(&context), &context, buffer, &Tag::from(*tag))
            .map_err(|_| BodyError::Refused)?;
        Ok(plaintext)
    }

    fn salt(&self, previous: EntryId, hlc: Hlc, plaintext: &[u8]) -> [u8; 8] {
        let mut hasher = blake3::Hasher::new_keyed(&self.salt_key);
        hasher.update(&previous.0).update(&hlc.0.to_le_bytes()).update(plaintext);
        let mut salt = [0; 8];
        salt.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
        salt
    }

    fn nonce(&self, context: &[u8]) -> XNonce {
        let hash = blake3::keyed_hash(&self.nonce_key, &context[LogId::LEN..]);
        let mut nonce = XNonce::default();
        nonce.copy_from_slice(&hash.as_bytes()[..24]);
        nonce
    }
}

/// The associated data. What follows the log id is what the nonce is made of.
fn context(log: LogId, previous: EntryId, header: &[u8]) -> Vec<u8> {
    [&log.0, &previous.0, header].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::log::{EntryKind, HEADER_VERSION};
    use proptest::prelude::*;

    const LOG: LogId = LogId([2; 32]);
    const PREVIOUS: EntryId = EntryId([3; 32]);

    fn header() -> Header {
        Header {
            version: HEADER_VERSION,
            kind: EntryKind::DATA,
            hlc: Hlc(7),
            auth: None,
            deps: vec![EntryId([4; 32])],
            epoch: Some(EntryId([5; 32])),
            salt: [0; 8],
            body_len: 0,
        }
    }

    fn cipher() -> BodyCipher {
        BodyCipher::new(&EpochKey::from_bytes([1; 32]))
    }

    /// Header bytes and body.
    fn sealed(plaintext: &[u8]) -> (Vec<u8>, Vec<u8>) {
        let mut header = header();
        let body = cipher().seal(LOG, PREVIOUS, &mut header, plaintext).unwrap();
        (codec::encode(&header), body)
    }

    fn flipped(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        (0..8 * bytes.len()).map(|bit| {
            let mut other = bytes.to_vec();
            other[bit / 8] ^= 1 << (bit % 8);
            other
        })
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let (header, body) = sealed(b"Fix pump");
        let cipher = cipher();
        assert_eq!(cipher.open(LOG, PREVIOUS, &header, &body), Ok(b"Fix pump".to_vec()));
        let refused = |log, previous, header: &[u8], body: &[u8]| {
            assert_eq!(cipher.open(log, previous, header, body), Err(BodyError::Refused));
        };
        flipped(&header).for_each(|other| refused(LOG, PREVIOUS, &other, &body));
        flipped(&body).for_each(|other| refused(LOG, PREVIOUS, &header, &other));
        flipped(&LOG.0).for_each(|other| refused(LogId(other.try_into().unwrap()), PREVIOUS, &header, &body));
        flipped(&PREVIOUS.0)
            .for_each(|other| refused(LOG, EntryId(other.try_into().unwrap()), &header, &body));
        (0..body.len()).for_each(|cut| refused(LOG, PREVIOUS, &header, &body[..cut]));
        let other = BodyCipher::new(&EpochKey::from_bytes([9; 32]));
        assert_eq!(other.open(LOG, PREVIOUS, &header, &body), Err(BodyError::Refused));
    }

    #[test]
    fn a_device_that_was_rolled_back_does_not_repeat_a_nonce() {
        let nonce = |text: &[u8]| cipher().nonce(&context(LOG, PREVIOUS, &sealed(text).0));
        assert_eq!(nonce(b"Fix pump"), nonce(b"Fix pump"));
        assert_ne!(nonce(b"Fix pump"), nonce(b"Buy pump"), "only the salt differs");
        let (key, mut later) = (cipher(), header());
        later.hlc = Hlc(8);
        key.seal(LOG, PREVIOUS, &mut later, b"Fix pump").unwrap();
        assert_ne!(key.nonce(&context(LOG, PREVIOUS, &codec::encode(&later))), nonce(b"Fix pump"));
    }

    #[test]
    fn the_smallest_and_the_largest_body_fit_and_one_more_byte_does_not() {
        for length in [0, limits::PLAINTEXT] {
            let text = vec![7; length];
            let (header, body) = sealed(&text);
            assert_eq!(body.len(), length + limits::BODY_TAG);
            assert_eq!(cipher().open(LOG, PREVIOUS, &header, &body), Ok(text));
        }
        let (mut header, over) = (header(), vec![7; limits::PLAINTEXT + 1]);
        assert_eq!(cipher().seal(LOG, PREVIOUS, &mut header, &over), Err(BodyError::TooLarge));
    }

    #[test]
    fn keys_for_salt_nonce_and_cipher_differ() {
        let cipher = cipher();
        assert_ne!(*cipher.salt_key, *cipher.nonce_key);
        assert_ne!(*cipher.salt_key, [1; 32]);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1_000))]

        #[test]
        fn what_is_sealed_opens_at_its_place_only(
            key: [u8; 32], log: [u8; 32], previous: [u8; 32], elsewhere: [u8; 32], hlc: u64,
            text in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            prop_assume!(log != elsewhere && previous != elsewhere);
            let cipher = BodyCipher::new(&EpochKey::from_bytes(key));
            let (log, previous) = (LogId(log), EntryId(previous));
            let mut header = Header { hlc: Hlc(hlc), ..header() };
            let body = cipher.seal(log, previous, &mut header, &text).unwrap();
            prop_assert_eq!(header.body_len as usize, body.len());
            let bytes = codec::encode(&header);
            prop_assert_eq!(cipher.open(log, previous, &bytes, &body), Ok(text));
            let moved = cipher.open(LogId(elsewhere), previous, &bytes, &body);
            prop_assert_eq!(moved, Err(BodyError::Refused));
            let moved = cipher.open(log, EntryId(elsewhere), &bytes, &body);
            prop_assert_eq!(moved, Err(BodyError::Refused));
        }

        #[test]
        fn two_texts_at_one_place_get_two_nonces(
            one in proptest::collection::vec(any::<u8>(), 0..80),
            other in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            prop_assume!(one != other);
            let nonce = |text: &[u8]| cipher().nonce(&context(LOG, PREVIOUS, &sealed(text).0));
            prop_assert_ne!(nonce(&one), nonce(&other));
        }
    }
}
