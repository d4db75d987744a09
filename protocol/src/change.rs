//! What a person wants changed, before it becomes operations.
//!
//! A [`Change`] says what the screen says: "move this task below that one". [`build`] turns changes
//! into operations that name the values visible now, after checking schema and references, so that
//! a mistake is refused with a sentence before anything is written.
//!
//! The changes of one command see each other: a column made by the first can receive a task from
//! the second. They are played onto a *draft*, which holds the values wanted and whether an entity
//! is wanted at all; only when all have been played are the differences to the workspace written as
//! operations. So no operation names another of its own command, a value set twice is written
//! once, and what ends as it began writes nothing.
//!
//! [`pack`] then divides the operations into bodies of entries.

mod check;
mod draft;
mod pack;
mod place;
mod siblings;

pub(crate) use draft::edits_over;
pub use pack::pack;

use crate::{
    describe,
    id::{EntityId, OpId},
    limits,
    model::{self, ALIVE, EntityKey, Field, SchemaError, Slot},
    op::Group,
    text::TextEdit,
    value::Value,
    workspace::Workspace,
};
use draft::Draft;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Makes an entity. If it exists already, sets the given fields that differ; if it was deleted,
    /// brings it back. A new entity needs its required texts and the container it belongs to. It
    /// has no place among its siblings until [`Change::Place`] gives it one.
    Create {
        /// What, under an id the caller chose.
        key: EntityKey,
        /// Its fields.
        fields: Vec<(Slot, Value)>,
    },
    /// Gives one register a value. A value equal to the one shown alone writes nothing.
    Set {
        /// Of what.
        key: EntityKey,
        /// Which register.
        slot: Slot,
        /// The value.
        value: Value,
    },
    /// Sets a field over the values that its author saw: others stay beside it, as a conflict. For
    /// who was writing when a value came that was not shown.
    SetOver {
        /// Of what.
        key: EntityKey,
        /// Which register.
        slot: Slot,
        /// The new value.
        value: Value,
        /// The operations that were live when writing began.
        seen: Vec<OpId>,
    },
    /// Edits a long text as its author saw it; what others wrote in it meanwhile stays.
    Edit {
        /// Of what.
        key: EntityKey,
        /// Which text.
        field: Field,
        /// What was edited: see [`Workspace::text_version`].
        edit: TextEdit,
    },
    /// Puts an entity among its siblings: sets its order and, if given, its container.
    Place {
        /// What to place: a task, column, project, checklist item, custom field or saved view.
        key: EntityKey,
        /// The new container (a task's column or parent, a column's project), `None` to stay.
        container: Option<(Field, EntityId)>,
        /// The sibling to stand right after; `None` for the first place.
        after: Option<EntityId>,
    },
    /// Hides an entity and what it visibly contains; of one that is deleted, what survived in it.
    Delete {
        /// What.
        key: EntityKey,
    },
    /// Brings a deleted entity back, by itself. [`crate::history::with_contents`] adds what was
    /// deleted together with it.
    Restore {
        /// What.
        key: EntityKey,
    },
    /// Ends a conflict: names all live values. For a conflict between deleting and editing, the
    /// slot is that of [`crate::model::ALIVE`], and `Bool(true)` keeps or restores, `Bool(false)`
    /// deletes.
    Resolve {
        /// Of what.
        key: EntityKey,
        /// Which register.
        slot: Slot,
        /// The value that remains.
        value: Value,
    },
}

impl Change {
    /// What it brings back, if it takes a deletion back, or decides against it.
    pub fn restored(&self) -> Option<EntityKey> {
        match self {
            Self::Restore { key } => Some(*key),
            Self::Resolve { key, slot, value } if slot.field == ALIVE.field && value.is_true() => Some(*key),
            _ => None,
        }
    }
}

/// Why changes were refused. Nothing was changed. Each names the field or entity.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChangeError {
    /// The entity is not known.
    #[error("there is no such {}: {}", .0.kind.name(), .0.id)]
    NotFound(EntityKey),
    /// It was deleted.
    #[error("{0} was deleted: restore it first")]
    Deleted(String),
    /// Against the schema.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A field refers to something that is not there.
    #[error("{field}: {what}")]
    Reference {
        /// Which field.
        field: &'static str,
        /// What is wrong with it.
        what: String,
    },
    /// This kind can neither be made nor deleted.
    #[error("a {0} cannot be deleted")]
    Permanent(&'static str),
    /// This kind has no order, or not in that container.
    #[error("a {kind} has no place in {container}")]
    NotPlaceable {
        /// What was to be placed.
        kind: &'static str,
        /// In what.
        container: String,
    },
    /// The sibling to stand after is elsewhere.
    #[error("{0} does not stand there any more: choose the place again")]
    NotBeside(String),
    /// Too much at once.
    #[error(
        "{found} changes are too many at once: split them into parts of at most {}",
        limits::CHANGES_PER_COMMAND
    )]
    TooMany {
        /// How many there are.
        found: usize,
    },
}

