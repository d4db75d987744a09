//! Who did what, a row for each operation with an effect.
//!
//! What an operation did follows from the entry that it stands in, which never changes. Whether it has an
//! effect may change, when somebody turns out to have been removed: the state keeps the operations on each
//! entity that are void. So a changed entity tells what to do: rows of operations that are void now go, and
//! entries that touched it since are read ([`Plan`]). Where a verdict turned the other way, or the entity
//! belongs to another task now, its rows are made anew.

use crate::{
    limits,
    tables::{
        Fault,
        text::{clean, clipped},
    },
};
use std::collections::{BTreeMap, BTreeSet};
use velo_node::handle::{NodeHandle, StoredEntry};
use velo_protocol::{
    describe,
    id::{EntityId, OpId, WorkspaceId},
    model::{ALIVE, EntityKey, Field, FieldType, Kind, Slot, attachment, checklist_item, comment, task},
    op::{DataBody, Group, Op},
    store::EntryAt,
    value::{Element, Value},
    workspace::Workspace,
};

/// What the activity tells of.
const KINDS: [Kind; 7] = [
    Kind::Project,
    Kind::Column,
    Kind::Label,
    Kind::Task,
    Kind::ChecklistItem,
    Kind::Comment,
    Kind::Attachment,
];

/// A row of `mirror_activity`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ActivityRow {
    pub entry: i64,
    pub op: i32,
    pub kind: &'static str,
    pub entity_id: String,
    pub task_id: Option<String>,
    pub at: i64,
    pub person: String,
    pub device: String,
    pub action: &'static str,
    pub field: Option<&'static str>,
    pub value: Option<String>,
    pub column_id: Option<String>,
    pub reverts: Option<&'static str>,
}

/// What is to be done to the activity when entities changed.
#[derive(Debug, Default)]
pub(super) struct Plan {
    /// Entities whose rows are all to go.
    pub clear: Vec<EntityKey>,
    /// Operations whose rows are to go.
    pub void: Vec<(EntityKey, OpId)>,
    /// Entries to be read, in order, and for the rows of which entities.
    read: Vec<(EntryAt, EntityKey)>,
}

impl Plan {
    /// What brings the rows of one moment to those of another one.
    pub fn of(before: Option<&Workspace>, after: &Workspace, changed: &BTreeSet<EntityKey>) -> Self {
        let mut plan = Self::default();
        for key in changed.iter().filter(|key| KINDS.contains(&key.kind)) {
            plan.add(before, after, *key);
        }
        plan.read.sort_unstable();
        plan
    }

    fn add(&mut self, before: Option<&Workspace>, after: &Workspace, key: EntityKey) {
        let touched = after.touched(key).into_iter();
        let Some(before) = before else {
            self.read.extend(touched.map(|at| (at, key)));
            return;
        };
        let [was_void, is_void] = [before, after].map(|state| state.void_ops(key).collect::<BTreeSet<_>>());
        let known: BTreeSet<EntryAt> = before.touched(key).into_iter().collect();
        let counts_again = was_void.difference(&is_void).next().is_some();
        let moved = task_of(before, key) != task_of(after, key);
        if !known.is_empty() && (counts_again || moved) {
            self.clear.push(key);
            self.read.extend(touched.map(|at| (at, key)));
        } else {
            self.void.extend(is_void.difference(&was_void).map(|op| (key, *op)));
            self.read.extend(touched.filter(|at| !known.contains(at)).map(|at| (at, key)));
        }
    }

