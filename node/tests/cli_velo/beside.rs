//! Commands beside a running node.

use crate::device::Device;
use std::{
    fs,
    process::Command,
    sync::{
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};
use velo_node::{
    api,
    handle::{Node, NodeConfig},
};

const PATIENCE: Duration = Duration::from_mins(1);

/// Scripts and people do not wait for each other.
#[test]
fn commands_at_the_same_time_take_turns() {
    let anna = Device::with_project();
    thread::scope(|scope| {
        for n in 0..6 {
            let anna = &anna;
            scope.spawn(move || anna.ok(&["task", "add", &format!("Task {n}")]));
        }
    });
    assert_eq!(anna.json(&["task", "list"]).as_array().unwrap().len(), 6);
}

#[test]
fn a_node_starts_while_commands_come_and_go() {
    let anna = Device::with_project();
    for _ in 0..3 {
        let enough = AtomicBool::new(false);
        let node = thread::scope(|scope| {
            scope.spawn(|| {
                while !enough.load(Ordering::Relaxed) {
                    anna.ok(&["status"]);
                }
            });
            let node = anna.start_node();
            enough.store(true, Ordering::Relaxed);
            node
        });
        assert!(node.stop().success());
    }
}

/// Its end is waited for by nobody, so nobody else may wait for it.
#[test]
#[cfg(unix)]
fn an_interrupted_import_holds_nobody_up() {
    let anna = Device::with_project();
    let node = anna.start_node();
    let pipe = anna.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    for _ in 0..3 {
        let mut import = anna.spawn(&["import", "trello", pipe.to_str().unwrap()]);
        thread::sleep(Duration::from_millis(300));
        import.kill().unwrap();
        import.wait().unwrap();
    }
    let (done, told) = mpsc::channel();
    thread::scope(|scope| {
        scope.spawn(|| {
            anna.ok(&["label", "list"]);
            done.send(()).unwrap();
        });
        if told.recv_timeout(PATIENCE).is_err() {
            // Ends it, so that the command does not wait for ever.
            drop(node);
            panic!("`label list` hangs");
        }
        assert!(node.stop().success());
    });
    let answer = anna.run(&["import", "trello", "/dev/zero"]);
    assert!(answer.code == 2 && answer.err.contains("is not a file"), "{}", answer.err);
}

#[test]
#[cfg(unix)]
fn a_node_that_is_asked_to_end_while_it_starts_ends_cleanly() {
    let anna = Device::with_project();
    let socket = anna.data_dir().join("control.sock");
    for _ in 0..5 {
        let mut node = anna.spawn(&["node", "--no-mdns", "--listen", "/ip4/127.0.0.1/tcp/0"]);
        while !socket.exists() {
            assert!(node.try_wait().unwrap().is_none(), "it ended by itself");
            thread::sleep(Duration::from_millis(1));
        }
        assert!(Command::new("kill").arg(node.id().to_string()).status().unwrap().success());
        assert_eq!(node.wait().unwrap().code(), Some(0));
        assert!(!socket.exists());
    }
}

#[test]
fn a_node_keeps_a_log() {
    let anna = Device::with_project();
    assert!(anna.start_node().stop().success());
    let files = fs::read_dir(anna.data_dir().join("logs")).unwrap();
    let text: String = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    assert!(text.contains("node started") && text.contains("node stopped"), "{text}");
}

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

/// The app's first page asks who is there, and holds the directory meanwhile: no command led on.
#[test]
fn somebody_introduces_themselves_beside_the_app_that_asks_who_they_are() {
    let anna = Device::new();
    let config =
        NodeConfig { state_dir: Some(anna.path().join("state")), ..NodeConfig::offline(anna.data_dir()) };
    let app = Node::start(config).unwrap();
    let control = {
        let _inside = app.runtime().enter();
        api::serve(app.handle()).unwrap()
    };
    let answer = anna.run(&["workspace", "create", "Workshop"]);
    assert!(answer.code == 5 && answer.err.contains("velo init --name"), "{}", answer.err);
    assert!(anna.ok(&["init", "--name", "Anna"]).starts_with("Hello Anna."));
    anna.ok(&["workspace", "create", "Workshop"]);
    let status = anna.json(&["status"]);
    assert_eq!((&status["name"], &status["process"]), (&"Anna".into(), &std::process::id().into()));
    assert_eq!(anna.json(&["workspace", "show"])["people"][0]["name"], "Anna");
    drop(control);
    app.shutdown().unwrap();
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

/// The command was quicker than the node, and made a ticket on its own that led nowhere.
#[test]
fn a_ticket_leads_to_the_node_that_is_just_starting() {
    let anna = Device::with_project();
    thread::scope(|scope| {
        let invited = scope.spawn(|| anna.json(&["invite"]));
        thread::sleep(Duration::from_millis(100));
        let node = anna.start_node();
        assert_eq!(invited.join().unwrap()["addresses"], node.addresses);
        assert!(node.stop().success());
    });
}

/// The warning stood between the lines of the answer, where scripts do not look for it.
#[test]
fn a_ticket_that_leads_nowhere_comes_with_a_warning() {
    let anna = Device::with_project();
    let warned = |args: &[&str]| {
        let answer = anna.run(args);
        assert_eq!(answer.code, 0, "{}", answer.err);
        answer.err.contains("warning:")
            && answer.err.contains("velo node")
            && answer.err.contains("--address")
    };
    assert!(warned(&["invite"]), "nobody listens");
    assert!(!warned(&["invite", "--address", "/ip4/192.168.1.7/tcp/4001"]));
    let answer = anna.run(&["invite", "--json"]);
    assert_eq!(answer.err, "");
    assert!(answer.out.contains("\"addresses\":[]"), "{}", answer.out);

    let mut offline = anna.spawn(&["node", "--offline"]);
    eventually_serves(&anna);
    assert!(warned(&["invite"]), "a node that talks to nobody");
    offline.kill().unwrap();
    offline.wait().unwrap();

    let node = anna.start_node();
    assert!(!warned(&["invite"]));
    assert!(node.stop().success());
}

fn eventually_serves(device: &Device) {
    let start = Instant::now();
    while !device.data_dir().join("control.sock").exists() {
        assert!(start.elapsed() < PATIENCE, "no node came up");
        thread::sleep(Duration::from_millis(5));
    }
}
