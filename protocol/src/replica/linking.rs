//! Further devices of a person: taken in by one of the others, or brought back with the phrase.
//!
//! ```text
//!   new device                                   device of the person
//!   shows a link code ..........(read, typed).......... Link{code}
//!              <── LinkOffer: person, way from the root, proof that the code was read
//!   LinkAccept: its half of the certificate ──>
//!              <── LinkDone: the certificate, and the secrets of the person's workspaces
//! ```
//!
//! The transport proves each device's key to the other, and both halves of the certificate name
//! person, parent and child: nobody in between can put in another device. What the new device then
//! holds is what a device holds that joined: it syncs, and its first entry in each workspace is the
//! `Link` that brings its certificates.
//!
//! With the phrase alone there is no other device to ask. Any peer will do: a device that proves to
//! have the root of a member is told which workspaces those are, under the person's recovery key.
//!
//! Both are for devices without workspaces: a device belongs to one person.

use super::{Identity, Output, Refusal, Replica, Reply, RequestId, WorkspaceRecord, event::Event, io::Way};
use crate::{
    access::Role,
    control::{CONTROL_VERSION, Link},
    crypto::{self, LinkCert},
    id::{DeviceId, PersonId, WorkspaceId},
    keys::{
        secret::EpochKey,
        wrap::{self, ReceivingKey},
    },
    limits,
    link_code::{LinkCode, LinkSecret},
    log::EntryKind,
    message::{LinkAccept, LinkDone, LinkOffer, Message, Recovered},
    replica::{Logs, reader_of, write::Draft},
    root::Root,
    session::Fault,
    ticket::SessionSecret,
    time::Now,
};

/// What a device is in the middle of.
#[derive(Debug, Default)]
#[cfg_attr(feature = "sim", derive(Clone))]
pub(super) struct Linking {
    /// The secret of the code that this device shows.
    shown: Option<LinkSecret>,
    /// To whom it agreed to belong.
    accepted: Option<(DeviceId, LinkOffer)>,
    /// The device that it is about to take in, who asked for it, and until when it is looked for.
    taking_in: Option<(LinkCode, RequestId, u64)>,
    /// The root for which it looks for workspaces, and until when.
    recovering: Option<(Root, u64)>,
}

impl Linking {
    /// Whether a person is being brought back to this device.
    pub fn is_recovering(&self) -> bool {
        self.recovering.is_some()
    }

    /// The secret half of their recovery key then.
    pub fn recovery_secret(&self) -> Option<SessionSecret> {
        self.recovering.as_ref().map(|(root, _)| SessionSecret(*root.recovery().secret()))
    }

    /// When to give up.
    pub fn deadline(&self) -> Option<u64> {
        let recovering = self.recovering.as_ref().map(|(_, until)| *until);
        self.taking_in.as_ref().map(|(.., until)| *until).into_iter().chain(recovering).min()
    }
}

const NOT_NEW: &str = "this device is in a workspace already, as a device of another person: link a new one, \
                       with another --data-dir. If it was taken from you, first take every workspace off it: \
                       `velo workspace list` names them, `velo workspace forget ID` removes one";

impl Replica {
    /// Shows a code with which another device of the person takes this one in.
    pub(super) fn show_link_code(
        &mut self,
        request: RequestId,
        addresses: Vec<String>,
    ) -> Result<(), Refusal> {
        self.check_new()?;
        let secret = LinkSecret(self.random());
        self.linking.shown = Some(secret.clone());
        let addresses = addresses.into_iter().take(limits::TICKET_ADDRESSES).collect();
        let code = LinkCode { device: self.identity.device_id(), secret, addresses };
        self.outputs.push_back(Output::Reply { request, result: Ok(Reply::LinkCode(code)) });
        Ok(())
    }

    /// Takes in the device that shows this code. Answered when that is done.
    pub(super) fn link(&mut self, now: Now, request: RequestId, code: LinkCode) -> Result<(), Refusal> {
        if code.device == self.identity.device_id() {
            return Err(Refusal::Link("that is the code of this very device".to_owned()));
        }
        if self.is_new() {
            let words = "this device is in no workspace yet: show its own code to one that is";
            return Err(Refusal::Link(words.to_owned()));
        }
        if self.identity.chain.len() >= limits::CHAIN_LINKS {
            let words = "too many devices have taken in each other in a row: link it with an older one";
            return Err(Refusal::Link(words.to_owned()));
        }
        self.give_up_linking("another code was given meanwhile");
        let peer = code.device;
        self.linking.taking_in = Some((code, request, now.mono_ms + limits::LINK_MS));
        self.offer_link(peer);
        Ok(())
    }

