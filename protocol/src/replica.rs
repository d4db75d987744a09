//! The whole machine: every workspace of one device, and a session with every connected peer.
//!
//! Driving it: give [`Replica::handle`] one [`Input`], then call [`Replica::poll`] until it returns
//! `None` and carry out every [`Output`] in order. The replica never blocks, and reads no clock and
//! no randomness of its own.
//!
//! Two rules make crashes harmless. An own entry leaves the device, and a command is answered, only
//! after [`Input::Persisted`] for the batch that holds it: otherwise a crash could reuse a position
//! and fork the device's own log. And what peers are told that we hold is always on disk.

use crate::{
    id::{DeviceId, EntityId, LogId, WorkspaceId},
    log::{Head, Run, parse_entries},
    log_set::{LogSet, ReadLogs, Rejected, Taken},
    presence::Doing,
    session::{Fault, Request, Session},
    store::{ChainNo, EntryAt, LogReader, StoreError},
    ticket::SessionSecret,
    time::Now,
    workspace::Workspace,
};
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

mod admission;
mod again;
mod blobs;
mod bundle;
mod carrying;
mod commands;
mod compare;
mod confirmed;
mod durable;
mod event;
mod forgetting;
mod holding;
mod io;
mod linking;
mod outside;
mod peers;
mod people;
mod presence;
mod private;
mod pulling;
mod revert;
mod sealing;
mod taking;
mod unlinking;
mod write;

pub use blobs::Carriage;
pub use bundle::{Brought, Carried, ExportCursor};
pub use carrying::relays_of;
pub use confirmed::{Breach, BreachKind};
pub use event::Event;
pub use io::{
    BatchId, Command, Fetching, Identity, Input, Invited, Opened, Output, Refusal, Reply, RequestId, Way,
    WorkspaceRecord,
};
pub use peers::{CopyNote, PeerNote, PeerStatus, PeerWorkspace, Stall};
pub use presence::Present;
pub use taking::{NotTaken, RunAnswer};

use holding::Holding;
use pulling::Pulling;

/// Reading access to the stored logs, by workspace.
pub trait Logs {
    /// The log of one workspace.
    fn reader(&self, workspace: WorkspaceId) -> Option<&dyn LogReader>;
}

/// A store without logs: what a workspace has before its first entry is durable.
#[derive(Debug, Clone, Copy)]
struct NoLog;

impl LogReader for NoLog {
    fn chains(&self) -> Vec<crate::store::ChainInfo> {
        Vec::new()
    }

    fn read_run(&self, _: ChainNo, _: u64) -> Result<Option<Run>, StoreError> {
        Ok(None)
    }

    fn entry_id(&self, _: ChainNo, _: u64) -> Result<Option<crate::id::EntryId>, StoreError> {
        Ok(None)
    }
}

fn reader_of(logs: &dyn Logs, workspace: WorkspaceId) -> &dyn LogReader {
    logs.reader(workspace).unwrap_or(&NoLog)
}

/// A batch on its way to the disk.
#[derive(Debug)]
#[cfg_attr(feature = "sim", derive(Clone))]
struct InFlight {
    workspace: WorkspaceId,
    /// How far it brings which chains. None, if the workspace was forgotten meanwhile: it may be here anew
    /// by now, with others.
    ends: Vec<EntryAt>,
    /// Whether nobody typed it just now: it came by a pull or out of a file.
    in_bulk: bool,
    /// Who is answered when it is durable.
    reply: Option<(RequestId, Reply)>,
    /// The answer to which has to wait for it, where several batches belong together.
    part_of: Option<RequestId>,
}

/// What came of runs that a peer sent.
#[derive(Debug, Default)]
struct Received {
    /// The logs of which something new came.
    news: Vec<LogId>,
    /// Up to where the peer is seen to hold which logs.
    ends: Vec<(LogId, Head)>,
    /// Something was not taken, since whoever wrote it is out and has added enough.
    declined: bool,
    /// The first run that was not good. What came before it is kept.
    fault: Option<Fault>,
    /// Whether that is other than its author made it.
    is_forged: bool,
}

