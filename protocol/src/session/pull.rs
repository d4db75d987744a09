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

use super::{Source, reading::Reading};
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
    /// The peer is not asked before: it let a pull stall.
    rests_until: Option<u64>,
    /// How often that happened since a pull brought something.
    stalls: u32,
}

/// A pull that this device asked for.
#[derive(Debug)]
#[cfg_attr(feature = "sim", derive(Clone))]
pub(crate) struct Asked {
    /// Of which workspace.
    pub workspace: WorkspaceId,
    /// The logs and what is wanted of them.
    pub heads: Vec<(LogId, EntryId)>,
    /// How far chains were brought.
    reached: BTreeMap<ChainNo, u64>,
    moved_ms: u64,
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
        self.rests_until.is_none() && self.asked.len() < limits::PULLS_PER_PEER
    }

    /// What this device has asked for and is still to come.
    pub fn asked(&self) -> impl Iterator<Item = &Asked> {
        self.asked.values()
    }

    /// Notes a new pull, and names it.
    pub fn ask(&mut self, now: Now, workspace: WorkspaceId, heads: Vec<(LogId, EntryId)>) -> PullId {
        let pull = self.next;
        self.next = self.next.wrapping_add(1);
        let asked = Asked { workspace, heads, reached: BTreeMap::new(), moved_ms: now.mono_ms };
        self.asked.insert(pull, asked);
        pull
    }

    /// Of which workspace a pull is that this device asked for; `None` if it was given up.
    pub fn workspace_of(&self, pull: PullId) -> Option<WorkspaceId> {
        self.asked.get(&pull).map(|asked| asked.workspace)
    }

    /// A pull brought entries up to these. Only what goes on counts as progress.
    pub fn brought(&mut self, now: Now, pull: PullId, ends: &[EntryAt]) {
        let Some(asked) = self.asked.get_mut(&pull) else { return };
        for end in ends {
            let reached = asked.reached.entry(end.chain).or_insert(0);
            if end.position > *reached {
                (*reached, asked.moved_ms) = (end.position, now.mono_ms);
                self.stalls = 0;
            }
        }
    }

    /// A pull that this device asked for is over.
    pub fn over(&mut self, pull: PullId) -> Option<Asked> {
        self.asked.remove(&pull)
    }

    /// Pulls that bring nothing. Their peer is not asked again for a while, and for longer each time.
    pub fn stalled(&mut self, now: Now) -> Vec<PullId> {
        self.rests_until = self.rests_until.filter(|until| now.mono_ms < *until);
        let is_stalled = |asked: &Asked| now.mono_ms >= asked.moved_ms + limits::PULL_STALL_MS;
        let stalled: Vec<_> =
            self.asked.iter().filter(|(_, asked)| is_stalled(asked)).map(|(pull, _)| *pull).collect();
        if !stalled.is_empty() {
            let rest = limits::PULL_STALL_MS << self.stalls.min(limits::PULL_REST_DOUBLINGS);
            self.stalls = self.stalls.saturating_add(1);
            self.rests_until = Some(now.mono_ms + rest);
        }
        stalled
    }

    /// When [`Self::stalled`] is to be asked.
    pub fn deadline(&self) -> Option<u64> {
        let stall = self.asked.values().map(|asked| asked.moved_ms + limits::PULL_STALL_MS).min();
        [stall, self.rests_until].into_iter().flatten().min()
    }

    /// Ends what concerns a workspace that is here no more. Gives what to say.
    pub fn part_with(&mut self, workspace: WorkspaceId) -> Vec<Message> {
        let asked = self.asked.extract_if(.., |_, asked| asked.workspace == workspace);
        let mut said: Vec<Message> = asked.map(|(pull, _)| Message::Stop(pull)).collect();
        let served = self.served.extract_if(.., |_, served| served.workspace == workspace);
        said.extend(served.map(|(pull, _)| Message::End(pull)));
        said
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
