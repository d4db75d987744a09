//! Grants, and who outranks whom.
//!
//! Owners form a tree, since an owner appoints owners, and outrank those below them in it. A grant
//! remembers its grantor and one ancestor further up (a skew-binary *jump*), so that a question
//! about a chain of a million owners takes some twenty steps and four bytes a grant.

use super::{Access, ActNo, act::Role};
use crate::id::PersonId;

/// How far from the founder a grant stands; less is stronger. An act is judged by what stands
/// higher than the grant it cites, so judging always ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Depth {
    /// An owner, so many appointments below the founder.
    Owner(u32),
    /// An admin.
    Admin,
    /// A member or viewer.
    Lower,
    /// Below every grant.
    Nobody,
}

/// What makes an act a grant: a well-formed genesis, grant or join.
#[derive(Debug, Clone)]
pub(super) struct Grant {
    pub subject: PersonId,
    pub role: Role,
    pub depth: Depth,
    /// Whether it came by a ticket.
    pub joined: bool,
    /// The caps on its subject that its author had seen, ascending.
    pub knew: Box<[ActNo]>,
    /// Of an owner: who appointed it; itself for the founder.
    pub grantor: ActNo,
    /// Of an owner: one further up.
    pub jump: ActNo,
}

impl Grant {
    /// The grant numbered `no`, given under the grant `by`; by nobody for the genesis.
    pub fn new(access: &Access, no: ActNo, by: Option<ActNo>, subject: PersonId, role: Role) -> Self {
        let depth = match (role, by.and_then(|by| access.grant(by))) {
            (Role::Owner, None) => Depth::Owner(0),
            (Role::Owner, Some(by)) => Depth::Owner(by.owners_above() + 1),
            (Role::Admin, _) => Depth::Admin,
            (Role::Member | Role::Viewer, _) => Depth::Lower,
        };
        let (grantor, jump) = by.map_or((no, no), |by| (by, access.jump_below(by)));
        Self { subject, role, depth, joined: false, knew: Box::default(), grantor, jump }
    }

    fn owners_above(&self) -> u32 {
        if let Depth::Owner(depth) = self.depth { depth } else { u32::MAX }
    }
}

impl Access {
    /// The jump of a grant given under `by`: as far again as the last two, if those were equal.
    fn jump_below(&self, by: ActNo) -> ActNo {
        let (depth, jump) = self.step(by, |grant| grant.jump);
        let (far, further) = self.step(jump, |grant| grant.jump);
        let (furthest, _) = self.step(further, |grant| grant.jump);
        if depth - far == far - furthest { further } else { by }
    }

    /// The depth of an owner's grant, and where one step leads.
    fn step(&self, no: ActNo, to: impl Fn(&Grant) -> ActNo) -> (u32, ActNo) {
        self.grant(no).map_or((0, no), |grant| (grant.owners_above(), to(grant)))
    }

    /// Whether who acts under grant `above` may take from what grant `below` gave.
    pub(super) fn outranks(&self, above: ActNo, below: ActNo) -> bool {
        let (Some(upper), Some(lower)) = (self.grant(above), self.grant(below)) else { return false };
        match lower.role {
            Role::Owner => {
                upper.depth < lower.depth && self.owner_above(below, upper.owners_above()) == above
            }
            Role::Admin => upper.role == Role::Owner,
            Role::Member | Role::Viewer => upper.role >= Role::Admin,
        }
    }

    /// The owner at `depth` among those above `no`.
    fn owner_above(&self, no: ActNo, depth: u32) -> ActNo {
        self.way_up(no, depth).last().unwrap_or(no)
    }

    fn way_up(&self, no: ActNo, depth: u32) -> impl Iterator<Item = ActNo> + '_ {
        std::iter::successors(Some(no), move |no| {
            let (here, jump) = self.step(*no, |grant| grant.jump);
            let (there, _) = self.step(jump, |grant| grant.jump);
            let next = if there >= depth { jump } else { self.step(*no, |grant| grant.grantor).1 };
            (here > depth).then_some(next)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        access::{Act, ActKind},
        causality::Frontier,
        id::DeviceId,
        store::{ChainNo, EntryAt},
    };

    #[test]
    fn the_way_up_is_short() {
        let (mut access, count) = (Access::new(), 10_000);
        for owner in 0..count {
            let auth = EntryAt { chain: ChainNo(0), position: u64::from(owner) };
            let subject = PersonId([1; 32]);
            let kind =
                if owner == 0 { ActKind::Genesis } else { ActKind::Grant { subject, role: Role::Owner } };
            let at = EntryAt { chain: ChainNo(0), position: auth.position + 1 };
            let act = Act { at, device: DeviceId([1; 32]), person: subject, auth: Some(auth), kind };
            let mut past = Frontier::default();
            past.raise(auth);
            access.add(act, &[], past);
        }
        for owner in (1..count).step_by(97) {
            let lowest = ActNo(count - 1);
            assert_eq!(access.owner_above(lowest, owner), ActNo(owner));
            assert!(access.way_up(lowest, owner).count() < 40, "{owner}");
        }
    }
}
