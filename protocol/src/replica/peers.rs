//! What is known of the other devices, for people: who is here, how far each is behind, and why nothing
//! moves.
//!
//! Of a peer that is here its session tells. Of one that has gone the last counts are remembered, and the
//! driver keeps them ([`PeerNote`]), so that they are there after a restart and without a network. They
//! are for people alone: no session relies on what a peer held in an earlier one.

use super::{Breach, BreachKind, Event, Holding, Output, Replica};
use crate::{
    id::{DeviceId, PersonId, WorkspaceId},
    limits,
    log_set::LogSet,
    session::{Admission, PeerCopy, Session},
    time::Now,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is known of a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerStatus {
    /// Which device.
    pub peer: DeviceId,
    /// Whether a session is open.
    pub connected: bool,
    /// Milliseconds of the wall clock at which it was last heard.
    pub last_seen_ms: u64,
    /// By how many milliseconds its clock is ahead of this device's, or behind if negative. Only while it is
    /// connected, and only where that is worth telling.
    pub clock_ahead_ms: Option<i64>,
    /// For every shared workspace. Of a peer that has gone: as it was then.
    pub workspaces: Vec<PeerWorkspace>,
}

/// What is known of a peer's copy of one workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerWorkspace {
    /// Which.
    pub workspace: WorkspaceId,
    /// Whether both hold the same by what it last said itself. Never of a peer that has gone.
    pub synced: bool,
    /// Entries held here that it has not acknowledged.
    pub lacks: u64,
    /// Those of them that this device's person wrote.
    pub lacks_own: u64,
    /// Entries it announced that are not here.
    pub we_lack: u64,
    /// Milliseconds of the wall clock at which it last said something about this workspace.
    pub heard_ms: u64,
    /// Why nothing moves, if so.
    pub stall: Option<Stall>,
    /// The root under which the peer is a relay of this workspace, if it is one.
    pub relay: Option<PersonId>,
    /// What it did not long ago that no honest peer does.
    pub breach: Option<Breach>,
}

/// Why nothing moves between this device and a peer, or cannot be seen here although it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stall {
    /// Nothing can be saved here.
    ReadOnly,
    /// A person switched automatic sync off here.
    SyncOff,
    /// The peer's ticket is no longer good.
    Refused,
    /// Nothing here lets the peer in.
    NotAdmitted,
    /// It offers more of what somebody wrote who is out than is taken of it.
    Declined,
    /// It is a relay that has no room for more.
    RelayFull,
    /// The peer shows this device nothing.
    NotServed,
    /// Part of the log cannot be read here.
    Unreadable,
    /// The peer announced what it does not bring.
    BringsNothing,
    /// The peer has not said anything for long.
    Silent,
    /// What came cannot be read yet.
    WaitsForKeys,
    /// What came rests on what nobody has shown yet.
    WaitsForChanges,
    /// What came was made with a newer version.
    NeedsUpdate,
}

impl Stall {
    /// Why, for people, and what to do.
    pub const fn words(self) -> &'static str {
        match self {
            Self::ReadOnly => {
                "nothing can be saved on this device: make room on its disk, then start Velo again"
            }
            Self::SyncOff => "automatic sync is off on this device: sync now, or switch it on",
            Self::Refused => "its ticket was withdrawn: with a new one it is let in",
            Self::NotAdmitted => {
                "nothing here says that it belongs to a member, so it is shown nothing: another device of the \
                 team may know it, meet that one first"
            }
            Self::Declined => {
                "it offers more of what somebody wrote who is not in than this device takes: it would have no \
                 effect, so nothing is amiss; whoever is let in again brings the rest"
            }
            Self::RelayFull => {
                "the relay keeps as much of this workspace as its operator allows: they can give it more room"
            }
            Self::NotServed => {
                "it shows this device nothing: it may not know it yet, or this device's person was removed there"
            }
            Self::Unreadable => {
                "part of the log cannot be read here and is not sent: the doctor says what is lost"
            }
            Self::BringsNothing => {
                "it announced changes that it does not bring: they come with another device that has them; if none \
                 has, ask whoever runs this one"
            }
            Self::Silent => {
                "it is connected and says nothing about this workspace: automatic sync may be off there"
            }
            Self::WaitsForKeys => {
                "some of what came waits for its keys: it is shown when a device that has them is met"
            }
            Self::WaitsForChanges => {
                "some of what came rests on changes that no device met so far has shown: it is shown when one that \
                 has them is met"
            }
            Self::NeedsUpdate => {
                "some of what came was made with a newer version of Velo: update this device"
            }
        }
    }
}

