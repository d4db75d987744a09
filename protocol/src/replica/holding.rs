//! One workspace of this device: its logs, its visible state, and the own log that is written to.

use super::{
    Identity, WorkspaceRecord, again::VoidWork, carrying::Carrying, confirmed::Words, outside::Added, sealing,
};
use crate::{
    causality::Frontier,
    crypto::Sig,
    founding::Founding,
    id::{DeviceId, EntryId, Incarnation, LogId, PersonId},
    keys::{
        ciphers::{Ciphers, Contents},
        ring::KeyRing,
        wrap::RecipientKey,
    },
    limits,
    log::{self, Origin, Run, Signer},
    log_set::{EntryReader, LogSet, ReadLogs, Ready, Received, Rejected, Taken},
    members::{self, Members, Turned},
    model::{self, ALIVE, EntityKey, Kind},
    op::{self, DataBody, Op},
    presence::Table,
    session::Source,
    store::{ChainNo, EntryAt, LogReader, StoreError},
    time::Now,
    undo::Journal,
    workspace::Workspace,
};
use std::{
    cell::Cell,
    collections::{BTreeMap, BTreeSet},
};

/// How it is known that a ticket is no good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refused {
    /// By the entries held.
    Seen,
    /// By the entries held, as well: it names another inviter than made it.
    OfAnother,
    /// By a peer's word. `granted`: of one who is in by no ticket, so that no withdrawal can concern them.
    Told { granted: bool },
}

impl Refused {
    /// Why, for people, and what to do.
    pub fn words(self) -> &'static str {
        match self {
            Self::Seen | Self::Told { .. } => "the ticket was withdrawn: ask for a new one",
            Self::OfAnother => {
                "the ticket names somebody else than made it: ask them for a new one, and compare the words of \
                 who invites you"
            }
        }
    }
}

/// What of the state is not in step with the entries, because one of them could not be read. It is tried
/// again whenever something more becomes durable.
#[derive(Debug, Default)]
#[cfg_attr(feature = "sim", derive(Clone))]
pub(super) struct Lag {
    /// Verdicts that turned. Until they are shown no pages are written.
    verdicts: Vec<Turned>,
    /// Whether something is locked still that there is a key for.
    locked: bool,
    /// Why, until people are told.
    why: Option<StoreError>,
}

impl Lag {
    /// Everything was read that there is a key for, or it was not.
    pub fn unlocked(&mut self, failure: Option<StoreError>) {
        self.locked = failure.is_some();
        self.why = failure.or(self.why.take());
    }
}

/// See the module.
#[derive(Debug)]
#[cfg_attr(feature = "sim", derive(Clone))]
pub(super) struct Holding {
    pub record: WorkspaceRecord,
    pub logs: LogSet,
    pub state: Workspace,
    /// Who is in, and with what right.
    pub members: Members,
    /// The content keys.
    pub ring: KeyRing,
    /// Where all key entries stand that are applied.
    pub key_entries: BTreeSet<EntryAt>,
    /// Those that have no effect, with their authors.
    pub void_keys: BTreeMap<EntryId, (PersonId, DeviceId)>,
    /// The last epoch that this device started, with the removals it knew of then. They need not all
    /// stand in the past of its entry: not everything applied may be named.
    pub rotated: Option<(EntryId, BTreeSet<EntryAt>)>,
    /// The epoch to write under, until something changes that the choice rests on.
    pub writing: Option<EntryId>,
    /// Which keys this device has shared because it was asked, and with whom: once as long as it runs, since
    /// each is an entry that stays for ever.
    pub given: BTreeSet<(DeviceId, EntryId)>,
    /// Whether the ticket that this device holds cannot be used.
    pub refused: Option<Refused>,
    /// Counts changes to who is in.
    pub standing: u64,
    /// Whether this device's person was out when that was looked at last, or had yet to come in with a
    /// ticket of this device: see `private`.
    pub was_out: bool,
    /// What the person's phrase receives under.
    pub recovery: RecipientKey,
    /// Whether the roster shown is older than `members`.
    roster_is_old: bool,
    /// Own transactions, for undo.
    pub journal: Journal,
    /// Own work that has no effect.
    pub void: VoidWork,
    /// The chain of the own log, once it has an entry.
    pub own: Option<ChainNo>,
    /// What the last own entry had in its past.
    pub own_past: Frontier,
    /// The own log may have been longer than it is here: a new incarnation must be opened.
    pub fresh_incarnation: bool,
    pub lag: Lag,
    /// Chains that could not be read, as far as that was told; `None` stands for any.
    pub damaged: BTreeSet<Option<ChainNo>>,
    /// [`LogSet::digest`], until something becomes durable.
    digest: Option<[u8; 32]>,
    /// What those added who are out, until that may have changed.
    pub(super) added: Option<Added>,
    /// The last signature over own entries.
    last_signed: Cell<Option<(EntryId, Sig)>>,
    /// Who is here.
    pub presence: Table,
    /// Relays, and what this device knows if it is one.
    pub carrying: Carrying,
    /// What relays confirmed.
    pub words: Words,
    /// *Sync now* holds until then, also while automatic sync is off.
    pub sync_until: u64,
}

