//! The rule: the verdict on one act, from the verdicts of those that may judge it.
//!
//! Nothing here recurses. What a question needs of other acts are their verdicts, found in an
//! earlier turn; the role that a judge's own grant carried for it is part of its verdict.

use super::{Access, Act, ActKind, ActNo, Depth, Role, Stored, Verdict, Why, devices::Walk};
use crate::{
    id::{DeviceId, PersonId},
    store::EntryAt,
};

/// What a grant still carries, and the cap that lowered it to that.
#[derive(Debug, Clone, Copy)]
pub(super) struct Carried {
    pub role: Option<Role>,
    pub by: Option<ActNo>,
}

/// A cap on a grant, and what it leaves of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lowered {
    pub to: Option<Role>,
    pub by: ActNo,
}

impl Access {
    /// The verdict on an act, all of earlier turns being judged.
    pub(super) fn judge(&self, no: ActNo) -> Verdict {
        let stored = &self.acts[no];
        match (stored.formed, stored.act.kind, stored.cites) {
            (true, ActKind::Genesis, _) => Verdict::Effective(Role::Owner),
            (true, _, Some(cited)) if !self.acts[cited].verdict.is_effective() => {
                Verdict::Void(Why::NoAuthority)
            }
            (true, ActKind::Join, Some(invite)) => self.judge_join(no, invite),
            (true, _, Some(grant)) => self.judge_under(stored, grant),
            _ => Verdict::Void(Why::Malformed),
        }
    }

    fn judge_join(&self, no: ActNo, invite: ActNo) -> Verdict {
        let (at, invite) = (self.acts[no].act.at, &self.acts[invite]);
        let inviter = invite.cites.map(|grant| self.carried(grant, at, true));
        if inviter.is_none_or(|carried| carried.role < Some(Role::Admin)) {
            return Verdict::Void(Why::NoAuthority);
        }
        let revokes = invite.revoked_by.iter().map(|revoke| &self.acts[*revoke]);
        let counting = revokes.filter(|revoke| revoke.verdict.is_effective() && !revoke.saw(at));
        if let Some(by) = counting.map(|revoke| revoke.act.at).min() {
            return Verdict::Void(Why::TicketRevoked { by });
        }
        self.weigh(self.carried(no, at, false), Role::Viewer)
    }

    fn judge_under(&self, stored: &Stored, grant: ActNo) -> Verdict {
        let Act { at, person, device, kind, .. } = stored.act;
        let (walk, depth) = (Walk::of(kind), self.depth(stored));
        if let Err(why) = self.reaches(person, device, walk, depth) {
            return Verdict::Void(why);
        }
        if self.unlinks_on(person, device, walk, depth).any(|unlink| !unlink.saw(at)) {
            return Verdict::Void(Why::Unlinked);
        }
        if walk == Walk::Unlink && !stored.below {
            return Verdict::Void(Why::NotBelow);
        }
        // To leave and to unlink stays possible after leaving.
        let leaves = walk != Walk::Unlink && !stored.is_leaving();
        self.weigh(self.carried(grant, at, leaves), need(stored))
    }

    fn weigh(&self, carried: Carried, need: Role) -> Verdict {
        match carried.role.filter(|role| *role >= need) {
            Some(role) => Verdict::Effective(role),
            None => Verdict::Void(self.why_lowered(carried)),
        }
    }

    /// Why a role is not enough.
    pub(super) fn why_lowered(&self, carried: Carried) -> Why {
        let Some(cap) = carried.by.map(|by| &self.acts[by]) else { return Why::RoleTooLow { by: None } };
        match (carried.role, cap.is_leaving()) {
            (None, true) => Why::Left { by: cap.act.at },
            (None, false) => Why::Removed { by: cap.act.at },
            (Some(_), _) => Why::RoleTooLow { by: Some(cap.act.at) },
        }
    }

    /// Whether certificates lead to a device that hold for acts at `depth`.
    pub(super) fn reaches(
        &self,
        person: PersonId,
        device: DeviceId,
        walk: Walk,
        depth: Depth,
    ) -> Result<(), Why> {
        let devices = self.people.get(&person).map(|person| &person.devices);
        match devices.and_then(|devices| devices.until(walk, device)) {
            None => Err(Why::NotLinked),
            Some(until) if until <= depth => Err(Why::Unlinked),
            Some(_) => Ok(()),
        }
    }

    /// What `grant` carries for the entry at `at`, after every cap that had not seen it.
    fn carried(&self, grant: ActNo, at: EntryAt, leaves: bool) -> Carried {
        self.lowest(grant, self.caps_on(grant, leaves).filter(|cap| !self.acts[cap.by].saw(at)))
    }

    /// What is left of a grant after these caps.
    pub(super) fn lowest(&self, grant: ActNo, caps: impl Iterator<Item = Lowered>) -> Carried {
        let granted = self.grant(grant).map(|grant| grant.role);
        let lowest = caps.min_by_key(|cap| (cap.to, self.acts[cap.by].act.at));
        lowest.map_or(Carried { role: granted, by: None }, |cap| Carried { role: cap.to, by: Some(cap.by) })
    }

    /// The caps that lower `grant` for whatever they had not seen. `leaves` says whether those of
    /// its own subject count.
    pub(super) fn caps_on(&self, grant: ActNo, leaves: bool) -> impl Iterator<Item = Lowered> + '_ {
        let person = self.grant(grant).and_then(|grant| self.people.get(&grant.subject));
        let caps = person.map_or(&[][..], |person| &person.caps);
        caps.iter().filter_map(move |by| {
            let ActKind::Cap { role: to, .. } = self.acts[*by].act.kind else { return None };
            self.lowers(*by, to, grant, leaves).then_some(Lowered { to, by: *by })
        })
    }

    /// Whether the cap `no`, which leaves `to`, counts for what `granted` gave.
    fn lowers(&self, no: ActNo, to: Option<Role>, granted: ActNo, leaves: bool) -> bool {
        let cap = &self.acts[no];
        let (Some(grant), Some(by), Verdict::Effective(carried)) =
            (self.grant(granted), cap.cites, cap.verdict)
        else {
            return false;
        };
        if to >= Some(grant.role) {
            return false;
        }
        // Who grants again knowing of the cap means it. But a ticket readmits nobody who was removed.
        let reissued = grant.knew.binary_search(&no).is_ok();
        if cap.is_leaving() {
            return leaves && !reissued && self.depth(cap) <= grant.depth;
        }
        let binds = !reissued || (grant.joined && to.is_none());
        binds && carried >= grant.role.given_by() && self.outranks(by, granted)
    }
}

/// The role that an act needs.
fn need(stored: &Stored) -> Role {
    match stored.act.kind {
        ActKind::Grant { role, .. } => role.given_by(),
        ActKind::Cap { .. } if stored.is_leaving() => Role::Viewer,
        ActKind::Cap { .. } | ActKind::Invite { .. } | ActKind::Revoke { .. } => Role::Admin,
        ActKind::Link | ActKind::Unlink { .. } => Role::Viewer,
        // Judged elsewhere.
        ActKind::Genesis | ActKind::Join | ActKind::Unreadable => Role::Owner,
    }
}

impl Walk {
    fn of(kind: ActKind) -> Self {
        if matches!(kind, ActKind::Unlink { .. }) { Self::Unlink } else { Self::Other }
    }
}
