//! What those may add to the logs of others who are out, or never were in.

use crate::device::*;
use velo_protocol::{
    codec,
    control::{CONTROL_VERSION, Link},
    id::{DeviceId, EntryId, Incarnation, WorkspaceId},
    limits,
    log::{ChainEnd, EntryKind, HEADER_VERSION, Header, Origin, Run, RunWriter},
    replica::{Command, Identity},
    store::{ChainNo, LogReader, LogStore},
    time::Hlc,
};

/// How many bytes a device holds that these wrote.
fn bytes_of(device: &Device, workspace: WorkspaceId, authors: &[DeviceId]) -> u64 {
    let reader = device.disks[&workspace].reader();
    let chains = reader.chains();
    let theirs = chains.iter().enumerate().filter(|(_, chain)| authors.contains(&chain.origin.device));
    let mut bytes = 0;
    for (number, chain) in theirs {
        let mut position = chain.base.position;
        while let Some(run) = reader.read_run(ChainNo(number as u32), position).unwrap() {
            position += velo_protocol::log::survey(&run.bytes).unwrap().0;
            bytes += run.bytes.len() as u64;
        }
    }
    bytes
}

/// A stranger's log of so many entries of 20 KiB each, the second of which names `dep`.
fn flood(number: u8, workspace: WorkspaceId, dep: Option<EntryId>, entries: usize) -> (DeviceId, Vec<Run>) {
    let identity = Identity::from_seeds([number; 32], &[number; 32]);
    let (person, device) = (identity.person, identity.device_id());
    let origin = Origin { person, device, incarnation: Incarnation([number; 8]), founder: false };
    let link = codec::encode(&Link { version: CONTROL_VERSION, chain: identity.chain.clone() });
    let mut end = ChainEnd::start(origin.log_id(workspace));
    let mut runs = Vec::new();
    for entry in 0..=entries {
        let mut writer = RunWriter::new(origin.log_id(workspace), origin, end);
        let (kind, body) = match entry {
            0 => (EntryKind::LINK, link.clone()),
            _ => (EntryKind::DATA, vec![7; 20 * 1024]),
        };
        let deps = dep.filter(|_| entry == 1).into_iter().collect();
        let hlc = Hlc::from_ms(EPOCH_MS);
        let header = Header {
            version: HEADER_VERSION,
            kind,
            hlc,
            auth: None,
            deps,
            epoch: None,
            salt: [0; 8],
            body_len: 0,
        };
        writer.push(header, &body).unwrap();
        let run = writer.seal(workspace, &identity.device).unwrap();
        end = run.end();
        runs.push(run.run().clone());
    }
    (device, runs)
}

/// Two members, and one who was, removed while away, who has written much since.
fn three() -> (Device, Device, Device, WorkspaceId) {
    let (mut anna, mut ben, workspace) = pair();
    let mut mal = Device::new(3);
    mal.join(&anna.invite(workspace)).unwrap();
    meet(&mut anna, &mut mal);
    meet(&mut anna, &mut ben);
    let person = mal.identity.person;
    anna.command(Command::SetRole { workspace, person, role: None }).unwrap();
    for number in 0..60 {
        mal.add(workspace, number, 20 * 1024);
    }
    (anna, ben, mal, workspace)
}

fn digest(device: &Device, workspace: WorkspaceId) -> [u8; 32] {
    device.replica.logs(workspace).unwrap().digest()
}

#[test]
fn who_was_removed_adds_so_much_and_no_more() {
    let (mut anna, mut ben, mut mal, workspace) = three();
    let by_mal = [mal.id()];
    assert!(bytes_of(&mal, workspace, &by_mal) > 4 * limits::ADDED_OUTSIDE);
    let most = limits::ADDED_OUTSIDE + limits::PULL_WINDOW as u64 / 4;
    for _ in 0..5 {
        meet(&mut anna, &mut mal);
    }
    let taken = bytes_of(&anna, workspace, &by_mal);
    assert!(taken > limits::ADDED_OUTSIDE / 2 && taken <= most, "{taken} bytes");
    anna.restart(false);
    meet(&mut anna, &mut mal);
    assert_eq!(bytes_of(&anna, workspace, &by_mal), taken, "a restart makes no room");
    meet(&mut anna, &mut ben);
    meet(&mut ben, &mut mal);
    meet(&mut anna, &mut ben);
    assert_eq!(digest(&anna, workspace), digest(&ben, workspace), "the bound splits nobody who is in");
    assert!(bytes_of(&ben, workspace, &by_mal) <= 2 * most);
}

#[test]
fn who_is_let_in_again_brings_the_rest() {
    let (mut anna, mut ben, mut mal, workspace) = three();
    meet(&mut anna, &mut mal);
    let (person, role) = (mal.identity.person, Some(velo_protocol::access::Role::Member));
    anna.command(Command::SetRole { workspace, person, role }).unwrap();
    meet(&mut anna, &mut mal);
    mal.edit(workspace, 900);
    for _ in 0..3 {
        meet(&mut anna, &mut mal);
        meet(&mut anna, &mut ben);
    }
    let end = mal.heads(workspace);
    assert!(end.iter().all(|head| anna.has(workspace, *head) && ben.has(workspace, *head)));
    assert!(crate::admission::shows(&ben, workspace, 900));
}

#[test]
fn what_is_named_is_taken_however_much_leads_to_it() {
    let (mut anna, mut ben, mut mal, workspace) = three();
    // Ben has not heard that Mal is out, and writes with Mal's work before him.
    meet(&mut ben, &mut mal);
    ben.edit(workspace, 500);
    assert!(bytes_of(&ben, workspace, &[mal.id()]) > 4 * limits::ADDED_OUTSIDE);
    meet(&mut anna, &mut mal);
    meet(&mut anna, &mut ben);
    meet(&mut anna, &mut ben);
    assert!(crate::admission::shows(&anna, workspace, 500));
    assert_eq!(digest(&anna, workspace), digest(&ben, workspace));
}

#[test]
fn strangers_share_one_bound_and_keep_nobody_out() {
    let (mut anna, mut ben, workspace) = pair();
    let missing = EntryId([0x77; 32]);
    let mut devices = Vec::new();
    for number in 200..220 {
        let mut wire = Wire::greet(number, &mut anna);
        wire.prove_secret(&mut anna, workspace);
        // Two in league wait for what does not exist.
        let (device, runs) = flood(number, workspace, (number < 202).then_some(missing), 30);
        wire.say_runs(&mut anna, workspace, runs);
        devices.push(device);
    }
    let taken = bytes_of(&anna, workspace, &devices);
    let most = limits::ADDED_OUTSIDE + limits::RUN_BYTES as u64;
    assert!(taken > 0 && taken <= most, "{taken} bytes");
    // Who has a ticket comes in all the same, and whoever is in brings them to the others.
    let mut cara = Device::new(4);
    cara.join(&anna.invite(workspace)).unwrap();
    meet(&mut anna, &mut cara);
    cara.edit(workspace, 700);
    meet(&mut anna, &mut cara);
    meet(&mut anna, &mut ben);
    assert!(crate::admission::shows(&ben, workspace, 700));
    assert_eq!(crate::admission::members(&ben, workspace), 3);
    assert_eq!(digest(&anna, workspace), digest(&ben, workspace));
}
