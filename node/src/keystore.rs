//! The secret keys of a device.
//!
//! They lie in one file, mode 0600, in a folder of mode 0700:
//!
//! ```text
//! keys/device.key:  "VELOKEY2" | how they are kept, 1 byte | the keys | BLAKE3 of all before it
//!                      8                 0                   bincode              32
//! ```
//!
//! This module is the only one that knows where secrets lie: what keeps them elsewhere (the
//! system's keyring, a passphrase) takes the place of [`read`] and [`write`].

use crate::data_dir::{self, DataDir, DataDirError, Records};
use std::{
    io,
    path::{Path, PathBuf},
};
use velo_protocol::{
    codec,
    crypto::{self, LinkCert, SecretKey},
    id::{DeviceId, PersonId, WorkspaceId},
    keys::wrap::{ReceivingKey, RecipientKey},
    replica::Identity,
    root::Root,
};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

const MAGIC: &[u8; 8] = b"VELOKEY2";
/// The keys follow as they are.
const PLAIN: u8 = 0;
/// Of the format before.
const OLD_MAGIC: &[u8; 8] = b"VELOKEY1";
const FILE_NAME: &str = "device.key";

/// Why there are no keys.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// Others can read it.
    #[error(
        "{} can be read by other users of this machine, so its keys are not used: run `chmod 600 {}`",
        path.display(),
        path.display()
    )]
    Open {
        /// The key file.
        path: PathBuf,
    },
    /// Not what this program wrote.
    #[error(
        "the key file {} is damaged: restore it from a backup. Without it this device cannot be itself; \
         in another --data-dir it can join anew",
        path.display()
    )]
    Damaged {
        /// The key file.
        path: PathBuf,
    },
    /// It is gone, although this device wrote in workspaces before. New keys would be those of a
    /// stranger to everybody else: what they sign would never be taken.
    #[error(
        "the key file {} is missing, and the workspaces here cannot be changed without it: restore it from a \
         backup. In another --data-dir this device can join anew",
        path.display()
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// The keys of another device.
    #[error(
        "the key file {} is that of another device than the one that wrote in workspace {}: restore the right \
         one from a backup. In another --data-dir this device can join anew",
        path.display(),
        workspace.short()
    )]
    NotThisDevice {
        /// The key file.
        path: PathBuf,
        /// Where the right one was used.
        workspace: WorkspaceId,
    },
    /// The disk or its permissions.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The system gave no random bytes.
    #[error("no random numbers can be had from the system: {0}")]
    NoRandomness(getrandom::Error),
}

/// What is kept. Wiped from memory when dropped.
#[derive(serde::Serialize, serde::Deserialize, Zeroize, ZeroizeOnDrop)]
struct Stored {
    /// The person's root. Only their first device has it.
    root: Option<[u8; 32]>,
    device: [u8; 32],
    receiving: [u8; 32],
    #[zeroize(skip)]
    person: PersonId,
    #[zeroize(skip)]
    recovery: RecipientKey,
    #[zeroize(skip)]
    chain: Vec<LinkCert>,
}

/// The keys of this device.
pub struct Keys {
    stored: Stored,
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
        let folder = dir.keys();
        let keys = if records.is_empty() { Self::open_or_create(&folder)? } else { Self::open(&folder)? };
        let device = keys.identity().device_id();
        match records.whole.iter().find(|record| record.origin.device != device) {
            Some(record) => {
                Err(KeystoreError::NotThisDevice { path: folder.join(FILE_NAME), workspace: record.id })
            }
            None => Ok(keys),
        }
    }

    /// Reads the keys kept in `folder`; a new device of a new person makes them.
    fn open_or_create(folder: &Path) -> Result<Self, KeystoreError> {
        match Self::open(folder) {
            Err(KeystoreError::Missing { path }) => {
                let stored = new_person()?;
                write(&path, &stored)?;
                Ok(Self { stored })
            }
            opened => opened,
        }
    }

    fn open(folder: &Path) -> Result<Self, KeystoreError> {
        let path = folder.join(FILE_NAME);
        let Some(bytes) = read(&path)? else { return Err(KeystoreError::Missing { path }) };
        let stored = parse(&bytes).ok_or(KeystoreError::Damaged { path })?;
        Ok(Self { stored })
    }

    /// Keeps the keys of a device that came about elsewhere, such as in a generated trace.
    pub(crate) fn keep(folder: &Path, identity: &Identity) -> Result<(), KeystoreError> {
        write(&folder.join(FILE_NAME), &Stored::new(None, identity))
    }

    /// Who this device is.
    pub fn identity(&self) -> Identity {
        Identity {
            person: self.stored.person,
            device: SecretKey::from_seed(&self.stored.device),
            receiving: ReceivingKey::from_seed(&self.stored.receiving),
            recovery: self.stored.recovery,
            chain: self.stored.chain.clone(),
        }
    }
}

/// Fills an array with randomness of the system.
pub(crate) fn random<const N: usize>() -> Result<[u8; N], getrandom::Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

impl Stored {
    fn new(root: Option<&Root>, identity: &Identity) -> Self {
        Self {
            root: root.map(|root| *root.seed()),
            device: *identity.device.seed(),
            receiving: *identity.receiving.secret(),
            person: identity.person,
            recovery: identity.recovery,
            chain: identity.chain.clone(),
        }
    }
}

