//! What a device lacks it pulls: from whom, how much at once, and what it does when nothing comes.

use crate::device::*;
use velo_protocol::{
    id::{DeviceId, EntryId, LogId, WorkspaceId},
    limits,
    log::Head,
    message::{Chunk, Lane, Message, Want},
    replica::{Input, Output},
};

fn head_of(device: &Device, workspace: WorkspaceId) -> Head {
    let own = device.own_log(workspace);
    device.heads(workspace).into_iter().find(|(log, _)| *log == own).unwrap().1
}

fn chunk(wire: &Wire, device: &mut Device, pull: u32, runs: Vec<velo_protocol::log::Run>) {
    wire.say(device, &Message::Chunk(Chunk { pull, runs }));
}

/// Anna, two peers that have what Ben wrote and she has not, and where that begins.
fn behind() -> (Device, Device, WorkspaceId, [Wire; 2], u64) {
    let (mut anna, mut ben, workspace) = pair();
    let before = ben.own_end(workspace);
    for number in 0..10 {
        ben.add(workspace, number, 20_000);
    }
    let wires = [50, 51].map(|number| Wire::member(number, &mut anna, workspace));
    for wire in &wires {
        wire.announce(&mut anna, workspace, ben.heads(workspace), true);
    }
    (anna, ben, workspace, wires, before)
}

/// Which of the peers was asked, and for what.
fn asked(anna: &mut Device, wires: &[Wire; 2]) -> (usize, Want) {
    let wanted: Vec<Vec<Want>> = wires.iter().map(|wire| wants(&wire.heard(anna))).collect();
    match wanted.iter().position(|wants| !wants.is_empty()) {
        Some(who) => {
            assert_eq!(wanted.iter().map(Vec::len).sum::<usize>(), 1, "{wanted:?}");
            (who, wanted[who][0].clone())
        }
        None => panic!("nobody was asked"),
    }
}

#[test]
fn three_complete_neighbours_send_a_newcomer_each_a_part_and_nothing_twice() {
    let mut anna = Device::new(1);
    let workspace = anna.found();
    let ticket = anna.invite(workspace);
    let mut devices: Vec<Device> = vec![anna, Device::new(2), Device::new(3), Device::new(4)];
    for other in 1..3 {
        devices[other].join(&ticket).unwrap();
        let (have, lack) = devices.split_at_mut(other);
        for have in have {
            meet(have, &mut lack[0]);
        }
        for number in 0..20 {
            lack[0].add(workspace, 100 * other as u64 + number, 10_000);
        }
    }
    for number in 0..20 {
        devices[0].add(workspace, 1_000 + number, 10_000);
    }
    for (a, b) in [(0, 1), (1, 2), (0, 2), (0, 1)] {
        let (first, second) = devices.split_at_mut(b);
        meet(&mut first[a], &mut second[0]);
    }
    let needed: usize = devices[0].runs(workspace).iter().map(|run| run.bytes.len()).sum();
    assert!(needed > 600_000);
    devices[3].join(&ticket).unwrap();
    let received = meet_all(&mut devices);
    let all: usize = received.iter().sum();
    assert!(all <= needed + needed / 10, "{received:?} for {needed}");
    assert!(received[..3].iter().all(|share| *share > needed / 6), "{received:?}");
    assert_eq!(devices[3].heads(workspace), devices[0].heads(workspace));
}

#[test]
fn what_a_peer_does_not_send_is_asked_of_another_one_after_a_while() {
    let (mut anna, ben, workspace, wires, before) = behind();
    let (first, want) = asked(&mut anna, &wires);
    anna.pass(limits::PULL_STALL_MS / 2);
    let runs = ben.own_runs(workspace, before);
    chunk(&wires[first], &mut anna, want.pull, vec![runs[0].clone()]);
    anna.pass(limits::PULL_STALL_MS - 100);
    assert!(wants(&wires[1 - first].heard(&mut anna)).is_empty(), "it moved not long ago");
    anna.pass(200);
    assert!(wires[first].heard(&mut anna).contains(&Message::Stop(want.pull)));
    let (second, want) = asked(&mut anna, &wires);
    assert_eq!(second, 1 - first);
    assert_eq!(want.heads[0].after, [head_of_log(&anna, &ben, workspace).id], "from where it stands");
    // Entries of the one that was given up are not waited for, and the other brings the rest.
    chunk(&wires[second], &mut anna, want.pull, runs[1..].to_vec());
    wires[second].say(&mut anna, &Message::End(want.pull));
    assert!(anna.has(workspace, (ben.own_log(workspace), head_of(&ben, workspace))));
    anna.pass(2 * limits::PULL_STALL_MS);
    assert!(wires.iter().all(|wire| wants(&wire.heard(&mut anna)).is_empty()));
}

