//! Each rule of building operations.

use crate::peer::*;
use std::collections::BTreeSet;
use velo_protocol::{
    change::{self, Change, ChangeError},
    id::{EntityId, PersonId},
    limits,
    model::{ALIVE, EntityKey, Kind, Slot, comment, custom_field, task},
    op::{Group, Op},
    value::{Date, Element, OrderKey, Value},
};

fn refused(peer: &mut Peer, change: Change) -> String {
    let before = peer.visible();
    let error = peer.edit(&[change]).unwrap_err();
    assert_eq!(peer.visible(), before);
    error.to_string()
}

fn label(number: u8, on: bool) -> Change {
    let slot = Slot::element(task::LABELS, Element::Entity(id(number)));
    Change::Set { key: task_key(id(10)), slot, value: Value::Bool(on) }
}

#[test]
fn a_command_sees_its_own_earlier_changes() {
    let peer = board();
    assert_eq!(peer.workspace.columns(id(1)), [id(2), id(3)]);
    assert_eq!(peer.workspace.tasks(id(2)), [id(10), id(11), id(12)]);
    assert_eq!(peer.title(id(11)), "Task 11");
}

#[test]
fn nothing_is_written_for_what_is_so_already() {
    let mut peer = board();
    assert_eq!(peer.must(rename(10, "Task 10")), 0);
    assert_eq!(peer.must(rename(10, "Fix pump")), 1);
    assert_eq!(peer.edit(&[rename(10, "x"), rename(10, "Fix pump")]), Ok(0));
    assert_eq!(peer.must(new_task(11, 2)), 0);
    assert_eq!(peer.must(place(Kind::Task, 11, None, Some(10))), 0);
    assert_eq!(peer.must(set(Kind::Task, 10, task::DUE, Value::Unset)), 0);
    peer.must(create(Kind::Label, 40, &[(velo_protocol::model::label::NAME, Value::text("urgent"))]));
    assert_eq!(peer.must(label(40, false)), 0);
    assert_eq!(peer.must(label(40, true)), 1);
    assert_eq!(peer.must(restore(Kind::Task, 10)), 0);
    assert_eq!(peer.edit(&[delete(Kind::Task, 10), restore(Kind::Task, 10)]), Ok(0));
    assert_eq!(peer.edit(&[new_task(50, 2), delete(Kind::Task, 50)]), Ok(0));
}

#[test]
fn a_value_set_twice_in_one_command_is_one_operation() {
    let mut peer = board();
    assert_eq!(peer.edit(&[rename(10, "a"), rename(10, "b")]), Ok(1));
    assert_eq!(peer.title(id(10)), "b");
}

#[test]
fn create_sets_only_what_differs_and_brings_back_what_was_deleted() {
    let mut peer = board();
    assert_eq!(peer.must(new_task(10, 3)), 1);
    peer.must(delete(Kind::Task, 10));
    assert!(!peer.workspace.is_shown(task_key(id(10))));
    assert_eq!(peer.must(new_task(10, 2)), 2);
    assert!(peer.workspace.tasks(id(2)).contains(&id(10)));
}

#[test]
fn operations_name_what_they_saw() {
    let (mut anna, mut ben) = (board(), Peer::new(1));
    ben.receive(&anna);
    anna.must(rename(10, "Anna's"));
    ben.must(rename(10, "Ben's"));
    anna.receive(&ben);
    let key = task_key(id(10));
    let slot = Slot::from(task::TITLE);
    assert_eq!(anna.workspace.live(key, &slot).len(), 2);
    let resolve = Change::Resolve { key, slot: slot.clone(), value: Value::text("Anna's") };
    let groups = change::build(&anna.workspace, std::slice::from_ref(&resolve), [1, 1]).unwrap();
    let seen: BTreeSet<_> = anna.workspace.live(key, &slot).iter().map(|live| live.op).collect();
    assert_eq!(groups[0].ops[0].names().iter().copied().collect::<BTreeSet<_>>(), seen);
    anna.must(resolve);
    assert_eq!(anna.workspace.live(key, &slot).len(), 1);
    ben.receive(&anna);
    assert_eq!(ben.title(id(10)), "Anna's");
}

