//! The logs of one workspace: what is stored, what is applied, and in which order to apply.
//!
//! Two markers a chain tell the whole story. An entry is *stored* when chain and seal are good and
//! the bytes are durable; it is *applied* when everything it depends on is applied. A run that has
//! to wait is read again from the store when its turn comes, so nothing piles up in memory but a
//! bounded cache of recent runs.
//!
//! A device that writes two entries at one place of its log has forked it. Both branches are kept,
//! each as a *chain*; the sealed branches themselves are the proof. How many chains are kept, and
//! why peers agree nevertheless: [`bound`].

use crate::{
    causality::{DepIndex, Frontier},
    control::Control,
    crypto::PublicKey,
    id::{EntryId, LogId, WorkspaceId},
    log::{self, ChainEnd, Entry, Head, LogError, Origin, Run, VerifiedRun},
    store::{BatchRun, ChainNo, EntryAt, LogReader},
    time::Hlc,
};
use std::{collections::BTreeMap, sync::Arc};

mod bound;
mod fork;
mod open;
mod order;
mod way;

pub use open::ReadLogs;
pub use order::{Body, EntryReader, Ready, Turn};

/// One chain: a log, or a branch of a forked one.
#[derive(Debug, Clone)]
pub struct Chain {
    /// The log.
    pub log: LogId,
    /// Whose it is.
    pub origin: Origin,
    key: PublicKey,
    /// The chain it leaves, with the place; `None` for a log's first chain.
    pub parent: Option<EntryAt>,
    base: Head,
    /// The end of what was verified, durable or on its way to the disk.
    pub end: ChainEnd,
    /// Position up to which entries are durable.
    pub durable: u64,
    /// Position up to which entries are applied.
    pub applied: u64,
    /// The stamp of the last applied entry.
    pub applied_hlc: Hlc,
    /// Over a bound when it came; see [`bound`].
    surplus: bool,
    /// Surplus, and nothing applicable names it yet.
    held_back: bool,
    /// The last position of its own that an applied entry of another device names, 0 if none.
    named: u64,
    /// The last position at which a branch with such an entry leaves, 0 if none.
    passed: u64,
    /// The last position at which any branch leaves, 0 if none.
    left: u64,
    ids: Vec<EntryId>,
    /// How long each entry is: one of [`limits::HEADER`] and [`limits::BODY`] fits.
    sizes: Vec<u16>,
}

impl Chain {
    /// Whether an applied entry of another device names any of it.
    fn is_named(&self) -> bool {
        self.named.max(self.passed) > 0
    }

    fn note(&mut self, entry: &Entry) {
        self.ids.push(entry.id);
        self.sizes.push((entry.at[2] - entry.at[0]).try_into().unwrap_or(u16::MAX));
    }

    /// How many bytes the durable entries of this chain have that lie behind `position`.
    pub fn bytes_behind(&self, position: u64) -> u64 {
        let [from, to] = [position, self.durable].map(|end| end.saturating_sub(self.base.position) as usize);
        let sizes = self.sizes.get(from..to);
        sizes.unwrap_or_default().iter().map(|size| u64::from(*size)).sum()
    }

    /// How many bytes all its durable entries have.
    pub fn bytes(&self) -> u64 {
        self.bytes_behind(self.base.position)
    }

    /// The id at `position` on this chain above its base.
    fn own_id(&self, position: u64) -> Option<EntryId> {
        let index = position.checked_sub(self.base.position)?.checked_sub(1)?;
        self.ids.get(index as usize).copied()
    }
}

/// Why a run was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// The sender breaks the protocol or forwards what does not verify.
    #[error("{0}")]
    Fault(#[from] LogError),
    /// The log's first entry does not introduce its device.
    #[error("the log does not start with a valid Genesis, Join or Link")]
    Introduction,
    /// More logs or branches than are kept, and nobody waits for it. No fault of the sender's, who
    /// may have met others first.
    #[error("over the bound on logs and branches")]
    Bound,
    /// We lack what the run follows; comparing heads will bring it.
    #[error("the run follows an entry that is not here")]
    Gap,
}

