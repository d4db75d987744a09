//! What is to be written so that the tables go from one moment of a workspace to another one.

use crate::tables::{
    activity::Plan,
    affected,
    rows::{ColumnRow, CommentRow, Named, ProjectRow, Small, TaskRow},
};
use std::collections::{BTreeMap, BTreeSet};
use velo_protocol::{
    id::EntityId,
    model::{EntityKey, Kind},
    workspace::Workspace,
};

/// Rows of one table: those that are gone, by id, and those that are new or other ones.
#[derive(Debug)]
pub(super) struct Changes<K, R> {
    pub gone: Vec<K>,
    pub written: Vec<R>,
}

impl<K, R> Default for Changes<K, R> {
    fn default() -> Self {
        Self { gone: Vec::new(), written: Vec::new() }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Difference {
    pub names: Changes<Named, (Named, String)>,
    pub projects: Changes<String, (String, ProjectRow)>,
    pub columns: Changes<String, (String, ColumnRow)>,
    pub tasks: Changes<String, TaskRow>,
    pub comments: Changes<String, CommentRow>,
    pub activity: Plan,
}

impl Difference {
    /// From `before`, which is nothing where the tables are empty, to `after`.
    pub fn between(before: Option<&Workspace>, after: &Workspace) -> Self {
        let Some(before) = before else { return Self::whole(after) };
        let changed = after.changed_since(before);
        let mut difference = Self {
            tasks: compare(affected::tasks(before, after, &changed), before, after, TaskRow::of),
            comments: compare(affected::of_kind(&changed, Kind::Comment), before, after, CommentRow::of),
            activity: Plan::of(Some(before), after, &changed),
            ..Self::default()
        };
        if is_small_news(before, after, &changed) {
            difference.set_small(&Small::of(before), Small::of(after));
        }
        difference
    }

    fn whole(after: &Workspace) -> Self {
        let rows = |kind| after.shown(kind);
        let tasks = rows(Kind::Task).filter_map(|id| TaskRow::of(after, id)).collect();
        let comments = rows(Kind::Comment).filter_map(|id| CommentRow::of(after, id)).collect();
        let mut difference = Self {
            tasks: Changes { gone: Vec::new(), written: tasks },
            comments: Changes { gone: Vec::new(), written: comments },
            activity: Plan::of(None, after, &after.known().collect()),
            ..Self::default()
        };
        difference.set_small(&Small::default(), Small::of(after));
        difference
    }

    fn set_small(&mut self, before: &Small, after: Small) {
        self.names = compare_all(&before.names, after.names);
        self.projects = compare_all(&before.projects, after.projects);
        self.columns = compare_all(&before.columns, after.columns);
    }
}

/// Whether anything of what is looked at as a whole may be another one.
fn is_small_news(before: &Workspace, after: &Workspace, changed: &BTreeSet<EntityKey>) -> bool {
    let is_small = |key: &EntityKey| {
        matches!(key.kind, Kind::Project | Kind::Column | Kind::Label | Kind::Contact | Kind::Profile)
    };
    changed.iter().any(is_small)
        || before.applied_chains().count() != after.applied_chains().count()
        || before.roster() != after.roster()
}

/// The rows of these entities in both moments.
fn compare<R: PartialEq>(
    ids: impl IntoIterator<Item = EntityId>,
    before: &Workspace,
    after: &Workspace,
    row: impl Fn(&Workspace, EntityId) -> Option<R>,
) -> Changes<String, R> {
    let mut changes = Changes::default();
    for id in ids {
        match (row(before, id), row(after, id)) {
            (Some(_), None) => changes.gone.push(id.to_string()),
            (old, Some(new)) if old.as_ref() != Some(&new) => changes.written.push(new),
            _ => {}
        }
    }
    changes
}

/// The same of all rows there are.
fn compare_all<K: Ord + Clone, R: PartialEq>(
    before: &BTreeMap<K, R>,
    after: BTreeMap<K, R>,
) -> Changes<K, (K, R)> {
    let gone = before.keys().filter(|key| !after.contains_key(key)).cloned().collect();
    let written = after.into_iter().filter(|(key, row)| before.get(key) != Some(row)).collect();
    Changes { gone, written }
}
