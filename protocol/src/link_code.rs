//! A link code: what a new device shows so that another device of the person can take it in.
//!
//! It names the new device, whose key the transport then proves, and carries a secret that only
//! who saw the code knows. So the new device knows that the person who answers is the one that read
//! it: [`LinkSecret::proof`].

use crate::{
    armour::{Armour, ArmourError},
    id::DeviceId,
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use zeroize::Zeroize;

const ARMOUR: Armour = Armour {
    name: "link code",
    prefix: "velolink1",
    version: 1,
    help: "The new device shows one with `velo link`",
};

/// Known to who saw the code.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Zeroize)]
#[zeroize(drop)]
pub struct LinkSecret(pub [u8; 16]);

impl fmt::Debug for LinkSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("LinkSecret(…)")
    }
}

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LinkCode {
    /// The new device.
    pub device: DeviceId,
    /// See [`LinkSecret`].
    pub secret: LinkSecret,
    /// Where it may be reached, as libp2p multiaddresses; on a LAN it is found without.
    pub addresses: Vec<String>,
}

impl LinkSecret {
    /// What `existing` says to `new` in a session with these nonces to prove that it read the code.
    pub fn proof(&self, existing: (DeviceId, &[u8; 32]), new: (DeviceId, &[u8; 32])) -> [u8; 32] {
        let key = zeroize::Zeroizing::new(blake3::derive_key("velo 2026 link proof", &self.0));
        let mut hasher = blake3::Hasher::new_keyed(&key);
        for (device, nonce) in [existing, new] {
            hasher.update(&device.0).update(nonce);
        }
        *hasher.finalize().as_bytes()
    }
}

impl fmt::Display for LinkCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&ARMOUR.wrap(self))
    }
}

impl FromStr for LinkCode {
    type Err = ArmourError;

    fn from_str(text: &str) -> Result<Self, ArmourError> {
        let code: Self = ARMOUR.unwrap(text)?;
        ARMOUR.check_addresses(&code.addresses)?;
        Ok(code)
    }
}