/// See the module. There is one of each device: only a model check goes on from the same state twice.
#[derive(Debug)]
#[cfg_attr(feature = "sim", derive(Clone))]
pub struct Replica {
    identity: Identity,
    rng: ChaCha20Rng,
    holdings: BTreeMap<WorkspaceId, Holding>,
    /// Workspaces that are on the disk and could not be opened.
    unopened: BTreeSet<WorkspaceId>,
    sessions: BTreeMap<DeviceId, Session>,
    seen: BTreeMap<DeviceId, peers::Seen>,
    in_flight: BTreeMap<BatchId, InFlight>,
    next_batch: BatchId,
    read_only: Option<String>,
    linking: linking::Linking,
    asking: Option<carrying::Asking>,
    /// Whether the private workspace may have to be opened, or brought in step with the others.
    private_is_stale: bool,
    outputs: VecDeque<Output>,
    wake_at: Option<u64>,
    pulling: Pulling,
    /// What the person at this device does, and where, once that is told.
    doing: Option<(Doing, Option<WorkspaceId>)>,
}

impl Replica {
    /// A replica without workspaces. `seed` feeds everything random.
    pub fn new(identity: Identity, seed: [u8; 32]) -> Self {
        Self {
            identity,
            rng: ChaCha20Rng::from_seed(seed),
            holdings: BTreeMap::new(),
            unopened: BTreeSet::new(),
            sessions: BTreeMap::new(),
            seen: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            next_batch: 0,
            read_only: None,
            linking: linking::Linking::default(),
            asking: None,
            private_is_stale: true,
            outputs: VecDeque::new(),
            wake_at: None,
            pulling: Pulling::default(),
            doing: None,
        }
    }

    /// This device.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Opens a workspace from its store: `state` from the last written pages, if there are any, and
    /// the rest of the log behind it. `fresh_incarnation`: the own log may have been cut back, so
    /// a new one is opened.
    pub fn open_workspace(
        &mut self,
        record: WorkspaceRecord,
        state: Option<Workspace>,
        log: &dyn LogReader,
        fresh_incarnation: bool,
    ) -> Result<Opened, StoreError> {
        let state = state.unwrap_or_else(|| Workspace::new(record.id));
        let logs = ReadLogs::read(record.id, log, |chain| state.applied(chain))?;
        self.open_read(record, state, logs, log, fresh_incarnation)
    }

    /// As [`Self::open_workspace`], with the logs read already, up to where the state reaches.
    pub fn open_read(
        &mut self,
        record: WorkspaceRecord,
        state: Workspace,
        logs: ReadLogs,
        log: &dyn LogReader,
        fresh_incarnation: bool,
    ) -> Result<Opened, StoreError> {
        if log.chains().is_empty() && !fresh_incarnation && record.way == Way::Founded {
            return Ok(Opened::Nothing);
        }
        let workspace = record.id;
        let holding = Holding::open(record, &self.identity, state, logs, log, fresh_incarnation)?;
        holding.check_own_seals(&self.identity, log)?;
        self.holdings.insert(workspace, holding);
        self.private_is_stale = true;
        self.renew(workspace);
        self.outputs.push_back(Output::Event(Event::WorkspaceOpened { workspace }));
        self.dial_relays(workspace);
        Ok(Opened::Workspace)
    }

    /// A workspace is on the disk and could not be opened: it is not begun anew beside what is there.
    pub fn note_unopened(&mut self, workspace: WorkspaceId) {
        self.unopened.insert(workspace);
    }

