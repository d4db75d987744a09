//! A file or link on a task. The content lives beside the log, in blobs: see [`crate::blob`].

use super::{Field, FieldSpec, FieldType, Kind};
use crate::{blob::Content, limits};

/// The task.
pub const TASK: Field = Field(1);
/// File name or title.
pub const NAME: Field = Field(2);
/// Media type, such as `image/jpeg`.
pub const MEDIA_TYPE: Field = Field(3);
/// Size in bytes.
pub const SIZE: Field = Field(4);
/// Where the content is found and how it is read, as [`Content`] writes itself. One field, so that
/// nobody can pair the content of one file with the key of another.
pub const CONTENT: Field = Field(5);
/// Where it lives, if it is a link.
pub const URL: Field = Field(6);

pub(super) const FIELDS: &[FieldSpec] = &[
    FieldSpec::one(1, "task", FieldType::Ref(Kind::Task)),
    FieldSpec::one(2, "name", FieldType::Line { max: limits::TITLE_CHARS, required: true }),
    FieldSpec::one(3, "media_type", FieldType::Line { max: limits::NAME_CHARS, required: false }),
    FieldSpec::one(4, "size", FieldType::Int { min: 0, max: i64::MAX }),
    FieldSpec::one(5, "content", FieldType::Line { max: Content::CHARS, required: false }),
    FieldSpec::one(6, "url", FieldType::Lines),
];
