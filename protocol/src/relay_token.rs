//! How a device shows a relay's HTTP API who it is: it signs a nonce of the relay's.
//!
//! The signature names the relay and the workspace, so it is of no use to another relay, nor for another
//! workspace. What the relay gives for it, and for how long, is the relay's affair.

use crate::{
    crypto::{CryptoError, Domain, PublicKey, SecretKey, Sig},
    id::{DeviceId, WorkspaceId},
};

/// Length of a relay's nonce in bytes.
pub const NONCE: usize = 40;

/// What a device is asked to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Challenge {
    /// The relay, by its device key.
    pub relay: DeviceId,
    /// In which workspace the token is to be good.
    pub workspace: WorkspaceId,
    /// Made by the relay, for one use.
    pub nonce: [u8; NONCE],
}

impl Challenge {
    fn bytes(&self) -> Vec<u8> {
        [&self.relay.0[..], &self.workspace.0, &self.nonce].concat()
    }

    /// Signs it.
    pub fn sign(&self, device: &SecretKey) -> Sig {
        device.sign(Domain::RelayToken, &self.bytes())
    }

    /// Checks that a device signed it.
    pub fn verify(&self, device: DeviceId, sig: &Sig) -> Result<(), CryptoError> {
        PublicKey::parse(&device.0)?.verify(Domain::RelayToken, &self.bytes(), sig)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_good_for_one_relay_workspace_and_nonce() {
        let key = SecretKey::from_seed(&[1; 32]);
        let device = DeviceId(key.public());
        let challenge =
            Challenge { relay: DeviceId([2; 32]), workspace: WorkspaceId([3; 32]), nonce: [4; NONCE] };
        let sig = challenge.sign(&key);
        assert_eq!(challenge.verify(device, &sig), Ok(()));
        for other in [
            Challenge { relay: DeviceId([9; 32]), ..challenge },
            Challenge { workspace: WorkspaceId([9; 32]), ..challenge },
            Challenge { nonce: [9; NONCE], ..challenge },
        ] {
            assert_eq!(other.verify(device, &sig), Err(CryptoError::BadSignature));
        }
        let other = DeviceId(SecretKey::from_seed(&[5; 32]).public());
        assert_eq!(challenge.verify(other, &sig), Err(CryptoError::BadSignature));
    }
}
