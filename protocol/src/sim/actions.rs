//! Random things that people do.

use crate::{
    change::Change,
    dice::Dice,
    id::{EntityId, PersonId, WorkspaceId},
    model::{self, ALIVE, EntityKey, Kind, Slot, personal},
    presence::Doing,
    private::About,
    replica::Command,
    value::{Date, Element, Value},
    workspace::Workspace,
};

const WORDS: &[&str] = &["pump", "valve", "roof", "cable", "paint", "order", "call", "fix", "check", "move"];

/// A random command that fits the visible state, and its name for the coverage.
pub(super) fn command(dice: &mut Dice, id: WorkspaceId, state: &Workspace) -> (Command, &'static str) {
    let (changes, name) = match dice.below(100) {
        0..2 => return (Command::Undo { workspace: id }, "undo"),
        2..3 => return (Command::Redo { workspace: id }, "redo"),
        3..4 => return (Command::SyncNow, "sync now"),
        5..8 => return (presence(dice, id, state), "set presence"),
        4..5 => {
            let on = dice.chance(700);
            return (Command::SetAutoSync { workspace: id, on }, "set automatic sync");
        }
        _ => changes(dice, state),
    };
    (Command::Edit { workspace: id, changes }, name)
}

fn presence(dice: &mut Dice, id: WorkspaceId, state: &Workspace) -> Command {
    let tasks: Vec<EntityId> = state.shown(Kind::Task).take(20).collect();
    let doing = match (dice.below(4), dice.pick(&tasks)) {
        (0, _) => Doing::Gone,
        (1, _) => Doing::Running,
        (2, Some(task)) => Doing::At(*task),
        _ => Doing::Here,
    };
    Command::SetPresence { doing, workspace: Some(id) }
}

fn changes(dice: &mut Dice, state: &Workspace) -> (Vec<Change>, &'static str) {
    let projects = state.projects();
    let Some(project) = dice.pick(&projects).copied() else {
        return (vec![new_project(dice)], "create project");
    };
    let columns = state.columns(project);
    let Some(column) = dice.pick(&columns).copied() else {
        return (vec![new_column(dice, project)], "create column");
    };
    let tasks: Vec<EntityId> = state.shown(Kind::Task).collect();
    let Some(task) = dice.pick(&tasks).copied() else { return (vec![new_task(dice, column)], "create task") };
    let key = EntityKey::new(Kind::Task, task);
    let set = |slot: Slot, value| Change::Set { key, slot, value };
    match dice.below(110) {
        0..3 => (vec![new_column(dice, project)], "create column"),
        3..18 => (vec![new_task(dice, column)], "create task"),
        18..33 => (vec![set(model::task::TITLE.into(), title(dice))], "set title"),
        33..38 => {
            let text = title(dice).as_text().unwrap_or_default().repeat(1 + dice.below(40) as usize);
            (vec![set(model::task::DESCRIPTION.into(), Value::text(text))], "set description")
        }
        38..43 => (vec![set(model::task::PRIORITY.into(), Value::Int(dice.below(5) as i64))], "set priority"),
        43..47 => (vec![set(model::task::DUE.into(), due(dice))], "set due"),
        47..60 => (vec![place(dice, state, key, column)], "move"),
        60..65 => (vec![label(dice, state, key)], "label"),
        65..69 => (vec![assign(dice, state, key)], "assign"),
        69..77 => (vec![comment(dice, task)], "comment"),
        77..83 => (vec![Change::Delete { key }], "delete"),
        83..86 => (vec![restore(dice, state).unwrap_or_else(|| new_task(dice, column))], "restore"),
        86..92 => (vec![parent(dice, &tasks, key)], "set parent"),
        92..98 => (vec![resolve(dice, state).unwrap_or_else(|| new_task(dice, column))], "resolve"),
        98 => (vec![Change::Delete { key: EntityKey::new(Kind::Column, column) }], "delete column"),
        100..110 => (vec![write_on(dice, state, &tasks)], "edit a text"),
        _ => ((0..20).map(|_| new_task(dice, column)).collect(), "bulk create"),
    }
}

/// Some words of a description are written over. Most people write in the same few.
fn write_on(dice: &mut Dice, state: &Workspace, tasks: &[EntityId]) -> Change {
    let busy = tasks.get(..2).filter(|_| dice.chance(800)).unwrap_or(tasks);
    let task = dice.pick(busy).copied().unwrap_or(EntityId([0; 16]));
    let key = EntityKey::new(Kind::Task, task);
    let mut words: Vec<&str> = state.text(key, model::task::DESCRIPTION).split(' ').collect();
    let from = dice.below(words.len() as u64 + 1) as usize;
    let over = if words.len() > 60 { 12 } else { dice.below(4) as usize };
    let to = (from + over).min(words.len());
    let new: Vec<&str> = (0..dice.below(4)).filter_map(|_| dice.pick(WORDS).copied()).collect();
    words.splice(from..to, new);
    Change::Set { key, slot: model::task::DESCRIPTION.into(), value: Value::text(words.join(" ")) }
}

