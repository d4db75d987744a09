//! Who is in, and what each may do: roles, removing, leaving, tickets.

use crate::device::{Answer, Device, Running};
use serde_json::{Value as Json, json};
use std::{fs, thread, time::Duration};
use velo_protocol::{id::EntryId, ticket::Ticket};

/// Anna's workshop, which Ben has joined in a role. Both nodes run, connected.
struct Team {
    anna: Device,
    ben: Device,
    _nodes: (Running, Running),
}

impl Team {
    fn with(role: &str) -> Self {
        let (anna, ben) = (Device::with_project(), Device::of("Ben"));
        anna.ok(&["task", "add", "Order the paint"]);
        let nodes = (anna.start_node(), ben.start_node());
        ben.ok(&["join", &ticket(&anna, &["--role", role])]);
        let team = Self { anna, ben, _nodes: nodes };
        team.sync();
        // What he is called follows right after he is in.
        wait_for(&team.anna, &["member", "list"], |answer| answer.out.contains("Ben"));
        team
    }

    fn sync(&self) {
        for device in [&self.anna, &self.ben] {
            assert_eq!(device.json(&["sync", "--wait", "20"])["synced"], true);
        }
    }
}

fn ticket(device: &Device, options: &[&str]) -> String {
    device.json(&[&["invite"], options].concat())["ticket"].as_str().unwrap().to_owned()
}

/// Runs a command that must fail with `code`, saying all of `parts`.
#[track_caller]
fn refused(device: &Device, args: &[&str], code: i32, parts: &[&str]) {
    let answer = device.run(args);
    assert_eq!(answer.code, code, "velo {args:?}\n{}{}", answer.out, answer.err);
    for part in parts {
        assert!(answer.err.contains(part), "velo {args:?} does not say {part:?}:\n{}", answer.err);
    }
}

/// Waits until a command's answer is as it should be, which depends on another device.
#[track_caller]
fn wait_for(device: &Device, args: &[&str], fits: impl Fn(&Answer) -> bool) -> Answer {
    let mut answer = device.run(args);
    for _ in 0..200 {
        if fits(&answer) {
            return answer;
        }
        thread::sleep(Duration::from_millis(50));
        answer = device.run(args);
    }
    panic!("velo {args:?}: {}{}", answer.out, answer.err);
}

fn row(device: &Device, name: &str) -> Json {
    let rows = device.json(&["member", "list", "--all"]);
    let found = rows.as_array().unwrap().iter().find(|row| row["name"] == name);
    found.unwrap_or_else(|| panic!("{name} is not in {rows}")).clone()
}

#[test]
fn people_a_viewer_reads_and_a_member_writes() {
    let Team { anna, ben, .. } = &Team::with("viewer");
    assert_eq!(row(anna, "Ben")["role"], "viewer");
    assert_eq!(row(ben, "Ben")["you"], true);
    assert_eq!(ben.json(&["status"])["you"]["role"], "viewer");
    assert!(ben.ok(&["status"]).contains("viewer"));
    let shown = anna.ok(&["workspace", "show"]);
    assert!(shown.contains("ROLE") && shown.contains("owner") && shown.contains("Anna (you)"), "{shown}");
    assert_eq!(ben.json(&["task", "list"]).as_array().unwrap().len(), 1);
    refused(ben, &["task", "add", "x"], 1, &["you are a viewer", "it takes a member", "ask Anna"]);
    refused(ben, &["invite"], 1, &["viewer"]);
    refused(ben, &["member", "role", "Ben", "member"], 1, &["viewer"]);
    refused(ben, &["member", "remove", "Anna", "--yes"], 1, &["viewer", "ask Anna"]);

    let told = anna.ok(&["member", "role", "ben", "member"]);
    assert!(told.contains("Ben is a member now: reads and writes"), "{told}");
    assert!(anna.ok(&["member", "role", "Ben", "member"]).contains("already"));
    wait_for(ben, &["task", "add", "Buy brushes"], |answer| answer.code == 0);
    wait_for(anna, &["task", "list"], |answer| answer.out.contains("Buy brushes"));
    refused(ben, &["member", "remove", "Anna", "--yes"], 1, &["you are a member", "it takes an admin"]);
    refused(anna, &["member", "role", "Be", "admins"], 2, &["admin"]);
    let told = anna.ok(&["member", "role", "Ben", "viewer"]);
    assert!(told.contains("Ben is a viewer now: reads") && told.contains("has no effect any more"), "{told}");
    wait_for(ben, &["task", "add", "x"], |answer| answer.err.contains("you are a viewer"));
    let told = wait_for(ben, &["history"], |answer| answer.out.contains("lowered")).out;
    for part in [
        "Anna started the workspace",
        "Anna made a ticket for a viewer, good until",
        "Ben joined with ticket",
        "of Anna",
        "Anna made Ben a member",
        "Anna lowered Ben to viewer",
    ] {
        assert!(told.contains(part), "{part} is missing in\n{told}");
    }
}

