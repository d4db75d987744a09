//! Signatures: who said something.
//!
//! Every signature covers a domain string first, so that a signature made for one purpose is never
//! valid for another, nor for libp2p, which uses the same device key. Verification is always
//! `verify_strict`, never a second rule, and weak (small-order) keys are refused.

use crate::{
    codec,
    id::{DeviceId, PersonId},
    limits, memo,
};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};
use serde::{Deserialize, Serialize};

/// Why a signature or certificate does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// Not a point of the curve, or of small order.
    #[error("the public key is not usable")]
    WeakKey,
    /// The signature does not fit key and message.
    #[error("the signature is not valid")]
    BadSignature,
    /// The certificates do not lead from the person to the device.
    #[error("the certificate chain does not lead from the person to the device")]
    BrokenChain,
}

/// The 64 bytes of an ed25519 signature.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sig(pub [u8; 64]);

impl Serialize for Sig {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        // serde implements arrays up to 32 only.
        let (low, high) = self.0.split_at(32);
        let half = |part: &[u8]| <[u8; 32]>::try_from(part).unwrap_or_default();
        (half(low), half(high)).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Sig {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (low, high) = <([u8; 32], [u8; 32])>::deserialize(deserializer)?;
        let mut bytes = [0; 64];
        bytes[..32].copy_from_slice(&low);
        bytes[32..].copy_from_slice(&high);
        Ok(Self(bytes))
    }
}

/// What a signature is for. Its text is the first thing signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Domain {
    /// A seal over a log.
    Seal,
    /// A link certificate, by the parent.
    LinkParent,
    /// A link certificate, by the child: nobody can claim a device that did not agree.
    LinkChild,
    /// Use of an invitation, by the invite's key.
    Invite,
    /// A claim to be served, by an invite's key.
    Claim,
    /// A claim to a person's workspaces, by their root.
    Recover,
    /// A person's recovery key, by their root.
    Recovery,
    /// What a device says of itself for the moment.
    Presence,
    /// A wish for a token with which a relay's HTTP API is asked: see [`crate::relay_token`].
    RelayToken,
}

impl Domain {
    const fn text(self) -> &'static str {
        match self {
            Self::Seal => "velo/seal/1",
            Self::LinkParent => "velo/link-parent/1",
            Self::LinkChild => "velo/link-child/1",
            Self::Invite => "velo/invite/1",
            Self::Claim => "velo/claim/1",
            Self::Recover => "velo/recover/1",
            Self::Recovery => "velo/recovery/1",
            Self::Presence => "velo/presence/1",
            Self::RelayToken => "velo/relay-token/1",
        }
    }

    fn message(self, bytes: &[u8]) -> Vec<u8> {
        let text = self.text().as_bytes();
        let mut message = Vec::with_capacity(1 + text.len() + bytes.len());
        message.push(text.len() as u8);
        message.extend_from_slice(text);
        message.extend_from_slice(bytes);
        message
    }
}

/// A secret signing key. Zeroised when dropped (by `ed25519-dalek`).
#[derive(Clone)]
pub struct SecretKey(SigningKey);

impl std::fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretKey(…)")
    }
}

impl SecretKey {
    /// The key that a 32-byte seed stands for.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// The seed, for the keystore and for libp2p's identity.
    pub fn seed(&self) -> zeroize::Zeroizing<[u8; 32]> {
        zeroize::Zeroizing::new(self.0.to_bytes())
    }

    /// The public key's bytes.
    pub fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The public half, ready to verify with.
    pub fn public_key(&self) -> PublicKey {
        PublicKey(self.0.verifying_key())
    }

    /// Signs `bytes` for one purpose.
    pub fn sign(&self, domain: Domain, bytes: &[u8]) -> Sig {
        let message = domain.message(bytes);
        let sig = Sig(self.0.sign(&message).to_bytes());
        memo::note(&[b"verify", self.0.verifying_key().as_bytes(), &message, &sig.0], true);
        sig
    }
}

