//! A workspace is taken off a device whose person is not in: it stays away, and can be joined again.

use crate::{
    admission::{connect, members, refusals, shows},
    device::*,
    linking::{become_linked, code_of, link},
    private::{first, private},
};
use velo_protocol::{
    access::Role,
    id::WorkspaceId,
    limits,
    message::{Digest, Message},
    private as kept,
    replica::{Command, Event, Input, Output, Refusal, Reply},
    ticket::Ticket,
};

fn forget(device: &mut Device, workspace: WorkspaceId) -> Result<Reply, Refusal> {
    device.command(Command::Forget { workspace, unsent: false })
}

fn set_role(device: &mut Device, workspace: WorkspaceId, of: &Device, role: Option<Role>) {
    let person = of.identity.person;
    device.command(Command::SetRole { workspace, person, role }).unwrap();
}

/// Whether nothing of it is on the device, also after a restart.
fn is_gone(device: &mut Device, workspace: WorkspaceId) -> bool {
    let open = |device: &Device| device.replica.workspace(workspace).is_some();
    let before = open(device);
    device.restart(false);
    device.pass(100);
    !before && !open(device) && !device.disks.contains_key(&workspace)
}

/// The workspaces that a device's person has on their list.
fn listed(device: &Device) -> Vec<WorkspaceId> {
    kept::workspaces(private(device)).iter().map(|known| known.id).collect()
}

/// Two members who have private workspaces.
fn team() -> (Device, Device, WorkspaceId) {
    let (mut anna, mut ben) = (first(1), first(2));
    let workspace = anna.found();
    ben.join(&anna.invite(workspace)).unwrap();
    meet(&mut anna, &mut ben);
    (anna, ben, workspace)
}

/// Has a further device of somebody taken in.
fn taken_in(old: &mut Device, number: u8) -> Device {
    let mut new = first(number);
    let code = code_of(&mut new);
    link(old, code);
    meet(old, &mut new);
    become_linked(&mut new);
    meet(old, &mut new);
    new
}

#[test]
fn who_is_in_leaves_first() {
    let (mut anna, mut ben, workspace) = team();
    let told = forget(&mut ben, workspace);
    assert!(matches!(&told, Err(Refusal::Role(words)) if words.contains("velo member leave")), "{told:?}");
    set_role(&mut anna, workspace, &ben, None);
    let alone = forget(&mut anna, workspace);
    assert!(matches!(&alone, Err(Refusal::Role(words)) if words.contains("only one")), "{alone:?}");
    let id = ben.replica.private_id().unwrap();
    assert_eq!(forget(&mut ben, id), Err(Refusal::NoWorkspace(id)));
    let other = WorkspaceId([9; 32]);
    assert_eq!(forget(&mut ben, other), Err(Refusal::NoWorkspace(other)));
    ben.replica.note_unopened(other);
    assert_eq!(forget(&mut ben, other), Err(Refusal::Unopened));
    assert_eq!(members(&ben, workspace), 2, "nothing was changed");

    let person = ben.identity.person;
    ben.command(Command::SetRole { workspace, person, role: None }).unwrap();
    let unheard = forget(&mut ben, workspace);
    assert!(
        matches!(&unheard, Err(Refusal::Role(words)) if words.contains("heard of your leaving")),
        "{unheard:?}"
    );
    connect(&mut anna, &mut ben);
    assert_eq!(members(&anna, workspace), 1, "now she has heard it");
    assert_eq!(forget(&mut ben, workspace), Ok(Reply::Done));
    assert!(ben.events().any(|event| *event == Event::WorkspaceForgotten { workspace }));
    assert!(is_gone(&mut ben, workspace));
    assert_eq!(forget(&mut ben, workspace), Err(Refusal::NoWorkspace(workspace)));
}

#[test]
fn a_ticket_that_waits_is_given_up_and_can_be_tried_again() {
    let (mut anna, mut ben) = (first(1), first(2));
    let workspace = anna.found();
    let ticket = anna.invite(workspace);
    ben.join(&ticket).unwrap();
    assert_eq!(forget(&mut ben, workspace), Ok(Reply::Done));
    meet(&mut anna, &mut ben);
    assert!(is_gone(&mut ben, workspace));
    assert_eq!(members(&anna, workspace), 1, "it was not used");
    ben.join(&ticket).unwrap();
    meet(&mut anna, &mut ben);
    assert_eq!((members(&ben, workspace), listed(&ben)), (2, vec![workspace]));
}