#[test]
fn people_who_was_removed_is_told_and_reaches_nobody() {
    let team = Team::with("member");
    let Team { anna, ben, .. } = &team;
    ben.ok(&["task", "add", "Buy brushes"]);
    team.sync();
    ticket(anna, &[]);
    refused(anna, &["member", "remove", "Ben"], 2, &["--yes"]);
    refused(anna, &["member", "remove", "be", "--yes"], 3, &["Did you mean", "Ben"]);
    refused(anna, &["member", "remove", "Zoe", "--yes"], 3, &["Zoe", "velo member list"]);
    refused(anna, &["member", "remove", "Anna", "--yes"], 2, &["velo member leave"]);
    assert_eq!(row(anna, "Ben")["role"], "member", "nothing was changed");
    let told = anna.ok(&["member", "remove", "Ben", "--yes"]);
    for part in ["Ben is removed", "has no effect, on every device", "Open tickets were withdrawn: 2."] {
        assert!(told.contains(part), "{part} is missing in {told}");
    }
    assert_eq!(row(anna, "Ben")["former"], json!({ "removed": { "by": "Anna" } }));
    assert!(!anna.ok(&["member", "list"]).contains("Ben"));
    assert!(anna.ok(&["member", "list", "--all"]).contains("removed by Anna"));
    assert_eq!(anna.json(&["invite", "list"]), json!([]));
    refused(anna, &["member", "remove", "Ben", "--yes"], 1, &["Ben is not in", "removed by Anna"]);
    wait_for(ben, &["task", "add", "Too late"], |answer| {
        answer.code == 1 && answer.err.contains("Anna removed you from this workspace")
    });
    assert!(!anna.ok(&["task", "list"]).contains("Too late"));
    assert!(anna.ok(&["task", "list"]).contains("Buy brushes"), "what was seen stays");
    assert!(anna.ok(&["history"]).contains("Anna removed Ben"));

    let told = anna.ok(&["member", "role", "Ben", "member"]);
    assert!(told.contains("Ben is in again, as a member"), "{told}");
    wait_for(ben, &["task", "add", "Back again"], |answer| answer.code == 0);
    wait_for(anna, &["task", "list"], |answer| answer.out.contains("Back again"));
}

/// What was written away from the others, by somebody who was removed meanwhile, has no effect.
#[test]
fn people_what_a_removed_one_wrote_apart_has_no_effect() {
    let Team { anna, ben, _nodes: (annas, bens) } = Team::with("member");
    assert!(annas.stop().success() && bens.stop().success());
    ben.ok(&["task", "add", "Written apart"]);
    anna.ok(&["member", "remove", "Ben", "--yes"]);
    let (_annas, bens) = (anna.start_node(), ben.start_node());
    anna.ok(&["peers", "add", bens.addresses[0].as_str().unwrap()]);
    wait_for(&ben, &["task", "add", "x"], |answer| answer.err.contains("Anna removed you"));
    let synced = ben.run(&["sync", "--wait", "1"]);
    assert!(synced.err.contains("Anna removed you"), "not only whoever writes is told: {}", synced.err);
    assert!(!anna.ok(&["task", "list"]).contains("Written apart"));
    assert!(!ben.ok(&["task", "list"]).contains("Written apart"), "not here either");
}

