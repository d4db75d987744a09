//! Who is in and what they may do: whole ways through the app, on the real replica.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

#[path = "support/screen.rs"]
mod screen;
#[path = "support/world.rs"]
mod world;

use egui::{Key, Theme, Vec2};
use egui_kittest::kittest::Queryable;
use screen::Screen;
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use velo_app::{
    command::AppCommand,
    view::{phrase::Words, standing::Place, state::Dialog},
};
use velo_node::qr;
use velo_protocol::{
    access::Role,
    id::WorkspaceId,
    model::Kind,
    replica::{Command, Reply},
    root::Root,
};
use world::{Device, Shared, join_as, meet, part, talk, ticket};

const SIZE: Vec2 = Vec2::new(1440.0, 900.0);

/// Anna's sample board, and somebody who has joined it.
fn two(role: Role) -> (Screen, Shared, WorkspaceId) {
    let anna = Device::new(1);
    let id = anna.borrow_mut().found("Workshop", "Anna Berg");
    anna.borrow_mut().fill(id);
    let ben = Device::new(7);
    join_as(role, &ben, "Ben Moss", &anna, id);
    (Screen::new(&anna, SIZE, Theme::Dark), ben, id)
}

fn role_of(device: &Shared, of: &Shared, id: WorkspaceId) -> Option<Role> {
    device.borrow().workspace(id).roster().role_of(of.borrow().person())
}

fn members(screen: &mut Screen) {
    screen.press(Key::G);
    screen.press(Key::M);
}

fn first_title(screen: &Screen) -> String {
    let state = screen.harness.state();
    let task = state.view().board.columns.iter().find_map(|column| column.tasks.first()).copied().unwrap();
    state.model().workspace.as_ref().unwrap().task(task).unwrap().title.to_owned()
}

#[test]
fn the_members_page_tells_who_is_in() {
    let (mut screen, ben, id) = two(Role::Member);
    members(&mut screen);
    assert!(screen.shows_part("Anna Berg, you: owner. Joined today"));
    assert!(screen.shows_part("Ben Moss: member"));
    let (own, theirs) = (screen.device.borrow().device().short(), ben.borrow().device().short());
    assert!(screen.shows(&format!("Device {own}: This device")));
    let words = ben.borrow().device().words();
    assert!(screen.shows(&format!("Words of device {theirs}: {words}")));
    assert!(screen.shows(&format!("Ben Moss: Words: {}", ben.borrow().person().words())));
    assert!(screen.shows(&format!("Device {theirs}: Connected")));
    part(&ben, &screen.device);
    screen.harness.run();
    assert!(screen.shows_part(&format!("Device {theirs}: Last seen")));
    assert!(screen.shows_part("Member ticket: Expires Sun 29 Nov 10:00 · made by you"));
    assert!(!screen.shows("Former people"), "nobody has gone");
    screen.device.borrow_mut().pass(8 * 24 * 3_600_000);
    screen.harness.run();
    assert!(screen.shows_part("Member ticket: Expired "), "it says so, and can be withdrawn");
    assert!(screen.unnamed().is_empty(), "{:?}", screen.unnamed());
    assert_eq!(screen.harness.state().model().members.people.len(), 2);
    assert_eq!(screen.device.borrow().workspace(id).members().len(), 2);
}

#[test]
fn a_role_is_changed() {
    let (mut screen, ben, id) = two(Role::Member);
    members(&mut screen);
    screen.click("Role of Ben Moss: member");
    assert!(screen.shows("Owner") && screen.shows("Viewer") && screen.unnamed().is_empty());
    screen.click("Viewer");
    assert!(screen.shows("Role of Ben Moss: viewer"));
    talk(&ben, &screen.device);
    assert_eq!(role_of(&ben, &ben, id), Some(Role::Viewer));
    screen.click("Role of Ben Moss: viewer");
    screen.click("Admin");
    assert_eq!(role_of(&screen.device, &ben, id), Some(Role::Admin));
    assert!(screen.shows("Ben Moss is an admin now"));
}

