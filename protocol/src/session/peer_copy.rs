//! What is known of a peer's copy of one workspace, and what to send it next.

use crate::{
    id::{LogId, WorkspaceId},
    limits,
    log::{self, Head, Run},
    log_set::LogSet,
    message::{Heads, Message, Ops},
    store::{ChainNo, EntryAt, LogReader, StoreError},
    time::{Hlc, Now},
};
use std::collections::BTreeMap;

/// See the module. Positions are by our chain numbers.
#[derive(Debug)]
pub struct PeerCopy {
    /// What the peer announced or sent: it holds this durably.
    acked: BTreeMap<ChainNo, u64>,
    /// What it has or what is on its way.
    has: BTreeMap<ChainNo, u64>,
    /// What it knows that we hold.
    told: BTreeMap<ChainNo, u64>,
    /// Announced heads that we have not.
    unknown: Vec<(LogId, Head)>,
    /// Chains that the peer lacks part of, with the next run once it is read.
    lagging: BTreeMap<ChainNo, Option<Ahead>>,
    heads_seen: bool,
    /// Whether more of a full announcement is to come.
    collecting: bool,
    last_full: Option<u64>,
    last_push: u64,
    digest_at: u64,
    heads_at: Option<u64>,
    forward_at: Option<u64>,
}

/// A run read ahead.
#[derive(Debug)]
struct Ahead {
    run: Run,
    last: u64,
    hlc: Hlc,
}

impl PeerCopy {
    pub(super) fn new(now: Now) -> Self {
        Self {
            acked: BTreeMap::new(),
            has: BTreeMap::new(),
            told: BTreeMap::new(),
            unknown: Vec::new(),
            lagging: BTreeMap::new(),
            heads_seen: false,
            collecting: false,
            last_full: None,
            last_push: 0,
            digest_at: now.mono_ms + limits::DIGEST_MS,
            heads_at: None,
            forward_at: None,
        }
    }

    /// When something is due.
    pub fn deadline(&self) -> u64 {
        let due = [self.heads_at, self.forward_at];
        due.into_iter().flatten().fold(self.digest_at, u64::min)
    }

    /// Entries of ours that the peer has not acknowledged.
    pub fn lacks(&self, logs: &LogSet) -> u64 {
        let lacking = logs.chains().filter_map(|(number, _)| {
            let (_, head) = logs.durable_head(number)?;
            Some(head.position.saturating_sub(self.acked_at(logs, number)))
        });
        lacking.sum()
    }

    /// Entries that the peer announced and we have not.
    pub fn we_lack(&self, logs: &LogSet) -> u64 {
        let behind = self.unknown.iter().map(|(log, head)| {
            let ours = logs.chains_of(*log).iter().filter_map(|number| logs.chain(*number));
            head.position.saturating_sub(ours.map(|chain| chain.durable).max().unwrap_or(0)).max(1)
        });
        behind.sum()
    }

    /// Whether both hold the same, by the peer's own word.
    pub fn synced(&self, logs: &LogSet) -> bool {
        self.heads_seen && self.unknown.is_empty() && self.lacks(logs) == 0
    }

    fn acked_at(&self, logs: &LogSet, number: ChainNo) -> u64 {
        let base = logs.chain(number).and_then(|chain| chain.parent).map_or(0, |parent| parent.position);
        self.acked.get(&number).copied().unwrap_or(0).max(base)
    }

    /// The peer's digest came: `true` if it equals ours.
    pub fn on_digest(&mut self, equal: bool, logs: &LogSet) {
        if !equal {
            return;
        }
        self.heads_seen = true;
        self.unknown.clear();
        self.lagging.clear();
        for (number, chain) in logs.chains() {
            for map in [&mut self.acked, &mut self.has, &mut self.told] {
                map.insert(number, chain.durable);
            }
        }
    }

    /// Takes an announcement. Returns whether our full heads are due in return.
    pub fn on_heads(&mut self, now: Now, heads: &Heads, logs: &LogSet) -> bool {
        let begins = heads.full && !self.collecting;
        self.collecting = heads.full && heads.more;
        if begins {
            self.acked.clear();
            self.unknown.clear();
            if now.mono_ms >= self.last_push + limits::RESEND_MS {
                self.has.clear();
                self.lagging.clear();
            }
        }
        for (log, head) in &heads.heads {
            self.note_head(logs, *log, *head);
        }
        if self.forward_at.is_some() {
            self.forward_at = Some(now.mono_ms + limits::FORWARD_DELAY_MS);
        }
        if heads.full && !heads.more {
            self.heads_seen = true;
        }
        if self.heads_seen {
            self.find_lagging(logs);
        }
        heads.full && !heads.more && self.last_full.is_none_or(|at| now.mono_ms >= at + limits::RESEND_MS)
    }

