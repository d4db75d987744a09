//! What happens when a thread of the node dies. That is a bug, but the person must hear of it.

use super::*;
use crate::handle::{NetOptions, NodeConfig, NodeEvent};
use std::{
    path::Path,
    sync::mpsc::{channel, sync_channel},
    thread,
};
use velo_protocol::{
    change::Change,
    id::EntityId,
    model::{EntityKey, Kind, label},
    value::Value,
};

/// Starts a node as [`open::start`] does, with its driver shown before it runs.
fn start(home: &Path, show: impl FnOnce(&mut Driver) + Send + 'static) -> (Arc<Shared>, JoinHandle<()>) {
    start_with(home, None, show)
}

fn start_with(
    home: &Path,
    network: Option<NetOptions>,
    show: impl FnOnce(&mut Driver) + Send + 'static,
) -> (Arc<Shared>, JoinHandle<()>) {
    let state_dir = Some(home.join("state"));
    let config = NodeConfig { state_dir, network, ..NodeConfig::offline(home.join("data")) };
    let (ready, started) = sync_channel(1);
    let thread = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let mut driver = open::assemble(&config, &runtime).unwrap();
        show(&mut driver);
        open::drive(driver, &runtime, &ready);
    });
    (started.recv().unwrap().unwrap(), thread)
}

/// The answer will be here.
fn send(shared: &Shared, command: Command) -> oneshot::Receiver<Result<Reply, NodeError>> {
    let (answer, answered) = oneshot::channel();
    shared.requests.blocking_send(Request { command, answer }).ok().unwrap();
    answered
}

fn new_label(workspace: WorkspaceId, n: u8) -> Command {
    let key = EntityKey::new(Kind::Label, EntityId::new(1, [n; 10]));
    let fields = vec![(label::NAME.into(), Value::text("urgent"))];
    Command::Edit { workspace, changes: vec![Change::Create { key, fields }] }
}

fn found_workspace(home: &Path) -> WorkspaceId {
    let (shared, thread) = start(home, |_| {});
    let found = Command::CreateWorkspace { name: "Workshop".into(), person_name: "Anna".into() };
    let Ok(Reply::Workspace(id)) = send(&shared, found).blocking_recv().unwrap() else { panic!() };
    shared.stop.notify_one();
    thread.join().unwrap();
    id
}

/// Edits would otherwise wait for ever, with nobody told.
#[test]
fn when_the_committer_dies_edits_are_refused() {
    let home = tempfile::tempdir().unwrap();
    let workspace = found_workspace(home.path());
    let (release, held) = channel::<()>();
    let (shared, thread) = start(home.path(), move |driver| {
        driver.committer.with_store(workspace, move |_| {
            held.recv().unwrap();
            panic!("injected");
        });
    });
    let mut events = shared.events.subscribe();
    let given = send(&shared, new_label(workspace, 1));
    thread::sleep(Duration::from_millis(50));
    release.send(()).unwrap();
    for answer in [given, send(&shared, new_label(workspace, 2))] {
        let refused = answer.blocking_recv().unwrap().unwrap_err().to_string();
        assert!(refused.contains("the thread that saves has ended"), "{refused}");
    }
    shared.stop.notify_one();
    thread.join().unwrap();
    let mut told = std::iter::from_fn(|| events.try_recv().ok());
    assert!(told.any(|event| matches!(event, NodeEvent::ReadOnly { .. })));
}

/// Whoever asked must not believe that it is gone.
#[test]
fn a_workspace_that_cannot_be_deleted_is_told_and_there_at_the_next_start() {
    let home = tempfile::tempdir().unwrap();
    let founded = found_workspace(home.path());
    let ticket = {
        let (shared, thread) = start(home.path(), |_| {});
        let invite = Command::Invite {
            workspace: founded,
            role: velo_protocol::access::Role::Member,
            single_use: false,
            expires_ms: u64::MAX,
            addresses: Vec::new(),
        };
        let Ok(Reply::Ticket(ticket)) = send(&shared, invite).blocking_recv().unwrap() else { panic!() };
        shared.stop.notify_one();
        thread.join().unwrap();
        ticket
    };
    let guest = tempfile::tempdir().unwrap();
    let (shared, thread) = start(guest.path(), |_| {});
    let join = Command::Join { ticket, person_name: "Ben".into() };
    send(&shared, join).blocking_recv().unwrap().unwrap();
    let in_the_way = guest.path().join(format!("data/workspaces/forgotten-{founded}"));
    std::fs::write(&in_the_way, "").unwrap();
    let forget = Command::Forget { workspace: founded, unsent: false };
    let told = send(&shared, forget).blocking_recv().unwrap().unwrap_err().to_string();
    assert!(told.contains(in_the_way.to_str().unwrap()), "{told}");
    let after = Command::CreateWorkspace { name: "Workshop".into(), person_name: "Ben".into() };
    assert!(send(&shared, after).blocking_recv().unwrap().is_err(), "nothing more is written");
    shared.stop.notify_one();
    thread.join().unwrap();
    std::fs::remove_file(in_the_way).unwrap();
    let (shared, thread) = start(guest.path(), |_| {});
    let forget = Command::Forget { workspace: founded, unsent: false };
    assert!(matches!(send(&shared, forget).blocking_recv().unwrap(), Ok(Reply::Done)));
    shared.stop.notify_one();
    thread.join().unwrap();
}

/// `velo node` and the app wait for this event; the sender lives on in their handles.
#[test]
fn when_the_driver_dies_it_is_told() {
    let home = tempfile::tempdir().unwrap();
    let (subscribed, events) = channel();
    let (shared, thread) = start(home.path(), move |driver| {
        subscribed.send(driver.shared.events.subscribe()).unwrap();
        // The next one overflows.
        driver.next_request = RequestId::MAX;
    });
    let answer = send(&shared, Command::SyncNow);
    assert!(thread.join().is_err());
    assert!(answer.blocking_recv().is_err(), "nobody waits for an answer");
    assert!(shared.requests.is_closed());
    let mut events = events.recv().unwrap();
    let mut told = std::iter::from_fn(|| events.try_recv().ok());
    assert!(told.any(|event| matches!(event, NodeEvent::Stopped)));
}

/// It would look like a node that meets nobody, for ever.
#[test]
fn when_the_network_dies_the_node_stops() {
    let home = tempfile::tempdir().unwrap();
    let (shared, thread) = start_with(home.path(), Some(NetOptions::loopback()), |_| {});
    let mut events = shared.events.subscribe();
    futures::executor::block_on(shared.net.as_ref().unwrap().shutdown());
    thread.join().unwrap();
    let mut told = std::iter::from_fn(|| events.try_recv().ok());
    assert!(told.any(|event| matches!(event, NodeEvent::Stopped)));
}
