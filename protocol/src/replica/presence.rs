//! Telling each other who is here: what [`crate::presence`] decides, said to the peers who may hear it.
//!
//! Only devices that are in are told, and told of. The private workspace says nothing: whose other device
//! is on, its person knows.

use super::{Event, Holding, Output, Replica};
use crate::{
    access::Role,
    crypto::Sig,
    id::{DeviceId, EntryId, PersonId, WorkspaceId},
    keys::ring::Write,
    limits,
    message::Message,
    presence::{Doing, Presence},
    session::Session,
    store::EntryAt,
    time::Now,
};
use rand_core::Rng;

/// Somebody who is here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Present {
    /// On which device.
    pub device: DeviceId,
    /// Who.
    pub person: PersonId,
    /// What they do.
    pub doing: Doing,
}

impl Holding {
    /// Whose device it is, if it can act for somebody who is in.
    fn owner(&self, device: DeviceId) -> Option<PersonId> {
        self.owner_with_kin(device).map(|(person, _)| person)
    }

    /// The same with all devices of theirs.
    fn owner_with_kin(&self, device: DeviceId) -> Option<(PersonId, &[DeviceId])> {
        let mut members = self.state.roster().members.iter();
        let found = members.find(|(_, standing)| standing.devices.contains(&device));
        found.map(|(person, standing)| (*person, standing.devices.as_slice()))
    }

    /// The epoch whose key everybody has who is in, and nobody who is out. None after a removal, until
    /// somebody writes under a new one.
    fn epoch_of_members(&self) -> Option<EntryId> {
        if self.writing.is_some() {
            return self.writing;
        }
        let removals: Vec<EntryAt> = self.members.access().removals().collect();
        match self.ring.to_write(&self.members.readers(), |epoch| self.has_seen(epoch, &removals)) {
            Write::Use(epoch) | Write::ShareFirst(epoch, _) => Some(epoch),
            Write::Rotate => None,
        }
    }

    fn read_presence(&self, said: &Presence) -> Option<Doing> {
        let cipher = self.ring.presence_cipher(said.epoch)?;
        Doing::read(&cipher.open(&said.context(), said.nonce, &said.state)?)
    }
}

impl Replica {
    /// Who else is in a workspace and here, as far as this device hears.
    pub fn present(&self, workspace: WorkspaceId) -> Vec<Present> {
        let Some(holding) = self.holdings.get(&workspace) else { return Vec::new() };
        let shown = holding.presence.shown();
        shown
            .filter_map(|(device, doing)| Some(Present { device, person: holding.owner(device)?, doing }))
            .collect()
    }

    /// Under the key of which epoch this device said that it is here: for the simulator.
    #[cfg(feature = "sim")]
    pub fn own_presence_epoch(&self, workspace: WorkspaceId) -> Option<EntryId> {
        let own = self.holdings.get(&workspace)?.presence.all().next()?;
        (own.device == self.identity.device_id()).then_some(own.epoch)
    }

    /// Whether what is said under the key of an epoch can be read here: for the simulator.
    #[cfg(feature = "sim")]
    pub fn reads_presence(&self, workspace: WorkspaceId, epoch: EntryId) -> bool {
        self.holdings.get(&workspace).is_some_and(|holding| holding.ring.holds(epoch))
    }

    /// Says what this device has to say of itself, greets who has come, and lets run out what was not
    /// renewed.
    pub(super) fn tend_presence(&mut self, now: Now) {
        let private = self.private_id();
        for workspace in self.workspaces().into_iter().filter(|id| Some(*id) != private) {
            if let Some(said) = self.own_presence(now, workspace) {
                self.pass_on(now, self.identity.device_id(), &said);
            }
            self.greet_newcomers(now, workspace);
            let Some(holding) = self.holdings.get_mut(&workspace) else { continue };
            if holding.presence.expire(now) {
                self.outputs.push_back(Output::Event(Event::PresenceChanged { workspace }));
            }
        }
    }

