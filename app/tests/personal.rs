//! What a person keeps for themselves, on two devices of theirs: whole ways through the app, on the real
//! replica.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

#[path = "support/screen.rs"]
mod screen;
#[path = "support/world.rs"]
mod world;

use egui::{Key, Theme, Vec2};
use screen::Screen;
use velo_app::command::AppCommand;
use velo_protocol::{
    access::Role,
    change::Change,
    id::{EntityId, WorkspaceId},
    model::{EntityKey, Kind, comment},
    replica::Command,
    root::Root,
    value::Value,
};
use world::{Device, Shared, join_as, meet, talk};

const SIZE: Vec2 = Vec2::new(1440.0, 900.0);

/// A laptop with the sample board, and a phone of the same person, connected.
fn laptop_and_phone() -> (Shared, Shared, WorkspaceId) {
    let laptop = Device::new(1);
    let id = laptop.borrow_mut().found("Workshop", "Anna Berg");
    laptop.borrow_mut().fill(id);
    let phone = Device::of(1, 2);
    phone.borrow_mut().run(Command::Recover { root: Root::from_seed([1; 32]) });
    meet(&laptop, &phone);
    talk(&laptop, &phone);
    (laptop, phone, id)
}

/// A task without comments that the board shows.
fn quiet_task(screen: &Screen) -> (EntityId, String) {
    let state = screen.harness.state();
    let workspace = state.model().workspace.as_ref().unwrap();
    let mut shown = state.view().board.columns.iter().flat_map(|column| column.tasks.iter().copied());
    let task = shown.find(|task| workspace.comments(*task).is_empty()).unwrap();
    (task, workspace.task(task).unwrap().title.to_owned())
}

fn open(screen: &mut Screen, task: EntityId) {
    let ctx = screen.harness.ctx.clone();
    screen.harness.state_mut().carry_out(&ctx, AppCommand::Open(task));
    screen.harness.run();
}

#[test]
fn a_favourite_is_at_hand_on_every_device() {
    let (laptop, phone, _) = laptop_and_phone();
    let mut screen = Screen::new(&laptop, SIZE, Theme::Dark);
    assert!(!screen.shows("Favourites"));
    screen.click("Add to favourites");
    assert!(screen.shows("Favourites") && screen.shows("Remove from favourites"));
    let (task, title) = quiet_task(&screen);
    open(&mut screen, task);
    screen.press(Key::F);
    assert!(screen.unnamed().is_empty(), "{:?}", screen.unnamed());
    talk(&laptop, &phone);
    let phone = Screen::new(&phone, SIZE, Theme::Dark);
    let names: Vec<_> =
        phone.harness.state().model().personal.favourites.iter().map(|(_, name)| name.clone()).collect();
    assert_eq!(names.len(), 2);
    assert_eq!(names[1], title, "projects first");
    assert!(phone.shows("Favourites"));
}

#[test]
fn a_comment_that_is_not_finished_goes_on_on_the_other_device() {
    let (laptop, phone, _) = laptop_and_phone();
    let mut screen = Screen::new(&laptop, SIZE, Theme::Dark);
    let (task, _) = quiet_task(&screen);
    open(&mut screen, task);
    screen.fill_in("New comment", "The key is");
    // After a pause it is kept, while it is still in the field.
    screen.device.borrow_mut().pass(2_100);
    screen.harness.run();
    talk(&laptop, &phone);
    let mut other = Screen::new(&phone, SIZE, Theme::Dark);
    open(&mut other, task);
    let typed = |screen: &Screen| screen.harness.state().view().detail.typed.comment.clone();
    assert_eq!(typed(&other), "The key is");
    assert_eq!(typed(&screen), "The key is");
    // Leaving the task keeps the rest at once.
    other.fill_in("New comment", " under the mat");
    other.press(Key::Escape);
    assert!(!other.shows("New comment"), "it is closed");
    talk(&laptop, &phone);
    screen.harness.run();
    assert_eq!(typed(&screen), "The key is under the mat");
    // Sent, it is gone on both.
    screen.click("Comment");
    laptop.borrow_mut().pass(2_100);
    screen.harness.run();
    talk(&laptop, &phone);
    open(&mut other, task);
    assert_eq!(typed(&other), "");
    assert_eq!(other.harness.state().model().workspace.as_ref().unwrap().comments(task).len(), 1);
}

#[test]
fn new_comments_of_others_are_marked_until_they_are_read_anywhere() {
    let (laptop, phone, id) = laptop_and_phone();
    let ben = Device::new(7);
    join_as(Role::Member, &ben, "Ben Moss", &laptop, id);
    let mut screen = Screen::new(&laptop, SIZE, Theme::Dark);
    screen.harness.run();
    let (task, title) = quiet_task(&screen);
    assert!(screen.shows(&title));
    let say = |words: &str| {
        ben.borrow_mut().pass(60_000);
        let key = EntityKey::new(Kind::Comment, ben.borrow_mut().id());
        let fields =
            vec![(comment::TASK.into(), Value::Entity(task)), (comment::TEXT.into(), Value::text(words))];
        ben.borrow_mut().edit(id, vec![Change::Create { key, fields }]);
        talk(&ben, &laptop);
    };
    laptop.borrow_mut().pass(60_000);
    say("The shop opens at eight");
    screen.harness.run();
    assert!(screen.shows(&format!("{title}, 1 new comment")), "the card tells");
    say("And closes at noon");
    screen.harness.run();
    assert!(screen.shows(&format!("{title}, 2 new comments")));
    talk(&laptop, &phone);
    let mut other = Screen::new(&phone, SIZE, Theme::Dark);
    assert!(other.shows(&format!("{title}, 2 new comments")), "on the other device as well");
    open(&mut other, task);
    assert!(other.shows("New"), "what is new is marked while it is looked at");
    talk(&laptop, &phone);
    screen.harness.run();
    assert!(screen.shows(&title) && !screen.shows_part("new comment"), "read on one, read on all");
    open(&mut screen, task);
    assert!(!screen.shows("New"));
}

#[test]
fn a_project_is_shown_as_it_was_looked_at_last() {
    let (laptop, phone, _) = laptop_and_phone();
    let mut screen = Screen::new(&laptop, SIZE, Theme::Dark);
    let project = screen.harness.state().view().board.project().unwrap();
    screen.click("List");
    talk(&laptop, &phone);
    let other = Screen::new(&phone, SIZE, Theme::Dark);
    assert_eq!(other.harness.state().view().board.project(), Some(project));
    assert_eq!(other.harness.state().view().preferences.layout, velo_app::view::state::Layout::List);
}
