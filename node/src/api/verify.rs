//! Reads every entry of a workspace from the disk and checks it.

use super::{ApiError, Json, answer, scope::Scope};
use serde::{Deserialize, Serialize};
use velo_protocol::{
    codec,
    log::{self, Origin},
    op::{self, DataBody},
    store::{ChainNo, EntryAt},
};

/// Most troubles told one by one.
const TOLD: usize = 20;

/// What a check found.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Verified {
    /// Logs, branches counted apart.
    pub logs: usize,
    /// Entries read.
    pub entries: u64,
    /// Bodies without effect, kept as they came.
    pub void: u64,
    /// What is wrong, in sentences; at most twenty.
    pub troubles: Vec<String>,
}

/// Recomputes the hash chain of every log from its start.
pub(super) fn execute(scope: &Scope<'_>) -> Result<Json, ApiError> {
    let mut found = Verified::default();
    for chain in (0..).map(ChainNo) {
        let Some(origin) = scope.workspace.author(chain) else { break };
        found.logs += 1;
        if let Err(trouble) = chain_from_start(scope, chain, origin, &mut found) {
            found.troubles.push(trouble);
        }
        if found.troubles.len() >= TOLD {
            break;
        }
    }
    answer(&found)
}

/// Stops at the first trouble: what follows it cannot be judged.
fn chain_from_start(
    scope: &Scope<'_>,
    chain: ChainNo,
    origin: &Origin,
    found: &mut Verified,
) -> Result<(), String> {
    let whose = format!(
        "the log of {}'s device {}",
        scope.workspace.person_name(origin.person),
        origin.device.short()
    );
    let mut head = log::start_of(origin.log_id(scope.id));
    for position in 1..=scope.workspace.applied(chain) {
        let stored = scope.node.read_entry(scope.id, EntryAt { chain, position });
        let stored = stored.map_err(|error| format!("{whose}: {error}"))?;
        let stored = stored.ok_or_else(|| format!("{whose}: entry {position} is missing"))?;
        // A header is canonical, so its bytes are those of its encoding.
        head = log::entry_id(head, &codec::encode(&stored.entry.header), &stored.body);
        if head != stored.entry.id {
            return Err(format!("{whose}: entry {position} does not follow from the one before it"));
        }
        found.entries += 1;
        let readable = !op::has_data_body(stored.entry.header.kind) || DataBody::read(&stored.body).is_ok();
        found.void += u64::from(!readable);
    }
    Ok(())
}
