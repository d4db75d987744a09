//! Reads every entry of every workspace from the disk and checks it: checksums, chains, seals.

use super::{ApiError, Json, answer, scope};
use crate::{
    handle::NodeHandle,
    store::log_files::{OpenError, VerifyReport},
};
use serde::{Deserialize, Serialize};
use velo_protocol::id::WorkspaceId;

/// Most troubles told one by one.
const TOLD: usize = 20;

/// What a check found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Verified {
    /// Workspaces read, beside the private one.
    pub workspaces: usize,
    /// Entries that are good.
    pub entries: u64,
    /// Bytes read.
    pub bytes: u64,
    /// Damaged places that were repaired from other devices before; copies lie in `quarantine/`.
    pub known: usize,
    /// What is wrong, in sentences; at most twenty.
    pub troubles: Vec<String>,
}

/// Checks one workspace after the other. A device without any is well.
pub(super) async fn execute(node: &NodeHandle) -> Result<Json, ApiError> {
    let mut found = Verified { troubles: node.unopened().to_vec(), ..Verified::default() };
    for id in node.all_workspaces() {
        let reads = node.clone();
        let report = tokio::task::spawn_blocking(move || reads.verify(id)).await;
        let report = report.map_err(|error| ApiError::Failed(format!("reading the logs: {error}")))?;
        if let Some(report) = report {
            // The private one is checked with them; what people count are those that they share.
            found.workspaces += usize::from(report.is_ok() && node.private_id() != Some(id));
            found.add(&whose(node, id), report);
        }
    }
    found.troubles.truncate(TOLD);
    answer(&found)
}

fn whose(node: &NodeHandle, id: WorkspaceId) -> String {
    let name = scope::title(node, id);
    if name.is_empty() { format!("workspace {}", id.short()) } else { format!("\"{name}\"") }
}

impl Verified {
    fn add(&mut self, whose: &str, report: Result<VerifyReport, OpenError>) {
        let report = match report {
            Ok(report) => report,
            Err(error) => return self.troubles.push(format!("{whose}: {error}")),
        };
        self.entries += report.entries;
        self.bytes += report.bytes;
        self.known += report.known;
        for place in &report.damaged {
            self.troubles.push(format!(
                "{whose}: file {:06} is damaged at byte {}: restart Velo to repair it from other devices",
                place.file, place.offset
            ));
        }
        for place in &report.bad_seals {
            self.troubles.push(format!(
                "{whose}: in file {:06} at byte {} a seal does not fit: restore the log from a backup",
                place.file, place.offset
            ));
        }
        if report.short_chains > 0 {
            self.troubles.push(format!(
                "{whose}: {} logs are not in the files in full: restart Velo to repair them from other devices",
                report.short_chains
            ));
        }
    }
}
