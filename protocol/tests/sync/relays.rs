//! Relays: who is never online together meets through a peer that reads nothing.

use crate::{admission::connect, device::*, linking::*};
use velo_protocol::{
    access::Role,
    id::{PersonId, WorkspaceId},
    limits,
    log::verify_seal,
    message::{CarryOffer, Message},
    replica::{Command, Input, Output, Refusal, Reply, Stall, Way, relays_of},
    store::{ChainNo, LogReader, LogStore},
    ticket::SessionSecret,
};

const ADDRESS: &str = "/dns4/relay.example/tcp/4001";

/// A relay that carries for everybody.
pub fn relay(number: u8) -> Device {
    let mut relay = Device::new(number);
    relay.operator = Ok(None);
    relay
}

fn ask(device: &mut Device, workspace: WorkspaceId, relay: &Device) {
    let (relay, address, token) = (relay.id(), ADDRESS.to_owned(), "token".to_owned());
    let command = Command::AddRelay { workspace, relay, address, token };
    device.outputs.retain(|output| !matches!(output, Output::Reply { .. }));
    device.input(Input::Command { request: 9, command });
}

/// Has a relay carry a workspace, and take what is there.
pub fn add(device: &mut Device, workspace: WorkspaceId, relay: &mut Device) {
    ask(device, workspace, relay);
    meet(device, relay);
    assert!(matches!(answer(device), Some(Ok(Reply::Edited { .. }))), "{:?}", answer(device));
}

fn root_of(relay: &Device) -> PersonId {
    relay.identity.person
}

fn stall(device: &Device, peer: &Device) -> Option<Stall> {
    let peers = device.replica.peers(device.now());
    let peer = peers.into_iter().find(|status| status.peer == peer.id())?;
    peer.workspaces.first()?.stall
}

#[test]
fn two_who_are_never_online_together_agree_through_a_relay_that_reads_nothing() {
    let (mut anna, mut ben, mut relay) = (Device::new(1), Device::new(2), relay(9));
    let workspace = anna.found();
    anna.edit(workspace, 1);
    let ticket = anna.invite(workspace);
    add(&mut anna, workspace, &mut relay);
    let named = relays_of(anna.replica.workspace(workspace).unwrap());
    assert_eq!((named.len(), named[0].root, named[0].address.as_str()), (1, root_of(&relay), ADDRESS));

    ben.join(&ticket).unwrap();
    meet(&mut ben, &mut relay);
    assert_eq!(shown(&ben, workspace), (1, 0), "all of it came, and can be read");
    ben.edit(workspace, 2);
    meet(&mut ben, &mut relay);
    meet(&mut anna, &mut relay);
    assert_eq!(shown(&anna, workspace), (2, 0));
    assert_eq!(anna.heads(workspace), relay.heads(workspace));

    let (seen, locked) = shown(&relay, workspace);
    assert!(seen == 0 && locked > 0, "the relay reads nothing");
    assert!(!relay.has_own_entries(workspace), "and writes nothing");
    assert_eq!(relay.records[&workspace].way, Way::Carried { room: None });
    relay.restart(false);
    anna.edit(workspace, 3);
    meet(&mut anna, &mut relay);
    meet(&mut ben, &mut relay);
    assert_eq!(shown(&ben, workspace), (3, 0));
}

#[test]
fn several_devices_of_one_relay_serve_each_other_and_are_served() {
    let (mut anna, mut first) = (Device::new(1), relay(9));
    let workspace = anna.found();
    let mut second = Device::new(30);
    second.operator = Ok(None);
    let code = code_of(&mut second);
    link_empty(&mut first, &mut anna, workspace, code, &mut second);
    anna.edit(workspace, 1);
    meet(&mut anna, &mut second);
    assert!(second.replica.logs(workspace).is_none(), "it was not asked");
    ask(&mut anna, workspace, &second);
    meet(&mut anna, &mut second);
    assert_eq!(relays_of(anna.replica.workspace(workspace).unwrap()).len(), 1, "one root, one relay");
    assert_eq!(anna.heads(workspace), second.heads(workspace));
    meet(&mut first, &mut second);
    assert_eq!(first.heads(workspace), second.heads(workspace));
}

/// Makes `second` a device of the same root as `first`, which carries the workspace already.
fn link_empty(
    first: &mut Device,
    anna: &mut Device,
    workspace: WorkspaceId,
    code: velo_protocol::link_code::LinkCode,
    second: &mut Device,
) {
    add(anna, workspace, first);
    link(first, code);
    meet(first, second);
    become_linked(second);
    assert_eq!(root_of(first), root_of(second));
}

