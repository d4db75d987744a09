//! A comment on a task. Its author and date are those of its first operation, unless an import
//! brought others.

use super::{Elements, Field, FieldSpec, FieldType, Kind};

/// The task.
pub const TASK: Field = Field(1);
/// What it says, in Markdown.
pub const TEXT: Field = Field(2);
/// The author in the source of an import.
pub const AUTHOR: Field = Field(3);
/// The date in the source of an import.
pub const WRITTEN_AT: Field = Field(4);
/// Reactions: elements are one person's marks.
pub const REACTIONS: Field = Field(5);
/// The comment it answers.
pub const REPLY_TO: Field = Field(6);

pub(super) const FIELDS: &[FieldSpec] = &[
    FieldSpec::one(1, "task", FieldType::Ref(Kind::Task)),
    FieldSpec::one(2, "text", FieldType::LongText),
    FieldSpec::one(3, "author", FieldType::Who),
    FieldSpec::one(4, "written_at", FieldType::Date),
    FieldSpec::set(5, "reactions", Elements::Marks),
    FieldSpec::one(6, "reply_to", FieldType::Ref(Kind::Comment)),
];