#[test]
fn a_deletion_against_an_edit_is_resolved_either_way() {
    for keep in [true, false] {
        let (mut anna, mut ben) = (board(), Peer::new(1));
        ben.receive(&anna);
        anna.must(delete(Kind::Task, 10));
        ben.must(rename(10, "Ben's"));
        anna.receive(&ben);
        let key = task_key(id(10));
        assert!(anna.workspace.is_shown(key));
        assert_eq!(anna.workspace.conflicts_of(key).len(), 1);
        let resolve = Change::Resolve { key, slot: ALIVE.field.into(), value: Value::Bool(keep) };
        assert_eq!(anna.must(resolve), 1);
        assert_eq!(anna.workspace.is_shown(key), keep);
        assert_eq!(anna.workspace.conflicts_of(key), []);
    }
}

#[test]
fn placing_moves_within_and_between_containers() {
    let mut peer = board();
    peer.must(place(Kind::Task, 12, None, None));
    assert_eq!(peer.workspace.tasks(id(2)), [id(12), id(10), id(11)]);
    peer.must(place(Kind::Task, 12, None, Some(10)));
    assert_eq!(peer.workspace.tasks(id(2)), [id(10), id(12), id(11)]);
    peer.must(place(Kind::Task, 10, Some((task::COLUMN, 3)), None));
    peer.must(place(Kind::Task, 11, Some((task::COLUMN, 3)), Some(10)));
    assert_eq!(peer.workspace.tasks(id(2)), [id(12)]);
    assert_eq!(peer.workspace.tasks(id(3)), [id(10), id(11)]);
    peer.must(place(Kind::Column, 3, None, None));
    assert_eq!(peer.workspace.columns(id(1)), [id(3), id(2)]);
    peer.edit(&[new_project(4), place(Kind::Project, 4, None, None), place(Kind::Project, 1, None, Some(4))])
        .unwrap();
    assert_eq!(peer.workspace.projects(), [id(4), id(1)]);
}

#[test]
fn subtasks_and_checklist_items_have_places_too() {
    use velo_protocol::model::checklist_item as item;
    let mut peer = board();
    peer.must(place(Kind::Task, 11, Some((task::PARENT, 10)), None));
    peer.must(place(Kind::Task, 12, Some((task::PARENT, 10)), Some(11)));
    assert_eq!(peer.workspace.subtasks(id(10)), [id(11), id(12)]);
    for number in [20, 21] {
        let fields = [(item::TITLE, Value::text("step")), (item::TASK, Value::Entity(id(10)))];
        peer.edit(&[
            create(Kind::ChecklistItem, number, &fields),
            place(Kind::ChecklistItem, number, None, None),
        ])
        .unwrap();
    }
    assert_eq!(peer.workspace.checklist(id(10)), [id(21), id(20)]);
}

#[test]
fn keys_that_grow_too_long_are_spread_anew() {
    let mut peer = board();
    // Always between the first task and the one placed before: the worst case of bisection.
    let mut expected = vec![id(10), id(11), id(12)];
    for number in 20..220 {
        peer.edit(&[new_task(number, 2), place(Kind::Task, number, None, Some(10))]).unwrap();
        expected.insert(1, id(number));
        assert_eq!(peer.workspace.tasks(id(2)), expected);
    }
    let order =
        |id| peer.workspace.value(task_key(id), &task::ORDER.into()).and_then(Value::as_order).cloned();
    let keys: Vec<OrderKey> = expected.into_iter().filter_map(order).collect();
    assert!(keys.iter().all(OrderKey::is_well_formed));
    assert!(keys.is_sorted_by(|left, right| left < right));
}

#[test]
fn siblings_with_equal_keys_or_without_make_room() {
    let mut peer = board();
    let key = Value::Order(OrderKey(vec![9, 9].into()));
    peer.edit(&[set(Kind::Task, 10, task::ORDER, key.clone()), set(Kind::Task, 11, task::ORDER, key)])
        .unwrap();
    peer.must(set(Kind::Task, 12, task::ORDER, Value::Unset));
    assert_eq!(peer.workspace.tasks(id(2)), [id(10), id(11), id(12)]);
    peer.edit(&[new_task(20, 2), place(Kind::Task, 20, None, Some(10))]).unwrap();
    assert_eq!(peer.workspace.tasks(id(2)), [id(10), id(20), id(11), id(12)]);
    peer.edit(&[new_task(21, 2), place(Kind::Task, 21, None, Some(12))]).unwrap();
    assert_eq!(peer.workspace.tasks(id(2)), [id(10), id(20), id(11), id(12), id(21)]);
}