/// What is to be remembered of a peer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerNote {
    /// Which device.
    pub peer: DeviceId,
    /// Milliseconds of the wall clock at which it was last heard.
    pub last_seen_ms: u64,
    /// Of every workspace it shared.
    pub workspaces: Vec<CopyNote>,
}

/// What is to be remembered of a peer's copy. Counts of entries: what is lacking now follows from what is
/// here now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopyNote {
    /// Of which workspace.
    pub workspace: WorkspaceId,
    /// How many entries it had acknowledged.
    pub has: u64,
    /// Those of them that this device's person wrote.
    pub has_own: u64,
    /// How many it had announced that were not here.
    pub we_lack: u64,
    /// When it last said something about the workspace.
    pub heard_ms: u64,
    /// As what relay it was served.
    #[serde(default)]
    pub relay: Option<PersonId>,
    /// What it did that no honest peer does.
    #[serde(default)]
    pub breach: Option<Breach>,
}

/// What this device keeps in mind of a peer that proved to have a workspace of ours: strangers leave no
/// trace.
#[derive(Debug, Clone, Default)]
pub(super) struct Seen {
    pub last_ms: u64,
    /// As it was when the last session ended.
    copies: BTreeMap<WorkspaceId, CopyNote>,
    /// The last one in each workspace.
    pub breaches: BTreeMap<WorkspaceId, Breach>,
}

impl Seen {
    /// What is to be told of. `is_relay`: the peer is one of the workspace, as far as is known.
    fn breach(&self, now: Now, workspace: WorkspaceId, is_relay: bool) -> Option<Breach> {
        let breach = self.breaches.get(&workspace).copied()?;
        let is_recent = now.wall_ms.saturating_sub(breach.at_ms) < limits::BREACH_TOLD_MS;
        Some(breach).filter(|breach| is_recent && (is_relay || breach.kind == BreachKind::Invalid))
    }
}

/// How many entries a digest counts, of everybody or of one person.
fn held(logs: &LogSet, by: Option<PersonId>) -> u64 {
    let counted = logs.chains().filter(|(_, chain)| by.is_none_or(|by| chain.origin.person == by));
    let counted = counted.map(|(number, chain)| {
        let base = chain.parent.map_or(0, |parent| parent.position);
        logs.counted_position(number).saturating_sub(base)
    });
    counted.sum()
}

impl Replica {
    /// Every peer that shared a workspace, also before this start: see [`Self::recall`].
    pub fn peers(&self, now: Now) -> Vec<PeerStatus> {
        self.seen.iter().map(|(peer, seen)| self.peer_status(now, *peer, seen)).collect()
    }

