//! Relays: peers that carry a workspace without being able to read it.
//!
//! ```text
//!   device of a member                         relay
//!   CarryOffer: workspace, secret, token ──>   asks its operator
//!        <── CarryAnswer: its root, and the certificates from there to it
//!   names the root and an address in the workspace's set `relays`
//! ```
//!
//! Whoever reads that set serves every device under such a root as one of a member's, which shows its
//! certificates as a device does that was linked; several processes of one relay are several devices. The
//! relay itself has no role and no key. Who is in it tells from the control entries, which are plain: so it
//! serves whom the members would serve, stores bodies that it cannot read, and writes nothing.
//!
//! An offer with another secret than the founding entry commits to brings nothing: those who have the right
//! one would not find each other there. So it counts only while nothing else is known.
//!
//! Given a role, a relay goes on as a device of a member: it introduces itself, asks for keys, and reads.

use super::{Event, Holding, Logs, Output, Refusal, Replica, RequestId, WorkspaceRecord, io::Way, reader_of};
use crate::{
    access::Role,
    change::Change,
    crypto::verify_chain,
    founding::Founding,
    id::{DeviceId, PersonId, WorkspaceId},
    limits,
    message::{CarryAnswer, CarryOffer, CarryVerdict, ClaimBy, Message},
    model::{
        EntityKey, Kind, Slot,
        workspace::{RELAYS, Relay, entity_of},
    },
    session::{Admission, Fault, PeerCopy},
    ticket::SessionSecret,
    time::Now,
    value::{Element, Value},
    workspace::Workspace,
};
use std::collections::BTreeSet;

/// A relay that is asked to carry something, for a person who waits.
#[derive(Debug, Clone)]
pub(super) struct Asking {
    request: RequestId,
    workspace: WorkspaceId,
    relay: DeviceId,
    address: String,
    token: String,
    until_ms: u64,
}

/// What is known of one workspace in this regard.
#[derive(Debug, Clone, Default)]
pub(super) struct Carrying {
    /// The relays that it names.
    pub relays: Vec<Relay>,
    /// Those of their addresses that were dialled.
    dialled: BTreeSet<String>,
    /// Bytes of entries that are here, or on their way to the disk.
    pub entry_bytes: u64,
    /// Bytes of blobs that are here.
    pub blob_bytes: u64,
    /// Whether this device once held the same as somebody who is in.
    pub has_caught_up: bool,
}

/// The relays that a workspace names. Of a hostile multitude the first count.
pub fn relays_of(workspace: &Workspace) -> Vec<Relay> {
    let key = EntityKey::new(Kind::Workspace, entity_of(workspace.id()));
    let read = |element: &Element| match element {
        Element::Text(text) => text.parse().ok(),
        _ => None,
    };
    let mut relays: Vec<Relay> = workspace.elements(key, RELAYS).into_iter().filter_map(read).collect();
    relays.sort_unstable();
    relays.truncate(limits::RELAYS);
    relays
}

impl Holding {
    /// Whether this device carries the workspace as a relay, and no more.
    pub fn is_carrier(&self) -> bool {
        let is_carried = matches!(self.record.way, Way::Carried { .. });
        is_carried && self.members.access().role_of(self.record.origin.person).is_none()
    }

    /// Whether this relay keeps as much of the workspace as its operator allows.
    pub fn is_full(&self) -> bool {
        let stored = self.carrying.entry_bytes.saturating_add(self.carrying.blob_bytes);
        matches!(self.record.way, Way::Carried { room: Some(room) } if stored >= room)
    }

    /// Whether all devices under this root are served as relays.
    pub fn is_relay(&self, root: PersonId) -> bool {
        // A relay cannot read the set; its own root's devices it knows.
        self.carrying.relays.iter().any(|relay| relay.root == root)
            || self.is_carrier() && root == self.record.origin.person
    }

    /// As what relay a peer is served, if it is.
    pub fn relay_by(&self, copy: &PeerCopy) -> Option<PersonId> {
        let is_served = copy.admission.is_some_and(|(_, found)| found == Admission::Admitted);
        match copy.claim.as_ref().filter(|_| is_served) {
            Some(ClaimBy::Certificates { person, .. }) if self.is_relay(*person) => Some(*person),
            _ => None,
        }
    }

    /// Reads anew which relays are named. Who is served follows from it.
    pub fn refresh_relays(&mut self) {
        let relays = relays_of(&self.state);
        if relays != self.carrying.relays {
            self.carrying.relays = relays;
            self.standing += 1;
        }
    }
}

