//! What people do to each other's work, one story a test.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "state/world.rs"]
#[allow(dead_code, reason = "the random worlds are for the laws in `state.rs`")]
mod world;

use velo_protocol::{
    access::Role,
    change::{self, Change},
    id::{DeviceId, EntityId, OpId, PersonId, WorkspaceId},
    log::EntryKind,
    model::{ALIVE, EntityKey, Field, Kind, SCHEMA, Slot, column, comment, profile, task},
    op::{Op, VoidReason},
    roster::{Roster, Standing},
    snapshot::{PageNo, SnapshotError},
    value::{Date, Element, OrderKey, Value},
    workspace::{Applied, Workspace},
};
use world::{Disk, ID, Peer, Written, id, key};

const TASK: EntityKey = EntityKey::new(Kind::Task, EntityId([1; 16]));
const ANNA: u8 = 1;
const BEN: u8 = 2;

/// Writes entries with rising prefixes, which double as stamps.
#[derive(Default)]
struct Pen {
    next: u64,
    entries: Vec<Written>,
}

impl Pen {
    fn write(&mut self, author: u8, kind: EntryKind, key: EntityKey, ops: Vec<Op>) -> OpId {
        self.next += 1;
        let (prefix, hlc) = (self.next, self.next << 16);
        self.entries.push(Written {
            author,
            kind,
            prefix,
            tail: 0,
            hlc,
            undo: false,
            groups: vec![(key, ops)],
        });
        OpId { entry: prefix, index: 0 }
    }

    fn set(
        &mut self,
        author: u8,
        key: EntityKey,
        slot: impl Into<Slot>,
        value: Value,
        seen: &[OpId],
    ) -> OpId {
        self.write(author, EntryKind::DATA, key, vec![set(slot, value, seen)])
    }

    fn create(&mut self, author: u8, key: EntityKey, fields: &[(Field, Value)]) {
        let alive = set(ALIVE.field, Value::Bool(true), &[]);
        let fields = fields.iter().map(|(field, value)| set(*field, value.clone(), &[]));
        let ops = std::iter::once(alive).chain(fields).collect();
        self.write(author, EntryKind::DATA, key, ops);
    }

    fn delete(&mut self, author: u8, key: EntityKey) -> OpId {
        let lists = self.peer().state.live_ops(key);
        self.write(author, EntryKind::DATA, key, vec![Op::Delete { lists }])
    }

    fn seen(&self, key: EntityKey, slot: impl Into<Slot>) -> Vec<OpId> {
        self.peer().state.live(key, &slot.into()).iter().map(|live| live.op).collect()
    }

    fn peer(&self) -> Peer {
        Peer::applying(&self.entries)
    }

    fn state(&self) -> Workspace {
        // Whatever a test asks, the reverse order gives the same state.
        let state = self.peer().state;
        assert_eq!(Peer::applying(self.entries.iter().rev()).state.state_hash(), state.state_hash());
        state
    }

    fn last_applied(&self) -> Applied {
        let (last, before) = self.entries.split_last().unwrap();
        Peer::applying(before).apply(last)
    }
}

fn set(slot: impl Into<Slot>, value: Value, seen: &[OpId]) -> Op {
    Op::Set { slot: slot.into(), value, replaces: seen.to_vec() }
}

fn order(byte: u8) -> Value {
    Value::Order(OrderKey(Box::new([byte])))
}

/// A project with two columns, the second of category done, and a task in the first.
fn board(pen: &mut Pen) {
    pen.create(ANNA, key(Kind::Project, 1), &[]);
    for number in 1..=2 {
        let category = if number == 2 { column::DONE } else { 1 };
        pen.create(
            ANNA,
            key(Kind::Column, number),
            &[
                (column::PROJECT, Value::Entity(id(1))),
                (column::ORDER, order(number)),
                (column::CATEGORY, Value::Int(category)),
            ],
        );
    }
    pen.create(ANNA, TASK, &[(task::TITLE, Value::text("paint")), (task::COLUMN, Value::Entity(id(1)))]);
}

