//! What entries say: the bodies of control entries, and the domain operations of data entries.
//!
//! An operation states an intent and names what its author saw: `Set` the values it replaces,
//! `Delete` the values it hides. Peers that hold the same operations therefore show the same state,
//! whatever the order in which they came.

use crate::{
    codec::{self, CodecError},
    id::{EntityId, OpId, PersonId},
    limits,
    log::EntryKind,
    model::{self, EntityKey, Field, FieldType, Kind, SchemaError, Slot},
    text::Splice,
    value::Value,
};
use serde::{Deserialize, Serialize};

/// The version of bodies written by this program.
pub const BODY_VERSION: u8 = 1;

/// The body of a `Data` or `Profile` entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataBody {
    /// [`BODY_VERSION`].
    pub version: u8,
    /// The first entry of the transaction this one continues, as [`crate::id::EntryId::prefix`];
    /// `None` if it starts one. Only undo and history look at it.
    pub continues: Option<u64>,
    /// The transaction this one takes back or makes again.
    pub reverts: Option<Reverts>,
    /// Operations, by entity. [`OpId::index`] counts through all groups.
    pub groups: Vec<Group>,
}

/// What an undo or redo refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reverts {
    /// First entry of the transaction that was undone or redone, as a prefix.
    pub transaction: u64,
    /// Whether this makes it again rather than taking it back.
    pub redo: bool,
}

/// Operations on one entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// The entity.
    pub key: EntityKey,
    /// What happens to it.
    pub ops: Vec<Op>,
}

/// One operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// Gives a register a value.
    Set {
        /// Which register.
        slot: Slot,
        /// The value; [`Value::Unset`] empties it.
        value: Value,
        /// The live values its author saw, which it replaces.
        replaces: Vec<OpId>,
    },
    /// Hides the entity, as far as its author had seen it.
    Delete {
        /// The live values of the entity's registers that its author saw.
        lists: Vec<OpId>,
    },
    /// Changes a long text.
    Edit {
        /// Which.
        field: Field,
        /// What.
        splices: Vec<Splice>,
        /// The edits of it that its author saw and nobody had edited over yet. So an edit counts as a value
        /// of its field does, for deletions and conflicts with them, while the text itself is the sum of
        /// all edits.
        replaces: Vec<OpId>,
    },
}

impl Op {
    /// What the operation names.
    pub fn names(&self) -> &[OpId] {
        match self {
            Self::Set { replaces, .. } | Self::Edit { replaces, .. } => replaces,
            Self::Delete { lists } => lists,
        }
    }
}

impl Op {
    /// What the operation gives a field that had nothing.
    pub fn first_value(&self) -> Option<(Slot, Value)> {
        match self {
            Self::Set { slot, value, .. } => Some((slot.clone(), value.clone())),
            Self::Edit { field, splices, .. } => match &splices[..] {
                [Splice::First { text }] => Some(((*field).into(), Value::Text(text.clone()))),
                _ => None,
            },
            Self::Delete { .. } => None,
        }
    }
}

