//! What the rule promises, on random worlds under attack.

use crate::{
    random::{self, Chance, PEOPLE, act},
    world::{Kind, Op, World, at, check_changes, device, is_in, person},
};
use velo_protocol::access::{Access, Role};

const CASES: usize = 1000;
const SIZE: usize = 60;
const ATTACKS: usize = 40;

/// Tries random worlds until 1,000 of them allowed for this case; which says how often it attacked.
fn cases(case: impl Fn(u64, World, Chance) -> Option<usize>) {
    let worlds = (0..100 * CASES as u64).filter_map(|seed| {
        let (world, chance) = random::world(seed, SIZE);
        case(seed, world, chance)
    });
    let attacks: Vec<_> = worlds.take(CASES).collect();
    assert_eq!(attacks.len(), CASES);
    assert!(attacks.iter().sum::<usize>() >= CASES, "too little was tried");
}

fn all(world: &World) -> u128 {
    world.past(0..world.ops.len())
}

fn keys_of(world: &World, person: usize) -> Vec<usize> {
    (0..world.keys.len()).filter(|key| world.keys[*key].person == person).collect()
}

/// Lets somebody forge with all keys of a person, or with one. Returns how much was tried.
fn attack(
    world: &mut World,
    chance: &mut Chance,
    access: &mut Access,
    person: usize,
    key: Option<usize>,
) -> usize {
    let before = world.ops.len();
    for _ in 0..ATTACKS {
        let keys = key.map_or_else(|| keys_of(world, person), |key| vec![key]);
        if act(world, chance, &keys, 30) {
            world.give(access, world.ops.len() - 1);
        }
    }
    world.ops.len() - before
}

#[test]
fn no_order_changes_a_verdict_and_changes_are_told() {
    cases(|seed, world, mut chance| {
        let expected = world.verdicts(&world.access());
        for _ in 0..2 {
            let order = random::order(&world, &mut chance);
            let access = world.judged(order.iter().copied());
            assert_eq!(world.verdicts(&access), expected, "world {seed} in the order {order:?}");
            check_changes(&world, &order, seed);
        }
        Some(2)
    });
}

/// Caps by which somebody lost every grant there is, from one who outranks them all.
fn removals(world: &World, access: &Access) -> Vec<usize> {
    let removes = |cap: &usize| {
        let Op { key, kind, auth, subject, role, .. } = world.ops[*cap];
        let judge = world.keys[key].person;
        if kind != Kind::Cap || role.is_some() || subject == Some(judge) || !access.is_effective(at(*cap)) {
            return false;
        }
        let owner = access.allows(at(*cap), person(judge), device(key), at(auth.unwrap()), Role::Owner);
        (0..world.ops.len()).all(|grant| {
            let op = &world.ops[grant];
            let counts = || owner || op.role < Some(Role::Admin);
            let binds = || world.outranks(auth.unwrap(), grant) && !is_in(op.past, *cap) && counts();
            !op.is_grant() || op.subject != subject || binds()
        })
    };
    (0..world.ops.len()).filter(removes).collect()
}

#[test]
fn who_was_removed_never_acts_again() {
    cases(|seed, mut world, mut chance| {
        let mut access = world.access();
        let caps = removals(&world, &access);
        let gone = (!caps.is_empty()).then(|| world.ops[chance.pick(&caps)].subject.unwrap())?;
        let before = world.verdicts(&access);
        let tried = attack(&mut world, &mut chance, &mut access, gone, None);
        let after = world.verdicts(&access);
        assert_eq!(after[..SIZE], before, "world {seed}: an older verdict changed");
        for (op, effective) in world.ops.iter().zip(&after).skip(SIZE) {
            let left = op.kind == Kind::Cap && op.subject == Some(gone);
            assert!(!effective || left, "world {seed}: {op:?}");
        }
        Some(tried)
    });
}

/// Somebody who has seen everything judges once more.
fn judge_again(world: &mut World, chance: &mut Chance, judge: usize, past: u128) -> usize {
    let mut op = world.ops[judge].clone();
    op.past = past;
    if op.kind != Kind::Unlink {
        (op.kind, op.subject, op.role, op.target) = (Kind::Cap, Some(chance.below(PEOPLE)), None, None);
    }
    world.ops.push(op);
    world.ops.len() - 1
}

