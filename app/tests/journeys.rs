//! Whole ways through the app, by accessible name, on the real replica.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

#[path = "support/screen.rs"]
mod screen;
#[path = "support/world.rs"]
mod world;

use egui::{Key, Theme, Vec2};
use egui_kittest::kittest::Queryable;
use screen::Screen;
use velo_protocol::{
    change::Change,
    id::{EntityId, WorkspaceId},
    model::{EntityKey, Kind, task},
    value::{Date, Value},
    workspace::Workspace,
};
use world::{Device, join, meet, part, talk};

const SIZE: Vec2 = Vec2::new(1440.0, 900.0);

fn task_titled(workspace: &Workspace, title: &str) -> EntityId {
    let mut tasks = workspace.shown(Kind::Task).filter_map(|id| workspace.task(id));
    tasks.find(|task| task.title == title).unwrap_or_else(|| panic!("no task \"{title}\"")).id
}

fn column_name(workspace: &Workspace, task: EntityId) -> String {
    let column = workspace.column_of(task).unwrap();
    workspace.text(EntityKey::new(Kind::Column, column), velo_protocol::model::column::NAME).to_owned()
}

/// A board of one project with two tasks, at a device that has the workspace open.
fn small_board() -> (Screen, WorkspaceId) {
    let device = Device::new(1);
    let workspace = device.borrow_mut().found("Workshop", "Anna Berg");
    let mut screen = Screen::new(&device, SIZE, Theme::Dark);
    screen.click("New project");
    screen.fill_in("Name", "Garden shed");
    screen.click("Create project");
    for title in ["Fix pump", "Order paint"] {
        screen.press(Key::C);
        screen.fill_in("Describe the task", title);
        screen.press(Key::Enter);
    }
    (screen, workspace)
}

#[test]
fn from_the_first_start_to_the_first_task() {
    let device = Device::new(1);
    let mut screen = Screen::new(&device, SIZE, Theme::Dark);
    assert!(screen.shows("Welcome to Velo"));
    screen.fill_in("Your name", "Anna Berg");
    screen.fill_in("Workspace name", "Workshop");
    screen.click("Create workspace");
    assert!(screen.shows("Column To do"));
    screen.press(Key::C);
    screen.fill_in("Describe the task", "Fix pump");
    screen.press(Key::Enter);
    assert!(screen.shows("Fix pump"), "the card is on the board");
    let id = screen.harness.state().model().workspace.as_ref().unwrap().id();
    let workspace = device.borrow().workspace(id);
    assert_eq!(workspace.name(), "Workshop");
    assert_eq!(column_name(&workspace, task_titled(&workspace, "Fix pump")), "To do");
}

#[test]
fn the_sample_board_is_one_click_away() {
    let device = Device::new(1);
    let mut screen = Screen::new(&device, SIZE, Theme::Dark);
    screen.click("Try with a sample board");
    let workspace = screen.harness.state().model().workspace.clone().unwrap();
    assert!(workspace.shown(Kind::Task).count() > 10);
    assert!(screen.harness.state().view().board.columns.len() > 2);
}

#[test]
fn a_card_is_dragged_across_columns() {
    let (mut screen, id) = small_board();
    let (from, to) = (screen.place("Fix pump"), screen.place("Column Doing"));
    screen.harness.drag_at(from);
    screen.harness.run();
    screen.harness.hover_at(from + egui::vec2(40.0, 10.0));
    screen.harness.run();
    screen.harness.hover_at(to + egui::vec2(0.0, 60.0));
    screen.harness.run();
    screen.harness.drop_at(to + egui::vec2(0.0, 60.0));
    screen.harness.run();
    let workspace = screen.device.borrow().workspace(id);
    assert_eq!(column_name(&workspace, task_titled(&workspace, "Fix pump")), "Doing");
    assert!(screen.harness.state().view().dragged.is_none());
    screen.control(Key::Z);
    let workspace = screen.device.borrow().workspace(id);
    assert_eq!(column_name(&workspace, task_titled(&workspace, "Fix pump")), "To do", "undone");
}

#[test]
fn a_card_is_moved_by_keyboard() {
    let (mut screen, id) = small_board();
    screen.press(Key::J);
    let shift = egui::Modifiers::COMMAND | egui::Modifiers::SHIFT;
    screen.harness.key_press_modifiers(shift, Key::ArrowRight);
    screen.harness.run();
    let workspace = screen.device.borrow().workspace(id);
    assert_eq!(workspace.tasks(workspace.columns(workspace.projects()[0])[1]).len(), 1);
}