#[test]
fn who_only_knows_the_secret_is_shown_nothing_and_fills_nothing() {
    let (mut anna, mut relay) = (Device::new(1), relay(9));
    let workspace = anna.found();
    add(&mut anna, workspace, &mut relay);
    let (held, mut stranger) = (relay.heads(workspace), Device::new(5));
    // Who was shown a ticket that is withdrawn knows the secret still.
    let ticket = anna.invite(workspace);
    anna.command(Command::Revoke { workspace, invite: ticket.invite }).unwrap();
    meet(&mut anna, &mut relay);
    stranger.join(&ticket).unwrap();
    meet(&mut stranger, &mut relay);
    assert!(stranger.heads(workspace).is_empty());
    assert_ne!(held, relay.heads(workspace), "what Anna did came");
    assert_eq!(anna.heads(workspace), relay.heads(workspace));
}

#[test]
fn a_relay_that_no_longer_is_one_is_shown_nothing_more() {
    let (mut anna, mut relay) = (Device::new(1), relay(9));
    let workspace = anna.found();
    add(&mut anna, workspace, &mut relay);
    let root = root_of(&relay);
    anna.command(Command::RemoveRelay { workspace, root }).unwrap();
    anna.edit(workspace, 1);
    meet(&mut anna, &mut relay);
    assert!(!relay.has(workspace, *anna.heads(workspace).first().unwrap()));
    let again = anna.command(Command::RemoveRelay { workspace, root });
    assert!(matches!(again, Err(Refusal::Relay(_))), "{again:?}");
}

#[test]
fn what_the_operator_says_is_told_and_nobody_waits_for_ever() {
    let (mut anna, mut relay) = (Device::new(1), Device::new(9));
    let workspace = anna.found();
    relay.operator = Err("that token is not known".to_owned());
    ask(&mut anna, workspace, &relay);
    meet(&mut anna, &mut relay);
    let words = "the relay declines: that token is not known".to_owned();
    assert_eq!(answer(&anna), Some(&Err(Refusal::Relay(words))));
    assert!(relay.replica.logs(workspace).is_none());

    ask(&mut anna, workspace, &relay);
    anna.pass(limits::CARRY_MS + 10);
    assert!(matches!(answer(&anna), Some(Err(Refusal::Relay(words))) if words.contains("not reached")));
}

#[test]
fn a_relay_that_is_full_says_so_and_goes_on_when_it_is_given_room() {
    let (mut anna, mut ben, workspace) = pair();
    let mut relay = relay(9);
    relay.operator = Ok(Some(20_000));
    add(&mut anna, workspace, &mut relay);
    for number in 0..20 {
        anna.add(workspace, number, 5_000);
    }
    connect(&mut anna, &mut relay);
    for _ in 0..200 {
        anna.pass(50);
        relay.pass(50);
        talk(&mut anna, &mut relay);
    }
    assert_eq!(stall(&anna, &relay), Some(Stall::RelayFull));
    let behind = relay.heads(workspace);
    assert_ne!(behind, anna.heads(workspace));
    anna.input(Input::PeerDown { peer: relay.id() });
    relay.input(Input::PeerDown { peer: anna.id() });
    // Members are none the worse.
    meet(&mut anna, &mut ben);
    assert_eq!(anna.heads(workspace), ben.heads(workspace));

    relay.operator = Ok(None);
    add(&mut ben, workspace, &mut relay);
    meet(&mut ben, &mut relay);
    assert_eq!(ben.heads(workspace), relay.heads(workspace));
}

#[test]
fn a_relay_that_is_given_a_role_reads_like_a_member() {
    let (mut anna, mut relay) = (Device::new(1), relay(9));
    let workspace = anna.found();
    anna.edit(workspace, 1);
    add(&mut anna, workspace, &mut relay);
    let person = root_of(&relay);
    anna.command(Command::SetRole { workspace, person, role: Some(Role::Viewer) }).unwrap();
    meet(&mut anna, &mut relay);
    meet(&mut anna, &mut relay);
    assert_eq!(shown(&relay, workspace), (1, 0));
    anna.edit(workspace, 2);
    meet(&mut anna, &mut relay);
    assert_eq!(shown(&relay, workspace), (2, 0));

    // Without the role it reads nothing that is written then, and carries on.
    anna.command(Command::SetRole { workspace, person, role: None }).unwrap();
    anna.edit(workspace, 3);
    meet(&mut anna, &mut relay);
    meet(&mut anna, &mut relay);
    assert_eq!(anna.heads(workspace), relay.heads(workspace));
    assert_eq!(relay.replica.workspace(workspace).unwrap().locked_entries(), 1);
}

