//! Makes batches durable: the driver never waits long for the disk.
//!
//! When no commit is in flight, a batch is committed at once. What arrives meanwhile is committed
//! together afterwards, one append and one sync for each workspace, so that a burst costs few
//! syncs and a single edit never waits for company.
//!
//! This happens on a thread of its own, except for a small batch that comes alone while the disk is
//! quick: handing that over and back would take about as long as the sync itself. The last commit
//! tells whether the disk is quick, so on a slow one the driver waits once, for that one.
//!
//! After one failed write nothing more is written: what the disk holds is no longer known, and a
//! second `fdatasync` would report success for bytes that the first one lost.

use crate::{data_dir::marker::Marker, limits};
use std::{
    collections::BTreeMap,
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tokio::sync::mpsc::UnboundedSender;
use velo_protocol::{
    id::{LogId, WorkspaceId},
    replica::BatchId,
    store::{Batch, BatchRun, LogStore},
};

/// What people are told when the thread is no more.
pub(super) const ENDED: &str = "the thread that saves has ended: start Velo again";

/// What became of batches that were committed together.
#[derive(Debug)]
pub(super) struct Committed {
    pub workspace: WorkspaceId,
    /// In the order in which they were given.
    pub batches: Vec<BatchId>,
    pub bytes: usize,
    pub result: Result<(), String>,
}

enum Job<S> {
    Open { workspace: WorkspaceId, store: S, marker: Marker, own: Option<LogId> },
    Own { workspace: WorkspaceId, log: LogId },
    Append { workspace: WorkspaceId, id: BatchId, batch: Batch, authored: bool },
    Show { workspace: WorkspaceId, then: Box<dyn FnOnce(&S) + Send> },
    Close { workspace: WorkspaceId, done: Sender<Result<(), String>> },
}

/// The way to the stores. Dropping it lets the thread finish what was given.
pub(super) struct Committer<S> {
    writers: Arc<Mutex<Writers<S>>>,
    /// Jobs given to the thread and not done.
    pending: Arc<AtomicUsize>,
    jobs: Sender<Job<S>>,
    thread: JoinHandle<()>,
}

/// The bytes a batch brings to the log.
pub(super) fn batch_bytes(batch: &Batch) -> usize {
    batch.runs.iter().map(|run| run.run.bytes.len()).sum()
}

impl<S: LogStore + 'static> Committer<S> {
    /// Starts the thread; what it did is told through `done`.
    pub fn start(done: UnboundedSender<Committed>) -> io::Result<Self> {
        let (jobs, taken) = mpsc::channel();
        let writers = Arc::new(Mutex::new(Writers {
            open: BTreeMap::new(),
            waiting: BTreeMap::new(),
            bytes: 0,
            took: None,
            failed: None,
        }));
        let pending = Arc::new(AtomicUsize::new(0));
        let (shared, left) = (Arc::clone(&writers), Arc::clone(&pending));
        let thread = thread::Builder::new()
            .name("velo-commit".into())
            .spawn(move || run(&shared, &left, &taken, &done))?;
        Ok(Self { writers, pending, jobs, thread })
    }

    /// Hands over the store of a workspace. `own` is the log that this device writes; `None` while
    /// it must open a new one, and the marker must not move.
    pub fn open(&self, workspace: WorkspaceId, store: S, marker: Marker, own: Option<LogId>) {
        self.give(Job::Open { workspace, store, marker, own });
    }

    /// This device writes `log` from now on.
    pub fn set_own(&self, workspace: WorkspaceId, log: LogId) {
        self.give(Job::Own { workspace, log });
    }

    /// Has a batch made durable. `authored` says that this device wrote it just now.
    pub fn append(&self, workspace: WorkspaceId, id: BatchId, batch: Batch, authored: bool) {
        self.give(Job::Append { workspace, id, batch, authored });
    }

    /// The same for a batch that comes when everything before it was taken back as committed. Gives
    /// what became of it if that was done at once; else it is told later.
    pub fn append_alone(
        &self,
        workspace: WorkspaceId,
        id: BatchId,
        batch: Batch,
        authored: bool,
    ) -> Vec<Committed> {
        let small = batch_bytes(&batch) <= limits::QUICK_COMMIT_BYTES;
        let job = Job::Append { workspace, id, batch, authored };
        if small && self.pending.load(Ordering::Acquire) == 0 {
            let mut writers = self.writers.lock().unwrap_or_else(PoisonError::into_inner);
            if writers.disk_is_quick() {
                writers.take(job);
                return writers.commit();
            }
        }
        self.give(job);
        Vec::new()
    }

    /// Shows the store as it is after everything given before.
    pub fn with_store(&self, workspace: WorkspaceId, then: impl FnOnce(&S) + Send + 'static) {
        self.give(Job::Show { workspace, then: Box::new(then) });
    }

    /// Closes a store, and waits for it: everything given before is done by then. `Err`: not all of that
    /// could be saved.
    pub fn close(&self, workspace: WorkspaceId) -> Result<(), String> {
        let (done, closed) = mpsc::channel();
        self.give(Job::Close { workspace, done });
        closed.recv().unwrap_or_else(|_| Err(ENDED.to_owned()))
    }

    /// Waits until everything given is done, and closes the stores.
    pub fn finish(self) {
        drop(self.jobs);
        if self.thread.join().is_err() {
            tracing::error!("the committing thread ended by a panic");
        }
    }

    fn give(&self, job: Job<S>) {
        self.pending.fetch_add(1, Ordering::AcqRel);
        // Its thread ends only when this is dropped.
        let _ = self.jobs.send(job);
    }
}

