//! Whose a value is that an undo gave back.
//!
//! One operation may replace several values at once: that settles a conflict. If it is undone, one
//! new operation for each value says it again, and people are to see the value's author, not who
//! undid. So what was settled is remembered: of each value stamp and author, as long as nothing
//! but the settling operation replaced it. Whether that is so follows from the set of operations
//! alone, whichever came first. Nobody can put words into somebody's mouth by this: a value is
//! another's only if that other said it in this very register.

use super::{Live, crowd};
use crate::{id::OpId, limits, store::ChainNo, time::Hlc, value::Value};
use imbl::OrdMap;
use serde::{Deserialize, Deserializer, Serialize};
use std::collections::BTreeMap;

/// A value that was replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Was {
    pub op: OpId,
    pub hlc: Hlc,
    pub chain: ChainNo,
    value: crowd::Digest,
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Settled {
    /// What each operation replaced, of those that replaced several values.
    #[serde(deserialize_with = "read_map")]
    by: OrdMap<OpId, Vec<OpId>>,
    /// What one of those named and nothing else did. There is one value of an operation, or none
    /// while it has not come, unless ids collide.
    #[serde(deserialize_with = "read_map")]
    ended: OrdMap<OpId, Vec<Was>>,
    /// What undos replaced, of those that are live or ended.
    #[serde(deserialize_with = "read_map")]
    undos: OrdMap<OpId, Vec<OpId>>,
}

impl Settled {
    /// `by` replaces several values, of which these were named by nothing before.
    pub fn settle(&mut self, by: OpId, names: &[OpId], ended: Vec<(OpId, Vec<Was>)>) {
        self.by.entry(by).or_default().extend_from_slice(names);
        self.ended.extend(ended);
    }

    pub fn has_ended(&self, op: OpId) -> bool {
        self.ended.contains_key(&op)
    }

    /// A value came after the operation that replaced it.
    pub fn came_late(&mut self, live: &Live) {
        if let Some(values) = self.ended.get_mut(&live.op) {
            values.push(Was::of(live));
        }
    }

    /// An undo that is live, or ended, replaced these.
    pub fn undo(&mut self, op: OpId, names: &[OpId]) {
        self.undos.entry(op).or_default().extend_from_slice(names);
    }

    /// A value was named: `again`, or by an operation that replaced nothing else.
    pub fn named(&mut self, op: OpId, again: bool) {
        if again {
            self.ended.remove(&op);
        }
        if !self.has_ended(op) {
            self.undos.remove(&op);
        }
    }

    /// The value that the value of an undo gives back. `rank` decides between several.
    pub fn origin<K: Ord>(&self, op: OpId, value: &Value, rank: impl Fn(&Was) -> K) -> Option<Was> {
        self.undos.get(&op)?;
        let value = crowd::digest(value);
        let before = |op: &OpId| {
            let settling = self.undos.get(op).into_iter().flatten();
            let ended = settling.filter_map(|by| self.by.get(by)).flatten();
            let same = ended.filter_map(|op| self.ended.get(op)).flatten().filter(|was| was.value == value);
            same.max_by_key(|was| rank(was)).copied()
        };
        // What it gives back may be that of an undo too, after a redo. Bounded like all of it.
        let steps = std::iter::successors(before(&op), |was| before(&was.op));
        steps.take(limits::SETTLED).last()
    }
}

impl Was {
    pub(super) fn of(live: &Live) -> Self {
        Self { op: live.op, hlc: live.hlc, chain: live.chain, value: crowd::digest(&live.value) }
    }
}

/// imbl's own reading makes room for as many as a damaged page claims.
pub(crate) fn read_map<'de, D, K, V>(deserializer: D) -> Result<OrdMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord + Clone,
    V: Deserialize<'de> + Clone,
{
    let read: BTreeMap<K, V> = Deserialize::deserialize(deserializer)?;
    Ok(read.into_iter().collect())
}
