//! Who is served: knowing a workspace's session secret is not enough.
//!
//! The secret stands in every ticket and is never changed; a ticket that was withdrawn, or found
//! somewhere, opens a session. What a peer is served, heads and entries, follows from its device key,
//! which the transport proves: certificates in the log lead to it from somebody who is in, or was. To
//! have written an entry is nothing: anybody can. Everybody else has to say what lets them in, a
//! [`Claim`]: the key of an open ticket, or certificates that lead from a member to this very device.
//! Who is served is found anew whenever it changes who is in, also in the middle of a session.
//!
//! Somebody who is not known here may all the same be in: this device may have been away. So it takes
//! what such a peer sends, and says once that it holds nothing, which brings everything that the
//! peer would show it. Then it knows.
//!
//! Whose joining is undone by a withdrawal that they never get to see would go on for ever without
//! hearing of it. So they are told, and believe it while nobody serves them who would be in without
//! them and their ticket: others who came with it would go on for ever together. And if those came with
//! other tickets that were withdrawn along with it, they do: so whoever is in by no ticket at all, such
//! as the founder, is believed whoever else serves them. It is a peer's bare word: a notice for people,
//! who may take another ticket, and nothing is lost by it.

use super::{Holding, Replica, holding::Refused, io::Way};
use crate::{
    control::Invite,
    crypto::{Domain, PublicKey, verify_chain},
    id::{DeviceId, EntryId, WorkspaceId},
    message::{Claim, ClaimBy, Message},
    roster::Parting,
    session::{Admission, Session},
    time::Now,
};

impl Holding {
    /// An invite that nobody withdrew.
    fn open_invite(&self, invite: EntryId) -> Option<&Invite> {
        let at = self.logs.find(invite)?;
        let is_open = self.members.access().invites().any(|(open, _)| open == at);
        self.members.invite(at).filter(|_| is_open)
    }

    /// Whether a claim lets a peer in. A ticket whose time is over, by this device's clock, lets nobody in: who
    /// used it in time is a member, and shows that with what they send.
    fn allows(&self, now: Now, peer: DeviceId, claim: &ClaimBy, said: &[u8]) -> bool {
        let in_time = match claim {
            // A relay that takes nothing more does not hear of a withdrawal either.
            ClaimBy::Invite { invite, .. } if !self.is_full() => {
                self.open_invite(*invite).is_some_and(|invite| now.wall_ms <= invite.expires_ms)
            }
            ClaimBy::Invite { .. } => false,
            ClaimBy::Certificates { .. } => true,
        };
        in_time && self.is_proved(peer, claim, said)
    }

    /// Whether a peer has what it claims, and nobody took it away. `said`: what the ticket's key signs in this
    /// session.
    pub(super) fn is_proved(&self, peer: DeviceId, claim: &ClaimBy, said: &[u8]) -> bool {
        match claim {
            ClaimBy::Invite { invite, by_invite } => {
                let invite = self.open_invite(*invite);
                let key = invite.and_then(|invite| PublicKey::parse(&invite.key).ok());
                key.is_some_and(|key| key.verify(Domain::Claim, said, by_invite).is_ok())
            }
            ClaimBy::Certificates { person, chain } => {
                let serves = self.members.access().role_of(*person).is_some() || self.is_relay(*person);
                serves && verify_chain(*person, peer, chain).is_ok()
            }
        }
    }

    /// Whether it is known here that what a peer claims is no longer good: the ticket it names, or the
    /// joining of the person whose certificates it shows.
    fn knows_of_the_end(&self, peer: DeviceId, claim: &ClaimBy) -> bool {
        match claim {
            ClaimBy::Invite { invite, .. } => {
                self.logs.has_applied(*invite) && self.open_invite(*invite).is_none()
            }
            ClaimBy::Certificates { person, chain } => {
                self.members.parting(*person) == Some(Parting::Undone)
                    && verify_chain(*person, peer, chain).is_ok()
            }
        }
    }

    /// Whether a peer's word can be all that this device hears of the end of a ticket: either it waits
    /// to use it, or its person is in as far as is known here. A role that somebody gave them since proves
    /// nothing: that may be undone together with it.
    pub fn hangs_on_ticket(&self) -> bool {
        let (access, person) = (self.members.access(), self.record.origin.person);
        let may_be_undone = access.role_of(person).is_some() || !access.was_in(person);
        may_be_undone && (self.record.way.invited().is_some() || access.has_joined(person))
    }

