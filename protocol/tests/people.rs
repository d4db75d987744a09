//! Who is in, and who can read: one story a test, on whole devices.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "shared with the tests of sessions")]
#[path = "sync/device.rs"]
mod device;

use device::{Device, give, meet, pair};
use velo_protocol::{
    access::Role,
    change::Change,
    id::{EntityId, PersonId, WorkspaceId},
    model::{EntityKey, Kind, profile},
    replica::{Command, Event, Input, Refusal, Reply},
    roster::Parting,
    ticket::Ticket,
    value::Value,
    workspace::Workspace,
};

fn state(device: &Device, workspace: WorkspaceId) -> &Workspace {
    device.replica.workspace(workspace).unwrap()
}

/// What it makes of what it holds: equal on equal devices.
fn shown(device: &Device, workspace: WorkspaceId) -> ([u8; 32], u64) {
    let state = state(device, workspace);
    (state.state_hash(), state.locked_entries())
}

fn shows(device: &Device, workspace: WorkspaceId, number: u64) -> bool {
    let key = EntityKey::new(Kind::Project, EntityId::new(number, [0; 10]));
    state(device, workspace).is_shown(key)
}

fn person(device: &Device) -> PersonId {
    device.identity.person
}

fn set_role(
    device: &mut Device,
    workspace: WorkspaceId,
    person: PersonId,
    role: Option<Role>,
) -> Result<Reply, Refusal> {
    device.command(Command::SetRole { workspace, person, role })
}

fn ticket(device: &mut Device, workspace: WorkspaceId, role: Role) -> Ticket {
    let command =
        Command::Invite { workspace, role, single_use: false, expires_ms: u64::MAX, addresses: vec![] };
    match device.command(command).unwrap() {
        Reply::Ticket(ticket) => ticket,
        other => panic!("{other:?}"),
    }
}

fn rename(device: &mut Device, workspace: WorkspaceId, name: &str) -> Result<Reply, Refusal> {
    let key = EntityKey::new(Kind::Profile, person(device).into());
    let changes = vec![Change::Set { key, slot: profile::NAME.into(), value: Value::text(name) }];
    device.command(Command::Edit { workspace, changes })
}

fn refused_role(result: Result<Reply, Refusal>) -> String {
    match result {
        Err(Refusal::Role(words)) => words,
        other => panic!("{other:?}"),
    }
}

/// Another person, in with a ticket of `host`.
fn joins(number: u8, host: &mut Device, workspace: WorkspaceId, role: Role) -> Device {
    let mut guest = Device::new(number);
    let ticket = ticket(host, workspace, role);
    guest.join(&ticket).unwrap();
    give(host, &mut guest, workspace);
    give(&guest, host, workspace);
    guest
}

#[test]
fn who_was_removed_while_offline_hears_it_and_what_they_did_since_has_no_effect() {
    let (mut anna, mut ben, workspace) = pair();
    ben.edit(workspace, 1);
    give(&ben, &mut anna, workspace);
    ben.edit(workspace, 2);
    set_role(&mut anna, workspace, person(&ben), None).unwrap();
    assert!(shows(&ben, workspace, 2));
    give(&ben, &mut anna, workspace);
    give(&anna, &mut ben, workspace);
    for device in [&anna, &ben] {
        assert!(shows(device, workspace, 1), "what the remover had seen stays");
        assert!(!shows(device, workspace, 2));
    }
    assert_eq!(shown(&anna, workspace), shown(&ben, workspace));
    let words = refused_role(ben.command(Command::Undo { workspace }));
    assert!(words.contains("Anna removed you"), "{words}");
    let words = refused_role(rename(&mut ben, workspace, "Benno"));
    assert!(words.contains("Anna removed you"), "{words}");
    // What follows is not for them.
    anna.edit(workspace, 3);
    give(&anna, &mut ben, workspace);
    assert!(!shows(&ben, workspace, 3) && state(&ben, workspace).locked_entries() == 1);
    ben.restart(false);
    assert!(!shows(&ben, workspace, 2) && !shows(&ben, workspace, 3));
}

