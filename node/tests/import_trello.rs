//! Importing Trello boards: what arrives, what the report says of the rest, and what is refused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail by panicking, in its helper functions too"
)]

#[path = "../../tests/src/skip.rs"]
mod skip;

use proptest::prelude::*;
use serde_json::{Value as Json, json};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Read,
    path::PathBuf,
};
use velo_node::import::{DEMO_BOARD, Fate, Import, ImportError, Imported, Target, read_trello};
use velo_protocol::{
    change::Change,
    id::{EntityId, WorkspaceId},
    limits,
    model::{self, EntityKey, Field, Kind, Slot, checklist_item, column, comment, contact, label, task},
    value::{Date, Element, Value},
};

const ODD: &str = include_str!("fixtures/trello-odd.json");
const TARGET: Target = Target { workspace: WorkspaceId([7; 32]), project: None };

fn import(text: &str) -> Import {
    read_trello(text.as_bytes(), TARGET).unwrap()
}

fn import_json(board: &Json) -> Import {
    import(&board.to_string())
}

fn odd() -> Json {
    serde_json::from_str(ODD).unwrap()
}

/// The board nobody here made, if its folder is given.
fn sample() -> Option<String> {
    let Some(folder) = std::env::var_os("VELO_SAMPLES") else {
        skip::tell("VELO_SAMPLES does not name the folder of real exports");
        return None;
    };
    Some(std::fs::read_to_string(PathBuf::from(folder).join("trello-board.json")).unwrap())
}

/// What an import makes, to look things up in.
struct Made(BTreeMap<EntityKey, BTreeMap<Slot, Value>>);

impl Made {
    fn of(import: &Import) -> Self {
        let made = import.changes.iter().map(|change| match change {
            Change::Create { key, fields } => (*key, fields.iter().cloned().collect()),
            other => panic!("an import only creates, this is {other:?}"),
        });
        Self(made.collect())
    }

    fn all(&self, kind: Kind) -> Vec<(EntityId, &BTreeMap<Slot, Value>)> {
        self.0.iter().filter(|(key, _)| key.kind == kind).map(|(key, fields)| (key.id, fields)).collect()
    }

    /// Those of a kind by a text field.
    fn named(&self, kind: Kind, field: Field) -> BTreeMap<&str, (EntityId, &BTreeMap<Slot, Value>)> {
        let name = |fields: &BTreeMap<Slot, Value>| fields[&field.into()].as_text().map(str::len).is_some();
        self.all(kind)
            .into_iter()
            .filter(|(_, fields)| name(fields))
            .map(|(id, fields)| (fields[&field.into()].as_text().unwrap(), (id, fields)))
            .collect()
    }
}

fn get(fields: &BTreeMap<Slot, Value>, field: Field) -> Option<&Value> {
    fields.get(&field.into())
}

fn elements(fields: &BTreeMap<Slot, Value>, field: Field) -> BTreeSet<EntityId> {
    let of_field = fields.keys().filter(|slot| slot.field == field);
    of_field
        .filter_map(|slot| match &slot.element {
            Some(Element::Entity(id)) => Some(*id),
            _ => None,
        })
        .collect()
}

/// Names of columns or titles of check items in their order.
fn in_order<'a>(
    entities: &[(EntityId, &'a BTreeMap<Slot, Value>)],
    name: Field,
    order: Field,
) -> Vec<&'a str> {
    let mut sorted = entities.to_vec();
    sorted.sort_by_key(|(id, fields)| (get(fields, order).unwrap().as_order().unwrap().clone(), *id));
    sorted.iter().map(|(_, fields)| get(fields, name).unwrap().as_text().unwrap()).collect()
}

