//! The access rule once more, read from its sentence and as slow as that: you can take away only from
//! those you outrank, and what you take away is everything of theirs that you had not yet seen.
//!
//! A second, independent reading of the reference in the design, for the simulator to compare with:
//! no turns, no ends, no lists by person. It is asked about each entry by itself, recurses to whatever
//! that rests on, and remembers the answers. Nothing here is fast or bounded.

use crate::{
    access::Role,
    causality::Frontier,
    control::Control,
    crypto::LinkCert,
    id::{DeviceId, EntryId, PersonId, WorkspaceId},
    log::{EntryKind, Origin},
    log_set::{LogSet, Ready},
    members,
    store::EntryAt,
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

/// What an entry does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Genesis,
    Grant(PersonId, Role),
    Cap(PersonId, Option<Role>),
    Invite(Role),
    Join(Role),
    Revoke(Option<EntryAt>),
    Link,
    Unlink(DeviceId),
    /// Anything else, by the role it needs.
    Other(Role),
    Unreadable,
}

#[derive(Debug)]
struct Entry {
    at: EntryAt,
    origin: Origin,
    what: What,
    /// The entry cited, if its author had seen it.
    auth: Option<usize>,
    /// What its author had seen, where others are judged by it.
    past: Frontier,
}

impl Entry {
    /// To whom it gives which role.
    fn gives(&self) -> Option<(PersonId, Role)> {
        match self.what {
            What::Genesis => Some((self.origin.person, Role::Owner)),
            What::Grant(subject, role) => Some((subject, role)),
            What::Join(role) => Some((self.origin.person, role)),
            _ => None,
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Oracle {
    entries: Vec<Entry>,
    by_place: BTreeMap<EntryAt, usize>,
    /// What the entries of a chain rest on, the last one so far.
    cited: BTreeMap<EntryAt, Option<usize>>,
    /// Certificates by person and child: the parent, and the entry that brought it.
    certificates: BTreeMap<(PersonId, DeviceId), Vec<(DeviceId, usize)>>,
    invites: BTreeMap<usize, (EntryId, [u8; 32])>,
    effective: RefCell<BTreeMap<usize, bool>>,
    roles: RefCell<BTreeMap<(usize, usize, bool), Option<Role>>>,
}

/// Whether a kind is one of control entries that this version does not know.
pub(super) const fn is_newer(kind: EntryKind) -> bool {
    kind.is_control() && !kind.is_known()
}

/// Stands for what has seen everything, so that no judge has seen it.
const NOW: usize = usize::MAX;

impl Oracle {
    /// Takes in an entry after all of its past.
    pub fn add(&mut self, workspace: WorkspaceId, logs: &LogSet, ready: &Ready, origin: Origin, body: &[u8]) {
        let (at, header) = (ready.at, &ready.entry().header);
        let past = if header.kind.is_control() || header.auth.is_some() {
            logs.past(&[at], Frontier::default())
        } else {
            Frontier::default()
        };
        let auth = match header.auth {
            Some(id) => {
                let place = logs.find(id).filter(|place| past.contains(*place));
                place.and_then(|place| self.by_place.get(&place).copied())
            }
            None => self.cited.get(&before(logs, at)).copied().flatten(),
        };
        self.cited.insert(at, auth);
        let number = self.entries.len();
        let (what, chain) = self.what(workspace, logs, number, ready, (origin, auth), body);
        for link in chain {
            let key = (origin.person, link.child);
            self.certificates.entry(key).or_default().push((DeviceId(link.parent), number));
        }
        self.by_place.insert(at, number);
        self.entries.push(Entry { at, origin, what, auth, past });
    }

    fn what(
        &mut self,
        workspace: WorkspaceId,
        logs: &LogSet,
        number: usize,
        ready: &Ready,
        (origin, auth): (Origin, Option<usize>),
        body: &[u8],
    ) -> (What, Vec<LinkCert>) {
        let kind = ready.entry().header.kind;
        let control = match Control::read(kind, origin.person, body) {
            None if kind == EntryKind::ACK || kind == EntryKind::PROFILE || is_newer(kind) => {
                return (What::Other(Role::Viewer), Vec::new());
            }
            None => return (What::Other(members::need(kind)), Vec::new()),
            Some(Err(_)) => return (What::Unreadable, Vec::new()),
            Some(Ok(control)) => control,
        };
        let what = match &control {
            Control::Genesis(_) if origin.founder && ready.at.position == 1 => What::Genesis,
            Control::Genesis(_) => What::Unreadable,
            Control::Grant(grant) => What::Grant(grant.subject, grant.role),
            Control::Cap(cap) => What::Cap(cap.subject, cap.role),
            Control::Invite(invite) => {
                self.invites.insert(number, (ready.entry().id, invite.key));
                What::Invite(invite.role)
            }
            Control::Revoke(revoke) => What::Revoke(logs.find(revoke.invite)),
            Control::Join(join) => {
                let invite = auth.and_then(|auth| Some((self.invites.get(&auth)?, self.entries.get(auth)?)));
                match invite {
                    Some(((id, key), Entry { what: What::Invite(role), .. }))
                        if join.verify(workspace, *id, key, &origin).is_ok() =>
                    {
                        What::Join(*role)
                    }
                    _ => What::Unreadable,
                }
            }
            Control::Link(_) => What::Link,
            Control::Unlink(unlink) => What::Unlink(unlink.device),
        };
        (what, control.chain().to_vec())
    }

    /// Whether the entry at a place takes effect.
    pub fn says(&self, at: EntryAt) -> bool {
        self.by_place.get(&at).is_some_and(|number| self.is_effective(*number))
    }

    /// Everybody's role now.
    pub fn roles(&self) -> BTreeMap<PersonId, Role> {
        let mut roles = BTreeMap::new();
        for (number, entry) in self.entries.iter().enumerate() {
            let Some((person, _)) = entry.gives().filter(|_| self.is_effective(number)) else { continue };
            if let Some(role) = self.role_at(number, NOW, true) {
                let best = roles.entry(person).or_insert(role);
                *best = role.max(*best);
            }
        }
        roles
    }

    /// Everybody whom something let in, whatever was taken away since.
    pub fn let_in(&self) -> BTreeSet<PersonId> {
        let gives = self.entries.iter().enumerate().filter(|(number, _)| self.is_effective(*number));
        gives.filter_map(|(_, entry)| Some(entry.gives()?.0)).collect()
    }

    fn is_well_formed(&self, number: usize) -> bool {
        let entry = &self.entries[number];
        if entry.what == What::Genesis {
            return true;
        }
        let Some(auth) = entry.auth.filter(|auth| *auth != number && self.is_well_formed(*auth)) else {
            return false;
        };
        let cited = &self.entries[auth];
        if let What::Join(_) = entry.what {
            return matches!(cited.what, What::Invite(_));
        }
        let Some((_, role)) = cited.gives().filter(|(subject, _)| *subject == entry.origin.person) else {
            return false;
        };
        match entry.what {
            What::Grant(_, given) => role >= given.given_by(),
            What::Invite(given) => role >= Role::Admin && given <= Role::Member,
            What::Revoke(target) => {
                let invite = target.filter(|target| entry.past.contains(*target));
                let invite = invite.and_then(|target| self.by_place.get(&target));
                role >= Role::Admin
                    && invite.is_some_and(|invite| matches!(self.entries[*invite].what, What::Invite(_)))
            }
            What::Cap(subject, _) => role >= Role::Admin || subject == entry.origin.person,
            What::Link | What::Unlink(_) => true,
            What::Other(need) => role >= need,
            What::Genesis | What::Join(_) | What::Unreadable => false,
        }
    }

    /// The grant under which a grant was given; none for the first.
    fn grantor(&self, grant: usize) -> Option<usize> {
        let auth = self.entries[grant].auth?;
        match self.entries[grant].what {
            What::Genesis => None,
            What::Join(_) => self.entries[auth].auth,
            _ => Some(auth),
        }
    }

    /// How far from the founder a grant stands.
    fn depth(&self, grant: usize) -> u64 {
        match self.entries[grant].gives() {
            Some((_, Role::Owner)) => self.grantor(grant).map_or(0, |grantor| self.depth(grantor) + 1),
            Some((_, Role::Admin)) => 1_000_000,
            _ => 1_000_001,
        }
    }

    fn outranks(&self, upper: usize, lower: usize) -> bool {
        let role = |grant: usize| self.entries[grant].gives().map(|(_, role)| role);
        match role(lower) {
            Some(Role::Owner) => {
                let mut above = self.grantor(lower);
                while let Some(grant) = above.filter(|above| *above != upper) {
                    above = self.grantor(grant);
                }
                above.is_some()
            }
            Some(Role::Admin) => role(upper) == Some(Role::Owner),
            _ => role(upper) >= Some(Role::Admin),
        }
    }

    /// Whether `judge` had seen an entry; its own it has, too.
    fn saw(&self, judge: usize, entry: usize) -> bool {
        judge == entry || entry != NOW && self.entries[judge].past.contains(self.entries[entry].at)
    }

    fn role_at(&self, grant: usize, entry: usize, leaves: bool) -> Option<Role> {
        let key = (grant, entry, leaves);
        if let Some(role) = self.roles.borrow().get(&key) {
            return *role;
        }
        let role = self.find_role(grant, entry, leaves);
        self.roles.borrow_mut().insert(key, role);
        role
    }

    fn find_role(&self, grant: usize, entry: usize, leaves: bool) -> Option<Role> {
        let (subject, given) = self.entries[grant].gives()?;
        let mut role = Some(given);
        for (number, cap) in self.entries.iter().enumerate() {
            let What::Cap(on, to) = cap.what else { continue };
            if on != subject || to >= role || self.saw(number, entry) || !self.is_well_formed(number) {
                continue;
            }
            let reissued = self.saw(grant, number);
            let Some(by) = cap.auth else { continue };
            let counts = if cap.origin.person == subject {
                let also_leaves = entry != NOW && {
                    let other = &self.entries[entry];
                    matches!(other.what, What::Cap(on, _) if on == subject && other.origin.person == subject)
                };
                leaves
                    && !reissued
                    && self.depth(by) <= self.depth(grant)
                    && !also_leaves
                    && self.is_effective(number)
            } else {
                let joined = matches!(self.entries[grant].what, What::Join(_));
                (!reissued || joined && to.is_none())
                    && self.outranks(by, grant)
                    && self.is_effective(number)
                    && self.role_at(by, number, true) >= Some(given.given_by())
            };
            if counts {
                role = to;
            }
        }
        role
    }

    /// Whether certificates lead from the person to the device, and nobody took one of them away who
    /// had not seen what rests on it.
    fn is_linked(&self, entry: usize, strength: u64) -> bool {
        let Entry { origin, .. } = &self.entries[entry];
        self.leads(origin.person, origin.device, entry, entry, strength, &mut BTreeSet::new())
    }

    fn leads(
        &self,
        person: PersonId,
        key: DeviceId,
        resting: usize,
        entry: usize,
        strength: u64,
        seen: &mut BTreeSet<DeviceId>,
    ) -> bool {
        let is_unlink = matches!(self.entries[entry].what, What::Unlink(_));
        let cut = self.entries.iter().enumerate().any(|(number, unlink)| {
            let by_itself = unlink.origin.device == key;
            unlink.what == What::Unlink(key)
                && unlink.origin.person == person
                && !(by_itself && is_unlink)
                && (by_itself || self.is_above(person, unlink.origin.device, key))
                && unlink.auth.is_some_and(|auth| self.depth(auth) <= strength)
                && !self.saw(number, resting)
                && self.is_effective(number)
        });
        if cut || !seen.insert(key) {
            return false;
        }
        if key.0 == person.0 {
            return true;
        }
        let parents = self.certificates.get(&(person, key)).into_iter().flatten();
        parents.clone().any(|(parent, bringer)| {
            self.leads(person, *parent, *bringer, entry, strength, &mut seen.clone())
        })
    }

    fn is_above(&self, person: PersonId, upper: DeviceId, lower: DeviceId) -> bool {
        let (mut seen, mut open) = (BTreeSet::from([lower]), vec![lower]);
        while let Some(key) = open.pop() {
            for (parent, _) in self.certificates.get(&(person, key)).into_iter().flatten() {
                if *parent == upper {
                    return true;
                }
                if seen.insert(*parent) {
                    open.push(*parent);
                }
            }
        }
        false
    }

    fn is_effective(&self, number: usize) -> bool {
        if let Some(known) = self.effective.borrow().get(&number) {
            return *known;
        }
        let effective = self.find_effective(number);
        self.effective.borrow_mut().insert(number, effective);
        effective
    }

    fn find_effective(&self, number: usize) -> bool {
        if !self.is_well_formed(number) {
            return false;
        }
        let entry = &self.entries[number];
        let Some(auth) = entry.auth.filter(|_| entry.what != What::Genesis) else {
            return entry.what == What::Genesis;
        };
        if !self.is_effective(auth) {
            return false;
        }
        if let What::Join(_) = entry.what {
            let inviter = self.entries[auth].auth;
            let open =
                inviter.is_some_and(|inviter| self.role_at(inviter, number, true) >= Some(Role::Admin));
            let place = Some(self.entries[auth].at);
            let revoked = self.entries.iter().enumerate().any(|(revoke, other)| {
                other.what == What::Revoke(place) && !self.saw(revoke, number) && self.is_effective(revoke)
            });
            return open && !revoked && self.role_at(number, number, false).is_some();
        }
        if !self.is_linked(number, self.depth(auth)) {
            return false;
        }
        let Origin { person, device, .. } = entry.origin;
        let (need, leaves) = match entry.what {
            What::Unlink(target) if target != device && !self.is_above(person, device, target) => {
                return false;
            }
            What::Unlink(_) => (Role::Viewer, false),
            What::Cap(subject, _) if subject == person => (Role::Viewer, false),
            What::Grant(_, given) => (given.given_by(), true),
            What::Cap(..) | What::Invite(_) | What::Revoke(_) => (Role::Admin, true),
            What::Link => (Role::Viewer, true),
            What::Other(need) => (need, true),
            What::Genesis | What::Join(_) | What::Unreadable => return false,
        };
        self.role_at(auth, number, leaves) >= Some(need)
    }
}

/// The place before one in its log, also across the foot of a branch.
fn before(logs: &LogSet, at: EntryAt) -> EntryAt {
    let before = EntryAt { position: at.position - 1, ..at };
    let parent = logs.chain(at.chain).and_then(|chain| chain.parent);
    parent.filter(|parent| parent.position == before.position).unwrap_or(before)
}