#[test]
fn who_may_not_change_roles_is_told_who_can() {
    let (screen, ben, _) = two(Role::Member);
    let mut theirs = Screen::new(&ben, SIZE, Theme::Light);
    members(&mut theirs);
    assert!(!theirs.shows("Remove…") && theirs.shows("Leave…"));
    let people = &theirs.harness.state().model().members.people;
    let why = people[0].roles.as_ref().unwrap_err();
    assert_eq!(why, "Only owners change what owners and admins may do: ask Anna Berg.");
    theirs.harness.get_by_label("Role of Anna Berg: owner").hover();
    theirs.harness.run();
    theirs.click("Invite somebody");
    assert!(!theirs.shows("Make ticket"), "it is disabled");
    drop(screen);
}

#[test]
fn somebody_is_removed_after_an_explanation() {
    let (mut screen, ben, id) = two(Role::Member);
    let pinned = ticket(&screen.device, id, Role::Viewer);
    members(&mut screen);
    screen.click("Remove…");
    assert!(screen.shows("Remove Ben Moss?"));
    for part in [
        "What Ben Moss’s devices wrote that has not reached this device yet has no effect",
        "Ben Moss keeps what they have read so far",
        "All 2 open tickets are withdrawn",
        "can be let in again",
    ] {
        assert!(screen.shows_part(part), "{part}");
    }
    screen.click("Cancel");
    assert_eq!(role_of(&screen.device, &ben, id), Some(Role::Member));
    screen.click("Remove…");
    screen.click("Remove Ben Moss");
    assert_eq!(role_of(&screen.device, &ben, id), None);
    let open = screen.device.borrow().workspace(id).roster().invites.clone();
    assert!(open.iter().all(|open| open.id != pinned.invite), "the ticket is withdrawn too");
    screen.click("Former people");
    assert!(screen.shows("Ben Moss: Removed by Anna Berg"));
    assert!(screen.unnamed().is_empty());
}

#[test]
fn who_was_removed_hears_of_it_and_is_let_in_again() {
    let (mut screen, ben, id) = two(Role::Member);
    let mut theirs = Screen::new(&ben, SIZE, Theme::Light);
    let person = ben.borrow().person();
    screen.device.borrow_mut().run(Command::SetRole { workspace: id, person, role: None });
    talk(&ben, &screen.device);
    theirs.harness.run();
    assert!(theirs.shows_part("Anna Berg removed you from this workspace: what you do here reaches nobody"));
    assert!(!theirs.shows("New task") && !theirs.shows("Add column"));
    screen.harness.run();
    members(&mut screen);
    screen.click("Former people");
    screen.click("Let in again…");
    screen.click("Member");
    talk(&ben, &screen.device);
    theirs.harness.run();
    assert_eq!(role_of(&ben, &ben, id), Some(Role::Member));
    assert!(!theirs.shows_part("removed you") && theirs.shows("New task"));
}

/// Ben, who was removed and did two things before he heard of it.
fn worked_on() -> (Screen, Shared, WorkspaceId) {
    let (screen, ben, id) = two(Role::Member);
    part(&ben, &screen.device);
    let person = ben.borrow().person();
    screen.device.borrow_mut().run(Command::SetRole { workspace: id, person, role: None });
    let mut theirs = Screen::new(&ben, SIZE, Theme::Light);
    for text in ["Buy brushes", "Call the painter"] {
        theirs.press(Key::C);
        theirs.fill_in("Describe the task", text);
        theirs.press(Key::Enter);
    }
    assert!(theirs.shows("Buy brushes"));
    meet(&ben, &screen.device);
    (screen, ben, id)
}