/// Every path pattern of a board with the number of values there, counted without the importer.
fn paths(board: &Json) -> BTreeMap<String, usize> {
    fn walk(value: &Json, path: &str, paths: &mut BTreeMap<String, usize>) {
        let child = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        match value {
            Json::Array(elements) if !elements.is_empty() => {
                for element in elements {
                    let kind = element["type"].as_str().filter(|_| path == "actions");
                    let inner = kind.map_or(format!("{path}[]"), |kind| format!("{path}[type={kind}]"));
                    walk(element, &inner, paths);
                }
            }
            Json::Object(fields) if !fields.is_empty() => {
                fields.iter().for_each(|(key, field)| walk(field, &child(key), paths));
            }
            _ => *paths.entry(path.to_owned()).or_default() += 1,
        }
    }
    let mut found = BTreeMap::new();
    walk(board, "", &mut found);
    found
}

fn accounts_for_every_path(text: &str) {
    let import = import(text);
    let mut reported = BTreeMap::new();
    for row in &import.report.rows {
        assert!(!row.note.is_empty(), "{row:?}");
        assert!(row.count > 0 && row.empty <= row.count && row.examples.len() <= 3, "{row:?}");
        *reported.entry(row.path.clone()).or_insert(0) += row.count;
    }
    assert_eq!(reported, paths(&serde_json::from_str(text).unwrap()));
}

/// What the core will check: every value fits its field, and what is referred to exists by then.
fn is_sound(import: &Import) {
    let mut known = BTreeSet::new();
    for change in &import.changes {
        let Change::Create { key, fields } = change else { panic!("{change:?}") };
        let mut slots = BTreeSet::new();
        for (slot, value) in fields {
            model::check(key.kind, slot, value).unwrap();
            assert!(slots.insert(slot), "{key} sets {slot:?} twice");
            for id in [
                value.as_entity(),
                match slot.element {
                    Some(Element::Entity(id)) => Some(id),
                    _ => None,
                },
            ] {
                assert!(id.is_none_or(|id| known.contains(&id)), "{key} refers to what is not there yet");
            }
        }
        for spec in key.kind.fields() {
            let required = matches!(spec.ty, model::FieldType::Line { required: true, .. });
            assert!(!required || slots.contains(&Slot::from(spec.field)), "{key} lacks {}", spec.name);
        }
        assert!(known.insert(key.id), "{key} is made twice");
    }
}

#[test]
fn every_path_of_a_board_is_kept_mapped_or_dropped() {
    accounts_for_every_path(DEMO_BOARD);
    accounts_for_every_path(ODD);
    if let Some(sample) = sample() {
        accounts_for_every_path(&sample);
    }
}

#[test]
fn what_is_made_fits_the_schema_and_refers_backwards() {
    is_sound(&import(DEMO_BOARD));
    is_sound(&import(ODD));
    if let Some(sample) = sample() {
        is_sound(&import(&sample));
    }
}

#[test]
fn a_real_board_arrives_whole() {
    let Some(sample) = sample() else { return };
    let import = import(&sample);
    let wanted = Imported {
        columns: 7,
        tasks: 40,
        comments: 17,
        contacts: 8,
        labels: 8,
        checklist_items: 5,
        ..Imported::default()
    };
    assert_eq!(import.report.imported, wanted);
    let made = Made::of(&import);
    assert_eq!(made.all(Kind::Task).len(), 40);
    assert!(made.all(Kind::Comment).iter().all(|(_, fields)| get(fields, comment::AUTHOR).is_some()));
    let columns = in_order(&made.all(Kind::Column), column::NAME, column::ORDER);
    assert_eq!((columns.first(), columns.last()), (Some(&"Ideas"), Some(&"Done")));
}

#[test]
fn the_embedded_board_is_known_completely() {
    let report = import(DEMO_BOARD).report;
    let wanted = Imported {
        columns: 5,
        tasks: 24,
        checklist_items: 28,
        comments: 17,
        attachments: 4,
        labels: 7,
        contacts: 5,
        custom_fields: 3,
    };
    assert_eq!(report.imported, wanted);
    let unknown: Vec<_> = report.rows.iter().filter(|row| row.note.contains("not known")).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    let table = report.to_string();
    for said in ["Dropped\n", "Mapped\n", "Kept\n", "24 tasks", "cards[].cover"] {
        assert!(table.contains(said), "{said} is not in:\n{table}");
    }
    let again = serde_json::from_value(serde_json::to_value(&report).unwrap());
    assert_eq!(report, again.unwrap());
}

