//! Blobs wait for entries, and go to members only.

use crate::device::*;
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