fn let_in(screen: &Screen, ben: &Shared, id: WorkspaceId) {
    let (person, role) = (ben.borrow().person(), Some(Role::Member));
    screen.device.borrow_mut().run(Command::SetRole { workspace: id, person, role });
    talk(ben, &screen.device);
}

#[test]
fn what_was_done_while_out_is_told_and_posted_again() {
    let (screen, ben, id) = worked_on();
    let mut theirs = Screen::new(&ben, SIZE, Theme::Light);
    assert!(theirs.shows_part("2 of your changes came after that, and have no effect"));
    assert!(!theirs.shows("Buy brushes") && !theirs.shows("Post them again"));
    let_in(&screen, &ben, id);
    theirs.harness.run();
    assert!(theirs.shows("2 changes you made while you were out have no effect."));
    assert!(theirs.unnamed().is_empty(), "{:?}", theirs.unnamed());
    theirs.click("Post them again");
    assert!(theirs.shows("Buy brushes") && theirs.shows("Call the painter") && theirs.shows("Posted again"));
    assert!(!theirs.shows_part("while you were out"));
    talk(&ben, &screen.device);
    let tasks = |device: &Shared| device.borrow().workspace(id).shown(Kind::Task).count();
    assert_eq!(tasks(&ben), tasks(&screen.device));
    theirs.control(Key::Z);
    assert!(!theirs.shows("Buy brushes") && !theirs.shows("Call the painter"), "it is one step");
    assert!(!theirs.shows_part("while you were out"), "and is not offered again");
}

#[test]
fn what_was_done_while_out_is_let_go_after_a_question() {
    let (screen, ben, id) = worked_on();
    let_in(&screen, &ben, id);
    let mut theirs = Screen::new(&ben, SIZE, Theme::Dark);
    theirs.click("Leave them…");
    assert!(theirs.shows("Leave these 2 changes?") && theirs.unnamed().is_empty());
    theirs.click("Cancel");
    assert!(theirs.shows_part("while you were out"));
    theirs.click("Leave them…");
    theirs.click("Leave without effect");
    assert!(!theirs.shows_part("while you were out") && !theirs.shows("Buy brushes"));
}

#[test]
fn a_viewer_sees_no_editing_controls() {
    let (screen, ben, id) = two(Role::Viewer);
    drop(screen);
    let before = ben.borrow().workspace(id).state_hash();
    let mut theirs = Screen::new(&ben, SIZE, Theme::Dark);
    assert!(theirs.shows_part("You are a viewer here: you can read everything, and change nothing"));
    let title = first_title(&theirs);
    theirs.click(&title);
    for control in [
        "New task",
        "Add column",
        "Add project",
        "Undo",
        "Redo",
        "Delete task",
        "New comment",
        "Comment",
        "Title",
        "Description",
        "Edit description",
        "New checklist item",
    ] {
        assert!(!theirs.shows(control), "{control}");
    }
    assert!(!theirs.shows_part("Add task to"));
    assert!(theirs.shows("Copy id") && theirs.shows_part("Priority: "));
    theirs.press(Key::Escape);
    for key in [Key::C, Key::S, Key::Delete, Key::E] {
        theirs.press(key);
        assert!(!theirs.harness.state().view().is_covered(), "{key:?}");
    }
    assert!(theirs.shows_part("You are a viewer here"), "and why is said");
    theirs.control(Key::K);
    assert!(theirs.shows("Members") && !theirs.shows("Set status") && !theirs.shows("New project"));
    theirs.press(Key::Escape);
    assert_eq!(ben.borrow().workspace(id).state_hash(), before);
    assert!(theirs.unnamed().is_empty());
}

#[test]
fn a_viewer_drags_nothing() {
    let (_screen, ben, id) = two(Role::Viewer);
    let mut theirs = Screen::new(&ben, SIZE, Theme::Dark);
    let before = ben.borrow().workspace(id).state_hash();
    let from = theirs.place(&first_title(&theirs));
    theirs.harness.drag_at(from);
    theirs.harness.run();
    theirs.harness.hover_at(from + egui::vec2(300.0, 40.0));
    theirs.harness.run();
    assert!(theirs.harness.state().view().dragged.is_none());
    theirs.harness.drop_at(from + egui::vec2(300.0, 40.0));
    theirs.harness.run();
    assert_eq!(ben.borrow().workspace(id).state_hash(), before);
}

