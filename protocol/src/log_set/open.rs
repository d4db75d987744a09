//! Opening: from the stored chains back to markers, ids and dependency steps.

use super::LogSet;
use crate::{
    causality::Frontier,
    crypto::PublicKey,
    id::{EntryId, WorkspaceId},
    log::{self, ChainEnd, Head, Run},
    store::{ChainInfo, ChainNo, EntryAt, LogReader, StoreError},
};

/// What an applied entry named, before every log is read.
type NamedAt = (EntryAt, Vec<EntryId>);

/// What applied entries bring that is needed once every log is read.
#[derive(Default)]
struct Found {
    named: Vec<NamedAt>,
    /// Control entries, those that cite a grant, and the first of each branch.
    acts: Vec<EntryAt>,
}

/// The logs of a workspace as they were read from its store. That takes nothing but how far the saved state
/// reaches, so both can be read at the same time.
#[derive(Debug)]
pub struct ReadLogs {
    pub(crate) set: LogSet,
    /// Where the applied entries stand that the access rule has to know, in causal order.
    pub(crate) acts: Vec<EntryAt>,
}

impl ReadLogs {
    /// Reads every log. `applied` tells up to where each chain is applied in the saved state.
    pub fn read(
        workspace: WorkspaceId,
        reader: &dyn LogReader,
        applied: impl Fn(ChainNo) -> u64,
    ) -> Result<Self, StoreError> {
        let (set, acts) = LogSet::open(workspace, reader, applied)?;
        Ok(Self { set, acts })
    }
}

impl LogSet {
    /// Rebuilds the set from a store. `applied` tells up to where each chain is applied already;
    /// what lies behind is then given by [`LogSet::next_ready`]. Returns as well where the applied
    /// entries stand that the access rule has to know ([`Members::note`]), in causal order.
    ///
    /// [`Members::note`]: crate::members::Members::note
    pub fn open(
        workspace: WorkspaceId,
        reader: &dyn LogReader,
        applied: impl Fn(ChainNo) -> u64,
    ) -> Result<(Self, Vec<EntryAt>), StoreError> {
        let mut set = Self::new(workspace);
        let mut found = Found::default();
        for info in reader.chains() {
            let number = set.open_chain(&info)?;
            set.read_chain(number, &info, reader, applied(number), &mut found)?;
        }
        set.index_all();
        let Found { named, mut acts } = found;
        let find_all = |(at, ids): NamedAt| {
            let deps: Vec<EntryAt> = ids.iter().filter_map(|id| set.find(*id)).collect();
            (at, deps)
        };
        let named: Vec<_> = named.into_iter().map(find_all).collect();
        for (at, deps) in &named {
            set.deps.add(*at, deps.iter().copied());
        }
        for (at, deps) in &named {
            set.note_named(at.chain, deps);
        }
        set.open = (0..set.chains.len() as u32).rev().map(ChainNo).collect();
        // Whatever comes before something has a smaller past.
        acts.sort_by_cached_key(|at| (set.past(&[*at], Frontier::default()).size(), *at));
        Ok((set, acts))
    }

    fn open_chain(&mut self, info: &ChainInfo) -> Result<ChainNo, StoreError> {
        let damaged = |what: &str| StoreError::Read(format!("log {}: {what}", info.log.short()));
        let key =
            PublicKey::parse(&info.origin.device.0).map_err(|_| damaged("its author's key is not usable"))?;
        let parent = match info.base.position {
            0 => None,
            _ => Some(self.find_in(info).ok_or_else(|| damaged("a branch without its log"))?),
        };
        let base = ChainEnd { head: info.base, entries: 0, bytes: 0 };
        Ok(self.add_chain(info.log, info.origin, key, parent, base))
    }

    /// Where a branch leaves another chain of its log. Nothing is indexed yet.
    fn find_in(&self, branch: &ChainInfo) -> Option<EntryAt> {
        let Head { position, id } = branch.base;
        let holds =
            |number: &ChainNo| self.chain(*number).and_then(|chain| chain.own_id(position)) == Some(id);
        let chain = self.chains_of(branch.log).iter().copied().find(holds)?;
        Some(EntryAt { chain, position })
    }

    /// Indexes all entries at once, sorted first: in the order of the chains each would go to another place of
    /// the tree.
    fn index_all(&mut self) {
        let mut all = Vec::with_capacity(self.chains.iter().map(|chain| chain.ids.len()).sum());
        for (number, chain) in (0..).map(ChainNo).zip(&self.chains) {
            let places = (chain.base.position + 1..).map(|position| EntryAt { chain: number, position });
            all.extend(chain.ids.iter().map(EntryId::prefix).zip(places));
        }
        // Stable: of those that collide the first stays the first.
        all.sort_by_key(|(prefix, _)| *prefix);
        all.dedup_by(|later, first| {
            let collides = later.0 == first.0;
            if collides {
                self.collisions.entry(later.0).or_default().push(later.1);
            }
            collides
        });
        self.by_prefix = all.into_iter().collect();
    }

    fn read_chain(
        &mut self,
        number: ChainNo,
        info: &ChainInfo,
        reader: &dyn LogReader,
        applied: u64,
        found: &mut Found,
    ) -> Result<(), StoreError> {
        let mut position = info.base.position;
        while let Some(run) = reader.read_run(number, position)? {
            position = self.note_run(number, &run, applied, found)?;
        }
        if let Some(chain) = self.chains.get_mut(number.0 as usize) {
            chain.end = info.end;
            chain.durable = info.end.head.position;
        }
        Ok(())
    }

    /// Notes ids and dependencies of one stored run; returns its last position.
    fn note_run(
        &mut self,
        number: ChainNo,
        run: &Run,
        applied: u64,
        found: &mut Found,
    ) -> Result<u64, StoreError> {
        let entries = log::parse_entries(run.after, &run.bytes)
            .map_err(|error| StoreError::Read(format!("log {}: {error}", run.log.short())))?;
        let mut last = run.after.position;
        for entry in entries {
            let at = EntryAt { chain: number, position: entry.position };
            last = entry.position;
            let Some(chain) = self.chains.get_mut(number.0 as usize) else { break };
            chain.note(&entry);
            if entry.position <= applied {
                chain.applied = entry.position;
                chain.applied_hlc = entry.header.hlc;
                chain.held_back = false;
                let is_first = entry.position == chain.base.position + 1;
                if is_first || entry.header.kind.is_control() || entry.header.auth.is_some() {
                    found.acts.push(at);
                }
                if !entry.header.deps.is_empty() {
                    found.named.push((at, entry.header.deps));
                }
            }
        }
        Ok(last)
    }
}
