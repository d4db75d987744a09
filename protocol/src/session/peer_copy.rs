//! What is known of a peer's copy of one workspace, and what to send it next.

use super::reading::Reading;
use crate::{
    id::{DeviceId, EntryId, LogId, PersonId, WorkspaceId},
    limits,
    log::{Head, Signer},
    log_set::{Chain, LogSet},
    message::{ClaimBy, Heads, Message, Ops},
    store::{ChainNo, EntryAt, LogReader, StoreError},
    time::Now,
};
use contact::Contact;
use marks::Marks;
use std::collections::BTreeMap;

mod contact;
mod marks;

/// What the peer has said of all that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Word {
    None,
    Given,
    /// A person wants to know how it stands there now.
    AskedAgain,
}

/// A head that the peer announced.
#[derive(Debug, Clone, Copy)]
struct Unknown {
    position: u64,
    /// It did not bring it when it was asked. It may be asked again once it announces everything anew.
    barren: bool,
}

/// A head that may be pulled from the peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Offered {
    /// The log.
    pub log: LogId,
    /// By the peer's word.
    pub head: Head,
}

/// Whether a peer is served: see [`crate::replica`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// It is.
    Admitted,
    /// Nothing lets it in.
    Denied,
    /// The same, and it was told that the ticket which it claims by is no longer good.
    Refused,
}

/// Where the entries that a peer lacks come from.
#[derive(Clone, Copy)]
pub struct Source<'a> {
    /// What there is.
    pub logs: &'a LogSet,
    /// The bytes of what is durable.
    pub reader: &'a dyn LogReader,
    /// Signs what this device wrote.
    pub signer: Signer<'a>,
}

/// See the module. Positions are by our chain numbers.
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, in any combination")]
#[derive(Debug)]
#[cfg_attr(feature = "sim", derive(Clone))]
pub struct PeerCopy {
    /// Whether it is served, and as of which change to who is in that was found.
    pub admission: Option<(u64, Admission)>,
    /// Whether it may bring anything, and as of which change to who is in that was found.
    pub brings: Option<(u64, bool)>,
    /// What it says lets it in.
    pub claim: Option<ClaimBy>,
    /// Whether it serves this device: it has shown what it holds, and not taken that back.
    pub serves_us: bool,
    /// From when on it may be told again that nothing is here, for want of a reason to tell it more, and
    /// after how long then.
    deny_next: (u64, u64),
    marks: Marks,
    /// What it knows that we hold.
    told: BTreeMap<ChainNo, u64>,
    /// Announced heads that we have not.
    unknown: BTreeMap<(LogId, EntryId), Unknown>,
    /// When it announced heads or sent entries last.
    moved_ms: u64,
    /// Before that nothing of them is pulled: its author pushes it, most likely.
    pull_at: Option<u64>,
    /// Live edits that are pushed.
    live: Reading,
    word: Word,
    /// Until when it may say what it holds before anything is pulled.
    gathers_until: u64,
    /// Entries came while nothing was taken. The peer takes them for delivered.
    ignored: bool,
    /// It offers more of what somebody wrote who is out than is taken of it.
    declined: bool,
    /// Whether it said that it has no room for more, as a relay.
    pub is_full: bool,
    /// Whether this device said so.
    pub said_full: bool,
    /// Whether more of a full announcement is to come.
    collecting: bool,
    last_full: Option<u64>,
    /// When everything we hold is to be announced.
    full_at: Option<u64>,
    digest_at: u64,
    heads_at: Option<u64>,
    /// When it was heard, and what else it was told.
    pub contact: Contact,
}

impl PeerCopy {
    pub(super) fn new(now: Now) -> Self {
        Self {
            admission: None,
            brings: None,
            claim: None,
            serves_us: false,
            deny_next: (0, limits::RESEND_MS),
            marks: Marks::default(),
            told: BTreeMap::new(),
            unknown: BTreeMap::new(),
            moved_ms: now.mono_ms,
            pull_at: None,
            live: Reading::new(limits::LIVE_BYTES),
            word: Word::None,
            gathers_until: now.mono_ms + limits::GATHER_MS,
            ignored: false,
            declined: false,
            is_full: false,
            said_full: false,
            collecting: false,
            last_full: None,
            full_at: None,
            digest_at: now.mono_ms + limits::DIGEST_MS,
            heads_at: None,
            contact: Contact::new(now),
        }
    }

    /// The same anew, for a peer that has begun the workspace again. It is told no more often for that, and
    /// not waited for again.
    pub(super) fn anew(&self, now: Now) -> Self {
        let Self { deny_next, gathers_until, last_full, .. } = *self;
        Self { deny_next, gathers_until, last_full, ..Self::new(now) }
    }

