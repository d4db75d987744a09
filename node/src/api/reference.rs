//! How people point at things: `VELO-42`, the start of an id, a name or part of one.
//!
//! Part of a name will do for looking and for what is easily seen to be wrong. What deletes, moves or
//! finishes something takes only what names it exactly: half a title that fits one task today may
//! fit another one after the next sync.

use super::{ApiError, scope::Scope};
use crate::short_id;
use velo_protocol::{
    id::{EntityId, PersonId},
    model::{EntityKey, Field, Kind, column, contact, label, project, task},
    value::Element,
    workspace::Workspace,
};

/// Shortest start of an id that is taken for one.
const MIN_PREFIX: usize = 6;
/// Most candidates listed for an ambiguous reference.
const MAX_CANDIDATES: usize = 10;

/// How near a reference must come to what it means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// Part of a name is enough, if it is part of only one.
    Part,
    /// A name must be whole.
    Whole,
}

/// Finds a task, shown or deleted, by short id or the start of its id, and by its title; by part of
/// it only if it is shown.
pub fn task(scope: &Scope<'_>, text: &str, precision: Precision) -> Result<EntityId, ApiError> {
    let workspace = &scope.workspace;
    // Scripts give whole ids: for these, no task need be looked at.
    if let Ok(id) = text.parse::<EntityId>()
        && workspace.created(EntityKey::new(Kind::Task, id)).is_some()
    {
        return Ok(id);
    }
    let mut found = workspace.find_short_id(text);
    if found.is_empty() {
        let all = workspace.shown(Kind::Task).chain(workspace.deleted(Kind::Task));
        found = all.filter(|id| starts(&id.to_string(), text)).collect();
    }
    let name = |id: EntityId| {
        let title = workspace.text(EntityKey::new(Kind::Task, id), task::TITLE);
        format!("{id}  {}  {title}", workspace.short_id(id))
    };
    let hint = "see `velo task list`, or `velo task list --deleted`";
    if !found.is_empty() {
        return one("task", text, &found, name, hint);
    }
    let titles =
        |all: &mut dyn Iterator<Item = EntityId>| Names::of(workspace, Kind::Task, task::TITLE, all, text);
    let shown = titles(&mut workspace.shown(Kind::Task));
    if precision == Precision::Whole && shown.whole.is_empty() {
        let deleted = titles(&mut workspace.deleted(Kind::Task).into_iter());
        if !deleted.whole.is_empty() {
            return one("task", text, &deleted.whole, name, hint);
        }
    }
    shown.one(precision, text, Kind::Task, name, hint)
}

/// Finds a task that is shown.
pub fn shown_task(scope: &Scope<'_>, text: &str, precision: Precision) -> Result<EntityId, ApiError> {
    let id = task(scope, text, precision)?;
    if scope.workspace.is_shown(EntityKey::new(Kind::Task, id)) {
        return Ok(id);
    }
    let hint = format!("it was deleted. `velo task restore {}` brings it back", scope.workspace.short_id(id));
    Err(ApiError::not_found("task", text, &hint))
}

/// Finds a project, also by its prefix; without a reference, the only one there is.
pub fn project(
    workspace: &Workspace,
    text: Option<&str>,
    precision: Precision,
) -> Result<EntityId, ApiError> {
    let all = workspace.projects();
    let Some(text) = text else {
        return match all.as_slice() {
            [] => Err(ApiError::not_found("project", "", "make one with `velo project add NAME`")),
            [only] => Ok(*only),
            _ => Err(ApiError::Invalid("there are several projects: say which with --project NAME".into())),
        };
    };
    if let Some(id) = by_prefix(workspace, &all, text) {
        return Ok(id);
    }
    named(workspace, Kind::Project, project::NAME, all, text, precision)
}

/// The one project with this prefix, if that is surely what is meant: it is written as the prefix is
/// and no other project is called so, or it is no part of any name at all.
fn by_prefix(workspace: &Workspace, all: &[EntityId], text: &str) -> Option<EntityId> {
    let wanted = text.to_lowercase();
    let fits = |id: &&EntityId| short_id::prefix(workspace, **id).to_lowercase() == wanted;
    let found: Vec<_> = all.iter().filter(fits).collect();
    let [id] = found[..] else { return None };
    let named_so = |other: &EntityId| {
        other != id && workspace.text(EntityKey::new(Kind::Project, *other), project::NAME) == text
    };
    if short_id::prefix(workspace, *id) == text {
        return (!all.iter().any(named_so)).then_some(*id);
    }
    let names = Names::of(workspace, Kind::Project, project::NAME, all.iter().copied(), text);
    (names.whole.is_empty() && names.part.is_empty()).then_some(*id)
}

/// Finds a column of a project.
pub fn column(
    workspace: &Workspace,
    project: EntityId,
    text: &str,
    precision: Precision,
) -> Result<EntityId, ApiError> {
    named(workspace, Kind::Column, column::NAME, workspace.columns(project), text, precision)
}

/// Finds a label.
pub fn label(workspace: &Workspace, text: &str, precision: Precision) -> Result<EntityId, ApiError> {
    named(workspace, Kind::Label, label::NAME, workspace.shown(Kind::Label).collect(), text, precision)
}

/// Finds a member or a contact by name, or by the start of a member's id.
pub fn who(workspace: &Workspace, text: &str) -> Result<Element, ApiError> {
    let members: Vec<_> = workspace.roster().members.keys().copied().collect();
    let found = People::of(workspace, &members, text).best();
    if found.is_empty() {
        let contacts = workspace.shown(Kind::Contact).collect();
        return named(workspace, Kind::Contact, contact::NAME, contacts, text, Precision::Part)
            .map(Element::Entity);
    }
    one_person(workspace, text, &found, "").map(Element::Person)
}