impl Rejected {
    /// Whether the run is other than its author made it: no device forwards one that it did not verify, and what
    /// a newer version wrote it may not understand.
    pub const fn is_forged(&self) -> bool {
        matches!(self, Self::Fault(fault) if !matches!(fault, LogError::Version { .. }))
            || matches!(self, Self::Introduction)
    }
}

/// The verified part of a run that was news.
#[derive(Debug, Clone)]
pub struct Taken {
    /// Its chain.
    pub chain: ChainNo,
    /// The run, as it will be stored.
    pub run: VerifiedRun,
    /// Whether it opened a second branch of its log.
    pub forked: bool,
}

/// What a run from a peer brought.
#[derive(Debug, Clone)]
pub enum Received {
    /// Entries that were not here.
    News(Taken),
    /// Nothing; the last entry of the run stands here.
    Known(EntryAt),
}

/// See the module.
#[derive(Debug, Clone)]
pub struct LogSet {
    workspace: WorkspaceId,
    chains: Vec<Chain>,
    by_log: BTreeMap<LogId, Vec<ChainNo>>,
    /// Entries by the first bytes of their id; several only where an author made them collide.
    by_prefix: BTreeMap<u64, EntryAt>,
    collisions: BTreeMap<u64, Vec<EntryAt>>,
    deps: DepIndex,
    waiting: BTreeMap<EntryId, Vec<ChainNo>>,
    /// Chains that may have something to apply.
    open: Vec<ChainNo>,
    bounds: bound::Bounds,
    recent: order::Recent,
}

impl LogSet {
    /// No logs yet.
    pub fn new(workspace: WorkspaceId) -> Self {
        Self {
            workspace,
            chains: Vec::new(),
            by_log: BTreeMap::new(),
            by_prefix: BTreeMap::new(),
            collisions: BTreeMap::new(),
            deps: DepIndex::default(),
            waiting: BTreeMap::new(),
            open: Vec::new(),
            bounds: bound::Bounds::default(),
            recent: order::Recent::default(),
        }
    }

    /// Every chain, by number.
    pub fn chains(&self) -> impl Iterator<Item = (ChainNo, &Chain)> {
        self.chains.iter().enumerate().map(|(number, chain)| (ChainNo(number as u32), chain))
    }

    /// One chain.
    pub fn chain(&self, number: ChainNo) -> Option<&Chain> {
        self.chains.get(number.0 as usize)
    }

    /// The chains of a log: one, or its branches.
    pub fn chains_of(&self, log: LogId) -> &[ChainNo] {
        self.by_log.get(&log).map_or(&[], Vec::as_slice)
    }

    /// The first chain of a log.
    pub fn first_chain(&self, log: LogId) -> Option<ChainNo> {
        self.chains_of(log).first().copied()
    }

    /// The id at a place, also below a branch's base.
    pub fn id_at(&self, at: EntryAt) -> Option<EntryId> {
        let mut chain = self.chain(at.chain)?;
        while at.position <= chain.base.position {
            match chain.parent {
                Some(parent) if at.position > 0 => chain = self.chain(parent.chain)?,
                _ => return (at.position == 0).then(|| log::start_of(chain.log)),
            }
        }
        chain.own_id(at.position)
    }

    /// Where an entry stands, if it is stored (or on its way to the disk).
    pub fn find(&self, id: EntryId) -> Option<EntryAt> {
        self.find_prefix(id.prefix()).into_iter().find(|at| self.id_at(*at) == Some(id))
    }

    /// Whether an entry is here and applied.
    pub fn has_applied(&self, id: EntryId) -> bool {
        self.find(id).is_some_and(|at| self.is_applied(at))
    }

    /// Every entry whose id starts so. See [`crate::id::OpId`].
    pub fn find_prefix(&self, prefix: u64) -> Vec<EntryAt> {
        let more = self.collisions.get(&prefix).into_iter().flatten();
        self.by_prefix.get(&prefix).into_iter().chain(more).copied().collect()
    }

    /// The head of a chain's durable part, `None` while nothing of its own is durable.
    pub fn durable_head(&self, number: ChainNo) -> Option<(LogId, Head)> {
        let chain = self.chain(number)?;
        if chain.durable <= chain.base.position {
            return None;
        }
        let id = chain.own_id(chain.durable)?;
        Some((chain.log, Head { position: chain.durable, id }))
    }