#[test]
fn a_task_is_edited_in_its_detail() {
    let (mut screen, id) = small_board();
    screen.click("Fix pump");
    screen.fill_in("Title", " today");
    screen.press(Key::Enter);
    screen.fill_in("Description", "It **leaks**.");
    screen.fill_in("New checklist item", "Shut the valve");
    screen.press(Key::Enter);
    screen.fill_in("New comment", "Who has the key?");
    screen.click("Comment");
    screen.click("Priority: No priority");
    screen.click("High");
    screen.click("Due: No due date");
    screen.click("Tomorrow");
    let workspace = screen.device.borrow().workspace(id);
    let task = task_titled(&workspace, "Fix pump today");
    let view = workspace.task(task).unwrap();
    assert_eq!((view.description, view.priority), ("It **leaks**.", 3));
    assert_eq!(view.due, Some(&Date::Day(20_780)));
    assert_eq!(workspace.checklist(task).len(), 1);
    assert_eq!(workspace.comments(task).len(), 1);
    screen.click("Shut the valve");
    let workspace = screen.device.borrow().workspace(id);
    let item = EntityKey::new(Kind::ChecklistItem, workspace.checklist(task)[0]);
    assert!(workspace.value(item, &velo_protocol::model::checklist_item::DONE.into()).unwrap().is_true());
}

#[test]
fn a_deleted_task_comes_back_with_undo() {
    let (mut screen, id) = small_board();
    screen.click("Fix pump");
    screen.click("Delete task");
    assert!(!screen.shows("Fix pump"));
    screen.control(Key::Z);
    let workspace = screen.device.borrow().workspace(id);
    task_titled(&workspace, "Fix pump");
}

#[test]
fn quick_add_shows_what_it_understood() {
    let (mut screen, id) = small_board();
    screen.press(Key::C);
    screen.fill_in("Describe the task", "Fix roof @anna #urgent !2 tomorrow");
    for chip in ["Anna Berg", "urgent (new)", "Medium", "Tomorrow"] {
        assert!(screen.shows(chip), "{chip}");
    }
    screen.press(Key::Enter);
    let workspace = screen.device.borrow().workspace(id);
    let task = task_titled(&workspace, "Fix roof");
    let view = workspace.task(task).unwrap();
    assert_eq!((view.priority, view.due), (2, Some(&Date::Day(20_780))));
    let key = EntityKey::new(Kind::Task, task);
    assert_eq!(workspace.elements(key, task::ASSIGNEES).len(), 1);
    assert_eq!(workspace.elements(key, task::LABELS).len(), 1);
}

#[test]
fn letters_are_commands_only_outside_of_text_fields() {
    let (mut screen, _) = small_board();
    screen.press(Key::C);
    screen.fill_in("Describe the task", "c");
    screen.press(Key::C);
    assert!(screen.shows("Describe the task"));
    screen.press(Key::Escape);
    screen.press(Key::Escape);
    assert!(!screen.harness.state().view().is_covered());
    screen.control(Key::K);
    assert!(screen.harness.state().view().picker.is_some());
}

/// Ben's device, in the workspace of `screen`, apart from it.
fn ben(screen: &Screen, id: WorkspaceId) -> world::Shared {
    let ben = Device::new(7);
    join(&ben, "Ben Moss", &screen.device, id);
    ben
}

#[test]
fn a_conflict_is_told_in_a_sentence_and_resolved() {
    let (mut screen, id) = small_board();
    let ben = ben(&screen, id);
    part(&ben, &screen.device);
    let pump = task_titled(&ben.borrow().workspace(id), "Fix pump");
    let key = EntityKey::new(Kind::Task, pump);
    let set = |title: &str| Change::Set { key, slot: task::TITLE.into(), value: Value::text(title) };
    ben.borrow_mut().edit(id, vec![set("Replace pump")]);
    screen.device.borrow_mut().edit(id, vec![set("Fix pump at noon")]);
    meet(&ben, &screen.device);
    screen.harness.run();
    screen.click("Conflicts");
    assert!(screen.shows_part("You and Ben Moss changed the title at the same time."));
    assert!(screen.shows("Keep mine"));
    screen.click("Keep Ben Moss’s");
    assert!(screen.shows("Nothing to decide"));
    let workspace = screen.device.borrow().workspace(id);
    assert_eq!(workspace.task(pump).unwrap().title, "Replace pump");
    talk(&ben, &screen.device);
    assert_eq!(ben.borrow().workspace(id).state_hash(), screen.device.borrow().workspace(id).state_hash());
}