/// Finds somebody who is in, or was: who is in comes first where one name is enough for both.
pub fn person(workspace: &Workspace, text: &str, precision: Precision) -> Result<PersonId, ApiError> {
    let roster = workspace.roster();
    let members: Vec<_> = roster.members.keys().copied().collect();
    let former: Vec<_> = roster.former.keys().copied().collect();
    let (members, former) = (People::of(workspace, &members, text), People::of(workspace, &former, text));
    let first = |one: Vec<PersonId>, other: Vec<PersonId>| if one.is_empty() { other } else { one };
    let exact = first(first(members.whole, former.whole), first(members.id, former.id));
    let part = first(members.part, former.part);
    let hint = "see `velo member list`, or `velo member list --all`";
    if exact.is_empty() && !part.is_empty() && precision == Precision::Whole {
        let hint = did_you_mean(part.iter().map(|person| person_line(workspace, *person)));
        return Err(ApiError::not_found("person", text, &hint));
    }
    one_person(workspace, text, &first(exact, part), hint)
}

/// The people a text may mean.
struct People {
    /// Those that have this name.
    whole: Vec<PersonId>,
    /// Those whose id starts so.
    id: Vec<PersonId>,
    /// Those that have it as a part of their name.
    part: Vec<PersonId>,
}

impl People {
    fn of(workspace: &Workspace, all: &[PersonId], text: &str) -> Self {
        let wanted = text.trim().to_lowercase();
        let name = |person: &PersonId| workspace.person_name(*person).to_lowercase();
        let fitting = |fits: &dyn Fn(&PersonId) -> bool| -> Vec<PersonId> {
            all.iter().filter(|person| fits(person)).copied().collect()
        };
        Self {
            whole: fitting(&|person| name(person) == wanted),
            id: fitting(&|person| starts(&person.to_string(), text)),
            part: fitting(&|person| !wanted.is_empty() && name(person).contains(&wanted)),
        }
    }

    /// A whole name comes before an id, and that before part of a name.
    fn best(self) -> Vec<PersonId> {
        [self.whole, self.id, self.part].into_iter().find(|found| !found.is_empty()).unwrap_or_default()
    }
}

fn person_line(workspace: &Workspace, person: PersonId) -> String {
    format!("{}  {}", person.short(), workspace.person_name(person))
}

fn one_person(
    workspace: &Workspace,
    text: &str,
    found: &[PersonId],
    hint: &str,
) -> Result<PersonId, ApiError> {
    match found {
        [] => Err(ApiError::not_found("person", text, hint)),
        [only] => Ok(*only),
        several => {
            let lines = several.iter().take(MAX_CANDIDATES).map(|person| person_line(workspace, *person));
            Err(ApiError::Ambiguous { kind: "person".into(), text: text.into(), candidates: lines.collect() })
        }
    }
}

/// What is offered where part of a name is not enough.
pub(super) fn did_you_mean(lines: impl Iterator<Item = String>) -> String {
    let lines: Vec<_> = lines.take(MAX_CANDIDATES).collect();
    format!("part of a name is not enough for this. Did you mean\n{}", lines.join("\n"))
}

/// Finds one of `all` by the start of its id, or by name.
fn named(
    workspace: &Workspace,
    kind: Kind,
    field: Field,
    all: Vec<EntityId>,
    text: &str,
    precision: Precision,
) -> Result<EntityId, ApiError> {
    let names = Names::of(workspace, kind, field, all.iter().copied(), text);
    let name = |id: EntityId| {
        let name = workspace.text(EntityKey::new(kind, id), field);
        if kind == Kind::Project {
            return format!("{id}  {}  {name}", short_id::prefix(workspace, id));
        }
        format!("{id}  {name}")
    };
    let hint = match kind {
        Kind::Contact => "see `velo workspace show` for who is in it".to_owned(),
        kind => format!("see `velo {} list`", kind.name()),
    };
    if names.whole.is_empty() {
        let found: Vec<_> = all.into_iter().filter(|id| starts(&id.to_string(), text)).collect();
        if !found.is_empty() {
            return one(kind.name(), text, &found, name, &hint);
        }
    }
    names.one(precision, text, kind, name, &hint)
}

/// What a text names, whatever its case.
struct Names {
    /// Those that have this name.
    whole: Vec<EntityId>,
    /// Those that have it as a part.
    part: Vec<EntityId>,
}

impl Names {
    fn of(
        workspace: &Workspace,
        kind: Kind,
        field: Field,
        all: impl Iterator<Item = EntityId>,
        text: &str,
    ) -> Self {
        let wanted = text.trim().to_lowercase();
        let mut names = Self { whole: Vec::new(), part: Vec::new() };
        for id in all {
            let name = workspace.text(EntityKey::new(kind, id), field).to_lowercase();
            if name == wanted {
                names.whole.push(id);
            } else if !wanted.is_empty() && name.contains(&wanted) {
                names.part.push(id);
            }
        }
        names
    }

    /// The one that is meant. Where only part of a name fits and a whole one is wanted, those with
    /// that part are offered.
    fn one(
        &self,
        precision: Precision,
        text: &str,
        kind: Kind,
        name: impl Fn(EntityId) -> String,
        hint: &str,
    ) -> Result<EntityId, ApiError> {
        match (precision, self.whole.as_slice(), self.part.as_slice()) {
            (Precision::Part, [], part) => one(kind.name(), text, part, name, hint),
            (Precision::Whole, [], part @ [_, ..]) => {
                let hint = did_you_mean(part.iter().map(|id| name(*id)));
                Err(ApiError::not_found(kind.name(), text, &hint))
            }
            (_, whole, _) => one(kind.name(), text, whole, name, hint),
        }
    }
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
