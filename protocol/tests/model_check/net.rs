//! A few replicas with disks and links, every step of which is taken by hand. It can be cloned: the
//! checker goes on from one state in many ways.

use std::collections::{BTreeMap, VecDeque};
use velo_protocol::{
    access::Role,
    change::Change,
    id::{DeviceId, EntityId, EntryId, WorkspaceId},
    limits,
    message::Message,
    model::{EntityKey, Kind, project},
    replica::{
        BatchId, Command, Event, Identity, Input, Logs, Output, Refusal, Replica, Reply, WorkspaceRecord,
    },
    store::{Batch, LogReader, LogStore, memory::MemoryLog, memory::MemoryReader},
    ticket::Ticket,
    time::Now,
    value::Value,
    workspace::Workspace,
};

const EPOCH_MS: u64 = 1_767_225_600_000;
/// Time in which a healed network must have settled: some rounds of digests.
const SETTLE_MS: u64 = 40_000;

/// A disk; a clone is another disk with the same on it.
#[derive(Default)]
struct Disk(MemoryLog);

impl Clone for Disk {
    fn clone(&self) -> Self {
        Self(self.0.duplicate())
    }
}

struct Reader(MemoryReader);

impl Logs for Reader {
    fn reader(&self, _: WorkspaceId) -> Option<&dyn LogReader> {
        Some(&self.0)
    }
}

#[derive(Clone)]
pub struct Node {
    identity: Identity,
    replica: Replica,
    disk: Disk,
    record: Option<WorkspaceRecord>,
    /// On its way to the disk.
    pending: VecDeque<(BatchId, Batch)>,
    wake_at: Option<u64>,
    starts: u8,
    /// The end of the own log when a command was given, until it is answered.
    asked: Option<EntryId>,
    /// What was promised to be safe.
    acknowledged: Vec<EntryId>,
    /// A device that may know nothing.
    is_stranger: bool,
}

impl Node {
    fn new(number: u8) -> Self {
        let identity = Identity::from_seeds([number; 32], &[number + 100; 32]);
        Self {
            replica: Replica::new(identity.clone(), [number; 32]),
            identity,
            disk: Disk::default(),
            record: None,
            pending: VecDeque::new(),
            wake_at: None,
            starts: 0,
            asked: None,
            acknowledged: Vec::new(),
            is_stranger: false,
        }
    }

    fn own_head(&self) -> Option<EntryId> {
        let record = self.record.as_ref()?;
        let logs = self.replica.logs(record.id)?;
        let chain = logs.chain(logs.first_chain(record.origin.log_id(record.id))?)?;
        Some(chain.end.head.id)
    }
}

/// See the module.
#[derive(Clone)]
pub struct Net {
    pub nodes: Vec<Node>,
    /// Pairs that can meet, and whether they are connected.
    pub links: BTreeMap<(usize, usize), bool>,
    /// Frames on their way, by sender and receiver. A stream keeps its order.
    pub wires: BTreeMap<(usize, usize), VecDeque<Vec<u8>>>,
    now_ms: u64,
    pub workspace: WorkspaceId,
    /// What must never happen, and did.
    pub fault: Option<String>,
    reply: Option<Result<Reply, Refusal>>,
}

impl Net {
    /// So many members of one workspace in a row, each with a link to the next one. They agree, and are
    /// not connected any more.
    pub fn members(count: u8) -> Self {
        let mut net = Self {
            nodes: (1..=count).map(Node::new).collect(),
            links: BTreeMap::new(),
            wires: BTreeMap::new(),
            now_ms: 0,
            workspace: WorkspaceId([0; 32]),
            fault: None,
            reply: None,
        };
        let create = Command::CreateWorkspace { name: "Workshop".into(), person_name: "Anna".into() };
        match net.command(0, create) {
            Ok(Reply::Workspace(workspace)) => net.workspace = workspace,
            other => panic!("{other:?}"),
        }
        let ticket = net.ticket();
        for node in 1..net.nodes.len() {
            net.links.insert((node - 1, node), false);
            net.join(node, ticket.clone());
        }
        net.heal();
        net.disconnect_all();
        assert_eq!(net.fault, None);
        net
    }

