//! Writes the visible state to its cache, on a thread of its own: edits wait for the log only.

use crate::store::state::{SledState, StateError, StateStore};
use std::{
    collections::BTreeMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{self, Receiver, Sender},
    thread::{self, JoinHandle},
    time::Instant,
};
use tokio::sync::mpsc::UnboundedSender;
use velo_protocol::{id::WorkspaceId, snapshot::Pages};

/// Pages were written, or given up.
#[derive(Debug)]
pub(super) struct Saved {
    pub workspace: WorkspaceId,
}

enum Job {
    Open { workspace: WorkspaceId, state: SledState },
    Save { workspace: WorkspaceId, pages: Pages, log_index: Vec<u8> },
    Close { workspace: WorkspaceId, done: Sender<()> },
}

/// The way to the saver's thread. It ends when every clone is dropped and all is written.
#[derive(Clone)]
pub(super) struct Saver {
    jobs: Sender<Job>,
}

impl Saver {
    /// Starts the thread; what it did is told through `done`.
    pub fn start(done: UnboundedSender<Saved>) -> io::Result<(Self, JoinHandle<()>)> {
        let (jobs, taken) = mpsc::channel();
        let thread = thread::Builder::new().name("velo-save".into()).spawn(move || run(&taken, &done))?;
        Ok((Self { jobs }, thread))
    }

    /// Hands over the cache of a workspace.
    pub fn open(&self, workspace: WorkspaceId, state: SledState) {
        self.give(Job::Open { workspace, state });
    }

    /// Has pages written, together with the log's index at the same moment.
    pub fn save(&self, workspace: WorkspaceId, pages: Pages, log_index: Vec<u8>) {
        self.give(Job::Save { workspace, pages, log_index });
    }

    /// Closes the cache of a workspace, after what was given before, and waits for it.
    pub fn close(&self, workspace: WorkspaceId) {
        let (done, closed) = mpsc::channel();
        self.give(Job::Close { workspace, done });
        // If the thread has ended, everything is closed.
        let _ = closed.recv();
    }

    fn give(&self, job: Job) {
        // Its thread ends only when this is dropped.
        let _ = self.jobs.send(job);
    }
}

fn run(jobs: &Receiver<Job>, done: &UnboundedSender<Saved>) {
    let mut open = BTreeMap::new();
    while let Ok(job) = jobs.recv() {
        match job {
            Job::Open { workspace, state } => drop(open.insert(workspace, state)),
            Job::Save { workspace, pages, log_index } => {
                save(&mut open, workspace, &pages, &log_index);
                // The driver may have ended already.
                let _ = done.send(Saved { workspace });
            }
            Job::Close { workspace, done } => {
                guarded(|| drop(open.remove(&workspace)));
                // The driver waits for it.
                let _ = done.send(());
            }
        }
    }
}

fn save<S: StateStore>(
    open: &mut BTreeMap<WorkspaceId, S>,
    workspace: WorkspaceId,
    pages: &Pages,
    log_index: &[u8],
) {
    let Some(state) = open.get_mut(&workspace) else { return };
    let start = Instant::now();
    match guarded(|| state.save(pages, log_index)).unwrap_or(Err(StateError::Panicked)) {
        Ok(()) => tracing::debug!(pages = pages.pages.len(), took = ?start.elapsed(), "state saved"),
        Err(error) => {
            tracing::warn!(%error, workspace = %workspace.short(), "the state could not be saved; it will be rebuilt from the log");
            // What was taken counts as written and is lost: later pages would not fit the older ones.
            if let Some(state) = open.remove(&workspace) {
                guarded(|| state.discard());
            }
        }
    }
}

/// sled asserts where it could return an error. One workspace's cache must not take the others'
/// with it.
fn guarded<T>(work: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(work)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::state::MemoryState;

    #[derive(Default)]
    struct Panics(bool, MemoryState);

    impl StateStore for Panics {
        fn save(&mut self, pages: &Pages, log_index: &[u8]) -> Result<(), StateError> {
            assert!(!self.0, "as sled does");
            self.1.save(pages, log_index)
        }

        fn discard(self) {
            assert!(!self.0, "as sled does");
        }
    }

    #[test]
    fn a_cache_that_panics_is_given_up_and_the_others_go_on() {
        let (bad, good) = (WorkspaceId([1; 32]), WorkspaceId([2; 32]));
        let mut open =
            BTreeMap::from([(bad, Panics(true, MemoryState::default())), (good, Panics::default())]);
        let pages = Pages { pages: Vec::new(), meta: vec![7] };
        save(&mut open, bad, &pages, &[]);
        save(&mut open, good, &pages, &[]);
        assert!(!open.contains_key(&bad));
        assert_eq!(open[&good].1.saved().unwrap().meta, [7]);
    }
}
