//! Undo and redo, alone and against the edits of others.

use crate::peer::*;
use velo_protocol::{
    change::Change,
    model::{Kind, Slot, comment, task},
    value::Value,
};

fn two() -> (Peer, Peer) {
    let (anna, mut ben) = (board(), Peer::new(1));
    ben.receive(&anna);
    (anna, ben)
}

#[test]
fn undo_and_redo_walk_through_the_values_of_a_field() {
    let mut peer = board();
    for title in ["a", "b", "c"] {
        peer.must(rename(10, title));
    }
    let mut titles = Vec::new();
    for _ in 0..3 {
        assert_eq!(peer.undo(), Some(vec![]));
        titles.push(peer.title(id(10)));
    }
    for _ in 0..3 {
        assert_eq!(peer.redo(), Some(vec![]));
        titles.push(peer.title(id(10)));
    }
    assert_eq!(titles, ["b", "a", "Task 10", "a", "b", "c"]);
    assert_eq!(peer.redo(), None);
}

#[test]
fn undo_reads_no_more_for_edits_that_came_after_undos() {
    let mut peer = board();
    for number in 0..16 {
        peer.must(rename(10, &format!("title {number}")));
        for _ in 0..2 {
            peer.undo().unwrap();
            peer.redo().unwrap();
        }
        peer.undo().unwrap();
    }
    peer.must(rename(10, "last"));
    peer.lookups.set(0);
    assert_eq!(peer.undo(), Some(vec![]));
    assert_eq!(peer.title(id(10)), "Task 10");
    assert!(peer.lookups.get() < 500, "{} operations were read", peer.lookups.get());
}

#[test]
fn everything_can_be_undone_down_to_nothing() {
    let mut peer = Peer::new(0);
    let empty = peer.visible();
    assert_eq!(peer.undo(), None);
    peer.edit(&[new_project(1), new_column(2, 1), new_task(3, 2)]).unwrap();
    let full = peer.visible();
    peer.undo().unwrap();
    assert_eq!(peer.visible(), empty);
    peer.redo().unwrap();
    assert_eq!(peer.visible(), full);
}

#[test]
fn an_undone_deletion_brings_the_contents_back() {
    let mut peer = board();
    let before = peer.visible();
    peer.must(delete(Kind::Project, 1));
    let after = peer.visible();
    peer.undo().unwrap();
    assert_eq!(peer.visible(), before);
    peer.redo().unwrap();
    assert_eq!(peer.visible(), after);
}

#[test]
fn undo_leaves_what_somebody_changed_since() {
    let (mut anna, mut ben) = two();
    anna.edit(&[rename(10, "Anna's"), set(Kind::Task, 10, task::PRIORITY, Value::Int(3))]).unwrap();
    ben.receive(&anna);
    ben.must(rename(10, "Ben's"));
    anna.receive(&ben);
    assert_eq!(anna.undo().unwrap(), ["Ben changed the title of \"Ben's\" since"]);
    assert_eq!(anna.title(id(10)), "Ben's");
    assert_eq!(anna.workspace.value(task_key(id(10)), &task::PRIORITY.into()), None);
    // The next undo is that of the transaction before, not the same one again.
    anna.redo().unwrap();
    assert_eq!(anna.workspace.value(task_key(id(10)), &task::PRIORITY.into()), Some(&Value::Int(3)));
    assert_eq!(anna.title(id(10)), "Ben's");
}

#[test]
fn undo_beside_a_concurrent_value_takes_back_only_ones_own() {
    let (mut anna, mut ben) = two();
    anna.must(rename(10, "Anna's"));
    ben.must(rename(10, "Ben's"));
    anna.receive(&ben);
    assert_eq!(anna.undo().unwrap(), [""; 0]);
    let live = anna.workspace.live(task_key(id(10)), &task::TITLE.into());
    let mut values: Vec<_> = live.iter().filter_map(|live| live.value.as_text()).collect();
    values.sort_unstable();
    assert_eq!(values, ["Ben's", "Task 10"]);
}

