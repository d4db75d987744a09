//! What screens ask for: boards, lists, details.

use super::{TaskView, Workspace, entity::Entity};
use crate::{
    blob::Content,
    id::EntityId,
    limits,
    model::{self, Containment, EntityKey, Field, Kind, column, project, task},
    time::Hlc,
    value::{Date, OrderKey, Value},
};

const DAY_MS: i64 = 86_400_000;

fn start_ms(date: &Date) -> i64 {
    match date {
        Date::Day(day) => i64::from(*day) * DAY_MS,
        Date::At { ms, .. } => *ms,
    }
}

impl Workspace {
    /// Every shown entity of a kind, by id.
    pub fn shown(&self, kind: Kind) -> Box<dyn Iterator<Item = EntityId> + '_> {
        let first = EntityKey::new(kind, EntityId([0; 16]));
        let last = EntityKey::new(kind, EntityId([0xff; 16]));
        let all = self.entities.range(first..=last);
        Box::new(all.filter(|(_, entity)| entity.is_shown()).map(|(key, _)| key.id))
    }

    /// Deleted entities that can be restored, latest first.
    pub fn deleted(&self, kind: Kind) -> Vec<EntityId> {
        let first = EntityKey::new(kind, EntityId([0; 16]));
        let last = EntityKey::new(kind, EntityId([0xff; 16]));
        let mut deleted: Vec<_> = self.deleted.range(first..=last).map(|key| key.id).collect();
        let when = |id: &EntityId| self.entity(EntityKey::new(kind, *id)).and_then(Entity::deletion);
        deleted.sort_by_key(|id| std::cmp::Reverse(when(id).map(|stamp| (stamp.hlc, stamp.op))));
        deleted
    }

    /// Projects, in order.
    pub fn projects(&self) -> Vec<EntityId> {
        self.sorted(Kind::Project, project::ORDER, self.shown(Kind::Project))
    }

    /// Shown columns of a project, in order.
    pub fn columns(&self, project: EntityId) -> Vec<EntityId> {
        let columns = self.tree.contents(Containment::Column, Some(project));
        self.sorted(Kind::Column, column::ORDER, columns)
    }

    /// Shown tasks of a column, archived ones and subtasks included, in order; those of deleted
    /// columns come with the project's first.
    pub fn tasks(&self, column: EntityId) -> Vec<EntityId> {
        let Some(project) = self.project_of_column(column) else { return Vec::new() };
        let mut tasks: Vec<_> = self.tree.contents(Containment::Task, Some(column)).collect();
        let mut deleted = self.tree.deleted_columns(project).peekable();
        if deleted.peek().is_some() && self.columns(project).first() == Some(&column) {
            tasks.extend(deleted.flat_map(|column| self.tree.contents(Containment::Task, Some(column))));
        }
        self.sorted(Kind::Task, task::ORDER, tasks)
    }

    /// Shown tasks that stand in no shown project, neither themselves nor through their parent.
    pub fn tasks_without_project(&self) -> Vec<EntityId> {
        let without = self.tree.contents(Containment::Task, None);
        let without = without.filter(|task| self.project_of(*task).is_none());
        let lost = self.tree.columns_in_use().filter(|column| self.visible_column(*column).is_none());
        let lost = lost.flat_map(|column| self.tree.contents(Containment::Task, Some(column)));
        self.sorted(Kind::Task, task::ORDER, without.chain(lost))
    }

    /// The column a task is shown in.
    pub fn column_of(&self, task: EntityId) -> Option<EntityId> {
        self.visible_column(self.reference(Kind::Task, task, task::COLUMN)?)
    }

    /// The project a task is shown in: that of its column, or of its parent if it has no column.
    pub fn project_of(&self, task: EntityId) -> Option<EntityId> {
        let mut next = Some(task);
        for _ in 0..=limits::NESTING {
            let task = next?;
            if let Some(column) = self.reference(Kind::Task, task, task::COLUMN) {
                return self.project_of_column(self.visible_column(column)?);
            }
            next = self.parent_of(task);
        }
        None
    }

    /// The parent, with cycles broken the same way on every device.
    pub fn parent_of(&self, task: EntityId) -> Option<EntityId> {
        let parent = self.reference(Kind::Task, task, task::PARENT)?;
        let followed = !self.tree.is_cut(task) && self.is_shown(EntityKey::new(Kind::Task, parent));
        followed.then_some(parent)
    }

    /// Shown subtasks, in order.
    pub fn subtasks(&self, task: EntityId) -> Vec<EntityId> {
        let subtasks = self.tree.contents(Containment::Subtask, Some(task));
        self.sorted(Kind::Task, task::ORDER, subtasks.filter(|subtask| !self.tree.is_cut(*subtask)))
    }

    /// Shown checklist items, in order.
    pub fn checklist(&self, task: EntityId) -> Vec<EntityId> {
        let items = self.tree.contents(Containment::ChecklistItem, Some(task));
        self.sorted(Kind::ChecklistItem, model::checklist_item::ORDER, items)
    }

    /// Shown comments, oldest first.
    pub fn comments(&self, task: EntityId) -> Vec<EntityId> {
        let mut comments: Vec<_> = self.tree.contents(Containment::Comment, Some(task)).collect();
        comments.sort_by_cached_key(|id| {
            let comment = self.entity(EntityKey::new(Kind::Comment, *id));
            let created = comment.and_then(|comment| comment.created).map_or(Hlc(0), |(hlc, _)| hlc);
            let written = comment.and_then(|comment| comment.value(model::comment::WRITTEN_AT)?.as_date());
            (written.map_or(created.ms() as i64, start_ms), created, *id)
        });
        comments
    }

    /// Shown attachments, by id.
    pub fn attachments(&self, task: EntityId) -> Vec<EntityId> {
        self.tree.contents(Containment::Attachment, Some(task)).collect()
    }

    /// Where the content of an attachment is found. `None`: it is a link, or cannot be understood.
    pub fn content(&self, attachment: EntityId) -> Option<Content> {
        let key = EntityKey::new(Kind::Attachment, attachment);
        self.text(key, model::attachment::CONTENT).parse().ok()
    }

    /// What is shown directly inside an entity: a project's columns, a column's tasks, a task's
    /// subtasks, checklist, comments and attachments.
    pub fn children(&self, key: EntityKey) -> Vec<EntityKey> {
        let of = |kind, ids: Vec<EntityId>| ids.into_iter().map(move |id| EntityKey::new(kind, id));
        match key.kind {
            Kind::Project => of(Kind::Column, self.columns(key.id)).collect(),
            Kind::Column => of(Kind::Task, self.tasks(key.id)).collect(),
            Kind::Task => of(Kind::Task, self.subtasks(key.id))
                .chain(of(Kind::ChecklistItem, self.checklist(key.id)))
                .chain(of(Kind::Comment, self.comments(key.id)))
                .chain(of(Kind::Attachment, self.attachments(key.id)))
                .collect(),
            _ => Vec::new(),
        }
    }

    /// What nobody sees, although it was not deleted, because something it stands in was: columns and
    /// tasks of a deleted project, the checklist, comments and attachments of a deleted task. Tasks of
    /// a deleted column or parent are shown elsewhere.
    pub fn survivors(&self, key: EntityKey) -> impl Iterator<Item = EntityKey> {
        let container = Some(key.id).filter(|_| self.deleted.contains(&key));
        let decisive =
            |containment: &Containment| containment.kind().containments().first() == Some(containment);
        let within =
            key.kind.contents().filter(move |containment| key.kind != Kind::Column && decisive(containment));
        let direct = within.flat_map(move |containment| {
            let ids = container.into_iter().flat_map(move |id| self.tree.contents(containment, Some(id)));
            ids.map(move |id| EntityKey::new(containment.kind(), id))
        });
        let project = container.filter(|_| key.kind == Kind::Project);
        let columns = project.into_iter().flat_map(|project| {
            let shown = self.tree.contents(Containment::Column, Some(project));
            shown.chain(self.tree.deleted_columns(project))
        });
        let tasks = columns.flat_map(|column| self.tree.contents(Containment::Task, Some(column)));
        direct.chain(tasks.map(|task| EntityKey::new(Kind::Task, task)))
    }

    /// A shown task.
    pub fn task(&self, id: EntityId) -> Option<TaskView<'_>> {
        let entity = self.entity(EntityKey::new(Kind::Task, id)).filter(|entity| entity.is_shown())?;
        let text = |field| entity.value(field).and_then(Value::as_text).unwrap_or_default();
        let int = |field| entity.value(field).and_then(Value::as_int);
        let date = |field| entity.value(field).and_then(Value::as_date);
        let imported = date(task::CREATED_AT).map(|date| Hlc::from_ms(start_ms(date).max(0) as u64));
        let created = || entity.created.map_or(Hlc(0), |(hlc, _)| hlc);
        Some(TaskView {
            id,
            title: text(task::TITLE),
            description: text(task::DESCRIPTION),
            priority: int(task::PRIORITY).unwrap_or(0),
            start: date(task::START),
            due: date(task::DUE),
            estimate: int(task::ESTIMATE),
            created: imported.unwrap_or_else(created),
            completed: self.completed(entity),
            archived: entity.value(task::ARCHIVED).is_some_and(Value::is_true),
        })
    }

    fn completed(&self, task: &Entity) -> Option<Hlc> {
        let moved = task.live(task::COLUMN, None).first()?;
        let column = EntityKey::new(Kind::Column, self.visible_column(moved.value.as_entity()?)?);
        let category = self.entity(column)?.value(column::CATEGORY)?.as_int()?;
        (category == column::DONE).then_some(moved.hlc)
    }

    fn reference(&self, kind: Kind, id: EntityId, field: Field) -> Option<EntityId> {
        let entity = self.entity(EntityKey::new(kind, id)).filter(|entity| entity.is_shown())?;
        entity.reference(field)
    }

    /// The project of a shown column, if it is shown.
    fn project_of_column(&self, column: EntityId) -> Option<EntityId> {
        let project = self.reference(Kind::Column, column, column::PROJECT)?;
        self.is_shown(EntityKey::new(Kind::Project, project)).then_some(project)
    }

    /// Where the tasks of `column` are shown: there, or if it is deleted in its project's first.
    pub fn visible_column(&self, column: EntityId) -> Option<EntityId> {
        let entity = self.entity(EntityKey::new(Kind::Column, column))?;
        let project = entity.reference(column::PROJECT)?;
        if !self.is_shown(EntityKey::new(Kind::Project, project)) {
            return None;
        }
        if entity.is_shown() { Some(column) } else { self.columns(project).first().copied() }
    }

    /// By order key; those without one last; equal ones by id.
    fn sorted(&self, kind: Kind, order: Field, ids: impl IntoIterator<Item = EntityId>) -> Vec<EntityId> {
        let key = |id: EntityId| {
            let entity = self.entity(EntityKey::new(kind, id));
            let order: Option<&OrderKey> = entity.and_then(|entity| entity.value(order)?.as_order());
            (order.is_none(), order, id)
        };
        let mut keyed: Vec<_> = ids.into_iter().map(key).collect();
        keyed.sort_unstable();
        keyed.into_iter().map(|(_, _, id)| id).collect()
    }
}