#[test]
fn oddities_are_brought_in_or_named() {
    let import = import(ODD);
    let made = Made::of(&import);
    let columns = in_order(&made.all(Kind::Column), column::NAME, column::ORDER);
    assert_eq!(columns, ["First: done", "Second", "Old", "Untitled"]);
    let items = in_order(&made.all(Kind::ChecklistItem), checklist_item::TITLE, checklist_item::ORDER);
    assert_eq!(items, ["one", "two", "inner", "Untitled"]);
    let headings: BTreeSet<_> = made
        .all(Kind::ChecklistItem)
        .iter()
        .map(|(_, fields)| get(fields, checklist_item::LIST).unwrap().as_text().unwrap())
        .collect();
    assert_eq!(headings, ["Checklist", "Checklist (2)", "Within"].into());
    let labels = made.named(Kind::Label, label::NAME);
    assert_eq!(
        labels.keys().copied().collect::<Vec<_>>(),
        ["Green dark", "Only here", "Plain", "Ultraviolet"]
    );
    let contacts = made.named(Kind::Contact, contact::NAME);
    let names: Vec<_> = contacts.keys().copied().collect();
    assert_eq!(names, ["Left Long-Ago", "Trello member 5f000000", "nameless"]);

    let tasks = made.named(Kind::Task, task::TITLE);
    let (first, fields) = tasks["Untitled"];
    let due = Date::At { ms: 1_709_251_199_999, zone: "UTC".into() };
    assert_eq!(get(fields, task::DUE).unwrap().as_date(), Some(&due));
    assert_eq!(elements(fields, task::LABELS), [labels["Green dark"].0].into());
    assert_eq!(elements(fields, task::ASSIGNEES).len(), 2);
    assert_eq!(elements(fields, task::CUSTOM).len(), 5, "four of the board's and \"Marked complete\"");
    let (_, stray) = tasks["Stray card"];
    assert_eq!(get(stray, task::COLUMN), None);
    let created = Date::At { ms: 1_706_839_322_000, zone: "UTC".into() };
    assert_eq!(get(stray, task::CREATED_AT).unwrap().as_date(), Some(&created));

    let comments = made.named(Kind::Comment, comment::TEXT);
    assert_eq!(comments.keys().copied().collect::<Vec<_>>(), ["copied", "nobody's", "still **here**"]);
    let (_, here) = comments["still **here**"];
    assert_eq!(get(here, comment::TASK), Some(&Value::Entity(first)));
    assert_eq!(get(here, comment::AUTHOR), Some(&Value::Entity(contacts["Left Long-Ago"].0)));

    let said = |path: &str, fate: Fate, note: &str| {
        let row = import.report.rows_of(fate).find(|row| row.path == path && row.note.contains(note));
        assert!(row.is_some(), "{path} {fate:?} {note} is not in\n{}", import.report);
    };
    said("actions[type=commentCard].data.text", Fate::Dropped, "card is not in the file");
    said("cards[].customFieldItems[].value.text", Fate::Dropped, "no such custom field");
    said("customFields[].type", Fate::Mapped, "not all of its values are whole numbers");
    said("cards[].dueComplete", Fate::Mapped, "counts as done");
    said("cards[].dueComplete", Fate::Mapped, "Marked complete");
    said("cards[].idLabels[]", Fate::Dropped, "no such label");
    said("cards[].idList", Fate::Dropped, "list is not in the file");
    said("checklists[].name", Fate::Dropped, "without lines");
    said("checklists[].checkItems[].due", Fate::Dropped, "no dates");
    said("hologram.depth[]", Fate::Dropped, "not known to Velo");
    said("hologram.depth[].unit", Fate::Dropped, "not known to Velo");
    said("labels[].color", Fate::Dropped, "no accent like it");
    said("lists[].softLimit", Fate::Dropped, "0 to 100000");
    said("name", Fate::Mapped, "line breaks became spaces");
}