/// What they did apart is told to them, and posted again once they are back.
#[test]
fn people_post_again_what_they_did_while_they_were_out() {
    let Team { anna, ben, _nodes: (annas, bens) } = Team::with("member");
    assert!(annas.stop().success() && bens.stop().success());
    refused(&ben, &["member", "post-again"], 1, &["nothing to post again"]);
    ben.ok(&["task", "add", "Written apart"]);
    ben.ok(&["task", "add", "Written apart too"]);
    anna.ok(&["member", "remove", "Ben", "--yes"]);
    let (annas, bens) = (anna.start_node(), ben.start_node());
    anna.ok(&["peers", "add", bens.addresses[0].as_str().unwrap()]);
    wait_for(&ben, &["status"], |answer| {
        answer.out.contains("2 of your changes came after you were removed")
    });
    assert_eq!(ben.json(&["status"])["you"]["without_effect"], 2);
    assert!(ben.ok(&["workspace", "show"]).contains("have no effect"));
    refused(&ben, &["member", "post-again"], 1, &["Anna removed you from this workspace"]);

    anna.ok(&["member", "role", "Ben", "member"]);
    wait_for(&ben, &["status"], |answer| answer.out.contains("`velo member post-again` posts them again"));
    // It is known after a start, too.
    assert!(bens.stop().success());
    let told = ben.ok(&["member", "post-again"]);
    assert!(told.contains("Posted 2 changes again") && told.contains("velo undo"), "{told}");
    assert!(!ben.ok(&["status"]).contains("have no effect"));
    assert_eq!(ben.json(&["status"])["you"].get("without_effect"), None);
    refused(&ben, &["member", "post-again", "--let-go"], 1, &["nothing to post again"]);
    let bens = ben.start_node();
    anna.ok(&["peers", "add", bens.addresses[0].as_str().unwrap()]);
    wait_for(&anna, &["task", "list"], |answer| answer.out.contains("Written apart too"));
    ben.ok(&["undo"]);
    wait_for(&anna, &["task", "list"], |answer| !answer.out.contains("Written apart"));
    drop((annas, bens));
}

#[test]
fn people_leave_but_for_the_only_owner() {
    let Team { anna, ben, .. } = &Team::with("member");
    refused(
        anna,
        &["member", "leave", "--yes"],
        1,
        &["you are the only owner", "make somebody else an owner"],
    );
    refused(anna, &["member", "role", "Anna", "member"], 1, &["you are the only owner"]);
    refused(ben, &["member", "leave"], 2, &["--yes"]);
    let told = ben.ok(&["member", "leave", "--yes"]);
    assert!(told.contains("You left") && told.contains("reaches nobody"), "{told}");
    refused(
        ben,
        &["task", "add", "x"],
        1,
        &["you left this workspace", "To be let in again, ask", "velo member role"],
    );
    refused(ben, &["member", "leave", "--yes"], 1, &["you are not in this workspace: left"]);
    wait_for(anna, &["member", "list", "--all"], |answer| answer.out.contains("left"));
    assert_eq!(row(anna, "Ben")["former"], "left");
    assert!(anna.ok(&["history"]).contains("Ben left"));
    refused(anna, &["member", "leave", "--yes"], 1, &["nobody could let you in again"]);
}

#[test]
fn people_an_admin_lets_members_in_and_out_and_no_owner() {
    let Team { anna, ben, .. } = &Team::with("member");
    anna.ok(&["member", "role", "Ben", "admin"]);
    wait_for(ben, &["invite"], |answer| answer.code == 0);
    refused(ben, &["member", "remove", "Anna", "--yes"], 1, &["Anna is an owner"]);
    refused(ben, &["member", "role", "Ben", "owner"], 1, &["owner"]);
    let told = ben.ok(&["invite", "list"]);
    assert!(told.contains("Ben") && told.contains("member"), "{told}");
}

#[test]
fn people_a_withdrawn_ticket_lets_nobody_in() {
    let (anna, ben) = (Device::with_project(), Device::of("Ben"));
    let _annas = anna.start_node();
    let made = anna.json(&["invite", "--role", "viewer"]);
    let id = made["invite"].as_str().unwrap();
    let rows = anna.json(&["invite", "list"]);
    let row = &rows[0];
    assert_eq!((&row["id"], &row["by"], &row["role"]), (&json!(id), &json!("Anna"), &json!("viewer")));
    assert_eq!((&row["expires"], &row["expired"]), (&made["expires"], &json!(false)));
    refused(&anna, &["invite", "revoke", "ffffffff"], 3, &["velo invite list"]);
    refused(&anna, &["invite", "revoke", "ff"], 3, &["velo invite list"]);
    refused(&anna, &["invite", "--days", "3", "list"], 2, &["list"]);
    let told = anna.ok(&["invite", "revoke", &id[..8]]);
    assert!(told.contains("withdrawn") && told.contains("a viewer"), "{told}");
    assert_eq!(anna.json(&["invite", "list"]), json!([]));
    assert!(anna.ok(&["history"]).contains(&format!("Anna withdrew ticket {} of Anna", &id[..8])));
    refused(&ben, &["join", made["ticket"].as_str().unwrap()], 1, &["the ticket was withdrawn", "new one"]);
    // A new one does, although the first was tried.
    ben.ok(&["join", &ticket(&anna, &[])]);
    assert!(anna.ok(&["member", "list"]).contains("Ben"));
}