#[test]
fn a_ticket_is_withdrawn_and_its_holder_hears_why() {
    let anna = Device::new(1);
    let id = anna.borrow_mut().found("Workshop", "Anna Berg");
    let mut screen = Screen::new(&anna, SIZE, Theme::Dark);
    let ticket = ticket(&anna, id, Role::Member);
    screen.harness.run();
    members(&mut screen);
    assert!(screen.shows_part("Nobody else is in yet"));
    screen.click("Withdraw");
    assert!(anna.borrow().workspace(id).roster().invites.is_empty());
    assert!(screen.shows("Ticket withdrawn") && screen.shows_part("No ticket is open"));
    let ben = Device::new(7);
    let mut theirs = Screen::new(&ben, SIZE, Theme::Light);
    theirs.fill_in("Your name", "Ben Moss");
    theirs.click("I have a ticket");
    theirs.fill_in("Ticket", &ticket.to_string());
    assert!(theirs.shows_part(&anna.borrow().person().words()), "he can ask Anna for her words");
    theirs.click("Join");
    assert!(theirs.shows_part("Waiting for a device of the workspace"));
    assert!(theirs.shows("Nothing has arrived yet") && theirs.unnamed().is_empty());
    meet(&ben, &anna);
    theirs.harness.run();
    assert!(theirs.shows("Join a workspace"), "the dialog asks for another one");
    assert!(theirs.shows_part("The ticket was withdrawn: ask for a new one."));
    let another = world::ticket(&anna, id, Role::Member);
    theirs.fill_in("Ticket", &another.to_string());
    theirs.click("Join");
    talk(&ben, &anna);
    theirs.harness.run();
    assert_eq!(role_of(&anna, &ben, id), Some(Role::Member));
    assert!(!theirs.shows_part("withdrawn") && theirs.harness.state().model().standing.may_edit());
}

#[test]
fn somebody_is_invited_as_a_viewer() {
    let (mut screen, ben, id) = two(Role::Member);
    part(&ben, &screen.device);
    members(&mut screen);
    screen.click("Invite somebody");
    screen.click("Viewer");
    screen.click("1 day");
    assert!(screen.unnamed().is_empty());
    screen.click("Make ticket");
    assert!(screen.shows("QR code of the ticket") && screen.shows_part("can join as a viewer."));
    assert!(screen.harness.get_by_label("QR code of the ticket").rect().width() >= 220.0);
    let ticket = screen.ticket();
    assert!(screen.unnamed().is_empty());
    screen.click("Copy ticket");
    screen.click("Done");
    let open = screen.device.borrow().workspace(id).roster().invites.clone();
    assert!(open.iter().any(|open| open.id == ticket.invite && open.role == Role::Viewer));
    let carl = Device::new(9);
    carl.borrow_mut().run(Command::Join { ticket, person_name: "Carl Dahl".into() });
    meet(&carl, &screen.device);
    assert_eq!(role_of(&screen.device, &carl, id), Some(Role::Viewer));
}

#[test]
fn one_leaves_and_reads_on() {
    let (screen, ben, id) = two(Role::Member);
    let mut theirs = Screen::new(&ben, SIZE, Theme::Dark);
    members(&mut theirs);
    theirs.click("Leave…");
    assert!(theirs.shows("Leave this workspace?") && theirs.shows_part("ask an owner or an admin"));
    theirs.click("Leave workspace");
    assert!(theirs.shows_part("You left this workspace"));
    talk(&ben, &screen.device);
    assert_eq!(role_of(&screen.device, &ben, id), None);
    assert!(ben.borrow().workspace(id).shown(Kind::Task).count() > 0);
}

