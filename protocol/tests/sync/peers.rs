//! What people are told of the other devices.

use crate::device::*;
use velo_protocol::{
    id::DeviceId,
    limits,
    message::{Digest, Hello, Message},
    replica::{Command, Event, Input, PeerStatus, Stall},
};

fn status(device: &Device, peer: DeviceId) -> PeerStatus {
    device.replica.peers(device.now()).into_iter().find(|status| status.peer == peer).unwrap()
}

pub fn stall(device: &Device, peer: DeviceId) -> Option<Stall> {
    status(device, peer).workspaces[0].stall
}

#[test]
fn a_peer_that_has_gone_is_remembered_with_what_it_lacks_also_after_a_restart() {
    let (mut anna, mut ben, workspace) = pair();
    meet(&mut anna, &mut ben);
    let gone = |anna: &Device, lacks| {
        let status = status(anna, ben.id());
        let [shared] = status.workspaces.as_slice() else { panic!("{status:?}") };
        assert!(!status.connected && !shared.synced && shared.stall.is_none(), "{status:?}");
        assert_eq!((shared.lacks, shared.lacks_own, shared.we_lack), lacks, "{status:?}");
        assert!(shared.heard_ms >= EPOCH_MS && status.last_seen_ms >= shared.heard_ms, "{status:?}");
    };
    gone(&anna, (0, 0, 0));
    for number in 1..=3 {
        anna.edit(workspace, number);
    }
    gone(&anna, (3, 3, 0));
    // What somebody else did counts too, and is not hers.
    let mut carla = Device::new(3);
    carla.join(&anna.invite(workspace)).unwrap();
    meet(&mut anna, &mut carla);
    carla.edit(workspace, 9);
    meet(&mut anna, &mut carla);
    let before = status(&anna, ben.id()).workspaces[0].clone();
    assert!(before.lacks > before.lacks_own && before.lacks_own >= 4, "{before:?}");

    let notes = anna.replica.peer_notes();
    anna.restart(false);
    assert_eq!(anna.replica.peers(anna.now()), [], "nobody was recalled yet");
    anna.replica.recall(notes.clone());
    assert_eq!(status(&anna, ben.id()).workspaces, [before]);
    assert_eq!(anna.replica.peer_notes(), notes);
    meet(&mut anna, &mut ben);
    assert_eq!(status(&anna, ben.id()).workspaces[0].lacks, 0);
}

#[test]
fn all_is_synced_only_by_the_word_of_the_peer_itself() {
    let (mut anna, ben, workspace) = pair();
    let wire = Wire::member(50, &mut anna, workspace);
    let synced = |anna: &Device| status(anna, wire.id).workspaces[0].synced;
    assert!(!synced(&anna), "it has not said anything");
    let heads = anna.heads(workspace);
    wire.announce(&mut anna, workspace, heads.clone(), true);
    assert!(synced(&anna));
    anna.edit(workspace, 1);
    assert!(!synced(&anna), "it was sent, and nobody acknowledged it");
    assert_eq!(status(&anna, wire.id).workspaces[0].lacks_own, 1);
    let heads = anna.heads(workspace);
    wire.announce(&mut anna, workspace, heads, false);
    assert!(synced(&anna));
    drop(ben);
}

#[test]
fn people_are_told_why_nothing_moves() {
    let (mut anna, _, workspace) = pair();
    let wire = Wire::member(50, &mut anna, workspace);
    let heads = anna.heads(workspace);
    wire.announce(&mut anna, workspace, vec![], true);
    assert_eq!(stall(&anna, wire.id), Some(Stall::NotServed), "it shows nothing");
    wire.announce(&mut anna, workspace, heads, true);
    assert_eq!(stall(&anna, wire.id), None);
    anna.command(Command::SetAutoSync { workspace, on: false }).unwrap();
    assert_eq!(stall(&anna, wire.id), Some(Stall::SyncOff));
    anna.command(Command::SyncNow).unwrap();
    assert_eq!(stall(&anna, wire.id), None, "a person asked");
    anna.outputs.clear();
    let keeps_talking = |anna: &mut Device, ms: u64| {
        for _ in 0..ms / 10_000 {
            anna.pass(10_000);
            let hash = [0; 32];
            wire.say(anna, &Message::Digest(Digest { workspace, hash, asks: false }));
        }
    };
    keeps_talking(&mut anna, limits::SYNC_NOW_MS + 10_000);
    assert_eq!(stall(&anna, wire.id), Some(Stall::SyncOff), "for a while");
    assert!(
        anna.events().any(|event| *event == Event::PeerChanged { peer: wire.id }),
        "and the screens know"
    );

    let stranger = Wire::greet(51, &mut anna);
    let mut stranger = stranger;
    anna.command(Command::SetAutoSync { workspace, on: true }).unwrap();
    stranger.prove_secret(&mut anna, workspace);
    anna.edit(workspace, 5);
    assert_eq!(stall(&anna, stranger.id), Some(Stall::NotAdmitted));
}

#[test]
fn a_peer_that_falls_silent_is_told_of_once_until_it_speaks_again() {
    let (mut anna, _, workspace) = pair();
    let wire = Wire::member(50, &mut anna, workspace);
    let heads = anna.heads(workspace);
    wire.announce(&mut anna, workspace, heads.clone(), true);
    let changed = |anna: &mut Device| {
        let told = anna.events().filter(|event| **event == Event::PeerChanged { peer: wire.id }).count();
        anna.outputs.clear();
        told
    };
    changed(&mut anna);
    anna.pass(limits::SILENT_MS - 100);
    assert_eq!((stall(&anna, wire.id), changed(&mut anna)), (None, 0));
    // By the next digest of its own this device has looked.
    anna.pass(2 * limits::DIGEST_MS);
    assert_eq!((stall(&anna, wire.id), changed(&mut anna)), (Some(Stall::Silent), 1));
    anna.pass(2 * limits::SILENT_MS);
    assert_eq!(changed(&mut anna), 0);
    let hash = [0; 32];
    wire.say(&mut anna, &Message::Digest(Digest { workspace, hash, asks: false }));
    assert_eq!((stall(&anna, wire.id), changed(&mut anna)), (None, 1));
}

#[test]
fn a_clock_that_is_far_off_is_told_of() {
    let (mut anna, _, workspace) = pair();
    let wire = Wire::member(50, &mut anna, workspace);
    assert_eq!(status(&anna, wire.id).clock_ahead_ms, None, "theirs agree");
    anna.input(Input::PeerDown { peer: wire.id });
    for (wall_ms, ahead) in [
        (anna.now().wall_ms + 7_200_000, Some(7_200_000)),
        (anna.now().wall_ms - 7_200_000, Some(-7_200_000)),
        (0, Some(-(anna.now().wall_ms as i64))),
        // An earlier session proved that it shares the workspace; anything may come in a hello.
        (u64::MAX, Some(i64::MAX)),
    ] {
        anna.input(Input::PeerUp { peer: wire.id });
        wire.say(&mut anna, &Message::Hello(Hello { version: 1, nonce: [1; 32], wall_ms }));
        assert_eq!(status(&anna, wire.id).clock_ahead_ms, ahead);
        anna.input(Input::PeerDown { peer: wire.id });
    }
}