#[test]
fn a_conflict_appears_and_its_resolution_ends_it() {
    let mut pen = Pen::default();
    board(&mut pen);
    let seen = pen.seen(TASK, task::TITLE);
    pen.set(ANNA, TASK, task::TITLE, Value::text("paint blue"), &seen);
    pen.set(BEN, TASK, task::TITLE, Value::text("paint green"), &seen);
    let conflicts = pen.state().conflicts();
    let [conflict] = conflicts.as_slice() else { panic!("{conflicts:?}") };
    assert_eq!((conflict.key, &conflict.slot), (TASK, &task::TITLE.into()));
    let told: Vec<_> = conflict.values.iter().map(|value| (value.value.as_text(), value.author)).collect();
    assert_eq!(
        told,
        [(Some("paint green"), PersonId([BEN; 32])), (Some("paint blue"), PersonId([ANNA; 32]))]
    );
    assert_eq!(pen.state().task(id(1)).unwrap().title, "paint green");

    let seen = pen.seen(TASK, task::TITLE);
    assert_eq!(seen.len(), 2);
    pen.set(ANNA, TASK, task::TITLE, Value::text("paint blue"), &seen);
    assert_eq!((pen.state().conflicts(), pen.state().conflict_count()), (Vec::new(), 0));
    assert_eq!(pen.state().task(id(1)).unwrap().title, "paint blue");
}

#[test]
fn equal_values_and_the_order_are_no_conflict() {
    let mut pen = Pen::default();
    board(&mut pen);
    for author in [ANNA, BEN] {
        pen.set(author, TASK, task::PRIORITY, Value::Int(3), &[]);
        pen.set(author, TASK, task::ORDER, order(author), &[]);
    }
    assert_eq!(pen.state().conflict_count(), 0);
    assert_eq!(pen.state().live(TASK, &task::PRIORITY.into()).len(), 2);
}

#[test]
fn an_edit_brings_back_what_another_deleted_meanwhile() {
    let mut pen = Pen::default();
    board(&mut pen);
    pen.delete(BEN, TASK);
    assert!(!pen.state().is_shown(TASK) && pen.state().tasks(id(1)).is_empty());
    assert_eq!(pen.state().deleted(Kind::Task), [TASK.id]);
    assert_eq!(pen.state().conflict_count(), 0);

    // Anna had not seen the deletion.
    let edit = pen.set(ANNA, TASK, task::DUE, Value::Date(Date::Day(20_000)), &[]);
    let state = pen.state();
    assert_eq!((state.tasks(id(1)), state.deleted(Kind::Task)), (vec![TASK.id], Vec::new()));
    let conflicts = state.conflicts();
    let [conflict] = conflicts.as_slice() else { panic!("{conflicts:?}") };
    assert_eq!(conflict.slot, ALIVE.field.into());
    let told: Vec<_> = conflict.values.iter().map(|value| (value.value.is_true(), value.author)).collect();
    assert_eq!(told, [(true, PersonId([ANNA; 32])), (false, PersonId([BEN; 32]))]);
    assert_eq!(conflict.values[0].op, edit);

    // One keeps it, or one deletes it for good: either ends the conflict.
    let entries = pen.entries.clone();
    let alive = pen.seen(TASK, ALIVE.field);
    pen.set(BEN, TASK, ALIVE.field, Value::Bool(true), &alive);
    assert!(pen.state().is_shown(TASK) && pen.state().conflict_count() == 0);
    pen.entries = entries;
    pen.delete(BEN, TASK);
    assert!(!pen.state().is_shown(TASK) && pen.state().conflict_count() == 0);
}

#[test]
fn deleted_and_restored_comes_back_whole() {
    let mut pen = Pen::default();
    board(&mut pen);
    let created = pen.state().created(TASK);
    pen.delete(BEN, TASK);
    let alive = pen.seen(TASK, ALIVE.field);
    pen.set(ANNA, TASK, ALIVE.field, Value::Bool(true), &alive);
    let state = pen.state();
    assert_eq!(state.tasks(id(1)), [TASK.id]);
    assert_eq!((state.text(TASK, task::TITLE), state.conflict_count()), ("paint", 0));
    assert_eq!(state.created(TASK), created, "a restored task is as old as it was");
}