#[test]
fn people_a_ticket_that_is_none_is_explained() {
    let (anna, ben) = (Device::with_project(), Device::of("Ben"));
    let _annas = anna.start_node();
    let good = ticket(&anna, &[]);
    refused(&ben, &["join", "hello"], 2, &["not a ticket", "velo1"]);
    refused(&ben, &["join", &good[..good.len() - 3]], 2, &["the ticket is damaged", "copy it again"]);
    let (start, end) = good.split_at(40);
    let wrong = format!("{start}{}{}", if end.starts_with('a') { 'b' } else { 'a' }, &end[1..]);
    refused(&ben, &["join", &wrong], 2, &["the ticket is damaged"]);
    let parsed: Ticket = good.parse().unwrap();
    let expired = Ticket { expires_ms: 1, ..parsed.clone() };
    refused(&ben, &["join", &expired.to_string()], 2, &["expired", "ask for a new one"]);
    refused(&ben, &["join"], 2, &["<TICKET>"]);
    // Of another workspace: nobody at its addresses knows the entry that it rests on.
    let foreign = Ticket { invite: EntryId([7; 32]), ..parsed };
    let answer = ben.run(&["join", &foreign.to_string(), "--wait", "2"]);
    assert_eq!(answer.code, 4, "{}{}", answer.out, answer.err);
    assert!(
        answer.out.contains("not in yet")
            || answer.out.contains("No device of the workspace was reached yet"),
        "{}",
        answer.out
    );
    refused(&ben, &["project", "add", "x"], 1, &["this device has not joined yet"]);
}

#[test]
fn people_join_with_a_picture() {
    let (anna, ben) = (Device::with_project(), Device::of("Ben"));
    let _annas = anna.start_node();
    let path = anna.path().join("ticket.png");
    let path = path.to_str().unwrap();
    let told = anna.ok(&["invite", "--png", path, "--qr"]);
    assert!(told.contains("velo1") && told.contains('▀') && told.contains('█'), "{told}");
    refused(&anna, &["invite", "--png", path], 1, &["is there already"]);
    refused(&anna, &["invite", "--png", "/nowhere/ticket.png"], 1, &["/nowhere/ticket.png"]);
    assert_eq!(anna.json(&["invite", "list"]).as_array().unwrap().len(), 1, "none was made in vain");
    assert_eq!(anna.run(&["invite", "--qr", "--json"]).code, 2);
    refused(&ben, &["join", "velo1", "--image", path], 2, &["--image"]);
    refused(&ben, &["join", "--image", "/nowhere/ticket.png"], 1, &["/nowhere/ticket.png"]);
    let text = ben.file("text.png", "hello");
    refused(&ben, &["join", "--image", &text], 2, &["not a picture that can be read"]);
    let cut = ben.path().join("cut.png");
    fs::write(&cut, &fs::read(path).unwrap()[..300]).unwrap();
    refused(&ben, &["join", "--image", cut.to_str().unwrap()], 2, &["not a picture that can be read"]);
    let joined = ben.run(&["join", "--image", path]);
    assert!(joined.out.contains("Joined \"Workshop\" as a member"), "{}{}", joined.out, joined.err);
    let words = row(&anna, "Anna")["words"].as_str().unwrap().to_owned();
    assert!(joined.err.contains(&words), "before it is used: {}", joined.err);
    assert!(joined.out.contains(&format!("Invited by Anna: {words}")), "{}", joined.out);
}

