//! One file that helps somebody else to find a fault.

use super::{ApiError, Json, answer};
use crate::{diagnostics, handle::NodeHandle};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Asks for the file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Request {
    /// Where to write it: a whole path. It must not be there yet.
    pub file: PathBuf,
}

/// Writes the file.
pub(super) async fn execute(request: Request, node: &NodeHandle) -> Result<Json, ApiError> {
    let node = node.clone();
    let written = tokio::task::spawn_blocking(move || diagnostics::write(&node, &request.file)).await;
    let written = written.map_err(|error| ApiError::Failed(format!("collecting: {error}")))?;
    answer(&written.map_err(|error| ApiError::Failed(error.to_string()))?)
}