struct Writer<S> {
    store: S,
    marker: Marker,
    own: Option<LogId>,
}

#[derive(Default)]
struct Group {
    ids: Vec<BatchId>,
    batch: Batch,
    /// Of each run, whether this device wrote it just now.
    authored: Vec<bool>,
}

struct Writers<S> {
    open: BTreeMap<WorkspaceId, Writer<S>>,
    waiting: BTreeMap<WorkspaceId, Group>,
    bytes: usize,
    /// How long the last commit took.
    took: Option<Duration>,
    failed: Option<String>,
}

fn run<S: LogStore>(
    writers: &Mutex<Writers<S>>,
    pending: &AtomicUsize,
    jobs: &Receiver<Job<S>>,
    done: &UnboundedSender<Committed>,
) {
    // The driver outlives this thread; if it is gone, nobody waits for the answers.
    let tell = |committed: Vec<Committed>| committed.into_iter().for_each(|one| drop(done.send(one)));
    while let Ok(first) = jobs.recv() {
        let mut writers = writers.lock().unwrap_or_else(PoisonError::into_inner);
        tell(writers.take(first));
        let mut taken = 1;
        while writers.bytes < limits::COMMIT_BYTES {
            let Ok(job) = jobs.try_recv() else { break };
            tell(writers.take(job));
            taken += 1;
        }
        tell(writers.commit());
        pending.fetch_sub(taken, Ordering::AcqRel);
    }
    for writer in writers.lock().unwrap_or_else(PoisonError::into_inner).open.values() {
        if let Err(error) = writer.marker.sync() {
            tracing::warn!(%error, "how far the own log reached could not be synced");
        }
    }
}

impl<S: LogStore> Writers<S> {
    fn disk_is_quick(&self) -> bool {
        self.took.is_some_and(|took| took <= Duration::from_millis(limits::QUICK_COMMIT_MS))
    }

    /// Gives what was committed for it.
    fn take(&mut self, job: Job<S>) -> Vec<Committed> {
        let mut committed = Vec::new();
        match job {
            Job::Open { workspace, store, marker, own } => {
                self.open.insert(workspace, Writer { store, marker, own });
            }
            Job::Own { workspace, log } => {
                if let Some(writer) = self.open.get_mut(&workspace) {
                    writer.own = Some(log);
                    writer.note(0);
                }
            }
            Job::Append { workspace, id, batch, authored } => {
                self.bytes += batch_bytes(&batch);
                let group = self.waiting.entry(workspace).or_default();
                group.ids.push(id);
                group.authored.extend(batch.runs.iter().map(|_| authored));
                group.batch.runs.extend(batch.runs);
            }
            Job::Show { workspace, then } => {
                committed = self.commit();
                if let Some(writer) = self.open.get(&workspace) {
                    then(&writer.store);
                }
            }
            Job::Close { workspace, done } => {
                committed = self.commit();
                self.open.remove(&workspace);
                // The driver waits for it.
                let _ = done.send(self.failed.clone().map_or(Ok(()), Err));
            }
        }
        committed
    }

    fn commit(&mut self) -> Vec<Committed> {
        self.bytes = 0;
        let mut committed = Vec::new();
        for (workspace, group) in std::mem::take(&mut self.waiting) {
            let result = self.append(workspace, &group);
            if let Err(reason) = &result {
                self.failed = Some(reason.clone());
            }
            let bytes = batch_bytes(&group.batch);
            committed.push(Committed { workspace, batches: group.ids, bytes, result });
        }
        committed
    }

