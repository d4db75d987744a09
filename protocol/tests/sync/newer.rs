//! Entries of a newer version of the program: they stop the writing of others only where they may count.

use crate::{
    admission::{forged, stranger},
    device::*,
};
use velo_protocol::{
    access::Role,
    id::WorkspaceId,
    log::{EntryKind, Run},
    replica::{Command, Input, Opened, Refusal, Replica},
    store::{LogReader, LogStore},
    workspace::Workspace,
};

/// A kind that nobody knows.
const UNKNOWN: EntryKind = EntryKind(20);

/// An entry at the end of a device's log that it did not write itself, as its person's newer program
/// would.
fn newer(device: &Device, workspace: WorkspaceId, kind: EntryKind) -> Run {
    let own = device.own_log(workspace);
    let chains = device.disks[&workspace].reader().chains();
    let chain = chains.iter().find(|chain| chain.log == own).unwrap();
    forged(&device.identity, workspace, chain.origin, chain.end, kind, &[2, 7, 7])
}

fn hear(device: &mut Device, workspace: WorkspaceId, runs: Vec<Run>) {
    let wire = Wire::member(99, device, workspace);
    wire.say_runs(device, workspace, runs);
    device.input(Input::PeerDown { peer: wire.id });
    device.outputs.clear();
}

fn needs_update(device: &mut Device, workspace: WorkspaceId) -> bool {
    let refused = device.command(Command::Undo { workspace }) == Err(Refusal::NeedsUpdate);
    let state = device.replica.workspace(workspace).unwrap();
    assert_eq!(state.needs_update(), refused);
    // The same from the saved pages and from the log alone.
    let pages = device.replica.workspace_mut(workspace).unwrap().clone().take_pages();
    let pages = Workspace::from_pages(workspace, &pages.meta, pages.pages);
    for saved in [pages.ok(), None] {
        let mut replica = Replica::new(device.identity.clone(), [9; 32]);
        let (record, reader) = (device.records[&workspace].clone(), device.disks[&workspace].reader());
        let opened = replica.open_workspace(record, saved, &reader, false).unwrap();
        assert_eq!(opened, Opened::Workspace);
        assert_eq!(replica.workspace(workspace).unwrap().needs_update(), refused);
    }
    refused
}

pub fn set_role(device: &mut Device, workspace: WorkspaceId, of: &Device, role: Option<Role>) {
    let person = of.identity.person;
    device.command(Command::SetRole { workspace, person, role }).unwrap();
}

fn joins(number: u8, host: &mut Device, workspace: WorkspaceId) -> Device {
    let mut guest = Device::new(number);
    guest.join(&host.invite(workspace)).unwrap();
    give(host, &mut guest, workspace);
    give(&guest, host, workspace);
    guest
}

#[test]
fn a_newer_entry_of_somebody_who_was_never_in_or_is_out_stops_nobody() {
    let (mut anna, mut ben, workspace) = pair();
    hear(&mut anna, workspace, stranger(60, workspace, Some(UNKNOWN)));
    assert!(!needs_update(&mut anna, workspace));
    set_role(&mut anna, workspace, &ben, None);
    give(&anna, &mut ben, workspace);
    let run = newer(&ben, workspace, UNKNOWN);
    hear(&mut anna, workspace, vec![run]);
    assert!(!needs_update(&mut anna, workspace));
}

#[test]
fn a_newer_entry_counts_with_the_lowest_role_that_it_may_need() {
    let (mut anna, ben, workspace) = pair();
    let mut vic = joins(4, &mut anna, workspace);
    set_role(&mut anna, workspace, &vic, Some(Role::Viewer));
    give(&anna, &mut vic, workspace);
    let ticket = anna.invite(workspace);
    let counts = |by: &Device, kind| {
        // A newcomer each time, who heard of nothing before.
        let mut peer = Device::new(5);
        peer.join(&ticket).unwrap();
        give(&anna, &mut peer, workspace);
        hear(&mut peer, workspace, vec![newer(by, workspace, kind)]);
        needs_update(&mut peer, workspace)
    };
    for (kind, by_viewer, by_member) in [
        (UNKNOWN, true, true),
        (EntryKind::LINK, true, true),
        (EntryKind::CAP, true, true),
        (EntryKind::KEY_EPOCH, false, true),
        (EntryKind::KEY_SHARE, false, true),
        (EntryKind::GRANT, false, false),
        (EntryKind::INVITE, false, false),
        (EntryKind::REVOKE, false, false),
    ] {
        assert_eq!((counts(&vic, kind), counts(&ben, kind)), (by_viewer, by_member), "{kind:?}");
    }
    assert!(counts(&anna, EntryKind::GRANT));
}

#[test]
fn a_late_verdict_turns_it_either_way() {
    let (mut anna, ben, workspace) = pair();
    let mut chi = joins(3, &mut anna, workspace);
    set_role(&mut anna, workspace, &chi, Some(Role::Admin));
    give(&anna, &mut chi, workspace);
    let mut dee = joins(4, &mut anna, workspace);
    give(&anna, &mut chi, workspace);
    hear(&mut dee, workspace, vec![newer(&ben, workspace, UNKNOWN)]);
    assert!(needs_update(&mut dee, workspace));
    // Chi, who has not seen it, removes Ben.
    set_role(&mut chi, workspace, &ben, None);
    give(&chi, &mut dee, workspace);
    assert!(!needs_update(&mut dee, workspace));
    dee.edit(workspace, 1);
    // Anna, who has not seen that, removes Chi.
    set_role(&mut anna, workspace, &chi, None);
    give(&anna, &mut dee, workspace);
    assert!(needs_update(&mut dee, workspace));
}
