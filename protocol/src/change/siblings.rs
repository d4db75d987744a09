//! Who stands beside whom while a command is played: lists by container, loaded when needed.

use crate::{
    id::EntityId,
    model::{Containment, EntityKey, Kind},
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
    /// How they stand in it; `None` for kinds of which there is one list.
    pub within: Option<Containment>,
    /// What they stand in.
    pub id: Option<EntityId>,
}

impl Container {
    /// The entity that this is a list of.
    pub(super) fn parent(&self) -> Option<EntityKey> {
        Some(self.within?.container(self.id?))
    }

    /// The lists inside an entity, in the order in which a deletion goes through them.
    pub(super) fn inside(key: EntityKey) -> impl Iterator<Item = Self> {
        key.kind.contents().map(move |containment| Self {
            kind: containment.kind(),
            within: Some(containment),
            id: Some(key.id),
        })
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
