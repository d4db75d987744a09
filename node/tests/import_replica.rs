//! An import in a workspace: the core accepts every change, once; undo takes all of it back.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may fail by panicking, in its helper functions too"
)]

#[path = "../../tests/src/skip.rs"]
mod skip;

use velo_node::import::{DEMO_BOARD, Import, Target, read_trello};
use velo_protocol::{
    id::WorkspaceId,
    model::{EntityKey, Kind, task},
    replica::{Command, Identity, Input, Logs, Output, Replica, Reply},
    store::{
        LogReader, LogStore,
        memory::{MemoryLog, MemoryReader},
    },
    time::Now,
    value::Value,
};

const ODD: &str = include_str!("fixtures/trello-odd.json");

/// A device without a network.
struct Device {
    replica: Replica,
    log: MemoryLog,
    workspace: WorkspaceId,
    wall_ms: u64,
}

struct OneLog(MemoryReader);

impl Logs for OneLog {
    fn reader(&self, _: WorkspaceId) -> Option<&dyn LogReader> {
        Some(&self.0)
    }
}

impl Device {
    fn new() -> Self {
        let replica = Replica::new(Identity::from_seeds([1; 32], &[2; 32]), [3; 32]);
        let mut new = Self {
            replica,
            log: MemoryLog::new(),
            workspace: WorkspaceId([0; 32]),
            wall_ms: 1_700_000_000_000,
        };
        let found = Command::CreateWorkspace { name: "House".into(), person_name: "Anna".into() };
        let Reply::Workspace(workspace) = new.run(found) else { panic!("no workspace was founded") };
        new.workspace = workspace;
        new
    }

    fn run(&mut self, command: Command) -> Reply {
        self.wall_ms += 1_000;
        let mut reply = None;
        let mut inputs = vec![Input::Command { request: 1, command }];
        while let Some(input) = inputs.pop() {
            let now = Now { wall_ms: self.wall_ms, mono_ms: self.wall_ms };
            self.replica.handle(now, input, &OneLog(self.log.reader()));
            while let Some(output) = self.replica.poll() {
                match output {
                    Output::Persist { id, batch, .. } => {
                        self.log.append(&batch).unwrap();
                        inputs.insert(0, Input::Persisted { batch: id });
                    }
                    Output::Reply { result, .. } => reply = Some(result.unwrap()),
                    _ => {}
                }
            }
        }
        reply.unwrap()
    }

    fn import(&mut self, text: &str) -> (Import, usize) {
        let target = Target { workspace: self.workspace, project: None };
        let import = read_trello(text.as_bytes(), target).unwrap();
        let edit = Command::Edit { workspace: self.workspace, changes: import.changes.clone() };
        let Reply::Edited { operations, .. } = self.run(edit) else { panic!("not an edit") };
        (import, operations)
    }

    fn shown(&self, kind: Kind) -> usize {
        self.replica.workspace(self.workspace).unwrap().shown(kind).count()
    }
}

fn arrives_once(text: &str) {
    let mut device = Device::new();
    let (import, operations) = device.import(text);
    let imported = import.report.imported;
    assert!(operations > import.changes.len());
    let shown = [Kind::Column, Kind::Task, Kind::ChecklistItem, Kind::Comment, Kind::Attachment, Kind::Label];
    let counts = [
        imported.columns,
        imported.tasks,
        imported.checklist_items,
        imported.comments,
        imported.attachments,
        imported.labels,
    ];
    assert_eq!(shown.map(|kind| device.shown(kind)), counts);
    assert_eq!(device.shown(Kind::Contact), imported.contacts);
    let before = device.replica.workspace(device.workspace).unwrap().state_hash();
    assert_eq!(device.import(text).1, 0, "the second time there is nothing to write");
    assert_eq!(device.replica.workspace(device.workspace).unwrap().state_hash(), before);

    device.run(Command::Undo { workspace: device.workspace });
    assert_eq!(
        (device.shown(Kind::Project), device.shown(Kind::Task), device.shown(Kind::Comment)),
        (0, 0, 0)
    );
}

#[test]
fn a_board_arrives_once_and_can_be_taken_back() {
    arrives_once(DEMO_BOARD);
    arrives_once(ODD);
}

#[test]
fn a_real_board_arrives_once_and_can_be_taken_back() {
    let Some(folder) = std::env::var_os("VELO_SAMPLES") else {
        skip::tell("VELO_SAMPLES does not name the folder of real exports");
        return;
    };
    let path = std::path::PathBuf::from(folder).join("trello-board.json");
    arrives_once(&std::fs::read_to_string(path).unwrap());
}

#[test]
fn a_changed_card_changes_one_field() {
    let mut device = Device::new();
    device.import(DEMO_BOARD);
    let changed = DEMO_BOARD.replace("Swap shelf for used parts", "Swap shelf, with a book");
    let (import, operations) = device.import(&changed);
    assert_eq!(operations, 1);
    let workspace = device.replica.workspace(device.workspace).unwrap();
    let titles: Vec<_> = workspace
        .shown(Kind::Task)
        .filter_map(|id| workspace.value(EntityKey::new(Kind::Task, id), &task::TITLE.into()))
        .filter(|title| **title == Value::text("Swap shelf, with a book"))
        .collect();
    assert_eq!((titles.len(), workspace.projects()), (1, vec![import.project]));
}
