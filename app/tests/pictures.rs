//! Pictures of every page, dark and light, rendered in software and compared with those kept.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

#[path = "support/album.rs"]
mod album;
#[path = "support/screen.rs"]
mod screen;
#[path = "support/world.rs"]
mod world;

use album::{SIZE, in_both_themes};
use egui::{Key, Theme, Vec2};
use screen::Screen;
use velo_app::{
    command::AppCommand,
    view::attachments::{Found, Thumbnail},
};
use velo_protocol::{
    access::Role,
    change::Change,
    id::EntityId,
    model::{EntityKey, Kind, attachment, comment, task},
    replica::Command,
    value::Value,
    workspace::Workspace,
};
use world::{Device, join, join_as, meet, part, talk, ticket};

const DAMAGED: &str = "A workspace could not be opened: \
    /home/anna/.local/share/velo/workspaces/3f9a6c1e2b7d/record.json is damaged (EOF while parsing an object)";
const FULL: &str =
    "Saving failed, and nothing can be changed until Velo is started again: no space left on device";

fn nth_task(workspace: &Workspace, at: usize) -> EntityId {
    let project = workspace.projects()[0];
    let tasks = workspace.columns(project).into_iter().flat_map(|column| workspace.tasks(column));
    tasks.into_iter().nth(at).unwrap()
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

/// A task with a picture that is here, one that is waited for, a film that is coming, and a file.
#[test]
fn detail_attachments() {
    in_both_themes("detail_attachments", |theme| {
        let (screen, _, id) = workshop(theme);
        let workspace = screen.device.borrow().workspace(id);
        let bare = |task: &EntityId| {
            workspace.checklist(*task).is_empty() && workspace.attachments(*task).is_empty()
        };
        let open = workspace.shown(Kind::Task).find(bare).unwrap();
        let add = |name: &str, media: &str, size| {
            let attachment = screen.device.borrow_mut().id();
            let fields = vec![
                (attachment::TASK.into(), Value::Entity(open)),
                (attachment::NAME.into(), Value::text(name)),
                (attachment::SIZE.into(), Value::Int(size)),
                (attachment::MEDIA_TYPE.into(), Value::text(media)),
            ];
            let key = EntityKey::new(Kind::Attachment, attachment);
            screen.device.borrow_mut().edit(id, vec![Change::Create { key, fields }]);
            attachment
        };
        let (here, coming) =
            (add("leak.jpg", "image/jpeg", 4_800_000), add("walk.mp4", "video/mp4", 96_000_000));
        let (wanted, waiting) = (
            add(
                "plan of the second floor, with all pipes and the valves in colour.pdf",
                "application/pdf",
                2_300_000,
            ),
            add("valve.jpg", "image/jpeg", 3_100_000),
        );
        let description = Value::text("The old one slipped once more. Take the long screws.");
        let key = EntityKey::new(Kind::Task, open);
        let change = Change::Set { key, slot: task::DESCRIPTION.into(), value: description };
        screen.device.borrow_mut().edit(id, vec![change]);
        let found = |id, bytes, whole| Found { id, bytes, whole, thumbnail: None, tried: false };
        let thumbnail = Some(Thumbnail { size: [96, 72], rgba: shades(96, 72).into() });
        screen.device.borrow_mut().found = vec![
            Found { thumbnail, ..found(here, 4_800_000, true) },
            found(coming, 61_000_000, false),
            found(wanted, 0, false),
            found(waiting, 0, false),
        ];
        let mut screen = screen;
        let ctx = screen.harness.ctx.clone();
        screen.harness.state_mut().carry_out(&ctx, AppCommand::Open(open));
        screen.harness.run_steps(8);
        screen.click_waiting("Fetch valve.jpg");
        screen.harness.remove_cursor();
        screen.harness.run_steps(8);
        screen
    });
}

/// A picture of so many points, from one corner to the other.
fn shades(width: usize, height: usize) -> Vec<u8> {
    let point = |at: usize| {
        let (x, y) = (255 * (at % width) / width, 255 * (at / width) / height);
        [60 + (x / 3) as u8, 90 + (y / 3) as u8, 200 - (x / 2) as u8, 255]
    };
    (0..width * height).flat_map(point).collect()
}

#[test]
fn favourites() {
    in_both_themes("favourites", |theme| {
        let (mut screen, ben, id) = workshop(theme);
        let workspace = screen.device.borrow().workspace(id);
        let (dear, discussed) = (nth_task(&workspace, 1), nth_task(&workspace, 3));
        let ctx = screen.harness.ctx.clone();
        screen.click("Add to favourites");
        let dear = EntityKey::new(Kind::Task, dear);
        screen.harness.state_mut().carry_out(&ctx, AppCommand::ToggleFavourite(dear));
        screen.harness.run();
        ben.borrow_mut().pass(60_000);
        screen.device.borrow_mut().pass(60_000);
        let key = EntityKey::new(Kind::Comment, ben.borrow_mut().id());
        let fields = vec![
            (comment::TASK.into(), Value::Entity(discussed)),
            (comment::TEXT.into(), Value::text("The shop opens at eight")),
        ];
        ben.borrow_mut().edit(id, vec![Change::Create { key, fields }]);
        talk(&ben, &screen.device);
        screen.harness.run();
        screen.harness.state_mut().carry_out(&ctx, AppCommand::Open(discussed));
        screen.harness.run();
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

/// Anna's workshop with a crew, a tablet of hers, somebody who was removed, and two open tickets.
fn crew(theme: Theme) -> Screen {
    let anna = Device::new(1);
    let id = anna.borrow_mut().found("Workshop", "Anna Berg");
    anna.borrow_mut().fill(id);
    let crew =
        [(3, "Dana Okafor", Role::Member), (9, "Carl Dahl", Role::Member), (11, "Eva Lind", Role::Viewer)];
    for (seed, name, role) in crew {
        let device = Device::new(seed);
        join_as(role, &device, name, &anna, id);
        part(&device, &anna);
        anna.borrow_mut().pass(7 * 60_000);
    }
    let person = |seed: u8| Device::new(seed).borrow().person();
    let set = |seed, role| Command::SetRole { workspace: id, person: person(seed), role };
    anna.borrow_mut().run(set(9, None));
    anna.borrow_mut().run(set(3, Some(Role::Admin)));
    let ben = Device::new(7);
    join(&ben, "Ben Moss", &anna, id);
    ticket(&anna, id, Role::Viewer);
    talk(&ben, &anna);
    anna.borrow_mut().linked.push(Device::of(1, 60).borrow().device());
    Screen::new(&anna, SIZE, theme)
}

#[test]
fn members() {
    in_both_themes("members", |theme| {
        let mut screen = crew(theme);
        screen.press(Key::G);
        screen.press(Key::M);
        screen.click("Former people");
        screen.harness.remove_cursor();
        screen.harness.run();
        screen
    });
}

#[test]
fn members_alone() {
    in_both_themes("members_alone", |theme| {
        let anna = Device::new(1);
        anna.borrow_mut().found("Workshop", "Anna Berg");
        let mut screen = Screen::new(&anna, SIZE, theme);
        screen.press(Key::G);
        screen.press(Key::M);
        screen
    });
}

#[test]
fn role_picker() {
    in_both_themes("role_picker", |theme| {
        let mut screen = crew(theme);
        screen.press(Key::G);
        screen.press(Key::M);
        screen.click("Role of Ben Moss: member");
        screen.harness.remove_cursor();
        screen.harness.run();
        screen
    });
}

#[test]
fn remove() {
    in_both_themes("remove", |theme| {
        let mut screen = workshop(theme).0;
        screen.press(Key::G);
        screen.press(Key::M);
        screen.click("Remove…");
        screen
    });
}

#[test]
fn invite() {
    in_both_themes("invite", |theme| {
        let mut screen = workshop(theme).0;
        screen.click("Members");
        screen.click("Invite somebody");
        screen.harness.remove_cursor();
        screen.harness.run();
        screen
    });
}

#[test]
fn invite_ticket() {
    in_both_themes("invite_ticket", |theme| {
        let mut screen = workshop(theme).0;
        screen.click("Members");
        screen.click("Invite somebody");
        screen.click("Viewer");
        screen.click("Make ticket");
        screen.harness.remove_cursor();
        screen.harness.run();
        screen
    });
}

/// The sample board as Eva sees it, who may only read.
fn viewing(theme: Theme) -> Screen {
    let (screen, ben, id) = workshop(theme);
    part(&ben, &screen.device);
    let eva = Device::new(11);
    join_as(Role::Viewer, &eva, "Eva Lind", &screen.device, id);
    Screen::new(&eva, SIZE, theme)
}

#[test]
fn viewer() {
    in_both_themes("viewer", viewing);
}

#[test]
fn viewer_detail() {
    in_both_themes("viewer_detail", |theme| {
        let mut screen = viewing(theme);
        let state = screen.harness.state();
        let task =
            state.view().board.columns.iter().find_map(|column| column.tasks.first()).copied().unwrap();
        let title = state.model().workspace.as_ref().unwrap().task(task).unwrap().title.to_owned();
        screen.click(&title);
        screen.harness.remove_cursor();
        screen.harness.run();
        screen
    });
}

#[test]
fn waiting() {
    in_both_themes("waiting", |theme| {
        let anna = Device::new(1);
        let id = anna.borrow_mut().found("Workshop", "Anna Berg");
        let ticket = ticket(&anna, id, Role::Member);
        let ben = Device::new(7);
        ben.borrow_mut().run(Command::Join { ticket, person_name: "Ben Moss".into() });
        Screen::new(&ben, SIZE, theme)
    });
}

#[test]
fn removed() {
    in_both_themes("removed", |theme| {
        let (screen, ben, id) = workshop(theme);
        let person = ben.borrow().person();
        screen.device.borrow_mut().run(Command::SetRole { workspace: id, person, role: None });
        talk(&ben, &screen.device);
        Screen::new(&ben, SIZE, theme)
    });
}

#[test]
fn forget() {
    in_both_themes("forget", |theme| {
        let (screen, ben, id) = workshop(theme);
        let person = ben.borrow().person();
        screen.device.borrow_mut().run(Command::SetRole { workspace: id, person, role: None });
        talk(&ben, &screen.device);
        let mut theirs = Screen::new(&ben, SIZE, theme);
        theirs.click("Remove from this device…");
        theirs.harness.remove_cursor();
        theirs.harness.run();
        theirs
    });
}

#[test]
fn waiting_narrow() {
    in_both_themes("waiting_narrow", |theme| {
        let anna = Device::new(1);
        let id = anna.borrow_mut().found("Workshop", "Anna Berg");
        let ticket = ticket(&anna, id, Role::Member);
        let ben = Device::new(7);
        ben.borrow_mut().run(Command::Join { ticket, person_name: "Ben Moss".into() });
        let mut screen = Screen::new(&ben, Vec2::new(640.0, 480.0), theme);
        screen.press(Key::G);
        screen.press(Key::P);
        screen
    });
}

/// Ben's board after two changes that came while he was out; let in again, if `back`.
fn void_work(theme: Theme, back: bool) -> Screen {
    let (screen, ben, id) = workshop(theme);
    part(&ben, &screen.device);
    let person = ben.borrow().person();
    screen.device.borrow_mut().run(Command::SetRole { workspace: id, person, role: None });
    let workspace = ben.borrow().workspace(id);
    for (place, title) in [(1, "Replace the blade"), (3, "Call back today")] {
        let key = EntityKey::new(Kind::Task, nth_task(&workspace, place));
        let change = Change::Set { key, slot: task::TITLE.into(), value: Value::text(title) };
        ben.borrow_mut().edit(id, vec![change]);
    }
    meet(&ben, &screen.device);
    if back {
        screen.device.borrow_mut().run(Command::SetRole { workspace: id, person, role: Some(Role::Member) });
        talk(&ben, &screen.device);
    }
    Screen::new(&ben, SIZE, theme)
}

#[test]
fn removed_with_void_work() {
    in_both_themes("removed_void_work", |theme| void_work(theme, false));
}

#[test]
fn post_again() {
    in_both_themes("post_again", |theme| void_work(theme, true));
}

#[test]
fn members_narrow() {
    in_both_themes("members_narrow", |theme| {
        let mut screen = crew(theme);
        screen.harness.set_size(Vec2::new(640.0, 900.0));
        screen.press(Key::G);
        screen.press(Key::M);
        screen
    });
}

#[test]
fn join_ticket() {
    in_both_themes("join_ticket", |theme| {
        let anna = Device::new(1);
        let id = anna.borrow_mut().found("Workshop", "Anna Berg");
        let ticket = ticket(&anna, id, Role::Member);
        let mut screen = Screen::new(&Device::new(7), SIZE, theme);
        screen.fill_in("Your name", "Ben Moss");
        screen.click("I have a ticket");
        screen.fill_in("Ticket", &ticket.to_string());
        screen.harness.remove_cursor();
        screen.harness.run();
        screen
    });
}

#[test]
fn join_refused() {
    in_both_themes("join_refused", |theme| {
        let anna = Device::new(1);
        let id = anna.borrow_mut().found("Workshop", "Anna Berg");
        let ticket = ticket(&anna, id, Role::Member);
        anna.borrow_mut().run(Command::Revoke { workspace: id, invite: ticket.invite });
        let ben = Device::new(7);
        ben.borrow_mut().name = Some("Ben Moss".into());
        ben.borrow_mut().run(Command::Join { ticket, person_name: "Ben Moss".into() });
        meet(&ben, &anna);
        Screen::new(&ben, SIZE, theme)
    });
}
