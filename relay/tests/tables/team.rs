//! People with devices, and what they do.

use std::{
    any::Any,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use velo_node::{
    api,
    companion::Companion,
    handle::{NetOptions, Node, NodeConfig, NodeError},
    store::home::{InFiles, LogHome},
};
use velo_protocol::{
    access::Role,
    change::Change,
    id::{EntityId, WorkspaceId},
    model::{EntityKey, Field, Kind, Slot, column, comment, contact, label, project, task},
    replica::{Command, Reply},
    ticket::Ticket,
    value::{Date, Element, Value},
};
use velo_relay::{store::InDatabase, tables::Tables};

pub const PATIENCE: Duration = Duration::from_mins(1);

/// Looks again and again until something holds.
pub fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// A device of a person, or a relay, that can be started again and again.
pub struct Peer {
    home: TempDir,
    name: &'static str,
    database: Option<String>,
    running: Option<Running>,
}

struct Running {
    // Ends before the node, as it does where `velo-relay` ends.
    beside: Mutex<Option<Box<dyn Any + Send>>>,
    node: Node,
    runtime: Runtime,
}

impl Peer {
    pub fn new(name: &'static str) -> Self {
        Self { home: tempfile::tempdir().unwrap(), name, database: None, running: None }
    }

    /// A relay with this database.
    pub fn relay(name: &'static str, database: String) -> Self {
        let mut relay = Self::new(name);
        relay.database = Some(database);
        relay
    }

    pub fn started(mut self) -> Self {
        self.start(true);
        self
    }

    pub fn start(&mut self, online: bool) {
        let logs = self.database.clone().map(|url| Arc::new(InDatabase::at(url)));
        let log_home: Arc<dyn LogHome> = match &logs {
            Some(logs) => logs.clone(),
            None => Arc::new(InFiles),
        };
        let network = online.then(NetOptions::loopback);
        let state_dir = Some(self.home.path().join("state"));
        let data = self.data();
        let node =
            Node::start(NodeConfig { state_dir, network, log_home, ..NodeConfig::offline(data) }).unwrap();
        let runtime = Runtime::new().unwrap();
        let inside = runtime.enter();
        let beside = logs.map(|logs| Tables::beside(logs).start(node.handle()).unwrap());
        drop(inside);
        self.running = Some(Running { beside: Mutex::new(beside), node, runtime });
    }

    /// As another relay would that has the same state.
    pub fn keep_tables_too(&self) -> Box<dyn Any + Send> {
        let logs = Arc::new(InDatabase::at(self.database.clone().unwrap()));
        let _inside = self.running.as_ref().unwrap().runtime.enter();
        Tables::beside(logs).start(self.node().handle()).unwrap()
    }

    pub fn keep_tables_no_more(&self) {
        drop(self.running.as_ref().unwrap().beside.lock().unwrap().take());
    }

    pub fn stop(&mut self) {
        if let Some(Running { beside, node, .. }) = self.running.take() {
            drop(beside);
            node.shutdown().unwrap();
        }
    }

    fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    pub fn node(&self) -> &Node {
        &self.running.as_ref().unwrap().node
    }

    pub fn submit(&self, command: Command) -> Reply {
        self.node().submit_blocking(command).unwrap()
    }

    pub fn found(&self, name: &str) -> WorkspaceId {
        let command = Command::CreateWorkspace { name: name.into(), person_name: self.name.into() };
        match self.submit(command) {
            Reply::Workspace(id) => id,
            other => panic!("{other:?}"),
        }
    }

    pub fn invite(&self, workspace: WorkspaceId, role: Role) -> Ticket {
        eventually("listening", || !self.node().listen_addresses().is_empty());
        let (single_use, expires_ms, addresses) = (true, u64::MAX, Vec::new());
        match self.submit(Command::Invite { workspace, role, single_use, expires_ms, addresses }) {
            Reply::Ticket(ticket) => ticket,
            other => panic!("{other:?}"),
        }
    }

    pub fn join(&self, ticket: Ticket) {
        self.submit(Command::Join { ticket, person_name: self.name.into() });
    }

    pub fn meet(&self, other: &Self) {
        eventually("listening", || !other.node().listen_addresses().is_empty());
        for address in other.node().listen_addresses() {
            self.node().add_peer(&address).unwrap();
        }
    }

    pub fn set_role(&self, workspace: WorkspaceId, of: &Self, role: Option<Role>) {
        self.submit(Command::SetRole { workspace, person: of.node().person(), role });
    }

    pub fn edit(&self, workspace: WorkspaceId, changes: Vec<Change>) {
        self.submit(Command::Edit { workspace, changes });
    }

    pub fn state_hash(&self, workspace: WorkspaceId) -> Option<[u8; 32]> {
        self.node().workspace(workspace).map(|state| state.state_hash())
    }

    /// Asks as the command line does.
    pub fn ask(&self, action: &serde_json::Value) -> serde_json::Value {
        let request = api::understand(serde_json::json!({ "action": action })).unwrap();
        let answer = api::execute(request, self.node().handle());
        self.running.as_ref().unwrap().runtime.block_on(answer).unwrap()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            self.stop();
        }
    }
}

