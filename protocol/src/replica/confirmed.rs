//! What relays confirm to hold, and whether they stand by it.
//!
//! A relay cannot forge an entry, but it may keep some from some, show an older copy, or give each half of a team
//! another branch of a log. One device alone cannot tell that from a relay that never had them. So every device
//! keeps in mind what a relay *confirmed* to it, by announcing or sending it, and tells those who are in, with
//! each of their digests what is new of it (`Confirmed`). Then one rule covers all of these, since heads are ids:
//! what a relay confirmed to anybody it has to show to everybody. It is in breach
//!
//! * if, for as long as it takes, it leaves that out of its statements although this device offers it, and takes
//!   nothing of it; or
//! * if it left it out after it had confirmed it to somebody whose session with it goes on.
//!
//! The second needs no patience: a relay that went back to a backup in between would have had to end that
//! session. So it is found also of a relay that shows everything as soon as others do. It rests on what the
//! witness says; people are told who that is.
//!
//! Honest relays lose what they had, and take it again when they are offered it; have no room, and say so; serve
//! nobody whom they do not know, which is no statement. See [`shown`] for what counts as one.

mod shown;

use super::{Event, Output, Received, Replica};
use crate::{
    id::{DeviceId, LogId, WorkspaceId},
    limits,
    log::Head,
    log_set::LogSet,
    message::{Confirmed, ConfirmedHead, Heads, Message},
    session::{Admission, Fault},
    store::{ChainNo, EntryAt},
    time::Now,
};
use serde::{Deserialize, Serialize};
use shown::{Shown, way_down};
use std::collections::BTreeMap;

/// What a peer did that no honest one does, unless its disk is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breach {
    /// What.
    pub kind: BreachKind,
    /// Milliseconds of the wall clock at which it was seen last.
    pub at_ms: u64,
}

/// See [`Breach`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BreachKind {
    /// As a relay it showed this device less than it had confirmed to have.
    Withheld {
        /// To whom it had confirmed it, by their own word; to this device itself, if it is none.
        witness: Option<DeviceId>,
    },
    /// It sent entries that are not as they were signed.
    Invalid,
}

impl BreachKind {
    /// What it did, for people, and what to do. `witness`: what to call the device of the witness.
    pub fn words(self, witness: Option<&str>) -> String {
        let than = match (self, witness) {
            (Self::Invalid, _) => {
                return "it sent changes that are not as they were signed, and they were not taken: ask who runs it, \
                        its disk may be damaged. Nothing is lost on your devices"
                    .to_owned();
            }
            (Self::Withheld { witness: Some(_) }, Some(name)) => {
                format!("it had confirmed to {name}, as that device says")
            }
            (Self::Withheld { witness: Some(_) }, None) => "it had confirmed to another device".to_owned(),
            (Self::Withheld { witness: None }, _) => "it had confirmed to have".to_owned(),
        };
        format!("it shows this device less than {than}: ask who runs it. Nothing is lost on your devices")
    }

    /// The device on whose word that rests, if on anybody's.
    pub const fn witness(self) -> Option<DeviceId> {
        match self {
            Self::Withheld { witness } => witness,
            Self::Invalid => None,
        }
    }
}

/// What somebody says that a relay confirmed to them.
#[derive(Debug, Clone, Copy)]
struct Told {
    witness: DeviceId,
    /// Since when the relay has shown it to them in a session that goes on, and when they said so.
    held: Option<(Now, Now)>,
}

/// What is known of the word of one device of a relay.
#[derive(Debug, Clone, Default)]
struct Word {
    /// How far it ever confirmed the chains to this device.
    to_us: BTreeMap<ChainNo, u64>,
    /// And to others: the furthest of each chain.
    to_others: BTreeMap<ChainNo, (u64, Told)>,
    /// The latest of each log and witness that is not here yet; and the latest that the relay held for long.
    awaited: BTreeMap<(LogId, DeviceId, bool), (Head, Told)>,
    /// What it shows in the session, if there is one.
    shown: Option<Shown>,
    /// Since when it leaves out what it had confirmed.
    lag: Option<Lag>,
}

/// A relay shows less than it had confirmed, and comes no nearer.
#[derive(Debug, Clone, Copy)]
struct Lag {
    since: Now,
    statements: usize,
    /// How many entries it left out.
    missing: u64,
}

/// What is known of the relays' words about one workspace.
#[derive(Debug, Clone, Default)]
pub(super) struct Words {
    of: BTreeMap<DeviceId, Word>,
    /// How far the peers that are here were told of each.
    said: BTreeMap<(DeviceId, DeviceId), BTreeMap<ChainNo, u64>>,
}

