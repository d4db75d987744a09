//! What damage took from the logs of this device, and how much waits for it to come back.

use super::{ApiError, Json, answer, scope};
use crate::{
    handle::NodeHandle,
    store::log_files::{Damage, Gap},
};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use velo_protocol::{
    id::{DeviceId, LogId, WorkspaceId},
    store::{ChainInfo, ChainNo},
    workspace::Workspace,
};

/// A workspace whose log files were damaged once, or in which entries wait.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DamageRow {
    /// Which workspace.
    pub workspace: WorkspaceId,
    /// Its name.
    pub name: String,
    /// Damaged places met so far, repaired or not.
    pub places: usize,
    /// Whether some of it was met since the start, and is repaired at the next one.
    #[serde(default)]
    pub is_fresh: bool,
    /// Where copies of them lie.
    pub quarantine: PathBuf,
    /// Logs that lack something.
    pub logs: Vec<LogGap>,
}

/// A log that lacks something.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LogGap {
    /// Which; `None` if what says so is lost too.
    pub log: Option<LogId>,
    /// The name of the person who writes it.
    pub author: Option<String>,
    /// The device it is written on.
    pub device: Option<DeviceId>,
    /// Entries that are lost before the first that waits.
    pub lost: u64,
    /// Entries that are here and wait: for lost ones of the same log, or for some of another.
    pub waiting: u64,
}

/// Looks at every workspace. Takes its time where there was damage: the whole log is read.
pub(super) async fn execute(node: &NodeHandle) -> Result<Json, ApiError> {
    let mut rows = Vec::new();
    for id in node.all_workspaces() {
        let reads = node.clone();
        let row = tokio::task::spawn_blocking(move || row(&reads, id)).await;
        rows.extend(row.map_err(|error| ApiError::Failed(format!("reading the logs: {error}")))??);
    }
    answer(&rows)
}

pub(crate) fn row(node: &NodeHandle, id: WorkspaceId) -> Result<Option<DamageRow>, ApiError> {
    // Before the state: what arrives in between is not taken for waiting.
    let chains = node.chains(id);
    let (Some(damage), Some(workspace)) = (node.damage(id), node.workspace(id)) else { return Ok(None) };
    let damage = damage.map_err(|error| ApiError::Failed(error.to_string()))?;
    let Damage { places, is_fresh, quarantine, gaps } = damage;
    let mut logs: Vec<LogGap> = gaps.iter().map(|gap| LogGap::of(&workspace, gap)).collect();
    for (chain, no) in chains.iter().zip((0..).map(ChainNo)) {
        add_unshown(&mut logs, &workspace, chain, no);
    }
    let is_well = places == 0 && !is_fresh && logs.is_empty();
    let name = scope::title(node, id);
    Ok((!is_well).then_some(DamageRow { workspace: id, name, places, is_fresh, quarantine, logs }))
}

/// Adds the entries of a chain that are not shown, as they build upon others that are not here.
fn add_unshown(logs: &mut Vec<LogGap>, workspace: &Workspace, chain: &ChainInfo, no: ChainNo) {
    // A branch is applied from where it leaves the chain it comes from.
    let shown = workspace.applied(no).max(chain.base.position);
    let waiting = chain.end.head.position.saturating_sub(shown);
    if waiting == 0 {
        return;
    }
    if let Some(gap) = logs.iter_mut().find(|gap| gap.log == Some(chain.log)) {
        gap.waiting = gap.waiting.saturating_add(waiting);
        return;
    }
    let gap = Gap { of: Some((chain.log, chain.origin)), lost: 0, waiting };
    logs.push(LogGap::of(workspace, &gap));
}

impl LogGap {
    fn of(workspace: &Workspace, gap: &Gap) -> Self {
        Self {
            log: gap.of.map(|(log, _)| log),
            author: gap.of.map(|(_, origin)| workspace.person_name(origin.person)),
            device: gap.of.map(|(_, origin)| origin.device),
            lost: gap.lost,
            waiting: gap.waiting,
        }
    }
}
