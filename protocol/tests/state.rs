//! Laws of the visible state: it is a function of the set of entries, and a cache of it is as good
//! as the state itself.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "state/crowd.rs"]
mod crowd;
#[path = "state/late.rs"]
mod late;
#[path = "state/settled.rs"]
mod settled;
#[path = "state/world.rs"]
mod world;

use proptest::prelude::*;
use velo_protocol::{
    change::{self, Change},
    model::{Kind, task},
    workspace::{Conflict, Workspace},
};
use world::{Disk, Oracle, Peer, Written, entries, id, key, observe};

/// Entries in two orders.
fn shuffled() -> impl Strategy<Value = (Vec<Written>, Vec<Written>)> {
    entries().prop_flat_map(|entries| (Just(entries.clone()), Just(entries).prop_shuffle()))
}

fn same(a: &Workspace, b: &Workspace) -> Result<(), TestCaseError> {
    prop_assert_eq!(a.state_hash(), b.state_hash());
    prop_assert_eq!(observe(a), observe(b));
    prop_assert_eq!(a.conflict_count(), b.conflict_count());
    prop_assert_eq!(a.conflicts(), b.conflicts());
    prop_assert_eq!(a.members(), b.members());
    prop_assert_eq!(a.newer_entries(), b.newer_entries());
    for number in 0..4 {
        prop_assert_eq!(a.tasks(id(number)), b.tasks(id(number)));
        prop_assert_eq!(a.columns(id(number)), b.columns(id(number)));
        prop_assert_eq!(a.comments(id(number)), b.comments(id(number)));
        prop_assert_eq!(a.subtasks(id(number)), b.subtasks(id(number)));
        for kind in Kind::all() {
            prop_assert_eq!(a.created(key(kind, number)), b.created(key(kind, number)));
        }
    }
    prop_assert_eq!(a.tasks_without_project(), b.tasks_without_project());
    for kind in Kind::all() {
        prop_assert_eq!(a.deleted(kind).len(), b.deleted(kind).len());
    }
    Ok(())
}

/// What a conflict over places or a deletion offers is never refused.
fn every_choice_is_taken(state: &Workspace) -> Result<(), TestCaseError> {
    let about_places = |conflict: &Conflict| conflict.slot.element.is_none();
    for conflict in state.conflicts().into_iter().filter(about_places) {
        for one in conflict.values {
            let (key, slot) = (conflict.key, conflict.slot.clone());
            let resolve = Change::Resolve { key, slot, value: one.value };
            let built = change::build(state, std::slice::from_ref(&resolve), [0; 2]);
            prop_assert!(built.is_ok(), "{resolve:?}: {built:?}");
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn any_order_gives_the_state_of_the_oracle((first, second) in shuffled()) {
        let (a, b) = (Peer::applying(&first), Peer::applying(&second));
        let oracle = Oracle::of(&first);
        prop_assert_eq!(observe(&a.state), oracle);
        same(&a.state, &b.state)?;
    }

    #[test]
    fn every_shown_task_stands_in_exactly_one_place(entries in entries()) {
        let (peer, oracle) = (Peer::applying(&entries), Oracle::of(&entries));
        let state = &peer.state;
        for task in state.shown(Kind::Task) {
            let column = oracle.column_of(task);
            prop_assert_eq!(state.column_of(task), column);
            let places = (0..4).filter(|number| state.tasks(id(*number)).contains(&task)).count();
            prop_assert_eq!(places, usize::from(column.is_some()));
            let lost = state.tasks_without_project().contains(&task);
            prop_assert_eq!(lost, state.project_of(task).is_none());
            if let Some(parent) = state.parent_of(task) {
                prop_assert!(state.subtasks(parent).contains(&task));
            }
        }
    }

    #[test]
    fn counts_are_those_of_the_lists(entries in entries()) {
        let mut peer = Peer::default();
        for entry in &entries {
            peer.apply(entry);
            prop_assert_eq!(peer.state.conflict_count(), peer.state.conflicts().len());
            every_choice_is_taken(&peer.state)?;
        }
    }

    #[test]
    fn a_state_from_pages_is_the_same_and_goes_on_the_same(
        (entries, cuts) in (entries(), prop::collection::vec(any::<bool>(), 16))
    ) {
        let mut kept = Peer::default();
        let mut reopened = Peer::default();
        let mut disk = Disk::default();
        for (entry, cut) in entries.iter().zip(cuts) {
            prop_assert_eq!(kept.apply(entry), reopened.apply(entry));
            if cut {
                disk.write(&mut reopened.state);
                prop_assert!(!reopened.state.has_dirty());
                reopened.state = disk.open();
                same(&kept.state, &reopened.state)?;
            }
        }
        same(&kept.state, &reopened.state)?;
        for kind in Kind::all() {
            for number in 0..4 {
                let key = key(kind, number);
                prop_assert_eq!(kept.state.touched(key), reopened.state.touched(key));
            }
        }
    }

    #[test]
    fn a_clone_never_changes(entries in entries(), at in 0usize..16) {
        let at = at.min(entries.len());
        let (before, after) = entries.split_at(at);
        let mut peer = Peer::applying(before);
        let (clone, hash) = (peer.state.clone(), peer.state.state_hash());
        for entry in after {
            peer.apply(entry);
        }
        prop_assert_eq!(clone.state_hash(), hash);
        prop_assert_eq!(observe(&clone), Oracle::of(before));
    }
}

#[test]
fn the_worlds_are_not_trivial() {
    // The laws above say little if nothing ever happens in the worlds they are tried on.
    use proptest::{strategy::ValueTree, test_runner::TestRunner};
    let mut runner = TestRunner::deterministic();
    let (mut cut, mut hidden, mut conflicts, mut shown) = (0, 0, 0, 0);
    for _ in 0..1000 {
        let oracle = Oracle::of(&entries().new_tree(&mut runner).unwrap().current());
        cut += oracle.cut.len();
        hidden += oracle.live.len() - oracle.shown.len();
        conflicts += oracle.conflicts.iter().filter(|(_, slot)| *slot != task::PARENT.into()).count();
        shown += oracle.shown.len();
    }
    assert!(cut > 50 && hidden > 20 && conflicts > 50 && shown > 1000, "{cut} {hidden} {conflicts} {shown}");
}
