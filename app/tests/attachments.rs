//! Files on tasks and the space they take: on a real node, and where they are not on the device yet.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

#[path = "support/screen.rs"]
mod screen;
#[path = "support/world.rs"]
mod world;

use egui::Theme;
use egui_kittest::{Harness, kittest::Queryable};
use screen::Screen;
use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempDir;
use velo_app::{
    app::VeloApp,
    bridge::{attachments, node::NodeBridge},
    command::AppCommand,
    view::{attachments::Found, quick_add::Draft, storage::Space},
};
use velo_node::{
    handle::{Node, NodeConfig},
    limits, qr,
};
use velo_protocol::{
    change::Change,
    id::EntityId,
    model::{EntityKey, Kind, attachment, task},
    replica::{Command, Fetching},
    value::Value,
};
use world::Device;

/// A node with a task that is open in a window.
struct Desk {
    node: Node,
    window: Harness<'static, VeloApp>,
    task: EntityId,
    home: TempDir,
}

impl Desk {
    fn new() -> Self {
        let home = tempfile::tempdir().unwrap();
        let config = NodeConfig::offline(home.path().join("data"));
        let node = Node::start(NodeConfig { state_dir: Some(home.path().join("state")), ..config }).unwrap();
        let bridge =
            NodeBridge::new(node.handle().clone(), node.data_dir(), egui::Context::default()).unwrap();
        let app = VeloApp::new(Box::new(bridge));
        let harness = Harness::builder().with_size(egui::vec2(1440.0, 900.0));
        let window = harness.build_ui_state(|ui, app: &mut VeloApp| app.frame(ui), app);
        let mut desk = Self { node, window, task: EntityId::new(0, [0; 10]), home };
        let (workspace, person) = ("Workshop".to_owned(), "Anna".to_owned());
        desk.wait(|_| true);
        desk.carry_out(AppCommand::Found { workspace, person, sample: false });
        desk.wait(|app| !app.view().board.columns.is_empty());
        let draft = Draft { title: "Fix the leak".into(), ..Draft::default() };
        desk.carry_out(AppCommand::AddTask { draft, text: "Fix the leak".into(), column: None });
        desk.wait(|app| !app.view().board.columns[0].tasks.is_empty());
        desk.task = desk.window.state().view().board.columns[0].tasks[0];
        desk.carry_out(AppCommand::Open(desk.task));
        desk.wait(|app| !app.view().story.told.is_empty());
        desk
    }

    fn carry_out(&mut self, command: AppCommand) {
        let ctx = self.window.ctx.clone();
        self.window.state_mut().carry_out(&ctx, command);
    }

    #[track_caller]
    fn wait(&mut self, until: impl Fn(&VeloApp) -> bool) {
        self.wait_to_see(|window| until(window.state()));
    }

