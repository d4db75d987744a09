//! The state that a command wants: the workspace, and over it what the changes so far set.

use super::siblings::{Container, Place, Siblings};
use crate::{
    id::{EntityId, OpId, PersonId},
    limits,
    model::{self, ALIVE, Containment, EntityKey, Field, FieldType, Kind, Slot},
    op::{Group, Op},
    register::Lives,
    text::{Splice, TextEdit},
    value::Value,
    workspace::Workspace,
};
use std::collections::{BTreeMap, BTreeSet};

/// What an operation may take of a body besides its value: room for its slot and the frame.
const AROUND_NAMES: usize = 512;
/// What one name takes at most: eight bytes and a three-byte index.
const NAME_BYTES: usize = 11;

/// Whether an entity is to be shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// Nothing was said about that.
    AsItIs,
    Shown,
    Hidden,
    /// It was made by these changes and deleted by them: it never was.
    Undone,
}

pub(super) struct Draft<'a> {
    workspace: &'a Workspace,
    /// Entities in the order in which they were first touched.
    order: Vec<EntityKey>,
    /// The same, by key.
    touched: BTreeMap<EntityKey, Wanted>,
    values: BTreeMap<(EntityKey, Slot), Value>,
    /// Edits of long texts, seen from an earlier state.
    edits: BTreeMap<(EntityKey, Field), TextEdit>,
    /// Of what was set over certain values only: those.
    seen: BTreeMap<(EntityKey, Slot), Vec<OpId>>,
    siblings: Siblings,
    members: Option<BTreeSet<PersonId>>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(workspace: &'a Workspace) -> Self {
        Self {
            workspace,
            order: Vec::new(),
            touched: BTreeMap::new(),
            values: BTreeMap::new(),
            edits: BTreeMap::new(),
            seen: BTreeMap::new(),
            siblings: Siblings::default(),
            members: None,
        }
    }

    pub(super) fn value(&self, key: EntityKey, slot: &Slot) -> Option<&Value> {
        match self.wanted(key, slot) {
            Some(value) => Some(value).filter(|value| **value != Value::Unset),
            None => self.workspace.value(key, slot),
        }
    }

    fn wanted(&self, key: EntityKey, slot: &Slot) -> Option<&Value> {
        if !self.touched.contains_key(&key) {
            return None;
        }
        self.values.get(&(key, slot.clone()))
    }

    pub(super) fn is_shown(&self, key: EntityKey) -> bool {
        // The workspace and the people are there before anybody has written about them.
        let always = key.kind == Kind::Profile || key == self.workspace_key();
        always
            || match self.touched.get(&key) {
                Some(Wanted::Shown) => true,
                Some(Wanted::Hidden | Wanted::Undone) => false,
                Some(Wanted::AsItIs) | None => self.workspace.is_shown(key),
            }
    }

    /// Whether anything was ever said of it, here or before.
    pub(super) fn is_known(&self, key: EntityKey) -> bool {
        let said = self.touched.get(&key).is_some_and(|wanted| *wanted != Wanted::Undone);
        self.is_shown(key) || said || self.workspace.has_values(key)
    }

    fn workspace_key(&self) -> EntityKey {
        EntityKey::new(Kind::Workspace, model::workspace::entity_of(self.workspace.id()))
    }

    /// How long a text is, and how long an edit makes it, in bytes.
    pub(super) fn lengths(&self, key: EntityKey, field: Field, edit: &TextEdit) -> (usize, usize) {
        self.workspace.text_lengths(key, field, edit)
    }

    pub(super) fn is_member(&mut self, person: PersonId) -> bool {
        let known = || self.workspace.members().into_iter().map(|member| member.person).collect();
        self.members.get_or_insert_with(known).contains(&person)
    }

    pub(super) fn parent_of(&self, task: EntityId) -> Option<EntityId> {
        let key = EntityKey::new(Kind::Task, task);
        match self.wanted(key, &model::task::PARENT.into()) {
            Some(value) => value.as_entity(),
            None => self.workspace.parent_of(task),
        }
    }

    pub(super) fn set(&mut self, key: EntityKey, slot: &Slot, value: Value) {
        self.touch(key);
        self.values.insert((key, slot.clone()), value);
        self.edits.remove(&(key, slot.field));
        self.seen.remove(&(key, slot.clone()));
        if key.kind.order() == Some(slot.field) || key.kind.containment(slot.field).is_some() {
            self.place_again(key);
        }
    }

    pub(super) fn edit(&mut self, key: EntityKey, field: Field, edit: TextEdit) {
        self.touch(key);
        self.edits.insert((key, field), edit);
    }

    /// Whether a text is written already by these changes.
    pub(super) fn writes(&self, key: EntityKey, field: Field) -> bool {
        self.wanted(key, &field.into()).is_some() || self.edits.contains_key(&(key, field))
    }

    /// What was just set leaves alone the values that are not among these.
    pub(super) fn limit_to(&mut self, key: EntityKey, slot: &Slot, seen: &[OpId]) {
        self.seen.insert((key, slot.clone()), seen.to_vec());
    }

    pub(super) fn show(&mut self, key: EntityKey) {
        self.touch(key);
        self.touched.insert(key, Wanted::Shown);
        self.place_again(key);
    }

    /// Takes back what was wanted of its fields: they stay as they were when it was deleted. What
    /// these changes made has no fields then, so it cannot be restored either.
    pub(super) fn hide(&mut self, key: EntityKey) {
        self.touch(key);
        let before = self.workspace.has_values(key);
        self.touched.insert(key, if before { Wanted::Hidden } else { Wanted::Undone });
        let slots: Vec<_> = self.wanted_of(key).map(|(slot, _)| slot.clone()).collect();
        for slot in slots {
            self.values.remove(&(key, slot));
        }
        self.edits.retain(|(of, _), _| *of != key);
        self.siblings.put(key, Vec::new());
    }

    fn touch(&mut self, key: EntityKey) {
        let order = &mut self.order;
        self.touched.entry(key).or_insert_with(|| {
            order.push(key);
            Wanted::AsItIs
        });
    }

    fn wanted_of(&self, key: EntityKey) -> impl Iterator<Item = (&Slot, &Value)> {
        let first = (key, Slot::from(ALIVE.field));
        self.values
            .range(first..)
            .take_while(move |((of, _), _)| *of == key)
            .map(|((_, slot), value)| (slot, value))
    }

    /// What survived in an entity that was deleted before.
    pub(super) fn survivors(&self, key: EntityKey) -> impl Iterator<Item = EntityKey> {
        self.workspace.survivors(key)
    }

    /// What stands directly in an entity, as far as it is shown.
    pub(super) fn contents(&mut self, key: EntityKey) -> Vec<EntityKey> {
        Container::inside(key)
            .flat_map(|container| {
                let places: Vec<_> = self
                    .list(container)
                    .iter()
                    .map(|place| EntityKey::new(container.kind, place.id))
                    .collect();
                places
            })
            .collect()
    }

    /// What stands in a container, in order.
    pub(super) fn list(&mut self, container: Container) -> &BTreeSet<Place> {
        if !self.siblings.is_loaded(container) {
            let members = self.visible(container);
            let places =
                members.into_iter().map(|id| self.place_of(EntityKey::new(container.kind, id))).collect();
            self.siblings.load(container, places);
        }
        self.siblings.list(container)
    }

    fn visible(&self, container: Container) -> Vec<EntityId> {
        match (container.parent(), container.kind) {
            (Some(parent), kind) => {
                let children = self.workspace.children(parent).into_iter();
                children.filter(|child| child.kind == kind).map(|child| child.id).collect()
            }
            (None, Kind::Task) => self.workspace.tasks_without_project(),
            (None, kind) => self.workspace.shown(kind).collect(),
        }
    }

    pub(super) fn place_of(&self, key: EntityKey) -> Place {
        let order = key.kind.order().and_then(|field| self.value(key, &field.into()));
        Place::new(order.and_then(Value::as_order).cloned(), key.id)
    }

    /// The containers an entity stands in, in the order of [`Kind::containments`]. Kinds that have a
    /// place but stand in no other entity have one list.
    pub(super) fn containers_of(&self, key: EntityKey) -> Vec<Container> {
        let list = |within, id| Container { kind: key.kind, within, id };
        let containments = key.kind.containments();
        if containments.is_empty() {
            return key.kind.order().map(|_| list(None, None)).into_iter().collect();
        }
        let all = containments
            .iter()
            .map(|containment| list(Some(*containment), self.container_id(key, &containment.field().into())));
        // There is no list of tasks without a parent.
        all.filter(|list| list.within != Some(Containment::Subtask) || list.id.is_some()).collect()
    }

    fn container_id(&self, key: EntityKey, slot: &Slot) -> Option<EntityId> {
        match self.wanted(key, slot) {
            Some(value) => value.as_entity(),
            // Where a task is shown may differ from what its fields say.
            None if key.kind == Kind::Task && slot.field == model::task::COLUMN => {
                self.workspace.column_of(key.id)
            }
            None if key.kind == Kind::Task => self.workspace.parent_of(key.id),
            None => self.workspace.value(key, slot).and_then(Value::as_entity),
        }
    }

    fn place_again(&mut self, key: EntityKey) {
        if !self.is_shown(key) {
            return;
        }
        let place = self.place_of(key);
        let places =
            self.containers_of(key).into_iter().map(|container| (container, place.clone())).collect();
        self.siblings.put(key, places);
    }

    /// The differences to the workspace, as operations.
    pub(super) fn finish(self) -> Vec<Group> {
        let groups = self.order.iter().map(|key| Group { key: *key, ops: self.ops(*key) });
        groups.filter(|group| !group.ops.is_empty()).collect()
    }

    fn ops(&self, key: EntityKey) -> Vec<Op> {
        let wanted = self.touched.get(&key);
        if matches!(wanted, Some(Wanted::Hidden | Wanted::Undone)) {
            return if self.workspace.is_shown(key) { deletion(self.workspace, key) } else { Vec::new() };
        }
        let mut ops = Vec::new();
        let alive = Slot::from(ALIVE.field);
        let live = self.workspace.live(key, &alive);
        if wanted == Some(&Wanted::Shown) && live.iter().all(|value| value.listed) {
            ops.extend(replacing(&alive, &Value::Bool(true), ops_of(live)));
        }
        for (slot, value) in self.wanted_of(key) {
            if is_long_text(key.kind, slot.field) {
                let new = value.as_text().unwrap_or_default();
                ops.extend(self.text_ops(
                    key,
                    slot.field,
                    self.workspace.text_version(key, slot.field).edit(new),
                ));
                continue;
            }
            let live = self.workspace.live(key, slot);
            if !says_already(key.kind, slot, value, live) {
                let seen = self.seen.get(&(key, slot.clone()));
                let mut names = ops_of(live);
                names.retain(|name| seen.is_none_or(|seen| seen.contains(name)));
                ops.extend(replacing(slot, value, names));
            }
        }
        let edits = self.edits.range((key, Field(0))..).take_while(|((of, _), _)| *of == key);
        for ((_, field), edit) in edits {
            ops.extend(self.text_ops(key, *field, edit.clone()));
        }
        ops
    }

    /// An edit as operations, each of which fits into an entry.
    fn text_ops(&self, key: EntityKey, field: Field, edit: TextEdit) -> Vec<Op> {
        edits_over(field, edit, &ops_of(self.workspace.live(key, &field.into())))
    }
}

