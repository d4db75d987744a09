//! A link code: what a new device shows so that another device of the person can take it in.
//!
//! It names the new device, whose key the transport then proves, and carries a secret that only
//! who saw the code knows. So the new device knows that the person who answers is the one that read
//! it: [`LinkSecret::proof`].

use crate::{
    armour::{Armour, ArmourError},
    id::DeviceId,
    limits,
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use zeroize::Zeroize;

const ARMOUR: Armour = Armour { prefix: "velolink1", version: 1 };

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

/// Why a text is not a link code. Each says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkCodeError {
    /// Something else.
    #[error(
        "this is not a link code: they start with \"velolink1\". The new device shows one with `velo link`"
    )]
    NotACode,
    /// Letters are missing or wrong.
    #[error("the link code is damaged ({0}): copy it again, from \"velolink1\" to the last letter")]
    Damaged(&'static str),
    /// From a newer version.
    #[error("the link code was made with a newer version of Velo: update this one")]
    Newer,
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
    type Err = LinkCodeError;

    fn from_str(text: &str) -> Result<Self, LinkCodeError> {
        let code: Self = ARMOUR.unwrap(text).map_err(|error| match error {
            ArmourError::SomethingElse => LinkCodeError::NotACode,
            ArmourError::Damaged(why) => LinkCodeError::Damaged(why),
            ArmourError::Newer => LinkCodeError::Newer,
        })?;
        if code.addresses.len() > limits::TICKET_ADDRESSES {
            return Err(LinkCodeError::Damaged("too many addresses"));
        }
        Ok(code)
    }
}