#[test]
fn an_only_owner_cannot_leave_or_step_down() {
    let (mut screen, ben, id) = two(Role::Member);
    members(&mut screen);
    screen.click("Leave…");
    assert!(!screen.shows("Leave this workspace?"));
    screen.click("Role of Ben Moss: member");
    screen.click("Owner");
    assert_eq!(role_of(&screen.device, &ben, id), Some(Role::Owner));
    screen.click("Role of Anna Berg: owner");
    screen.click("Member");
    assert!(
        screen.shows("Become a member?") && screen.shows_part("Only an owner can make you an owner again")
    );
    screen.click("Become a member");
    assert_eq!(screen.harness.state().model().standing.place, Place::In(Role::Member));
}

#[test]
fn a_device_is_unlinked_after_an_explanation() {
    let anna = Device::new(1);
    anna.borrow_mut().found("Workshop", "Anna Berg");
    let tablet = Device::of(1, 60).borrow().device();
    anna.borrow_mut().linked.push(tablet);
    let mut screen = Screen::new(&anna, SIZE, Theme::Dark);
    members(&mut screen);
    assert!(screen.shows(&format!("Device {}: Not met yet", tablet.short())));
    let buttons: Vec<_> = screen.harness.query_all_by_label("Unlink…").collect();
    assert_eq!(buttons.len(), 2);
    buttons[1].click();
    screen.harness.run();
    assert!(screen.shows(&format!("Unlink device {}?", tablet.short())));
    assert!(screen.shows_part("if it was lost") && screen.unnamed().is_empty());
    screen.click("Unlink device");
    assert!(screen.shows_part("That is none of your devices"), "the core has the last word");
}

fn code_of(new: &Shared) -> String {
    match new.borrow_mut().run(Command::ShowLinkCode { addresses: Vec::new() }) {
        Reply::LinkCode(code) => code.to_string(),
        other => panic!("{other:?}"),
    }
}

fn devices(screen: &Screen) -> usize {
    screen.harness.state().model().members.people[0].devices.len()
}

#[test]
fn a_device_is_linked_by_its_code() {
    let (mut screen, id) = Screen::sample();
    let new = Device::new(9);
    members(&mut screen);
    screen.click("Link a device…");
    assert!(screen.shows_part("Start Velo on the new device") && screen.unnamed().is_empty());
    screen.fill_in("Link code", "velo1abc");
    screen.click("Link device");
    assert!(screen.shows_part("This is not a link code"));
    screen.click("Cancel");
    screen.click("Link a device…");
    let code = code_of(&new);
    let (first, rest) = code.split_at(30);
    screen.fill_in("Link code", &format!("{first}\n{rest}\n"));
    screen.click_waiting("Link device");
    assert!(screen.shows("Looking for the device…") && screen.unnamed().is_empty());
    meet(&screen.device, &new);
    screen.harness.run();
    assert!(screen.shows_part("is one of yours now"));
    screen.click("Done");
    assert_eq!(devices(&screen), 2);
    assert_eq!(new.borrow().person(), screen.device.borrow().person());
    assert_eq!(new.borrow().workspace(id).name(), "Workshop");
}

#[test]
fn a_device_that_is_not_reached_leaves_its_code() {
    let (mut screen, _) = Screen::sample();
    let code = code_of(&Device::new(9));
    members(&mut screen);
    for closed in [false, true] {
        screen.click("Link a device…");
        screen.fill_in("Link code", &code);
        screen.click_waiting("Link device");
        if closed {
            screen.click_waiting("Cancel");
        }
        screen.device.borrow_mut().pass(61_000);
        screen.harness.run();
        assert!(screen.shows_part("The new device was not reached"), "{closed}");
        let Dialog::Link(link) = &screen.harness.state().view().dialog else { panic!("no dialog") };
        assert_eq!(link.text, code);
        screen.click("Cancel");
    }
    assert_eq!(devices(&screen), 1);
}