    fn own_presence(&mut self, now: Now, workspace: WorkspaceId) -> Option<Presence> {
        let (doing, place) = self.doing?;
        let holding = self.holdings.get_mut(&workspace)?;
        let elsewhere = matches!(doing, Doing::At(_)) && place != Some(workspace);
        holding.presence.set(now, if elsewhere { Doing::Here } else { doing });
        let (doing, counter) = holding.presence.due(now)?;
        if !holding.syncs(now) || holding.may(Role::Viewer).is_err() {
            return None;
        }
        let (device, epoch) = (self.identity.device_id(), holding.epoch_of_members()?);
        let cipher = holding.ring.presence_cipher(epoch)?;
        let (nonce, state, by_device) = ([0; 24], Vec::new(), Sig([0; 64]));
        let said = Presence { workspace, device, counter, epoch, nonce, state, by_device };
        let (nonce, state) = cipher.seal(&said.context(), &doing.write())?;
        let said = Presence { nonce, state, ..said }.signed(&self.identity.device);
        holding.presence.note_said(said.clone());
        Some(said)
    }

    /// Tells everybody who may hear it what this device says of itself, and some of them, other ones each
    /// time, what it heard: among many who all know each other everybody would hear everything from everybody.
    fn pass_on(&mut self, now: Now, from: DeviceId, said: &Presence) {
        let mut peers: Vec<DeviceId> = self.sessions.keys().copied().collect();
        peers.retain(|peer| *peer != from && *peer != said.device);
        let is_own = said.device == self.identity.device_id();
        let mut left = if is_own { usize::MAX } else { limits::PRESENCE_FANOUT };
        while left > 0 && !peers.is_empty() {
            let at = if is_own { peers.len() - 1 } else { self.rng.next_u32() as usize % peers.len() };
            let peer = peers.swap_remove(at);
            left -= usize::from(self.may_hear(now, peer, said.workspace) && self.tell_presence(peer, said));
        }
    }

    /// Returns whether there was room. Who has not been greeted is told together with the rest, and where the
    /// line is full it comes again.
    fn tell_presence(&mut self, peer: DeviceId, said: &Presence) -> bool {
        let is_greeted = |session: &&mut Session| {
            session.copies.get(&said.workspace).is_some_and(|copy| copy.contact.knows_presence)
        };
        let session = self.sessions.get_mut(&peer).filter(|session| session.has_room()).filter(is_greeted);
        session.map(|session| session.say(&Message::Presence(said.clone()))).is_some()
    }

    fn greet_newcomers(&mut self, now: Now, workspace: WorkspaceId) {
        let is_new = |session: &Session| {
            session.copies.get(&workspace).is_some_and(|copy| !copy.contact.knows_presence)
        };
        let new = self.sessions.iter().filter(|(_, session)| is_new(session));
        for peer in new.map(|(peer, _)| *peer).collect::<Vec<_>>() {
            if !self.may_hear(now, peer, workspace) {
                continue;
            }
            let (Some(session), Some(holding)) =
                (self.sessions.get_mut(&peer), self.holdings.get(&workspace))
            else {
                continue;
            };
            if let Some(copy) = session.copies.get_mut(&workspace) {
                copy.contact.knows_presence = true;
            }
            for said in holding.presence.all().filter(|said| said.device != peer) {
                session.say(&Message::Presence(said.clone()));
            }
        }
    }

    /// Whether a peer is served, and in.
    fn may_hear(&mut self, now: Now, peer: DeviceId, workspace: WorkspaceId) -> bool {
        let is_in = self
            .holdings
            .get(&workspace)
            .is_some_and(|holding| holding.syncs(now) && holding.owner(peer).is_some());
        is_in && self.admits(now, peer, workspace)
    }

    /// A peer says that somebody is here.
    pub(super) fn presence_said(&mut self, now: Now, peer: DeviceId, said: &Presence) {
        let workspace = said.workspace;
        let may_say = self.sessions.get_mut(&peer).is_some_and(|session| session.may_say_presence(now));
        let is_own = said.device == self.identity.device_id() || Some(workspace) == self.private_id();
        if !may_say || is_own || !self.admits(now, peer, workspace) {
            return;
        }
        let Some(holding) = self.holdings.get_mut(&workspace).filter(|holding| holding.syncs(now)) else {
            return;
        };
        let Some((_, kin)) = holding.owner_with_kin(said.device) else { return };
        if !holding.presence.is_news(said) || !said.is_genuine() {
            return;
        }
        let (kin, doing) = (kin.to_vec(), holding.read_presence(said));
        let Ok(changed) = holding.presence.take(now, said, doing, &kin) else { return };
        if changed {
            self.outputs.push_back(Output::Event(Event::PresenceChanged { workspace }));
        }
        self.pass_on(now, peer, said);
    }
}
