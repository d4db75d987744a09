//! A command line, an argument in each line: reading it never panics, and what it asks is understood
//! when it travels over the control socket.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use velo_node::{api, cli};

fuzz_target!(|text: &str| {
    let words = std::iter::once("velo").chain(text.lines());
    if let Ok(Some((request, _))) = cli::asked(words) {
        let sent = json!(request);
        let understood = api::understand(sent.clone()).expect("what is typed can be sent");
        assert_eq!(json!(understood), sent);
    }
});