#[test]
fn what_a_judge_had_seen_stands() {
    cases(|seed, mut world, mut chance| {
        let mut access = world.access();
        let (before, past) = (world.verdicts(&access), all(&world));
        let kinds = [Kind::Cap, Kind::Grant, Kind::Unlink, Kind::Invite];
        let may = |op: &usize| before[*op] && kinds.contains(&world.ops[*op].kind);
        let judges: Vec<_> = (0..SIZE).filter(may).collect();
        let mut effective = 0;
        for _ in 0..3.min(judges.len()) {
            let again = chance.pick(&judges);
            let judge = judge_again(&mut world, &mut chance, again, past);
            let changes = world.give(&mut access, judge);
            assert!(changes.judged <= 3, "world {seed}: older acts were judged again");
            effective += usize::from(access.is_effective(at(judge)));
        }
        assert_eq!(world.verdicts(&access)[..SIZE], before, "world {seed}");
        (effective > 0).then_some(effective)
    });
}

/// The root of a linked device unlinks it, with all its strength, having seen everything.
fn unlink(world: &mut World, chance: &mut Chance, access: &mut Access) -> Option<usize> {
    let before = world.verdicts(access);
    let linked = |key: &usize| world.keys[*key].linked_by.is_some_and(|by| before[by]);
    let linked: Vec<_> = (0..world.keys.len()).filter(linked).collect();
    let key = (!linked.is_empty()).then(|| chance.pick(&linked))?;
    let (root, past) = (world.keys[key].person, all(world));
    let own = |op: &Op| op.is_grant() && op.subject == Some(root);
    let grants = (0..SIZE).filter(|grant| before[*grant] && own(&world.ops[*grant]));
    let auth = grants.min_by_key(|grant| world.depth(*grant));
    let (kind, target) = (Kind::Unlink, Some(key));
    world.ops.push(Op { key: root, kind, past, auth: Some(auth?), subject: None, role: None, target });
    world.give(access, SIZE);
    Some(key)
}

#[test]
fn an_unlinked_device_never_acts_again() {
    cases(|seed, mut world, mut chance| {
        let mut access = world.access();
        let before = world.verdicts(&access);
        let key = unlink(&mut world, &mut chance, &mut access)?;
        assert_eq!(world.verdicts(&access)[..SIZE], before, "world {seed}: it reached back");
        let depth = access.is_effective(at(SIZE)).then(|| world.depth(world.ops[SIZE].auth.unwrap()))?;
        let person = world.keys[key].person;
        let tried = attack(&mut world, &mut chance, &mut access, person, Some(key));
        let after = world.verdicts(&access);
        assert_eq!(after[..SIZE], before, "world {seed}: an older verdict changed");
        for (op, effective) in world.ops.iter().zip(&after).skip(SIZE + 1) {
            let harmless = matches!(op.kind, Kind::Unlink | Kind::Join);
            let weak = || op.auth.is_some_and(|auth| world.depth(auth) >= depth);
            assert!(!effective || harmless || !weak(), "world {seed}: {op:?}");
        }
        Some(tried)
    });
}

#[test]
fn members_change_nobody_elses_verdicts() {
    cases(|seed, mut world, mut chance| {
        let mut access = world.access();
        let before = world.verdicts(&access);
        let top = |person: usize| {
            let grants = world.ops.iter().filter(|op| op.is_grant() && op.subject == Some(person));
            grants.map(|op| op.role).max().flatten()
        };
        let low = |person: &usize| top(*person).is_some_and(|role| role <= Role::Member);
        let low: Vec<_> = (0..PEOPLE).filter(low).collect();
        let member = (!low.is_empty()).then(|| chance.pick(&low))?;
        let tried = attack(&mut world, &mut chance, &mut access, member, None);
        let after = world.verdicts(&access);
        for op in (0..SIZE).filter(|op| world.person_of(*op) != member) {
            assert_eq!(after[op], before[op], "world {seed}: {:?}", world.ops[op]);
        }
        Some(tried)
    });
}