#[test]
fn a_label_added_by_one_and_removed_by_another_stays() {
    let mut pen = Pen::default();
    board(&mut pen);
    let label = || Slot::element(task::LABELS, Element::Entity(id(9)));
    let first = pen.set(ANNA, TASK, label(), Value::Bool(true), &[]);
    pen.set(ANNA, TASK, label(), Value::Bool(true), &[first]);
    pen.set(BEN, TASK, label(), Value::Bool(false), &[first]);
    let state = pen.state();
    assert_eq!(state.elements(TASK, task::LABELS), [&Element::Entity(id(9))]);
    assert_eq!((state.value(TASK, &label()), state.conflict_count()), (Some(&Value::Bool(true)), 0));
    let seen = pen.seen(TASK, label());
    pen.set(BEN, TASK, label(), Value::Bool(false), &seen);
    assert!(pen.state().elements(TASK, task::LABELS).is_empty());
}

#[test]
fn tasks_of_a_deleted_column_stand_in_the_first_and_of_a_deleted_project_in_none() {
    let mut pen = Pen::default();
    board(&mut pen);
    pen.create(BEN, key(Kind::Task, 2), &[(task::COLUMN, Value::Entity(id(2)))]);
    assert_eq!(pen.state().tasks(id(2)), [id(2)]);
    pen.delete(ANNA, key(Kind::Column, 2));
    let state = pen.state();
    assert_eq!((state.columns(id(1)), state.tasks(id(1))), (vec![id(1)], vec![id(1), id(2)]));
    assert_eq!((state.column_of(id(2)), state.project_of(id(2))), (Some(id(1)), Some(id(1))));
    pen.delete(ANNA, key(Kind::Project, 1));
    let state = pen.state();
    assert_eq!((state.projects(), state.tasks(id(1))), (vec![], vec![]));
    assert_eq!(state.tasks_without_project(), [id(1), id(2)]);
}

#[test]
fn the_latest_edge_of_a_cycle_of_parents_is_cut_until_one_moves_away() {
    let mut pen = Pen::default();
    for number in 1..=3 {
        pen.create(ANNA, key(Kind::Task, number), &[]);
    }
    for (child, parent) in [(1, 2), (3, 1), (2, 3)] {
        pen.set(ANNA, key(Kind::Task, child), task::PARENT, Value::Entity(id(parent)), &[]);
    }
    let state = pen.state();
    assert_eq!((state.parent_of(id(1)), state.parent_of(id(2))), (Some(id(2)), None));
    assert!(state.subtasks(id(3)).is_empty());
    let conflicts = state.conflicts();
    assert_eq!((conflicts.len(), conflicts[0].key), (1, key(Kind::Task, 2)));
    // What can be chosen is taken, and ends it.
    let [choice] = &conflicts[0].values[..] else { panic!("{conflicts:?}") };
    let (key_cut, slot) = (conflicts[0].key, conflicts[0].slot.clone());
    let change = Change::Resolve { key: key_cut, slot, value: choice.value.clone() };
    let unresolved = pen.entries.clone();
    for group in change::build(&state, &[change], [0; 2]).unwrap() {
        pen.write(BEN, EntryKind::DATA, group.key, group.ops);
    }
    assert_eq!((pen.state().parent_of(id(2)), pen.state().conflict_count()), (None, 0));
    pen.entries = unresolved;
    // A task of the cycle is deleted: nothing closes it any more.
    let before = pen.entries.clone();
    pen.delete(BEN, key(Kind::Task, 1));
    assert_eq!((pen.state().parent_of(id(2)), pen.state().conflict_count()), (Some(id(3)), 0));
    // Or one moves away.
    pen.entries = before;
    let seen = pen.seen(key(Kind::Task, 3), task::PARENT);
    pen.set(BEN, key(Kind::Task, 3), task::PARENT, Value::Unset, &seen);
    assert_eq!((pen.state().parent_of(id(2)), pen.state().conflict_count()), (Some(id(3)), 0));
}