    fn ticket(&mut self) -> Ticket {
        let invite = Command::Invite {
            workspace: self.workspace,
            role: Role::Member,
            single_use: false,
            expires_ms: u64::MAX,
            addresses: Vec::new(),
        };
        match self.command(0, invite) {
            Ok(Reply::Ticket(ticket)) => ticket,
            other => panic!("{other:?}"),
        }
    }

    fn join(&mut self, node: usize, ticket: Ticket) {
        self.command(node, Command::Join { ticket, person_name: format!("Person {node}") }).unwrap();
    }

    /// Adds somebody who got hold of the session secret, and has nothing that lets them in, next to the
    /// last node.
    pub fn add_stranger(&mut self) {
        let number = self.nodes.len();
        let mut stranger = Node::new(number as u8 + 1);
        stranger.is_stranger = true;
        self.nodes.push(stranger);
        self.links.insert((number - 1, number), false);
        let ticket = Ticket { invite: EntryId([7; 32]), seed: [7; 32], ..self.ticket() };
        self.join(number, ticket);
    }

    /// Gives a command whose entries reach the disk at once.
    pub fn command(&mut self, node: usize, command: Command) -> Result<Reply, Refusal> {
        self.ask(node, command);
        while self.can_persist(node) {
            self.persist(node);
        }
        self.reply.take().unwrap()
    }

    /// Gives a command. What it writes is on its way to the disk.
    pub fn ask(&mut self, node: usize, command: Command) {
        let before = self.nodes[node].own_head();
        self.input(node, Input::Command { request: 1, command });
        self.nodes[node].asked = self.nodes[node].own_head().filter(|head| Some(*head) != before);
    }

    /// A project of this number, written by a node.
    pub fn write(&mut self, node: usize, number: u64) {
        let fields = vec![(project::NAME.into(), Value::text(format!("By {node}")))];
        let changes = vec![Change::Create { key: project(number), fields }];
        self.ask(node, Command::Edit { workspace: self.workspace, changes });
    }

    /// One member is removed by the first one.
    pub fn remove(&mut self, node: usize) {
        let person = self.nodes[node].identity.person;
        self.ask(0, Command::SetRole { workspace: self.workspace, person, role: None });
    }

    pub fn state(&self, node: usize) -> &Workspace {
        self.nodes[node].replica.workspace(self.workspace).unwrap()
    }

    pub fn shows(&self, node: usize, number: u64) -> bool {
        self.state(node).is_shown(project(number))
    }

    pub fn is_in(&self, node: usize, who: usize) -> bool {
        self.state(node).roster().role_of(self.nodes[who].identity.person).is_some()
    }

    /// What is written and answered is on the disk and known to its author.
    pub fn keeps_its_word(&self) -> bool {
        self.nodes.iter().all(|node| {
            let logs = node.replica.logs(self.workspace);
            node.acknowledged.iter().all(|id| logs.is_some_and(|logs| logs.find(*id).is_some()))
        })
    }

    pub fn is_quiet(&self) -> bool {
        self.wires.values().all(VecDeque::is_empty) && self.nodes.iter().all(|node| node.pending.is_empty())
    }

    pub fn can_persist(&self, node: usize) -> bool {
        !self.nodes[node].pending.is_empty()
    }

    /// The next batch of a node reaches its disk.
    pub fn persist(&mut self, node: usize) {
        let Some((batch, runs)) = self.nodes[node].pending.pop_front() else { return };
        self.nodes[node].disk.0.append(&runs).unwrap();
        self.input(node, Input::Persisted { batch });
    }