/// People compare the words of who invites them before they use a ticket.
#[test]
fn a_ticket_that_names_another_inviter_is_refused() {
    let (mut anna, ben, workspace) = pair();
    let good = ticket(&mut anna, workspace, Role::Member);
    let forged = Ticket { inviter: person(&ben), ..good.clone() };
    let mut chi = Device::new(3);
    chi.join(&forged).unwrap();
    let wire = device::Wire::member(99, &mut chi, workspace);
    wire.say_runs(&mut chi, workspace, anna.runs(workspace));
    let refused = chi.events().any(
        |event| matches!(event, Event::JoinRefused { reason, .. } if reason.contains("names somebody else")),
    );
    chi.input(Input::PeerDown { peer: wire.id });
    chi.outputs.clear();
    assert!(refused && state(&chi, workspace).roster().role_of(person(&chi)).is_none());
    chi.join(&good).unwrap();
    give(&anna, &mut chi, workspace);
    assert_eq!(state(&chi, workspace).roster().role_of(person(&chi)), Some(Role::Member));
}

#[test]
fn who_slept_through_two_rotations_reads_everything() {
    let (mut anna, mut ben, workspace) = pair();
    for number in [3, 4] {
        let guest = joins(number, &mut anna, workspace, Role::Member);
        set_role(&mut anna, workspace, person(&guest), None).unwrap();
        anna.edit(workspace, u64::from(number));
    }
    assert_eq!(shown(&ben, workspace).1, 0);
    give(&anna, &mut ben, workspace);
    assert!(shows(&ben, workspace, 3) && shows(&ben, workspace, 4));
    assert_eq!(shown(&anna, workspace), shown(&ben, workspace));
    ben.restart(false);
    assert_eq!(shown(&anna, workspace), shown(&ben, workspace));
}

#[test]
fn a_newcomer_reads_the_whole_history_before_anybody_knows_of_them() {
    let (mut anna, ben, workspace) = pair();
    anna.edit(workspace, 1);
    set_role(&mut anna, workspace, person(&ben), None).unwrap();
    anna.edit(workspace, 2);
    let (ticket, mut chi) = (ticket(&mut anna, workspace, Role::Member), Device::new(3));
    chi.join(&ticket).unwrap();
    give(&anna, &mut chi, workspace);
    assert!(shows(&chi, workspace, 1) && shows(&chi, workspace, 2));
    assert_eq!(shown(&chi, workspace).1, 0);
    chi.edit(workspace, 3);
    give(&chi, &mut anna, workspace);
    assert!(shows(&anna, workspace, 3));
    assert_eq!(shown(&anna, workspace), shown(&chi, workspace));
}

#[test]
fn what_was_locked_joins_when_the_key_comes() {
    let (mut anna, mut ben, workspace) = pair();
    set_role(&mut anna, workspace, person(&ben), None).unwrap();
    anna.edit(workspace, 1);
    give(&anna, &mut ben, workspace);
    assert!(!shows(&ben, workspace, 1));
    assert_eq!(state(&ben, workspace).locked_entries(), 1);
    set_role(&mut anna, workspace, person(&ben), Some(Role::Member)).unwrap();
    give(&anna, &mut ben, workspace);
    assert!(shows(&ben, workspace, 1), "letting somebody in again shares the key at once");
    assert_eq!(shown(&anna, workspace), shown(&ben, workspace));
    ben.edit(workspace, 2);
    give(&ben, &mut anna, workspace);
    assert!(shows(&anna, workspace, 2));
}

/// Two members who start an epoch at the same time carry neither of them in the other. Somebody who
/// was given one of them only must be given the other one too.
#[test]
fn epochs_that_were_started_apart_reach_everybody() {
    let (mut anna, mut ben, workspace) = pair();
    set_role(&mut anna, workspace, person(&ben), Some(Role::Owner)).unwrap();
    let chi = joins(3, &mut anna, workspace, Role::Member);
    give(&anna, &mut ben, workspace);
    // Both remove them, and write on, without hearing of each other.
    for device in [&mut anna, &mut ben] {
        set_role(device, workspace, person(&chi), None).unwrap();
    }
    anna.edit(workspace, 1);
    ben.edit(workspace, 2);
    // Who joins with Anna's ticket has the key of her epoch, and that one does not lead to Ben's.
    let dee = joins(4, &mut anna, workspace, Role::Member);
    give(&ben, &mut anna, workspace);
    anna.edit(workspace, 3);
    let mut dee = dee;
    give(&anna, &mut dee, workspace);
    assert!((1..=3).all(|number| shows(&dee, workspace, number)));
    assert_eq!(shown(&anna, workspace), shown(&dee, workspace));
}

