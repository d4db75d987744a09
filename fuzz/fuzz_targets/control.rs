//! What a client writes to the control socket: every line gets one line back, an answer or an error,
//! and what was understood means the same when it is written again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use std::sync::LazyLock;
use tokio::runtime::{Builder, Runtime};
use velo_node::{api, fuzzing};

static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Builder::new_current_thread().enable_time().build().expect("a runtime"));

fuzz_target!(|bytes: &[u8]| {
    let answers = RUNTIME.block_on(fuzzing::control(bytes));
    let answers = String::from_utf8(answers).expect("answers are text");
    assert_eq!(answers.lines().count(), bytes.iter().filter(|byte| **byte == b'\n').count());
    for line in answers.lines() {
        let answer: Value = serde_json::from_str(line).expect("answers are JSON");
        if let Some(request) = answer.get("ok") {
            let again = api::understand(request.clone()).expect("own requests are understood");
            assert_eq!(json!(again), *request);
        } else {
            assert!(answer["error"]["message"].is_string(), "{answer}");
        }
    }
});