    fn note_head(&mut self, logs: &LogSet, log: LogId, head: Head) {
        match logs.find(head.id) {
            Some(at) if at.position == head.position => self.acknowledge(logs, at),
            _ => {
                if self.unknown.len() < limits::UNKNOWN_HEADS && !self.unknown.contains(&(log, head)) {
                    self.unknown.push((log, head));
                }
                self.presume(logs, log, head);
            }
        }
    }

    /// A head beyond ours most likely continues what we have. One that does not is of a fork, and
    /// then everything of that log is offered from its start: the peer finds where it parts.
    fn presume(&mut self, logs: &LogSet, log: LogId, head: Head) {
        let chains = logs.chains_of(log);
        let ends =
            chains.iter().filter_map(|number| logs.chain(*number)).map(|chain| chain.end.head.position);
        if ends.max().is_some_and(|end| head.position > end) {
            for number in chains {
                let end = logs.chain(*number).map_or(0, |chain| chain.end.head.position);
                raise(&mut self.has, *number, end);
            }
        }
    }

    /// The peer holds `at`, and what lies before it on this chain and the chains it left.
    fn acknowledge(&mut self, logs: &LogSet, at: EntryAt) {
        let mut next = Some(at);
        while let Some(at) = next {
            raise(&mut self.acked, at.chain, at.position);
            raise(&mut self.has, at.chain, at.position);
            next = logs.chain(at.chain).and_then(|chain| chain.parent);
        }
    }

    fn find_lagging(&mut self, logs: &LogSet) {
        for (number, _) in logs.chains() {
            self.note_lagging(logs, number);
        }
    }

    fn note_lagging(&mut self, logs: &LogSet, number: ChainNo) {
        let Some((_, head)) = logs.durable_head(number) else { return };
        if self.has_at(logs, number) < head.position {
            self.lagging.entry(number).or_default();
        }
    }

    fn has_at(&self, logs: &LogSet, number: ChainNo) -> u64 {
        let base = logs.chain(number).and_then(|chain| chain.parent).map_or(0, |parent| parent.position);
        self.has.get(&number).copied().unwrap_or(0).max(base)
    }

    /// The peer sent a run that ends here.
    pub fn on_run(&mut self, logs: &LogSet, at: EntryAt) {
        self.acknowledge(logs, at);
        self.lagging.remove(&at.chain);
        self.note_lagging(logs, at.chain);
    }

    /// Entries became durable here. `live`: somebody is typing, so forward at once.
    pub fn on_durable(&mut self, now: Now, logs: &LogSet, chains: &[ChainNo], live: bool) {
        self.resolve(logs);
        if self.heads_at.is_none() {
            self.heads_at = Some(now.mono_ms + limits::HEADS_DEBOUNCE_MS);
        }
        if !self.heads_seen {
            return;
        }
        let idle = self.lagging.is_empty();
        for number in chains {
            // The peer's announced head may have been the one we just stored.
            self.note_lagging(logs, *number);
        }
        if !live && idle && !self.lagging.is_empty() {
            self.forward_at = Some(now.mono_ms + limits::FORWARD_DELAY_MS);
        }
    }

    /// Announced heads that have come meanwhile count as acknowledged.
    fn resolve(&mut self, logs: &LogSet) {
        let unknown = std::mem::take(&mut self.unknown);
        for (log, head) in unknown {
            match logs.find(head.id) {
                Some(at) => self.acknowledge(logs, at),
                None => self.unknown.push((log, head)),
            }
        }
    }

    /// What is due by the clock. Returns whether a digest is.
    pub fn on_wake(&mut self, now: Now, jitter: u64) -> bool {
        if self.forward_at.is_some_and(|at| now.mono_ms >= at) {
            self.forward_at = None;
        }
        let due = now.mono_ms >= self.digest_at;
        if due {
            self.digest_at = now.mono_ms + limits::DIGEST_MS * 4 / 5 + jitter % (limits::DIGEST_MS * 2 / 5);
        }
        due
    }

