//! Who runs a relay, and decides for whom it carries.

use std::{fmt::Debug, path::Path};
use velo_protocol::id::WorkspaceId;

/// See the module.
pub trait Operator: Debug + Send + Sync {
    /// Whether who shows this token (empty if none) may have a workspace carried: then how many bytes of its
    /// entries and attachments are kept, or none for as many as there are. Else why not, and what to do, for people: after
    /// "the relay declines: ". Called where waiting is allowed.
    /// `data_dir`: the relay's.
    fn admits(&self, data_dir: &Path, workspace: WorkspaceId, token: &str) -> Result<Option<u64>, String>;
}