/// A public key that was checked once and is kept decompressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PublicKey {
    /// Reads and checks a public key.
    pub fn parse(bytes: &[u8; 32]) -> Result<Self, CryptoError> {
        let key = memo::answer(&[b"parse", bytes], || {
            VerifyingKey::from_bytes(bytes).ok().filter(|key| !key.is_weak())
        });
        key.map(Self).ok_or(CryptoError::WeakKey)
    }

    /// Checks a signature made by [`SecretKey::sign`].
    pub fn verify(&self, domain: Domain, bytes: &[u8], sig: &Sig) -> Result<(), CryptoError> {
        let message = domain.message(bytes);
        let fits = memo::answer(&[b"verify", self.0.as_bytes(), &message, &sig.0], || {
            self.0.verify_strict(&message, &Signature::from_bytes(&sig.0)).is_ok()
        });
        if fits { Ok(()) } else { Err(CryptoError::BadSignature) }
    }
}

/// The points of small order, and the numbers from 2²⁵⁵ - 19 on that stand for such (Langley et al.,
/// RFC 7748, section 6.1; the list is libsodium's). Looked up rather than multiplied: a choice of
/// epoch looks at every recipient.
pub(crate) const SMALL_ORDER: [[u8; 32]; 7] = {
    const fn number(low: u8, rest: u8, high: u8) -> [u8; 32] {
        let mut bytes = [rest; 32];
        bytes[0] = low;
        bytes[31] = high;
        bytes
    }
    [
        number(0, 0, 0),
        number(1, 0, 0),
        number(0xEC, 0xFF, 0x7F),
        number(0xED, 0xFF, 0x7F),
        number(0xEE, 0xFF, 0x7F),
        [
            0xE0, 0xEB, 0x7A, 0x7C, 0x3B, 0x41, 0xB8, 0xAE, 0x16, 0x56, 0xE3, 0xFA, 0xF1, 0x9F, 0xC4, 0x6A,
            0xDA, 0x09, 0x8D, 0xEB, 0x9C, 0x32, 0xB1, 0xFD, 0x86, 0x62, 0x05, 0x16, 0x5F, 0x49, 0xB8, 0x00,
        ],
        [
            0x5F, 0x9C, 0x95, 0xBC, 0xA3, 0x50, 0x8C, 0x24, 0xB1, 0xD0, 0xB1, 0x55, 0x9C, 0x83, 0xEF, 0x5B,
            0x04, 0x44, 0x5C, 0xC4, 0x58, 0x1C, 0x8E, 0x86, 0xD8, 0x22, 0x4E, 0xDD, 0xD0, 0x9F, 0x11, 0x57,
        ],
    ]
};

/// Whether anything can be wrapped to an X25519 key. Nobody has the secret half of one of small order.
pub(crate) fn is_usable_x25519(key: &[u8; 32]) -> bool {
    let mut bytes = *key;
    // X25519 ignores the highest bit.
    bytes[31] &= 0x7F;
    !SMALL_ORDER.contains(&bytes)
}

/// Says that `child` is a device of `person`, by word of both `parent` (the root, or another
/// device of the person) and `child`. Portable between workspaces.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkCert {
    /// The root.
    pub person: PersonId,
    /// The root's key, or that of a device of the person.
    pub parent: [u8; 32],
    /// The device linked.
    pub child: DeviceId,
    /// The X25519 key under which the child receives content keys.
    pub child_x25519: [u8; 32],
    /// By the parent, [`Domain::LinkParent`].
    pub by_parent: Sig,
    /// By the child, [`Domain::LinkChild`].
    pub by_child: Sig,
}

impl LinkCert {
    /// Links `child` to `person`; both keys are at hand on the first device of a person.
    pub fn issue(person: PersonId, parent: &SecretKey, child: &SecretKey, child_x25519: [u8; 32]) -> Self {
        let child_id = DeviceId(child.public());
        let bytes = Self::signed_bytes(person, &parent.public(), child_id, &child_x25519);
        Self {
            person,
            parent: parent.public(),
            child: child_id,
            child_x25519,
            by_parent: parent.sign(Domain::LinkParent, &bytes),
            by_child: child.sign(Domain::LinkChild, &bytes),
        }
    }

    /// The half of the child: it agrees to be a device of `person`, taken in by `parent`.
    pub fn accept(person: PersonId, parent: DeviceId, child: &SecretKey, child_x25519: [u8; 32]) -> Sig {
        let bytes = Self::signed_bytes(person, &parent.0, DeviceId(child.public()), &child_x25519);
        child.sign(Domain::LinkChild, &bytes)
    }