#[test]
fn an_offer_with_another_secret_does_not_take_the_place_of_the_right_one() {
    let (mut anna, mut relay) = (Device::new(1), relay(9));
    let workspace = anna.found();
    add(&mut anna, workspace, &mut relay);
    let secret = relay.records[&workspace].secret.clone();
    relay.outputs.clear();
    let wire = Wire::greet(50, &mut relay);
    let offer = CarryOffer { workspace, secret: SessionSecret([7; 32]), token: String::new() };
    wire.say(&mut relay, &Message::CarryOffer(offer));
    assert_eq!(relay.records[&workspace].secret, secret);
}

#[test]
fn who_offers_it_first_with_a_false_secret_does_not_keep_the_others_out() {
    let (mut anna, mut relay) = (Device::new(1), relay(9));
    let workspace = anna.found();
    let wire = Wire::greet(50, &mut relay);
    let (secret, token) = (SessionSecret([7; 32]), String::new());
    wire.say(&mut relay, &Message::CarryOffer(CarryOffer { workspace, secret: secret.clone(), token }));
    assert_eq!(relay.records[&workspace].secret, secret);
    // Somebody who has the entries may even have brought them.
    let runs = anna.runs(workspace);
    relay.command(Command::TakeRuns { workspace, device: None, runs }).unwrap();
    add(&mut anna, workspace, &mut relay);
    assert_eq!(relay.records[&workspace].secret, anna.records[&workspace].secret);
    anna.edit(workspace, 1);
    meet(&mut anna, &mut relay);
    assert_eq!(anna.heads(workspace), relay.heads(workspace));
}

#[test]
fn another_token_takes_no_room_away() {
    let (mut anna, mut relay) = (Device::new(1), relay(9));
    let workspace = anna.found();
    for (given, room) in
        [(Some(5_000), Some(5_000)), (Some(1_000), Some(5_000)), (None, None), (Some(1), None)]
    {
        relay.operator = Ok(given);
        add(&mut anna, workspace, &mut relay);
        assert_eq!(relay.records[&workspace].way, Way::Carried { room });
    }
}

#[test]
fn a_full_relay_lets_nobody_in_by_a_ticket_that_may_be_withdrawn() {
    let (mut anna, mut ben, mut relay) = (Device::new(1), Device::new(2), relay(9));
    let workspace = anna.found();
    let ticket = anna.invite(workspace);
    relay.operator = Ok(Some(1));
    add(&mut anna, workspace, &mut relay);
    meet(&mut anna, &mut relay);
    ben.join(&ticket).unwrap();
    meet(&mut ben, &mut relay);
    assert!(ben.heads(workspace).is_empty());
}

#[test]
fn a_relay_with_a_role_gives_that_up_first() {
    let (mut anna, mut relay) = (Device::new(1), relay(9));
    let workspace = anna.found();
    add(&mut anna, workspace, &mut relay);
    let (person, root) = (root_of(&relay), root_of(&relay));
    anna.command(Command::SetRole { workspace, person, role: Some(Role::Viewer) }).unwrap();
    let early = anna.command(Command::RemoveRelay { workspace, root });
    assert!(matches!(&early, Err(Refusal::Relay(words)) if words.contains("relay role none")), "{early:?}");
    anna.command(Command::SetRole { workspace, person, role: None }).unwrap();
    anna.command(Command::RemoveRelay { workspace, root }).unwrap();
}

#[test]
fn what_a_relay_writes_into_a_database_that_it_shares_others_can_check() {
    let (mut anna, mut relay) = (Device::new(1), relay(9));
    relay.identity.shares_store = true;
    relay.restart(false);
    let workspace = anna.found();
    add(&mut anna, workspace, &mut relay);
    let person = root_of(&relay);
    anna.command(Command::SetRole { workspace, person, role: Some(Role::Member) }).unwrap();
    meet(&mut anna, &mut relay);
    meet(&mut anna, &mut relay);
    assert!(relay.has_own_entries(workspace), "it introduced itself");
    // As it stands in the store.
    let own = relay.own_log(workspace);
    let reader = relay.disks[&workspace].reader();
    let number = reader.chains().iter().position(|chain| chain.log == own).unwrap();
    let run = reader.read_run(ChainNo(number as u32), 0).unwrap().unwrap();
    let end = relay.heads(workspace).into_iter().find(|(log, _)| *log == own).unwrap().1;
    let key = relay.identity.device.public_key();
    verify_seal(&key, workspace, own, end, &run.seal).unwrap();
}
