//! Writing to the own log.

use super::{
    Holding, Identity, Logs, Refusal, Replica, Reply, RequestId, event::Event, io::Output, reader_of,
};
use crate::{
    access::Role,
    causality::Frontier,
    codec,
    control::{CONTROL_VERSION, Control, Link},
    id::{EntryId, Incarnation, WorkspaceId},
    limits,
    log::{EntryKind, Header, RunWriter},
    log_set::Taken,
    members,
    model::EntityKey,
    op,
    store::{BatchRun, ChainNo, EntryAt, LogReader},
    time::{Hlc, Now},
};
use rand_core::CryptoRng;

/// An entry to be written.
pub(super) struct Draft {
    pub kind: EntryKind,
    pub body: Vec<u8>,
    /// What it rests on. Without it, what the author's role rests on.
    pub auth: Option<EntryId>,
}

impl Draft {
    pub fn new(kind: EntryKind, body: &impl serde::Serialize) -> Self {
        Self { kind, body: codec::encode(body), auth: None }
    }

    fn ack() -> Self {
        Self { kind: EntryKind::ACK, body: Vec::new(), auth: None }
    }
}

/// What was written.
#[derive(Default)]
pub(super) struct Written {
    pub runs: Vec<BatchRun>,
    pub changed: Vec<EntityKey>,
    /// The ids of the entries, in order of the drafts.
    pub ids: Vec<EntryId>,
}

impl Holding {
    /// Appends entries to the own log, applies them, and seals them locally. They are visible at once,
    /// leave the device only when durable, and are signed then. What has a content is encrypted, under
    /// a key that is shared or made before if need be; who may do neither writes no content.
    pub fn write(
        &mut self,
        now: Now,
        identity: &Identity,
        drafts: Vec<Draft>,
        rng: &mut impl CryptoRng,
        reader: &dyn LogReader,
    ) -> Written {
        self.own = Some(self.logs.open_own(self.record.origin, identity.device.public_key()));
        let mut written = Written::default();
        let mut control = self.introduced(drafts, identity);
        let content = control.iter().position(|(draft, _)| op::has_data_body(draft.kind));
        let content = control.split_off(content.unwrap_or(control.len()));
        self.append(now, identity, control, &mut written, reader);
        // Also without a content to write: a ticket just made must open what is here, and after a
        // removal the next entry of anybody must be under a new key.
        // But not where a newer entry may have changed who is to read.
        let may_share = !self.state.needs_update();
        if may_share && self.writing.is_none() && (!content.is_empty() || self.ring.is_useful()) {
            self.prepare_to_encrypt(now, identity, rng, &mut written, reader);
        }
        if self.writing.is_some() {
            self.append(now, identity, content, &mut written, reader);
        }
        written.changed.extend(self.refresh_shown(reader));
        written.changed.sort_unstable();
        written.changed.dedup();
        written
    }

    /// Appends drafts as they are; the flag says which the caller asked for.
    pub(super) fn append(
        &mut self,
        now: Now,
        identity: &Identity,
        drafts: Vec<(Draft, bool)>,
        written: &mut Written,
        reader: &dyn LogReader,
    ) {
        let Some(own) = self.own.filter(|_| !drafts.is_empty()) else { return };
        let mut writer = self.writer(own);
        let mut stamp = self.logs.chain(own).map_or(Hlc(0), |chain| chain.applied_hlc);
        let needed = drafts.first().and_then(|(draft, _)| self.rests_on(draft, own, writer.position()));
        let mut deps = self.new_deps(own, needed.unwrap_or(EntryAt { chain: own, position: 0 }));
        for Dated { draft, deps, is_asked } in self.with_acks(&mut deps, drafts) {
            if writer.is_full() {
                self.seal(own, writer, identity, written, reader);
                writer = self.writer(own);
            }
            let (named, stamps): (Vec<EntryId>, Vec<Hlc>) = deps.into_iter().unzip();
            stamp = Hlc::next(now.wall_ms, stamp, stamps);
            let auth = self.auth_of(&draft, own, writer.position());
            let header = Header { auth, ..Header::new(draft.kind, stamp, named) };
            // Unreachable: what makes drafts keeps to the limits of an entry.
            let Some(id) = self.push(&mut writer, header, &draft) else { break };
            if is_asked {
                written.ids.push(id);
            }
            if draft.kind.is_control() {
                // What follows may rest on it, so it has to count.
                self.seal(own, writer, identity, written, reader);
                writer = self.writer(own);
            }
        }
        self.seal(own, writer, identity, written, reader);
    }

    fn push(&self, writer: &mut RunWriter, mut header: Header, draft: &Draft) -> Option<EntryId> {
        if !op::has_data_body(draft.kind) {
            return writer.push(header, &draft.body).ok();
        }
        let body = self.encrypt(writer.head().id, &mut header, &draft.body).ok()?;
        writer.push(header, &body).ok()
    }

