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
        match event {
            NodeEvent::JoinRefused { workspace, reason } => {
                self.lock().insert(*workspace, reason.clone());
            }
            NodeEvent::WorkspaceForgotten { workspace } => self.forget(*workspace),
            _ => {}
        }
    }

    /// Another ticket is tried, or the workspace is no longer here.
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
    fn a_refusal_stays_until_another_ticket_is_tried_or_the_workspace_is_gone() {
        let (refusals, workspace) = (Refusals::default(), WorkspaceId([1; 32]));
        let refused = NodeEvent::JoinRefused { workspace, reason: "it was withdrawn".into() };
        refusals.hear(&refused);
        refusals.hear(&NodeEvent::WorkspaceForgotten { workspace });
        assert!(refusals.list().is_empty());
        refusals.hear(&refused);
        refusals.hear(&NodeEvent::Stopped);
        assert_eq!(refusals.list(), [(workspace, "it was withdrawn".to_owned())]);
        refusals.forget(workspace);
        assert!(refusals.list().is_empty());
    }
}
