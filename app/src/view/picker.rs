//! One list to choose from, for everything: commands, tasks, and the values of a field.

use super::{board::Board, card, conflict, date, date::Moment, directory::Directory, standing::Standing};
use crate::{
    command::{AppCommand, Named, TaskCommand},
    icons,
};
use velo_protocol::{
    change::Change,
    id::EntityId,
    model::{self, EntityKey, Kind, Slot, task},
    value::{Date, Element, Value},
    workspace::Workspace,
};

/// What is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// Any command, project or task.
    Everything,
    /// A task, by what it says.
    Tasks,
    /// A task's column.
    Status(EntityId),
    /// A task's priority.
    Priority(EntityId),
    /// Who does a task.
    Assignees(EntityId),
    /// A task's labels.
    Labels(EntityId),
    /// When a task is due.
    Due(EntityId),
    /// Which project a task belongs to.
    Project(EntityId),
    /// A deleted task, to bring it back.
    Deleted,
}

impl Subject {
    /// What the field asks for.
    pub fn prompt(self) -> &'static str {
        match self {
            Self::Everything => "Type a command, or the name of a task or project",
            Self::Tasks => "Search tasks",
            Self::Status(_) => "Set status",
            Self::Priority(_) => "Set priority",
            Self::Assignees(_) => "Assign to",
            Self::Labels(_) => "Add or remove labels",
            Self::Due(_) => "Due: tomorrow, friday, in 3 days, 24.12.",
            Self::Project(_) => "Move to project",
            Self::Deleted => "Restore a deleted task",
        }
    }

    /// Whether it stays open after a choice, because several can be chosen.
    pub fn is_several(self) -> bool {
        matches!(self, Self::Assignees(_) | Self::Labels(_))
    }
}

/// The colour of an item's icon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As the text.
    Plain,
    /// That of a stage of work.
    Category(i64),
    /// That of a priority.
    Priority(i64),
    /// An accent.
    Accent(usize),
}

/// Something to choose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Its icon.
    pub icon: &'static str,
    /// The icon's colour.
    pub tone: Tone,
    /// What it says.
    pub text: String,
    /// Where it belongs, or its keys.
    pub detail: String,
    /// Whether it is set now.
    pub checked: bool,
    /// What choosing it does.
    pub command: AppCommand,
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Picker {
    /// What is chosen.
    pub subject: Subject,
    /// What has been typed.
    pub query: String,
    /// Which item the keys are on.
    pub cursor: usize,
    /// Where it hangs: left and top; in the middle if `None`.
    pub anchor: Option<(f32, f32)>,
    /// What matches.
    pub items: Vec<Item>,
    of: Option<(u64, String)>,
}

/// What a picker reads.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// The workspace.
    pub workspace: &'a Workspace,
    /// Its names.
    pub names: &'a Directory,
    /// The project shown.
    pub board: &'a Board,
    /// What may be done.
    pub standing: &'a Standing,
    /// Now.
    pub moment: Moment,
}

impl Picker {
    /// Most items that are listed.
    const MOST: usize = 60;

    /// A picker with nothing typed.
    pub fn new(subject: Subject, anchor: Option<(f32, f32)>) -> Self {
        Self { subject, query: String::new(), cursor: 0, anchor, items: Vec::new(), of: None }
    }

    /// Finds what matches, when the query or the workspace has changed.
    pub fn find(&mut self, source: Source<'_>) {
        let of = (source.workspace.revision(), self.query.clone());
        if self.of.as_ref() == Some(&of) {
            return;
        }
        if self.of.as_ref().is_some_and(|(_, query)| *query != self.query) {
            self.cursor = 0;
        }
        self.of = Some(of);
        self.items = items(self.subject, &self.query, source);
        self.items.truncate(Self::MOST);
        self.cursor = self.cursor.min(self.items.len().saturating_sub(1));
    }

    /// Moves the cursor, around the ends.
    pub fn step(&mut self, by: isize) {
        let count = self.items.len() as isize;
        if count > 0 {
            self.cursor = (self.cursor as isize + by).rem_euclid(count) as usize;
        }
    }
}

/// Whether every word of `query` (in small letters) stands in `text`.
pub fn matches(query: &str, text: &str) -> bool {
    let text = text.to_lowercase();
    query.split_whitespace().all(|word| text.contains(word))
}

