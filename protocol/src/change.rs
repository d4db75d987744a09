//! What a person wants changed, before it becomes operations.
//!
//! A [`Change`] says what the screen says: "move this task below that one". [`build`] turns changes
//! into operations that name the values visible now, after checking schema and references, so that
//! a mistake is refused with a sentence before anything is written.

use crate::{
    id::EntityId,
    model::{EntityKey, Field, Slot},
    value::Value,
};
use serde::{Deserialize, Serialize};

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// Makes an entity. If it exists already, sets the given fields that differ.
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
    /// Puts an entity among its siblings: sets its order and, if given, its container.
    Place {
        /// What to place: a task, column, project, checklist item.
        key: EntityKey,
        /// The new container (a task's column, a column's project), `None` to stay.
        container: Option<(Field, EntityId)>,
        /// The sibling to stand right after; `None` for the first place.
        after: Option<EntityId>,
    },
    /// Hides an entity and what it visibly contains.
    Delete {
        /// What.
        key: EntityKey,
    },
    /// Brings a deleted entity back.
    Restore {
        /// What.
        key: EntityKey,
    },
    /// Ends a conflict: names all live values. For a conflict between deleting and editing, the
    /// slot is that of [`crate::model::ALIVE`], and `Bool(true)` keeps, `Bool(false)` deletes.
    Resolve {
        /// Of what.
        key: EntityKey,
        /// Which register.
        slot: Slot,
        /// The value that remains.
        value: Value,
    },
}
