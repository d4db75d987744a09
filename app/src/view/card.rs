//! What a card or row shows of a task, read once per revision and only when it is visible.

use super::{
    date::{self, Moment, Urgency},
    directory::Directory,
    personal::Personal,
};
use std::{collections::BTreeMap, rc::Rc};
use velo_protocol::{
    id::EntityId,
    model::{self, EntityKey, Kind, task},
    value::{Element, Value},
    workspace::Workspace,
};

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Card {
    /// The task.
    pub id: EntityId,
    /// Its short id.
    pub short_id: String,
    /// Its title.
    pub title: String,
    /// Place in [`task::PRIORITIES`].
    pub priority: i64,
    /// The due date as text, and how pressing it is.
    pub due: Option<(String, Urgency)>,
    /// Names and accents.
    pub labels: Vec<(String, usize)>,
    /// Initials, name and accent.
    pub assignees: Vec<(String, String, usize)>,
    /// Checklist items and subtasks: done, all.
    pub steps: (usize, usize),
    /// How many comments.
    pub comments: usize,
    /// How many of them the person has not read.
    pub unread: usize,
    /// Whether a field of it has more than one value.
    pub conflict: bool,
    /// Whether it stands in a column of finished work.
    pub finished: bool,
}

impl Card {
    /// Reads a shown task.
    pub fn read(
        workspace: &Workspace,
        (names, personal): (&Directory, &Personal),
        id: EntityId,
        moment: Moment,
    ) -> Option<Self> {
        let view = workspace.task(id)?;
        let key = EntityKey::new(Kind::Task, id);
        let finished = workspace.column_of(id).is_some_and(|column| is_finished(workspace, column));
        Some(Self {
            id,
            short_id: workspace.short_id(id),
            title: view.title.to_owned(),
            priority: view.priority,
            due: view.due.map(|due| (date::date_text(due, moment), date::urgency(due, moment))),
            labels: labels(workspace, names, key),
            assignees: assignees(workspace, names, key),
            steps: steps(workspace, id),
            comments: workspace.comments(id).len(),
            unread: personal.unread(workspace, id).len(),
            conflict: !workspace.conflicts_of(key).is_empty(),
            finished,
        })
    }

    /// Whether it has anything for the line under the title.
    pub fn has_meta(&self) -> bool {
        self.priority > 0
            || self.due.is_some()
            || !self.assignees.is_empty()
            || self.steps.1 > 0
            || self.comments > 0
            || self.conflict
    }
}

/// The stage of work of a column, as a place in [`model::column::CATEGORIES`].
pub fn category(workspace: &Workspace, column: EntityId) -> i64 {
    let key = EntityKey::new(Kind::Column, column);
    workspace.value(key, &model::column::CATEGORY.into()).and_then(Value::as_int).unwrap_or(1)
}

/// Whether a column holds finished work.
pub fn is_finished(workspace: &Workspace, column: EntityId) -> bool {
    matches!(category(workspace, column), model::column::DONE | model::column::CANCELLED)
}

fn labels(workspace: &Workspace, names: &Directory, key: EntityKey) -> Vec<(String, usize)> {
    let elements = workspace.elements(key, task::LABELS).into_iter();
    let known = elements.filter_map(|element| match element {
        Element::Entity(id) => names.label(*id),
        _ => None,
    });
    known.map(|label| (label.name.clone(), label.color)).collect()
}

fn assignees(workspace: &Workspace, names: &Directory, key: EntityKey) -> Vec<(String, String, usize)> {
    let elements = workspace.elements(key, task::ASSIGNEES).into_iter();
    elements
        .filter_map(|element| names.who(element))
        .map(|who| (who.initials(), who.name.clone(), who.color))
        .collect()
}

fn steps(workspace: &Workspace, task: EntityId) -> (usize, usize) {
    let items = workspace.checklist(task);
    let subtasks = workspace.subtasks(task);
    let ticked = |id: &&EntityId| {
        let key = EntityKey::new(Kind::ChecklistItem, **id);
        workspace.value(key, &model::checklist_item::DONE.into()).is_some_and(Value::is_true)
    };
    let finished =
        |id: &&EntityId| workspace.column_of(**id).is_some_and(|column| is_finished(workspace, column));
    let done = items.iter().filter(ticked).count() + subtasks.iter().filter(finished).count();
    (done, items.len() + subtasks.len())
}

/// Cards read at one revision, of the workspace and of what is kept privately, on one day.
#[derive(Debug, Default)]
pub struct Cards {
    of: (u64, u64, i32),
    read: BTreeMap<EntityId, Option<Rc<Card>>>,
}

impl Cards {
    /// Forgets what was read when the workspace or the day has changed.
    pub fn keep_for(&mut self, of: (u64, u64, i32)) {
        if self.of != of {
            *self = Self { of, read: BTreeMap::new() };
        }
    }

    /// Forgets everything: another workspace is shown.
    pub fn clear(&mut self) {
        self.read.clear();
    }

    /// The card of a task, read when first asked for. `None` if the task is not shown.
    pub fn get(
        &mut self,
        ws: &Workspace,
        names: (&Directory, &Personal),
        id: EntityId,
        moment: Moment,
    ) -> Option<Rc<Card>> {
        let read = || Card::read(ws, names, id, moment).map(Rc::new);
        self.read.entry(id).or_insert_with(read).clone()
    }
}
