//! A task. Its project is that of its column; `created` and `completed` are derived unless an
//! import brought them.

use super::{Elements, Field, FieldSpec, FieldType, Kind};
use crate::limits;

/// One line that says what to do.
pub const TITLE: Field = Field(1);
/// The rest, in Markdown.
pub const DESCRIPTION: Field = Field(2);
/// The column it stands in.
pub const COLUMN: Field = Field(3);
/// Its place in the column.
pub const ORDER: Field = Field(4);
/// How pressing, as a place in [`PRIORITIES`].
pub const PRIORITY: Field = Field(5);
/// When work starts.
pub const START: Field = Field(6);
/// When it must be done.
pub const DUE: Field = Field(7);
/// Estimated minutes of work.
pub const ESTIMATE: Field = Field(8);
/// The task it is a part of.
pub const PARENT: Field = Field(9);
/// Put away, but not deleted.
pub const ARCHIVED: Field = Field(10);
/// A rule such as `FREQ=WEEKLY;BYDAY=MO` (RFC 5545), computed in the zone of the due date.
pub const RECURRENCE: Field = Field(11);
/// Who does it: people and contacts.
pub const ASSIGNEES: Field = Field(12);
/// Its labels.
pub const LABELS: Field = Field(13);
/// Tasks that cannot go on before this one is done.
pub const BLOCKS: Field = Field(14);
/// Tasks that have to do with it.
pub const RELATES: Field = Field(15);
/// Tasks that say the same.
pub const DUPLICATES: Field = Field(16);
/// Values of custom fields: the element is the custom field.
pub const CUSTOM: Field = Field(17);
/// When it was created where it was imported from.
pub const CREATED_AT: Field = Field(18);
/// Where it was imported from, for people to follow.
pub const SOURCE: Field = Field(19);
/// What people call it, such as `VELO-42`: given once, and kept wherever the task goes. Two devices
/// may give the same; whoever shows it sets the two apart.
pub const SHORT_ID: Field = Field(20);

/// From none to the most pressing.
pub const PRIORITIES: &[&str] = &["none", "low", "medium", "high", "urgent"];

pub(super) const FIELDS: &[FieldSpec] = &[
    FieldSpec::one(1, "title", FieldType::Line { max: limits::TITLE_CHARS, required: true }).conflicting(),
    FieldSpec::one(2, "description", FieldType::LongText),
    FieldSpec::one(3, "column", FieldType::Ref(Kind::Column)).conflicting(),
    FieldSpec::one(4, "order", FieldType::Order),
    FieldSpec::one(5, "priority", FieldType::Choice(PRIORITIES)).conflicting(),
    FieldSpec::one(6, "start", FieldType::Date).conflicting(),
    FieldSpec::one(7, "due", FieldType::Date).conflicting(),
    FieldSpec::one(8, "estimate", FieldType::Int { min: 0, max: 10_000_000 }).conflicting(),
    FieldSpec::one(9, "parent", FieldType::Ref(Kind::Task)).conflicting(),
    FieldSpec::one(10, "archived", FieldType::Bool),
    FieldSpec::one(11, "recurrence", FieldType::Line { max: limits::NAME_CHARS, required: false }),
    FieldSpec::set(12, "assignees", Elements::Who),
    FieldSpec::set(13, "labels", Elements::Of(Kind::Label)),
    FieldSpec::set(14, "blocks", Elements::Of(Kind::Task)),
    FieldSpec::set(15, "relates", Elements::Of(Kind::Task)),
    FieldSpec::set(16, "duplicates", Elements::Of(Kind::Task)),
    FieldSpec { elements: Elements::Of(Kind::CustomField), ..FieldSpec::one(17, "custom", FieldType::Any) }
        .conflicting(),
    FieldSpec::one(18, "created_at", FieldType::Date),
    FieldSpec::one(19, "source", FieldType::Line { max: limits::TITLE_CHARS, required: false }),
    FieldSpec::one(20, "short_id", FieldType::Line { max: limits::NAME_CHARS, required: false }),
];
