//! Asking peers for what they announced and is not here, and answering those who ask.
//!
//! Each log is asked of one peer at a time: of those who announced the furthest head of it the one that
//! has the least to send. So a newcomer among several complete devices gets a part from each, and
//! hardly anything twice. What a peer announced and did not bring is asked of another one, and of this
//! one again only when it announces everything anew.

use super::{Logs, Replica, holding::Holding, reader_of};
use crate::{
    id::{DeviceId, LogId, WorkspaceId},
    limits,
    log::Head,
    log_set::LogSet,
    message::{Chunk, Message, PullId, Want, Wanted},
    session::{Fault, Offered, Session},
    time::Now,
};
use std::collections::{BTreeMap, BTreeSet};

/// A log that may be pulled: the furthest head, and who announced it.
struct Lacked {
    head: Head,
    peers: Vec<DeviceId>,
}

impl Replica {
    /// Asks for what is lacking, as far as there is room for pulls.
    pub(super) fn pull(&mut self, now: Now) {
        if !std::mem::take(&mut self.pull_is_due) || self.read_only.is_some() {
            return;
        }
        for workspace in self.workspaces() {
            self.pull_of(now, workspace);
        }
    }

    fn pull_of(&mut self, now: Now, workspace: WorkspaceId) {
        let Some(holding) = self.holdings.get(&workspace).filter(|holding| holding.syncs(now)) else {
            return;
        };
        let copies = || self.sessions.values().filter_map(|session| session.copies.get(&workspace));
        if copies().any(|copy| copy.is_gathering(now)) {
            return;
        }
        let lacked = self.lacked(now, workspace, &holding.logs);
        if lacked.is_empty() {
            return;
        }
        for (peer, offers) in self.split(lacked, &holding.logs) {
            self.want(now, peer, workspace, &offers);
        }
    }

    /// Logs that are behind what peers announced and that no pull is to bring.
    fn lacked(&self, now: Now, workspace: WorkspaceId, logs: &LogSet) -> BTreeMap<LogId, Lacked> {
        let asked = self.sessions.values().flat_map(|session| session.pulls.asked());
        let asked = asked.filter(|asked| asked.workspace == workspace);
        let busy: BTreeSet<LogId> = asked.flat_map(|asked| asked.heads.iter().map(|(log, _)| *log)).collect();
        let mut lacked: BTreeMap<LogId, Lacked> = BTreeMap::new();
        for (peer, session) in self.sessions.iter().filter(|(_, session)| session.pulls.may_ask()) {
            let offers = session.copies.get(&workspace).into_iter().flat_map(|copy| copy.offers(now, logs));
            for Offered { log, head } in offers.filter(|offered| !busy.contains(&offered.log)) {
                let best = lacked.entry(log).or_insert(Lacked { head, peers: Vec::new() });
                if head > best.head {
                    *best = Lacked { head, peers: Vec::new() };
                }
                if head == best.head {
                    best.peers.push(*peer);
                }
            }
        }
        lacked
    }

    /// Whom to ask for what: the longest first, each of the peer with the least to send so far.
    fn split(&self, lacked: BTreeMap<LogId, Lacked>, logs: &LogSet) -> BTreeMap<DeviceId, Vec<Offered>> {
        let under_way: usize = self.sessions.values().map(|session| session.pulls.asked().count()).sum();
        let room = limits::PULLS.saturating_sub(under_way);
        let ours = |log: LogId| {
            let chains = logs.chains_of(log).iter().filter_map(|number| logs.chain(*number));
            chains.map(|chain| chain.end.head.position).max().unwrap_or(0)
        };
        let weigh = |(log, lacked): (LogId, Lacked)| {
            (lacked.head.position.saturating_sub(ours(log)).max(1), log, lacked)
        };
        let mut weighed: Vec<_> = lacked.into_iter().map(weigh).collect();
        weighed.sort_by_key(|(weight, log, _)| (std::cmp::Reverse(*weight), *log));
        let mut shares: BTreeMap<DeviceId, (u64, Vec<Offered>)> = BTreeMap::new();
        for (weight, log, Lacked { head, peers }) in weighed {
            let is_full = shares.len() >= room;
            let free = peers.into_iter().filter(|peer| !is_full || shares.contains_key(peer));
            let load = |peer: &DeviceId| shares.get(peer).map_or(0, |(load, _)| *load);
            let Some(peer) = free.min_by_key(load) else { continue };
            let (load, share) = shares.entry(peer).or_default();
            *load = load.saturating_add(weight);
            share.push(Offered { log, head });
        }
        shares.into_iter().map(|(peer, (_, share))| (peer, share)).collect()
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
            self.give_up(peer, pull);
            return Ok(());
        }
        let ends = self.take_runs(now, peer, workspace, runs, true, logs)?;
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.pulls.brought(now, pull, &ends);
            session.say(&Message::Taken(pull));
        }
        Ok(())
    }

    /// Nothing more comes of a pull.
    pub(super) fn pull_over(&mut self, peer: DeviceId, pull: PullId) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let Some(asked) = session.pulls.over(pull) else { return };
        self.pull_is_due = true;
        let copy = session.copies.get_mut(&asked.workspace);
        if let (Some(copy), Some(holding)) = (copy, self.holdings.get(&asked.workspace)) {
            for (log, head) in asked.heads {
                copy.note_pulled(&holding.logs, log, head);
            }
        }
    }

    fn give_up(&mut self, peer: DeviceId, pull: PullId) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.say(&Message::Stop(pull));
        }
        self.pull_over(peer, pull);
    }

    /// Gives up what brings nothing.
    pub(super) fn give_up_stalled(&mut self, now: Now, peer: DeviceId) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        for pull in session.pulls.stalled(now) {
            self.give_up(peer, pull);
        }
    }

    /// A peer asks for a pull.
    pub(super) fn wanted(&mut self, now: Now, peer: DeviceId, want: &Want, logs: &dyn Logs) {
        let is_served = self.admits(now, peer, want.workspace);
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let holding = self.holdings.get(&want.workspace).filter(|holding| is_served && holding.syncs(now));
        let ended = match holding {
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

    /// Whether live edits are pushed to a peer. The nonces of the sessions are as good as dice.
    pub(super) fn gets_live(&self, peer: DeviceId) -> bool {
        if self.sessions.len() <= limits::LIVE_SESSIONS {
            return true;
        }
        let lot = |session: &Session| session.nonce();
        let Some(own) = self.sessions.get(&peer).map(lot) else { return false };
        self.sessions.values().filter(|other| lot(other) < own).count() < limits::LIVE_SESSIONS
    }
}
