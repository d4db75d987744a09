//! A device with a disk in memory, and a peer whose messages a test makes by hand.

use std::{
    cell::Cell,
    collections::{BTreeMap, VecDeque},
};
use velo_protocol::{
    access::Role,
    change::Change,
    crypto::{LinkCert, SecretKey},
    id::{DeviceId, EntityId, LogId, WorkspaceId},
    log::{Head, Run, Signer},
    message::{Claim, ClaimBy, Heads, Lane, Message, Ops, PullId, Want, Wanted},
    model::{EntityKey, Kind, comment, project, task},
    replica::{
        Command, Event, Identity, Input, Logs, Opened, Output, Refusal, Replica, Reply, WorkspaceRecord,
    },
    root::Root,
    session::{Request, Session},
    store::{
        ChainNo, LogReader, LogStore,
        memory::{MemoryLog, MemoryReader},
    },
    ticket::Ticket,
    time::Now,
    value::Value,
};

pub const EPOCH_MS: u64 = 1_767_225_600_000;

/// The readers of a device's logs.
#[derive(Default)]
pub struct Readers(BTreeMap<WorkspaceId, MemoryReader>);

impl Logs for Readers {
    fn reader(&self, workspace: WorkspaceId) -> Option<&dyn LogReader> {
        self.0.get(&workspace).map(|reader| reader as &dyn LogReader)
    }
}

pub struct Device {
    pub identity: Identity,
    pub replica: Replica,
    pub disks: BTreeMap<WorkspaceId, MemoryLog>,
    pub records: BTreeMap<WorkspaceId, WorkspaceRecord>,
    pub now_ms: u64,
    /// For how long it slept: the clock that measures times stood still meanwhile.
    pub slept_ms: u64,
    /// Everything that was put out but what the disk did, since it was looked at.
    pub outputs: Vec<Output>,
    /// What its operator says to whoever asks it to carry something.
    pub operator: Result<Option<u64>, String>,
    readers: Readers,
    starts: u8,
    number: u8,
}

impl Device {
    /// Devices of one test have different numbers.
    pub fn new(number: u8) -> Self {
        let identity = Identity::from_seeds([number; 32], &[number + 100; 32]);
        Self {
            replica: Replica::new(identity.clone(), [number; 32]),
            identity,
            disks: BTreeMap::new(),
            records: BTreeMap::new(),
            now_ms: 0,
            slept_ms: 0,
            outputs: Vec::new(),
            operator: Err("it carries nothing".to_owned()),
            readers: Readers::default(),
            starts: 0,
            number,
        }
    }

    pub fn id(&self) -> DeviceId {
        self.identity.device_id()
    }

    pub fn now(&self) -> Now {
        Now { wall_ms: EPOCH_MS + self.now_ms + self.slept_ms, mono_ms: self.now_ms }
    }

