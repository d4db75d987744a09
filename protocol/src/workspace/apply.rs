//! From an entry to the state.

use super::{
    Applied, Chain, Workspace,
    entity::{self, Entity, Stamp},
    tree::Place,
};
use crate::{
    access::Why,
    id::OpId,
    log_set::{Body, Turn},
    model::{EntityKey, Kind},
    op::{self, DataBody, Group, Op, Scope, VoidReason},
    register::{Live, Rank},
    snapshot::PageNo,
    store::{ChainNo, EntryAt},
    value::Value,
};
use imbl::OrdMap;
use std::sync::Arc;

/// What all operations of an entry have in common.
#[derive(Clone, Copy)]
struct Source {
    /// Why none of them has an effect.
    void: Option<Why>,
    at: EntryAt,
    prefix: u64,
    hlc: crate::time::Hlc,
    scope: Scope,
    /// Whether they undo something.
    undo: bool,
}

impl Source {
    fn new(turn: &Turn<'_>, void: Option<Why>) -> Self {
        let scope = Scope::of(turn.header.kind, turn.origin.person);
        let (prefix, hlc) = (turn.id.prefix(), turn.header.hlc);
        Self { void, at: turn.at, prefix, hlc, scope, undo: false }
    }

    fn with(self, body: &DataBody) -> Self {
        Self { undo: body.reverts.is_some_and(|reverts| !reverts.redo), ..self }
    }

    fn op(&self, index: u16) -> OpId {
        OpId { entry: self.prefix, index }
    }

    fn check(&self, key: EntityKey, op: &Op) -> Result<(), VoidReason> {
        match self.void {
            Some(why) => Err(why.into()),
            None => self.scope.check(key, op),
        }
    }
}

impl Workspace {
    /// Applies an entry. The caller gives entries in causal order, each once; entries of any kind.
    /// What is `void` is kept, and has no effect but to pass on what it named.
    /// One that does not follow the last of its chain is not applied: with a hole the pages would
    /// claim entries that are not in them, and no restart would find those again.
    pub fn apply(&mut self, turn: &Turn<'_>, void: Option<Why>) -> Applied {
        let Turn { at, origin, header, .. } = *turn;
        if self.chains.get(&at.chain).is_some_and(|chain| at.position != chain.applied + 1) {
            return Applied::default();
        }
        self.revision += 1;
        self.layout.mark_meta();
        if let Some(chain) = self.chains.get_mut(&at.chain) {
            chain.applied = at.position;
        } else {
            self.chains.insert(at.chain, Chain { origin: *origin, applied: at.position });
        }
        let mut applied = Applied::default();
        match header.kind {
            kind if op::has_data_body(kind) => self.apply_contents(turn, void, &mut applied),
            kind if kind.is_known() || kind.is_control() => (),
            _ => {
                self.newer_entries += 1;
                applied.void.push((0, VoidReason::Newer));
            }
        }
        applied
    }

    fn apply_contents(&mut self, turn: &Turn<'_>, void: Option<Why>, applied: &mut Applied) {
        match turn.body {
            Body::Plain(body) => self.apply_body(Source::new(turn, void), body, applied),
            Body::Locked(_) => self.lock(turn.at),
            Body::Refused => applied.void.push((0, VoidReason::Sealed)),
        }
    }

    /// Applies an entry that was locked and can be read now: what it says joins as if it came late.
    pub fn unlock(&mut self, turn: &Turn<'_>, void: Option<Why>) -> Applied {
        let mut applied = Applied::default();
        self.revision += 1;
        self.layout.mark_meta();
        self.apply_contents(turn, void, &mut applied);
        applied
    }

    /// Takes the locked entries out, as ranges, to be given back with [`Self::unlock`].
    pub fn take_locked(&mut self) -> Vec<(EntryAt, u64)> {
        self.layout.mark_meta();
        std::mem::take(&mut self.locked).into_iter().collect()
    }

    /// Notes an entry that cannot be read for want of a key.
    pub(crate) fn lock(&mut self, at: EntryAt) {
        let before = self.locked.get_prev(&at).map(|(first, last)| (*first, *last));
        match before.filter(|(first, last)| first.chain == at.chain && last + 1 == at.position) {
            Some((first, _)) => self.locked.insert(first, at.position),
            None => self.locked.insert(at, at.position),
        };
    }

    fn apply_body(&mut self, source: Source, body: &[u8], applied: &mut Applied) {
        match DataBody::read(body) {
            Ok(body) => {
                let source = source.with(&body);
                let mut index = 0;
                for group in body.groups {
                    let count = group.ops.len();
                    self.apply_group(&source, index, group, applied);
                    index += count as u16;
                }
            }
            Err(reason) => applied.void.push((0, reason)),
        }
        applied.changed.sort_unstable();
        applied.changed.dedup();
        self.newer_entries += u64::from(applied.void.iter().any(|(_, reason)| *reason == VoidReason::Newer));
    }

