//! Who may do what: which entries of a workspace take effect.
//!
//! One sentence carries the rule: **you can take away only from those you outrank, and what you take
//! away is everything of theirs that you had not yet seen.** Owners outrank admins, admins outrank
//! members and viewers, and an owner outranks the owners it appointed; equals can never remove each
//! other, so no duel needs a referee.
//!
//! Every entry cites the *grant* it is done under: a genesis, grant or join that gave its author a
//! role. *Judges* take away: a cap lowers a role, an unlink takes a device from its person, a revoke
//! withdraws a ticket. An entry is effective when what it cites is effective, its device is linked,
//! and the grant still carries the role it needs after all judges that had not seen the entry.
//!
//! The verdicts are a function of the *set* of entries: no clock, no arrival order, no tie. That they
//! can be found at all rests on an order: an act is judged only by acts with an earlier [`settle`]
//! turn (under stronger grants, or by keys further up). So everything is judged in turns, without
//! recursion, each act at most once for every act that is added.
//!
//! [`Access`] holds the control entries of one workspace, given in any order in which each comes
//! after its causal past. There may be a million other entries: those are judged when asked for
//! ([`Access::allows`], [`Access::segments`]), and are void from one position of a log on.
//!
//! All that is kept is bounded by the number of control entries: an act is listed a fixed number of
//! times, a certificate once for each entry that brings it (at most
//! [`CHAIN_LINKS`](crate::limits::CHAIN_LINKS)), a grant lists the caps on its subject that it knew, and
//! only judges keep the frontier they had seen: one number for each log.

use crate::{
    causality::Frontier,
    id::{DeviceId, PersonId},
    store::EntryAt,
};
use std::{
    collections::BTreeMap,
    ops::{Index, IndexMut},
};

pub use act::{Act, ActKind, Changes, Link, Role, Why};
pub use segments::Segment;

mod act;
mod circles;
mod devices;
mod enter;
mod grant;
mod judge;
mod segments;
mod settle;
mod standing;

use devices::{Brought, Devices};
use grant::{Depth, Grant};

/// A stored act, numbered in the order of arrival: never part of a verdict.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct ActNo(u32);

/// Whether an act takes effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// It does, and this is the role that the grant it cites carried for it.
    Effective(Role),
    Void(Why),
}

impl Verdict {
    fn is_effective(self) -> bool {
        matches!(self, Self::Effective(_))
    }

    /// What others are judged by.
    fn weight(self) -> Option<Role> {
        if let Self::Effective(role) = self { Some(role) } else { None }
    }
}

#[derive(Debug, Clone)]
struct Stored {
    act: Act,
    /// The act it cites, if that is stored.
    cites: Option<ActNo>,
    /// Whether it is well-formed: a matter of its own past, which nobody can revoke.
    formed: bool,
    grant: Option<Grant>,
    /// What a judge had seen; empty for others.
    seen: Frontier,
    /// Of an unlink: whether its device is the target, or stands above it.
    below: bool,
    /// Well-formed acts that cite it.
    cited_by: Vec<ActNo>,
    /// Of an invite: well-formed revokes.
    revoked_by: Vec<ActNo>,
    verdict: Verdict,
}

impl Stored {
    /// Whether a judge knew of an entry.
    fn saw(&self, at: EntryAt) -> bool {
        self.act.at == at || self.seen.contains(at)
    }

    /// Whether it is a cap by the person whose role it lowers.
    fn is_leaving(&self) -> bool {
        matches!(self.act.kind, ActKind::Cap { subject, .. } if subject == self.act.person)
    }
}

#[derive(Debug, Clone, Default)]
struct Acts(Vec<Stored>);

impl Index<ActNo> for Acts {
    type Output = Stored;
    fn index(&self, no: ActNo) -> &Stored {
        &self.0[no.0 as usize]
    }
}

impl IndexMut<ActNo> for Acts {
    fn index_mut(&mut self, no: ActNo) -> &mut Stored {
        &mut self.0[no.0 as usize]
    }
}

/// What is stored about a person. All lists hold well-formed acts.
#[derive(Debug, Clone)]
struct Person {
    /// By this person.
    acts: Vec<ActNo>,
    /// To this person.
    grants: Vec<ActNo>,
    /// On this person, ascending.
    caps: Vec<ActNo>,
    /// Joins with tickets of this person.
    joins: Vec<ActNo>,
    devices: Devices,
}

