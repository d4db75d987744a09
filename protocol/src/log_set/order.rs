//! Applying in causal order.
//!
//! [`LogSet::next_ready`] hands out one entry at a time, and an entry counts as applied when it is
//! handed out. Chains that may go on stand on a stack that outlives the call: if reading fails
//! half-way, everything handed out was applied, and nothing else counts as applied.

use super::LogSet;
use crate::{
    id::EntryId,
    keys::ciphers::{Ciphers, Contents},
    limits,
    log::{Entry, Header, Origin, ReadRun, Run, VerifiedRun},
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
    run: Arc<ReadRun>,
    index: usize,
}

impl Ready {
    /// The entry.
    pub fn entry(&self) -> &Entry {
        &self.run.entries()[self.index]
    }

    /// What it says, as far as that can be read.
    pub fn open(&self, ciphers: &Ciphers) -> Contents<'_> {
        let run = self.run.run();
        let before = self.index.checked_sub(1).and_then(|before| self.run.entries().get(before));
        let previous = before.map_or(run.after.id, |before| before.id);
        ciphers.open(run.log, previous, self.entry(), &run.bytes)
    }

    /// The same with its author and what it says.
    pub fn turn<'a>(&'a self, origin: &'a Origin, contents: &'a Contents<'_>) -> Turn<'a> {
        let Entry { id, ref header, .. } = *self.entry();
        let body = match contents {
            Contents::Plain(bytes) => Body::Plain(bytes),
            Contents::Locked(epoch) => Body::Locked(*epoch),
            Contents::Refused => Body::Refused,
        };
        Turn { at: self.at, id, origin, header, body }
    }
}

/// What an entry says. See [`Contents`].
#[derive(Debug, Clone, Copy)]
pub enum Body<'a> {
    /// In plain.
    Plain(&'a [u8]),
    /// Under the key of an epoch that is not held.
    Locked(EntryId),
    /// Nobody can read it.
    Refused,
}

impl<'a> Body<'a> {
    /// The bytes, if they can be read.
    pub fn plain(self) -> Option<&'a [u8]> {
        if let Self::Plain(bytes) = self { Some(bytes) } else { None }
    }
}

/// An entry whose turn has come, with its author.
#[derive(Debug, Clone, Copy)]
pub struct Turn<'a> {
    /// Where it stands.
    pub at: EntryAt,
    /// Its id.
    pub id: EntryId,
    /// Whose log it stands in.
    pub origin: &'a Origin,
    /// Its header.
    pub header: &'a Header,
    /// What it says.
    pub body: Body<'a>,
}

/// Runs seen lately, the oldest leaving first.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent {
    runs: BTreeMap<(ChainNo, u64), Arc<ReadRun>>,
    order: VecDeque<(ChainNo, u64)>,
    bytes: usize,
}

/// Bytes that a run takes in memory: one of a single small entry takes several times those on the wire.
fn memory_of(run: &ReadRun) -> usize {
    let named = run.entries().iter().map(|entry| size_of_val(&*entry.header.deps)).sum::<usize>();
    let places = 2 * size_of::<(ChainNo, u64)>() + size_of::<Arc<ReadRun>>();
    size_of::<ReadRun>() + places + run.run().bytes.len() + size_of_val(run.entries()) + named
}

impl Recent {
    pub(super) fn add(&mut self, chain: ChainNo, run: Arc<ReadRun>) {
        let key = (chain, run.run().after.position + 1);
        self.bytes += memory_of(&run);
        if let Some(old) = self.runs.insert(key, run) {
            self.bytes -= memory_of(&old);
        } else {
            self.order.push_back(key);
        }
        while self.bytes > limits::RECENT_RUN_BYTES {
            let Some(oldest) = self.order.pop_front() else { break };
            if let Some(old) = self.runs.remove(&oldest) {
                self.bytes -= memory_of(&old);
            }
        }
    }

    fn find(&self, at: EntryAt) -> Option<(Arc<ReadRun>, usize)> {
        let ((chain, first), run) = self.runs.range(..=(at.chain, at.position)).next_back()?;
        if *chain != at.chain {
            return None;
        }
        let index = at.position.checked_sub(*first)? as usize;
        (index < run.entries().len()).then(|| (Arc::clone(run), index))
    }
}

impl LogSet {
    /// The next durable entry that can be applied, in causal order. It counts as applied; the
    /// caller applies it before asking again. An error is about one chain, which is tried again
    /// when more of it becomes durable; the others go on with the next call.
    pub fn next_ready(&mut self, reader: &dyn LogReader) -> Result<Option<Ready>, StoreError> {
        while let Some(number) = self.open.pop() {
            let Some(next) = self.next_of(number, reader)? else { continue };
            if self.mark_applied(&next) {
                self.open.push(number);
                return Ok(Some(next));
            }
        }
        Ok(None)
    }

    /// The next entry of an own run just written. It counts as applied, before it is durable:
    /// people see at once what they did. Nothing is read from the disk.
    pub fn next_own(&mut self, number: ChainNo, run: &VerifiedRun) -> Option<Ready> {
        let applied = self.chain(number)?.applied;
        let index = applied.checked_sub(run.run().after.position)? as usize;
        run.entries().get(index)?;
        let at = EntryAt { chain: number, position: applied + 1 };
        let next = Ready { at, run: Arc::clone(run.read()), index };
        self.mark_applied(&next).then_some(next)
    }

