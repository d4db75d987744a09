//! What those may add who are out, or were never in.
//!
//! Whatever they write has no effect, but it is stored, since it may turn out otherwise: whoever wrote it
//! may be in after all, by what is not here yet. So there is a bound on how much of it this device takes
//! from them ([`limits::ADDED_OUTSIDE`]). It may not split those who are in, and so it holds at the door
//! alone:
//!
//! * Who is in, or shows a claim to come in, brings whatever they hold. So those who are in hold the same
//!   in the end, each of them having let in so much at most, and what was on its way then.
//! * Nothing is refused while a log of somebody who is in waits for what is not here, nor by a device
//!   that is only coming in: it cannot tell who is who.
//! * Of a device that was in counts what it wrote after the last that has an effect or that others name,
//!   each by itself; whoever never was in shares one bound with all the others who never were.
//!
//! Who is let in again is no longer bounded, and the rest of what they wrote is fetched then.

use super::{Holding, Replica};
use crate::{
    access::Role,
    id::{DeviceId, LogId, WorkspaceId},
    limits,
    log::Origin,
    message::ClaimBy,
    time::Now,
};
use std::collections::BTreeMap;

/// How many bytes are here that those wrote who are out, and that nobody names.
#[derive(Debug, Clone, Default)]
pub(super) struct Added {
    by_strangers: u64,
    by_former: BTreeMap<DeviceId, u64>,
    /// Whether what is missing may be by anybody.
    is_open: bool,
}

impl Holding {
    /// Whether more of a log is taken from somebody who is out. `origin`: whose it is, where it is new.
    pub fn takes_more_of(&mut self, log: LogId, origin: Option<&Origin>) -> bool {
        let chain = self.logs.first_chain(log).and_then(|number| self.logs.chain(number));
        let origin = chain.map(|chain| chain.origin).or_else(|| origin.copied());
        if origin.is_some_and(|origin| self.is_inside(&origin)) {
            return true;
        }
        let former = origin.filter(|origin| self.members.knows(origin.device));
        let added = self.added();
        let by_this =
            former.map_or(added.by_strangers, |of| added.by_former.get(&of.device).copied().unwrap_or(0));
        added.is_open || by_this < limits::ADDED_OUTSIDE
    }

    fn is_inside(&self, origin: &Origin) -> bool {
        self.members.access().best_auth(origin.person, origin.device, Role::Viewer).is_some()
    }

    fn added(&mut self) -> &Added {
        if self.added.is_none() {
            self.added = Some(self.count_added());
        }
        self.added.get_or_insert_default()
    }

    fn count_added(&self) -> Added {
        let inside = |origin: &Origin| self.is_inside(origin);
        let is_open = self.is_joining() || self.logs.waits_in_vain(|chain| inside(&chain.origin));
        let mut added = Added { is_open, ..Added::default() };
        for (number, chain) in self.logs.chains().filter(|(_, chain)| !inside(&chain.origin)) {
            let device = chain.origin.device;
            if self.members.knows(device) {
                let from = self.members.last_effective(number, chain.applied);
                *added.by_former.entry(device).or_default() += chain.unnamed_bytes(from);
            } else {
                added.by_strangers += chain.unnamed_bytes(0);
            }
        }
        added
    }
}

impl Replica {
    /// Whether a peer may bring whatever it holds: it is in, or it shows what lets it in. Certificates let
    /// nobody in again who was taken from their person.
    pub(super) fn may_bring(&self, now: Now, peer: DeviceId, workspace: WorkspaceId) -> bool {
        let (Some(session), Some(holding)) = (self.sessions.get(&peer), self.holdings.get(&workspace)) else {
            return false;
        };
        if holding.members.is_in(peer) {
            return true;
        }
        let claim = session.copies.get(&workspace).and_then(|copy| copy.claim.as_ref());
        let is_news =
            |claim: &&ClaimBy| matches!(claim, ClaimBy::Invite { .. }) || !holding.members.knows(peer);
        let said = || session.claim_bytes(workspace, false).unwrap_or_default();
        claim.filter(is_news).is_some_and(|claim| holding.allows(now, peer, claim, &said()))
    }
}
