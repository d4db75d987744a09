//! What is remembered of peers, and the file it lies in: who was here when, and how much they lacked then.
//! So `velo peers list` tells of them after a restart, and without a network.
//!
//! It is of use to people alone. A file that cannot be read is as if there were none, and after a crash
//! the last seconds are missing.

use crate::{
    data_dir::{DataDirError, failed, write_durably},
    limits,
};
use serde::{Deserialize, Serialize};
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::task::JoinHandle;
use velo_protocol::replica::{PeerNote, Replica};

const VERSION: u32 = 1;

#[derive(Serialize, Deserialize)]
struct Content {
    version: u32,
    peers: Vec<PeerNote>,
}

/// See the module.
pub(super) struct PeerNotes {
    path: PathBuf,
    /// What the file says, as far as it could be written.
    saved: Arc<Mutex<Vec<PeerNote>>>,
    /// When to write what changed.
    due_ms: Option<u64>,
    saving: Option<JoinHandle<()>>,
}

impl PeerNotes {
    /// Reads the file into a replica.
    pub fn load(path: PathBuf, replica: &mut Replica) -> Self {
        let saved = read(&path).unwrap_or_else(|error| {
            tracing::warn!(%error, path = %path.display(), "what was remembered of peers cannot be read");
            Vec::new()
        });
        replica.recall(saved.clone());
        Self { path, saved: Arc::new(Mutex::new(saved)), due_ms: None, saving: None }
    }

    /// Something about a peer changed: it is written soon.
    pub fn note(&mut self, now_ms: u64) {
        self.due_ms.get_or_insert(now_ms + limits::PEER_NOTES_MS);
    }

    /// When [`Self::save_if_due`] has something to do.
    pub const fn due_ms(&self) -> Option<u64> {
        self.due_ms
    }

    /// Begins to write, if it is time.
    pub fn save_if_due(&mut self, now_ms: u64, replica: &Replica) {
        if self.due_ms.is_none_or(|due| now_ms < due) {
            return;
        }
        if self.saving.as_ref().is_some_and(|saving| !saving.is_finished()) {
            self.due_ms = Some(now_ms + limits::PEER_NOTES_MS);
            return;
        }
        self.due_ms = None;
        if let Some(write) = self.take_news(replica) {
            self.saving = Some(tokio::task::spawn_blocking(write));
        }
    }

    /// Writes what is left. Blocks on the disk.
    pub async fn finish(mut self, replica: &Replica) {
        if let Some(saving) = self.saving.take() {
            // It tells by itself what went wrong.
            saving.await.ok();
        }
        if let Some(write) = self.take_news(replica) {
            write();
        }
    }

    fn take_news(&self, replica: &Replica) -> Option<impl FnOnce() + Send + 'static> {
        let notes = replica.peer_notes();
        // One writes at a time, and nobody panics while holding the lock.
        if notes == *self.saved.lock().unwrap_or_else(PoisonError::into_inner) {
            return None;
        }
        let (path, saved) = (self.path.clone(), self.saved.clone());
        Some(move || match write(&path, &notes) {
            Ok(()) => *saved.lock().unwrap_or_else(PoisonError::into_inner) = notes,
            // It is tried again with the next change, and at the end.
            Err(error) => tracing::warn!(%error, "what is known of peers was not noted"),
        })
    }
}

fn read(path: &PathBuf) -> io::Result<Vec<PeerNote>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(limits::PEER_NOTES_BYTES).read_to_end(&mut bytes)?;
    let content: Content = serde_json::from_slice(&bytes)?;
    if content.version != VERSION {
        return Err(io::Error::other(format!("it is of version {}", content.version)));
    }
    Ok(content.peers)
}

fn write(path: &Path, peers: &[PeerNote]) -> Result<(), DataDirError> {
    let text = serde_json::to_vec(&Content { version: VERSION, peers: peers.into() });
    let text = text.map_err(|error| failed("writing", path)(error.into()))?;
    write_durably(path, &text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use velo_protocol::{id::DeviceId, replica::Identity};

    #[test]
    fn what_could_not_be_written_is_written_later() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("later");
        let mut replica = Replica::new(Identity::from_seeds([1; 32], &[2; 32]), [3; 32]);
        let notes = PeerNotes::load(folder.join("peers.json"), &mut replica);
        assert!(notes.take_news(&replica).is_none(), "there is nothing to write");
        let met = PeerNote { peer: DeviceId([4; 32]), last_seen_ms: 5, workspaces: Vec::new() };
        replica.recall(vec![met.clone()]);
        // Nothing can be written there.
        notes.take_news(&replica).unwrap()();
        std::fs::create_dir(&folder).unwrap();
        notes.take_news(&replica).unwrap()();
        assert_eq!(read(&folder.join("peers.json")).unwrap(), [met]);
        assert!(notes.take_news(&replica).is_none(), "it is written");
    }
}
