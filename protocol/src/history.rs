//! Who changed what, when: the log read through the index entity → entries.
//!
//! Nothing is stored for it. [`history`] reads the entries that touched an entity and pairs each
//! value with those it replaced. Every earlier value can be restored with a
//! [`Change::Set`](crate::change::Change::Set) of [`Happened::Set::to`]; of an edit of a long text
//! it is told what came and went ([`Edit`]), not what the whole text said.

mod deleted;
mod excerpt;
mod sentence;

pub use deleted::with_contents;
pub use excerpt::{Edit, Place};
pub use sentence::{created, describe};

use excerpt::Edits;

use crate::{
    id::{DeviceId, OpId, PersonId},
    log::{Header, Origin},
    model::{ALIVE, EntityKey, Field, Slot},
    op::{DataBody, Op, Scope, VoidReason},
    store::EntryAt,
    time::Hlc,
    value::Value,
    workspace::Workspace,
};
use std::collections::BTreeMap;

/// One entry as the log holds it.
#[derive(Debug, Clone)]
pub struct LoggedEntry {
    /// [`crate::id::EntryId::prefix`] of its id.
    pub prefix: u64,
    /// Whose log it stands in.
    pub origin: Origin,
    /// Its header.
    pub header: Header,
    /// Its body, readable.
    pub body: Vec<u8>,
}

/// Reads one entry from the log; `None` if it is not stored there any more.
pub type ReadEntry<'a> = dyn Fn(EntryAt) -> Option<LoggedEntry> + 'a;

/// One thing that happened to an entity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryItem {
    /// The operation.
    pub op: OpId,
    /// Where it stands.
    pub at: EntryAt,
    /// Who.
    pub person: PersonId,
    /// On which device.
    pub device: DeviceId,
    /// When, by that device's clock.
    pub hlc: Hlc,
    /// Whether this was an undo (`false`) or redo (`true`).
    pub reverts: Option<bool>,
    /// What.
    pub happened: Happened,
}

/// What an operation did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happened {
    /// Made it, with these first values.
    Created {
        /// Each with the operation that set it.
        fields: Vec<(OpId, Slot, Value)>,
    },
    /// Gave a register a value.
    Set {
        /// Which register.
        slot: Slot,
        /// What it replaced: nothing for a first value, several values where it ended a conflict.
        from: Vec<Value>,
        /// The value.
        to: Value,
    },
    /// Edited a long text. What all of it said then is not kept: that would be the whole text for each edit.
    Edited {
        /// Which.
        field: Field,
        /// What it said, if it was the first text there.
        first: Option<Value>,
        /// What came and went.
        edit: Edit,
    },
    /// Deleted it, as far as its author had seen it.
    Deleted,
    /// Brought it back.
    Restored,
    /// Had no effect.
    Void {
        /// Why.
        reason: VoidReason,
    },
}

/// Everything that happened to an entity, oldest first.
pub fn history(workspace: &Workspace, key: EntityKey, read: &ReadEntry<'_>) -> Vec<HistoryItem> {
    let mut story = Story { key, values: BTreeMap::new(), edits: Edits::default(), items: Vec::new() };
    for at in workspace.touched(key) {
        if let Some(entry) = read(at) {
            story.entry(at, &entry);
        }
    }
    story.tell_edits();
    // Application is causal, but concurrent entries come in another order on each device.
    story.items.sort_by_key(|item| (item.hlc, item.op));
    story.items
}

struct Story {
    key: EntityKey,
    values: BTreeMap<OpId, Value>,
    edits: Edits,
    items: Vec<HistoryItem>,
}

impl Story {
    fn entry(&mut self, at: EntryAt, entry: &LoggedEntry) {
        let item = |index, reverts, happened| HistoryItem {
            op: OpId { entry: entry.prefix, index },
            at,
            person: entry.origin.person,
            device: entry.origin.device,
            hlc: entry.header.hlc,
            reverts,
            happened,
        };
        let body = match DataBody::read(&entry.body) {
            Ok(body) => body,
            Err(reason) => return self.items.push(item(0, None, Happened::Void { reason })),
        };
        let reverts = body.reverts.map(|reverts| reverts.redo);
        let scope = Scope::of(entry.header.kind, entry.origin.person);
        let first = self.items.len();
        let key = self.key;
        for (index, _, op) in body.ops().filter(|(_, of, _)| *of == key) {
            let id = OpId { entry: entry.prefix, index };
            let happened = match scope.check(key, op) {
                Err(reason) => Happened::Void { reason },
                Ok(()) => self.happened(id, op),
            };
            self.items.push(item(index, reverts, happened));
        }
        self.fold_creation(first);
    }

    fn tell_edits(&mut self) {
        let mut told = std::mem::take(&mut self.edits).tell(self.key);
        for item in &mut self.items {
            if let Happened::Edited { edit, .. } = &mut item.happened {
                *edit = told.remove(&item.op).unwrap_or_default();
            }
        }
    }

    fn happened(&mut self, id: OpId, op: &Op) -> Happened {
        let (slot, value, replaces) = match op {
            Op::Delete { .. } => return Happened::Deleted,
            Op::Edit { field, splices, .. } => {
                self.edits.push(id, *field, splices);
                let first = op.first_value().map(|(_, value)| value);
                // What it did is told once all are known.
                return Happened::Edited { field: *field, first, edit: Edit::default() };
            }
            Op::Set { slot, value, replaces } => (slot, value, replaces),
        };
        self.values.insert(id, value.clone());
        if slot.field == ALIVE.field {
            return if replaces.is_empty() {
                Happened::Created { fields: Vec::new() }
            } else {
                Happened::Restored
            };
        }
        let mut from: Vec<Value> = Vec::new();
        for was in replaces.iter().filter_map(|op| self.values.get(op)) {
            if !from.contains(was) {
                from.push(was.clone());
            }
        }
        Happened::Set { slot: slot.clone(), from, to: value.clone() }
    }

    /// First values set in the entry that made the entity belong to its making.
    fn fold_creation(&mut self, first: usize) {
        let made = |item: &HistoryItem| matches!(item.happened, Happened::Created { .. });
        if !self.items[first..].iter().any(made) {
            return;
        }
        let mut first_values = Vec::new();
        for item in self.items.split_off(first) {
            match item.happened {
                Happened::Set { slot, from, to } if from.is_empty() => first_values.push((item.op, slot, to)),
                Happened::Edited { field, first: Some(text), .. } => {
                    first_values.push((item.op, field.into(), text));
                }
                _ => self.items.push(item),
            }
        }
        let creation = self.items[first..].iter_mut().find_map(|item| match &mut item.happened {
            Happened::Created { fields } => Some(fields),
            _ => None,
        });
        if let Some(fields) = creation {
            *fields = first_values;
        }
    }
}