impl Holding {
    /// A workspace without entries.
    pub fn new(record: WorkspaceRecord, identity: &Identity) -> Self {
        let ring = sealing::new_ring(identity, &record);
        let (logs, state) = (LogSet::new(record.id), Workspace::new(record.id));
        let members = Members::new(record.id);
        Self {
            record,
            logs,
            state,
            members,
            ring,
            key_entries: BTreeSet::new(),
            void_keys: BTreeMap::new(),
            rotated: None,
            writing: None,
            given: BTreeSet::new(),
            refused: None,
            standing: 0,
            was_out: false,
            recovery: identity.recovery.key,
            roster_is_old: false,
            journal: Journal::default(),
            void: VoidWork::default(),
            own: None,
            own_past: Frontier::default(),
            fresh_incarnation: false,
            lag: Lag::default(),
            damaged: BTreeSet::new(),
            digest: None,
            added: None,
            last_signed: Cell::new(None),
            presence: Table::default(),
            carrying: Carrying::default(),
            words: Words::default(),
            sync_until: 0,
        }
    }

    pub fn open(
        record: WorkspaceRecord,
        identity: &Identity,
        state: Workspace,
        logs: ReadLogs,
        reader: &dyn LogReader,
        fresh_incarnation: bool,
    ) -> Result<Self, StoreError> {
        let ReadLogs { set: logs, acts } = logs;
        let mut holding = Self { logs, state, fresh_incarnation, ..Self::new(record, identity) };
        holding.remember_members(&acts, reader)?;
        holding.remember_transactions(reader);
        while let Some(ready) = holding.logs.next_ready(reader)? {
            holding.apply(&ready, reader);
        }
        if !holding.lag.verdicts.is_empty() {
            holding.lag.why.take().map_or(Ok(()), Err)?;
        }
        holding.refresh_roster();
        holding.refresh_relays();
        holding.remember_settled(reader);
        holding.refresh_void_work(reader);
        holding.find_own();
        holding.carrying.entry_bytes = holding.logs.chains().map(|(_, chain)| chain.bytes()).sum();
        Ok(holding)
    }

    /// The entry that founded the workspace, if it is here.
    pub fn founding(&self, reader: &dyn LogReader) -> Option<Founding> {
        let (number, chain) = self.logs.chains().find(|(_, chain)| chain.origin.founder)?;
        Founding::of(chain.origin, reader.read_run(number, 0).ok()??)
    }

    /// What this device wrote ends under a seal that nobody else can make. A log that something else
    /// continued must not be gone on with: the next seal would cover that as well.
    pub fn check_own_seals(&self, identity: &Identity, reader: &dyn LogReader) -> Result<(), StoreError> {
        let own = self.logs.chains().filter(|(_, chain)| chain.origin.device == identity.device_id());
        for (number, _) in own {
            let Some((log, head)) = self.logs.durable_head(number) else { continue };
            let Some(run) = reader.read_run(number, head.position - 1)? else { continue };
            if !log::is_own_seal(&identity.device, self.record.id, log, head, &run.seal) {
                return Err(StoreError::Read(format!(
                    "the entries of this device up to {} were not all written by it: another program changed \
                     the files of its log. Restore them from a backup, or move the workspace's folder away \
                     and join again",
                    head.position
                )));
            }
        }
        Ok(())
    }

