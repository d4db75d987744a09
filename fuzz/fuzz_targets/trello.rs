//! A Trello export, as somebody gives it: either it is refused with a sentence, or the report accounts
//! for every value in the file, and the core takes every change.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::de::{Deserialize, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use std::{collections::BTreeSet, fmt};
use velo_node::import::{Import, ImportError, Target, read_trello};
use velo_protocol::{
    change::{self, Change},
    codec,
    id::WorkspaceId,
    limits,
    op::DataBody,
    workspace::Workspace,
};

fuzz_target!(|bytes: &[u8]| {
    let target = Target { workspace: WorkspaceId([1; 32]), project: None };
    match read_trello(bytes, target) {
        Ok(import) => check(import, bytes),
        Err(ImportError::Read(error)) => panic!("a slice can always be read: {error}"),
        Err(error) => assert!(error.to_string().contains("Nothing was changed"), "{error}"),
    }
});

fn check(import: Import, bytes: &[u8]) {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let Values(found) = serde_json::from_slice(text).expect("what was imported is JSON");
    let told: usize = import.report.rows.iter().map(|row| row.count).sum();
    assert_eq!(told, found, "values in the report and in the file\n{}", import.report);
    assert_apart(&import.changes);
    let workspace = Workspace::new(WorkspaceId([1; 32]));
    let groups = change::build(&workspace, &import.changes, [2, 3]).expect("the core takes what was made");
    for groups in change::pack(groups) {
        assert!(codec::encode(&DataBody::new(groups)).len() <= limits::BODY);
    }
}

/// No two things in the file became one, and no two values.
fn assert_apart(changes: &[Change]) {
    let mut made = BTreeSet::new();
    for change in changes {
        let Change::Create { key, fields } = change else { panic!("an import only creates: {change:?}") };
        let mut slots = BTreeSet::new();
        assert!(made.insert(key), "{key} is made twice");
        assert!(fields.iter().all(|(slot, _)| slots.insert(slot)), "{key} has two values in one place");
    }
}

/// How many values a JSON text holds, counted without the importer's own code: texts, numbers, null
/// and the like, and lists and objects with nothing in them.
struct Values(usize);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Counting)
    }
}

struct Counting;

impl<'de> Visitor<'de> for Counting {
    type Value = Values;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }
    fn visit_unit<E: Error>(self) -> Result<Values, E> {
        Ok(Values(1))
    }
    fn visit_bool<E: Error>(self, _: bool) -> Result<Values, E> {
        Ok(Values(1))
    }
    fn visit_i64<E: Error>(self, _: i64) -> Result<Values, E> {
        Ok(Values(1))
    }
    fn visit_u64<E: Error>(self, _: u64) -> Result<Values, E> {
        Ok(Values(1))
    }
    fn visit_f64<E: Error>(self, _: f64) -> Result<Values, E> {
        Ok(Values(1))
    }
    fn visit_str<E: Error>(self, _: &str) -> Result<Values, E> {
        Ok(Values(1))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Values, A::Error> {
        let mut sum = 0;
        while let Some(Values(count)) = list.next_element()? {
            sum += count;
        }
        Ok(Values(sum.max(1)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Values, A::Error> {
        let mut sum = 0;
        while object.next_key::<IgnoredAny>()?.is_some() {
            sum += object.next_value::<Values>()?.0;
        }
        Ok(Values(sum.max(1)))
    }
}
