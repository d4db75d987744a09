//! A few replicas on a network that loses nothing, in virtual time.

use std::collections::VecDeque;
use velo_protocol::{
    id::{DeviceId, WorkspaceId},
    limits,
    log::Run,
    log_set::{LogSet, Received, Rejected},
    replica::{
        Command, Event, Identity, Input, Logs, Opened, Output, Refusal, Replica, Reply, WorkspaceRecord,
    },
    store::{
        Batch, ChainInfo, ChainNo, LogReader, LogStore, StoreError,
        memory::{MemoryLog, MemoryReader},
    },
    ticket::Ticket,
    time::Now,
};

const EPOCH_MS: u64 = 1_767_225_600_000;

/// A disk that cannot read one chain from some position on.
pub struct Disk {
    pub reader: MemoryReader,
    pub broken: Option<(ChainNo, u64)>,
}

impl LogReader for Disk {
    fn chains(&self) -> Vec<ChainInfo> {
        self.reader.chains()
    }

    fn read_run(&self, chain: ChainNo, position: u64) -> Result<Option<Run>, StoreError> {
        match self.broken {
            Some((broken, from)) if broken == chain && position >= from => {
                Err(StoreError::Read("a bad sector".into()))
            }
            _ => self.reader.read_run(chain, position),
        }
    }

    fn entry_id(
        &self,
        chain: ChainNo,
        position: u64,
    ) -> Result<Option<velo_protocol::id::EntryId>, StoreError> {
        self.reader.entry_id(chain, position)
    }
}

impl Logs for Disk {
    fn reader(&self, _: WorkspaceId) -> Option<&dyn LogReader> {
        Some(self)
    }
}

pub struct Node {
    pub replica: Replica,
    pub log: MemoryLog,
    pub record: Option<WorkspaceRecord>,
    pub events: Vec<Event>,
    pub replies: Vec<Result<Reply, Refusal>>,
    pub disconnected: Vec<String>,
    /// Frames sent, without digests.
    pub sent: usize,
    wake_at: Option<u64>,
}

#[derive(Default)]
pub struct Net {
    pub nodes: Vec<Node>,
    pub now_ms: u64,
    frames: VecDeque<(DeviceId, usize, Vec<u8>)>,
    links: Vec<(usize, usize)>,
    /// With which one joins.
    pub ticket: Option<Ticket>,
}

impl Net {
    pub fn add(&mut self, seed: u8) -> usize {
        let identity = Identity::from_seeds([seed; 32], &[seed ^ 0x80; 32]);
        let replica = Replica::new(identity, [seed; 32]);
        self.nodes.push(Node {
            replica,
            log: MemoryLog::new(),
            record: None,
            events: Vec::new(),
            replies: Vec::new(),
            disconnected: Vec::new(),
            sent: 0,
            wake_at: None,
        });
        self.nodes.len() - 1
    }

    /// Starts a device again, from its log alone.
    pub fn restart(&mut self, node: usize) {
        let identity = self.nodes[node].replica.identity().clone();
        let mut replica = Replica::new(identity, [99; 32]);
        let record = self.nodes[node].record.clone().unwrap();
        let opened = replica.open_workspace(record, None, &self.nodes[node].log.reader(), false).unwrap();
        assert_eq!(opened, Opened::Workspace);
        self.nodes[node].replica = replica;
    }

    /// Puts runs on a device's disk as a peer's, as if they had come in an earlier session. What is
    /// over a bound is not taken.
    pub fn plant(&mut self, node: usize, workspace: WorkspaceId, runs: &[Run]) {
        let reader = self.nodes[node].log.reader();
        let (mut logs, _) = LogSet::open(workspace, &reader, |_| 0).unwrap();
        for run in runs {
            let taken = match logs.receive(run.clone(), &reader) {
                Ok(Received::News(taken)) => taken,
                Ok(Received::Known(_)) | Err(Rejected::Bound) => continue,
                Err(rejected) => panic!("{rejected}"),
            };
            let runs = logs.batch_run(&taken).into_iter().collect();
            self.nodes[node].log.append(&Batch { runs }).unwrap();
        }
        self.restart(node);
    }

    pub fn command(&mut self, node: usize, command: Command) -> Result<Reply, Refusal> {
        self.input(node, Input::Command { request: 1, command });
        self.nodes[node].replies.pop().unwrap()
    }

    pub fn connect(&mut self, a: usize, b: usize) {
        self.links.push((a, b));
        for (node, other) in [(a, b), (b, a)] {
            let peer = self.id(other);
            self.input(node, Input::PeerUp { peer });
        }
    }

    pub fn disconnect(&mut self, a: usize, b: usize) {
        self.links.retain(|link| *link != (a, b));
        self.frames.clear();
        for (node, other) in [(a, b), (b, a)] {
            let peer = self.id(other);
            self.input(node, Input::PeerDown { peer });
        }
    }

    /// Lets time pass.
    pub fn run(&mut self, ms: u64) {
        let end = self.now_ms + ms;
        while self.now_ms < end {
            while let Some((from, to, frame)) = self.frames.pop_front() {
                self.input(to, Input::Received { peer: from, frame });
            }
            self.now_ms += 10;
            for node in 0..self.nodes.len() {
                if self.nodes[node].wake_at.take_if(|at| *at <= self.now_ms).is_some() {
                    self.input(node, Input::Wake);
                }
            }
        }
    }

    fn id(&self, node: usize) -> DeviceId {
        self.nodes[node].replica.identity().device_id()
    }

    pub fn input(&mut self, node: usize, input: Input) {
        let mut inputs = VecDeque::from([input]);
        let now = Now { wall_ms: EPOCH_MS + self.now_ms, mono_ms: self.now_ms };
        while let Some(input) = inputs.pop_front() {
            let disk = Disk { reader: self.nodes[node].log.reader(), broken: None };
            self.nodes[node].replica.handle(now, input, &disk);
            while let Some(output) = self.nodes[node].replica.poll() {
                inputs.extend(self.carry_out(node, output));
            }
        }
    }

    fn carry_out(&mut self, node: usize, output: Output) -> Option<Input> {
        let id = self.id(node);
        match output {
            Output::Become(_) | Output::Dial { .. } | Output::Forget(_) | Output::AskCarry { .. } => {}
            Output::Remember(record) => self.nodes[node].record = Some(record),
            Output::Persist { id, batch, .. } => {
                self.nodes[node].log.append(&batch).unwrap();
                return Some(Input::Persisted { batch: id });
            }
            Output::Send { peer, frame } => {
                let bytes = frame.len();
                assert!(bytes <= limits::FRAME, "a frame of {bytes} bytes");
                self.nodes[node].sent += usize::from(frame.first() != Some(&2));
                let to = (0..self.nodes.len()).find(|other| self.id(*other) == peer);
                let linked =
                    |to: &usize| self.links.iter().any(|link| *link == (node, *to) || *link == (*to, node));
                if let Some(to) = to.filter(linked) {
                    self.frames.push_back((id, to, frame));
                }
                return Some(Input::Sent { peer, bytes });
            }
            Output::Disconnect { reason, .. } => self.nodes[node].disconnected.push(reason),
            Output::WakeAt(at) => self.nodes[node].wake_at = Some(at),
            Output::Event(event) => self.nodes[node].events.push(event),
            Output::Reply { result, .. } => self.nodes[node].replies.push(result),
        }
        None
    }
}
