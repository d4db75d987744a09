//! A lying relay over real libp2p: one key, and behind it a copy for each of two devices. Each copy is honest by
//! itself, so nothing that one device sees can tell.

use crate::{device, support};
use std::{
    collections::VecDeque,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use velo_node::{
    api::{self, Action, network},
    handle::{NetOptions, Node, NodeConfig},
    net::{NetEvent, NetHandle},
};
use velo_protocol::{
    access::Role,
    change::Change,
    id::{DeviceId, WorkspaceId},
    limits,
    message::CarryOffer,
    model::{EntityKey, Kind, project},
    replica::{BreachKind, Command, Input, Output, Reply},
    ticket::Ticket,
    value::Value,
};

/// What a test tells the relay to do.
enum Order {
    /// From now on this device is shown a copy of its own. Answered when it is so.
    Split(DeviceId, WorkspaceId, mpsc::Sender<()>),
    /// Compares with everybody.
    Compare,
    End,
}

/// The relay's key is that of the net's node with this seed.
const NUMBER: u8 = 9;
const SEED: u8 = NUMBER + 100;

struct Liar {
    net: NetHandle,
    start: Instant,
    copies: Vec<device::Device>,
    /// Who is shown the second copy.
    other: Option<DeviceId>,
}

impl Liar {
    fn of(&self, peer: DeviceId) -> usize {
        usize::from(self.other == Some(peer))
    }

    /// Lets a copy take an input, and sends what it says.
    fn input(&mut self, copy: usize, input: Input) {
        let device = &mut self.copies[copy];
        device.now_ms = self.start.elapsed().as_millis() as u64;
        device.input(input);
        for output in device.outputs.drain(..) {
            match output {
                Output::Send { peer, frame } => self.net.send(peer, frame),
                Output::Disconnect { peer, reason } => self.net.disconnect(peer, reason),
                _ => {}
            }
        }
    }

    fn event(&mut self, event: NetEvent) {
        let (peer, input) = match event {
            NetEvent::PeerUp { peer, .. } => (peer, Input::PeerUp { peer }),
            NetEvent::PeerDown { peer, .. } => (peer, Input::PeerDown { peer }),
            NetEvent::Frame { peer, frame } => (peer, Input::Received { peer, frame }),
            _ => return,
        };
        self.input(self.of(peer), input);
    }

    fn obey(&mut self, order: Order) -> bool {
        match order {
            Order::Split(peer, workspace, done) => {
                self.split(peer, workspace);
                done.send(()).unwrap();
            }
            Order::Compare => {
                for copy in 0..self.copies.len() {
                    self.input(copy, Input::Command { request: 1, command: Command::SyncNow });
                }
            }
            Order::End => return false,
        }
        true
    }

    fn split(&mut self, peer: DeviceId, workspace: WorkspaceId) {
        let (secret, runs) =
            (self.copies[0].records[&workspace].secret.clone(), self.copies[0].runs(workspace));
        self.copies.push(copy_of_relay());
        let offer = CarryOffer { workspace, secret, token: String::new() };
        self.input(1, Input::CarryDecided { peer, offer, decision: Ok(None) });
        let take = Command::TakeRuns { workspace, device: None, runs };
        self.input(1, Input::Command { request: 2, command: take });
        // It is met anew.
        self.input(0, Input::PeerDown { peer });
        self.net.disconnect(peer, "for another copy");
        self.other = Some(peer);
    }
}

fn copy_of_relay() -> device::Device {
    let mut copy = device::Device::new(NUMBER);
    copy.operator = Ok(None);
    copy
}

/// Runs the relay on a thread of its own. Gives its address.
fn start_relay(orders: mpsc::Receiver<Order>) -> (String, thread::JoinHandle<()>) {
    let (told, address) = mpsc::channel();
    let relay = thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let mut node = support::Node::start(SEED);
            let at = node.address().await;
            told.send(at.to_string()).unwrap();
            let (net, start) = (node.handle.clone(), Instant::now());
            let mut liar = Liar { net, start, copies: vec![copy_of_relay()], other: None };
            loop {
                // Its timers are looked at in between.
                if let Ok(event) = tokio::time::timeout(Duration::from_millis(50), node.events.recv()).await {
                    liar.event(event.unwrap());
                }
                for copy in 0..liar.copies.len() {
                    liar.input(copy, Input::Wake);
                }
                if orders.try_iter().collect::<VecDeque<_>>().into_iter().any(|order| !liar.obey(order)) {
                    break;
                }
            }
            node.stop().await;
        });
    });
    (address.recv().unwrap(), relay)
}

struct Device {
    node: Node,
    _home: TempDir,
}