#[test]
fn undoing_the_end_of_a_conflict_brings_both_values_back() {
    let (mut anna, mut ben) = two();
    anna.must(rename(10, "Anna's"));
    ben.must(rename(10, "Ben's"));
    anna.receive(&ben);
    ben.receive(&anna);
    let conflict = anna.visible();
    let slot = Slot::from(task::TITLE);
    let told = |peer: &Peer| {
        let conflicts = peer.workspace.conflicts().into_iter();
        let values = conflicts.flat_map(|conflict| conflict.values);
        values.map(|one| (one.value, one.author, one.hlc)).collect::<Vec<_>>()
    };
    let before = told(&anna);
    assert_eq!(before.len(), 2);
    anna.must(Change::Resolve { key: task_key(id(10)), slot, value: Value::text("ours") });
    let resolved = anna.visible();
    for _ in 0..3 {
        anna.undo().unwrap();
        ben.receive(&anna);
        assert_eq!(anna.visible(), conflict);
        // Each is still its author's, and the same one is shown.
        assert_eq!((told(&anna), told(&ben)), (before.clone(), before.clone()));
        anna.redo().unwrap();
        assert_eq!(anna.visible(), resolved);
        assert_eq!(anna.workspace.live(task_key(id(10)), &task::TITLE.into()).len(), 1);
    }
}

#[test]
fn a_created_task_that_somebody_worked_on_stays() {
    let (mut anna, mut ben) = two();
    anna.edit(&[new_task(20, 2), new_task(21, 2), new_task(22, 2)]).unwrap();
    ben.receive(&anna);
    ben.must(rename(20, "Ben's"));
    ben.must(create(
        Kind::Comment,
        30,
        &[(comment::TASK, Value::Entity(id(21))), (comment::TEXT, Value::text("Look"))],
    ));
    anna.receive(&ben);
    let kept = anna.undo().unwrap();
    assert_eq!(
        kept,
        [
            "task \"Task 21\" stays: comment \"Look\" stands in it; delete it instead",
            "task \"Ben's\" stays: Ben changed it since; delete it instead",
        ]
    );
    assert!(!anna.workspace.is_shown(task_key(id(22))));
}

/// Ben's words stood in nothing but a text that Anna had edited after him, and went with her task.
#[test]
fn a_created_task_stays_for_words_that_its_author_edited_over() {
    let words = |peer: &Peer| peer.workspace.text(task_key(id(20)), task::DESCRIPTION).to_owned();
    let describe = |text: &str| set(Kind::Task, 20, task::DESCRIPTION, Value::text(text));
    let (mut anna, mut ben) = two();
    anna.must(new_task(20, 2));
    ben.receive(&anna);
    ben.must(describe("The valve is stuck"));
    anna.receive(&ben);
    anna.must(describe("The valve is stuck again"));
    assert_eq!(anna.undo(), Some(vec![]));
    let kept = anna.undo().unwrap();
    assert_eq!(kept, ["task \"Task 20\" stays: Ben changed it since; delete it instead"]);
    assert_eq!(words(&anna), "The valve is stuck");
    ben.receive(&anna);
    assert_eq!(words(&ben), "The valve is stuck");
    // The next undo is that of what Anna did before, and her own work still goes.
    anna.must(new_task(21, 2));
    anna.must(set(Kind::Task, 21, task::DESCRIPTION, Value::text("Mine")));
    anna.undo().unwrap();
    assert_eq!(anna.undo(), Some(vec![]));
    assert!(!anna.workspace.is_shown(task_key(id(21))));
}

/// The same with a value that she gave back in her own name, and with a comment under her task.
#[test]
fn a_created_task_stays_for_values_and_comments_that_its_author_edited_over() {
    let (mut anna, mut ben) = two();
    anna.edit(&[new_task(20, 2), new_task(21, 2)]).unwrap();
    ben.receive(&anna);
    ben.must(rename(20, "Ben's"));
    let said = [(comment::TASK, Value::Entity(id(21))), (comment::TEXT, Value::text("Look"))];
    ben.must(create(Kind::Comment, 30, &said));
    anna.receive(&ben);
    anna.must(rename(20, "Anna's"));
    anna.must(set(Kind::Comment, 30, comment::TEXT, Value::text("Look here")));
    for _ in 0..2 {
        assert_eq!(anna.undo(), Some(vec![]));
    }
    assert_eq!(anna.undo().unwrap().len(), 2);
    ben.receive(&anna);
    for peer in [&anna, &ben] {
        assert_eq!(peer.title(id(20)), "Ben's");
        assert_eq!(peer.workspace.comments(id(21)), [id(30)]);
        assert!(peer.workspace.is_shown(task_key(id(21))));
    }
}

#[test]
fn what_was_deleted_since_is_left_alone() {
    let (mut anna, mut ben) = two();
    anna.must(rename(10, "Anna's"));
    ben.receive(&anna);
    ben.must(delete(Kind::Task, 10));
    anna.receive(&ben);
    assert_eq!(anna.undo().unwrap(), ["task \"Anna's\" was deleted since"]);
    assert!(!anna.workspace.is_shown(task_key(id(10))));
}

