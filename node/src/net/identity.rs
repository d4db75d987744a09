//! Device ids and libp2p's peer ids are two writings of the same ed25519 key.
//!
//! A libp2p peer id of an ed25519 key is the key itself in a protobuf wrapper (an "identity"
//! multihash), so both directions are free of hashing, and peer ids sort as device ids do.

use libp2p::{
    PeerId,
    identity::{DecodingError, Keypair, PublicKey, ed25519},
    multihash::Multihash,
};
use velo_protocol::{crypto::SecretKey, id::DeviceId};

/// The multihash code that says "this is not a hash, it is the key".
const IDENTITY: u64 = 0;

/// The device key as libp2p wants it.
pub fn keypair(device: &SecretKey) -> Result<Keypair, DecodingError> {
    Keypair::ed25519_from_bytes(*device.seed())
}

/// The device behind a peer id; `None` when its key is not an ed25519 key.
pub fn device_id(peer: &PeerId) -> Option<DeviceId> {
    let hash: &Multihash<64> = peer.as_ref();
    if hash.code() != IDENTITY {
        return None;
    }
    let key = PublicKey::try_decode_protobuf(hash.digest()).ok()?;
    Some(DeviceId(key.try_into_ed25519().ok()?.to_bytes()))
}

/// The peer id of a device; `None` when the bytes are not a point of the curve.
pub fn peer_id(device: &DeviceId) -> Option<PeerId> {
    let key = ed25519::PublicKey::try_from_bytes(&device.0).ok()?;
    Some(PublicKey::from(key).to_peer_id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_and_peer_ids_are_the_same_key_in_the_same_order() {
        let mut devices = Vec::new();
        for seed in 0..32 {
            let secret = SecretKey::from_seed(&[seed; 32]);
            let device = DeviceId(secret.public());
            let peer = keypair(&secret).unwrap().public().to_peer_id();
            assert_eq!(peer_id(&device), Some(peer));
            assert_eq!(device_id(&peer), Some(device));
            devices.push((device, peer));
        }
        devices.sort_by_key(|(device, _)| *device);
        assert!(devices.is_sorted_by_key(|(_, peer)| *peer));
    }

    #[test]
    fn other_kinds_of_keys_are_no_devices() {
        // A random peer id is a SHA-256 hash, as those of RSA keys are.
        let hashed = Multihash::wrap(0x12, &[7; 32]).unwrap();
        assert_eq!(device_id(&PeerId::from_multihash(hashed).unwrap()), None);
        let secp256k1 = Multihash::wrap(0, &[0x08, 0x02, 0x12, 0x02, 1, 2]).unwrap();
        assert_eq!(PeerId::from_multihash(secp256k1).ok().and_then(|peer| device_id(&peer)), None);
    }
}
