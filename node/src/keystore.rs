//! The secret keys of a device, and where they are kept.
//!
//! A device has a signing key and a key for receiving content keys. A person's first device also has
//! their *root*, until they have confirmed that they wrote its 24 words down; then it is wiped, and
//! whoever takes the device no longer takes the person.
//!
//! They lie in a file ([`file`]), open to its owner only: as they are, or under a passphrase
//! ([`sealed`]), or the file only names an entry of the system's keyring ([`system`]). New devices
//! begin with the first, since all machines have it and nobody need attend a start; `velo key`
//! changes it. See decision 0019.
//!
//! A node reads the keys once, at its start. Changes ([`Change`]) may be made beside it.

mod change;
mod error;
mod file;
mod passphrase;
mod sealed;
mod stored;
mod system;

pub use change::{Change, KeyDoor};
pub use error::KeystoreError;
pub use file::{Place, Standing};
pub use passphrase::{Ask, PASSPHRASE_VAR, Passphrase};

use crate::data_dir::{DataDir, Records};
use file::Content;
use sealed::{Sealed, SealingKey};
use std::path::{Path, PathBuf};
use stored::Stored;
use system::EntryName;
use velo_protocol::{id::PersonId, log::Origin, replica::Identity, root::Root};
use zeroize::Zeroizing;

/// How keys are kept, with what it takes to keep them so again.
#[derive(Clone)]
enum Kept {
    Plain,
    Sealed(SealingKey),
    Keyring(EntryName),
}

/// The keys of this device.
pub struct Keys {
    stored: Stored,
    kept: Kept,
    folder: PathBuf,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Keys(person {})", self.stored.person.short())
    }
}

impl Keys {
    /// The keys of the device whose workspaces are `records`. Only where there is no workspace yet
    /// they are made: otherwise they were there, and others know the device by them.
    pub fn of_device(dir: &DataDir, records: &Records) -> Result<Self, KeystoreError> {
        Self::of_device_asking(dir, records, &Passphrase::find)
    }

    /// As [`Self::of_device`], with the passphrase from elsewhere.
    pub fn of_device_asking(dir: &DataDir, records: &Records, ask: Ask<'_>) -> Result<Self, KeystoreError> {
        let folder = dir.keys();
        file::sweep(&folder);
        let keys = if records.is_empty() {
            Self::open_or_create(&folder, ask)?
        } else {
            Self::open(&folder, None, ask)?
        };
        let (device, person) = (keys.identity().device_id(), keys.person());
        let is_other = |origin: &Origin| origin.device != device || origin.person != person;
        match records.whole.iter().find(|record| is_other(&record.origin)) {
            Some(record) => {
                Err(KeystoreError::NotThisDevice { path: file::path(&folder), workspace: record.id })
            }
            None => Ok(keys),
        }
    }

    /// Reads the keys kept in `folder`; a new device of a new person makes them.
    fn open_or_create(folder: &Path, ask: Ask<'_>) -> Result<Self, KeystoreError> {
        match Self::open(folder, None, ask) {
            Err(KeystoreError::Missing { .. }) => Self::create(folder, Stored::new_person()?),
            opened => opened,
        }
    }

    /// Makes keys in `folder` for a new device of a person who has their phrase. The root itself is
    /// not kept.
    pub fn recovered(folder: &Path, root: &Root) -> Result<Self, KeystoreError> {
        Self::create(folder, Stored::new_device(root)?)
    }

    /// Keeps the keys of a device that came about elsewhere, such as in a generated trace.
    pub(crate) fn keep(folder: &Path, identity: &Identity) -> Result<(), KeystoreError> {
        Self::create(folder, Stored::new(None, identity)).map(|_| ())
    }

    fn create(folder: &Path, stored: Stored) -> Result<Self, KeystoreError> {
        let path = file::path(folder);
        if path.exists() {
            return Err(KeystoreError::Taken { path });
        }
        let keys = Self { stored, kept: Kept::Plain, folder: folder.to_owned() };
        keys.save()?;
        Ok(keys)
    }

    /// `known`: what opened sealed keys before.
    fn open(folder: &Path, known: Option<&SealingKey>, ask: Ask<'_>) -> Result<Self, KeystoreError> {
        let damaged = || KeystoreError::Damaged { path: file::path(folder) };
        let (stored, kept) = match file::read(folder)? {
            Content::Plain(stored) => (stored, Kept::Plain),
            Content::Sealed(sealed) => {
                let (key, bytes) = unseal(&sealed, known, ask)?;
                (Stored::decode(&bytes).ok_or_else(damaged)?, Kept::Sealed(key))
            }
            Content::Keyring { entry, .. } => match file::parse(&entry.read()?) {
                Some(Content::Plain(stored)) => (stored, Kept::Keyring(entry)),
                _ => return Err(KeystoreError::NotInKeyring { entry: entry.to_string() }),
            },
        };
        Ok(Self { stored, kept, folder: folder.to_owned() })
    }

    /// Writes the keys as they are kept.
    fn save(&self) -> Result<(), KeystoreError> {
        let has_root = self.stored.root.is_some();
        let bytes = match &self.kept {
            Kept::Plain => file::plain(&self.stored),
            Kept::Sealed(key) => file::sealed(&key.seal(has_root, &self.stored.encode())?),
            Kept::Keyring(entry) => {
                // First the keys, then what says that they are there.
                entry.write(&file::plain(&self.stored))?;
                file::in_keyring(has_root, *entry)
            }
        };
        Ok(file::replace(&self.folder, &bytes)?)
    }

    /// Who this device is.
    pub fn identity(&self) -> Identity {
        self.stored.identity()
    }

    /// Whose device it is.
    pub fn person(&self) -> PersonId {
        self.stored.person
    }

    /// What a node keeps to come back to the keys.
    pub(crate) fn door(&self) -> KeyDoor {
        KeyDoor::new(self.folder.clone(), self.kept_sealing())
    }

    /// What a running node remembers of sealed keys: it confirms the phrase without asking again.
    fn kept_sealing(&self) -> Option<SealingKey> {
        match &self.kept {
            // Later nothing is to be changed here without the passphrase.
            Kept::Sealed(key) if self.stored.root.is_some() => Some(key.clone()),
            _ => None,
        }
    }
}

/// Opens with the key that is known, if it still fits, else with a passphrase that is asked for.
fn unseal(
    sealed: &Sealed,
    known: Option<&SealingKey>,
    ask: Ask<'_>,
) -> Result<(SealingKey, Zeroizing<Vec<u8>>), KeystoreError> {
    if let Some(opened) = known.and_then(|key| Some((key.clone(), key.open(sealed)?))) {
        return Ok(opened);
    }
    let key = SealingKey::of(sealed, &ask()?);
    let bytes = key.open(sealed).ok_or(KeystoreError::WrongPassphrase)?;
    Ok((key, bytes))
}

/// Fills an array with randomness of the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