    fn peer_status(&self, now: Now, peer: DeviceId, seen: &Seen) -> PeerStatus {
        let session = self.sessions.get(&peer);
        let copies = session.map(|session| &session.copies);
        let here = copies.into_iter().flatten().filter_map(|(workspace, copy)| {
            let status = self.shared_status(now, *workspace, self.holdings.get(workspace)?, (peer, copy));
            let breach = seen.breach(now, *workspace, status.relay.is_some());
            Some(PeerWorkspace { breach, ..status })
        });
        let is_here = |workspace: &WorkspaceId| copies.is_some_and(|copies| copies.contains_key(workspace));
        let gone = seen.copies.values().filter(|note| !is_here(&note.workspace));
        let gone = gone.filter_map(|note| {
            Some(self.noted_status(now, seen, *note, self.holdings.get(&note.workspace)?))
        });
        let ahead = session.and_then(Session::clock_ahead_ms);
        PeerStatus {
            peer,
            connected: session.is_some(),
            last_seen_ms: seen.last_ms,
            clock_ahead_ms: ahead.filter(|ms| ms.unsigned_abs() > limits::CLOCK_AHEAD_MS),
            workspaces: here.chain(gone.filter(|_| session.is_none())).collect(),
        }
    }

    fn shared_status(
        &self,
        now: Now,
        workspace: WorkspaceId,
        holding: &Holding,
        (peer, copy): (DeviceId, &PeerCopy),
    ) -> PeerWorkspace {
        PeerWorkspace {
            workspace,
            synced: copy.synced(&holding.logs),
            lacks: copy.lacks(&holding.logs),
            lacks_own: copy.lacks_by(&holding.logs, self.identity.person),
            we_lack: copy.we_lack(&holding.logs),
            heard_ms: copy.contact.heard().wall_ms,
            stall: self.stall(now, holding, (peer, copy)),
            relay: holding.relay_by(copy),
            breach: None,
        }
    }

    fn noted_status(&self, now: Now, seen: &Seen, note: CopyNote, holding: &Holding) -> PeerWorkspace {
        let relay = note.relay.filter(|root| holding.is_relay(*root));
        let own = held(&holding.logs, Some(self.identity.person));
        PeerWorkspace {
            workspace: note.workspace,
            synced: false,
            lacks: held(&holding.logs, None).saturating_sub(note.has),
            lacks_own: own.saturating_sub(note.has_own),
            we_lack: note.we_lack,
            heard_ms: note.heard_ms,
            stall: None,
            relay,
            breach: seen.breach(now, note.workspace, relay.is_some()),
        }
    }

    /// Why nothing moves: what concerns every peer first.
    fn stall(&self, now: Now, holding: &Holding, (peer, copy): (DeviceId, &PeerCopy)) -> Option<Stall> {
        let synced = copy.synced(&holding.logs);
        let lets_pulls_fail = || self.pulling.often_fails(peer) && copy.we_lack(&holding.logs) > 0;
        let found = |is_so: bool, stall| is_so.then_some(stall);
        let admission = copy.admission.map(|(_, found)| found);
        found(self.read_only.is_some(), Stall::ReadOnly)
            .or(found(!holding.syncs(now), Stall::SyncOff))
            .or(found(admission == Some(Admission::Refused), Stall::Refused))
            .or(found(admission == Some(Admission::Denied), Stall::NotAdmitted))
            .or(found(!synced && copy.is_full, Stall::RelayFull))
            .or(found(!synced && copy.declines() && !holding.is_full(), Stall::Declined))
            .or(found(!synced && !copy.serves_us && copy.has_spoken(), Stall::NotServed))
            .or(found(!synced && !holding.damaged.is_empty(), Stall::Unreadable))
            .or(found(!synced && lets_pulls_fail(), Stall::BringsNothing))
            .or(found(copy.contact.is_silent(now), Stall::Silent))
            .or(found(!holding.needed_keys().is_empty(), Stall::WaitsForKeys))
            .or(found(synced && holding.logs.waits_in_vain(|_| true), Stall::WaitsForChanges))
            .or(found(holding.state.needs_update(), Stall::NeedsUpdate))
    }

