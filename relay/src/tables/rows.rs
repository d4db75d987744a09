//! Rows as a moment of a workspace has them.
//!
//! Each function here says what one row is, from a snapshot alone. Whoever wants to know what to write
//! compares the rows of two moments.

use crate::tables::text::{clean, in_range, joined};
use jiff::{Timestamp, civil, tz::TimeZone};
use std::collections::{BTreeMap, BTreeSet};
use velo_node::short_id;
use velo_protocol::{
    describe,
    id::{EntityId, PersonId},
    limits,
    model::{EntityKey, Field, Kind, column, comment, project, task},
    time::Hlc,
    value::{Date, Element, Value},
    workspace::Workspace,
};

const DAY_MS: i64 = 86_400_000;

/// The kind of those whose names are kept.
pub(super) const PERSON: &str = "person";
const CONTACT: &str = "contact";
const LABEL: &str = "label";

/// Kind and id of what has a name.
pub(super) type Named = (&'static str, String);
/// Rows of `mirror_names`.
pub(super) type Names = BTreeMap<Named, String>;

/// What is small enough to be looked at as a whole, by id.
#[derive(Debug, Default)]
pub(super) struct Small {
    pub names: Names,
    pub projects: BTreeMap<String, ProjectRow>,
    pub columns: BTreeMap<String, ColumnRow>,
}

/// A row of `mirror_projects`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ProjectRow {
    pub name: String,
    pub prefix: String,
    pub description: String,
    pub position: i32,
    pub archived: bool,
    pub created_at: Option<i64>,
    pub created_by: Option<String>,
}

/// A row of `mirror_columns`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ColumnRow {
    pub shown_id: String,
    pub name: String,
    pub category: Option<String>,
    pub position: i32,
    pub project_id: String,
}

/// A row of `mirror_tasks`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TaskRow {
    pub id: String,
    pub short_id: String,
    pub title: String,
    pub description: String,
    pub priority: i16,
    pub column_id: Option<String>,
    pub anchor_id: Option<String>,
    pub parent_id: Option<String>,
    pub archived: bool,
    pub start: Day,
    pub due: Day,
    pub estimate: Option<i32>,
    /// Ids with commas between them.
    pub labels: String,
    /// The same.
    pub assignees: String,
    pub created_at: Option<i64>,
    pub created_by: Option<String>,
    pub moved_at: Option<i64>,
    pub updated_at: Option<i64>,
}

/// A row of `mirror_comments`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CommentRow {
    pub id: String,
    pub task_id: String,
    pub body: String,
    pub author_kind: Option<&'static str>,
    pub author_id: Option<String>,
    pub written_at: Option<i64>,
    pub created_at: Option<i64>,
    pub updated_at: Option<i64>,
    pub reply_to_id: Option<String>,
}

/// A date: the day since 1970-01-01, and the moment in milliseconds if it has one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Day {
    pub on: Option<i32>,
    pub at: Option<i64>,
}

impl Day {
    fn of(date: Option<&Date>) -> Self {
        match date {
            None => Self::default(),
            Some(Date::Day(day)) => Self { on: in_range(*day), at: None },
            Some(Date::At { ms, zone }) => {
                Self { on: civil_day(*ms, zone).and_then(in_range), at: Some(*ms) }
            }
        }
    }
}

/// The day in the zone in which a moment was meant; in UTC if nobody knows that zone.
fn civil_day(ms: i64, zone: &str) -> Option<i32> {
    let zone = TimeZone::get(zone).unwrap_or(TimeZone::UTC);
    let day = Timestamp::from_millisecond(ms).ok()?.to_zoned(zone).date();
    let hours = day.duration_since(civil::date(1970, 1, 1)).as_hours();
    i32::try_from(hours / 24).ok()
}

/// The moment at which a date begins.
fn start_ms(date: &Date) -> i64 {
    match date {
        Date::Day(day) => i64::from(*day) * DAY_MS,
        Date::At { ms, .. } => *ms,
    }
}