/// Waits until all show the same.
pub fn converge(workspace: WorkspaceId, peers: &[&Peer]) {
    eventually("the same state", || {
        let hashes: Vec<_> = peers.iter().map(|peer| peer.state_hash(workspace)).collect();
        hashes[0].is_some() && hashes.iter().all(|hash| *hash == hashes[0])
    });
}

/// What somebody does, drawn from a seed.
pub struct Work {
    dice: fastrand::Rng,
    workspace: WorkspaceId,
}

const TASK: fn(EntityId) -> EntityKey = |id| EntityKey::new(Kind::Task, id);

impl Work {
    pub fn new(seed: u64, workspace: WorkspaceId) -> Self {
        Self { dice: fastrand::Rng::with_seed(seed), workspace }
    }

    /// Labels, a contact, and projects with columns.
    pub fn furnish(&mut self, peer: &Peer, projects: usize) {
        let mut changes = Vec::new();
        let id = || peer.node().new_entity_id();
        for name in ["urgent", "at home", "with \"quotes\", commas", "Ünïcode {braces}"] {
            let fields = vec![(label::NAME.into(), Value::text(name))];
            changes.push(Change::Create { key: EntityKey::new(Kind::Label, id()), fields });
        }
        let fields = vec![(contact::NAME.into(), Value::text("Zoë from the board"))];
        changes.push(Change::Create { key: EntityKey::new(Kind::Contact, id()), fields });
        for number in 0..projects {
            let key = EntityKey::new(Kind::Project, id());
            let fields = vec![(project::NAME.into(), Value::text(format!("Project {number}")))];
            changes.push(Change::Create { key, fields });
            changes.push(Change::Place { key, container: None, after: None });
            for (name, category) in [("To do", 1), ("Doing", 2), ("Done", 3)] {
                let column = EntityKey::new(Kind::Column, id());
                let fields = vec![
                    (column::NAME.into(), Value::text(name)),
                    (column::PROJECT.into(), Value::Entity(key.id)),
                    (column::CATEGORY.into(), Value::Int(category)),
                ];
                changes.push(Change::Create { key: column, fields });
                let container = Some((column::PROJECT, key.id));
                changes.push(Change::Place { key: column, container, after: None });
            }
        }
        peer.edit(self.workspace, changes);
    }

    /// Works until about so many operations are written.
    pub fn work(&mut self, peer: &Peer, operations: usize) {
        let mut written = 0;
        while written < operations {
            let acts: Vec<Vec<Change>> = (0..40).map(|_| self.act(peer)).collect();
            // Refused as a whole where one act does not fit another, such as what is about something deleted.
            written += match self.write(peer, acts.concat()) {
                Some(written) => written,
                None => acts.into_iter().filter_map(|act| self.write(peer, act)).sum(),
            };
            if self.dice.u8(..) < 40 {
                peer.submit(Command::Undo { workspace: self.workspace });
                if self.dice.bool() {
                    peer.submit(Command::Redo { workspace: self.workspace });
                }
            }
        }
    }

    /// How many operations that were; `None` if it was refused.
    fn write(&self, peer: &Peer, changes: Vec<Change>) -> Option<usize> {
        let edit = Command::Edit { workspace: self.workspace, changes };
        match peer.node().submit_blocking(edit) {
            Ok(Reply::Edited { operations, .. }) => Some(operations),
            Err(NodeError::Refused(_)) => None,
            other => panic!("{other:?}"),
        }
    }

    fn pick(&mut self, all: &[EntityId]) -> Option<EntityId> {
        if all.is_empty() { None } else { Some(all[self.dice.usize(..all.len())]) }
    }

