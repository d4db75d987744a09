//! A task to copy from.

use super::{Field, FieldSpec, FieldType, Kind};
use crate::limits;

/// Its name.
pub const NAME: Field = Field(1);
/// The project it is for; unset for all.
pub const PROJECT: Field = Field(2);
/// The title of tasks made from it.
pub const TITLE: Field = Field(3);
/// Their description.
pub const DESCRIPTION: Field = Field(4);

pub(super) const FIELDS: &[FieldSpec] = &[
    FieldSpec::one(1, "name", FieldType::Line { max: limits::NAME_CHARS, required: true }),
    FieldSpec::one(2, "project", FieldType::Ref(Kind::Project)),
    FieldSpec::one(3, "title", FieldType::Line { max: limits::TITLE_CHARS, required: false }),
    FieldSpec::one(4, "description", FieldType::LongText),
];
