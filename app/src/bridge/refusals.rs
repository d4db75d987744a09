//! Tickets that a node could not use, by workspace, until another ticket is tried.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use velo_node::handle::NodeEvent;
use velo_protocol::id::WorkspaceId;

/// See the module. Shared by the thread that hears the node's events and the window.
#[derive(Debug, Clone, Default)]
pub struct Refusals(Arc<Mutex<BTreeMap<WorkspaceId, String>>>);

impl Refusals {
    /// Hears an event.
    pub fn hear(&self, event: &NodeEvent) {
        if let NodeEvent::JoinRefused { workspace, reason } = event {
            self.lock().insert(*workspace, reason.clone());
        }
    }

    /// Another ticket is tried.
    pub fn forget(&self, workspace: WorkspaceId) {
        self.lock().remove(&workspace);
    }

    /// All.
    pub fn list(&self) -> Vec<(WorkspaceId, String)> {
        self.lock().iter().map(|(workspace, reason)| (*workspace, reason.clone())).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<WorkspaceId, String>> {
        // Nobody panics while holding the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_stays_until_another_ticket_is_tried() {
        let (refusals, workspace) = (Refusals::default(), WorkspaceId([1; 32]));
        refusals.hear(&NodeEvent::JoinRefused { workspace, reason: "it was withdrawn".into() });
        refusals.hear(&NodeEvent::Stopped);
        assert_eq!(refusals.list(), [(workspace, "it was withdrawn".to_owned())]);
        refusals.forget(workspace);
        assert!(refusals.list().is_empty());
    }
}
