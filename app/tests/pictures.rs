//! Pictures of every page, dark and light, rendered in software and compared with those kept.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

#[path = "support/screen.rs"]
mod screen;
#[path = "support/world.rs"]
mod world;

use egui::{Key, Theme, Vec2};
use egui_kittest::{SnapshotOptions, SnapshotResults};
use screen::Screen;
use velo_protocol::{
    change::Change,
    id::EntityId,
    model::{EntityKey, Kind, task},
    value::Value,
    workspace::Workspace,
};
use world::{Device, join, meet, part};

const SIZE: Vec2 = Vec2::new(1280.0, 800.0);

const DAMAGED: &str = "A workspace could not be opened: \
    /home/anna/.local/share/velo/workspaces/3f9a6c1e2b7d/record.json is damaged (EOF while parsing an object)";
const FULL: &str =
    "Saving failed, and nothing can be changed until Velo is started again: no space left on device";

fn nth_task(workspace: &Workspace, at: usize) -> EntityId {
    let project = workspace.projects()[0];
    let tasks = workspace.columns(project).into_iter().flat_map(|column| workspace.tasks(column));
    tasks.into_iter().nth(at).unwrap()
}

fn picture(screen: &mut Screen, name: &str) {
    // Rasterisers of different versions differ by a few pixels along curves.
    let options = SnapshotOptions::new().threshold(1.0).failed_pixel_count_threshold(400);
    screen.harness.snapshot_options(name, &options);
}

fn in_both_themes(name: &str, prepare: impl Fn(Theme) -> Screen) {
    let mut results = SnapshotResults::new();
    for (theme, suffix) in [(Theme::Dark, "dark"), (Theme::Light, "light")] {
        let mut screen = prepare(theme);
        picture(&mut screen, &format!("{name}_{suffix}"));
        results.extend_harness(&mut screen.harness);
    }
}

/// The sample board at Anna's, with Ben connected.
fn workshop(theme: Theme) -> (Screen, world::Shared, velo_protocol::id::WorkspaceId) {
    let anna = Device::new(1);
    let id = anna.borrow_mut().found("Workshop", "Anna Berg");
    anna.borrow_mut().fill(id);
    let ben = Device::new(7);
    join(&ben, "Ben Moss", &anna, id);
    (Screen::new(&anna, SIZE, theme), ben, id)
}

#[test]
fn first_start() {
    in_both_themes("first_start", |theme| Screen::new(&Device::new(1), SIZE, theme));
}

#[test]
fn troubles() {
    in_both_themes("troubles", |theme| {
        let device = Device::new(1);
        device.borrow_mut().troubles.push(DAMAGED.into());
        Screen::new(&device, SIZE, theme)
    });
}

#[test]
fn troubles_over_the_board() {
    in_both_themes("troubles_banner", |theme| {
        let screen = workshop(theme).0;
        screen.device.borrow_mut().troubles.extend([FULL.to_owned(), DAMAGED.to_owned()]);
        let mut screen = screen;
        screen.harness.run();
        screen
    });
}

#[test]
fn board() {
    in_both_themes("board", |theme| workshop(theme).0);
}

#[test]
fn list() {
    in_both_themes("list", |theme| {
        let mut screen = workshop(theme).0;
        screen.click("List");
        screen.harness.remove_cursor();
        screen.harness.run();
        screen
    });
}

#[test]
fn without_project() {
    in_both_themes("without_project", |theme| {
        let (mut screen, ben, id) = workshop(theme);
        part(&ben, &screen.device);
        let project = ben.borrow().workspace(id).projects()[0];
        ben.borrow_mut().edit(id, vec![Change::Delete { key: EntityKey::new(Kind::Project, project) }]);
        for text in ["Buy nails !3 tomorrow", "Ask about the roof"] {
            screen.press(Key::C);
            screen.fill_in("Describe the task", text);
            screen.press(Key::Enter);
        }
        meet(&ben, &screen.device);
        screen.harness.run();
        screen.click("Without project");
        screen.harness.remove_cursor();
        screen.harness.run();
        screen
    });
}

#[test]
fn detail() {
    in_both_themes("detail", |theme| {
        let (mut screen, _, id) = workshop(theme);
        let workspace = screen.device.borrow().workspace(id);
        let rich = workspace.shown(Kind::Task).max_by_key(|task| {
            (workspace.checklist(*task).len().min(1), workspace.comments(*task).len(), *task)
        });
        let title = workspace.task(rich.unwrap()).unwrap().title.to_owned();
        screen.press(Key::Slash);
        screen.fill_in("Search tasks", &title);
        screen.press(Key::Enter);
        screen
    });
}

#[test]
fn conflicts() {
    in_both_themes("conflicts", |theme| {
        let (mut screen, ben, id) = workshop(theme);
        part(&ben, &screen.device);
        let workspace = screen.device.borrow().workspace(id);
        let (first, second) = (nth_task(&workspace, 1), nth_task(&workspace, 3));
        let set = |task, title: &str| {
            let key = EntityKey::new(Kind::Task, task);
            Change::Set { key, slot: task::TITLE.into(), value: Value::text(title) }
        };
        let delete = Change::Delete { key: EntityKey::new(Kind::Task, second) };
        ben.borrow_mut().edit(id, vec![set(first, "Replace the blade and the guard"), delete]);
        screen
            .device
            .borrow_mut()
            .edit(id, vec![set(first, "Replace the blade"), set(second, "Call back today")]);
        meet(&ben, &screen.device);
        screen.harness.run();
        screen.click("Conflicts");
        screen
    });
}

#[test]
fn peers() {
    in_both_themes("peers", |theme| {
        let mut screen = workshop(theme).0;
        screen.click("Peers");
        screen
    });
}

#[test]
fn palette() {
    in_both_themes("palette", |theme| {
        let mut screen = workshop(theme).0;
        screen.control(Key::K);
        screen
    });
}

#[test]
fn quick_add() {
    in_both_themes("quick_add", |theme| {
        let mut screen = workshop(theme).0;
        screen.press(Key::C);
        screen.fill_in("Describe the task", "Fix pump @benoît #urgent !3 tomorrow");
        screen
    });
}
