//! Pictures of what concerns a person's devices: beginning on one, linking one, the 24 words, the keys;
//! and whether the codes in them can be scanned.
#![allow(clippy::unwrap_used, clippy::panic, clippy::expect_used, reason = "a test may fail by panicking")]

#[path = "support/album.rs"]
mod album;
#[path = "support/screen.rs"]
mod screen;
#[path = "support/world.rs"]
mod world;

use album::{Album, SIZE, THEMES, in_both_themes, snapshot};
use egui::{Key, Theme, Vec2};
use egui_kittest::{Harness, SnapshotResults, kittest::Queryable};
use screen::Screen;
use std::io::Cursor;
use velo_app::{
    bridge::{
        Bridge,
        door::{Closed, Door},
    },
    command::AppCommand,
    start::Start,
    view::{
        doctor::{Bundle, Checkup, Step, Verdict},
        keys::{Keeping, Place},
        phrase::Words,
        secret::Secret,
        storage::Space,
    },
};
use velo_node::{api::checkup::Advice, qr};
use velo_protocol::{
    limits::TICKET_ADDRESSES,
    link_code::LinkCode,
    replica::{Command, Fetching, Reply},
    root::Root,
    ticket::Ticket,
};
use world::{Device, Shared, join, meet};

/// The sample board at Anna's, with Ben connected.
fn workshop(theme: Theme) -> Screen {
    let anna = Device::new(1);
    let id = anna.borrow_mut().found("Workshop", "Anna Berg");
    anna.borrow_mut().fill(id);
    join(&Device::new(7), "Ben Moss", &anna, id);
    Screen::new(&anna, SIZE, theme)
}

fn at_rest(screen: &mut Screen) {
    screen.harness.remove_cursor();
    screen.harness.run_steps(8);
}

/// A door that stays as it is.
struct Shut;

impl Door for Shut {
    fn knock(&mut self, _passphrase: Secret) {}

    fn answer(&mut self) -> Option<Result<Box<dyn Bridge>, Closed>> {
        Some(Err(Closed::WrongPassphrase))
    }
}

