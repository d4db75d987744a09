//! Who is here, and what they look at.

use crate::device::*;
use velo_protocol::{
    id::{DeviceId, EntityId, WorkspaceId},
    limits,
    message::Message,
    presence::{Doing, Presence},
    replica::{Command, Event, Input, Output},
};

const TASK: EntityId = EntityId([7; 16]);

fn set(device: &mut Device, doing: Doing, workspace: WorkspaceId) {
    device.command(Command::SetPresence { doing, workspace: Some(workspace) }).unwrap();
}

fn shown(device: &Device, workspace: WorkspaceId) -> Vec<(DeviceId, Doing)> {
    device.replica.present(workspace).into_iter().map(|present| (present.device, present.doing)).collect()
}

fn connect(a: &mut Device, b: &mut Device) {
    a.input(Input::PeerUp { peer: b.id() });
    b.input(Input::PeerUp { peer: a.id() });
}

/// Lets time pass for several devices that are connected one to the next.
fn pass(devices: &mut [&mut Device], ms: u64) {
    for _ in 0..ms / 10 {
        for at in 1..devices.len() {
            let (before, after) = devices.split_at_mut(at);
            talk(before[at - 1], after[0]);
        }
        for device in devices.iter_mut() {
            device.pass(10);
        }
    }
}

/// Anna, Ben and Carla, connected in this order.
fn three() -> (Device, Device, Device, WorkspaceId) {
    let (mut anna, mut ben, workspace) = pair();
    let mut carla = Device::new(3);
    carla.join(&anna.invite(workspace)).unwrap();
    meet(&mut anna, &mut carla);
    meet(&mut anna, &mut ben);
    connect(&mut anna, &mut ben);
    connect(&mut ben, &mut carla);
    pass(&mut [&mut anna, &mut ben, &mut carla], 500);
    (anna, ben, carla, workspace)
}

fn presences(heard: &[Message]) -> Vec<&Presence> {
    heard
        .iter()
        .filter_map(|message| match message {
            Message::Presence(said) => Some(said),
            _ => None,
        })
        .collect()
}

#[test]
fn who_is_here_is_seen_over_several_hops_and_runs_out() {
    let (mut anna, mut ben, mut carla, workspace) = three();
    set(&mut anna, Doing::Here, workspace);
    set(&mut carla, Doing::Running, workspace);
    set(&mut anna, Doing::At(TASK), workspace);
    pass(&mut [&mut anna, &mut ben, &mut carla], 300);
    assert_eq!(shown(&carla, workspace), [(anna.id(), Doing::At(TASK))], "through Ben, who says nothing");
    assert_eq!(shown(&anna, workspace), [(carla.id(), Doing::Running)]);
    assert_eq!(shown(&ben, workspace).len(), 2);
    // It is renewed for as long as it lasts.
    pass(&mut [&mut anna, &mut ben, &mut carla], 2 * limits::PRESENCE_MS);
    assert_eq!(shown(&carla, workspace).len(), 1);
    set(&mut carla, Doing::Gone, workspace);
    pass(&mut [&mut anna, &mut ben, &mut carla], 100);
    assert_eq!(shown(&anna, workspace), [], "who goes says so");
    // Who is cut off says nothing.
    ben.input(Input::PeerDown { peer: anna.id() });
    anna.input(Input::PeerDown { peer: ben.id() });
    carla.outputs.clear();
    pass(&mut [&mut ben, &mut carla], limits::PRESENCE_MS + 100);
    assert_eq!(shown(&carla, workspace), []);
    let changed = carla.events().filter(|event| matches!(event, Event::PresenceChanged { .. })).count();
    assert_eq!(changed, 1);
    // Who comes later is told what holds.
    set(&mut anna, Doing::Here, workspace);
    anna.pass(200);
    connect(&mut anna, &mut ben);
    pass(&mut [&mut anna, &mut ben, &mut carla], 300);
    assert_eq!(shown(&carla, workspace), [(anna.id(), Doing::Here)]);
}

#[test]
fn what_somebody_looks_at_elsewhere_is_not_told() {
    let (mut anna, mut ben, workspace) = pair();
    let other = anna.found();
    connect(&mut anna, &mut ben);
    set(&mut anna, Doing::At(TASK), other);
    pass(&mut [&mut anna, &mut ben], 500);
    assert_eq!(shown(&ben, workspace), [(anna.id(), Doing::Here)]);
}

