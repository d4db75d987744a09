//! The workspace itself: one entity, whose id is the first 16 bytes of the workspace's.

use super::{Elements, Field, FieldSpec, FieldType};
use crate::{
    id::{EntityId, WorkspaceId},
    limits,
};

/// What the team calls it.
pub const NAME: Field = Field(1);
/// Whom to serve entries as relays: elements are texts (root and address).
pub const RELAYS: Field = Field(2);

pub(super) const FIELDS: &[FieldSpec] = &[
    FieldSpec::one(1, "name", FieldType::Line { max: limits::NAME_CHARS, required: true }).conflicting(),
    FieldSpec::set(2, "relays", Elements::Texts),
];

/// The entity that holds the fields of `workspace`.
pub fn entity_of(workspace: WorkspaceId) -> EntityId {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&workspace.0[..16]);
    EntityId(bytes)
}