    /// What is to be remembered of every peer: for [`Self::recall`] after the next start.
    pub fn peer_notes(&self) -> Vec<PeerNote> {
        let note = |(peer, seen): (&DeviceId, &Seen)| {
            let mut copies = seen.copies.clone();
            copies.extend(self.live_notes(*peer));
            for note in copies.values_mut() {
                note.breach = seen.breaches.get(&note.workspace).copied();
            }
            copies.retain(|workspace, _| self.holdings.contains_key(workspace));
            PeerNote { peer: *peer, last_seen_ms: seen.last_ms, workspaces: copies.into_values().collect() }
        };
        self.seen.iter().map(note).collect()
    }

    /// Takes in what was remembered of peers. What is more than there is room for is left out.
    pub fn recall(&mut self, notes: Vec<PeerNote>) {
        for PeerNote { peer, last_seen_ms: last_ms, workspaces } in notes.into_iter().take(limits::PEERS_SEEN)
        {
            let known = workspaces.into_iter().take(limits::WORKSPACES_SHARED);
            let copies: BTreeMap<_, _> = known.map(|note| (note.workspace, note)).collect();
            let breaches = copies.values().filter_map(|note| Some((note.workspace, note.breach?))).collect();
            self.seen.insert(peer, Seen { last_ms, copies, breaches });
        }
    }

    fn live_notes(&self, peer: DeviceId) -> BTreeMap<WorkspaceId, CopyNote> {
        let copies = self.sessions.get(&peer).into_iter().flat_map(|session| &session.copies);
        let notes = copies.filter_map(|(workspace, copy)| {
            let holding = self.holdings.get(workspace)?;
            let logs = &holding.logs;
            let person = self.identity.person;
            let note = CopyNote {
                workspace: *workspace,
                has: held(logs, None).saturating_sub(copy.lacks(logs)),
                has_own: held(logs, Some(person)).saturating_sub(copy.lacks_by(logs, person)),
                we_lack: copy.we_lack(logs),
                heard_ms: copy.contact.heard().wall_ms,
                relay: holding.relay_by(copy),
                breach: None,
            };
            Some((*workspace, note))
        });
        notes.collect()
    }

    /// A session is about to end: what it told of is remembered.
    pub(super) fn note_parting(&mut self, peer: DeviceId) {
        let notes = self.live_notes(peer);
        if let Some(seen) = self.seen.get_mut(&peer) {
            seen.copies.extend(notes);
        }
        self.outputs.push_back(Output::Event(Event::PeerChanged { peer }));
    }

    /// A peer shares a workspace. Of those that are gone only the last are remembered.
    pub(super) fn note_seen(&mut self, now: Now, peer: DeviceId) {
        self.seen.entry(peer).or_default().last_ms = now.wall_ms;
        if self.seen.len() > limits::PEERS_SEEN {
            let gone = self.seen.iter().filter(|(peer, _)| !self.sessions.contains_key(peer));
            let oldest = gone.min_by_key(|(_, seen)| seen.last_ms).map(|(peer, _)| *peer);
            oldest.map(|peer| self.seen.remove(&peer));
        }
    }

    /// Something changed that concerns every peer.
    pub(super) fn tell_of_peers(&mut self) {
        let changed = self.sessions.keys().map(|peer| Output::Event(Event::PeerChanged { peer: *peer }));
        self.outputs.extend(changed);
    }

    /// Tells people where the time is over for which they asked to sync.
    pub(super) fn note_pause(&mut self, now: Now) {
        let ended = |holding: &&mut Holding| {
            !holding.record.auto_sync && (1..=now.mono_ms).contains(&holding.sync_until)
        };
        let mut any = false;
        for holding in self.holdings.values_mut().filter(ended) {
            (holding.sync_until, any) = (0, true);
        }
        if any {
            self.tell_of_peers();
        }
    }

    /// Tells people where a peer has fallen silent.
    pub(super) fn note_silence(&mut self, now: Now, peer: DeviceId) {
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        let mut copies = session.copies.iter_mut();
        if copies.any(|(_, copy)| copy.contact.turned_silent(now)) {
            self.outputs.push_back(Output::Event(Event::PeerChanged { peer }));
        }
    }
}