    /// Takes one input. Afterwards drain [`Self::poll`].
    pub fn handle(&mut self, now: Now, input: Input, logs: &dyn Logs) {
        match input {
            Input::Command { request, command } => {
                // It may have switched syncing on.
                self.look_everywhere();
                self.command(now, request, command, logs);
            }
            Input::Received { peer, frame } => self.received(now, peer, &frame, logs),
            Input::PeerUp { peer } => self.peer_up(now, peer, logs),
            Input::PeerDown { peer } => self.peer_down(now, peer),
            Input::Sent { peer, bytes } => {
                if let Some(session) = self.sessions.get_mut(&peer) {
                    session.sent(bytes);
                }
                self.push(now, peer, logs);
            }
            Input::Persisted { batch } => self.persisted(now, batch, logs),
            Input::PersistFailed { batch, reason } => self.persist_failed(batch, &reason, logs),
            Input::CarryDecided { peer, offer, decision } => {
                self.carry_decided(now, peer, offer, decision, logs);
            }
            Input::Wake => self.wake(now, logs),
        }
        self.tend_private(now, logs);
        self.pull(now);
        self.tend_presence(now);
        self.flush(now);
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The visible state. Cloning it is cheap, and a clone never changes.
    pub fn workspace(&self, id: WorkspaceId) -> Option<&Workspace> {
        self.holdings.get(&id).map(|holding| &holding.state)
    }

    /// The visible state, for taking pages to be written ([`Workspace::take_pages`]).
    pub fn workspace_mut(&mut self, id: WorkspaceId) -> Option<&mut Workspace> {
        self.holdings.get_mut(&id).map(|holding| &mut holding.state)
    }

    /// The logs of a workspace: what is stored and applied.
    pub fn logs(&self, id: WorkspaceId) -> Option<&LogSet> {
        self.holdings.get(&id).map(|holding| &holding.logs)
    }

    /// Why an applied entry of a kind has no effect: for the simulator, which compares it with the rule.
    #[cfg(feature = "sim")]
    pub fn why_void(
        &self,
        id: WorkspaceId,
        at: EntryAt,
        kind: crate::log::EntryKind,
    ) -> Option<crate::access::Why> {
        let holding = self.holdings.get(&id)?;
        let origin = holding.logs.chain(at.chain)?.origin;
        holding.members.verdict(at, &origin, kind)
    }

    /// Whether a device is served by what is in the log alone: for the simulator.
    #[cfg(feature = "sim")]
    pub fn knows(&self, id: WorkspaceId, device: DeviceId) -> bool {
        self.holdings.get(&id).is_some_and(|holding| holding.members.knows(device))
    }

    /// Whether people are told that their ticket is no longer good: for the simulator.
    #[cfg(feature = "sim")]
    pub fn is_refused(&self, id: WorkspaceId) -> bool {
        self.holdings.get(&id).is_some_and(|holding| holding.refused.is_some())
    }

    /// Every open workspace.
    pub fn workspaces(&self) -> Vec<WorkspaceId> {
        self.holdings.keys().copied().collect()
    }

    /// What is remembered of every open workspace.
    pub fn records(&self) -> Vec<WorkspaceRecord> {
        self.holdings.values().map(|holding| holding.record.clone()).collect()
    }

    /// Whether a connected peer has shown that it shares a workspace with us.
    pub fn shares_with(&self, peer: &DeviceId) -> bool {
        self.sessions.get(peer).is_some_and(|session| !session.copies.is_empty())
    }

    /// A new random entity id, time-ordered.
    pub fn new_entity_id(&mut self, now: Now) -> EntityId {
        EntityId::new(now.wall_ms, self.random())
    }

    fn random<const N: usize>(&mut self) -> [u8; N] {
        let mut bytes = [0; N];
        self.rng.fill_bytes(&mut bytes);
        bytes
    }

    fn peer_up(&mut self, now: Now, peer: DeviceId, logs: &dyn Logs) {
        let nonce = self.random();
        let session = Session::open(now, self.identity.device_id(), peer, nonce);
        self.sessions.insert(peer, session);
        // A crash may have come between the invite and the use of the ticket.
        for workspace in self.workspaces() {
            self.enter(now, workspace, logs);
        }
        self.outputs.push_back(Output::Event(Event::PeerChanged { peer }));
    }

    fn peer_down(&mut self, now: Now, peer: DeviceId) {
        if self.sessions.contains_key(&peer) {
            self.note_parting(peer);
            self.pulls_broken(now, peer);
            self.sessions.remove(&peer);
            for holding in self.holdings.values_mut() {
                holding.words.part(peer);
            }
            self.look_everywhere();
        }
    }

    fn received(&mut self, now: Now, peer: DeviceId, frame: &[u8], logs: &dyn Logs) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        if let Some(seen) = self.seen.get_mut(&peer) {
            seen.last_ms = now.wall_ms;
        }
        let secrets = self.holdings.iter().map(|(id, holding)| (*id, &holding.record.secret));
        let request = session.receive(now, frame, secrets);
        if let Err(fault) = request.and_then(|request| self.answer(now, peer, request, logs)) {
            self.end_session(now, peer, fault.to_string());
        }
    }

    fn end_session(&mut self, now: Now, peer: DeviceId, reason: String) {
        self.peer_down(now, peer);
        self.outputs.push_back(Output::Disconnect { peer, reason });
    }

