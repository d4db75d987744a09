//! What differs between two moments of one workspace.
//!
//! A state is a persistent map, and both moments share what did not change between them: finding the rest
//! takes about as long as there is to find. So whoever mirrors a state elsewhere needs no list of events: it
//! keeps the moment that it mirrored last.

use super::{Workspace, entity::Entity};
use crate::{
    id::OpId,
    log::Origin,
    model::{EntityKey, Kind},
    store::{ChainNo, EntryAt},
};
use imbl::ordmap::DiffItem;
use std::collections::BTreeSet;

impl Workspace {
    /// Every entity that is not what it was, and every task whose parent is followed now and was not, or the
    /// reverse. What is derived from several entities, such as where a task is shown, is for the caller.
    pub fn changed_since(&self, before: &Self) -> BTreeSet<EntityKey> {
        let differing = before.entities.diff(&self.entities).map(|item| match item {
            DiffItem::Add(key, _) | DiffItem::Remove(key, _) | DiffItem::Update { new: (key, _), .. } => *key,
        });
        let cut: [BTreeSet<_>; 2] = [before, self].map(|state| state.tree.cut().collect());
        let [was, is] = &cut;
        let turned = was.symmetric_difference(is).map(|task| EntityKey::new(Kind::Task, *task));
        differing.chain(turned).collect()
    }

    /// Every chain of which something is applied: whose log it is, and its last applied position.
    pub fn applied_chains(&self) -> impl Iterator<Item = (ChainNo, &Origin, u64)> {
        self.chains.iter().map(|(number, chain)| (*number, &chain.origin, chain.applied))
    }

    /// Every entity that anything was ever written about.
    pub fn known(&self) -> impl Iterator<Item = EntityKey> {
        self.entities.keys().copied()
    }

    /// Operations on an entity that have no effect.
    pub fn void_ops(&self, key: EntityKey) -> impl Iterator<Item = OpId> {
        self.entity(key).into_iter().flat_map(Entity::void_ops)
    }

    /// Whether something of it is not as the entries say, because some of them cannot be read now.
    pub fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// The first and last of consecutive entries that cannot be read for want of a key.
    pub fn locked_ranges(&self) -> impl Iterator<Item = (EntryAt, u64)> {
        self.locked.iter().map(|(first, last)| (*first, *last))
    }
}