    /// The debounced announcement, if it is due and there is something to say.
    pub fn due_heads(&mut self, now: Now, workspace: WorkspaceId, logs: &LogSet) -> Vec<Message> {
        if self.heads_at.is_none_or(|at| now.mono_ms < at) {
            return Vec::new();
        }
        self.heads_at = None;
        let news = logs.chains().filter_map(|(number, _)| {
            let (log, head) = logs.durable_head(number)?;
            raise(&mut self.told, number, head.position).then_some((log, head))
        });
        announce(workspace, &news.collect::<Vec<_>>(), false)
    }

    /// Everything we hold.
    pub fn full_heads(&mut self, now: Now, workspace: WorkspaceId, logs: &LogSet) -> Vec<Message> {
        self.last_full = Some(now.mono_ms);
        self.heads_at = None;
        for (number, chain) in logs.chains() {
            raise(&mut self.told, number, chain.durable);
        }
        announce(workspace, &logs.durable_heads(), true)
    }

    /// The next message of entries that the peer lacks.
    pub fn next_ops(
        &mut self,
        now: Now,
        workspace: WorkspaceId,
        logs: &LogSet,
        reader: &dyn LogReader,
    ) -> Result<Option<Message>, StoreError> {
        if !self.heads_seen || self.forward_at.is_some() {
            return Ok(None);
        }
        let (mut runs, mut bytes) = (Vec::new(), 0);
        while let Some(number) = self.earliest(logs, reader)? {
            let Some(Some(ahead)) = self.lagging.get(&number) else { break };
            if bytes > 0 && bytes + ahead.run.bytes.len() > limits::OPS_BYTES {
                break;
            }
            let Some(Some(mut ahead)) = self.lagging.insert(number, None) else { break };
            raise(&mut self.has, number, ahead.last);
            raise(&mut self.told, number, ahead.last);
            let chain = logs.chain(number).filter(|_| ahead.run.after.position == 0);
            ahead.run.origin = chain.map(|chain| chain.origin);
            bytes += ahead.run.bytes.len();
            runs.push(ahead.run);
        }
        if runs.is_empty() {
            return Ok(None);
        }
        self.last_push = now.mono_ms;
        self.digest_at = now.mono_ms + limits::DIGEST_MS;
        Ok(Some(Message::Ops(Ops { workspace, runs })))
    }

    /// The lagging chain whose next run was written first. Causes come before effects by their
    /// stamps, so the receiver seldom has to wait for another log.
    fn earliest(&mut self, logs: &LogSet, reader: &dyn LogReader) -> Result<Option<ChainNo>, StoreError> {
        let open: Vec<ChainNo> = self.lagging.keys().take(limits::READ_AHEAD).copied().collect();
        for number in open {
            if self.lagging.get(&number).is_some_and(Option::is_some) {
                continue;
            }
            let from = self.has_at(logs, number);
            let durable = logs.chain(number).map_or(0, |chain| chain.durable);
            let run = match logs.latest_run(number, from) {
                None if from < durable => reader.read_run(number, from)?,
                latest => latest,
            };
            match run {
                None => drop(self.lagging.remove(&number)),
                Some(run) => {
                    let (count, hlc) =
                        log::survey(&run.bytes).map_err(|error| StoreError::Read(error.to_string()))?;
                    self.lagging.insert(number, Some(Ahead { run, last: from + count, hlc }));
                }
            }
        }
        let ahead = self.lagging.iter().filter_map(|(number, ahead)| Some((ahead.as_ref()?.hlc, *number)));
        Ok(ahead.min().map(|(_, number)| number))
    }
}

/// Raises a mark. Returns whether that was news.
fn raise(marks: &mut BTreeMap<ChainNo, u64>, number: ChainNo, position: u64) -> bool {
    let mark = marks.entry(number).or_insert(0);
    let news = position > *mark;
    *mark = position.max(*mark);
    news
}

fn announce(workspace: WorkspaceId, heads: &[(LogId, Head)], full: bool) -> Vec<Message> {
    if heads.is_empty() && !full {
        return Vec::new();
    }
    let chunks = heads.len().div_ceil(limits::HEADS_PER_MESSAGE).max(1);
    let part = |index: usize| {
        let part = heads.iter().skip(index * limits::HEADS_PER_MESSAGE).take(limits::HEADS_PER_MESSAGE);
        Message::Heads(Heads { workspace, full, more: index + 1 < chunks, heads: part.copied().collect() })
    };
    (0..chunks).map(part).collect()
}
