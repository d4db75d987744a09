//! Conflicts in plain sentences: what happened, to what, between whom.

use super::{
    date::{self, Moment},
    directory::Directory,
};
use velo_protocol::{
    change::Change,
    id::{EntityId, PersonId},
    model::{self, ALIVE, EntityKey, FieldType, Kind, Slot, task},
    value::{Element, Value},
    workspace::{Conflict, ConflictValue, Workspace},
};

/// One value of a conflict, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Side {
    /// What it says.
    pub text: String,
    /// Who set it.
    pub author: String,
    /// Whether that was the person at this device.
    pub mine: bool,
    /// When.
    pub when: String,
    /// What the button says: "Keep mine", "Keep Ben's".
    pub keep: String,
    /// Whether it is the one shown now.
    pub shown: bool,
    /// The change that keeps it.
    pub change: Change,
}

/// A conflict, ready to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Item {
    /// Of what.
    pub key: EntityKey,
    /// Which register.
    pub slot: Slot,
    /// What it is called: a task's title.
    pub title: String,
    /// The task to open, if it belongs to one.
    pub task: Option<EntityId>,
    /// What happened.
    pub sentence: String,
    /// The values; mine first, if one is.
    pub sides: Vec<Side>,
}

/// Every conflict, ready to be shown.
pub fn read(workspace: &Workspace, names: &Directory, me: PersonId, moment: Moment) -> Vec<Item> {
    workspace.conflicts().iter().map(|conflict| item(workspace, names, me, moment, conflict)).collect()
}

fn item(ws: &Workspace, names: &Directory, me: PersonId, moment: Moment, conflict: &Conflict) -> Item {
    let mut sides: Vec<Side> =
        (0..conflict.values.len()).filter_map(|at| side(ws, names, me, moment, conflict, at)).collect();
    tell_apart(&mut sides);
    let sentence = what_happened(conflict, &sides);
    sides.sort_by_key(|side| !side.mine);
    Item {
        key: conflict.key,
        slot: conflict.slot.clone(),
        title: title(ws, conflict.key),
        task: task_of(ws, conflict.key),
        sentence,
        sides,
    }
}

fn side(
    ws: &Workspace,
    names: &Directory,
    me: PersonId,
    moment: Moment,
    conflict: &Conflict,
    at: usize,
) -> Option<Side> {
    let value = conflict.values.get(at)?;
    let mine = value.author == me;
    let author = if mine { "You".to_owned() } else { ws.person_name(value.author) };
    let (key, slot, kept) = (conflict.key, conflict.slot.clone(), value.value.clone());
    Some(Side {
        text: side_text(ws, names, moment, conflict, value),
        keep: match (&conflict.slot.field, value.value.is_true()) {
            (field, true) if *field == ALIVE.field && conflict.hidden => "Bring it back".to_owned(),
            (field, false) if *field == ALIVE.field && conflict.hidden => delete_survivors(ws, key),
            (field, true) if *field == ALIVE.field => format!("Keep the {}", key.kind.name()),
            (field, false) if *field == ALIVE.field => "Delete it".to_owned(),
            _ if is_cycle(conflict) => "Leave at top level".to_owned(),
            _ if value.instead => "Leave it there".to_owned(),
            _ if mine => "Keep mine".to_owned(),
            _ => format!("Keep {author}’s"),
        },
        author,
        mine,
        when: date::at(value.hlc.ms(), moment),
        // Of what is hidden the deletion is what one sees.
        shown: at == usize::from(conflict.hidden),
        change: Change::Resolve { key, slot, value: kept },
    })
}

/// What deleting would take: it must not come as a surprise.
fn delete_survivors(ws: &Workspace, key: EntityKey) -> String {
    match ws.survivors(key).count() {
        1 => "Delete what is left in it".to_owned(),
        count => format!("Delete the {count} things left in it"),
    }
}

/// Several values of one author get numbers, so that no two buttons have one name.
fn tell_apart(sides: &mut [Side]) {
    for at in 0..sides.len() {
        let same = sides.iter().filter(|side| side.author == sides[at].author).count();
        if same > 1 {
            let before = sides[..at].iter().filter(|side| side.author == sides[at].author).count();
            sides[at].keep = format!("{} ({})", sides[at].keep, before + 1);
        }
    }
}

fn what_happened(conflict: &Conflict, sides: &[Side]) -> String {
    let kind = conflict.key.kind.name();
    if conflict.slot.field == ALIVE.field {
        return deletion_sentence(conflict, sides, kind);
    }
    if let [one] = sides {
        return format!(
            "{} put this {kind} inside one of its own parts. It is shown at top level.",
            one.author
        );
    }
    let field = field_name(conflict);
    let mut authors: Vec<&str> = sides.iter().map(|side| side.author.as_str()).collect();
    authors.sort_by_key(|author| *author != "You");
    authors.dedup();
    match authors.as_slice() {
        ["You"] => format!("You set the {field} differently on two of your devices."),
        [one] => format!("{one} set the {field} differently on two devices."),
        ["You", rest @ ..] => format!("You and {} changed the {field} at the same time.", rest.join(" and ")),
        all => format!("{} changed the {field} at the same time.", all.join(" and ")),
    }
}

