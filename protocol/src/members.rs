//! Who is in a workspace: from entries, in the order in which they are applied, to the access rule,
//! and from its verdicts back to entries.
//!
//! The rule ([`crate::access`]) knows acts, numbers and pasts. Here entries become acts: the grant they
//! cite is looked up (a header that cites none goes on under that of the entry before it), their body
//! is read, and the signature of a ticket is checked. What the bodies bring beside that is kept for
//! those who wrap content keys: the receiving keys of devices, tickets and people.
//!
//! All of it is made anew from the control entries when a workspace is opened. Nothing is stored.

use crate::{
    access::{Access, Act, ActKind, Link, Role, Segment, Why},
    causality::Frontier,
    control::{Cap, Control, ControlError, Invite, Join},
    id::{DeviceId, EntryId, PersonId, WorkspaceId},
    keys::wrap::RecipientKey,
    limits,
    log::{EntryKind, Origin},
    log_set::{LogSet, Turn},
    roster::{OpenInvite, Parting, Roster, Standing},
    store::{ChainNo, EntryAt},
};
use newer::{Newer, is_newer};
use std::collections::{BTreeMap, BTreeSet};

mod newer;

/// What an entry means for the rule.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Judged {
    /// Why it has no effect; `None` if it has.
    pub void: Option<Why>,
    /// Entries applied before whose verdict it turned.
    pub turned: Vec<Turned>,
    /// Whether it changed who is in, or with what.
    pub is_news: bool,
    /// Whether it is a control entry of a newer version: see [`Members::needs_update`].
    pub is_newer: bool,
}

/// Entries of one chain, of kinds that need one role, whose verdict turned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turned {
    /// The chain.
    pub chain: ChainNo,
    /// What they need.
    pub need: Role,
    /// The first position.
    pub from: u64,
    /// The last one.
    pub to: u64,
}

/// From a position of a chain on: the grant that its entries cite, if it lies in their past.
type Auths = Vec<(u64, Option<EntryAt>)>;

/// See the module.
#[derive(Debug, Clone)]
pub struct Members {
    workspace: WorkspaceId,
    access: Access,
    auths: BTreeMap<ChainNo, Auths>,
    /// The verdicts on what stands in a chain, by the role it needs, for all that will ever stand there
    /// under the last grant cited.
    verdicts: BTreeMap<(ChainNo, Role), Vec<Segment>>,
    /// Where entries brought certificates or keys, and of whom: those count whatever the verdict.
    brought: BTreeMap<EntryAt, PersonId>,
    /// Chains by person.
    chains: BTreeMap<PersonId, BTreeSet<ChainNo>>,
    invites: BTreeMap<EntryAt, (EntryId, Invite)>,
    /// Entries that remove people, and their authors.
    removals: BTreeMap<EntryAt, (EntryId, PersonId)>,
    /// By device: the keys that certificates name for it. One, unless it was certified twice.
    receiving: BTreeMap<DeviceId, BTreeSet<RecipientKey>>,
    /// By device: the people whose certificates name it. One, unless its owner plays two.
    owners: BTreeMap<DeviceId, BTreeSet<PersonId>>,
    /// By person: the recovery keys that their root signed. One, as long as nobody signs by hand.
    recovery: BTreeMap<PersonId, BTreeSet<RecipientKey>>,
    newer: Newer,
}

impl Members {
    /// Nobody yet.
    pub fn new(workspace: WorkspaceId) -> Self {
        Self {
            workspace,
            access: Access::new(),
            auths: BTreeMap::new(),
            verdicts: BTreeMap::new(),
            brought: BTreeMap::new(),
            chains: BTreeMap::new(),
            invites: BTreeMap::new(),
            removals: BTreeMap::new(),
            receiving: BTreeMap::new(),
            owners: BTreeMap::new(),
            recovery: BTreeMap::new(),
            newer: Newer::default(),
        }
    }

    /// The rule's own answers: roles, devices, tickets.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// Takes in an entry that counts as applied in `logs`, and judges it.
    pub fn note(&mut self, logs: &LogSet, turn: &Turn<'_>) -> Judged {
        let auth = self.note_auth(logs, turn);
        let kind = turn.header.kind;
        let body = turn.body.plain().unwrap_or_default();
        let control = Control::read(kind, turn.origin.person, body);
        let is_newer = control.as_ref().map_or_else(
            || is_newer(kind, body),
            |control| control.as_ref().err() == Some(&ControlError::Newer),
        );
        if is_newer {
            self.newer.note(turn, auth);
        }
        let judged = match control {
            Some(control) => self.note_control(logs, turn, auth, control),
            None => Judged { void: self.why_void(turn.at, turn.origin, kind), ..Judged::default() },
        };
        Judged { is_newer, ..judged }
    }