#[test]
fn people_list_devices_and_keep_the_last_one() {
    let Team { anna, ben, .. } = &Team::with("member");
    let words = anna.json(&["member", "list"])[0]["words"].as_str().unwrap().to_owned();
    assert!(words.split(' ').count() == 6 && anna.ok(&["status"]).contains(&words));
    assert!(anna.ok(&["invite"]).contains(&words), "who joins sees them");
    let own = anna.json(&["device", "list"]);
    let of_device = own[0]["words"].as_str().unwrap();
    assert!(of_device != words && anna.ok(&["device", "list"]).contains(of_device));
    assert_eq!(own.as_array().unwrap().len(), 1);
    assert_eq!((&own[0]["this"], &own[0]["name"]), (&json!(true), &json!("Anna")));
    let all = anna.json(&["device", "list", "--all"]);
    assert_eq!((&all[1]["name"], &all[1]["connected"]), (&json!("Ben"), &json!(true)), "{all}");
    let id = own[0]["device"].as_str().unwrap();
    refused(anna, &["device", "unlink", &id[..8]], 2, &["--yes"]);
    refused(anna, &["device", "unlink", &id[..8], "--yes"], 1, &["your only device", "velo member leave"]);
    assert!(ben.ok(&["device", "list"]).contains("this device"));
    let bens = all[1]["device"].as_str().unwrap();
    refused(anna, &["device", "unlink", &bens[..8], "--yes"], 1, &["a device of Ben", "they alone"]);
}

#[test]
fn people_forget_a_workspace_that_they_left_and_come_back_to_it() {
    let Team { anna, ben, .. } = &Team::with("member");
    refused(
        ben,
        &["workspace", "forget", "Workshop", "--yes"],
        1,
        &["you are a member", "velo member leave"],
    );
    refused(anna, &["workspace", "forget", "Workshop", "--yes"], 1, &["you are an owner"]);
    ben.ok(&["member", "leave", "--yes"]);
    wait_for(anna, &["member", "list"], |answer| !answer.out.contains("Ben"));
    refused(ben, &["workspace", "forget", "Workshop"], 2, &["--yes"]);
    refused(ben, &["workspace", "forget", "Work", "--yes"], 3, &["Workshop"]);
    refused(ben, &["workspace", "forget", "Barn", "--yes"], 3, &["velo workspace list"]);
    // As soon as she has said that she has it.
    let told = wait_for(ben, &["workspace", "forget", "workshop", "--yes"], |answer| answer.code == 0).out;
    for part in ["Removed \"Workshop\" from this device", "files here are deleted", "others keep"] {
        assert!(told.contains(part), "{told}");
    }
    assert!(ben.ok(&["workspace", "list"]).contains("No workspaces"));
    refused(ben, &["task", "list"], 5, &["there is no workspace"]);
    assert_eq!(anna.json(&["task", "list"]).as_array().unwrap().len(), 1);

    anna.ok(&["member", "role", "Ben", "member"]);
    ben.ok(&["join", "--wait", "20", &ticket(anna, &[])]);
    ben.ok(&["task", "add", "Buy brushes"]);
    wait_for(anna, &["task", "list"], |answer| answer.out.contains("Buy brushes"));
}

/// By commands of their own, each a node that comes and goes.
#[test]
fn people_give_up_a_ticket_that_nobody_answers() {
    let (anna, ben) = (Device::with_project(), Device::of("Ben"));
    ben.ok(&["workspace", "create", "Garden"]);
    let ticket = ticket(&anna, &["--address", "/ip4/127.0.0.1/tcp/9"]);
    assert_eq!(ben.run(&["join", &ticket, "--wait", "0"]).code, 4, "nobody is reached");
    let id = ticket.parse::<Ticket>().unwrap().workspace.to_string();
    assert!(ben.ok(&["workspace", "list"]).contains("(not arrived yet)"));
    let answer = ben.json(&["workspace", "forget", &id[..8], "--yes"]);
    assert_eq!((answer["id"].as_str(), answer["without_effect"].as_u64()), (Some(id.as_str()), Some(0)));
    let left = ben.json(&["workspace", "list"]);
    assert_eq!(left.as_array().unwrap().len(), 1);
    // It was the one that commands meant.
    assert!(ben.ok(&["workspace", "show"]).contains("Garden"));
    assert_eq!(ben.run(&["workspace", "forget", &id, "--yes"]).code, 1, "it is gone");
}
