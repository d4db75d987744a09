//! Random work: undoing it all leads back through every state.

use crate::peer::*;
use proptest::prelude::*;
use velo_protocol::{
    change::Change,
    model::{Kind, Slot, column, comment, label, project, task},
    value::{Element, Value},
};

/// What a person does, on few entities so that much of it meets.
fn any_change() -> impl Strategy<Value = Change> {
    let project = || 1..3u8;
    let column = || 10..14u8;
    let task = || 20..26u8;
    prop_oneof![
        2 => project().prop_map(new_project),
        3 => (column(), project()).prop_map(|(column, project)| new_column(column, project)),
        6 => (task(), column()).prop_map(|(task, column)| new_task(task, column)),
        4 => (task(), "[a-c]").prop_map(|(task, title)| rename(task, &title)),
        4 => (task(), "[a-c ]{0,6}").prop_map(|(task, text)| {
            set(Kind::Task, task, task::DESCRIPTION, Value::text(text))
        }),
        2 => (task(), 0..5i64).prop_map(|(task, level)| set(Kind::Task, task, task::PRIORITY, Value::Int(level))),
        1 => task().prop_map(|task| set(Kind::Task, task, task::PRIORITY, Value::Unset)),
        2 => (task(), task()).prop_map(|(task, parent)| set(Kind::Task, task, task::PARENT, Value::Entity(id(parent)))),
        1 => (project(), "[a-c]").prop_map(|(number, name)| set(Kind::Project, number, project::NAME, Value::text(name))),
        1 => (column(), "[a-c]").prop_map(|(number, name)| set(Kind::Column, number, column::NAME, Value::text(name))),
        3 => (task(), column(), proptest::option::of(task())).prop_map(|(task, column, after)| {
            place(Kind::Task, task, Some((task::COLUMN, column)), after)
        }),
        2 => (task(), proptest::option::of(task())).prop_map(|(task, after)| place(Kind::Task, task, None, after)),
        1 => (column(), proptest::option::of(column())).prop_map(|(column, after)| place(Kind::Column, column, None, after)),
        1 => (30..33u8).prop_map(|number| create(Kind::Label, number, &[(label::NAME, Value::text("label"))])),
        2 => (task(), 30..33u8, any::<bool>()).prop_map(|(task, label, on)| Change::Set {
            key: task_key(id(task)),
            slot: Slot::element(task::LABELS, Element::Entity(id(label))),
            value: Value::Bool(on),
        }),
        1 => (40..44u8, task()).prop_map(|(number, task)| {
            create(Kind::Comment, number, &[(comment::TASK, Value::Entity(id(task))), (comment::TEXT, Value::text("hm"))])
        }),
        2 => task().prop_map(|task| delete(Kind::Task, task)),
        1 => column().prop_map(|column| delete(Kind::Column, column)),
        1 => project().prop_map(|project| delete(Kind::Project, project)),
        2 => task().prop_map(|task| restore(Kind::Task, task)),
        1 => column().prop_map(|column| restore(Kind::Column, column)),
        1 => project().prop_map(|project| restore(Kind::Project, project)),
    ]
}

#[derive(Debug, Clone)]
enum Step {
    Edit(Vec<Change>),
    Undo,
    Redo,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        5 => proptest::collection::vec(any_change(), 1..6).prop_map(Step::Edit),
        2 => Just(Step::Undo),
        1 => Just(Step::Redo),
    ]
}

/// Changes that can be made one after the other; those that would be refused are left out.
fn possible(peer: &Peer, changes: Vec<Change>) -> Vec<Change> {
    let mut chosen = Vec::new();
    for change in changes {
        chosen.push(change);
        if peer.clone().edit(&chosen).is_err() {
            chosen.pop();
        }
    }
    chosen
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// The model is an editor's: a list of states and a place in it.
    #[test]
    fn undo_and_redo_walk_through_the_states(steps in proptest::collection::vec(any_step(), 1..25)) {
        let mut peer = Peer::new(0);
        let (mut states, mut at) = (vec![peer.visible()], 0);
        for step in steps {
            match step {
                Step::Edit(changes) => {
                    let changes = possible(&peer, changes);
                    if peer.edit(&changes).unwrap() > 0 {
                        states.truncate(at + 1);
                        states.push(peer.visible());
                        at += 1;
                    }
                }
                Step::Undo => {
                    prop_assert_eq!(peer.undo(), (at > 0).then(Vec::new));
                    at = at.saturating_sub(1);
                }
                Step::Redo => {
                    let more = at + 1 < states.len();
                    prop_assert_eq!(peer.redo(), more.then(Vec::new));
                    at += usize::from(more);
                }
            }
            prop_assert_eq!(&peer.visible(), &states[at]);
        }
        while at > 0 {
            at -= 1;
            prop_assert_eq!(peer.undo(), Some(Vec::new()));
            prop_assert_eq!(&peer.visible(), &states[at]);
        }
        prop_assert_eq!(peer.undo(), None);
    }

    /// Whatever Anna takes back, no live value of Ben's is replaced or hidden by it, and both see
    /// the same.
    #[test]
    fn undo_keeps_the_work_of_others(
        rounds in proptest::collection::vec(
            (proptest::collection::vec(any_change(), 0..4), proptest::collection::vec(any_change(), 0..4), any::<bool>()),
            1..8,
        ),
        undos in 1..12usize,
    ) {
        let (mut anna, mut ben) = (Peer::new(0), Peer::new(1));
        for (hers, his, meet) in rounds {
            let (hers, his) = (possible(&anna, hers), possible(&ben, his));
            anna.edit(&hers).unwrap();
            ben.edit(&his).unwrap();
            if meet {
                anna.receive(&ben);
                ben.receive(&anna);
            }
        }
        anna.receive(&ben);
        let before = by_others(&anna);
        for _ in 0..undos {
            if anna.undo().is_none() {
                break;
            }
        }
        let after = by_others(&anna);
        for value in &before {
            prop_assert!(after.contains(value), "{:?} is gone", value);
        }
        ben.receive(&anna);
        prop_assert_eq!(ben.workspace.state_hash(), anna.workspace.state_hash());
    }
}

/// Live operations that others wrote on entities that are shown.
fn by_others(peer: &Peer) -> Vec<(velo_protocol::model::EntityKey, velo_protocol::id::OpId)> {
    let mut found = Vec::new();
    for key in peer.visible().into_keys() {
        for (_, live) in peer.workspace.registers(key) {
            let others = live.iter().filter(|live| {
                !live.listed
                    && peer.workspace.author(live.chain).is_some_and(|origin| origin.person != peer.person())
            });
            found.extend(others.map(|live| (key, live.op)));
        }
    }
    found
}
