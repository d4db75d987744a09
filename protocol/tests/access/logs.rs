//! Long logs that fork, in which most entries are not control entries.

use crate::{
    random::Chance,
    world::{device, person},
};
use std::collections::BTreeMap;
use velo_protocol::{
    access::{Access, Act, ActKind, Link, Role, Segment},
    causality::{DepIndex, Frontier},
    id::{DeviceId, PersonId},
    store::{ChainNo, EntryAt},
};

const WORLDS: u64 = 1000;
const PEOPLE: usize = 4;
const STEPS: usize = 60;

struct Log {
    key: usize,
    /// Its last position, and the first that is its own.
    head: EntryAt,
    start: u64,
    /// What is cited from where on.
    auths: Vec<(u64, Option<EntryAt>)>,
}

/// Logs of some people, and how far each has been judged.
struct Team {
    chance: Chance,
    access: Access,
    index: DepIndex,
    logs: Vec<Log>,
    /// The person of each key.
    keys: Vec<usize>,
    grants: BTreeMap<EntryAt, usize>,
    acts: Vec<Act>,
}

impl Team {
    fn new(seed: u64) -> Self {
        let mut team = Self {
            chance: Chance::new(seed),
            access: Access::new(),
            index: DepIndex::default(),
            logs: Vec::new(),
            keys: (0..PEOPLE).collect(),
            grants: BTreeMap::new(),
            acts: Vec::new(),
        };
        (0..PEOPLE).for_each(|key| team.open(key, None));
        let genesis = team.next(0, &[]);
        team.give(0, genesis, None, ActKind::Genesis, &[]);
        (0..STEPS).for_each(|_| team.step());
        team
    }

    fn open(&mut self, key: usize, base: Option<EntryAt>) {
        let start = base.map_or(0, |base| base.position);
        let head = EntryAt { chain: ChainNo(self.logs.len() as u32), position: start };
        self.index.add_chain(base);
        self.logs.push(Log { key, head, start: start + 1, auths: Vec::new() });
    }

    /// The next entry of a log, which names these.
    fn next(&mut self, log: usize, deps: &[EntryAt]) -> EntryAt {
        self.logs[log].head.position += 1;
        self.index.add(self.logs[log].head, deps.iter().copied());
        self.logs[log].head
    }

    fn past(&self, at: EntryAt) -> Frontier {
        self.index.past(&[at], Frontier::default())
    }

    fn person(&self, log: usize) -> usize {
        self.keys[self.logs[log].key]
    }

    fn give(&mut self, log: usize, at: EntryAt, auth: Option<EntryAt>, kind: ActKind, links: &[Link]) {
        let (key, person) = (self.logs[log].key, person(self.person(log)));
        let act = Act { at, device: device(key), person, auth, kind };
        self.access.add(act.clone(), links, self.past(at));
        self.acts.push(act);
        match kind {
            ActKind::Genesis => _ = self.grants.insert(at, self.person(log)),
            ActKind::Grant { subject, .. } => _ = self.grants.insert(at, subject.0[0] as usize - 1),
            _ => {}
        }
    }

    /// Some log writes a few entries and then, perhaps, a control entry.
    fn step(&mut self) {
        let mut log = self.chance.below(self.logs.len());
        if self.chance.percent(8) && self.logs[log].head.position > self.logs[log].start {
            let Log { head, start, key, .. } = self.logs[log];
            let position = start + self.chance.below((head.position - start) as usize) as u64;
            self.open(key, Some(EntryAt { position, ..head }));
            log = self.logs.len() - 1;
        }
        let heads: Vec<_> = self.logs.iter().map(|log| log.head).filter(|head| head.position > 0).collect();
        let deps: Vec<_> = (0..self.chance.below(4)).map(|_| self.chance.pick(&heads)).collect();
        let at = self.next(log, &deps);
        let past = self.past(at);
        let own = |(grant, subject): (&EntryAt, &usize)| {
            (past.contains(*grant) && *subject == self.person(log)).then_some(*grant)
        };
        let grants: Vec<_> = self.grants.iter().filter_map(own).collect();
        let auth = (!grants.is_empty()).then(|| self.chance.pick(&grants));
        self.logs[log].auths.push((at.position, auth));
        for _ in 0..self.chance.below(5) {
            self.next(log, &[]);
        }
        if auth.is_some() {
            self.control(log, auth);
        }
    }

