//! The random worlds of the reference, told again: people who forge, fork and write into the past.

use crate::world::{Key, Kind, Op, World, bits, is_in};
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use velo_protocol::access::Role;

pub const PEOPLE: usize = 5;

/// Seeded choices.
pub struct Chance(ChaCha8Rng);

impl Chance {
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.0.next_u64() % bound as u64) as usize
    }

    pub fn percent(&mut self, chance: usize) -> bool {
        self.below(100) < chance
    }

    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }
}

const KINDS: [(Kind, usize); 9] = [
    (Kind::Data, 3),
    (Kind::Grant, 5),
    (Kind::Cap, 5),
    (Kind::Invite, 1),
    (Kind::Join, 1),
    (Kind::Revoke, 1),
    (Kind::Link, 2),
    (Kind::Unlink, 3),
    (Kind::Note, 1),
];

fn kind(chance: &mut Chance) -> Kind {
    let kinds: Vec<_> = KINDS.iter().flat_map(|(kind, weight)| vec![*kind; *weight]).collect();
    chance.pick(&kinds)
}

/// What an author has seen: mostly the own last operation and the newest ones, or too little.
fn past(world: &World, chance: &mut Chance, key: usize, honest: usize) -> u128 {
    let count = world.ops.len();
    let mut deps: Vec<_> = (0..chance.below(5)).map(|_| chance.below(count)).collect();
    let own: Vec<_> = (0..count).filter(|op| world.ops[*op].key == key).collect();
    if let Some(last) = own.last() {
        deps.push(if chance.percent(honest) { *last } else { chance.pick(&own) });
    }
    deps.extend(world.keys[key].linked_by);
    if chance.percent(honest) {
        deps.extend(count.saturating_sub(6)..count);
    }
    deps.push(0);
    world.past(deps)
}

fn authority(world: &World, chance: &mut Chance, key: usize, past: u128) -> Option<usize> {
    let grants = |op: &usize| world.ops[*op].is_grant();
    let own = |op: &usize| world.ops[*op].subject == Some(world.keys[key].person);
    let known: Vec<_> = bits(past).filter(grants).filter(own).collect();
    let best = *known.iter().max_by_key(|op| world.ops[**op].role)?;
    let auth = if chance.percent(30) { chance.pick(&known) } else { best };
    // Malformed: an authority its author had not seen, or not its own.
    let any: Vec<_> = (0..world.ops.len()).filter(grants).collect();
    Some(if chance.percent(3) { chance.pick(&any) } else { auth })
}

/// Adds an operation by one of these keys. Returns whether the dice made sense.
pub fn act(world: &mut World, chance: &mut Chance, keys: &[usize], honest: usize) -> bool {
    let key = chance.pick(keys);
    let past = past(world, chance, key, honest);
    let person = world.keys[key].person;
    let invites: Vec<_> = bits(past).filter(|op| world.ops[*op].kind == Kind::Invite).collect();
    let kind = kind(chance);
    let mut op = Op { key, kind, past, auth: None, subject: None, role: None, target: None };
    if kind == Kind::Join {
        if invites.is_empty() {
            return false;
        }
        let invite = chance.pick(&invites);
        (op.auth, op.subject, op.role) = (Some(invite), Some(person), world.ops[invite].role);
        world.ops.push(op);
        return true;
    }
    op.auth = authority(world, chance, key, past);
    if op.auth.is_none() || !fill(world, chance, &mut op, &invites) {
        return false;
    }
    world.ops.push(op);
    true
}

fn fill(world: &mut World, chance: &mut Chance, op: &mut Op, invites: &[usize]) -> bool {
    use Role::{Admin, Member, Owner, Viewer};
    let person = world.keys[op.key].person;
    match op.kind {
        Kind::Grant => {
            op.subject = Some(chance.below(PEOPLE));
            op.role = Some(chance.pick(&[Viewer, Member, Admin, Admin, Owner]));
        }
        Kind::Cap => {
            op.subject = Some(chance.below(PEOPLE));
            op.role = chance.pick(&[None, None, Some(Viewer), Some(Member), Some(Admin)]);
        }
        Kind::Invite => op.role = Some(chance.pick(&[Viewer, Member])),
        Kind::Revoke if invites.is_empty() => return false,
        Kind::Revoke => op.target = Some(chance.pick(invites)),
        Kind::Link if world.keys.len() > 14 => return false,
        Kind::Link => {
            op.target = Some(world.keys.len());
            let linked_by = Some(world.ops.len());
            world.keys.push(Key { person, parent: Some(op.key), linked_by });
        }
        // Somebody claims to be a founder too.
        _ if chance.percent(1) => {
            (op.kind, op.auth, op.subject, op.role) = (Kind::Genesis, None, Some(person), Some(Owner));
        }
        Kind::Unlink => {
            let known = |key: &Key| key.linked_by.is_none_or(|by| is_in(op.past, by));
            let own = |key: &Key| key.person == person && known(key);
            let targets: Vec<_> = (0..world.keys.len()).filter(|key| own(&world.keys[*key])).collect();
            op.target = Some(chance.pick(&targets));
        }
        Kind::Genesis | Kind::Join | Kind::Data | Kind::Note => {}
    }
    true
}

pub fn world(seed: u64, size: usize) -> (World, Chance) {
    let (mut world, mut chance) = (World::default(), Chance::new(seed));
    world.keys.extend((0..PEOPLE).map(|person| Key { person, parent: None, linked_by: None }));
    world.ops.push(Op {
        key: 0,
        kind: Kind::Genesis,
        past: 0,
        auth: None,
        subject: Some(0),
        role: Some(Role::Owner),
        target: None,
    });
    while world.ops.len() < size {
        let keys: Vec<_> = (0..world.keys.len()).collect();
        act(&mut world, &mut chance, &keys, 80);
    }
    (world, chance)
}

/// Some order in which each operation comes after its past.
pub fn order(world: &World, chance: &mut Chance) -> Vec<usize> {
    let (mut done, mut order) = (0, Vec::new());
    while order.len() < world.ops.len() {
        let ready = |op: &usize| !is_in(done, *op) && world.ops[*op].past & !done == 0;
        let ready: Vec<_> = (0..world.ops.len()).filter(ready).collect();
        let op = chance.pick(&ready);
        done |= 1 << op;
        order.push(op);
    }
    order
}