/// What can be chosen in the only conflict there is.
fn choices(pen: &Pen) -> Vec<Value> {
    let conflicts = pen.state().conflicts();
    assert_eq!(pen.state().conflict_count(), conflicts.len());
    conflicts.into_iter().flat_map(|conflict| conflict.values).map(|one| one.value).collect()
}

#[test]
fn only_columns_that_are_shown_can_be_chosen() {
    let mut pen = Pen::default();
    board(&mut pen);
    let project = (column::PROJECT, Value::Entity(id(1)));
    for number in 3..=4 {
        pen.create(ANNA, key(Kind::Column, number), &[project.clone(), (column::ORDER, order(number))]);
    }
    let seen = pen.seen(TASK, task::COLUMN);
    let to = |number| Value::Entity(id(number));
    for (author, column) in [(ANNA, 2), (BEN, 3)] {
        pen.set(author, TASK, task::COLUMN, to(column), &seen);
    }
    assert_eq!(choices(&pen), [to(3), to(2)]);
    let both = pen.entries.clone();

    // The column in which it is not goes: where it is stays, and comes into question again.
    pen.delete(ANNA, key(Kind::Column, 2));
    assert_eq!((choices(&pen), pen.state().column_of(TASK.id)), (vec![], Some(id(3))));
    let alive = pen.seen(key(Kind::Column, 2), ALIVE.field);
    pen.set(ANNA, key(Kind::Column, 2), ALIVE.field, Value::Bool(true), &alive);
    assert_eq!(choices(&pen), [to(3), to(2)]);

    // The one in which it is goes: it stands in the first, and may go where the other put it.
    pen.entries = both;
    pen.delete(ANNA, key(Kind::Column, 3));
    assert_eq!(choices(&pen), [to(1), to(2)]);
    // Whatever can be chosen is taken, and shown.
    let unresolved = pen.entries.clone();
    for choice in choices(&pen) {
        pen.entries = unresolved.clone();
        let change = Change::Resolve { key: TASK, slot: task::COLUMN.into(), value: choice.clone() };
        for group in change::build(&pen.state(), &[change], [0; 2]).unwrap() {
            pen.write(BEN, EntryKind::DATA, group.key, group.ops);
        }
        assert_eq!((choices(&pen), pen.state().column_of(TASK.id)), (vec![], choice.as_entity()));
    }
    pen.entries = unresolved;
    pen.delete(ANNA, key(Kind::Column, 1));
    assert_eq!(choices(&pen), [], "both are in the second now, which is the first");
}

#[test]
fn only_parents_that_are_shown_can_be_chosen() {
    let mut pen = Pen::default();
    for number in 1..=3 {
        pen.create(ANNA, key(Kind::Task, number), &[]);
    }
    let to = |number| Value::Entity(id(number));
    for (author, parent) in [(ANNA, 2), (BEN, 3)] {
        pen.set(author, TASK, task::PARENT, to(parent), &[]);
    }
    assert_eq!(choices(&pen), [to(3), to(2)]);
    pen.delete(ANNA, key(Kind::Task, 3));
    assert_eq!(choices(&pen), [Value::Unset, to(2)], "it is shown at top level");
    pen.delete(ANNA, key(Kind::Task, 2));
    assert_eq!(choices(&pen), []);
}

#[test]
fn a_subtask_without_a_column_belongs_to_its_parents_project() {
    let mut pen = Pen::default();
    board(&mut pen);
    pen.create(ANNA, key(Kind::Task, 2), &[(task::PARENT, Value::Entity(id(1)))]);
    let state = pen.state();
    assert_eq!((state.project_of(id(2)), state.column_of(id(2))), (Some(id(1)), None));
    assert_eq!((state.subtasks(id(1)), state.tasks_without_project()), (vec![id(2)], vec![]));
}

#[test]
fn a_task_is_completed_when_it_came_to_a_done_column() {
    let mut pen = Pen::default();
    board(&mut pen);
    assert_eq!(pen.state().task(id(1)).unwrap().completed, None);
    let seen = pen.seen(TASK, task::COLUMN);
    let moved = pen.set(BEN, TASK, task::COLUMN, Value::Entity(id(2)), &seen);
    let completed = pen.state().task(id(1)).unwrap().completed.unwrap();
    assert_eq!(completed.0, moved.entry << 16);
}

