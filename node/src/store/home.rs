//! Where the logs of a node's workspaces lie.
//!
//! On a device that is [`InFiles`], in the data directory. A relay keeps them in its database, with the
//! attachments that it carries, and everything else, such as keys and the saved state, in its data directory like any other node.

use super::log_files::{Damage, FileLog, FileReader, OpenError, OpenReport, VerifyReport};
use crate::{
    blobs::{files::BlobFiles, store::KeptBlobs},
    data_dir::DataDirError,
};
use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};
use velo_protocol::{
    crypto::SecretKey,
    id::{LogId, WorkspaceId},
    log::Origin,
    store::{Batch, LogReader, LogStore, StoreError},
};

/// Opens and deletes logs. See the module.
pub trait LogHome: fmt::Debug + Send + Sync {
    /// What people call it, as in "a database"; `None` for the data directory itself.
    fn name(&self) -> Option<&'static str>;

    /// Gets ready, before anything is opened. `Err`: why not, and what to do.
    fn prepare(&self) -> Result<(), String>;

    /// Opens the log of a workspace, made where there is none. `folder`: where the files of its log are, if
    /// it has any. `index`: what [`KeptLog::index`] gave when the state was last saved.
    fn open(
        &self,
        workspace: WorkspaceId,
        folder: &Path,
        index: Option<&[u8]>,
    ) -> Result<(Box<dyn KeptLog>, OpenReport), OpenError>;

    /// Opens the log of a workspace that is new on this device, and empty as far as it knows: chains are
    /// numbered as it meets them.
    fn begin(
        &self,
        workspace: WorkspaceId,
        folder: &Path,
    ) -> Result<(Box<dyn KeptLog>, OpenReport), OpenError> {
        self.open(workspace, folder, None)
    }

    /// Where the blobs lie that are carried of a workspace, as a relay. `folder`: where they are, if they are
    /// files.
    fn carried_blobs(&self, _workspace: WorkspaceId, folder: PathBuf) -> Box<dyn KeptBlobs> {
        Box::new(BlobFiles::open(folder))
    }

    /// Deletes what lies outside the data directory of a workspace that is not open, unless others keep theirs there.
    /// `folder`: as it was opened with.
    fn forget(&self, workspace: WorkspaceId, folder: &Path) -> Result<(), StoreError>;
}

/// The writing half of an open log.
pub trait KeptLog: LogStore<Reader = KeptReader> {
    /// What is in memory of it, to be saved beside the state: opening it is quicker with that, and finds out
    /// whether the state fits.
    fn index(&self) -> Vec<u8>;

    /// Notes that entries of an own log up to `position` are lost, which nothing else says.
    fn note_lost(&self, log: LogId, origin: Origin, position: u64) -> Result<(), DataDirError>;
}

/// Reads an open log, from any thread.
pub type KeptReader = Arc<dyn ReadLog>;

/// What a reader of an open log can do besides reading.
pub trait ReadLog: LogReader + fmt::Debug + Send + Sync {
    /// Reads everything, and checks every checksum, chain and seal. `own`: the key of this device, which
    /// closes what it wrote by local seals.
    fn verify_all(&self, own: Option<&SecretKey>) -> Result<VerifyReport, OpenError>;

    /// What damage took from the log, and what waits for it.
    fn damage(&self) -> Result<Damage, OpenError>;
}

/// Logs in files of the data directory.
#[derive(Debug, Clone, Copy, Default)]
pub struct InFiles;

impl LogHome for InFiles {
    fn name(&self) -> Option<&'static str> {
        None
    }

    fn prepare(&self) -> Result<(), String> {
        Ok(())
    }

    fn open(
        &self,
        workspace: WorkspaceId,
        folder: &Path,
        index: Option<&[u8]>,
    ) -> Result<(Box<dyn KeptLog>, OpenReport), OpenError> {
        let (log, report) = FileLog::open(folder, workspace, index)?;
        Ok((Box::new(Kept(log)), report))
    }

    fn forget(&self, _workspace: WorkspaceId, _folder: &Path) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A log in files whose readers have no type of their own.
#[derive(Debug)]
struct Kept(FileLog);

impl LogStore for Kept {
    type Reader = KeptReader;

    fn reader(&self) -> KeptReader {
        Arc::new(self.0.reader())
    }

    fn append(&mut self, batch: &Batch) -> Result<(), StoreError> {
        self.0.append(batch)
    }
}

impl KeptLog for Kept {
    fn index(&self) -> Vec<u8> {
        self.0.index()
    }

    fn note_lost(&self, log: LogId, origin: Origin, position: u64) -> Result<(), DataDirError> {
        self.0.note_lost(log, origin, position)
    }
}

impl ReadLog for FileReader {
    fn verify_all(&self, own: Option<&SecretKey>) -> Result<VerifyReport, OpenError> {
        Self::verify_all(self, own)
    }

    fn damage(&self) -> Result<Damage, OpenError> {
        Self::damage(self)
    }
}
