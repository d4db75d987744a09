//! Who stands beside whom while a command is played: lists by container, loaded when needed.

use crate::{
    id::EntityId,
    model::{self, EntityKey, Field, FieldType, Kind},
    value::OrderKey,
};
use std::collections::{BTreeMap, BTreeSet};

/// Where something stands among its siblings, sorted as the screen does: those without a key last,
/// equal ones by id.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    has_no_key: bool,
    order: Option<OrderKey>,
    pub id: EntityId,
}

impl Place {
    pub(super) fn new(order: Option<OrderKey>, id: EntityId) -> Self {
        Self { has_no_key: order.is_none(), order, id }
    }

    pub(super) fn order(&self) -> Option<&OrderKey> {
        self.order.as_ref()
    }
}

/// A list of entities of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Container {
    /// Of what kind its members are.
    pub kind: Kind,
    /// The field by which they stand in it; `None` for kinds of which there is one list.
    pub field: Option<Field>,
    /// What they stand in.
    pub id: Option<EntityId>,
}

impl Container {
    /// The entity that this is a list of.
    pub(super) fn parent(&self) -> Option<EntityKey> {
        match self.kind.field(self.field?)?.ty {
            FieldType::Ref(kind) => Some(EntityKey::new(kind, self.id?)),
            _ => None,
        }
    }

    /// The lists inside an entity, in the order in which a deletion goes through them.
    pub(super) fn inside(key: EntityKey) -> Vec<Self> {
        let list = |kind, field| Self { kind, field: Some(field), id: Some(key.id) };
        match key.kind {
            Kind::Project => vec![list(Kind::Column, model::column::PROJECT)],
            Kind::Column => vec![list(Kind::Task, model::task::COLUMN)],
            Kind::Task => vec![
                list(Kind::Task, model::task::PARENT),
                list(Kind::ChecklistItem, model::checklist_item::TASK),
                list(Kind::Comment, model::comment::TASK),
                list(Kind::Attachment, model::attachment::TASK),
            ],
            _ => Vec::new(),
        }
    }
}

#[derive(Debug, Default)]
pub(super) struct Siblings {
    lists: BTreeMap<Container, BTreeSet<Place>>,
    places: BTreeMap<EntityKey, Vec<(Container, Place)>>,
    /// Whose places the command has said: the workspace's count no more.
    drafted: BTreeSet<EntityKey>,
    loaded: BTreeSet<Container>,
}

impl Siblings {
    pub(super) fn is_loaded(&self, container: Container) -> bool {
        self.loaded.contains(&container)
    }

    /// Adds what the workspace shows in a container.
    pub(super) fn load(&mut self, container: Container, places: Vec<Place>) {
        self.loaded.insert(container);
        for place in places {
            let key = EntityKey::new(container.kind, place.id);
            if !self.drafted.contains(&key) {
                self.lists.entry(container).or_default().insert(place.clone());
                self.places.entry(key).or_default().push((container, place));
            }
        }
    }

    /// What stands in a container, in order.
    pub(super) fn list(&self, container: Container) -> &BTreeSet<Place> {
        static EMPTY: BTreeSet<Place> = BTreeSet::new();
        self.lists.get(&container).unwrap_or(&EMPTY)
    }

    /// Says where an entity stands from now on, in every container.
    pub(super) fn put(&mut self, key: EntityKey, places: Vec<(Container, Place)>) {
        for (container, place) in self.places.remove(&key).unwrap_or_default() {
            if let Some(list) = self.lists.get_mut(&container) {
                list.remove(&place);
            }
        }
        self.drafted.insert(key);
        for (container, place) in &places {
            self.lists.entry(*container).or_default().insert(place.clone());
        }
        if !places.is_empty() {
            self.places.insert(key, places);
        }
    }
}