    /// Every durable head, sorted: what peers compare.
    pub fn durable_heads(&self) -> Vec<(LogId, Head)> {
        let mut heads: Vec<_> = self.chains().filter_map(|(number, _)| self.durable_head(number)).collect();
        heads.sort_unstable();
        heads
    }

    /// BLAKE3 over what peers must agree on: every durable head, but only what other devices name
    /// where a bound is passed.
    pub fn digest(&self) -> [u8; 32] {
        let mut hasher = blake3::Hasher::new_derive_key("velo 2026 frontier digest");
        for (log, head) in self.counted_heads() {
            hasher.update(&log.0).update(&head.position.to_le_bytes()).update(&head.id.0);
        }
        *hasher.finalize().as_bytes()
    }

    /// Heads of other logs that are applied and not in `known`, without those below another, each cut
    /// back to the last position that `worth` says to name. Surplus chains are left to the entries
    /// that made them applicable: see [`bound`].
    pub fn news(&self, own: LogId, known: &Frontier, worth: impl Fn(ChainNo, u64) -> u64) -> Vec<EntryAt> {
        let chains = self.chains().filter(|(_, chain)| chain.log != own && !chain.surplus);
        let heads = chains.map(|(number, chain)| {
            let position = worth(number, chain.applied);
            EntryAt { chain: number, position: if position > chain.base.position { position } else { 0 } }
        });
        let heads: Vec<_> = heads.filter(|at| !known.contains(*at)).collect();
        self.deps.maximal(&heads, known)
    }

    /// The past of entries; see [`DepIndex::past`].
    pub fn past(&self, of: &[EntryAt], known: Frontier) -> Frontier {
        self.deps.past(of, known)
    }

    /// Opens a new chain at the end of the numbering.
    fn add_chain(
        &mut self,
        log: LogId,
        origin: Origin,
        key: PublicKey,
        parent: Option<EntryAt>,
        end: ChainEnd,
    ) -> ChainNo {
        let number = ChainNo(self.chains.len() as u32);
        let base = end.head;
        let surplus = self.is_surplus(log, origin.device);
        self.chains.push(Chain {
            log,
            origin,
            key,
            parent,
            base,
            end,
            durable: base.position,
            applied: base.position,
            applied_hlc: Hlc(0),
            surplus,
            held_back: surplus,
            named: 0,
            passed: 0,
            left: 0,
            ids: Vec::new(),
            sizes: Vec::new(),
        });
        if let Some(left) = parent.and_then(|at| Some((at, self.chains.get_mut(at.chain.0 as usize)?))) {
            left.1.left = left.1.left.max(left.0.position);
        }
        self.by_log.entry(log).or_default().push(number);
        self.count_chain(log, origin.device);
        self.deps.add_chain(parent);
        number
    }

    /// Notes a verified run at the end of its chain: its entries are known, not yet durable.
    fn extend(&mut self, number: ChainNo, run: &VerifiedRun) {
        let Some(chain) = self.chains.get_mut(number.0 as usize) else { return };
        chain.end = run.end();
        for entry in run.entries() {
            chain.note(entry);
        }
        for entry in run.entries() {
            self.index(entry.id, EntryAt { chain: number, position: entry.position });
        }
    }

    fn index(&mut self, id: EntryId, at: EntryAt) {
        if let Some(first) = self.by_prefix.insert(id.prefix(), at) {
            self.by_prefix.insert(id.prefix(), first);
            self.collisions.entry(id.prefix()).or_default().push(at);
        }
    }

    /// Opens the own log, or a new incarnation of it.
    pub fn open_own(&mut self, origin: Origin, key: PublicKey) -> ChainNo {
        let log = origin.log_id(self.workspace);
        self.first_chain(log).unwrap_or_else(|| self.add_chain(log, origin, key, None, ChainEnd::start(log)))
    }

    /// Takes an own run, just written. [`LogSet::next_own`] then applies it.
    pub fn take_own(&mut self, chain: ChainNo, run: &VerifiedRun) {
        // Whatever bounds others meet, people see what they do themselves.
        self.release(EntryAt { chain, position: 0 });
        self.extend(chain, run);
        self.recent.add(chain, Arc::clone(run.read()));
    }