#[test]
fn the_reminder_goes_when_the_words_are_confirmed() {
    let (mut screen, _) = Screen::sample();
    assert!(!screen.shows("Write down your 24 words"));
    let right = Root::from_seed([7; 32]).phrase();
    screen.device.borrow_mut().phrase = Some(Words(right.clone()));
    screen.harness.run();
    screen.click("Write down your 24 words");
    let first = format!("1. {}", right.split(' ').next().unwrap());
    assert!(!screen.shows(&first) && screen.unnamed().is_empty(), "not before they are asked for");
    screen.click("Show the words");
    assert!(screen.shows(&first));
    let last = format!("24. {}", right.split(' ').next_back().unwrap());
    assert!(screen.shows(&last) && screen.unnamed().is_empty());
    screen.click("I have written them down");
    assert!(!screen.shows(&first) && screen.unnamed().is_empty());
    screen.fill_in("The 24 words", "zoo zoo");
    screen.click("Confirm");
    assert!(screen.shows_part("A phrase has 24 words, and this has 2"));
    screen.click("Cancel");
    screen.click("Write down your 24 words");
    screen.click("Show the words");
    screen.click("I have written them down");
    screen.fill_in("The 24 words", &right);
    screen.click("Confirm");
    assert!(!screen.shows("Write down your 24 words") && !screen.shows("Your 24 words"));
    assert!(screen.shows_part("Your 24 words are confirmed"));
}

#[test]
fn a_new_device_shows_its_code_and_is_taken_in() {
    let (old, id) = Screen::sample();
    let mut new = Screen::new(&Device::new(9), SIZE, Theme::Light);
    new.click("I use Velo on another device");
    assert!(new.shows("QR code of this device") && new.unnamed().is_empty());
    let code = new.harness.state().view().onboarding.code.clone().unwrap();
    new.click("Copy code");
    let code = code.text.parse().unwrap();
    // It is answered when the new device has been met.
    old.device.borrow_mut().begin(Command::Link { code });
    meet(&old.device, &new.device);
    new.harness.run();
    assert_eq!(new.harness.state().model().workspace.as_ref().unwrap().id(), id);
    assert!(new.shows_part("This device is yours now"));
    assert_eq!(new.device.borrow().name.as_deref(), Some("Anna Berg"), "it is noted");
    assert!(!new.harness.state().view().board.columns.is_empty());
}

#[test]
fn the_24_words_bring_somebody_back() {
    let (old, id) = Screen::sample();
    let mut new = Screen::new(&Device::new(9), SIZE, Theme::Dark);
    let right = Root::from_seed([1; 32]).phrase();
    new.click("I lost my devices");
    assert!(new.unnamed().is_empty());
    new.fill_in("The 24 words", &right.replacen(right.split(' ').next().unwrap(), "abandn", 1));
    new.click("Bring me back");
    assert!(new.shows_part("Word 1, \"abandn\", is not in the list of words"));
    new.click("I have a ticket");
    new.click("I lost my devices");
    new.harness.get_by_label("The 24 words").focus();
    new.harness.run();
    new.control(Key::A);
    new.fill_in("The 24 words", &right);
    new.click("Bring me back");
    assert!(new.shows_part("Looking for a device of your team…"));
    meet(&old.device, &new.device);
    new.harness.run();
    assert_eq!(new.harness.state().model().workspace.as_ref().unwrap().id(), id);
    assert_eq!(new.device.borrow().person(), old.device.borrow().person());
    assert_eq!(new.device.borrow().name.as_deref(), Some("Anna Berg"), "it is noted");
}

/// A picture of a code, as `velo invite --png` makes it, in a file.
fn picture_of(code: &str, dir: &TempDir) -> PathBuf {
    let path = dir.path().join("code.png");
    std::fs::write(&path, qr::png(&qr::matrix(code).unwrap()).unwrap()).unwrap();
    path
}