    fn act(&mut self, peer: &Peer) -> Vec<Change> {
        let state = peer.node().workspace(self.workspace).unwrap();
        let of = |kind| state.shown(kind).collect::<Vec<_>>();
        let tasks = of(Kind::Task);
        let columns = of(Kind::Column);
        let (any_task, column) = (self.pick(&tasks), self.pick(&columns));
        let set = |key, slot: Slot, value| vec![Change::Set { key, slot, value }];
        let number = self.dice.u32(..1_000);
        match (number % 20, any_task, column) {
            (0..=6, _, Some(column)) => self.add_task(peer, column, any_task),
            (7, Some(task), _) => {
                set(TASK(task), task::TITLE.into(), Value::text(format!("Task {number}\t").trim()))
            }
            (8, Some(task), _) => {
                let field = [task::DUE, task::START][self.dice.usize(..2)];
                set(TASK(task), field.into(), self.date())
            }
            (9, Some(task), Some(column)) => {
                let container = Some((task::COLUMN, column));
                vec![Change::Place { key: TASK(task), container, after: None }]
            }
            (10, Some(task), _) => {
                let parent = self.pick(&tasks).filter(|parent| *parent != task);
                set(TASK(task), task::PARENT.into(), parent.map_or(Value::Unset, Value::Entity))
            }
            (11, Some(task), _) => {
                let label = self.pick(&of(Kind::Label)).unwrap();
                let slot = Slot::element(task::LABELS, Element::Entity(label));
                set(TASK(task), slot, Value::Bool(self.dice.u8(..4) > 0))
            }
            (12, Some(task), _) => {
                let contact = self.pick(&of(Kind::Contact)).unwrap();
                let person = Element::Person(peer.node().person());
                let who = if self.dice.bool() { Element::Entity(contact) } else { person };
                set(TASK(task), Slot::element(task::ASSIGNEES, who), Value::Bool(self.dice.u8(..4) > 0))
            }
            (13, Some(task), _) => {
                let (field, value) = match number % 3 {
                    0 => (task::PRIORITY, Value::Int(self.dice.i64(0..5))),
                    1 => (task::ESTIMATE, Value::Int(self.dice.i64(0..10_000))),
                    _ => (task::ARCHIVED, Value::Bool(self.dice.bool())),
                };
                set(TASK(task), field.into(), value)
            }
            (14..=16, Some(task), _) => {
                let key = EntityKey::new(Kind::Comment, peer.node().new_entity_id());
                let text = format!("Comment {number}: \u{1f6b2} 'quoted', \\escaped\\ and\nbroken");
                let fields = vec![
                    (comment::TASK.into(), Value::Entity(task)),
                    (comment::TEXT.into(), Value::text(text)),
                ];
                vec![Change::Create { key, fields }]
            }
            (17, Some(task), _) => self.delete_or_restore(&state.deleted(Kind::Task), task),
            (18, ..) if number < 40 => self.rename(&columns, &of(Kind::Label)),
            (19, _, Some(column)) if number < 20 && columns.len() > 6 => {
                vec![Change::Delete { key: EntityKey::new(Kind::Column, column) }]
            }
            _ => Vec::new(),
        }
    }

    fn add_task(&mut self, peer: &Peer, column: EntityId, parent: Option<EntityId>) -> Vec<Change> {
        let key = TASK(peer.node().new_entity_id());
        let title = format!("Errand {}", self.dice.u16(..));
        let mut fields = vec![(Slot::from(task::TITLE), Value::text(title))];
        // Some stand where the task stands that they are a part of.
        match parent.filter(|_| self.dice.u8(..4) == 0) {
            Some(parent) => fields.push((task::PARENT.into(), Value::Entity(parent))),
            None => fields.push((task::COLUMN.into(), Value::Entity(column))),
        }
        if self.dice.u8(..6) == 0 {
            fields.push((task::SHORT_ID.into(), Value::text(format!("TWIN-{}", self.dice.u8(1..20)))));
        }
        let description = Change::Set {
            key,
            slot: task::DESCRIPTION.into(),
            value: Value::text("Two\nlines, and a zero: \0"),
        };
        let made = Change::Create { key, fields };
        if self.dice.u8(..3) == 0 { vec![made, description] } else { vec![made] }
    }

    fn date(&mut self) -> Value {
        match self.dice.u8(..4) {
            0 => Value::Unset,
            1 => Value::Date(Date::At {
                ms: 1_767_225_600_000 + self.dice.i64(0..40_000_000_000),
                zone: "Europe/Zurich".into(),
            }),
            _ => Value::Date(Date::Day(20_454 + self.dice.i32(0..400))),
        }
    }

    fn delete_or_restore(&mut self, deleted: &[EntityId], task: EntityId) -> Vec<Change> {
        match self.pick(deleted).filter(|_| self.dice.u8(..3) == 0) {
            Some(task) => vec![Change::Restore { key: TASK(task) }],
            None => vec![Change::Delete { key: TASK(task) }],
        }
    }

    fn rename(&mut self, columns: &[EntityId], labels: &[EntityId]) -> Vec<Change> {
        let name = Value::text(format!("Name {}", self.dice.u16(..)));
        let of = |kind, field: Field, id: EntityId| Change::Set {
            key: EntityKey::new(kind, id),
            slot: field.into(),
            value: name.clone(),
        };
        let column = self.pick(columns).map(|id| of(Kind::Column, column::NAME, id));
        let label = self.pick(labels).map(|id| of(Kind::Label, label::NAME, id));
        column.into_iter().chain(label).collect()
    }
}
