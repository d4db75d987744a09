//! What a relay shows of its copy in one session.
//!
//! A *statement* tells all that it holds: a full announcement, or a digest that equals this device's. One that
//! only differs says nothing about what is there, and an announcement of nothing is what somebody is told who
//! is not served.

use super::is_later;
use crate::{
    id::{EntryId, LogId},
    limits,
    log::Head,
    log_set::LogSet,
    message::Heads,
    store::{ChainNo, EntryAt},
    time::Now,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// When a relay first showed something.
#[derive(Debug, Clone, Copy)]
struct First {
    at: Now,
    /// The first of its last statements before that, once there were enough of them.
    stated: Option<Now>,
}

/// How far a relay shows a chain.
#[derive(Debug, Clone, Copy)]
struct Mark {
    position: u64,
    first: First,
    /// How far it showed the chain until then.
    before: u64,
    /// A place that it showed for long when it showed more last, if there was one. Where somebody writes all the
    /// time the end of their log is always new.
    settled: Option<(u64, Now)>,
    /// The place that is to become the next one, and since when it is shown.
    settling: (u64, Now),
}

impl Mark {
    fn new(position: u64, first: First) -> Self {
        Self { position, first, before: 0, settled: None, settling: (position, first.at) }
    }

    /// It shows more.
    fn raised(&self, position: u64, first: First) -> Self {
        let (mut settled, mut settling) = (self.settled, self.settling);
        if is_later(first.at, settling.1, limits::SETTLED_MS) {
            (settled, settling) = (Some(settling), (position, first.at));
        }
        Self { position, first, before: self.position, settled, settling }
    }

    /// It shows no more than this by now.
    fn lowered(&self, position: u64) -> Self {
        let settled = self.settled.filter(|(settled, _)| *settled <= position);
        let settling = (self.settling.0.min(position), self.settling.1);
        Self { position, settled, settling, ..*self }
    }
}

/// Announced heads of a log that are not here: where they lead to cannot be told. As long as there is one, all
/// of the log may have been shown since the first.
#[derive(Debug, Clone)]
struct Open {
    first: First,
    heads: BTreeSet<EntryId>,
}

/// All that a relay shows.
#[derive(Debug, Clone, Default)]
struct View {
    marks: BTreeMap<ChainNo, Mark>,
    open: BTreeMap<LogId, Open>,
    /// How many heads are not here.
    unknown: usize,
    /// There are more of them than are remembered.
    is_cut: bool,
}

/// See the module.
#[derive(Debug, Clone, Default)]
pub(super) struct Shown {
    view: View,
    /// What it showed before the full announcement that is under way.
    earlier: Option<View>,
    /// When it made its last statements.
    stated: VecDeque<Now>,
}

impl Shown {
    /// A digest came that equals ours. Gives what it shows by that.
    pub fn on_equal(&mut self, now: Now, logs: &LogSet) -> Vec<EntryAt> {
        let earlier = self.earlier.take();
        self.view = View {
            marks: earlier.map_or_else(|| std::mem::take(&mut self.view.marks), |view| view.marks),
            ..View::default()
        };
        let counted =
            logs.chains().map(|(chain, _)| EntryAt { chain, position: logs.counted_position(chain) });
        let counted: Vec<EntryAt> = counted.filter(|at| at.position > 0).collect();
        for at in &counted {
            self.raise(self.first(now), *at);
        }
        self.state(now);
        counted
    }

    /// An announcement came. Gives what it shows of what is here, and whether a statement ends with it.
    pub fn on_heads(&mut self, now: Now, logs: &LogSet, heads: &Heads) -> (Vec<EntryAt>, bool) {
        if heads.full && self.earlier.is_none() {
            self.earlier = Some(std::mem::take(&mut self.view));
        }
        let mut shown = Vec::new();
        for (log, head) in &heads.heads {
            shown.extend(self.note(now, logs, *log, *head));
        }
        if !heads.full || heads.more {
            return (shown, false);
        }
        let earlier = self.earlier.take().unwrap_or_default();
        if self.view.marks.is_empty() && self.view.open.is_empty() {
            self.view = earlier;
            return (shown, false);
        }
        self.state(now);
        (shown, true)
    }

    fn state(&mut self, now: Now) {
        if self.stated.len() >= limits::WITHHELD_STATEMENTS {
            self.stated.pop_front();
        }
        self.stated.push_back(now);
    }

    /// The first of its last statements, once there were enough.
    fn first_stated(&self) -> Option<Now> {
        let first = self.stated.front().copied();
        first.filter(|_| self.stated.len() >= limits::WITHHELD_STATEMENTS)
    }

    fn first(&self, at: Now) -> First {
        First { at, stated: self.first_stated() }
    }

    /// A head that it announced, or sent a run up to. Gives what it shows by that, if the entry is here.
    pub fn note(&mut self, now: Now, logs: &LogSet, log: LogId, head: Head) -> Option<EntryAt> {
        if let Some(at) = logs.find(head.id).filter(|at| at.position == head.position) {
            self.show(now, logs, at);
            return Some(at);
        }
        if self.view.unknown >= limits::UNKNOWN_HEADS {
            self.view.is_cut = true;
            return None;
        }
        let before = self.earlier.as_ref().and_then(|earlier| earlier.open.get(&log));
        let first = before.map_or_else(|| self.first(now), |open| open.first);
        let open = self.view.open.entry(log).or_insert_with(|| Open { first, heads: BTreeSet::new() });
        self.view.unknown += usize::from(open.heads.insert(head.id));
        None
    }

    /// It shows an entry, and with it what lies before it.
    pub fn show(&mut self, now: Now, logs: &LogSet, at: EntryAt) {
        let first = self.first(now);
        self.raise_all(first, logs, at);
    }

    fn raise_all(&mut self, first: First, logs: &LogSet, at: EntryAt) {
        for at in way_down(logs, at) {
            self.raise(first, at);
        }
    }

    fn raise(&mut self, first: First, at: EntryAt) {
        let EntryAt { chain, position } = at;
        if self.view.marks.get(&chain).is_some_and(|mark| mark.position >= position) {
            return;
        }
        let before = self.earlier.as_ref().unwrap_or(&self.view).marks.get(&chain).copied();
        let mark = match before {
            Some(mark) if mark.position >= position => mark.lowered(position),
            Some(mark) => mark.raised(position, first),
            None => Mark::new(position, first),
        };
        self.view.marks.insert(chain, mark);
    }

    /// Entries of a log became durable: it may have announced them. Gives what it shows by that.
    pub fn resolve(&mut self, logs: &LogSet, log: LogId) -> Vec<EntryAt> {
        let Some(open) = self.view.open.get_mut(&log) else { return Vec::new() };
        let known: Vec<EntryAt> = open.heads.iter().filter_map(|id| logs.find(*id)).collect();
        open.heads.retain(|id| logs.find(*id).is_none());
        self.view.unknown -= known.len();
        let first = open.first;
        if open.heads.is_empty() {
            self.view.open.remove(&log);
        }
        for at in &known {
            self.raise_all(first, logs, *at);
        }
        known
    }

    /// How far it shows a chain. `None` while that cannot be told.
    pub fn position(&self, logs: &LogSet, chain: ChainNo) -> Option<u64> {
        self.is_plain(logs, chain).then(|| self.view.marks.get(&chain).map_or(0, |mark| mark.position))
    }

    /// The furthest place of a chain that it has shown for long, and since when.
    pub fn settled(&self, now: Now, chain: ChainNo) -> Option<(u64, Now)> {
        let mark = self.view.marks.get(&chain)?;
        let places = [(mark.position, mark.first.at), mark.settling];
        let is_long = |(_, since): &(u64, Now)| is_later(now, *since, limits::SETTLED_MS);
        places.into_iter().find(is_long).or(mark.settled)
    }

    /// Since when it has shown a place, if it does.
    pub fn since(&self, at: EntryAt) -> Option<Now> {
        let mark = self.view.marks.get(&at.chain).filter(|mark| mark.position >= at.position);
        mark.map(|mark| mark.first.at)
    }

    /// The first of as many statements in a row as it takes that do not show a place: its last ones, or the last
    /// before it showed it.
    pub fn left_out_since(&self, logs: &LogSet, at: EntryAt) -> Option<Now> {
        if !self.is_plain(logs, at.chain) {
            return None;
        }
        match self.view.marks.get(&at.chain) {
            Some(mark) if mark.position >= at.position => {
                mark.first.stated.filter(|_| at.position > mark.before)
            }
            _ => self.first_stated(),
        }
    }

    /// Whether what it announced of a chain's log is known here, all of it.
    fn is_plain(&self, logs: &LogSet, chain: ChainNo) -> bool {
        let Some(log) = logs.chain(chain).map(|chain| chain.log) else { return false };
        self.earlier.is_none() && !self.view.is_cut && !self.view.open.contains_key(&log)
    }
}

/// A place, and those at which the branches leave that lead to it.
pub(super) fn way_down(logs: &LogSet, at: EntryAt) -> impl Iterator<Item = EntryAt> {
    std::iter::successors(Some(at), |at| logs.chain(at.chain).and_then(|chain| chain.parent))
}
