//! The keyring of the system: Secret Service over D-Bus on Linux (GNOME's keyring, KDE's wallet,
//! `KeePassXC`), the keychain of macOS, the credentials of Windows.
//!
//! One entry of service `velo` holds the keys of one device, under a random name: the data directory
//! may be moved, and several may lie on one machine. The key file names the entry.

use super::{KeystoreError, random};
use keyring::{Entry, Error};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

const SERVICE: &str = "velo";

/// Which entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct EntryName([u8; 16]);

impl std::fmt::Display for EntryName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "device-{}", data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl EntryName {
    /// A new one.
    pub fn random() -> Result<Self, KeystoreError> {
        random().map(Self).map_err(KeystoreError::NoRandomness)
    }

    fn entry(self) -> Result<Entry, KeystoreError> {
        if let Err(error) = Entry::store_status() {
            return Err(KeystoreError::NoKeyring { reason: error.to_string() });
        }
        Entry::new(SERVICE, &self.to_string()).map_err(|error| self.trouble(error))
    }

    /// What the entry holds.
    pub fn read(self) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
        self.entry()?.get_secret().map(Zeroizing::new).map_err(|error| self.trouble(error))
    }

    /// Fills the entry, and makes sure of it.
    pub fn write(self, secret: &[u8]) -> Result<(), KeystoreError> {
        self.entry()?.set_secret(secret).map_err(|error| self.trouble(error))?;
        if **self.read()? == *secret { Ok(()) } else { Err(KeystoreError::KeyringForgets) }
    }

    /// Takes the entry away.
    pub fn remove(self) -> Result<(), KeystoreError> {
        self.entry()?.delete_credential().map_err(|error| self.trouble(error))
    }

    /// The errors of the keyring that hold secrets are not told word for word.
    fn trouble(self, error: Error) -> KeystoreError {
        match error {
            Error::NoEntry => KeystoreError::NotInKeyring { entry: self.to_string() },
            Error::NoStorageAccess(reason) => KeystoreError::KeyringLocked { reason: reason.to_string() },
            Error::NoDefaultStore => KeystoreError::NoKeyring { reason: error.to_string() },
            Error::BadEncoding(secret) | Error::BadDataFormat(secret, _) => {
                drop(Zeroizing::new(secret));
                KeystoreError::KeyringFailed { reason: "the entry is not as it was written".into() }
            }
            other => KeystoreError::KeyringFailed { reason: other.to_string() },
        }
    }
}