impl Replica {
    /// Asks a relay to carry a workspace. Answered when it has agreed.
    pub(super) fn add_relay(
        &mut self,
        now: Now,
        request: RequestId,
        workspace: WorkspaceId,
        (relay, address, token): (DeviceId, String, String),
    ) -> Result<(), Refusal> {
        let holding = self.writable(workspace)?;
        holding.may(Role::Member)?;
        if token.len() > limits::CARRY_TOKEN {
            return Err(Refusal::Relay(
                "that token is too long to be one: take it as it was given".to_owned(),
            ));
        }
        if relay == self.identity.device_id() {
            return Err(Refusal::Relay("that is the address of this very device".to_owned()));
        }
        self.stop_asking("another relay was asked meanwhile");
        let until_ms = now.mono_ms + limits::CARRY_MS;
        self.asking = Some(Asking { request, workspace, relay, address, token, until_ms });
        self.ask_to_carry(relay);
        Ok(())
    }

    /// Serves a relay no more.
    pub(super) fn remove_relay(
        &mut self,
        now: Now,
        request: RequestId,
        workspace: WorkspaceId,
        root: PersonId,
        logs: &dyn Logs,
    ) -> Result<(), Refusal> {
        let holding = self.writable(workspace)?;
        if holding.members.access().role_of(root).is_some() {
            let words = "that relay is in, and goes on to be given keys: first `velo relay role none`";
            return Err(Refusal::Relay(words.to_owned()));
        }
        let relays = relays_of(&holding.state);
        let gone: Vec<Change> = relays
            .iter()
            .filter(|relay| relay.root == root)
            .map(|relay| naming(workspace, relay, false))
            .collect();
        if gone.is_empty() {
            return Err(Refusal::Relay("there is no such relay here: see `velo relay list`".to_owned()));
        }
        self.edit(now, request, workspace, &gone, logs)
    }

    /// A peer has introduced itself: it may be the relay that is to be asked.
    pub(super) fn ask_to_carry(&mut self, peer: DeviceId) {
        let Some(asking) = self.asking.as_ref().filter(|asking| asking.relay == peer) else { return };
        let (Some(session), Some(holding)) =
            (self.sessions.get_mut(&peer), self.holdings.get(&asking.workspace))
        else {
            return;
        };
        if session.is_open() {
            let (workspace, secret) = (asking.workspace, holding.record.secret.clone());
            session.say(&Message::CarryOffer(CarryOffer { workspace, secret, token: asking.token.clone() }));
        }
    }

    /// Ends a wait that took too long.
    pub(super) fn check_asking(&mut self, now: Now) {
        if self.asking.as_ref().is_some_and(|asking| now.mono_ms >= asking.until_ms) {
            self.stop_asking(
                "the relay was not reached, or did not answer: is the address right, does `velo-relay` run there?",
            );
        }
    }

    fn stop_asking(&mut self, why: &str) {
        if let Some(Asking { request, .. }) = self.asking.take() {
            let result = Err(Refusal::Relay(why.to_owned()));
            self.outputs.push_back(Output::Reply { request, result });
        }
    }

    /// When that is.
    pub(super) fn asking_deadline(&self) -> Option<u64> {
        self.asking.as_ref().map(|asking| asking.until_ms)
    }

    /// A device would have this one carry a workspace: its operator decides.
    pub(super) fn carry_offered(&mut self, peer: DeviceId, offer: CarryOffer) {
        if self.unopened.contains(&offer.workspace) {
            let words = "it cannot take that workspace: its operator finds out more with `velo-relay doctor`";
            self.decline_to_carry(peer, offer.workspace, words);
        } else {
            self.outputs.push_back(Output::AskCarry { peer, offer });
        }
    }

    /// The operator's word came.
    pub(super) fn carry_decided(
        &mut self,
        now: Now,
        peer: DeviceId,
        offer: CarryOffer,
        decision: Result<Option<u64>, String>,
        logs: &dyn Logs,
    ) {
        let CarryOffer { workspace, secret, .. } = offer;
        match decision.and_then(|room| self.carry(workspace, secret, room, logs)) {
            Ok(()) => {
                self.say_carried(peer, workspace);
                self.offer_to_all(now, workspace);
            }
            Err(words) => self.decline_to_carry(peer, workspace, &words),
        }
    }

    fn carry(
        &mut self,
        workspace: WorkspaceId,
        secret: SessionSecret,
        room: Option<u64>,
        logs: &dyn Logs,
    ) -> Result<(), String> {
        if self.read_only.is_some() {
            return Err("it cannot save anything at the moment: tell its operator".to_owned());
        }
        let Some(holding) = self.holdings.get_mut(&workspace) else {
            let origin = self.origin(false);
            self.add(WorkspaceRecord::new(workspace, secret, origin, Way::Carried { room }));
            return Ok(());
        };
        let before = holding.record.clone();
        // Anybody may have offered it first, with a secret of their own.
        let is_right = |founding: Founding| founding.confirms(workspace, &secret);
        let is_other = before.secret != secret;
        if is_other
            && holding.has_entries()
            && !holding.founding(reader_of(logs, workspace)).is_some_and(is_right)
        {
            return Err("it knows that workspace by another secret".to_owned());
        }
        // Whoever else has a token and knows the secret does not take room away.
        let way = match before.way {
            Way::Carried { room: before } => {
                Way::Carried { room: before.and_then(|before| room.map(|room| room.max(before))) }
            }
            way => way,
        };
        holding.record.way = way;
        holding.record.secret = secret;
        self.outputs.push_back(Output::Remember(holding.record.clone()));
        if is_other {
            for session in self.sessions.values_mut() {
                session.part_with(workspace, &before.secret);
            }
        }
        self.pulling.look_in(workspace);
        Ok(())
    }