#[test]
fn peers_are_waited_for_anew_when_a_forgotten_workspace_is_here_again() {
    let (mut anna, mut ben) = (first(1), first(2));
    let workspace = anna.found();
    let ticket = anna.invite(workspace);
    let asked_at_once = |ben: &mut Device| {
        ben.join(&ticket).unwrap();
        let [speaks, gathers] = [50, 51].map(|number| Wire::member(number, ben, workspace));
        speaks.announce(ben, workspace, anna.heads(workspace), true);
        let asked = !wants(&speaks.heard(ben)).is_empty();
        for wire in [speaks, gathers] {
            ben.input(Input::PeerDown { peer: wire.id });
        }
        ben.outputs.clear();
        asked
    };
    assert!(!asked_at_once(&mut ben));
    assert_eq!(forget(&mut ben, workspace), Ok(Reply::Done));
    ben.pass(2 * limits::GATHER_MS);
    assert!(!asked_at_once(&mut ben));
}

#[test]
fn who_was_removed_comes_back_after_they_forgot_it() {
    let (mut anna, mut ben, workspace) = team();
    ben.edit(workspace, 1);
    meet(&mut anna, &mut ben);
    set_role(&mut anna, workspace, &ben, None);
    meet(&mut anna, &mut ben);
    assert_eq!(listed(&ben), []);
    assert_eq!(forget(&mut ben, workspace), Ok(Reply::Done));
    meet(&mut anna, &mut ben);
    assert!(is_gone(&mut ben, workspace));

    // An admin lets him in, and a ticket brings it to this device.
    set_role(&mut anna, workspace, &ben, Some(Role::Member));
    ben.join(&anna.invite(workspace)).unwrap();
    assert_eq!(listed(&ben), [], "he is not in yet, as far as is known here");
    meet(&mut anna, &mut ben);
    ben.edit(workspace, 2);
    meet(&mut anna, &mut ben);
    assert_eq!(listed(&ben), [workspace]);
    assert!([1, 2].iter().all(|number| shows(&anna, workspace, *number)));
    assert_eq!(anna.heads(workspace), ben.heads(workspace), "his first log is gone on with by another one");
    ben.restart(false);
    ben.edit(workspace, 3);
    meet(&mut anna, &mut ben);
    assert!(shows(&anna, workspace, 3));
}

/// Ben, who was let in by a ticket that Anna withdrew before she heard of it, and hears so.
fn refused() -> (Device, Device, WorkspaceId) {
    let (mut anna, mut ben) = (first(1), first(2));
    let workspace = anna.found();
    let ticket: Ticket = anna.invite(workspace);
    ben.join(&ticket).unwrap();
    give(&anna, &mut ben, workspace);
    ben.edit(workspace, 1);
    anna.command(Command::Revoke { workspace, invite: ticket.invite }).unwrap();
    connect(&mut anna, &mut ben);
    assert_eq!((refusals(&mut ben), members(&ben, workspace)), (1, 2));
    (anna, ben, workspace)
}

#[test]
fn whose_joining_was_undone_forgets_it_and_joins_with_another_ticket() {
    let (mut anna, mut ben, workspace) = refused();
    assert_eq!(listed(&ben), [workspace], "for all he knows he is in");
    assert_eq!(forget(&mut ben, workspace), Ok(Reply::Done));
    assert_eq!(listed(&ben), []);
    // While both are connected still.
    ben.join(&anna.invite(workspace)).unwrap();
    for _ in 0..40 {
        talk(&mut anna, &mut ben);
        anna.pass(500);
        ben.pass(500);
    }
    assert_eq!((members(&anna, workspace), members(&ben, workspace)), (2, 2));
    ben.edit(workspace, 2);
    talk(&mut anna, &mut ben);
    assert!(shows(&anna, workspace, 2));
    assert_eq!(listed(&ben), [workspace]);
    assert_eq!((anna.disconnected(), ben.disconnected()), (None, None));
}

