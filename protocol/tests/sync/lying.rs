//! Relays that show less than they confirmed, and honest ones that lost what they had.

use crate::{
    admission::connect,
    device::*,
    relays::{add, relay},
};
use velo_protocol::{
    crypto::Sig,
    id::{DeviceId, EntryId, WorkspaceId},
    limits,
    log::{Head, Run, parse_entries},
    message::{Confirmed, ConfirmedHead, Message},
    replica::{Breach, BreachKind, Input, Stall, Way},
};

/// How long two digests may be apart.
const DIGESTS_MS: u64 = limits::DIGEST_MS * 6 / 5;

/// Long enough for a relay to have to show what it confirmed.
const LONG_MS: u64 = limits::CONFIRMED_MS + 4 * DIGESTS_MS;

fn breach(device: &Device, peer: DeviceId) -> Option<Breach> {
    let peers = device.replica.peers(device.now());
    peers.iter().find(|status| status.peer == peer)?.workspaces.first()?.breach
}

fn kind(device: &Device, peer: DeviceId) -> Option<BreachKind> {
    breach(device, peer).map(|breach| breach.kind)
}

/// Lets time pass for devices of which these are connected.
fn run(devices: &mut [&mut Device], links: &[(usize, usize)], ms: u64) {
    for _ in 0..ms / 100 {
        for (a, b) in links {
            let (first, second) = (*a.min(b), *a.max(b));
            let (left, right) = devices.split_at_mut(second);
            talk(left[first], right[0]);
        }
        for device in devices.iter_mut() {
            step(device);
        }
    }
}

/// 100 ms pass, without a look at the clock in between.
fn step(device: &mut Device) {
    device.now_ms += 100;
    device.input(Input::Wake);
}

fn part(a: &mut Device, b: &mut Device) {
    let (of_a, of_b) = (a.id(), b.id());
    a.input(Input::PeerDown { peer: of_b });
    b.input(Input::PeerDown { peer: of_a });
    frames(a, of_b);
    frames(b, of_a);
}

/// The relay goes back to what it had, and is met again.
fn lose(relay: &mut Device, workspace: WorkspaceId, runs: usize, others: &mut [&mut Device]) {
    for other in &mut *others {
        part(relay, other);
    }
    relay.disks[&workspace].restore(runs).unwrap();
    relay.restart(false);
    for other in others {
        connect(relay, other);
    }
}

/// Anna and Ben, and a relay that shows each of them a copy of its own: it is two devices with one key.
fn halves() -> (Device, Device, Device, Device, WorkspaceId) {
    let (mut anna, mut ben, workspace) = pair();
    let (mut to_anna, mut to_ben) = (relay(9), relay(9));
    add(&mut anna, workspace, &mut to_anna);
    give(&anna, &mut ben, workspace);
    add(&mut ben, workspace, &mut to_ben);
    connect(&mut anna, &mut to_anna);
    connect(&mut ben, &mut to_ben);
    (anna, ben, to_anna, to_ben, workspace)
}

#[test]
fn a_relay_that_shows_each_its_own_copy_is_named_as_soon_as_two_of_them_meet() {
    let (mut anna, mut ben, mut to_anna, mut to_ben, workspace) = halves();
    let (relay, links) = (to_anna.id(), [(0, 2), (1, 3), (0, 1)]);
    ben.edit(workspace, 1);
    anna.edit(workspace, 2);
    run(&mut [&mut anna, &mut ben, &mut to_anna, &mut to_ben], &links[..2], LONG_MS);
    assert_eq!(anna.heads(workspace), to_anna.heads(workspace));
    assert_ne!(anna.heads(workspace), ben.heads(workspace));
    assert_eq!((kind(&anna, relay), kind(&ben, relay)), (None, None), "nobody can know");

    connect(&mut anna, &mut ben);
    run(&mut [&mut anna, &mut ben, &mut to_anna, &mut to_ben], &links, 2_000);
    assert_eq!(anna.heads(workspace), ben.heads(workspace));
    let by = |witness: &Device| Some(BreachKind::Withheld { witness: Some(witness.id()) });
    assert_eq!((kind(&anna, relay), kind(&ben, relay)), (by(&ben), by(&anna)));
    // It is remembered, and not for ever.
    let notes = anna.replica.peer_notes();
    anna.restart(false);
    anna.replica.recall(notes);
    assert_eq!(kind(&anna, relay), by(&ben));
    anna.now_ms += limits::BREACH_TOLD_MS;
    assert_eq!(kind(&anna, relay), None);
}