    /// What the header of the next own entry cites: nothing while the entry before rests on the same.
    fn auth_of(&self, draft: &Draft, own: ChainNo, position: u64) -> Option<EntryId> {
        let auth = self.rests_on(draft, own, position)?;
        let is_news = self.members.cited(EntryAt { chain: own, position }) != Some(auth);
        is_news.then(|| self.logs.id_at(auth)).flatten()
    }

    fn rests_on(&self, draft: &Draft, own: ChainNo, position: u64) -> Option<EntryAt> {
        if let Some(id) = draft.auth {
            return self.logs.find(id);
        }
        if draft.kind == EntryKind::LINK {
            // It may bring this very device in.
            return self.members.access().best_grant(self.record.origin.person, Role::Viewer);
        }
        let at = EntryAt { chain: own, position };
        self.members.auth_for(at, &self.record.origin, self.need_of(draft))
    }

    /// How far a chain is worth naming: what has no effect is not, or who was removed could have
    /// everybody keep whatever they write.
    fn worth(&self) -> impl Fn(ChainNo, u64) -> u64 {
        |chain, end| self.members.last_effective(chain, end)
    }

    /// The role that it takes to write a draft.
    fn need_of(&self, draft: &Draft) -> Role {
        match Control::read(draft.kind, self.record.origin.person, &draft.body) {
            Some(Ok(control)) => control.need(self.record.origin.person),
            _ => members::need(draft.kind),
        }
    }

    fn writer(&self, own: ChainNo) -> RunWriter {
        let log = self.own_log();
        let end = self.logs.chain(own).map_or_else(|| crate::log::ChainEnd::start(log), |chain| chain.end);
        RunWriter::new(log, self.record.origin, end)
    }

    /// Ends a run, and applies it while it is at hand: what people did is visible before it is
    /// durable, however much it is.
    fn seal(
        &mut self,
        own: ChainNo,
        writer: RunWriter,
        identity: &Identity,
        written: &mut Written,
        reader: &dyn LogReader,
    ) {
        // The root is gone by the time that somebody is to receive what it wrote.
        let is_root = identity.device.public() == identity.person.0;
        let (workspace, key) = (self.record.id, &identity.device);
        let run = if is_root || identity.shares_store {
            writer.seal(workspace, key)
        } else {
            writer.seal_locally(workspace, key)
        };
        let Some(run) = run else { return };
        self.logs.take_own(own, &run);
        while let Some(next) = self.logs.next_own(own, &run) {
            written.changed.extend(self.apply(&next, reader));
        }
        written.runs.extend(self.logs.batch_run(&Taken { chain: own, run, forked: false }));
    }

    /// Heads that the own log has not named yet, with their stamps.
    fn new_deps(&mut self, own: ChainNo, needed: EntryAt) -> Vec<(EntryId, Hlc)> {
        let mut heads = self.logs.news(self.own_log(), &self.own_past, self.worth());
        // Split off from the end: whatever is written first may cite it.
        heads.sort_by_cached_key(|head| self.logs.past(&[*head], Frontier::default()).contains(needed));
        self.own_past = self.logs.past(&heads, std::mem::take(&mut self.own_past));
        let end = self.logs.chain(own).map_or(0, |chain| chain.end.head.position);
        self.own_past.raise(EntryAt { chain: own, position: end });
        let named = heads
            .iter()
            .filter_map(|at| Some((self.logs.id_at(*at)?, self.logs.chain(at.chain)?.applied_hlc)));
        named.collect()
    }

    /// The drafts with their dependencies. Who has more to name than one header holds writes empty
    /// `Ack` entries first. A log starts with the entry that introduces it, so that one comes first.
    fn with_acks(&self, deps: &mut Vec<(EntryId, Hlc)>, drafts: Vec<(Draft, bool)>) -> Vec<Dated> {
        let mut dated = Vec::with_capacity(drafts.len());
        let mut drafts = drafts.into_iter();
        if self.starts() {
            let first = deps.split_off(deps.len().saturating_sub(limits::DEPS));
            dated.extend(drafts.next().map(|(draft, is_asked)| Dated { draft, deps: first, is_asked }));
        }
        while deps.len() > limits::DEPS {
            let part = deps.split_off(deps.len() - limits::DEPS);
            dated.push(Dated { draft: Draft::ack(), deps: part, is_asked: false });
        }
        for (draft, is_asked) in drafts {
            dated.push(Dated { draft, deps: std::mem::take(deps), is_asked });
        }
        dated
    }

    fn starts(&self) -> bool {
        self.own.and_then(|own| self.logs.chain(own)).is_none_or(|chain| chain.end.head.position == 0)
    }