    /// Whether that a peer serves this device says that its person is in. `granted`: against the word of
    /// somebody who is in by no ticket.
    fn is_vouched_for_by(&self, peer: DeviceId, granted: bool) -> bool {
        let is_firm = !granted || self.members.knows_as_granted(peer);
        is_firm && self.members.knows_without(peer, self.record.origin.person)
    }
}

impl Replica {
    /// Tells a peer what lets this device in, in case it does not know.
    pub(super) fn say_claim(&mut self, peer: DeviceId, workspace: WorkspaceId) {
        let (Some(session), Some(holding)) = (self.sessions.get_mut(&peer), self.holdings.get(&workspace))
        else {
            return;
        };
        if !session.copies.contains_key(&workspace) {
            return;
        }
        let by = match &holding.record.way {
            Way::Founded => return,
            Way::Invited(invited) => {
                let invite = invited.ticket.invite;
                let Some(said) = session.claim_bytes(workspace, true) else { return };
                ClaimBy::Invite { invite, by_invite: invited.ticket.invite_key().sign(Domain::Claim, &said) }
            }
            Way::Linked { .. } | Way::Carried { .. } => {
                let (person, chain) = (self.identity.person, self.identity.chain.clone());
                ClaimBy::Certificates { person, chain }
            }
        };
        session.say(&Message::Claim(Claim { workspace, by }));
    }

    /// Whether a peer is served. Asked before anything is said of what is here. A peer whose ticket turns
    /// out to be no longer good is told so.
    pub(super) fn admits(&mut self, now: Now, peer: DeviceId, workspace: WorkspaceId) -> bool {
        let (Some(session), Some(holding)) = (self.sessions.get_mut(&peer), self.holdings.get(&workspace))
        else {
            return false;
        };
        let Some(before) = session.copies.get(&workspace).map(|copy| copy.admission) else { return false };
        if let Some((_, found)) = before.filter(|(standing, _)| *standing == holding.standing) {
            return found == Admission::Admitted;
        }
        let before = before.map(|(_, before)| before);
        let said = session.claim_bytes(workspace, false).unwrap_or_default();
        let Some(copy) = session.copies.get_mut(&workspace) else { return false };
        let claim = copy.claim.as_ref();
        let found = if holding.members.knows(peer)
            || claim.is_some_and(|claim| holding.allows(now, peer, claim, &said))
        {
            Admission::Admitted
        } else if claim.is_some_and(|claim| holding.knows_of_the_end(peer, claim)) {
            Admission::Refused
        } else {
            Admission::Denied
        };
        copy.admission = Some((holding.standing, found));
        match found {
            Admission::Admitted if before != Some(found) => copy.announce_all(now),
            Admission::Refused if before != Some(found) => session.say(&Message::Withdrawn(workspace)),
            _ => {}
        }
        found == Admission::Admitted
    }

    /// A peer shows what it holds: to it this device is in, or may come in.
    pub(super) fn is_served(&mut self, peer: DeviceId, workspace: WorkspaceId) {
        let (Some(session), Some(holding)) =
            (self.sessions.get_mut(&peer), self.holdings.get_mut(&workspace))
        else {
            return;
        };
        if let Some(copy) = session.copies.get_mut(&workspace) {
            copy.serves_us = true;
            if let Some(Refused::Told { granted }) = holding.refused
                && holding.is_vouched_for_by(peer, granted)
            {
                holding.refused = None;
            }
        }
    }

    /// A peer says that the ticket which this device came with is no longer good. Whom others serve who
    /// are in without it is as good as in.
    pub(super) fn told_withdrawn(&mut self, peer: DeviceId, workspace: WorkspaceId) {
        if let Some(copy) =
            self.sessions.get_mut(&peer).and_then(|session| session.copies.get_mut(&workspace))
        {
            copy.serves_us = false;
        }
        let Some(holding) = self.holdings.get(&workspace) else { return };
        let serves_us = |session: &Session| session.copies.get(&workspace).is_some_and(|copy| copy.serves_us);
        let mut serving = self.sessions.iter().filter(|(_, session)| serves_us(session));
        let granted = holding.members.knows_as_granted(peer);
        let is_served = serving.any(|(peer, _)| holding.is_vouched_for_by(*peer, granted));
        if holding.is_joining() || holding.hangs_on_ticket() && !is_served {
            self.refuse_ticket(workspace, Refused::Told { granted });
        }
    }
}
