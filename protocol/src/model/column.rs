//! A column of a board. *Status* is the screen's word for it.

use super::{Field, FieldSpec, FieldType, Kind};
use crate::limits;

/// Its name.
pub const NAME: Field = Field(1);
/// The project it belongs to.
pub const PROJECT: Field = Field(2);
/// Place among the project's columns.
pub const ORDER: Field = Field(3);
/// What its tasks are, as a place in [`CATEGORIES`].
pub const CATEGORY: Field = Field(4);
/// Most tasks it should hold.
pub const WIP_LIMIT: Field = Field(5);
/// Put away, but not deleted.
pub const ARCHIVED: Field = Field(6);

/// The stages of work.
pub const CATEGORIES: &[&str] = &["backlog", "todo", "doing", "done", "cancelled"];
/// Place of `done` in [`CATEGORIES`].
pub const DONE: i64 = 3;
/// Place of `cancelled` in [`CATEGORIES`].
pub const CANCELLED: i64 = 4;

pub(super) const FIELDS: &[FieldSpec] = &[
    FieldSpec::one(1, "name", FieldType::Line { max: limits::NAME_CHARS, required: true }).conflicting(),
    FieldSpec::one(2, "project", FieldType::Ref(Kind::Project)),
    FieldSpec::one(3, "order", FieldType::Order),
    FieldSpec::one(4, "category", FieldType::Choice(CATEGORIES)),
    FieldSpec::one(5, "wip_limit", FieldType::Int { min: 0, max: 100_000 }),
    FieldSpec::one(6, "archived", FieldType::Bool),
];