fn items(subject: Subject, query: &str, source: Source<'_>) -> Vec<Item> {
    let query = query.trim().to_lowercase();
    let all = match subject {
        Subject::Everything => {
            let mut all = commands(&query, source.standing);
            all.extend(projects(source).into_iter().filter(|item| matches(&query, &item.text)));
            if !query.is_empty() {
                all.extend(tasks(&query, source));
            }
            return all;
        }
        Subject::Tasks => return tasks(&query, source),
        Subject::Due(task) => return days(task, &query, source),
        Subject::Labels(task) => return labels(task, &query, source),
        Subject::Status(task) => statuses(task, source),
        Subject::Priority(task) => priorities(task, source),
        Subject::Assignees(task) => people(task, source),
        Subject::Project(task) => destinations(task, source),
        Subject::Deleted => deleted(source),
    };
    all.into_iter().filter(|item| matches(&query, &item.text)).collect()
}

fn commands(query: &str, standing: &Standing) -> Vec<Item> {
    let item = |named: &Named| Item {
        icon: named.icon,
        tone: Tone::Plain,
        text: named.name.to_owned(),
        detail: named.keys.map(|keys| keys.to_string()).unwrap_or_default(),
        checked: false,
        command: named.command.clone(),
    };
    let named = crate::command::NAMED.iter().filter(|named| named.command != AppCommand::OpenPalette);
    let offered = named.filter(|named| standing.allows(named.command.need()).is_ok());
    offered.filter(|named| matches(query, named.name)).map(item).collect()
}

fn project_name(workspace: &Workspace, id: EntityId) -> String {
    workspace.text(EntityKey::new(Kind::Project, id), model::project::NAME).to_owned()
}

fn projects(source: Source<'_>) -> Vec<Item> {
    let item = |id: EntityId| Item {
        icon: icons::SQUARE_KANBAN,
        tone: Tone::Accent(super::directory::color_of(&id.0[12..])),
        text: project_name(source.workspace, id),
        detail: "Project".to_owned(),
        checked: source.board.project() == Some(id),
        command: AppCommand::ShowProject(id),
    };
    source.workspace.projects().into_iter().map(item).collect()
}

fn tasks(query: &str, source: Source<'_>) -> Vec<Item> {
    let ws = source.workspace;
    let all = ws.shown(Kind::Task).filter_map(|id| ws.task(id));
    let found = all.filter(|task| matches(query, task.title) || matches(query, task.description));
    let item = |task: velo_protocol::workspace::TaskView<'_>| {
        let category = ws.column_of(task.id).map_or(1, |column| card::category(ws, column));
        Item {
            icon: category_icon(category),
            tone: Tone::Category(category),
            text: task.title.to_owned(),
            detail: ws.project_of(task.id).map(|id| project_name(ws, id)).unwrap_or_default(),
            checked: false,
            command: AppCommand::Open(task.id),
        }
    };
    found.take(Picker::MOST).map(item).collect()
}

/// The icon of a stage of work.
pub fn category_icon(category: i64) -> &'static str {
    match category {
        0 => icons::CIRCLE_DASHED,
        2 => icons::CONTRAST,
        model::column::DONE => icons::CIRCLE_CHECK,
        model::column::CANCELLED => icons::CIRCLE_X,
        _ => icons::CIRCLE,
    }
}

/// The icon of a priority.
pub fn priority_icon(priority: i64) -> &'static str {
    match priority {
        1 => icons::SIGNAL_LOW,
        2 => icons::SIGNAL_MEDIUM,
        3 => icons::SIGNAL_HIGH,
        4 => icons::OCTAGON_ALERT,
        _ => icons::MINUS,
    }
}

fn statuses(task: EntityId, source: Source<'_>) -> Vec<Item> {
    let ws = source.workspace;
    let current = ws.column_of(task);
    // What stands in no project gets a status by getting a project.
    let Some(project) = ws.project_of(task) else { return destinations(task, source) };
    let item = |column: &super::board::Column| {
        let id = column.id?;
        Some(Item {
            icon: category_icon(column.category),
            tone: Tone::Category(column.category),
            text: column.name.clone(),
            detail: String::new(),
            checked: current == Some(id),
            command: AppCommand::Edit {
                changes: vec![super::board::Place { column: id, after: None }.of(task)],
                done: format!("Moved to {}", column.name),
            },
        })
    };
    Board::of_project(ws, project).columns.iter().filter_map(|column| item(column)).collect()
}

fn destinations(task: EntityId, source: Source<'_>) -> Vec<Item> {
    let ws = source.workspace;
    let item = |project: EntityId| {
        let column = Board::of_project(ws, project).columns.first()?.id?;
        let name = project_name(ws, project);
        Some(Item {
            icon: icons::SQUARE_KANBAN,
            tone: Tone::Accent(super::directory::color_of(&project.0[12..])),
            text: name.clone(),
            detail: String::new(),
            checked: ws.project_of(task) == Some(project),
            command: AppCommand::Edit {
                changes: vec![super::board::Place { column, after: None }.of(task)],
                done: format!("Moved to {name}"),
            },
        })
    };
    ws.projects().into_iter().filter_map(item).collect()
}