    fn say_carried(&mut self, peer: DeviceId, workspace: WorkspaceId) {
        let (person, chain) = (self.identity.person, self.identity.chain.clone());
        self.say_verdict(peer, workspace, CarryVerdict::Carried { person, chain });
    }

    fn decline_to_carry(&mut self, peer: DeviceId, workspace: WorkspaceId, words: &str) {
        let words = words.chars().take(limits::CARRY_WORDS / 4).collect();
        self.say_verdict(peer, workspace, CarryVerdict::Declined(words));
    }

    fn say_verdict(&mut self, peer: DeviceId, workspace: WorkspaceId, verdict: CarryVerdict) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.say(&Message::CarryAnswer(CarryAnswer { workspace, verdict }));
        }
    }

    /// A relay has answered.
    pub(super) fn carry_answered(
        &mut self,
        now: Now,
        peer: DeviceId,
        answer: CarryAnswer,
        logs: &dyn Logs,
    ) -> Result<(), Fault> {
        let CarryAnswer { workspace, verdict } = answer;
        if verdict == CarryVerdict::Full {
            self.note_full(peer, workspace);
            return Ok(());
        }
        let is_asked = |asking: &mut Asking| asking.relay == peer && asking.workspace == workspace;
        let Some(Asking { request, address, .. }) = self.asking.take_if(is_asked) else { return Ok(()) };
        let refuse = |words| Output::Reply { request, result: Err(Refusal::Relay(words)) };
        match verdict {
            CarryVerdict::Carried { person, chain } if verify_chain(person, peer, &chain).is_ok() => {
                let relay = Relay { root: person, address };
                let named = self.edit(now, request, workspace, &[naming(workspace, &relay, true)], logs);
                if let Err(refusal) = named {
                    self.outputs.push_back(Output::Reply { request, result: Err(refusal) });
                }
                Ok(())
            }
            CarryVerdict::Carried { .. } => {
                self.outputs
                    .push_back(refuse("the relay answered with certificates that are not valid".to_owned()));
                Err(Fault::Order("certificates of a relay that are not valid"))
            }
            CarryVerdict::Declined(words) => {
                let words: String = words.chars().take(limits::CARRY_WORDS).collect();
                self.outputs.push_back(refuse(format!("the relay declines: {words}")));
                Ok(())
            }
            CarryVerdict::Full => Ok(()),
        }
    }

    fn note_full(&mut self, peer: DeviceId, workspace: WorkspaceId) {
        let session = self.sessions.get_mut(&peer);
        if let Some(copy) = session.and_then(|session| session.copies.get_mut(&workspace)) {
            copy.is_full = true;
            self.outputs.push_back(Output::Event(Event::PeerChanged { peer }));
        }
    }

    /// Tells a peer, once a session, that nothing more of a workspace is taken from it.
    pub(super) fn say_full(&mut self, peer: DeviceId, workspace: WorkspaceId) {
        let session = self.sessions.get_mut(&peer);
        let Some(copy) = session.and_then(|session| session.copies.get_mut(&workspace)) else { return };
        copy.decline();
        if !std::mem::replace(&mut copy.said_full, true) {
            self.say_verdict(peer, workspace, CarryVerdict::Full);
        }
    }

    /// Has the relays dialled that a workspace names, each address once.
    pub(super) fn dial_relays(&mut self, workspace: WorkspaceId) {
        let Some(holding) = self.holdings.get_mut(&workspace).filter(|holding| holding.record.auto_sync)
        else {
            return;
        };
        let named: BTreeSet<String> =
            holding.carrying.relays.iter().map(|relay| relay.address.clone()).collect();
        let addresses: Vec<String> = named.difference(&holding.carrying.dialled).cloned().collect();
        holding.carrying.dialled = named;
        if !addresses.is_empty() {
            self.outputs.push_back(Output::Dial { addresses });
        }
    }
}

/// Names a relay in the workspace, or no more.
fn naming(workspace: WorkspaceId, relay: &Relay, on: bool) -> Change {
    let key = EntityKey::new(Kind::Workspace, entity_of(workspace));
    Change::Set { key, slot: Slot::element(RELAYS, relay.element()), value: Value::Bool(on) }
}
