//! What an operation on a text says.

use crate::{
    codec,
    id::{EntryId, OpId},
    model::{EntityKey, Field},
};
use serde::{Deserialize, Serialize};

/// A character: the operation that inserted it, and its place among all that the operation inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ElementId {
    /// The operation.
    pub op: OpId,
    /// Counts Unicode scalar values from 0.
    pub offset: u32,
}

impl ElementId {
    /// So many characters further in the same operation.
    #[must_use]
    pub const fn plus(self, count: u32) -> Self {
        Self { op: self.op, offset: self.offset.saturating_add(count) }
    }
}

/// On which side of an element something hangs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Side {
    /// Right before it.
    Left,
    /// Right behind it.
    Right,
}

/// On what the first character of a run hangs. Every other one hangs on the right of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Anchor {
    /// `None`: the start of the text.
    pub element: Option<ElementId>,
    /// On which side.
    pub side: Side,
}

impl Anchor {
    /// The start of the text.
    pub const START: Self = Self { element: None, side: Side::Right };
}

/// A part of an operation on a text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Splice {
    /// The first text that its author saw in the field. Its elements are those of an operation that
    /// nobody wrote: see [`first_op`].
    First {
        /// What it says.
        text: Box<str>,
    },
    /// Characters, counted on from those that the operation inserted before.
    Insert {
        /// Where.
        anchor: Anchor,
        /// What.
        text: Box<str>,
    },
    /// Takes characters away that one operation inserted.
    Erase {
        /// The first.
        from: ElementId,
        /// How many.
        count: u32,
    },
    /// Takes all erasures of an operation back.
    Restore {
        /// Which.
        op: OpId,
    },
}

impl Splice {
    /// About how many bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::First { text } => text.len(),
            Self::Insert { text, .. } => text.len() + 24,
            Self::Erase { .. } | Self::Restore { .. } => 16,
        }
    }
}

/// The operation that the elements of a first text belong to: the same on every device.
pub(super) fn first_op(key: EntityKey, field: Field, text: &str) -> OpId {
    let mut hasher = blake3::Hasher::new_derive_key("velo 2026 first text");
    hasher.update(&codec::encode(&(key, field))).update(text.as_bytes());
    OpId { entry: EntryId(*hasher.finalize().as_bytes()).prefix(), index: u16::MAX }
}
