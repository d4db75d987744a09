//! Whole nodes in one process: real files, real libp2p on loopback.
#![expect(clippy::unwrap_used, clippy::panic, reason = "what a test cannot go on from")]

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use velo_node::{
    api::{self, Action, invite},
    handle::{NetOptions, Node, NodeConfig, NodeError, NodeEvent},
    store::state::{SavedState, SledState, StateStore},
};
use velo_protocol::{
    access::Role,
    change::Change,
    id::{EntityId, WorkspaceId},
    log::EntryKind,
    model::{EntityKey, Kind, project},
    replica::{Command, Refusal, Reply},
    snapshot::Pages,
    store::{ChainNo, EntryAt},
    ticket::Ticket,
    value::Value,
    workspace::Workspace,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// One device: its data directory and its state folder.
struct Device {
    home: TempDir,
    online: bool,
}

impl Device {
    fn new(online: bool) -> Self {
        Self { home: tempfile::tempdir().unwrap(), online }
    }

    fn data(&self) -> std::path::PathBuf {
        self.home.path().join("data")
    }

    fn config(&self) -> NodeConfig {
        let (state_dir, network) =
            (Some(self.home.path().join("state")), self.online.then(NetOptions::loopback));
        NodeConfig { state_dir, network, ..NodeConfig::offline(self.data()) }
    }

    fn start(&self) -> Node {
        Node::start(self.config()).unwrap()
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn found(node: &Node) -> WorkspaceId {
    let command = Command::CreateWorkspace { name: "Workshop".into(), person_name: "Anna".into() };
    match node.submit_blocking(command).unwrap() {
        Reply::Workspace(id) => id,
        other => panic!("{other:?}"),
    }
}

fn invite(node: &Node, workspace: WorkspaceId) -> Ticket {
    eventually("listening", || !node.listen_addresses().is_empty());
    let command = Command::Invite {
        workspace,
        role: Role::Member,
        single_use: false,
        expires_ms: u64::MAX,
        addresses: Vec::new(),
    };
    match node.submit_blocking(command).unwrap() {
        Reply::Ticket(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

fn join(node: &Node, ticket: Ticket) {
    let joined = node.submit_blocking(Command::Join { ticket, person_name: "Ben".into() }).unwrap();
    assert!(matches!(joined, Reply::Workspace(_)), "{joined:?}");
}

fn add_project(node: &Node, workspace: WorkspaceId, name: &str) -> EntityId {
    let id = node.new_entity_id();
    let key = EntityKey::new(Kind::Project, id);
    let fields = vec![(project::NAME.into(), Value::text(name))];
    let edit = Command::Edit { workspace, changes: vec![Change::Create { key, fields }] };
    node.submit_blocking(edit).unwrap();
    id
}

fn names(node: &Node, workspace: WorkspaceId) -> Vec<String> {
    let Some(state) = node.workspace(workspace) else { return Vec::new() };
    let name = |id: EntityId| state.text(EntityKey::new(Kind::Project, id), project::NAME).to_owned();
    let mut names: Vec<String> = state.shown(Kind::Project).map(name).collect();
    names.sort();
    names
}

/// The names in a device's folder of workspaces.
fn folders(device: &Device) -> Vec<String> {
    let items = fs::read_dir(device.data().join("workspaces")).unwrap();
    items.map(|item| item.unwrap().file_name().into_string().unwrap()).collect()
}

/// Whether anything of a workspace is in a device's files, its marker included.
fn has_files(device: &Device, workspace: WorkspaceId) -> bool {
    let markers = fs::read_dir(device.home.path().join("state")).unwrap();
    let has_marker = |folder: fs::DirEntry| folder.path().join(workspace.to_string()).exists();
    folders(device).iter().any(|name| name.contains(&workspace.to_string()))
        || markers.map(Result::unwrap).any(has_marker)
}

fn set_role(node: &Node, workspace: WorkspaceId, of: &Node, role: Option<Role>) {
    node.submit_blocking(Command::SetRole { workspace, person: of.person(), role }).unwrap();
}

fn is_in(node: &Node, workspace: WorkspaceId) -> bool {
    node.workspace(workspace).is_some_and(|state| state.roster().role_of(node.person()).is_some())
}

#[test]
fn a_workspace_is_forgotten_with_its_files_and_comes_back_with_a_ticket() {
    let (one, other) = (Device::new(true), Device::new(true));
    let (anna, ben) = (one.start(), other.start());
    let (workspace, kept) = (found(&anna), found(&anna));
    for id in [workspace, kept] {
        join(&ben, invite(&anna, id));
        converge(&anna, &ben, id);
    }
    add_project(&ben, workspace, "House");
    converge(&anna, &ben, workspace);
    let refused = ben.submit_blocking(Command::Forget { workspace, unsent: false }).unwrap_err().to_string();
    assert!(refused.contains("velo member leave"), "{refused}");
    set_role(&anna, workspace, &ben, None);
    eventually("Ben hears of it", || !is_in(&ben, workspace));
    let mut events = ben.subscribe();
    assert_eq!(ben.submit_blocking(Command::Forget { workspace, unsent: false }).unwrap(), Reply::Done);
    assert!(!ben.workspaces().contains(&workspace) && ben.chains(workspace).is_empty());
    assert!(!has_files(&other, workspace));
    let is_told = |event| matches!(event, NodeEvent::WorkspaceForgotten { workspace: id } if id == workspace);
    assert!(std::iter::from_fn(|| events.try_recv().ok()).any(is_told));
    // The other one goes on in the same session, and after a restart nothing is there of it.
    add_project(&anna, workspace, "Garden");
    add_project(&anna, kept, "Shed");
    converge(&anna, &ben, kept);
    assert!(!ben.workspaces().contains(&workspace));
    ben.shutdown().unwrap();
    let ben = other.start();
    assert_eq!(ben.workspaces(), [kept]);
    assert!(ben.unopened().is_empty() && !has_files(&other, workspace));

    set_role(&anna, workspace, &ben, Some(Role::Member));
    join(&ben, invite(&anna, workspace));
    converge(&anna, &ben, workspace);
    add_project(&ben, workspace, "Roof");
    converge(&anna, &ben, workspace);
    ben.shutdown().unwrap();
    let ben = other.start();
    assert_eq!(names(&ben, workspace).len(), 3);
}

#[test]
fn what_a_crash_left_of_a_forgotten_workspace_is_deleted_at_the_next_start() {
    let (device, other) = (Device::new(false), Device::new(true));
    let anna = other.start();
    let ticket = invite(&anna, found(&anna));
    let workspace = ticket.workspace;
    let node = device.start();
    join(&node, ticket.clone());
    node.shutdown().unwrap();
    let folder = device.data().join("workspaces");
    fs::rename(folder.join(workspace.to_string()), folder.join(format!("forgotten-{workspace}"))).unwrap();
    let node = device.start();
    assert!(node.workspaces().is_empty() && node.unopened().is_empty());
    assert!(!has_files(&device, workspace));
    join(&node, ticket);
    assert_eq!(node.submit_blocking(Command::Forget { workspace, unsent: false }).unwrap(), Reply::Done);
    node.shutdown().unwrap();
    assert!(device.start().workspaces().is_empty() && !has_files(&device, workspace));
}

fn hash(node: &Node, workspace: WorkspaceId) -> Option<[u8; 32]> {
    node.workspace(workspace).map(|state| state.state_hash())
}

fn converge(one: &Node, other: &Node, workspace: WorkspaceId) {
    eventually("equal state hashes", || {
        let hashes = (hash(one, workspace), hash(other, workspace));
        hashes.0.is_some() && hashes.0 == hashes.1
    });
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for item in fs::read_dir(from).unwrap() {
        let item = item.unwrap();
        let (kind, target) = (item.file_type().unwrap(), to.join(item.file_name()));
        if kind.is_dir() {
            copy(&item.path(), &target);
        } else if kind.is_file() {
            fs::copy(item.path(), target).unwrap();
        }
    }
}

#[test]
fn two_nodes_join_edit_at_the_same_time_and_agree() {
    let (anna_home, ben_home) = (Device::new(true), Device::new(true));
    let (anna, ben) = (anna_home.start(), ben_home.start());
    let mut told = ben.subscribe();
    let workspace = found(&anna);
    add_project(&anna, workspace, "Before Ben");
    join(&ben, invite(&anna, workspace));
    eventually("Ben sees what was there", || names(&ben, workspace) == ["Before Ben"]);
    let mut tells_of_a_change = || {
        while let Ok(event) = told.try_recv() {
            if matches!(event, NodeEvent::Changed { own: false, .. }) {
                return true;
            }
        }
        false
    };
    eventually("an event tells of it", &mut tells_of_a_change);
    for n in 0..20 {
        add_project(&anna, workspace, &format!("a{n}"));
        add_project(&ben, workspace, &format!("b{n}"));
    }
    converge(&anna, &ben, workspace);
    assert_eq!(names(&anna, workspace).len(), 41);
    eventually("each knows that the other has everything", || {
        [&anna, &ben].iter().all(|node| {
            node.peers().iter().any(|peer| {
                let all = |shared: &velo_protocol::replica::PeerWorkspace| shared.synced && shared.lacks == 0;
                peer.status.connected && peer.status.workspaces.iter().any(all)
            })
        })
    });
    let peers = anna.peers();
    assert_eq!(peers.len(), 1);
    assert!(peers[0].link.path.is_some(), "{peers:?}");
    assert_eq!(anna.status().workspaces[0].entries, ben.status().workspaces[0].entries);
}

/// A ticket made right after the start named no address.
#[test]
fn a_ticket_waits_a_moment_for_the_node_to_listen() {
    let home = Device::new(true);
    found(&Node::start(NodeConfig { network: None, ..home.config() }).unwrap());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let addresses = |node: &Node| {
        let invite = Action::Invite(invite::Invite {
            days: 1,
            role: invite::TicketRole::Member,
            once: false,
            address: Vec::new(),
        });
        let request = api::Request { workspace: None, action: invite };
        let answer = runtime.block_on(api::execute(request, node.handle())).unwrap();
        answer["addresses"].as_array().unwrap().len()
    };
    for _ in 0..5 {
        assert_eq!(addresses(&home.start()), 1);
    }
    let nowhere = NetOptions { listen: Vec::new(), ..NetOptions::loopback() };
    let deaf = Node::start(NodeConfig { network: Some(nowhere), ..home.config() }).unwrap();
    let start = Instant::now();
    assert_eq!(addresses(&deaf), 0, "it does not wait for ever");
    assert!(start.elapsed() >= Duration::from_secs(1), "it gives up at once");
}

#[test]
fn what_was_missed_offline_arrives_after_a_restart() {
    let (anna_home, ben_home) = (Device::new(true), Device::new(true));
    let anna = anna_home.start();
    let workspace = found(&anna);
    let ben = ben_home.start();
    join(&ben, invite(&anna, workspace));
    converge(&anna, &ben, workspace);
    ben.shutdown().unwrap();
    add_project(&anna, workspace, "while Ben was away");
    let ben = ben_home.start();
    eventually("Ben catches up by his address book", || names(&ben, workspace) == ["while Ben was away"]);
}

#[test]
fn an_answer_comes_with_its_snapshot_and_a_restart_keeps_everything() {
    let home = Device::new(false);
    let node = home.start();
    let workspace = found(&node);
    for n in 0..50 {
        let id = add_project(&node, workspace, &format!("p{n}"));
        let state = node.workspace(workspace).unwrap();
        assert!(state.is_shown(EntityKey::new(Kind::Project, id)), "visible when answered");
    }
    let before = hash(&node, workspace);
    let (person, device) = (node.person(), node.device());
    node.shutdown().unwrap();
    assert!(home.data().join("workspaces").join(workspace.to_string()).join("state").exists());

    let node = home.start();
    assert_eq!((node.person(), node.device()), (person, device));
    assert_eq!(hash(&node, workspace), before, "from saved pages");
    node.shutdown().unwrap();

    fs::remove_dir_all(home.data().join("workspaces").join(workspace.to_string()).join("state")).unwrap();
    let node = home.start();
    assert_eq!(hash(&node, workspace), before, "rebuilt from the log");
    let logs = node.status().workspaces[0].logs;
    add_project(&node, workspace, "goes on in the same log");
    assert_eq!(node.status().workspaces[0].logs, logs);
}

#[test]
fn a_saved_state_that_cannot_be_understood_is_rebuilt_and_saved_anew() {
    let home = Device::new(false);
    let node = home.start();
    let workspace = found(&node);
    add_project(&node, workspace, "Garden");
    let before = hash(&node, workspace);
    node.shutdown().unwrap();
    let path = home.data().join("workspaces").join(workspace.to_string()).join("state");
    let damage: [fn(&mut Pages); 2] = [|saved| saved.meta.truncate(1), |saved| saved.pages[0].1.truncate(1)];
    for spoil in damage {
        let (mut cache, saved) = SledState::open(&path, workspace);
        let SavedState { meta, pages, log_index } = saved.unwrap();
        let mut spoilt = Pages { meta, pages };
        spoil(&mut spoilt);
        cache.save(&spoilt, &log_index).unwrap();
        drop(cache);
        for what in ["rebuilt from the log", "from what was saved then"] {
            let node = home.start();
            assert_eq!(hash(&node, workspace), before, "{what}");
            node.shutdown().unwrap();
        }
        let (cache, saved) = SledState::open(&path, workspace);
        let saved = saved.unwrap();
        assert!(Workspace::from_pages(workspace, &saved.meta, saved.pages).is_ok());
        drop(cache);
    }
}

#[test]
fn stored_entries_can_be_read_for_history() {
    let home = Device::new(false);
    let node = home.start();
    let workspace = found(&node);
    let at = |position| EntryAt { chain: ChainNo(0), position };
    let first = node.read_entry(workspace, at(1)).unwrap().unwrap();
    assert_eq!(first.entry.header.kind, EntryKind::GENESIS);
    assert_eq!(first.contents.plain().unwrap().len(), first.entry.header.body_len as usize);
    assert!(node.read_entry(workspace, at(0)).unwrap().is_none());
    assert!(node.read_entry(workspace, at(10_000)).unwrap().is_none());
    assert!(node.read_entry(WorkspaceId([0; 32]), at(1)).unwrap().is_none());
}

/// An own change is shown before it is durable, and whoever looks at it then asks what happened.
#[test]
fn what_is_shown_can_be_read_although_the_disk_is_not_done() {
    let device = Device::new(false);
    let node = device.start();
    let workspace = found(&node);
    let at = |node: &Node| {
        let chain = ChainNo(0);
        EntryAt { chain, position: node.workspace(workspace).unwrap().applied(chain) }
    };
    for round in 0..20 {
        let before = at(&node);
        let description = "It leaks. ".repeat(2_000);
        let create = |number: u64| Change::Create {
            key: EntityKey::new(Kind::Project, EntityId::new(round * 1_000 + number, [0; 10])),
            fields: vec![
                (project::NAME.into(), Value::text("House")),
                (project::DESCRIPTION.into(), Value::text(description.as_str())),
            ],
        };
        let changes = (0..100).map(create).collect();
        std::thread::scope(|scope| {
            let edit = scope.spawn(|| node.submit_blocking(Command::Edit { workspace, changes }));
            while at(&node) == before {
                std::hint::spin_loop();
            }
            let shown = at(&node);
            assert!(node.read_entry(workspace, shown).unwrap().is_some(), "round {round}, {shown:?}");
            edit.join().unwrap().unwrap();
        });
    }
    node.shutdown().unwrap();
}

#[test]
fn a_second_node_on_a_held_directory_is_told_who_holds_it() {
    let home = Device::new(false);
    let node = home.start();
    let error = Node::start(home.config()).unwrap_err().to_string();
    assert!(error.contains(&format!("(process {})", std::process::id())), "{error}");
    node.shutdown().unwrap();
    home.start();
}

/// 256 throwaway keys emptied the book of colleagues once: whoever had a session was written down.
#[test]
fn the_address_book_is_for_those_who_share_a_workspace() {
    let homes = [Device::new(true), Device::new(true), Device::new(true)];
    let [anna, ben, zoe] = [homes[0].start(), homes[1].start(), homes[2].start()];
    let workspace = found(&anna);
    found(&zoe);
    join(&ben, invite(&anna, workspace));
    converge(&anna, &ben, workspace);
    zoe.add_peer(&anna.listen_addresses()[0]).unwrap();
    eventually("Zoe is there", || {
        anna.peers().iter().any(|peer| peer.status.peer == zoe.device() && peer.status.connected)
    });
    anna.shutdown().unwrap();
    let book = fs::read_to_string(homes[0].data().join("address-book.json")).unwrap();
    assert!(book.contains(&ben.device().to_string()), "{book}");
    assert!(!book.contains(&zoe.device().to_string()), "{book}");
}

#[test]
fn a_refused_command_says_why_and_changes_nothing() {
    let home = Device::new(false);
    let node = home.start();
    let workspace = found(&node);
    let before = hash(&node, workspace);
    let nowhere = Command::Undo { workspace: WorkspaceId([9; 32]) };
    let refused = node.submit_blocking(nowhere).unwrap_err();
    assert!(matches!(refused, NodeError::Refused(Refusal::NoWorkspace(_))), "{refused}");
    assert!(matches!(node.add_peer("/ip4/127.0.0.1/tcp/1"), Err(NodeError::Offline)));
    assert_eq!(hash(&node, workspace), before);
}

#[test]
fn addresses_that_are_none_are_refused() {
    let home = Device::new(true);
    let node = home.start();
    for wrong in ["", "localhost", "/ip4/127.0.0.1", "/ip4/0.0.0.0/tcp/1", "/memory/1"] {
        let refused = node.add_peer(wrong);
        assert!(matches!(refused, Err(NodeError::Address { .. })), "{wrong}: {refused:?}");
    }
}

#[test]
fn after_shutdown_handles_say_so() {
    let home = Device::new(false);
    let node = home.start();
    let handle = node.handle().clone();
    let mut events = handle.subscribe();
    node.shutdown().unwrap();
    assert!(matches!(handle.submit_blocking(Command::SyncNow), Err(NodeError::Stopped)));
    assert!(matches!(handle.send(Command::SyncNow), Err(NodeError::Stopped)));
    assert!(matches!(events.try_recv(), Ok(NodeEvent::Stopped)));
}

/// The backup is taken, more is written and seen by Ben, and the backup comes back: going on in the
/// same log would write two entries at one place.
#[test]
fn a_restored_backup_opens_a_new_log_and_does_not_fork() {
    let (anna_home, ben_home) = (Device::new(true), Device::new(true));
    let anna = anna_home.start();
    let workspace = found(&anna);
    let ben = ben_home.start();
    let mut told = ben.subscribe();
    join(&ben, invite(&anna, workspace));
    add_project(&anna, workspace, "in the backup");
    converge(&anna, &ben, workspace);
    anna.shutdown().unwrap();
    let backup = anna_home.home.path().join("backup");
    copy(&anna_home.data(), &backup);

    let anna = anna_home.start();
    add_project(&anna, workspace, "after the backup");
    converge(&anna, &ben, workspace);
    let logs = anna.status().workspaces[0].logs;
    anna.shutdown().unwrap();
    fs::remove_dir_all(anna_home.data()).unwrap();
    copy(&backup, &anna_home.data());

    // Written before Ben can be reached: only the marker knows.
    let anna = Node::start(NodeConfig { network: None, ..anna_home.config() }).unwrap();
    assert_eq!(names(&anna, workspace), ["in the backup"]);
    add_project(&anna, workspace, "after restoring");
    assert_eq!(anna.status().workspaces[0].logs, logs + 1, "a log of its own");
    anna.shutdown().unwrap();
    let anna = anna_home.start();
    converge(&anna, &ben, workspace);
    assert_eq!(names(&anna, workspace), ["after restoring", "after the backup", "in the backup"]);
    add_project(&anna, workspace, "and on");
    converge(&anna, &ben, workspace);
    assert_eq!(anna.status().workspaces[0].logs, logs + 1, "which is kept");
    while let Ok(event) = told.try_recv() {
        assert!(!matches!(event, NodeEvent::Forked { .. }), "{event:?}");
    }
}

#[test]
fn a_copied_directory_opens_a_new_log() {
    let home = Device::new(false);
    let node = home.start();
    let workspace = found(&node);
    node.shutdown().unwrap();
    let copied = Device::new(false);
    copy(&home.data(), &copied.data());
    let node = copied.start();
    add_project(&node, workspace, "on the copy");
    assert_eq!(node.status().workspaces[0].logs, 2);
    drop(node);
    let node = home.start();
    add_project(&node, workspace, "on the original");
    assert_eq!(node.status().workspaces[0].logs, 1);
}

#[test]
fn a_workspace_whose_log_is_missing_is_kept_and_filled_by_peers() {
    let (anna_home, ben_home) = (Device::new(true), Device::new(true));
    let anna = anna_home.start();
    let workspace = found(&anna);
    add_project(&anna, workspace, "known to Ben");
    let ben = ben_home.start();
    join(&ben, invite(&anna, workspace));
    converge(&anna, &ben, workspace);
    anna.shutdown().unwrap();
    // Copied elsewhere, by something that has not brought the log files yet.
    let copied = Device::new(true);
    copy(&anna_home.data(), &copied.data());
    let folder = copied.data().join("workspaces").join(workspace.to_string());
    fs::remove_dir_all(folder.join("log")).unwrap();
    let anna = copied.start();
    assert!(folder.join("record.json").exists(), "nothing is thrown away");
    assert_eq!(anna.unopened(), Vec::<String>::new());
    converge(&anna, &ben, workspace);
    assert_eq!(names(&anna, workspace), ["known to Ben"]);
}
