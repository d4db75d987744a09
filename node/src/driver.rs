//! Drives the replica: carries inputs to it and its outputs out, on a thread of its own.
//!
//! One input, then a full drain of outputs. Nothing here waits for a slow disk: batches go to the
//! [`committer`], state pages to the [`saver`], and both report back as inputs do. There are two
//! exceptions, both rare: [`Output::Remember`], a small file written when a workspace is founded or
//! joined, and [`Output::Forget`], which waits until both are done with what they were given.
//!
//! What others may see (snapshots, events, answers) is published together: after every input while
//! little happens, and at a fixed distance during a burst. So whoever has the answer to a command
//! finds its effect in the snapshot.

mod blobs;
mod carrying;
mod committer;
mod network;
mod open;
mod outbox;
mod peer_notes;
mod saver;
mod saving;
#[cfg(test)]
mod tests;

use crate::{
    blobs::{
        courier::{CourierHandle, Job, Turn},
        store::BlobStore,
    },
    data_dir::{DataDir, marker::Markers},
    handle::{NodeError, Owner, Request, Shared, wall_ms},
    limits,
    logging::Logging,
    net::{NetEvent, NetEvents, NetHandle},
    short_id::Numbering,
    store::home::{KeptLog, KeptReader, LogHome},
};
use carrying::Carrying;
use committer::{Committed, Committer, ENDED, batch_bytes};
use open::Stored;
use outbox::Outbox;
use peer_notes::PeerNotes;
use saver::{Saved, Saver};
use saving::Unsaved;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    pin::Pin,
    sync::{Arc, PoisonError, atomic::Ordering},
    thread::JoinHandle,
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, Sleep},
};
use velo_protocol::{
    id::{DeviceId, WorkspaceId},
    presence::Doing,
    replica::{
        BatchId, Command, Event, Identity, Input, Logs, Output, Refusal, Replica, Reply, RequestId, Way,
        WorkspaceRecord,
    },
    store::{Batch, LogReader},
    time::Now,
};

pub(crate) use open::start;

#[derive(Default)]
struct Readers(BTreeMap<WorkspaceId, KeptReader>);

impl Logs for Readers {
    fn reader(&self, workspace: WorkspaceId) -> Option<&dyn LogReader> {
        self.0.get(&workspace).map(|reader| reader as &dyn LogReader)
    }
}

struct Driver {
    replica: Replica,
    readers: Readers,
    shared: Arc<Shared>,
    dir: DataDir,
    home: Arc<dyn LogHome>,
    markers: Markers,
    started: Instant,

    requests: mpsc::Receiver<Request>,
    answers: HashMap<RequestId, oneshot::Sender<Result<Reply, NodeError>>>,
    next_request: RequestId,

    committer: Committer<Box<dyn KeptLog>>,
    committed: mpsc::UnboundedReceiver<Committed>,
    /// What was committed at once, to be taken before anything else.
    committed_here: VecDeque<Committed>,
    committer_ended: bool,
    /// Batches handed to the committer, by workspace, and their bytes in all.
    in_flight: BTreeMap<WorkspaceId, BTreeSet<BatchId>>,
    in_flight_bytes: usize,
    /// Inputs that outputs gave rise to.
    next_inputs: VecDeque<Input>,

    saver: Saver,
    saver_thread: JoinHandle<()>,
    saved: mpsc::UnboundedReceiver<Saved>,
    unsaved: BTreeMap<WorkspaceId, Unsaved>,

    courier: CourierHandle,
    courier_thread: JoinHandle<()>,
    /// What the courier would ask peers.
    turns: mpsc::UnboundedReceiver<Turn>,
    carrying: Carrying,

    net: Option<NetHandle>,
    net_events: Option<NetEvents>,
    /// Connected peers of which the network knows that they share a workspace.
    trusted: BTreeSet<DeviceId>,
    wake_at: Option<u64>,
    outbox: Outbox,
    numbering: Numbering,
    peer_notes: PeerNotes,
    /// Held to the end, so that this is logged too.
    _logging: Option<Logging>,
}

