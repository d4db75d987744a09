//! Two relays on one `PostgreSQL` that nothing else connects: neither has a network.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use std::{
    any::Any,
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use velo_node::{
    companion::Companion,
    handle::{Node, NodeConfig},
};
use velo_protocol::{
    access::Role,
    change::Change,
    id::WorkspaceId,
    model::{EntityKey, Kind, project},
    replica::{Command, Reply},
    value::Value,
};
use velo_relay::{neighbours::Neighbours, store::InDatabase};
use velo_tests::postgres::Postgres;

const PATIENCE: Duration = Duration::from_mins(1);

/// A relay's node, with what tells it of the others.
struct Relay {
    // Ends before the node.
    beside: Box<dyn Any + Send>,
    node: Node,
    _runtime: Runtime,
    home: TempDir,
}

impl Relay {
    fn start(url: &str) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), url)
    }

    fn start_in(home: TempDir, url: &str) -> Self {
        let logs = Arc::new(InDatabase::at(url.to_owned()));
        let state_dir = Some(home.path().join("state"));
        let offline = NodeConfig::offline(home.path().join("data"));
        let node = Node::start(NodeConfig { state_dir, log_home: logs.clone(), ..offline }).unwrap();
        let runtime = Runtime::new().unwrap();
        let inside = runtime.enter();
        let beside = Neighbours::of(logs).start(node.handle()).unwrap();
        drop(inside);
        Self { beside, node, _runtime: runtime, home }
    }

    fn start_again(self, url: &str) -> Self {
        let Self { beside, node, home, .. } = self;
        drop(beside);
        node.shutdown().unwrap();
        Self::start_in(home, url)
    }

    fn submit(&self, command: Command) -> Reply {
        self.node.submit_blocking(command).unwrap()
    }

    fn add_project(&self, workspace: WorkspaceId, name: &str) {
        let key = EntityKey::new(Kind::Project, self.node.new_entity_id());
        let fields = vec![(project::NAME.into(), Value::text(name))];
        self.submit(Command::Edit { workspace, changes: vec![Change::Create { key, fields }] });
    }

    fn projects(&self, workspace: WorkspaceId) -> usize {
        self.node.workspace(workspace).map_or(0, |state| state.projects().len())
    }
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn what_one_writes_the_other_takes_out_of_the_database() {
    let Some(postgres) = Postgres::start() else { return };
    let url = postgres.url();
    let (first, second) = (Relay::start(&url), Relay::start(&url));
    let created = first.submit(Command::CreateWorkspace { name: "Workshop".into(), person_name: "A".into() });
    let Reply::Workspace(workspace) = created else { panic!("{created:?}") };
    first.add_project(workspace, "House");
    let (single_use, expires_ms, addresses) = (true, u64::MAX, Vec::new());
    let invite = Command::Invite { workspace, role: Role::Member, single_use, expires_ms, addresses };
    let Reply::Ticket(ticket) = first.submit(invite) else { panic!("no ticket") };

    // All of it stands in the database before the second has the workspace.
    second.submit(Command::Join { ticket, person_name: "B".into() });
    eventually("what was there before", || second.projects(workspace) == 1);
    second.add_project(workspace, "Garden");
    eventually("what the second wrote", || first.projects(workspace) == 2);
    first.add_project(workspace, "Shed");
    eventually("what the first wrote", || second.projects(workspace) == 3);

    // What the first wrote while the second was away, and the other way round.
    let second = second.start_again(&url);
    eventually("all of it again", || second.projects(workspace) == 3);
    let first = first.start_again(&url);
    second.add_project(workspace, "Barn");
    eventually("after a restart", || first.projects(workspace) == 4);
    let hash = |relay: &Relay| relay.node.workspace(workspace).unwrap().state_hash();
    assert_eq!(hash(&first), hash(&second));
    assert_eq!(
        postgres
            .query("SELECT count(*) FROM (SELECT id FROM entries GROUP BY id HAVING count(*) > 1) AS twice"),
        "0"
    );
    assert_eq!(postgres.query("SELECT count(*) FROM (SELECT log FROM chains GROUP BY workspace, log HAVING count(*) > 1) AS forked"), "0");
}