/// Where Ben's log stands at Anna's.
fn head_of_log(anna: &Device, ben: &Device, workspace: WorkspaceId) -> Head {
    let log = ben.own_log(workspace);
    anna.heads(workspace).into_iter().find(|(of, _)| *of == log).unwrap().1
}

#[test]
fn chunks_that_bring_nothing_are_no_progress() {
    let (mut anna, ben, workspace, wires, before) = behind();
    let (first, want) = asked(&mut anna, &wires);
    let run = ben.own_runs(workspace, before).remove(0);
    for _ in 0..30 {
        chunk(&wires[first], &mut anna, want.pull, vec![run.clone()]);
        anna.pass(1_000);
    }
    assert!(!wants(&wires[1 - first].heard(&mut anna)).is_empty());
}

#[test]
fn what_a_peer_took_with_it_is_asked_of_another_one_at_once() {
    let (mut anna, ben, workspace, wires, before) = behind();
    let (first, want) = asked(&mut anna, &wires);
    chunk(&wires[first], &mut anna, want.pull, ben.own_runs(workspace, before)[..3].to_vec());
    anna.input(Input::PeerDown { peer: wires[first].id });
    let (second, want) = asked(&mut anna, &wires);
    assert_eq!(second, 1 - first);
    assert_eq!(want.heads[0].after, [head_of_log(&anna, &ben, workspace).id]);
}

#[test]
fn a_pull_goes_on_after_a_crash_where_the_log_stands() {
    let (mut anna, ben, workspace, wires, before) = behind();
    let (first, want) = asked(&mut anna, &wires);
    chunk(&wires[first], &mut anna, want.pull, ben.own_runs(workspace, before)[..3].to_vec());
    let stands = head_of_log(&anna, &ben, workspace);
    assert!(stands.position > before);
    anna.restart(false);
    let wire = Wire::member(52, &mut anna, workspace);
    wire.announce(&mut anna, workspace, ben.heads(workspace), true);
    let wanted = wants(&wire.heard(&mut anna));
    assert_eq!(wanted[0].heads[0].after, [stands.id]);
}

#[test]
fn who_announces_what_it_does_not_have_is_asked_once_an_announcement() {
    let (mut anna, ben, workspace, wires, before) = behind();
    let (first, want) = asked(&mut anna, &wires);
    let invented = (ben.own_log(workspace), Head { position: 1 << 40, id: EntryId([7; 32]) });
    let liar = Wire::member(53, &mut anna, workspace);
    liar.announce(&mut anna, workspace, vec![invented], true);
    wires[first].say(&mut anna, &Message::End(want.pull));
    let want = wants(&liar.heard(&mut anna)).remove(0);
    assert_eq!(want.heads[0].head, invented.1.id, "the furthest is asked for first");
    liar.say(&mut anna, &Message::End(want.pull));
    assert!(wants(&liar.heard(&mut anna)).is_empty());
    // Of the others who announced less, those that were not asked in vain.
    let (second, want) = asked(&mut anna, &wires);
    assert_eq!(second, 1 - first);
    chunk(&wires[second], &mut anna, want.pull, ben.own_runs(workspace, before));
    wires[second].say(&mut anna, &Message::End(want.pull));
    assert!(anna.has(workspace, (ben.own_log(workspace), head_of(&ben, workspace))));
    liar.announce(&mut anna, workspace, vec![invented], false);
    anna.pass(1_000);
    assert!(wants(&liar.heard(&mut anna)).is_empty());
    liar.announce(&mut anna, workspace, vec![invented], true);
    assert_eq!(wants(&liar.heard(&mut anna)).len(), 1);
    assert_eq!(anna.disconnected(), None);
}