    fn append(&mut self, workspace: WorkspaceId, group: &Group) -> Result<(), String> {
        if let Some(reason) = &self.failed {
            return Err(reason.clone());
        }
        let writer = self.open.get_mut(&workspace).ok_or("the workspace is not open")?;
        let start = Instant::now();
        writer.store.append(&group.batch).map_err(|error| error.to_string())?;
        let took = start.elapsed();
        self.took = Some(took);
        metrics::histogram!("velo_commit_seconds").record(took);
        metrics::counter!("velo_commits_total").increment(1);
        metrics::counter!("velo_log_bytes_total").increment(batch_bytes(&group.batch) as u64);
        writer.note_own(group);
        Ok(())
    }
}

impl<S> Writer<S> {
    fn note_own(&mut self, group: &Group) {
        let runs = group.batch.runs.iter().zip(&group.authored);
        let own: Vec<(&BatchRun, bool)> =
            runs.filter(|(run, _)| Some(run.run.log) == self.own).map(|(run, by_us)| (run, *by_us)).collect();
        if own.iter().any(|(_, by_us)| !by_us) {
            // Somebody brought entries of the own log that were not here: it had been cut back,
            // and they may not have brought all. Only a new log may be written, also after a restart.
            if let Some(log) = self.own.take() {
                warn_unless_noted(self.marker.doubt(log));
            }
        } else if let Some(position) = own.iter().map(|(run, _)| run.end.head.position).max() {
            self.note(position);
        }
    }

    fn note(&mut self, position: u64) {
        let Some(log) = self.own else { return };
        warn_unless_noted(self.marker.advance(log, position));
    }
}

