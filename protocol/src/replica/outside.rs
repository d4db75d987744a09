//! What those may add who are out, or were never in.
//!
//! Whatever they write has no effect, but it is stored, since it may turn out otherwise: whoever wrote it
//! may be in after all, by what is not here yet. So there is a bound on how much of it this device takes
//! from them ([`limits::ADDED_OUTSIDE`]). It may not split those who are in, and so it holds at the door
//! alone:
//!
//! * Who is in, or shows a claim to come in, brings whatever they hold. So those who are in hold the same
//!   in the end, each of them having let in so much at most, and what was on its way then.
//! * Of somebody who was in counts what they wrote after the last that has an effect, on all their devices
//!   that are out; whoever never was in shares one bound with all the others who never were. What those who
//!   are in name does not count, nor what leads to it. Who is out can name each other as they like.
//! * Much more is taken while a log of somebody who is in waits for what is not here, and by a device that is
//!   only coming in: it cannot be told then what is needed.
//!
//! Who is let in again is no longer bounded, and the rest of what they wrote is fetched then.

use super::{Holding, Replica};
use crate::{
    access::Role,
    causality::Frontier,
    crypto::LinkCert,
    id::{DeviceId, LogId, PersonId, WorkspaceId},
    limits,
    log::Origin,
    log_set::Chain,
    message::ClaimBy,
    store::{ChainNo, EntryAt},
};
use std::collections::BTreeMap;

/// How many bytes are here that those wrote who are out, and that nobody names who is in.
#[derive(Debug, Clone, Default)]
pub(super) struct Added {
    by_strangers: u64,
    by_former: BTreeMap<PersonId, u64>,
    /// Whether what is missing may be by anybody.
    is_open: bool,
}

impl Holding {
    /// Whether more of a log is taken from somebody who is out. `origin`: whose it is, where it is new.
    /// `by_relay`: a relay brings it, which may have met it while it could not tell who is in.
    pub fn takes_more_of(&mut self, log: LogId, origin: Option<&Origin>, by_relay: bool) -> bool {
        let chain = self.logs.first_chain(log).and_then(|number| self.logs.chain(number));
        let origin = chain.map(|chain| chain.origin).or_else(|| origin.copied());
        if origin.is_some_and(|origin| self.is_inside(&origin)) {
            return true;
        }
        let former = origin.map(|origin| origin.person).filter(|person| self.was_in(*person));
        let added = self.added();
        let by_these = former.map_or(added.by_strangers, |of| added.by_former.get(&of).copied().unwrap_or(0));
        by_these < if added.is_open || by_relay { limits::ADDED_WHILE_MISSING } else { limits::ADDED_OUTSIDE }
    }

    fn is_inside(&self, origin: &Origin) -> bool {
        self.members.access().best_auth(origin.person, origin.device, Role::Viewer).is_some()
    }

    fn was_in(&self, person: PersonId) -> bool {
        self.members.access().was_in(person)
    }

    fn added(&mut self) -> &Added {
        if self.added.is_none() {
            self.added = Some(self.count_added());
        }
        self.added.get_or_insert_default()
    }

    fn count_added(&self) -> Added {
        let inside = |origin: &Origin| self.is_inside(origin);
        let catches_up = self.is_carrier() && !self.carrying.has_caught_up;
        let is_open =
            self.is_joining() || catches_up || self.logs.waits_in_vain(|chain| inside(&chain.origin));
        let mut added = Added { is_open, ..Added::default() };
        let counts = |(number, chain): (ChainNo, &Chain)| {
            let until = if inside(&chain.origin) {
                chain.applied
            } else {
                self.members.last_verdict(number, chain.applied)
            };
            EntryAt { chain: number, position: until }
        };
        let heads: Vec<EntryAt> = self.logs.chains().map(counts).filter(|at| at.position > 0).collect();
        let named = self.logs.past(&heads, Frontier::default());
        for (number, chain) in self.logs.chains().filter(|(_, chain)| !inside(&chain.origin)) {
            let (bytes, person) = (chain.bytes_behind(named.get(number)), chain.origin.person);
            if self.was_in(person) {
                *added.by_former.entry(person).or_default() += bytes;
            } else {
                added.by_strangers += bytes;
            }
        }
        added
    }
}

impl Replica {
    /// Whether a peer may bring whatever it holds: it is in, or it shows what lets it in. Certificates let
    /// nobody in who was taken from their person, nor whom those certified. A ticket whose time is over shows
    /// all the same that somebody was invited.
    pub(super) fn may_bring(&mut self, peer: DeviceId, workspace: WorkspaceId) -> bool {
        let (Some(session), Some(holding)) = (self.sessions.get_mut(&peer), self.holdings.get(&workspace))
        else {
            return false;
        };
        let Some(copy) = session.copies.get(&workspace) else { return false };
        if let Some((_, found)) = copy.brings.filter(|(standing, _)| *standing == holding.standing) {
            return found;
        }
        let said = || session.claim_bytes(workspace, false).unwrap_or_default();
        let is_good = |claim: &&ClaimBy| match claim {
            ClaimBy::Invite { .. } => true,
            ClaimBy::Certificates { chain, .. } => {
                let is_taken =
                    |link: &LinkCert| holding.members.knows(link.child) && !holding.members.is_in(link.child);
                !chain.iter().any(is_taken)
            }
        };
        // Who is no more than a relay brings what others wrote, and as much of outsiders as it may have met.
        let is_member = |claim: &&ClaimBy| match claim {
            ClaimBy::Invite { .. } => true,
            ClaimBy::Certificates { person, .. } => holding.members.access().role_of(*person).is_some(),
        };
        let shows = |claim| holding.is_proved(peer, claim, &said());
        let found = holding.members.is_in(peer)
            || copy.claim.as_ref().filter(is_good).filter(is_member).is_some_and(shows);
        if let Some(copy) = session.copies.get_mut(&workspace) {
            copy.brings = Some((holding.standing, found));
        }
        found
    }
}
