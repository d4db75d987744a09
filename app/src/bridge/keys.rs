//! Whether the person still has to write their 24 words down.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use velo_node::handle::NodeHandle;

/// See the module. Shared by the threads that read the keys and the window.
#[derive(Debug, Clone, Default)]
pub struct Debt(Arc<AtomicBool>);

impl Debt {
    /// Reads the keys, which may take a while.
    pub fn renew(&self, node: &NodeHandle) {
        match node.key_standing() {
            Ok(standing) => self.0.store(!standing.phrase_confirmed, Ordering::Relaxed),
            Err(error) => tracing::warn!(%error, "how the keys are kept is not known"),
        }
    }

    /// Whether they have to.
    pub fn is_open(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
