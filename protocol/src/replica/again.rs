//! Work that has no effect because its author was out: told to them, and posted again once they are
//! back.
//!
//! Whoever is removed learns of it only when a device of the workspace is met, and works on until then.
//! What they wrote stays in their log, void on every device. It is found through the verdicts on the
//! own log, in units of what the person did: an action is one, whatever it consists of; one that was
//! taken back is none.
//!
//! An entry that says that it makes such an action again ([`Reverts::redo`]) settles it, whether it
//! repeats its operations or, where the person let it go, has none. So the log alone tells what is
//! still to be offered.

use super::{Holding, Logs, Refusal, Replica, RequestId, reader_of};
use crate::{
    access::{Role, Why},
    change::{self, Change},
    id::{OpId, WorkspaceId},
    limits,
    log::EntryKind,
    log_set::EntryReader,
    model::{ALIVE, EntityKey, Field, Kind, Slot},
    op::{DataBody, Group, Op, Reverts},
    store::{ChainNo, EntryAt, LogReader},
    text::Splice,
    time::Now,
    value::Value,
    workspace::Workspace,
};
use std::collections::{BTreeMap, BTreeSet};

/// What is known of the own void work.
#[derive(Debug, Clone, Default)]
pub(super) struct VoidWork {
    /// Actions that an own entry says it makes again, as prefixes.
    settled: BTreeSet<u64>,
    /// Whether [`Workspace::void_work`] has to be found anew.
    ///
    /// [`Workspace::void_work`]: crate::workspace::Workspace::void_work
    is_old: bool,
}

impl VoidWork {
    /// Takes note of an own entry.
    pub fn note(&mut self, body: &DataBody) {
        if let Some(Reverts { transaction, redo: true }) = body.reverts {
            self.settled.insert(transaction);
            self.is_old = true;
        }
    }

    /// Verdicts, or what can be read, may be others now.
    pub fn look_again(&mut self) {
        self.is_old = true;
    }
}

/// One void action.
struct Action {
    /// Its first entry, as [`crate::id::EntryId::prefix`].
    id: u64,
    /// By entry, as [`crate::id::EntryId::prefix`].
    bodies: Vec<(u64, DataBody)>,
}

/// The actions among void entries, in the order in which they were done.
#[derive(Default)]
struct Actions {
    found: Vec<Action>,
    /// Those that were taken back, by the first entry of the undo.
    undone: Vec<(u64, Action)>,
    /// Those taken back and made again: no entry from after the author's return settles them by that.
    redone: BTreeSet<u64>,
    /// First entries of undos and redos among them.
    turns: BTreeSet<u64>,
}

impl Actions {
    fn note(&mut self, prefix: u64, body: DataBody) {
        match (body.continues, body.reverts) {
            (Some(first), _) if self.turns.contains(&first) => {}
            (Some(first), _) => match self.found.iter_mut().rev().find(|action| action.id == first) {
                Some(action) => action.bodies.push((prefix, body)),
                // Its beginning has an effect.
                None => self.begin(prefix, body),
            },
            (None, Some(Reverts { transaction, redo: false })) if self.take_back(transaction, prefix) => {}
            (None, Some(Reverts { transaction, redo: true })) if self.make_again(transaction, prefix) => {}
            _ => self.begin(prefix, body),
        }
    }

    fn begin(&mut self, id: u64, body: DataBody) {
        if !body.groups.is_empty() {
            self.found.push(Action { id, bodies: vec![(id, body)] });
        }
    }

    fn take_back(&mut self, id: u64, by: u64) -> bool {
        let place = self.found.iter().rposition(|action| action.id == id);
        place.is_some_and(|place| {
            let action = self.found.remove(place);
            self.undone.push((by, action));
            self.turns.insert(by)
        })
    }

    fn make_again(&mut self, id: u64, by: u64) -> bool {
        let place = self.undone.iter().rposition(|(_, action)| action.id == id);
        place.is_some_and(|place| {
            self.found.push(self.undone.remove(place).1);
            self.redone.insert(id);
            self.turns.insert(by)
        })
    }
}

impl Holding {
    /// Own chains with the positions, from and to, at which nothing has an effect for want of a role.
    fn void_places(&self) -> Vec<(ChainNo, u64, u64)> {
        let own = self.record.origin.device;
        let chains = self.logs.chains().filter(|(_, chain)| chain.origin.device == own);
        chains
            .flat_map(|(number, chain)| {
                let ranges = self.members.void_ranges(number, chain.applied);
                ranges.into_iter().map(move |(from, to)| (number, from, to))
            })
            .collect()
    }

