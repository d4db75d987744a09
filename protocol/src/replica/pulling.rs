//! Asking peers for what they announced and is not here, and answering those who ask.
//!
//! Each log is asked of one peer at a time: of those who announced the furthest head of it the one that
//! has the least to send. So a newcomer among several complete devices gets a part from each, and
//! hardly anything twice. What a peer announced and did not bring is asked of another one, and of this
//! one again only when it announces everything anew.
//!
//! An announcement is a bare word. So who is in is asked before who is not, and who brought what was
//! wanted before who let a pull fail, however far the heads are that they name ([`Standing`]). Of those
//! who are not in, one at a time is asked; and each workspace has a pull, whatever goes on in others.

use super::{Logs, Replica, holding::Holding, reader_of};
use crate::{
    id::{DeviceId, LogId, WorkspaceId},
    limits,
    log::Head,
    log_set::LogSet,
    message::{Chunk, Message, PullId, Want, Wanted},
    session::{Admission, Asked, Budget, Fault, Offered, PeerCopy, Session},
    time::Now,
};
use defaulters::Defaulters;
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
};

mod defaulters;

/// What is to be pulled, and when that is looked for.
#[derive(Debug, Default)]
#[cfg_attr(feature = "sim", derive(Clone))]
pub(super) struct Pulling {
    /// Where something may be lacking.
    due: BTreeSet<WorkspaceId>,
    /// How often it is looked for: that goes through all that peers announced.
    looks: Budget,
    /// Since when a workspace lacks something, as long as nothing of it was asked for.
    lacking: BTreeMap<WorkspaceId, u64>,
    defaulters: Defaulters,
}

/// How much the word of a peer counts: the greater the more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Standing {
    is_in: bool,
    /// How often in a row it let a pull fail.
    failures: Reverse<u32>,
}

/// A log that may be pulled: the furthest head named by those whose word counts most, and who they are.
struct Lacked {
    best: (Standing, Head),
    peers: Vec<DeviceId>,
}

impl Pulling {
    /// Something may be lacking in a workspace.
    pub fn look_in(&mut self, workspace: WorkspaceId) {
        self.due.insert(workspace);
    }

    /// A workspace is here no more. Should it come again, those who have it are waited for anew.
    pub fn part_with(&mut self, workspace: WorkspaceId) {
        self.due.remove(&workspace);
        self.lacking.remove(&workspace);
    }

    /// Whether a peer let so many pulls in a row fail that people are told.
    pub fn often_fails(&self, peer: DeviceId) -> bool {
        self.defaulters.times(peer) >= limits::BARREN_TOLD
    }

    /// When to look for what is lacking, as far as that hangs on nothing else.
    pub fn deadline<'a>(&self, now: Now, peers: impl Iterator<Item = &'a DeviceId>) -> Option<u64> {
        let next = (!self.due.is_empty()).then_some(now.mono_ms + limits::LOOK_RATE.every_ms);
        next.into_iter().chain(self.defaulters.deadline(now, peers)).min()
    }
}

impl Replica {
    /// Something may be lacking in any workspace, or there is room for one more pull.
    pub(super) fn look_everywhere(&mut self) {
        self.pulling.due.extend(self.holdings.keys());
    }

    /// Asks for what is lacking, as far as there is room for pulls.
    pub(super) fn pull(&mut self, now: Now) {
        let mut due = std::mem::take(&mut self.pulling.due);
        due.retain(|workspace| self.read_only.is_none() && self.may_lack(now, *workspace));
        if due.is_empty() {
            return;
        }
        if !self.pulling.looks.take(now, limits::LOOK_RATE) {
            self.pulling.due = due;
            return;
        }
        for workspace in due {
            self.pull_of(now, workspace);
        }
    }

    /// Whether some peer announced of a workspace what it was not asked for.
    fn may_lack(&self, now: Now, workspace: WorkspaceId) -> bool {
        let mut copies = self.sessions.values().filter_map(|session| session.copies.get(&workspace));
        self.holdings.get(&workspace).is_some_and(|holding| holding.syncs(now))
            && copies.any(PeerCopy::may_offer)
    }