#[test]
fn a_ticket_used_while_it_is_withdrawn_lets_nobody_in() {
    let mut anna = Device::new(1);
    let workspace = anna.found();
    let (first, mut ben, mut chi) =
        (ticket(&mut anna, workspace, Role::Member), Device::new(2), Device::new(3));
    // Ben uses it before he hears of it, Chi after.
    ben.join(&first).unwrap();
    give(&anna, &mut ben, workspace);
    assert_eq!(state(&ben, workspace).roster().role_of(person(&ben)), Some(Role::Member));
    ben.edit(workspace, 1);
    anna.command(Command::Revoke { workspace, invite: first.invite }).unwrap();
    anna.edit(workspace, 2);
    give(&ben, &mut anna, workspace);
    give(&anna, &mut ben, workspace);
    for device in [&anna, &ben] {
        assert_eq!(state(device, workspace).roster().role_of(person(&ben)), None);
        assert!(!shows(device, workspace, 1));
    }
    assert!(!shows(&ben, workspace, 2), "what follows the withdrawal is under another key");
    assert!(!refused_role(ben.command(Command::Undo { workspace })).is_empty());

    chi.join(&first).unwrap();
    let wire = device::Wire::member(98, &mut chi, workspace);
    wire.say_runs(&mut chi, workspace, anna.runs(workspace));
    assert!(chi.events().any(|event| matches!(event, Event::JoinRefused { .. })));
    // Another ticket is good, without a restart between: its key opens what is here already.
    let second = ticket(&mut anna, workspace, Role::Member);
    chi.join(&second).unwrap();
    give(&anna, &mut chi, workspace);
    assert_eq!(state(&chi, workspace).roster().role_of(person(&chi)), Some(Role::Member));
    assert!(shows(&chi, workspace, 2) && !shows(&chi, workspace, 1));
    give(&chi, &mut anna, workspace);
    assert_eq!(shown(&anna, workspace), shown(&chi, workspace));
}

#[test]
fn a_viewer_waits_for_a_key_and_hears_so() {
    let (mut anna, mut ben, workspace) = pair();
    let mut vic = joins(4, &mut anna, workspace, Role::Viewer);
    let key = EntityKey::new(Kind::Profile, person(&vic).into());
    assert_eq!(state(&anna, workspace).text(key, profile::NAME), "Ben", "every guest says so");
    // After somebody left nobody uses the old key, and a viewer may not make one.
    give(&anna, &mut ben, workspace);
    let own = person(&ben);
    set_role(&mut ben, workspace, own, None).unwrap();
    give(&ben, &mut vic, workspace);
    let words = refused_role(rename(&mut vic, workspace, "Vic"));
    assert!(words.contains("new key"), "{words}");
    give(&ben, &mut anna, workspace);
    anna.edit(workspace, 1);
    give(&anna, &mut vic, workspace);
    assert!(shows(&vic, workspace, 1));
    rename(&mut vic, workspace, "Vic").unwrap();
    give(&vic, &mut anna, workspace);
    assert_eq!(state(&anna, workspace).text(key, profile::NAME), "Vic");
    let add = Command::Edit {
        workspace,
        changes: vec![Change::Create {
            key: EntityKey::new(Kind::Project, EntityId::new(9, [0; 10])),
            fields: vec![(velo_protocol::model::project::NAME.into(), Value::text("Mine"))],
        }],
    };
    let words = refused_role(vic.command(add));
    assert!(words.contains("you are a viewer here, and it takes a member"), "{words}");
}

#[test]
fn a_device_that_was_taken_from_its_person_hears_it() {
    let mut anna = Device::new(1);
    let workspace = anna.found();
    // A second device, brought by the first.
    let mut phone = Device::new(2);
    let (person, receiving) = (anna.identity.person, phone.identity.receiving.public());
    let link = velo_protocol::crypto::LinkCert::issue(
        person,
        &anna.identity.device,
        &phone.identity.device,
        receiving.0,
    );
    phone.identity.chain = [&anna.identity.chain[..], &[link]].concat();
    (phone.identity.person, phone.identity.recovery) = (person, anna.identity.recovery);
    phone.restart(false);
    let ticket = ticket(&mut anna, workspace, Role::Member);
    phone.join(&ticket).unwrap();
    give(&anna, &mut phone, workspace);
    give(&phone, &mut anna, workspace);
    phone.edit(workspace, 1);
    give(&phone, &mut anna, workspace);
    assert!(shows(&anna, workspace, 1), "a person who is named already joins with another device");
    phone.edit(workspace, 2);
    anna.command(Command::Unlink { device: phone.id(), root: None }).unwrap();
    anna.edit(workspace, 3);
    give(&phone, &mut anna, workspace);
    give(&anna, &mut phone, workspace);
    assert!(shows(&anna, workspace, 1) && !shows(&anna, workspace, 2));
    assert!(!shows(&phone, workspace, 2) && !shows(&phone, workspace, 3));
    let words = refused_role(phone.command(Command::Undo { workspace }));
    assert!(words.contains("taken from you"), "{words}");
}