#[test]
fn long_texts_lose_nothing() {
    let mut board = odd();
    let title: String = "long title ".repeat(60);
    let text = "a line of the story\n".repeat(4_000);
    board["cards"][0]["name"] = json!(title);
    board["cards"][0]["desc"] = json!(text);
    board["actions"][0]["data"]["text"] = json!(text);
    let import = import_json(&board);
    is_sound(&import);
    let made = Made::of(&import);
    let tasks = made.named(Kind::Task, task::TITLE);
    let (short, (id, fields)) = tasks.iter().find(|(name, _)| name.starts_with("long title")).unwrap();
    let first = get(fields, task::DESCRIPTION).unwrap().as_text().unwrap();
    assert_eq!(short.chars().count(), limits::TITLE_CHARS);

    let mut comments = made.all(Kind::Comment);
    comments.retain(|(_, fields)| get(fields, comment::TASK) == Some(&Value::Entity(*id)));
    comments.sort_by_key(|(_, fields)| get(fields, comment::WRITTEN_AT).cloned());
    let texts: Vec<&str> =
        comments.iter().map(|(_, fields)| get(fields, comment::TEXT).unwrap().as_text().unwrap()).collect();
    let (of_description, of_comment): (Vec<&str>, Vec<&str>) =
        texts.into_iter().partition(|text| text.starts_with("Description, part"));
    assert_eq!(of_comment.concat(), text);
    let rest = of_description.iter().map(|part| part.split_once("\n\n").unwrap().1).collect::<String>();
    let description = format!("{first}{rest}");
    let (title_rest, description) = description.strip_prefix('…').unwrap().split_once("\n\n").unwrap();
    assert_eq!(format!("{}{title_rest}", short.trim_end_matches('…')), title);
    assert_eq!(description, text);
    let table = import.report.to_string();
    assert!(table.contains("the rest begins the description") && table.contains("goes on in comments"));
    accounts_for_every_path(&board.to_string());
}

#[test]
fn importing_twice_makes_the_same_and_a_changed_source_differs_only_there() {
    let first = import(DEMO_BOARD);
    assert_eq!(first, import(DEMO_BOARD));
    let mut board: Json = serde_json::from_str(DEMO_BOARD).unwrap();
    board["cards"][3]["name"] = json!("Renamed");
    // A new card before all others moves none of them.
    let mut new = board["cards"][0].clone();
    new["id"] = json!("67c561805e10c4a7000000ff");
    new["pos"] = json!(1.5);
    new["attachments"] = json!([]);
    board["cards"].as_array_mut().unwrap().insert(0, new);
    let (before, after) = (Made::of(&first).0, Made::of(&import_json(&board)).0);
    let added: Vec<_> = after.keys().filter(|key| !before.contains_key(key)).collect();
    let changed: Vec<_> = before.iter().filter(|(key, fields)| after[key] != **fields).collect();
    assert_eq!((added.len(), changed.len()), (1, 1));
    let (key, fields) = changed[0];
    let slots: Vec<_> = fields.iter().filter(|(slot, value)| after[key][slot] != **value).collect();
    assert_eq!(slots.len(), 1);
    assert_eq!(slots[0].0, &task::TITLE.into());
}

#[test]
fn a_board_goes_into_the_project_given() {
    let project = EntityId([9; 16]);
    let into = Target { project: Some(project), ..TARGET };
    let import = read_trello(DEMO_BOARD.as_bytes(), into).unwrap();
    let made = Made::of(&import);
    assert_eq!(import.project, project);
    assert!(made.all(Kind::Project).is_empty());
    let of_project =
        |fields: &BTreeMap<Slot, Value>| fields[&column::PROJECT.into()] == Value::Entity(project);
    assert!(made.all(Kind::Column).iter().all(|(_, fields)| of_project(fields)));
    assert!(import.report.rows_of(Fate::Dropped).any(|row| row.path == "name"));
    let own = import_json(&serde_json::from_str(DEMO_BOARD).unwrap());
    let contacts =
        |import: &Import| Made::of(import).all(Kind::Contact).iter().map(|(id, _)| *id).collect::<Vec<_>>();
    assert_eq!(contacts(&own), contacts(&import), "people are the same in every project");
}