    #[track_caller]
    fn wait_to_see(&mut self, until: impl Fn(&Harness<'static, VeloApp>) -> bool) {
        for _ in 0..6_000 {
            self.window.step();
            if until(&self.window) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it did not come");
    }

    #[track_caller]
    fn click(&mut self, name: &str) {
        self.wait_to_see(|window| window.query_by_label(name).is_some());
        // A dialog that has grown is in its place, in the middle, only in the next frames.
        for _ in 0..3 {
            self.window.step();
        }
        self.window.get_by_label(name).click();
        self.window.step();
    }

    fn drop_files(&mut self, paths: &[PathBuf]) {
        let dropped =
            paths.iter().map(|path| egui::DroppedFile { path: Some(path.clone()), ..Default::default() });
        self.window.input_mut().dropped_files.extend(dropped);
        self.window.step();
    }

    /// A picture as a camera would make one.
    fn photo(&self, name: &str) -> PathBuf {
        let path = self.home.path().join(name);
        fs::write(&path, qr::png(&qr::matrix("velo").unwrap()).unwrap()).unwrap();
        path
    }
}

fn is_here(app: &VeloApp) -> bool {
    let found = &app.view().attachments.found;
    !found.is_empty() && found.values().all(|found| found.whole)
}

#[test]
fn a_file_is_attached_by_its_path_and_by_dropping_it() {
    let mut desk = Desk::new();
    let photo = desk.photo("leak.png");
    desk.click("Attach a file");
    desk.wait_to_see(|window| window.query_by_label("Where the file lies").is_some());
    desk.window.get_by_label("Where the file lies").focus();
    desk.window.step();
    desk.window.get_by_label("Where the file lies").type_text(photo.to_str().unwrap());
    desk.window.step();
    desk.click("Attach");
    desk.wait(is_here);
    assert_eq!(desk.window.state().view().attachments.thumbnails.len(), 1, "a picture is shown");
    let note = desk.home.path().join("note.txt");
    fs::write(&note, b"Bring the large spanner").unwrap();
    desk.drop_files(&[note]);
    desk.wait(|app| app.view().attachments.found.len() == 2 && is_here(app));
    assert_eq!(desk.window.state().view().attachments.thumbnails.len(), 1, "a text has no picture");
    desk.wait_to_see(|window| window.query_by_label("note.txt, 23 B").is_some());

    // What is saved is what was attached.
    let workspace = desk.node.workspaces()[0];
    let ids = desk.node.workspace(workspace).unwrap().attachments(desk.task);
    let state = desk.node.workspace(workspace).unwrap();
    let name = |id| state.text(EntityKey::new(Kind::Attachment, id), attachment::NAME).to_owned();
    let out = desk.home.path().join("out");
    fs::create_dir(&out).unwrap();
    for id in ids {
        for _ in 0..2 {
            attachments::save_in(&desk.node, workspace, id, &out, &name(id)).unwrap();
        }
    }
    let read = |path: &Path| fs::read(path).unwrap();
    assert_eq!(read(&out.join("leak.png")), read(&photo));
    assert_eq!(read(&out.join("leak (2).png")), read(&photo), "nothing is written over");
    assert_eq!(read(&out.join("note.txt")), b"Bring the large spanner");
}

#[test]
fn what_only_says_that_it_is_a_picture_is_read_once() {
    let mut desk = Desk::new();
    let path = desk.home.path().join("leak.png");
    fs::write(&path, "no picture").unwrap();
    desk.drop_files(&[path]);
    desk.wait(is_here);
    let found = |desk: &Desk| {
        let view = desk.window.state().view();
        let one = view.attachments.found.values().next().unwrap();
        (one.tried, one.thumbnail.is_some(), view.attachments.thumbnails.len())
    };
    assert_eq!(found(&desk), (true, false, 0));
    let title = "Fix the leak at once";
    let change = Change::Set {
        key: EntityKey::new(Kind::Task, desk.task),
        slot: task::TITLE.into(),
        value: Value::text(title),
    };
    let workspace = desk.node.workspaces()[0];
    desk.node.submit_blocking(Command::Edit { workspace, changes: vec![change] }).unwrap();
    desk.wait(|app| !app.view().attachments.found.values().next().unwrap().tried);
    assert_eq!(found(&desk), (false, false, 0));
}

#[test]
fn what_is_larger_than_it_says_is_not_read() {
    let mut desk = Desk::new();
    let path = desk.home.path().join("leak.png");
    // It takes no place: a file may have holes.
    let size = limits::PICTURE_BYTES + 1;
    fs::File::create(&path).unwrap().set_len(size).unwrap();
    let workspace = desk.node.workspaces()[0];
    attachments::attach(&desk.node, workspace, desk.task, &[path]).unwrap();
    desk.wait(is_here);
    // Whoever reads it finds the damage, and asks for what is lacking.
    let blobs = desk.home.path().join("data/workspaces").join(workspace.to_string()).join("blobs");
    let parts = fs::read_dir(blobs).unwrap().map(|part| part.unwrap().path());
    let part = parts.max_by_key(|part| fs::metadata(part).unwrap().len()).unwrap();
    let mut bytes = fs::read(&part).unwrap();
    bytes[99] ^= 4;
    fs::write(&part, bytes).unwrap();
    let id = desk.node.workspace(workspace).unwrap().attachments(desk.task)[0];
    let key = EntityKey::new(Kind::Attachment, id);
    let change = Change::Set { key, slot: attachment::SIZE.into(), value: Value::Int(1_000) };
    desk.node.submit_blocking(Command::Edit { workspace, changes: vec![change] }).unwrap();
    desk.wait(|app| app.view().attachments.found.values().next().is_some_and(|found| found.tried));
    assert!(is_here(desk.window.state()));
}

#[test]
fn what_cannot_be_attached_is_told_where_it_was_typed() {
    let mut desk = Desk::new();
    let nowhere = desk.home.path().join("nowhere.jpg");
    desk.drop_files(&[nowhere]);
    desk.wait_to_see(|window| window.query_all_by_label_contains("nowhere.jpg").next().is_some());
    assert_eq!(desk.window.state().view().attachments.adding, 0);
    let workspace = desk.node.workspaces()[0];
    assert!(desk.node.workspace(workspace).unwrap().attachments(desk.task).is_empty());
}

#[test]
fn the_storage_of_what_was_removed_is_given_back() {
    let mut desk = Desk::new();
    let photo = desk.photo("leak.png");
    desk.drop_files(&[photo]);
    desk.wait(is_here);
    desk.click("Remove leak.png");
    desk.wait(|app| app.view().attachments.found.is_empty());
    desk.carry_out(AppCommand::ShowStorage);
    desk.wait_to_see(|window| window.query_by_label("Deleted attachments").is_some());
    desk.click("Only what I ask for");
    desk.click("Drop deleted attachments");
    desk.wait_to_see(|window| window.query_by_label("Deleted attachments").is_none());
    desk.click("Done");
    let workspace = desk.node.workspaces()[0];
    assert_eq!(desk.node.fetching(workspace), Fetching::Metered);
    assert_eq!(desk.node.space(workspace).unwrap().attachments.unshown.blobs, 0);
}

/// The sample board, on one of whose tasks stands a file that another device attached.
fn attached_elsewhere(bytes: u64) -> (Screen, EntityId) {
    let device = Device::new(1);
    let workspace = device.borrow_mut().found("Workshop", "Anna Berg");
    device.borrow_mut().fill(workspace);
    let task = device.borrow().workspace(workspace).shown(Kind::Task).next().unwrap();
    let id = device.borrow_mut().id();
    let fields = vec![
        (attachment::TASK.into(), Value::Entity(task)),
        (attachment::NAME.into(), Value::text("leak.jpg")),
        (attachment::SIZE.into(), Value::Int(4_800_000)),
        (attachment::MEDIA_TYPE.into(), Value::text("image/jpeg")),
    ];
    let create = Change::Create { key: EntityKey::new(Kind::Attachment, id), fields };
    device.borrow_mut().run(Command::Edit { workspace, changes: vec![create] });
    device.borrow_mut().found = vec![Found { id, bytes, whole: false, thumbnail: None, tried: false }];
    let mut screen = Screen::new(&device, egui::vec2(1440.0, 900.0), Theme::Dark);
    let ctx = screen.harness.ctx.clone();
    screen.harness.state_mut().carry_out(&ctx, AppCommand::Open(task));
    screen.harness.run_steps(8);
    (screen, id)
}

#[test]
fn what_is_not_here_yet_says_so_and_can_be_fetched() {
    let (mut screen, id) = attached_elsewhere(0);
    assert!(screen.shows("leak.jpg, 4.8 MB · not on this device yet"));
    screen.click_waiting("Fetch leak.jpg");
    assert!(screen.shows("leak.jpg, 4.8 MB · waiting for a device that has it"));
    assert!(!screen.shows("Fetch leak.jpg"), "it is being done");
    assert!(screen.unnamed().is_empty(), "{:?}", screen.unnamed());
    screen.device.borrow_mut().found =
        vec![Found { id, bytes: 4_800_000, whole: true, thumbnail: None, tried: false }];
    screen.device.borrow_mut().pass(1_000);
    screen.harness.run_steps(8);
    assert!(screen.shows("leak.jpg, 4.8 MB"));
    assert!(screen.shows("Save leak.jpg"));
}

#[test]
fn what_is_on_its_way_shows_how_far_it_is() {
    let (screen, _) = attached_elsewhere(1_200_000);
    assert!(screen.shows("leak.jpg, 1.2 MB of 4.8 MB"));
}

#[test]
fn the_storage_is_shown_from_the_palette() {
    let (mut screen, _) = Screen::sample();
    screen.device.borrow_mut().space = Some(Space {
        changes: 1_200_000,
        index: 300_000,
        attachments: 48_000_000,
        pending: 0,
        deleted: 2_000_000,
        largest: vec![("walk.mp4".into(), 40_000_000)],
        free: Some(12_000_000_000),
        fetching: Fetching::Viewed,
    });
    screen.control(egui::Key::K);
    screen.fill_in("Search", "storage");
    screen.press(egui::Key::Enter);
    for words in
        ["Storage on this device", "48 MB", "walk.mp4", "2.0 MB", "12 GB", "Drop deleted attachments"]
    {
        assert!(screen.shows(words), "{words}");
    }
    assert!(screen.unnamed().is_empty(), "{:?}", screen.unnamed());
}