    /// The next frame of a stream arrives, twice if it is `doubled`.
    pub fn deliver(&mut self, (from, to): (usize, usize), doubled: bool) {
        let Some(frame) = self.wires.get_mut(&(from, to)).and_then(VecDeque::pop_front) else { return };
        let peer = self.nodes[from].identity.device_id();
        for _ in 0..=usize::from(doubled) {
            self.input(to, Input::Received { peer, frame: frame.clone() });
        }
    }

    /// The next frame of a stream is dropped, as a queue that overflows may.
    pub fn lose(&mut self, wire: (usize, usize)) {
        self.wires.get_mut(&wire).and_then(VecDeque::pop_front);
    }

    /// Whether the next frame of a stream may be dropped or sent again: digests, heads and entries.
    pub fn is_droppable(&self, wire: (usize, usize)) -> bool {
        let next = self.wires.get(&wire).and_then(|wire| wire.front());
        next.is_some_and(|frame| matches!(frame.first(), Some(2..=4)))
    }

    /// A link opens or breaks; what was on its way is lost.
    pub fn set_link(&mut self, (a, b): (usize, usize), up: bool) {
        self.links.insert((a, b), up);
        for (node, other) in [(a, b), (b, a)] {
            self.wires.remove(&(node, other));
            let peer = self.nodes[other].identity.device_id();
            self.input(node, if up { Input::PeerUp { peer } } else { Input::PeerDown { peer } });
        }
    }

    fn disconnect_all(&mut self) {
        for link in self.links.keys().copied().collect::<Vec<_>>() {
            self.set_link(link, false);
        }
    }

    /// The power of a node goes before its next write, and it starts again.
    pub fn restart(&mut self, node: usize) {
        for link in self.links.clone().into_iter().filter_map(|(link, up)| up.then_some(link)) {
            if link.0 == node || link.1 == node {
                self.set_link(link, false);
            }
        }
        let this = &mut self.nodes[node];
        this.starts += 1;
        this.pending.clear();
        (this.wake_at, this.asked) = (None, None);
        this.replica = Replica::new(this.identity.clone(), [this.starts + 50; 32]);
        if let Some(record) = this.record.clone() {
            let opened = this.replica.open_workspace(record, None, &this.disk.0.reader(), false);
            let _ = opened.unwrap();
        }
        self.drain(node);
    }

    /// Time passes until somebody has something to do.
    pub fn wake(&mut self) {
        let Some(at) = self.nodes.iter().filter_map(|node| node.wake_at).min() else { return };
        self.now_ms = self.now_ms.max(at);
        for node in 0..self.nodes.len() {
            if self.nodes[node].wake_at.is_some_and(|at| at <= self.now_ms) {
                self.nodes[node].wake_at = None;
                self.input(node, Input::Wake);
            }
        }
    }

    /// Everything is connected and nothing fails any more. Returns whether all members come to agree.
    pub fn heal(&mut self) -> bool {
        for (link, up) in self.links.clone() {
            if !up {
                self.set_link(link, true);
            }
        }
        let end = self.now_ms + SETTLE_MS;
        while self.now_ms < end && self.fault.is_none() {
            self.settle();
            if self.agree() {
                return true;
            }
            self.wake();
        }
        self.agree()
    }

    /// Delivers and writes until nothing is on its way.
    fn settle(&mut self) {
        while !self.is_quiet() {
            for node in 0..self.nodes.len() {
                self.persist(node);
            }
            for wire in self.wires.keys().copied().collect::<Vec<_>>() {
                self.deliver(wire, false);
            }
        }
    }

    /// Whether all members hold the same, and those who are in show the same.
    fn agree(&self) -> bool {
        let members = || (0..self.nodes.len()).filter(|node| !self.nodes[*node].is_stranger);
        let holds = |node: usize| self.nodes[node].replica.logs(self.workspace).map(|logs| logs.digest());
        let shows = |node: &usize| (self.state(*node).state_hash(), self.state(*node).locked_entries());
        let mut inside = members().filter(|node| self.is_in(0, *node)).map(|node| shows(&node));
        let first = inside.next();
        let joined = members().all(|node| holds(node).is_some() && holds(node) == holds(0));
        joined && inside.all(|shown| Some(shown) == first) && members().all(|node| self.has_entered(node))
    }