#[test]
fn comments_stand_by_date_also_imported_ones() {
    let mut pen = Pen::default();
    board(&mut pen);
    let on = (comment::TASK, Value::Entity(TASK.id));
    pen.create(ANNA, key(Kind::Comment, 3), std::slice::from_ref(&on));
    pen.create(BEN, key(Kind::Comment, 2), std::slice::from_ref(&on));
    let imported = (comment::WRITTEN_AT, Value::Date(Date::Day(-5)));
    pen.create(BEN, key(Kind::Comment, 4), &[on, imported]);
    assert_eq!(pen.state().comments(TASK.id), [id(4), id(3), id(2)]);
    let inside: Vec<EntityId> = pen.state().children(TASK).iter().map(|key| key.id).collect();
    assert_eq!(inside, [id(4), id(3), id(2)]);
}

#[test]
fn only_a_person_writes_their_profile() {
    let mut pen = Pen::default();
    let anna = EntityKey::new(Kind::Profile, PersonId([ANNA; 32]).into());
    let name = |name| vec![set(profile::NAME, Value::text(name), &[])];
    pen.write(ANNA, EntryKind::PROFILE, anna, name("Anna"));
    assert_eq!(pen.last_applied().changed, [anna]);
    for (author, kind) in [(BEN, EntryKind::PROFILE), (BEN, EntryKind::DATA), (ANNA, EntryKind::DATA)] {
        pen.write(author, kind, anna, name("Mallory"));
        assert_eq!(
            pen.last_applied(),
            Applied { changed: vec![], void: vec![(0, VoidReason::NotOwnProfile)] }
        );
    }
    pen.write(ANNA, EntryKind::PROFILE, TASK, vec![set(task::TITLE, Value::text("x"), &[])]);
    assert_eq!(pen.last_applied().void, [(0, VoidReason::NotOwnProfile)]);
    let mut state = pen.state();
    let standing = Standing { role: Role::Member, devices: vec![DeviceId([7; 32])] };
    state.set_roster(Roster { members: [(PersonId([ANNA; 32]), standing)].into(), ..Roster::default() });
    let members = state.members();
    assert_eq!((members.len(), members[0].name.as_str(), members[0].devices.len()), (1, "Anna", 1));
    assert_eq!(pen.state().person_name(PersonId([BEN; 32])), "02020202");
}

#[test]
fn what_is_newer_is_counted() {
    let mut pen = Pen::default();
    pen.write(ANNA, EntryKind(200), TASK, Vec::new());
    pen.set(ANNA, key(Kind::Unknown(77), 1), Field(1), Value::Unset, &[]);
    assert_eq!(pen.state().newer_entries(), 2);
}

#[test]
fn a_void_operation_has_no_effect_but_passes_on_what_it_named() {
    let mut pen = Pen::default();
    let first = pen.set(ANNA, TASK, task::TITLE, Value::text("a"), &[]);
    let void = pen.set(BEN, TASK, task::TITLE, Value::text(""), &[first]);
    assert_eq!(pen.last_applied().void.len(), 1);
    assert_eq!(pen.state().text(TASK, task::TITLE), "a");
    pen.set(BEN, TASK, task::TITLE, Value::text("c"), &[void]);
    assert_eq!((pen.state().text(TASK, task::TITLE), pen.state().conflict_count()), ("c", 0));
}

#[test]
fn a_void_operation_passes_on_also_if_it_comes_last() {
    let mut pen = Pen::default();
    let [first, second] = ["a", "b"].map(|title| pen.set(ANNA, TASK, task::TITLE, Value::text(title), &[]));
    let void = OpId { entry: 4, index: 0 };
    pen.set(BEN, TASK, task::TITLE, Value::text("c"), &[void]);
    assert_eq!(pen.state().conflict_count(), 1);
    pen.set(BEN, TASK, task::TITLE, Value::text(""), &[first, second]);
    let applied = pen.last_applied();
    assert_eq!((applied.void.len(), applied.changed), (1, vec![TASK]));
    assert_eq!((pen.state().conflict_count(), pen.state().conflicts()), (0, Vec::new()));
}