    fn pull_of(&mut self, now: Now, workspace: WorkspaceId) {
        let room = self.room(workspace);
        if room == 0 {
            return;
        }
        let lacked = self.lacked(now, workspace);
        if lacked.is_empty() {
            self.pulling.lacking.remove(&workspace);
            return;
        }
        // Those just met have still to say what they hold; but who comes and goes is not waited for.
        let since = *self.pulling.lacking.entry(workspace).or_insert(now.mono_ms);
        let mut copies = self.sessions.values().filter_map(|session| session.copies.get(&workspace));
        if now.mono_ms < since + limits::GATHER_MS && copies.any(|copy| copy.is_gathering(now)) {
            return;
        }
        self.pulling.lacking.remove(&workspace);
        let Some(holding) = self.holdings.get(&workspace) else { return };
        for (peer, offers) in split(lacked, &holding.logs, room) {
            self.want(now, peer, workspace, &offers);
        }
    }

    /// How many more pulls there may be of a workspace.
    fn room(&self, workspace: WorkspaceId) -> usize {
        let asked = || self.sessions.values().flat_map(|session| session.pulls.asked());
        let under_way = asked().count();
        let has_one = asked().any(|asked| asked.workspace == workspace);
        let own = usize::from(!has_one && under_way < limits::PULLS_IN_ALL);
        limits::PULLS.saturating_sub(under_way).max(own)
    }

    /// How much the words of peers count that may be asked for something of a workspace. Of those who are not
    /// in there is one at most, unless it cannot be told yet who is.
    fn standings(&mut self, now: Now, workspace: WorkspaceId) -> BTreeMap<DeviceId, Standing> {
        let peers: Vec<DeviceId> = self.sessions.keys().copied().collect();
        let is_new = self.holdings.get(&workspace).is_some_and(Holding::is_joining);
        let (mut standings, mut strangers, mut asks_a_stranger) = (BTreeMap::new(), Vec::new(), false);
        for peer in peers {
            let is_in = is_new || self.admits(now, peer, workspace);
            let Some(session) = self.sessions.get(&peer) else { continue };
            asks_a_stranger |= !is_in && session.pulls.asked().any(|asked| asked.workspace == workspace);
            let defaulters = &self.pulling.defaulters;
            if !session.pulls.may_ask() || defaulters.rests(now, peer) {
                continue;
            }
            let standing = Standing { is_in, failures: Reverse(defaulters.times(peer)) };
            if is_in {
                standings.insert(peer, standing);
            } else if session.copies.get(&workspace).is_some_and(PeerCopy::may_offer) {
                strangers.push((standing, peer));
            }
        }
        let stranger = strangers.into_iter().max().filter(|_| !asks_a_stranger);
        standings.extend(stranger.map(|(standing, peer)| (peer, standing)));
        standings
    }

    /// Logs that are behind what peers announced and that no pull is to bring.
    fn lacked(&mut self, now: Now, workspace: WorkspaceId) -> BTreeMap<LogId, Lacked> {
        let standings = self.standings(now, workspace);
        let bring_all: BTreeSet<DeviceId> =
            standings.keys().copied().filter(|peer| self.may_bring(*peer, workspace)).collect();
        let (mut lacked, mut declined) = (BTreeMap::<LogId, Lacked>::new(), BTreeSet::new());
        if self.holdings.get(&workspace).is_some_and(Holding::is_full) {
            for peer in standings.into_keys() {
                self.say_full(peer, workspace);
            }
            return lacked;
        }
        let Some(holding) = self.holdings.get_mut(&workspace) else { return lacked };
        let asked = self.sessions.values().flat_map(|session| session.pulls.asked());
        let asked = asked.filter(|asked| asked.workspace == workspace);
        let busy: BTreeSet<LogId> = asked.flat_map(|asked| asked.heads.iter().map(|(log, _)| *log)).collect();
        for (peer, standing) in standings {
            let copy = self.sessions.get(&peer).and_then(|session| session.copies.get(&workspace));
            let by_relay = copy.is_some_and(|copy| holding.relay_by(copy).is_some());
            let offers = copy.into_iter().flat_map(|copy| copy.offers(now, &holding.logs));
            let offers: Vec<Offered> = offers.filter(|offered| !busy.contains(&offered.log)).collect();
            for Offered { log, head } in offers {
                if !bring_all.contains(&peer) && !holding.takes_more_of(log, None, by_relay) {
                    declined.insert(peer);
                    continue;
                }
                let word = (standing, head);
                let known = lacked.entry(log).or_insert(Lacked { best: word, peers: Vec::new() });
                if word > known.best {
                    *known = Lacked { best: word, peers: Vec::new() };
                }
                if word == known.best {
                    known.peers.push(peer);
                }
            }
        }
        for peer in declined {
            let session = self.sessions.get_mut(&peer);
            if let Some(copy) = session.and_then(|session| session.copies.get_mut(&workspace)) {
                copy.decline();
            }
        }
        lacked
    }

