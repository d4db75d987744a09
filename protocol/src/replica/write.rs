//! Writing to the own log.

use super::{Holding, Identity, Replica, Reply, RequestId, io::Event, io::Output};
use crate::{
    codec,
    id::{EntryId, Incarnation, WorkspaceId},
    limits,
    log::{EntryKind, HEADER_VERSION, Header, RunWriter},
    log_set::Taken,
    model::EntityKey,
    op,
    store::{BatchRun, ChainNo, EntryAt},
    time::{Hlc, Now},
};

/// An entry to be written.
pub(super) struct Draft {
    pub kind: EntryKind,
    pub body: Vec<u8>,
}

impl Draft {
    pub fn new(kind: EntryKind, body: &impl serde::Serialize) -> Self {
        Self { kind, body: codec::encode(body) }
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
    /// leave the device only when durable, and are signed then.
    pub fn write(&mut self, now: Now, identity: &Identity, drafts: Vec<Draft>) -> Written {
        let own = self.logs.open_own(self.record.origin, identity.device.public_key());
        self.own = Some(own);
        let mut written = Written::default();
        let mut writer = self.writer(own);
        let mut stamp = self.logs.chain(own).map_or(Hlc(0), |chain| chain.applied_hlc);
        let mut deps = self.new_deps(own);
        for draft in self.with_acks(&mut deps, self.introduced(drafts, identity)) {
            if writer.is_full() {
                self.seal(own, writer, identity, &mut written);
                writer = self.writer(own);
            }
            let (named, stamps): (Vec<EntryId>, Vec<Hlc>) = draft.deps.into_iter().unzip();
            stamp = Hlc::next(now.wall_ms, stamp, stamps);
            let header = header(draft.draft.kind, stamp, named);
            // Unreachable: what makes drafts keeps to the limits of an entry.
            let Ok(id) = writer.push(header, &draft.draft.body) else { break };
            if draft.is_asked {
                written.ids.push(id);
            }
        }
        self.seal(own, writer, identity, &mut written);
        written.changed.sort_unstable();
        written.changed.dedup();
        written
    }

    fn writer(&self, own: ChainNo) -> RunWriter {
        let log = self.own_log();
        let end = self.logs.chain(own).map_or_else(|| crate::log::ChainEnd::start(log), |chain| chain.end);
        RunWriter::new(log, self.record.origin, end)
    }

    /// Ends a run, and applies it while it is at hand: what people did is visible before it is
    /// durable, however much it is.
    fn seal(&mut self, own: ChainNo, writer: RunWriter, identity: &Identity, written: &mut Written) {
        let Some(run) = writer.seal_locally(self.record.id, &identity.device) else { return };
        self.logs.take_own(own, &run);
        while let Some(next) = self.logs.next_own(own, &run) {
            written.changed.extend(self.apply(&next));
        }
        written.runs.extend(self.logs.batch_run(&Taken { chain: own, run, forked: false }));
    }

    /// Heads that the own log has not named yet, with their stamps.
    fn new_deps(&mut self, own: ChainNo) -> Vec<(EntryId, Hlc)> {
        let heads = self.logs.news(self.own_log(), &self.own_past);
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
            let draft = Draft { kind: EntryKind::ACK, body: Vec::new() };
            dated.push(Dated { draft, deps: part, is_asked: false });
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
    fn introduced(&self, drafts: Vec<Draft>, identity: &Identity) -> Vec<(Draft, bool)> {
        let introduces = |draft: &Draft| matches!(draft.kind, EntryKind::GENESIS | EntryKind::JOIN);
        let link = (self.starts() && !drafts.first().is_some_and(introduces))
            .then(|| Draft::new(EntryKind::LINK, &op::Genesis { chain: identity.chain.clone() }));
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

fn header(kind: EntryKind, hlc: Hlc, deps: Vec<EntryId>) -> Header {
    Header { version: HEADER_VERSION, kind, hlc, auth: None, deps, epoch: None, salt: [0; 8], body_len: 0 }
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
    ) {
        let Some(written) = self.append(now, workspace, drafts) else { return };
        let reply = reply(&written);
        let Written { runs, changed: entities, .. } = written;
        self.outputs.push_back(Output::Event(Event::Changed { workspace, entities, own: true }));
        self.persist(workspace, runs, Some((request, reply)));
    }

    /// Names what this device shows and others may have refused: see [`LogSet::owes_ack`].
    ///
    /// [`LogSet::owes_ack`]: crate::log_set::LogSet::owes_ack
    pub(super) fn acknowledge(&mut self, now: Now, workspace: WorkspaceId) {
        let Some(holding) = self.holdings.get(&workspace) else { return };
        let own = self.identity.device_id();
        let may_write = self.read_only.is_none() && !holding.state.needs_update();
        if !may_write || !holding.logs.owes_ack(own, &holding.own_past) {
            return;
        }
        let ack = Draft { kind: EntryKind::ACK, body: Vec::new() };
        if let Some(written) = self.append(now, workspace, vec![ack]) {
            self.persist(workspace, written.runs, None);
        }
    }

    fn append(&mut self, now: Now, workspace: WorkspaceId, drafts: Vec<Draft>) -> Option<Written> {
        self.holdings.get_mut(&workspace).map(|holding| holding.write(now, &self.identity, drafts))
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