    fn answer(&mut self, now: Now, peer: DeviceId, request: Request, logs: &dyn Logs) -> Result<(), Fault> {
        match request {
            Request::Nothing => {}
            Request::Opened => {
                self.greet_for_linking(peer);
                self.ask_to_carry(peer);
                let offers: Vec<(WorkspaceId, SessionSecret)> =
                    self.holdings.iter().map(|(id, holding)| (*id, holding.record.secret.clone())).collect();
                for (workspace, secret) in offers {
                    self.offer(now, peer, workspace, &secret);
                }
            }
            Request::Shared(workspace) => self.shared(now, peer, workspace),
            Request::Digest(digest) => self.digest(now, peer, &digest, logs),
            Request::Heads(heads) => self.heads(now, peer, &heads, logs),
            Request::Ops(ops) => {
                self.take_runs(now, peer, ops.workspace, ops.runs, false, logs).fault.map_or(Ok(()), Err)?;
            }
            Request::Want(want) => self.wanted(now, peer, &want, logs),
            Request::Chunk(chunk) => self.chunk(now, peer, chunk, logs)?,
            Request::Taken(pull) => self.chunk_taken(now, peer, pull, logs),
            Request::End(pull) => self.pull_ended(now, peer, pull),
            Request::Stop(pull) => self.pull_stopped(peer, pull),
            Request::Claim(workspace) => {
                self.say_heads(now, peer, workspace);
                self.push(now, peer, logs);
            }
            Request::Withdrawn(workspace) => self.told_withdrawn(peer, workspace),
            Request::NeedKeys(need) => self.keys_asked(now, peer, &need, logs),
            Request::LinkOffer(offer) => self.link_offered(peer, offer)?,
            Request::LinkAccept(accept) => self.link_accepted(now, peer, &accept, logs)?,
            Request::LinkDone(done) => self.link_done(now, peer, done)?,
            Request::Recover(person) => self.recovery_asked(peer, person, logs),
            Request::Recovered(recovered) => self.recovered(now, &recovered),
            Request::CarryOffer(offer) => self.carry_offered(peer, offer),
            Request::CarryAnswer(answer) => self.carry_answered(now, peer, answer, logs)?,
            Request::Confirmed(confirmed) => self.confirmed(now, peer, &confirmed)?,
            Request::Presence(said) => self.presence_said(now, peer, &said),
            Request::Bye => self.end_session(now, peer, "said good-bye".to_owned()),
        }
        Ok(())
    }