    /// Brings a person back to this new device.
    pub(super) fn recover(&mut self, now: Now, request: RequestId, root: Root) -> Result<(), Refusal> {
        self.check_new()?;
        if !self.holdings.is_empty() && root.person() != self.identity.person {
            return Err(Refusal::Link(NOT_NEW.to_owned()));
        }
        let (device, receiving) = (self.identity.device.clone(), self.identity.receiving.clone());
        let shares_store = self.identity.shares_store;
        self.identity = Identity { shares_store, ..Identity::under_root(&root, device, receiving) };
        self.become_device();
        for session in self.sessions.values_mut() {
            session.say_recover(&root);
        }
        self.linking.recovering = Some((root, now.mono_ms + limits::RECOVER_MS));
        self.done(request);
        Ok(())
    }

    fn check_new(&self) -> Result<(), Refusal> {
        if self.is_new() { Ok(()) } else { Err(Refusal::Link(NOT_NEW.to_owned())) }
    }

    /// Ends a search that took too long.
    pub(super) fn check_linking(&mut self, now: Now) {
        if self.linking.recovering.as_ref().is_some_and(|(_, until)| now.mono_ms >= *until) {
            // Whoever has the device after that finds no root in its memory.
            self.linking.recovering = None;
            if let Some(private) = self.private_id().and_then(|id| self.holdings.get_mut(&id)) {
                private.ring.forget(self.identity.recovery.key);
            }
        }
        if self.linking.taking_in.as_ref().is_some_and(|(.., until)| now.mono_ms >= *until) {
            let words = "the new device was not reached: both must be on one network, or the new one needs an \
                         address that can be reached. Show a new code and try again";
            self.give_up_linking(words);
        }
    }

    fn give_up_linking(&mut self, why: &str) {
        if let Some((_, request, _)) = self.linking.taking_in.take() {
            let result = Err(Refusal::Link(why.to_owned()));
            self.outputs.push_back(Output::Reply { request, result });
        }
    }

    /// A peer has introduced itself: it may be the one that is looked for.
    pub(super) fn greet_for_linking(&mut self, peer: DeviceId) {
        self.offer_link(peer);
        if let (Some((root, _)), Some(session)) = (&self.linking.recovering, self.sessions.get_mut(&peer)) {
            session.say_recover(root);
        }
    }

    fn offer_link(&mut self, peer: DeviceId) {
        let code = self.linking.taking_in.as_ref().map(|(code, ..)| code);
        let Some(code) = code.filter(|code| code.device == peer) else { return };
        let Some(session) = self.sessions.get_mut(&peer) else { return };
        if let Some(proof) = session.link_proof(&code.secret) {
            let (person, introduction) = (self.identity.person, self.identity.introduction());
            session.say(&Message::LinkOffer(LinkOffer { person, introduction, proof }));
        }
    }

    /// Another device would take this one in. Who has not read the code is not heard.
    pub(super) fn link_offered(&mut self, peer: DeviceId, offer: LinkOffer) -> Result<(), Fault> {
        // A person may have come back to this device already, and be taken in by another one of theirs.
        let is_new = self.is_new() && (self.holdings.is_empty() || offer.person == self.identity.person);
        let Some(session) = self.sessions.get_mut(&peer) else { return Ok(()) };
        let expected = self.linking.shown.as_ref().and_then(|secret| session.expected_link_proof(secret));
        let proved = expected.is_some_and(|expected| blake3::Hash::from(expected) == offer.proof);
        if !proved || !is_new {
            return Err(Fault::Order("a link that nobody here asked for"));
        }
        let leads = crypto::verify_chain(offer.person, peer, &offer.introduction.chain);
        if leads.is_err() || !offer.introduction.recovery.is_of(offer.person) {
            return Err(Fault::Order("a link by a device that does not belong to the person"));
        }
        let receiving = self.identity.receiving.public();
        let by_child = LinkCert::accept(offer.person, peer, &self.identity.device, receiving.0);
        session.say(&Message::LinkAccept(LinkAccept { receiving, by_child }));
        self.linking.accepted = Some((peer, offer));
        Ok(())
    }