impl Driver {
    /// Until [`Shared::stop`] is notified, or the network's task has ended: whoever runs a node
    /// that can meet nobody any more had better start it again.
    async fn run(mut self) {
        self.drain(false);
        let mut alarm = Alarm::new(self.started);
        loop {
            while let Some(committed) = self.committed_here.pop_front() {
                self.take_committed(committed);
            }
            if self.outbox.is_overdue(self.mono_ms()) {
                self.publish();
            }
            self.save_what_is_due();
            self.peer_notes.save_if_due(self.mono_ms(), &self.replica);
            let accepts = self.accepts();
            let timer = [self.wake_at, self.next_save_ms(), self.peer_notes.due_ms()];
            let timer = timer.into_iter().flatten().min();
            tokio::select! {
                biased;
                () = self.shared.stop.notified() => break,
                committed = self.committed.recv(), if !self.committer_ended => match committed {
                    Some(committed) => self.take_committed(committed),
                    None => self.lose_committer(),
                },
                Some(saved) = self.saved.recv() => self.take_saved(&saved),
                Some(turn) = self.turns.recv() => self.take_turn(turn),
                Some(decided) = self.carrying.decided() => self.input(decided),
                () = alarm.at(timer) => self.wake_if_due(),
                Some(request) = self.requests.recv(), if accepts => self.take_request(request),
                event = next_event(&mut self.net_events), if accepts => {
                    let Some(event) = event else {
                        tracing::error!("the network's task ended by itself: the node stops");
                        break;
                    };
                    self.take_net_event(event);
                }
                // Reached only when nothing above is ready: the end of a burst.
                () = std::future::ready(()), if !self.outbox.is_empty() => self.publish(),
            }
        }
        self.finish().await;
    }

    fn mono_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Whether commands and frames are taken: not while the disk is far behind, nor while state is
    /// to be saved and commits are under way.
    fn accepts(&self) -> bool {
        let now_ms = self.mono_ms();
        let pressing = |(workspace, unsaved): (&WorkspaceId, &Unsaved)| {
            unsaved.is_pressing(now_ms) && self.is_in_flight(*workspace)
        };
        self.in_flight_bytes < limits::COMMIT_QUEUE_BYTES && !self.unsaved.iter().any(pressing)
    }

    fn is_in_flight(&self, workspace: WorkspaceId) -> bool {
        self.in_flight.get(&workspace).is_some_and(|batches| !batches.is_empty())
    }

    fn input(&mut self, input: Input) {
        let authored = matches!(input, Input::Command { .. });
        self.replica.handle(self.now(), input, &self.readers);
        self.drain(authored);
        while let Some(input) = self.next_inputs.pop_front() {
            self.replica.handle(self.now(), input, &self.readers);
            self.drain(false);
        }
    }

    /// Carries out every output. `authored`: what is to be persisted was written here just now.
    fn drain(&mut self, authored: bool) {
        // Why what a command led to was not done.
        let mut undone = None;
        while let Some(output) = self.replica.poll() {
            match output {
                Output::Remember(record) => {
                    let remembered = self.remember(&record);
                    undone = self.rely_on(remembered).or(undone);
                }
                Output::Forget(workspace) => {
                    let forgotten = self.forget(workspace);
                    undone = self.rely_on(forgotten).or(undone);
                }
                Output::Become(identity) => self.become_device_of(&identity),
                Output::Dial { addresses } => {
                    self.dial_all(&addresses);
                    self.redial();
                }
                Output::AskCarry { peer, offer } => self.ask_operator(peer, offer),
                Output::Persist { workspace, id, batch } => self.persist(workspace, id, batch, authored),
                Output::Send { peer, frame } => {
                    if let Some(net) = &self.net {
                        metrics::counter!("velo_frames_out_total").increment(1);
                        metrics::counter!("velo_frame_bytes_out_total").increment(frame.len() as u64);
                        net.send(peer, frame);
                    }
                }
                Output::Disconnect { peer, reason } => {
                    if let Some(net) = &self.net {
                        net.disconnect(peer, reason);
                    }
                }
                Output::WakeAt(mono_ms) => self.wake_at = Some(mono_ms),
                Output::Event(event) => {
                    if let Event::PeerChanged { peer } = &event {
                        self.trust_if_shared(*peer);
                        self.tell_courier_of(*peer);
                        self.peer_notes.note(self.mono_ms());
                    }
                    self.note_numbers(&event);
                    self.outbox.event(event);
                }
                Output::Reply { request, result } => {
                    if let Some(answer) = self.answers.remove(&request) {
                        let result = result.map_err(NodeError::Refused);
                        self.outbox.answer(answer, undone.take().map_or(result, Err));
                    }
                }
            }
        }
    }

