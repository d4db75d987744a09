//! What was lost on the way comes again, and nothing is said more often than needed.

use crate::device::*;
use velo_protocol::{
    id::EntryId,
    limits,
    log::Head,
    message::{Digest, Message, Ops},
    replica::{Command, Event, Input, Output},
};

#[test]
fn a_gap_does_not_hold_up_what_comes_behind_it() {
    let (mut anna, mut ben, workspace) = pair();
    for number in 0..2 {
        anna.edit(workspace, number);
        ben.edit(workspace, 10 + number);
    }
    let mut carla = Device::new(3);
    carla.join(&anna.invite(workspace)).unwrap();
    let mut runs = anna.own_runs(workspace, anna.own_end(workspace) - 1);
    runs.extend(ben.own_runs(workspace, 0));
    let wire = Wire::member(50, &mut carla, workspace);
    wire.say(&mut carla, &Message::Ops(Ops { workspace, runs }));
    assert!(carla.heads(workspace).iter().any(|(log, _)| *log == ben.own_log(workspace)));
    assert_eq!(carla.disconnected(), None);
}

#[test]
fn a_lost_run_comes_again_although_more_is_sent_all_the_time() {
    let (mut anna, _, workspace) = pair();
    let wire = Wire::member(50, &mut anna, workspace);
    let held = anna.heads(workspace);
    wire.announce(&mut anna, workspace, held.clone(), true);
    wire.heard(&mut anna);
    anna.edit(workspace, 1);
    let lost = wire.heard(&mut anna).iter().flat_map(runs_of).next().cloned().unwrap();
    for number in 2..8 {
        anna.pass(1_000);
        anna.edit(workspace, number);
    }
    wire.heard(&mut anna);
    // It complains about the gap, as every peer does.
    wire.announce(&mut anna, workspace, held, true);
    let again: Vec<_> = wire.heard(&mut anna).iter().flat_map(runs_of).cloned().collect();
    assert!(again.iter().any(|run| run.log == lost.log && run.after == lost.after), "{again:?}");
}

#[test]
fn typing_does_not_put_off_the_digest() {
    let (mut anna, _, workspace) = pair();
    let wire = Wire::member(50, &mut anna, workspace);
    let held = anna.heads(workspace);
    wire.announce(&mut anna, workspace, held, true);
    wire.heard(&mut anna);
    for number in 0..15 {
        anna.pass(1_000);
        anna.edit(workspace, number);
    }
    assert!(wire.heard(&mut anna).iter().any(|message| matches!(message, Message::Digest(_))));
}

#[test]
fn what_was_presumed_is_sent_once_the_head_turns_out_to_be_of_a_fork() {
    // A copy of Ben's device writes on where Ben did, and neither knows.
    let (mut anna, mut ben, workspace) = pair();
    let mut copy = Device::new(2);
    copy.records.clone_from(&ben.records);
    let wire = Wire::member(50, &mut anna, workspace);
    let backup = ben.disks[&workspace].durable_runs();
    ben.edit(workspace, 1);
    give(&ben, &mut anna, workspace);
    let ours = anna.heads(workspace).into_iter().find(|(log, _)| *log == ben.own_log(workspace)).unwrap();
    ben.disks[&workspace].restore(backup).unwrap();
    copy.disks.insert(workspace, ben.disks[&workspace].clone());
    assert_eq!(copy.restart(false).len(), 1);
    for number in 2..5 {
        copy.edit(workspace, number);
    }
    wire.announce(&mut anna, workspace, copy.heads(workspace), true);
    assert!(!wire.heard_logs(&mut anna).contains(&ours.0), "its head lies beyond ours");
    wire.say_runs(&mut anna, workspace, copy.own_runs(workspace, ours.1.position - 1));
    anna.pass(500);
    assert!(anna.events().any(|event| matches!(event, Event::Forked { .. })));
    assert!(wire.heard_logs(&mut anna).contains(&ours.0), "the other branch is sent");
}

