//! How people point at things: `VELO-42`, the start of an id, or part of a name.

use super::{ApiError, scope::Scope};
use std::collections::{BTreeMap, HashMap};
use velo_protocol::{
    id::EntityId,
    model::{EntityKey, Field, Kind, column, contact, label, project, task},
    value::Element,
    workspace::Workspace,
};

/// Shortest start of an id that is taken for one.
const MIN_PREFIX: usize = 6;
/// Most candidates listed for an ambiguous reference.
const MAX_CANDIDATES: usize = 10;
/// The prefix of tasks that stand in no project.
const WITHOUT_PROJECT: &str = "TASK";

/// The short ids of a workspace's tasks, for display.
///
/// A task's number is its place among all tasks ever created in its project, deleted ones included,
/// by date of creation and id. So every device shows the same number once it has the same entries;
/// until then two devices may show one number for two tasks, and a reference to it is ambiguous or
/// settles when they have synced. Nothing stored ever uses a short id.
#[derive(Debug, Clone, Default)]
pub struct ShortIds {
    prefixes: BTreeMap<EntityId, String>,
    by_task: HashMap<EntityId, (Option<EntityId>, usize)>,
}

impl ShortIds {
    /// Numbers every task. O(n log n) in the number of tasks.
    pub fn of(workspace: &Workspace) -> Self {
        let mut by_project: BTreeMap<Option<EntityId>, Vec<_>> = BTreeMap::new();
        for id in workspace.shown(Kind::Task).chain(workspace.deleted(Kind::Task)) {
            let created = workspace.created(EntityKey::new(Kind::Task, id)).map(|(hlc, _)| hlc);
            by_project.entry(home(workspace, id)).or_default().push((created, id));
        }
        let mut short = Self::default();
        for (home, mut tasks) in by_project {
            tasks.sort_unstable();
            let prefix = home.map_or_else(|| WITHOUT_PROJECT.to_owned(), |id| prefix(workspace, id));
            short.prefixes.extend(home.map(|id| (id, prefix)));
            let numbered = tasks.into_iter().enumerate();
            short.by_task.extend(numbered.map(|(place, (_, id))| (id, (home, place + 1))));
        }
        short
    }

    /// Such as `VELO-42`; the start of the id if the task is not known.
    pub fn show(&self, task: EntityId) -> String {
        let Some((home, number)) = self.by_task.get(&task) else { return task.short() };
        let prefix = home.and_then(|home| self.prefixes.get(&home)).map_or(WITHOUT_PROJECT, String::as_str);
        format!("{prefix}-{number}")
    }

    /// Every task that shows as `text`, whatever its case.
    fn find(&self, text: &str) -> Vec<EntityId> {
        let Some((_, number)) = text.rsplit_once('-') else { return Vec::new() };
        let Ok(number) = number.parse::<usize>() else { return Vec::new() };
        let same = self.by_task.iter().filter(|(_, (_, other))| *other == number);
        let mut found: Vec<_> =
            same.map(|(id, _)| *id).filter(|id| self.show(*id).eq_ignore_ascii_case(text)).collect();
        found.sort_unstable();
        found
    }
}

/// The project a task belongs to, also if it, its column or its project is deleted.
fn home(workspace: &Workspace, task: EntityId) -> Option<EntityId> {
    workspace.project_of(task).or_else(|| {
        let column = entity(workspace, EntityKey::new(Kind::Task, task), task::COLUMN)?;
        entity(workspace, EntityKey::new(Kind::Column, column), column::PROJECT)
    })
}

fn entity(workspace: &Workspace, key: EntityKey, field: Field) -> Option<EntityId> {
    workspace.value(key, &field.into())?.as_entity()
}

/// The letters before the number: the project's own, or made from its name.
pub fn prefix(workspace: &Workspace, project: EntityId) -> String {
    let key = EntityKey::new(Kind::Project, project);
    let own = workspace.text(key, project::PREFIX);
    if own.is_empty() { prefix_from(workspace.text(key, project::NAME)) } else { own.to_owned() }
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
    letters.to_uppercase()
}

/// Finds a task, shown or deleted, by short id or the start of its id, and one that is shown also by
/// its title or part of it. Numbering the tasks is left out where a whole id is given: scripts use
/// that.
pub fn task(scope: &Scope<'_>, text: &str) -> Result<EntityId, ApiError> {
    let workspace = &scope.workspace;
    if let Ok(id) = text.parse::<EntityId>()
        && workspace.created(EntityKey::new(Kind::Task, id)).is_some()
    {
        return Ok(id);
    }
    let short = scope.short();
    let mut found = short.find(text);
    if found.is_empty() {
        let all = workspace.shown(Kind::Task).chain(workspace.deleted(Kind::Task));
        found = all.filter(|id| starts(&id.to_string(), text)).collect();
    }
    if found.is_empty() {
        found = by_name(workspace, Kind::Task, task::TITLE, workspace.shown(Kind::Task), text);
    }
    let name = |id: EntityId| {
        let title = workspace.text(EntityKey::new(Kind::Task, id), task::TITLE);
        format!("{id}  {}  {title}", short.show(id))
    };
    one("task", text, &found, name, "see `velo task list`, or `velo task list --deleted`")
}

