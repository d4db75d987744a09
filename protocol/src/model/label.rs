//! A label, for tasks of any project.

use super::{Field, FieldSpec, FieldType};
use crate::limits;

/// Its name.
pub const NAME: Field = Field(1);
/// An accent, as a place in the app's palette.
pub const COLOR: Field = Field(2);

pub(super) const FIELDS: &[FieldSpec] = &[
    FieldSpec::one(1, "name", FieldType::Line { max: limits::NAME_CHARS, required: true }).conflicting(),
    FieldSpec::one(2, "color", FieldType::Int { min: 0, max: 255 }),
];