    /// The whole, by the parent, if the child agreed.
    pub fn complete(
        person: PersonId,
        parent: &SecretKey,
        child: DeviceId,
        child_x25519: [u8; 32],
        by_child: Sig,
    ) -> Result<Self, CryptoError> {
        let bytes = Self::signed_bytes(person, &parent.public(), child, &child_x25519);
        let (by_parent, parent) = (parent.sign(Domain::LinkParent, &bytes), parent.public());
        let certificate = Self { person, parent, child, child_x25519, by_parent, by_child };
        certificate.verify().map(|()| certificate)
    }

    fn signed_bytes(person: PersonId, parent: &[u8; 32], child: DeviceId, x25519: &[u8; 32]) -> Vec<u8> {
        codec::encode(&(person, parent, child, x25519))
    }

    fn verify(&self) -> Result<(), CryptoError> {
        if !is_usable_x25519(&self.child_x25519) {
            return Err(CryptoError::WeakKey);
        }
        let bytes = Self::signed_bytes(self.person, &self.parent, self.child, &self.child_x25519);
        PublicKey::parse(&self.parent)?.verify(Domain::LinkParent, &bytes, &self.by_parent)?;
        PublicKey::parse(&self.child.0)?.verify(Domain::LinkChild, &bytes, &self.by_child)
    }
}

/// Checks that `chain` leads from the root of `person` to `device`, each link by the one before.
pub fn verify_chain(person: PersonId, device: DeviceId, chain: &[LinkCert]) -> Result<(), CryptoError> {
    verify_certificates(person, chain)?;
    let last = chain.last().ok_or(CryptoError::BrokenChain)?;
    if last.child == device { Ok(()) } else { Err(CryptoError::BrokenChain) }
}

/// Checks that certificates follow each other from the root on. None at all do.
pub fn verify_certificates(person: PersonId, chain: &[LinkCert]) -> Result<(), CryptoError> {
    if chain.len() > limits::CHAIN_LINKS {
        return Err(CryptoError::BrokenChain);
    }
    let mut parent = person.0;
    for link in chain {
        if link.person != person || link.parent != parent {
            return Err(CryptoError::BrokenChain);
        }
        link.verify()?;
        parent = link.child.0;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> SecretKey {
        SecretKey::from_seed(&[n; 32])
    }

    #[test]
    fn a_chain_leads_from_root_to_device_and_nowhere_else() {
        let (root, first, second) = (key(1), key(2), key(3));
        let person = PersonId(root.public());
        let chain = vec![
            LinkCert::issue(person, &root, &first, [9; 32]),
            LinkCert::issue(person, &first, &second, [9; 32]),
        ];
        let device = |key: &SecretKey| DeviceId(key.public());
        assert_eq!(verify_chain(person, device(&second), &chain), Ok(()));
        assert_eq!(verify_chain(person, device(&first), &chain), Err(CryptoError::BrokenChain));
        assert_eq!(verify_chain(person, device(&second), &chain[1..]), Err(CryptoError::BrokenChain));
        let mut forged = chain;
        forged[1].child_x25519 = [1; 32];
        assert_eq!(verify_chain(person, device(&second), &forged), Err(CryptoError::BadSignature));
    }

    /// A key share to such a device could be opened by everybody.
    #[test]
    fn a_device_that_cannot_receive_is_not_linked() {
        let (root, device) = (key(1), key(2));
        let person = PersonId(root.public());
        for mut weak in SMALL_ORDER {
            for high in [0, 0x80] {
                weak[31] |= high;
                let chain = [LinkCert::issue(person, &root, &device, weak)];
                assert_eq!(verify_certificates(person, &chain), Err(CryptoError::WeakKey));
            }
        }
    }

    #[test]
    fn weak_keys_and_other_domains_are_refused() {
        // The identity and a point of order 8 (RFC 7748 security notes; Chalkias et al., 2020).
        let order_8 = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a";
        let order_8: [u8; 32] =
            data_encoding::HEXLOWER.decode(order_8.as_bytes()).unwrap().try_into().unwrap();
        let mut identity = [0; 32];
        identity[0] = 1;
        assert_eq!(PublicKey::parse(&identity), Err(CryptoError::WeakKey));
        assert_eq!(PublicKey::parse(&order_8), Err(CryptoError::WeakKey));
        let public = PublicKey::parse(&key(1).public()).unwrap();
        let sig = key(1).sign(Domain::Seal, b"text");
        assert_eq!(public.verify(Domain::Seal, b"text", &sig), Ok(()));
        assert_eq!(public.verify(Domain::Invite, b"text", &sig), Err(CryptoError::BadSignature));
    }
}
