//! Handing an epoch key to one recipient: HPKE (RFC 9180) in base mode with
//! DHKEM(X25519, HKDF-SHA256), HKDF-SHA256 and `ChaCha20Poly1305`, by the crate `hpke`.
//!
//! `info` binds a wrap to what it is for: workspace, key and recipient. The epoch stands there by
//! the commitment to its key, since the entry's id is a hash over the wraps and not known yet.
//!
//! ```text
//!   info = 11, "velo/wrap/1", workspace (32), commitment (32), recipient (32)
//!   wrap = encapsulated key (32), ciphertext of the epoch key (32), tag (16)
//! ```
//!
//! Base mode does not say who wrapped. It need not: the entry around it is signed, and the
//! commitment says which key it must be.

use super::secret::{Commitment, EpochKey, SealedKey};
use crate::{crypto, id::WorkspaceId, memo};
use hpke::{
    Deserializable, HpkeError, Kem, OpModeR, OpModeS, Serializable,
    aead::{AeadTag, ChaCha20Poly1305},
    kdf::HkdfSha256,
    kem::X25519HkdfSha256,
    single_shot_open_inout_detached, single_shot_seal_inout_detached_with_rng,
};
use rand_core::CryptoRng;
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::Zeroizing;

type PublicKey = <X25519HkdfSha256 as Kem>::PublicKey;
type PrivateKey = <X25519HkdfSha256 as Kem>::PrivateKey;
type EncappedKey = <X25519HkdfSha256 as Kem>::EncappedKey;

const DOMAIN: &[u8] = b"velo/wrap/1";

/// Why a key was not wrapped or unwrapped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WrapError {
    /// A public key of small order, under which everybody could read.
    #[error("the public key is not usable")]
    WeakKey,
    /// For another recipient, workspace or epoch, or damaged.
    #[error("the wrapped key cannot be opened")]
    Refused,
    /// It opened, and the author had promised another key to everybody.
    #[error("the wrapped key is not the one that was promised")]
    WrongKey,
}

/// An X25519 public key under which somebody receives content keys: a device's, a live invite's or
/// a person's recovery key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecipientKey(pub [u8; 32]);

impl fmt::Debug for RecipientKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RecipientKey({})", data_encoding::HEXLOWER.encode(&self.0[..4]))
    }
}

impl RecipientKey {
    /// Whether anything can be wrapped to it. Nobody has the secret half of a key of small order.
    pub fn is_usable(&self) -> bool {
        crypto::is_usable_x25519(&self.0)
    }

    fn info(&self, workspace: WorkspaceId, commitment: Commitment) -> Vec<u8> {
        [&[DOMAIN.len() as u8], DOMAIN, &workspace.0, &commitment.0, &self.0].concat()
    }
}

/// An epoch key for one recipient: 80 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wrap {
    /// The encapsulated X25519 key.
    pub enc: [u8; 32],
    /// The epoch key under the key agreed with it.
    pub key: SealedKey,
}

impl Wrap {
    /// What [`ReceivingKey::unwrap`] asks of the crate, for [`memo`].
    fn question<'a>(&'a self, recipient: &'a [u8; 32], info: &'a [u8]) -> [&'a [u8]; 6] {
        [b"unwrap", recipient, info, &self.enc, &self.key.text, &self.key.tag]
    }
}

/// Wraps `key` to `recipient`. Takes two multiplications, about 0.1 ms.
pub fn wrap(
    key: &EpochKey,
    workspace: WorkspaceId,
    recipient: RecipientKey,
    rng: &mut impl CryptoRng,
) -> Result<Wrap, WrapError> {
    if !recipient.is_usable() {
        return Err(WrapError::WeakKey);
    }
    let public = PublicKey::from_bytes(&recipient.0).map_err(|_| WrapError::WeakKey)?;
    let info = recipient.info(workspace, key.commitment());
    let mut text = *key.as_bytes();
    let (enc, tag) =
        single_shot_seal_inout_detached_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeS::Base,
            &public,
            &info,
            text.as_mut_slice().into(),
            &[],
            rng,
        )
        .map_err(|_| WrapError::WeakKey)?;
    let wrap = Wrap { enc: enc.to_bytes().into(), key: SealedKey { text, tag: tag.to_bytes().into() } };
    memo::note(&wrap.question(&recipient.0, &info), Some(key.clone()));
    Ok(wrap)
}