    /// Takes an input and what follows from it. Batches are durable at once.
    pub fn input(&mut self, input: Input) {
        let mut inputs = VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            self.replica.handle(self.now(), input, &self.readers);
            self.drain(&mut inputs);
        }
    }

    fn drain(&mut self, inputs: &mut VecDeque<Input>) {
        while let Some(output) = self.replica.poll() {
            match output {
                Output::Persist { workspace, id, batch } => {
                    let disk = self.disks.entry(workspace).or_default();
                    disk.append(&batch).unwrap();
                    self.readers.0.insert(workspace, disk.reader());
                    inputs.push_back(Input::Persisted { batch: id });
                }
                Output::Remember(record) => {
                    self.records.insert(record.id, record.clone());
                    self.outputs.push(Output::Remember(record));
                }
                Output::Forget(workspace) => {
                    self.records.remove(&workspace);
                    self.disks.remove(&workspace);
                    self.readers.0.remove(&workspace);
                    self.outputs.push(Output::Forget(workspace));
                }
                Output::AskCarry { peer, offer } => {
                    let decision = self.operator.clone();
                    inputs.push_back(Input::CarryDecided { peer, offer, decision });
                }
                Output::Send { peer, frame } => {
                    if Lane::of(&frame) == Lane::Session {
                        inputs.push_back(Input::Sent { peer, bytes: frame.len() });
                    }
                    self.outputs.push(Output::Send { peer, frame });
                }
                other => self.outputs.push(other),
            }
        }
    }

    /// Starts again from its disks.
    pub fn restart(&mut self, fresh_incarnation: bool) -> Vec<Opened> {
        self.starts += 1;
        let mut seed = [self.starts + 200; 32];
        seed[0] = self.number;
        self.replica = Replica::new(self.identity.clone(), seed);
        let mut opened = Vec::new();
        for record in self.records.values().cloned().collect::<Vec<_>>() {
            let disk = self.disks.entry(record.id).or_default().reader();
            opened.push(self.replica.open_workspace(record, None, &disk, fresh_incarnation).unwrap());
        }
        self.outputs.clear();
        self.drain(&mut VecDeque::new());
        opened
    }

    /// Lets time pass, with the wake-ups that were asked for.
    pub fn pass(&mut self, ms: u64) {
        for _ in 0..ms / 10 {
            self.now_ms += 10;
            self.input(Input::Wake);
        }
    }

    pub fn command(&mut self, command: Command) -> Result<Reply, Refusal> {
        self.input(Input::Command { request: 7, command });
        let reply = self.outputs.iter().rposition(|output| matches!(output, Output::Reply { .. })).unwrap();
        match self.outputs.remove(reply) {
            Output::Reply { result, .. } => result,
            _ => unreachable!(),
        }
    }

    pub fn found(&mut self) -> WorkspaceId {
        let command = Command::CreateWorkspace { name: "Workshop".into(), person_name: "Anna".into() };
        match self.command(command).unwrap() {
            Reply::Workspace(workspace) => workspace,
            other => panic!("{other:?}"),
        }
    }

    pub fn invite(&mut self, workspace: WorkspaceId) -> Ticket {
        let command = Command::Invite {
            workspace,
            role: Role::Member,
            single_use: false,
            expires_ms: u64::MAX,
            addresses: vec![],
        };
        match self.command(command).unwrap() {
            Reply::Ticket(ticket) => ticket,
            other => panic!("{other:?}"),
        }
    }

    pub fn join(&mut self, ticket: &Ticket) -> Result<Reply, Refusal> {
        self.command(Command::Join { ticket: ticket.clone(), person_name: "Ben".into() })
    }

    /// Adds a project whose description makes it as large as wanted.
    pub fn add(&mut self, workspace: WorkspaceId, number: u64, bytes: usize) {
        let key = EntityKey::new(Kind::Task, EntityId::new(number, [1; 10]));
        let fields = vec![
            (task::TITLE.into(), Value::text(format!("Task {number}"))),
            (task::DESCRIPTION.into(), Value::text("x".repeat(bytes))),
        ];
        let changes = vec![Change::Create { key, fields }];
        self.command(Command::Edit { workspace, changes }).unwrap();
    }

    /// A task with a comment.
    pub fn write_texts(&mut self, workspace: WorkspaceId, title: &str, text: &str) {
        let (id, on) = (EntityId::new(1, [3; 10]), EntityId::new(1, [2; 10]));
        let task = Change::Create {
            key: EntityKey::new(Kind::Task, on),
            fields: vec![(task::TITLE.into(), Value::text(title))],
        };
        let fields =
            vec![(comment::TASK.into(), Value::Entity(on)), (comment::TEXT.into(), Value::text(text))];
        let comment = Change::Create { key: EntityKey::new(Kind::Comment, id), fields };
        self.command(Command::Edit { workspace, changes: vec![task, comment] }).unwrap();
    }

    /// One small change.
    pub fn edit(&mut self, workspace: WorkspaceId, number: u64) {
        let key = EntityKey::new(Kind::Project, EntityId::new(number, [0; 10]));
        let fields = vec![(project::NAME.into(), Value::text(format!("Project {number}")))];
        let changes = vec![Change::Create { key, fields }];
        self.command(Command::Edit { workspace, changes }).unwrap();
    }

    /// Every run of every chain, as a peer would send them.
    pub fn runs(&self, workspace: WorkspaceId) -> Vec<Run> {
        let reader = self.disks[&workspace].reader();
        let mut runs = Vec::new();
        for (number, chain) in reader.chains().iter().enumerate() {
            let mut position = chain.base.position;
            while let Some(run) = reader.read_run(ChainNo(number as u32), position).unwrap() {
                position += velo_protocol::log::survey(&run.bytes).unwrap().0;
                runs.push(self.signed(workspace, run));
            }
        }
        runs
    }

    /// As they leave the device.
    fn signed(&self, workspace: WorkspaceId, mut run: Run) -> Run {
        Signer { key: &self.identity.device, workspace, last: &Cell::new(None) }.sign(&mut run).unwrap();
        run
    }

    /// The own log of a workspace from `after` on.
    pub fn own_runs(&self, workspace: WorkspaceId, after: u64) -> Vec<Run> {
        let own = self.own_log(workspace);
        let reader = self.disks[&workspace].reader();
        let number = reader.chains().iter().position(|chain| chain.log == own).unwrap();
        let (mut runs, mut position) = (Vec::new(), after);
        while let Some(run) = reader.read_run(ChainNo(number as u32), position).unwrap() {
            position += velo_protocol::log::survey(&run.bytes).unwrap().0;
            runs.push(self.signed(workspace, run));
        }
        runs
    }

    pub fn has_own_entries(&self, workspace: WorkspaceId) -> bool {
        let own = self.own_log(workspace);
        self.heads(workspace).iter().any(|(log, _)| *log == own)
    }

    pub fn own_log(&self, workspace: WorkspaceId) -> LogId {
        self.records[&workspace].origin.log_id(workspace)
    }

    pub fn heads(&self, workspace: WorkspaceId) -> Vec<(LogId, Head)> {
        self.replica.logs(workspace).unwrap().durable_heads()
    }

    pub fn own_end(&self, workspace: WorkspaceId) -> u64 {
        let own = self.own_log(workspace);
        self.heads(workspace).iter().find(|(log, _)| *log == own).map_or(0, |(_, head)| head.position)
    }

    pub fn has(&self, workspace: WorkspaceId, head: (LogId, Head)) -> bool {
        self.replica.logs(workspace).unwrap().find(head.1.id).is_some()
    }

    pub fn disconnected(&self) -> Option<&str> {
        self.outputs.iter().find_map(|output| match output {
            Output::Disconnect { reason, .. } => Some(reason.as_str()),
            _ => None,
        })
    }

    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.outputs.iter().filter_map(|output| match output {
            Output::Event(event) => Some(event),
            _ => None,
        })
    }
}

