//! Applying in causal order.

use super::LogSet;
use crate::{
    id::EntryId,
    limits,
    log::{Entry, Run, VerifiedRun},
    store::{ChainNo, EntryAt, LogReader, StoreError},
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// An entry whose dependencies are all applied.
#[derive(Debug, Clone)]
pub struct Ready {
    /// Where it stands.
    pub at: EntryAt,
    run: Arc<VerifiedRun>,
    index: usize,
}

impl Ready {
    /// The entry.
    pub fn entry(&self) -> &Entry {
        &self.run.entries()[self.index]
    }

    /// Its body.
    pub fn body(&self) -> &[u8] {
        self.entry().body(&self.run.run().bytes)
    }
}

/// Runs seen lately, the oldest leaving first.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent {
    runs: BTreeMap<(ChainNo, u64), Arc<VerifiedRun>>,
    order: VecDeque<(ChainNo, u64)>,
    bytes: usize,
}

impl Recent {
    pub(super) fn add(&mut self, chain: ChainNo, run: Arc<VerifiedRun>) {
        let key = (chain, run.run().after.position + 1);
        self.bytes += run.run().bytes.len();
        if let Some(old) = self.runs.insert(key, run) {
            self.bytes -= old.run().bytes.len();
        } else {
            self.order.push_back(key);
        }
        while self.bytes > limits::RECENT_RUN_BYTES {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some(old) = self.runs.remove(&oldest) {
                self.bytes -= old.run().bytes.len();
            }
        }
    }

    fn find(&self, at: EntryAt) -> Option<(Arc<VerifiedRun>, usize)> {
        let ((chain, first), run) = self.runs.range(..=(at.chain, at.position)).next_back()?;
        if *chain != at.chain {
            return None;
        }
        let index = at.position.checked_sub(*first)? as usize;
        (index < run.entries().len()).then(|| (Arc::clone(run), index))
    }
}

impl LogSet {
    /// Everything that can be applied now that `chain` is known up to `limit`, in causal order. The
    /// entries count as applied; the caller applies them at once.
    pub fn ready(
        &mut self,
        chain: ChainNo,
        limit: u64,
        reader: &dyn LogReader,
    ) -> Result<Vec<Ready>, StoreError> {
        let mut ready = Vec::new();
        let mut open = vec![(chain, limit)];
        while let Some((chain, limit)) = open.pop() {
            while let Some(next) = self.next_of(chain, limit, reader)? {
                let id = next.entry().id;
                if !self.mark_applied(&next) {
                    break;
                }
                ready.push(next);
                for woken in self.waiting.remove(&id).into_iter().flatten() {
                    let durable = self.chain(woken).map_or(0, |chain| chain.durable);
                    open.push((woken, durable));
                }
            }
        }
        Ok(ready)
    }

    /// The next entry of a chain that is not applied yet.
    fn next_of(
        &mut self,
        number: ChainNo,
        limit: u64,
        reader: &dyn LogReader,
    ) -> Result<Option<Ready>, StoreError> {
        let Some(chain) = self.chain(number) else { return Ok(None) };
        let at = EntryAt { chain: number, position: chain.applied + 1 };
        if at.position > limit || self.parent_is_behind(number) {
            return Ok(None);
        }
        if let Some((run, index)) = self.recent.find(at) {
            return Ok(Some(Ready { at, run, index }));
        }
        let Some(run) = reader.read_run(number, at.position - 1)? else { return Ok(None) };
        let run = VerifiedRun::stored(run).map_err(|error| StoreError::Read(error.to_string()))?;
        self.recent.add(number, Arc::new(run));
        Ok(self.recent.find(at).map(|(run, index)| Ready { at, run, index }))
    }

    /// A branch waits, like any dependency, for the part of the chain that it left.
    fn parent_is_behind(&mut self, number: ChainNo) -> bool {
        let parent = self.chain(number).and_then(|chain| chain.parent);
        match parent {
            Some(parent) if !self.is_applied(parent) => {
                self.id_at(parent).is_some_and(|id| self.wait(number, id))
            }
            _ => false,
        }
    }

    fn wait(&mut self, chain: ChainNo, id: EntryId) -> bool {
        let waiting = self.waiting.entry(id).or_default();
        if !waiting.contains(&chain) {
            waiting.push(chain);
        }
        true
    }

    /// Whether an entry is applied.
    pub fn is_applied(&self, at: EntryAt) -> bool {
        self.chain(at.chain).is_some_and(|chain| {
            if at.position > chain.base.position {
                return at.position <= chain.applied;
            }
            // Below a branch's base the entry belongs to the chain that the branch left.
            chain.parent.is_none_or(|parent| self.is_applied(EntryAt { position: at.position, ..parent }))
        })
    }

    /// Counts an entry as applied, or makes its chain wait for a dependency.
    fn mark_applied(&mut self, next: &Ready) -> bool {
        let header = &next.entry().header;
        let mut deps = Vec::with_capacity(header.deps.len());
        for dep in &header.deps {
            match self.find(*dep).filter(|at| self.is_applied(*at)) {
                Some(at) => deps.push(at),
                None => return !self.wait(next.at.chain, *dep),
            }
        }
        self.deps.add(next.at, deps);
        if let Some(chain) = self.chains.get_mut(next.at.chain.0 as usize) {
            chain.applied = next.at.position;
            chain.applied_hlc = header.hlc;
        }
        true
    }
}

impl LogSet {
    /// The run that follows `position` and ends the durable part of a chain, if it came just now: a
    /// live edit is passed on without reading it back.
    pub fn latest_run(&self, number: ChainNo, position: u64) -> Option<Run> {
        let durable = self.chain(number)?.durable;
        let run = self.recent.runs.get(&(number, position + 1))?;
        (run.end().head.position == durable).then(|| run.run().clone())
    }
}

/// Reads single entries, wherever they are, and keeps what it read at hand: neighbours are often
/// asked for next.
pub struct EntryReader<'a> {
    logs: &'a LogSet,
    reader: &'a dyn LogReader,
    recent: RefCell<Recent>,
}

impl<'a> EntryReader<'a> {
    /// A reader of the entries of `logs`.
    pub fn new(logs: &'a LogSet, reader: &'a dyn LogReader) -> Self {
        Self { logs, reader, recent: RefCell::new(Recent::default()) }
    }

    /// The entry at a place; `None` if it is not stored or cannot be read.
    pub fn read(&self, at: EntryAt) -> Option<Ready> {
        let found = self.logs.recent.find(at).or_else(|| self.recent.borrow().find(at));
        if let Some((run, index)) = found {
            return Some(Ready { at, run, index });
        }
        let run = self.reader.read_run(at.chain, at.position.checked_sub(1)?).ok().flatten()?;
        let run = VerifiedRun::stored(run).ok()?;
        self.recent.borrow_mut().add(at.chain, Arc::new(run));
        let (run, index) = self.recent.borrow().find(at)?;
        Some(Ready { at, run, index })
    }
}
