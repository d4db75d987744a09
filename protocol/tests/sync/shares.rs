//! Shares of keys by those who may write none: they open what they open, and make nobody start a new key.

use crate::{admission::forged, device::*, newer::set_role};
use velo_protocol::{
    access::Role,
    codec,
    id::{EntryId, WorkspaceId},
    keys::{
        epoch::{KEYS_VERSION, KeyShare},
        secret::SealedKey,
        wrap::Wrap,
    },
    log::{Entry, EntryKind, parse_entries},
    replica::Input,
    store::{LogReader, LogStore},
};

fn entries(device: &Device, workspace: WorkspaceId) -> Vec<Entry> {
    let runs = device.own_runs(workspace, 0);
    runs.iter().flat_map(|run| parse_entries(run.after, &run.bytes).unwrap()).collect()
}

fn epochs(device: &Device, workspace: WorkspaceId) -> usize {
    entries(device, workspace).iter().filter(|entry| entry.header.kind == EntryKind::KEY_EPOCH).count()
}

/// The epoch under which a device wrote last.
fn in_use(device: &Device, workspace: WorkspaceId) -> EntryId {
    entries(device, workspace).iter().rev().find_map(|entry| entry.header.epoch).unwrap()
}

#[test]
fn a_share_by_a_viewer_with_somebody_who_is_out_makes_nobody_start_a_key() {
    let (mut anna, mut ben, workspace) = pair();
    let mut chi = Device::new(3);
    chi.join(&anna.invite(workspace)).unwrap();
    give(&anna, &mut chi, workspace);
    give(&chi, &mut anna, workspace);
    set_role(&mut anna, workspace, &chi, None);
    set_role(&mut anna, workspace, &ben, Some(Role::Viewer));
    give(&anna, &mut ben, workspace);
    anna.edit(workspace, 1);
    let before = epochs(&anna, workspace);
    let own = ben.own_log(workspace);
    let chains = ben.disks[&workspace].reader().chains();
    let chain = chains.iter().find(|chain| chain.log == own).unwrap();
    let (origin, mut end) = (chain.origin, chain.end);
    for number in 0..3 {
        let wrap = Wrap { enc: [number; 32], key: SealedKey { text: [number; 32], tag: [number; 16] } };
        let wraps = vec![(chi.identity.receiving.public(), wrap)];
        let body = KeyShare { version: KEYS_VERSION, epoch: in_use(&anna, workspace), wraps };
        let run = forged(&ben.identity, workspace, origin, end, EntryKind::KEY_SHARE, &codec::encode(&body));
        let entry = &parse_entries(run.after, &run.bytes).unwrap()[0];
        end.advance(entry.id, run.bytes.len() as u32);
        let wire = Wire::member(98, &mut anna, workspace);
        wire.say_runs(&mut anna, workspace, vec![run]);
        anna.input(Input::PeerDown { peer: wire.id });
        anna.outputs.clear();
        anna.edit(workspace, 2 + u64::from(number));
    }
    assert_eq!(epochs(&anna, workspace), before);
}

#[test]
fn an_admin_who_is_lowered_may_have_let_somebody_in_whom_nobody_counts() {
    let (mut anna, mut ben, workspace) = pair();
    set_role(&mut anna, workspace, &ben, Some(Role::Admin));
    give(&anna, &mut ben, workspace);
    anna.edit(workspace, 1);
    let before = in_use(&anna, workspace);
    set_role(&mut anna, workspace, &ben, Some(Role::Member));
    anna.edit(workspace, 2);
    assert_ne!(in_use(&anna, workspace), before, "a new key");
}