    /// Whether there are control entries that this program cannot read and that may have an effect:
    /// then nothing may be written until it is updated, since it cannot tell who may do what. What
    /// somebody writes who is out, or never was in, does not count.
    pub fn needs_update(&self) -> bool {
        self.newer.counts(&self.access)
    }

    /// Why an applied entry that the rule does not look into has no effect; `None` if it has.
    pub fn why_void(&self, at: EntryAt, origin: &Origin, kind: EntryKind) -> Option<Why> {
        let need = need(kind);
        if self.verdicts.get(&(at.chain, need)).is_some_and(|verdicts| says(verdicts, at.position)) {
            return None;
        }
        let Some(auth) = self.cited(at) else { return Some(Why::Malformed) };
        self.access.why_not(at, origin.person, origin.device, auth, need)
    }

    /// Why any applied entry has no effect, whether the rule looks into it or not. For an `Ack`, why
    /// none would have one at its place.
    #[cfg(feature = "sim")]
    pub fn verdict(&self, at: EntryAt, origin: &Origin, kind: EntryKind) -> Option<Why> {
        match self.access.act(at) {
            Some(_) if kind != EntryKind::ACK => self.access.why_void(at),
            _ => self.why_void(at, origin, kind),
        }
    }

    /// Positions of a chain up to `end`, from and to, at which nothing that it takes a member to write has
    /// an effect.
    pub fn void_ranges(&self, chain: ChainNo, end: u64) -> Vec<(u64, u64)> {
        let verdicts = self.verdicts.get(&(chain, Role::Member)).map_or(&[][..], Vec::as_slice);
        let nexts = verdicts.iter().skip(1).map(|next| next.from - 1).chain([u64::MAX]);
        let void = verdicts.iter().zip(nexts).filter(|(segment, _)| !segment.effective);
        let ranges = void.map(|(segment, to)| (segment.from, to.min(end)));
        ranges.filter(|(from, to)| from <= to).collect()
    }

    /// The grant that the entry at a place rests on, if it lies in its past.
    pub fn cited(&self, at: EntryAt) -> Option<EntryAt> {
        let auths = self.auths.get(&at.chain).map_or(&[][..], Vec::as_slice);
        let next = auths.partition_point(|(from, _)| *from <= at.position);
        next.checked_sub(1).and_then(|last| auths.get(last)).and_then(|(_, auth)| *auth)
    }

    /// The grant to cite at a place for what needs `need`: the one cited before it while that still
    /// carries it, else the strongest that does.
    pub fn auth_for(&self, at: EntryAt, origin: &Origin, need: Role) -> Option<EntryAt> {
        let Origin { person, device, .. } = *origin;
        // At this place nothing was seen by any judge yet: it is judged as everything after it will be.
        let goes_on = self.cited(at).filter(|auth| self.access.allows(at, person, device, *auth, need));
        goes_on.or_else(|| self.access.best_auth(person, device, need))
    }

    /// The last position of a chain up to `end` at which something has an effect, 0 if nothing has.
    /// A certificate has one also in a void entry, as long as its person is in.
    pub fn last_effective(&self, chain: ChainNo, end: u64) -> u64 {
        let places = EntryAt { chain, position: 0 }..=EntryAt { chain, position: end };
        let brought = self.brought.range(places).next_back();
        let brought = brought.filter(|(_, person)| self.access.role_of(**person).is_some());
        brought.map_or(0, |(at, _)| at.position).max(self.last_verdict(chain, end))
    }

    /// The same without regard to certificates.
    pub fn last_verdict(&self, chain: ChainNo, end: u64) -> u64 {
        let verdicts = self.verdicts.get(&(chain, Role::Viewer)).map_or(&[][..], Vec::as_slice);
        let mut next = u64::MAX;
        for segment in verdicts.iter().rev() {
            if segment.effective && segment.from <= end {
                return end.min(next - 1);
            }
            next = segment.from;
        }
        self.access.last_effective(EntryAt { chain, position: end })
    }

