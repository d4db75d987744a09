//! What goes to the disk, and what follows once it is there: only then is a command answered, and
//! anything told to peers.

use super::{BatchId, Event, InFlight, Logs, Output, Refusal, Replica, Reply, RequestId, reader_of};
use crate::{
    id::{DeviceId, WorkspaceId},
    log_set::Taken,
    store::{BatchRun, ChainNo, EntryAt, StoreError},
    time::Now,
};

impl Replica {
    /// Hands to the disk what is news, and answers once it is there. `in_bulk`: nobody typed it just now.
    pub(super) fn keep(
        &mut self,
        workspace: WorkspaceId,
        taken: &[Taken],
        reply: Option<(RequestId, Reply)>,
        in_bulk: bool,
    ) {
        // Before entries of the own log are stored it must be sure that it is not written to again.
        self.renew(workspace);
        let Some(holding) = self.holdings.get(&workspace) else { return };
        for forked in taken.iter().filter(|taken| taken.forked) {
            let log = holding.log_of(forked.chain);
            self.outputs.extend(log.map(|log| Output::Event(Event::Forked { workspace, log })));
        }
        let runs: Vec<BatchRun> = taken.iter().filter_map(|taken| holding.logs.batch_run(taken)).collect();
        if runs.is_empty() {
            return self.answer_durable(reply);
        }
        self.hand_out(workspace, runs, reply, None, in_bulk);
    }

    pub(super) fn persist(
        &mut self,
        workspace: WorkspaceId,
        runs: Vec<BatchRun>,
        reply: Option<(RequestId, Reply)>,
    ) {
        if !runs.is_empty() {
            self.hand_out(workspace, runs, reply, None, false);
        }
    }

    /// As [`Self::persist`], of what has to be durable before a request is answered.
    pub(super) fn persist_part(&mut self, workspace: WorkspaceId, runs: Vec<BatchRun>, request: RequestId) {
        if !runs.is_empty() {
            self.hand_out(workspace, runs, None, Some(request), false);
        }
    }

    /// Answers when everything of a workspace is durable that is on its way now.
    pub(super) fn wait_durable(&mut self, workspace: WorkspaceId, reply: Option<(RequestId, Reply)>) {
        self.hand_out(workspace, Vec::new(), reply, None, false);
    }

    fn hand_out(
        &mut self,
        workspace: WorkspaceId,
        runs: Vec<BatchRun>,
        reply: Option<(RequestId, Reply)>,
        part_of: Option<RequestId>,
        in_bulk: bool,
    ) {
        let id = self.next_batch;
        self.next_batch += 1;
        let end = |run: &BatchRun| EntryAt { chain: run.chain, position: run.end.head.position };
        let in_flight = InFlight { workspace, ends: runs.iter().map(end).collect(), in_bulk, reply, part_of };
        self.in_flight.insert(id, in_flight);
        self.outputs.push_back(Output::Persist { workspace, id, batch: crate::store::Batch { runs } });
    }

    /// A batch is durable: apply it, answer, and let peers know.
    pub(super) fn persisted(&mut self, now: Now, batch: BatchId, logs: &dyn Logs) {
        let Some(done) = self.in_flight.remove(&batch) else { return };
        let is_here = !done.ends.is_empty();
        let Some(holding) = self.holdings.get_mut(&done.workspace).filter(|_| is_here) else {
            return self.answer_durable(done.reply);
        };
        let reader = reader_of(logs, done.workspace);
        let (entities, failure) = holding.persisted(&done.ends, reader);
        let chains: Vec<ChainNo> = done.ends.iter().map(|end| end.chain).collect();
        self.note_for_private(done.workspace, &entities);
        self.settle_recovery(done.workspace, logs);
        if !entities.is_empty() {
            let event = Event::Changed { workspace: done.workspace, entities, own: false };
            self.outputs.push_back(Output::Event(event));
        }
        if let Some(error) = failure {
            self.store_failed(done.workspace, None, &error);
        }
        self.answer_durable(done.reply);
        self.judge_relays(now, done.workspace, &chains);
        let peers: Vec<DeviceId> = self.sessions.keys().copied().collect();
        for peer in peers {
            self.tell_durable(now, peer, done.workspace, &chains, done.in_bulk);
            self.push(now, peer, logs);
        }
        self.acknowledge(now, done.workspace, logs);
        self.enter(now, done.workspace, logs);
        self.dial_relays(done.workspace);
    }

    /// Answers, unless another batch of the same request is not durable yet: then that one does.
    fn answer_durable(&mut self, reply: Option<(RequestId, Reply)>) {
        let Some((request, reply)) = reply else { return };
        match self.in_flight.values_mut().find(|other| other.part_of == Some(request)) {
            Some(other) => other.reply = Some((request, reply)),
            None => self.outputs.push_back(Output::Reply { request, result: Ok(reply) }),
        }
    }

    fn tell_durable(
        &mut self,
        now: Now,
        peer: DeviceId,
        workspace: WorkspaceId,
        chains: &[ChainNo],
        in_bulk: bool,
    ) {
        let gets_live = self.gets_live(peer, workspace);
        let (Some(session), Some(holding)) = (self.sessions.get_mut(&peer), self.holdings.get(&workspace))
        else {
            return;
        };
        let Some(copy) = session.copies.get_mut(&workspace) else { return };
        copy.on_durable(&holding.logs, chains);
        if gets_live && !in_bulk {
            copy.push_live(&holding.logs, chains);
        }
        if holding.syncs(now) {
            copy.announce_soon(now);
        }
        // What was announced by one peer may have come from another one.
        self.outputs.push_back(Output::Event(Event::PeerChanged { peer }));
    }

    pub(super) fn persist_failed(&mut self, batch: BatchId, reason: &str, logs: &dyn Logs) {
        if let Some(InFlight { reply: Some((request, _)), .. }) = self.in_flight.remove(&batch) {
            let result = Err(Refusal::ReadOnly(reason.to_owned()));
            self.outputs.push_back(Output::Reply { request, result });
        }
        self.turn_read_only(reason);
        // Those that were given before it may have become durable: their turn comes first.
        if self.in_flight.is_empty() {
            self.take_back(logs);
        }
    }

    /// Shows what is durable: what could not be saved was refused, and nobody else will see it.
    fn take_back(&mut self, logs: &dyn Logs) {
        for (&workspace, holding) in &mut self.holdings {
            // If not even reading works, what is shown stays; that nothing is saved was told.
            let entities = holding.take_back(&self.identity, reader_of(logs, workspace)).unwrap_or_default();
            if !entities.is_empty() {
                self.outputs.push_back(Output::Event(Event::Changed { workspace, entities, own: false }));
            }
        }
    }

    fn turn_read_only(&mut self, reason: &str) {
        if self.read_only.is_none() {
            self.read_only = Some(reason.to_owned());
            self.outputs.push_back(Output::Event(Event::ReadOnly { reason: reason.to_owned() }));
        }
    }

    /// The store did not give what it should hold. What can be read is served, and what is written
    /// is safe: only a failed write makes everything read-only.
    pub(super) fn store_failed(
        &mut self,
        workspace: WorkspaceId,
        chain: Option<ChainNo>,
        error: &StoreError,
    ) {
        if let StoreError::Write(_) = error {
            return self.turn_read_only(&error.to_string());
        }
        let Some(holding) = self.holdings.get_mut(&workspace) else { return };
        if holding.damaged.insert(chain) {
            let log = chain.and_then(|chain| holding.log_of(chain));
            let reason = error.to_string();
            self.outputs.push_back(Output::Event(Event::Damaged { workspace, log, reason }));
        }
    }
}
