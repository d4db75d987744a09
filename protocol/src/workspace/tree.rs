//! What stands inside what.
//!
//! A task names its column and its parent, a column its project, a comment its task. The index here
//! holds the reverse, for shown entities only. Parents can form a cycle when two people move tasks
//! below each other's; then the edge with the highest stamp is not followed, on every device the
//! same one, and that task is shown at top level with a conflict.

use super::{Workspace, entity::Entity};
use crate::{
    id::{EntityId, OpId},
    limits,
    model::{self, Containment, EntityKey, Kind},
    time::Hlc,
};
use imbl::OrdSet;
use std::collections::BTreeMap;

/// In what way the index knows one entity by another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Relation {
    Inside(Containment),
    /// A deleted column of a project: its tasks are shown in the project's first column.
    DeletedColumn,
}

/// A child in its parent. Tasks without a column are children of no parent.
type Edge = (Relation, Option<EntityId>, EntityId);

#[derive(Debug, Clone, Default)]
pub(crate) struct Tree {
    edges: OrdSet<Edge>,
    /// Tasks whose parent is not followed, because it would close a cycle.
    cut: OrdSet<EntityId>,
}

/// What of an entity the tree depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    shown: bool,
    pub deleted: bool,
    container: Option<EntityId>,
    parent: Option<ParentEdge>,
}

/// A task's parent, and what decides which edge of a cycle is cut.
#[derive(Debug, Clone, PartialEq, Eq)]
struct ParentEdge {
    parent: EntityId,
    hlc: Hlc,
    op: OpId,
}

/// Where an entity of this kind is shown.
fn containment_of(kind: Kind) -> Option<Containment> {
    kind.containments().first().copied()
}

impl ParentEdge {
    fn of(task: &Entity) -> Option<Self> {
        let live = task.live(model::task::PARENT, None).first()?;
        Some(Self { parent: live.value.as_entity()?, hlc: live.hlc, op: live.op })
    }
}

impl Place {
    pub fn of(kind: Kind, entity: &Entity) -> Self {
        let shown = entity.is_shown();
        Self {
            shown,
            deleted: !shown && entity.deletion().is_some() && entity.has_values(),
            container: containment_of(kind).and_then(|containment| entity.reference(containment.field())),
            parent: (kind == Kind::Task && shown).then(|| ParentEdge::of(entity)).flatten(),
        }
    }

    /// Where an entity of this kind is shown, if that is shown.
    pub fn container(&self, kind: Kind) -> Option<EntityKey> {
        Some(containment_of(kind)?.container(self.container?))
    }

    /// The edges that an entity at this place has.
    fn edges(&self, key: EntityKey) -> [Option<Edge>; 2] {
        let inside = |containment| Relation::Inside(containment);
        let container =
            containment_of(key.kind).and_then(|containment| match (containment, self.container) {
                (Containment::Task, parent) if self.shown => Some((inside(containment), parent, key.id)),
                (Containment::Column, Some(parent)) if !self.shown => {
                    Some((Relation::DeletedColumn, Some(parent), key.id))
                }
                (_, Some(parent)) if self.shown => Some((inside(containment), Some(parent), key.id)),
                _ => None,
            });
        let subtask = inside(Containment::Subtask);
        let parent = self.parent.as_ref().map(|edge| (subtask, Some(edge.parent), key.id));
        [container, parent]
    }
}

impl Tree {
    /// The tree over entities at these places, cycles not yet cut.
    pub fn new(places: impl Iterator<Item = (EntityKey, Place)>) -> Self {
        let mut edges: Vec<Edge> = places.flat_map(|(key, place)| place.edges(key)).flatten().collect();
        edges.sort_unstable();
        Self { edges: edges.into_iter().collect(), cut: OrdSet::new() }
    }

    pub fn contents(
        &self,
        containment: Containment,
        parent: Option<EntityId>,
    ) -> impl Iterator<Item = EntityId> {
        self.children(Relation::Inside(containment), parent)
    }

    /// Of a project.
    pub fn deleted_columns(&self, project: EntityId) -> impl Iterator<Item = EntityId> {
        self.children(Relation::DeletedColumn, Some(project))
    }

    fn children(&self, relation: Relation, parent: Option<EntityId>) -> impl Iterator<Item = EntityId> {
        let (first, last) = (EntityId([0; 16]), EntityId([0xff; 16]));
        let range = (relation, parent, first)..=(relation, parent, last);
        self.edges.range(range).map(|(_, _, child)| *child)
    }