    /// The peer says what lets it in.
    pub(super) fn set_claim(&mut self, by: ClaimBy) {
        (self.claim, self.admission, self.brings) = (Some(by), None, None);
    }

    /// When something is due.
    pub fn deadline(&self) -> u64 {
        let gathered = (self.word == Word::None && self.gathers_until > 0).then_some(self.gathers_until);
        let due = [self.heads_at, self.full_at, self.pull_at, gathered];
        due.into_iter().flatten().fold(self.digest_at, u64::min)
    }

    /// Entries of ours that the peer has not acknowledged, of those that digests count.
    pub fn lacks(&self, logs: &LogSet) -> u64 {
        logs.chains().map(|(number, _)| self.lacking(logs, number)).sum()
    }

    /// Those of them that somebody wrote.
    pub fn lacks_by(&self, logs: &LogSet, person: PersonId) -> u64 {
        let theirs = logs.chains().filter(|(_, chain)| chain.origin.person == person);
        theirs.map(|(number, _)| self.lacking(logs, number)).sum()
    }

    fn lacking(&self, logs: &LogSet, number: ChainNo) -> u64 {
        logs.counted_position(number).saturating_sub(self.marks.acked(logs, number))
    }

    /// Up to where the peer acknowledged a chain.
    pub fn has(&self, logs: &LogSet, number: ChainNo) -> u64 {
        self.marks.acked(logs, number)
    }

    /// Entries that the peer announced and we have not.
    pub fn we_lack(&self, logs: &LogSet) -> u64 {
        let behind = self.unknown.iter().map(|((log, _), head)| {
            let ours = logs.chains_of(*log).iter().filter_map(|number| logs.chain(*number));
            head.position.saturating_sub(ours.map(|chain| chain.durable).max().unwrap_or(0)).max(1)
        });
        // Positions are the peer's word.
        behind.fold(0, u64::saturating_add)
    }

    /// Whether the peer has said what it holds.
    pub fn has_spoken(&self) -> bool {
        self.word != Word::None
    }

    /// Whether both hold the same, by the peer's own word.
    pub fn synced(&self, logs: &LogSet) -> bool {
        self.word == Word::Given && !self.ignored && self.seems_equal(logs)
    }

    /// Whether no entries are expected of the peer soon. Some that it announced may never come: they are
    /// not waited for.
    pub(super) fn is_quiet(&self, now: Now) -> bool {
        self.unknown.is_empty() || now.mono_ms >= self.moved_ms + limits::ENTRIES_QUIET_MS
    }

    fn seems_equal(&self, logs: &LogSet) -> bool {
        self.word != Word::None && self.unknown.is_empty() && self.lacks(logs) == 0
    }

    /// A person wants to know how it stands there: nothing counts as equal until the peer has said
    /// so anew. Gives our heads if a digest alone would not do.
    pub fn ask(&mut self, now: Now, workspace: WorkspaceId, logs: &LogSet) -> Vec<Message> {
        if self.word == Word::Given {
            self.word = Word::AskedAgain;
        }
        if self.seems_equal(logs) && !self.ignored {
            return Vec::new();
        }
        self.full_heads(now, workspace, logs)
    }

    /// The peer's digest came: `true` if it equals ours.
    pub fn on_digest(&mut self, equal: bool, logs: &LogSet) {
        if !equal {
            return;
        }
        self.word = Word::Given;
        self.full_at = None;
        (self.declined, self.is_full) = (false, false);
        self.unknown.clear();
        self.live.clear();
        for (number, chain) in logs.chains() {
            // What no digest counts may be missing there: its next announcement tells.
            self.marks.set_acked(number, logs.counted_position(number));
            self.marks.presume(number, chain.durable);
            raise(&mut self.told, number, chain.durable);
        }
    }

    /// Takes an announcement. What the peer wrote itself is pulled at once: had it pushed that, it would
    /// have come before. Returns whether our full heads are due in return.
    pub fn on_heads(&mut self, now: Now, peer: DeviceId, heads: &Heads, logs: &LogSet) -> bool {
        self.moved_ms = now.mono_ms;
        if heads.full && !self.collecting {
            self.unknown.clear();
            self.declined = false;
            self.marks.doubt();
        }
        self.collecting = heads.full && heads.more;
        let mut is_pressing = heads.full;
        for (log, head) in &heads.heads {
            let is_author = |chain: &Chain| chain.origin.device == peer;
            is_pressing |=
                logs.first_chain(*log).and_then(|number| logs.chain(number)).is_some_and(is_author);
            self.note_head(logs, *log, *head);
        }
        let later = now.mono_ms + limits::PULL_DELAY_MS;
        self.pull_at = if is_pressing { None } else { self.pull_at.or(Some(later)) };
        if !heads.full || heads.more {
            return false;
        }
        self.word = Word::Given;
        self.last_full.is_none_or(|at| now.mono_ms >= at + self.resend_ms())
    }