    fn control(&mut self, log: usize, auth: Option<EntryAt>) {
        use Role::{Admin, Member, Owner, Viewer};
        let (subject, key) = (person(self.chance.below(PEOPLE)), self.logs[log].key);
        let at = self.next(log, &[]);
        let own: Vec<_> = (0..self.keys.len()).filter(|key| self.keys[*key] == self.person(log)).collect();
        let kind = match self.chance.below(10) {
            0..4 => ActKind::Grant { subject, role: self.chance.pick(&[Viewer, Member, Admin, Owner]) },
            4..7 => ActKind::Cap { subject, role: self.chance.pick(&[None, Some(Viewer), Some(Member)]) },
            7 => ActKind::Unlink { device: device(self.chance.pick(&own)) },
            _ => ActKind::Link,
        };
        if kind == ActKind::Link && self.keys.len() < 12 {
            let child = self.keys.len();
            self.keys.push(self.person(log));
            self.give(log, at, auth, kind, &[Link { parent: device(key), child: device(child) }]);
            self.open(child, None);
            let child = self.logs.len() - 1;
            self.next(child, &[at]);
            self.logs[child].auths.push((1, None));
        } else {
            self.give(log, at, auth, kind, &[]);
        }
    }

    /// Whose log it is.
    fn author(&self, log: usize) -> (PersonId, DeviceId) {
        (person(self.person(log)), device(self.logs[log].key))
    }

    fn segments(&self, log: usize, need: Role) -> Vec<Segment> {
        let ((person, device), Log { head, auths, .. }) = (self.author(log), &self.logs[log]);
        self.access.segments(head.chain, person, device, auths, head.position, need)
    }

    /// One entry, asked for by itself.
    fn allows(&self, log: usize, position: u64, need: Role) -> bool {
        let ((person, device), Log { head, auths, .. }) = (self.author(log), &self.logs[log]);
        let cited = auths.iter().rev().find(|(from, _)| *from <= position).and_then(|(_, auth)| *auth);
        let at = EntryAt { position, ..*head };
        cited.is_some_and(|auth| self.access.allows(at, person, device, auth, need))
    }
}

fn at_position(segments: &[Segment], position: u64) -> bool {
    segments.iter().rev().find(|segment| segment.from <= position).is_some_and(|segment| segment.effective)
}

#[test]
fn segments_say_of_each_position_what_it_is_told_by_itself() {
    let (mut voided, mut cuts) = (0, 0);
    for seed in 0..WORLDS {
        let team = Team::new(seed);
        for log in 0..team.logs.len() {
            for need in [Role::Viewer, Role::Member, Role::Owner] {
                let segments = team.segments(log, need);
                let first = team.logs[log].auths.first().map_or(u64::MAX, |(from, _)| *from);
                assert_eq!(segments.first().map(|segment| segment.from), (first < u64::MAX).then_some(first));
                assert!(segments.windows(2).all(|two| two[0].from < two[1].from));
                assert!(segments.windows(2).all(|two| two[0].effective != two[1].effective));
                for position in first..=team.logs[log].head.position {
                    let effective = at_position(&segments, position);
                    assert_eq!(effective, team.allows(log, position, need), "world {seed}: {log} {position}");
                    voided += usize::from(!effective);
                }
                cuts += segments.len().saturating_sub(1);
            }
        }
    }
    assert!(voided > 10_000 && cuts > 1000, "{voided} void, {cuts} cuts");
}

#[test]
fn an_entry_is_judged_as_a_link_in_its_place_would_be() {
    // A link needs any role, is stored and is judged by itself: the same question, asked of other code.
    let mut effective = 0;
    for seed in 0..WORLDS {
        let mut team = Team::new(seed);
        let log = team.chance.below(team.logs.len());
        let Log { head, start, auths, .. } = &team.logs[log];
        let Some((from, Some(auth))) = auths.last().copied() else { continue };
        let range = head.position + 1 - from.max(*start);
        let at = EntryAt { position: head.position - team.chance.below(range as usize) as u64, ..*head };
        if team.access.act(at).is_some() {
            continue;
        }
        let allowed = team.allows(log, at.position, Role::Viewer);
        team.give(log, at, Some(auth), ActKind::Link, &[]);
        assert_eq!(team.access.is_effective(at), allowed, "world {seed}: {at:?}");
        effective += usize::from(allowed);
    }
    assert!(effective > 100, "{effective}");
}

#[test]
fn who_cites_the_best_grant_is_allowed_if_anybody_is() {
    for seed in 0..WORLDS {
        let team = Team::new(seed);
        let access = &team.access;
        for (key, owner) in team.keys.iter().enumerate() {
            let (person, device) = (person(*owner), device(key));
            for need in [Role::Viewer, Role::Member, Role::Admin, Role::Owner] {
                let new = EntryAt { chain: ChainNo(9999), position: 1 };
                let mut own = team.grants.iter().filter(|(_, subject)| *subject == owner);
                let any = own.any(|(grant, _)| access.allows(new, person, device, *grant, need));
                let best = access.best_auth(person, device, need);
                assert_eq!(best.is_some(), any, "world {seed}, key {key}");
                assert!(best.is_none_or(|best| access.allows(new, person, device, best, need)));
                assert!(best.is_none() || access.role_of(person) >= Some(need));
            }
            let listed = access.devices(person).any(|listed| listed == device);
            assert_eq!(listed, access.best_auth(person, device, Role::Viewer).is_some());
        }
        assert!(access.members().all(|(person, role)| access.role_of(person) == Some(role)));
    }
}