    /// Reads the entries of a workspace that the plan asks for, and gives their rows on, so many at a time.
    pub fn read(
        &self,
        node: &NodeHandle,
        state: &Workspace,
        mut take: impl FnMut(Vec<ActivityRow>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let (mut rows, mut reading) = (Vec::new(), Reading::default());
        let mut void = Void::default();
        for (at, key) in &self.read {
            let stored = reading.entry(node, state.id(), *at)?;
            rows.extend(rows_of(state, *key, stored, void.of(state, *key)));
            if rows.len() >= limits::TABLE_ROWS {
                take(std::mem::take(&mut rows))?;
            }
        }
        if rows.is_empty() { Ok(()) } else { take(rows) }
    }
}

/// The entries that were read last: those behind one are mostly asked for next.
#[derive(Debug, Default)]
struct Reading {
    first: Option<EntryAt>,
    entries: Vec<StoredEntry>,
}

impl Reading {
    fn entry(
        &mut self,
        node: &NodeHandle,
        workspace: WorkspaceId,
        at: EntryAt,
    ) -> Result<&StoredEntry, Fault> {
        if self.place(at).is_none() {
            self.entries = node.read_entries(workspace, at)?;
            self.first = Some(at);
        }
        self.place(at).and_then(|place| self.entries.get(place)).ok_or(Fault::Missing(at))
    }

    fn place(&self, at: EntryAt) -> Option<usize> {
        let first = self.first.filter(|first| first.chain == at.chain)?;
        let place = usize::try_from(at.position.checked_sub(first.position)?).ok()?;
        (place < self.entries.len()).then_some(place)
    }
}

/// The void operations of the entities that were asked for last: consecutive entries are about few.
#[derive(Debug, Default)]
struct Void(BTreeMap<EntityKey, BTreeSet<OpId>>);

impl Void {
    fn of(&mut self, state: &Workspace, key: EntityKey) -> &BTreeSet<OpId> {
        if self.0.len() >= limits::TABLE_ROWS {
            self.0.clear();
        }
        self.0.entry(key).or_insert_with(|| state.void_ops(key).collect())
    }
}

/// The task that an entity is or belongs to.
fn task_of(state: &Workspace, key: EntityKey) -> Option<EntityId> {
    let field = match key.kind {
        Kind::Task => return Some(key.id),
        Kind::Comment => comment::TASK,
        Kind::ChecklistItem => checklist_item::TASK,
        Kind::Attachment => attachment::TASK,
        _ => return None,
    };
    state.value(key, &field.into())?.as_entity()
}

/// What an entry did to one entity.
fn rows_of(
    state: &Workspace,
    key: EntityKey,
    stored: &StoredEntry,
    void: &BTreeSet<OpId>,
) -> Vec<ActivityRow> {
    let Some(Ok(body)) = stored.contents.plain().map(DataBody::read) else { return Vec::new() };
    let prefix = stored.entry.id.prefix();
    let row = |(index, deed): (u16, Deed)| ActivityRow {
        entry: prefix as i64,
        op: i32::from(index),
        kind: key.kind.name(),
        entity_id: key.id.to_string(),
        task_id: task_of(state, key).map(|task| task.to_string()),
        at: stored.entry.header.hlc.ms() as i64,
        person: stored.origin.person.to_string(),
        device: stored.origin.device.to_string(),
        action: deed.action,
        field: deed.field,
        value: deed.value,
        column_id: deed.column.map(|column| column.to_string()),
        reverts: body.reverts.map(|reverts| if reverts.redo { "redo" } else { "undo" }),
    };
    let mut first = 0;
    let mut rows = Vec::new();
    for group in &body.groups {
        if group.key == key {
            let counts = |index: &u16| !void.contains(&OpId { entry: prefix, index: *index });
            rows.extend(deeds(group, first).into_iter().filter(|(index, _)| counts(index)).map(row));
        }
        first += group.ops.len() as u16;
    }
    rows
}

/// What one operation did.
#[derive(Debug, Default)]
struct Deed {
    action: &'static str,
    field: Option<&'static str>,
    value: Option<String>,
    column: Option<EntityId>,
}

/// The deeds in a group, with the place of each in its entry. The first values of something new belong to its
/// making.
fn deeds(group: &Group, first: u16) -> Vec<(u16, Deed)> {
    let ops = || (first..).zip(&group.ops);
    let made = ops().find(|(_, op)| makes(op) == Some(true));
    if let Some((index, _)) = made {
        let column = group.ops.iter().find_map(|op| column_of(group.key.kind, op));
        return vec![(index, Deed { action: "created", column, ..Deed::default() })];
    }
    ops().filter_map(|(index, op)| Some((index, deed(group.key.kind, op)?))).collect()
}

/// Whether an operation makes its entity (`true`) or brings it back.
fn makes(op: &Op) -> Option<bool> {
    match op {
        Op::Set { slot, value, replaces } if slot.field == ALIVE.field && value.is_true() => {
            Some(replaces.is_empty())
        }
        _ => None,
    }
}

/// The column that an operation puts a task in.
fn column_of(kind: Kind, op: &Op) -> Option<EntityId> {
    match op {
        Op::Set { slot, value, .. } if kind == Kind::Task && slot.field == task::COLUMN => value.as_entity(),
        _ => None,
    }
}

fn deed(kind: Kind, op: &Op) -> Option<Deed> {
    if let Some(column) = column_of(kind, op) {
        return Some(Deed { action: "moved", column: Some(column), ..Deed::default() });
    }
    match op {
        Op::Delete { .. } => Some(Deed { action: "deleted", ..Deed::default() }),
        Op::Edit { field, .. } => {
            Some(Deed { action: "changed", field: field_name(kind, *field), ..Deed::default() })
        }
        Op::Set { slot, .. } if slot.field == ALIVE.field => {
            (makes(op) == Some(false)).then(|| Deed { action: "restored", ..Deed::default() })
        }
        Op::Set { slot, value, .. } => set(kind, slot, value),
    }
}

fn field_name(kind: Kind, field: Field) -> Option<&'static str> {
    kind.field(field).map(|spec| spec.name)
}