    fn offer(&mut self, now: Now, peer: DeviceId, workspace: WorkspaceId, secret: &SessionSecret) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        if let Request::Shared(workspace) = session.offer(now, workspace, secret) {
            self.shared(now, peer, workspace);
        }
    }

    /// Verifies received runs, and hands what is news to the disk.
    fn take_runs(
        &mut self,
        now: Now,
        peer: DeviceId,
        workspace: WorkspaceId,
        runs: Vec<Run>,
        in_bulk: bool,
        logs: &dyn Logs,
    ) -> Received {
        let (mut fresh, mut received): (Vec<Taken>, _) = (Vec::new(), Received::default());
        if self.read_only.is_some() || runs.is_empty() {
            return received;
        }
        self.is_served(peer, workspace);
        let may_bring = self.may_bring(peer, workspace);
        let (Some(session), Some(holding)) =
            (self.sessions.get_mut(&peer), self.holdings.get_mut(&workspace))
        else {
            return received;
        };
        let Some(copy) = session.copies.get_mut(&workspace) else { return received };
        copy.contact.hear(now);
        if !holding.syncs(now) {
            copy.ignore_ops();
            return received;
        }
        if holding.is_full() {
            received.declined = true;
            self.say_full(peer, workspace);
            return received;
        }
        let (reader, by_relay) = (reader_of(logs, workspace), holding.relay_by(copy).is_some());
        for run in runs {
            let log = run.log;
            if !may_bring && !holding.takes_more_of(log, run.origin.as_ref(), by_relay) {
                copy.decline();
                received.declined = true;
                continue;
            }
            let beyond = named_over_gap(&holding.logs, &run);
            match holding.receive(run, reader) {
                Ok((taken, end)) => {
                    copy.on_run(now, &holding.logs, end);
                    let id = holding.logs.id_at(end);
                    received.ends.extend(id.map(|id| (log, Head { position: end.position, id })));
                    received.news.extend(taken.is_some().then_some(log));
                    fresh.extend(taken);
                }
                // The other runs may well be of other logs.
                Err(Rejected::Gap) => {
                    copy.note_gap(log, beyond);
                    received.ends.push((log, beyond));
                    self.pulling.look_in(workspace);
                }
                // The sender may have met other branches first: see `log_set::bound`.
                Err(Rejected::Bound) => {}
                Err(rejected) => {
                    received.is_forged = rejected.is_forged();
                    received.fault = Some(Fault::Run(rejected.to_string()));
                    break;
                }
            }
        }
        self.judge_sent(now, peer, workspace, &received);
        // What came before a fault is good, and is kept.
        self.keep(workspace, &fresh, None, in_bulk);
        received
    }

    fn push_to_all(&mut self, now: Now, logs: &dyn Logs) {
        let peers: Vec<DeviceId> = self.sessions.keys().copied().collect();
        for peer in peers {
            self.push(now, peer, logs);
        }
    }

    /// Sends a peer live edits that it lacks, as far as the network takes them, and what it pulls.
    fn push(&mut self, now: Now, peer: DeviceId, logs: &dyn Logs) {
        let Some(session) = self.sessions.get(&peer) else { return };
        let mut shared: Vec<WorkspaceId> = session.copies.keys().copied().collect();
        shared.retain(|workspace| self.admits(now, peer, *workspace));
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let mut failures = Vec::new();
        for workspace in shared {
            let Some(holding) = self.holdings.get(&workspace).filter(|holding| holding.syncs(now)) else {
                continue;
            };
            let source = holding.source(&self.identity, reader_of(logs, workspace));
            while session.has_room() {
                let Some(copy) = session.copies.get_mut(&workspace) else { break };
                let next = copy.next_ops(workspace, &source);
                failures.extend(copy.take_failures().into_iter().map(|failure| (workspace, failure)));
                let Some(message) = next else { break };
                session.say(&message);
            }
        }
        for (workspace, (chain, error)) in failures {
            self.store_failed(workspace, Some(chain), &error);
        }
        self.serve(now, peer, logs);
    }

    fn wake(&mut self, now: Now, logs: &dyn Logs) {
        self.wake_at = None;
        self.check_linking(now);
        self.check_asking(now);
        self.note_pause(now);
        let peers: Vec<DeviceId> = self.sessions.keys().copied().collect();
        for peer in peers {
            self.wake_session(now, peer);
            self.note_silence(now, peer);
            self.push(now, peer, logs);
        }
    }

    fn wake_session(&mut self, now: Now, peer: DeviceId) {
        let jitter = self.rng.next_u64();
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        if let Err(fault) = session.check_patience(now) {
            return self.end_session(now, peer, fault.to_string());
        }
        self.look_everywhere();
        self.give_up_stalled(now, peer);
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let shared: Vec<(WorkspaceId, bool)> = session
            .copies
            .iter_mut()
            .map(|(workspace, copy)| (*workspace, copy.on_wake(now, jitter)))
            .collect();
        for (workspace, digest_due) in shared {
            self.say_heads(now, peer, workspace);
            if digest_due {
                self.say_digest(now, peer, workspace, false);
            }
        }
    }

    /// Hands queued frames out and asks for the next wake-up.
    fn flush(&mut self, now: Now) {
        for (peer, session) in &mut self.sessions {
            let frames = session.take_frames();
            self.outputs.extend(frames.into_iter().map(|frame| Output::Send { peer: *peer, frame }));
        }
        let presence = self.holdings.values().filter_map(|holding| holding.presence.deadline());
        let sessions = self.sessions.values().filter_map(Session::deadline);
        let pulling = self.pulling.deadline(now, self.sessions.keys());
        let due = sessions
            .chain(presence)
            .chain(self.linking.deadline())
            .chain(self.asking_deadline())
            .chain(pulling)
            .min();
        if let Some(due) = due.filter(|due| self.wake_at.is_none_or(|at| *due < at)) {
            self.wake_at = Some(due);
            self.outputs.push_back(Output::WakeAt(due));
        }
    }
}

/// What a run that follows an entry which is not here tells of what its sender holds: all of it, since nobody
/// announces what they have pushed.
fn named_over_gap(logs: &LogSet, run: &Run) -> Head {
    let is_over_gap = run.after.position > 0 && logs.find(run.after.id).is_none();
    let entries = is_over_gap.then(|| parse_entries(run.after, &run.bytes).ok()).flatten();
    let last = entries.as_ref().and_then(|entries| entries.last());
    last.map_or(run.after, |last| Head { position: last.position, id: last.id })
}
