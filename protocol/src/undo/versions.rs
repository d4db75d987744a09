//! Which original operation an undo or redo stands for.
//!
//! Seen through one register, a person's own undos and redos are a cursor on the versions that the
//! original operations made: an undo of `B` goes down to what `B` had replaced, a redo goes up
//! again. [`Versions::of`] follows the names from an operation back to an original one and
//! replays the turns in between. Going down means following what the original had replaced, which
//! may again be an undo: each operation is followed once and its version remembered, or the work
//! would double with every edit that came after an undo.

use super::Lookup;
use crate::{
    id::OpId,
    limits,
    model::{EntityKey, Slot},
    op::Op,
    value::Value,
};
use std::{cell::RefCell, collections::BTreeMap};

/// Where the cursor stands after an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Cursor {
    /// The original operation whose value holds; `None` for the time before the first.
    pub version: Option<OpId>,
    /// What redo goes up to, the nearest last.
    pub above: Vec<OpId>,
}

/// Reads versions of one register, other than that of existence: that is taken back by deletions.
pub(super) struct Versions<'a> {
    pub key: EntityKey,
    pub slot: &'a Slot,
    turns: &'a BTreeMap<u64, bool>,
    lookup: &'a Lookup<'a>,
    /// The version of each operation that was followed on the way down.
    followed: RefCell<BTreeMap<OpId, Option<OpId>>>,
}

impl<'a> Versions<'a> {
    pub(super) fn new(
        key: EntityKey,
        slot: &'a Slot,
        turns: &'a BTreeMap<u64, bool>,
        lookup: &'a Lookup<'a>,
    ) -> Self {
        Self { key, slot, turns, lookup, followed: RefCell::default() }
    }

    pub(super) fn of(&self, op: OpId) -> Cursor {
        self.follow(op, 0)
    }

    /// What an operation set this register to, and which values it replaced.
    pub(super) fn read(&self, op: OpId) -> Option<(Value, Vec<OpId>)> {
        (self.lookup)(op).into_iter().find_map(|(key, op)| match op {
            Op::Set { slot, value, replaces } if key == self.key && slot == *self.slot => {
                Some((value, replaces))
            }
            _ => None,
        })
    }

    /// Past the depth of the journal nothing can be undone, so nothing needs to be recognised.
    fn follow(&self, op: OpId, depth: usize) -> Cursor {
        let original = |op| Cursor { version: Some(op), above: Vec::new() };
        let mut turns = Vec::new();
        let mut at = op;
        while let Some(redo) = self.turns.get(&at.entry) {
            let Some((value, replaces)) = self.read(at) else { return original(op) };
            turns.push((*redo, value));
            if depth + turns.len() > limits::UNDO_ENTRIES {
                return original(op);
            }
            match replaces.first() {
                Some(below) => at = *below,
                None => return original(op),
            }
        }
        let start = original(at);
        turns.into_iter().rev().fold(start, |cursor, (redo, value)| self.turn(cursor, redo, &value, depth))
    }

    fn turn(&self, mut cursor: Cursor, redo: bool, value: &Value, depth: usize) -> Cursor {
        if redo {
            cursor.version = cursor.above.pop().or(cursor.version);
            return cursor;
        }
        if let Some(version) = cursor.version {
            cursor.version = self.below(version, value, depth);
            cursor.above.push(version);
        }
        cursor
    }

    /// The version that says `value` among those that `version` replaced.
    fn below(&self, version: OpId, value: &Value, depth: usize) -> Option<OpId> {
        let (_, replaced) = self.read(version)?;
        let same = |op: &OpId| self.read(*op).is_some_and(|(was, _)| was == *value);
        let below = replaced.into_iter().find(same)?;
        if depth >= limits::UNDO_DEPTH { Some(below) } else { self.version(below, depth + 1) }
    }

    fn version(&self, op: OpId, depth: usize) -> Option<OpId> {
        if let Some(version) = self.followed.borrow().get(&op) {
            return *version;
        }
        let version = self.follow(op, depth).version;
        self.followed.borrow_mut().insert(op, version);
        version
    }
}