    /// For how long everything we hold is not announced again. To whom is not taken from it says nothing new.
    const fn resend_ms(&self) -> u64 {
        if self.declined { limits::DENY_MOST_MS } else { limits::RESEND_MS }
    }

    fn note_head(&mut self, logs: &LogSet, log: LogId, head: Head) {
        match logs.find(head.id) {
            Some(at) if at.position == head.position => self.marks.acknowledge(logs, at),
            _ => {
                self.note_unknown(log, head);
                self.presume(logs, log, head);
            }
        }
    }

    fn note_unknown(&mut self, log: LogId, head: Head) {
        if self.unknown.len() < limits::UNKNOWN_HEADS {
            let unknown = Unknown { position: head.position, barren: false };
            self.unknown.entry((log, head.id)).or_insert(unknown);
        }
    }

    /// The peer sent a run that follows an entry which is not here: so it holds that one, and the run up to this
    /// head.
    pub fn note_gap(&mut self, log: LogId, beyond: Head) {
        self.note_unknown(log, beyond);
        self.pull_at = None;
    }

    /// Whether the peer was met just now, and has still to say what it holds.
    pub fn is_gathering(&self, now: Now) -> bool {
        self.word == Word::None && now.mono_ms < self.gathers_until
    }

    /// Whether it announced anything that is not here, and was not asked for it in vain since.
    pub fn may_offer(&self) -> bool {
        self.unknown.values().any(|unknown| !unknown.barren)
    }

    /// What may be pulled from the peer now.
    pub fn offers(&self, now: Now, logs: &LogSet) -> impl Iterator<Item = Offered> {
        let is_due = self.pull_at.is_none_or(|at| now.mono_ms >= at);
        let due = self.unknown.iter().filter(move |(_, unknown)| is_due && !unknown.barren);
        due.filter(|((_, id), _)| logs.find(*id).is_none()).map(|((log, id), unknown)| Offered {
            log: *log,
            head: Head { position: unknown.position, id: *id },
        })
    }

    /// A pull that asked for this head is over. Whether it brought it is seen by whether it is here.
    pub fn note_pulled(&mut self, logs: &LogSet, log: LogId, id: EntryId) {
        if let Some(unknown) = self.unknown.get_mut(&(log, id)) {
            unknown.barren = logs.find(id).is_none();
        }
    }

    /// A head beyond ours most likely continues what we have. Of a log with branches nothing is presumed:
    /// the head may continue any of them, or none.
    fn presume(&mut self, logs: &LogSet, log: LogId, head: Head) {
        let &[number] = logs.chains_of(log) else { return };
        let end = logs.chain(number).map_or(0, |chain| chain.end.head.position);
        if head.position > end {
            self.marks.presume(number, end);
        }
    }

    fn lacks_of(&self, logs: &LogSet, number: ChainNo) -> bool {
        logs.durable_head(number).is_some_and(|(_, head)| self.marks.has(logs, number) < head.position)
    }

    /// The peer sent a run; this is the last entry of it that we know now.
    pub fn on_run(&mut self, now: Now, logs: &LogSet, at: EntryAt) {
        self.moved_ms = now.mono_ms;
        self.marks.acknowledge(logs, at);
    }

    /// The peer sent entries, and nothing is taken now.
    pub const fn ignore_ops(&mut self) {
        self.ignored = true;
    }

    /// It offers more of what somebody wrote who is out than is taken of it: see [`crate::replica`].
    pub const fn decline(&mut self) {
        self.declined = true;
    }

    /// Whether that is so, by what it announced last.
    pub const fn declines(&self) -> bool {
        self.declined
    }

    /// Entries of these chains became durable here.
    pub fn on_durable(&mut self, logs: &LogSet, chains: &[ChainNo]) {
        for number in chains {
            if let Some(chain) = logs.chain(*number) {
                // The peer's announced head may have been the one we just stored.
                self.resolve(logs, chain.log);
            }
        }
    }

    /// Somebody is typing on these chains: what the peer lacks of them is pushed, unless it is much.
    pub fn push_live(&mut self, logs: &LogSet, chains: &[ChainNo]) {
        for number in chains {
            let durable = logs.chain(*number).map_or(0, |chain| chain.durable);
            let has = self.marks.has(logs, *number);
            let is_near = durable.saturating_sub(has) <= u64::from(limits::CHECKPOINT_ENTRIES);
            if self.word != Word::None && is_near && self.lacks_of(logs, *number) {
                self.live.add(*number, has);
            }
        }
    }

