//! Blobs wait for entries, and go to members, and to relays that carry them to members.

use crate::{
    admission::connect,
    device::*,
    relays::{add, relay, root_of},
};
use velo_protocol::{
    id::{DeviceId, EntryId, LogId, WorkspaceId},
    limits,
    log::Head,
    message::{Heads, Message, Want, Wanted},
    replica::{Carriage, Command, Input},
};

/// Two members who are connected, and have nothing more to tell each other.
fn connected() -> (Device, Device, WorkspaceId) {
    let (mut anna, mut ben, workspace) = pair();
    anna.input(Input::PeerUp { peer: ben.id() });
    ben.input(Input::PeerUp { peer: anna.id() });
    for _ in 0..40 {
        talk(&mut anna, &mut ben);
        anna.pass(50);
        ben.pass(50);
    }
    let (of_anna, of_ben) = (anna.id(), ben.id());
    written(&mut anna, of_ben);
    written(&mut ben, of_anna);
    (anna, ben, workspace)
}

/// The network has written everything.
fn written(device: &mut Device, to: DeviceId) {
    device.input(Input::Sent { peer: to, bytes: 1 << 40 });
}

fn carriage(from: &Device, to: DeviceId, workspace: WorkspaceId) -> Carriage {
    from.replica.carries_blobs(from.now(), to, workspace)
}

#[test]
fn blobs_wait_while_entries_are_pulled() {
    let (mut anna, ben, workspace) = connected();
    assert_eq!(carriage(&anna, ben.id(), workspace), Carriage::Now);
    assert_eq!(carriage(&ben, anna.id(), workspace), Carriage::Now);
    assert!(anna.replica.shared_with(ben.id()).contains(&workspace));
    let head = anna.replica.logs(workspace).unwrap().durable_heads()[0].1.id;
    let want = Want { pull: 1, workspace, heads: vec![Wanted { head, after: Vec::new() }] };
    anna.input(Input::Received { peer: ben.id(), frame: Message::Want(want).encode() });
    assert_eq!(carriage(&anna, ben.id(), workspace), Carriage::Later);
    anna.input(Input::Received { peer: ben.id(), frame: Message::Stop(1).encode() });
    assert_eq!(carriage(&anna, ben.id(), workspace), Carriage::Now);
}

#[test]
fn blobs_wait_for_announced_entries_but_not_for_ever() {
    let (mut anna, ben, workspace) = connected();
    let head = Head { position: 5, id: EntryId([7; 32]) };
    let heads = vec![(LogId([8; 32]), head)];
    let frame = Message::Heads(Heads { workspace, more: false, full: false, heads }).encode();
    anna.input(Input::Received { peer: ben.id(), frame });
    written(&mut anna, ben.id());
    assert_eq!(carriage(&anna, ben.id(), workspace), Carriage::Later);
    anna.pass(limits::PULL_STALL_MS + limits::ENTRIES_QUIET_MS);
    written(&mut anna, ben.id());
    assert_eq!(carriage(&anna, ben.id(), workspace), Carriage::Now, "they may never come");
}

#[test]
fn only_who_is_in_gets_blobs() {
    let (mut anna, ben, workspace) = connected();
    // Whoever shows certificates of a member's is sent entries; who they are is not known here yet.
    let wire = Wire::member(50, &mut anna, workspace);
    written(&mut anna, wire.id);
    assert_eq!(carriage(&anna, wire.id, workspace), Carriage::Never);
    let person = ben.identity.person;
    anna.command(Command::SetRole { workspace, person, role: None }).unwrap();
    written(&mut anna, ben.id());
    assert_eq!(carriage(&anna, ben.id(), workspace), Carriage::Never, "at once");
    assert_eq!(carriage(&anna, DeviceId([3; 32]), workspace), Carriage::Never, "who is not connected");
}

#[test]
fn nothing_travels_where_nothing_is_to_be_synced() {
    let (mut anna, ben, workspace) = connected();
    anna.command(Command::SetAutoSync { workspace, on: false }).unwrap();
    assert_eq!(carriage(&anna, ben.id(), workspace), Carriage::Never);
}