/// The secret half of a [`RecipientKey`]. Zeroised when dropped (by `x25519-dalek`), never printed.
#[derive(Clone)]
pub struct ReceivingKey {
    secret: PrivateKey,
    public: RecipientKey,
}

impl fmt::Debug for ReceivingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceivingKey({:?})", self.public)
    }
}

impl ReceivingKey {
    /// The key that 32 random bytes stand for, as X25519 reads them.
    ///
    /// # Panics
    /// Never: any 32 bytes are an X25519 secret.
    #[expect(clippy::expect_used, reason = "see Panics above")]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let secret = PrivateKey::from_bytes(seed).expect("32 bytes");
        let public = RecipientKey(X25519HkdfSha256::sk_to_pk(&secret).to_bytes().into());
        Self { secret, public }
    }

    /// The secret as X25519 reads it, for the keystore: [`Self::from_seed`] of it is this key.
    pub fn secret(&self) -> Zeroizing<[u8; 32]> {
        Zeroizing::new(self.secret.to_bytes().into())
    }

    /// What others wrap to.
    pub const fn public(&self) -> RecipientKey {
        self.public
    }

    /// Opens a wrap to this key, and checks that it holds the key committed to.
    pub fn unwrap(
        &self,
        workspace: WorkspaceId,
        commitment: Commitment,
        wrap: &Wrap,
    ) -> Result<EpochKey, WrapError> {
        let info = self.public.info(workspace, commitment);
        let key = memo::answer(&wrap.question(&self.public.0, &info), || self.open(&info, wrap).ok());
        let key = key.ok_or(WrapError::Refused)?;
        if key.commitment() == commitment { Ok(key) } else { Err(WrapError::WrongKey) }
    }

    fn open(&self, info: &[u8], wrap: &Wrap) -> Result<EpochKey, HpkeError> {
        let mut text = Zeroizing::new(wrap.key.text);
        single_shot_open_inout_detached::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &self.secret,
            &EncappedKey::from_bytes(&wrap.enc)?,
            info,
            text.as_mut_slice().into(),
            &[],
            &AeadTag::from_bytes(&wrap.key.tag)?,
        )?;
        Ok(EpochKey::from_bytes(*text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rand_chacha::ChaCha20Rng;
    use rand_core::SeedableRng;

    const WORKSPACE: WorkspaceId = WorkspaceId([7; 32]);

    fn rng(n: u8) -> ChaCha20Rng {
        ChaCha20Rng::from_seed([n; 32])
    }

    fn receiver(n: u8) -> ReceivingKey {
        ReceivingKey::from_seed(&[n; 32])
    }

    fn key(n: u8) -> EpochKey {
        EpochKey::from_bytes([n; 32])
    }

    fn wrapped() -> Wrap {
        wrap(&key(1), WORKSPACE, receiver(2).public(), &mut rng(3)).unwrap()
    }

    #[test]
    fn the_recipient_alone_unwraps_and_only_for_its_purpose() {
        let (wrap, commitment) = (wrapped(), key(1).commitment());
        let opened = receiver(2).unwrap(WORKSPACE, commitment, &wrap).unwrap();
        assert_eq!(opened.as_bytes(), key(1).as_bytes());
        let refused = Err(WrapError::Refused);
        let refuse = |got: Result<EpochKey, WrapError>| assert_eq!(got.map(|_| ()), refused);
        refuse(receiver(4).unwrap(WORKSPACE, commitment, &wrap));
        refuse(receiver(2).unwrap(WorkspaceId([8; 32]), commitment, &wrap));
        refuse(receiver(2).unwrap(WORKSPACE, key(5).commitment(), &wrap));
    }

    #[test]
    fn every_flipped_bit_is_refused() {
        let bytes = crate::codec::encode(&wrapped());
        assert_eq!(bytes.len(), 80);
        for bit in 0..8 * bytes.len() {
            let mut other = bytes.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            let wrap: Wrap = crate::codec::decode(&other).unwrap();
            let got = receiver(2).unwrap(WORKSPACE, key(1).commitment(), &wrap);
            assert_eq!(got.map(|_| ()), Err(WrapError::Refused), "bit {bit}");
        }
    }

    /// A member who promises one key to all and gives somebody another.
    #[test]
    fn another_key_than_the_promised_one_is_refused() {
        let (to, promised) = (receiver(2).public(), key(9).commitment());
        let public = PublicKey::from_bytes(&to.0).unwrap();
        let mut text = *key(1).as_bytes();
        let (enc, tag) =
            single_shot_seal_inout_detached_with_rng::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
                &OpModeS::Base,
                &public,
                &to.info(WORKSPACE, promised),
                text.as_mut_slice().into(),
                &[],
                &mut rng(3),
            )
            .unwrap();
        let wrap = Wrap { enc: enc.to_bytes().into(), key: SealedKey { text, tag: tag.to_bytes().into() } };
        let got = receiver(2).unwrap(WORKSPACE, promised, &wrap);
        assert_eq!(got.map(|_| ()), Err(WrapError::WrongKey));
    }

    #[test]
    fn keys_of_small_order_are_refused() {
        for weak in crypto::SMALL_ORDER {
            let mut high = weak;
            high[31] |= 0x80;
            for point in [weak, high] {
                let shared = x25519_dalek::x25519([0x55; 32], point);
                assert_eq!(shared, [0; 32], "the list is right");
                let refused = wrap(&key(1), WORKSPACE, RecipientKey(point), &mut rng(3));
                assert_eq!(refused, Err(WrapError::WeakKey));
                let from_weak = Wrap { enc: point, ..wrapped() };
                let got = receiver(2).unwrap(WORKSPACE, key(1).commitment(), &from_weak);
                assert_eq!(got.map(|_| ()), Err(WrapError::Refused));
            }
        }
    }

    #[test]
    fn the_public_key_is_that_of_x25519() {
        let secret = x25519_dalek::StaticSecret::from([2; 32]);
        assert_eq!(receiver(2).public().0, *x25519_dalek::PublicKey::from(&secret).as_bytes());
        assert_eq!(ReceivingKey::from_seed(&receiver(2).secret()).public(), receiver(2).public());
    }

    /// RFC 9180, appendix A.2.1 (base mode of this suite), first encryption: the crate opens what the
    /// standard gives.
    #[test]
    fn the_suite_is_that_of_the_standard() {
        let hex = |text: &str| data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap();
        let secret = hex("8057991eef8f1f1af18f4a9491d16a1ce333f695d4db8e38da75975c4478e0fb");
        let enc = hex("1afa08d3dec047a643885163f1180476fa7ddb54c6a8029ea33f95796bf2ac4a");
        let info = hex("4f6465206f6e2061204772656369616e2055726e");
        let aad = hex("436f756e742d30");
        let mut text =
            hex("1c5250d8034ec2b784ba2cfd69dbdb8af406cfe3ff938e131f0def8c8b60b4db21993c62ce81883d2dd1b51a28");
        let tag = text.split_off(text.len() - 16);
        single_shot_open_inout_detached::<ChaCha20Poly1305, HkdfSha256, X25519HkdfSha256>(
            &OpModeR::Base,
            &PrivateKey::from_bytes(&secret).unwrap(),
            &EncappedKey::from_bytes(&enc).unwrap(),
            &info,
            text.as_mut_slice().into(),
            &aad,
            &AeadTag::from_bytes(&tag).unwrap(),
        )
        .unwrap();
        assert_eq!(text, b"Beauty is truth, truth beauty");
    }

    proptest! {
        #[test]
        fn garbage_is_refused(enc: [u8; 32], text: [u8; 32], tag: [u8; 16]) {
            let wrap = Wrap { enc, key: SealedKey { text, tag } };
            let got = receiver(2).unwrap(WORKSPACE, key(1).commitment(), &wrap);
            prop_assert_eq!(got.map(|_| ()), Err(WrapError::Refused));
        }
    }
}
