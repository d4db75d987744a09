//! Whose a value is that an undo gave back: from the whole set of operations, and as peers have it.

use crate::{
    same,
    world::{Disk, Peer, Written, key},
};
use proptest::prelude::*;
use std::collections::BTreeMap;
use velo_protocol::{
    id::{OpId, PersonId},
    log::EntryKind,
    model::{Kind, Slot, task},
    op::Op,
    time::Hlc,
    value::Value,
};

const ENTRIES: u64 = 10;

/// Everybody renames one task, over what came before, seen or not; empty titles are void.
fn renames() -> impl Strategy<Value = Vec<Written>> {
    let names = prop::collection::vec(1..5u64, 0..4);
    let title = prop_oneof![8 => "[ab]", 1 => Just(String::new())];
    let entry = (0u8..3, title, names, any::<bool>());
    prop::collection::vec(entry, ENTRIES as usize).prop_map(|entries| {
        let written = entries.into_iter().zip(0u64..).map(|((author, title, names, undo), prefix)| {
            // An entry can name only what came before it.
            let names = names.into_iter().filter_map(|back| prefix.checked_sub(back));
            let replaces = names.map(|entry| OpId { entry, index: 0 }).collect();
            let set = Op::Set { slot: task::TITLE.into(), value: Value::text(title), replaces };
            let groups = vec![(key(Kind::Task, 1), vec![set])];
            let (kind, hlc) = (EntryKind::DATA, 100 - prefix);
            Written { author, kind, prefix, tail: 0, hlc, undo, groups }
        });
        written.collect()
    })
}

fn title_of(entry: &Written) -> (&str, Vec<u64>) {
    let Op::Set { value, replaces, .. } = &entry.groups[0].1[0] else { panic!("only titles") };
    (value.as_text().unwrap_or_default(), replaces.iter().map(|op| op.entry).collect())
}

/// The rule in its own words: an undo gives back the value that says the same among those which the
/// operations it names had replaced together with others, and which nothing else ever named.
fn given_back<'a>(entries: &'a [Written], entry: &'a Written) -> &'a Written {
    let void = |entry: &Written| title_of(entry).0.is_empty();
    let mut namings: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    let mut naming: Vec<u64> = entries.iter().filter(|by| !void(by)).map(|by| by.prefix).collect();
    let mut seen = Vec::new();
    while let Some(by) = naming.pop() {
        for named in title_of(&entries[by as usize]).1 {
            namings.entry(named).or_default().push(by);
            // What a void operation names is named with it, once.
            if void(&entries[named as usize]) && !seen.contains(&named) {
                seen.push(named);
                naming.push(named);
            }
        }
    }
    let (title, replaced) = title_of(entry);
    if !entry.undo {
        return entry;
    }
    let ended = |of: &&Written| match namings.get(&of.prefix).map(Vec::as_slice) {
        Some([by]) => {
            let settling = &entries[*by as usize];
            replaced.contains(by) && !void(settling) && title_of(settling).1.len() > 1
        }
        _ => false,
    };
    let same = entries.iter().filter(|of| title_of(of).0 == title).filter(ended);
    match same.max_by_key(|of| (of.hlc, of.prefix)) {
        Some(before) => given_back(entries, before),
        None => entry,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_an_undo_gives_back_is_its_authors_in_any_order(
        (first, second, cut) in renames().prop_flat_map(|entries| {
            (Just(entries.clone()), Just(entries).prop_shuffle(), 0..ENTRIES as usize)
        })
    ) {
        let a = Peer::applying(&first);
        let (mut b, mut disk) = (Peer::default(), Disk::default());
        for (number, entry) in second.iter().enumerate() {
            b.apply(entry);
            if number == cut {
                disk.write(&mut b.state);
                b.state = disk.open();
            }
        }
        same(&a.state, &b.state)?;
        let slot = Slot::from(task::TITLE);
        let conflicts = a.state.conflicts_of(key(Kind::Task, 1));
        for one in conflicts.iter().filter(|conflict| conflict.slot == slot).flat_map(|one| &one.values) {
            let origin = given_back(&first, &first[one.op.entry as usize]);
            prop_assert_eq!((one.author, one.hlc), (PersonId([origin.author; 32]), Hlc(origin.hlc)));
        }
    }
}

#[test]
fn the_renames_are_not_trivial() {
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let (mut runner, mut others) = (TestRunner::deterministic(), 0);
    for _ in 0..2000 {
        let entries = renames().new_tree(&mut runner).unwrap().current();
        let conflicts = Peer::applying(&entries).state.conflicts_of(key(Kind::Task, 1));
        let values = conflicts.iter().flat_map(|conflict| &conflict.values);
        others += values.filter(|one| one.hlc.0 != entries[one.op.entry as usize].hlc).count();
    }
    assert!(others > 50, "{others}");
}
