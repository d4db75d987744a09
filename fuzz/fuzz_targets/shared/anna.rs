//! Anna's device with a workspace and a disk in memory, and a session with a member who may say
//! anything. It can be cloned, so that every input begins at the same place; and everything in it
//! follows from fixed seeds, so that a corpus keeps its meaning.
#![allow(dead_code, reason = "each of those who include this uses its own part")]

use std::collections::{BTreeMap, VecDeque};
use velo_protocol::{
    change::Change,
    crypto::{LinkCert, SecretKey},
    id::{DeviceId, EntityId, LogId, WorkspaceId},
    log::Head,
    message::{Claim, ClaimBy, Lane, Message},
    model::{EntityKey, Kind, task},
    replica::{Command, Identity, Input, Logs, Output, Refusal, Replica, Reply, WorkspaceRecord},
    root::Root,
    session::Session,
    store::{
        LogReader, LogStore,
        memory::{MemoryLog, MemoryReader},
    },
    ticket::SessionSecret,
    time::Now,
    value::Value,
};

/// Midnight at the start of 2026.
const EPOCH_MS: u64 = 1_767_225_600_000;
/// From which Anna's keys come.
const ANNA: u8 = 1;
/// And those of the one who may say anything.
const MEMBER: u8 = 2;

#[derive(Default)]
struct Disks {
    logs: BTreeMap<WorkspaceId, MemoryLog>,
    readers: BTreeMap<WorkspaceId, MemoryReader>,
}

impl Logs for Disks {
    fn reader(&self, workspace: WorkspaceId) -> Option<&dyn LogReader> {
        self.readers.get(&workspace).map(|reader| reader as &dyn LogReader)
    }
}

impl Clone for Disks {
    fn clone(&self) -> Self {
        let logs: BTreeMap<_, _> = self.logs.iter().map(|(id, log)| (*id, log.duplicate())).collect();
        let readers = logs.iter().map(|(id, log)| (*id, log.reader())).collect();
        Self { logs, readers }
    }
}

/// See the module.
#[derive(Clone)]
pub struct Anna {
    pub replica: Replica,
    identity: Identity,
    disks: Disks,
    record: Option<WorkspaceRecord>,
    now_ms: u64,
    /// What she said to the member since it was looked at.
    pub said: Vec<Vec<u8>>,
    /// Whether she ended the session.
    pub is_over: bool,
    replies: Vec<Result<Reply, Refusal>>,
}

impl Anna {
    /// She has founded a workspace with two tasks and has nobody's session.
    pub fn alone() -> Self {
        let identity = Identity::from_seeds([ANNA; 32], &[ANNA + 100; 32]);
        let mut anna = Self {
            replica: Replica::new(identity.clone(), [ANNA; 32]),
            identity,
            disks: Disks::default(),
            record: None,
            now_ms: 0,
            said: Vec::new(),
            is_over: false,
            replies: Vec::new(),
        };
        let create = Command::CreateWorkspace { name: "Workshop".into(), person_name: "Anna".into() };
        anna.command(create).expect("a workspace");
        for number in 1..=2 {
            anna.add_task(number).expect("a task");
        }
        anna
    }

    /// And the member is there, and has shown that it is in.
    pub fn with_member() -> Self {
        let mut anna = Self::alone();
        let mut session = Session::open(anna.now(), member(), anna.identity.device_id(), [MEMBER; 32]);
        anna.input(Input::PeerUp { peer: member() });
        anna.hear_all(session.take_frames());
        for frame in std::mem::take(&mut anna.said) {
            session.receive(anna.now(), &frame, std::iter::empty()).expect("a greeting");
        }
        session.offer(anna.now(), anna.workspace(), &anna.secret());
        anna.hear_all(session.take_frames());
        // As a further device of hers.
        let (root, key) = (Root::from_seed([ANNA; 32]), SecretKey::from_seed(&[MEMBER; 32]));
        let (person, receiving) = (root.person(), anna.identity.receiving.public().0);
        let chain = vec![LinkCert::issue(person, &root.signing_key(), &key, receiving)];
        let by = ClaimBy::Certificates { person, chain };
        anna.hear(Message::Claim(Claim { workspace: anna.workspace(), by }).encode());
        assert!(!anna.is_over, "the member is not let in");
        assert!(!anna.replica.shared_with(member()).is_empty(), "nothing is shared");
        anna
    }

    fn record(&self) -> &WorkspaceRecord {
        self.record.as_ref().expect("she has founded one")
    }

    pub fn workspace(&self) -> WorkspaceId {
        self.record().id
    }

    pub fn secret(&self) -> SessionSecret {
        self.record().secret.clone()
    }

    pub fn heads(&self) -> Vec<(LogId, Head)> {
        self.replica.logs(self.workspace()).expect("her workspace").durable_heads()
    }

    fn now(&self) -> Now {
        Now { wall_ms: EPOCH_MS + self.now_ms, mono_ms: self.now_ms }
    }

    pub fn add_task(&mut self, number: u64) -> Result<Reply, Refusal> {
        let key = EntityKey::new(Kind::Task, EntityId::new(number, [1; 10]));
        let fields = vec![(task::TITLE.into(), Value::text(format!("Task {number}")))];
        let (workspace, changes) = (self.workspace(), vec![Change::Create { key, fields }]);
        self.command(Command::Edit { workspace, changes })
    }

    pub fn command(&mut self, command: Command) -> Result<Reply, Refusal> {
        self.input(Input::Command { request: 7, command });
        self.replies.pop().expect("an answer")
    }

    /// The member says something.
    pub fn hear(&mut self, frame: Vec<u8>) {
        self.input(Input::Received { peer: member(), frame });
    }

    fn hear_all(&mut self, frames: Vec<Vec<u8>>) {
        for frame in frames {
            self.hear(frame);
        }
    }

    pub fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.input(Input::Wake);
    }

    /// Takes an input and what follows from it; the disk and the network are done at once.
    fn input(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.replica.handle(self.now(), input, &self.disks);
            while let Some(output) = self.replica.poll() {
                self.take(output, &mut inputs);
            }
        }
    }

    fn take(&mut self, output: Output, inputs: &mut VecDeque<Input>) {
        match output {
            Output::Persist { workspace, id, batch } => {
                let log = self.disks.logs.entry(workspace).or_default();
                log.append(&batch).expect("what is to be written fits the log");
                self.disks.readers.insert(workspace, log.reader());
                inputs.push_back(Input::Persisted { batch: id });
            }
            Output::Send { peer, frame } => {
                if Lane::of(&frame) == Lane::Session {
                    inputs.push_back(Input::Sent { peer, bytes: frame.len() });
                }
                self.said.push(frame);
            }
            // The first is the one she founded; another is her devices' own.
            Output::Remember(record) if self.record.as_ref().is_none_or(|known| known.id == record.id) => {
                self.record = Some(record);
            }
            Output::Reply { result, .. } => self.replies.push(result),
            Output::Disconnect { .. } => {
                self.is_over = true;
                inputs.push_back(Input::PeerDown { peer: member() });
            }
            _ => {}
        }
    }
}

/// The device of the member.
pub fn member() -> DeviceId {
    DeviceId(SecretKey::from_seed(&[MEMBER; 32]).public())
}

/// What stands in an input one after the other, each behind its length in two bytes.
pub fn parts(mut input: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    while let Some((length, rest)) = input.split_first_chunk::<2>() {
        let (part, rest) = rest.split_at(usize::from(u16::from_le_bytes(*length)).min(rest.len()));
        parts.push(part);
        input = rest;
    }
    parts
}