#[test]
fn what_was_added_to_a_deleted_project_is_found_and_put_elsewhere() {
    let (mut screen, id) = small_board();
    let ben = ben(&screen, id);
    part(&ben, &screen.device);
    let project = ben.borrow().workspace(id).projects()[0];
    ben.borrow_mut().edit(id, vec![Change::Delete { key: EntityKey::new(Kind::Project, project) }]);
    screen.press(Key::C);
    screen.fill_in("Describe the task", "Buy nails");
    screen.press(Key::Enter);
    assert!(!screen.shows("Without project"));
    meet(&ben, &screen.device);
    screen.harness.run();
    screen.click("Without project");
    let lost = task_titled(&screen.device.borrow().workspace(id), "Buy nails");
    let short = screen.device.borrow().workspace(id).short_id(lost);
    assert_eq!(short, "GS-3", "numbered in the project that it was added to");
    screen.click("Buy nails");
    assert!(screen.shows("Close"), "its detail is open");
    screen.press(Key::Escape);
    screen.click("Add project");
    screen.fill_in("Name", "Fence");
    screen.click("Create project");
    screen.click("Without project");
    screen.click("Buy nails");
    screen.press(Key::S);
    screen.press(Key::Enter);
    let workspace = screen.device.borrow().workspace(id);
    assert_eq!(column_name(&workspace, task_titled(&workspace, "Buy nails")), "To do");
    assert!(screen.shows("Every task has its project"));
    screen.press(Key::Escape);
    screen.press(Key::C);
    screen.fill_in("Describe the task", "Dig holes");
    screen.press(Key::Enter);
    assert!(screen.shows("Dig holes") && screen.shows("Buy nails"), "the project is shown");
    assert!(!screen.shows("Without project"), "nothing is lost any more");
}

#[test]
fn a_project_deleted_while_others_add_to_it_is_brought_back() {
    let (mut screen, id) = small_board();
    let ben = ben(&screen, id);
    part(&ben, &screen.device);
    let project = ben.borrow().workspace(id).projects()[0];
    ben.borrow_mut().edit(id, vec![Change::Delete { key: EntityKey::new(Kind::Project, project) }]);
    screen.press(Key::C);
    screen.fill_in("Describe the task", "Buy nails");
    screen.press(Key::Enter);
    meet(&ben, &screen.device);
    screen.harness.run();
    screen.click("Conflicts");
    assert!(screen.shows_part("Ben Moss deleted this project while you worked on something in it."));
    assert!(screen.shows("Delete what is left in it"), "it says what it takes");
    screen.click("Bring it back");
    assert!(screen.shows("Nothing to decide"));
    screen.click("Garden shed");
    assert!(screen.shows("Fix pump") && screen.shows("Buy nails"), "with all that was in it");
}

#[test]
fn deleting_what_another_edits_is_told() {
    let (mut screen, id) = small_board();
    let ben = ben(&screen, id);
    part(&ben, &screen.device);
    let pump = task_titled(&ben.borrow().workspace(id), "Fix pump");
    let key = EntityKey::new(Kind::Task, pump);
    ben.borrow_mut().edit(id, vec![Change::Delete { key }]);
    let title = Value::text("Fix pump at noon");
    screen.device.borrow_mut().edit(id, vec![Change::Set { key, slot: task::TITLE.into(), value: title }]);
    meet(&ben, &screen.device);
    screen.harness.run();
    screen.click("Conflicts");
    assert!(screen.shows_part("Ben Moss deleted this task while you edited it."));
    screen.click("Delete it");
    assert!(screen.harness.state().model().conflicts.is_empty());
    screen.press(Key::G);
    screen.press(Key::B);
    assert!(screen.shows("Order paint") && !screen.shows("Fix pump at noon"));
}

#[test]
fn the_sync_chip_names_who_is_there() {
    let (mut screen, id) = small_board();
    assert!(screen.shows("Sync: No peers yet"));
    let ben = ben(&screen, id);
    screen.harness.run();
    assert!(screen.shows("Sync: 1 peer · Ben Moss is up to date"));
    screen.click("Peers");
    assert!(screen.shows_part("Has everything, and so have we"));
    part(&ben, &screen.device);
    screen.harness.run();
    assert!(screen.shows_part("Sync: Ben Moss · last seen"));
}

#[test]
fn a_bad_ticket_is_explained() {
    let device = Device::new(1);
    let mut screen = Screen::new(&device, SIZE, Theme::Dark);
    screen.fill_in("Your name", "Anna Berg");
    screen.click("I have a ticket");
    screen.fill_in("Ticket", "hello");
    screen.click("Join");
    assert!(screen.shows_part("This is not a ticket"));
    let (mut screen, _) = small_board();
    screen.control(Key::K);
    screen.fill_in("Type a command, or the name of a task or project", "join by");
    screen.press(Key::Enter);
    screen.fill_in("Ticket", "velo1abcdefgh");
    screen.click("Join");
    assert!(screen.shows_part("copy it again"));
}

