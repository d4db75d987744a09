//! A local cache of the visible state, for fast opening; never sent to peers.

use crate::{codec::CodecError, id::WorkspaceId, workspace::Workspace};

/// Names one page of a workspace's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PageNo(pub u32);

/// What changed since the last call of [`Workspace::take_pages`]. To be written all together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pages {
    /// Each replaces the page of the same number. About 20 KB, compressible.
    pub pages: Vec<(PageNo, Vec<u8>)>,
    /// Replaces the record without number: how far the pages reach in each chain, and small tables.
    pub meta: Vec<u8>,
}

/// Why a cached state cannot be used. The state is then rebuilt from the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Bytes that are not a page or meta record.
    #[error("the cached state cannot be read: {0}")]
    Codec(#[from] CodecError),
    /// Written by another version of this program.
    #[error("the cached state has format {found}, this program writes {expected}")]
    Version {
        /// What it says.
        found: u8,
        /// What this program writes.
        expected: u8,
    },
    /// It belongs to another workspace.
    #[error("the cached state is that of workspace {0}")]
    OtherWorkspace(WorkspaceId),
    /// A page is missing.
    #[error("page {0} of the cached state is missing")]
    MissingPage(u32),
    /// A page that the meta record does not know, or an entity in two pages.
    #[error("page {0} of the cached state does not fit the others")]
    ForeignPage(u32),
}

impl Workspace {
    /// Whether there is anything to write.
    pub fn has_dirty(&self) -> bool {
        todo!()
    }

    /// About how many bytes [`Self::take_pages`] would return.
    pub fn dirty_bytes(&self) -> usize {
        todo!()
    }

    /// The pages that changed since the last call, and the meta record. The state then counts as
    /// written: if writing fails, the cache must not be used any more.
    pub fn take_pages(&mut self) -> Pages {
        todo!()
    }

    /// The state as it was when the pages were taken; entries after [`Workspace::applied`] of each
    /// chain are to be applied by the caller.
    pub fn from_pages(
        _id: WorkspaceId,
        _meta: &[u8],
        _pages: impl IntoIterator<Item = (PageNo, Vec<u8>)>,
    ) -> Result<Self, SnapshotError> {
        todo!()
    }
}
