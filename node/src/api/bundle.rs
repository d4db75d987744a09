//! Bundles: a workspace in a file, part by part. The file itself is the caller's: see `cli::bundle`.

use super::{ApiError, Json, answer, device, reference, scope::Scope};
use crate::{
    blobs::carry::Took,
    data_dir,
    handle::{NodeError, NodeHandle},
};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use velo_protocol::{
    bundle::{Head, PartNo, Portion},
    id::{DeviceId, EntityId, WorkspaceId},
    model::{EntityKey, Kind},
    replica::{Brought, Carried, Command, ExportCursor, Refusal, Reply},
};

/// What is done with a bundle, a part at a time.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Begins one: answered with a [`Begun`].
    Begin {
        /// A device or person that is to read it: what they have is left out.
        since: Option<String>,
        /// Whether it carries the content of attachments.
        attachments: bool,
    },
    /// Makes the next part, of entries: answered with a [`Part`].
    Export(Box<ExportCursor>),
    /// Makes the next part, of a blob: answered with a [`BlobPart`], or nothing if the attachment has no more.
    ExportBlob {
        /// How far the bundle is.
        cursor: Box<ExportCursor>,
        /// Whose.
        attachment: EntityId,
        /// Where to go on; 0 at first.
        from: usize,
    },
    /// Makes the last part: answered with a [`Part`].
    End(Box<ExportCursor>),
    /// Takes a part in: answered with [`Taken`].
    Import {
        /// How the bundle starts.
        head: Head,
        /// Which part.
        at: PartNo,
        /// Its bytes in base 64.
        part: String,
    },
    /// Everything of an attachment was taken in: answered with a [`crate::blobs::content::Presence`].
    Settle {
        /// Where.
        workspace: WorkspaceId,
        /// Which.
        attachment: EntityId,
    },
}

/// A bundle that was begun.
#[derive(Debug, Serialize, Deserialize)]
pub struct Begun {
    /// The workspace's name.
    pub workspace: String,
    /// How to go on.
    pub cursor: Box<ExportCursor>,
    /// About how many bytes its entries take.
    pub entry_bytes: u64,
    /// The attachments that it carries, the newest first, and how many bytes each.
    pub attachments: Vec<(EntityId, u64)>,
    /// Attachments that it should carry, and of which something is not on this device.
    pub missing: usize,
}

/// A part of a bundle.
#[derive(Debug, Serialize, Deserialize)]
pub struct Part {
    /// Its bytes in base 64.
    pub part: String,
    /// How to go on.
    pub next: Box<ExportCursor>,
}

/// A part that holds a blob.
#[derive(Debug, Serialize, Deserialize)]
pub struct BlobPart {
    /// The part.
    #[serde(flatten)]
    pub part: Part,
    /// Where to go on in the attachment.
    pub from: usize,
}

/// What became of a part.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// It held entries.
    Entries {
        /// The workspace's name; empty where nothing of it has arrived yet.
        workspace: String,
        /// What came.
        brought: Brought,
    },
    /// It held a blob.
    Blob {
        /// Where.
        workspace: WorkspaceId,
        /// Of which attachment.
        attachment: EntityId,
        /// What became of it.
        took: Took,
        /// Its length.
        bytes: u64,
    },
    /// It says that nothing follows.
    End,
    /// It is not as it was made.
    Damaged,
}

/// Carries out a request on a bundle.
pub(super) async fn execute(
    request: Request,
    wanted: Option<&str>,
    node: &NodeHandle,
) -> Result<Json, ApiError> {
    match request {
        Request::Begin { since, attachments } => {
            begin(since.as_deref(), attachments, Scope::open(node, wanted)?).await
        }
        Request::Export(cursor) => {
            answer(&export(&Scope::open(node, wanted)?, cursor, Carried::Entries).await?)
        }
        Request::ExportBlob { cursor, attachment, from } => {
            let scope = Scope::open(node, wanted)?;
            let next = scope.apart(move |scope| scope.node.next_blob(scope.id, attachment, from));
            let Some((bytes, from)) = next.await?? else { return answer(&None::<BlobPart>) };
            let part = export(&scope, cursor, Carried::Blob { attachment, bytes }).await?;
            answer(&Some(BlobPart { part, from }))
        }
        Request::End(cursor) => answer(&export(&Scope::open(node, wanted)?, cursor, Carried::End).await?),
        Request::Import { head, at, part } => answer(&import(node, head, at, &part).await?),
        Request::Settle { workspace, attachment } => {
            let scope = Scope::of(node, workspace)?;
            let settled = scope.apart(move |scope| scope.node.settle(scope.id, attachment));
            answer(&settled.await??)
        }
    }
}