#[test]
fn whoever_writes_all_the_time_is_hidden_no_better() {
    let (mut anna, mut ben, mut to_anna, mut to_ben, workspace) = halves();
    for number in 0..3 * LONG_MS / 2_000 {
        ben.edit(workspace, number);
        run(&mut [&mut anna, &mut ben, &mut to_anna, &mut to_ben], &[(0, 2), (1, 3)], 2_000);
    }
    connect(&mut anna, &mut ben);
    ben.edit(workspace, 1_000);
    run(&mut [&mut anna, &mut ben, &mut to_anna, &mut to_ben], &[(0, 2), (1, 3), (0, 1)], 2_000);
    assert_eq!(anna.heads(workspace), ben.heads(workspace));
    assert_eq!(kind(&anna, to_anna.id()), Some(BreachKind::Withheld { witness: Some(ben.id()) }));
}

#[test]
fn a_relay_that_gives_each_half_another_branch_is_named_too() {
    let (mut anna, mut ben, mut to_anna, mut to_ben, workspace) = halves();
    // Carla's device was copied while it was off: both copies go on at the same place.
    let mut carla = Device::new(3);
    carla.join(&anna.invite(workspace)).unwrap();
    meet(&mut carla, &mut anna);
    meet(&mut carla, &mut anna);
    meet(&mut anna, &mut ben);
    let both = carla.disks[&workspace].durable_runs();
    carla.edit(workspace, 1);
    meet(&mut carla, &mut to_anna);
    carla.disks[&workspace].restore(both).unwrap();
    carla.restart(false);
    carla.edit(workspace, 2);
    meet(&mut carla, &mut to_ben);
    let relay = to_anna.id();
    run(&mut [&mut anna, &mut ben, &mut to_anna, &mut to_ben], &[(0, 2), (1, 3)], LONG_MS);
    connect(&mut anna, &mut ben);
    run(&mut [&mut anna, &mut ben, &mut to_anna, &mut to_ben], &[(0, 2), (1, 3), (0, 1)], 2_000);
    assert_eq!(anna.heads(workspace), ben.heads(workspace));
    assert_eq!(anna.replica.logs(workspace).unwrap().chains_of(carla.own_log(workspace)).len(), 2);
    assert!(matches!(kind(&anna, relay), Some(BreachKind::Withheld { witness: Some(_) })));
    assert!(matches!(kind(&ben, relay), Some(BreachKind::Withheld { witness: Some(_) })));
}

#[test]
fn an_honest_relay_is_never_named_however_its_members_come_and_go() {
    let (mut anna, mut ben, workspace) = pair();
    let mut relay = relay(9);
    add(&mut anna, workspace, &mut relay);
    give(&anna, &mut ben, workspace);
    connect(&mut anna, &mut relay);
    connect(&mut ben, &mut relay);
    let mut number = 0;
    let mut edit = |anna: &mut Device, ben: &mut Device| {
        number += 1;
        anna.edit(workspace, 2 * number);
        ben.edit(workspace, 2 * number + 1);
    };
    for round in 0..4 {
        edit(&mut anna, &mut ben);
        run(&mut [&mut anna, &mut ben, &mut relay], &[(0, 2), (1, 2)], LONG_MS);
        // They meet while something is on its way to the relay, and without it.
        connect(&mut anna, &mut ben);
        edit(&mut anna, &mut ben);
        run(&mut [&mut anna, &mut ben, &mut relay], &[(0, 1), (1, 2), (0, 2)], 3_000);
        if round % 2 == 0 {
            part(&mut anna, &mut relay);
            edit(&mut anna, &mut ben);
            run(&mut [&mut anna, &mut ben, &mut relay], &[(0, 1), (1, 2)], LONG_MS);
            connect(&mut anna, &mut relay);
        }
        part(&mut anna, &mut ben);
    }
    run(&mut [&mut anna, &mut ben, &mut relay], &[(0, 2), (1, 2)], LONG_MS);
    assert_eq!(anna.heads(workspace), relay.heads(workspace));
    assert_eq!((breach(&anna, relay.id()), breach(&ben, relay.id())), (None, None));
}

#[test]
fn a_device_that_slept_takes_nobody_for_a_liar() {
    let (mut anna, mut ben, workspace) = pair();
    let mut relay = relay(9);
    add(&mut anna, workspace, &mut relay);
    give(&anna, &mut ben, workspace);
    connect(&mut anna, &mut relay);
    connect(&mut ben, &mut relay);
    run(&mut [&mut anna, &mut ben, &mut relay], &[(0, 2), (1, 2)], LONG_MS);
    // The clock that measures times stands still while she sleeps; she does not know that her line broke.
    ben.edit(workspace, 1);
    run(&mut [&mut ben, &mut relay], &[(0, 1)], 10 * LONG_MS);
    frames(&mut relay, anna.id());
    anna.slept_ms = 10 * LONG_MS;
    connect(&mut anna, &mut ben);
    run(&mut [&mut anna, &mut ben], &[(0, 1)], 2_000);
    assert_eq!(anna.heads(workspace), ben.heads(workspace));
    assert_eq!(breach(&anna, relay.id()), None);
}

