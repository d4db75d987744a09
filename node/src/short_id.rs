//! Short ids of tasks, such as `VELO-42`: the name that people say aloud, write on a note and type.
//!
//! A name must go on naming what it named. So a task gets its short id once, when it is created, as
//! the text of its register [`task::SHORT_ID`], and keeps it when it moves, when its project is
//! renamed and when older tasks arrive from devices that were offline. [`Numbering`] gives the ids
//! out: the letters of the project, and one more than the highest number that this device knows.
//!
//! Two devices that have not seen each other's tasks give the same id to two tasks. Then neither has
//! it alone any more: both are shown with letters made from the task's own id (`VELO-42kd`), and what
//! was written down before, `VELO-42`, is refused with both offered ([`ShortIds`]). Nothing but
//! people refers to a task by its short id.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use velo_protocol::{
    change::Change,
    id::{EntityId, WorkspaceId},
    model::{EntityKey, Field, Kind, Slot, column, project, task},
    value::Value,
    workspace::Workspace,
};

/// The letters of tasks that stand in no project.
const WITHOUT_PROJECT: &str = "TASK";
/// Most letters before the number.
const PREFIX_CHARS: usize = 16;
/// Most digits of a number.
const DIGITS: usize = 9;
/// Fewest letters that tell two tasks with one id apart. Two make it rare that a third task needs
/// those shown to be longer.
const MIN_TAG: usize = 2;
/// Letters there are for that; with all of them a clash would have to be made on purpose.
const TAG: usize = 12;
/// How far up a subtask looks for a project.
const DEPTH: usize = 64;

/// Such as `VELO` and 42. `None` for what is no short id, which a peer may have written.
fn parts(text: &str) -> Option<(&str, u64)> {
    let (prefix, digits) = text.rsplit_once('-')?;
    let prefix_fits = !prefix.is_empty() && prefix.chars().count() <= PREFIX_CHARS;
    let digits_fit = (1..=DIGITS).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    let fits = prefix_fits && prefix.chars().all(char::is_alphanumeric) && digits_fit;
    (fits && !digits.starts_with('0')).then_some(())?;
    Some((prefix, digits.parse().ok()?))
}

/// Every short id a task has: one, or several if two devices imported it at once. The first is shown.
fn all_of(workspace: &Workspace, id: EntityId) -> impl Iterator<Item = &str> {
    let live = workspace.live(EntityKey::new(Kind::Task, id), &task::SHORT_ID.into());
    live.iter().filter_map(|live| live.value.as_text()).filter(|text| parts(text).is_some())
}

/// Every task there is or was.
fn tasks(workspace: &Workspace) -> impl Iterator<Item = EntityId> {
    workspace.shown(Kind::Task).chain(workspace.deleted(Kind::Task))
}

/// Letters that are this task's own, whatever other tasks there are.
fn tag(id: EntityId) -> String {
    let letter = |byte: &u8| char::from(b'a' + byte % 26);
    blake3::hash(id.as_bytes()).as_bytes().iter().take(TAG).map(letter).collect()
}

/// The short ids of a workspace's tasks, to be shown and to be found by.
#[derive(Debug, Clone, Default)]
pub struct ShortIds {
    by_task: HashMap<EntityId, String>,
    /// In small letters; several tasks if devices gave one out at once.
    by_text: HashMap<String, Vec<EntityId>>,
}

impl ShortIds {
    /// Those of every task, deleted ones included. Takes time in proportion to the tasks.
    pub fn of(workspace: &Workspace) -> Self {
        let mut short = Self::default();
        for id in tasks(workspace) {
            for text in all_of(workspace, id) {
                short.by_task.entry(id).or_insert_with(|| text.to_owned());
                let same = short.by_text.entry(text.to_lowercase()).or_default();
                if !same.contains(&id) {
                    same.push(id);
                }
            }
        }
        short
    }

    /// Such as `VELO-42`, or `VELO-42kd` if another task has the same; the start of the id if the
    /// task has none.
    pub fn show(&self, task: EntityId) -> String {
        let Some(text) = self.by_task.get(&task) else { return task.short() };
        let same = self.by_text.get(&text.to_lowercase()).map_or(&[][..], Vec::as_slice);
        let others: Vec<_> = same.iter().filter(|other| **other != task).map(|other| tag(*other)).collect();
        if others.is_empty() {
            return text.clone();
        }
        let own = tag(task);
        let is_own = |len: &usize| !others.iter().any(|other| other.starts_with(&own[..*len]));
        let len = (MIN_TAG..TAG).find(is_own).unwrap_or(TAG);
        format!("{text}{}", &own[..len])
    }