#[test]
fn the_log_of_an_entity_is_found_again() {
    let mut pen = Pen::default();
    board(&mut pen);
    pen.set(BEN, TASK, task::PRIORITY, Value::Int(1), &[]);
    pen.set(ANNA, TASK, task::PRIORITY, Value::Int(99), &[]);
    let peer = pen.peer();
    let places: Vec<_> = peer.state.touched(TASK).iter().map(|at| (at.chain.0, at.position)).collect();
    assert_eq!(places, [(0, 4), (1, 1), (0, 5)], "the void one too");
    assert_eq!(peer.state.applied(velo_protocol::store::ChainNo(0)), 5);
}

#[test]
fn pages_are_filled_split_and_written_only_when_dirty() {
    let mut pen = Pen::default();
    let mut peer = Peer::default();
    let mut disk = Disk::default();
    let keys: Vec<EntityKey> =
        (0..2000u64).map(|n| EntityKey::new(Kind::Task, EntityId::new(n, [0; 10]))).collect();
    for key in &keys {
        pen.create(ANNA, *key, &[(task::TITLE, Value::text("x".repeat(50)))]);
        peer.apply(pen.entries.last().unwrap());
    }
    let written = disk.write(&mut peer.state);
    assert!((8..20).contains(&written), "{written} pages of about 20 KB");

    pen.set(ANNA, keys[1000], task::DESCRIPTION, Value::text("y".repeat(100)), &[]);
    peer.apply(pen.entries.last().unwrap());
    assert_eq!(disk.write(&mut peer.state), 1, "one edit, one page");
    assert!(!peer.state.has_dirty());

    for key in &keys[1000..1100] {
        pen.set(ANNA, *key, task::DESCRIPTION, Value::text("z".repeat(2000)), &[]);
        peer.apply(pen.entries.last().unwrap());
    }
    disk.write(&mut peer.state);
    assert!(disk.pages.values().all(|page| page.len() <= 2 * 20 * 1024), "grown pages are split");
    let reopened = disk.open();
    assert_eq!(reopened.state_hash(), peer.state.state_hash());
    assert!(!reopened.has_dirty());
}

#[test]
fn a_cache_that_does_not_fit_is_refused() {
    let mut pen = Pen::default();
    board(&mut pen);
    let mut disk = Disk::default();
    disk.write(&mut pen.peer().state);
    let open = |meta: &[u8], pages: Vec<(PageNo, Vec<u8>)>| Workspace::from_pages(ID, meta, pages).err();
    let page = || disk.pages.iter().map(|(number, bytes)| (*number, bytes.clone())).collect::<Vec<_>>();
    assert_eq!(open(&disk.meta, page()), None);
    assert_eq!(open(&disk.meta, Vec::new()), Some(SnapshotError::MissingPage(0)));
    assert_eq!(open(&disk.meta, [page(), page()].concat()), Some(SnapshotError::ForeignPage(0)));
    assert_eq!(open(&[99], page()), Some(SnapshotError::Version { found: 99 }));
    // What a program with another schema held for void or newer must be judged anew.
    let mut other = disk.meta.clone();
    other[1] = SCHEMA + 1;
    assert_eq!(open(&other, page()), Some(SnapshotError::Schema { found: SCHEMA + 1 }));
    let other = Workspace::from_pages(WorkspaceId([8; 32]), &disk.meta, page()).err();
    assert_eq!(other, Some(SnapshotError::OtherWorkspace(ID)));
    for cut in 2..disk.meta.len() {
        assert!(matches!(open(&disk.meta[..cut], page()), Some(SnapshotError::Codec(_))), "cut at {cut}");
    }
    let mut cut = page();
    cut[0].1.pop();
    assert!(matches!(open(&disk.meta, cut), Some(SnapshotError::Codec(_))));
    // The number of pages stands last. Room is made for those that are there.
    let many = [&disk.meta[..disk.meta.len() - 1], &[252], &u32::MAX.to_le_bytes()].concat();
    assert_eq!(open(&many, page()), Some(SnapshotError::MissingPage(disk.pages.len() as u32)));
}