    /// The grant that an entry cites.
    fn note_auth(&mut self, logs: &LogSet, turn: &Turn<'_>) -> Option<EntryAt> {
        let EntryAt { chain, position } = turn.at;
        let is_first = !self.auths.contains_key(&chain);
        if is_first {
            let inherited = logs.chain(chain).and_then(|chain| chain.parent);
            let before = inherited.map(|base| self.auths_up_to(base)).unwrap_or_default();
            self.auths.insert(chain, before);
        }
        let auths = self.auths.entry(chain).or_default();
        let known = auths.len();
        if let Some(cited) = turn.header.auth {
            // Whatever lies in its past is applied, so it is found.
            let at = logs.find(cited).filter(|at| logs.past(&[turn.at], Frontier::default()).contains(*at));
            auths.push((position, at));
        } else if auths.is_empty() {
            auths.push((position, None));
        }
        let auth = auths.last().and_then(|(_, auth)| *auth);
        // A branch goes on under what its log cited before it, and is judged for itself.
        if is_first || auths.len() > known {
            self.chains.entry(turn.origin.person).or_default().insert(chain);
            self.judge_chain(chain, turn.origin);
        }
        auth
    }

    /// Renews the verdicts on a chain. Returns those from before.
    fn judge_chain(&mut self, chain: ChainNo, origin: &Origin) -> [(Role, Vec<Segment>); 2] {
        let auths = self.auths.get(&chain).map_or(&[][..], Vec::as_slice);
        let judge = |need| self.access.segments(chain, origin.person, origin.device, auths, u64::MAX, need);
        let new = NEEDS.map(|need| (need, judge(need)));
        new.map(|(need, new)| (need, self.verdicts.insert((chain, need), new).unwrap_or_default()))
    }

    /// Renews the verdicts on all that people wrote. Returns what turned of what is applied.
    fn judge_people(&mut self, logs: &LogSet, people: &BTreeSet<PersonId>) -> Vec<Turned> {
        let chains = people.iter().filter_map(|person| self.chains.get(person)).flatten();
        let chains: Vec<ChainNo> = chains.copied().collect();
        let mut turned = Vec::new();
        for number in chains {
            let Some(chain) = logs.chain(number) else { continue };
            for (need, old) in self.judge_chain(number, &chain.origin) {
                let new = self.verdicts.get(&(number, need)).map_or(&[][..], Vec::as_slice);
                let ranges = differing(&old, new, chain.applied);
                turned.extend(ranges.map(|(from, to)| Turned { chain: number, need, from, to }));
            }
        }
        turned
    }

    fn auths_up_to(&self, base: EntryAt) -> Auths {
        let auths = self.auths.get(&base.chain).map_or(&[][..], Vec::as_slice);
        auths.iter().take_while(|(from, _)| *from <= base.position).copied().collect()
    }

    fn note_control(
        &mut self,
        logs: &LogSet,
        turn: &Turn<'_>,
        auth: Option<EntryAt>,
        control: Result<Control, ControlError>,
    ) -> Judged {
        let kind = match &control {
            Ok(control) => self.act_of(logs, turn, auth, control),
            Err(_) => ActKind::Unreadable,
        };
        let control = control.ok();
        let links = control.as_ref().map(|control| links(control.chain())).unwrap_or_default();
        let Origin { person, device, .. } = *turn.origin;
        let act = Act { at: turn.at, device, person, auth, kind };
        let changes = self.access.add(act, &links, logs.past(&[turn.at], Frontier::default()));
        let brings_keys = control.as_ref().is_some_and(|control| self.note_keys(turn, control));
        let turned = self.judge_people(logs, &changes.people);
        let void = self.access.why_void(turn.at);
        // Certificates hold whatever the verdict on the entry that brings them.
        if brings_keys || !links.is_empty() {
            self.brought.insert(turn.at, person);
        }
        let brings = brings_keys || !changes.people.is_empty() || !changes.acts.is_empty();
        Judged { void, turned, is_news: void.is_none() || brings, is_newer: false }
    }

    fn act_of(&self, logs: &LogSet, turn: &Turn<'_>, auth: Option<EntryAt>, control: &Control) -> ActKind {
        match control {
            // The log's id commits to its first entry alone.
            Control::Genesis(_) if turn.origin.founder && turn.at.position == 1 => ActKind::Genesis,
            Control::Grant(grant) => ActKind::Grant { subject: grant.subject, role: grant.role },
            Control::Cap(cap) => ActKind::Cap { subject: cap.subject, role: cap.role },
            Control::Invite(invite) => ActKind::Invite { role: invite.role },
            Control::Revoke(revoke) => match logs.find(revoke.invite) {
                Some(invite) => ActKind::Revoke { invite },
                None => ActKind::Unreadable,
            },
            Control::Join(join) if self.is_invited(turn, auth, join) => ActKind::Join,
            Control::Genesis(_) | Control::Join(_) => ActKind::Unreadable,
            Control::Link(_) => ActKind::Link,
            Control::Unlink(unlink) => ActKind::Unlink { device: unlink.device },
        }
    }