#[test]
fn a_session_goes_on_without_it_and_takes_it_up_again() {
    let (mut anna, mut ben, workspace) = team();
    let other = anna.found();
    ben.join(&anna.invite(other)).unwrap();
    connect(&mut anna, &mut ben);
    set_role(&mut anna, workspace, &ben, None);
    talk(&mut anna, &mut ben);
    ben.outputs.clear();
    assert_eq!(forget(&mut ben, workspace), Ok(Reply::Done));
    // Anna's device cannot know, and goes on comparing.
    for number in 0..4 {
        anna.edit(workspace, number);
        anna.pass(6_000);
        ben.pass(6_000);
        talk(&mut anna, &mut ben);
    }
    assert_eq!((anna.disconnected(), ben.disconnected()), (None, None));
    assert!(ben.replica.workspace(workspace).is_none());
    anna.edit(other, 7);
    talk(&mut anna, &mut ben);
    assert!(shows(&ben, other, 7), "the other one is compared as before");

    set_role(&mut anna, workspace, &ben, Some(Role::Member));
    ben.join(&anna.invite(workspace)).unwrap();
    for _ in 0..40 {
        talk(&mut anna, &mut ben);
        anna.pass(500);
        ben.pass(500);
    }
    assert_eq!(anna.heads(workspace), ben.heads(workspace), "what was acknowledged before is sent again");
    assert_eq!(members(&ben, workspace), 2);
}

#[test]
fn late_words_are_let_pass_and_those_of_others_are_not() {
    let (mut anna, mut ben, workspace) = team();
    let wire = Wire::member(60, &mut ben, workspace);
    let other = WorkspaceId([9; 32]);
    set_role(&mut anna, workspace, &ben, None);
    wire.say_runs(&mut ben, workspace, anna.runs(workspace));
    forget(&mut ben, workspace).unwrap();
    wire.heard(&mut ben);
    wire.announce(&mut ben, workspace, Vec::new(), true);
    wire.say_runs(&mut ben, workspace, anna.runs(workspace));
    wire.say(&mut ben, &Message::Withdrawn(workspace));
    wire.say(&mut ben, &Message::Digest(Digest { workspace, hash: [1; 32], asks: true }));
    assert_eq!((wire.heard(&mut ben), ben.disconnected()), (Vec::new(), None));
    assert!(ben.replica.workspace(workspace).is_none());
    wire.say(&mut ben, &Message::Withdrawn(other));
    assert!(ben.disconnected().is_some_and(|reason| reason.contains("not authenticated")));
}

#[test]
fn what_is_on_its_way_to_the_disk_is_let_go() {
    let (mut anna, mut ben, workspace) = refused();
    let logs = Readers::default();
    let now = ben.now();
    let edit = Command::SetAutoSync { workspace, on: true };
    ben.replica.handle(now, Input::Command { request: 3, command: edit }, &logs);
    let person = ben.identity.person;
    let leave = Command::SetRole { workspace, person, role: None };
    ben.replica.handle(now, Input::Command { request: 4, command: leave }, &logs);
    ben.replica.handle(
        now,
        Input::Command { request: 5, command: Command::Forget { workspace, unsent: true } },
        &logs,
    );
    let outputs: Vec<Output> = std::iter::from_fn(|| ben.replica.poll()).collect();
    let at = |wanted: &dyn Fn(&Output) -> bool| outputs.iter().position(wanted).unwrap();
    let id = ben.replica.private_id();
    let private = at(&|output| matches!(output, Output::Persist { workspace, .. } if Some(*workspace) == id));
    let gone = at(&|output| matches!(output, Output::Forget(_)));
    let answered = at(&|output| matches!(output, Output::Reply { request: 5, result: Ok(Reply::Done) }));
    assert!(private < gone && gone < answered, "off the list first: {outputs:?}");
    // It is begun anew before the disk is done, and other logs have the numbers of those that were here.
    ben.disks.remove(&workspace);
    ben.join(&anna.invite(workspace)).unwrap();
    let mut wire = Wire::greet(60, &mut ben);
    wire.prove_secret(&mut ben, workspace);
    for number in 61..65 {
        wire.say_runs(&mut ben, workspace, crate::admission::stranger(number, workspace, None));
    }
    let durable = |ben: &Device| {
        let chains = ben.replica.logs(workspace).unwrap().chains();
        chains.map(|(_, chain)| chain.durable).collect::<Vec<_>>()
    };
    assert_eq!(durable(&ben), [1; 4]);
    let batches = outputs.iter().filter_map(|output| match output {
        Output::Persist { id, .. } => Some(*id),
        _ => None,
    });
    for batch in batches {
        ben.replica.handle(now, Input::Persisted { batch }, &logs);
    }
    let told: Vec<Output> = std::iter::from_fn(|| ben.replica.poll()).collect();
    let is_answer = |output: &&Output| matches!(output, Output::Reply { request: 4, result: Ok(_) });
    assert_eq!(told.iter().filter(is_answer).count(), 1, "{told:?}");
    assert_eq!(durable(&ben), [1; 4], "what was written before counts for none of them");
}

