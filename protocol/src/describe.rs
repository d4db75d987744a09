//! Entities, fields and values in the words that people read.

use crate::{
    id::EntityId,
    model::{self, ALIVE, EntityKey, Field, FieldSpec, FieldType, Kind, Slot},
    store::ChainNo,
    value::{Date, Element, Value},
    workspace::Workspace,
};

/// Characters of a title or text that are quoted in a sentence.
const QUOTED: usize = 60;

/// The field that says best what an entity is.
pub const fn title_field(kind: Kind) -> Option<Field> {
    match kind {
        Kind::Workspace => Some(model::workspace::NAME),
        Kind::Profile => Some(model::profile::NAME),
        Kind::Contact => Some(model::contact::NAME),
        Kind::Project => Some(model::project::NAME),
        Kind::Column => Some(model::column::NAME),
        Kind::Label => Some(model::label::NAME),
        Kind::Task => Some(model::task::TITLE),
        Kind::ChecklistItem => Some(model::checklist_item::TITLE),
        Kind::CustomField => Some(model::custom_field::NAME),
        Kind::Comment => Some(model::comment::TEXT),
        Kind::Attachment => Some(model::attachment::NAME),
        Kind::SavedView => Some(model::saved_view::NAME),
        Kind::Template => Some(model::template::NAME),
        Kind::Personal | Kind::Unknown(_) => None,
    }
}

/// An entity with its kind: `task "Fix pump"`, or `task 0a1b2c3d` if it has no title here.
pub fn entity(workspace: &Workspace, key: EntityKey) -> String {
    entity_called(key, title(workspace, key).unwrap_or_default())
}

/// As [`entity`], of an entity that had this title then.
pub fn entity_called(key: EntityKey, title: &str) -> String {
    if title.trim().is_empty() { key.to_string() } else { format!("{} {}", key.kind.name(), quote(title)) }
}

/// The title of an entity in quotes, or its kind and first digits: for sentences in which the kind
/// is clear.
pub fn short(workspace: &Workspace, key: EntityKey) -> String {
    title(workspace, key).map_or_else(|| key.to_string(), quote)
}

fn title(workspace: &Workspace, key: EntityKey) -> Option<&str> {
    let field = title_field(key.kind)?;
    let text = workspace.value(key, &field.into())?.as_text()?;
    (!text.trim().is_empty()).then_some(text)
}

/// The first line of a text in quotes, cut where it gets long.
pub fn quote(text: &str) -> String {
    let line = text.trim().lines().next().unwrap_or_default();
    let mut start: String = line.chars().take(QUOTED).collect();
    if start.len() < text.trim().len() {
        start.push('…');
    }
    format!("\"{start}\"")
}

/// The name of whoever wrote a chain.
pub fn author(workspace: &Workspace, chain: ChainNo) -> String {
    workspace
        .author(chain)
        .map_or_else(|| "somebody".to_owned(), |origin| workspace.person_name(origin.person))
}

/// The name of a field as it stands in a sentence.
pub fn field(kind: Kind, field: Field) -> String {
    match kind.field(field) {
        Some(spec) if *spec == ALIVE => "existence".to_owned(),
        Some(spec) => spec.name.replace('_', " "),
        None => format!("field {}", field.0),
    }
}

/// A value of one register: a quoted text, a title, a name, a word or a date.
pub fn value(workspace: &Workspace, kind: Kind, slot: &Slot, value: &Value) -> String {
    let spec = kind.field(slot.field);
    match value {
        Value::Unset => "nothing".to_owned(),
        Value::Bool(true) => "yes".to_owned(),
        Value::Bool(false) => "no".to_owned(),
        Value::Int(number) => number_or_word(spec, *number),
        Value::Text(text) => quote(text),
        Value::Entity(id) => referred(workspace, spec, *id),
        Value::Person(person) => workspace.person_name(*person),
        Value::Date(day) => date(day),
        Value::Order(_) => "another place".to_owned(),
    }
}

fn number_or_word(spec: Option<&FieldSpec>, number: i64) -> String {
    let word = spec.and_then(|spec| match spec.ty {
        FieldType::Choice(words) => usize::try_from(number).ok().and_then(|place| words.get(place)),
        _ => None,
    });
    word.map_or_else(|| number.to_string(), |word| (*word).to_owned())
}

fn referred(workspace: &Workspace, spec: Option<&FieldSpec>, id: EntityId) -> String {
    match spec.map(|spec| spec.ty) {
        Some(FieldType::Ref(kind)) => plain_title(workspace, EntityKey::new(kind, id)),
        Some(FieldType::Who) => plain_title(workspace, EntityKey::new(Kind::Contact, id)),
        _ => id.short(),
    }
}

/// Columns, labels and people are named without quotes, tasks and comments with them.
fn plain_title(workspace: &Workspace, key: EntityKey) -> String {
    match (key.kind, title(workspace, key)) {
        (Kind::Task | Kind::Comment | Kind::ChecklistItem, _) | (_, None) => short(workspace, key),
        (_, Some(title)) => title.to_owned(),
    }
}

/// An element of a set-like field.
pub fn element(workspace: &Workspace, kind: Kind, slot: &Slot) -> String {
    let elements = kind.field(slot.field).map(|spec| spec.elements);
    match (&slot.element, elements) {
        (None, _) => String::new(),
        (Some(Element::Entity(id)), Some(model::Elements::Of(of))) => {
            plain_title(workspace, EntityKey::new(of, *id))
        }
        (Some(Element::Entity(id)), _) => plain_title(workspace, EntityKey::new(Kind::Contact, *id)),
        (Some(Element::Person(person)), _) => workspace.person_name(*person),
        (Some(Element::Mark(_, text) | Element::Text(text)), _) => text.to_string(),
    }
}

/// A day as `2026-03-01`, an instant as `2026-03-01 13:05 UTC`: the core knows no zones.
pub fn date(date: &Date) -> String {
    match date {
        Date::Day(days) => civil(i64::from(*days)),
        Date::At { ms, .. } => {
            let minutes = ms.div_euclid(60_000);
            let of_day = minutes.rem_euclid(24 * 60);
            format!("{} {:02}:{:02} UTC", civil(minutes.div_euclid(24 * 60)), of_day / 60, of_day % 60)
        }
    }
}

/// After Howard Hinnant, "chrono-compatible low-level date algorithms": years begin in March, so
/// that the leap day comes last.
fn civil(days: i64) -> String {
    let days = days + 719_468;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_as_the_calendar_has_them() {
        let written = |days| date(&Date::Day(days));
        assert_eq!(written(0), "1970-01-01");
        assert_eq!(written(-1), "1969-12-31");
        assert_eq!(written(19_782), "2024-02-29");
        assert_eq!(written(2_932_896), "9999-12-31");
        let at = Date::At { ms: -60_000, zone: "Europe/Zurich".into() };
        assert_eq!(date(&at), "1969-12-31 23:59 UTC");
    }

    #[test]
    fn quotes_are_one_line_and_short() {
        assert_eq!(quote("Fix pump\n\nsoon"), "\"Fix pump…\"");
        assert_eq!(quote("  Fix pump "), "\"Fix pump\"");
        assert_eq!(quote(&"x".repeat(100)).chars().count(), QUOTED + 3);
    }
}