impl Small {
    pub fn of(workspace: &Workspace) -> Self {
        let projects = workspace.projects();
        let positions = positions(workspace, &projects);
        let column = |id: EntityId| Some((id.to_string(), ColumnRow::of(workspace, id, &positions)?));
        let columns = workspace.shown(Kind::Column).chain(workspace.deleted(Kind::Column));
        let project =
            |(position, id): (i32, EntityId)| (id.to_string(), ProjectRow::of(workspace, id, position));
        Self {
            names: names(workspace),
            columns: columns.filter_map(column).collect(),
            projects: (1..).zip(projects).map(project).collect(),
        }
    }
}

/// The places of columns in their projects, from 1.
fn positions(workspace: &Workspace, projects: &[EntityId]) -> BTreeMap<EntityId, i32> {
    let of_project = |project: &EntityId| (1..).zip(workspace.columns(*project));
    projects.iter().flat_map(of_project).map(|(position, column)| (column, position)).collect()
}

/// Everybody whose name a row may want, and every label, as far as they have a name.
fn names(workspace: &Workspace) -> Names {
    let authors = workspace.applied_chains().map(|(_, origin, _)| origin.person);
    let roster = workspace.roster();
    let people: BTreeSet<PersonId> =
        authors.chain(roster.members.keys().copied()).chain(roster.former.keys().copied()).collect();
    let person = |person: PersonId| ((PERSON, person.to_string()), clean(&workspace.person_name(person)));
    let named = |kind, word: &'static str| {
        let all = workspace.shown(kind).chain(workspace.deleted(kind));
        all.filter_map(move |id| {
            let name = workspace.text(EntityKey::new(kind, id), describe::title_field(kind)?);
            (!name.trim().is_empty()).then(|| ((word, id.to_string()), clean(name)))
        })
    };
    let things = named(Kind::Contact, CONTACT).chain(named(Kind::Label, LABEL));
    people.into_iter().map(person).chain(things).collect()
}

/// What an entity is called; the start of its id if it has no name.
fn name(workspace: &Workspace, key: EntityKey, field: Field) -> String {
    match workspace.text(key, field) {
        "" => key.id.short(),
        name => clean(name),
    }
}

fn flag(workspace: &Workspace, key: EntityKey, field: Field) -> bool {
    workspace.value(key, &field.into()).is_some_and(Value::is_true)
}

fn moment(hlc: Hlc) -> Option<i64> {
    (hlc.ms() > 0).then_some(hlc.ms() as i64)
}

/// When anything of an entity was set that still holds, at last.
fn updated(workspace: &Workspace, key: EntityKey) -> Option<i64> {
    let lives = workspace.registers(key).flat_map(|(_, lives)| lives.iter().map(|live| live.hlc));
    lives.max().and_then(moment)
}

impl ProjectRow {
    fn of(workspace: &Workspace, id: EntityId, position: i32) -> Self {
        let key = EntityKey::new(Kind::Project, id);
        let created = workspace.created(key);
        Self {
            name: name(workspace, key, project::NAME),
            prefix: clean(&short_id::prefix(workspace, id)),
            description: clean(workspace.text(key, project::DESCRIPTION)),
            position,
            archived: flag(workspace, key, project::ARCHIVED),
            created_at: created.and_then(|(hlc, _)| moment(hlc)),
            created_by: created.map(|(_, person)| person.to_string()),
        }
    }
}

impl ColumnRow {
    /// `None` if tasks in it are shown in no column.
    fn of(workspace: &Workspace, id: EntityId, positions: &BTreeMap<EntityId, i32>) -> Option<Self> {
        let shown = workspace.visible_column(id)?;
        let key = EntityKey::new(Kind::Column, shown);
        let project = workspace.value(key, &column::PROJECT.into())?.as_entity()?;
        let category = workspace.value(key, &column::CATEGORY.into()).and_then(Value::as_int);
        let word = |place: i64| column::CATEGORIES.get(usize::try_from(place).ok()?);
        Some(Self {
            shown_id: shown.to_string(),
            name: name(workspace, key, column::NAME),
            category: category.and_then(word).map(|word| (*word).to_owned()),
            position: positions.get(&shown).copied().unwrap_or(0),
            project_id: project.to_string(),
        })
    }
}

/// The column that a task names.
pub(super) fn own_column(workspace: &Workspace, task: EntityId) -> Option<EntityId> {
    workspace.value(EntityKey::new(Kind::Task, task), &task::COLUMN.into())?.as_entity()
}

