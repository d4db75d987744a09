//! The app on a real node in a directory of its own: what stands on the disk afterwards.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use egui_kittest::{Harness, kittest::Queryable};
use std::{path::Path, time::Duration};
use tempfile::TempDir;
use velo_app::{
    app::VeloApp,
    bridge::{Answered, Bridge, Request, node::NodeBridge},
    command::AppCommand,
    view::{
        picture::{Picture, Wanted},
        quick_add::Draft,
    },
};
use velo_node::{
    api::workspace::Introduction,
    handle::{Node, NodeConfig},
    qr,
};
use velo_protocol::{
    id::WorkspaceId,
    model::{EntityKey, Kind, task},
    replica::{Command, Reply, RequestId},
};

fn start(dir: &TempDir) -> Node {
    let config = NodeConfig::offline(dir.path().join("data"));
    Node::start(NodeConfig { state_dir: Some(dir.path().join("state")), ..config }).unwrap()
}

fn bridge(node: &Node) -> NodeBridge {
    NodeBridge::new(node.handle().clone(), node.data_dir(), egui::Context::default()).unwrap()
}

fn ask(bridge: &mut NodeBridge, id: RequestId, request: Request) -> Answered {
    bridge.send(id, request);
    for _ in 0..1_000 {
        if let Some(answer) = bridge.answers().into_iter().find(|answer| answer.request == id) {
            return answer.result.unwrap();
        }
        bridge.pause();
    }
    panic!("no answer");
}

fn found(bridge: &mut NodeBridge) -> WorkspaceId {
    let command = Command::CreateWorkspace { name: "Workshop".into(), person_name: "Anna".into() };
    match ask(bridge, 1, Request::Replica(command)) {
        Answered::Reply(Reply::Workspace(id)) => id,
        other => panic!("{other:?}"),
    }
}

/// A screen on a node, and a way to wait for what the node does.
struct Window(Harness<'static, VeloApp>);

impl Window {
    fn open(node: &Node) -> Self {
        let app = VeloApp::new(Box::new(bridge(node)));
        let harness = Harness::builder().with_size(egui::vec2(1440.0, 900.0));
        Self(harness.build_ui_state(|ui, app: &mut VeloApp| app.frame(ui), app))
    }

    fn carry_out(&mut self, command: AppCommand) {
        let ctx = self.0.ctx.clone();
        self.0.state_mut().carry_out(&ctx, command);
    }

    #[track_caller]
    fn wait(&mut self, until: impl Fn(&VeloApp) -> bool) {
        for _ in 0..1_000 {
            self.0.step();
            if until(self.0.state()) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it did not come");
    }
}

#[test]
fn what_is_typed_is_on_the_disk_after_the_window_has_closed() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(&dir);
    let mut window = Window::open(&node);
    window.wait(|_| true);
    let (workspace, person) = ("Workshop".to_owned(), "Anna".to_owned());
    window.carry_out(AppCommand::Found { workspace, person, sample: false });
    window.wait(|app| !app.view().board.columns.is_empty());
    let draft = Draft { title: "Fix pump".into(), ..Draft::default() };
    window.carry_out(AppCommand::AddTask { draft, text: "Fix pump".into(), column: None });
    window.wait(|app| !app.view().board.columns[0].tasks.is_empty());
    let task = window.0.state().view().board.columns[0].tasks[0];
    window.carry_out(AppCommand::Open(task));
    window.wait(|app| !app.view().story.told.is_empty());
    window.0.get_by_label("Description").focus();
    window.0.step();
    window.0.get_by_label("Description").type_text("It leaks.");
    window.wait(|app| app.view().detail.typed.description.text == "It leaks.");
    eframe::App::on_exit(window.0.state_mut(), None);
    drop(window);
    node.shutdown().unwrap();
    let node = start(&dir);
    let workspace = node.workspace(node.workspaces()[0]).unwrap();
    assert_eq!(workspace.task(task).unwrap().description, "It leaks.");
    assert_eq!(Introduction::read(node.data_dir()).unwrap().unwrap().name, "Anna");
    node.shutdown().unwrap();
}

#[test]
fn the_worker_tells_stories_and_restores() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(&dir);
    let mut bridge = bridge(&node);
    let workspace = found(&mut bridge);
    ask(&mut bridge, 2, Request::Sample(workspace));
    let task = node.workspace(workspace).unwrap().shown(Kind::Task).next().unwrap();
    let Answered::Story(told) = ask(&mut bridge, 3, Request::Story(workspace, task)) else {
        panic!("no story");
    };
    assert!(!told.is_empty());
    let key = EntityKey::new(Kind::Task, task);
    let delete = vec![velo_protocol::change::Change::Delete { key }];
    ask(&mut bridge, 4, Request::Replica(Command::Edit { workspace, changes: delete }));
    assert!(!node.workspace(workspace).unwrap().is_shown(key));
    ask(&mut bridge, 5, Request::Restore(workspace, key));
    let after = node.workspace(workspace).unwrap();
    assert!(after.is_shown(key) && !after.text(key, task::TITLE).is_empty());
}

#[test]
fn a_picture_is_read_beside_everything_else() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(&dir);
    let mut bridge = bridge(&node);
    let picture = Picture::File(dir.path().join("nowhere.png"));
    bridge.send(1, Request::ReadPicture(Wanted::Ticket, picture));
    assert!(matches!(ask(&mut bridge, 2, Request::Replica(Command::SyncNow)), Answered::Reply(_)));
    let code = match node.submit_blocking(Command::ShowLinkCode { addresses: Vec::new() }).unwrap() {
        Reply::LinkCode(code) => code.to_string(),
        other => panic!("{other:?}"),
    };
    let bytes = qr::png(&qr::matrix(&code).unwrap()).unwrap();
    let picture = Request::ReadPicture(Wanted::LinkCode, Picture::Bytes(bytes.into()));
    assert_eq!(ask(&mut bridge, 3, picture), Answered::Picture(code));
}

#[test]
fn what_was_noted_last_is_on_the_disk_in_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let node = start(&dir);
    let mut first = bridge(&node);
    assert_eq!(first.name(), None);
    for name in ["Ann", "Anna"] {
        first.introduce(name);
    }
    for dark in [true, false] {
        first
            .keep_preferences(&velo_app::view::state::Preferences { dark: Some(dark), ..Default::default() });
    }
    drop(first);
    let second = bridge(&node);
    assert_eq!((second.name().as_deref(), second.preferences().dark), (Some("Anna"), Some(false)));
}

#[test]
fn workspaces_that_cannot_be_opened_are_told() {
    fn damage(data_dir: &Path) {
        for workspace in std::fs::read_dir(data_dir.join("workspaces")).unwrap() {
            std::fs::write(workspace.unwrap().path().join("record.json"), "{").unwrap();
        }
    }
    let dir = tempfile::tempdir().unwrap();
    let node = start(&dir);
    let mut healthy = bridge(&node);
    assert!(healthy.troubles().is_empty());
    found(&mut healthy);
    drop(healthy);
    let data_dir = node.data_dir().to_owned();
    node.shutdown().unwrap();
    damage(&data_dir);
    let node = start(&dir);
    let troubles = bridge(&node).troubles();
    // The one that was founded, and the private one.
    assert_eq!(troubles.len(), 2, "{troubles:?}");
    assert!(troubles.iter().all(|told| told.contains("record.json")), "{troubles:?}");
    let mut window = Window::open(&node);
    window.wait(|_| true);
    window.0.run();
    window.0.get_by_label("Your work cannot be shown");
}