    /// The next durable entry of a chain that is not applied yet.
    fn next_of(&mut self, number: ChainNo, reader: &dyn LogReader) -> Result<Option<Ready>, StoreError> {
        let Some(chain) = self.chain(number) else { return Ok(None) };
        let at = EntryAt { chain: number, position: chain.applied + 1 };
        if at.position > chain.durable || chain.held_back || self.parent_is_behind(number) {
            return Ok(None);
        }
        if let Some((run, index)) = self.recent.find(at) {
            return Ok(Some(Ready { at, run, index }));
        }
        let lost = || StoreError::Read(format!("the entry at {} of a log is missing", at.position));
        let run = reader.read_run(number, at.position - 1)?.ok_or_else(lost)?;
        let run = ReadRun::parse(run).map_err(|error| StoreError::Read(error.to_string()))?;
        self.recent.add(number, Arc::new(run));
        Ok(self.recent.find(at).map(|(run, index)| Ready { at, run, index }))
    }

    /// A branch waits, like any dependency, for the part of the chain that it left.
    fn parent_is_behind(&mut self, number: ChainNo) -> bool {
        let Some(parent) = self.chain(number).and_then(|chain| chain.parent) else { return false };
        if self.is_applied(parent) {
            return false;
        }
        self.id_at(parent).is_some_and(|id| self.wait(number, id))
    }

    fn wait(&mut self, chain: ChainNo, id: EntryId) -> bool {
        let waiting = self.waiting.entry(id).or_default();
        if !waiting.contains(&chain) {
            waiting.push(chain);
        }
        true
    }

    /// Lets go on what waited for an entry.
    pub(super) fn wake(&mut self, id: EntryId) {
        self.open.extend(self.waiting.remove(&id).into_iter().flatten());
    }

    /// Whether an entry is applied.
    pub fn is_applied(&self, at: EntryAt) -> bool {
        let mut next = Some(at.chain);
        while let Some(chain) = next.and_then(|number| self.chain(number)) {
            if at.position > chain.base.position {
                return at.position <= chain.applied;
            }
            // Below a branch's base the entry belongs to the chain that the branch left.
            let Some(parent) = chain.parent else { return true };
            next = Some(parent.chain);
        }
        false
    }

    /// Counts an entry as applied and wakes what waited for it, or makes its chain wait for a
    /// dependency. An entry that is not well-formed ends its chain here.
    fn mark_applied(&mut self, next: &Ready) -> bool {
        let entry = next.entry();
        let Some(deps) = self.held_deps(next) else { return false };
        if !self.is_well_formed(next.at, &deps) {
            return false;
        }
        for (dep, id) in deps.iter().zip(&entry.header.deps) {
            if !self.is_applied(*dep) {
                self.release(*dep);
                return !self.wait(next.at.chain, *id);
            }
        }
        self.note_named(next.at.chain, &deps);
        self.deps.add(next.at, deps);
        if let Some(chain) = self.chains.get_mut(next.at.chain.0 as usize) {
            chain.applied = next.at.position;
            chain.applied_hlc = entry.header.hlc;
        }
        self.wake(entry.id);
        true
    }

    /// Where the dependencies of an entry stand, if all of them are here; else its chain waits.
    fn held_deps(&mut self, next: &Ready) -> Option<Vec<EntryAt>> {
        let named = &next.entry().header.deps;
        let mut deps = Vec::with_capacity(named.len());
        for id in named {
            let Some(at) = self.find(*id) else {
                self.wait(next.at.chain, *id);
                return None;
            };
            deps.push(at);
        }
        Some(deps)
    }
}

impl LogSet {
    /// The run that follows `position` and ends the durable part of a chain, if it came just now: a
    /// live edit is passed on without reading it back.
    pub fn latest_run(&self, number: ChainNo, position: u64) -> Option<Run> {
        let durable = self.chain(number)?.durable;
        let run = self.recent.runs.get(&(number, position + 1))?;
        (run.entries().last()?.position == durable).then(|| run.run().clone())
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
        self.try_read(at).ok()
    }

    /// The entry at a place, or why it cannot be read.
    pub fn try_read(&self, at: EntryAt) -> Result<Ready, StoreError> {
        let found = self.logs.recent.find(at).or_else(|| self.recent.borrow().find(at));
        if let Some((run, index)) = found {
            return Ok(Ready { at, run, index });
        }
        let lost = || StoreError::Read(format!("the entry at {} of a log is missing", at.position));
        let before = at.position.checked_sub(1).ok_or_else(lost)?;
        let run = self.reader.read_run(at.chain, before)?.ok_or_else(lost)?;
        let run = ReadRun::parse(run).map_err(|error| StoreError::Read(error.to_string()))?;
        self.recent.borrow_mut().add(at.chain, Arc::new(run));
        let (run, index) = self.recent.borrow().find(at).ok_or_else(lost)?;
        Ok(Ready { at, run, index })
    }
}
