//! Which keys a device ends up with, whatever others write and in whatever order it arrives.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may fail by panicking")]

mod key_ring {
    pub mod world;
}

use key_ring::world::{
    Action, Body, DEVICES, Entry, WORKSPACE, World, actions, add, all, public, reader, ring,
};
use proptest::prelude::*;
use rand_chacha::ChaCha20Rng;
use rand_core::{Rng, SeedableRng};
use std::collections::BTreeSet;
use velo_protocol::{
    id::EntryId,
    keys::{
        epoch::{KEYS_VERSION, KeyEpoch, KeyShare, Older},
        ring::{Fault, KeyRing, Write},
        secret::{Commitment, EpochKey, SealedKey},
        wrap::{RecipientKey, Wrap},
    },
    limits,
};

fn rng(seed: u64) -> ChaCha20Rng {
    ChaCha20Rng::seed_from_u64(seed)
}

/// All that can be seen of a ring.
fn view(ring: &KeyRing) -> impl PartialEq + std::fmt::Debug {
    let epochs: Vec<_> = ring
        .epochs()
        .map(|epoch| (epoch, ring.depth(epoch), ring.holds(epoch), ring.recipients(epoch)))
        .collect();
    let keys: Vec<_> = ring.keys().map(EpochKey::commitment).collect();
    let writes = [all(0..DEVICES), all(0..2), all([0])].map(|current| ring.to_write(&current, |_| true));
    (epochs, keys, writes, ring.faults(), ring.missing().collect::<Vec<_>>())
}

fn shuffled<T: Clone>(list: &[T], seed: u64) -> Vec<T> {
    let (mut list, mut rng) = (list.to_vec(), rng(seed));
    for end in (1..list.len()).rev() {
        list.swap(end, rng.next_u64() as usize % (end + 1));
    }
    list
}

/// Copies of honest entries with something wrong in each.
fn lies(entries: &[Entry], seed: u64) -> Vec<Entry> {
    let mut rng = rng(seed);
    let mut lies = Vec::new();
    for entry in entries {
        let mut lie = entry.clone();
        rng.fill_bytes(&mut lie.id.0);
        let choice = rng.next_u64() % 6;
        match (&mut lie.body, choice) {
            (Body::Epoch(body), 0) => body.commitment = Commitment([8; 32]),
            (Body::Epoch(body), 1) => body
                .older
                .iter_mut()
                .filter_map(|older| older.key.as_mut())
                .for_each(|key| key.sealed.tag[0] ^= 1),
            (Body::Epoch(body), 2) => body
                .older
                .iter_mut()
                .filter_map(|older| older.key.as_mut())
                .for_each(|key| key.commitment = Commitment([9; 32])),
            (Body::Epoch(body), 3) => body.older.iter_mut().for_each(|older| older.key = None),
            (Body::Epoch(body), 4) => body.older.clear(),
            (Body::Epoch(body), _) => body.wraps.iter_mut().for_each(|(_, wrap)| wrap.enc[3] ^= 4),
            (Body::Share(body), 0..3) => body.wraps.iter_mut().for_each(|(_, wrap)| wrap.key.text[3] ^= 4),
            (Body::Share(body), _) => rng.fill_bytes(&mut body.epoch.0),
        }
        lies.push(lie);
    }
    lies
}

fn played(actions: &[Action], returns: bool) -> World {
    let mut world = World::new(returns);
    for action in actions {
        world.act(*action);
    }
    world
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn any_order_of_learning_gives_the_same_ring(actions in actions(), seed: u64, device in 0..DEVICES) {
        let world = played(&actions, true);
        let mut entries = world.entries.clone();
        entries.extend(lies(&world.entries, seed));
        let (void, needed) = (|entry: &Entry| entry.id.0[0] < 40, |entry: &Entry| entry.id.0[1] < 60);
        let build = |entries: &[Entry], late: bool| {
            let mut ring = ring(device);
            for entry in entries {
                add(&mut ring, entry, late || !void(entry));
                if needed(entry) {
                    ring.need(entry.id);
                }
            }
            entries.iter().filter(|entry| void(entry)).for_each(|entry| _ = ring.set_effective(entry.id, false));
            ring
        };
        let expected = build(&entries, false);
        let other = build(&shuffled(&entries, seed), true);
        prop_assert_eq!(view(&other), view(&expected));
    }

    /// The founder is in every epoch and carries all of them on, concurrent ones too.
    #[test]
    fn a_newcomer_reads_everything_older(actions in actions(), seed: u64) {
        let mut world = played(&actions, true);
        (1..DEVICES).for_each(|device| world.sync(0, device));
        let mut ends = all(world.current(0).clone());
        ends.insert(public(DEVICES));
        world.rotate(0, &ends);
        let newcomer = reader(DEVICES, &shuffled(&world.entries, seed));
        prop_assert!(newcomer.epochs().all(|epoch| newcomer.holds(epoch)));
        let deepest = newcomer.epochs().max_by_key(|epoch| newcomer.depth(*epoch));
        prop_assert_eq!(deepest, world.entries.last().map(|entry| entry.id), "the newest is the deepest");
    }

    /// With everything that honest devices ever write, before or after.
    #[test]
    fn who_is_removed_never_learns_a_later_epoch(actions in actions()) {
        let world = played(&actions, false);
        for device in 1..DEVICES {
            let reader = reader(device, &world.entries);
            let epochs = world.entries.iter().filter(|entry| matches!(entry.body, Body::Epoch(_)));
            for entry in epochs {
                let later = &world.versions[entry.view..];
                let removed = later.iter().all(|version| !version.contains(&device));
                prop_assert!(!(removed && reader.holds(entry.id)), "device {device}");
            }
        }
    }

    /// As far as the writer can know: a concurrent `KeyShare` is beyond it.
    #[test]
    fn nobody_who_is_not_current_can_read_what_is_written(actions in actions(), returns: bool) {
        let mut world = World::new(returns);
        for action in actions {
            let Some(epoch) = world.act(action) else { continue };
            let Action::Write(writer) = action else { unreachable!() };
            let writer = &world.devices[writer];
            let current = &world.versions[writer.view];
            let known = || writer.seen.iter().map(|entry| &world.entries[*entry]);
            prop_assert!(writer.ring.recipients(epoch).is_subset(&all(current.iter().copied())));
            for device in 0..DEVICES {
                let reads = reader(device, known()).holds(epoch);
                prop_assert_eq!(reads, current.contains(&device), "device {}", device);
            }
        }
    }
}

