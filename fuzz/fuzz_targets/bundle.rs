//! Bundles from anywhere: whatever is in one, also by somebody who has the key, is taken in as what a peer
//! says, or refused. And how far a bundle is written, as a client says it on the control socket, may be
//! anything. The first byte says what comes.
#![no_main]

#[path = "shared/anna.rs"]
mod anna;

use anna::{Anna, parts};
use libfuzzer_sys::fuzz_target;
use std::cell::LazyCell;
use velo_protocol::{
    bundle::{Head, PartNo, Portion, seal},
    codec,
    log::Run,
    replica::{Carried, Command, ExportCursor, Reply},
};

thread_local! {
    static START: LazyCell<Anna> = LazyCell::new(Anna::alone);
}

fuzz_target!(|input: &[u8]| {
    let Some((which, bytes)) = input.split_first() else { return };
    let anna = START.with(|start| Anna::clone(start));
    match which % 4 {
        0 => sealed(anna, bytes),
        1 => import(anna, bytes),
        2 => export(anna, bytes),
        _ => {
            if let Some(bytes) = bytes.first_chunk::<{ Head::BYTES }>()
                && let Ok(head) = Head::from_bytes(bytes)
            {
                assert_eq!(head.to_bytes(), *bytes);
            }
        }
    }
});

/// Parts by somebody who has the key.
fn sealed(mut anna: Anna, bytes: &[u8]) {
    let (head, before) = (Head::new(&anna.secret(), [5; 32]), anna.heads());
    for (number, part) in (0..).zip(parts(bytes)) {
        let Ok(runs) = codec::decode::<Vec<Run>>(part) else { continue };
        let at = PartNo { number, last: false };
        let part = seal(&anna.secret(), &head, at, &Portion::Runs(runs)).expect("a part");
        // Refused or not, she goes on.
        let _ = anna.command(Command::Import { head, at, part });
    }
    let logs = anna.replica.logs(anna.workspace()).expect("the workspace is still there");
    for (_, head) in before {
        assert!(logs.find(head.id).is_some(), "an entry is gone");
    }
    anna.add_task(9).expect("a bundle cannot keep her from working");
}

/// Bytes that nobody sealed.
fn import(mut anna: Anna, bytes: &[u8]) {
    let head = Head::new(&anna.secret(), [5; 32]);
    let at = PartNo { number: 0, last: true };
    let taken = anna.command(Command::Import { head, at, part: bytes.to_vec() });
    assert!(taken.is_err(), "{taken:?}");
}

fn export(mut anna: Anna, bytes: &[u8]) {
    let Ok(cursor) = serde_json::from_slice::<Box<ExportCursor>>(bytes) else { return };
    let command = Command::Export { workspace: anna.workspace(), cursor, what: Carried::Entries };
    if let Ok(Reply::Exported { part, .. }) = anna.command(command) {
        assert!(!part.is_empty());
    }
}