/// The column that says in which project a task is shown: as [`Workspace::project_of`] looks for it.
fn anchor(workspace: &Workspace, task: EntityId) -> Option<EntityId> {
    let mut next = Some(task);
    for _ in 0..=limits::NESTING {
        let task = next?;
        if let Some(column) = own_column(workspace, task) {
            return Some(column);
        }
        next = workspace.parent_of(task);
    }
    None
}

impl TaskRow {
    /// `None` if the task is not shown.
    pub fn of(workspace: &Workspace, id: EntityId) -> Option<Self> {
        let view = workspace.task(id)?;
        let key = EntityKey::new(Kind::Task, id);
        let id_text = |id: EntityId| id.to_string();
        let elements = |field| joined(workspace.elements(key, field).into_iter().filter_map(element_id));
        Some(Self {
            id: id.to_string(),
            short_id: clean(&workspace.short_id(id)),
            title: clean(view.title),
            description: clean(view.description),
            priority: i16::try_from(view.priority).unwrap_or(0),
            column_id: own_column(workspace, id).map(id_text),
            anchor_id: anchor(workspace, id).map(id_text),
            parent_id: workspace.parent_of(id).map(id_text),
            archived: view.archived,
            start: Day::of(view.start),
            due: Day::of(view.due),
            estimate: view.estimate.and_then(|minutes| i32::try_from(minutes).ok()),
            labels: elements(task::LABELS),
            assignees: elements(task::ASSIGNEES),
            created_at: moment(view.created),
            created_by: workspace.created(key).map(|(_, person)| person.to_string()),
            moved_at: workspace.live(key, &task::COLUMN.into()).first().and_then(|live| moment(live.hlc)),
            updated_at: updated(workspace, key),
        })
    }
}

/// The id of what a set holds.
fn element_id(element: &Element) -> Option<String> {
    match element {
        Element::Entity(id) => Some(id.to_string()),
        Element::Person(person) => Some(person.to_string()),
        Element::Mark(..) | Element::Text(_) => None,
    }
}

impl CommentRow {
    /// `None` if the comment is not shown.
    pub fn of(workspace: &Workspace, id: EntityId) -> Option<Self> {
        let key = EntityKey::new(Kind::Comment, id);
        if !workspace.is_shown(key) {
            return None;
        }
        let value = |field: Field| workspace.value(key, &field.into());
        let task = value(comment::TASK)?.as_entity()?;
        let created = workspace.created(key);
        let author = match value(comment::AUTHOR) {
            Some(Value::Entity(contact)) => Some((CONTACT, contact.to_string())),
            Some(Value::Person(person)) => Some((PERSON, person.to_string())),
            _ => created.map(|(_, person)| (PERSON, person.to_string())),
        };
        let created_at = created.and_then(|(hlc, _)| moment(hlc));
        let written = value(comment::WRITTEN_AT).and_then(Value::as_date).map(start_ms);
        Some(Self {
            id: id.to_string(),
            task_id: task.to_string(),
            body: clean(workspace.text(key, comment::TEXT)),
            author_kind: author.as_ref().map(|(kind, _)| *kind),
            author_id: author.map(|(_, id)| id),
            written_at: written.or(created_at),
            created_at,
            updated_at: updated(workspace, key),
            reply_to_id: value(comment::REPLY_TO).and_then(Value::as_entity).map(|id| id.to_string()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_on_the_day_of_its_zone() {
        let at = |ms, zone: &str| Day::of(Some(&Date::At { ms, zone: zone.into() }));
        // 2026-12-01, half past eleven at night in UTC.
        let late = 1_796_167_800_000;
        assert_eq!(at(late, "UTC").on, Some(20_788));
        assert_eq!(at(late, "Europe/Zurich"), Day { on: Some(20_789), at: Some(late) });
        assert_eq!(at(late, "Nowhere/At all").on, Some(20_788));
        assert_eq!(at(-1, "UTC").on, Some(-1));
        assert_eq!(Day::of(Some(&Date::Day(7))), Day { on: Some(7), at: None });
        assert_eq!(Day::of(Some(&Date::Day(i32::MAX))), Day::default());
    }
}