/// A peer that says only what a test lets it say.
pub struct Wire {
    pub id: DeviceId,
    pub session: Session,
    number: u8,
}

impl Wire {
    /// Opens a session with `device` and says hello.
    pub fn greet(number: u8, device: &mut Device) -> Self {
        let id = DeviceId(SecretKey::from_seed(&[number; 32]).public());
        let session = Session::open(device.now(), id, device.id(), [number; 32]);
        let mut wire = Self { id, session, number };
        device.input(Input::PeerUp { peer: id });
        wire.hand_over(device);
        let frame = wire.frames(device).remove(0);
        let greeted = wire.session.receive(device.now(), &frame, std::iter::empty()).unwrap();
        assert_eq!(greeted, Request::Opened);
        wire
    }

    /// Opens a session and proves to have the workspace.
    pub fn member(number: u8, device: &mut Device, workspace: WorkspaceId) -> Self {
        let mut wire = Self::greet(number, device);
        wire.prove(device, workspace);
        wire
    }

    pub fn prove(&mut self, device: &mut Device, workspace: WorkspaceId) {
        self.prove_secret(device, workspace);
        // As a further device of its person.
        let (root, key) = (Root::from_seed([device.number; 32]), SecretKey::from_seed(&[self.number; 32]));
        let (person, x25519) = (root.person(), device.identity.receiving.public().0);
        let chain = vec![LinkCert::issue(person, &root.signing_key(), &key, x25519)];
        let by = ClaimBy::Certificates { person, chain };
        self.say(device, &Message::Claim(Claim { workspace, by }));
    }