/// Something that a person keeps to themselves.
pub(super) fn keep(dice: &mut Dice, private: WorkspaceId, about: WorkspaceId) -> (Command, &'static str) {
    let about = About::workspace(about);
    let values = match dice.below(3) {
        0 => (Slot::from(personal::FAVOURITE), Value::Bool(dice.chance(500))),
        1 => (personal::DRAFT.into(), title(dice)),
        _ => (personal::READ_TO.into(), Value::Int(dice.below(1 << 40) as i64)),
    };
    (Command::Edit { workspace: private, changes: vec![about.keep([values])] }, "keep something private")
}

fn id(dice: &mut Dice) -> EntityId {
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&dice.bytes()[..16]);
    EntityId(bytes)
}

fn title(dice: &mut Dice) -> Value {
    let words = [dice.pick(WORDS), dice.pick(WORDS)].map(|word| word.copied().unwrap_or_default());
    Value::text(format!("{} {}", words.join(" "), dice.below(1000)))
}

fn due(dice: &mut Dice) -> Value {
    if dice.chance(200) { Value::Unset } else { Value::Date(Date::Day(20_000 + dice.below(500) as i32)) }
}

fn create(key: EntityKey, fields: Vec<(Slot, Value)>) -> Change {
    Change::Create { key, fields }
}

fn new_project(dice: &mut Dice) -> Change {
    let key = EntityKey::new(Kind::Project, id(dice));
    create(key, vec![(model::project::NAME.into(), title(dice))])
}

fn new_column(dice: &mut Dice, project: EntityId) -> Change {
    let key = EntityKey::new(Kind::Column, id(dice));
    let project = Value::Entity(project);
    create(key, vec![(model::column::NAME.into(), title(dice)), (model::column::PROJECT.into(), project)])
}

fn new_task(dice: &mut Dice, column: EntityId) -> Change {
    let key = EntityKey::new(Kind::Task, id(dice));
    let column = Value::Entity(column);
    create(key, vec![(model::task::TITLE.into(), title(dice)), (model::task::COLUMN.into(), column)])
}

fn comment(dice: &mut Dice, task: EntityId) -> Change {
    let key = EntityKey::new(Kind::Comment, id(dice));
    let task = Value::Entity(task);
    create(key, vec![(model::comment::TASK.into(), task), (model::comment::TEXT.into(), title(dice))])
}

fn place(dice: &mut Dice, state: &Workspace, key: EntityKey, column: EntityId) -> Change {
    let siblings: Vec<EntityId> = state.tasks(column).into_iter().filter(|task| *task != key.id).collect();
    let after = if dice.chance(300) { None } else { dice.pick(&siblings).copied() };
    Change::Place { key, container: Some((model::task::COLUMN, column)), after }
}

fn label(dice: &mut Dice, state: &Workspace, key: EntityKey) -> Change {
    let labels: Vec<EntityId> = state.shown(Kind::Label).collect();
    if let Some(label) = dice.pick(&labels).filter(|_| labels.len() > 3) {
        let slot = Slot::element(model::task::LABELS, Element::Entity(*label));
        return Change::Set { key, slot, value: Value::Bool(dice.chance(600)) };
    }
    let key = EntityKey::new(Kind::Label, id(dice));
    create(key, vec![(model::label::NAME.into(), title(dice))])
}

fn assign(dice: &mut Dice, state: &Workspace, key: EntityKey) -> Change {
    let people: Vec<PersonId> = state.members().into_iter().map(|member| member.person).collect();
    let person = dice.pick(&people).copied().unwrap_or(PersonId([0; 32]));
    let slot = Slot::element(model::task::ASSIGNEES, Element::Person(person));
    Change::Set { key, slot, value: Value::Bool(dice.chance(700)) }
}

fn parent(dice: &mut Dice, tasks: &[EntityId], key: EntityKey) -> Change {
    let parent = dice.pick(tasks).filter(|task| **task != key.id && dice.chance(800));
    let value = parent.map_or(Value::Unset, |task| Value::Entity(*task));
    Change::Set { key, slot: model::task::PARENT.into(), value }
}

fn restore(dice: &mut Dice, state: &Workspace) -> Option<Change> {
    let deleted = state.deleted(Kind::Task);
    dice.pick(&deleted).map(|task| Change::Restore { key: EntityKey::new(Kind::Task, *task) })
}

fn resolve(dice: &mut Dice, state: &Workspace) -> Option<Change> {
    let conflicts = state.conflicts();
    let conflict = dice.pick(&conflicts)?;
    let value = if conflict.slot.field == ALIVE.field {
        Value::Bool(dice.chance(500))
    } else {
        dice.pick(&conflict.values)?.value.clone()
    };
    Some(Change::Resolve { key: conflict.key, slot: conflict.slot.clone(), value })
}