    /// Asks a peer. What does not fit one message is asked for when that is over.
    fn want(&mut self, now: Now, peer: DeviceId, workspace: WorkspaceId, offers: &[Offered]) {
        // Whoever is not served is told nothing of what is here.
        let may_know = self.admits(now, peer, workspace);
        let (Some(session), Some(holding)) = (self.sessions.get_mut(&peer), self.holdings.get(&workspace))
        else {
            return;
        };
        let (mut wanted, mut heads, mut room) = (Vec::new(), Vec::new(), limits::WANT_PLACES);
        for Offered { log, head } in offers.iter().take(limits::WANT_HEADS) {
            let after = if may_know { holding.logs.places(*log, head.position) } else { Vec::new() };
            let Some(left) = room.checked_sub(after.len()) else { break };
            room = left;
            heads.push((*log, head.id));
            wanted.push(Wanted { head: head.id, after });
        }
        let pull = session.pulls.ask(now, workspace, heads);
        session.say(&Message::Want(Want { pull, workspace, heads: wanted }));
    }

    /// Part of a pull came.
    pub(super) fn chunk(
        &mut self,
        now: Now,
        peer: DeviceId,
        chunk: Chunk,
        logs: &dyn Logs,
    ) -> Result<(), Fault> {
        let Chunk { pull, runs } = chunk;
        let Some(session) = self.sessions.get_mut(&peer) else { return Ok(()) };
        // One that was given up is asked of somebody else.
        let Some(workspace) = session.pulls.workspace_of(pull) else { return Ok(()) };
        let takes = |holding: &Holding| self.read_only.is_none() && holding.syncs(now);
        if !self.holdings.get(&workspace).is_some_and(takes) {
            self.give_up(now, peer, pull, false);
            return Ok(());
        }
        let received = self.take_runs(now, peer, workspace, runs, true, logs);
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.pulls.brought(now, pull, &received.news);
            session.say(&Message::Taken(pull));
        }
        if received.declined && received.news.is_empty() {
            self.give_up(now, peer, pull, false);
        }
        received.fault.map_or(Ok(()), Err)
    }

    /// The peer ended a pull: it has nothing more of what was wanted.
    pub(super) fn pull_ended(&mut self, now: Now, peer: DeviceId, pull: PullId) {
        self.pull_over(now, peer, pull, false);
    }

    /// Nothing more comes of a pull.
    fn pull_over(&mut self, now: Now, peer: DeviceId, pull: PullId, stalled: bool) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let Some(asked) = session.pulls.over(pull) else { return };
        let (copy, holding) = (session.copies.get_mut(&asked.workspace), self.holdings.get(&asked.workspace));
        if let (Some(copy), Some(holding)) = (copy, holding) {
            if asked.was_worth_it(&holding.logs) {
                self.pulling.defaulters.brought(peer);
            } else {
                self.pulling.defaulters.failed(now, peer, stalled);
            }
            for (log, head) in asked.heads {
                copy.note_pulled(&holding.logs, log, head);
            }
        }
        self.look_everywhere();
    }

    /// The session with a peer ends in the middle of pulls. Who brought part of them delivers, and its line
    /// broke. Who brought nothing counts as one who ends a pull without what was wanted: otherwise a peer
    /// could hold up pulls for ever, by coming anew whenever one of them is about to count.
    pub(super) fn pulls_broken(&mut self, now: Now, peer: DeviceId) {
        let Some(session) = self.sessions.get(&peer) else { return };
        let worth = |asked: &Asked| {
            self.holdings.get(&asked.workspace).map(|holding| asked.was_worth_it(&holding.logs))
        };
        // Once for all of them: it was one line that broke.
        match session.pulls.asked().filter_map(worth).max() {
            Some(true) => self.pulling.defaulters.brought(peer),
            Some(false) => self.pulling.defaulters.failed(now, peer, false),
            None => {}
        }
    }

    fn give_up(&mut self, now: Now, peer: DeviceId, pull: PullId, stalled: bool) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.say(&Message::Stop(pull));
            session.pulls.give_up(pull);
        }
        self.pull_over(now, peer, pull, stalled);
    }

    /// Gives up what brings nothing.
    pub(super) fn give_up_stalled(&mut self, now: Now, peer: DeviceId) {
        let Some(session) = self.sessions.get(&peer) else { return };
        for pull in session.pulls.stalled(now) {
            self.give_up(now, peer, pull, true);
        }
    }

    /// A peer asks for a pull.
    pub(super) fn wanted(&mut self, now: Now, peer: DeviceId, want: &Want, logs: &dyn Logs) {
        let is_served = self.admits(now, peer, want.workspace);
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let holding = self.holdings.get(&want.workspace).filter(|holding| is_served && holding.syncs(now));
        let ended = match holding.filter(|_| session.pulls.may_want(now)) {
            Some(holding) => session.pulls.serve(want, &holding.logs),
            None => Some(want.pull),
        };
        if let Some(ended) = ended {
            session.say(&Message::End(ended));
        }
        self.serve(now, peer, logs);
    }

    /// A peer took a chunk.
    pub(super) fn chunk_taken(&mut self, now: Now, peer: DeviceId, pull: PullId, logs: &dyn Logs) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let Some((workspace, ends)) = session.pulls.taken(now, pull) else { return };
        if let (Some(copy), Some(holding)) =
            (session.copies.get_mut(&workspace), self.holdings.get(&workspace))
        {
            copy.delivered(&holding.logs, &ends);
        }
        self.push(now, peer, logs);
    }

    /// A peer wants nothing more of a pull.
    pub(super) fn pull_stopped(&mut self, peer: DeviceId, pull: PullId) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.pulls.stop(pull);
        }
    }

    /// Sends what a peer pulls, as far as the windows reach.
    pub(super) fn serve(&mut self, now: Now, peer: DeviceId, logs: &dyn Logs) {
        let served = self.sessions.get(&peer).map_or_else(Vec::new, |session| session.pulls.served());
        for (pull, workspace) in served {
            let is_served = self.admits(now, peer, workspace);
            let Some(session) = self.sessions.get_mut(&peer) else { return };
            let holding = self.holdings.get(&workspace).filter(|holding| is_served && holding.syncs(now));
            let Some(holding) = holding else {
                session.pulls.stop(pull);
                session.say(&Message::End(pull));
                continue;
            };
            let source = holding.source(&self.identity, reader_of(logs, workspace));
            let mut failures = Vec::new();
            while let Some(message) = session.pulls.next_message(now, pull, &source, &mut failures) {
                session.say(&message);
            }
            for (chain, error) in failures {
                self.store_failed(workspace, Some(chain), &error);
            }
        }
    }

    /// Whether live edits of a workspace are pushed to a peer: to all that are served, or to some of them. The
    /// nonces of the sessions are as good as dice.
    pub(super) fn gets_live(&self, peer: DeviceId, workspace: WorkspaceId) -> bool {
        if self.sessions.len() <= limits::LIVE_SESSIONS {
            return true;
        }
        let lot = |session: &Session| {
            let copy = session.copies.get(&workspace)?;
            matches!(copy.admission, Some((_, Admission::Admitted))).then(|| session.nonce())
        };
        let Some(own) = self.sessions.get(&peer).and_then(lot) else { return false };
        let others = self.sessions.values().filter_map(lot);
        others.filter(|other| *other < own).count() < limits::LIVE_SESSIONS
    }
}

