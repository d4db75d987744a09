//! Reading JSON of unknown size and shape, and saying exactly where it is not as it should be.
//!
//! [`Walk`] counts a value of any size without keeping it. [`Item`] is one object that was kept,
//! with its place in the file, so that every wrong value is named by its path.

use super::fidelity::Ledger;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::{borrow::Cow, fmt};

/// Characters of a key that go into a path.
const KEY_CHARS: usize = 64;

/// A value that is not what its place calls for.
#[derive(Debug)]
pub(super) struct Wrong {
    /// Where, such as `cards[3].due`.
    pub(super) path: String,
    /// What was expected and what was found.
    pub(super) problem: String,
}

/// As much of a text out of the file as goes into a path: paths are shown, and kept in the report.
pub(super) fn cut(text: &str) -> &str {
    text.char_indices().nth(KEY_CHARS).map_or(text, |(end, _)| &text[..end])
}

/// Appends a key to a path, calls `f`, and takes the key off again.
fn under<T>(path: &mut String, key: &str, f: impl FnOnce(&mut String) -> T) -> T {
    let len = path.len();
    if len > 0 && !key.starts_with('[') {
        path.push('.');
    }
    path.push_str(cut(key));
    let result = f(path);
    path.truncate(len);
    result
}

/// Counts every value in `value` under `path`.
pub(super) fn count(value: &Value, path: &mut String, ledger: &mut Ledger) {
    match value {
        Value::Array(elements) if !elements.is_empty() => under(path, "[]", |path| {
            for element in elements {
                count(element, path, ledger);
            }
        }),
        Value::Object(fields) if !fields.is_empty() => {
            for (key, field) in fields {
                under(path, key, |path| count(field, path, ledger));
            }
        }
        leaf => ledger.saw(path, says_nothing(leaf), || leaf.to_string()),
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null | Value::Bool(false) => true,
        Value::Bool(true) => false,
        Value::Number(number) => number.as_f64() == Some(0.0),
        Value::String(text) => text.is_empty(),
        Value::Array(elements) => elements.is_empty(),
        Value::Object(fields) => fields.is_empty(),
    }
}

/// Counts a value while it is read, and keeps nothing of it.
pub(super) struct Walk<'a> {
    pub(super) ledger: &'a mut Ledger,
    pub(super) path: &'a mut String,
}

impl Walk<'_> {
    fn leaf(self, value: &Value) {
        count(value, self.path, self.ledger);
    }
}

impl<'de> DeserializeSeed<'de> for Walk<'_> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.leaf(&Value::Null);
        Ok(())
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.leaf(&value.into());
        Ok(())
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.leaf(&value.into());
        Ok(())
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.leaf(&value.into());
        Ok(())
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        self.leaf(&value.into());
        Ok(())
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.leaf(&value.into());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let Self { ledger, path } = self;
        let any = under(path, "[]", |path| {
            let mut any = false;
            while seq.next_element_seed(Walk { ledger, path })?.is_some() {
                any = true;
            }
            Ok(any)
        })?;
        if !any {
            Walk { ledger, path }.leaf(&Value::Array(Vec::new()));
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self { ledger, path } = self;
        let mut any = false;
        while let Some(key) = map.next_key::<Cow<'_, str>>()? {
            any = true;
            under(path, &key, |path| map.next_value_seed(Walk { ledger, path }))?;
        }
        if !any {
            Walk { ledger, path }.leaf(&Value::Object(Map::new()));
        }
        Ok(())
    }
}

/// Reads a value to be kept. An object that says one thing twice is refused: of two values, one would
/// be lost without a word.
pub(super) struct Keep;

impl<'de> DeserializeSeed<'de> for Keep {
    type Value = Value;
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Keep {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }
    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }
    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Value, A::Error> {
        let mut elements = Vec::new();
        while let Some(element) = seq.next_element_seed(Self)? {
            elements.push(element);
        }
        Ok(elements.into())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut fields = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            let field = map.next_value_seed(Self)?;
            if fields.contains_key(&key) {
                let key: String = key.chars().take(KEY_CHARS).collect();
                return Err(A::Error::custom(format_args!("\"{key}\" stands in one object twice")));
            }
            fields.insert(key, field);
        }
        Ok(fields.into())
    }
}

/// One object of the file. A field that is missing or null counts as not given.
#[derive(Debug)]
pub(super) struct Item<'a> {
    fields: &'a Map<String, Value>,
    path: String,
}

impl<'a> Item<'a> {
    /// The object at `path`; for the outermost, `path` is empty.
    pub(super) const fn new(fields: &'a Map<String, Value>, path: String) -> Self {
        Self { fields, path }
    }

    /// The object that `value` at `path` must be.
    pub(super) fn of(value: &'a Value, path: String) -> Result<Self, Wrong> {
        match value {
            Value::Object(fields) => Ok(Self { fields, path }),
            other => Err(wrong(path, "an object", Some(other))),
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    fn given(&self, key: &str) -> Option<&'a Value> {
        self.fields.get(key).filter(|value| !value.is_null())
    }

    fn expected<T>(
        &self,
        key: &str,
        what: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Wrong> {
        let Some(value) = self.given(key) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| self.wrong(key, what))
    }

    /// The value of `key` is not `what`.
    pub(super) fn wrong(&self, key: &str, what: &str) -> Wrong {
        wrong(self.path_of(key), what, self.fields.get(key))
    }

    /// A text, if given.
    pub(super) fn text(&self, key: &str) -> Result<Option<&'a str>, Wrong> {
        self.expected(key, "a text", Value::as_str)
    }

