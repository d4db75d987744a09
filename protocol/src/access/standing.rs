//! How things stand now: for screens, and for who is about to write.
//!
//! *Now* is what an entry would meet that has seen everything, so that no judge has seen it.

use super::{Access, ActKind, ActNo, Role, Why, devices::Walk};
use crate::{
    id::{DeviceId, PersonId},
    store::{ChainNo, EntryAt},
};
use std::collections::{BTreeMap, BTreeSet};

impl Access {
    /// The role somebody has now. `None`: no member.
    pub fn role_of(&self, person: PersonId) -> Option<Role> {
        let grants = self.effective_grants(person);
        grants.filter_map(|grant| self.carried_now(grant)).max()
    }

    /// Everybody who has a role now.
    pub fn members(&self) -> impl Iterator<Item = (PersonId, Role)> + '_ {
        self.people.keys().filter_map(|person| Some((*person, self.role_of(*person)?)))
    }

    /// Everybody who ever had a role, or was given one.
    pub fn people(&self) -> impl Iterator<Item = PersonId> + '_ {
        self.people.iter().filter(|(_, person)| !person.grants.is_empty()).map(|(person, _)| *person)
    }

    /// Whether somebody is in, or was: something that let them in takes effect, whatever was taken away
    /// since. Whose joining was undone, such as by somebody who withdrew the ticket without having seen
    /// it, never was.
    pub fn was_in(&self, person: PersonId) -> bool {
        self.effective_grants(person).next().is_some()
    }

    /// The same of somebody else, if all that ever let `doubted` in were void, and their tickets with it.
    pub fn was_in_without(&self, person: PersonId, doubted: PersonId) -> bool {
        let given = self.people.get(&doubted).map_or(&[][..], |doubted| &doubted.grants);
        let joins = given.iter().filter(|no| self.grant(**no).is_some_and(|grant| grant.joined));
        let tickets = joins.filter_map(|no| self.acts[*no].cites);
        let void: BTreeSet<ActNo> = given.iter().copied().chain(tickets).collect();
        let rests_on = |no: ActNo| std::iter::successors(Some(no), |no| self.acts[*no].cites);
        self.effective_grants(person).any(|grant| !rests_on(grant).any(|no| void.contains(&no)))
    }

    /// Whether somebody is in, or was, by what the founder and others gave them, and no ticket at all.
    pub fn was_granted(&self, person: PersonId) -> bool {
        let up = |no: ActNo| std::iter::successors(Some(no), |no| self.acts[*no].cites);
        let joined = |no: ActNo| self.grant(no).is_some_and(|grant| grant.joined);
        self.effective_grants(person).any(|grant| !up(grant).any(joined))
    }

    /// Whether somebody took any ticket, be it to any effect or not.
    pub fn has_joined(&self, person: PersonId) -> bool {
        let given = self.people.get(&person).map_or(&[][..], |person| &person.grants);
        given.iter().any(|no| self.grant(*no).is_some_and(|grant| grant.joined))
    }

    /// Whether somebody took a ticket, be it to any effect or not.
    pub fn took(&self, person: PersonId, invite: EntryAt) -> bool {
        let takers = self.numbers.get(&invite).map_or(&[][..], |no| &self.acts[*no].cited_by);
        takers.iter().any(|no| self.acts[*no].act.person == person)
    }

    /// Whether certificates lead from a person to a device, also where it was taken away since.
    pub fn had_device(&self, person: PersonId, device: DeviceId) -> bool {
        let devices = self.people.get(&person).map(|person| &person.devices);
        devices.is_some_and(|devices| devices.until(Walk::Other, device).is_some())
    }

    /// Why somebody who had a role has none now. `None` if they have one, or never did.
    pub fn why_out(&self, person: PersonId) -> Option<Why> {
        let strength =
            |grant: &ActNo| (self.grant(*grant).map(|grant| grant.depth), self.acts[*grant].act.at);
        let last = self.effective_grants(person).min_by_key(strength);
        let Some(last) = last else {
            let given = self.people.get(&person).map_or(&[][..], |person| &person.grants);
            return given.first().map(|_| Why::NoAuthority);
        };
        let carried = self.lowest(last, self.caps_on(last, true));
        carried.role.is_none().then(|| self.why_lowered(carried))
    }

    /// What leaves nothing of what lets a person in: removals, and their own leaving.
    pub fn out_by(&self, person: PersonId) -> BTreeSet<EntryAt> {
        let grants = self.effective_grants(person);
        let caps = grants.flat_map(|grant| self.caps_on(grant, true)).filter(|cap| cap.to.is_none());
        caps.map(|cap| self.acts[cap.by].act.at).collect()
    }

    /// The removals by others that put somebody out: of those that leave nothing of what lets them in, the
    /// ones that take the most of it. None if they are out by their own leaving, or in.
    pub fn removed_by(&self, person: PersonId) -> Vec<EntryAt> {
        let mut takes: BTreeMap<EntryAt, usize> = BTreeMap::new();
        for grant in self.effective_grants(person) {
            let removals = self.caps_on(grant, true).filter(|cap| cap.to.is_none());
            let by_others: Vec<_> =
                removals.map(|cap| &self.acts[cap.by]).filter(|cap| !cap.is_leaving()).collect();
            if by_others.is_empty() {
                return Vec::new();
            }
            for cap in by_others {
                *takes.entry(cap.act.at).or_default() += 1;
            }
        }
        let most = takes.values().copied().max();
        takes.into_iter().filter(|(_, times)| Some(*times) == most).map(|(at, _)| at).collect()
    }

    /// Open tickets that were there already when somebody left or was removed, or a device was taken
    /// away: whoever is gone may have seen them.
    pub fn left_behind(&self) -> Vec<EntryAt> {
        let open: Vec<EntryAt> = self.invites().map(|(at, _)| at).collect();
        if open.is_empty() {
            return open;
        }
        let departs = |kind| matches!(kind, ActKind::Cap { role: None, .. } | ActKind::Unlink { .. });
        let effective = self.acts.0.iter().filter(|stored| stored.verdict.is_effective());
        let departures: Vec<_> = effective.filter(|stored| departs(stored.act.kind)).collect();
        open.into_iter().filter(|at| departures.iter().any(|departure| departure.saw(*at))).collect()
    }

    /// The grant to cite for what needs the role `need`: the strongest that carries it now. `None`
    /// if there is none, or the device is not linked.
    pub fn best_auth(&self, person: PersonId, device: DeviceId, need: Role) -> Option<EntryAt> {
        let allowing = self.effective_grants(person).filter(|grant| {
            // Whoever ends one log ends every log: any will do to ask whether somebody does.
            self.end(ChainNo(0), person, device, self.acts[*grant].act.at, need).is_none()
        });
        let strength =
            |grant: &ActNo| (self.grant(*grant).map(|grant| grant.depth), self.acts[*grant].act.at);
        allowing.min_by_key(strength).map(|grant| self.acts[grant].act.at)
    }

    /// The strongest grant that carries a role for somebody now, on whatever device: what a device
    /// cites that is only now brought in.
    pub fn best_grant(&self, person: PersonId, need: Role) -> Option<EntryAt> {
        let carrying = self.effective_grants(person).filter(|grant| self.carried_now(*grant) >= Some(need));
        let strength =
            |grant: &ActNo| (self.grant(*grant).map(|grant| grant.depth), self.acts[*grant].act.at);
        carrying.min_by_key(strength).map(|grant| self.acts[grant].act.at)
    }

    /// The devices that can act for somebody now, the root key among them.
    pub fn devices(&self, person: PersonId) -> impl Iterator<Item = DeviceId> + '_ {
        let devices = self.people.get(&person).into_iter().flat_map(|person| person.devices.linked());
        devices.filter(move |device| self.best_auth(person, *device, Role::Viewer).is_some())
    }

    /// The tickets with which one can join now, and the role they give.
    pub fn invites(&self) -> impl Iterator<Item = (EntryAt, Role)> + '_ {
        self.invites.iter().filter_map(|no| {
            let invite = &self.acts[*no];
            let revoked = invite.revoked_by.iter().any(|no| self.acts[*no].verdict.is_effective());
            let inviter = invite.cites.and_then(|grant| self.carried_now(grant));
            let open = invite.verdict.is_effective() && !revoked && inviter >= Some(Role::Admin);
            let ActKind::Invite { role } = invite.act.kind else { return None };
            open.then_some((invite.act.at, role))
        })
    }

    /// Where people, devices and tickets were taken away, so that they shall read no further. Whoever
    /// was in and is out is so by one of these: also who was let in by somebody who might not any more.
    pub fn removals(&self) -> impl Iterator<Item = EntryAt> + '_ {
        let takes = |kind| match kind {
            ActKind::Cap { role: None, .. } | ActKind::Unlink { .. } | ActKind::Revoke { .. } => true,
            // Nobody else has let anybody in.
            ActKind::Cap { subject, .. } => self.could_let_in(subject),
            _ => false,
        };
        let effective = self.acts.0.iter().filter(|stored| stored.verdict.is_effective());
        effective.filter(move |stored| takes(stored.act.kind)).map(|stored| stored.act.at)
    }

    fn could_let_in(&self, person: PersonId) -> bool {
        let grants = self.people.get(&person).map_or(&[][..], |person| &person.grants);
        grants.iter().any(|no| self.grant(*no).is_some_and(|grant| grant.role >= Role::Admin))
    }

    /// Whether somebody joined with a ticket.
    pub fn is_used(&self, invite: EntryAt) -> bool {
        let joins = self.numbers.get(&invite).map_or(&[][..], |no| &self.acts[*no].cited_by);
        joins.iter().any(|no| self.acts[*no].verdict.is_effective())
    }

    fn effective_grants(&self, person: PersonId) -> impl Iterator<Item = ActNo> + '_ {
        let grants = self.people.get(&person).map_or(&[][..], |person| &person.grants);
        grants.iter().copied().filter(|grant| self.acts[*grant].verdict.is_effective())
    }

    fn carried_now(&self, grant: ActNo) -> Option<Role> {
        self.lowest(grant, self.caps_on(grant, true)).role
    }
}
