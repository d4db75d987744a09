//! The operations of an undo or redo.

use super::{
    Journal, Span, Step,
    versions::{Cursor, Versions},
};
use crate::{
    change, describe,
    id::{DeviceId, OpId},
    limits,
    model::{self, ALIVE, EntityKey, Field, FieldType, Slot},
    op::{DataBody, Group, Op},
    register::{Live, Lives},
    store::{ChainNo, EntryAt},
    text::{Splice, TextEdit},
    value::Value,
    workspace::{Workspace, entity::Entity},
};
use std::collections::{BTreeMap, BTreeSet};

/// Reads the operations of that id, with their entities, from the log: one, or none if it is not
/// stored or not readable, or several if prefixes collide.
pub type Lookup<'a> = dyn Fn(OpId) -> Vec<(EntityKey, Op)> + 'a;

/// What an undo or redo writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reverted {
    /// The operations. Also without any, an entry must be written that says what it reverts.
    pub groups: Vec<Group>,
    /// What was left alone, and who changed it since: at most [`limits::KEPT_SENTENCES`], then one
    /// that counts the rest.
    pub kept: Vec<String>,
}

/// What one transaction did to one entity.
#[derive(Default)]
struct Work<'a> {
    /// What it listed, if it deleted the entity.
    lists: Option<BTreeSet<OpId>>,
    /// Whether it created or restored the entity.
    shows: bool,
    /// Whether it created it: nothing of it is older.
    creates: bool,
    /// Its fields, by register: each operation with what it replaced.
    sets: BTreeMap<&'a Slot, Vec<(OpId, &'a [OpId])>>,
    /// Its edits of long texts, by field.
    edits: BTreeMap<Field, Vec<(OpId, &'a [Splice])>>,
}

struct Reverter<'a> {
    workspace: &'a Workspace,
    turns: &'a BTreeMap<u64, bool>,
    lookup: &'a Lookup<'a>,
    redo: bool,
    /// Whose transaction it is.
    device: Option<DeviceId>,
    spans: &'a [Span],
    work: &'a BTreeMap<EntityKey, Work<'a>>,
    /// What should be hidden, but is not.
    staying: BTreeSet<EntityKey>,
    /// How many sentences there are, those that found no room included.
    sentences: usize,
    out: Reverted,
}

impl Journal {
    /// The operations that revert `entries`: the prefixes and bodies of all entries in the spans of
    /// `step`, in order.
    pub fn revert(
        &self,
        workspace: &Workspace,
        step: &Step,
        entries: &[(u64, DataBody)],
        lookup: &Lookup<'_>,
    ) -> Reverted {
        let (order, work) = by_entity(entries);
        let mut reverter = Reverter {
            workspace,
            turns: &self.turns,
            lookup,
            redo: step.reverts.redo,
            device: step
                .spans
                .first()
                .and_then(|span| workspace.author(span.chain))
                .map(|origin| origin.device),
            spans: &step.spans,
            work: &work,
            staying: BTreeSet::new(),
            sentences: 0,
            out: Reverted::default(),
        };
        // Contents come before what they stand in, which stays if they do.
        let (shown, others): (Vec<EntityKey>, _) = order.into_iter().partition(|key| reverter.shows(*key));
        for key in others.into_iter().chain(shown.into_iter().rev()) {
            reverter.entity(key);
        }
        reverter.finish()
    }
}

/// The operations by entity, and the entities in order of appearance.
fn by_entity(entries: &[(u64, DataBody)]) -> (Vec<EntityKey>, BTreeMap<EntityKey, Work<'_>>) {
    let mut order = Vec::new();
    let mut all: BTreeMap<EntityKey, Work<'_>> = BTreeMap::new();
    for (prefix, body) in entries {
        for (index, key, op) in body.ops() {
            let work = all.entry(key).or_insert_with(|| {
                order.push(key);
                Work::default()
            });
            let id = OpId { entry: *prefix, index };
            match op {
                Op::Delete { lists } => work.lists.get_or_insert_default().extend(lists),
                Op::Set { slot, replaces, .. } if slot.field == ALIVE.field => {
                    work.shows = true;
                    work.creates |= replaces.is_empty();
                }
                Op::Set { slot, replaces, .. } => work.sets.entry(slot).or_default().push((id, replaces)),
                Op::Edit { field, splices, .. } => work.edits.entry(*field).or_default().push((id, splices)),
            }
        }
    }
    (order, all)
}