/// The deletions that list every live value of an entity.
pub(super) fn deletion(workspace: &Workspace, key: EntityKey) -> Vec<Op> {
    let names = workspace.live_ops(key);
    names.chunks(limits::NAMES_PER_OP).map(|lists| Op::Delete { lists: lists.to_vec() }).collect()
}

fn says_already(kind: Kind, slot: &Slot, value: &Value, live: Lives<'_>) -> bool {
    let absent = |value: &Value| {
        let is_element =
            slot.element.is_some() && kind.field(slot.field).is_some_and(|spec| spec.ty == FieldType::Bool);
        *value == Value::Unset || is_element && *value == Value::Bool(false)
    };
    live.iter().all(|now| now.value == *value || absent(&now.value) && absent(value))
        && (absent(value) || !live.is_empty())
}

/// An edit of a long text as operations, each of which fits into an entry. Those of `heads` that find no
/// room beside it stay live, which harms nothing.
pub(crate) fn edits_over(field: Field, edit: TextEdit, heads: &[OpId]) -> Vec<Op> {
    let op = |splices: Vec<Splice>| {
        let bytes: usize = splices.iter().map(Splice::bytes).sum();
        let room = limits::BODY.saturating_sub(AROUND_NAMES + bytes);
        let names = heads.len().min(limits::NAMES_PER_OP).min(room / NAME_BYTES);
        Op::Edit { field, splices, replaces: heads[..names].to_vec() }
    };
    edit.into_parts().into_iter().map(op).collect()
}

