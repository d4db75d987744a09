//! A disk that fails when a test wants it to.

use super::{Disk, OsDisk};
use std::{
    fs::File,
    io,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Passes everything on until one operation fails. A failing write leaves half of its bytes behind,
/// as a full disk does. What fails once keeps failing until the disk is [mended](Self::mend).
#[derive(Debug, Clone)]
pub struct FailingDisk {
    left: Arc<AtomicU64>,
    error: io::ErrorKind,
}

impl FailingDisk {
    /// Lets `good` operations pass, then fails with `error`.
    pub fn new(good: u64, error: io::ErrorKind) -> Self {
        Self { left: Arc::new(AtomicU64::new(good)), error }
    }

    /// Lets everything pass from now on.
    pub fn mend(&self) {
        self.left.store(u64::MAX, Ordering::SeqCst);
    }

    fn step(&self) -> io::Result<()> {
        let take = |left: u64| left.checked_sub(1);
        match self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take) {
            Ok(_) => Ok(()),
            Err(_) => Err(self.error.into()),
        }
    }
}

impl Disk for FailingDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        self.step()?;
        OsDisk.create(path)
    }

    fn write(&self, file: &File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        if let Err(error) = self.step() {
            OsDisk.write(file, offset, &bytes[..bytes.len() / 2])?;
            return Err(error);
        }
        OsDisk.write(file, offset, bytes)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        self.step()?;
        OsDisk.sync(file)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        OsDisk.sync_dir(path)
    }

    fn cut(&self, file: &File, len: u64) -> io::Result<()> {
        self.step()?;
        OsDisk.cut(file, len)
    }
}