    /// Shows that it knows the secret, and nothing that lets it in.
    pub fn prove_secret(&mut self, device: &mut Device, workspace: WorkspaceId) {
        let secret = device.records[&workspace].secret.clone();
        self.session.offer(device.now(), workspace, &secret);
        self.hand_over(device);
    }

    /// The frame that shows so.
    pub fn proof_of_secret(&mut self, device: &Device, workspace: WorkspaceId) -> Vec<u8> {
        self.session.offer(device.now(), workspace, &device.records[&workspace].secret);
        self.session.take_frames().remove(0)
    }

    fn hand_over(&mut self, device: &mut Device) {
        for frame in self.session.take_frames() {
            device.input(Input::Received { peer: self.id, frame });
        }
    }

    pub fn say(&self, device: &mut Device, message: &Message) {
        device.input(Input::Received { peer: self.id, frame: message.encode() });
    }

    pub fn say_runs(&self, device: &mut Device, workspace: WorkspaceId, runs: Vec<Run>) {
        for run in runs {
            self.say(device, &Message::Ops(Ops { workspace, runs: vec![run] }));
        }
    }

    pub fn announce(
        &self,
        device: &mut Device,
        workspace: WorkspaceId,
        heads: Vec<(LogId, Head)>,
        full: bool,
    ) {
        self.say(device, &Message::Heads(Heads { workspace, more: false, full, heads }));
    }

    fn frames(&self, device: &mut Device) -> Vec<Vec<u8>> {
        let mut frames = Vec::new();
        device.outputs.retain(|output| match output {
            Output::Send { peer, frame } if *peer == self.id => {
                frames.push(frame.clone());
                false
            }
            _ => true,
        });
        frames
    }

    /// What the device said to this peer since it was asked last.
    pub fn heard(&self, device: &mut Device) -> Vec<Message> {
        self.frames(device).iter().map(|frame| Message::decode(frame).unwrap()).collect()
    }

    /// The logs of which the device sent entries since it was asked last.
    pub fn heard_logs(&self, device: &mut Device) -> Vec<LogId> {
        let heard = self.heard(device);
        heard.iter().flat_map(runs_of).map(|run| run.log).collect()
    }

    /// Asks for these heads, with what it has.
    pub fn want(
        &self,
        device: &mut Device,
        workspace: WorkspaceId,
        pull: PullId,
        heads: &[Head],
        after: &[Head],
    ) {
        let after: Vec<_> = after.iter().map(|head| head.id).collect();
        let wanted = |head: &Head| Wanted { head: head.id, after: after.clone() };
        let heads = heads.iter().map(wanted).collect();
        self.say(device, &Message::Want(Want { pull, workspace, heads }));
    }

    /// Pulls until the end. Gives the runs that came.
    pub fn pull(
        &self,
        device: &mut Device,
        workspace: WorkspaceId,
        pull: PullId,
        heads: &[Head],
        after: &[Head],
    ) -> Vec<Run> {
        self.want(device, workspace, pull, heads, after);
        let mut runs = Vec::new();
        loop {
            let heard = self.heard(device);
            assert!(!heard.is_empty(), "the pull came to a halt");
            for message in heard {
                match message {
                    Message::Chunk(chunk) => {
                        runs.extend(chunk.runs);
                        self.say(device, &Message::Taken(pull));
                    }
                    Message::End(ended) if ended == pull => return runs,
                    _ => {}
                }
            }
        }
    }
}