#[test]
fn tickets_that_somebody_has_seen_who_left_are_withdrawn_by_the_next_admin() {
    let (mut anna, mut ben, workspace) = pair();
    let mut chi = joins(3, &mut anna, workspace, Role::Member);
    give(&anna, &mut ben, workspace);
    let seen = ticket(&mut anna, workspace, Role::Member);
    give(&anna, &mut ben, workspace);
    let own = person(&ben);
    set_role(&mut ben, workspace, own, None).unwrap();
    let unseen = ticket(&mut anna, workspace, Role::Member);
    give(&ben, &mut anna, workspace);
    let open = |device: &Device| -> Vec<_> {
        state(device, workspace).roster().invites.iter().map(|open| open.id).collect()
    };
    assert!(open(&anna).contains(&seen.invite), "not before another device holds the same");
    meet(&mut anna, &mut chi);
    anna.pass(12_000);
    meet(&mut anna, &mut chi);
    assert_eq!(open(&anna), [unseen.invite], "what was made without them is not for them");
    assert_eq!(open(&anna), open(&chi));
    // A new one is made knowing of it, and stays.
    let new = ticket(&mut anna, workspace, Role::Member);
    meet(&mut anna, &mut chi);
    anna.pass(12_000);
    meet(&mut anna, &mut chi);
    assert!(open(&chi).contains(&new.invite));
}

/// Two removals that cross: whoever heard of which first, both say the same name.
#[test]
fn who_removed_somebody_is_the_same_on_every_device() {
    let mut named = std::collections::BTreeSet::new();
    for number in 10..16 {
        let (mut anna, mut ben, workspace) = pair();
        set_role(&mut anna, workspace, person(&ben), Some(Role::Owner)).unwrap();
        let chi = joins(number, &mut anna, workspace, Role::Member);
        give(&anna, &mut ben, workspace);
        for device in [&mut anna, &mut ben] {
            set_role(device, workspace, person(&chi), None).unwrap();
        }
        let (before_a, before_b) = (anna.runs(workspace), ben.runs(workspace));
        for (device, runs) in [(&mut anna, before_b), (&mut ben, before_a)] {
            let wire = device::Wire::member(98, device, workspace);
            wire.say_runs(device, workspace, runs);
        }
        let of = |device: &Device| state(device, workspace).roster().former[&person(&chi)];
        assert_eq!(of(&anna), of(&ben));
        anna.restart(false);
        assert_eq!(of(&anna), of(&ben));
        named.insert(of(&anna) == Parting::Removed(person(&anna)));
    }
    assert_eq!(named.len(), 2, "now one, now the other");
}

#[test]
fn nobody_shuts_themselves_out_by_mistake() {
    let mut anna = Device::new(1);
    let workspace = anna.found();
    let (own, device) = (person(&anna), anna.id());
    for role in [None, Some(Role::Admin)] {
        let words = refused_role(set_role(&mut anna, workspace, own, role));
        assert!(words.contains("you are the only"), "{words}");
    }
    let words = refused_role(anna.command(Command::Unlink { device, root: None }));
    assert!(words.contains("your only device"), "{words}");
    let stranger = PersonId([9; 32]);
    for role in [None, Some(Role::Member)] {
        let words = refused_role(set_role(&mut anna, workspace, stranger, role));
        assert!(words.contains("no such person"), "{words}");
    }
    let ben = joins(2, &mut anna, workspace, Role::Member);
    let words = refused_role(set_role(&mut anna, workspace, own, None));
    assert!(words.contains("you are the only owner"), "{words}");
    // Who leaves withdraws what they may have seen, as far as they may.
    set_role(&mut anna, workspace, person(&ben), Some(Role::Owner)).unwrap();
    assert!(!state(&anna, workspace).roster().invites.is_empty());
    set_role(&mut anna, workspace, own, None).unwrap();
    assert!(state(&anna, workspace).roster().invites.is_empty());
    assert_eq!(state(&anna, workspace).roster().role_of(own), None);
}
