//! Somebody without keys, such as a member of an imported board. A member can merge a contact into
//! a person: assignments and authorship then show as that person's.

use super::{Field, FieldSpec, FieldType};
use crate::limits;

/// The name shown.
pub const NAME: Field = Field(1);
/// The handle in the source, such as `@anna`.
pub const HANDLE: Field = Field(2);
/// The person this contact turned out to be.
pub const MERGED: Field = Field(3);

pub(super) const FIELDS: &[FieldSpec] = &[
    FieldSpec::one(1, "name", FieldType::Line { max: limits::NAME_CHARS, required: true }),
    FieldSpec::one(2, "handle", FieldType::Line { max: limits::NAME_CHARS, required: false }),
    FieldSpec::one(3, "merged", FieldType::Who),
];
