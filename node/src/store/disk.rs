//! The few operations by which the store changes the disk, so that tests can make each of them fail.

#[cfg(feature = "testing")]
mod failing;

#[cfg(feature = "testing")]
pub use failing::FailingDisk;

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::Path,
};

/// What people are told of a disk that fails, with what to do about it.
pub fn trouble(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full: make room, then start Velo again".to_owned()
        }
        io::ErrorKind::PermissionDenied => format!("{error}: see who owns it, and what its owner may do"),
        _ => format!("{error}: check the disk, then start Velo again"),
    }
}

/// Why a file that a person named cannot be read, and what to do.
pub fn unreadable(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => {
            "there is no such file: see how it is spelt, and in which folder it is".to_owned()
        }
        io::ErrorKind::PermissionDenied => format!("{error}: see who owns it, and what its owner may do"),
        _ => error.to_string(),
    }
}

/// Writes and syncs. Reading goes to the files directly.
pub trait Disk: Send + Sync + std::fmt::Debug {
    /// Creates a file that must not exist yet, open for writing.
    fn create(&self, path: &Path) -> io::Result<File>;
    /// Writes `bytes` at `offset`.
    fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()>;
    /// Makes a file's bytes and length durable.
    fn sync(&self, file: &File) -> io::Result<()>;
    /// Makes the names in a directory durable.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Cuts a file to `len` bytes.
    fn cut(&self, file: &File, len: u64) -> io::Result<()>;
}

/// The operating system's.
#[derive(Debug, Clone, Copy, Default)]
pub struct OsDisk;

impl Disk for OsDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new().write(true).create_new(true).open(path)
    }

    fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn cut(&self, file: &File, len: u64) -> io::Result<()> {
        file.set_len(len)
    }
}
