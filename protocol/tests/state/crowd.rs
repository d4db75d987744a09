//! The same laws where there is much of everything: hundreds of live values and names in one
//! register, hundreds of registers in one entity. And what one more costs then.

use crate::{
    same,
    world::{Disk, Oracle, Peer, Written, id, key, observe},
};
use proptest::prelude::*;
use velo_protocol::{
    id::OpId,
    log::EntryKind,
    model::{ALIVE, Kind, Slot, task},
    op::Op,
    value::{Element, Value},
};

const ENTRIES: usize = 45;
const OPS: usize = 18;

fn label(number: u8) -> Slot {
    Slot::element(task::LABELS, Element::Entity(id(number)))
}

fn names(most: usize) -> impl Strategy<Value = Vec<OpId>> {
    // A few more than there are, and fewer entries than prefixes: some names are of nothing.
    let op = (0..ENTRIES as u64, 0..OPS as u16).prop_map(|(entry, index)| OpId { entry, index });
    prop_oneof![2 => Just(Vec::new()), 1 => prop::collection::vec(op, 0..most)]
}

fn op() -> impl Strategy<Value = Op> {
    let set = |slot, value, replaces| Op::Set { slot, value, replaces };
    let title = "[ab]{0,1}".prop_map(|text| (task::TITLE.into(), Value::text(text)));
    let labels = (0u8..200, any::<bool>()).prop_map(|(number, on)| (label(number), Value::Bool(on)));
    let void = (0u8..200).prop_map(|number| (label(number), Value::Int(1)));
    let slots = prop_oneof![8 => title, 8 => labels, 1 => void];
    prop_oneof![
        40 => (slots, names(4)).prop_map(move |((slot, value), replaces)| set(slot, value, replaces)),
        1 => names(60).prop_map(|lists| Op::Delete { lists }),
    ]
}

/// One task on which everybody worked at once. Some prefixes collide.
fn crowded() -> impl Strategy<Value = Vec<Written>> {
    let entry = (0u8..3, 0u64..40, 0u64..6, prop::collection::vec(op(), OPS));
    prop::collection::vec(entry, ENTRIES).prop_map(|entries| {
        let written = entries.into_iter().zip(0..).map(|((author, prefix, hlc, ops), tail)| {
            let groups = vec![(key(Kind::Task, 1), ops)];
            Written { author, kind: EntryKind::DATA, prefix, tail, hlc, undo: prefix % 3 == 0, groups }
        });
        written.collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn crowds_follow_the_oracle_in_any_order_and_through_pages(
        (first, second, cut) in crowded().prop_flat_map(|entries| {
            (Just(entries.clone()), Just(entries).prop_shuffle(), 0..ENTRIES)
        })
    ) {
        let a = Peer::applying(&first);
        let state = &a.state;
        prop_assert!(state.live(key(Kind::Task, 1), &task::TITLE.into()).len() > 128);
        prop_assert!(state.registers(key(Kind::Task, 1)).count() > 128);
        prop_assert_eq!(observe(state), Oracle::of(&first));

        let (mut b, mut disk) = (Peer::default(), Disk::default());
        for (number, entry) in second.iter().enumerate() {
            b.apply(entry);
            prop_assert_eq!(b.state.conflict_count(), b.state.conflicts().len());
            if number == cut {
                disk.write(&mut b.state);
                b.state = disk.open();
            }
        }
        same(state, &b.state)?;
    }
}

/// Entries of three operations each, on one task.
fn applied(ops: impl IntoIterator<Item = Op>) -> Peer {
    let mut peer = Peer::default();
    let mut ops = ops.into_iter().peekable();
    for prefix in 1.. {
        if ops.peek().is_none() {
            break;
        }
        let groups = vec![(key(Kind::Task, 1), ops.by_ref().take(3).collect())];
        peer.apply(&Written {
            author: 1,
            kind: EntryKind::DATA,
            prefix,
            tail: 0,
            hlc: prefix,
            undo: true,
            groups,
        });
    }
    peer
}

fn named(range: std::ops::Range<u64>) -> Vec<OpId> {
    range.map(|entry| OpId { entry: entry.wrapping_mul(0x9E37_79B9_7F4A_7C15), index: 0 }).collect()
}

// Each of these took minutes to hours when registers and entities were sorted lists.

#[test]
fn half_a_million_names_in_one_register_are_taken_in() {
    let title = |step: u64| Op::Set {
        slot: task::TITLE.into(),
        value: Value::text("a"),
        replaces: named(step * 1024..(step + 1) * 1024),
    };
    let peer = applied((0..500).map(title));
    assert_eq!(peer.state.live(key(Kind::Task, 1), &task::TITLE.into()).len(), 500);
}

#[test]
fn a_hundred_thousand_values_of_one_register_are_taken_in_and_out() {
    const COUNT: u64 = 100_000;
    let title = |number: u64| Op::Set {
        slot: task::TITLE.into(),
        value: Value::text(format!("{number}")),
        replaces: Vec::new(),
    };
    let at = |number: u64| OpId { entry: 1 + number / 3, index: (number % 3) as u16 };
    let delete = |number| Op::Delete { lists: vec![at(number)] };
    let replace =
        Op::Set { slot: task::TITLE.into(), value: Value::text("b"), replaces: (1..COUNT).map(at).collect() };
    let parts = |op: Op| {
        let Op::Set { slot, value, replaces } = op else { return Vec::new() };
        let set =
            |names: &[OpId]| Op::Set { slot: slot.clone(), value: value.clone(), replaces: names.to_vec() };
        replaces.chunks(1024).map(set).collect::<Vec<_>>()
    };
    let peer = applied((0..COUNT).map(title).chain((0..COUNT).map(delete)).chain(parts(replace)));
    let live = peer.state.live(key(Kind::Task, 1), &task::TITLE.into());
    assert_eq!(live.len(), 1 + (COUNT - 1).div_ceil(1024) as usize);
    assert_eq!(live.iter().filter(|live| live.listed).count(), 1);
    assert_eq!(peer.state.conflict_count(), peer.state.conflicts().len());
}

#[test]
fn a_hundred_thousand_registers_of_one_entity_are_taken_in() {
    let slot = |number: u64| {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
        Slot::element(task::LABELS, Element::Entity(velo_protocol::id::EntityId(bytes)))
    };
    let set = |number, value| Op::Set { slot: slot(number), value, replaces: named(number..number + 1) };
    let alive = Op::Set { slot: ALIVE.field.into(), value: Value::Bool(true), replaces: Vec::new() };
    let good = (0..100_000).map(|number| set(number, Value::Bool(true)));
    // Void ones pass on what they name, to whatever names them.
    let void = (0..100_000).map(|number| set(number, Value::Int(number as i64)));
    let mut peer = applied(std::iter::once(alive).chain(good).chain(void));
    let key = key(Kind::Task, 1);
    assert_eq!(peer.state.elements(key, task::LABELS).len(), 100_000);
    let mut disk = Disk::default();
    disk.write(&mut peer.state);
    assert_eq!(disk.open().state_hash(), peer.state.state_hash());
}
