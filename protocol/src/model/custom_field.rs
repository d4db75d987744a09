//! A field that a team adds to its tasks.

use super::{Field, FieldSpec, FieldType, Kind};
use crate::limits;

/// Its name.
pub const NAME: Field = Field(1);
/// The project whose tasks have it; unset for all.
pub const PROJECT: Field = Field(2);
/// What it holds, as a place in [`TYPES`].
pub const TYPE: Field = Field(3);
/// Place among the fields.
pub const ORDER: Field = Field(4);

/// What a custom field can hold.
pub const TYPES: &[&str] = &["text", "number", "yes/no", "date"];

pub(super) const FIELDS: &[FieldSpec] = &[
    FieldSpec::one(1, "name", FieldType::Line { max: limits::NAME_CHARS, required: true }),
    FieldSpec::one(2, "project", FieldType::Ref(Kind::Project)),
    FieldSpec::one(3, "type", FieldType::Choice(TYPES)),
    FieldSpec::one(4, "order", FieldType::Order),
];
