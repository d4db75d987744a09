//! What people type is never lost: not when the window closes, not when saving is refused, and not
//! when somebody else saves at the same time.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

#[path = "support/screen.rs"]
mod screen;
#[path = "support/world.rs"]
mod world;

use egui::{Key, Theme, Vec2};
use egui_kittest::kittest::Queryable;
use screen::Screen;
use velo_app::{
    command::AppCommand,
    view::{detail::Typed, state::Dialog, state::View},
};
use velo_protocol::{
    change::Change,
    id::{EntityId, WorkspaceId},
    model::{EntityKey, Field, Kind, project, task},
    value::Value,
    workspace::Workspace,
};
use world::{Device, join, talk};

const SIZE: Vec2 = Vec2::new(1440.0, 900.0);

/// More than a text may have.
fn too_long() -> String {
    "word ".repeat(5_000)
}

fn pump(workspace: &Workspace) -> EntityId {
    workspace.shown(Kind::Task).next().unwrap()
}

/// A board with the task "Fix pump", open in the detail.
fn open_task() -> (Screen, WorkspaceId) {
    let device = Device::new(1);
    let workspace = device.borrow_mut().found("Workshop", "Anna Berg");
    let mut screen = Screen::new(&device, SIZE, Theme::Dark);
    screen.click("New project");
    screen.fill_in("Name", "Garden shed");
    screen.click("Create project");
    screen.press(Key::C);
    screen.fill_in("Describe the task", "Fix pump");
    screen.press(Key::Enter);
    screen.click("Fix pump");
    (screen, workspace)
}

fn description(screen: &Screen, id: WorkspaceId) -> String {
    let workspace = screen.device.borrow().workspace(id);
    workspace.task(pump(&workspace)).unwrap().description.to_owned()
}

fn view(screen: &Screen) -> &View {
    screen.harness.state().view()
}

fn typed(screen: &Screen) -> &Typed {
    &view(screen).detail.typed
}

/// Takes the focus out of the field.
fn leave(screen: &mut Screen) {
    screen.click("Activity");
}

fn close_window(screen: &mut Screen) {
    eframe::App::on_exit(screen.harness.state_mut(), None);
}

#[test]
fn a_text_is_saved_when_the_window_closes() {
    let (mut screen, id) = open_task();
    screen.fill_in("Description", "It leaks.");
    assert_eq!(description(&screen, id), "");
    screen.device.borrow_mut().slow = 3;
    close_window(&mut screen);
    assert_eq!(description(&screen, id), "It leaks.");
    assert_eq!(screen.device.borrow().pauses.get(), 3, "the answer was waited for");
}

#[test]
fn the_end_does_not_wait_for_what_is_only_read() {
    let (mut screen, _) = open_task();
    screen.harness.run_steps(8);
    screen.device.borrow_mut().slow = usize::MAX;
    let ctx = screen.harness.ctx.clone();
    screen.harness.state_mut().carry_out(&ctx, AppCommand::ShowStorage);
    close_window(&mut screen);
    assert_eq!(screen.device.borrow().pauses.get(), 0);
}

/// Closes the window as a person does. Returns whether it stays open, and whether it closes by itself.
fn ask_to_close(screen: &mut Screen) -> (bool, bool) {
    let viewport = screen.harness.input_mut().viewports.entry(egui::ViewportId::ROOT).or_default();
    viewport.events.push(egui::ViewportEvent::Close);
    closes(screen)
}

fn closes(screen: &mut Screen) -> (bool, bool) {
    screen.harness.step();
    let output = &screen.harness.output().viewport_output[&egui::ViewportId::ROOT];
    let has = |command| output.commands.contains(&command);
    (has(egui::ViewportCommand::CancelClose), has(egui::ViewportCommand::Close))
}

#[test]
fn the_window_says_that_it_waits_and_closes_when_all_is_saved() {
    let (mut screen, id) = open_task();
    screen.harness.run_steps(8);
    assert_eq!(ask_to_close(&mut screen), (false, false), "nothing is saved");
    screen.fill_in("Description", "It leaks.");
    screen.device.borrow_mut().slow = usize::MAX;
    assert_eq!(ask_to_close(&mut screen), (true, false));
    assert_eq!(closes(&mut screen), (false, false));
    assert!(screen.shows("Saving. The window closes when that is done; close it once more to leave now."));
    screen.device.borrow_mut().slow = 0;
    assert_eq!(closes(&mut screen), (false, true));
    assert_eq!(description(&screen, id), "It leaks.");
}

#[test]
fn the_end_does_not_wait_for_ever() {
    let (mut screen, _) = open_task();
    screen.fill_in("Description", "It leaks.");
    screen.device.borrow_mut().slow = usize::MAX;
    close_window(&mut screen);
    assert!(screen.device.borrow().pauses.get() < 1_000);
}

#[test]
fn a_text_is_saved_when_another_page_is_shown() {
    let (mut screen, id) = open_task();
    screen.fill_in("Description", "It leaks.");
    screen.click("Peers");
    assert_eq!(description(&screen, id), "It leaks.");
}

