//! The database of the visible state, with anything in it: reading it gives what was saved or nothing,
//! and never panics.
//!
//! The files below it are sled's own. It panics on damaged ones, which the store catches and a fuzzer
//! cannot; `node/tests/store_damage.rs` harms those.
//!
//! ```text
//! input = item*
//! item  = kind of key (1) | number (1) | how the value is made (1) | length (2) | bytes
//! ```
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::BTreeMap;
use velo_node::fuzzing::{pack, saved_state};
use velo_protocol::{codec, id::WorkspaceId, workspace::Workspace};

const WORKSPACE: WorkspaceId = WorkspaceId([1; 32]);
const KINDS: [u8; 6] = *b"vpmic?";

fuzz_target!(|input: &[u8]| {
    let mut items: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    let mut rest = input;
    while let Some(([kind, number, how, low, high], after)) = rest.split_first_chunk::<5>() {
        let length = usize::from(u16::from_le_bytes([*low, *high])).min(after.len());
        let (bytes, after) = after.split_at(length);
        let kind = KINDS[usize::from(*kind) % KINDS.len()];
        items.push((key(kind, *number), value(kind, *number, how % 3, bytes, &items)));
        rest = after;
    }
    if let Some(saved) = saved_state(WORKSPACE, &items)
        && let Ok(workspace) = Workspace::from_pages(WORKSPACE, &saved.meta, saved.pages)
    {
        workspace.state_hash();
    }
});

fn name(kind: u8, number: u8) -> [u8; 5] {
    [kind, 0, 0, 0, if kind == b'p' { number } else { 0 }]
}

/// The first part of a page; of the others any part.
fn key(kind: u8, number: u8) -> Vec<u8> {
    let part = if kind == b'p' { 0 } else { number };
    if kind == b'v' { vec![kind] } else { [&name(kind, number)[..], &[0, 0, 0, part]].concat() }
}

fn value(kind: u8, number: u8, how: u8, bytes: &[u8], before: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let name = name(kind, number);
    match (how, kind) {
        (0, _) => bytes.to_vec(),
        (_, b'v') => [&[2, 0], &WORKSPACE.0[..]].concat(),
        (1, _) => {
            let sum = crc32c::crc32c_append(crc32c::crc32c(&name), bytes);
            [&sum.to_le_bytes()[..], bytes].concat()
        }
        (_, b'c') => pack(name, &codec::encode(&checksums(before))).expect("compressed"),
        _ => pack(name, bytes).expect("compressed"),
    }
}

/// Parts and checksums of the pages so far.
fn checksums(items: &[(Vec<u8>, Vec<u8>)]) -> BTreeMap<u32, (u32, u32)> {
    let pages = items.iter().filter(|(key, _)| key[0] == b'p');
    pages.map(|(key, value)| (u32::from(key[4]), (1, crc32c::crc32c(value)))).collect()
}