#[test]
fn a_board_cut_off_anywhere_is_refused() {
    let text = ODD.trim_end();
    for end in 0..text.len() {
        let error = read_trello(&text.as_bytes()[..end], TARGET).unwrap_err();
        match &error {
            ImportError::Syntax { line, .. } => assert!(*line > 0, "{end}: {error}"),
            ImportError::NotABoard { looks_like } => assert!(end == 0 && looks_like == "an empty file"),
            other => panic!("{end}: {other}"),
        }
    }
}

#[test]
fn a_wrong_value_is_named_and_none_makes_it_panic() {
    let wrongs = [json!(null), json!(true), json!(-1e300), json!("\u{0}\n"), json!([[]]), json!({"id": {}})];
    let mut named = BTreeSet::new();
    for pointer in pointers(&odd()) {
        for wrong in &wrongs {
            let mut board = odd();
            *board.pointer_mut(&pointer).unwrap() = wrong.clone();
            match read_trello(board.to_string().as_bytes(), TARGET) {
                Ok(import) => is_sound(&import),
                Err(ImportError::Value { path, problem, .. }) => {
                    let at = pointer.trim_start_matches('/').replace('/', ".");
                    let path = path.replace(['[', ']'], ".").replace("..", ".");
                    let path = path.trim_end_matches('.');
                    assert!(path.starts_with(&at) || at.starts_with(path), "{pointer}: {path} {problem}");
                    named.insert(pointer.clone());
                }
                Err(other) => panic!("{pointer}: {other}"),
            }
        }
    }
    for pointer in
        ["/id", "/cards/0/due", "/cards/0/idLabels/1", "/lists/2/pos", "/actions/0/data/card", "/labels"]
    {
        assert!(named.contains(pointer), "{pointer} takes anything");
    }
}

/// JSON pointers to every value.
fn pointers(value: &Json) -> Vec<String> {
    fn walk(value: &Json, at: &str, found: &mut Vec<String>) {
        match value {
            Json::Array(elements) => {
                elements
                    .iter()
                    .enumerate()
                    .for_each(|(place, inner)| walk(inner, &format!("{at}/{place}"), found));
            }
            Json::Object(fields) => {
                fields.iter().for_each(|(key, inner)| walk(inner, &format!("{at}/{key}"), found));
            }
            _ => {}
        }
        if !at.is_empty() {
            found.push(at.to_owned());
        }
    }
    let mut found = Vec::new();
    walk(value, "", &mut found);
    found
}

