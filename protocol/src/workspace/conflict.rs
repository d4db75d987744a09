//! Where people disagree.
//!
//! Conflicts are derived from live values, never stored: whoever holds the same entries sees the
//! same ones, and a resolution, which names all live values, ends them everywhere.

use super::{Workspace, entity::Entity};
use crate::{
    id::{OpId, PersonId},
    model::{self, ALIVE, EntityKey, Slot},
    register::{Live, Register},
    time::Hlc,
    value::Value,
};
use imbl::OrdMap;

/// A live value of a register, with who set it and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConflictValue {
    /// The operation that set it.
    pub op: OpId,
    /// The value.
    pub value: Value,
    /// Who. Of a value that an undo gave back: who had set it before.
    pub author: PersonId,
    /// When. Of a value that an undo gave back: when it was set before.
    pub hlc: Hlc,
}

/// A field with more than one concurrent value. Derived: whoever has the same entries sees the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Of what.
    pub key: EntityKey,
    /// Which register; [`crate::model::ALIVE`] for "deleted while you edited it", whose values are
    /// the latest edit (`true`) and the deletion (`false`). A task's parent with a single value
    /// stands for a cycle: the task is shown at top level instead.
    pub slot: Slot,
    /// The values; the first is shown.
    pub values: Vec<ConflictValue>,
}

/// How many conflicts each entity has that has any.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    by_entity: OrdMap<EntityKey, usize>,
    total: usize,
}

impl Counts {
    fn put(&mut self, key: EntityKey, count: usize) {
        let old = match count {
            0 if self.by_entity.is_empty() => None,
            0 => self.by_entity.remove(&key),
            _ => self.by_entity.insert(key, count),
        };
        self.total = self.total - old.unwrap_or(0) + count;
    }
}

impl Workspace {
    /// Every conflict, by entity.
    pub fn conflicts(&self) -> Vec<Conflict> {
        self.conflicts.by_entity.keys().flat_map(|key| self.conflicts_of(*key)).collect()
    }

    /// Conflicts of one entity.
    pub fn conflicts_of(&self, key: EntityKey) -> Vec<Conflict> {
        let Some(entity) = self.entity(key).filter(|entity| entity.is_shown()) else { return Vec::new() };
        let mut conflicts = Vec::new();
        if was_deleted(entity) {
            conflicts.push(Conflict {
                key,
                slot: ALIVE.field.into(),
                values: self.edit_and_deletion(entity),
            });
        }
        for register in entity.registers().filter(|register| self.is_conflict(key, register)) {
            let mut values: Vec<_> =
                register.live().iter().map(|live| self.conflict_value(register, live)).collect();
            // One value, and still a conflict: the edge of a cycle that is cut. Choosing it again
            // would be refused, so the choice is what is shown.
            if let [cut] = &mut values[..] {
                cut.value = Value::Unset;
            }
            conflicts.push(Conflict { key, slot: register.slot(), values });
        }
        conflicts
    }

    /// How many conflicts there are.
    pub fn conflict_count(&self) -> usize {
        self.conflicts.total
    }

    /// Brings the count in step with one changed entity.
    pub(crate) fn recount_conflicts(&mut self, key: EntityKey) {
        let entity = self.entity(key).filter(|entity| entity.is_shown());
        let count = entity.map_or(0, |entity| {
            let parent = entity.live(model::task::PARENT, None);
            let only_cut = self.is_cut(key) && !(parent.len() > 1 && parent.differ());
            entity.conflicts() + usize::from(only_cut) + usize::from(was_deleted(entity))
        });
        self.conflicts.put(key, count);
    }

    fn is_conflict(&self, key: EntityKey, register: &Register) -> bool {
        let cut = || register.field() == model::task::PARENT && self.is_cut(key);
        register.tally(key.kind).conflicts > 0 || cut()
    }

    fn is_cut(&self, key: EntityKey) -> bool {
        key.kind == model::Kind::Task && self.tree.is_cut(key.id)
    }

    fn conflict_value(&self, register: &Register, live: &Live) -> ConflictValue {
        let origin = register.origin(live, |was| (was.hlc, was.op, self.person(was.chain)));
        let (chain, hlc) = origin.map_or((live.chain, live.hlc), |was| (was.chain, was.hlc));
        ConflictValue { op: live.op, value: live.value.clone(), author: self.person(chain), hlc }
    }

    fn edit_and_deletion(&self, entity: &Entity) -> Vec<ConflictValue> {
        let edit = entity.lives().filter(|live| !live.listed).max_by_key(|live| (live.hlc, live.op));
        let edit = edit.map(|live| (live.op, true, live.chain, live.hlc));
        let deletion = entity.deletion().map(|stamp| (stamp.op, false, stamp.chain, stamp.hlc));
        let value = |(op, alive, chain, hlc)| ConflictValue {
            op,
            value: Value::Bool(alive),
            author: self.person(chain),
            hlc,
        };
        edit.into_iter().chain(deletion).map(value).collect()
    }
}

/// Whether a shown entity was deleted by somebody who did not know all that it holds.
fn was_deleted(entity: &Entity) -> bool {
    let existence = entity.live(ALIVE.field, None);
    entity.deletion().is_some() && !existence.is_empty() && existence.unlisted() == 0
}