async fn begin(since: Option<&str>, attachments: bool, scope: Scope<'_>) -> Result<Json, ApiError> {
    let since = since.map(|text| reader(text, &scope)).transpose()?;
    let begun = scope.node.submit(Command::BeginExport { workspace: scope.id, since }).await?;
    let Reply::Exporting(cursor) = begun else { return Err(unexpected()) };
    let carried = if attachments { new_in(&cursor, &scope) } else { Vec::new() };
    let (left, all) = (cursor.remaining(), cursor.entries().max(1));
    let measured = scope.apart(move |scope| {
        let log = data_dir::workspace_folder(scope.node.data_dir(), scope.id).join("log");
        let entry_bytes = u128::from(data_dir::folder_size(&log)) * u128::from(left) / u128::from(all);
        let (mut attachments, mut missing) = (Vec::new(), 0);
        for id in carried {
            let Some(load) = scope.node.load(scope.id, id)? else { continue };
            missing += usize::from(!load.whole);
            attachments.extend((load.bytes > 0).then_some((id, load.bytes)));
        }
        Ok::<_, NodeError>((entry_bytes as u64, attachments, missing))
    });
    let (entry_bytes, attachments, missing) = measured.await??;
    let workspace = scope.workspace.name().to_owned();
    answer(&Begun { workspace, cursor, entry_bytes, attachments, missing })
}

/// The attachments of which the bundle holds an entry, the newest first: who is known to have the entry
/// can fetch the rest where they have it from, and had it in an earlier bundle.
fn new_in(cursor: &ExportCursor, scope: &Scope<'_>) -> Vec<EntityId> {
    let is_new = |id: &EntityId| {
        let touched = scope.workspace.touched(EntityKey::new(Kind::Attachment, *id));
        touched.into_iter().any(|at| cursor.holds(at))
    };
    let mut all: Vec<EntityId> = scope.workspace.shown(Kind::Attachment).filter(is_new).collect();
    all.reverse();
    all
}

async fn export(scope: &Scope<'_>, cursor: Box<ExportCursor>, what: Carried) -> Result<Part, ApiError> {
    match scope.node.submit(Command::Export { workspace: scope.id, cursor, what }).await? {
        Reply::Exported { part, next } => Ok(Part { part: BASE64.encode(&part), next }),
        _ => Err(unexpected()),
    }
}

async fn import(node: &NodeHandle, head: Head, at: PartNo, part: &str) -> Result<Taken, ApiError> {
    let part = BASE64.decode(part.as_bytes());
    let part = part.map_err(|error| ApiError::Invalid(format!("the part is not base 64: {error}")))?;
    match node.submit(Command::Import { head, at, part }).await {
        Ok(Reply::Imported(brought)) => {
            let workspace = node.workspace(brought.workspace);
            let workspace = workspace.map(|shown| shown.name().to_owned()).unwrap_or_default();
            Ok(Taken::Entries { workspace, brought })
        }
        Ok(Reply::Opened { workspace, portion: Portion::Blob { attachment, bytes } }) => {
            let length = bytes.len() as u64;
            let scope = Scope::of(node, workspace)?;
            let took = scope.apart(move |scope| scope.node.take_blob(scope.id, attachment, &bytes));
            Ok(Taken::Blob { workspace, attachment, took: took.await??, bytes: length })
        }
        Ok(Reply::Opened { portion: Portion::End, .. }) => Ok(Taken::End),
        Err(NodeError::Refused(Refusal::DamagedPart)) => Ok(Taken::Damaged),
        Err(error) => Err(error.into()),
        Ok(_) => Err(unexpected()),
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
