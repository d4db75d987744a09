//! Bundles: a workspace in a file, part by part. The file itself is the caller's: see `cli::bundle`.

use super::{ApiError, Json, answer, device, reference, scope::Scope};
use crate::handle::NodeHandle;
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use velo_protocol::{
    bundle::{Head, PartNo},
    id::DeviceId,
    replica::{Brought, Command, ExportCursor, Reply},
};

/// What is done with a bundle, a part at a time.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Begins one: answered with a [`Begun`].
    Begin {
        /// A device or person that is to read it: what they have is left out.
        since: Option<String>,
    },
    /// Makes the next part: answered with a [`Part`].
    Export(Box<ExportCursor>),
    /// Takes a part in: answered with what it [`Brought`].
    Import {
        /// How the bundle starts.
        head: Head,
        /// Which part.
        at: PartNo,
        /// Its bytes in base 64.
        part: String,
    },
}

/// A bundle that was begun.
#[derive(Debug, Serialize, Deserialize)]
pub struct Begun {
    /// The workspace's name.
    pub workspace: String,
    /// How to go on.
    pub cursor: Box<ExportCursor>,
}

/// A part of a bundle.
#[derive(Debug, Serialize, Deserialize)]
pub struct Part {
    /// Its bytes in base 64.
    pub part: String,
    /// How to go on; `None` if it was the last.
    pub next: Option<Box<ExportCursor>>,
}

/// What a part brought, and into which workspace.
#[derive(Debug, Serialize, Deserialize)]
pub struct Taken {
    /// The workspace's name; empty where nothing of it has arrived yet.
    pub workspace: String,
    /// What came.
    pub brought: Brought,
}

/// Carries out a request on a bundle.
pub(super) async fn execute(
    request: Request,
    wanted: Option<&str>,
    node: &NodeHandle,
) -> Result<Json, ApiError> {
    match request {
        Request::Begin { since } => begin(since.as_deref(), Scope::open(node, wanted)?).await,
        Request::Export(cursor) => {
            let workspace = Scope::open(node, wanted)?.id;
            match node.submit(Command::Export { workspace, cursor }).await? {
                Reply::Exported { part, next } => answer(&Part { part: BASE64.encode(&part), next }),
                _ => Err(unexpected()),
            }
        }
        Request::Import { head, at, part } => {
            let part = BASE64.decode(part.as_bytes());
            let part =
                part.map_err(|error| ApiError::Invalid(format!("the part is not base 64: {error}")))?;
            match node.submit(Command::Import { head, at, part }).await? {
                Reply::Imported(brought) => {
                    let workspace = node.workspace(brought.workspace);
                    let workspace = workspace.map(|shown| shown.name().to_owned()).unwrap_or_default();
                    answer(&Taken { workspace, brought })
                }
                _ => Err(unexpected()),
            }
        }
    }
}

async fn begin(since: Option<&str>, scope: Scope<'_>) -> Result<Json, ApiError> {
    let since = since.map(|text| reader(text, &scope)).transpose()?;
    match scope.node.submit(Command::BeginExport { workspace: scope.id, since }).await? {
        Reply::Exporting(cursor) => answer(&Begun { workspace: scope.workspace.name().to_owned(), cursor }),
        _ => Err(unexpected()),
    }
}

/// The device that is meant: by its id, or the only one of a person.
fn reader(text: &str, scope: &Scope<'_>) -> Result<DeviceId, ApiError> {
    let rows = device::rows(scope, true);
    let by_id = |row: &&device::DeviceRow| reference::starts(&row.device.to_string(), text);
    let mut found: Vec<_> = rows.iter().filter(by_id).collect();
    if found.is_empty() {
        let person = reference::person(&scope.workspace, text, reference::Precision::Part)?;
        found = rows.iter().filter(|row| row.person == person).collect();
    }
    match found[..] {
        [row] => Ok(row.device),
        [] => Err(ApiError::not_found("device", text, "see `velo device list --all`")),
        _ => Err(ApiError::Ambiguous {
            kind: "device".into(),
            text: text.to_owned(),
            candidates: found.iter().map(|row| format!("{} {}", row.device.short(), row.name)).collect(),
        }),
    }
}

fn unexpected() -> ApiError {
    ApiError::Failed("the node answered otherwise than expected: is it another version?".to_owned())
}
