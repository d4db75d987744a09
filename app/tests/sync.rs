//! What the person sees of syncing, and of who else is here: whole ways through the app, on the real
//! replica.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

#[path = "support/screen.rs"]
mod screen;
#[path = "support/world.rs"]
mod world;

use egui::{Theme, Vec2};
use screen::Screen;
use velo_app::view::doctor::{Bundle, Checkup, Step, Verdict};
use velo_protocol::{
    change::Change,
    id::{EntityId, WorkspaceId},
    limits,
    model::{EntityKey, Kind, task},
    presence::Doing,
    replica::Command,
    value::Value,
};
use world::{Device, Shared, join, meet, part, talk};

const SIZE: Vec2 = Vec2::new(1440.0, 900.0);

/// Anna's sample board, and Ben who has joined it, connected.
fn two() -> (Screen, Shared, WorkspaceId) {
    let anna = Device::new(1);
    let id = anna.borrow_mut().found("Workshop", "Anna Berg");
    anna.borrow_mut().fill(id);
    let ben = Device::new(7);
    join(&ben, "Ben Moss", &anna, id);
    (Screen::new(&anna, SIZE, Theme::Dark), ben, id)
}

fn first_task(screen: &Screen) -> (EntityId, String) {
    let state = screen.harness.state();
    let id = state.view().board.columns.iter().find_map(|column| column.tasks.first()).copied().unwrap();
    (id, state.model().workspace.as_ref().unwrap().task(id).unwrap().title.to_owned())
}

fn add_task(device: &Shared, id: WorkspaceId, title: &str) {
    let key = EntityKey::new(Kind::Task, device.borrow_mut().id());
    let fields = vec![(task::TITLE.into(), Value::text(title))];
    device.borrow_mut().edit(id, vec![Change::Create { key, fields }]);
}

#[test]
fn a_peer_that_is_away_shows_what_it_had_and_one_that_is_here_what_it_says() {
    let (mut screen, ben, id) = two();
    screen.click("Peers");
    assert!(screen.shows_part("Has everything, and so have we"));
    assert!(screen.shows("Sync: 1 peer · Ben Moss is up to date"));
    part(&ben, &screen.device);
    screen.harness.run();
    assert!(screen.shows_part("Had everything when it was here last"));
    add_task(&screen.device, id, "Order the paint");
    add_task(&screen.device, id, "Clean the brushes");
    screen.harness.run();
    assert!(screen.shows_part("Had not seen 2 of your changes when it was here last"));
    meet(&screen.device, &ben);
    screen.harness.run();
    assert!(screen.shows_part("Has everything, and so have we"));
    assert!(screen.unnamed().is_empty(), "{:?}", screen.unnamed());
}

#[test]
fn automatic_sync_is_switched_in_the_peers_view() {
    let (mut screen, ben, id) = two();
    screen.click("Peers");
    screen.click("Automatic sync");
    assert!(screen.shows("Sync: Automatic sync is off"));
    assert!(screen.shows_part("Automatic sync is off on this device: sync now, or switch it on."));
    add_task(&ben, id, "Order the paint");
    talk(&screen.device, &ben);
    screen.harness.run();
    let tasks = |screen: &Screen| screen.device.borrow().workspace(id).shown(Kind::Task).count();
    let before = tasks(&screen);
    screen.click("Sync now");
    talk(&screen.device, &ben);
    screen.harness.run();
    assert_eq!(tasks(&screen), before + 1, "a person asked");
    screen.click("Automatic sync");
    talk(&screen.device, &ben);
    screen.harness.run();
    assert!(screen.shows("Sync: 1 peer · Ben Moss is up to date"));
}

#[test]
fn a_peer_that_says_nothing_is_told_of() {
    let (mut screen, ben, _) = two();
    screen.click("Peers");
    drop(ben);
    for _ in 0..8 {
        screen.device.borrow_mut().pass(limits::DIGEST_MS);
    }
    screen.harness.run();
    assert!(screen.shows_part("It is connected and says nothing about this workspace"));
    assert!(screen.shows("Sync: 1 peer · Ben Moss is up to date"), "nothing is known to be missing");
}