    /// A log starts with the entry that introduces its device: a new incarnation links it again.
    /// The flag says which drafts the caller asked for.
    pub(super) fn introduced(&self, drafts: Vec<Draft>, identity: &Identity) -> Vec<(Draft, bool)> {
        let introduces = |draft: &Draft| matches!(draft.kind, EntryKind::GENESIS | EntryKind::JOIN);
        let link = (self.starts() && !drafts.first().is_some_and(introduces)).then(|| {
            Draft::new(EntryKind::LINK, &Link { version: CONTROL_VERSION, chain: identity.chain.clone() })
        });
        let asked = drafts.into_iter().map(|draft| (draft, true));
        link.into_iter().map(|link| (link, false)).chain(asked).collect()
    }
}

struct Dated {
    draft: Draft,
    deps: Vec<(EntryId, Hlc)>,
    /// Whether the caller asked for it.
    is_asked: bool,
}

impl Replica {
    /// Writes entries, tells the people at once, and answers when they are durable.
    pub(super) fn write(
        &mut self,
        now: Now,
        workspace: WorkspaceId,
        drafts: Vec<Draft>,
        request: RequestId,
        reply: impl FnOnce(&Written) -> Reply,
        logs: &dyn Logs,
    ) {
        let asked = drafts.len();
        let Some(written) = self.append(now, workspace, drafts, logs) else { return };
        let is_whole = written.ids.len() == asked;
        self.tell_written(workspace, written, is_whole, request, reply);
    }

    /// Tells the people at once of what a command wrote, and answers when it is durable. `is_whole`: all that
    /// was asked for was written.
    pub(super) fn tell_written(
        &mut self,
        workspace: WorkspaceId,
        written: Written,
        is_whole: bool,
        request: RequestId,
        reply: impl FnOnce(&Written) -> Reply,
    ) {
        let reply = is_whole.then(|| reply(&written));
        let Written { runs, changed: entities, .. } = written;
        self.note_for_private(workspace, &entities);
        self.outputs.push_back(Output::Event(Event::Changed { workspace, entities, own: true }));
        let Some(reply) = reply else {
            self.persist(workspace, runs, None);
            let words = "everybody gets a new key after somebody has left, and you may not make one: try \
                         again once a member has written something";
            let result = Err(Refusal::Role(words.to_owned()));
            return self.outputs.push_back(Output::Reply { request, result });
        };
        self.persist(workspace, runs, Some((request, reply)));
    }

    /// Writes what nobody asked for just now.
    pub(super) fn write_unasked(
        &mut self,
        now: Now,
        workspace: WorkspaceId,
        drafts: Vec<Draft>,
        logs: &dyn Logs,
    ) {
        let Some(written) = self.append(now, workspace, drafts, logs) else { return };
        let Written { runs, changed: entities, .. } = written;
        self.note_for_private(workspace, &entities);
        if !entities.is_empty() {
            self.outputs.push_back(Output::Event(Event::Changed { workspace, entities, own: true }));
        }
        self.persist(workspace, runs, None);
    }

    /// Names what this device shows and others may have refused: see [`LogSet::owes_ack`].
    ///
    /// [`LogSet::owes_ack`]: crate::log_set::LogSet::owes_ack
    pub(super) fn acknowledge(&mut self, now: Now, workspace: WorkspaceId, logs: &dyn Logs) {
        let Some(holding) = self.holdings.get(&workspace) else { return };
        let own = self.identity.device_id();
        // Also where an update is needed: it says nothing but what was seen, and without it others might
        // never take the very entry that asks for the update.
        let may_write = self.read_only.is_none()
            && holding.members.access().best_auth(self.identity.person, own, Role::Viewer).is_some();
        if !may_write || !holding.logs.owes_ack(own, &holding.own_past, holding.worth()) {
            return;
        }
        self.write_unasked(now, workspace, vec![Draft::ack()], logs);
    }

    fn append(
        &mut self,
        now: Now,
        workspace: WorkspaceId,
        drafts: Vec<Draft>,
        logs: &dyn Logs,
    ) -> Option<Written> {
        let reader = reader_of(logs, workspace);
        let holding = self.holdings.get_mut(&workspace)?;
        Some(holding.write(now, &self.identity, drafts, &mut self.rng, reader))
    }

    /// Opens a new incarnation of the own log if the old one must not be continued. That is
    /// remembered at once: once peers have filled up the old log, nothing on the disk tells that it
    /// went on elsewhere.
    pub(super) fn renew(&mut self, workspace: WorkspaceId) {
        let incarnation = Incarnation(self.random());
        if let Some(holding) = self.holdings.get_mut(&workspace).filter(|holding| holding.fresh_incarnation) {
            holding.renew(incarnation);
            self.outputs.push_back(Output::Remember(holding.record.clone()));
        }
    }
}