    /// A pull brought the peer up to these. What was written meanwhile is pushed.
    pub fn delivered(&mut self, logs: &LogSet, ends: &[EntryAt]) {
        for end in ends {
            self.marks.presume(end.chain, end.position);
        }
        self.push_live(logs, &ends.iter().map(|end| end.chain).collect::<Vec<_>>());
    }

    /// Announced heads of a log that have come meanwhile count as acknowledged.
    fn resolve(&mut self, logs: &LogSet, log: LogId) {
        let range = (log, EntryId([0; 32]))..=(log, EntryId([u8::MAX; 32]));
        let durable = |id: EntryId| logs.find(id).filter(|at| logs.is_durable(*at));
        let known: Vec<(EntryId, EntryAt)> =
            self.unknown.range(range).filter_map(|((_, id), _)| Some((*id, durable(*id)?))).collect();
        for (id, at) in known {
            self.unknown.remove(&(log, id));
            self.marks.acknowledge(logs, at);
        }
    }

    /// What is due by the clock. Returns whether a digest is.
    pub fn on_wake(&mut self, now: Now, jitter: u64) -> bool {
        self.pull_at = self.pull_at.filter(|at| now.mono_ms < *at);
        if now.mono_ms >= self.gathers_until {
            self.gathers_until = 0;
        }
        let due = now.mono_ms >= self.digest_at;
        if due {
            self.digest_at = now.mono_ms + limits::DIGEST_MS * 4 / 5 + jitter % (limits::DIGEST_MS * 2 / 5);
        }
        due
    }

    /// Announces before long what became durable.
    pub fn announce_soon(&mut self, now: Now) {
        self.heads_at = self.heads_at.or(Some(now.mono_ms + limits::HEADS_DEBOUNCE_MS));
    }

    /// Announces everything, but not again so soon: with many logs that is much to say.
    pub fn announce_all(&mut self, now: Now) {
        let earliest = self.last_full.map_or(now.mono_ms, |at| now.mono_ms.max(at + self.resend_ms()));
        self.full_at = self.full_at.or(Some(earliest));
    }

    /// Nothing is exchanged now: there is nothing to announce.
    pub fn stay_silent(&mut self) {
        (self.heads_at, self.full_at) = (None, None);
    }

    /// What a peer is told that is not served: that nothing is here, and why if that is its ticket. It then
    /// sends all it has, so that is said ever more seldom.
    pub fn denial(&mut self, now: Now, workspace: WorkspaceId) -> Vec<Message> {
        self.stay_silent();
        let (next, pause) = self.deny_next;
        if now.mono_ms < next {
            return Vec::new();
        }
        self.deny_next = (now.mono_ms + pause, (2 * pause).min(limits::DENY_MOST_MS));
        let is_refused = matches!(self.admission, Some((_, Admission::Refused)));
        let withdrawn = is_refused.then_some(Message::Withdrawn(workspace));
        announce(workspace, &[], true).into_iter().chain(withdrawn).collect()
    }

    /// The same when an announcement is due.
    pub fn due_denial(&mut self, now: Now, workspace: WorkspaceId) -> Vec<Message> {
        if self.is_due(now) { self.denial(now, workspace) } else { Vec::new() }
    }

    fn is_due(&self, now: Now) -> bool {
        [self.full_at, self.heads_at].into_iter().flatten().any(|at| now.mono_ms >= at)
    }

    /// The announcements that are due.
    pub fn due_heads(&mut self, now: Now, workspace: WorkspaceId, logs: &LogSet) -> Vec<Message> {
        if self.full_at.is_some_and(|at| now.mono_ms >= at) {
            return self.full_heads(now, workspace, logs);
        }
        if !self.is_due(now) {
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
        self.stay_silent();
        if std::mem::take(&mut self.ignored) {
            // Once more when it must have noticed that what it sent did not stay.
            self.announce_all(now);
        }
        for (number, chain) in logs.chains() {
            raise(&mut self.told, number, chain.durable);
        }
        announce(workspace, &logs.durable_heads(), true)
    }

    /// The next message of live edits that the peer lacks.
    pub fn next_ops(&mut self, workspace: WorkspaceId, source: &Source<'_>) -> Option<Message> {
        for number in self.live.chains() {
            self.live.add(number, self.marks.has(source.logs, number));
        }
        let (mut runs, mut room) = (Vec::new(), limits::OPS_BYTES);
        while let Some(next) = self.live.next(room, source) {
            self.marks.presume(next.chain, next.last);
            raise(&mut self.told, next.chain, next.last);
            room -= next.size();
            runs.push(next.run);
        }
        (!runs.is_empty()).then_some(Message::Ops(Ops { workspace, runs }))
    }

    /// Chains that could not be read for this peer since this was asked last.
    pub fn take_failures(&mut self) -> Vec<(ChainNo, StoreError)> {
        self.live.take_failures()
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