    fn note_numbers(&mut self, event: &Event) {
        let Event::Changed { workspace, entities, .. } = event else { return };
        if let Some(workspace) = self.replica.workspace(*workspace) {
            self.numbering.note(workspace, entities);
        }
    }

    /// What follows relies on it: otherwise every batch fails from now on, and the replica says so.
    fn rely_on(&mut self, done: Result<(), NodeError>) -> Option<NodeError> {
        let error = done.err()?;
        self.fail(&error.to_string());
        Some(error)
    }

    fn remember(&mut self, record: &WorkspaceRecord) -> Result<(), NodeError> {
        self.dir.remember(record)?;
        self.shared.note_sync(record.id, record.auto_sync);
        let own = record.origin.log_id(record.id);
        self.keep_blobs_of(record);
        if !self.readers.0.contains_key(&record.id) {
            let stored = Stored::begin(&self.dir, &*self.home, &self.markers, record.id)?;
            self.readers.0.insert(record.id, stored.reader.clone());
            self.shared.add_reader(record.id, stored.reader);
            self.committer.open(record.id, stored.log, stored.marker, None);
            self.saver.open(record.id, stored.cache);
        }
        self.committer.set_own(record.id, own);
        Ok(())
    }

    /// Its attachments have a place from now on, and are fetched as the person chose.
    fn keep_blobs_of(&self, record: &WorkspaceRecord) {
        let (workspace, fetching) = (record.id, record.fetching);
        let store = self.shared.blobs(workspace);
        let store = store.unwrap_or_else(|| {
            let folder = self.dir.blobs(workspace);
            match record.way {
                Way::Carried { .. } => BlobStore::carried(self.home.carried_blobs(workspace, folder)),
                _ => BlobStore::open(folder),
            }
        });
        self.shared.set_blobs(workspace, store.clone(), fetching);
        self.courier.tell(Job::Open { workspace, store, fetching });
    }

    /// Closes and deletes what is kept of a workspace. Should that fail, it is there again at the next start.
    fn forget(&mut self, workspace: WorkspaceId) -> Result<(), NodeError> {
        self.readers.0.remove(&workspace);
        self.shared.remove(workspace);
        self.courier.tell(Job::Close(workspace));
        self.unsaved.remove(&workspace);
        self.numbering.forget(workspace);
        // The committer first: it hands what is to be saved to the saver.
        self.committer.close(workspace).map_err(Refusal::ReadOnly)?;
        self.saver.close(workspace);
        open::forget(&self.dir, &*self.home, &self.markers, workspace)
    }

    fn persist(&mut self, workspace: WorkspaceId, id: BatchId, batch: Batch, authored: bool) {
        if let Some(reason) = self.shared.failed.get().cloned() {
            self.next_inputs.push_back(Input::PersistFailed { batch: id, reason });
            return;
        }
        let alone = self.in_flight.values().all(BTreeSet::is_empty);
        self.in_flight.entry(workspace).or_default().insert(id);
        self.in_flight_bytes += batch_bytes(&batch);
        self.tell_in_flight();
        if alone {
            self.committed_here.extend(self.committer.append_alone(workspace, id, batch, authored));
        } else {
            self.committer.append(workspace, id, batch, authored);
        }
    }

