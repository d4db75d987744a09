//! What a running Velo, perhaps of another version, answers to a command: laying it out never panics.
//! The first byte says which command was asked.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::Value;
use std::sync::LazyLock;
use velo_node::{api::ApiError, cli};

type Layout = fn(&Value) -> Result<String, serde_json::Error>;

const COMMANDS: [&str; 41] = [
    "workspace create a",
    "workspace list",
    "workspace show",
    "invite",
    "join a",
    "project add a",
    "project list",
    "project show a",
    "project delete a",
    "column add a",
    "column list",
    "label add a",
    "label list",
    "label delete a",
    "task add a",
    "task show a",
    "task list",
    "comment add a b",
    "comment list a",
    "comment delete a b",
    "conflicts list",
    "conflicts resolve 1 --pick 1",
    "history",
    "undo",
    "peers list",
    "peers add a",
    "sync",
    "status",
    "import trello a",
    "column rename a b",
    "member list",
    "member role a admin",
    "member remove a --yes",
    "member leave --yes",
    "device list",
    "device unlink a --yes",
    "invite list",
    "invite revoke a",
    "redo",
    "task done a",
    "workspace forget a --yes",
];

static LAYOUTS: LazyLock<Vec<Layout>> = LazyLock::new(|| {
    let layout = |command: &&str| {
        let words = std::iter::once("velo").chain(command.split(' '));
        let asked = cli::asked(words).unwrap_or_else(|error| panic!("{command}: {error}"));
        asked.unwrap_or_else(|| panic!("{command} asks nothing")).1
    };
    COMMANDS.iter().map(layout).collect()
});

fuzz_target!(|input: &[u8]| {
    let Some((which, bytes)) = input.split_first() else { return };
    let Ok(answer) = serde_json::from_slice::<Value>(bytes) else { return };
    let _ = LAYOUTS[usize::from(*which) % LAYOUTS.len()](&answer);
    if let Ok(error) = serde_json::from_value::<ApiError>(answer) {
        let again = error.to_json()["error"].take();
        assert_eq!(serde_json::from_value::<ApiError>(again).ok(), Some(error));
    }
});