/// Whoever announces what it does not send would hold a pull half of the time otherwise.
#[test]
fn who_lets_pulls_stall_is_asked_more_and_more_seldom_until_it_brings_something() {
    let (mut anna, mut ben, workspace) = pair();
    let before = ben.own_end(workspace);
    ben.add(workspace, 1, 1_000);
    let wire = Wire::member(50, &mut anna, workspace);
    let announce = |anna: &mut Device| wire.announce(anna, workspace, ben.heads(workspace), true);
    let step = 5_000;
    // How long it rests after a stall, in steps, announcing all the while.
    let rest = |anna: &mut Device| {
        anna.pass(limits::PULL_STALL_MS + step);
        let said = wire.heard(anna);
        assert!(said.iter().any(|message| matches!(message, Message::Stop(_))), "{said:?}");
        let mut steps = 0;
        loop {
            announce(anna);
            if let Some(want) = wants(&wire.heard(anna)).first() {
                return (steps, want.pull);
            }
            anna.pass(step);
            steps += 1;
        }
    };
    announce(&mut anna);
    assert_eq!(wants(&wire.heard(&mut anna)).len(), 1);
    let most = limits::PULL_STALL_MS << limits::STALL_DOUBLINGS;
    let mut expected = limits::PULL_STALL_MS;
    let mut last = 0;
    for _ in 0..=limits::STALL_DOUBLINGS + 1 {
        let (steps, pull) = rest(&mut anna);
        let around = expected / step - 2..=expected / step + 2;
        assert!(around.contains(&steps), "{steps} steps instead of {expected} ms");
        (expected, last) = ((2 * expected).min(most), pull);
    }
    chunk(&wire, &mut anna, last, ben.own_runs(workspace, before));
    wire.say(&mut anna, &Message::End(last));
    ben.add(workspace, 2, 1_000);
    let announce = |anna: &mut Device| {
        wire.announce(anna, workspace, ben.heads(workspace), true);
        anna.pass(2 * limits::LOOK_RATE.every_ms);
    };
    announce(&mut anna);
    assert_eq!(wants(&wire.heard(&mut anna)).len(), 1);
    anna.pass(limits::PULL_STALL_MS + step);
    wire.heard(&mut anna);
    anna.pass(limits::PULL_STALL_MS + step);
    announce(&mut anna);
    assert_eq!(wants(&wire.heard(&mut anna)).len(), 1, "as after the first time");
}

#[test]
fn who_let_a_pull_fail_is_asked_after_the_others_however_far_its_heads_are() {
    let (mut anna, ben, workspace) = pair();
    let invented = |n: u8| (ben.own_log(workspace), Head { position: u64::MAX, id: EntryId([n; 32]) });
    let mut liar = Wire::member(53, &mut anna, workspace);
    liar.announce(&mut anna, workspace, vec![invented(1)], true);
    anna.pass(limits::GATHER_MS);
    let want = wants(&liar.heard(&mut anna)).remove(0);
    liar.say(&mut anna, &Message::End(want.pull));
    // It comes back at once, and has more to tell.
    anna.input(Input::PeerDown { peer: liar.id });
    liar = Wire::member(53, &mut anna, workspace);
    let honest = Wire::member(50, &mut anna, workspace);
    let beyond = Head { position: 1_000, id: EntryId([9; 32]) };
    honest.announce(&mut anna, workspace, vec![(ben.own_log(workspace), beyond)], true);
    anna.pass(limits::PULL_BARREN_MS);
    let wires = [liar, honest];
    wires[0].announce(&mut anna, workspace, vec![invented(2)], true);
    let (who, want) = asked(&mut anna, &wires);
    assert_eq!((who, want.heads[0].head), (1, beyond.id));
}

#[test]
fn who_disconnects_in_the_middle_of_a_pull_is_asked_after_the_others() {
    let (mut anna, ben, workspace) = pair();
    let invented = |n: u8| (ben.own_log(workspace), Head { position: u64::MAX, id: EntryId([n; 32]) });
    let mut liar = Wire::member(53, &mut anna, workspace);
    liar.announce(&mut anna, workspace, vec![invented(1)], true);
    anna.pass(limits::GATHER_MS);
    assert_eq!(wants(&liar.heard(&mut anna)).len(), 1);
    anna.input(Input::PeerDown { peer: liar.id });
    liar = Wire::member(53, &mut anna, workspace);
    let honest = Wire::member(50, &mut anna, workspace);
    liar.announce(&mut anna, workspace, vec![invented(2)], true);
    let beyond = Head { position: 1_000, id: EntryId([9; 32]) };
    honest.announce(&mut anna, workspace, vec![(ben.own_log(workspace), beyond)], true);
    anna.pass(limits::PULL_STALL_MS / 2);
    let (who, want) = asked(&mut anna, &[liar, honest]);
    assert_eq!((who, want.heads[0].head), (1, beyond.id));
}