#[test]
fn what_is_wrong_is_said_in_a_sentence() {
    let says = |text: &str, wanted: &str| {
        let error = read_trello(text.as_bytes(), TARGET).unwrap_err().to_string();
        assert!(error.contains(wanted) && error.contains("Nothing was changed"), "{error}");
    };
    let mut board = odd();
    board["cards"][1]["due"] = json!("tomorrow");
    says(
        &board.to_string(),
        "cards[1].due (line 1): expected a date such as \"2024-05-17T09:30:00.000Z\", found \"tomorrow\"",
    );
    let mut board = odd();
    board["cards"][1]["id"] = board["cards"][0]["id"].clone();
    says(&board.to_string(), "cards[1].id (line 1): expected an id that nothing else in this list has");
    says(r#"{"cards": 5, "lists": []}"#, "cards (line 1): invalid type: integer `5`, expected a list");
    says(r#"{"cards": [], "lists": []}"#, "id (line 1): expected an id, found nothing");
    says(r#"{"cards": [], "cards": []}"#, "stands in the file twice");
    says("{\"cards\": [],\n \"lists\": [}", "line 2, column 12");
    says(r#"{"id": "a", "cards": [], "lists": []} x"#, "trailing characters");
    says(&format!(r#"{{"deep": {}"#, "[".repeat(100_000)), "recursion limit");
    says("", "an empty file");
    says("PK\u{3}\u{4}...", "a ZIP archive");
    says("<!DOCTYPE html>", "a web page");
    says("title,list,due\n1,2,3", "a table (CSV) that begins with \"title,list,due\"");
    says("TYPE,CONTENT,PRIORITY\n", "a Todoist project");
    says(r#"[{"uuid": "x", "entry": "y", "description": "z", "status": "w"}]"#, "an export from Taskwarrior");
    says(r#"[{"number": 1, "title": "x"}]"#, "issues from GitHub");
    says("[]", "a list of objects with nothing in it");
    says(r#"{"tasks": [], "version": 3}"#, "an object with tasks, version");
}

#[test]
fn a_long_word_in_the_file_does_not_blow_up_the_report() {
    let mut board = odd();
    board["actions"] = json!([{ "id": "a", "type": "x".repeat(70_000), "data": { "y": 1 } }]);
    let report = import_json(&board).report;
    let longest = report.rows.iter().map(|row| row.path.len()).max().unwrap();
    assert!(longest < 200, "{longest}");
    assert!(report.to_string().contains("xxx"));
}

#[test]
fn what_stands_twice_is_told() {
    let text = r#"{"id": "b", "lists": [], "cards": [
        {"id": "c", "attachments": [{"id": "a", "name": "One"}, {"id": "a", "name": "Two"}],
         "customFieldItems": [{"idCustomField": "f", "value": {"text": "x"}},
                              {"idCustomField": "f", "value": {"text": "y"}}]}],
        "checklists": [{"id": "l", "idCard": "c", "checkItems": [{"id": "i", "name": "Nails"}]},
                       {"id": "m", "idCard": "c", "checkItems": [{"id": "i", "name": "Screws"}]}],
        "customFields": [{"id": "f", "name": "Size", "type": "text"}, {"id": "dueComplete", "name": "Odd"}],
        "actions": [{"id": "a", "type": "commentCard", "data": {"text": "Hi", "card": {"id": "c"}}},
                    {"id": "a", "type": "commentCard", "data": {"text": "Ho", "card": {"id": "c"}}}]}"#;
    let import = import(text);
    is_sound(&import);
    accounts_for_every_path(text);
    let dropped: Vec<_> = import.report.rows_of(Fate::Dropped).collect();
    for example in ["Two", "y", "Screws", "Odd", "Ho"] {
        let told = dropped.iter().any(|row| row.examples == [format!("{example:?}")]);
        assert!(told, "{example} is lost without a word\n{}", import.report);
    }
    let twice = r#"{"id": "b", "lists": [], "cards": [{"id": "c", "name": "One", "name": "Two"}]}"#;
    let error = read_trello(twice.as_bytes(), TARGET).unwrap_err().to_string();
    assert!(error.contains("cards (line 1): \"name\" stands in one object twice"), "{error}");
}

#[test]
fn a_byte_order_mark_and_small_reads_do_no_harm() {
    struct Dribble<'a>(&'a [u8]);
    impl Read for Dribble<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let len = buffer.len().min(3);
            self.0.read(&mut buffer[..len])
        }
    }
    let text = format!("\u{feff}{ODD}");
    assert_eq!(read_trello(Dribble(text.as_bytes()), TARGET).unwrap(), import(ODD));
}

#[test]
fn a_failing_disk_is_not_called_a_damaged_file() {
    struct Failing;
    impl Read for Failing {
        fn read(&mut self, _: &mut [u8]) -> std::io::Result<usize> {
            Err(std::io::Error::other("the cable fell out"))
        }
    }
    let start = &ODD.as_bytes()[..2_000];
    let error = read_trello(start.chain(Failing), TARGET).unwrap_err();
    assert!(matches!(error, ImportError::Read(_)), "{error}");
}

proptest! {
    #[test]
    fn damaged_bytes_never_panic(at in 0..ODD.len(), byte: u8, other in 0..ODD.len()) {
        let mut bytes = ODD.as_bytes().to_vec();
        bytes[at] = byte;
        bytes.remove(other);
        if let Ok(import) = read_trello(&*bytes, TARGET) {
            is_sound(&import);
        }
    }
}
