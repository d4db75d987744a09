//! Requests as JSON, carried out by a node without network that holds the demo board: whatever is
//! asked, it answers, with a result or a sentence, and lives on. Each line is a request.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde_json::json;
use std::{cell::RefCell, fs};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use velo_node::{
    api::{self, Action, ApiError, Request, member, network, workspace::Introduction},
    handle::{Node, NodeConfig},
    import::DEMO_BOARD,
};

/// Inputs for one node: what they add would slow it down.
const INPUTS: usize = 400;
/// Requests of one input.
const REQUESTS: usize = 8;

struct Home {
    node: Option<Node>,
    runtime: Runtime,
    _home: TempDir,
    left: usize,
}

impl Home {
    fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let data_dir = home.path().join("data");
        let board = home.path().join("board.json");
        fs::write(&board, DEMO_BOARD).expect("a file");
        Introduction::new("Anna").and_then(|anna| anna.write(&data_dir)).expect("an introduction");
        let config =
            NodeConfig { state_dir: Some(home.path().join("state")), ..NodeConfig::offline(data_dir) };
        let node = Node::start(config).expect("a node");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let new = Self { node: Some(node), runtime, _home: home, left: INPUTS };
        for action in [
            json!({ "workspace": { "create": { "name": "House" } } }),
            json!({ "import": { "format": { "trello": { "file": board } } } }),
        ] {
            new.execute(api::understand(json!({ "action": action })).expect("a request")).expect("done");
        }
        new
    }

    fn execute(&self, request: Request) -> Result<serde_json::Value, ApiError> {
        let node = self.node.as_ref().expect("a node").handle();
        self.runtime.block_on(api::execute(request, node))
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        let node = self.node.take();
        node.expect("a node").shutdown().expect("the node ends in good order");
    }
}

thread_local! {
    static HOME: RefCell<Option<Home>> = const { RefCell::new(None) };
}

/// Not what would wait, or read files that have nothing to do with it.
fn is_tried(action: &Action) -> bool {
    let waits = matches!(action, Action::Wait(_) | Action::Network(network::Request::Sync(_)));
    // After leaving, everything else would only be refused.
    let leaves = matches!(action, Action::Member(member::Request::Leave(_)));
    !waits && !leaves && !matches!(action, Action::Join(_) | Action::Import(_))
}

fuzz_target!(|text: &str| {
    let lines = text.lines().filter_map(|line| serde_json::from_str(line).ok());
    let understood = lines.filter_map(|line| api::understand(line).ok());
    let requests: Vec<_> = understood.filter(|one| is_tried(&one.action)).take(REQUESTS).collect();
    if requests.is_empty() {
        return;
    }
    HOME.with_borrow_mut(|home| {
        if home.as_ref().is_none_or(|home| home.left == 0) {
            // The old one ends first.
            *home = None;
            *home = Some(Home::new());
        }
        let home = home.as_mut().expect("just made");
        home.left -= 1;
        for request in requests {
            if let Err(error) = home.execute(request) {
                assert!(!error.to_string().is_empty());
                assert!(!matches!(error, ApiError::Failed(_) | ApiError::Busy(_)), "{error}");
            }
        }
    });
});
