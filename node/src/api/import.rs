//! Brings a file of another program in, or only says what would come of it.

use super::{
    ApiError, Json, answer,
    reference::{self, Precision},
    scope::Scope,
};
use crate::{
    import::{self, Fidelity, ImportError, Target},
    store::disk,
};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use std::{
    fs::{File, FileType},
    io::{self, BufReader},
    path::{Path, PathBuf},
};
use velo_protocol::id::EntityId;

/// Brings a file in.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(
    after_help = "Examples:\n  velo import trello board.json --dry-run\n  velo import trello board.json"
)]
pub struct Import {
    /// What kind of file.
    #[command(subcommand)]
    pub format: Format,
}

/// A file of a known format.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// A Trello board: in its menu "Print, export, and share", then "Export as JSON"
    Trello(Source),
}

/// Which file, and where it goes.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Examples:\n  \
    velo import trello board.json --dry-run\n  \
    velo import trello board.json\n  \
    velo import trello board.json --into House\n\n\
    Importing the same file again doubles nothing. `velo undo` takes a whole import back.")]
pub struct Source {
    /// The file
    pub file: PathBuf,
    /// Only report what would be kept, mapped and dropped
    #[arg(long)]
    #[serde(default)]
    pub dry_run: bool,
    /// Into this project rather than one of its own
    #[arg(long, value_name = "PROJECT")]
    #[serde(default)]
    pub into: Option<String>,
}

/// What an import did, or would do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// Whether it was only looked at.
    pub dry_run: bool,
    /// Operations written; 0 if everything was here already.
    pub operations: usize,
    /// The project it went to.
    pub project: EntityId,
    /// What became of everything in the file.
    pub fidelity: Fidelity,
}

/// Reads the file and, unless it is a dry run, writes it as one action.
pub(super) async fn execute(request: Import, mut scope: Scope<'_>) -> Result<Json, ApiError> {
    let Format::Trello(source) = request.format;
    let workspace = &scope.workspace;
    let into = source.into.as_deref();
    let into = into.map(|text| reference::project(workspace, Some(text), Precision::Part)).transpose()?;
    let target = Target { workspace: scope.id, project: into };
    let path = source.file.clone();
    // Opening may wait too: for whoever writes to a pipe.
    let read = tokio::task::spawn_blocking(move || {
        Ok::<_, ApiError>(import::read_trello(BufReader::new(open(&path)?), target)?)
    });
    let import = read.await.map_err(|error| ApiError::Failed(format!("reading the file: {error}")))??;
    let operations = if source.dry_run { 0 } else { scope.edit(import.changes).await? };
    answer(&Report { dry_run: source.dry_run, operations, project: import.project, fidelity: import.report })
}

/// Opens a file or a pipe. What else has a name in a file system is no board, and may have no end.
fn open(path: &Path) -> Result<File, ApiError> {
    let failed = |error: io::Error| {
        ApiError::Failed(format!("opening {}: {}", path.display(), disk::unreadable(&error)))
    };
    let kind = std::fs::metadata(path).map_err(failed)?.file_type();
    if !kind.is_file() && !is_pipe(kind) {
        return Err(ApiError::Invalid(format!("{} is not a file", path.display())));
    }
    File::open(path).map_err(failed)
}

#[cfg(unix)]
fn is_pipe(kind: FileType) -> bool {
    std::os::unix::fs::FileTypeExt::is_fifo(&kind)
}

#[cfg(not(unix))]
fn is_pipe(_kind: FileType) -> bool {
    false
}

impl From<ImportError> for ApiError {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Read(_) => Self::Failed(error.to_string()),
            _ => Self::Invalid(error.to_string()),
        }
    }
}