/// The entries that a message brings.
pub fn runs_of(message: &Message) -> &[Run] {
    match message {
        Message::Ops(ops) => &ops.runs,
        Message::Chunk(chunk) => &chunk.runs,
        _ => &[],
    }
}

/// The pulls that were asked for.
pub fn wants(heard: &[Message]) -> Vec<Want> {
    let want = |message: &Message| match message {
        Message::Want(want) => Some(want.clone()),
        _ => None,
    };
    heard.iter().filter_map(want).collect()
}

pub fn is_full(message: &Message) -> bool {
    matches!(message, Message::Heads(heads) if heads.full)
}

/// Two members of a workspace that hold the same, not connected.
pub fn pair() -> (Device, Device, WorkspaceId) {
    let (mut anna, mut ben) = (Device::new(1), Device::new(2));
    let workspace = anna.found();
    let ticket = anna.invite(workspace);
    ben.join(&ticket).unwrap();
    give(&anna, &mut ben, workspace);
    give(&ben, &mut anna, workspace);
    (anna, ben, workspace)
}

/// Hands over everything at once.
pub fn give(from: &Device, to: &mut Device, workspace: WorkspaceId) {
    let wire = Wire::member(99, to, workspace);
    wire.say_runs(to, workspace, from.runs(workspace));
    to.input(Input::PeerDown { peer: wire.id });
    to.outputs.clear();
}

/// Connects two devices and lets them talk until both have nothing to say but digests.
pub fn meet(a: &mut Device, b: &mut Device) {
    a.input(Input::PeerUp { peer: b.id() });
    b.input(Input::PeerUp { peer: a.id() });
    for _ in 0..40 {
        talk(a, b);
        a.pass(50);
        b.pass(50);
    }
    let (of_a, of_b) = (a.id(), b.id());
    a.input(Input::PeerDown { peer: of_b });
    b.input(Input::PeerDown { peer: of_a });
    // What was under way is lost with the connection.
    frames(a, of_b);
    frames(b, of_a);
}

/// Connects all of these and lets them talk for a while. Gives the bytes of entries that the last was
/// sent, by sender.
pub fn meet_all(devices: &mut [Device]) -> Vec<usize> {
    let ids: Vec<DeviceId> = devices.iter().map(Device::id).collect();
    for device in &mut *devices {
        let others = ids.iter().filter(|id| **id != device.id());
        let up: Vec<_> = others.map(|peer| Input::PeerUp { peer: *peer }).collect();
        for up in up {
            device.input(up);
        }
    }
    let mut received = vec![0; ids.len()];
    for _ in 0..400 {
        for from in 0..ids.len() {
            for to in (0..ids.len()).filter(|to| *to != from) {
                for frame in frames(&mut devices[from], ids[to]) {
                    if to == ids.len() - 1 {
                        let message = Message::decode(&frame).unwrap();
                        received[from] += runs_of(&message).iter().map(|run| run.bytes.len()).sum::<usize>();
                    }
                    devices[to].input(Input::Received { peer: ids[from], frame });
                }
            }
        }
        for device in &mut *devices {
            device.pass(10);
        }
    }
    received
}

pub fn talk(a: &mut Device, b: &mut Device) {
    loop {
        let (from_a, from_b) = (frames(a, b.id()), frames(b, a.id()));
        if from_a.is_empty() && from_b.is_empty() {
            break;
        }
        for frame in from_a {
            b.input(Input::Received { peer: a.id(), frame });
        }
        for frame in from_b {
            a.input(Input::Received { peer: b.id(), frame });
        }
    }
}

/// What a device has sent to another one.
pub fn frames(device: &mut Device, to: DeviceId) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    device.outputs.retain(|output| match output {
        Output::Send { peer, frame } if *peer == to => {
            frames.push(frame.clone());
            false
        }
        _ => true,
    });
    frames
}
