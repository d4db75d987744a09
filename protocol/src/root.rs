//! The root of a person: 32 secret bytes from which everything that is theirs follows.
//!
//! ```text
//!                  ┌─ signing key ── signs the certificate of the person's first device
//!   root (32) ─────┤
//!                  └─ recovery key ─ receives every content key, so that the root alone can read
//! ```
//!
//! The public half of the signing key *is* the person: others know them by it. The recovery key is
//! derived rather than the same bytes once more, since a key is for one purpose.
//!
//! People keep the root as 24 words ([`Root::phrase`]).

mod phrase;

pub use phrase::{PhraseError, WORDS};

use crate::{
    crypto::{Domain, PublicKey, SecretKey, Sig},
    id::PersonId,
    keys::wrap::{ReceivingKey, RecipientKey},
};
use serde::{Deserialize, Serialize};
use std::fmt;
use zeroize::{Zeroize, Zeroizing};

/// A person's recovery key as others have to know it. The root says that it is theirs: any of their
/// devices, also one that was stolen, could name a key of its own otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecoveryKey {
    /// The key.
    pub key: RecipientKey,
    /// By the person's root over the key.
    pub by_root: Sig,
}

impl RecoveryKey {
    /// Whether it is this person's, and anybody can wrap to it.
    pub fn is_of(&self, person: PersonId) -> bool {
        let said = PublicKey::parse(&person.0);
        let said = said.and_then(|root| root.verify(Domain::Recovery, &self.key.0, &self.by_root));
        said.is_ok() && self.key.is_usable()
    }
}

/// See the module. Zeroised when dropped, and never printed.
#[derive(Clone, PartialEq, Eq, Zeroize, Serialize, Deserialize)]
#[zeroize(drop)]
pub struct Root([u8; 32]);

impl fmt::Debug for Root {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Root(…)")
    }
}

impl Root {
    /// The root that 32 random bytes are.
    pub const fn from_seed(seed: [u8; 32]) -> Self {
        Self(seed)
    }

    /// The 32 bytes, for the keystore.
    pub const fn seed(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whose root this is.
    pub fn person(&self) -> PersonId {
        PersonId(self.signing_key().public())
    }

    /// What links devices to the person.
    pub fn signing_key(&self) -> SecretKey {
        SecretKey::from_seed(&self.0)
    }

    /// What content keys are wrapped to besides the devices'.
    pub fn recovery(&self) -> ReceivingKey {
        ReceivingKey::from_seed(&Zeroizing::new(blake3::derive_key("velo 2026 recovery key", &self.0)))
    }
}

impl Root {
    /// The public half of the recovery key, signed.
    pub fn recovery_key(&self) -> RecoveryKey {
        let key = self.recovery().public();
        RecoveryKey { key, by_root: self.signing_key().sign(Domain::Recovery, &key.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_key_is_its_persons_and_nobody_elses() {
        let (root, other) = (Root::from_seed([7; 32]), Root::from_seed([8; 32]));
        assert!(root.recovery_key().is_of(root.person()));
        assert!(!root.recovery_key().is_of(other.person()));
        let swapped = RecoveryKey { key: other.recovery().public(), ..root.recovery_key() };
        assert!(!swapped.is_of(root.person()));
    }

    #[test]
    fn the_recovery_key_is_not_the_root_and_is_the_same_each_time() {
        let root = Root::from_seed([7; 32]);
        assert_eq!(root.recovery().public(), Root::from_seed([7; 32]).recovery().public());
        assert_ne!(root.recovery().public(), ReceivingKey::from_seed(&[7; 32]).public());
        assert_ne!(root.recovery().public(), Root::from_seed([8; 32]).recovery().public());
        assert_eq!(root.person().0, SecretKey::from_seed(&[7; 32]).public());
    }

    #[test]
    fn a_root_is_never_printed() {
        assert_eq!(format!("{:?}", Root::from_seed([65; 32])), "Root(…)");
    }
}
