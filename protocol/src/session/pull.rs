//! Pulls: how a device gets what it lacks, from whom it asks.
//!
//! ```text
//!   who lacks something                    who announced it
//!        │ ── Want{heads, what is here} ──────▶ │  reads the chains in the order of their stamps
//!        │ ◀── Chunk ── Chunk ── Chunk ──────── │  as far as the window reaches
//!        │ ── Taken ── Taken ─────────────────▶ │  which makes room
//!        │ ◀── End ──────────────────────────── │  all is sent, or no more can be
//! ```
//! One `Want` names every chain that this peer is asked for, so what is sent is in causal order as far
//! as the stamps tell. Nothing needs to be remembered for a pull that is broken off: what was taken is
//! in the log, and the next `Want` names that.
//!
//! What to ask of whom is decided over all peers at once, by the replica.

use super::{Source, budget::Budget, reading::Reading};
use crate::{
    id::{EntryId, LogId, WorkspaceId},
    limits,
    log_set::LogSet,
    message::{Chunk, Message, PullId, Want},
    store::{ChainNo, EntryAt, StoreError},
    time::Now,
};
use std::collections::{BTreeMap, VecDeque};
pub use window::Window;

mod window;

/// The pulls of one session, both ways.
#[derive(Debug, Default)]
#[cfg_attr(feature = "sim", derive(Clone))]
pub(crate) struct Pulls {
    next: PullId,
    asked: BTreeMap<PullId, Asked>,
    served: BTreeMap<PullId, Served>,
    /// Pulls given up lately, with their workspaces: what of them is still under way is as good as any.
    given_up: BTreeMap<PullId, WorkspaceId>,
    /// How often the peer may ask.
    wants: Budget,
}

/// A pull that this device asked for.
#[derive(Debug)]
#[cfg_attr(feature = "sim", derive(Clone))]
pub(crate) struct Asked {
    /// Of which workspace.
    pub workspace: WorkspaceId,
    /// The logs and what is wanted of them.
    pub heads: Vec<(LogId, EntryId)>,
    /// Whether it brought anything of what is wanted that was not here.
    pub brought: bool,
    moved_ms: u64,
}

impl Asked {
    /// Whether it brought anything, or somebody else did meanwhile: then it was no fault to bring nothing.
    pub fn was_worth_it(&self, logs: &LogSet) -> bool {
        self.brought || self.heads.iter().any(|(_, head)| logs.find(*head).is_some())
    }
}

/// A pull that the peer asked for.
#[derive(Debug)]
#[cfg_attr(feature = "sim", derive(Clone))]
struct Served {
    workspace: WorkspaceId,
    reading: Reading,
    window: Window,
    /// For each chunk under way, the chains that it brings to their ends.
    completes: VecDeque<Vec<EntryAt>>,
    ended: bool,
}

impl Pulls {
    /// Whether nothing is pulled, neither way.
    pub fn is_idle(&self) -> bool {
        self.asked.is_empty() && self.served.is_empty()
    }

    /// Whether the peer may be asked for one more.
    pub fn may_ask(&self) -> bool {
        self.asked.len() < limits::PULLS_PER_PEER
    }

    /// What this device has asked for and is still to come.
    pub fn asked(&self) -> impl Iterator<Item = &Asked> {
        self.asked.values()
    }

    /// Notes a new pull, and names it.
    pub fn ask(&mut self, now: Now, workspace: WorkspaceId, heads: Vec<(LogId, EntryId)>) -> PullId {
        let pull = self.next;
        self.next = self.next.wrapping_add(1);
        let asked = Asked { workspace, heads, brought: false, moved_ms: now.mono_ms };
        self.asked.insert(pull, asked);
        pull
    }

    /// Of which workspace a pull is that this device asked for, also if it was given up lately.
    pub fn workspace_of(&self, pull: PullId) -> Option<WorkspaceId> {
        self.asked.get(&pull).map(|asked| asked.workspace).or_else(|| self.given_up.get(&pull).copied())
    }

    /// A pull brought something new of these logs. Only what is wanted counts as progress.
    pub fn brought(&mut self, now: Now, pull: PullId, logs: &[LogId]) {
        let Some(asked) = self.asked.get_mut(&pull) else { return };
        if asked.heads.iter().any(|(log, _)| logs.contains(log)) {
            (asked.brought, asked.moved_ms) = (true, now.mono_ms);
        }
    }

    /// A pull is given up. What of it is under way is taken all the same: on a slow line that may be all
    /// that ever comes.
    pub fn give_up(&mut self, pull: PullId) {
        let Some(asked) = self.asked.get(&pull) else { return };
        self.given_up.insert(pull, asked.workspace);
        if self.given_up.len() > limits::PULLS_PER_PEER {
            self.given_up.pop_first();
        }
    }

    /// A pull that this device asked for is over.
    pub fn over(&mut self, pull: PullId) -> Option<Asked> {
        self.asked.remove(&pull)
    }