fn garbage() -> Wrap {
    Wrap { enc: [9; 32], key: SealedKey { text: [1; 32], tag: [2; 16] } }
}

fn epoch(key: &EpochKey, wraps: Vec<(RecipientKey, Wrap)>) -> KeyEpoch {
    KeyEpoch { version: KEYS_VERSION, commitment: key.commitment(), older: Vec::new(), wraps }
}

/// Ben's first epoch has only Ann and Ben as recipients. Cleo joined, got the second, which carries
/// the first, and was removed: she has the key of the first too, and it must not be used again.
#[test]
fn an_epoch_that_a_removed_one_learned_through_a_newer_one_is_not_used_again() {
    let mut world = World::new(false);
    let first = world.write(0).unwrap();
    world.join(2);
    let current = all(0..3);
    world.rotate(0, &current);
    world.remove(2);
    assert_eq!(world.devices[0].ring.recipients(first), all(0..2));
    assert!(reader(2, &world.entries).holds(first));
    assert_eq!(world.devices[0].ring.to_write(&all(0..2), |_| true), Write::Rotate);
}

#[test]
fn a_current_one_who_is_missing_gets_a_share_first() {
    let mut world = World::new(false);
    let first = world.write(0).unwrap();
    let current = all(0..3);
    let missing = Write::ShareFirst(first, all([2]));
    assert_eq!(world.devices[0].ring.to_write(&current, |_| true), missing);
    let shares = world.devices[0].ring.share(first, all([2]), &mut rng(1));
    let share = world.post(0, Body::Share(shares[0].clone()));
    assert_eq!(world.devices[0].ring.to_write(&current, |_| true), Write::Use(first));
    assert_eq!(world.devices[0].ring.to_write(&all(0..2), |_| true), Write::Rotate, "device 2 has it now");
    world.devices[0].ring.set_effective(share, false);
    assert_eq!(
        world.devices[0].ring.to_write(&current, |_| true),
        missing,
        "a void share counts for nothing"
    );
    assert_eq!(world.devices[0].ring.to_write(&all(0..2), |_| true), Write::Use(first));
}

#[test]
fn a_key_of_small_order_is_nobody_to_wait_for() {
    let mut world = World::new(false);
    let first = world.write(0).unwrap();
    let mut current = all(0..2);
    current.insert(RecipientKey([0; 32]));
    assert_eq!(world.devices[0].ring.to_write(&current, |_| true), Write::Use(first));
    assert_eq!(world.devices[0].ring.rotate(&current, &mut rng(1)).body.wraps.len(), 2);
}

#[test]
fn a_late_verdict_changes_the_choice_and_no_key() {
    let mut world = World::new(false);
    let first = world.write(0).unwrap();
    let second = world.rotate(0, &all(0..2));
    let ring = &mut world.devices[0].ring;
    assert_eq!(ring.to_write(&all(0..2), |_| true), Write::Use(second));
    assert!(ring.set_effective(second, false));
    assert_eq!(ring.to_write(&all(0..2), |_| true), Write::Use(first));
    assert!(ring.holds(second) && ring.cipher(second).is_some());
    assert!(ring.set_effective(second, true));
    assert_eq!(ring.to_write(&all(0..2), |_| true), Write::Use(second));
    assert!(!ring.set_effective(EntryId([1; 32]), true));
}

