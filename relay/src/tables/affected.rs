//! Which rows may be others when entities changed.
//!
//! A comment is its own affair. A task is shown in the project of the task it is a part of, if it names no
//! column itself, and its short id is longer where another task has the same: so tasks bring others with
//! them, in the moment before as in the one after. What rows say of columns, projects, people and labels is
//! not here: they name them by id.

use super::rows;
use std::collections::BTreeSet;
use velo_protocol::{
    id::EntityId,
    model::{EntityKey, Kind},
    workspace::Workspace,
};

/// Every task whose row may be another one.
pub(super) fn tasks(
    before: &Workspace,
    after: &Workspace,
    changed: &BTreeSet<EntityKey>,
) -> BTreeSet<EntityId> {
    let changed: Vec<EntityId> = of_kind(changed, Kind::Task).collect();
    let mut affected: BTreeSet<EntityId> = changed.iter().copied().collect();
    for state in [before, after] {
        add_parts(state, &changed, &mut affected);
        for task in &changed {
            for text in state.short_ids(*task) {
                affected.extend([before, after].iter().flat_map(|state| state.find_short_id(text)));
            }
        }
    }
    affected
}

/// The ids of one kind.
pub(super) fn of_kind(changed: &BTreeSet<EntityKey>, kind: Kind) -> impl Iterator<Item = EntityId> {
    changed.iter().filter(move |key| key.kind == kind).map(|key| key.id)
}

/// Adds the parts of tasks, and of those parts that stand where the whole stands their parts.
fn add_parts(state: &Workspace, tasks: &[EntityId], affected: &mut BTreeSet<EntityId>) {
    let mut pending = tasks.to_vec();
    let mut seen: BTreeSet<EntityId> = tasks.iter().copied().collect();
    while let Some(task) = pending.pop() {
        for part in state.subtasks(task) {
            affected.insert(part);
            if rows::own_column(state, part).is_none() && seen.insert(part) {
                pending.push(part);
            }
        }
    }
}
