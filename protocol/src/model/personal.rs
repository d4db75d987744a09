//! What a person keeps about something in one of their workspaces, for themselves alone. It stands in
//! their [private workspace](crate::private), under an id that follows from what it is about: two
//! devices that begin to keep something about the same task mean one and the same entity.

use super::{Elements, Field, FieldSpec, FieldType};
use crate::limits;

/// The workspace, as text.
pub const WORKSPACE: Field = Field(1);
/// The number of the kind of what it is about.
pub const KIND: Field = Field(2);
/// What it is about.
pub const ENTITY: Field = Field(3);
/// Of a workspace: its session secret, in hexadecimal.
pub const SECRET: Field = Field(4);
/// Of a workspace: where its peers may be reached, an address a line.
pub const ADDRESSES: Field = Field(5);
/// Whether it is a favourite.
pub const FAVOURITE: Field = Field(6);
/// Of a workspace: the stamp from which on comments count as new, since it was looked at first then.
pub const READ_TO: Field = Field(7);
/// Of a task: a comment that is not finished.
pub const DRAFT: Field = Field(8);
/// Of a task: its comments that were read. Not up to when: what was written offline comes late.
pub const READ: Field = Field(10);
/// Of a workspace that was taken off the list because the person is out: the entries that put them out, an id
/// a line in hexadecimal.
pub const OUT_BY: Field = Field(11);
/// Of a project: the name of the view it was last looked at in.
pub const VIEW: Field = Field(9);

pub(super) const FIELDS: &[FieldSpec] = &[
    FieldSpec::one(1, "workspace", FieldType::Line { max: limits::NAME_CHARS, required: true }),
    FieldSpec::one(2, "kind", FieldType::Int { min: 0, max: 255 }),
    FieldSpec::one(3, "entity", FieldType::Elsewhere),
    FieldSpec::one(4, "secret", FieldType::Line { max: limits::NAME_CHARS, required: false }),
    FieldSpec::one(5, "addresses", FieldType::Lines),
    FieldSpec::one(6, "favourite", FieldType::Bool),
    FieldSpec::one(7, "read_to", FieldType::Int { min: 0, max: i64::MAX }),
    FieldSpec::one(8, "draft", FieldType::LongText),
    FieldSpec::one(9, "view", FieldType::Line { max: limits::NAME_CHARS, required: false }),
    FieldSpec::set(10, "read", Elements::Elsewhere),
    FieldSpec::one(11, "out_by", FieldType::Lines),
];
