//! Where people disagree.
//!
//! Conflicts are derived from live values, never stored: whoever holds the same entries sees the
//! same ones, and a resolution, which names all live values, ends them everywhere.
//!
//! What can be chosen is what the choice would show. Where a task stands depends on other entities:
//! of a column or parent, the value that holds is offered as the place where the task is shown, and
//! another only while its target is shown too. If all that is left says the same there is nothing
//! to decide, until the target is restored.

use super::{Workspace, entity::Entity};
use crate::{
    id::{EntityId, OpId, PersonId},
    limits,
    model::{ALIVE, Containment, EntityKey, Kind, Slot},
    register::{Live, Register},
    time::Hlc,
    value::Value,
};
use imbl::{OrdMap, OrdSet};
use std::collections::BTreeSet;

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
    /// Whether it is where the task is shown instead of where it was put: that was deleted, or would
    /// close a cycle.
    pub instead: bool,
}

/// A field with more than one concurrent value. Derived: whoever has the same entries sees the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// Of what.
    pub key: EntityKey,
    /// Which register; [`crate::model::ALIVE`] for "deleted while you edited it", whose values are
    /// the latest edit (`true`) and the deletion (`false`). The edit may be that of something inside
    /// it, which nobody sees now: then it is not shown itself. A task's parent with a single value
    /// stands for a cycle: the task is shown at top level instead. Of a task's column and parent,
    /// the first value is where it is shown, which differs from what was set if that was deleted.
    pub slot: Slot,
    /// The values; the first is shown, unless the entity is hidden.
    pub values: Vec<ConflictValue>,
    /// Whether the entity is deleted, and only something inside it survived.
    pub hidden: bool,
}

/// How many conflicts each entity has that has any.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counts {
    by_entity: OrdMap<EntityKey, usize>,
    total: usize,
    /// Entities whose conflicts depend on others too: they are counted when somebody asks.
    depending: OrdSet<EntityKey>,
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

    fn put_depending(&mut self, key: EntityKey, depends: bool) {
        if depends {
            self.depending.insert(key);
        } else if !self.depending.is_empty() {
            self.depending.remove(&key);
        }
    }

    fn keys(&self) -> BTreeSet<EntityKey> {
        self.by_entity.keys().chain(&self.depending).copied().collect()
    }
}

impl Workspace {
    /// Every conflict, by entity.
    pub fn conflicts(&self) -> Vec<Conflict> {
        self.conflicts.keys().into_iter().flat_map(|key| self.conflicts_of(key)).collect()
    }

    /// Conflicts of one entity.
    pub fn conflicts_of(&self, key: EntityKey) -> Vec<Conflict> {
        let Some(entity) = self.entity(key) else { return Vec::new() };
        let mut conflicts = Vec::new();
        if was_deleted(entity) || self.is_survived(key) {
            let values = self.edit_and_deletion(key, entity);
            conflicts.push(Conflict { key, slot: ALIVE.field.into(), values, hidden: !entity.is_shown() });
        }
        if !entity.is_shown() {
            return conflicts;
        }
        for register in entity.registers() {
            if self.is_conflict(key, register) {
                let values = match key.kind.containment(register.field()) {
                    Some(containment) => self.places(key.id, register, containment),
                    None => self.values_of(register),
                };
                conflicts.push(Conflict { key, slot: register.slot(), values, hidden: false });
            }
        }
        conflicts
    }

    /// How many conflicts there are.
    pub fn conflict_count(&self) -> usize {
        let depending = self.conflicts.depending.iter().map(|key| self.count_of(*key));
        self.conflicts.total + depending.sum::<usize>()
    }

    /// How many conflicts an entity has; without the values, which can be many.
    fn count_of(&self, key: EntityKey) -> usize {
        match self.entity(key) {
            Some(entity) if entity.is_shown() => {
                let open = entity.registers().filter(|register| self.is_conflict(key, register)).count();
                open + usize::from(was_deleted(entity))
            }
            Some(_) => usize::from(self.is_survived(key)),
            None => 0,
        }
    }

    /// Brings the count in step with one changed entity.
    pub(crate) fn recount_conflicts(&mut self, key: EntityKey) {
        let (depends, count) = match self.entity(key).filter(|entity| entity.is_shown()) {
            Some(entity) => {
                let count = entity.conflicts() + usize::from(was_deleted(entity));
                (self.is_cut(key) || has_places(key.kind, entity), count)
            }
            // What stands in a project may stand in any of its columns.
            None if key.kind == Kind::Project => (self.deleted.contains(&key), 0),
            None => (false, usize::from(self.is_survived(key))),
        };
        self.conflicts.put_depending(key, depends);
        self.conflicts.put(key, if depends { 0 } else { count });
    }

