//! What every store needs to know of its chains, wherever their bytes lie.
//!
//! Live edits are stored as many runs of one entry; peers are served runs that reach the next
//! checkpoint. [`ChainTable`] therefore keeps, for each chain, its *spans*: from one checkpoint to
//! the next, with the pieces of storage that hold it. Only the id at the start of a span is kept in
//! memory; ids inside it are computed again from at most 256 entries.
//!
//! ```text
//! chain 0   base ──span──┬──span──┬──span── end     ┬ checkpoint: its seal is kept for ever
//!                        │        └ pieces: [run][run][run]   only the last seal is needed
//! chain 1                └ base (a fork) ──span── end
//! ```

use super::{BatchRun, ChainInfo, ChainNo, StoreError};
use crate::{
    crypto::Sig,
    id::{EntryId, LogId},
    log::{ChainEnd, Head, Origin, Run, parse_entries, start_of},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A run as it was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredRun {
    /// Position of the entry before its first.
    pub after: u64,
    /// How many entries it holds.
    pub entries: u32,
    /// Headers and bodies.
    pub bytes: Vec<u8>,
    /// Over its last entry.
    pub seal: Sig,
}

/// Where the bytes are.
pub trait PieceSource {
    /// Names a place that holds one or more runs of one chain.
    type Piece: Clone;

    /// The runs of `piece` in order.
    fn read(&self, piece: &Self::Piece) -> Result<Vec<StoredRun>, StoreError>;
}

/// The chains of a store; `P` says where a piece of one lies. Serialised, it is a store's index.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ChainTable<P> {
    chains: Vec<Chain<P>>,
    by_log: BTreeMap<LogId, Vec<ChainNo>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Chain<P> {
    log: LogId,
    origin: Origin,
    /// Where it begins, with the counters towards the next checkpoint.
    base: ChainEnd,
    /// The chain it left at its base.
    left: Option<ChainNo>,
    end: ChainEnd,
    /// Never empty; the first starts at the base.
    spans: Vec<Span<P>>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Span<P> {
    after: Head,
    pieces: Vec<P>,
}

/// A piece, and the last position in it that belongs to the chain at hand.
#[derive(Debug, Clone)]
struct Part<P> {
    piece: P,
    up_to: u64,
}

/// A span as it is to be read: from `after` to `end`.
#[derive(Debug, Clone)]
struct Segment<P> {
    after: Head,
    end: u64,
    parts: Vec<Part<P>>,
}

/// What has to be read to answer for a run: made under a store's lock, carried out without it.
#[derive(Debug, Clone)]
pub struct RunPlan<P> {
    origin: Origin,
    log: LogId,
    position: u64,
    segment: Segment<P>,
}

/// What has to be read to answer for an entry's id.
#[derive(Debug, Clone)]
pub enum IdPlan<P> {
    /// Nothing.
    Known(EntryId),
    /// A span.
    Read(RunPlan<P>),
}

impl<P> Default for ChainTable<P> {
    fn default() -> Self {
        Self { chains: Vec::new(), by_log: BTreeMap::new() }
    }
}

/// The counters at which a run started that ended at `end`.
///
/// A run never crosses a due checkpoint, so what it added can be taken off again.
pub fn end_before(run: &Run, end: &ChainEnd) -> ChainEnd {
    let entries = end.head.position.saturating_sub(run.after.position) as u32;
    ChainEnd {
        head: run.after,
        entries: end.entries.saturating_sub(entries),
        bytes: end.bytes.saturating_sub(run.bytes.len() as u32),
    }
}

impl<P: Clone> ChainTable<P> {
    /// How many chains there are.
    pub fn len(&self) -> usize {
        self.chains.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.chains.is_empty()
    }

    /// Whether every branch leaves a chain before it, as in each table that was built run by run. One
    /// that was read from a file may be anything, and in a circle of branches nobody finds an entry.
    pub fn is_sound(&self) -> bool {
        let numbered = self.chains.iter().zip(0..);
        let mut left = numbered.filter_map(|(chain, no)| Some((chain.left?.0, no)));
        left.all(|(left, no)| left < no)
    }

    /// Every chain, by number.
    pub fn infos(&self) -> Vec<ChainInfo> {
        let info = |chain: &Chain<P>| ChainInfo {
            log: chain.log,
            origin: chain.origin,
            base: chain.base.head,
            end: chain.end,
        };
        self.chains.iter().map(info).collect()
    }

    /// The end of a chain; `None` if there is no such chain.
    pub fn end(&self, chain: ChainNo) -> Option<ChainEnd> {
        self.get(chain).map(|chain| chain.end)
    }

    /// Log, origin and base of a chain.
    pub fn definition(&self, chain: ChainNo) -> Option<(LogId, Origin, ChainEnd)> {
        self.get(chain).map(|chain| (chain.log, chain.origin, chain.base))
    }

    /// The chain of `log` that ends at `head`.
    pub fn ending_at(&self, log: LogId, head: Head) -> Option<ChainNo> {
        let mut chains = self.by_log.get(&log).into_iter().flatten().copied();
        chains.find(|no| self.end(*no).is_some_and(|end| end.head == head))
    }

    fn get(&self, chain: ChainNo) -> Option<&Chain<P>> {
        self.chains.get(chain.0 as usize)
    }

    /// Whether `runs` may be appended one after the other: each continues its chain or starts the
    /// next one.
    pub fn check(&self, runs: &[BatchRun]) -> Result<(), StoreError> {
        let mut ends: BTreeMap<ChainNo, Head> = BTreeMap::new();
        let mut next = ChainNo(self.chains.len() as u32);
        for item in runs {
            let end = ends.get(&item.chain).copied().or_else(|| self.end(item.chain).map(|end| end.head));
            let follows = match end {
                Some(end) => end == item.run.after,
                None => item.chain == next,
            };
            if !follows {
                let (no, at) = (item.chain.0, item.run.after.position);
                return Err(StoreError::Write(format!("a run does not continue chain {no} at {at}")));
            }
            if end.is_none() {
                next.0 += 1;
            }
            ends.insert(item.chain, item.end.head);
        }
        Ok(())
    }

    /// The chain that one with this base leaves. `None` at the start of a log, and if no chain
    /// holds the base.
    pub fn left_by<S>(&self, log: LogId, base: Head, source: &S) -> Result<Option<ChainNo>, StoreError>
    where
        S: PieceSource<Piece = P>,
    {
        if base.position == 0 {
            return Ok(None);
        }
        for &no in self.by_log.get(&log).into_iter().flatten() {
            let id = self.plan_id(no, base.position).map(|plan| plan.carry_out(source)).transpose()?;
            if id.flatten() == Some(base.id) {
                return Ok(Some(no));
            }
        }
        Ok(None)
    }

    /// Adds a chain without entries. Its first run must follow before anything is asked of it.
    pub fn start_chain(
        &mut self,
        log: LogId,
        origin: Origin,
        base: ChainEnd,
        left: Option<ChainNo>,
    ) -> ChainNo {
        let spans = vec![Span { after: base.head, pieces: Vec::new() }];
        let no = ChainNo(self.chains.len() as u32);
        self.chains.push(Chain { log, origin, base, left, end: base, spans });
        self.by_log.entry(log).or_default().push(no);
        no
    }

    /// Notes that `chain` reaches `end` with `piece`. `merge` is offered the last piece of the same
    /// span and may take the new one into it.
    pub fn extend(
        &mut self,
        chain: ChainNo,
        end: ChainEnd,
        piece: P,
        merge: impl FnOnce(&mut P, &P) -> bool,
    ) {
        let Some(chain) = self.chains.get_mut(chain.0 as usize) else {
            return;
        };
        if chain.end.checkpoint_due() && chain.end.head != chain.base.head {
            chain.spans.push(Span { after: chain.end.head, pieces: Vec::new() });
        }
        chain.end = end;
        let Some(span) = chain.spans.last_mut() else {
            return;
        };
        let merged = span.pieces.last_mut().is_some_and(|last| merge(last, &piece));
        if !merged {
            span.pieces.push(piece);
        }
    }

    fn segment(&self, chain: ChainNo, position: u64) -> Option<Segment<P>> {
        let chain = self.get(chain)?;
        let base = chain.base.head.position;
        if position >= base {
            return chain.span_at(position);
        }
        // The numbers go down from branch to branch, so this ends.
        let mut segment = self.segment(chain.left?, position)?;
        if segment.end > base {
            segment.parts.iter_mut().for_each(|part| part.up_to = part.up_to.min(base));
            let own = chain.span_at(base)?;
            segment.parts.extend(own.parts);
            segment.end = own.end;
        }
        Some(segment)
    }

    /// How to answer [`super::LogReader::read_run`].
    pub fn plan_run(&self, chain: ChainNo, position: u64) -> Option<RunPlan<P>> {
        let segment = self.segment(chain, position)?;
        let chain = self.get(chain)?;
        Some(RunPlan { origin: chain.origin, log: chain.log, position, segment })
    }

    /// How to answer [`super::LogReader::entry_id`].
    pub fn plan_id(&self, no: ChainNo, position: u64) -> Option<IdPlan<P>> {
        let chain = self.get(no)?;
        if position == 0 {
            return Some(IdPlan::Known(start_of(chain.log)));
        }
        let known = [chain.end.head, chain.base.head].into_iter().find(|head| head.position == position);
        if let Some(head) = known {
            return Some(IdPlan::Known(head.id));
        }
        if position < chain.base.head.position {
            return self.plan_id(chain.left?, position);
        }
        let plan = self.plan_run(no, position)?;
        let start = plan.segment.after;
        Some(if start.position == position { IdPlan::Known(start.id) } else { IdPlan::Read(plan) })
    }
}

impl<P: Clone> Chain<P> {
    fn span_at(&self, position: u64) -> Option<Segment<P>> {
        if position >= self.end.head.position {
            return None;
        }
        let next = self.spans.partition_point(|span| span.after.position <= position);
        let span = self.spans.get(next.checked_sub(1)?)?;
        let end = self.spans.get(next).map_or(self.end.head.position, |span| span.after.position);
        let part = |piece: &P| Part { piece: piece.clone(), up_to: u64::MAX };
        Some(Segment { after: span.after, end, parts: span.pieces.iter().map(part).collect() })
    }
}

impl<P: Clone> IdPlan<P> {
    /// The id; `None` if storage holds less than it promised.
    pub fn carry_out<S: PieceSource<Piece = P>>(self, source: &S) -> Result<Option<EntryId>, StoreError> {
        match self {
            Self::Known(id) => Ok(Some(id)),
            Self::Read(plan) => {
                let position = plan.position;
                let walk = plan.walk(source, position)?;
                Ok((walk.head.position == position).then_some(walk.head.id))
            }
        }
    }
}

/// Reads a span from its start: hashes its way to the wanted position, then only collects.
struct Walk {
    head: Head,
    /// Position of the last entry collected.
    reached: u64,
    bytes: Vec<u8>,
    seal: Sig,
}

impl Walk {
    fn take(&mut self, stored: &StoredRun, wanted: u64, up_to: u64) -> Result<(), StoreError> {
        let last = stored.after.saturating_add(u64::from(stored.entries));
        if stored.after == self.reached && self.head.position == wanted && last <= up_to {
            self.bytes.extend_from_slice(&stored.bytes);
            self.reached = last;
        } else {
            self.step_through(stored, wanted, up_to)?;
        }
        self.seal = stored.seal;
        Ok(())
    }

    /// Entry by entry, for runs in which the wanted part starts or ends.
    fn step_through(&mut self, stored: &StoredRun, wanted: u64, up_to: u64) -> Result<(), StoreError> {
        if stored.after != self.reached {
            return Err(StoreError::Read(format!("entries after {} are missing", self.reached)));
        }
        // Past the wanted position ids are no longer needed: any will do to find the bounds.
        let from = Head { position: stored.after, id: self.head.id };
        let entries =
            parse_entries(from, &stored.bytes).map_err(|error| StoreError::Read(error.to_string()))?;
        for entry in entries.iter().take_while(|entry| entry.position <= up_to) {
            if entry.position <= wanted {
                self.head = Head { position: entry.position, id: entry.id };
            } else {
                self.bytes.extend_from_slice(entry.header_bytes(&stored.bytes));
                self.bytes.extend_from_slice(entry.body(&stored.bytes));
            }
            self.reached = entry.position;
        }
        Ok(())
    }
}

impl<P: Clone> RunPlan<P> {
    fn walk<S: PieceSource<Piece = P>>(self, source: &S, stop: u64) -> Result<Walk, StoreError> {
        let after = self.segment.after;
        let mut walk = Walk { head: after, reached: after.position, bytes: Vec::new(), seal: Sig([0; 64]) };
        for part in &self.segment.parts {
            for stored in source.read(&part.piece)? {
                if stored.after < part.up_to && walk.reached < stop {
                    walk.take(&stored, self.position, part.up_to)?;
                }
            }
        }
        Ok(walk)
    }

    /// The run from the wanted position to the next checkpoint or the durable end.
    pub fn carry_out<S: PieceSource<Piece = P>>(self, source: &S) -> Result<Run, StoreError> {
        let (origin, log, position) = (self.origin, self.log, self.position);
        let end = self.segment.end;
        let walk = self.walk(source, u64::MAX)?;
        if walk.head.position != position || walk.reached != end {
            return Err(StoreError::Read(format!("entries after {} are missing", walk.reached)));
        }
        let origin = (position == 0).then_some(origin);
        Ok(Run { origin, log, after: walk.head, bytes: walk.bytes, seal: walk.seal })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::id::{DeviceId, Incarnation, PersonId};

    #[test]
    fn a_circle_of_branches_is_not_sound() {
        let log = LogId([1; 32]);
        let origin = Origin {
            person: PersonId([2; 32]),
            device: DeviceId([3; 32]),
            incarnation: Incarnation([4; 8]),
            founder: false,
        };
        let mut table = ChainTable::<()>::default();
        let mut start = |left| {
            table.start_chain(log, origin, ChainEnd::start(log), left);
            table.is_sound()
        };
        assert!(start(None) && start(Some(ChainNo(0))));
        assert!(!start(Some(ChainNo(2))));
    }
}