    fn apply_group(&mut self, source: &Source, first: u16, group: Group, applied: &mut Applied) {
        let key = group.key;
        if matches!(key.kind, Kind::Unknown(_)) {
            let indexes = (first..).take(group.ops.len());
            applied.void.extend(indexes.map(|index| (index, VoidReason::Newer)));
            return;
        }
        self.short_ids.note(&group);
        let update = if let Some(entity) = self.entities.get_mut(&key) {
            Update::make(Arc::make_mut(entity), &self.chains, source, first, group, applied)
        } else {
            let mut entity = Entity::new(self.layout.place(key, &group));
            let update = Update::make(&mut entity, &self.chains, source, first, group, applied);
            self.entities.insert(key, Arc::new(entity));
            update
        };
        self.layout.mark(update.page);
        if update.effective {
            applied.changed.push(key);
            self.index(key, &update);
        }
    }

    /// Makes an entity anew from the entries that touched it, in the order in which they were applied,
    /// by the verdicts of now.
    pub fn rebuild<'a>(&mut self, key: EntityKey, turns: impl Iterator<Item = (Turn<'a>, Option<Why>)>) {
        let Some(old) = self.entities.get(&key) else { return };
        let (page, before) = (old.page, Place::of(key.kind, old));
        let mut entity = Entity::new(page);
        for (turn, void) in turns {
            let Some(Ok(body)) = turn.body.plain().map(DataBody::read) else { continue };
            let source = Source::new(&turn, void).with(&body);
            let mut first = 0;
            for group in body.groups {
                let count = group.ops.len() as u16;
                if group.key == key {
                    Update::make(&mut entity, &self.chains, &source, first, group, &mut Applied::default());
                }
                first += count;
            }
        }
        let after = Place::of(key.kind, &entity);
        self.revision += 1;
        self.layout.mark(page);
        self.entities.insert(key, Arc::new(entity));
        self.index(key, &Update { page, before, after, effective: true, may_conflict: true });
    }

    /// Brings the indexes in step with one changed entity.
    fn index(&mut self, key: EntityKey, update: &Update) {
        let Update { before, after, .. } = update;
        if before != after {
            if after.deleted {
                self.deleted.insert(key);
            } else if before.deleted {
                self.deleted.remove(&key);
            }
            for task in self.move_in_tree(key, before, after) {
                self.recount_conflicts(EntityKey::new(Kind::Task, task));
            }
            for container in [before, after].into_iter().filter_map(|place| place.container(key.kind)) {
                if self.deleted.contains(&container) {
                    self.recount_conflicts(container);
                }
            }
        }
        if update.may_conflict {
            self.recount_conflicts(key);
        }
    }
}

/// What operations of one group did to their entity.
struct Update {
    page: PageNo,
    before: Place,
    after: Place,
    /// Whether any operation was not void, or passed on what it named.
    effective: bool,
    /// Whether there may be conflicts, before or after.
    may_conflict: bool,
}

impl Update {
    fn make(
        entity: &mut Entity,
        chains: &OrdMap<ChainNo, Chain>,
        source: &Source,
        first: u16,
        group: Group,
        applied: &mut Applied,
    ) -> Self {
        let key = group.key;
        let (before, could_conflict) = (Place::of(key.kind, entity), entity.may_conflict());
        let mut effective = false;
        entity.touch(source.at);
        for (index, op) in (first..).zip(group.ops) {
            match source.check(key, &op) {
                Ok(()) => {
                    apply_op(entity, chains, source, source.op(index), key, op);
                    effective = true;
                }
                Err(reason) => {
                    if let Op::Edit { field, splices, .. } = &op
                        && source.scope.check(key, &op).is_ok()
                    {
                        // Others may have hung their text on it.
                        entity.edit_text((key, *field), source.op(index), splices, false);
                        effective = true;
                    }
                    effective |= entity.void(key.kind, source.op(index), op.names());
                    applied.void.push((index, reason));
                }
            }
        }
        let after = Place::of(key.kind, entity);
        let may_conflict = could_conflict || entity.may_conflict();
        Self { page: entity.page, before, after, effective, may_conflict }
    }
}

fn apply_op(
    entity: &mut Entity,
    chains: &OrdMap<ChainNo, Chain>,
    source: &Source,
    op_id: OpId,
    key: EntityKey,
    op: Op,
) {
    let origin = |chain| chains.get(&chain).map(|chain: &Chain| &chain.origin);
    let chain = source.at.chain;
    match op {
        Op::Set { slot, value, replaces } => {
            if entity::creates(&slot) {
                let person = |chain| origin(chain).map(|origin| origin.person);
                entity.note_created((source.hlc, chain), |a, b| person(a) < person(b));
            }
            let rank = Rank { kind: key.kind, field: slot.field, origin };
            let live = Live { op: op_id, hlc: source.hlc, chain, listed: false, value };
            entity.set(slot, live, (&replaces, source.undo), &rank);
        }
        Op::Edit { field, splices, replaces } => {
            let rank = Rank { kind: key.kind, field, origin };
            let live = Live { op: op_id, hlc: source.hlc, chain, listed: false, value: Value::Bool(true) };
            entity.set(field.into(), live, (&replaces, source.undo), &rank);
            entity.edit_text((key, field), op_id, &splices, true);
        }
        Op::Delete { lists } => {
            let order = |stamp: &Stamp| (stamp.hlc, stamp.op, origin(stamp.chain));
            let stamp = Stamp { op: op_id, hlc: source.hlc, chain };
            entity.delete(stamp, &lists, |a, b| order(a) > order(b));
        }
    }
}
