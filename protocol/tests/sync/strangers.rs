//! Peers that have other workspaces, or none.

use crate::device::*;
use velo_protocol::{
    limits,
    message::{Auth, Message},
};

fn offer(number: u32) -> Message {
    let mut tag = [0; 32];
    tag[..4].copy_from_slice(&number.to_le_bytes());
    Message::Auth(Auth { tag, mac: [0; 32] })
}

#[test]
fn a_peer_with_many_other_workspaces_stays_welcome() {
    let (mut anna, _, workspace) = pair();
    let mut wire = Wire::greet(50, &mut anna);
    for number in 0..2 * limits::OFFERS_PER_SESSION as u32 {
        wire.say(&mut anna, &offer(number));
    }
    assert_eq!(anna.disconnected(), None);
    wire.prove(&mut anna, workspace);
    assert_eq!(anna.replica.peers(anna.now())[0].workspaces.len(), 1);
}

#[test]
fn a_stranger_leaves_no_trace_and_does_not_stay() {
    let (mut anna, _, workspace) = pair();
    let known = anna.replica.peers(anna.now()).len();
    let wire = Wire::greet(51, &mut anna);
    wire.say(&mut anna, &offer(1));
    assert_eq!(anna.replica.peers(anna.now()).len(), known);
    anna.pass(limits::AUTH_MS - 100);
    assert_eq!(anna.disconnected(), None);
    anna.pass(200);
    assert_eq!(anna.disconnected(), Some("shares no workspace with this device"));
    let mut wire = Wire::greet(52, &mut anna);
    wire.prove(&mut anna, workspace);
    anna.outputs.clear();
    anna.pass(2 * limits::AUTH_MS);
    assert_eq!(anna.disconnected(), None);
}