#[test]
fn an_invitation_is_a_ticket_that_works() {
    let (mut screen, id) = small_board();
    screen.click("Peers");
    screen.click("Invite somebody");
    screen.click("Make ticket");
    let ticket = screen.ticket();
    assert_eq!(ticket.workspace, id);
    let other = Device::new(9);
    let mut theirs = Screen::new(&other, SIZE, Theme::Light);
    theirs.fill_in("Your name", "Ben Moss");
    theirs.click("I have a ticket");
    theirs.fill_in("Ticket", &ticket.to_string());
    theirs.click("Join");
    meet(&other, &screen.device);
    theirs.harness.run();
    assert!(theirs.shows("Fix pump"));
}

#[test]
fn everything_interactive_has_a_name() {
    let (mut screen, _) = Screen::sample();
    let mut unnamed = screen.unnamed();
    let first = screen.harness.state().view().board.columns[0].tasks[0];
    let title =
        screen.harness.state().model().workspace.as_ref().unwrap().task(first).unwrap().title.to_owned();
    screen.click(&title);
    unnamed.extend(screen.unnamed());
    screen.press(Key::Escape);
    screen.click("List");
    unnamed.extend(screen.unnamed());
    screen.click("Peers");
    unnamed.extend(screen.unnamed());
    screen.control(Key::K);
    unnamed.extend(screen.unnamed());
    assert!(unnamed.is_empty(), "{unnamed:#?}");
}

#[test]
fn a_deleted_task_is_restored_from_the_palette() {
    let (mut screen, id) = small_board();
    screen.click("Fix pump");
    screen.press(Key::Delete);
    screen.control(Key::K);
    screen.fill_in("Type a command, or the name of a task or project", "restore");
    screen.press(Key::Enter);
    screen.click("Fix pump");
    let workspace = screen.device.borrow().workspace(id);
    task_titled(&workspace, "Fix pump");
}

#[test]
fn a_workspace_that_cannot_be_opened_is_no_first_start() {
    let device = Device::new(1);
    device.borrow_mut().troubles.push("A workspace could not be opened: record.json is damaged".into());
    let mut screen = Screen::new(&device, SIZE, Theme::Dark);
    assert!(!screen.shows("Welcome to Velo"));
    assert!(screen.shows("Your work cannot be shown") && screen.shows_part("record.json is damaged"));
    assert!(screen.unnamed().is_empty());
    screen.click("Begin another workspace");
    assert!(screen.shows("Welcome to Velo"));
}

#[test]
fn what_cannot_be_saved_is_said_as_long_as_it_lasts() {
    let (mut screen, _) = small_board();
    let words = "Saving failed: the disk is full";
    screen.device.borrow_mut().troubles.push(words.into());
    screen.harness.run();
    assert!(screen.shows(words));
    screen.click("Peers");
    assert!(screen.shows(words));
    screen.device.borrow_mut().troubles.clear();
    screen.harness.run();
    assert!(!screen.shows(words));
}

#[test]
fn nobody_is_called_me_for_good() {
    let device = Device::new(1);
    let mut screen = Screen::new(&device, SIZE, Theme::Dark);
    screen.click("Try with a sample board");
    assert_eq!(device.borrow().name, None);
    screen.control(Key::K);
    screen.fill_in("Type a command, or the name of a task or project", "new workspace");
    screen.press(Key::Enter);
    screen.fill_in("Name", "Workshop");
    screen.press(Key::Enter);
    assert!(screen.shows("Your name"), "it is asked for");
    screen.fill_in("Your name", "Anna Berg");
    screen.click("Create workspace");
    assert_eq!(device.borrow().name.as_deref(), Some("Anna Berg"));
    let workspace = screen.harness.state().model().workspace.clone().unwrap();
    assert_eq!((workspace.name(), workspace.members()[0].name.as_str()), ("Workshop", "Anna Berg"));
}

#[test]
fn a_name_that_is_known_is_filled_in() {
    let device = Device::new(1);
    device.borrow_mut().name = Some("Anna Berg".into());
    let mut screen = Screen::new(&device, SIZE, Theme::Dark);
    assert_eq!(screen.harness.state().view().onboarding.name, "Anna Berg");
    screen.click("Try with a sample board");
    screen.control(Key::K);
    screen.fill_in("Type a command, or the name of a task or project", "join by");
    screen.press(Key::Enter);
    assert!(screen.shows("Ticket") && !screen.shows("Your name"));
}

#[test]
fn the_window_does_not_wait_for_the_story_of_a_task() {
    let (mut screen, _) = small_board();
    screen.device.borrow_mut().slow = 1;
    screen.harness.get_by_label("Fix pump").click();
    screen.harness.run_steps(4);
    assert!(screen.shows("Delete task") && screen.harness.state().view().story.told.is_empty());
    screen.device.borrow_mut().slow = 0;
    screen.harness.run();
    assert!(!screen.harness.state().view().story.told.is_empty());
}
