//! Who is served: knowing a workspace's session secret is not enough.
//!
//! The secret stands in every ticket and is never changed; a ticket that was withdrawn, or found
//! somewhere, opens a session. What a peer is served, heads and entries, follows from its device key,
//! which the transport proves: a device that a certificate in the log names is one of somebody who is
//! in, or was. Everybody else has to say what lets them in, a [`Claim`]: the key of an open ticket, or
//! certificates that lead from a member to this very device.
//!
//! Somebody who is not known here may all the same be in: this device may have been away. So it takes
//! what such a peer sends, and says once that it holds nothing, which brings everything that the
//! peer would show it. Then it knows.

use super::{Holding, Replica, io::Way};
use crate::{
    crypto::{Domain, PublicKey, verify_chain},
    id::{DeviceId, WorkspaceId},
    message::{Claim, ClaimBy, Message},
    time::Now,
};

impl Holding {
    /// Whether certificates in the log name a device.
    fn knows(&self, device: DeviceId) -> bool {
        self.members.is_certified(device)
    }

    /// Whether a claim lets a peer in. `said`: what the ticket's key signs in this session.
    fn allows(&self, peer: DeviceId, claim: &ClaimBy, said: &[u8]) -> bool {
        match claim {
            ClaimBy::Invite { invite, by_invite } => {
                let at = self.logs.find(*invite);
                let invite = at.filter(|at| self.members.access().invites().any(|(open, _)| open == *at));
                let invite = invite.and_then(|at| self.members.invite(at));
                let key = invite.and_then(|invite| PublicKey::parse(&invite.key).ok());
                key.is_some_and(|key| key.verify(Domain::Claim, said, by_invite).is_ok())
            }
            ClaimBy::Certificates { person, chain } => {
                self.members.access().role_of(*person).is_some() && verify_chain(*person, peer, chain).is_ok()
            }
        }
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
            Way::Linked { .. } => {
                let (person, chain) = (self.identity.person, self.identity.chain.clone());
                ClaimBy::Certificates { person, chain }
            }
        };
        session.say(&Message::Claim(Claim { workspace, by }));
    }

    /// A peer says what lets it in. If that is a ticket which is no longer good, it is told so.
    pub(super) fn claimed(&mut self, now: Now, peer: DeviceId, workspace: WorkspaceId) {
        let admitted = self.admits(now, peer, workspace);
        let (Some(session), Some(holding)) = (self.sessions.get_mut(&peer), self.holdings.get(&workspace))
        else {
            return;
        };
        let claim = session.copies.get(&workspace).and_then(|copy| copy.claim.as_ref());
        let known = |invite| holding.logs.find(invite).is_some_and(|at| holding.logs.is_applied(at));
        if !admitted && matches!(claim, Some(ClaimBy::Invite { invite, .. }) if known(*invite)) {
            session.say(&Message::Withdrawn(workspace));
        }
        self.say_heads(now, peer, workspace);
    }

    /// Whether a peer is served. Asked before anything is said of what is here.
    pub(super) fn admits(&mut self, now: Now, peer: DeviceId, workspace: WorkspaceId) -> bool {
        let (Some(session), Some(holding)) = (self.sessions.get_mut(&peer), self.holdings.get(&workspace))
        else {
            return false;
        };
        let said = session.claim_bytes(workspace, false).unwrap_or_default();
        let Some(copy) = session.copies.get_mut(&workspace) else { return false };
        if !copy.admitted {
            copy.admitted = holding.knows(peer)
                || copy.claim.as_ref().is_some_and(|claim| holding.allows(peer, claim, &said));
            if copy.admitted {
                copy.announce_all(now);
            }
        }
        copy.admitted
    }
}