    fn tell_in_flight(&self) {
        let count = self.in_flight.values().map(BTreeSet::len).sum();
        self.shared.in_flight.store(count, Ordering::Release);
    }

    fn take_committed(&mut self, committed: Committed) {
        let Committed { workspace, batches, bytes, result } = committed;
        self.in_flight.entry(workspace).or_default().retain(|batch| !batches.contains(batch));
        self.in_flight_bytes = self.in_flight_bytes.saturating_sub(bytes);
        match result {
            Ok(()) => {
                let now_ms = self.mono_ms();
                if self.replica.workspace(workspace).is_some() {
                    self.unsaved.entry(workspace).or_default().grow(now_ms, bytes);
                }
                for batch in batches {
                    self.input(Input::Persisted { batch });
                }
            }
            Err(reason) => {
                self.fail(&reason);
                for batch in batches {
                    self.input(Input::PersistFailed { batch, reason: reason.clone() });
                }
            }
        }
        // Not before it is known whether they were saved.
        self.tell_in_flight();
    }

    /// The committer's thread is no more: what it was given will not be told.
    fn lose_committer(&mut self) {
        self.committer_ended = true;
        self.fail(ENDED);
        self.in_flight_bytes = 0;
        self.shared.in_flight.store(0, Ordering::Release);
        for batch in std::mem::take(&mut self.in_flight).into_values().flatten() {
            self.input(Input::PersistFailed { batch, reason: ENDED.to_owned() });
        }
    }

    fn fail(&mut self, reason: &str) {
        if self.shared.failed.set(reason.to_owned()).is_ok() {
            tracing::error!(reason, "saving failed; nothing more is written until the next start");
            // If the disk is full, this makes room for the next start.
            self.dir.release_ballast();
        }
    }

    fn take_request(&mut self, Request { mut command, answer }: Request) {
        match &mut command {
            Command::Join { ticket, .. } => {
                self.dial_all(&ticket.addresses);
                // Whoever had nothing in common with us until now may have from now on.
                self.redial();
            }
            Command::Edit { workspace, changes } => {
                if let Some(workspace) = self.replica.workspace(*workspace) {
                    self.numbering.give(workspace, changes);
                }
            }
            Command::SyncNow | Command::Recover { .. } => self.redial(),
            Command::Invite { workspace, addresses, .. } => self.complete(Some(*workspace), addresses),
            Command::ShowLinkCode { addresses } => self.complete(None, addresses),
            Command::Link { code } => {
                self.dial_all(&code.addresses);
                self.redial();
            }
            Command::AddRelay { address, .. } => {
                self.dial_all(std::slice::from_ref(address));
                self.redial();
            }
            _ => {}
        }
        let request = self.next_request;
        self.next_request += 1;
        self.answers.insert(request, answer);
        self.input(Input::Command { request, command });
    }

    /// Keeps the keys of a device that belongs to another person now.
    fn become_device_of(&mut self, identity: &Identity) {
        if let Err(error) = self.shared.keys.become_device_of(identity) {
            self.fail(&error.to_string());
        }
        *self.shared.owner.write().unwrap_or_else(PoisonError::into_inner) = Owner::of(identity);
    }

    fn wake_if_due(&mut self) {
        let now_ms = self.mono_ms();
        if self.wake_at.is_some_and(|at| at <= now_ms) {
            self.wake_at = None;
            self.input(Input::Wake);
        }
    }

    fn now(&self) -> Now {
        Now { wall_ms: wall_ms(), mono_ms: self.mono_ms() }
    }

    fn publish(&mut self) {
        self.outbox.publish(self.now(), &self.replica, &self.shared);
    }