    /// Pulls that bring nothing.
    pub fn stalled(&self, now: Now) -> Vec<PullId> {
        let is_stalled = |asked: &Asked| now.mono_ms >= asked.moved_ms + limits::PULL_STALL_MS;
        self.asked.iter().filter(|(_, asked)| is_stalled(asked)).map(|(pull, _)| *pull).collect()
    }

    /// When [`Self::stalled`] is to be asked.
    pub fn deadline(&self) -> Option<u64> {
        self.asked.values().map(|asked| asked.moved_ms + limits::PULL_STALL_MS).min()
    }

    /// Ends what concerns a workspace that is here no more. Gives what to say.
    pub fn part_with(&mut self, workspace: WorkspaceId) -> Vec<Message> {
        self.given_up.retain(|_, of| *of != workspace);
        let asked = self.asked.extract_if(.., |_, asked| asked.workspace == workspace);
        let mut said: Vec<Message> = asked.map(|(pull, _)| Message::Stop(pull)).collect();
        let served = self.served.extract_if(.., |_, served| served.workspace == workspace);
        said.extend(served.map(|(pull, _)| Message::End(pull)));
        said
    }

    /// Whether the peer may ask for one more pull now: each costs reading.
    pub fn may_want(&mut self, now: Now) -> bool {
        self.wants.take(now, limits::WANT_RATE)
    }

    /// The peer asks for a pull. Whoever asks for more at once than may be has given up the oldest, which is
    /// returned.
    pub fn serve(&mut self, want: &Want, logs: &LogSet) -> Option<PullId> {
        let is_full = self.served.len() >= limits::PULLS_PER_PEER;
        let oldest = if is_full { self.served.pop_first().map(|(pull, _)| pull) } else { None };
        let mut reading = Reading::new(usize::MAX);
        for wanted in &want.heads {
            let Some(at) = logs.find(wanted.head).filter(|at| logs.is_durable(*at)) else { continue };
            reading.add(at.chain, logs.common_position(at, &wanted.after));
        }
        let (window, completes) = (Window::default(), VecDeque::new());
        let served = Served { workspace: want.workspace, reading, window, completes, ended: false };
        self.served.insert(want.pull, served);
        oldest
    }

    /// Every pull that is served, with its workspace.
    pub fn served(&self) -> Vec<(PullId, WorkspaceId)> {
        self.served.iter().map(|(pull, served)| (*pull, served.workspace)).collect()
    }

    /// The peer wants nothing more of a pull, or is to have nothing more.
    pub fn stop(&mut self, pull: PullId) {
        self.served.remove(&pull);
    }

    /// The peer took a chunk. Gives the workspace, and the chains of which it has now what there was.
    pub fn taken(&mut self, now: Now, pull: PullId) -> Option<(WorkspaceId, Vec<EntryAt>)> {
        let served = self.served.get_mut(&pull)?;
        if !served.window.taken(now) {
            return None;
        }
        let told = (served.workspace, served.completes.pop_front().unwrap_or_default());
        self.forget_ended(pull);
        Some(told)
    }

    fn forget_ended(&mut self, pull: PullId) {
        if self.served.get(&pull).is_some_and(|served| served.ended && served.window.is_empty()) {
            self.served.remove(&pull);
        }
    }

    /// What is to be said next of a pull that is served, as long as its window is open. What could not be
    /// read is added to `failures`.
    pub fn next_message(
        &mut self,
        now: Now,
        pull: PullId,
        source: &Source<'_>,
        failures: &mut Vec<(ChainNo, StoreError)>,
    ) -> Option<Message> {
        let served = self.served.get_mut(&pull).filter(|served| !served.ended)?;
        let runs = served.next_runs(now, source);
        failures.extend(served.reading.take_failures());
        if !runs.is_empty() {
            return Some(Message::Chunk(Chunk { pull, runs }));
        }
        if !served.reading.is_empty() {
            return None;
        }
        served.ended = true;
        self.forget_ended(pull);
        Some(Message::End(pull))
    }
}

impl Served {
    fn next_runs(&mut self, now: Now, source: &Source<'_>) -> Vec<crate::log::Run> {
        let (mut runs, mut completes, mut bytes) = (Vec::new(), Vec::new(), 0);
        let first = self.reading.next_size(source).filter(|size| self.window.has_room(*size as u64));
        let mut room = first.unwrap_or(0);
        while let Some(next) = self.reading.next(room, source) {
            bytes += next.size();
            room = self.window.chunk_bytes().saturating_sub(bytes);
            if source.logs.chain(next.chain).is_some_and(|chain| next.last >= chain.durable) {
                completes.push(EntryAt { chain: next.chain, position: next.last });
            }
            runs.push(next.run);
        }
        if !runs.is_empty() {
            self.window.sent(now, bytes as u64);
            self.completes.push_back(completes);
        }
        runs
    }
}