fn warn_unless_noted(noted: io::Result<()>) {
    if let Err(error) = noted {
        tracing::warn!(%error, "how far the own log reached was not noted; a restored backup may go unnoticed");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data_dir::marker::Markers;
    use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
    use velo_protocol::{
        crypto::SecretKey,
        id::{DeviceId, Incarnation, PersonId},
        log::{ChainEnd, EntryKind, HEADER_VERSION, Head, Header, Origin, RunWriter},
        store::{ChainNo, LogReader, memory::MemoryLog},
        time::Hlc,
    };

    const WORKSPACE: WorkspaceId = WorkspaceId([1; 32]);

    /// Writes the own log, one entry a batch.
    struct Author {
        key: SecretKey,
        origin: Origin,
        end: ChainEnd,
    }

    impl Author {
        fn new() -> Self {
            let key = SecretKey::from_seed(&[2; 32]);
            let origin = Origin {
                person: PersonId([3; 32]),
                device: DeviceId(key.public()),
                incarnation: Incarnation([4; 8]),
                founder: false,
            };
            let end = ChainEnd::start(origin.log_id(WORKSPACE));
            Self { key, origin, end }
        }

        fn log(&self) -> LogId {
            self.origin.log_id(WORKSPACE)
        }

        fn write(&mut self) -> Batch {
            let header = Header {
                version: HEADER_VERSION,
                kind: EntryKind::DATA,
                hlc: Hlc(1),
                auth: None,
                deps: Vec::new(),
                epoch: None,
                salt: [0; 8],
                body_len: 0,
            };
            let mut writer = RunWriter::new(self.log(), self.origin, self.end);
            writer.push(header, b"body").unwrap();
            let run = writer.seal(WORKSPACE, &self.key).unwrap();
            self.end = run.end();
            let run =
                BatchRun { chain: ChainNo(0), origin: self.origin, run: run.run().clone(), end: self.end };
            Batch { runs: vec![run] }
        }
    }

    struct Bench {
        author: Author,
        store: MemoryLog,
        markers: Markers,
        committer: Committer<MemoryLog>,
        done: UnboundedReceiver<Committed>,
        _state: tempfile::TempDir,
    }

    impl Bench {
        fn start(author: Author, own: Option<LogId>) -> Self {
            let state = tempfile::tempdir().unwrap();
            let markers = Markers::open(state.path(), author.origin.device, state.path()).unwrap();
            let (told, done) = unbounded_channel();
            let (store, committer) = (MemoryLog::new(), Committer::start(told).unwrap());
            committer.open(WORKSPACE, store.clone(), markers.marker(WORKSPACE).unwrap(), own);
            Self { author, store, markers, committer, done, _state: state }
        }

        fn append(&mut self, id: BatchId, authored: bool) {
            let batch = self.author.write();
            self.committer.append(WORKSPACE, id, batch, authored);
        }

        /// Whether going on at `position` of the own log would be refused after a restart.
        fn cut_back(&self, position: u64) -> bool {
            let head = Head { position, ..self.author.end.head };
            self.markers.marker(WORKSPACE).unwrap().tells_cut_back(self.author.log(), head)
        }

        fn next(&mut self) -> Committed {
            self.done.blocking_recv().unwrap()
        }
    }

    #[test]
    fn what_arrives_during_a_commit_is_committed_together_and_in_order() {
        let author = Author::new();
        let own = author.log();
        let mut bench = Bench::start(author, Some(own));
        // Holds the thread, as a slow disk would.
        let (release, held) = mpsc::channel::<()>();
        bench.committer.with_store(WORKSPACE, move |_| held.recv().unwrap());
        (0..5).for_each(|id| bench.append(id, true));
        release.send(()).unwrap();
        let committed = bench.next();
        assert_eq!((committed.batches, committed.result), (vec![0, 1, 2, 3, 4], Ok(())));
        assert_eq!(bench.store.reader().chains()[0].end.head.position, 5);
        assert!(!bench.cut_back(5) && bench.cut_back(4), "the marker stands at 5");
        bench.committer.finish();
    }

    #[test]
    fn a_store_is_closed_after_what_was_given_before() {
        let author = Author::new();
        let own = author.log();
        let mut bench = Bench::start(author, Some(own));
        (0..3).for_each(|id| bench.append(id, true));
        assert_eq!(bench.committer.close(WORKSPACE), Ok(()));
        assert_eq!(bench.store.reader().chains()[0].end.head.position, 3);
        let told: usize =
            std::iter::from_fn(|| bench.done.try_recv().ok()).map(|one| one.batches.len()).sum();
        assert_eq!(told, 3, "what became of it is told before that");
        bench.append(3, true);
        assert!(bench.next().result.unwrap_err().contains("not open"));
        assert!(bench.committer.close(WORKSPACE).is_err(), "something was not saved");
        bench.committer.finish();
    }

    #[test]
    fn a_small_batch_that_comes_alone_is_committed_at_once_if_the_disk_is_quick() {
        let author = Author::new();
        let own = author.log();
        let mut bench = Bench::start(author, Some(own));
        bench.append(0, true);
        assert_eq!(bench.next().result, Ok(()));
        let alone = |bench: &mut Bench, id| {
            while bench.committer.pending.load(Ordering::Acquire) > 0 {
                thread::yield_now();
            }
            let batch = bench.author.write();
            bench.committer.append_alone(WORKSPACE, id, batch, true)
        };
        let took = |bench: &Bench, took| bench.committer.writers.lock().unwrap().took = took;
        took(&bench, Some(Duration::from_millis(limits::QUICK_COMMIT_MS + 1)));
        assert!(alone(&mut bench, 1).is_empty(), "a slow disk is waited for elsewhere");
        assert_eq!(bench.next().batches, [1]);
        took(&bench, Some(Duration::ZERO));
        let here = alone(&mut bench, 2);
        assert_eq!((here.len(), &here[0].batches, &here[0].result), (1, &vec![2], &Ok(())));
        assert!(!bench.cut_back(3) && bench.cut_back(2), "the marker stands at 3");
        bench.committer.finish();
    }

    #[test]
    fn after_one_failure_nothing_more_is_written() {
        let author = Author::new();
        let own = author.log();
        let mut bench = Bench::start(author, Some(own));
        bench.append(0, true);
        assert_eq!(bench.next().result, Ok(()));
        bench.store.fail(0);
        bench.append(1, true);
        let reason = bench.next().result.unwrap_err();
        // The disk would work again; what it holds is not known any more.
        bench.store.reopen();
        bench.append(2, true);
        assert_eq!(bench.next().result, Err(reason));
        assert_eq!(bench.store.reader().chains()[0].end.head.position, 1);
        assert!(!bench.cut_back(1), "nothing was noted that is not on disk");
        bench.committer.finish();
    }

    /// Otherwise a device restored twice would trust what one peer happened to bring back.
    #[test]
    fn own_entries_brought_back_by_a_peer_leave_the_own_log_in_doubt() {
        let author = Author::new();
        let own = author.log();
        let mut bench = Bench::start(author, Some(own));
        bench.append(0, false);
        assert_eq!(bench.next().result, Ok(()));
        assert!(bench.cut_back(1));
        bench.append(1, true);
        assert_eq!(bench.next().result, Ok(()));
        assert!(bench.cut_back(2), "until another log is written");
        bench.committer.finish();
    }
}
