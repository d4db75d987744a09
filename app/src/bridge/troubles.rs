//! What keeps a node from showing or saving everything, as sentences for people.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use velo_node::handle::{NodeEvent, NodeHandle};

/// See the module. Shared by the thread that hears the node's events and the window.
#[derive(Debug, Clone, Default)]
pub struct Troubles(Arc<Mutex<Vec<String>>>);

impl Troubles {
    /// Those that a node has told by now.
    pub fn of(node: &NodeHandle) -> Self {
        let troubles = Self::default();
        troubles.renew(node);
        troubles
    }

    /// Adds what can be asked for at any time: for whoever missed events.
    pub fn renew(&self, node: &NodeHandle) {
        node.unopened().iter().for_each(|reason| self.add(unopened(reason)));
        if let Some(reason) = node.status().read_only {
            self.add(read_only(&reason));
        }
    }

    /// Hears an event.
    pub fn hear(&self, event: &NodeEvent) {
        match event {
            NodeEvent::ReadOnly { reason } => self.add(read_only(reason)),
            NodeEvent::Damaged { reason, .. } => {
                self.add(format!("Part of a workspace cannot be read, and may not be shown: {reason}"));
            }
            NodeEvent::Stopped => {
                let words = "Velo has stopped inside: nothing is saved or synced any more. Start it again.";
                self.add(words.to_owned());
            }
            _ => {}
        }
    }

    /// All, oldest first.
    pub fn list(&self) -> Vec<String> {
        self.lock().clone()
    }

    fn add(&self, sentence: String) {
        let mut all = self.lock();
        if !all.contains(&sentence) && all.len() < Self::MOST {
            all.push(sentence);
        }
    }

    /// More than anybody reads.
    const MOST: usize = 20;

    fn lock(&self) -> MutexGuard<'_, Vec<String>> {
        // Nobody panics while holding the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unopened(reason: &str) -> String {
    format!("A workspace could not be opened: {reason}")
}

fn read_only(reason: &str) -> String {
    format!("Saving failed, and nothing can be changed until Velo is started again: {reason}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use velo_protocol::id::WorkspaceId;

    #[test]
    fn events_become_sentences_and_none_is_told_twice() {
        let troubles = Troubles::default();
        let full = NodeEvent::ReadOnly { reason: "the disk is full".into() };
        troubles.hear(&full);
        troubles.hear(&full);
        troubles.hear(&NodeEvent::Damaged { workspace: WorkspaceId([1; 32]), reason: "a bad block".into() });
        troubles.hear(&NodeEvent::Stopped);
        troubles.hear(&NodeEvent::Listening { address: "/ip4/127.0.0.1/tcp/1".into() });
        let told = troubles.list();
        assert_eq!(told.len(), 3);
        assert!(told[0].contains("the disk is full") && told[1].contains("a bad block"), "{told:?}");
    }
}