#[test]
fn who_delivered_before_the_line_broke_is_asked_at_once_when_it_is_back() {
    let (mut anna, ben, workspace, wires, before) = behind();
    let (first, want) = asked(&mut anna, &wires);
    let mut runs = ben.own_runs(workspace, before);
    runs.truncate(2);
    chunk(&wires[first], &mut anna, want.pull, runs);
    for wire in &wires {
        anna.input(Input::PeerDown { peer: wire.id });
    }
    anna.outputs.clear();
    let wire = Wire::member(50 + first as u8, &mut anna, workspace);
    wire.announce(&mut anna, workspace, ben.heads(workspace), true);
    anna.pass(2 * limits::LOOK_RATE.every_ms);
    assert_eq!(wants(&wire.heard(&mut anna)).len(), 1);
}

#[test]
fn of_those_who_are_not_in_one_is_asked_and_members_before_them() {
    let (mut anna, ben, workspace) = pair();
    let mut strangers: Vec<Wire> = (60..66).map(|number| Wire::greet(number, &mut anna)).collect();
    for (number, stranger) in (0..).zip(&mut strangers) {
        stranger.prove_secret(&mut anna, workspace);
        let log = |n: u8| LogId([number * 16 + n; 32]);
        let head = Head { position: u64::MAX, id: EntryId([number; 32]) };
        let heads = (0..8).map(|n| (log(n), head)).chain([(ben.own_log(workspace), head)]);
        stranger.announce(&mut anna, workspace, heads.collect(), true);
    }
    anna.pass(limits::GATHER_MS);
    let asked_at: usize = strangers.iter().map(|wire| wants(&wire.heard(&mut anna)).len()).sum();
    assert_eq!(asked_at, 1);
    // The log that is asked of a stranger is asked of a member too, once the stranger let it fail.
    let member = Wire::member(50, &mut anna, workspace);
    let beyond = Head { position: 1_000, id: EntryId([9; 32]) };
    member.announce(&mut anna, workspace, vec![(ben.own_log(workspace), beyond)], true);
    anna.pass(limits::PULL_STALL_MS + 100);
    assert_eq!(wants(&member.heard(&mut anna)).len(), 1);
    assert_eq!(anna.disconnected(), None);
}

#[test]
fn what_is_under_way_of_a_pull_that_was_given_up_is_taken_all_the_same() {
    let (mut anna, ben, workspace, wires, before) = behind();
    let (first, want) = asked(&mut anna, &wires);
    anna.pass(limits::PULL_STALL_MS + 100);
    chunk(&wires[first], &mut anna, want.pull, ben.own_runs(workspace, before));
    assert!(anna.has(workspace, (ben.own_log(workspace), head_of(&ben, workspace))));
}

#[test]
fn what_nobody_asked_for_keeps_no_pull_alive() {
    let (mut anna, mut ben, workspace) = pair();
    let invented = Head { position: 1_000, id: EntryId([9; 32]) };
    let liar = Wire::member(53, &mut anna, workspace);
    let log = LogId([5; 32]);
    liar.announce(&mut anna, workspace, vec![(log, invented)], true);
    let want = wants(&liar.heard(&mut anna)).remove(0);
    for number in 0..30 {
        let before = ben.own_end(workspace);
        ben.edit(workspace, number);
        chunk(&liar, &mut anna, want.pull, ben.own_runs(workspace, before));
        anna.pass(1_000);
    }
    assert!(liar.heard(&mut anna).contains(&Message::Stop(want.pull)));
}

#[test]
fn who_begins_with_a_workspace_again_and_again_has_to_go() {
    let (mut anna, _, workspace) = pair();
    let mut wire = Wire::greet(53, &mut anna);
    let frame = wire.proof_of_secret(&anna, workspace);
    let prove = |anna: &mut Device| {
        anna.input(Input::Received { peer: wire.id, frame: frame.clone() });
    };
    for _ in 0..=limits::BEGIN_AGAIN_RATE.at_once {
        prove(&mut anna);
    }
    assert_eq!(anna.disconnected(), None);
    prove(&mut anna);
    assert!(anna.disconnected().is_some_and(|reason| reason.contains("too often")));
}