    /// Whether an entry has no effect because its author was out.
    fn is_of_outsider(&self, at: EntryAt) -> bool {
        let why = self.members.why_void(at, &self.record.origin, EntryKind::DATA);
        matches!(why, Some(Why::Removed { .. } | Why::Left { .. } | Why::NoAuthority))
    }

    /// The own actions that have no effect because their author was out, and that no entry settles.
    fn void_actions(&self, reader: &dyn LogReader) -> Vec<Action> {
        let entries = EntryReader::new(&self.logs, reader);
        let mut actions = Actions::default();
        let places = self.void_places().into_iter();
        let places =
            places.flat_map(|(chain, from, to)| (from..=to).map(move |position| EntryAt { chain, position }));
        for at in places.take(limits::VOID_WORK) {
            let Some(ready) = entries.read(at) else { continue };
            if ready.entry().header.kind != EntryKind::DATA || !self.is_of_outsider(at) {
                continue;
            }
            let prefix = ready.entry().id.prefix();
            if let Some(Ok(body)) = self.contents(&ready).plain().map(DataBody::read) {
                actions.note(prefix, body);
            }
        }
        let Actions { mut found, redone, .. } = actions;
        found.retain(|action| !self.void.settled.contains(&action.id) || redone.contains(&action.id));
        found
    }

    /// What own entries settled, also long ago. Reads nothing where there is no void work.
    pub fn remember_settled(&mut self, reader: &dyn LogReader) {
        let mut from: BTreeMap<ChainNo, u64> = BTreeMap::new();
        for (chain, first, to) in self.void_places() {
            if (first..=to).any(|position| self.is_of_outsider(EntryAt { chain, position })) {
                from.entry(chain).or_insert(first);
            }
        }
        self.void.is_old = !from.is_empty();
        let Some(first) = from.keys().next().copied() else { return };
        let own = self.record.origin.device;
        let chains: Vec<(ChainNo, u64)> = self
            .logs
            .chains()
            .filter(|(number, chain)| chain.origin.device == own && *number >= first)
            .map(|(number, chain)| (number, chain.applied))
            .collect();
        let entries = EntryReader::new(&self.logs, reader);
        let mut settled = Vec::new();
        for (chain, applied) in chains {
            let start = from.get(&chain).copied().unwrap_or(1);
            for position in (start..=applied).take(limits::VOID_SCAN) {
                let Some(ready) = entries.read(EntryAt { chain, position }) else { continue };
                let body = self.contents(&ready).plain().and_then(|body| DataBody::read(body).ok());
                settled.extend(body.filter(|_| ready.entry().header.kind == EntryKind::DATA));
            }
        }
        for body in &settled {
            self.void.note(body);
        }
    }

    /// Shows how much void work there is. Whether that changed.
    pub fn refresh_void_work(&mut self, reader: &dyn LogReader) -> bool {
        if !std::mem::take(&mut self.void.is_old) {
            return false;
        }
        let count = self.void_actions(reader).len();
        std::mem::replace(&mut self.state.void_work, count) != count
    }
}

impl Replica {
    /// Posts void work again, or lets it go with `post` false.
    pub(super) fn post_again(
        &mut self,
        now: Now,
        request: RequestId,
        workspace: WorkspaceId,
        post: bool,
        logs: &dyn Logs,
    ) -> Result<(), Refusal> {
        let suffix = self.suffix();
        let holding = self.writable(workspace)?;
        holding.may(Role::Member)?;
        let mut actions = holding.void_actions(reader_of(logs, workspace));
        actions.truncate(limits::POSTED_AGAIN);
        if actions.is_empty() {
            return Err(Refusal::NothingTo("post again".to_owned()));
        }
        let changes = if post { changes_of(&holding.state, &actions) } else { Vec::new() };
        let (groups, unfit) = change::build_fitting(&holding.state, &changes, suffix);
        // The latest first: undo remembers so many actions, and knows this one by it.
        let names: Vec<u64> = actions.iter().rev().map(|action| action.id).collect();
        let mut kept: Vec<String> = unfit.iter().map(ToString::to_string).collect();
        let more = kept.len().saturating_sub(limits::KEPT_SENTENCES);
        kept.truncate(limits::KEPT_SENTENCES);
        if more > 0 {
            kept.push(format!("and {more} more"));
        }
        self.write_bodies(now, request, workspace, naming(groups, &names), kept, logs);
        Ok(())
    }
}