    /// Whether the ticket's holder signed a join.
    fn is_invited(&self, turn: &Turn<'_>, auth: Option<EntryAt>, join: &Join) -> bool {
        let invite = auth.and_then(|at| self.invites.get(&at));
        invite.is_some_and(|(id, invite)| join.verify(self.workspace, *id, &invite.key, turn.origin).is_ok())
    }

    /// Whether any of them is new.
    fn note_keys(&mut self, turn: &Turn<'_>, control: &Control) -> bool {
        let mut is_news = false;
        let person = turn.origin.person;
        for link in control.chain() {
            is_news |= self.receiving.entry(link.child).or_default().insert(RecipientKey(link.child_x25519));
            is_news |= self.owners.entry(link.child).or_default().insert(person);
        }
        if let Some(key) = control.recovery() {
            is_news |= self.recovery.entry(person).or_default().insert(key);
        }
        match control {
            Control::Invite(invite) => _ = self.invites.insert(turn.at, (turn.id, *invite)),
            Control::Cap(Cap { role: None, .. }) => _ = self.removals.insert(turn.at, (turn.id, person)),
            _ => {}
        }
        is_news
    }

    /// Everybody to whom a content key must be wrapped now: the devices and recovery keys of members,
    /// and open tickets.
    pub fn readers(&self) -> BTreeSet<RecipientKey> {
        let mut readers = BTreeSet::new();
        for (person, _) in self.access.members() {
            readers.extend(self.recovery_keys(person));
            for device in self.access.devices(person) {
                readers.extend(self.receiving.get(&device).into_iter().flatten());
            }
        }
        let open = self.access.invites().filter_map(|(at, _)| self.invites.get(&at));
        readers.extend(open.map(|(_, invite)| invite.receiving));
        readers
    }

    /// Open tickets that a device withdraws by itself. Those it made and that have done their service: for
    /// one person, and somebody used it, or their time has been over for long. And anybody's that somebody
    /// may have seen who is gone since, if nobody withdrew them then.
    pub fn spent_invites(&self, device: DeviceId, wall_ms: u64) -> BTreeSet<EntryId> {
        let access = &self.access;
        let open = access.invites().filter_map(|(at, _)| Some((at, self.invites.get(&at)?)));
        let spent = open.filter(|(at, (_, invite))| {
            let used = invite.single_use && access.is_used(*at);
            let over = wall_ms > invite.expires_ms.saturating_add(limits::EXPIRED_INVITE_MS);
            (used || over) && access.act(*at).is_some_and(|invite| invite.device == device)
        });
        let left_behind = access.left_behind().into_iter().filter_map(|at| self.invites.get(&at));
        spent.map(|(_, invite)| invite).chain(left_behind).map(|(id, _)| *id).collect()
    }

    /// Whether a device is or was one of somebody who is or was in. Certificates count whoever brought
    /// them, but only for people whom somebody let in to effect: anybody can certify their own keys.
    pub fn knows(&self, device: DeviceId) -> bool {
        self.people_of(device).next().is_some()
    }

    /// Whether a device is one of somebody who is in.
    pub fn is_in(&self, device: DeviceId) -> bool {
        self.people_of(device).any(|owner| self.access.best_auth(owner, device, Role::Viewer).is_some())
    }