#[test]
fn a_text_goes_to_its_own_workspace_when_another_one_is_shown() {
    let (mut screen, id) = open_task();
    let other = screen.device.borrow_mut().found("Home", "Anna Berg");
    screen.fill_in("Description", "It leaks.");
    let ctx = screen.harness.ctx.clone();
    screen.harness.state_mut().carry_out(&ctx, AppCommand::ShowWorkspace(other));
    screen.harness.run();
    assert_eq!(description(&screen, id), "It leaks.");
}

#[test]
fn unsent_lines_wait_where_they_were_typed() {
    let (mut screen, id) = open_task();
    screen.press(Key::Escape);
    screen.press(Key::C);
    screen.fill_in("Describe the task", "Order paint");
    screen.press(Key::Enter);
    screen.click("Fix pump");
    screen.fill_in("New checklist item", "Shut the valve");
    screen.fill_in("New comment", "Who has the key?");
    screen.press(Key::Escape);
    screen.press(Key::Escape);
    assert_eq!(view(&screen).open, None);
    screen.click("Order paint");
    assert_eq!(typed(&screen).comment, "");
    screen.press(Key::Escape);
    screen.click("Fix pump");
    assert_eq!(typed(&screen).new_item, "Shut the valve");
    screen.click("Comment");
    let workspace = screen.device.borrow().workspace(id);
    let commented = workspace.shown(Kind::Task).filter(|task| workspace.comments(*task).len() == 1);
    assert_eq!(commented.count(), 1);
}

#[test]
fn a_refused_description_stays() {
    let (mut screen, _) = open_task();
    screen.fill_in("Description", &too_long());
    leave(&mut screen);
    assert!(screen.shows_part("Not saved yet"));
    assert!(typed(&screen).description.text == too_long());
    screen.press(Key::Escape);
    assert_eq!(view(&screen).open, None);
    screen.click("Fix pump");
    assert!(typed(&screen).description.text == too_long(), "also after the task was left");
}

#[test]
fn a_refused_title_can_be_mended() {
    let (mut screen, id) = open_task();
    screen.fill_in("Title", &too_long()[..600]);
    screen.press(Key::Enter);
    assert!(screen.shows_part("Not saved yet"));
    assert!(typed(&screen).title.text.len() > 500);
    screen.harness.get_by_label("Title").focus();
    screen.control(Key::A);
    screen.fill_in("Title", "Replace pump");
    screen.press(Key::Enter);
    assert!(!screen.shows_part("Not saved yet"));
    let workspace = screen.device.borrow().workspace(id);
    assert_eq!(workspace.task(pump(&workspace)).unwrap().title, "Replace pump");
}

#[test]
fn a_refusal_leaves_other_texts_alone() {
    let (mut screen, _) = open_task();
    screen.fill_in("Description", "It leaks.");
    screen.device.borrow_mut().full = true;
    let delete = Change::Delete { key: EntityKey::new(Kind::Task, EntityId([9; 16])) };
    let ctx = screen.harness.ctx.clone();
    let edit = AppCommand::Edit { changes: vec![delete], done: String::new() };
    screen.harness.state_mut().carry_out(&ctx, edit);
    screen.harness.run();
    assert!(!view(&screen).toasts.shown().is_empty(), "it was refused");
    assert_eq!(typed(&screen).description.text, "It leaks.");
}

#[test]
fn refused_lines_come_back_into_their_fields() {
    let (mut screen, _) = open_task();
    screen.device.borrow_mut().full = true;
    screen.fill_in("New checklist item", "Shut the valve");
    screen.press(Key::Enter);
    assert_eq!(typed(&screen).new_item, "Shut the valve");
    screen.fill_in("New comment", "Who has the key?");
    screen.click("Comment");
    assert_eq!(typed(&screen).comment, "Who has the key?");
}

#[test]
fn refused_dialogs_open_again_with_what_was_typed() {
    let (mut screen, _) = open_task();
    let long = "Order paint ".repeat(60);
    screen.press(Key::Escape);
    screen.press(Key::C);
    screen.fill_in("Describe the task", &long);
    screen.press(Key::Enter);
    assert_eq!(view(&screen).dialog, Dialog::QuickAdd { column: None, text: long.clone() });
    screen.press(Key::Escape);
    screen.press(Key::Escape);
    screen.click("Add project");
    screen.fill_in("Name", &long);
    screen.click("Create project");
    assert!(matches!(&view(&screen).dialog, Dialog::Name { text, .. } if text == long.trim()));
}

