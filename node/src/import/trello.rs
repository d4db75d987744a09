//! Trello's board export ("Print, export, and share", "Export as JSON").
//!
//! The export is one object. Its lists (`cards`, `actions`, ...) are read one element at a time
//! into the shapes of [`board`]; everything else is counted as it goes by. [`build`] turns the board
//! into changes once it is complete, since `actions` may stand before the cards they speak of.
//! [`rules`] says for every known path what becomes of it.

mod board;
mod build;
mod rules;

use super::{
    Import, ImportError, Target,
    fidelity::Ledger,
    json::{self, Item, Keep, Walk, Wrong},
};
use board::Board;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::{
    borrow::Cow,
    fmt,
    io::{BufReader, Read},
};

/// Bytes looked at to tell what a file is.
const SNIFF: u64 = 512;

/// Fields of the board itself that are kept while reading.
const OWN_FIELDS: &[&str] = &["id", "name", "desc", "closed"];

/// Reads a board. Nothing is written: see [`Import`].
///
/// Reads to the end once and front to back, so a pipe will do. What comes after the board's closing
/// brace must be white space.
pub fn read_trello(mut reader: impl Read, target: Target) -> Result<Import, ImportError> {
    let mut head = Vec::new();
    reader.by_ref().take(SNIFF).read_to_end(&mut head)?;
    let begins = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&head);
    if let Some(looks_like) = not_json(begins) {
        return Err(ImportError::NotABoard { looks_like });
    }
    let mut reading = Reading::default();
    let mut json = serde_json::Deserializer::from_reader(BufReader::new(begins.chain(reader)));
    let read = reading.deserialize_into(&mut json).and_then(|()| json.end());
    read.map_err(|error| reading.explain(error))?;
    reading.finish(target)
}

/// What is known of the board so far.
#[derive(Default)]
struct Reading {
    board: Board,
    ledger: Ledger,
    own: Map<String, Value>,
    /// The board's fields met so far.
    keys: Vec<String>,
    /// The file turned out to be something else.
    looks_like: Option<String>,
    /// What `serde` cannot carry in its errors.
    wrong: Option<Wrong>,
}

impl Reading {
    fn deserialize_into<'de, D: Deserializer<'de>>(&mut self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(Top(self))
    }

    /// Keeps a wrong value for [`Reading::explain`] and ends the reading.
    fn stop<E: Error>(&mut self, wrong: Wrong) -> E {
        self.wrong = Some(wrong);
        E::custom("a wrong value")
    }

    fn field<'de, A: MapAccess<'de>>(&mut self, key: &str, map: &mut A) -> Result<(), A::Error> {
        if self.keys.iter().any(|known| known == key) {
            let problem = "stands in the file twice".to_owned();
            return Err(self.stop(Wrong { path: key.to_owned(), problem }));
        }
        self.keys.push(key.to_owned());
        if board::LISTS.contains(&key) {
            return map.next_value_seed(Elements { key, reading: self });
        }
        let mut path = key.to_owned();
        if OWN_FIELDS.contains(&key) {
            let value = map.next_value_seed(Keep)?;
            json::count(&value, &mut path, &mut self.ledger);
            self.own.insert(path, value);
            return Ok(());
        }
        map.next_value_seed(Walk { ledger: &mut self.ledger, path: &mut path })
    }

    /// Counts one element of a list and keeps what is needed of it.
    fn element(&mut self, key: &str, at: usize, value: &Value) -> Result<(), Wrong> {
        let item = Item::of(value, format!("{key}[{at}]"))?;
        let kind = if key == "actions" { item.text("type")? } else { None };
        let mut pattern =
            kind.map_or_else(|| format!("{key}[]"), |kind| format!("actions[type={}]", json::cut(kind)));
        json::count(value, &mut pattern, &mut self.ledger);
        self.board.take(key, at, &item)
    }

    /// What a failed reading means for the person who gave the file.
    fn explain(&mut self, error: serde_json::Error) -> ImportError {
        if let Some(looks_like) = self.looks_like.take() {
            return ImportError::NotABoard { looks_like };
        }
        let (line, column) = (error.line(), error.column());
        if let Some(Wrong { path, problem }) = self.wrong.take() {
            return ImportError::Value { path, line, problem };
        }
        if error.is_io() {
            return ImportError::Read(error.into());
        }
        let text = error.to_string();
        let reason = text.rsplit_once(" at line ").map_or(&*text, |(reason, _)| reason).to_owned();
        match self.keys.last() {
            Some(path) if error.is_data() => ImportError::Value { path: path.clone(), line, problem: reason },
            _ => ImportError::Syntax { line, column, reason },
        }
    }