#[test]
fn all_heads_are_announced_once_in_a_while_however_often_digests_differ() {
    let (mut anna, _, workspace) = pair();
    let wire = Wire::member(50, &mut anna, workspace);
    // Who is let in is told everything once.
    anna.pass(limits::RESEND_MS);
    wire.heard(&mut anna);
    for _ in 0..20 {
        wire.say(&mut anna, &Message::Digest(Digest { workspace, hash: [0; 32], asks: false }));
        anna.pass(100);
    }
    assert_eq!(wire.heard(&mut anna).iter().filter(|message| is_full(message)).count(), 1);
    // The last one is not forgotten.
    anna.pass(limits::RESEND_MS);
    assert_eq!(wire.heard(&mut anna).iter().filter(|message| is_full(message)).count(), 1);
}

#[test]
fn a_sync_with_nothing_to_do_says_a_digest() {
    let (mut anna, _, workspace) = pair();
    let wire = Wire::member(50, &mut anna, workspace);
    let held = anna.heads(workspace);
    wire.announce(&mut anna, workspace, held, true);
    wire.heard(&mut anna);
    let synced = |anna: &Device| {
        let peers = anna.replica.peers(anna.now());
        let here = peers.iter().filter(|peer| peer.connected);
        here.flat_map(|peer| &peer.workspaces).all(|copy| copy.synced)
    };
    assert!(synced(&anna));
    anna.command(Command::SyncNow).unwrap();
    let [Message::Digest(digest)] = wire.heard(&mut anna)[..] else { panic!("not a digest alone") };
    // Equal is only what the peer has confirmed since it was asked.
    assert!(digest.asks && !synced(&anna));
    wire.say(&mut anna, &Message::Digest(Digest { asks: false, ..digest }));
    assert!(synced(&anna) && wire.heard(&mut anna).is_empty());
    wire.say(&mut anna, &Message::Digest(digest));
    assert!(matches!(wire.heard(&mut anna)[..], [Message::Digest(answer)] if !answer.asks));
    // With something to do, everything is compared at once.
    anna.edit(workspace, 1);
    wire.heard(&mut anna);
    anna.command(Command::SyncNow).unwrap();
    assert!(is_full(&wire.heard(&mut anna)[0]));
}

#[test]
fn a_known_run_is_acknowledged_up_to_its_end() {
    let (mut anna, _, workspace) = pair();
    let wire = Wire::member(50, &mut anna, workspace);
    let runs = anna.runs(workspace);
    wire.say_runs(&mut anna, workspace, runs);
    let status = anna.replica.peers(anna.now()).into_iter().find(|status| status.peer == wire.id).unwrap();
    assert_eq!(status.workspaces[0].lacks, 0);
    wire.heard(&mut anna);
    wire.announce(&mut anna, workspace, Vec::new(), true);
    assert_eq!(wire.heard_logs(&mut anna), [], "nothing is echoed");
}

#[test]
fn unknown_heads_count_once_and_until_they_come() {
    let (mut anna, mut ben, workspace) = pair();
    ben.edit(workspace, 1);
    let wire = Wire::member(50, &mut anna, workspace);
    let lacking = |device: &Device| {
        let status = device.replica.peers(device.now()).into_iter().find(|status| status.peer == wire.id);
        status.unwrap().workspaces[0].we_lack
    };
    for _ in 0..2 {
        wire.announce(&mut anna, workspace, ben.heads(workspace), false);
        assert_eq!(lacking(&anna), 1);
    }
    let invented = |number: u64| {
        let mut id = [9; 32];
        id[..8].copy_from_slice(&number.to_le_bytes());
        (ben.own_log(workspace), Head { position: 1 << 40, id: EntryId(id) })
    };
    let many: Vec<_> = (0..limits::HEADS_PER_MESSAGE as u64).map(invented).collect();
    for _ in 0..100 {
        wire.announce(&mut anna, workspace, many.clone(), false);
    }
    wire.announce(&mut anna, workspace, ben.heads(workspace), true);
    wire.say_runs(&mut anna, workspace, ben.own_runs(workspace, ben.own_end(workspace) - 1));
    assert_eq!(lacking(&anna), 0);
}

