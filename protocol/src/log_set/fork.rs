//! Runs that do not simply continue a chain: repeats, overlaps and forks.

use super::{LogSet, Received, Rejected, Taken};
use crate::{
    id::LogId,
    limits,
    log::{self, ChainEnd, Entry, Head, LogError, Run},
    store::{EntryAt, LogReader},
};

impl LogSet {
    /// Takes from a run of a known log what is news.
    pub(super) fn overlap(&mut self, run: &Run, reader: &dyn LogReader) -> Result<Received, Rejected> {
        if run.bytes.len() > limits::RUN_BYTES {
            return Err(LogError::TooLarge { position: run.after.position, what: "run" }.into());
        }
        let entries = log::parse_entries(run.after, &run.bytes)?;
        let Some(mut at) = self.locate(run) else { return Err(self.gap(run.log)) };
        let known = entries.iter().take_while(|entry| match self.step(at, entry) {
            Some(next) => {
                at = next;
                true
            }
            None => false,
        });
        let known = known.count();
        let Some(first_new) = entries.get(known) else { return Ok(Received::Known(at)) };
        let rest = rest_of(run, &entries, known, first_new)?;
        let chain = self.chain(at.chain).ok_or(Rejected::Gap)?;
        if chain.end.head == rest.after {
            return self.take(at.chain, rest).map(Received::News);
        }
        self.branch(at, rest, reader).map(Received::News)
    }

    fn locate(&self, run: &Run) -> Option<EntryAt> {
        if run.after.position == 0 {
            let first = self.first_chain(run.log)?;
            return (log::start_of(run.log) == run.after.id).then_some(EntryAt { chain: first, position: 0 });
        }
        let at = self.find(run.after.id)?;
        let of_log = self.chain(at.chain).is_some_and(|chain| chain.log == run.log);
        (of_log && at.position == run.after.position).then_some(at)
    }

    /// From a known place one entry on, if that entry is known: on the same chain, or on a branch
    /// that leaves there.
    fn step(&self, at: EntryAt, entry: &Entry) -> Option<EntryAt> {
        let next = EntryAt { chain: at.chain, position: at.position + 1 };
        if self.id_at(next) == Some(entry.id) {
            return Some(next);
        }
        self.find(entry.id).filter(|found| {
            found.position == next.position
                && self.chain(found.chain).map(|chain| chain.log)
                    == self.chain(at.chain).map(|chain| chain.log)
        })
    }

    /// Why a run that follows nothing here is not taken: where a bound is passed, it most likely
    /// follows what was refused, and comparing heads would not bring that either.
    fn gap(&self, log: LogId) -> Rejected {
        let chain = self.first_chain(log).and_then(|number| self.chain(number));
        match chain {
            Some(chain) if self.is_crowded(chain) && !self.is_missed(chain.origin.device) => Rejected::Bound,
            _ => Rejected::Gap,
        }
    }

    /// Opens a second branch at `at`.
    fn branch(&mut self, at: EntryAt, rest: Run, reader: &dyn LogReader) -> Result<Taken, Rejected> {
        let chain = self.chain(at.chain).ok_or(Rejected::Gap)?;
        let (log, origin, key) = (chain.log, chain.origin, chain.key);
        self.check_room(log, origin.device)?;
        let end = self.end_at(at, reader)?;
        // Verify before a chain is opened: only a valid seal proves a fork.
        let run = self.verify(&origin, &key, end, rest)?;
        // The start of the log is nobody's entry: a branch there has no parent to wait for.
        let parent = (at.position > 0).then_some(at);
        let number = self.add_chain(log, origin, key, parent, end);
        Ok(self.accept(number, run, true))
    }

    /// The chain's end as it was at `at`, with its distance to the last checkpoint: a checkpoint
    /// lies in every stretch of [`limits::CHECKPOINT_ENTRIES`], so the store is read from there.
    fn end_at(&self, at: EntryAt, reader: &dyn LogReader) -> Result<ChainEnd, Rejected> {
        let log = self.chain(at.chain).ok_or(Rejected::Gap)?.log;
        if at.position == 0 {
            return Ok(ChainEnd::start(log));
        }
        let window = u64::from(limits::CHECKPOINT_ENTRIES) + 1;
        let mut from = at.position.saturating_sub(window);
        let mut end: Option<ChainEnd> = (from == 0).then(|| ChainEnd::start(log));
        while from < at.position {
            let place = self.home_of(EntryAt { chain: at.chain, position: from + 1 }).ok_or(Rejected::Gap)?;
            let run = reader.read_run(place.chain, from).ok().flatten().ok_or(Rejected::Gap)?;
            let entries = log::parse_entries(run.after, &run.bytes)?;
            let before = from;
            for entry in entries.iter().take_while(|entry| entry.position <= at.position) {
                if self.id_at(EntryAt { chain: at.chain, position: entry.position }) != Some(entry.id) {
                    break;
                }
                from = entry.position;
                if let Some(end) = &mut end {
                    end.advance(entry.id, entry.at[2] - entry.at[0]);
                }
            }
            if from == before {
                return Err(Rejected::Gap);
            }
            let whole = entries.last().is_some_and(|last| last.position == from);
            if end.is_none() && whole && from < at.position {
                // A run ends early only at a checkpoint: counting starts anew behind it.
                let id = self.id_at(EntryAt { chain: at.chain, position: from }).ok_or(Rejected::Gap)?;
                end = Some(ChainEnd { head: Head { position: from, id }, entries: 0, bytes: 0 });
            }
        }
        // The window is longer than any stretch without a checkpoint, so one was passed.
        end.ok_or(Rejected::Gap)
    }

    /// The chain that holds a place itself, rather than below its base.
    fn home_of(&self, mut at: EntryAt) -> Option<EntryAt> {
        loop {
            let chain = self.chain(at.chain)?;
            match chain.parent {
                Some(parent) if at.position <= chain.base.position => at.chain = parent.chain,
                _ => return Some(at),
            }
        }
    }
}

fn rest_of(run: &Run, entries: &[Entry], known: usize, first_new: &Entry) -> Result<Run, LogError> {
    let after = match known.checked_sub(1).and_then(|last| entries.get(last)) {
        Some(last) => Head { position: last.position, id: last.id },
        None => run.after,
    };
    let bytes = run.bytes.get(first_new.at[0] as usize..).ok_or(LogError::Empty)?.to_vec();
    Ok(Run { origin: None, log: run.log, after, bytes, seal: run.seal })
}