    /// Everything that tasks name as their column, known or not.
    pub fn columns_in_use(&self) -> impl Iterator<Item = EntityId> {
        const STANDS: Relation = Relation::Inside(Containment::Task);
        let mut next = Some((STANDS, Some(EntityId([0; 16])), EntityId([0; 16])));
        std::iter::from_fn(move || {
            let (_, column, _) = self.edges.range(next.take()?..).next().filter(|edge| edge.0 == STANDS)?;
            next = Some((STANDS, *column, EntityId([0xff; 16])));
            *column
        })
    }

    /// Tasks whose parent is not followed.
    pub fn cut(&self) -> impl Iterator<Item = EntityId> {
        self.cut.iter().copied()
    }

    pub fn is_cut(&self, task: EntityId) -> bool {
        self.cut.contains(&task)
    }
}

impl Workspace {
    /// Moves an entity in the index. Returns tasks whose parent is newly followed or not.
    pub(super) fn move_in_tree(&mut self, key: EntityKey, before: &Place, after: &Place) -> Vec<EntityId> {
        let (old, new) = (before.edges(key), after.edges(key));
        for edge in old.iter().flatten().filter(|edge| !new.contains(&Some(**edge))) {
            self.tree.edges.remove(edge);
        }
        for edge in new.iter().flatten().filter(|edge| !old.contains(&Some(**edge))) {
            self.tree.edges.insert(*edge);
        }
        if before.parent == after.parent { Vec::new() } else { self.recut(key.id, before, after) }
    }

    fn recut(&mut self, task: EntityId, before: &Place, after: &Place) -> Vec<EntityId> {
        let mut changed = Vec::new();
        for member in self.cycle(task, before.parent.as_ref()) {
            if self.tree.cut.remove(&member).is_some() {
                changed.push(member);
            }
        }
        let cycle = self.cycle(task, after.parent.as_ref());
        if let Some(latest) = self.latest_edge(&cycle) {
            self.tree.cut.insert(latest);
            changed.push(latest);
        }
        changed
    }

    /// The tasks of the cycle that `task` would close with this edge; none if it closes none. A
    /// cycle longer than the limit counts as none: only malice makes one, and every device agrees.
    fn cycle(&self, task: EntityId, edge: Option<&ParentEdge>) -> Vec<EntityId> {
        let mut members = vec![task];
        let mut next = edge.map(|edge| edge.parent);
        while let Some(member) = next {
            if member == task {
                return members;
            }
            if members.len() == limits::PARENT_CYCLE {
                break;
            }
            members.push(member);
            next = self.parent_edge(member).map(|edge| edge.parent);
        }
        Vec::new()
    }

    fn parent_edge(&self, task: EntityId) -> Option<ParentEdge> {
        let entity = self.entity(EntityKey::new(Kind::Task, task)).filter(|entity| entity.is_shown())?;
        ParentEdge::of(entity)
    }

    fn latest_edge(&self, cycle: &[EntityId]) -> Option<EntityId> {
        let edges = cycle.iter().filter_map(|task| self.parent_edge(*task).map(|edge| (edge, *task)));
        edges.max_by_key(|(edge, task)| (edge.hlc, edge.op, *task)).map(|(_, task)| task)
    }

    /// Cuts every cycle of a tree that was just built.
    pub(crate) fn cut_cycles(&mut self) {
        // Which walk came by first. A walk that meets itself has found a cycle.
        let mut seen: BTreeMap<EntityId, EntityId> = BTreeMap::new();
        let subtask = Relation::Inside(Containment::Subtask);
        let starts: Vec<EntityId> =
            self.tree.edges.iter().filter(|edge| edge.0 == subtask).map(|edge| edge.2).collect();
        for start in starts {
            let mut next = Some(start);
            while let Some(task) = next.filter(|task| !seen.contains_key(task)) {
                seen.insert(task, start);
                next = self.parent_edge(task).map(|edge| edge.parent);
            }
            if let Some(task) = next.filter(|task| seen.get(task) == Some(&start)) {
                let cycle = self.cycle(task, self.parent_edge(task).as_ref());
                self.tree.cut.extend(self.latest_edge(&cycle));
            }
        }
    }
}