#[test]
fn deleting_a_container_deletes_what_it_visibly_holds() {
    let mut peer = board();
    let note = [(comment::TASK, Value::Entity(id(10))), (comment::TEXT, Value::text("seen"))];
    peer.must(create(Kind::Comment, 30, &note));
    peer.must(new_task(40, 3));
    peer.must(place(Kind::Task, 40, Some((task::PARENT, 10)), None));
    peer.must(delete(Kind::Task, 12));
    peer.must(delete(Kind::Project, 1));
    let left: Vec<_> = peer.visible().into_keys().filter(|key| key.kind != Kind::Profile).collect();
    assert_eq!(left, []);
    assert_eq!(peer.must(delete(Kind::Project, 1)), 0);

    peer.must(restore(Kind::Project, 1));
    assert_eq!(peer.workspace.tasks(id(2)), [id(10), id(11)], "the task deleted before stays deleted");
    assert_eq!(peer.workspace.comments(id(10)), [id(30)]);
    assert_eq!(peer.workspace.subtasks(id(10)), [id(40)]);
}

#[test]
fn restoring_leaves_what_was_deleted_beside_it() {
    let mut peer = board();
    peer.edit(&[delete(Kind::Column, 2), delete(Kind::Column, 3)]).unwrap();
    peer.must(restore(Kind::Column, 2));
    assert_eq!(peer.workspace.columns(id(1)), [id(2)]);
    assert_eq!(peer.workspace.tasks(id(2)).len(), 3);
}

#[test]
fn deletions_of_many_values_are_several() {
    let mut peer = board();
    let slot = |number: usize| {
        Slot::element(task::CUSTOM, Element::Entity(EntityId::derived(&[&number.to_le_bytes()])))
    };
    let mut changes = Vec::new();
    for number in 0..limits::NAMES_PER_OP {
        let Some(Element::Entity(field)) = slot(number).element else { unreachable!() };
        let key = EntityKey::new(Kind::CustomField, field);
        changes.push(Change::Create { key, fields: vec![(custom_field::NAME.into(), Value::text("f"))] });
        changes.push(Change::Set { key: task_key(id(10)), slot: slot(number), value: Value::Int(1) });
    }
    peer.edit(&changes).unwrap();
    assert_eq!(peer.must(delete(Kind::Task, 10)), 2);
    assert!(!peer.workspace.is_shown(task_key(id(10))));
    peer.undo().unwrap();
    assert!(peer.workspace.is_shown(task_key(id(10))));
}

#[test]
fn mistakes_are_refused_with_the_name_of_the_field() {
    let mut peer = board();
    let mut says = |change, words: &[&str]| {
        let message = refused(&mut peer, change);
        assert!(words.iter().all(|word| message.contains(word)), "{message}");
    };
    says(rename(10, " "), &["title", "empty"]);
    says(rename(99, "x"), &["no such task", &id(99).to_string()]);
    says(delete(Kind::Task, 99), &["no such task"]);
    says(create(Kind::Task, 99, &[]), &["title", "empty"]);
    says(create(Kind::Comment, 99, &[(comment::TEXT, Value::text("x"))]), &["task", "empty"]);
    says(new_task(99, 98), &["column", "no such column"]);
    says(set(Kind::Task, 10, task::PRIORITY, Value::Int(9)), &["priority", "urgent"]);
    says(set(Kind::Task, 10, task::DUE, Value::Date(Date::Day(i32::MAX))), &["due"]);
    says(set(Kind::Task, 10, task::PARENT, Value::Entity(id(10))), &["parent", "itself"]);
    says(place(Kind::Label, 10, None, None), &["label", "no place"]);
    says(place(Kind::Task, 10, Some((task::TITLE, 2)), None), &["title"]);
    says(place(Kind::Task, 10, Some((task::COLUMN, 3)), Some(11)), &["Task 11", "does not stand there"]);
    says(delete(Kind::Profile, 1), &["profile", "cannot be deleted"]);
    let stranger = Slot::element(task::ASSIGNEES, Element::Person(PersonId([200; 32])));
    says(
        Change::Set { key: task_key(id(10)), slot: stranger, value: Value::Bool(true) },
        &["assignees", "not a member"],
    );
}

#[test]
fn what_was_deleted_cannot_be_changed_or_referred_to() {
    let mut peer = board();
    peer.edit(&[delete(Kind::Task, 10), delete(Kind::Column, 3)]).unwrap();
    assert_eq!(refused(&mut peer, rename(10, "x")), "task \"Task 10\" was deleted: restore it first");
    let moved = place(Kind::Task, 11, Some((task::COLUMN, 3)), None);
    assert_eq!(refused(&mut peer, moved), "column: column \"Column 3\" was deleted");
    let link = Slot::element(task::BLOCKS, Element::Entity(id(10)));
    let relate = |on| Change::Set { key: task_key(id(11)), slot: link.clone(), value: Value::Bool(on) };
    assert!(refused(&mut peer, relate(true)).starts_with("blocks: "));
    assert_eq!(peer.must(relate(false)), 0);
}