impl Words {
    /// The word of a relay that is met: there is always room for it.
    fn met(&mut self, relay: DeviceId) -> &mut Word {
        if self.of.len() >= limits::CONFIRMING_RELAYS && !self.of.contains_key(&relay) {
            let never_met = |(_, word): &(&DeviceId, &Word)| word.shown.is_none();
            let worth = |(_, word): &(&DeviceId, &Word)| word.to_us.len();
            let least = self.of.iter().filter(never_met).min_by_key(worth).map(|(relay, _)| *relay);
            least.map(|relay| self.of.remove(&relay));
        }
        self.of.entry(relay).or_default()
    }

    /// A session is over, or begins anew.
    pub fn part(&mut self, peer: DeviceId) {
        if let Some(word) = self.of.get_mut(&peer) {
            (word.shown, word.lag) = (None, None);
        }
        self.said.retain(|(to, _), _| *to != peer);
    }

    /// Entries of these chains became durable. Gives the relays that turn out to have left them out.
    pub fn on_durable(&mut self, logs: &LogSet, chains: &[ChainNo]) -> Vec<(DeviceId, BreachKind)> {
        let mut found = Vec::new();
        for (relay, word) in &mut self.of {
            for log in chains.iter().filter_map(|chain| Some(logs.chain(*chain)?.log)) {
                let shown = word.shown.as_mut().map_or_else(Vec::new, |shown| shown.resolve(logs, log));
                for at in shown {
                    word.confirm(logs, at);
                }
                found.extend(word.resolve(logs, log).map(|kind| (*relay, kind)));
            }
        }
        found
    }

    /// What a peer was not told yet of what a relay confirmed.
    fn news_for(&mut self, now: Now, peer: DeviceId, logs: &LogSet, relay: DeviceId) -> Vec<ConfirmedHead> {
        let Some(word) = self.of.get(&relay) else { return Vec::new() };
        let said = self.said.entry((peer, relay)).or_default();
        let mut heads = Vec::new();
        for (chain, position) in &word.to_us {
            let (chain, position) = (*chain, *position);
            let before = said.get(&chain).copied();
            if before.is_some_and(|said| said >= position) {
                continue;
            }
            // Two for each chain; the rest is said with the next digest.
            if heads.len() + 2 > limits::HEADS_PER_MESSAGE {
                break;
            }
            said.insert(chain, position);
            let shown = word.shown.as_ref();
            // Whoever is met anew may have been kept from what was confirmed long ago.
            let settled = shown.filter(|_| before.is_none()).and_then(|shown| shown.settled(now, chain));
            let latest = (position, shown.and_then(|shown| shown.since(EntryAt { chain, position })));
            let settled = settled.map(|(position, since)| (position, Some(since)));
            for (position, since) in settled.filter(|place| place.0 < position).into_iter().chain([latest]) {
                heads.extend(confirmed_head(
                    logs,
                    EntryAt { chain, position },
                    since.map_or(0, |at| age_ms(now, at)),
                ));
            }
        }
        heads
    }
}

/// What is said of a place that a relay confirmed.
fn confirmed_head(logs: &LogSet, at: EntryAt, held_ms: u64) -> Option<ConfirmedHead> {
    let head = Head { position: at.position, id: logs.id_at(at)? };
    let log = logs.chain(at.chain)?.log;
    Some(ConfirmedHead { log, head, held_s: (held_ms / 1000).try_into().unwrap_or(u32::MAX) })
}

/// How long ago something was at least, whatever became of one of the clocks.
fn age_ms(now: Now, then: Now) -> u64 {
    now.mono_ms.saturating_sub(then.mono_ms).min(now.wall_ms.saturating_sub(then.wall_ms))
}

/// Whether one moment came so much after another one, by both clocks: a device may have slept, or its clock been
/// set.
const fn is_later(later: Now, earlier: Now, by_ms: u64) -> bool {
    later.mono_ms >= earlier.mono_ms.saturating_add(by_ms)
        && later.wall_ms >= earlier.wall_ms.saturating_add(by_ms)
}

impl Word {
    /// It confirms an entry to this device, and with it what lies before.
    fn confirm(&mut self, logs: &LogSet, at: EntryAt) {
        for at in way_down(logs, at) {
            let known = self.to_us.entry(at.chain).or_default();
            *known = at.position.max(*known);
        }
    }

    /// It shows these. Returns what it did wrong, if a statement ends with it.
    fn on_shown(
        &mut self,
        now: Now,
        logs: &LogSet,
        shown: &[EntryAt],
        states: Option<bool>,
    ) -> Option<BreachKind> {
        for at in shown {
            self.confirm(logs, *at);
        }
        states.and_then(|offers| self.judge(now, logs, offers))
    }