/// A member who copies the commitment of an epoch gives its key to others by another entry.
#[test]
fn a_copied_commitment_brings_its_recipients_with_it() {
    let mut world = World::new(false);
    let first = world.write(0).unwrap();
    let Body::Epoch(body) = world.entries[0].body.clone() else { unreachable!() };
    let key = world.devices[0].ring.keys().next().unwrap().clone();
    assert_eq!(key.commitment(), body.commitment);
    let copy = epoch(&key, vec![(public(3), garbage())]);
    let ring = &mut world.devices[0].ring;
    assert_eq!(ring.add_epoch(EntryId([1; 32]), &copy, false), [EntryId([1; 32])]);
    assert_eq!(ring.to_write(&all(0..2), |_| true), Write::Use(first), "a void one cannot force a rotation");
    ring.set_effective(EntryId([1; 32]), true);
    assert_eq!(ring.to_write(&all(0..2), |_| true), Write::Rotate);
}

#[test]
fn lies_are_recorded_and_healed_by_a_share() {
    let (key, id, share) = (EpochKey::from_bytes([1; 32]), EntryId([2; 32]), EntryId([3; 32]));
    let mut ring = ring(0);
    assert!(ring.add_epoch(id, &epoch(&key, vec![(public(0), garbage())]), true).is_empty());
    ring.need(id);
    assert_eq!(ring.faults(), BTreeSet::from([Fault::Wrap(id)]));
    assert_eq!(ring.missing().collect::<Vec<_>>(), [id]);
    assert_eq!(ring.to_write(&all([0]), |_| true), Write::Rotate, "its key is not held");
    let shares = KeyShare::split(WORKSPACE, id, &key, [public(0)], &mut rng(1));
    assert_eq!(ring.add_share(share, &shares[0], false), [id], "also if the share is void");
    assert!(ring.faults().is_empty() && ring.missing().next().is_none());
}

/// Who has not an epoch's key names it without, so that the new one is deeper all the same.
#[test]
fn an_epoch_whose_key_is_not_held_is_named() {
    let (key, id) = (EpochKey::from_bytes([1; 32]), EntryId([2; 32]));
    let mut ring = ring(0);
    ring.add_epoch(id, &epoch(&key, Vec::new()), true);
    let rotation = ring.rotate(&all([0]), &mut rng(1));
    assert_eq!(rotation.body.older, [Older { epoch: id, key: None }]);
    ring.learn(rotation.key);
    assert_eq!(ring.add_epoch(EntryId([1; 32]), &rotation.body, true), [EntryId([1; 32])]);
    assert_eq!(ring.depth(EntryId([1; 32])), Some(2));
    assert_eq!(ring.learn(key), [id]);
    let next = ring.rotate(&all([0]), &mut rng(2)).body.older;
    assert_eq!(next.len(), 2, "now it is carried");
    assert!(next.iter().all(|older| older.key.is_some()));
}

#[test]
fn many_concurrent_epochs_are_carried_by_several_rotations() {
    let mut ring = ring(0);
    let count = limits::OLDER_EPOCHS + 10;
    for n in 0..count as u8 {
        let key = EpochKey::from_bytes([n; 32]);
        ring.add_epoch(EntryId([n; 32]), &epoch(&key, Vec::new()), true);
        ring.learn(key);
    }
    let mut last = KeyRing::new(WORKSPACE, Vec::new());
    for n in 0..2 {
        let rotation = ring.rotate(&all([0]), &mut rng(n));
        assert!(KeyEpoch::read(&velo_protocol::codec::encode(&rotation.body)).is_ok());
        ring.learn(rotation.key);
        ring.add_epoch(EntryId([100 + n as u8; 32]), &rotation.body, true);
        last = key_ring::world::ring(0);
        last.add_epoch(EntryId([100 + n as u8; 32]), &rotation.body, true);
    }
    assert_eq!(last.keys().count(), 1 + 11, "the second: itself, ten left over, the first");
    assert_eq!(ring.rotate(&all([0]), &mut rng(3)).body.older.len(), 1);
}

#[test]
fn a_long_chain_of_epochs_opens_from_its_end() {
    let (mut author, mut bodies) = (ring(0), Vec::new());
    for n in 0..3_000_u32 {
        let mut id = EntryId([0; 32]);
        id.0[..4].copy_from_slice(&n.wrapping_mul(0x9E37_79B1).to_be_bytes());
        let to = if n == 2_999 { all(0..2) } else { BTreeSet::new() };
        let rotation = author.rotate(&to, &mut rng(n.into()));
        author.learn(rotation.key);
        author.add_epoch(id, &rotation.body, true);
        bodies.push((id, rotation.body));
    }
    let mut reader = ring(1);
    for (id, body) in &bodies {
        reader.add_epoch(*id, body, true);
    }
    assert_eq!(reader.epochs().filter(|epoch| reader.holds(*epoch)).count(), 3_000);
    assert_eq!(reader.depth(bodies[2_999].0), Some(3_000));
}
