//! Commands beside a running node.

use crate::device::Device;

#[test]
fn commands_reach_the_running_node_and_the_disk() {
    let anna = Device::with_project();
    let node = anna.start_node();
    let status = anna.json(&["status"]);
    assert_eq!(status["process"], node.process(), "the node answers, not a process of the command's own");
    assert_eq!(status["addresses"], node.addresses);
    anna.ok(&["task", "add", "Order the paint"]);
    let hash = anna.state_hash();
    assert!(node.stop().success());
    assert_ne!(anna.json(&["status"])["process"], status["process"]);
    assert_eq!(anna.state_hash(), hash);
}

#[test]
fn a_killed_node_loses_nothing_and_leaves_nothing_in_the_way() {
    let anna = Device::with_project();
    let node = anna.start_node();
    anna.ok(&["task", "add", "Order the paint"]);
    let hash = anna.state_hash();
    // Dropping it kills it, without a goodbye.
    drop(node);
    assert_eq!(anna.state_hash(), hash);
    let again = anna.start_node();
    assert_eq!(anna.state_hash(), hash);
    assert!(again.stop().success());
}

#[test]
fn a_second_node_says_who_holds_the_directory() {
    let anna = Device::with_project();
    let node = anna.start_node();
    let answer = anna.run(&["node", "--offline"]);
    assert_eq!(answer.code, 6, "{}", answer.err);
    assert!(answer.err.contains(&node.process().to_string()), "{}", answer.err);
}

#[test]
fn alone_there_is_nobody_to_sync_with() {
    let anna = Device::with_project();
    let node = anna.start_node();
    let answer = anna.run(&["sync", "--wait", "1"]);
    assert_eq!(answer.code, 4, "{}{}", answer.out, answer.err);
    assert!(answer.out.contains("No peer was reached"), "{}", answer.out);
    assert!(node.stop().success());
}