    fn finish(mut self, target: Target) -> Result<Import, ImportError> {
        if !["lists", "cards"].iter().all(|key| self.keys.iter().any(|known| known == key)) {
            return Err(ImportError::NotABoard { looks_like: json_like("an object", &self.keys) });
        }
        let own = std::mem::take(&mut self.own);
        let own = self.board.take_own(&Item::new(&own, String::new()));
        own.map_err(|Wrong { path, problem }| ImportError::Value { path, line: 1, problem })?;
        Ok(build::build(&self.board, self.ledger, target))
    }
}

/// The outermost value.
struct Top<'a>(&'a mut Reading);

impl<'de> Visitor<'de> for Top<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a board")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            self.0.field(&key, &mut map)?;
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let keys = match seq.next_element::<Value>()? {
            Some(Value::Object(fields)) => fields.keys().cloned().collect(),
            _ => Vec::new(),
        };
        self.0.looks_like = Some(json_like("a list of objects", &keys));
        Err(A::Error::custom("a list"))
    }
}

/// One of the board's lists, element by element.
struct Elements<'a> {
    key: &'a str,
    reading: &'a mut Reading,
}

impl<'de> DeserializeSeed<'de> for Elements<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Elements<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut at = 0;
        while let Some(value) = seq.next_element_seed(Keep)? {
            let taken = self.reading.element(self.key, at, &value);
            taken.map_err(|wrong| self.reading.stop::<A::Error>(wrong))?;
            at += 1;
        }
        if at == 0 {
            self.reading.ledger.saw(self.key, true, String::new);
        }
        Ok(())
    }
}

/// What a file is that does not begin as JSON does.
fn not_json(head: &[u8]) -> Option<String> {
    let start = head.trim_ascii_start();
    let known: [(&[u8], &str); 7] = [
        (b"", "an empty file"),
        (b"PK\x03\x04", "a ZIP archive: unpack it first"),
        (b"\x1f\x8b", "a gzip archive: unpack it first"),
        (b"\x89PNG", "a picture"),
        (b"\xff\xd8\xff", "a picture"),
        (b"%PDF", "a PDF document"),
        (b"<", "a web page or XML"),
    ];
    let same = |magic: &[u8]| if magic.is_empty() { start.is_empty() } else { start.starts_with(magic) };
    if let Some((_, what)) = known.iter().find(|(magic, _)| same(magic)) {
        return Some((*what).to_owned());
    }
    if start.starts_with(b"{") || start.starts_with(b"[") {
        return None;
    }
    let first = start.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let text = match str::from_utf8(first) {
        Ok(text) => text,
        // The window may end within a character.
        Err(error) if error.error_len().is_none() => str::from_utf8(&first[..error.valid_up_to()]).ok()?,
        Err(_) => return Some("binary data".to_owned()),
    };
    let what = if text.starts_with("TYPE,CONTENT") {
        "a Todoist project"
    } else if text.contains([',', ';', '\t']) {
        "a table (CSV)"
    } else {
        "plain text"
    };
    Some(format!("{what} that begins with {:?}", text.trim_end().chars().take(60).collect::<String>()))
}

/// What a JSON file of another kind is, by the fields of its outermost or first object.
fn json_like(shape: &str, keys: &[String]) -> String {
    let has = |wanted: &[&str]| wanted.iter().all(|wanted| keys.iter().any(|key| key == wanted));
    let known: [(&[&str], &str); 6] = [
        (&["uuid", "entry", "description"], "an export from Taskwarrior"),
        (&["number", "title"], "issues from GitHub"),
        (&["issues"], "an archive of issues from GitHub"),
        (&["idBoard", "idList"], "Trello cards without their board"),
        (&["lists"], "a Trello board whose cards are missing"),
        (&["cards"], "a Trello board whose lists are missing"),
    ];
    if let Some((_, what)) = known.iter().find(|(wanted, _)| has(wanted)) {
        return (*what).to_owned();
    }
    let some: Vec<_> = keys.iter().take(6).map(|key| key.chars().take(30).collect::<String>()).collect();
    if some.is_empty() {
        format!("{shape} with nothing in it")
    } else {
        format!("{shape} with {}", some.join(", "))
    }
}