    fn find_own(&mut self) {
        let log = self.own_log();
        self.own = self.logs.first_chain(log);
        // A forked own log is not written to again. An empty one may be so because it was lost.
        self.fresh_incarnation |= self.logs.chains_of(log).len() != 1;
        if let Some((number, chain)) = self.own.and_then(|own| Some((own, self.logs.chain(own)?))) {
            let head = EntryAt { chain: number, position: chain.applied };
            self.own_past = self.logs.past(&[head], Frontier::default());
        }
    }

    pub fn own_log(&self) -> LogId {
        self.record.origin.log_id(self.record.id)
    }

    pub fn log_of(&self, chain: ChainNo) -> Option<LogId> {
        self.logs.chain(chain).map(|chain| chain.log)
    }

    /// Whether to exchange anything with peers now.
    pub fn syncs(&self, now: Now) -> bool {
        self.record.auto_sync || now.mono_ms < self.sync_until
    }

    /// Whether anything of it is here.
    pub fn has_entries(&self) -> bool {
        self.logs.chains().next().is_some()
    }

    /// What peers compare.
    pub fn digest(&mut self) -> [u8; 32] {
        *self.digest.get_or_insert_with(|| self.logs.digest())
    }

    /// What peers are served from.
    pub fn source<'a>(&'a self, identity: &'a Identity, reader: &'a dyn LogReader) -> Source<'a> {
        let signer = Signer { key: &identity.device, workspace: self.record.id, last: &self.last_signed };
        Source { logs: &self.logs, reader, signer }
    }

    /// Leaves the own log as it is and opens another one.
    pub fn renew(&mut self, incarnation: Incarnation) {
        self.fresh_incarnation = false;
        self.own = None;
        self.own_past = Frontier::default();
        let origin = &mut self.record.origin;
        (origin.incarnation, origin.founder) = (incarnation, false);
    }

    /// Takes a run from a peer. Returns what is news, and the last entry of it that we know now.
    pub fn receive(
        &mut self,
        run: Run,
        reader: &dyn LogReader,
    ) -> Result<(Option<Taken>, EntryAt), Rejected> {
        let own = run.log == self.own_log();
        match self.logs.receive(run, reader)? {
            Received::Known(at) => Ok((None, at)),
            Received::News(taken) => {
                self.carrying.entry_bytes += taken.run.run().bytes.len() as u64;
                // Somebody holds entries of the own log that are not here: this device was restored
                // from a backup or copied. Writing on at their positions would fork the log.
                self.fresh_incarnation |= own;
                let position = taken.run.end().head.position;
                let at = EntryAt { chain: taken.chain, position };
                Ok((Some(taken), at))
            }
        }
    }

    /// Runs are durable up to `ends`: applies what can be applied now. Returns what changed, and the
    /// first of the errors, each of which is about one chain.
    pub fn persisted(
        &mut self,
        ends: &[EntryAt],
        reader: &dyn LogReader,
    ) -> (Vec<EntityKey>, Option<StoreError>) {
        (self.digest, self.added) = (None, None);
        // The chain noted last is tried first, and causes come first in a batch.
        for end in ends.iter().rev() {
            self.logs.persisted(end.chain, end.position);
        }
        let mut changed = Vec::from_iter(self.rejudge(&[], reader));
        if self.lag.locked {
            changed.extend(self.unlock(reader));
        }
        let mut failure = None;
        loop {
            match self.logs.next_ready(reader) {
                Ok(Some(ready)) => changed.extend(self.apply(&ready, reader)),
                Ok(None) => break,
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        changed.extend(self.refresh_shown(reader));
        changed.sort_unstable();
        changed.dedup();
        (changed, failure.or(self.lag.why.take()))
    }

    /// Applies an entry whose turn has come. Returns what changed.
    pub fn apply(&mut self, ready: &Ready, reader: &dyn LogReader) -> Vec<EntityKey> {
        let Some(chain) = self.logs.chain(ready.at.chain) else { return Vec::new() };
        let origin: Origin = chain.origin;
        // It may name what the digest leaves out otherwise.
        (self.digest, self.added) = (None, None);
        let contents = self.contents(ready);
        if origin.device == self.record.origin.device {
            self.note_transaction(ready, &contents);
        }
        let turn = ready.turn(&origin, &contents);
        let judged = self.members.note(&self.logs, &turn);
        if judged.is_news {
            (self.roster_is_old, self.writing) = (true, None);
            self.standing += 1;
            self.void.look_again();
            self.forget_recovery_if_taken();
        }
        if judged.is_news || judged.is_newer {
            self.state.set_needs_update(self.members.needs_update());
        }
        let opens = self.note_keys(&turn, judged.void.is_none());
        if let Contents::Locked(epoch) = contents {
            self.ring.need(epoch);
        }
        if judged.void.is_some() && origin.device == self.record.origin.device {
            self.void.look_again();
        }
        let mut changed = self.state.apply(&turn, judged.void).changed;
        if !judged.turned.is_empty() {
            changed.extend(self.rejudge(&judged.turned, reader));
        }
        if opens {
            changed.extend(self.unlock(reader));
        }
        changed
    }

    /// Shows who is in now, and what of one's own has no effect. Returns what changed by it.
    pub fn refresh_shown(&mut self, reader: &dyn LogReader) -> Option<EntityKey> {
        let roster = self.refresh_roster();
        self.refresh_relays();
        let void = self.refresh_void_work(reader);
        roster.or_else(|| void.then(|| self.key()))
    }

    fn key(&self) -> EntityKey {
        EntityKey::new(Kind::Workspace, model::workspace::entity_of(self.record.id))
    }

    /// Shows who is in now. Returns what changed by it.
    fn refresh_roster(&mut self) -> Option<EntityKey> {
        if !std::mem::take(&mut self.roster_is_old) {
            return None;
        }
        self.state.set_roster(self.members.roster());
        Some(self.key())
    }

    /// Brings the state in step with verdicts that turned. Returns what changed. What cannot be read now
    /// is tried again when something more becomes durable; until then no pages are written.
    fn rejudge(&mut self, turned: &[Turned], reader: &dyn LogReader) -> BTreeSet<EntityKey> {
        self.lag.verdicts.extend(turned);
        if self.lag.verdicts.is_empty() {
            return BTreeSet::new();
        }
        let keys = self.keys_turned(reader).and_then(|keys| {
            self.rebuild(&keys, reader)?;
            Ok(keys)
        });
        self.state.is_behind = keys.is_err();
        keys.map_or_else(
            |error| {
                self.lag.why = Some(error);
                BTreeSet::new()
            },
            |keys| {
                self.lag.verdicts.clear();
                keys
            },
        )
    }

    /// The entities about which entries say something whose verdict turned. What key entries say is
    /// brought in step at once.
    fn keys_turned(&mut self, reader: &dyn LogReader) -> Result<BTreeSet<EntityKey>, StoreError> {
        let entries = EntryReader::new(&self.logs, reader);
        let (mut keys, mut turned_keys) = (BTreeSet::new(), Vec::new());
        for range in &self.lag.verdicts {
            for position in range.from..=range.to {
                let ready = entries.try_read(EntryAt { chain: range.chain, position })?;
                let kind = ready.entry().header.kind;
                if members::need(kind) != range.need {
                    continue;
                }
                if op::has_data_body(kind) {
                    keys.extend(keys_of(&self.contents(&ready)));
                } else if let Some(chain) = self.logs.chain(range.chain) {
                    let void = self.members.why_void(ready.at, &chain.origin, kind);
                    turned_keys.push((ready.entry().id, chain.origin, void.is_none()));
                }
            }
        }
        for (id, origin, effective) in turned_keys {
            if self.ring.set_effective(id, effective) {
                self.note_void_key(id, &origin, effective);
            }
        }
        Ok(keys)
    }

    /// Makes entities anew from the entries that touched them.
    fn rebuild(&mut self, keys: &BTreeSet<EntityKey>, reader: &dyn LogReader) -> Result<(), StoreError> {
        let entries = EntryReader::new(&self.logs, reader);
        for key in keys {
            let touched = self.state.touched(*key);
            let read = touched.into_iter().map(|at| entries.try_read(at)).collect::<Result<Vec<_>, _>>()?;
            let open: Vec<_> = read.iter().map(|ready| (ready, self.contents(ready))).collect();
            let turns = open.iter().filter_map(|(ready, contents)| {
                let origin = &self.logs.chain(ready.at.chain)?.origin;
                let void = self.members.why_void(ready.at, origin, ready.entry().header.kind);
                Some((ready.turn(origin, contents), void))
            });
            self.state.rebuild(*key, turns);
        }
        Ok(())
    }

    /// What the access rule and the key ring knew of the entries that are in the state already.
    fn remember_members(&mut self, acts: &[EntryAt], reader: &dyn LogReader) -> Result<(), StoreError> {
        let mut read = Vec::with_capacity(acts.len());
        let entries = EntryReader::new(&self.logs, reader);
        for at in acts {
            // Without one of them the verdicts would be others than those that the state was built by.
            let lost =
                || StoreError::Read(format!("the control entry at {} of a log is missing", at.position));
            let (ready, chain) = entries.read(*at).zip(self.logs.chain(at.chain)).ok_or_else(lost)?;
            let contents = ready.open(&Ciphers::default());
            self.members.note(&self.logs, &ready.turn(&chain.origin, &contents));
            read.push((ready, chain.origin));
        }
        // Only now it is certain which of them count.
        self.note_all_keys(&read);
        self.roster_is_old = true;
        self.state.set_needs_update(self.members.needs_update());
        self.unlock(reader);
        Ok(())
    }

    /// Own entries are visible before they are durable. Once nothing more can be saved, those that
    /// did not become so are taken back: the state is made anew from what is durable. The logs keep
    /// them, since sessions count in them; nothing of them ever leaves the device. Returns what changed.
    pub fn take_back(
        &mut self,
        identity: &Identity,
        reader: &dyn LogReader,
    ) -> Result<Vec<EntityKey>, StoreError> {
        let entries = EntryReader::new(&self.logs, reader);
        let mut changed = Vec::new();
        for (number, chain) in self.logs.chains() {
            let lost = chain.durable + 1..=self.state.applied(number);
            for ready in lost.filter_map(|position| entries.read(EntryAt { chain: number, position })) {
                if op::has_data_body(ready.entry().header.kind) {
                    changed.extend(keys_of(&self.contents(&ready)));
                }
            }
        }
        changed.sort_unstable();
        changed.dedup();
        if !changed.is_empty() {
            let (workspace, logs) = (self.record.id, ReadLogs::read(self.record.id, reader, |_| 0)?);
            let state = Workspace::new(workspace);
            let durable = Self::open(self.record.clone(), identity, state, logs, reader, true)?;
            (self.state, self.members, self.journal) = (durable.state, durable.members, durable.journal);
            (self.ring, self.key_entries) = (durable.ring, durable.key_entries);
            (self.void_keys, self.writing) = (durable.void_keys, None);
            self.standing += 1;
            self.void = durable.void;
        }
        Ok(changed)
    }

    /// Own transactions come back from the log: the latest entries of the own logs are enough.
    fn remember_transactions(&mut self, reader: &dyn LogReader) {
        let own = self.record.origin.device;
        let own: Vec<(ChainNo, u64)> = self
            .logs
            .chains()
            .filter(|(_, chain)| chain.origin.device == own)
            .map(|(number, chain)| (number, chain.applied))
            .collect();
        for (chain, applied) in own {
            let first = applied.saturating_sub(limits::UNDO_REPLAY) + 1;
            let entries = EntryReader::new(&self.logs, reader);
            let ready: Vec<Ready> =
                (first..=applied).filter_map(|position| entries.read(EntryAt { chain, position })).collect();
            for ready in &ready {
                self.note_transaction(ready, &self.contents(ready));
            }
        }
    }

    pub fn note_transaction(&mut self, ready: &Ready, contents: &Contents<'_>) {
        let entry = ready.entry();
        if !op::has_data_body(entry.header.kind) {
            return;
        }
        let Some(Ok(body)) = contents.plain().map(DataBody::read) else { return };
        self.void.note(&body);
        if !founds(&body) {
            self.journal.note(ready.at, entry.id.prefix(), &body);
        }
    }
}

/// The entities that an entry writes about.
fn keys_of(contents: &Contents<'_>) -> Vec<EntityKey> {
    let body = contents.plain().and_then(|body| DataBody::read(body).ok());
    body.into_iter().flat_map(|body| body.groups).map(|group| group.key).collect()
}

/// Whether a body makes the workspace or a profile: that belongs to founding and joining, and is no
/// action to take back.
fn founds(body: &DataBody) -> bool {
    let made = |op: &Op| matches!(op, Op::Set { slot, .. } if slot.field == ALIVE.field);
    let permanent = |kind| matches!(kind, Kind::Workspace | Kind::Profile);
    body.groups.iter().any(|group| permanent(group.key.kind) && group.ops.iter().any(made))
}