/// Whom to ask for what: the longest first, each of the peer with the least to send so far.
fn split(lacked: BTreeMap<LogId, Lacked>, logs: &LogSet, room: usize) -> BTreeMap<DeviceId, Vec<Offered>> {
    let ours = |log: LogId| {
        let chains = logs.chains_of(log).iter().filter_map(|number| logs.chain(*number));
        chains.map(|chain| chain.end.head.position).max().unwrap_or(0)
    };
    let weigh = |(log, Lacked { best: (_, head), peers }): (LogId, Lacked)| {
        (head.position.saturating_sub(ours(log)).max(1), Offered { log, head }, peers)
    };
    let mut weighed: Vec<_> = lacked.into_iter().map(weigh).collect();
    weighed.sort_by_key(|(weight, offered, _)| (Reverse(*weight), offered.log));
    let mut shares: BTreeMap<DeviceId, (u64, Vec<Offered>)> = BTreeMap::new();
    for (weight, offered, peers) in weighed {
        let is_full = shares.len() >= room;
        let free = peers.into_iter().filter(|peer| !is_full || shares.contains_key(peer));
        let load = |peer: &DeviceId| shares.get(peer).map_or(0, |(load, _)| *load);
        let Some(peer) = free.min_by_key(load) else { continue };
        let (load, share) = shares.entry(peer).or_default();
        *load = load.saturating_add(weight);
        share.push(offered);
    }
    shares.into_iter().map(|(peer, (_, share))| (peer, share)).collect()
}
