//! Frames from a member who may be hostile, with time passing between them: presence, pulls asked for and
//! answered, entries. The replica does not panic, says only what can be read, and what it had is still
//! there and can still be added to.
//!
//! ```text
//! input = (length (2) | frame)*      an empty frame lets 300 ms pass
//! ```
#![no_main]

#[path = "shared/anna.rs"]
mod anna;

use anna::{Anna, parts};
use libfuzzer_sys::fuzz_target;
use std::cell::LazyCell;
use velo_protocol::message::Message;

thread_local! {
    static START: LazyCell<Anna> = LazyCell::new(Anna::with_member);
}

fuzz_target!(|input: &[u8]| {
    let mut anna = START.with(|start| Anna::clone(start));
    let before = anna.heads();
    for frame in parts(input) {
        if anna.is_over {
            break;
        }
        if frame.is_empty() { anna.pass(300) } else { anna.hear(frame.to_vec()) }
    }
    for frame in &anna.said {
        Message::decode(frame).expect("own frames are readable");
    }
    let logs = anna.replica.logs(anna.workspace()).expect("the workspace is still there");
    for (_, head) in before {
        assert!(logs.find(head.id).is_some(), "an entry is gone");
    }
    anna.add_task(9).expect("the member cannot keep her from working");
});