fn drop_file(screen: &mut Screen, path: &Path) {
    let file = egui::DroppedFile { path: Some(path.to_owned()), ..egui::DroppedFile::default() };
    screen.harness.input_mut().dropped_files.push(file);
    screen.harness.run();
}

#[test]
fn a_ticket_is_read_from_a_picture_that_is_dropped_at_the_first_start() {
    let anna = Device::new(1);
    let id = anna.borrow_mut().found("Workshop", "Anna Berg");
    let dir = tempfile::tempdir().unwrap();
    let path = picture_of(&ticket(&anna, id, Role::Member).to_string(), &dir);
    let ben = Device::new(7);
    let mut theirs = Screen::new(&ben, SIZE, Theme::Light);
    drop_file(&mut theirs, &dir.path().join("code.jpg"));
    assert!(theirs.shows_part("cannot be opened") && theirs.shows_part("Check where the picture lies"));
    assert!(theirs.unnamed().is_empty(), "{:?}", theirs.unnamed());
    drop_file(&mut theirs, &path);
    assert!(theirs.shows("The ticket was read from the picture") && !theirs.shows_part("cannot be opened"));
    theirs.fill_in("Your name", "Ben Moss");
    theirs.click("Join");
    meet(&ben, &anna);
    assert_eq!(role_of(&anna, &ben, id), Some(Role::Member));
}

#[test]
fn the_join_dialog_reads_a_picture_by_its_path_and_says_what_is_wrong_with_others() {
    let (mut screen, ben, id) = two(Role::Member);
    let dir = tempfile::tempdir().unwrap();
    let other = Device::new(9);
    let theirs = other.borrow_mut().found("Garden", "Carl Dahl");
    screen.harness.state_mut().carry_out(
        &egui::Context::default(),
        AppCommand::OpenDialog(Dialog::Join { text: String::new(), problem: None }),
    );
    screen.harness.run();
    screen.click("From a picture…");
    let text = dir.path().join("notes.png");
    std::fs::write(&text, "no picture").unwrap();
    let code = picture_of(&code_of(&Device::new(11)), &dir);
    for (path, told) in [
        (text.clone(), "This is not a picture that can be read, PNG or JPEG"),
        (dir.path().to_owned(), "is not a file: choose a picture"),
        (code, "The QR code in the picture is no ticket for Velo"),
    ] {
        screen.fill_in("Where the picture lies", path.to_str().unwrap());
        screen.click("Read picture");
        assert!(screen.shows_part(told), "{told}");
        screen.harness.get_by_label("Where the picture lies").focus();
        screen.harness.run();
        screen.control(Key::A);
        screen.press(Key::Delete);
    }
    let path = picture_of(&ticket(&other, theirs, Role::Member).to_string(), &dir);
    screen.fill_in("Where the picture lies", path.to_str().unwrap());
    screen.press(Key::Enter);
    assert!(screen.shows("The ticket was read from the picture"));
    screen.click("Join");
    assert_eq!(screen.harness.state().model().workspaces.len(), 2);
    drop((ben, id));
}

#[test]
fn a_device_is_linked_by_a_picture_of_its_code() {
    let (mut screen, _) = Screen::sample();
    let new = Device::new(9);
    let dir = tempfile::tempdir().unwrap();
    let path = picture_of(&code_of(&new), &dir);
    drop_file(&mut screen, &path);
    assert!(!screen.harness.state().view().is_covered(), "nothing asks for a picture here");
    members(&mut screen);
    screen.click("Link a device…");
    drop_file(&mut screen, &path);
    assert!(screen.shows("The code was read from the picture"));
    screen.click_waiting("Link device");
    meet(&screen.device, &new);
    screen.harness.run();
    assert!(screen.shows_part("is one of yours now"));
}
