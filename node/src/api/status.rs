//! Where this device stands, and waiting for it to change.

use super::{
    ApiError, Json, answer,
    member::MemberRow,
    network::{self, PeerRow, RelayRow},
    scope::Scope,
    workspace::{Introduction, WorkspaceRow, state_hash},
};
use crate::{
    handle::{NodeEvent, NodeHandle},
    keystore::Standing,
};
use serde::{Deserialize, Serialize};
use std::{
    path::PathBuf,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::sync::broadcast::error::RecvError;
use velo_protocol::{
    id::{DeviceId, PersonId, WorkspaceId},
    model::Kind,
};

/// Longest wait for one request, in milliseconds.
const LONGEST_WAIT_MS: u64 = 600_000;

/// The whole device at a glance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Status {
    /// The person's name.
    pub name: Option<String>,
    /// The person.
    pub person: PersonId,
    /// This device.
    pub device: DeviceId,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// The process that answered.
    pub process: u32,
    /// Where peers reach it; empty when offline.
    pub addresses: Vec<String>,
    /// Relays that this device uses.
    #[serde(default)]
    pub relays: Vec<RelayRow>,
    /// Why nothing can be changed, if so.
    pub read_only: Option<String>,
    /// Every workspace.
    pub workspaces: Vec<WorkspaceRow>,
    /// Why further workspaces of this device could not be opened, a sentence each.
    pub unopened: Vec<String>,
    /// The workspace meant, if there is one.
    pub current: Option<Current>,
    /// This person in it.
    #[serde(default)]
    pub you: Option<MemberRow>,
    /// Every peer known since the start.
    pub peers: Vec<PeerRow>,
    /// How the keys are kept, and whether the phrase is confirmed.
    #[serde(default)]
    pub keys: Option<Standing>,
}

/// The state of one workspace, small enough to be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Current {
    /// Which.
    pub id: WorkspaceId,
    /// Its name.
    pub name: String,
    /// Counts applied entries, on this device.
    pub revision: u64,
    /// BLAKE3 over everything visible, in hexadecimal.
    pub state_hash: String,
    /// How many of each kind are shown.
    pub entities: Entities,
    /// Conflicts to be settled.
    pub conflicts: usize,
}

/// How many of each kind are shown.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs, reason = "the names say it")]
pub struct Entities {
    pub projects: usize,
    pub columns: usize,
    pub tasks: usize,
    pub comments: usize,
    pub labels: usize,
    /// People with keys, and contacts: the members of an imported board.
    pub members: usize,
}

/// Waits until a workspace has gone past a revision, or has a state hash.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Wait {
    /// Return as soon as the revision is greater than this.
    pub past: Option<u64>,
    /// Return as soon as the state has this hash.
    pub state_hash: Option<String>,
    /// Longest wait; at most ten minutes.
    pub timeout_ms: u64,
}

/// What a [`Wait`] saw.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Waited {
    /// Whether what was waited for came true.
    pub reached: bool,
    /// The revision then.
    pub revision: u64,
    /// Nanoseconds since the epoch by this machine's clock, at the event that told of it.
    pub at_ns: u64,
}

impl Current {
    /// The workspace as it is now. Costs a pass over everything visible.
    pub fn of(scope: &Scope<'_>) -> Self {
        let workspace = &scope.workspace;
        let count = |kind| workspace.shown(kind).count();
        Self {
            id: scope.id,
            name: workspace.name().to_owned(),
            revision: workspace.revision(),
            state_hash: state_hash(workspace),
            entities: Entities {
                projects: count(Kind::Project),
                columns: count(Kind::Column),
                tasks: count(Kind::Task),
                comments: count(Kind::Comment),
                labels: count(Kind::Label),
                members: workspace.members().len() + count(Kind::Contact),
            },
            conflicts: workspace.conflict_count(),
        }
    }
}

/// The whole device at a glance.
pub(super) fn status(wanted: Option<&str>, node: &NodeHandle) -> Result<Json, ApiError> {
    let status = node.status();
    let scope = match Scope::open(node, wanted) {
        Ok(scope) => Some(scope),
        Err(error) if wanted.is_some() => return Err(error),
        Err(_) => None,
    };
    let you = |scope: &Scope<'_>| MemberRow::of(&scope.workspace, status.person, status.person);
    let workspaces = node.workspaces().into_iter().filter_map(|id| node.workspace(id));
    answer(&Status {
        name: Introduction::read(&status.data_dir)?.map(|person| person.name),
        person: status.person,
        device: status.device,
        process: std::process::id(),
        addresses: status.addresses,
        relays: network::relays(status.network.as_ref()),
        read_only: status.read_only,
        workspaces: workspaces.map(|workspace| WorkspaceRow::of(node, &workspace)).collect(),
        unopened: status.unopened,
        current: scope.as_ref().map(Current::of),
        you: scope.as_ref().map(you),
        peers: network::rows(node, None),
        // What is wrong with them, `velo key show` says.
        keys: node.key_standing().ok(),
        data_dir: status.data_dir,
    })
}

/// Waits for the state to change.
pub(super) async fn wait(wait: Wait, scope: &Scope<'_>) -> Result<Json, ApiError> {
    let mut events = scope.node.subscribe();
    let until = tokio::time::Instant::now() + Duration::from_millis(wait.timeout_ms.min(LONGEST_WAIT_MS));
    let mut at_ns = now_ns();
    loop {
        let workspace = scope.node.workspace(scope.id).ok_or(ApiError::NoWorkspace)?;
        let moved = wait.past.is_some_and(|revision| workspace.revision() > revision);
        let reached = moved || wait.state_hash.as_ref().is_some_and(|hash| *hash == state_hash(&workspace));
        if reached || tokio::time::Instant::now() >= until {
            return answer(&Waited { reached, revision: workspace.revision(), at_ns });
        }
        match tokio::time::timeout_at(until, events.recv()).await {
            Ok(Err(RecvError::Closed) | Ok(NodeEvent::Stopped)) => {
                return Err(ApiError::Failed("the node was shut down while waiting".into()));
            }
            _ => at_ns = now_ns(),
        }
    }
}

fn now_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}
