//! Automatic sync, on and off.

use crate::device::*;
use velo_protocol::{
    limits,
    replica::{Command, Output},
};

#[test]
fn a_device_that_does_not_sync_neither_spins_nor_speaks_nor_takes() {
    let (mut anna, mut ben, workspace) = pair();
    let wire = Wire::member(50, &mut anna, workspace);
    let held = anna.heads(workspace);
    wire.announce(&mut anna, workspace, held, true);
    anna.pass(1_000);
    anna.command(Command::SetAutoSync { workspace, on: false }).unwrap();
    wire.heard(&mut anna);
    ben.edit(workspace, 1);
    let news = ben.own_runs(workspace, ben.own_end(workspace) - 1);
    for number in 0..5 {
        anna.edit(workspace, number);
        wire.say_runs(&mut anna, workspace, news.clone());
        anna.pass(100);
    }
    for _ in 0..100 {
        anna.outputs.clear();
        let now = anna.now_ms;
        anna.input(velo_protocol::replica::Input::Wake);
        let early = |output: &Output| matches!(output, Output::WakeAt(at) if *at <= now);
        assert!(!anna.outputs.iter().any(early), "asked to be woken at once");
        anna.now_ms += 10;
    }
    assert_eq!(wire.heard(&mut anna), []);
    let newest = ben.heads(workspace).into_iter().find(|(log, _)| *log == ben.own_log(workspace)).unwrap();
    assert!(!anna.has(workspace, newest));

    // It stays off, until a person asks.
    anna.restart(false);
    let wire = Wire::member(50, &mut anna, workspace);
    wire.announce(&mut anna, workspace, ben.heads(workspace), true);
    anna.pass(20_000);
    wire.say_runs(&mut anna, workspace, news.clone());
    assert!(
        wire.heard(&mut anna)
            .iter()
            .all(|message| matches!(message, velo_protocol::message::Message::Auth(_)))
    );
    anna.command(Command::SyncNow).unwrap();
    let heard = wire.heard(&mut anna);
    assert!(heard.iter().any(is_full), "{heard:?}");
    assert!(!wants(&heard).is_empty(), "{heard:?}");
    // What came before was dropped, and the peer may not know yet.
    anna.pass(limits::RESEND_MS + 10);
    assert!(wire.heard(&mut anna).iter().any(is_full));
    wire.say_runs(&mut anna, workspace, news.clone());
    assert!(anna.has(workspace, newest));
    anna.pass(limits::SYNC_NOW_MS);
    wire.heard(&mut anna);
    anna.edit(workspace, 77);
    anna.pass(12_000);
    assert_eq!(wire.heard(&mut anna), [], "for a while only");
}