/// Both have seen the relay hold the same for long.
fn confirmed() -> (Device, Device, Device, WorkspaceId, usize) {
    let (mut anna, mut ben, workspace) = pair();
    let mut relay = relay(9);
    add(&mut anna, workspace, &mut relay);
    give(&anna, &mut ben, workspace);
    let runs = relay.disks[&workspace].durable_runs();
    connect(&mut anna, &mut relay);
    connect(&mut ben, &mut relay);
    connect(&mut anna, &mut ben);
    for number in 0..20 {
        ben.add(workspace, number, 3_000);
    }
    run(&mut [&mut anna, &mut ben, &mut relay], &[(0, 2), (1, 2), (0, 1)], LONG_MS);
    assert_eq!(anna.heads(workspace), relay.heads(workspace));
    (anna, ben, relay, workspace, runs)
}

#[test]
fn a_relay_that_came_back_from_a_backup_takes_what_it_lost_and_is_not_named() {
    let (mut anna, mut ben, mut relay, workspace, runs) = confirmed();
    lose(&mut relay, workspace, runs, &mut [&mut anna, &mut ben]);
    run(&mut [&mut anna, &mut ben, &mut relay], &[(0, 2), (1, 2), (0, 1)], 2 * limits::WITHHELD_MS);
    assert_eq!(anna.heads(workspace), relay.heads(workspace));
    assert_eq!((breach(&anna, relay.id()), breach(&ben, relay.id())), (None, None));
    // Nor one that lost everything.
    lose(&mut relay, workspace, 0, &mut [&mut anna, &mut ben]);
    run(&mut [&mut anna, &mut ben, &mut relay], &[(0, 2), (1, 2), (0, 1)], 2 * limits::WITHHELD_MS);
    assert_eq!(anna.heads(workspace), relay.heads(workspace));
    assert_eq!((breach(&anna, relay.id()), breach(&ben, relay.id())), (None, None));
}

/// As [`talk`], but what `from` brings does not get there.
fn talk_without_entries(from: &mut Device, to: &mut Device) {
    loop {
        let (mut sent, answers) = (frames(from, to.id()), frames(to, from.id()));
        sent.retain(|frame| runs_of(&Message::decode(frame).unwrap()).is_empty());
        if sent.is_empty() && answers.is_empty() {
            return;
        }
        for frame in sent {
            to.input(Input::Received { peer: from.id(), frame });
        }
        for frame in answers {
            from.input(Input::Received { peer: to.id(), frame });
        }
    }
}

#[test]
fn a_relay_that_does_not_take_again_what_it_had_confirmed_is_named() {
    let (mut anna, mut ben, mut relay, workspace, runs) = confirmed();
    // What it confirmed to Anna herself, and, after she was started anew, what Ben says.
    for witness in [None, Some(ben.id())] {
        if witness.is_some() {
            part(&mut anna, &mut ben);
            part(&mut anna, &mut relay);
            anna.restart(false);
            connect(&mut anna, &mut ben);
            run(&mut [&mut anna, &mut ben], &[(0, 1)], DIGESTS_MS);
        } else {
            part(&mut ben, &mut relay);
        }
        relay.disks[&workspace].restore(runs).unwrap();
        relay.restart(false);
        part(&mut anna, &mut relay);
        anna.input(Input::PeerUp { peer: relay.id() });
        relay.input(Input::PeerUp { peer: anna.id() });
        let mut pass = |ms: u64| {
            for _ in 0..ms / 100 {
                talk_without_entries(&mut anna, &mut relay);
                step(&mut anna);
                step(&mut relay);
            }
            kind(&anna, relay.id())
        };
        assert_eq!(pass(limits::WITHHELD_MS), None, "it may take a while");
        assert_eq!(pass(4 * DIGESTS_MS), Some(BreachKind::Withheld { witness }));
    }
}

