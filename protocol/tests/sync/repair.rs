//! What was lost on the way comes again, and nothing is said more often than needed.

use crate::device::*;
use velo_protocol::{
    id::EntryId,
    limits,
    log::Head,
    message::{Chunk, Digest, Message, Ops},
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
fn a_lost_run_is_pulled_although_more_is_sent_all_the_time() {
    let (mut anna, mut ben, workspace) = pair();
    let wire = Wire::member(50, &mut ben, workspace);
    let held = ben.heads(workspace);
    wire.announce(&mut ben, workspace, held, true);
    let before = anna.own_end(workspace);
    anna.edit(workspace, 1);
    wire.heard(&mut ben);
    // The run is lost. What comes next follows it.
    for number in 2..8 {
        let end = anna.own_end(workspace);
        anna.edit(workspace, number);
        wire.say_runs(&mut ben, workspace, anna.own_runs(workspace, end));
        ben.pass(1_000);
    }
    let wanted = wants(&wire.heard(&mut ben));
    assert_eq!(wanted.len(), 1, "{wanted:?}");
    let gap = wanted[0].heads[0].head;
    let lost = anna.replica.logs(workspace).unwrap().find(gap).unwrap();
    assert_eq!(lost.position, before + 2, "it is asked for with what came behind it");
}

#[test]
fn what_was_pushed_over_a_gap_comes_also_when_somebody_else_fills_the_gap() {
    let (mut anna, mut ben, workspace) = pair();
    let [one, other] = [50, 51].map(|number| Wire::member(number, &mut ben, workspace));
    let held = ben.heads(workspace);
    one.announce(&mut ben, workspace, held, true);
    let before = anna.own_end(workspace);
    anna.edit(workspace, 1);
    let (lost, end) = (anna.own_runs(workspace, before), anna.own_end(workspace));
    other.announce(&mut ben, workspace, anna.heads(workspace), true);
    let want = wants(&other.heard(&mut ben)).remove(0);
    anna.edit(workspace, 2);
    one.say_runs(&mut ben, workspace, anna.own_runs(workspace, end));
    other.say(&mut ben, &Message::Chunk(Chunk { pull: want.pull, runs: lost }));
    other.say(&mut ben, &Message::End(want.pull));
    ben.pass(100);
    let wanted = wants(&one.heard(&mut ben));
    let (_, newest) =
        anna.heads(workspace).into_iter().find(|(log, _)| *log == anna.own_log(workspace)).unwrap();
    assert!(wanted.iter().any(|want| want.heads[0].head == newest.id), "{wanted:?}");
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

/// Two branches of Ben's log at Anna's: what Ben wrote, and what a copy of his device wrote instead.
/// Gives their heads, and the last entry before they part.
fn branches() -> (Device, velo_protocol::id::WorkspaceId, Head, Head, Head) {
    let (mut anna, mut ben, workspace) = pair();
    let mut copy = Device::new(2);
    copy.records.clone_from(&ben.records);
    let log = ben.own_log(workspace);
    let head = |device: &Device| device.heads(workspace).into_iter().find(|(of, _)| *of == log).unwrap().1;
    for number in 10..20 {
        ben.edit(workspace, number);
    }
    let (common, backup) = (head(&ben), ben.disks[&workspace].durable_runs());
    ben.edit(workspace, 1);
    give(&ben, &mut anna, workspace);
    let ours = head(&ben);
    ben.disks[&workspace].restore(backup).unwrap();
    copy.disks.insert(workspace, ben.disks[&workspace].clone());
    assert_eq!(copy.restart(false).len(), 1);
    for number in 2..5 {
        copy.edit(workspace, number);
    }
    give(&copy, &mut anna, workspace);
    assert_eq!(anna.replica.logs(workspace).unwrap().chains_of(log).len(), 2);
    (anna, workspace, ours, head(&copy), common)
}

#[test]
fn a_branch_is_served_from_where_it_leaves() {
    let (mut anna, workspace, ours, theirs, common) = branches();
    let wire = Wire::member(50, &mut anna, workspace);
    for (pull, head, after) in [(1, ours, theirs), (2, theirs, ours)] {
        let runs = wire.pull(&mut anna, workspace, pull, &[head], &[after]);
        assert_eq!(runs.first().map(|run| run.after), Some(common));
    }
}

#[test]
fn who_wants_what_must_be_a_branch_names_places_before_it() {
    let (mut anna, workspace, ours, theirs, common) = branches();
    let wire = Wire::member(50, &mut anna, workspace);
    let log = anna.heads(workspace).into_iter().find(|(_, head)| *head == ours).unwrap().0;
    wire.heard(&mut anna);
    let invented = Head { id: EntryId([7; 32]), position: theirs.position };
    wire.announce(&mut anna, workspace, vec![(log, invented)], true);
    let wanted = wants(&wire.heard(&mut anna));
    let places = &wanted[0].heads[0].after;
    let logs = anna.replica.logs(workspace).unwrap();
    let before = |id: &EntryId| logs.find(*id).unwrap().position <= common.position;
    assert!(places.contains(&ours.id) && places.contains(&theirs.id) && places.iter().any(before));
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
fn a_live_edit_is_pushed_and_a_transfer_is_not() {
    let (mut anna, mut ben, workspace) = pair();
    let (from, to) = (Wire::member(50, &mut anna, workspace), Wire::member(51, &mut anna, workspace));
    let held = anna.heads(workspace);
    to.announce(&mut anna, workspace, held, true);
    to.heard(&mut anna);
    let before = ben.own_end(workspace);
    ben.add(workspace, 1, 20_000);
    from.say_runs(&mut anna, workspace, ben.own_runs(workspace, before));
    anna.edit(workspace, 1);
    assert_eq!(to.heard_logs(&mut anna), [anna.own_log(workspace)]);
    anna.pass(limits::HEADS_DEBOUNCE_MS + 10);
    let heard = to.heard(&mut anna);
    let told = |message: &Message| match message {
        Message::Heads(heads) => heads.heads.iter().any(|(log, _)| *log == ben.own_log(workspace)),
        _ => false,
    };
    assert!(heard.iter().any(told), "it may be pulled");
}

#[test]
fn what_cannot_be_read_is_told_and_the_rest_goes_on() {
    let (mut anna, ben, workspace) = pair();
    for number in 0..20 {
        anna.edit(workspace, number);
    }
    let wire = Wire::member(50, &mut anna, workspace);
    let heads: Vec<Head> = anna.heads(workspace).iter().map(|(_, head)| *head).collect();
    wire.heard(&mut anna);
    anna.disks[&workspace].fail_read();
    let sent: Vec<_> =
        wire.pull(&mut anna, workspace, 1, &heads, &[]).into_iter().map(|run| run.log).collect();
    let damaged = anna.events().filter(|event| matches!(event, Event::Damaged { .. })).count();
    assert_eq!(damaged, 1);
    assert!(!anna.events().any(|event| matches!(event, Event::ReadOnly { .. })));
    assert!(sent.contains(&ben.own_log(workspace)) ^ sent.contains(&anna.own_log(workspace)), "{sent:?}");
    // Read again when it is asked for again.
    let sent: Vec<_> =
        wire.pull(&mut anna, workspace, 2, &heads, &[]).into_iter().map(|run| run.log).collect();
    assert!(sent.contains(&ben.own_log(workspace)) && sent.contains(&anna.own_log(workspace)), "{sent:?}");
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
