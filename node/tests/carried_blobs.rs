//! A relay with little room for attachments, and one that is offered some by who is not in.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use std::{
    fs,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use velo_node::{
    blobs::named,
    handle::{NetOptions, Node, NodeConfig},
    net::{self, NetConfig, NetEvent},
    operator::Operator,
};
use velo_protocol::{
    blob::{Answer, AtRelay, Offer, Offered, Question},
    change::Change,
    crypto::SecretKey,
    id::{BlobId, DeviceId, EntityId, WorkspaceId},
    limits,
    model::{EntityKey, Kind, task},
    replica::{Command, Reply},
    value::Value,
};

/// Nothing here takes longer, even on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);
/// Room for two attachments of one part, besides some entries.
const ROOM: u64 = 8 * limits::BLOB as u64;

/// Carries for everybody, and gives each workspace so much room.
#[derive(Debug)]
struct Gives(u64);

impl Operator for Gives {
    fn admits(&self, _: &Path, _: WorkspaceId, _: &str) -> Result<Option<u64>, String> {
        Ok(Some(self.0))
    }
}

fn start(home: &TempDir, operator: Option<Arc<dyn Operator>>) -> Node {
    Node::start(NodeConfig {
        state_dir: Some(home.path().join("state")),
        network: Some(NetOptions::loopback()),
        operator,
        ..NodeConfig::offline(home.path().join("data"))
    })
    .unwrap()
}

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Anna's device, and a relay that carries her workspace and gives it so much room.
struct Scene {
    anna: Node,
    relay: Node,
    workspace: WorkspaceId,
    task: EntityId,
    homes: [TempDir; 2],
}

impl Scene {
    fn new(room: u64) -> Self {
        let homes = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let (anna, relay) = (start(&homes[0], None), start(&homes[1], Some(Arc::new(Gives(room)))));
        let found = Command::CreateWorkspace { name: "Workshop".into(), person_name: "Anna".into() };
        let Reply::Workspace(workspace) = anna.submit_blocking(found).unwrap() else {
            panic!("no workspace")
        };
        let task = EntityId::new(1, [0; 10]);
        let fields = vec![(task::TITLE.into(), Value::text("Fix the leak"))];
        let change = Change::Create { key: EntityKey::new(Kind::Task, task), fields };
        anna.submit_blocking(Command::Edit { workspace, changes: vec![change] }).unwrap();
        until("the relay listens", || !relay.status().addresses.is_empty());
        let address = relay.status().addresses[0].clone();
        let add = Command::AddRelay { workspace, relay: relay.device(), address, token: "token".to_owned() };
        anna.submit_blocking(add).unwrap();
        Self { anna, relay, workspace, task, homes }
    }

    fn attach(&self, number: u64, bytes: usize) -> EntityId {
        let path = self.homes[0].path().join(format!("file-{number}"));
        fs::write(&path, vec![number as u8; bytes]).unwrap();
        let kept = self.anna.keep_content(self.workspace, &path).unwrap();
        let id = EntityId::new(1 + number, [0; 10]);
        let change = named::attach(id, self.task, &path, &kept);
        self.anna.attach_blocking(self.workspace, vec![change], vec![kept]).unwrap();
        id
    }

    fn at_relay(&self) -> Option<AtRelay> {
        let peers = self.anna.peers();
        let relay = peers.iter().find(|peer| peer.status.peer == self.relay.device())?;
        relay.at_relay.get(&self.workspace).copied()
    }

    fn lacks_changes(&self) -> bool {
        let peers = self.anna.peers();
        let relay = peers.iter().find(|peer| peer.status.peer == self.relay.device()).unwrap();
        let shared = relay.status.workspaces.iter().find(|shared| shared.workspace == self.workspace);
        shared.is_none_or(|shared| shared.lacks > 0 || !shared.synced)
    }
}

#[test]
fn a_relay_without_room_says_so_and_takes_what_fits() {
    let scene = Scene::new(ROOM);
    scene.attach(1, 200_000);
    until("the first is there", || scene.at_relay() == Some(AtRelay::default()));
    // A large one does not fit, neither now nor later.
    scene.attach(2, 5 * limits::BLOB);
    let no_room = AtRelay { lacks: 1, has_no_room_for: 1 };
    until("there is no room for the second", || scene.at_relay() == Some(no_room));
    // A small one still does, and so do changes.
    scene.attach(3, 100_000);
    until("the third is there", || scene.at_relay() == Some(no_room) && !scene.lacks_changes());
    let kept = scene.relay.space(scene.workspace).unwrap().attachments.carried;
    assert!((300_000..400_000).contains(&kept), "{kept}");
    assert!(no_room.no_room_words().unwrap().contains("its operator"));
    scene.relay.shutdown().unwrap();
    scene.anna.shutdown().unwrap();
}

/// Asks a relay like a device that speaks the protocol, and has no part in the workspace.
async fn asked(relay: DeviceId, address: &str, question: Question) -> Option<Answer> {
    let home = tempfile::tempdir().unwrap();
    let device = SecretKey::from_seed(&[77; 32]);
    let config = NetConfig { mdns: false, ..NetConfig::new(device, home.path().join("peers.json")) };
    let (net, mut events) = net::start(config).unwrap();
    net.dial(address.parse().unwrap()).unwrap();
    loop {
        let event = tokio::time::timeout(PATIENCE, events.recv()).await.expect("an answer");
        match event.expect("a network") {
            NetEvent::PeerUp { peer, .. } if peer == relay => net.ask_blob(relay, question.clone()),
            NetEvent::BlobAnswered { answer, .. } => return answer,
            _ => {}
        }
    }
}

#[test]
fn who_is_not_in_offers_nothing_and_is_given_nothing() {
    let scene = Scene::new(100 * limits::BLOB as u64);
    scene.attach(1, 200_000);
    until("it is there", || scene.at_relay() == Some(AtRelay::default()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let address = scene.relay.status().addresses[0].clone();
    let ask = |question| runtime.block_on(asked(scene.relay.device(), &address, question));
    let (workspace, manifest) = (scene.workspace, BlobId::of(b"anything"));
    let offer = Offer { workspace, attachments: vec![Offered { manifest, size: 5 }; limits::OFFER] };
    assert_eq!(ask(Question::Offer(offer)), Some(Answer::NotHere));
    let of_another = Offer { workspace: WorkspaceId([5; 32]), attachments: Vec::new() };
    assert_eq!(ask(Question::Offer(of_another)), Some(Answer::NotHere));
    scene.anna.shutdown().unwrap();
    scene.relay.shutdown().unwrap();
}