/// The control entries of one workspace and their verdicts.
#[derive(Debug, Clone, Default)]
pub struct Access {
    acts: Acts,
    numbers: BTreeMap<EntryAt, ActNo>,
    people: BTreeMap<PersonId, Person>,
    /// Well-formed ones.
    invites: Vec<ActNo>,
}

impl Access {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a control entry, after every control entry of its causal past. `links` are the
    /// certificates it brings, whatever its own verdict: all of its author. `past` is its causal
    /// past; whether it holds the entry itself makes no difference. What is here already is passed
    /// over.
    pub fn add(&mut self, act: Act, links: &[Link], past: Frontier) -> Changes {
        let (at, person) = (act.at, act.person);
        if self.numbers.contains_key(&at) {
            return Changes::default();
        }
        let brought = self.bring(person, at, links);
        let no = self.enter(act, past);
        let mut changes = Changes::default();
        if brought != Brought::Known {
            changes.people.insert(person);
        }
        let concerned = if brought == Brought::Other { self.acts_of(person).to_vec() } else { Vec::new() };
        self.settle(no, concerned, &mut changes);
        changes
    }

    /// Whether a stored act takes effect. What is not stored does not.
    pub fn is_effective(&self, at: EntryAt) -> bool {
        self.numbers.get(&at).is_some_and(|no| self.acts[*no].verdict.is_effective())
    }

    /// The position of the last stored act up to a place of a chain that takes effect, 0 if none does.
    pub fn last_effective(&self, end: EntryAt) -> u64 {
        let start = EntryAt { chain: end.chain, position: 0 };
        let mut acts = self.numbers.range(start..=end).rev();
        acts.find(|(_, no)| self.acts[**no].verdict.is_effective()).map_or(0, |(at, _)| at.position)
    }

    /// Why a stored act is void. `None` if it is effective, or not stored.
    pub fn why_void(&self, at: EntryAt) -> Option<Why> {
        // What is void stays so whatever else would void it, so only now is the reason looked for.
        match self.judge(*self.numbers.get(&at)?) {
            Verdict::Void(why) => Some(why),
            Verdict::Effective(_) => None,
        }
    }

    /// A stored act.
    pub fn act(&self, at: EntryAt) -> Option<&Act> {
        self.numbers.get(&at).map(|no| &self.acts[*no].act)
    }

    /// How many acts are stored.
    pub fn len(&self) -> usize {
        self.acts.0.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.acts.0.is_empty()
    }

    fn grant(&self, no: ActNo) -> Option<&Grant> {
        self.acts[no].grant.as_ref()
    }

    /// How strong the grant is that an act cites.
    fn depth(&self, act: &Stored) -> Depth {
        act.cites.and_then(|cited| self.grant(cited)).map_or(Depth::Nobody, |grant| grant.depth)
    }

    fn person(&mut self, person: PersonId) -> &mut Person {
        self.people.entry(person).or_insert_with(|| Person {
            acts: Vec::new(),
            grants: Vec::new(),
            caps: Vec::new(),
            joins: Vec::new(),
            devices: Devices::new(person),
        })
    }

    fn acts_of(&self, person: PersonId) -> &[ActNo] {
        self.people.get(&person).map_or(&[], |person| &person.acts)
    }

    /// Whether a device may take another one from the person: itself, or one below.
    fn unlinks_below(&self, act: &Act) -> bool {
        let ActKind::Unlink { device: target } = act.kind else { return false };
        let devices = self.people.get(&act.person).map(|person| &person.devices);
        target == act.device || devices.is_some_and(|devices| devices.is_above(act.device, target))
    }

    /// The effective unlinks of a device that count against acts at `depth`.
    fn unlinks_on(
        &self,
        person: PersonId,
        device: DeviceId,
        walk: devices::Walk,
        depth: Depth,
    ) -> impl Iterator<Item = &Stored> {
        let unlinks = self.people.get(&person).map_or(&[][..], |person| person.devices.unlinks(device));
        unlinks.iter().map(|no| &self.acts[*no]).filter(move |unlink| {
            let own = walk == devices::Walk::Unlink && unlink.act.device == device;
            unlink.below && !own && unlink.verdict.is_effective() && self.depth(unlink) <= depth
        })
    }
}
