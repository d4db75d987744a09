//! Writes the visible state to its cache, on a thread of its own: edits wait for the log only.
//!
//! Nor does anything wait for it without end: after some write errors sled waits for ever for something
//! that no longer comes. What is not saved then is read from the log again.

use crate::{
    limits,
    store::state::{SledState, StateError, StateStore},
};
use std::{
    collections::BTreeMap,
    io,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::mpsc::{self, Receiver, RecvTimeoutError, Sender},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
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
    End { done: Sender<()> },
}

/// The way to the saver's thread. It ends when it is told to, and all that was given before is written.
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
        self.wait_for(|done| Job::Close { workspace, done });
    }

    /// Has the thread end, after what was given before, and waits for it.
    pub fn finish(&self, thread: JoinHandle<()>) {
        if self.wait_for(|done| Job::End { done }) && thread.join().is_err() {
            tracing::error!("the saving thread ended by a panic");
        }
    }

    /// Returns whether it was done in time. A thread that has ended has nothing left to do.
    fn wait_for(&self, job: impl FnOnce(Sender<()>) -> Job) -> bool {
        let (done, waited) = mpsc::channel();
        self.give(job(done));
        let patience = Duration::from_millis(limits::SAVE_WAIT_MS);
        let in_time = waited.recv_timeout(patience) != Err(RecvTimeoutError::Timeout);
        if !in_time {
            tracing::warn!("saving the state does not come to an end; it will be rebuilt from the log");
        }
        in_time
    }

    fn give(&self, job: Job) {
        // A thread that has ended saves nothing more.
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
                // The driver may have waited long enough.
                let _ = done.send(());
            }
            Job::End { done } => {
                guarded(|| open.clear());
                let _ = done.send(());
                return;
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