#[test]
fn a_dialog_says_what_is_wrong_with_an_address_or_a_ticket() {
    let (mut screen, id) = open_task();
    let invite = velo_protocol::replica::Command::Invite {
        workspace: id,
        role: velo_protocol::access::Role::Member,
        single_use: false,
        expires_ms: world::MORNING_MS * 2,
        addresses: Vec::new(),
    };
    let velo_protocol::replica::Reply::Ticket(ticket) = screen.device.borrow_mut().run(invite) else {
        panic!("no ticket");
    };
    screen.click("Peers");
    screen.click("Add by address");
    screen.fill_in("Address", "/ip4/10.0.0.1/tcp/1");
    screen.click("Connect");
    assert!(screen.shows_part("cannot be reached from a test"));
    assert!(matches!(&view(&screen).dialog, Dialog::AddPeer { text, .. } if text == "/ip4/10.0.0.1/tcp/1"));
    screen.click("Cancel");
    screen.control(Key::K);
    screen.fill_in("Type a command, or the name of a task or project", "join by");
    screen.press(Key::Enter);
    screen.fill_in("Ticket", &ticket.to_string());
    screen.click("Join");
    let dialog = &view(&screen).dialog;
    assert!(
        matches!(dialog, Dialog::Join { problem: Some(why), .. } if why.contains("already")),
        "{dialog:?}"
    );
}

/// Ben, connected, in the workspace of `screen`.
fn ben(screen: &Screen, id: WorkspaceId) -> world::Shared {
    let ben = Device::new(7);
    join(&ben, "Ben Moss", &screen.device, id);
    ben
}

/// Ben sets a text of the task, and it arrives.
fn ben_writes(screen: &mut Screen, ben: &world::Shared, id: WorkspaceId, field: Field, text: &str) {
    let key = EntityKey::new(Kind::Task, pump(&ben.borrow().workspace(id)));
    let value = Value::text(text);
    ben.borrow_mut().edit(id, vec![Change::Set { key, slot: field.into(), value }]);
    talk(ben, &screen.device);
    screen.harness.run();
}

#[test]
fn a_title_that_a_colleague_saves_while_one_types_becomes_a_conflict() {
    let (mut screen, id) = open_task();
    let ben = ben(&screen, id);
    screen.harness.run();
    screen.fill_in("Title", " today");
    let title = typed(&screen).title.text.clone();
    assert!(title.contains("Fix pump") && title.contains(" today"), "{title}");
    ben_writes(&mut screen, &ben, id, task::TITLE, "Replace pump");
    assert_eq!(typed(&screen).title.text, title);
    leave(&mut screen);
    let workspace = screen.device.borrow().workspace(id);
    let key = EntityKey::new(Kind::Task, pump(&workspace));
    assert_eq!(workspace.live(key, &task::TITLE.into()).len(), 2);
    assert!(screen.shows("Conflicts"));
}

#[test]
fn a_description_that_a_colleague_writes_in_while_one_types_is_merged() {
    let (mut screen, id) = open_task();
    screen.fill_in("Description", "It leaks. Order a seal.");
    leave(&mut screen);
    let ben = ben(&screen, id);
    screen.harness.run();
    screen.click("Edit description");
    screen.fill_in("Description", " Soon.");
    let typing = typed(&screen).description.text.clone();
    assert!(typing.contains("It leaks.") && typing.contains(" Soon."), "{typing}");
    ben_writes(&mut screen, &ben, id, task::DESCRIPTION, "It leaks badly. Order a seal.");
    let merged = typing.replace("It leaks.", "It leaks badly.");
    assert_eq!(typed(&screen).description.text, merged);
    // The caret stays with the words that it stood behind.
    screen.fill_in("Description", " Today.");
    let merged = merged.replace(" Soon.", " Soon. Today.");
    assert_eq!(typed(&screen).description.text, merged);
    leave(&mut screen);
    assert_eq!(description(&screen, id), merged);
    talk(&ben, &screen.device);
    assert_eq!(
        ben.borrow().workspace(id).task(pump(&ben.borrow().workspace(id))).unwrap().description,
        merged
    );
    assert!(screen.harness.state().model().conflicts.is_empty());
    // Who goes on writing does so in the merged text.
    screen.harness.run();
    assert_eq!(typed(&screen).description.text, merged);
}

#[test]
fn ones_own_saves_are_no_conflict() {
    let (mut screen, id) = open_task();
    for text in ["It leaks.", " Badly.", " Since noon."] {
        if screen.shows("Edit description") {
            screen.click("Edit description");
        }
        screen.fill_in("Description", text);
        leave(&mut screen);
    }
    assert_eq!(description(&screen, id).len(), "It leaks. Badly. Since noon.".len());
    assert!(screen.harness.state().model().conflicts.is_empty());
}

#[test]
fn a_colleagues_new_name_is_not_lost_to_a_slower_one() {
    let (mut screen, id) = open_task();
    let ben = ben(&screen, id);
    let shed = screen.harness.state().model().projects[0].0;
    let dialog =
        Dialog::name(velo_app::view::state::NamePurpose::RenameProject(shed), "Garden shed".to_owned());
    let ctx = screen.harness.ctx.clone();
    screen.harness.state_mut().carry_out(&ctx, AppCommand::OpenDialog(dialog));
    screen.harness.run();
    let key = EntityKey::new(Kind::Project, shed);
    let name = Value::text("Summer house");
    ben.borrow_mut().edit(id, vec![Change::Set { key, slot: project::NAME.into(), value: name }]);
    talk(&ben, &screen.device);
    screen.fill_in("Name", " at the lake");
    screen.click("Rename");
    assert_eq!(screen.device.borrow().workspace(id).live(key, &project::NAME.into()).len(), 2);
}
