//! A filter, grouping and sorting with a name.

use super::{Field, FieldSpec, FieldType, Kind};
use crate::limits;

/// Its name.
pub const NAME: Field = Field(1);
/// The project it looks at; unset for all.
pub const PROJECT: Field = Field(2);
/// The filter as text.
pub const QUERY: Field = Field(3);
/// Place among the views.
pub const ORDER: Field = Field(4);

pub(super) const FIELDS: &[FieldSpec] = &[
    FieldSpec::one(1, "name", FieldType::Line { max: limits::NAME_CHARS, required: true }),
    FieldSpec::one(2, "project", FieldType::Ref(Kind::Project)),
    FieldSpec::one(3, "query", FieldType::Lines),
    FieldSpec::one(4, "order", FieldType::Order),
];
