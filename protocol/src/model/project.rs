//! A project: columns, and through them tasks.

use super::{Field, FieldSpec, FieldType};
use crate::limits;

/// Its name.
pub const NAME: Field = Field(1);
/// What it is for, in Markdown.
pub const DESCRIPTION: Field = Field(2);
/// Place among the projects.
pub const ORDER: Field = Field(3);
/// Letters before the number in short ids, such as `VELO`.
pub const PREFIX: Field = Field(4);
/// Put away, but not deleted.
pub const ARCHIVED: Field = Field(5);
/// An accent, as a place in the app's palette.
pub const COLOR: Field = Field(6);

pub(super) const FIELDS: &[FieldSpec] = &[
    FieldSpec::one(1, "name", FieldType::Line { max: limits::NAME_CHARS, required: true }).conflicting(),
    FieldSpec::one(2, "description", FieldType::LongText),
    FieldSpec::one(3, "order", FieldType::Order),
    FieldSpec::one(4, "prefix", FieldType::Line { max: 12, required: false }),
    FieldSpec::one(5, "archived", FieldType::Bool),
    FieldSpec::one(6, "color", FieldType::Int { min: 0, max: 255 }),
];
