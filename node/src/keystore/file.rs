//! The key file: mode 0600, in a folder of mode 0700.
//!
//! ```text
//! keys/device.key:  "VELOKEYS" | how, 1 byte | what follows from it | BLAKE3 of all before it, 32
//!     how 0: the keys as they are       bincode of Stored
//!     how 1: under a passphrase         bincode of Sealed
//!     how 2: in the system's keyring    whether the root is there, 1 byte; which entry, 16
//! ```
//!
//! Byte 9 is 1 in all three while the person's root is among the keys, and 0 once the phrase is
//! confirmed. The checksum is there to tell damage from a wrong passphrase; it keeps nobody out.
//!
//! A change writes a new file and puts it in the place of the old one, whose bytes are overwritten
//! then: they may hold the root. Disks that write elsewhere than they are told (flash, copy on
//! write) keep them for some time all the same.

use super::{KeystoreError, sealed::Sealed, stored::Stored, system::EntryName};
use crate::{
    data_dir::{self, DataDirError},
    limits,
};
use serde::Serialize;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};
use velo_protocol::codec;
use zeroize::Zeroizing;

const MAGIC: &[u8; 8] = b"VELOKEYS";
const PLAIN: u8 = 0;
const SEALED: u8 = 1;
const KEYRING: u8 = 2;

/// What the file says.
pub(super) enum Content {
    Plain(Stored),
    Sealed(Sealed),
    Keyring { has_root: bool, entry: EntryName },
}

impl Content {
    /// Whether the person's root is among the keys, as far as the file knows.
    pub fn has_root(&self) -> bool {
        match self {
            Self::Plain(stored) => stored.root.is_some(),
            Self::Sealed(Sealed { has_root, .. }) | Self::Keyring { has_root, .. } => *has_root,
        }
    }
}

pub(super) fn path(folder: &Path) -> PathBuf {
    folder.join("device.key")
}

/// The bytes of a file of keys as they are, which is also what the system's keyring holds.
pub(super) fn plain(stored: &Stored) -> Zeroizing<Vec<u8>> {
    framed(PLAIN, &stored.encode())
}

pub(super) fn sealed(sealed: &Sealed) -> Zeroizing<Vec<u8>> {
    framed(SEALED, &codec::encode(sealed))
}

pub(super) fn in_keyring(has_root: bool, entry: EntryName) -> Zeroizing<Vec<u8>> {
    framed(KEYRING, &codec::encode(&(has_root, entry)))
}

fn framed(how: u8, content: &impl AsRef<[u8]>) -> Zeroizing<Vec<u8>> {
    let content = content.as_ref();
    // Room for all at once: bytes that grow leave copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAGIC.len() + 1 + content.len() + 32));
    bytes.extend_from_slice(MAGIC);
    bytes.push(how);
    bytes.extend_from_slice(content);
    let sum = blake3::hash(&bytes);
    bytes.extend_from_slice(sum.as_bytes());
    bytes
}

/// `None` for what this program did not write.
pub(super) fn parse(bytes: &[u8]) -> Option<Content> {
    let (content, sum) = bytes.split_last_chunk::<32>()?;
    if blake3::hash(content) != *sum {
        return None;
    }
    let (how, content) = content.strip_prefix(MAGIC)?.split_first()?;
    match *how {
        PLAIN => Stored::decode(content).map(Content::Plain),
        SEALED => Sealed::decode(content).map(Content::Sealed),
        KEYRING => {
            let (has_root, entry) = codec::decode(content).ok()?;
            Some(Content::Keyring { has_root, entry })
        }
        _ => None,
    }
}

/// Reads the file in `folder`.
pub(super) fn read(folder: &Path) -> Result<Content, KeystoreError> {
    let path = path(folder);
    match parse(&bytes(&path)?) {
        Some(content) => Ok(content),
        // Whoever was reading the old file when it was replaced has read what it was overwritten with.
        None => parse(&bytes(&path)?).ok_or(KeystoreError::Damaged { path }),
    }
}