#[test]
fn a_live_edit_does_not_wait_for_a_transfer() {
    let (mut anna, mut ben, workspace) = pair();
    let (from, to) = (Wire::member(50, &mut anna, workspace), Wire::member(51, &mut anna, workspace));
    let held = anna.heads(workspace);
    to.announce(&mut anna, workspace, held, true);
    to.heard(&mut anna);
    let before = ben.own_end(workspace);
    ben.add(workspace, 1, 20_000);
    from.say_runs(&mut anna, workspace, ben.own_runs(workspace, before));
    assert_eq!(to.heard_logs(&mut anna), [], "most likely it comes from elsewhere");
    anna.edit(workspace, 1);
    assert_eq!(to.heard_logs(&mut anna), [anna.own_log(workspace)]);
    anna.pass(limits::FORWARD_DELAY_MS + 10);
    assert_eq!(to.heard_logs(&mut anna), [ben.own_log(workspace)]);
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_goes_on() {
    let (mut anna, ben, workspace) = pair();
    for number in 0..20 {
        anna.edit(workspace, number);
    }
    let wire = Wire::member(50, &mut anna, workspace);
    anna.disks[&workspace].fail_read();
    wire.announce(&mut anna, workspace, Vec::new(), true);
    let damaged = anna.events().filter(|event| matches!(event, Event::Damaged { .. })).count();
    assert_eq!(damaged, 1);
    assert!(!anna.events().any(|event| matches!(event, Event::ReadOnly { .. })));
    let sent = wire.heard_logs(&mut anna);
    assert!(sent.contains(&ben.own_log(workspace)) ^ sent.contains(&anna.own_log(workspace)), "{sent:?}");
    anna.edit(workspace, 99);
    // Read again when the peer announces all it holds.
    wire.announce(&mut anna, workspace, ben.heads(workspace), true);
    assert!(wire.heard_logs(&mut anna).contains(&anna.own_log(workspace)));
}

#[test]
fn more_heads_than_one_header_names_are_acknowledged_first() {
    let mut anna = Device::new(1);
    let workspace = anna.found();
    let ticket = anna.invite(workspace);
    let (wire, invited) = (Wire::member(90, &mut anna, workspace), anna.runs(workspace));
    let newcomers = limits::DEPS as u8 + 6;
    for number in 0..newcomers {
        let mut newcomer = Device::new(number + 10);
        newcomer.join(&ticket).unwrap();
        let other = Wire::member(92, &mut newcomer, workspace);
        other.say_runs(&mut newcomer, workspace, invited.clone());
        wire.say_runs(&mut anna, workspace, newcomer.own_runs(workspace, 0));
    }
    let before = anna.own_end(workspace);
    anna.edit(workspace, 1);
    assert_eq!(anna.own_end(workspace), before + 2, "an Ack and the change");
    let mut ben = Device::new(200 - 100);
    ben.join(&ticket).unwrap();
    let other = Wire::member(91, &mut ben, workspace);
    other.say_runs(&mut ben, workspace, anna.runs(workspace));
    assert_eq!(ben.disconnected(), None);
    let logs = ben.replica.logs(workspace).unwrap();
    assert!(logs.chains().all(|(_, chain)| chain.applied == chain.durable));
    assert_eq!(logs.chains().count(), usize::from(newcomers) + 2, "with Ben's own");
    assert_eq!(ben.replica.workspace(workspace).unwrap().members().len(), usize::from(newcomers) + 2);
    ben.input(Input::PeerDown { peer: other.id });
}

/// The people are told how it stands with a peer when that changes, whoever brought it about.
#[test]
fn what_one_peer_announced_and_another_brought_is_told_of_both() {
    let (mut anna, mut ben, workspace) = pair();
    ben.edit(workspace, 1);
    let (announces, brings) =
        (Wire::member(50, &mut anna, workspace), Wire::member(51, &mut anna, workspace));
    let behind = |device: &Device| {
        let status =
            device.replica.peers(device.now()).into_iter().find(|status| status.peer == announces.id);
        status.unwrap().workspaces[0].we_lack
    };
    announces.announce(&mut anna, workspace, ben.heads(workspace), true);
    assert_eq!(behind(&anna), 1);
    anna.outputs.clear();
    brings.say_runs(&mut anna, workspace, ben.own_runs(workspace, ben.own_end(workspace) - 1));
    assert_eq!(behind(&anna), 0);
    let told = |peer| {
        anna.outputs
            .iter()
            .any(|output| matches!(output, Output::Event(Event::PeerChanged { peer: of }) if *of == peer))
    };
    assert!(told(announces.id) && told(brings.id));
}