#[test]
fn a_relay_without_room_says_so_and_is_not_named() {
    let (mut anna, mut ben, mut relay, workspace, runs) = confirmed();
    part(&mut relay, &mut anna);
    part(&mut relay, &mut ben);
    relay.disks[&workspace].restore(runs).unwrap();
    let record = relay.records.get_mut(&workspace).unwrap();
    record.way = Way::Carried { room: Some(1) };
    relay.restart(false);
    connect(&mut relay, &mut anna);
    run(&mut [&mut anna, &mut relay], &[(0, 1)], 2 * limits::WITHHELD_MS);
    assert_ne!(anna.heads(workspace), relay.heads(workspace));
    let peers = anna.replica.peers(anna.now());
    let status = peers.iter().find(|status| status.peer == relay.id()).unwrap();
    assert_eq!((status.workspaces[0].stall, status.workspaces[0].breach), (Some(Stall::RelayFull), None));
}

fn claim(wire: &Wire, anna: &mut Device, workspace: WorkspaceId, relay: DeviceId, heads: Vec<ConfirmedHead>) {
    wire.say(anna, &Message::Confirmed(Confirmed { workspace, relay, heads }));
}

#[test]
fn the_word_of_who_is_not_in_does_not_count_and_nobody_says_too_much() {
    let (mut anna, mut ben, workspace) = pair();
    let mut relay = relay(9);
    add(&mut anna, workspace, &mut relay);
    connect(&mut anna, &mut relay);
    run(&mut [&mut anna, &mut relay], &[(0, 1)], LONG_MS);
    ben.edit(workspace, 1);
    give(&ben, &mut anna, workspace);
    let (log, head) =
        ben.heads(workspace).into_iter().find(|(log, _)| *log == ben.own_log(workspace)).unwrap();
    let shown = |head| ConfirmedHead { log, head, held_s: 3_600 };
    // It knows the secret.
    let mut wire = Wire::greet(50, &mut anna);
    wire.prove_secret(&mut anna, workspace);
    claim(&wire, &mut anna, workspace, relay.id(), vec![shown(head)]);
    assert_eq!((breach(&anna, relay.id()), anna.disconnected()), (None, None));

    let many = limits::HEADS_PER_MESSAGE as u64 + 1;
    let unknown = |position| shown(Head { position, id: EntryId([7; 32]) });
    claim(&wire, &mut anna, workspace, relay.id(), (1..=many).map(unknown).collect());
    assert_eq!(anna.disconnected(), Some("broke the protocol: too many heads in one message"));
}

#[test]
fn who_sends_what_was_not_signed_so_is_named() {
    let (mut anna, mut ben, workspace) = pair();
    for number in 0..3 {
        ben.edit(workspace, number);
    }
    let own = ben.own_end(workspace);
    let runs = ben.own_runs(workspace, own - 3);
    let mut other_order = runs[0].clone();
    let ends: Vec<usize> = std::iter::once(0).chain(entry_ends(&other_order)).collect();
    other_order.bytes =
        [&runs[0].bytes[ends[1]..ends[2]], &runs[0].bytes[..ends[1]], &runs[0].bytes[ends[2]..]].concat();
    let mut forged = runs[0].clone();
    forged.seal = Sig([7; 64]);
    for (number, bad) in [(50, other_order), (51, forged)] {
        let wire = Wire::member(number, &mut anna, workspace);
        wire.say_runs(&mut anna, workspace, vec![bad]);
        assert!(anna.disconnected().is_some_and(|why| why.starts_with("sent an invalid run")));
        assert_eq!(kind(&anna, wire.id), Some(BreachKind::Invalid));
        anna.outputs.clear();
    }
    assert!(!anna.has(workspace, ben.heads(workspace)[0]) || ben.heads(workspace) != anna.heads(workspace));
}

/// Where the entries of a run end.
fn entry_ends(run: &Run) -> Vec<usize> {
    let entries = parse_entries(run.after, &run.bytes).unwrap();
    entries.iter().map(|entry| entry.at[2] as usize).collect()
}

#[test]
fn who_announces_what_it_never_brings_is_told_of() {
    let (mut anna, ben, workspace) = pair();
    let wire = Wire::member(50, &mut anna, workspace);
    let (log, _) = ben.heads(workspace)[0];
    let promised = Head { position: 1_000, id: EntryId([7; 32]) };
    for _ in 0..4 {
        wire.announce(&mut anna, workspace, vec![(log, promised)], true);
        for _ in 0..60 {
            for want in wants(&wire.heard(&mut anna)) {
                wire.say(&mut anna, &Message::End(want.pull));
            }
            anna.pass(100);
        }
    }
    let peers = anna.replica.peers(anna.now());
    let status = peers.iter().find(|status| status.peer == wire.id).unwrap();
    assert_eq!(status.workspaces[0].stall, Some(Stall::BringsNothing));
}