    /// Verifies a run from a peer and takes what is news of it.
    pub fn receive(&mut self, run: Run, reader: &dyn LogReader) -> Result<Received, Rejected> {
        let at_end = self
            .chains_of(run.log)
            .iter()
            .copied()
            .find(|number| self.chain(*number).is_some_and(|chain| chain.end.head == run.after));
        if let Some(number) = at_end {
            return self.take(number, run).map(Received::News);
        }
        if self.chains_of(run.log).is_empty() {
            return self.introduce(run).map(Received::News);
        }
        self.overlap(&run, reader)
    }

    /// The only way in for what others wrote: chain, seal, and that a log starts with the entry that
    /// introduces its device, whichever branch brings it.
    fn verify(
        &self,
        origin: &Origin,
        key: &PublicKey,
        end: ChainEnd,
        run: Run,
    ) -> Result<VerifiedRun, Rejected> {
        let run = log::verify_run(self.workspace, key, end, run)?;
        let first = run.entries().first().filter(|_| end.head.position == 0);
        if first.is_some_and(|first| !introduces(self.workspace, origin, first, &run.run().bytes)) {
            return Err(Rejected::Introduction);
        }
        Ok(run)
    }

    /// Takes a verified run at the end of its chain.
    fn accept(&mut self, chain: ChainNo, run: VerifiedRun, forked: bool) -> Taken {
        self.extend(chain, &run);
        self.recent.add(chain, Arc::clone(run.read()));
        Taken { chain, run, forked }
    }

    /// A run that continues a chain.
    fn take(&mut self, number: ChainNo, run: Run) -> Result<Taken, Rejected> {
        let chain = self.chain(number).ok_or(Rejected::Gap)?;
        if chain.held_back && !self.is_missed(chain.origin.device) {
            return Err(Rejected::Bound);
        }
        let run = self.verify(&chain.origin, &chain.key, chain.end, run)?;
        Ok(self.accept(number, run, false))
    }

    /// The first run of a log that was not known.
    fn introduce(&mut self, run: Run) -> Result<Taken, Rejected> {
        let (log, end) = (run.log, ChainEnd::start(run.log));
        let (Some(origin), 0) = (run.origin, run.after.position) else {
            return Err(if self.is_full() { Rejected::Bound } else { Rejected::Gap });
        };
        if origin.log_id(self.workspace) != log {
            return Err(LogError::WrongOrigin.into());
        }
        self.check_room(log, origin.device)?;
        let key =
            PublicKey::parse(&origin.device.0).map_err(|source| LogError::Seal { position: 0, source })?;
        let run = self.verify(&origin, &key, end, run)?;
        let number = self.add_chain(log, origin, key, None, end);
        Ok(self.accept(number, run, false))
    }

    /// What the store is told of a run.
    pub fn batch_run(&self, taken: &Taken) -> Option<BatchRun> {
        let chain = self.chain(taken.chain)?;
        let (run, end) = (taken.run.run().clone(), taken.run.end());
        Some(BatchRun { chain: taken.chain, origin: chain.origin, run, end })
    }

    /// A run is durable: [`LogSet::next_ready`] gives what can be applied now.
    pub fn persisted(&mut self, number: ChainNo, position: u64) {
        let Some(chain) = self.chains.get_mut(number.0 as usize) else { return };
        let before = chain.durable;
        chain.durable = before.max(position);
        if chain.held_back {
            self.wake_for_held(number, before);
        } else {
            self.open.push(number);
        }
    }
}

/// Whether an entry may stand at position 1: it brings the certificates of the log's device, of which the
/// root itself needs none. Whether
/// a joiner was invited is the access rule's matter: the invite need not be here yet.
fn introduces(workspace: WorkspaceId, origin: &Origin, entry: &Entry, bytes: &[u8]) -> bool {
    let (kind, body) = (entry.header.kind, entry.body(bytes));
    let Some(Ok(control)) = Control::read(kind, origin.person, body) else { return false };
    let is_root = origin.device.0 == origin.person.0;
    let leads_here = control.chain().last().map_or(is_root, |last| last.child == origin.device);
    let founds = || origin.founder && origin.workspace_id(entry.header_bytes(bytes), body) == workspace;
    match control {
        Control::Genesis(_) => leads_here && founds(),
        Control::Join(_) | Control::Link(_) => leads_here,
        _ => false,
    }
}