/// The operations that make `changes` of the visible state, by entity, in the order in which the
/// changes first touch them. Empty if everything is so already.
///
/// `suffix` sets apart the order keys of this device from those of others. Groups about a
/// [`Profile`](crate::model::Kind::Profile) belong into entries of kind `Profile`; [`pack`] keeps them apart.
///
/// Takes O(n log n) time in the changes, and loads the siblings of each container that something is
/// placed in once.
pub fn build(workspace: &Workspace, changes: &[Change], suffix: [u8; 2]) -> Result<Vec<Group>, ChangeError> {
    if changes.len() > limits::CHANGES_PER_COMMAND {
        return Err(ChangeError::TooMany { found: changes.len() });
    }
    let mut draft = Draft::new(workspace);
    for change in changes {
        play(&mut draft, change, suffix)?;
    }
    Ok(draft.finish())
}

/// As [`build`], passing over what does not fit into the state there is now. Also returns why each of
/// those does not.
pub fn build_fitting(
    workspace: &Workspace,
    changes: &[Change],
    suffix: [u8; 2],
) -> (Vec<Group>, Vec<ChangeError>) {
    let mut draft = Draft::new(workspace);
    let mut unfit = Vec::new();
    // What could not be made is missed once, not for each of its fields.
    let mut unmade = BTreeSet::new();
    for change in changes {
        let Err(error) = play(&mut draft, change, suffix) else { continue };
        match change {
            Change::Create { key, .. } => {
                if !workspace.has_values(*key) {
                    draft.hide(*key);
                }
                unmade.insert(*key);
                unfit.push(error);
            }
            Change::Set { key, .. } | Change::Delete { key } if unmade.contains(key) => {}
            _ => unfit.push(error),
        }
    }
    (draft.finish(), unfit)
}

fn play(draft: &mut Draft<'_>, change: &Change, suffix: [u8; 2]) -> Result<(), ChangeError> {
    match change {
        Change::Create { key, fields } => create(draft, *key, fields),
        Change::Place { key, container, after } => place::place(draft, *key, *container, *after, suffix),
        Change::Delete { key } => delete(draft, *key),
        Change::Restore { key } => restore(draft, *key),
        Change::Set { key, slot, value } | Change::Resolve { key, slot, value } => {
            if slot.field == ALIVE.field {
                return set_alive(draft, *key, slot, value);
            }
            check::must_be_shown(draft, *key)?;
            set(draft, *key, slot, value)
        }
        Change::Edit { key, field, edit } => {
            check::must_be_shown(draft, *key)?;
            check::edit(draft, *key, *field, edit)?;
            draft.edit(*key, *field, edit.clone());
            Ok(())
        }
        Change::SetOver { key, slot, value, seen } => {
            check::must_be_shown(draft, *key)?;
            check::is_value(*key, slot.field)?;
            set(draft, *key, slot, value)?;
            draft.limit_to(*key, slot, seen);
            Ok(())
        }
    }
}

fn set(draft: &mut Draft<'_>, key: EntityKey, slot: &Slot, value: &Value) -> Result<(), ChangeError> {
    model::check(key.kind, slot, value)?;
    check::references(draft, key, slot, value)?;
    draft.set(key, slot, value.clone());
    Ok(())
}

/// Sets the register of existence: keep with `true`, delete with anything else.
fn set_alive(draft: &mut Draft<'_>, key: EntityKey, slot: &Slot, value: &Value) -> Result<(), ChangeError> {
    model::check(key.kind, slot, value)?;
    if !value.is_true() {
        return delete(draft, key);
    }
    check::must_be_known(draft, key)?;
    draft.show(key);
    Ok(())
}

fn create(draft: &mut Draft<'_>, key: EntityKey, fields: &[(Slot, Value)]) -> Result<(), ChangeError> {
    if let Some((slot, _)) = fields.iter().find(|(slot, _)| slot.field == ALIVE.field) {
        return Err(SchemaError::NoField { kind: key.kind.name(), field: slot.field.0 }.into());
    }
    if !draft.is_known(key) {
        check::complete(key.kind, fields)?;
    }
    if !draft.is_shown(key) {
        draft.show(key);
    }
    for (slot, value) in fields {
        set(draft, key, slot, value)?;
    }
    Ok(())
}

fn delete(draft: &mut Draft<'_>, key: EntityKey) -> Result<(), ChangeError> {
    if check::is_permanent(key.kind) {
        return Err(ChangeError::Permanent(key.kind.name()));
    }
    check::must_be_known(draft, key)?;
    let mut waiting = vec![key];
    if !draft.is_shown(key) {
        waiting.extend(draft.survivors(key));
    }
    while let Some(next) = waiting.pop() {
        if draft.is_shown(next) {
            waiting.extend(draft.contents(next).into_iter().rev());
            draft.hide(next);
        }
    }
    Ok(())
}

fn restore(draft: &mut Draft<'_>, key: EntityKey) -> Result<(), ChangeError> {
    check::must_be_known(draft, key)?;
    if !draft.is_shown(key) {
        draft.show(key);
    }
    Ok(())
}

/// An entity as messages name it.
fn named(draft: &Draft<'_>, key: EntityKey) -> String {
    let field = describe::title_field(key.kind);
    let title = field.and_then(|field| draft.value(key, &field.into())).and_then(Value::as_text);
    title.map_or_else(|| key.to_string(), |title| format!("{} {}", key.kind.name(), describe::quote(title)))
}