    /// A text, empty if not given.
    pub(super) fn text_or_empty(&self, key: &str) -> Result<String, Wrong> {
        Ok(self.text(key)?.unwrap_or_default().to_owned())
    }

    /// A text that must be given and have something in it: an id.
    pub(super) fn id(&self, key: &str) -> Result<String, Wrong> {
        let id = self.text(key)?.filter(|id| !id.is_empty());
        id.map(str::to_owned).ok_or_else(|| self.wrong(key, "an id"))
    }

    /// Yes or no; not given is no.
    pub(super) fn flag(&self, key: &str) -> Result<bool, Wrong> {
        Ok(self.expected(key, "true or false", Value::as_bool)?.unwrap_or(false))
    }

    /// A number, if given.
    pub(super) fn number(&self, key: &str) -> Result<Option<f64>, Wrong> {
        self.expected(key, "a number", Value::as_f64)
    }

    /// A whole number, if given.
    pub(super) fn whole(&self, key: &str) -> Result<Option<i64>, Wrong> {
        self.expected(key, "a whole number", Value::as_i64)
    }

    /// An instant, in milliseconds since the Unix epoch, if given.
    pub(super) fn instant(&self, key: &str) -> Result<Option<i64>, Wrong> {
        let read = |value: &Value| super::text::instant(value.as_str()?);
        self.expected(key, "a date such as \"2024-05-17T09:30:00.000Z\"", read)
    }

    /// An object, if given.
    pub(super) fn object(&self, key: &str) -> Result<Option<Self>, Wrong> {
        let fields = self.expected(key, "an object", Value::as_object)?;
        Ok(fields.map(|fields| Self { fields, path: self.path_of(key) }))
    }

    /// The objects of a list; none if not given.
    pub(super) fn objects(&self, key: &str) -> Result<Vec<Self>, Wrong> {
        let elements = self.expected(key, "a list", Value::as_array)?;
        let path = self.path_of(key);
        let numbered = elements.into_iter().flatten().enumerate();
        numbered.map(|(at, element)| Self::of(element, format!("{path}[{at}]"))).collect()
    }

    /// The texts of a list; none if not given.
    pub(super) fn texts(&self, key: &str) -> Result<Vec<String>, Wrong> {
        let elements = self.expected(key, "a list", Value::as_array)?;
        let path = self.path_of(key);
        let numbered = elements.into_iter().flatten().enumerate();
        numbered
            .map(|(at, element)| match element {
                Value::String(text) => Ok(text.clone()),
                other => Err(wrong(format!("{path}[{at}]"), "a text", Some(other))),
            })
            .collect()
    }
}

fn wrong(path: String, expected: &str, found: Option<&Value>) -> Wrong {
    let found = match found {
        None => "nothing".to_owned(),
        Some(Value::Array(_)) => "a list".to_owned(),
        Some(Value::Object(_)) => "an object".to_owned(),
        Some(scalar) => scalar.to_string().chars().take(80).collect(),
    };
    let path = if path.is_empty() { "the whole".to_owned() } else { path };
    Wrong { path, problem: format!("expected {expected}, found {found}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::fidelity::{Fate, Imported};

    fn paths(ledger: Ledger) -> Vec<(String, usize, usize)> {
        let report = ledger.report(String::new(), Imported::default(), |_| (Fate::Kept, ""));
        report.rows.into_iter().map(|row| (row.path, row.count, row.empty)).collect()
    }

    #[test]
    fn what_is_walked_and_what_is_kept_count_alike() {
        let text = r#"{"a":[1,{"b":null},[]],"c":{},"d":[{"b":"x"},{"b":0.5}],"e":false,"f":-3}"#;
        let (mut walked, mut kept) = (Ledger::default(), Ledger::default());
        let mut reader = serde_json::Deserializer::from_str(text);
        Walk { ledger: &mut walked, path: &mut String::new() }.deserialize(&mut reader).unwrap();
        count(&serde_json::from_str(text).unwrap(), &mut String::new(), &mut kept);
        let walked = paths(walked);
        assert_eq!(walked, paths(kept));
        let wanted = [("a[]", 2, 1), ("a[].b", 1, 1), ("c", 1, 1), ("d[].b", 2, 0), ("e", 1, 1), ("f", 1, 0)];
        assert_eq!(walked, wanted.map(|(path, count, empty)| (path.to_owned(), count, empty)));
    }

    #[test]
    fn a_wrong_value_is_named_by_its_path() {
        let value = serde_json::json!({"items": [{"due": "tomorrow"}, 7]});
        let item = Item::of(&value, "cards[3]".to_owned()).unwrap();
        let wrong = item.objects("items").unwrap_err();
        assert_eq!((&*wrong.path, &*wrong.problem), ("cards[3].items[1]", "expected an object, found 7"));
        assert_eq!(item.id("name").unwrap_err().problem, "expected an id, found nothing");
    }
}
