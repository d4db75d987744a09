//! How the keys of this device are kept, and whether the person still has to write their 24 words down.

use crate::view::keys::{Keeping, Place};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use velo_node::{data_dir, handle::NodeHandle, keystore};

/// What is known of the keys.
#[derive(Debug, Clone)]
struct Known {
    keeping: Keeping,
    owes_phrase: bool,
}

/// See the module. Shared by the threads that read the keys and the window.
#[derive(Debug, Clone, Default)]
pub struct KeyNote(Arc<Mutex<Option<Known>>>);

impl KeyNote {
    /// Reads the keys, which may take a while.
    pub fn renew(&self, node: &NodeHandle) {
        match node.key_standing() {
            Ok(standing) => {
                let place = match (standing.place, standing.passphrase) {
                    (keystore::Place::Keyring, _) => Place::Keyring,
                    (keystore::Place::File, true) => Place::Sealed,
                    (keystore::Place::File, false) => Place::Plain,
                };
                let folder = data_dir::keys(node.data_dir()).display().to_string();
                let owes_phrase = !standing.phrase_confirmed;
                *self.lock() = Some(Known { keeping: Keeping { place, folder }, owes_phrase });
            }
            Err(error) => tracing::warn!(%error, "how the keys are kept is not known"),
        }
    }

    /// Whether the person has to.
    pub fn owes_phrase(&self) -> bool {
        self.lock().as_ref().is_some_and(|known| known.owes_phrase)
    }

    /// How the keys are kept; `None` while that is not known.
    pub fn keeping(&self) -> Option<Keeping> {
        self.lock().as_ref().map(|known| known.keeping.clone())
    }

    fn lock(&self) -> MutexGuard<'_, Option<Known>> {
        // Nobody panics while holding the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