    fn people_of(&self, device: DeviceId) -> impl Iterator<Item = PersonId> + '_ {
        let owners = self.owners.get(&device).into_iter().flatten().copied();
        let let_in = owners.filter(|person| self.access.was_in(*person));
        let_in.filter(move |person| self.access.had_device(*person, device))
    }

    /// Whether a device is or was one of somebody who is or was in, even if whatever let `person` in
    /// should turn out to be void.
    pub fn knows_without(&self, device: DeviceId, person: PersonId) -> bool {
        self.people_of(device).any(|owner| self.access.was_in_without(owner, person))
    }

    /// Whether a device is or was one of somebody who is or was in by no ticket.
    pub fn knows_as_granted(&self, device: DeviceId) -> bool {
        self.people_of(device).any(|owner| self.access.was_granted(owner))
    }

    /// The receiving keys of a person's devices and their recovery key.
    pub fn keys_of_person(&self, person: PersonId) -> BTreeSet<RecipientKey> {
        let devices = self.access.devices(person).filter_map(|device| self.receiving.get(&device));
        devices.flatten().copied().chain(self.recovery_keys(person)).collect()
    }

    /// The receiving keys of a device, if it can act for its person now.
    pub fn keys_of_device(&self, device: DeviceId) -> BTreeSet<RecipientKey> {
        let acts =
            self.access.members().any(|(person, _)| self.access.devices(person).any(|own| own == device));
        if acts { self.receiving.get(&device).cloned().unwrap_or_default() } else { BTreeSet::new() }
    }

    /// Under which somebody reads again with the phrase alone: their root signed it.
    pub fn recovery_keys(&self, person: PersonId) -> impl Iterator<Item = RecipientKey> + '_ {
        self.recovery.get(&person).into_iter().flatten().copied()
    }

    /// What a ticket's entry says.
    pub fn invite(&self, at: EntryAt) -> Option<&Invite> {
        self.invites.get(&at).map(|(_, invite)| invite)
    }

    /// Who is in now.
    pub fn roster(&self) -> Roster {
        let mut roster = Roster::default();
        for person in self.access.people() {
            if let Some(role) = self.access.role_of(person) {
                let devices = self.access.devices(person).filter(|device| device.0 != person.0).collect();
                roster.members.insert(person, Standing { role, devices });
            } else if let Some(parting) = self.parting(person) {
                roster.former.insert(person, parting);
            }
        }
        roster.invites = self.open_invites();
        let made = self.invites.iter().filter_map(|(at, (id, _))| Some((*id, self.access.act(*at)?.person)));
        roster.inviters = made.collect();
        roster
    }

    /// The tickets with which one can join now, by entry.
    pub fn open_invites(&self) -> Vec<OpenInvite> {
        let open = self.access.invites().filter_map(|(at, role)| {
            let (id, invite) = self.invites.get(&at)?;
            let by = self.access.act(at)?.person;
            let Invite { expires_ms, single_use, .. } = *invite;
            Some(OpenInvite { id: *id, by, role, expires_ms, single_use })
        });
        let mut open: Vec<_> = open.collect();
        open.sort_unstable_by_key(|invite| invite.id);
        open
    }

    /// Why somebody is out who was in, or was let in to no effect. Of several who removed them at the same
    /// time, each device names the same.
    pub fn parting(&self, person: PersonId) -> Option<Parting> {
        let why = self.access.why_out(person)?;
        let removals = self.access.removed_by(person).into_iter().filter_map(|at| self.removals.get(&at));
        Some(match (removals.min(), why) {
            (Some((_, by)), _) => Parting::Removed(*by),
            (None, Why::NoAuthority) => Parting::Undone,
            (None, _) => Parting::Left,
        })
    }
}

fn links(chain: &[crate::crypto::LinkCert]) -> Vec<Link> {
    chain.iter().map(|link| Link { parent: DeviceId(link.parent), child: link.child }).collect()
}

/// Every answer of [`need`].
const NEEDS: [Role; 2] = [Role::Viewer, Role::Member];

/// What a list of segments says of a position.
fn says(list: &[Segment], at: u64) -> bool {
    let next = list.partition_point(|segment| segment.from <= at);
    next.checked_sub(1).and_then(|before| list.get(before)).is_some_and(|segment| segment.effective)
}

/// Positions up to `end`, from and to, at which two lists of segments say different things.
fn differing<'a>(old: &'a [Segment], new: &'a [Segment], end: u64) -> impl Iterator<Item = (u64, u64)> {
    let mut starts: Vec<u64> = old.iter().chain(new).map(|segment| segment.from).collect();
    starts.sort_unstable();
    starts.dedup();
    let ends: Vec<u64> = starts.iter().skip(1).map(|next| next - 1).chain([u64::MAX]).collect();
    let ranges = starts.into_iter().zip(ends).filter(move |(from, _)| *from <= end);
    ranges
        .filter(move |(from, _)| says(old, *from) != says(new, *from))
        .map(move |(from, to)| (from, to.min(end)))
}

/// The role it takes to write an entry of a kind that the rule does not look into.
pub const fn need(kind: EntryKind) -> Role {
    match kind {
        EntryKind::PROFILE | EntryKind::ACK => Role::Viewer,
        _ => Role::Member,
    }
}
