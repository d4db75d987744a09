//! History as people read it.

use crate::peer::*;
use velo_protocol::{
    change::Change,
    history::Happened,
    model::{Kind, Slot, column, label, task},
    value::{Date, Element, Value},
};

#[test]
fn a_task_tells_its_story() {
    let (mut anna, mut ben) = (board(), Peer::new(1));
    anna.must(set(Kind::Column, 2, column::NAME, Value::text("Todo")));
    anna.must(set(Kind::Column, 3, column::NAME, Value::text("Doing")));
    anna.must(create(Kind::Label, 40, &[(label::NAME, Value::text("urgent"))]));
    anna.must(rename(10, "Fix pump"));
    ben.receive(&anna);
    ben.must(place(Kind::Task, 10, Some((task::COLUMN, 3)), None));
    let slot = Slot::element(task::LABELS, Element::Entity(id(40)));
    ben.must(Change::Set { key: task_key(id(10)), slot, value: Value::Bool(true) });
    ben.must(set(Kind::Task, 10, task::DUE, Value::Date(Date::Day(19_782))));
    ben.must(set(Kind::Task, 10, task::PRIORITY, Value::Int(4)));
    ben.must(set(Kind::Task, 10, task::PRIORITY, Value::Int(1)));
    ben.undo().unwrap();
    anna.receive(&ben);
    anna.must(delete(Kind::Task, 10));
    anna.must(restore(Kind::Task, 10));
    let sentences = anna.sentences(task_key(id(10)));
    let without_order: Vec<_> = sentences.iter().filter(|text| !text.ends_with("another place")).collect();
    assert_eq!(
        without_order,
        [
            "Anna created task \"Task 10\"",
            "Anna renamed \"Task 10\" to \"Fix pump\"",
            "Ben moved \"Fix pump\" from Todo to Doing",
            "Ben added urgent to the labels of \"Fix pump\"",
            "Ben set the due of \"Fix pump\" to 2024-02-29",
            "Ben set the priority of \"Fix pump\" to urgent",
            "Ben changed the priority of \"Fix pump\" from urgent to low",
            "Ben changed the priority of \"Fix pump\" from low to urgent (undo)",
            "Anna deleted task \"Fix pump\"",
            "Anna restored task \"Fix pump\"",
        ]
    );
}

#[test]
fn history_is_the_same_on_every_device_and_restores_values() {
    let (mut anna, mut ben) = (board(), Peer::new(1));
    ben.receive(&anna);
    anna.must(rename(10, "Anna's"));
    ben.must(rename(10, "Ben's"));
    let from_ben = ben.clone();
    ben.receive(&anna);
    anna.receive(&from_ben);
    let key = task_key(id(10));
    assert_eq!(anna.history(key), ben.history(key));
    anna.must(Change::Resolve { key, slot: task::TITLE.into(), value: Value::text("Both") });
    let last = anna.history(key).pop().unwrap();
    let Happened::Set { slot, from, .. } = last.happened else { panic!("{last:?}") };
    assert_eq!(from.len(), 2);
    anna.must(Change::Set { key, slot, value: Value::text("Anna's") });
    assert_eq!(anna.title(id(10)), "Anna's");
}
