//! The workspace itself: one entity, whose id is the first 16 bytes of the workspace's.

use super::{Element, Elements, Field, FieldSpec, FieldType};
use crate::{
    id::{EntityId, ParseIdError, PersonId, WorkspaceId},
    limits,
};
use std::{fmt, str::FromStr};

/// What the team calls it.
pub const NAME: Field = Field(1);
/// Whom to serve entries as relays: elements are texts, each a [`Relay`].
pub const RELAYS: Field = Field(2);

pub(super) const FIELDS: &[FieldSpec] = &[
    FieldSpec::one(1, "name", FieldType::Line { max: limits::NAME_CHARS, required: true }).conflicting(),
    FieldSpec::set(2, "relays", Elements::Texts),
];

/// A relay that carries the workspace: all devices under its root are served like those of a member, and
/// read nothing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Relay {
    /// Its root.
    pub root: PersonId,
    /// Where it is reached: a libp2p multiaddress.
    pub address: String,
}

impl Relay {
    /// What names it in [`RELAYS`].
    pub fn element(&self) -> Element {
        Element::Text(self.to_string().into())
    }
}

impl fmt::Display for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.root, self.address)
    }
}

impl FromStr for Relay {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let (root, address) = text.split_once(' ').unwrap_or((text, ""));
        Ok(Self { root: root.parse()?, address: address.to_owned() })
    }
}

/// The entity that holds the fields of `workspace`.
pub fn entity_of(workspace: WorkspaceId) -> EntityId {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&workspace.0[..16]);
    EntityId(bytes)
}
