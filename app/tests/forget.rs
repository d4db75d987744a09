//! A workspace that the person is not in is removed from the device: whole ways through the app.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

#[path = "support/screen.rs"]
mod screen;
#[path = "support/world.rs"]
mod world;

use egui::{Key, Theme, Vec2};
use egui_kittest::kittest::Queryable;
use screen::Screen;
use velo_app::view::{standing::Place, state::Dialog};
use velo_protocol::{access::Role, id::WorkspaceId, replica::Command};
use world::{Device, Shared, join, join_as, meet, part, talk, ticket};

const SIZE: Vec2 = Vec2::new(1440.0, 900.0);
const OFFER: &str = "Remove from this device…";
const DONE: &str = "Remove from this device";

/// Anna's workshop, which Ben has joined, and his window.
fn two() -> (Shared, Screen, WorkspaceId) {
    let anna = Device::new(1);
    let id = anna.borrow_mut().found("Workshop", "Anna Berg");
    anna.borrow_mut().fill(id);
    let ben = Device::new(7);
    join_as(Role::Member, &ben, "Ben Moss", &anna, id);
    (anna, Screen::new(&ben, SIZE, Theme::Dark), id)
}

fn set_role(anna: &Shared, ben: &Screen, workspace: WorkspaceId, role: Option<Role>) {
    let person = ben.device.borrow().person();
    anna.borrow_mut().run(Command::SetRole { workspace, person, role });
}

fn has(screen: &Screen, workspace: WorkspaceId) -> bool {
    screen.harness.state().model().workspace.as_ref().is_some_and(|shown| shown.id() == workspace)
}

#[test]
fn who_was_removed_removes_it_and_is_let_in_again() {
    let (anna, mut ben, id) = two();
    ben.control(Key::K);
    assert!(!ben.shows_part("Remove this workspace"), "who is in leaves first");
    ben.press(Key::Escape);
    set_role(&anna, &ben, id, None);
    talk(&ben.device, &anna);
    ben.harness.run();
    ben.click(OFFER);
    assert!(ben.shows("Remove this workspace from this device?") && ben.shows_part("files on this device"));
    assert!(ben.shows("The others keep what they have.") && ben.unnamed().is_empty());
    ben.click("Cancel");
    assert!(has(&ben, id), "nothing was done");
    ben.click(OFFER);
    ben.click(DONE);
    assert!(ben.shows("Welcome to Velo") && ben.shows_part("was removed from this device"));
    assert!(ben.harness.state().model().workspace.is_none());
    talk(&ben.device, &anna);
    ben.harness.run();
    assert!(ben.shows("Welcome to Velo"), "it does not come back");

    part(&ben.device, &anna);
    set_role(&anna, &ben, id, Some(Role::Member));
    let ticket = ticket(&anna, id, Role::Member);
    ben.click("I have a ticket");
    ben.fill_in("Your name", "Ben Moss");
    ben.fill_in("Ticket", &ticket.to_string());
    ben.click("Join");
    meet(&ben.device, &anna);
    ben.harness.run();
    assert!(has(&ben, id) && ben.harness.state().model().standing.may_edit());
}

#[test]
fn another_workspace_is_shown_then() {
    let (anna, mut ben, id) = two();
    part(&ben.device, &anna);
    let other = anna.borrow_mut().found("Garden", "Anna Berg");
    join(&ben.device, "Ben Moss", &anna, other);
    set_role(&anna, &ben, id, None);
    talk(&ben.device, &anna);
    ben.harness.run();
    assert!(has(&ben, id), "the one that was shown before");
    ben.control(Key::K);
    ben.fill_in("Type a command, or the name of a task or project", "remove this");
    ben.press(Key::Enter);
    ben.click(DONE);
    assert!(has(&ben, other) && !ben.shows("Welcome to Velo"));
    assert!(!ben.shows_part("removed you"));
}

#[test]
fn a_ticket_that_waits_is_given_up() {
    let anna = Device::new(1);
    let id = anna.borrow_mut().found("Workshop", "Anna Berg");
    let ben = Device::new(7);
    let ticket = ticket(&anna, id, Role::Member);
    ben.borrow_mut().run(Command::Join { ticket: ticket.clone(), person_name: "Ben Moss".into() });
    let mut screen = Screen::new(&ben, SIZE, Theme::Light);
    assert!(screen.shows("Nothing has arrived yet"));
    screen.click(OFFER);
    assert!(screen.shows_part("the ticket is given up"));
    screen.click(DONE);
    assert!(screen.shows("Welcome to Velo"));
    meet(&ben, &anna);
    assert_eq!(anna.borrow().workspace(id).members().len(), 1);
    assert!(screen.harness.state().model().workspace.is_none());
}

#[test]
fn a_ticket_that_was_refused_goes_where_it_is_told() {
    let anna = Device::new(1);
    let id = anna.borrow_mut().found("Workshop", "Anna Berg");
    let ticket = ticket(&anna, id, Role::Member);
    anna.borrow_mut().run(Command::Revoke { workspace: id, invite: ticket.invite });
    let ben = Device::new(7);
    ben.borrow_mut().run(Command::Join { ticket, person_name: "Ben Moss".into() });
    let mut screen = Screen::new(&ben, SIZE, Theme::Light);
    meet(&ben, &anna);
    screen.harness.run();
    assert!(matches!(screen.harness.state().model().standing.place, Place::Refused(_)));
    assert!(matches!(screen.harness.state().view().dialog, Dialog::Join { .. }));
    // In the dialog, which lies over the page that offers it as well.
    screen.harness.get_all_by_label(OFFER).last().unwrap().click();
    screen.harness.run();
    screen.click(DONE);
    assert!(screen.shows("Welcome to Velo") && !screen.shows_part("withdrawn"));
    assert!(screen.harness.state().model().workspace.is_none());
}
