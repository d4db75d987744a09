//! A line of a task's checklist: something too small to be a subtask.

use super::{Field, FieldSpec, FieldType, Kind};
use crate::limits;

/// What to do.
pub const TITLE: Field = Field(1);
/// The task it belongs to.
pub const TASK: Field = Field(2);
/// Place in the list.
pub const ORDER: Field = Field(3);
/// Ticked off.
pub const DONE: Field = Field(4);
/// The heading it stands under, for tasks with several checklists.
pub const LIST: Field = Field(5);

pub(super) const FIELDS: &[FieldSpec] = &[
    FieldSpec::one(1, "title", FieldType::Line { max: limits::TITLE_CHARS, required: true }).conflicting(),
    FieldSpec::one(2, "task", FieldType::Ref(Kind::Task)),
    FieldSpec::one(3, "order", FieldType::Order),
    FieldSpec::one(4, "done", FieldType::Bool),
    FieldSpec::one(5, "list", FieldType::Line { max: limits::NAME_CHARS, required: false }),
];