    /// Whether somebody worked in what another deleted, so that nobody sees it.
    fn is_survived(&self, key: EntityKey) -> bool {
        self.survivors(key).next().is_some()
    }

    fn is_conflict(&self, key: EntityKey, register: &Register) -> bool {
        let differs = register.tally(key.kind).conflicts > 0;
        let Some(containment) = key.kind.containment(register.field()) else { return differs };
        let cut = containment == Containment::Subtask && self.is_cut(key);
        if cut || !differs {
            return cut;
        }
        let now = self.shown_place(key.id, containment);
        let mut others = register.live().iter().skip(1);
        others.any(|live| live.value != now && self.can_stand(key.id, containment, &live.value))
    }

    fn values_of(&self, register: &Register) -> Vec<ConflictValue> {
        register.live().iter().map(|live| self.conflict_value(register, live)).collect()
    }

    /// What can be chosen among the places of a task that a register names.
    fn places(&self, task: EntityId, register: &Register, containment: Containment) -> Vec<ConflictValue> {
        let mut values = self.values_of(register);
        if let Some(holds) = values.first_mut() {
            // To choose what was deleted, or what closes a cycle, would be refused.
            let shown = self.shown_place(task, containment);
            holds.instead = shown != holds.value;
            holds.value = shown;
        }
        let mut rank = 0..;
        values.retain(|one| rank.next() == Some(0) || self.can_stand(task, containment, &one.value));
        values
    }

    /// Where a task is shown.
    fn shown_place(&self, task: EntityId, containment: Containment) -> Value {
        let place = match containment {
            Containment::Subtask => self.parent_of(task),
            _ => self.column_of(task),
        };
        place.map_or(Value::Unset, Value::Entity)
    }

    /// Whether a task that this value puts somewhere would be shown there.
    fn can_stand(&self, task: EntityId, containment: Containment, value: &Value) -> bool {
        value.as_entity().is_none_or(|id| match containment {
            Containment::Task => self.visible_column(id) == Some(id),
            _ => self.is_shown(containment.container(id)) && self.is_outside(task, id),
        })
    }

    /// Whether a task can become a part of another: not of its own parts, and not too deep.
    fn is_outside(&self, task: EntityId, parent: EntityId) -> bool {
        let above = std::iter::successors(Some(parent), |id| self.parent_of(*id));
        above.zip(0..).all(|(id, depth)| id != task && depth < limits::NESTING)
    }

    fn is_cut(&self, key: EntityKey) -> bool {
        key.kind == Kind::Task && self.tree.is_cut(key.id)
    }

    fn conflict_value(&self, register: &Register, live: &Live) -> ConflictValue {
        let origin = register.origin(live, |was| (was.hlc, was.op, self.person(was.chain)));
        let (chain, hlc) = origin.map_or((live.chain, live.hlc), |was| (was.chain, was.hlc));
        ConflictValue {
            op: live.op,
            value: live.value.clone(),
            author: self.person(chain),
            hlc,
            instead: false,
        }
    }

    fn edit_and_deletion(&self, key: EntityKey, entity: &Entity) -> Vec<ConflictValue> {
        let inside = self.survivors(key).filter_map(|key| self.entity(key));
        let lives = std::iter::once(entity).chain(inside).flat_map(Entity::lives);
        let edit =
            lives.filter(|live| !live.listed).max_by_key(|live| (live.hlc, live.op, self.person(live.chain)));
        let edit = edit.map(|live| (live.op, true, live.chain, live.hlc));
        let deletion = entity.deletion().map(|stamp| (stamp.op, false, stamp.chain, stamp.hlc));
        let value = |(op, alive, chain, hlc)| ConflictValue {
            op,
            value: Value::Bool(alive),
            author: self.person(chain),
            hlc,
            instead: false,
        };
        edit.into_iter().chain(deletion).map(value).collect()
    }
}

/// Whether an entity is shown that was deleted by somebody who did not know all that it holds.
fn was_deleted(entity: &Entity) -> bool {
    let existence = entity.live(ALIVE.field, None);
    entity.is_shown() && entity.deletion().is_some() && !existence.is_empty() && existence.unlisted() == 0
}

/// Whether live values name different places, of those that people are told about.
fn has_places(kind: Kind, entity: &Entity) -> bool {
    let fields = kind.containments().iter().map(|containment| containment.field());
    let mut told = fields.filter(|field| kind.field(*field).is_some_and(|spec| spec.conflicts));
    told.any(|field| entity.live(field, None).differ())
}