#[test]
fn a_deletion_is_not_undone_after_somebody_deleted_again() {
    let (mut anna, mut ben) = two();
    anna.must(delete(Kind::Task, 10));
    ben.receive(&anna);
    ben.must(restore(Kind::Task, 10));
    ben.must(delete(Kind::Task, 10));
    anna.receive(&ben);
    let kept = anna.undo().unwrap();
    assert_eq!(kept, ["task \"Task 10\" stays deleted: Ben changed it, and it was deleted again"]);
    assert!(!anna.workspace.is_shown(task_key(id(10))));
}

#[test]
fn undoing_a_deletion_ends_its_conflict_with_an_edit() {
    let (mut anna, mut ben) = two();
    anna.must(delete(Kind::Task, 10));
    ben.must(rename(10, "Ben's"));
    anna.receive(&ben);
    ben.receive(&anna);
    assert_eq!(anna.workspace.conflict_count(), 1);
    assert_eq!(anna.undo(), Some(vec![]));
    ben.receive(&anna);
    for peer in [&anna, &ben] {
        assert_eq!((peer.workspace.conflicts(), peer.title(id(10))), (vec![], "Ben's".to_owned()));
    }
    // Ben's title is seen by now: the deletion is not made again over it.
    assert_eq!(
        anna.redo(),
        Some(vec!["task \"Ben's\" stays: Ben changed it since; delete it instead".to_owned()])
    );
    assert_eq!(anna.workspace.conflict_count(), 0);
}

#[test]
fn undoing_a_deletion_leaves_the_conflict_of_a_later_one() {
    let (mut anna, mut ben) = two();
    anna.must(delete(Kind::Task, 10));
    ben.receive(&anna);
    ben.must(restore(Kind::Task, 10));
    anna.receive(&ben);
    ben.must(delete(Kind::Task, 10));
    let mut carla = Peer::new(2);
    carla.receive(&anna);
    carla.must(rename(10, "Carla's"));
    for other in [&ben, &carla] {
        anna.receive(other);
    }
    assert_eq!(anna.workspace.conflict_count(), 1);
    anna.undo().unwrap();
    assert_eq!(anna.workspace.conflict_count(), 1, "that Ben deleted it is still to be decided");
}

#[test]
fn undoing_a_deletion_leaves_the_conflict_of_a_concurrent_one() {
    let (mut anna, mut ben) = two();
    let mut carla = Peer::new(2);
    carla.receive(&anna);
    anna.must(delete(Kind::Task, 10));
    ben.must(delete(Kind::Task, 10));
    carla.must(rename(10, "Carla's"));
    for other in [&ben, &carla] {
        anna.receive(other);
    }
    anna.undo().unwrap();
    assert_eq!(anna.workspace.conflict_count(), 1, "that Ben deleted it is still to be decided");
    ben.receive(&anna);
    ben.receive(&carla);
    ben.undo().unwrap();
    assert_eq!(ben.workspace.conflict_count(), 0);
}

#[test]
fn undo_steps_over_a_restored_and_changed_task() {
    let mut peer = board();
    let states: Vec<_> = [delete(Kind::Task, 10), new_task(10, 3), rename(10, "z"), delete(Kind::Task, 10)]
        .into_iter()
        .map(|change| {
            let before = peer.visible();
            peer.must(change);
            before
        })
        .collect();
    let last = peer.visible();
    for before in states.iter().rev() {
        peer.undo().unwrap();
        assert_eq!(peer.visible(), *before);
    }
    for after in states.iter().skip(1).chain([&last]) {
        peer.redo().unwrap();
        assert_eq!(peer.visible(), *after);
    }
}

#[test]
fn a_large_transaction_is_undone_as_one() {
    let mut peer = board();
    let before = peer.visible();
    let text = Value::text("x".repeat(3_000));
    let changes: Vec<_> = (50..90)
        .flat_map(|number| [new_task(number, 2), set(Kind::Task, number, task::DESCRIPTION, text.clone())])
        .collect();
    peer.edit(&changes).unwrap();
    let spans = peer.journal.next_undo().unwrap().spans;
    assert!(spans[0].last - spans[0].first > 10);
    peer.undo().unwrap();
    assert_eq!(peer.visible(), before);
}

/// A value that an undo had given back already was written a second time when the deletion below was
/// taken back, and then stood for nothing that came before.
#[test]
fn what_is_hidden_with_its_old_value_is_not_written_again() {
    let mut peer = board();
    let mut states = Vec::new();
    for change in [rename(10, "a"), delete(Kind::Task, 10), restore(Kind::Task, 10), rename(10, "b")] {
        states.push(peer.visible());
        peer.must(change);
    }
    for before in states.iter().rev() {
        assert_eq!(peer.undo(), Some(vec![]));
        assert_eq!(peer.visible(), *before);
    }
}