#[test]
fn a_device_that_is_not_in_neither_hears_nor_is_heard_of() {
    let (mut anna, mut ben, workspace) = pair();
    connect(&mut anna, &mut ben);
    set(&mut anna, Doing::Here, workspace);
    set(&mut ben, Doing::Here, workspace);
    pass(&mut [&mut anna, &mut ben], 500);
    assert_eq!((shown(&anna, workspace).len(), shown(&ben, workspace).len()), (1, 1));
    // With the secret of a ticket alone nobody is told anything.
    let mut stranger = Wire::greet(60, &mut anna);
    stranger.prove_secret(&mut anna, workspace);
    anna.pass(2 * limits::PRESENCE_RENEW_MS);
    assert_eq!(presences(&stranger.heard(&mut anna)), Vec::<&Presence>::new());
    let person = ben.identity.person;
    anna.command(Command::SetRole { workspace, person, role: None }).unwrap();
    pass(&mut [&mut anna, &mut ben], 500);
    assert_eq!(shown(&anna, workspace), [], "who was removed is not here");
    set(&mut anna, Doing::At(TASK), workspace);
    anna.edit(workspace, 1);
    pass(&mut [&mut anna, &mut ben], 500);
    assert_eq!(shown(&ben, workspace), [(anna.id(), Doing::Here)], "nor told what others do now");
    pass(&mut [&mut anna, &mut ben], limits::PRESENCE_MS);
    assert_eq!(shown(&ben, workspace), []);
}

/// The presence frames that a device has put out and nobody was given yet.
fn words(device: &Device) -> Vec<Vec<u8>> {
    let frame = |output: &Output| match output {
        Output::Send { frame, .. } if matches!(Message::decode(frame), Ok(Message::Presence(_))) => {
            Some(frame.clone())
        }
        _ => None,
    };
    device.outputs.iter().filter_map(frame).collect()
}

#[test]
fn nobody_speaks_for_another_device_nor_brings_an_old_word_back() {
    let (mut anna, mut ben, workspace) = pair();
    connect(&mut anna, &mut ben);
    pass(&mut [&mut anna, &mut ben], 500);
    set(&mut ben, Doing::At(TASK), workspace);
    ben.pass(200);
    let Ok(Message::Presence(said)) = Message::decode(&words(&ben)[0]) else { panic!() };
    // Whatever is changed of it, it is no longer his word.
    let wire = Wire::member(61, &mut anna, workspace);
    for forged in [
        Presence { counter: said.counter + 1, ..said.clone() },
        Presence { state: vec![0; said.state.len()], ..said.clone() },
        Presence { state: Vec::new(), ..said.clone() },
        Presence { device: anna.id(), ..said.clone() },
        Presence { device: wire.id, ..said.clone() },
    ] {
        wire.say(&mut anna, &Message::Presence(forged));
        assert_eq!(shown(&anna, workspace), []);
    }
    assert_eq!(anna.disconnected(), None);
    wire.say(&mut anna, &Message::Presence(said.clone()));
    assert_eq!(shown(&anna, workspace), [(ben.id(), Doing::At(TASK))], "his own word, whoever brings it");
    anna.pass(limits::PRESENCE_MS + 10);
    assert_eq!(shown(&anna, workspace), []);
    wire.say(&mut anna, &Message::Presence(said));
    assert_eq!(shown(&anna, workspace), [], "an old word");
}

#[test]
fn what_a_peer_says_too_often_is_let_pass() {
    let (mut anna, mut ben, workspace) = pair();
    connect(&mut anna, &mut ben);
    pass(&mut [&mut anna, &mut ben], 500);
    set(&mut ben, Doing::Here, workspace);
    ben.pass(200);
    let words = words(&ben);
    let [word] = words.as_slice() else { panic!("{} words", words.len()) };
    let mut forged = word.clone();
    *forged.last_mut().unwrap() ^= 1;
    for _ in 0..limits::PRESENCE_RATE.at_once {
        anna.input(Input::Received { peer: ben.id(), frame: forged.clone() });
    }
    anna.input(Input::Received { peer: ben.id(), frame: word.clone() });
    assert_eq!(shown(&anna, workspace), []);
    anna.pass(1_000);
    anna.input(Input::Received { peer: ben.id(), frame: word.clone() });
    assert_eq!(shown(&anna, workspace), [(ben.id(), Doing::Here)]);
}
