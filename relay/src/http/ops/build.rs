//! From a program's words to changes.

use super::{Problem, Type};
use crate::limits;
use axum::http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize, de::DeserializeOwned};
use serde_json::Value as Payload;
use velo_node::short_id;
use velo_protocol::{
    change::Change,
    id::EntityId,
    model::{self, EntityKey, Field, Kind, Slot, column, comment, contact, project, task},
    value::{Date, Value},
    workspace::Workspace,
};

/// The columns of a project that a program makes, with the place of each among the categories.
const COLUMNS: [(&str, i64); 3] = [("To do", 1), ("Doing", 2), ("Done", column::DONE)];

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum EntityKind {
    Task,
    Comment,
    Project,
}

/// What an operation is about: by the sender's own name for it, or by the id of something that is there.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Entity {
    kind: EntityKind,
    pub id: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct TaskPayload {
    title: Option<String>,
    description: Option<String>,
    project: Option<String>,
    column: Option<String>,
    priority: Option<String>,
    #[serde(default)]
    start: Given<String>,
    #[serde(default)]
    due: Given<String>,
    #[serde(default)]
    estimate: Given<i64>,
    archived: Option<bool>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct CommentPayload {
    task: Option<String>,
    text: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProjectPayload {
    name: Option<String>,
    description: Option<String>,
    archived: Option<bool>,
}

/// What may be left out, or emptied with `null`.
#[derive(Debug, Default)]
enum Given<T> {
    #[default]
    Nothing,
    Empty,
    Value(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Given<T> {
    fn deserialize<D: Deserializer<'de>>(given: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(given)?.map_or(Self::Empty, Self::Value))
    }
}

impl<T> Given<T> {
    /// The value to be written, if any.
    fn value(&self, of: impl Fn(&T) -> Result<Value, Problem>) -> Result<Option<Value>, Problem> {
        match self {
            Self::Nothing => Ok(None),
            Self::Empty => Ok(Some(Value::Unset)),
            Self::Value(given) => of(given).map(Some),
        }
    }
}

fn wrong(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_op", detail)
}

/// Names that senders give: one line, not endless.
pub(super) fn check_name(field: &str, name: &str) -> Result<(), Problem> {
    let most = limits::INTEGRATION_NAME;
    let good = !name.is_empty() && name.chars().count() <= most && !name.chars().any(char::is_control);
    if good { Ok(()) } else { Err(wrong(format!("{field}: one line of 1 to {most} characters"))) }
}

/// Makes changes for one operation.
pub(super) struct Builder<'a> {
    pub workspace: &'a Workspace,
    /// Of the integration.
    pub name: &'a str,
    pub timestamp: i64,
}

impl Builder<'_> {
    /// What is meant.
    pub fn key(&self, entity: &Entity) -> Result<EntityKey, Problem> {
        let kind = match entity.kind {
            EntityKind::Task => Kind::Task,
            EntityKind::Comment => Kind::Comment,
            EntityKind::Project => Kind::Project,
        };
        check_name("entity.id", &entity.id)?;
        Ok(self.named(kind, &entity.id))
    }

    /// Something that is there has this id; or else it is the sender's own name.
    fn named(&self, kind: Kind, name: &str) -> EntityKey {
        let there = name.parse().ok().map(|id| EntityKey::new(kind, id));
        let is_there = |key: &EntityKey| self.workspace.created(*key).is_some();
        there.filter(is_there).unwrap_or_else(|| EntityKey::new(kind, self.derived(kind.name(), name)))
    }

    fn derived(&self, kind: &str, name: &str) -> EntityId {
        let workspace = self.workspace.id();
        let parts =
            [b"integration", &workspace.0[..], self.name.as_bytes(), kind.as_bytes(), name.as_bytes()];
        EntityId::derived(&parts)
    }

    /// The same of something that has to be shown.
    fn shown(&self, field: &str, kind: Kind, name: &str) -> Result<EntityId, Problem> {
        let key = self.named(kind, name);
        let shown = self.workspace.is_shown(key).then_some(key.id);
        shown.ok_or_else(|| wrong(format!("{field}: there is no such {}", kind.name())))
    }

    pub fn changes(
        &self,
        key: EntityKey,
        kind: Type,
        payload: Option<&Payload>,
    ) -> Result<Vec<Change>, Problem> {
        if kind == Type::Delete {
            let is_known = self.workspace.created(key).is_some();
            let detail = format!("there is no such {}", key.kind.name());
            let delete = self.workspace.is_shown(key).then_some(Change::Delete { key });
            return if is_known { Ok(delete.into_iter().collect()) } else { Err(wrong(detail)) };
        }
        match key.kind {
            Kind::Task => self.task(key, &read(payload)?),
            Kind::Comment => self.comment(key, read(payload)?),
            _ => self.project(key, read(payload)?),
        }
    }

    fn at(&self) -> Value {
        Value::Date(Date::At { ms: self.timestamp, zone: "UTC".into() })
    }

    /// Sets fields of what is there, or makes it with them.
    fn upsert(&self, key: EntityKey, fields: Vec<(Slot, Value)>) -> Result<Vec<Change>, Problem> {
        for (slot, value) in &fields {
            model::check(key.kind, slot, value).map_err(|error| wrong(error.to_string()))?;
        }
        if self.workspace.is_shown(key) {
            return Ok(fields.into_iter().map(|(slot, value)| Change::Set { key, slot, value }).collect());
        }
        Ok(vec![Change::Create { key, fields }])
    }

    fn task(&self, key: EntityKey, given: &TaskPayload) -> Result<Vec<Change>, Problem> {
        let mut fields: Vec<(Slot, Value)> = Vec::new();
        let mut set = |field: Field, value: Value| fields.push((field.into(), value));
        if let Some(title) = &given.title {
            set(task::TITLE, Value::text(title.trim()));
        }
        if let Some(text) = &given.description {
            set(task::DESCRIPTION, Value::text(text.as_str()));
        }
        if let Some(word) = &given.priority {
            let place = task::PRIORITIES.iter().position(|known| known == word);
            let place =
                place.ok_or_else(|| wrong(format!("priority: one of {}", task::PRIORITIES.join(", "))))?;
            set(task::PRIORITY, Value::Int(place as i64));
        }
        for (field, name, given) in [(task::START, "start", &given.start), (task::DUE, "due", &given.due)] {
            if let Some(value) = given.value(|day| date(name, day))? {
                set(field, value);
            }
        }
        if let Some(value) = given.estimate.value(|minutes| Ok(Value::Int(*minutes)))? {
            set(task::ESTIMATE, value);
        }
        if let Some(archived) = given.archived {
            set(task::ARCHIVED, Value::Bool(archived));
        }
        let is_new = !self.workspace.is_shown(key);
        let column = self.column(key, given, is_new)?;
        if is_new {
            given.title.as_ref().ok_or_else(|| wrong("title: a new task needs one"))?;
            fields.push((task::SOURCE.into(), Value::text(self.name)));
            fields.push((task::CREATED_AT.into(), self.at()));
            fields.extend(column.map(|column| (task::COLUMN.into(), Value::Entity(column))));
        }
        let mut changes = self.upsert(key, fields)?;
        if let Some(column) = column {
            let after = self.workspace.tasks(column).into_iter().rfind(|task| *task != key.id);
            changes.push(Change::Place { key, container: Some((task::COLUMN, column)), after });
        }
        Ok(changes)
    }

    /// Where the task is to stand, if that is another column than it stands in.
    fn column(&self, key: EntityKey, given: &TaskPayload, is_new: bool) -> Result<Option<EntityId>, Problem> {
        if !is_new && given.project.is_none() && given.column.is_none() {
            return Ok(None);
        }
        let project = match &given.project {
            Some(name) => self.shown("project", Kind::Project, name)?,
            None => match (self.workspace.project_of(key.id), self.workspace.projects().as_slice()) {
                (Some(own), _) if !is_new => own,
                (_, [only]) => *only,
                _ => return Err(wrong("project: say which, there is not exactly one")),
            },
        };
        let columns = self.workspace.columns(project);
        let is_meant = |id: &&EntityId| {
            let name = self.workspace.text(EntityKey::new(Kind::Column, **id), column::NAME).to_lowercase();
            given.column.as_ref().is_none_or(|wanted| wanted.to_lowercase() == name)
        };
        let column = *columns
            .iter()
            .find(is_meant)
            .ok_or_else(|| wrong("column: the project has none of that name"))?;
        Ok((is_new || self.workspace.column_of(key.id) != Some(column)).then_some(column))
    }

    fn comment(&self, key: EntityKey, given: CommentPayload) -> Result<Vec<Change>, Problem> {
        let mut changes = Vec::new();
        let mut fields: Vec<(Slot, Value)> = Vec::new();
        let is_new = !self.workspace.is_shown(key);
        let task = given.task.map(|name| self.shown("task", Kind::Task, &name)).transpose()?;
        if is_new {
            let task = task.ok_or_else(|| wrong("task: a new comment needs one"))?;
            let author = EntityKey::new(Kind::Contact, self.derived("author", ""));
            if !self.workspace.is_shown(author) {
                let fields = vec![(contact::NAME.into(), Value::text(self.name))];
                changes.push(Change::Create { key: author, fields });
            }
            fields.push((comment::TASK.into(), Value::Entity(task)));
            fields.push((comment::AUTHOR.into(), Value::Entity(author.id)));
            fields.push((comment::WRITTEN_AT.into(), self.at()));
        } else if task.is_some_and(|task| !self.workspace.comments(task).contains(&key.id)) {
            return Err(wrong("task: a comment stays with its task"));
        }
        match given.text.filter(|text| !text.trim().is_empty()) {
            Some(text) => fields.push((comment::TEXT.into(), Value::text(text))),
            None => return Err(wrong("text: a comment says something")),
        }
        changes.extend(self.upsert(key, fields)?);
        Ok(changes)
    }

    fn project(&self, key: EntityKey, given: ProjectPayload) -> Result<Vec<Change>, Problem> {
        let is_new = !self.workspace.is_shown(key);
        let mut fields: Vec<(Slot, Value)> = Vec::new();
        match &given.name {
            Some(name) => fields.push((project::NAME.into(), Value::text(name.trim()))),
            None if is_new => return Err(wrong("name: a new project needs one")),
            None => {}
        }
        if let Some(text) = given.description {
            fields.push((project::DESCRIPTION.into(), Value::text(text)));
        }
        if let Some(archived) = given.archived {
            fields.push((project::ARCHIVED.into(), Value::Bool(archived)));
        }
        if !is_new {
            return self.upsert(key, fields);
        }
        let prefix = short_id::prefix_from(given.name.as_deref().unwrap_or_default());
        fields.push((project::PREFIX.into(), Value::text(prefix)));
        let mut changes = self.upsert(key, fields)?;
        let after = self.workspace.projects().last().copied();
        changes.push(Change::Place { key, container: None, after });
        let mut left = None;
        for (name, category) in COLUMNS {
            let id = EntityId::derived(&[b"integration column", &key.id.0, name.as_bytes()]);
            let column = EntityKey::new(Kind::Column, id);
            let fields = vec![
                (column::NAME.into(), Value::text(name)),
                (column::CATEGORY.into(), Value::Int(category)),
                (column::PROJECT.into(), Value::Entity(key.id)),
            ];
            changes.push(Change::Create { key: column, fields });
            let container = Some((column::PROJECT, key.id));
            changes.push(Change::Place { key: column, container, after: left.replace(id) });
        }
        Ok(changes)
    }
}

fn read<T: DeserializeOwned>(payload: Option<&Payload>) -> Result<T, Problem> {
    T::deserialize(payload.unwrap_or(&Payload::Null)).map_err(|error| wrong(format!("payload: {error}")))
}

fn date(field: &str, text: &str) -> Result<Value, Problem> {
    // Ten characters: the library also reads forms that nobody should rely on.
    let day = text.parse::<jiff::civil::Date>().ok().filter(|_| text.len() == 10);
    let epoch = jiff::civil::date(1970, 1, 1);
    let days = day.and_then(|day| day.since(epoch).ok()).map(|span| span.get_days());
    days.map(|days| Value::Date(Date::Day(days)))
        .ok_or_else(|| wrong(format!("{field}: a day such as 2026-12-01")))
}
