//! Somebody works in what another deletes meanwhile, and nobody would see it.

use crate::peer::*;
use velo_protocol::{
    change::Change,
    model::{ALIVE, EntityKey, Kind, comment},
    value::Value,
};

const PROJECT: EntityKey = EntityKey::new(Kind::Project, velo_protocol::id::EntityId([1; 16]));

/// Anna deletes the project, Ben does something in it, and they meet.
fn apart(changes: &[Change]) -> (Peer, Peer) {
    let (mut anna, mut ben) = (board(), Peer::new(1));
    ben.receive(&anna);
    anna.must(delete(Kind::Project, 1));
    ben.edit(changes).unwrap();
    meet(&mut anna, &mut ben);
    (anna, ben)
}

fn meet(anna: &mut Peer, ben: &mut Peer) {
    anna.receive(ben);
    ben.receive(anna);
    assert_eq!(anna.workspace.conflicts(), ben.workspace.conflicts());
    assert_eq!(anna.workspace.conflict_count(), anna.workspace.conflicts().len());
}

fn decide(key: EntityKey, keep: bool) -> Change {
    Change::Resolve { key, slot: ALIVE.field.into(), value: Value::Bool(keep) }
}

/// Of what there are conflicts between deleting and editing.
fn conflicts(peer: &Peer) -> Vec<EntityKey> {
    let conflicts = peer.workspace.conflicts();
    assert!(conflicts.iter().all(|conflict| conflict.slot == ALIVE.field.into()));
    conflicts.iter().map(|conflict| conflict.key).collect()
}

#[test]
fn a_task_in_a_project_that_was_deleted_meanwhile_is_told() {
    let (anna, ben) = apart(&[new_task(20, 2)]);
    assert_eq!(anna.workspace.tasks_without_project(), [id(20)]);
    assert_eq!(conflicts(&anna), [PROJECT]);
    let told = anna.workspace.conflicts_of(PROJECT);
    let told: Vec<_> = told[0].values.iter().map(|one| (one.value.is_true(), one.author)).collect();
    assert_eq!(told, [(true, ben.person()), (false, anna.person())]);
}

#[test]
fn the_project_comes_back_with_what_was_deleted_in_it() {
    let (mut anna, mut ben) = apart(&[new_task(20, 2)]);
    ben.must(decide(PROJECT, true));
    meet(&mut anna, &mut ben);
    assert_eq!(conflicts(&anna), []);
    let mut tasks = anna.workspace.tasks(id(2));
    tasks.sort_unstable();
    assert_eq!(tasks, [id(10), id(11), id(12), id(20)]);
}

#[test]
fn what_survived_is_deleted_with_it_and_comes_back_by_undo() {
    let (mut anna, mut ben) = apart(&[new_task(20, 2), new_column(4, 1), new_task(21, 4)]);
    let before = anna.visible();
    anna.must(decide(PROJECT, false));
    meet(&mut anna, &mut ben);
    assert_eq!(conflicts(&anna), []);
    for number in [20, 21] {
        assert!(!ben.workspace.is_shown(task_key(id(number))));
    }
    assert_eq!(anna.undo(), Some(vec![]));
    meet(&mut anna, &mut ben);
    assert_eq!((anna.visible(), conflicts(&anna)), (before, vec![PROJECT]));
}

#[test]
fn undoing_the_deletion_of_the_project_ends_it() {
    let (mut anna, mut ben) = apart(&[new_task(20, 2), rename(10, "Ben's")]);
    assert_eq!(conflicts(&anna), [PROJECT, task_key(id(10))]);
    assert_eq!(anna.undo(), Some(vec![]));
    meet(&mut anna, &mut ben);
    assert_eq!(conflicts(&anna), []);
    assert_eq!(anna.workspace.tasks_without_project(), []);
}

#[test]
fn moving_it_elsewhere_ends_it() {
    let (mut anna, mut ben) = apart(&[new_task(20, 2)]);
    ben.edit(&[new_project(5), new_column(6, 5), new_task(20, 6)]).unwrap();
    meet(&mut anna, &mut ben);
    assert_eq!(conflicts(&anna), []);
    assert_eq!(anna.workspace.project_of(id(20)), Some(id(5)));
}

#[test]
fn a_comment_on_a_task_that_was_deleted_meanwhile_is_told() {
    let (mut anna, mut ben) = (board(), Peer::new(1));
    let remark = |number, text| {
        create(
            Kind::Comment,
            number,
            &[(comment::TASK, Value::Entity(id(10))), (comment::TEXT, Value::text(text))],
        )
    };
    anna.must(remark(30, "first"));
    ben.receive(&anna);
    anna.must(delete(Kind::Task, 10));
    ben.must(remark(31, "second"));
    meet(&mut anna, &mut ben);
    assert_eq!(conflicts(&anna), [task_key(id(10))]);
    ben.must(decide(task_key(id(10)), true));
    meet(&mut anna, &mut ben);
    assert_eq!((conflicts(&anna), anna.workspace.comments(id(10))), (vec![], vec![id(30), id(31)]));
}

#[test]
fn a_task_that_is_kept_keeps_what_was_deleted_with_it() {
    let (mut anna, mut ben) = (board(), Peer::new(1));
    let fields = [(comment::TASK, Value::Entity(id(10))), (comment::TEXT, Value::text("first"))];
    anna.must(create(Kind::Comment, 30, &fields));
    ben.receive(&anna);
    anna.must(delete(Kind::Task, 10));
    ben.must(rename(10, "Ben's"));
    meet(&mut anna, &mut ben);
    ben.must(decide(task_key(id(10)), true));
    assert_eq!((conflicts(&ben), ben.workspace.comments(id(10))), (vec![], vec![id(30)]));
}