#[test]
fn who_else_is_here_shows_in_the_header_and_at_the_task() {
    let (mut screen, ben, id) = two();
    let (task, title) = first_task(&screen);
    assert!(!screen.shows_part("Ben Moss is here"));
    let set = |doing| {
        ben.borrow_mut().run(Command::SetPresence { doing, workspace: Some(id) });
    };
    set(Doing::Here);
    talk(&screen.device, &ben);
    screen.harness.run();
    assert!(screen.shows("Ben Moss is here"));
    set(Doing::At(task));
    talk(&screen.device, &ben);
    screen.harness.run();
    screen.click(&format!("Ben Moss looks at {title}"));
    assert_eq!(screen.harness.state().view().open, Some(task), "who looks at a task leads there");
    assert!(screen.shows("Ben Moss looks at this too"));
    // And Ben is told the same.
    let seen = |doing| {
        talk(&screen.device, &ben);
        let present = ben.borrow().present(id);
        assert_eq!(present.first().map(|one| one.doing), doing);
    };
    seen(Some(Doing::At(task)));
    assert!(screen.unnamed().is_empty(), "{:?}", screen.unnamed());
    set(Doing::Gone);
    talk(&screen.device, &ben);
    screen.harness.run();
    assert!(!screen.shows_part("Ben Moss looks at"));
}

#[test]
fn whoever_wishes_not_to_be_seen_is_not() {
    let (mut screen, ben, id) = two();
    talk(&screen.device, &ben);
    assert_eq!(ben.borrow().present(id).len(), 1);
    screen.click("Peers");
    screen.click("Show that I am here");
    talk(&screen.device, &ben);
    assert_eq!(ben.borrow().present(id), []);
    screen.click("Show that I am here");
    talk(&screen.device, &ben);
    assert_eq!(ben.borrow().present(id).len(), 1);
}

#[test]
fn the_doctor_shows_every_step_and_what_to_do() {
    let (mut screen, _, _) = two();
    let step = |name, verdict, told: &str, advice: Option<&'static str>| Step {
        name,
        verdict,
        told: told.to_owned(),
        advice,
    };
    screen.device.borrow_mut().checkups = vec![Checkup {
        whom: "Ben Moss (1a2b3c4d)".into(),
        well: false,
        steps: vec![
            step("listening", Verdict::Good, "/ip4/192.168.1.7/tcp/4001", None),
            step("found", Verdict::Good, "/ip4/192.168.1.8/tcp/4001", None),
            step("dialled", Verdict::Bad, "Connection refused", Some("look whether Velo runs there")),
        ],
    }];
    screen.click("Peers");
    screen.click("Doctor");
    assert!(screen.shows("Ben Moss (1a2b3c4d)"));
    assert!(screen.shows("Step listening: good") && screen.shows("Step dialled: fails"));
    assert!(screen.shows_part("Connection refused") && screen.shows_part("Look whether Velo runs there"));
    screen.device.borrow_mut().checkups.clear();
    screen.click("Look again");
    assert!(screen.shows_part("No other device is known yet"));
    assert!(screen.unnamed().is_empty(), "{:?}", screen.unnamed());
    screen.click("Done");
    assert!(!screen.shows("Connection doctor"));
}

#[test]
fn the_diagnostics_file_says_what_is_in_it_before_and_after() {
    let (mut screen, _, _) = two();
    screen.click("Peers");
    screen.click("Diagnostics…");
    assert!(screen.shows_part("No keys, no secrets, no titles, no names and no texts"));
    screen.click("Write the file");
    assert!(screen.shows_part("There is no disk in a test"), "it says why not");
    let parts = vec![("status.json".to_owned(), "how the node stands".to_owned())];
    screen.device.borrow_mut().bundle = Ok(Bundle { path: "/home/anna/velo.zip".into(), parts });
    screen.click("Write the file");
    assert!(screen.shows_part("status.json: how the node stands"));
    assert!(screen.unnamed().is_empty(), "{:?}", screen.unnamed());
    screen.click("Copy its path");
    screen.click("Done");
    assert!(!screen.shows("Diagnostics file"));
}

#[test]
fn a_relay_is_added_with_the_line_of_its_operator_and_says_up_to_when_it_has_everything() {
    let (mut screen, _ben, _id) = two();
    let relay = Device::new(9);
    meet(&screen.device, &relay);
    screen.click("Peers");
    screen.click("Add relay");
    screen.fill_in("Line from the relay", "velo relay add /ip4/10.0.0.1/tcp/1/p2p/nobody --token relay-abc");
    screen.click("Ask the relay");
    assert!(screen.shows_part("names no relay"), "what is wrong stands beside what was typed");
    screen.click("Cancel");
    screen.click("Add relay");
    let address = format!("/ip4/10.0.0.1/tcp/1/p2p/{}", relay.borrow().device());
    screen.fill_in("Line from the relay", &format!("velo relay add {address} --token relay-abc"));
    screen.click_waiting("Ask the relay");
    talk(&screen.device, &relay);
    screen.harness.run();
    assert!(screen.shows_part("The relay carries this workspace"));
    talk(&screen.device, &relay);
    screen.harness.run();
    assert!(screen.shows_part("Peer Relay: Connected, Has everything"));
    part(&screen.device, &relay);
    screen.harness.run();
    assert!(screen.shows_part("Has everything up to"));
}