#[test]
fn another_device_keeps_it_and_does_not_bring_it_back() {
    let (_, mut ben, workspace) = refused();
    let mut phone = taken_in(&mut ben, 30);
    assert!(phone.replica.workspace(workspace).is_some());
    assert_eq!(forget(&mut ben, workspace), Ok(Reply::Done));
    for _ in 0..3 {
        meet(&mut ben, &mut phone);
    }
    assert!(is_gone(&mut ben, workspace));
    assert_eq!((listed(&ben), listed(&phone)), (Vec::new(), Vec::new()));
    assert!(phone.replica.workspace(workspace).is_some());
}

#[test]
fn one_that_lists_it_unaware_of_that_brings_it_back_and_it_is_forgotten_again() {
    let (mut anna, mut ben) = (first(1), first(2));
    let own = ben.found();
    let mut phone = taken_in(&mut ben, 30);
    let workspace = anna.found();
    let ticket = anna.invite(workspace);
    ben.join(&ticket).unwrap();
    give(&anna, &mut ben, workspace);
    forget_when_refused(&mut anna, &mut ben, &ticket);
    // The phone has heard neither of the one nor of the other, and is let in.
    phone.now_ms = ben.now_ms + 1_000;
    phone.join(&anna.invite(workspace)).unwrap();
    meet(&mut anna, &mut phone);
    meet(&mut ben, &mut phone);
    assert!(ben.replica.workspace(workspace).is_some(), "the later word counts");
    assert_eq!(members(&ben, workspace), 2, "and is right: he is in");
    let person = ben.identity.person;
    ben.command(Command::SetRole { workspace, person, role: None }).unwrap();
    assert_eq!(ben.command(Command::Forget { workspace, unsent: true }), Ok(Reply::Done));
    for _ in 0..3 {
        meet(&mut ben, &mut phone);
    }
    assert!(is_gone(&mut ben, workspace));
    assert_eq!((listed(&ben), listed(&phone)), (vec![own], vec![own]));
}

fn forget_when_refused(anna: &mut Device, ben: &mut Device, ticket: &Ticket) {
    let workspace = ticket.workspace;
    anna.command(Command::Revoke { workspace, invite: ticket.invite }).unwrap();
    meet(anna, ben);
    assert_eq!(refusals(ben), 1);
    assert_eq!(forget(ben, workspace), Ok(Reply::Done));
}

#[test]
fn a_device_that_was_taken_away_forgets_what_is_on_it() {
    let (mut anna, mut ben, workspace) = team();
    let mut phone = taken_in(&mut ben, 30);
    meet(&mut anna, &mut phone);
    ben.command(Command::Unlink { device: phone.id(), root: None }).unwrap();
    meet(&mut ben, &mut phone);
    assert_eq!(forget(&mut phone, workspace), Ok(Reply::Done));
    meet(&mut ben, &mut phone);
    assert!(is_gone(&mut phone, workspace));
    assert_eq!(listed(&ben), [workspace], "its person is in");
}