    /// Every task that `text` may mean, whatever its case, by id.
    pub fn find(&self, text: &str) -> Vec<EntityId> {
        let text = text.to_lowercase();
        let end = text.rfind(|c: char| c.is_ascii_digit()).map_or(0, |at| at + 1);
        let (text, letters) = text.split_at(end);
        let same = self.by_text.get(text).into_iter().flatten().copied();
        let mut found: Vec<_> = same.filter(|id| tag(*id).starts_with(letters)).collect();
        found.sort_unstable();
        found
    }
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

    /// Takes notice of what changed, here or elsewhere.
    pub fn note(&mut self, workspace: &Workspace, changed: &[EntityKey]) {
        let Some(highest) = self.known.get_mut(&workspace.id()) else { return };
        let tasks = changed.iter().filter(|key| key.kind == Kind::Task);
        tasks.for_each(|key| note(highest, workspace, key.id));
    }
}

fn note(highest: &mut Highest, workspace: &Workspace, task: EntityId) {
    for (prefix, number) in all_of(workspace, task).filter_map(parts) {
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
}

impl<'a> Wanted<'a> {
    fn new(workspace: &'a Workspace, changes: &'a [Change]) -> Self {
        let created = changes.iter().filter_map(|change| match change {
            Change::Create { key, fields } => Some((*key, fields.as_slice())),
            _ => None,
        });
        Self { workspace, created: created.collect() }
    }

    fn value(&self, key: EntityKey, field: Field) -> Option<&Value> {
        let fields = self.created.get(&key).copied().unwrap_or_default();
        let new = fields.iter().find(|(slot, _)| *slot == field.into()).map(|(_, value)| value);
        new.or_else(|| self.workspace.value(key, &field.into()))
    }

    fn text(&self, key: EntityKey, field: Field) -> &str {
        self.value(key, field).and_then(Value::as_text).unwrap_or_default()
    }

    fn project_of(&self, task: EntityId) -> Option<EntityId> {
        let mut next = Some(task);
        for _ in 0..DEPTH {
            let key = EntityKey::new(Kind::Task, next?);
            if let Some(column) = self.value(key, task::COLUMN).and_then(Value::as_entity) {
                return self.value(EntityKey::new(Kind::Column, column), column::PROJECT)?.as_entity();
            }
            next = self.value(key, task::PARENT).and_then(Value::as_entity);
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

    #[test]
    fn what_is_no_short_id_is_not_taken_for_one() {
        assert_eq!(parts("HOUS-7"), Some(("HOUS", 7)));
        assert_eq!(parts("ÉTÉ2-123456789"), Some(("ÉTÉ2", 123_456_789)));
        let long = format!("{}-1", "X".repeat(PREFIX_CHARS + 1));
        for text in
            ["", "HOUS", "HOUS-", "-7", "HOUS-07", "HOUS-0", "HOUS-7b", "HO US-7", "A-B-7", "HOUS-+7", &long]
        {
            assert_eq!(parts(text), None, "{text}");
        }
        assert_eq!(parts("HOUS-1234567890"), None);
    }

    fn ids(tasks: &[(u8, &str)]) -> ShortIds {
        let mut short = ShortIds::default();
        for (id, text) in tasks {
            let id = EntityId([*id; 16]);
            short.by_task.insert(id, (*text).to_owned());
            short.by_text.entry(text.to_lowercase()).or_default().push(id);
        }
        short
    }

    #[test]
    fn two_tasks_with_one_id_are_told_apart_and_neither_is_taken_for_the_other() {
        let (one, two) = (EntityId([1; 16]), EntityId([2; 16]));
        let short = ids(&[(1, "HOUS-7"), (2, "HOUS-7"), (3, "HOUS-70")]);
        let (first, second) = (short.show(one), short.show(two));
        assert_ne!(first, second);
        assert!(first.starts_with("HOUS-7") && first.len() == "HOUS-7".len() + MIN_TAG, "{first}");
        assert_eq!(short.find(&first.to_uppercase()), [one]);
        assert_eq!(short.find(&second), [two]);
        assert_eq!(short.find("hous-7"), [one, two], "what was written down before is ambiguous");
        assert_eq!(short.show(EntityId([3; 16])), "HOUS-70");
        // Once alone again, the longer name still names it, and no other.
        let alone = ids(&[(1, "HOUS-7")]);
        assert_eq!(alone.show(one), "HOUS-7");
        assert_eq!(alone.find(&first), [one]);
        assert_eq!(alone.find(&second), []);
    }
}