fn bytes(path: &Path) -> Result<Zeroizing<Vec<u8>>, KeystoreError> {
    let failed = |error| KeystoreError::from(data_dir::failed("reading", path)(error));
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(KeystoreError::Missing { path: path.to_owned() });
        }
        Err(error) => return Err(failed(error)),
    };
    if is_open_to_others(&file).map_err(failed)? {
        return Err(KeystoreError::Open { path: path.to_owned() });
    }
    let mut bytes = Zeroizing::new(Vec::with_capacity(limits::KEY_FILE + 1));
    file.take(limits::KEY_FILE as u64 + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > limits::KEY_FILE {
        return Err(KeystoreError::Damaged { path: path.to_owned() });
    }
    Ok(bytes)
}

#[cfg(unix)]
pub(super) fn is_open_to_others(file: &File) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt;
    Ok(file.metadata()?.permissions().mode() & 0o077 != 0)
}

/// Elsewhere the folder of the user is closed to others by the system.
#[cfg(not(unix))]
pub(super) fn is_open_to_others(_file: &File) -> io::Result<bool> {
    Ok(false)
}

/// Puts a file in the place of the one in `folder`. See the module.
pub(super) fn replace(folder: &Path, bytes: &[u8]) -> Result<(), DataDirError> {
    let path = path(folder);
    let old = OpenOptions::new().write(true).open(&path).ok();
    data_dir::write_durably(&path, bytes)?;
    if let Some(old) = old {
        // The file is replaced, whether or not this works.
        let _ = overwrite(old);
    }
    Ok(())
}

/// Overwrites a file that has no name any more. One that has is somebody's backup.
fn overwrite(mut file: File) -> io::Result<()> {
    let meta = file.metadata()?;
    if !is_nameless(&meta) {
        return Ok(());
    }
    file.write_all(&vec![0; meta.len().min(limits::KEY_FILE as u64) as usize])?;
    file.sync_all()
}

#[cfg(unix)]
fn is_nameless(meta: &fs::Metadata) -> bool {
    std::os::unix::fs::MetadataExt::nlink(meta) == 0
}

/// Elsewhere a file that is open cannot be replaced, and so never is.
#[cfg(not(unix))]
fn is_nameless(_meta: &fs::Metadata) -> bool {
    false
}

/// Takes away what a crash left of a change: it may hold the root.
pub(super) fn sweep(folder: &Path) {
    if lock_file(folder).is_ok_and(|lock| lock.try_lock().is_ok()) {
        // Most often there is nothing.
        let _ = fs::remove_file(path(folder).with_extension("new"));
    }
}

fn lock_file(folder: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).open(folder.join("device.lock"))
}

/// Keeps all others from changing the keys in `folder`, while the file it returns is open. Who reads
/// them need not wait.
pub(super) fn lock(folder: &Path) -> Result<File, KeystoreError> {
    let path = path(folder);
    if !path.exists() {
        return Err(KeystoreError::Missing { path });
    }
    let lock = lock_file(folder).map_err(data_dir::failed("locking", &path))?;
    let give_up = Instant::now() + Duration::from_millis(limits::LOCK_WAIT_MS);
    loop {
        match lock.try_lock() {
            Ok(()) => return Ok(lock),
            Err(fs::TryLockError::WouldBlock) if Instant::now() < give_up => {
                thread::sleep(Duration::from_millis(limits::LOCK_POLL_MS));
            }
            Err(fs::TryLockError::WouldBlock) => return Err(KeystoreError::Busy),
            Err(fs::TryLockError::Error(error)) => {
                return Err(data_dir::failed("locking", &path)(error).into());
            }
        }
    }
}

/// Where keys lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// In the key file, in the data directory.
    File,
    /// In the keyring of the system.
    Keyring,
}

/// What can be said of keys without opening them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct Standing {
    /// Where they lie.
    pub place: Place,
    /// Whether a passphrase opens them.
    pub passphrase: bool,
    /// Whether the person has confirmed their phrase, or this device never had it.
    pub phrase_confirmed: bool,
}

impl Standing {
    /// Of the keys in `folder`.
    pub fn of(folder: &Path) -> Result<Self, KeystoreError> {
        let content = read(folder)?;
        let place = if matches!(content, Content::Keyring { .. }) { Place::Keyring } else { Place::File };
        let passphrase = matches!(content, Content::Sealed(_));
        Ok(Self { place, passphrase, phrase_confirmed: !content.has_root() })
    }
}