    /// The new device agrees: it becomes one of this person's, in every workspace.
    pub(super) fn link_accepted(
        &mut self,
        now: Now,
        peer: DeviceId,
        accept: &LinkAccept,
        logs: &dyn Logs,
    ) -> Result<(), Fault> {
        let Some((_, request, _)) = self.linking.taking_in.take_if(|(code, ..)| code.device == peer) else {
            return Err(Fault::Order("an answer to a link that was not offered"));
        };
        let parent = &self.identity.device;
        let (person, receiving) = (self.identity.person, accept.receiving);
        let certificate = LinkCert::complete(person, parent, peer, receiving.0, accept.by_child);
        let certificate = certificate.ok().filter(|_| receiving.is_usable());
        let Some(certificate) = certificate else {
            let words = "the new device answered with a certificate that is not valid".to_owned();
            self.outputs.push_back(Output::Reply { request, result: Err(Refusal::Link(words)) });
            return Err(Fault::Order("half of a certificate that is not valid"));
        };
        let chain = [&self.identity.chain[..], std::slice::from_ref(&certificate)].concat();
        let link = Link { version: CONTROL_VERSION, chain };
        let mut workspaces = Vec::new();
        for workspace in self.workspaces() {
            let Some(holding) = self.holdings.get(&workspace) else { continue };
            if holding.members.access().role_of(person).is_none() {
                continue;
            }
            workspaces.push((workspace, holding.record.secret.clone()));
            if holding.may(Role::Viewer).is_ok() && !holding.state.needs_update() && self.read_only.is_none()
            {
                self.write_unasked(now, workspace, vec![Draft::new(EntryKind::LINK, &link)], logs);
            }
        }
        workspaces.truncate(limits::WORKSPACES_SHARED);
        if let Some(session) = self.sessions.get_mut(&peer) {
            let private = self.identity.private.clone();
            session.say(&Message::LinkDone(LinkDone { certificate, private, workspaces }));
        }
        self.done(request);
        Ok(())
    }

    /// This device was taken in.
    pub(super) fn link_done(&mut self, now: Now, peer: DeviceId, done: LinkDone) -> Result<(), Fault> {
        let accepted = self.linking.accepted.take().filter(|(from, _)| *from == peer);
        let Some((_, LinkOffer { person, introduction, .. })) = accepted else {
            return Err(Fault::Order("a link that was not agreed to"));
        };
        let mut chain = introduction.chain;
        chain.push(done.certificate);
        let device = self.identity.device_id();
        let receiving = chain.last().map(|link| link.child_x25519);
        let fits = receiving == Some(self.identity.receiving.public().0);
        if crypto::verify_chain(person, device, &chain).is_err() || !fits {
            return Err(Fault::Order("a certificate that is not valid"));
        }
        self.linking.shown = None;
        (self.identity.person, self.identity.chain) = (person, chain);
        self.identity.recovery = introduction.recovery;
        self.identity.private = done.private.filter(|private| private.is_of(person));
        self.become_device();
        for (workspace, secret) in done.workspaces {
            self.add_linked(now, workspace, secret, None);
        }
        self.outputs.push_back(Output::Event(Event::Linked { person }));
        Ok(())
    }

    /// This device belongs to another person from now on, or to the same one in another way.
    fn become_device(&mut self) {
        self.private_is_stale = true;
        self.outputs.push_back(Output::Become(Box::new(self.identity.clone())));
    }

    pub(super) fn add_linked(
        &mut self,
        now: Now,
        id: WorkspaceId,
        secret: SessionSecret,
        recovery: Option<SessionSecret>,
    ) {
        if self.holdings.contains_key(&id) || self.unopened.contains(&id) {
            return;
        }
        let (origin, way) = (self.origin(false), Way::Linked { recovery });
        self.add(WorkspaceRecord::new(id, secret, origin, way));
        self.offer_to_all(now, id);
    }

