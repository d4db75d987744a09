//! Worlds as the reference has them: operations with any past, on devices that links make.

use std::collections::{BTreeMap, BTreeSet};
use velo_protocol::{
    access::{Access, Act, ActKind, Changes, Link, Role},
    causality::Frontier,
    id::{DeviceId, PersonId},
    store::{ChainNo, EntryAt},
};

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Genesis,
    Grant,
    Cap,
    Invite,
    Join,
    Revoke,
    Link,
    Unlink,
    /// Whatever needs a member.
    Data,
    /// Whatever anybody may write.
    Note,
}

/// One operation; what is not said is `None`. Operations and keys are numbered from 0.
#[derive(Debug, Clone)]
pub struct Op {
    pub key: usize,
    pub kind: Kind,
    /// The operations it had seen, a bit each.
    pub past: u128,
    pub auth: Option<usize>,
    pub subject: Option<usize>,
    pub role: Option<Role>,
    pub target: Option<usize>,
}

#[derive(Debug, Clone, Copy)]
pub struct Key {
    pub person: usize,
    pub parent: Option<usize>,
    pub linked_by: Option<usize>,
}

#[derive(Debug, Clone, Default)]
pub struct World {
    pub ops: Vec<Op>,
    pub keys: Vec<Key>,
}

/// Each operation has a log of its own, so that it can have seen any others.
pub fn at(op: usize) -> EntryAt {
    EntryAt { chain: ChainNo(op as u32), position: 1 }
}

pub fn device(key: usize) -> DeviceId {
    DeviceId([key as u8 + 1; 32])
}

pub fn person(key: usize) -> PersonId {
    PersonId(device(key).0)
}

pub fn is_in(set: u128, op: usize) -> bool {
    set >> op & 1 == 1
}

pub fn bits(set: u128) -> impl Iterator<Item = usize> {
    (0..128).filter(move |op| is_in(set, *op))
}

impl Op {
    pub fn is_grant(&self) -> bool {
        matches!(self.kind, Kind::Genesis | Kind::Grant | Kind::Join)
    }

    pub fn is_stored(&self) -> bool {
        !matches!(self.kind, Kind::Data | Kind::Note)
    }
}

impl World {
    /// The past of an operation that names `deps`.
    pub fn past(&self, deps: impl IntoIterator<Item = usize>) -> u128 {
        deps.into_iter().fold(0, |past, dep| past | 1 << dep | self.ops[dep].past)
    }

    pub fn person_of(&self, op: usize) -> usize {
        self.keys[self.ops[op].key].person
    }

    fn kind(&self, op: usize) -> ActKind {
        let Op { key, kind, subject, role, target, .. } = self.ops[op];
        match kind {
            Kind::Genesis if op == 0 && subject == Some(self.keys[key].person) => ActKind::Genesis,
            Kind::Genesis | Kind::Data | Kind::Note => ActKind::Unreadable,
            Kind::Grant => ActKind::Grant { subject: person(subject.unwrap()), role: role.unwrap() },
            Kind::Cap => ActKind::Cap { subject: person(subject.unwrap()), role },
            Kind::Invite => ActKind::Invite { role: role.unwrap() },
            Kind::Join => ActKind::Join,
            Kind::Revoke => ActKind::Revoke { invite: at(target.unwrap()) },
            Kind::Link => ActKind::Link,
            Kind::Unlink => ActKind::Unlink { device: device(target.unwrap()) },
        }
    }

    fn links(&self, op: usize) -> Vec<Link> {
        let brought = self.keys.iter().enumerate().filter(|(_, key)| key.linked_by == Some(op));
        brought
            .map(|(child, key)| Link { parent: device(key.parent.unwrap()), child: device(child) })
            .collect()
    }

    /// Adds a control entry; passes over others.
    pub fn give(&self, access: &mut Access, op: usize) -> Changes {
        let Op { key, past, auth, .. } = self.ops[op];
        if !self.ops[op].is_stored() {
            return Changes::default();
        }
        let mut seen = Frontier::default();
        bits(past).for_each(|op| _ = seen.raise(at(op)));
        let (person, kind) = (person(self.keys[key].person), self.kind(op));
        let act = Act { at: at(op), device: device(key), person, auth: auth.map(at), kind };
        access.add(act, &self.links(op), seen)
    }

    pub fn judged(&self, order: impl IntoIterator<Item = usize>) -> Access {
        let mut access = Access::new();
        order.into_iter().for_each(|op| _ = self.give(&mut access, op));
        access
    }

    /// Judged in the order in which the operations were made.
    pub fn access(&self) -> Access {
        self.judged(0..self.ops.len())
    }

    pub fn verdict(&self, access: &Access, op: usize) -> bool {
        let Op { key, kind, past, auth, .. } = self.ops[op];
        let need = match kind {
            Kind::Data => Role::Member,
            Kind::Note => Role::Viewer,
            _ => return access.is_effective(at(op)),
        };
        let person = person(self.keys[key].person);
        auth.is_some_and(|auth| {
            is_in(past, auth) && access.allows(at(op), person, device(key), at(auth), need)
        })
    }

    pub fn verdicts(&self, access: &Access) -> Vec<bool> {
        (0..self.ops.len()).map(|op| self.verdict(access, op)).collect()
    }

    /// Who outranks whom, and how strong a grant is: for the properties, told again in the plainest way.
    pub fn grantor(&self, grant: usize) -> Option<usize> {
        let cited = self.ops[grant].auth?;
        if self.ops[grant].kind == Kind::Join { self.ops[cited].auth } else { Some(cited) }
    }

    pub fn depth(&self, grant: usize) -> usize {
        match self.ops[grant].role {
            Some(Role::Owner) => self.grantor(grant).map_or(0, |grantor| self.depth(grantor) + 1),
            Some(Role::Admin) => 1000,
            _ => 1001,
        }
    }

    pub fn outranks(&self, above: usize, grant: usize) -> bool {
        match self.ops[grant].role {
            Some(Role::Owner) => {
                let mut grantors = std::iter::successors(self.grantor(grant), |grant| self.grantor(*grant));
                grantors.any(|grantor| grantor == above)
            }
            Some(Role::Admin) => self.ops[above].role == Some(Role::Owner),
            _ => self.ops[above].role >= Some(Role::Admin),
        }
    }
}

/// What each added act did to older verdicts must be what [`Changes`] says.
pub fn check_changes(world: &World, order: &[usize], seed: u64) {
    let (mut access, mut here) = (Access::new(), BTreeMap::new());
    for op in order {
        let changes = world.give(&mut access, *op);
        assert!(changes.judged <= access.len(), "judged twice: world {seed}, {op}");
        let turned = |(op, before): &(&usize, &mut bool)| world.verdict(&access, **op) != **before;
        let turned: Vec<_> = here.iter_mut().filter(turned).collect();
        let stored = turned.iter().filter(|(op, _)| world.ops[**op].is_stored()).map(|(op, _)| at(**op));
        assert_eq!(
            stored.collect::<BTreeSet<_>>(),
            changes.acts.iter().copied().collect(),
            "acts: world {seed}, {op}"
        );
        assert_eq!(turned.iter().filter(|(op, _)| world.ops[**op].is_stored()).count(), changes.acts.len());
        for (other, before) in turned {
            let concerned = changes.people.contains(&person(world.person_of(*other)));
            assert!(concerned || world.ops[*other].is_stored(), "people: world {seed}, {op}, {other}");
            *before = !*before;
        }
        here.insert(*op, world.verdict(&access, *op));
    }
}