fn is_long_text(kind: Kind, field: Field) -> bool {
    kind.field(field).is_some_and(|spec| spec.ty == FieldType::LongText)
}

fn ops_of(live: Lives<'_>) -> Vec<OpId> {
    live.iter().map(|value| value.op).collect()
}

/// A value that replaces these: one operation, or several where that is too many names.
fn replacing(slot: &Slot, value: &Value, names: Vec<OpId>) -> Vec<Op> {
    let set = |replaces| Op::Set { slot: slot.clone(), value: value.clone(), replaces };
    let room = limits::BODY - AROUND_NAMES - value.as_text().map_or(0, str::len);
    if names.is_empty() {
        return vec![set(names)];
    }
    names.chunks(limits::NAMES_PER_OP.min(room / NAME_BYTES)).map(|part| set(part.to_vec())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{codec, text::Splice};

    #[test]
    fn an_edit_fits_into_an_entry_however_much_it_names_and_inserts() {
        let heads: Vec<OpId> = (0..2_000).map(|entry| OpId { entry, index: 300 }).collect();
        let first = Splice::First { text: "x".repeat(limits::LONG_TEXT_BYTES).into() };
        let erase = |offset| {
            let from = crate::text::ElementId { op: OpId { entry: 1, index: 300 }, offset };
            Splice::Erase { from, count: 70_000 }
        };
        for splices in [vec![first], (0..5_000).map(erase).collect()] {
            let ops = edits_over(model::task::DESCRIPTION, TextEdit { splices }, &heads);
            for op in &ops {
                let bytes = codec::encode(op).len();
                assert!(bytes + AROUND_NAMES / 2 <= limits::PLAINTEXT, "{bytes}");
            }
        }
    }
}