impl Device {
    /// One that cannot be dialled does not tell where it is in its tickets.
    fn start(listens: bool) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut network = NetOptions::loopback();
        network.listen.retain(|_| listens);
        let state_dir = Some(home.path().join("state"));
        let config =
            NodeConfig { state_dir, network: Some(network), ..NodeConfig::offline(home.path().join("data")) };
        Self { node: Node::start(config).unwrap(), _home: home }
    }

    fn submit(&self, command: Command) -> Reply {
        self.node.submit_blocking(command).unwrap()
    }

    /// Whether it may.
    fn add_project(&self, workspace: WorkspaceId, name: &str) -> bool {
        let key = EntityKey::new(Kind::Project, self.node.new_entity_id());
        let fields = vec![(project::NAME.into(), Value::text(name))];
        let changes = vec![Change::Create { key, fields }];
        self.node.submit_blocking(Command::Edit { workspace, changes }).is_ok()
    }

    fn shows(&self, workspace: WorkspaceId, name: &str) -> bool {
        let Some(state) = self.node.workspace(workspace) else { return false };
        let named = |id| state.text(EntityKey::new(Kind::Project, id), project::NAME) == name;
        state.shown(Kind::Project).any(named)
    }

    /// Whether everything here is at the relay too, by its word.
    fn agrees_with(&self, relay: DeviceId) -> bool {
        let peers = self.node.peers();
        let status = peers.iter().find(|peer| peer.status.peer == relay && peer.status.connected);
        status.is_some_and(|peer| {
            !peer.status.workspaces.is_empty() && peer.status.workspaces.iter().all(|one| one.synced)
        })
    }

    /// What its person is told of a peer.
    fn told_of(&self, peer: DeviceId) -> network::PeerRow {
        let request = api::Request { workspace: None, action: Action::Network(network::Request::List) };
        let answer = self.node.runtime().block_on(api::execute(request, self.node.handle())).unwrap();
        let rows: Vec<network::PeerRow> = serde_json::from_value(answer).unwrap();
        rows.into_iter().find(|row| row.device == peer).unwrap()
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < support::PATIENCE, "not within {:?}: {what}", support::PATIENCE);
        thread::sleep(Duration::from_millis(20));
    }
}

fn ticket(device: &Device, workspace: WorkspaceId) -> Ticket {
    let (role, single_use, expires_ms) = (Role::Member, false, u64::MAX);
    let invite = Command::Invite { workspace, role, single_use, expires_ms, addresses: Vec::new() };
    match device.submit(invite) {
        Reply::Ticket(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_relay_that_shows_each_device_its_own_copy_is_named_to_people_once_they_meet() {
    let (order, orders) = mpsc::channel();
    let (address, thread) = start_relay(orders);
    let relay = DeviceId(support::key(SEED).public());
    let (anna, ben) = (Device::start(false), Device::start(true));
    let found = Command::CreateWorkspace { name: "Workshop".into(), person_name: "Anna".into() };
    let Reply::Workspace(workspace) = anna.submit(found) else { panic!("no workspace") };
    anna.node.add_peer(&address).unwrap();
    anna.submit(Command::AddRelay { workspace, relay, address, token: String::new() });
    let ticket = ticket(&anna, workspace);
    ben.submit(Command::Join { ticket, person_name: "Ben".into() });
    eventually("Ben is in", || ben.add_project(workspace, "Roof"));
    eventually("it carries honestly", || anna.shows(workspace, "Roof"));

    let (done, is_split) = mpsc::channel();
    order.send(Order::Split(ben.node.device(), workspace, done)).unwrap();
    is_split.recv().unwrap();
    assert!(ben.add_project(workspace, "Cellar"));
    eventually("it takes that from him", || ben.agrees_with(relay));
    // The time that a relay has to show to everybody what it confirmed to one.
    thread::sleep(Duration::from_millis(limits::CONFIRMED_MS + 2_000));
    assert!(anna.agrees_with(relay) && !anna.shows(workspace, "Cellar"));
    for _ in 0..limits::WITHHELD_STATEMENTS {
        order.send(Order::Compare).unwrap();
        thread::sleep(Duration::from_millis(200));
    }

    anna.node.add_peer(&ben.node.listen_addresses()[0]).unwrap();
    eventually("they agree", || anna.shows(workspace, "Cellar"));
    eventually("Anna is told", || !anna.told_of(relay).breaches.is_empty());
    let row = anna.told_of(relay);
    let witness = Some(ben.node.device());
    assert_eq!(row.workspaces[0].breach.unwrap().kind, BreachKind::Withheld { witness });
    let words = &row.breaches[0];
    assert!(
        words.starts_with("\"Workshop\": it shows this device less than it had confirmed to Ben's device"),
        "{words}"
    );
    assert!(words.contains("ask who runs it. Nothing is lost on your devices"), "{words}");
    order.send(Order::End).unwrap();
    thread.join().unwrap();
}