/// One value alone is in conflict if it would close a cycle of parents.
fn is_cycle(conflict: &Conflict) -> bool {
    conflict.values.len() == 1 && conflict.slot.field != ALIVE.field
}

fn deletion_sentence(conflict: &Conflict, sides: &[Side], kind: &str) -> String {
    let by = |deleted: bool| {
        let of = |at: &usize| conflict.values.get(*at).is_some_and(|value| value.value.is_true() != deleted);
        (0..sides.len()).find(of).and_then(|at| sides.get(at))
    };
    let name = |side: Option<&Side>| side.map_or("Somebody", |side| side.author.as_str()).to_owned();
    let (deleter, editor) = (name(by(true)), name(by(false)));
    let editor = if editor == "You" { "you".to_owned() } else { editor };
    let did = if conflict.hidden { "worked on something in it" } else { "edited it" };
    format!("{deleter} deleted this {kind} while {editor} {did}.")
}

fn field_name(conflict: &Conflict) -> String {
    let name = conflict.key.kind.field(conflict.slot.field).map_or("field", |spec| spec.name);
    match (conflict.key.kind, name) {
        (Kind::Task, "column") => "status".to_owned(),
        (Kind::Task, "due") => "due date".to_owned(),
        (Kind::Task, "start") => "start date".to_owned(),
        (_, name) => name.replace('_', " "),
    }
}

fn side_text(
    ws: &Workspace,
    names: &Directory,
    moment: Moment,
    conflict: &Conflict,
    side: &ConflictValue,
) -> String {
    let text = value_text(ws, names, moment, conflict, &side.value);
    match (&side.value, side.instead) {
        (_, false) => text,
        (Value::Unset, true) if conflict.slot.field == task::PARENT => "At top level".to_owned(),
        (Value::Unset, true) => "In no project".to_owned(),
        (_, true) => format!("{text}, since what was chosen is gone"),
    }
}

fn value_text(
    ws: &Workspace,
    names: &Directory,
    moment: Moment,
    conflict: &Conflict,
    value: &Value,
) -> String {
    let spec = conflict.key.kind.field(conflict.slot.field);
    if conflict.slot.field == ALIVE.field {
        let words = match (value.is_true(), conflict.hidden) {
            (true, false) => "Edited, and still there",
            (true, true) => "Something in it was added or changed",
            (false, _) => "Deleted",
        };
        return words.to_owned();
    }
    match (value, spec.map(|spec| spec.ty)) {
        (Value::Unset, _) => "(empty)".to_owned(),
        (Value::Int(at), Some(FieldType::Choice(words))) => {
            words.get(*at as usize).map_or_else(|| at.to_string(), |word| capital(word))
        }
        (Value::Int(number), _) => number.to_string(),
        (Value::Bool(yes), _) => if *yes { "Yes" } else { "No" }.to_owned(),
        (Value::Text(text), _) => text.to_string(),
        (Value::Date(date), _) => date::date_text(date, moment),
        (Value::Entity(id), Some(FieldType::Ref(kind))) => title(ws, EntityKey::new(kind, *id)),
        (Value::Entity(id), _) => name_of(names, &Element::Entity(*id)),
        (Value::Person(person), _) => ws.person_name(*person),
        (Value::Order(_), _) => "another place".to_owned(),
    }
}

fn name_of(names: &Directory, element: &Element) -> String {
    names.who(element).map_or_else(|| "somebody".to_owned(), |who| who.name.clone())
}

/// An error's text as a sentence.
pub fn sentence(text: &str) -> String {
    let ends = text.ends_with(['.', '!', '?']);
    format!("{}{}", capital(text), if ends { "" } else { "." })
}

/// A word with a capital letter.
pub fn capital(word: &str) -> String {
    let mut chars = word.chars();
    chars.next().map(|first| first.to_uppercase().chain(chars).collect()).unwrap_or_default()
}

/// What an entity is called.
pub fn title(workspace: &Workspace, key: EntityKey) -> String {
    let field = match key.kind {
        Kind::Comment => model::comment::TEXT,
        Kind::Workspace => model::workspace::NAME,
        // In every other kind the first field names the entity.
        _ => model::Field(1),
    };
    let text = workspace.text(key, field);
    if text.is_empty() { key.to_string() } else { text.to_owned() }
}

fn task_of(workspace: &Workspace, key: EntityKey) -> Option<EntityId> {
    let field = match key.kind {
        Kind::Task => return Some(key.id),
        Kind::ChecklistItem => model::checklist_item::TASK,
        Kind::Comment => model::comment::TASK,
        _ => return None,
    };
    workspace.value(key, &field.into()).and_then(Value::as_entity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_get_a_capital() {
        assert_eq!(capital("urgent"), "Urgent");
        assert_eq!(capital(""), "");
        assert_eq!(capital("über"), "Über");
    }
}
