//! Gives short ids such as `VELO-42` out: the letters of the project, and one more than the highest
//! number that this device knows. What they are: [`velo_protocol::workspace::short_id`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use velo_protocol::{
    change::Change,
    id::{EntityId, WorkspaceId},
    model::{EntityKey, Field, Kind, Slot, column, project, task},
    value::Value,
    workspace::{
        Workspace,
        short_id::{PREFIX_CHARS, parts},
    },
};

/// The letters of tasks that stand in no project.
const WITHOUT_PROJECT: &str = "TASK";
/// How far up a subtask looks for a project.
const DEPTH: usize = 64;

/// Every task there is or was.
fn tasks(workspace: &Workspace) -> impl Iterator<Item = EntityId> {
    workspace.shown(Kind::Task).chain(workspace.deleted(Kind::Task))
}

/// The letters before the number: the project's own, or made from its name.
pub fn prefix(workspace: &Workspace, project: EntityId) -> String {
    let key = EntityKey::new(Kind::Project, project);
    prefix_of(workspace.text(key, project::PREFIX), workspace.text(key, project::NAME))
}

fn prefix_of(own: &str, name: &str) -> String {
    let own: String = own.chars().filter(|c| c.is_alphanumeric()).take(PREFIX_CHARS).collect();
    if own.is_empty() { prefix_from(name) } else { own }
}

/// Initials of a name of several words, else its first letters.
pub fn prefix_from(name: &str) -> String {
    const MOST: usize = 4;
    let words: Vec<_> = name.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let letters: String = match words.as_slice() {
        [] => WITHOUT_PROJECT.to_owned(),
        [word] => word.chars().take(MOST).collect(),
        words => words.iter().filter_map(|word| word.chars().next()).take(MOST).collect(),
    };
    letters.to_uppercase().chars().take(PREFIX_CHARS).collect()
}

/// The highest number given out with each prefix, in small letters.
type Highest = BTreeMap<String, u64>;

/// Gives short ids out. Belongs to whoever authors every edit of this device.
#[derive(Debug, Default)]
pub struct Numbering {
    known: HashMap<WorkspaceId, Highest>,
}

impl Numbering {
    /// Adds a short id to every task that `changes` create. Nothing is used up: that is done by
    /// [`Self::note`], once the tasks are there. The first time in a workspace it looks at every
    /// task.
    pub fn give(&mut self, workspace: &Workspace, changes: &mut [Change]) {
        let new = new_tasks(workspace, changes);
        if new.is_empty() {
            return;
        }
        let known = self.known.entry(workspace.id()).or_insert_with(|| {
            let mut highest = Highest::new();
            tasks(workspace).for_each(|id| note(&mut highest, workspace, id));
            highest
        });
        let mut given = Highest::new();
        for (at, prefix) in new {
            let highest = given.entry(prefix.to_lowercase());
            let number = highest.or_insert_with_key(|prefix| known.get(prefix).copied().unwrap_or(0));
            *number += 1;
            if let Some(Change::Create { fields, .. }) = changes.get_mut(at) {
                fields.push((task::SHORT_ID.into(), Value::text(format!("{prefix}-{number}"))));
            }
        }
    }

    /// A workspace is no longer here.
    pub fn forget(&mut self, workspace: WorkspaceId) {
        self.known.remove(&workspace);
    }

    /// Takes notice of what changed, here or elsewhere.
    pub fn note(&mut self, workspace: &Workspace, changed: &[EntityKey]) {
        let Some(highest) = self.known.get_mut(&workspace.id()) else { return };
        let tasks = changed.iter().filter(|key| key.kind == Kind::Task);
        tasks.for_each(|key| note(highest, workspace, key.id));
    }
}

fn note(highest: &mut Highest, workspace: &Workspace, task: EntityId) {
    for (prefix, number) in workspace.short_ids(task).filter_map(parts) {
        let highest = highest.entry(prefix.to_lowercase()).or_default();
        *highest = number.max(*highest);
    }
}

/// The places of changes that create a task, each with the task's prefix.
fn new_tasks(workspace: &Workspace, changes: &[Change]) -> Vec<(usize, String)> {
    let has_id = |fields: &[(Slot, Value)]| fields.iter().any(|(slot, _)| slot.field == task::SHORT_ID);
    let is_new = |key: &EntityKey| workspace.created(*key).is_none();
    let mut seen = BTreeSet::new();
    let new = changes.iter().enumerate().filter_map(|(at, change)| match change {
        Change::Create { key, fields } if key.kind == Kind::Task && is_new(key) && !has_id(fields) => {
            seen.insert(*key).then_some((at, *key))
        }
        _ => None,
    });
    let new: Vec<_> = new.collect();
    if new.is_empty() {
        return Vec::new();
    }
    let wanted = Wanted::new(workspace, changes);
    new.into_iter().map(|(at, key)| (at, wanted.prefix(key.id))).collect()
}

/// The state that changes lead to, as far as prefixes depend on it.
struct Wanted<'a> {
    workspace: &'a Workspace,
    created: HashMap<EntityKey, &'a [(Slot, Value)]>,
    placed: HashMap<(EntityKey, Field), EntityId>,
}

impl<'a> Wanted<'a> {
    fn new(workspace: &'a Workspace, changes: &'a [Change]) -> Self {
        let created = changes.iter().filter_map(|change| match change {
            Change::Create { key, fields } => Some((*key, fields.as_slice())),
            _ => None,
        });
        let placed = changes.iter().filter_map(|change| match change {
            Change::Place { key, container: Some((field, container)), .. } => {
                Some(((*key, *field), *container))
            }
            _ => None,
        });
        Self { workspace, created: created.collect(), placed: placed.collect() }
    }

    fn value(&self, key: EntityKey, field: Field) -> Option<&Value> {
        let fields = self.created.get(&key).copied().unwrap_or_default();
        let new = fields.iter().find(|(slot, _)| *slot == field.into()).map(|(_, value)| value);
        new.or_else(|| self.workspace.value(key, &field.into()))
    }

    fn text(&self, key: EntityKey, field: Field) -> &str {
        self.value(key, field).and_then(Value::as_text).unwrap_or_default()
    }

    fn reference(&self, key: EntityKey, field: Field) -> Option<EntityId> {
        let placed = self.placed.get(&(key, field)).copied();
        placed.or_else(|| self.value(key, field)?.as_entity())
    }

    fn project_of(&self, task: EntityId) -> Option<EntityId> {
        let mut next = Some(task);
        for _ in 0..DEPTH {
            let key = EntityKey::new(Kind::Task, next?);
            if let Some(column) = self.reference(key, task::COLUMN) {
                return self.reference(EntityKey::new(Kind::Column, column), column::PROJECT);
            }
            next = self.reference(key, task::PARENT);
        }
        None
    }

    fn prefix(&self, task: EntityId) -> String {
        let Some(project) = self.project_of(task) else { return WITHOUT_PROJECT.to_owned() };
        let key = EntityKey::new(Kind::Project, project);
        prefix_of(self.text(key, project::PREFIX), self.text(key, project::NAME))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_are_short_capitals() {
        assert_eq!(prefix_from("Velo"), "VELO");
        assert_eq!(prefix_from("Website"), "WEBS");
        assert_eq!(prefix_from("  my new-website, again and again"), "MNWA");
        assert_eq!(prefix_from("été"), "ÉTÉ");
        assert_eq!(prefix_from("!!"), "TASK");
    }
}