    /// How many entries it leaves out of its statements that it had confirmed, and to whom.
    fn missing(&self, logs: &LogSet) -> (u64, Option<DeviceId>) {
        let Some(shown) = &self.shown else { return (0, None) };
        let to_us = self.to_us.iter().map(|(chain, position)| (*chain, *position, None));
        let told =
            |(chain, (position, told)): (&ChainNo, &(u64, Told))| (*chain, *position, Some(told.witness));
        let (mut missing, mut to_whom) = (BTreeMap::<ChainNo, u64>::new(), None);
        for (chain, position, witness) in to_us.chain(self.to_others.iter().map(told)) {
            let Some(held) = logs.chain(chain).filter(|_| logs.counts_whole(chain)) else { continue };
            let Some(shown) = shown.position(logs, chain) else { continue };
            let base = held.parent.map_or(0, |parent| parent.position);
            let left_out = position.min(held.durable).saturating_sub(shown.max(base));
            let known = missing.entry(chain).or_default();
            if left_out > *known {
                *known = left_out;
                // What it confirmed to this device needs no witness.
                to_whom = to_whom.or(Some(witness));
            }
        }
        (missing.values().sum(), to_whom.flatten())
    }

    /// A statement is over. `offers`: this device offers the relay what it leaves out.
    fn judge(&mut self, now: Now, logs: &LogSet, offers: bool) -> Option<BreachKind> {
        let (missing, witness) = self.missing(logs);
        if missing == 0 || !offers {
            self.lag = None;
            return None;
        }
        match &mut self.lag {
            Some(lag) if missing >= lag.missing => {
                lag.statements += 1;
                let is_long = now.mono_ms >= lag.since.mono_ms + limits::WITHHELD_MS;
                (is_long && lag.statements >= limits::WITHHELD_STATEMENTS)
                    .then_some(BreachKind::Withheld { witness })
            }
            lag => {
                *lag = Some(Lag { since: now, statements: 0, missing });
                None
            }
        }
    }

    /// Somebody says that it confirmed a head to them. Returns what it did wrong by that.
    fn told(&mut self, logs: &LogSet, log: LogId, head: Head, told: Told) -> Option<BreachKind> {
        let is_long = |(since, until)| is_later(until, since, limits::SETTLED_MS);
        let durable = |at: &EntryAt| at.position == head.position && logs.is_durable(*at);
        let Some(at) = logs.find(head.id).filter(durable) else {
            let key = (log, told.witness, told.held.is_some_and(is_long));
            if self.awaited.len() < limits::CONFIRMED_UNKNOWN || self.awaited.contains_key(&key) {
                self.awaited.insert(key, (head, told));
            }
            return None;
        };
        for at in way_down(logs, at) {
            let known = self.to_others.entry(at.chain).or_insert((0, told));
            if at.position > known.0 {
                *known = (at.position, told);
            }
        }
        self.has_left_out(logs, at, told).then_some(BreachKind::Withheld { witness: Some(told.witness) })
    }

    /// Entries of a log became durable: somebody may have named them.
    fn resolve(&mut self, logs: &LogSet, log: LogId) -> Option<BreachKind> {
        let range = (log, DeviceId([0; 32]), false)..=(log, DeviceId([u8::MAX; 32]), true);
        let known = self.awaited.range(range).filter(|(_, (head, _))| logs.find(head.id).is_some());
        let known: Vec<_> = known.map(|(key, named)| (*key, *named)).collect();
        let mut found = None;
        for (key, (head, told)) in known {
            self.awaited.remove(&key);
            found = self.told(logs, log, head, told).or(found);
        }
        found
    }

    /// Whether it left something out while it showed it to a witness.
    fn has_left_out(&self, logs: &LogSet, at: EntryAt, told: Told) -> bool {
        let Some((since, until)) = told.held else { return false };
        let left_out = self.shown.as_ref().and_then(|shown| shown.left_out_since(logs, at));
        // What was said long after the witness spoke may have been said by a relay that lost it meanwhile.
        let within = |first: Now| {
            is_later(first, since, limits::CONFIRMED_MS) && !is_later(first, until, limits::CONFIRMED_MS)
        };
        logs.counts_whole(at.chain) && left_out.is_some_and(within)
    }
}

impl Replica {
    /// A relay's digest equals ours.
    pub(super) fn relay_equal(&mut self, now: Now, peer: DeviceId, workspace: WorkspaceId) {
        self.relay_shows(now, peer, workspace, |shown, logs| (shown.on_equal(now, logs), true));
    }

    /// A relay announced heads.
    pub(super) fn relay_heads(&mut self, now: Now, peer: DeviceId, heads: &Heads) {
        self.relay_shows(now, peer, heads.workspace, |shown, logs| shown.on_heads(now, logs, heads));
    }