impl<'a> Reverter<'a> {
    fn shows(&self, key: EntityKey) -> bool {
        self.work.get(&key).is_some_and(|work| work.shows)
    }

    fn entity(&mut self, key: EntityKey) {
        let Some(work) = self.work.get(&key) else { return };
        let ops = if let Some(lists) = &work.lists {
            self.undelete(key, lists)
        } else if work.shows {
            self.uncreate(key)
        } else if self.workspace.is_shown(key) {
            let sets = work.sets.iter().map(|(slot, sets)| self.unset(key, slot, sets));
            let mut ops: Vec<Op> = sets.flatten().collect();
            for (field, edits) in &work.edits {
                ops.extend(self.unedit(key, *field, edits));
            }
            ops
        } else {
            let what = describe::entity(self.workspace, key);
            self.keep(format!("{what} was deleted since"));
            Vec::new()
        };
        if !ops.is_empty() {
            self.out.groups.push(Group { key, ops });
        }
    }

    fn versions<'s>(&self, key: EntityKey, slot: &'s Slot) -> Versions<'s>
    where
        'a: 's,
    {
        Versions::new(key, slot, self.turns, self.lookup)
    }

    /// Brings back what the transaction deleted, unless somebody else worked on it since.
    fn undelete(&mut self, key: EntityKey, lists: &BTreeSet<OpId>) -> Vec<Op> {
        let alive = Slot::from(ALIVE.field);
        let existence = self.workspace.live(key, &alive);
        let mut ops = Vec::new();
        if self.workspace.is_shown(key) {
            // An edit that the deletion had not seen keeps it. While the deletion still stands beside
            // that edit it is a conflict, which ends with it, unless somebody else deleted it later.
            let stands = existence.unlisted() == 0 && existence.iter().any(|value| lists.contains(&value.op));
            let deletion = self.workspace.entity(key).and_then(Entity::deletion);
            let stands = stands && deletion.is_some_and(|deletion| self.is_own(deletion.chain));
            if stands {
                ops.push(revived(existence));
            }
            return ops;
        }
        for (slot, live) in self.workspace.registers(key) {
            let later = |value: &&Live| !lists.contains(&value.op);
            if let Some(other) = live.iter().filter(later).find(|value| !self.is_own(value.chain)) {
                let (who, what) = (self.author(other.chain), describe::entity(self.workspace, key));
                self.keep(format!("{what} stays deleted: {who} changed it, and it was deleted again"));
                return Vec::new();
            }
            let is_text = self.workspace.entity(key).is_some_and(|entity| entity.text(slot.field).is_some());
            if slot != alive && !is_text && live.iter().any(|value| later(&value)) {
                ops.extend(self.as_listed(key, &slot, live, lists));
            }
        }
        ops.insert(0, revived(existence));
        ops
    }

    /// Gives a register the values it had when a deletion listed them. They differ when oneself
    /// restored the entity and changed it, and took that back: what is hidden is left as it is.
    fn as_listed(&self, key: EntityKey, slot: &Slot, live: Lives<'_>, lists: &BTreeSet<OpId>) -> Vec<Op> {
        let versions = self.versions(key, slot);
        let mut values: BTreeSet<Value> =
            lists.iter().filter_map(|op| versions.read(*op)).map(|(value, _)| value).collect();
        if values.is_empty() {
            values.insert(Value::Unset);
        }
        if live.iter().map(|value| &value.value).collect::<BTreeSet<_>>() == values.iter().collect() {
            return Vec::new();
        }
        let replaces: Vec<OpId> = live.iter().map(|value| value.op).take(limits::NAMES_PER_OP).collect();
        let sets =
            values.into_iter().map(|value| Op::Set { slot: slot.clone(), value, replaces: replaces.clone() });
        sets.filter(|op| !is_forbidden(key, op)).collect()
    }

    /// Whether this device wrote a chain.
    fn is_own(&self, chain: ChainNo) -> bool {
        let author = self.workspace.author(chain);
        author.is_some_and(|origin| Some(origin.device) == self.device)
    }

    /// Hides what the transaction created or restored, unless somebody worked on it since.
    fn uncreate(&mut self, key: EntityKey) -> Vec<Op> {
        if !self.workspace.is_shown(key) {
            return Vec::new();
        }
        let what = || describe::entity(self.workspace, key);
        let is_new = self.work.get(&key).is_some_and(|work| work.creates);
        let mut children = self.workspace.children(key).into_iter();
        let reason = if let Some(chain) = self.touched_since(key).or_else(|| self.worked_on_since(key)) {
            format!("{} stays: {} changed it since; delete it instead", what(), self.author(chain))
        } else if let Some(child) = children.find(|child| self.holds(*child, is_new)) {
            let child = describe::entity(self.workspace, child);
            format!("{} stays: {child} stands in it; delete it instead", what())
        } else {
            let names = self.workspace.live_ops(key);
            let lists = names.chunks(limits::NAMES_PER_OP);
            return lists.map(|lists| Op::Delete { lists: lists.to_vec() }).collect();
        };
        self.staying.insert(key);
        self.keep(reason);
        Vec::new()
    }

    /// Who else set a value that no deletion has seen. What oneself set since was taken back before,
    /// or it would be what is undone now.
    fn touched_since(&self, key: EntityKey) -> Option<ChainNo> {
        let mut live = self.workspace.registers(key).flat_map(|(_, live)| live.iter());
        live.find(|value| !value.listed && !self.is_own(value.chain)).map(|value| value.chain)
    }

    /// Who else worked on it after the transaction, also where that is no longer to be seen in a value:
    /// words of theirs stand in a text that oneself edited after them, and a value of theirs that oneself
    /// replaced was given back in one's own name.
    fn worked_on_since(&self, key: EntityKey) -> Option<ChainNo> {
        let is_transaction = |at: &EntryAt| {
            let holds =
                |span: &Span| span.chain == at.chain && (span.first..=span.last).contains(&at.position);
            self.spans.iter().any(holds)
        };
        let touched = self.workspace.touched(key);
        let last = touched.iter().rposition(is_transaction)?;
        touched[last..].iter().find(|at| !self.is_own(at.chain)).map(|at| at.chain)
    }

    /// Whether anybody else ever worked on it.
    fn is_shared(&self, key: EntityKey) -> bool {
        self.workspace.touched(key).iter().any(|at| !self.is_own(at.chain))
    }

    /// Whether something that stands in a container keeps it from being hidden: what the same revert
    /// neither hides nor moves out, and somebody else worked on. What is only one's own stood there
    /// before, when the container was hidden too. `is_new`: the container was made by the transaction, so
    /// nobody worked on what stands in it before.
    fn holds(&self, key: EntityKey, is_new: bool) -> bool {
        let is_others = || self.touched_since(key).is_some() || is_new && self.is_shared(key);
        let Some(work) = self.work.get(&key) else { return is_others() };
        let moves = |slot: &Slot| {
            let live = self.workspace.live(key, slot);
            key.kind.containment(slot.field).is_some() && live.iter().all(|value| self.is_own(value.chain))
        };
        if work.shows {
            return self.staying.contains(&key);
        }
        !work.sets.keys().any(|slot| moves(slot)) && is_others()
    }

    /// Gives a register back what it held before the transaction.
    fn unset(&mut self, key: EntityKey, slot: &Slot, sets: &[(OpId, &[OpId])]) -> Vec<Op> {
        let (mut ops, mut before) = (Vec::new(), Vec::new());
        let versions = self.versions(key, slot);
        for (op, replaced) in sets {
            let wanted = versions.of(*op);
            let values = self.values_before(&versions, &wanted, replaced);
            let standing = self.standing(&versions, *op, &wanted);
            // The last written ranks highest, and what ranked highest was named first.
            for value in values.iter().rev().filter(|_| !standing.is_empty()) {
                add(&mut ops, slot, value, &standing, self.redo);
            }
            before.extend(values);
        }
        let forbidden = ops.iter().any(|op| is_forbidden(key, op));
        if ops.is_empty() || forbidden {
            self.keep_field(key, slot, &before, forbidden);
            return Vec::new();
        }
        ops
    }

    /// The values that the operation replaced. For a redo: that which the undo had replaced.
    fn values_before(&self, versions: &Versions<'_>, wanted: &Cursor, replaced: &[OpId]) -> Vec<Value> {
        let redone = wanted.above.last().map(std::slice::from_ref).unwrap_or_default();
        let ops = if self.redo { redone } else { replaced };
        let mut values: Vec<Value> = Vec::new();
        for (value, _) in ops.iter().filter_map(|op| versions.read(*op)) {
            if !values.contains(&value) {
                values.push(value);
            }
        }
        if values.is_empty() && !self.redo {
            values.push(Value::Unset);
        }
        values
    }

    /// The live operations that are, or stand for, the one to revert.
    fn standing(&self, versions: &Versions<'_>, op: OpId, wanted: &Cursor) -> Vec<OpId> {
        let stands = |live: &&Live| {
            live.op == op || {
                let cursor = versions.of(live.op);
                let same_above = cursor.above.last() == wanted.above.last();
                cursor.version == wanted.version && (same_above || !self.redo)
            }
        };
        let live = self.workspace.live(versions.key, versions.slot);
        live.iter().filter(stands).map(|value| value.op).collect()
    }

    /// Takes back of a long text what the transaction did, wherever others edited it since.
    fn unedit(&mut self, key: EntityKey, field: Field, edits: &[(OpId, &[Splice])]) -> Vec<Op> {
        let text = self.workspace.entity(key).and_then(|entity| entity.text(field));
        let Some(text) = text else { return Vec::new() };
        let place = (key, field);
        // What stands for an edit is what oneself did when taking it back or making it again.
        let own = |op: OpId| self.turns.contains_key(&op.entry);
        let reverts =
            edits.iter().rev().flat_map(|edit| text.revert(place, *edit, |op| op == edit.0 || own(op)));
        let splices: Vec<Splice> = reverts.collect();
        let heads = self.workspace.live(key, &field.into());
        if splices.is_empty() {
            let other = heads.first().filter(|head| !self.is_own(head.chain));
            if let Some(other) = other {
                let (who, what) = (self.author(other.chain), describe::short(self.workspace, key));
                let field = describe::field(key.kind, field);
                self.keep(format!("{who} changed the {field} of {what} since"));
            }
            return Vec::new();
        }
        let heads: Vec<OpId> = heads.iter().map(|head| head.op).collect();
        change::edits_over(field, TextEdit { splices }, &heads)
    }

    fn keep_field(&mut self, key: EntityKey, slot: &Slot, before: &[Value], forbidden: bool) {
        let what = describe::short(self.workspace, key);
        let field = describe::field(key.kind, slot.field);
        let live = self.workspace.live(key, slot);
        if forbidden {
            self.keep(format!("the {field} of {what} stays: it cannot be empty"));
            return;
        }
        let Some(shown) = live.first().filter(|_| !live.iter().all(|now| before.contains(&now.value))) else {
            return;
        };
        let who = self.author(shown.chain);
        let is_order = key.kind.field(slot.field).is_some_and(|spec| spec.ty == FieldType::Order);
        self.keep(match (is_order, &slot.element) {
            (true, _) => format!("{who} moved {what} since"),
            (false, None) => format!("{who} changed the {field} of {what} since"),
            (false, Some(_)) => {
                let element = describe::element(self.workspace, key.kind, slot);
                format!("{who} changed {element} among the {field} of {what} since")
            }
        });
    }

    fn author(&self, chain: ChainNo) -> String {
        describe::author(self.workspace, chain)
    }

    fn keep(&mut self, sentence: String) {
        self.sentences += 1;
        if self.out.kept.len() < limits::KEPT_SENTENCES {
            self.out.kept.push(sentence);
        }
    }

    fn finish(mut self) -> Reverted {
        let more = self.sentences - self.out.kept.len();
        if more > 0 {
            self.out.kept.push(format!("and {more} more"));
        }
        self.out
    }
}

/// What says anew that an entity is there, where a deletion listed these.
fn revived(existence: Lives<'_>) -> Op {
    let replaces = existence.iter().map(|value| value.op).take(limits::NAMES_PER_OP).collect();
    Op::Set { slot: ALIVE.field.into(), value: Value::Bool(true), replaces }
}

/// Adds what gives a register one value back. An undo writes one operation for each value that was
/// replaced; a redo joins again what an undo had parted.
fn add(ops: &mut Vec<Op>, slot: &Slot, value: &Value, standing: &[OpId], redo: bool) {
    let same = ops.iter_mut().find_map(|op| match op {
        Op::Set { value: other, replaces, .. } if redo && other == value => Some(replaces),
        _ => None,
    });
    match same {
        Some(names) => names.extend_from_slice(standing),
        None => ops.push(Op::Set { slot: slot.clone(), value: value.clone(), replaces: standing.to_vec() }),
    }
}

fn is_forbidden(key: EntityKey, op: &Op) -> bool {
    matches!(op, Op::Set { slot, value, .. } if model::check(key.kind, slot, value).is_err())
}