fn takes(relay: &Device, from: DeviceId, workspace: WorkspaceId) -> Carriage {
    relay.replica.takes_offers(relay.now(), from, workspace)
}

/// Meets a relay, and stays until there is nothing more to tell.
fn stay_with(device: &mut Device, relay: &mut Device) {
    connect(device, relay);
    for _ in 0..100 {
        talk(device, relay);
        device.pass(50);
        relay.pass(50);
    }
    let (of_device, of_relay) = (device.id(), relay.id());
    written(device, of_relay);
    written(relay, of_device);
}

#[test]
fn blobs_go_through_a_relay_that_reads_nothing() {
    let (mut anna, mut ben, workspace) = pair();
    let mut relay = relay(9);
    add(&mut anna, workspace, &mut relay);
    for device in [&mut anna, &mut ben] {
        stay_with(device, &mut relay);
    }
    // Ben heard of the relay from it: it was named in what it carries.
    for device in [&anna, &ben] {
        assert_eq!(carriage(device, relay.id(), workspace), Carriage::Now);
        assert_eq!(carriage(&relay, device.id(), workspace), Carriage::Now);
        assert_eq!(takes(&relay, device.id(), workspace), Carriage::Now);
        assert_eq!(device.replica.carried_by(relay.id()), [workspace].into());
        assert!(relay.replica.carried_by(device.id()).is_empty());
    }
    assert_eq!(takes(&anna, ben.id(), workspace), Carriage::Never, "she is no relay");
    assert_eq!(takes(&anna, relay.id(), workspace), Carriage::Never);

    // Blobs pass between two devices of the relay, but only members offer any. Whoever knows no more than the
    // secret gets none and offers none.
    let other = Wire::member(50, &mut relay, workspace);
    let mut stranger = Wire::greet(51, &mut relay);
    stranger.prove_secret(&mut relay, workspace);
    for wire in [&other, &stranger] {
        written(&mut relay, wire.id);
        assert_eq!(takes(&relay, wire.id, workspace), Carriage::Never);
    }
    assert_eq!(carriage(&relay, other.id, workspace), Carriage::Now);
    assert_eq!(carriage(&relay, stranger.id, workspace), Carriage::Never);
    // It hears of who is no longer in.
    let person = ben.identity.person;
    anna.command(Command::SetRole { workspace, person, role: None }).unwrap();
    for _ in 0..40 {
        talk(&mut anna, &mut relay);
        relay.pass(50);
    }
    assert_eq!(takes(&relay, ben.id(), workspace), Carriage::Never);
    assert_eq!(carriage(&relay, ben.id(), workspace), Carriage::Never);

    // A relay that is none any more gets none.
    let root = root_of(&relay);
    anna.command(Command::RemoveRelay { workspace, root }).unwrap();
    let of_relay = relay.id();
    written(&mut anna, of_relay);
    assert_eq!(carriage(&anna, relay.id(), workspace), Carriage::Never);
    assert!(anna.replica.carried_by(relay.id()).is_empty());
}

#[test]
fn blobs_leave_room_for_entries_and_count_as_they_do() {
    let (mut anna, mut relay) = (Device::new(1), relay(9));
    let workspace = anna.found();
    relay.operator = Ok(Some(100_000));
    add(&mut anna, workspace, &mut relay);
    anna.edit(workspace, 1);
    meet(&mut anna, &mut relay);
    assert_eq!(anna.replica.room_for_blobs(workspace), None, "she is no relay");
    let room = relay.replica.room_for_blobs(workspace).unwrap();
    assert!((60_000..75_000).contains(&room), "{room}");
    relay.replica.note_blobs(workspace, room);
    anna.edit(workspace, 2);
    meet(&mut anna, &mut relay);
    assert_eq!(anna.heads(workspace), relay.heads(workspace), "a quarter is left");
    relay.replica.note_blobs(workspace, 100_000);
    anna.edit(workspace, 3);
    meet(&mut anna, &mut relay);
    assert_ne!(anna.heads(workspace), relay.heads(workspace));
}
