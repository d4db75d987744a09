//! An edit that could not be saved is refused, and is not shown any longer.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use velo_protocol::{
    change::Change,
    id::{EntityId, WorkspaceId},
    model::{EntityKey, Kind, label},
    replica::{Command, Event, Identity, Input, Logs, Output, Refusal, Replica, Reply},
    store::{LogReader, LogStore, memory::MemoryLog},
    time::Now,
    value::Value,
};

type MemoryReader = <MemoryLog as LogStore>::Reader;

struct Disk {
    log: MemoryLog,
    reader: MemoryReader,
}

impl Logs for Disk {
    fn reader(&self, _workspace: WorkspaceId) -> Option<&dyn LogReader> {
        Some(&self.reader)
    }
}

struct Bench {
    replica: Replica,
    disk: Disk,
    now_ms: u64,
    events: Vec<Event>,
    replies: Vec<Result<Reply, Refusal>>,
}

impl Bench {
    fn new() -> Self {
        let log = MemoryLog::new();
        let disk = Disk { reader: log.reader(), log };
        let replica = Replica::new(Identity::from_seeds([1; 32], &[2; 32]), [3; 32]);
        Self { replica, disk, now_ms: 1_000_000, events: Vec::new(), replies: Vec::new() }
    }

    fn input(&mut self, input: Input) {
        self.now_ms += 1;
        let now = Now { wall_ms: self.now_ms, mono_ms: self.now_ms };
        self.replica.handle(now, input, &self.disk);
        while let Some(output) = self.replica.poll() {
            match output {
                Output::Persist { id, batch, .. } => match self.disk.log.append(&batch) {
                    Ok(()) => self.input(Input::Persisted { batch: id }),
                    Err(error) => self.input(Input::PersistFailed { batch: id, reason: error.to_string() }),
                },
                Output::Reply { result, .. } => self.replies.push(result),
                Output::Event(event) => self.events.push(event),
                _ => {}
            }
        }
    }

    fn command(&mut self, command: Command) -> Result<Reply, Refusal> {
        self.input(Input::Command { request: 1, command });
        self.replies.pop().unwrap()
    }
}

fn new_label(workspace: WorkspaceId, n: u8) -> (EntityKey, Command) {
    let key = EntityKey::new(Kind::Label, EntityId::new(1, [n; 10]));
    let fields = vec![(label::NAME.into(), Value::text(format!("label {n}")))];
    (key, Command::Edit { workspace, changes: vec![Change::Create { key, fields }] })
}

#[test]
fn what_could_not_be_saved_is_not_shown() {
    let mut bench = Bench::new();
    let found = Command::CreateWorkspace { name: "Workshop".into(), person_name: "Anna".into() };
    let Reply::Workspace(workspace) = bench.command(found).unwrap() else { panic!() };
    let (kept, edit) = new_label(workspace, 1);
    bench.command(edit).unwrap();
    let before = bench.replica.workspace(workspace).unwrap().clone();

    bench.disk.log.fail(0);
    let (lost, edit) = new_label(workspace, 2);
    bench.events.clear();
    assert!(matches!(bench.command(edit), Err(Refusal::ReadOnly(_))));
    let after = bench.replica.workspace(workspace).unwrap();
    assert!(after.is_shown(kept) && !after.is_shown(lost));
    assert_eq!(after.state_hash(), before.state_hash());
    assert_eq!(after.revision(), before.revision());
    let tells =
        |event: &Event| matches!(event, Event::Changed { own: false, entities, .. } if entities == &[lost]);
    assert!(bench.events.iter().any(tells), "whoever shows it must hear of it: {:?}", bench.events);
    assert!(matches!(bench.command(new_label(workspace, 3).1), Err(Refusal::ReadOnly(_))));
}