#[test]
fn who_asks_without_end_is_told_that_there_is_no_more() {
    let (mut anna, _, workspace) = pair();
    let wire = Wire::member(53, &mut anna, workspace);
    let head = head_of(&anna, workspace);
    let at_once = limits::WANT_RATE.at_once as u32;
    for pull in 0..at_once {
        wire.want(&mut anna, workspace, pull, &[head], &[]);
        wire.say(&mut anna, &Message::Stop(pull));
    }
    wire.heard(&mut anna);
    wire.want(&mut anna, workspace, at_once, &[head], &[]);
    assert_eq!(wire.heard(&mut anna), [Message::End(at_once)]);
    anna.pass(2 * limits::WANT_RATE.every_ms);
    wire.want(&mut anna, workspace, at_once + 1, &[head], &[]);
    assert!(matches!(wire.heard(&mut anna)[..], [Message::Chunk(_), ..]));
}

#[test]
fn what_its_author_did_not_write_is_pulled_after_a_while() {
    let (mut anna, mut ben, workspace) = pair();
    let wire = Wire::member(50, &mut anna, workspace);
    let held = anna.heads(workspace);
    wire.announce(&mut anna, workspace, held, true);
    ben.edit(workspace, 1);
    wire.announce(&mut anna, workspace, ben.heads(workspace), false);
    assert!(wants(&wire.heard(&mut anna)).is_empty(), "most likely it is pushed");
    anna.pass(limits::PULL_DELAY_MS + 10);
    assert_eq!(wants(&wire.heard(&mut anna)).len(), 1);
}

#[test]
fn no_more_is_under_way_than_the_line_takes() {
    let (mut anna, _, workspace) = pair();
    for number in 0..200 {
        anna.add(workspace, number, 10_000);
    }
    let wire = Wire::member(50, &mut anna, workspace);
    let head = head_of(&anna, workspace);
    wire.heard(&mut anna);
    let bytes =
        |heard: &[Message]| -> usize { heard.iter().flat_map(runs_of).map(|run| run.bytes.len()).sum() };
    wire.want(&mut anna, workspace, 1, &[head], &[]);
    let first = wire.heard(&mut anna);
    assert_eq!(first.len(), 1, "nothing is known of the line");
    assert!(bytes(&first) <= limits::RUN_BYTES);
    // A slow one carries a run in four seconds: one more may wait behind it.
    let mut under_way = std::collections::VecDeque::from([bytes(&first)]);
    for _ in 0..10 {
        anna.pass(4_000);
        under_way.pop_front();
        wire.say(&mut anna, &Message::Taken(1));
        under_way.extend(wire.heard(&mut anna).iter().map(|message| bytes(std::slice::from_ref(message))));
        under_way.retain(|bytes| *bytes > 0);
        assert!((1..=2).contains(&under_way.len()), "{under_way:?}");
        assert!(under_way.iter().all(|bytes| *bytes <= limits::RUN_BYTES), "{under_way:?}");
    }
    // A quick one has its window full before long, and no fuller.
    wire.say(&mut anna, &Message::Stop(1));
    wire.want(&mut anna, workspace, 2, &[head], &[]);
    under_way.clear();
    let mut most = 0;
    for _ in 0..200 {
        under_way.extend(wire.heard(&mut anna).iter().map(|message| bytes(std::slice::from_ref(message))));
        most = most.max(under_way.iter().sum::<usize>());
        if under_way.pop_front().is_some() {
            wire.say(&mut anna, &Message::Taken(2));
        }
    }
    assert!(most > limits::PULL_WINDOW / 2 && most <= limits::PULL_WINDOW, "{most}");
}

