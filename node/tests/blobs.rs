//! A peer that is let in, holds the same entries, and sends wrong content.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use velo_node::{
    handle::{NetOptions, Node, NodeConfig},
    net::{self, NetConfig, NetEvent, NetEvents, NetHandle},
};
use velo_protocol::{
    access::Role,
    blob::{Answer, Ask, Content, ContentCipher, ContentKey, Manifest, Question},
    change::Change,
    id::{BlobId, EntityId, WorkspaceId},
    limits,
    model::{EntityKey, Kind, attachment, task},
    replica::{Command, Identity, Input, Logs, Output, Replica, Reply},
    store::{
        LogReader, LogStore,
        memory::{MemoryLog, MemoryReader},
    },
    time::Now,
    value::Value,
};

/// Nothing here takes longer, even on a busy machine.
const PATIENCE: Duration = Duration::from_mins(2);

struct Readers(BTreeMap<WorkspaceId, MemoryReader>);

impl Logs for Readers {
    fn reader(&self, workspace: WorkspaceId) -> Option<&dyn LogReader> {
        self.0.get(&workspace).map(|reader| reader as &dyn LogReader)
    }
}

/// A device that speaks the protocol as it should, except about blobs.
struct Liar {
    replica: Replica,
    logs: BTreeMap<WorkspaceId, MemoryLog>,
    net: NetHandle,
    events: NetEvents,
    started: Instant,
    replies: Vec<Reply>,
    workspace: WorkspaceId,
    task: EntityId,
    /// What it has.
    blobs: BTreeMap<BlobId, Vec<u8>>,
    /// What of it it sends otherwise.
    lies: BTreeSet<BlobId>,
    asked: Vec<Ask>,
    is_busy: bool,
    next_id: u64,
    _home: TempDir,
}

impl Liar {
    fn new() -> Self {
        let identity = Identity::from_seeds([1; 32], &[2; 32]);
        let home = tempfile::tempdir().unwrap();
        let config = NetConfig {
            listen: vec!["/ip4/127.0.0.1/tcp/0".parse().unwrap()],
            mdns: false,
            ..NetConfig::new(identity.device.clone(), home.path().join("peers.json"))
        };
        let (net, events) = net::start(config).unwrap();
        let mut liar = Self {
            replica: Replica::new(identity, [3; 32]),
            logs: BTreeMap::new(),
            net,
            events,
            started: Instant::now(),
            replies: Vec::new(),
            workspace: WorkspaceId([0; 32]),
            task: EntityId::new(1, [0; 10]),
            blobs: BTreeMap::new(),
            lies: BTreeSet::new(),
            asked: Vec::new(),
            is_busy: false,
            next_id: 2,
            _home: home,
        };
        let found = Command::CreateWorkspace { name: "Workshop".into(), person_name: "Anna".into() };
        let Reply::Workspace(workspace) = liar.command(found) else { panic!("no workspace") };
        liar.workspace = workspace;
        let fields = vec![(task::TITLE.into(), Value::text("Fix the leak"))];
        liar.edit(Change::Create { key: EntityKey::new(Kind::Task, liar.task), fields });
        liar
    }

    fn handle(&mut self, input: Input) {
        let mut inputs = vec![input];
        while let Some(input) = inputs.pop() {
            let readers = Readers(self.logs.iter().map(|(id, log)| (*id, log.reader())).collect());
            let wall = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
            let mono_ms = self.started.elapsed().as_millis() as u64;
            let now = Now { wall_ms: wall.as_millis() as u64, mono_ms };
            self.replica.handle(now, input, &readers);
            while let Some(output) = self.replica.poll() {
                match output {
                    Output::Remember(record) => drop(self.logs.entry(record.id).or_default()),
                    Output::Persist { workspace, id, batch } => {
                        self.logs.entry(workspace).or_default().append(&batch).unwrap();
                        inputs.insert(0, Input::Persisted { batch: id });
                    }
                    Output::Send { peer, frame } => self.net.send(peer, frame),
                    Output::Disconnect { peer, reason } => self.net.disconnect(peer, reason),
                    Output::Reply { result, .. } => self.replies.push(result.unwrap()),
                    _ => {}
                }
            }
        }
    }

    fn command(&mut self, command: Command) -> Reply {
        self.handle(Input::Command { request: 1, command });
        self.replies.pop().unwrap()
    }

    fn edit(&mut self, change: Change) {
        self.command(Command::Edit { workspace: self.workspace, changes: vec![change] });
    }

    /// Attaches a small file. Returns the attachment, its manifest, and its one part.
    fn attach(&mut self, text: &[u8]) -> (EntityId, BlobId, BlobId) {
        let key = ContentKey::from_bytes(*blake3::hash(text).as_bytes());
        let part = ContentCipher::new(&key, text.len() as u64).seal(0, text).unwrap();
        let part_id = BlobId::of(&part);
        let manifest = Manifest::new(text.len() as u64, vec![part_id]).unwrap().encode();
        let content = Content { manifest: BlobId::of(&manifest), key };
        self.blobs.insert(part_id, part);
        self.blobs.insert(content.manifest, manifest);
        let id = EntityId::new(self.next_id, [0; 10]);
        self.next_id += 1;
        let fields = vec![
            (attachment::TASK.into(), Value::Entity(self.task)),
            (attachment::NAME.into(), Value::text("file")),
            (attachment::SIZE.into(), Value::Int(text.len() as i64)),
            (attachment::CONTENT.into(), Value::text(content.to_string())),
        ];
        self.edit(Change::Create { key: EntityKey::new(Kind::Attachment, id), fields });
        (id, content.manifest, part_id)
    }