/// `None` for what nobody would tell: the place among siblings, and the short id that is given once.
fn set(kind: Kind, slot: &Slot, value: &Value) -> Option<Deed> {
    let spec = kind.field(slot.field)?;
    if spec.ty == FieldType::Order || (kind == Kind::Task && slot.field == task::SHORT_ID) {
        return None;
    }
    let field = Some(spec.name);
    match (&slot.element, value) {
        (Some(element), Value::Bool(is_in)) => {
            let action = if *is_in { "added" } else { "removed" };
            Some(Deed { action, field, value: Some(element_words(element)), column: None })
        }
        _ => Some(Deed { action: "changed", field, value: words(spec.ty, value), column: None }),
    }
}

fn element_words(element: &Element) -> String {
    match element {
        Element::Entity(id) => id.to_string(),
        Element::Person(person) => person.to_string(),
        Element::Mark(_, text) | Element::Text(text) => clean(text),
    }
}

/// A value in words that stay: what others are called may change, so they are named by id.
fn words(ty: FieldType, value: &Value) -> Option<String> {
    Some(match value {
        Value::Unset | Value::Order(_) => return None,
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Int(number) => match ty {
            FieldType::Choice(words) => {
                let word = usize::try_from(*number).ok().and_then(|place| words.get(place));
                word.map_or_else(|| number.to_string(), |word| (*word).to_owned())
            }
            _ => number.to_string(),
        },
        Value::Text(text) => clipped(text, limits::ACTIVITY_VALUE),
        Value::Entity(id) => id.to_string(),
        Value::Person(person) => person.to_string(),
        Value::Date(date) => describe::date(date),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use velo_protocol::model::Containment;

    #[test]
    fn what_belongs_to_a_task_is_told_with_it() {
        let told = |kind: Kind| KINDS.contains(&kind) && kind.contents().next().is_none();
        let of_tasks = Kind::Task.contents().map(Containment::kind).filter(|kind| told(*kind));
        let expected = [Kind::ChecklistItem, Kind::Comment, Kind::Attachment];
        assert_eq!(of_tasks.collect::<Vec<_>>(), expected);
    }
}