#[test]
fn a_task_cannot_come_below_itself() {
    let mut peer = board();
    let parent = |task, parent| set(Kind::Task, task, task::PARENT, Value::Entity(id(parent)));
    peer.must(parent(11, 10));
    let error = peer.edit(&[parent(12, 11), parent(10, 12)]).unwrap_err();
    assert_eq!(error.to_string(), "parent: a task cannot be part of its own subtask");
}

/// Tasks in a ring of parents that is longer than a ring may be to be cut.
fn ring(peer: &mut Peer) -> Vec<EntityId> {
    let number = |number: usize| EntityId((1_000 + number as u128).to_be_bytes());
    let members: Vec<EntityId> = (0..=limits::PARENT_CYCLE).map(number).collect();
    let set = |slot: Slot, value| Op::Set { slot, value, replaces: Vec::new() };
    let groups = members.iter().zip(members.iter().cycle().skip(1)).map(|(task, parent)| Group {
        key: task_key(*task),
        ops: vec![
            set(ALIVE.field.into(), Value::Bool(true)),
            set(task::PARENT.into(), Value::Entity(*parent)),
        ],
    });
    peer.write(groups.collect(), None);
    members
}

#[test]
fn a_ring_of_parents_that_is_too_long_to_cut_holds_nobody_up() {
    let mut peer = board();
    let members = ring(&mut peer);
    assert_eq!(peer.workspace.parent_of(members[0]), Some(members[1]));
    assert_eq!(peer.workspace.project_of(members[0]), None);
    let below = set(Kind::Task, 10, task::PARENT, Value::Entity(members[0]));
    assert_eq!(refused(&mut peer, below), "parent: the tasks there are nested too deep");
    // Whoever deletes one deletes what stands in it, each once.
    peer.must(Change::Delete { key: task_key(members[7]) });
    assert!(members.iter().all(|task| !peer.workspace.is_shown(task_key(*task))));
}

#[test]
fn custom_fields_take_what_they_declare() {
    let mut peer = board();
    let fields = [(custom_field::NAME, Value::text("Rooms")), (custom_field::TYPE, Value::Int(1))];
    peer.must(create(Kind::CustomField, 60, &fields));
    let slot = Slot::element(task::CUSTOM, Element::Entity(id(60)));
    let custom = |value| Change::Set { key: task_key(id(10)), slot: slot.clone(), value };
    assert_eq!(refused(&mut peer, custom(Value::text("4"))), "custom: custom field \"Rooms\" takes a number");
    assert_eq!(peer.must(custom(Value::Int(4))), 1);
    assert_eq!(peer.must(custom(Value::Unset)), 1);
}

#[test]
fn too_many_changes_are_refused() {
    let peer = board();
    let changes = vec![rename(10, "x"); limits::CHANGES_PER_COMMAND + 1];
    let found = change::build(&peer.workspace, &changes, [1, 1]);
    assert_eq!(found, Err(ChangeError::TooMany { found: changes.len() }));
}

#[test]
fn a_set_that_names_too_many_values_is_several() {
    let mut peer = board();
    let mut others: Vec<Peer> = Vec::new();
    for number in 1..3 {
        let mut other = Peer::new(number);
        other.receive(&peer);
        other.must(rename(10, &format!("by {number}")));
        others.push(other);
    }
    for other in &others {
        peer.receive(other);
    }
    let groups = change::build(&peer.workspace, &[rename(10, "one")], [1, 1]).unwrap();
    let [Op::Set { replaces, .. }] = &*groups[0].ops else { panic!("one operation") };
    assert_eq!(replaces.len(), 2);
}

#[test]
fn what_one_command_makes_and_deletes_never_was() {
    let mut peer = Peer::new(0);
    let made = [new_project(1), delete(Kind::Project, 1)];
    assert_eq!(peer.edit(&made), Ok(0));
    // Brought back it would have no name.
    let back = [&made[..], &[restore(Kind::Project, 1)]].concat();
    assert_eq!(peer.edit(&back), Err(ChangeError::NotFound(EntityKey::new(Kind::Project, id(1)))));
    let nameless = [&made[..], &[create(Kind::Project, 1, &[])]].concat();
    assert!(peer.edit(&nameless).is_err());
    let again = [&made[..], &[new_project(1)]].concat();
    assert!(peer.edit(&again).is_ok_and(|operations| operations > 0));
    assert_eq!(peer.undo(), Some(Vec::new()));
}
