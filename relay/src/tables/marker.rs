//! Names a moment of a workspace.
//!
//! What a workspace shows follows from the entries that are applied and from the keys that are held: a hash
//! over how far each log is applied, and over what is locked, therefore names the state. It takes no longer
//! than there are logs. A relay that starts compares it with the one beside the tables: where they are
//! equal there is nothing to do.

use velo_protocol::{
    id::LogId,
    model,
    store::{ChainNo, EntryAt},
    workspace::Workspace,
};

/// Bumped whenever the same state would give other rows.
const VERSION: u8 = 1;

/// See the module.
pub(super) fn marker(workspace: &Workspace) -> [u8; 32] {
    let log = |chain: ChainNo| workspace.author(chain).map(|origin| origin.log_id(workspace.id()));
    let chains = workspace.applied_chains();
    // Relays number the same chains differently.
    let mut chains: Vec<(LogId, u64)> =
        chains.map(|(_, origin, applied)| (origin.log_id(workspace.id()), applied)).collect();
    chains.sort_unstable();
    let locked = workspace.locked_ranges();
    let locked = locked.filter_map(|(EntryAt { chain, position }, last)| Some((log(chain)?, position, last)));
    let mut locked: Vec<(LogId, u64, u64)> = locked.collect();
    locked.sort_unstable();
    let mut hasher = blake3::Hasher::new_derive_key("velo 2026 marker of a relay's tables");
    hasher.update(&[VERSION, model::SCHEMA]);
    hasher.update(&(chains.len() as u64).to_le_bytes());
    for (log, applied) in chains {
        hasher.update(&log.0).update(&applied.to_le_bytes());
    }
    for (log, first, last) in locked {
        hasher.update(&log.0).update(&first.to_le_bytes()).update(&last.to_le_bytes());
    }
    for (person, standing) in &workspace.roster().members {
        hasher.update(&person.0).update(&[standing.role as u8]);
    }
    *hasher.finalize().as_bytes()
}