    fn next_save_ms(&self) -> Option<u64> {
        if self.shared.failed.get().is_some() {
            return None;
        }
        // One that waits for a commit is looked at again when the commit is done.
        let ready = self.unsaved.iter().filter(|(workspace, _)| !self.is_in_flight(**workspace));
        ready.filter_map(|(_, unsaved)| unsaved.due_ms()).min()
    }

    fn save_what_is_due(&mut self) {
        let now_ms = self.mono_ms();
        let due = |unsaved: &Unsaved| unsaved.due_ms().is_some_and(|due| due <= now_ms);
        let due: Vec<WorkspaceId> =
            self.unsaved.iter().filter(|(_, unsaved)| due(unsaved)).map(|(id, _)| *id).collect();
        for workspace in due {
            self.save(workspace);
        }
    }

    /// Has the state's pages written, unless something of the workspace is not durable: the state
    /// must never be ahead of the log.
    fn save(&mut self, workspace: WorkspaceId) {
        if self.shared.failed.get().is_some() || self.is_in_flight(workspace) {
            return;
        }
        let Some(state) = self.replica.workspace_mut(workspace) else { return };
        let pages = state.take_pages();
        self.unsaved.entry(workspace).or_default().taken();
        let saver = self.saver.clone();
        self.committer.with_store(workspace, move |log| saver.save(workspace, pages, log.index()));
    }

    fn take_saved(&mut self, saved: &Saved) {
        if let Some(unsaved) = self.unsaved.get_mut(&saved.workspace) {
            unsaved.saving = false;
        }
    }

    /// Takes nothing more, makes durable what was begun, and saves the state.
    async fn finish(mut self) {
        while self.in_flight.values().any(|batches| !batches.is_empty()) {
            let here = self.committed_here.pop_front();
            let committed = if here.is_some() { here } else { self.committed.recv().await };
            let Some(committed) = committed else { break };
            self.take_committed(committed);
        }
        // Others need not wait until it runs out.
        let request = self.next_request;
        let command = Command::SetPresence { doing: Doing::Gone, workspace: None };
        self.input(Input::Command { request, command });
        if let Some(net) = &self.net {
            let goodbye = tokio::time::timeout(Duration::from_millis(limits::GOODBYE_MS), net.shutdown());
            if goodbye.await.is_err() {
                tracing::warn!("the network did not end in time");
            }
        }
        for workspace in self.replica.workspaces() {
            if self.unsaved.get(&workspace).is_some_and(Unsaved::is_some) {
                self.save(workspace);
            }
        }
        self.publish();
        self.peer_notes.finish(&self.replica).await;
        // The committer first: it hands what is to be saved to the saver.
        self.committer.finish();
        self.courier.tell(Job::Stop);
        if self.courier_thread.join().is_err() {
            tracing::error!("the thread for attachments ended by a panic");
        }
        self.saver.finish(self.saver_thread);
        tracing::info!("node stopped");
    }
}

/// Rings at a time of the monotonic clock. It is kept and set anew, since each new timer wakes the
/// thread that watches the timers, which an edit would pay for twice.
struct Alarm {
    started: Instant,
    set_ms: Option<u64>,
    sleep: Pin<Box<Sleep>>,
}

impl Alarm {
    fn new(started: Instant) -> Self {
        Self { started, set_ms: None, sleep: Box::pin(tokio::time::sleep_until(started)) }
    }

    /// Waits until `mono_ms`; for ever without one.
    async fn at(&mut self, mono_ms: Option<u64>) {
        let Some(at) = mono_ms else { return std::future::pending().await };
        if self.set_ms != Some(at) {
            self.set_ms = Some(at);
            self.sleep.as_mut().reset(self.started + Duration::from_millis(at));
        }
        self.sleep.as_mut().await;
        self.set_ms = None;
    }
}

/// `None` when the network has ended; never, if there is none.
async fn next_event(events: &mut Option<NetEvents>) -> Option<NetEvent> {
    match events {
        Some(events) => events.recv().await,
        None => std::future::pending().await,
    }
}