#[test]
fn a_peer_is_served_so_many_pulls_at_once_and_no_more() {
    let (mut anna, _, workspace) = pair();
    for number in 0..50 {
        anna.add(workspace, number, 20_000);
    }
    let wire = Wire::member(50, &mut anna, workspace);
    let head = head_of(&anna, workspace);
    wire.heard(&mut anna);
    for pull in 0..=limits::PULLS_PER_PEER as u32 {
        wire.want(&mut anna, workspace, pull, &[head], &[]);
    }
    let said = wire.heard(&mut anna);
    assert_eq!(said.iter().filter(|message| matches!(message, Message::Chunk(_))).count(), 3);
    assert!(said.contains(&Message::End(0)), "who asks for one more has given up the oldest");
    wire.say(&mut anna, &Message::Taken(0));
    assert_eq!(wire.heard(&mut anna), []);
    // Once one is stopped, there is room.
    wire.say(&mut anna, &Message::Stop(1));
    wire.want(&mut anna, workspace, 9, &[head], &[]);
    let said = wire.heard(&mut anna);
    assert!(matches!(&said[..], [Message::Chunk(chunk)] if chunk.pull == 9), "{said:?}");
    let wanted = velo_protocol::message::Wanted { head: head.id, after: Vec::new() };
    let heads = vec![wanted; limits::WANT_HEADS + 1];
    wire.say(&mut anna, &Message::Want(Want { pull: 10, workspace, heads }));
    assert!(anna.disconnected().is_some_and(|reason| reason.contains("too much")));
}

#[test]
fn who_is_not_served_gets_nothing_by_asking_and_is_told_nothing() {
    let (mut anna, ben, workspace) = pair();
    let mut outsider = Wire::greet(52, &mut anna);
    outsider.prove_secret(&mut anna, workspace);
    let heads: Vec<Head> = anna.heads(workspace).iter().map(|(_, head)| *head).collect();
    outsider.want(&mut anna, workspace, 1, &heads, &[]);
    let heard = outsider.heard(&mut anna);
    assert!(heard.contains(&Message::End(1)) && !heard.iter().any(|message| !runs_of(message).is_empty()));
    // It may well be in, and anything it has be true. So it is asked, and not told what is here.
    let beyond = Head { position: 1_000, id: EntryId([7; 32]) };
    outsider.announce(&mut anna, workspace, vec![(ben.own_log(workspace), beyond)], true);
    let wanted = wants(&outsider.heard(&mut anna));
    assert!(wanted.len() == 1 && wanted[0].heads[0].after.is_empty());
}

#[test]
fn live_edits_go_to_some_of_many_peers_and_all_are_told() {
    let (mut anna, _, workspace) = pair();
    let held = anna.heads(workspace);
    let wires: Vec<Wire> = (0..40).map(|number| Wire::member(50 + number, &mut anna, workspace)).collect();
    for wire in &wires {
        wire.announce(&mut anna, workspace, held.clone(), true);
    }
    anna.outputs.clear();
    anna.edit(workspace, 1);
    anna.pass(limits::HEADS_DEBOUNCE_MS + 10);
    let heard: Vec<Vec<Message>> = wires.iter().map(|wire| wire.heard(&mut anna)).collect();
    let pushed = heard.iter().filter(|heard| heard.iter().any(|message| !runs_of(message).is_empty()));
    assert_eq!(pushed.count(), limits::LIVE_SESSIONS);
    let told = |heard: &&Vec<Message>| heard.iter().any(|message| matches!(message, Message::Heads(_)));
    assert_eq!(heard.iter().filter(told).count(), wires.len() - limits::LIVE_SESSIONS);
}

#[test]
fn pulls_have_a_stream_of_their_own() {
    let (mut anna, mut ben, workspace) = pair();
    for number in 0..3 {
        anna.add(workspace, number, 20_000);
    }
    let (of_anna, of_ben) = (anna.id(), ben.id());
    anna.input(Input::PeerUp { peer: of_ben });
    ben.input(Input::PeerUp { peer: of_anna });
    let mut lanes = [0, 0];
    let sent = |device: &mut Device, to: DeviceId| -> Vec<Vec<u8>> {
        let outputs = std::mem::take(&mut device.outputs).into_iter();
        let frame = |output| match output {
            Output::Send { peer, frame } if peer == to => Some(frame),
            _ => None,
        };
        outputs.filter_map(frame).collect()
    };
    for _ in 0..100 {
        for frame in sent(&mut anna, of_ben) {
            let brings = !runs_of(&Message::decode(&frame).unwrap()).is_empty();
            lanes[usize::from(Lane::of(&frame) == Lane::Pull)] += usize::from(brings);
            ben.input(Input::Received { peer: of_anna, frame });
        }
        for frame in sent(&mut ben, of_anna) {
            anna.input(Input::Received { peer: of_ben, frame });
        }
        anna.pass(10);
        ben.pass(10);
    }
    assert_eq!(lanes[0], 0, "a transfer is not pushed");
    assert!(lanes[1] > 0);
    assert!(ben.has(workspace, (anna.own_log(workspace), head_of(&anna, workspace))));
}