    /// A peer sent runs.
    pub(super) fn judge_sent(
        &mut self,
        now: Now,
        peer: DeviceId,
        workspace: WorkspaceId,
        received: &Received,
    ) {
        self.relay_shows(now, peer, workspace, |shown, logs| {
            let ends = received.ends.iter();
            (ends.filter_map(|(log, head)| shown.note(now, logs, *log, *head)).collect(), false)
        });
        if received.is_forged {
            self.note_breach(now, peer, workspace, BreachKind::Invalid);
        }
    }

    /// A peer showed something. If it is served as a relay, that is its word.
    fn relay_shows(
        &mut self,
        now: Now,
        peer: DeviceId,
        workspace: WorkspaceId,
        note: impl FnOnce(&mut Shown, &LogSet) -> (Vec<EntryAt>, bool),
    ) {
        let (Some(session), Some(holding)) = (self.sessions.get(&peer), self.holdings.get_mut(&workspace))
        else {
            return;
        };
        let Some(copy) = session.copies.get(&workspace) else { return };
        if holding.is_carrier() || holding.relay_by(copy).is_none() {
            return;
        }
        let is_admitted = matches!(copy.admission, Some((_, Admission::Admitted)));
        let has_room = !copy.is_full && holding.damaged.is_empty();
        let offers = is_admitted && has_room && holding.syncs(now) && self.read_only.is_none();
        let word = holding.words.met(peer);
        let (shown, states) = note(word.shown.get_or_insert_default(), &holding.logs);
        let breach = word.on_shown(now, &holding.logs, &shown, states.then_some(offers));
        if let Some(kind) = breach {
            self.note_breach(now, peer, workspace, kind);
        }
    }

    /// Entries became durable: what was said of them can be judged.
    pub(super) fn judge_relays(&mut self, now: Now, workspace: WorkspaceId, chains: &[ChainNo]) {
        let Some(holding) = self.holdings.get_mut(&workspace) else { return };
        for (relay, kind) in holding.words.on_durable(&holding.logs, chains) {
            self.note_breach(now, relay, workspace, kind);
        }
    }

    /// Tells a peer that is in what relays confirmed, as far as that is news to it.
    pub(super) fn say_confirmed(&mut self, now: Now, peer: DeviceId, workspace: WorkspaceId) {
        let (Some(session), Some(holding)) =
            (self.sessions.get_mut(&peer), self.holdings.get_mut(&workspace))
        else {
            return;
        };
        if !holding.syncs(now) || !holding.members.is_in(peer) {
            return;
        }
        let relays: Vec<DeviceId> = holding.words.of.keys().copied().filter(|relay| *relay != peer).collect();
        for relay in relays {
            let heads = holding.words.news_for(now, peer, &holding.logs, relay);
            if !heads.is_empty() {
                session.say(&Message::Confirmed(Confirmed { workspace, relay, heads }));
            }
        }
    }

    /// A peer tells what a relay confirmed to it. The word of those who are not in does not count.
    pub(super) fn confirmed(&mut self, now: Now, peer: DeviceId, confirmed: &Confirmed) -> Result<(), Fault> {
        let Confirmed { workspace, relay, heads } = confirmed;
        if heads.len() > limits::HEADS_PER_MESSAGE {
            return Err(Fault::Order("too many heads in one message"));
        }
        let Some(holding) = self.holdings.get_mut(workspace) else { return Ok(()) };
        let is_known = holding.words.of.contains_key(relay);
        let has_room = is_known || holding.words.of.len() < limits::CONFIRMING_RELAYS;
        if holding.is_carrier() || !holding.members.is_in(peer) || *relay == peer || !has_room {
            return Ok(());
        }
        let word = holding.words.of.entry(*relay).or_default();
        let mut breach = None;
        for ConfirmedHead { log, head, held_s } in heads {
            let held_ms = u64::from(*held_s) * 1000;
            let since = Now {
                wall_ms: now.wall_ms.saturating_sub(held_ms),
                mono_ms: now.mono_ms.saturating_sub(held_ms),
            };
            let told = Told { witness: peer, held: (held_ms > 0).then_some((since, now)) };
            breach = word.told(&holding.logs, *log, *head, told).or(breach);
        }
        if let Some(kind) = breach {
            self.note_breach(now, *relay, *workspace, kind);
        }
        Ok(())
    }

    /// A peer did what no honest one does: people are told.
    pub(super) fn note_breach(&mut self, now: Now, peer: DeviceId, workspace: WorkspaceId, kind: BreachKind) {
        let Some(seen) = self.seen.get_mut(&peer) else { return };
        let breach = Breach { kind, at_ms: now.wall_ms };
        let is_known = |before: &Breach| {
            before.kind == kind && now.wall_ms.saturating_sub(before.at_ms) < limits::BREACH_AGAIN_MS
        };
        if !seen.breaches.get(&workspace).is_some_and(is_known) {
            seen.breaches.insert(workspace, breach);
            self.outputs.push_back(Output::Event(Event::PeerChanged { peer }));
        }
    }
}