fn new_person() -> Result<Stored, KeystoreError> {
    let seed = || random::<32>().map_err(KeystoreError::NoRandomness);
    let root = Root::from_seed(seed()?);
    let (device, receiving) = (Zeroizing::new(seed()?), Zeroizing::new(seed()?));
    let (device, receiving) = (SecretKey::from_seed(&device), ReceivingKey::from_seed(&receiving));
    let identity = Identity::under_root(&root, device, receiving);
    Ok(Stored::new(Some(&root), &identity))
}

fn parse(bytes: &[u8]) -> Option<Stored> {
    let (content, sum) = bytes.split_last_chunk::<32>()?;
    if blake3::hash(content) != *sum {
        return None;
    }
    let stored = match content.strip_prefix(OLD_MAGIC) {
        Some(keys) => old_stored(keys)?,
        None => match content.strip_prefix(MAGIC)?.split_first()? {
            (&PLAIN, keys) => codec::decode(keys).ok()?,
            _ => return None,
        },
    };
    hold_together(&stored).then_some(stored)
}

/// Before there was a recovery key to keep, every device had its person's root.
fn old_stored(keys: &[u8]) -> Option<Stored> {
    let (root, device, receiving, person, chain) = codec::decode(keys).ok()?;
    let recovery = Root::from_seed(root?).recovery().public();
    Some(Stored { root, device, receiving, person, recovery, chain })
}

/// Whether the keys are those that the certificates speak of.
fn hold_together(stored: &Stored) -> bool {
    let device = DeviceId(SecretKey::from_seed(&stored.device).public());
    let receiving = ReceivingKey::from_seed(&stored.receiving).public();
    let last = stored.chain.last().map(|link| RecipientKey(link.child_x25519));
    let of_root = |root: &[u8; 32]| {
        let root = Root::from_seed(*root);
        root.person() == stored.person && root.recovery().public() == stored.recovery
    };
    crypto::verify_chain(stored.person, device, &stored.chain).is_ok()
        && last == Some(receiving)
        && stored.recovery.is_usable()
        && stored.root.as_ref().is_none_or(of_root)
}

fn read(path: &Path) -> Result<Option<Zeroizing<Vec<u8>>>, KeystoreError> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => Zeroizing::new(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(data_dir::failed("reading", path)(error).into()),
    };
    if is_open_to_others(path)? {
        return Err(KeystoreError::Open { path: path.to_owned() });
    }
    Ok(Some(bytes))
}

#[cfg(unix)]
fn is_open_to_others(path: &Path) -> Result<bool, DataDirError> {
    use std::os::unix::fs::PermissionsExt;
    let meta = std::fs::metadata(path).map_err(data_dir::failed("reading", path))?;
    Ok(meta.permissions().mode() & 0o077 != 0)
}

/// Elsewhere the folder of the user is closed to others by the system.
#[cfg(not(unix))]
fn is_open_to_others(_path: &Path) -> Result<bool, DataDirError> {
    Ok(false)
}

fn write(path: &Path, stored: &Stored) -> Result<(), KeystoreError> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    bytes.extend_from_slice(MAGIC);
    bytes.push(PLAIN);
    bytes.extend_from_slice(&Zeroizing::new(codec::encode(stored)));
    let sum = blake3::hash(&bytes);
    bytes.extend_from_slice(sum.as_bytes());
    Ok(data_dir::write_durably(path, &bytes)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_and_their_chain_holds() {
        let folder = tempfile::tempdir().unwrap();
        let first = Keys::open_or_create(folder.path()).unwrap().identity();
        let again = Keys::open_or_create(folder.path()).unwrap().identity();
        assert_eq!(first.device_id(), again.device_id());
        assert_eq!(first.person, again.person);
        crypto::verify_chain(again.person, again.device_id(), &again.chain).unwrap();
    }

    #[test]
    #[cfg(unix)]
    fn a_file_that_others_can_read_is_refused_with_what_to_do() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        Keys::open_or_create(folder.path()).unwrap();
        let path = folder.path().join(FILE_NAME);
        let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        mode(0o644);
        let error = Keys::open_or_create(folder.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("chmod 600 {}", path.display())), "{error}");
        mode(0o600);
        Keys::open_or_create(folder.path()).unwrap();
    }

    #[test]
    fn a_file_of_the_format_before_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let Keys { stored } = Keys::open_or_create(folder.path()).unwrap();
        let old = (stored.root, stored.device, stored.receiving, stored.person, &stored.chain);
        let content = [&OLD_MAGIC[..], &codec::encode(&old)].concat();
        let bytes = [&*content, blake3::hash(&content).as_bytes()].concat();
        assert_eq!(parse(&bytes).unwrap().recovery, stored.recovery);
    }

    #[test]
    fn damage_anywhere_is_noticed_and_never_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        Keys::open_or_create(folder.path()).unwrap();
        let path = folder.path().join(FILE_NAME);
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            assert!(parse(&bytes).is_none(), "byte {at}");
            assert!(parse(&whole[..at]).is_none(), "cut at {at}");
        }
        std::fs::write(&path, &whole[..40]).unwrap();
        let error = Keys::open_or_create(folder.path()).unwrap_err();
        assert!(matches!(error, KeystoreError::Damaged { .. }), "{error}");
        assert_eq!(std::fs::read(&path).unwrap(), &whole[..40]);
    }
}
