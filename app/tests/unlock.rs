//! A passphrase over the keys: set in the app, asked for at the start, taken away again. On a real
//! node, with its key file on the disk.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

use egui_kittest::{Harness, kittest::Queryable};
use std::{path::Path, time::Duration};
use tempfile::TempDir;
use velo_app::{
    bridge::door::{self, NodeDoor, Running, Slot},
    command::AppCommand,
    start::Start,
    view::state::Page,
};
use velo_node::{
    data_dir,
    handle::NodeConfig,
    keystore::{Place, Standing},
};

const PASSPHRASE: &str = "correct horse battery";

fn config(dir: &TempDir) -> NodeConfig {
    let config = NodeConfig::offline(dir.path().join("data"));
    NodeConfig { state_dir: Some(dir.path().join("state")), ..config }
}

fn standing(dir: &TempDir) -> Standing {
    Standing::of(&data_dir::keys(&dir.path().join("data"))).unwrap()
}

/// The window in front of a door.
struct Window {
    harness: Harness<'static, Start>,
    slot: Slot,
}

impl Window {
    fn locked(dir: &TempDir) -> Self {
        let (ctx, slot) = (egui::Context::default(), Slot::default());
        let door = NodeDoor::new(config(dir), ctx, slot.clone());
        Self::of(Start::locked(Box::new(door), "/home/anna/velo".into(), None), slot)
    }

    fn of(start: Start, slot: Slot) -> Self {
        let builder = Harness::builder().with_size(egui::vec2(1280.0, 800.0));
        let mut harness = builder.build_ui_state(|ui, start: &mut Start| start.frame(ui), start);
        harness.step();
        Self { harness, slot }
    }

    fn open(dir: &TempDir) -> Self {
        let slot = Slot::default();
        let running = Running::start(config(dir)).unwrap();
        slot.put(running);
        let data = dir.path().join("data");
        let ctx = egui::Context::default();
        let bridge = velo_app::bridge::node::NodeBridge::new(slot.handle().unwrap(), &data, ctx).unwrap();
        let app = velo_app::app::VeloApp::installed(Box::new(bridge));
        Self::of(Start::open(app), slot)
    }

    fn close(self) {
        drop(self.harness);
        self.slot.take().unwrap().stop().unwrap();
    }

    fn shows(&self, part: &str) -> bool {
        self.harness.query_all_by_label_contains(part).next().is_some()
    }

    #[track_caller]
    fn wait(&mut self, part: &str) {
        for _ in 0..2_000 {
            self.harness.step();
            if self.shows(part) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("it did not come: {part}");
    }

    fn steps(&mut self) {
        for _ in 0..4 {
            self.harness.step();
        }
    }

    #[track_caller]
    fn click(&mut self, name: &str) {
        self.harness.get_by_label(name).click();
        self.steps();
    }

    #[track_caller]
    fn fill_in(&mut self, name: &str, text: &str) {
        self.harness.get_by_label(name).focus();
        self.steps();
        self.harness.get_by_label(name).type_text(text);
        self.steps();
    }

    fn carry_out(&mut self, command: AppCommand) {
        let ctx = self.harness.ctx.clone();
        self.harness.state_mut().app().expect("it is open").carry_out(&ctx, command);
        self.steps();
    }

    fn keys(&mut self) {
        self.carry_out(AppCommand::ShowPage(Page::Members));
        self.wait("Keys of this device…");
        self.click("Keys of this device…");
        self.wait("The keys of this device");
    }
}

/// A device with a workspace, its keys under the passphrase, set in the app.
fn sealed(dir: &TempDir) {
    let mut window = Window::open(dir);
    let (workspace, person) = ("Workshop".to_owned(), "Anna".to_owned());
    window.carry_out(AppCommand::Found { workspace, person, sample: false });
    window.wait("First project");
    window.keys();
    assert!(window.shows("without a passphrase") && window.shows("data/keys"));
    window.click("Set a passphrase…");
    window.fill_in("New passphrase", PASSPHRASE);
    window.fill_in("New passphrase again", "correct horse");
    window.click("Set passphrase");
    assert!(window.shows("The two are not the same"));
    assert!(!standing(dir).passphrase);
    window.fill_in("New passphrase again", PASSPHRASE);
    window.click("Set passphrase");
    window.wait("The passphrase is set");
    window.close();
}

fn holds(folder: &Path, text: &str) -> bool {
    let files = std::fs::read_dir(folder).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
    files.into_iter().any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
}

#[test]
fn the_window_asks_for_the_passphrase_and_opens() {
    let dir = tempfile::tempdir().unwrap();
    assert!(!door::is_locked(&dir.path().join("data")), "a first start is not locked");
    sealed(&dir);
    assert!(door::is_locked(&dir.path().join("data")));
    assert!(standing(&dir).passphrase && standing(&dir).place == Place::File);
    assert!(!holds(&data_dir::keys(&dir.path().join("data")), PASSPHRASE));
    let mut window = Window::locked(&dir);
    window.wait("Velo is locked");
    assert!(!window.shows("First project"));
    window.fill_in("Passphrase", "correct horse");
    window.click("Unlock");
    window.wait("That is not the passphrase of this device. Try again");
    assert!(window.slot.handle().is_none(), "nothing runs");
    window.click("I forgot it");
    assert!(window.shows("24 words") && window.shows("/home/anna/velo"));
    window.fill_in("Passphrase", PASSPHRASE);
    window.harness.key_press(egui::Key::Enter);
    window.wait("First project");
    assert!(window.slot.handle().is_some());
    window.close();
}

#[test]
fn the_passphrase_is_changed_and_removed_by_who_knows_it() {
    let dir = tempfile::tempdir().unwrap();
    sealed(&dir);
    let mut window = Window::locked(&dir);
    window.fill_in("Passphrase", PASSPHRASE);
    window.click("Unlock");
    window.wait("First project");
    window.keys();
    assert!(window.shows("under a passphrase"));
    window.click("Change it…");
    for (now, new, told) in [
        ("battery", "another passphrase", "The passphrase is wrong: try again"),
        (PASSPHRASE, "short", "A passphrase has 8 letters at least"),
        (PASSPHRASE, "another passphrase", "The passphrase is changed"),
    ] {
        window.fill_in("Passphrase now", now);
        window.fill_in("New passphrase", new);
        window.fill_in("New passphrase again", new);
        window.click("Change passphrase");
        window.wait(told);
    }
    window.keys();
    window.click("Remove it…");
    window.fill_in("Passphrase now", "another passphrase");
    window.click("Remove passphrase");
    window.wait("The passphrase is removed");
    assert!(!standing(&dir).passphrase);
    window.close();
    assert!(!door::is_locked(&dir.path().join("data")));
}

/// What else keeps a node from starting is told on the page, too.
#[test]
fn a_directory_in_use_is_told_and_can_be_tried_again() {
    let dir = tempfile::tempdir().unwrap();
    sealed(&dir);
    let held = data_dir::DataDir::open(&dir.path().join("data")).unwrap();
    let mut window = Window::locked(&dir);
    window.fill_in("Passphrase", PASSPHRASE);
    window.click("Unlock");
    window.wait("is in use");
    drop(held);
    window.fill_in("Passphrase", PASSPHRASE);
    window.click("Unlock");
    window.wait("First project");
    window.close();
}