/// Finds a task that is shown.
pub fn shown_task(scope: &Scope<'_>, text: &str) -> Result<EntityId, ApiError> {
    let id = task(scope, text)?;
    if scope.workspace.is_shown(EntityKey::new(Kind::Task, id)) {
        return Ok(id);
    }
    let hint = format!("it was deleted. `velo task restore {}` brings it back", scope.short().show(id));
    Err(ApiError::not_found("task", text, &hint))
}

/// Finds a project; without a reference, the only one there is.
pub fn project(workspace: &Workspace, text: Option<&str>) -> Result<EntityId, ApiError> {
    let all = workspace.projects();
    match (text, all.as_slice()) {
        (Some(text), _) => named(workspace, Kind::Project, project::NAME, all.clone(), text),
        (None, []) => Err(ApiError::not_found("project", "", "make one with `velo project add NAME`")),
        (None, [only]) => Ok(*only),
        (None, _) => {
            Err(ApiError::Invalid("there are several projects: say which with --project NAME".into()))
        }
    }
}

/// Finds a column of a project.
pub fn column(workspace: &Workspace, project: EntityId, text: &str) -> Result<EntityId, ApiError> {
    named(workspace, Kind::Column, column::NAME, workspace.columns(project), text)
}

/// Finds a label.
pub fn label(workspace: &Workspace, text: &str) -> Result<EntityId, ApiError> {
    named(workspace, Kind::Label, label::NAME, workspace.shown(Kind::Label).collect(), text)
}

/// Finds a member or a contact by name.
pub fn who(workspace: &Workspace, text: &str) -> Result<Element, ApiError> {
    let members = workspace.members();
    let wanted = text.to_lowercase();
    let exact = members.iter().filter(|member| member.name.to_lowercase() == wanted);
    let mut found: Vec<_> =
        exact.map(|member| (Element::Person(member.person), member.name.clone())).collect();
    if found.is_empty() {
        let part = members.iter().filter(|member| member.name.to_lowercase().contains(&wanted));
        found = part.map(|member| (Element::Person(member.person), member.name.clone())).collect();
    }
    match found.len() {
        0 => named(workspace, Kind::Contact, contact::NAME, workspace.shown(Kind::Contact).collect(), text)
            .map(Element::Entity),
        1 => found.pop().map(|(person, _)| person).ok_or(ApiError::NoIdentity),
        _ => {
            let candidates = found.into_iter().map(|(_, name)| name).take(MAX_CANDIDATES).collect();
            Err(ApiError::Ambiguous { kind: "person".into(), text: text.into(), candidates })
        }
    }
}

/// Finds one of `all` by its whole name, else by part of it, else by the start of its id.
fn named(
    workspace: &Workspace,
    kind: Kind,
    field: Field,
    all: Vec<EntityId>,
    text: &str,
) -> Result<EntityId, ApiError> {
    let mut found = by_name(workspace, kind, field, all.iter().copied(), text);
    if found.is_empty() {
        found = all.into_iter().filter(|id| starts(&id.to_string(), text)).collect();
    }
    let name = |id: EntityId| format!("{id}  {}", workspace.text(EntityKey::new(kind, id), field));
    one(kind.name(), text, &found, name, &format!("see `velo {} list`", kind.name()))
}

/// Those of `all` that have this name, else those that have it as a part, whatever its case.
fn by_name(
    workspace: &Workspace,
    kind: Kind,
    field: Field,
    all: impl Iterator<Item = EntityId>,
    text: &str,
) -> Vec<EntityId> {
    let wanted = text.to_lowercase();
    let name = |id: EntityId| workspace.text(EntityKey::new(kind, id), field).to_lowercase();
    let (mut exact, mut part) = (Vec::new(), Vec::new());
    for id in all {
        let name = name(id);
        if name == wanted {
            exact.push(id);
        } else if !wanted.is_empty() && name.contains(&wanted) {
            part.push(id);
        }
    }
    if exact.is_empty() { part } else { exact }
}

/// Whether `text` is the start of the id, long enough to be meant as one.
pub(super) fn starts(id: &str, text: &str) -> bool {
    text.len() >= MIN_PREFIX && id.starts_with(&text.to_lowercase())
}

fn one(
    kind: &str,
    text: &str,
    found: &[EntityId],
    name: impl Fn(EntityId) -> String,
    hint: &str,
) -> Result<EntityId, ApiError> {
    match found {
        [] => Err(ApiError::not_found(kind, text, hint)),
        [only] => Ok(*only),
        several => Err(ApiError::Ambiguous {
            kind: kind.to_owned(),
            text: text.to_owned(),
            candidates: several.iter().take(MAX_CANDIDATES).map(|id| name(*id)).collect(),
        }),
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