fn unlock_page(
    theme: Theme,
    name: &str,
    results: &mut SnapshotResults,
    prepare: impl Fn(&mut Harness<'_, Start>),
) {
    let start = Start::locked(Box::new(Shut), "/home/anna/.local/share/velo".into(), None);
    let builder = Harness::builder().with_size(SIZE).with_theme(theme).with_max_steps(40);
    let mut harness =
        builder.build_ui_state(|ui, start: &mut Start| screen::whole(ui, |ui| start.frame(ui)), start);
    screen::still(&harness.ctx);
    harness.run();
    prepare(&mut harness);
    snapshot(&mut harness, name, results);
}

#[test]
fn unlock() {
    let mut results = SnapshotResults::new();
    for (theme, suffix) in THEMES {
        unlock_page(theme, &format!("unlock_{suffix}"), &mut results, |_| {});
        unlock_page(theme, &format!("unlock_forgotten_{suffix}"), &mut results, |harness| {
            harness.get_by_label("Passphrase").type_text("not this one");
            harness.run();
            harness.get_by_label("Unlock").click();
            harness.run();
            harness.get_by_label("I forgot it").click();
            harness.run();
            harness.remove_cursor();
            harness.run();
        });
    }
}

#[test]
fn keys() {
    in_both_themes("keys", |theme| {
        let mut screen = workshop(theme);
        screen.click("Members");
        screen.click("Keys of this device…");
        screen.harness.remove_cursor();
        screen.harness.run();
        screen
    });
}

#[test]
fn keys_passphrase() {
    in_both_themes("keys_passphrase", |theme| {
        let mut screen = workshop(theme);
        let keys = Keeping { place: Place::Sealed, folder: "/home/anna/.local/share/velo/keys".into() };
        screen.device.borrow_mut().keys = Some(keys);
        screen.click("Members");
        screen.click("Keys of this device…");
        screen.click("Change it…");
        screen.fill_in("Passphrase now", "correct horse");
        screen.fill_in("New passphrase", "battery staple");
        screen.fill_in("New passphrase again", "battery");
        screen.click("Change passphrase");
        screen.harness.remove_cursor();
        screen.harness.run();
        screen
    });
}

/// As many addresses as a code may hold, and long ones.
fn far_away(device: &Shared) {
    let address = |n| format!("/ip6/2001:db8:1234:5678:1234:5678:1234:ff{n:02}/tcp/65535");
    device.borrow_mut().addresses = (0..TICKET_ADDRESSES).map(address).collect();
}

fn new_device(size: Vec2, theme: Theme) -> Screen {
    let device = Device::new(9);
    far_away(&device);
    let mut screen = Screen::new(&device, size, theme);
    screen.click("I use Velo on another device");
    at_rest(&mut screen);
    screen
}

#[test]
fn link_new_device() {
    let mut album = Album::new();
    album.add("link_new_device", |theme| new_device(SIZE, theme));
    album.add("link_new_device_narrow", |theme| new_device(Vec2::new(700.0, 800.0), theme));
}

/// The dialog on the device that is used already, with a code typed in where `code` is there.
fn link(theme: Theme, code: Option<&str>) -> Screen {
    let mut screen = workshop(theme);
    screen.click("Members");
    screen.click("Link a device…");
    if let Some(code) = code {
        screen.fill_in("Link code", code);
        screen.click_waiting("Link device");
    }
    at_rest(&mut screen);
    screen
}

fn code_of(new: &Shared) -> String {
    match new.borrow_mut().run(Command::ShowLinkCode { addresses: vec!["/ip4/192.168.1.9/tcp/4001".into()] })
    {
        Reply::LinkCode(code) => code.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn link_dialog() {
    let mut album = Album::new();
    album.add("link_ask", |theme| link(theme, None));
    album.add("link_wrong", |theme| link(theme, Some("velo1aeaqcaibaeaqcaib")));
    album.add("link_looking", |theme| link(theme, Some(&code_of(&Device::new(9)))));
    album.add("link_done", |theme| {
        let new = Device::new(9);
        let mut screen = link(theme, Some(&code_of(&new)));
        meet(&screen.device, &new);
        screen.harness.run();
        at_rest(&mut screen);
        screen
    });
    album.add("link_problem", |theme| {
        let mut screen = link(theme, Some(&code_of(&Device::new(9))));
        screen.device.borrow_mut().pass(61_000);
        screen.harness.run();
        at_rest(&mut screen);
        screen
    });
}

#[test]
fn link_from_a_picture() {
    in_both_themes("link_picture", |theme| {
        let mut screen = link(theme, None);
        screen.click("From a picture…");
        screen.fill_in("Where the picture lies", "/nowhere/code.png");
        screen.press(Key::Enter);
        at_rest(&mut screen);
        screen
    });
}

#[test]
fn join_from_a_picture() {
    in_both_themes("join_picture", |theme| {
        let mut screen = Screen::new(&Device::new(9), SIZE, theme);
        screen.fill_in("Your name", "Ben Moss");
        screen.click("I have a ticket");
        screen.click("From a picture…");
        at_rest(&mut screen);
        screen
    });
}

/// The page for who has lost their devices, with words typed in where `words` are there.
fn lost(theme: Theme, words: &str) -> Screen {
    let mut screen = Screen::new(&Device::new(9), SIZE, theme);
    screen.click("I lost my devices");
    if !words.is_empty() {
        screen.fill_in("The 24 words", words);
        screen.click_waiting("Bring me back");
    }
    at_rest(&mut screen);
    screen
}

#[test]
fn recover() {
    let mut album = Album::new();
    let right = Root::from_seed([1; 32]).phrase();
    let wrong = right.replacen(right.split(' ').next().unwrap(), "abandn", 1);
    album.add("recover_empty", |theme| lost(theme, ""));
    album.add("recover_wrong", |theme| lost(theme, &wrong));
    album.add("recover_looking", |theme| lost(theme, &right));
}

/// The dialog with the 24 words, in its first step.
fn phrase(theme: Theme) -> Screen {
    let mut screen = workshop(theme);
    screen.device.borrow_mut().phrase = Some(Words(Root::from_seed([7; 32]).phrase()));
    screen.harness.run();
    screen.click("Write down your 24 words");
    screen
}

#[test]
fn the_24_words() {
    let mut album = Album::new();
    album.add("phrase_told", |theme| {
        let mut screen = phrase(theme);
        at_rest(&mut screen);
        screen
    });
    let shown = |theme| {
        let mut screen = phrase(theme);
        screen.click("Show the words");
        screen
    };
    album.add("phrase_shown", |theme| {
        let mut screen = shown(theme);
        at_rest(&mut screen);
        screen
    });
    album.add("phrase_typing", |theme| {
        let mut screen = shown(theme);
        screen.click("I have written them down");
        let right = Root::from_seed([7; 32]).phrase();
        let other = right.replacen(right.split(' ').next().unwrap(), "zoo", 1);
        screen.fill_in("The 24 words", &other);
        screen.click("Confirm");
        at_rest(&mut screen);
        screen
    });
}

/// What the doctor finds: one device that is well, one whose node does not run, one that is not found.
fn examined() -> Vec<Checkup> {
    let step = |name, verdict, told: &str, advice: Option<Advice>| Step {
        name,
        verdict,
        told: told.to_owned(),
        advice: advice.map(Advice::in_the_app),
    };
    let (good, bad) = (Verdict::Good, Verdict::Bad);
    let here = "/ip4/192.168.1.7/tcp/40123, /ip4/192.168.1.7/udp/40123/quic-v1";
    let well = vec![
        step("listening", good, here, None),
        step("found", good, "/ip4/192.168.1.8/tcp/40001", None),
        step("dialled", good, "lan", None),
        step("authenticated", good, "its key is its device's, and both speak one version", None),
        step("admitted", good, "\"Workshop\"", None),
        step("equal", Verdict::Notice, "on their way: it lacks 0, this device lacks 12", None),
    ];
    let refused = "Connection refused (os error 111); next try in 8 s";
    let off = vec![
        step("listening", good, here, None),
        step("found", good, "/ip4/192.168.1.9/tcp/40001", None),
        step("dialled", bad, refused, Some(Advice::LookWhetherItRuns)),
    ];
    let unknown = "it is not announced in this network, and no address of it is known";
    let lost =
        vec![step("listening", good, here, None), step("found", bad, unknown, Some(Advice::NameAddress))];
    let of = |whom: &str, steps| Checkup { whom: whom.to_owned(), well: false, steps };
    vec![
        of("Ben Moss (f5eacab7)", well),
        of("Dario Rossi (91c0ad2e)", off),
        of("Emine Yildiz (0be4412f)", lost),
    ]
}

#[test]
fn the_doctor() {
    let mut album = Album::new();
    album.add("doctor", |theme| {
        let mut screen = workshop(theme);
        screen.device.borrow_mut().checkups = examined();
        screen.click("Peers");
        screen.click("Doctor");
        at_rest(&mut screen);
        screen
    });
    album.add("doctor_alone", |theme| {
        let mut screen = workshop(theme);
        screen.click("Peers");
        screen.click("Doctor");
        at_rest(&mut screen);
        screen
    });
}

#[test]
fn the_diagnostics_file() {
    let mut album = Album::new();
    let told = |theme| {
        let mut screen = workshop(theme);
        screen.click("Peers");
        screen.click("Diagnostics…");
        at_rest(&mut screen);
        screen
    };
    album.add("diagnostics", told);
    album.add("diagnostics_written", |theme| {
        let mut screen = told(theme);
        let part = |name: &str, what: &str| (name.to_owned(), what.to_owned());
        let parts = vec![
            part("about.json", "versions and the system"),
            part("status.json", "how this device and its peers stand"),
            part("doctor.json", "what the doctor says"),
            part("storage.json", "counts and sizes"),
            part("velo.log", "the end of the log"),
        ];
        let path = "/home/anna/Downloads/velo-diagnostics-2026-11-22.zip".into();
        screen.device.borrow_mut().bundle = Ok(Bundle { path, parts });
        screen.click("Write the file");
        at_rest(&mut screen);
        screen
    });
}

#[test]
fn storage() {
    let mut album = Album::new();
    let shown = |theme, space| {
        let mut screen = workshop(theme);
        screen.device.borrow_mut().space = Some(space);
        let ctx = screen.harness.ctx.clone();
        screen.harness.state_mut().carry_out(&ctx, AppCommand::ShowStorage);
        screen.harness.run();
        at_rest(&mut screen);
        screen
    };
    let large = |name: &str, bytes| (name.to_owned(), bytes);
    let full = Space {
        changes: 12_400_000,
        index: 5_300_000,
        attachments: 482_000_000,
        pending: 31_000_000,
        deleted: 64_000_000,
        largest: vec![
            large(
                "walk-through of the new workshop, second floor, with the lift and the paint room.mp4",
                310_000_000,
            ),
            large("plan.pdf", 96_000_000),
            large("crack-left.jpg", 5_100_000),
        ],
        free: Some(12_000_000_000),
        fetching: Fetching::Viewed,
    };
    let few = Space {
        pending: 0,
        deleted: 0,
        largest: Vec::new(),
        attachments: 0,
        fetching: Fetching::Metered,
        ..full.clone()
    };
    album.add("storage", |theme| shown(theme, full.clone()));
    album.add("storage_without_attachments", |theme| shown(theme, few.clone()));
}

/// What a reader finds in what is shown.
fn scanned<T: qr::InPicture>(screen: &mut Screen) -> Result<T, qr::QrError> {
    let shown = screen.harness.render().unwrap();
    let mut bytes = Cursor::new(Vec::new());
    shown.write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    qr::find(bytes.get_ref())
}

#[test]
fn the_code_of_a_new_device_is_whole_and_can_be_scanned_in_small_windows() {
    for (width, height) in [(1280.0, 800.0), (700.0, 800.0), (640.0, 480.0)] {
        for (theme, _) in THEMES {
            let mut screen = new_device(Vec2::new(width, height), theme);
            if height < 800.0 {
                screen.harness.get_by_label("Copy code").scroll_to_me();
                screen.harness.run_steps(4);
            }
            let code = screen.harness.state().view().onboarding.code.clone().unwrap();
            let read = scanned::<LinkCode>(&mut screen).map(|code| code.to_string());
            assert_eq!(read.unwrap_or_else(|error| format!("{width}: {error}")), code.text);
        }
    }
}

#[test]
fn a_ticket_is_whole_and_can_be_scanned_in_small_windows() {
    for (width, height) in [(1280.0, 800.0), (700.0, 800.0), (640.0, 480.0)] {
        for (theme, _) in THEMES {
            let mut screen = workshop(theme);
            far_away(&screen.device);
            screen.harness.set_size(Vec2::new(width, height));
            screen.harness.run();
            screen.click("Members");
            screen.click("Invite somebody");
            screen.click("Make ticket");
            at_rest(&mut screen);
            let ticket = screen.ticket();
            assert_eq!(scanned::<Ticket>(&mut screen).unwrap(), ticket, "{width} by {height}");
        }
    }
}