fn deleted(source: Source<'_>) -> Vec<Item> {
    let ws = source.workspace;
    let item = |id: EntityId| {
        let key = EntityKey::new(Kind::Task, id);
        Item {
            icon: icons::ARCHIVE_RESTORE,
            tone: Tone::Plain,
            text: ws.text(key, task::TITLE).to_owned(),
            detail: String::new(),
            checked: false,
            command: AppCommand::Restore(key),
        }
    };
    ws.deleted(Kind::Task).into_iter().map(item).collect()
}

fn set(task: EntityId, slot: impl Into<Slot>, value: Value, done: String) -> AppCommand {
    let key = EntityKey::new(Kind::Task, task);
    AppCommand::Edit { changes: vec![Change::Set { key, slot: slot.into(), value }], done }
}

fn priorities(task: EntityId, source: Source<'_>) -> Vec<Item> {
    let current = source.workspace.task(task).map(|task| task.priority);
    let item = |(at, name): (usize, &&str)| {
        let priority = at as i64;
        let text = if at == 0 { "No priority".to_owned() } else { conflict::capital(name) };
        Item {
            icon: priority_icon(priority),
            tone: Tone::Priority(priority),
            detail: at.to_string(),
            checked: current == Some(priority),
            command: set(task, task::PRIORITY, Value::Int(priority), format!("Priority: {text}")),
            text,
        }
    };
    task::PRIORITIES.iter().enumerate().map(item).collect()
}

fn toggle(task: EntityId, field: model::Field, element: Element, on: bool) -> AppCommand {
    set(task, Slot::element(field, element), Value::Bool(on), String::new())
}

fn people(task: EntityId, source: Source<'_>) -> Vec<Item> {
    let assigned = source.workspace.elements(EntityKey::new(Kind::Task, task), task::ASSIGNEES);
    let item = |who: &super::directory::Who| {
        let checked = assigned.contains(&&who.element);
        Item {
            icon: icons::USER,
            tone: Tone::Accent(who.color),
            text: who.name.clone(),
            detail: who.handle.clone(),
            checked,
            command: toggle(task, task::ASSIGNEES, who.element.clone(), !checked),
        }
    };
    source.names.people.iter().map(item).collect()
}

fn labels(task: EntityId, query: &str, source: Source<'_>) -> Vec<Item> {
    let present = source.workspace.elements(EntityKey::new(Kind::Task, task), task::LABELS);
    let item = |label: &super::directory::Label| {
        let element = Element::Entity(label.id);
        let checked = present.contains(&&element);
        Item {
            icon: icons::TAG,
            tone: Tone::Accent(label.color),
            text: label.name.clone(),
            detail: String::new(),
            checked,
            command: toggle(task, task::LABELS, element, !checked),
        }
    };
    let named = source.names.labels.iter().filter(|label| matches(query, &label.name));
    let mut all: Vec<Item> = named.map(item).collect();
    if !query.is_empty() && source.names.find_label(query).is_none() {
        all.push(Item {
            icon: icons::PLUS,
            tone: Tone::Plain,
            text: format!("Make label “{query}”"),
            detail: String::new(),
            checked: false,
            command: AppCommand::ForTask(task, TaskCommand::NewLabel(query.to_owned())),
        });
    }
    all
}

fn days(task: EntityId, query: &str, source: Source<'_>) -> Vec<Item> {
    let today = source.moment.today();
    let item = |text: String, day: i32| {
        let shown = date::day_text(day, today);
        Item {
            icon: icons::CALENDAR,
            tone: Tone::Plain,
            detail: if text == shown { String::new() } else { shown.clone() },
            checked: false,
            command: set(task, task::DUE, Value::Date(Date::Day(day)), format!("Due {shown}")),
            text,
        }
    };
    if !query.is_empty() {
        return date::parse_day(query, today)
            .map(|day| item(date::day_text(day, today), day))
            .into_iter()
            .collect();
    }
    let offered = ["today", "tomorrow", "friday", "next week", "in 2 weeks"];
    let mut all: Vec<Item> = offered
        .iter()
        .filter_map(|text| date::parse_day(text, today).map(|day| item(conflict::capital(text), day)))
        .collect();
    if source.workspace.task(task).is_some_and(|task| task.due.is_some()) {
        all.push(Item {
            icon: icons::X,
            tone: Tone::Plain,
            text: "No due date".to_owned(),
            detail: String::new(),
            checked: false,
            command: set(task, task::DUE, Value::Unset, "Due date removed".to_owned()),
        });
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_must_be_found_in_any_order() {
        assert!(matches("pump fix", "Fix the PUMP"));
        assert!(matches("水", "排水ポンプを直す"));
        assert!(!matches("pump roof", "Fix the pump"));
        assert!(matches("", "anything"));
    }
}