    fn has_entered(&self, node: usize) -> bool {
        self.nodes[node].own_head().is_some()
    }

    fn now(&self) -> Now {
        Now { wall_ms: EPOCH_MS + self.now_ms, mono_ms: self.now_ms }
    }

    fn input(&mut self, node: usize, input: Input) {
        let now = self.now();
        let this = &mut self.nodes[node];
        this.replica.handle(now, input, &Reader(this.disk.0.reader()));
        self.drain(node);
    }

    fn drain(&mut self, node: usize) {
        while let Some(output) = self.nodes[node].replica.poll() {
            match output {
                Output::Remember(record) => self.nodes[node].record = Some(record),
                Output::Persist { id, batch, .. } => self.nodes[node].pending.push_back((id, batch)),
                Output::Send { peer, frame } => self.send(node, peer, frame),
                Output::Disconnect { reason, .. } => self.note_fault(format!("disconnected: {reason}")),
                Output::WakeAt(at) => self.nodes[node].wake_at = Some(at),
                Output::Reply { result, .. } => {
                    let asked = self.nodes[node].asked.take().filter(|_| result.is_ok());
                    self.nodes[node].acknowledged.extend(asked);
                    self.reply = Some(result);
                }
                Output::Event(
                    event @ (Event::Forked { .. } | Event::Damaged { .. } | Event::ReadOnly { .. }),
                ) => {
                    self.note_fault(format!("{event:?}"));
                }
                _ => {}
            }
        }
    }

    fn note_fault(&mut self, what: String) {
        self.fault.get_or_insert(what);
    }

    fn send(&mut self, from: usize, peer: DeviceId, frame: Vec<u8>) {
        let Some(to) = self.nodes.iter().position(|node| node.identity.device_id() == peer) else { return };
        if frame.len() > limits::FRAME {
            self.note_fault(format!("a frame of {} bytes", frame.len()));
        }
        self.check_sent(from, to, &frame);
        let bytes = frame.len();
        if self.links.get(&(from.min(to), from.max(to))) == Some(&true) {
            self.wires.entry((from, to)).or_default().push_back(frame);
        }
        self.input(from, Input::Sent { peer, bytes });
    }

    /// What is announced is on the disk, and who is a stranger is told of nothing.
    fn check_sent(&mut self, from: usize, to: usize, frame: &[u8]) {
        let said = match Message::decode(frame) {
            Ok(Message::Heads(heads)) => {
                let stored = self.nodes[from].disk.0.reader().chains();
                let is_stored = |(log, position)| {
                    stored.iter().any(|chain| chain.log == log && chain.end.head.position >= position)
                };
                if !heads.heads.iter().all(|(log, head)| is_stored((*log, head.position))) {
                    self.note_fault("announced what is not on the disk".to_owned());
                }
                heads.heads.len()
            }
            Ok(Message::Ops(ops)) => ops.runs.len(),
            _ => 0,
        };
        if self.nodes[to].is_stranger && said > 0 {
            self.note_fault("told a stranger".to_owned());
        }
    }

    /// All of it that what happens next hangs on.
    pub fn fingerprint(&self, more: &str) -> [u8; 32] {
        use std::io::Write as _;
        let mut hasher = blake3::Hasher::new();
        for node in &self.nodes {
            let stored = node.disk.0.reader().chains();
            write!(
                hasher,
                "{:?} {:?} {:?} {stored:?} {:?}",
                node.replica, node.pending, node.wake_at, node.acknowledged
            )
            .unwrap();
        }
        write!(hasher, "{:?} {:?} {:?} {} {more}", self.links, self.wires, self.fault, self.now_ms).unwrap();
        *hasher.finalize().as_bytes()
    }
}

fn project(number: u64) -> EntityKey {
    EntityKey::new(Kind::Project, EntityId::new(number, [0; 10]))
}