    fn answer(&mut self, ask: &Ask) -> Answer {
        self.asked.push(*ask);
        if self.is_busy {
            return Answer::Later;
        }
        let Some(mut blob) = self.blobs.get(&ask.blob).cloned() else { return Answer::NotHere };
        if self.lies.contains(&ask.blob) {
            blob[0] ^= 1;
        }
        Answer::of(ask, &blob)
    }

    /// How often a blob was asked for, from its beginning.
    fn times_asked(&self, blob: BlobId) -> usize {
        self.asked.iter().filter(|ask| ask.blob == blob && ask.offset == 0).count()
    }

    /// Lets somebody in, who has an empty device.
    async fn let_in(&mut self) -> (Node, TempDir) {
        self.run_until(|liar| !liar.net.addresses().is_empty()).await;
        let addresses = self.net.addresses().iter().map(ToString::to_string).collect();
        let (role, single_use, expires_ms) = (Role::Member, true, u64::MAX);
        let invite = Command::Invite { workspace: self.workspace, role, single_use, expires_ms, addresses };
        let Reply::Ticket(ticket) = self.command(invite) else { panic!("no ticket") };

        let home = tempfile::tempdir().unwrap();
        let config = NodeConfig {
            state_dir: Some(home.path().join("state")),
            network: Some(NetOptions::loopback()),
            ..NodeConfig::offline(home.path().join("data"))
        };
        let ben = Node::start(config).unwrap();
        let join = Command::Join { ticket, person_name: "Ben".into() };
        drop(tokio::spawn(ben.submit(join)));
        (ben, home)
    }

    async fn run_until(&mut self, mut done: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(start.elapsed() < PATIENCE, "it did not come: {:?}", self.asked);
            let event = tokio::time::timeout(Duration::from_millis(50), self.events.recv()).await;
            match event {
                Err(_) => self.handle(Input::Wake),
                Ok(Some(NetEvent::PeerUp { peer, .. })) => self.handle(Input::PeerUp { peer }),
                Ok(Some(NetEvent::PeerDown { peer, .. })) => self.handle(Input::PeerDown { peer }),
                Ok(Some(NetEvent::Frame { peer, frame })) => self.handle(Input::Received { peer, frame }),
                Ok(Some(NetEvent::Sent { peer, bytes })) => self.handle(Input::Sent { peer, bytes }),
                Ok(Some(NetEvent::BlobAsked { id, question: Question::Piece(ask), .. })) => {
                    let answer = self.answer(&ask);
                    self.net.answer_blob(id, answer);
                }
                Ok(Some(_)) => {}
                Ok(None) => panic!("the network ended"),
            }
        }
    }
}

#[tokio::test]
async fn a_peer_that_sends_wrong_content_is_not_asked_for_it_again() {
    let mut liar = Liar::new();
    let (false_list, manifest, _) = liar.attach(b"the list of its parts is wrong");
    let (false_part, _, part) = liar.attach(b"its only part is wrong");
    let (honest, ..) = liar.attach(b"this one is right");
    liar.lies.extend([manifest, part]);
    let (ben, _home) = liar.let_in().await;
    let workspace = liar.workspace;
    let is_here = |id| ben.presence(workspace, id).ok().flatten().is_some_and(|found| found.whole);
    // He fetches small files by himself.
    liar.run_until(|liar| is_here(honest) && liar.times_asked(manifest) > 0 && liar.times_asked(part) > 0)
        .await;
    // Also not when he asks for it, and the other is not mistrusted in everything.
    for id in [false_list, false_part] {
        ben.fetch_content(workspace, id, true).unwrap();
    }
    let (second, ..) = liar.attach(b"and this one as well");
    liar.run_until(|_| is_here(second)).await;
    assert!(!is_here(false_list) && !is_here(false_part));
    assert_eq!((liar.times_asked(manifest), liar.times_asked(part)), (1, 1));
    let mut out = Vec::new();
    ben.read_content(workspace, second, &mut out).unwrap();
    assert_eq!(out, b"and this one as well");
    ben.shutdown().unwrap();
}

#[tokio::test]
async fn what_is_deleted_with_its_task_is_not_fetched_until_it_is_restored() {
    let mut liar = Liar::new();
    liar.is_busy = true;
    let (file, manifest, _) = liar.attach(b"a plan of the pipes");
    let (ben, _home) = liar.let_in().await;
    // He goes on asking for it.
    liar.run_until(|liar| liar.times_asked(manifest) > 2).await;
    liar.edit(Change::Delete { key: EntityKey::new(Kind::Task, liar.task) });
    let start = Instant::now();
    loop {
        let (before, until) =
            (liar.asked.len(), Instant::now() + 6 * Duration::from_millis(limits::BLOB_LATER_MS));
        liar.run_until(|_| until <= Instant::now()).await;
        if liar.asked.len() == before {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "it is still asked for");
    }
    liar.is_busy = false;
    for key in [EntityKey::new(Kind::Task, liar.task), EntityKey::new(Kind::Attachment, file)] {
        liar.edit(Change::Restore { key });
    }
    let workspace = liar.workspace;
    liar.run_until(|_| ben.presence(workspace, file).ok().flatten().is_some_and(|found| found.whole)).await;
    ben.shutdown().unwrap();
}
