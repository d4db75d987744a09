//! What is kept of a device's keys, wherever it is kept.

use super::{KeystoreError, random};
use velo_protocol::{
    codec,
    crypto::{self, LinkCert, SecretKey},
    id::{DeviceId, PersonId},
    keys::wrap::{ReceivingKey, RecipientKey},
    private::PrivateWorkspace,
    replica::Identity,
    root::{RecoveryKey, Root},
};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// Wiped from memory when dropped. The root stands first: its tag is the byte of the key file that
/// says whether the root is still here.
#[derive(serde::Serialize, serde::Deserialize, Zeroize, ZeroizeOnDrop)]
pub(super) struct Stored {
    /// The person's root. Only their first device has it, and only until they have confirmed their
    /// phrase.
    pub root: Option<[u8; 32]>,
    pub device: [u8; 32],
    pub receiving: [u8; 32],
    #[zeroize(skip)]
    pub person: PersonId,
    #[zeroize(skip)]
    pub recovery: RecoveryKey,
    #[zeroize(skip)]
    pub chain: Vec<LinkCert>,
    /// Its secret wipes itself.
    #[zeroize(skip)]
    pub private: Option<Box<PrivateWorkspace>>,
}

impl Stored {
    pub fn new(root: Option<&Root>, identity: &Identity) -> Self {
        Self {
            root: root.map(|root| *root.seed()),
            device: *identity.device.seed(),
            receiving: *identity.receiving.secret(),
            person: identity.person,
            recovery: identity.recovery,
            chain: identity.chain.clone(),
            private: identity.private.clone(),
        }
    }

    /// The keys of a new device, linked by the root itself.
    pub fn new_device(root: &Root) -> Result<Self, KeystoreError> {
        let (device, receiving) = (seed()?, seed()?);
        let (device, receiving) = (SecretKey::from_seed(&device), ReceivingKey::from_seed(&receiving));
        Ok(Self::new(None, &Identity::under_root(root, device, receiving)))
    }

    /// The keys of a new device of a new person.
    pub fn new_person() -> Result<Self, KeystoreError> {
        let root = Root::from_seed(*seed()?);
        let mut stored = Self::new_device(&root)?;
        stored.root = Some(*root.seed());
        Ok(stored)
    }

    pub fn root(&self) -> Option<Root> {
        self.root.map(Root::from_seed)
    }

    /// Wipes it here.
    pub fn forget_root(&mut self) {
        self.root.zeroize();
        self.root = None;
    }

    pub fn identity(&self) -> Identity {
        Identity {
            person: self.person,
            device: SecretKey::from_seed(&self.device),
            receiving: ReceivingKey::from_seed(&self.receiving),
            recovery: self.recovery,
            chain: self.chain.clone(),
            private: self.private.clone(),
            shares_store: false,
        }
    }

    pub fn encode(&self) -> Zeroizing<Vec<u8>> {
        Zeroizing::new(codec::encode(self))
    }

    /// `None` unless it holds together.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let stored: Self = codec::decode(bytes).ok()?;
        stored.holds_together().then_some(stored)
    }

    /// Whether the keys are those that the certificates speak of.
    fn holds_together(&self) -> bool {
        let device = DeviceId(SecretKey::from_seed(&self.device).public());
        let receiving = ReceivingKey::from_seed(&self.receiving).public();
        let certified = self.chain.last().map(|link| RecipientKey(link.child_x25519));
        let is_of_root = |root: Root| root.person() == self.person && root.recovery_key() == self.recovery;
        crypto::verify_chain(self.person, device, &self.chain).is_ok()
            && certified == Some(receiving)
            && self.recovery.is_of(self.person)
            && self.private.as_ref().is_none_or(|private| private.is_of(self.person))
            && self.root().is_none_or(is_of_root)
    }
}

fn seed() -> Result<Zeroizing<[u8; 32]>, KeystoreError> {
    Ok(Zeroizing::new(random().map_err(KeystoreError::NoRandomness)?))
}