/// Bodies with these operations, which say of every action that they make it again.
fn naming(groups: Vec<Group>, names: &[u64]) -> Vec<DataBody> {
    let mut packed = change::pack(groups).into_iter();
    let count = packed.len().max(names.len());
    let body = |place: usize| {
        let transaction = *names.get(place).or(names.last())?;
        let reverts = Some(Reverts { transaction, redo: true });
        Some(DataBody { reverts, ..DataBody::new(packed.next().unwrap_or_default()) })
    };
    (0..count).filter_map(body).collect()
}

/// What the actions wanted, in order.
fn changes_of(state: &Workspace, actions: &[Action]) -> Vec<Change> {
    let texts = Texts::of(state, actions);
    let mut changes = Vec::new();
    for (number, action) in actions.iter().enumerate() {
        let mut order: Vec<EntityKey> = Vec::new();
        let mut work: BTreeMap<EntityKey, Vec<&Op>> = BTreeMap::new();
        for (_, key, op) in action.bodies.iter().flat_map(|(_, body)| body.ops()) {
            let ops = work.entry(key).or_insert_with(|| {
                order.push(key);
                Vec::new()
            });
            ops.push(op);
        }
        for key in order {
            changes.extend(wanted(key, &work[&key], texts.wanted(number, key)));
        }
    }
    changes
}

/// Long texts as they would be if all that was done to them had an effect. What was typed later hangs on
/// what was typed before, so each is wanted once: by the last action that edits it.
struct Texts<'a> {
    state: &'a Workspace,
    edits: BTreeMap<(EntityKey, Field), Edits<'a>>,
}

/// Edits of one text, by operation, and the number of the last action with one.
type Edits<'a> = (usize, Vec<(OpId, &'a [Splice])>);

impl<'a> Texts<'a> {
    fn of(state: &'a Workspace, actions: &'a [Action]) -> Self {
        let mut edits: BTreeMap<_, Edits<'a>> = BTreeMap::new();
        for (number, action) in actions.iter().enumerate() {
            for (entry, body) in &action.bodies {
                for (index, key, op) in body.ops() {
                    let Op::Edit { field, splices, .. } = op else { continue };
                    let (last, ops) = edits.entry((key, *field)).or_default();
                    *last = number;
                    ops.push((OpId { entry: *entry, index }, splices.as_slice()));
                }
            }
        }
        Self { state, edits }
    }

    fn wanted(&self, action: usize, key: EntityKey) -> Vec<Change> {
        let of_key = self.edits.range((key, Field(0))..).take_while(|((of, _), _)| *of == key);
        let last = of_key.filter(|(_, (last, _))| *last == action);
        let edit = |(place, (_, ops)): (&(EntityKey, Field), &Edits<'a>)| {
            let text = self.state.entity(key)?.text(place.1)?;
            let wanted = text.value_with(*place, ops);
            let edit = text.edit(*place, wanted.as_text().unwrap_or_default());
            Some(Change::Edit { key, field: place.1, edit })
        };
        last.filter_map(edit).collect()
    }
}

/// What the operations of one action on one entity wanted. What may be missing is set by itself: if it
/// no longer fits, the rest does.
fn wanted(key: EntityKey, ops: &[&Op], texts: Vec<Change>) -> Vec<Change> {
    let alive = |slot: &Slot| slot.field == ALIVE.field;
    let set = |op: &&Op| match op {
        Op::Set { slot, value, .. } => Some((slot.clone(), value.clone())),
        Op::Edit { .. } | Op::Delete { .. } => None,
    };
    let sets: Vec<(Slot, Value)> = ops.iter().filter_map(set).collect();
    let made = sets.iter().any(|(slot, value)| alive(slot) && value.is_true());
    let deleted = ops.iter().any(|op| matches!(op, Op::Delete { .. }));
    let (needed, others): (Vec<_>, Vec<_>) = sets
        .into_iter()
        .filter(|(slot, _)| !alive(slot))
        .partition(|(slot, _)| made && is_needed(key.kind, slot));
    let create = made.then_some(Change::Create { key, fields: needed });
    let set = |(slot, value)| Change::Set { key, slot, value };
    let delete = deleted.then_some(Change::Delete { key });
    create.into_iter().chain(others.into_iter().map(set)).chain(texts).chain(delete).collect()
}

/// Whether nothing of a kind can be made without this field.
fn is_needed(kind: Kind, slot: &Slot) -> bool {
    use crate::model::FieldType;
    let holds = kind != Kind::Task && kind.containment(slot.field).is_some();
    let required = |spec: &crate::model::FieldSpec| matches!(spec.ty, FieldType::Line { required: true, .. });
    holds || kind.field(slot.field).is_some_and(required)
}