    /// A device with the root of a member asks where they are in.
    pub(super) fn recovery_asked(&mut self, peer: DeviceId, person: PersonId, logs: &dyn Logs) {
        let mut told = Vec::new();
        for (workspace, holding) in &self.holdings {
            let workspace = *workspace;
            let is_in = holding.state.roster().role_of(person).is_some();
            let founding = || holding.founding(reader_of(logs, workspace));
            let Some(founding) = is_in.then(founding).flatten() else { continue };
            let secret = EpochKey::from_bytes(holding.record.secret.0);
            let keys = holding.members.recovery_keys(person);
            let wraps = keys.filter_map(|key| wrap::wrap(&secret, workspace, key, &mut self.rng).ok());
            told.extend(wraps.map(|secret| Recovered { workspace, founding: founding.clone(), secret }));
        }
        told.truncate(limits::WORKSPACES_SHARED);
        if let Some(session) = self.sessions.get_mut(&peer) {
            for recovered in told {
                session.say(&Message::Recovered(recovered));
            }
        }
    }

    /// A peer tells of a workspace of the person who is brought back. Anybody may wrap anything for them:
    /// only the secret that the workspace was founded with is taken.
    pub(super) fn recovered(&mut self, now: Now, recovered: &Recovered) {
        let Some((root, _)) = &self.linking.recovering else { return };
        let Recovered { workspace, founding, secret } = recovered;
        let Some(genesis) = founding.read(*workspace) else { return };
        if let Ok(secret) = root.recovery().unwrap(*workspace, genesis.session, secret) {
            let (recovery, person) = (self.linking.recovery_secret(), root.person());
            self.add_linked(now, *workspace, SessionSecret(*secret.as_bytes()), recovery);
            self.outputs.push_back(Output::Event(Event::Linked { person }));
        }
    }

    /// The key of the phrase is kept no longer than this device needs it: once another device holds the
    /// same as this one, and the key in use was given to this one too. If nobody did that, it does.
    pub(super) fn forget_recovery(&mut self, now: Now, workspace: WorkspaceId, logs: &dyn Logs) {
        let Some(holding) = self.holdings.get_mut(&workspace) else { return };
        if !holding.keeps_recovery()
            || holding.state.locked_entries() > 0
            || holding.may(Role::Viewer).is_err()
        {
            return;
        }
        if holding.is_given_keys(self.identity.receiving.public()) {
            holding.ring.forget(holding.recovery);
            self.settle_recovery(workspace, logs);
        } else if self.read_only.is_none() && !holding.state.needs_update() {
            self.write_unasked(now, workspace, Vec::new(), logs);
        }
    }

    /// Has the key of the phrase deleted that a workspace receives nothing under any more, unless what was
    /// the reason for that turned out to be void.
    pub(super) fn settle_recovery(&mut self, workspace: WorkspaceId, logs: &dyn Logs) {
        let Some(holding) = self.holdings.get_mut(&workspace) else { return };
        if !holding.keeps_recovery() || holding.ring.receives_under(holding.recovery) {
            return;
        }
        if holding.is_taken() || holding.is_given_keys(self.identity.receiving.public()) {
            if let Way::Linked { recovery } = &mut holding.record.way {
                *recovery = None;
            }
            holding.record.keys = holding.ring.not_given();
            self.outputs.push_back(Output::Remember(holding.record.clone()));
        } else if let Err(error) = holding.renew_ring(&self.identity, reader_of(logs, workspace)) {
            // A restart makes the ring anew.
            self.store_failed(workspace, None, &error);
        }
    }
}

impl super::Holding {
    fn keeps_recovery(&self) -> bool {
        matches!(self.record.way, Way::Linked { recovery: Some(_) })
    }

    /// A device that was taken from its person needs the key of their phrase no more, and keys that came
    /// after that are not for it.
    pub(super) fn forget_recovery_if_taken(&mut self) {
        if self.ring.receives_under(self.recovery) && self.is_taken() {
            self.ring.forget(self.recovery);
        }
    }
}

/// The keys that a device brought back by its person's phrase reads with at first.
pub(super) fn recovery_key(way: &Way) -> Option<ReceivingKey> {
    match way {
        Way::Linked { recovery: Some(seed) } => Some(ReceivingKey::from_seed(&seed.0)),
        _ => None,
    }
}