/// Why an operation or body has no effect on any peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum VoidReason {
    /// The bytes are not a body.
    #[error("{0}")]
    Body(#[from] CodecError),
    /// Made by a newer version.
    #[error("made with a newer version of Velo")]
    Newer,
    /// Over a bound.
    #[error("more than {0} {1} in one entry")]
    TooMany(usize, &'static str),
    /// Against the schema.
    #[error("{0}")]
    Schema(#[from] SchemaError),
    /// A certificate or signature inside the body is not valid.
    #[error("{0}")]
    Certificate(#[from] crate::crypto::CryptoError),
    /// Its author may not do this, or no longer.
    #[error("{0}")]
    Access(#[from] crate::access::Why),
    /// Not encrypted, or not for its place under its key: the same on every device that has the key.
    #[error("it cannot be decrypted: it was damaged, or made wrongly")]
    Sealed,
    /// An edit without parts.
    #[error("it changes nothing")]
    Nothing,
    /// A `Profile` entry about something else, or a `Data` entry about a profile.
    #[error("only a person can write their own profile")]
    NotOwnProfile,
}

impl DataBody {
    /// A body with these operations, starting a transaction of its own.
    pub fn new(groups: Vec<Group>) -> Self {
        Self { version: BODY_VERSION, continues: None, reverts: None, groups }
    }

    /// Every operation with its index and entity.
    pub fn ops(&self) -> impl Iterator<Item = (u16, EntityKey, &Op)> {
        let flat = self.groups.iter().flat_map(|group| group.ops.iter().map(|op| (group.key, op)));
        flat.enumerate().map(|(index, (key, op))| (index as u16, key, op))
    }

    /// Reads a body as every receiver must: canonical, of a known version, within the bounds.
    pub fn read(bytes: &[u8]) -> Result<Self, VoidReason> {
        if bytes.first().is_some_and(|version| *version != BODY_VERSION) {
            return Err(VoidReason::Newer);
        }
        let body: Self = codec::decode_canonical(bytes)?;
        let count: usize = body.groups.iter().map(|group| group.ops.len()).sum();
        if count > limits::OPS_PER_ENTRY {
            return Err(VoidReason::TooMany(limits::OPS_PER_ENTRY, "operations"));
        }
        Ok(body)
    }
}

/// What an entry may write about, whatever its operations say: a `Profile` entry the profile of its
/// author alone, a `Data` entry anything but profiles.
#[derive(Debug, Clone, Copy)]
pub struct Scope {
    profile: Option<EntityId>,
}

impl Scope {
    /// That of an entry of this kind and author.
    pub fn of(kind: EntryKind, author: PersonId) -> Self {
        Self { profile: (kind == EntryKind::PROFILE).then(|| author.into()) }
    }

    /// Checks one operation as every receiver does.
    pub fn check(self, key: EntityKey, op: &Op) -> Result<(), VoidReason> {
        let fits = match self.profile {
            Some(own) => key == EntityKey::new(Kind::Profile, own),
            None => key.kind != Kind::Profile,
        };
        if fits { check(key, op) } else { Err(VoidReason::NotOwnProfile) }
    }
}

/// Checks one operation by its own bytes, as its author did: never against the current state.
pub fn check(key: EntityKey, op: &Op) -> Result<(), VoidReason> {
    if matches!(key.kind, Kind::Unknown(_)) {
        return Err(VoidReason::Newer);
    }
    if op.names().len() > limits::NAMES_PER_OP {
        return Err(VoidReason::TooMany(limits::NAMES_PER_OP, "names"));
    }
    match op {
        Op::Set { slot, value, .. } => check_set(key.kind, slot, value),
        Op::Edit { field, splices, .. } => check_edit(key.kind, *field, splices),
        Op::Delete { .. } => Ok(()),
    }
}

fn check_set(kind: Kind, slot: &Slot, value: &Value) -> Result<(), VoidReason> {
    match kind.field(slot.field) {
        Some(spec) if spec.ty == FieldType::LongText => Err(model::not_of(spec).into()),
        _ => Ok(model::check(kind, slot, value)?),
    }
}

fn check_edit(kind: Kind, field: Field, splices: &[Splice]) -> Result<(), VoidReason> {
    if splices.is_empty() {
        // It would be named by the next edit, and say nothing.
        return Err(VoidReason::Nothing);
    }
    if splices.len() > limits::SPLICES_PER_OP {
        return Err(VoidReason::TooMany(limits::SPLICES_PER_OP, "parts of an edit"));
    }
    // The whole operation is in an entry, whose size is bound.
    match kind.field(field) {
        Some(spec) if spec.ty == FieldType::LongText => Ok(()),
        Some(spec) => Err(model::not_of(spec).into()),
        None => Err(SchemaError::NoField { kind: kind.name(), field: field.0 }.into()),
    }
}

/// Whether entries of this kind carry a [`DataBody`].
pub const fn has_data_body(kind: EntryKind) -> bool {
    matches!(kind, EntryKind::DATA | EntryKind::PROFILE)
}
