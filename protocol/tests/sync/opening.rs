//! Opening what a crash left.

use crate::device::*;
use velo_protocol::{
    crypto::SecretKey,
    id::DeviceId,
    log::{EntryKind, HEADER_VERSION, Header, RunWriter},
    replica::{Command, Input, Opened, Output, Refusal, Replica},
    store::{Batch, BatchRun, ChainNo, LogReader, LogStore, StoreError, memory::MemoryReader},
    time::Hlc,
};

#[test]
fn a_ticket_outlasts_a_crash_and_is_used_when_its_invite_arrives() {
    let mut anna = Device::new(1);
    let workspace = anna.found();
    let ticket = anna.invite(workspace);
    let mut ben = Device::new(2);
    ben.join(&ticket).unwrap();
    assert_eq!(ben.restart(false), [Opened::Workspace], "nothing but the ticket is here");
    let edit = Command::Edit { workspace, changes: Vec::new() };
    assert_eq!(ben.command(edit), Err(Refusal::Joining));
    give(&anna, &mut ben, workspace);
    give(&ben, &mut anna, workspace);
    assert_eq!(anna.replica.workspace(workspace).unwrap().members().len(), 2);
    assert_eq!(ben.join(&ticket), Err(Refusal::AlreadyJoined));
    // The power went after the invite came, and before the Join was durable.
    let mut carla = Device::new(3);
    carla.join(&ticket).unwrap();
    give(&anna, &mut carla, workspace);
    let own = carla.own_log(workspace);
    let has_own = |log: &MemoryReader| log.chains().iter().any(|chain| chain.log == own);
    let mut runs = carla.disks[&workspace].durable_runs();
    while has_own(&carla.disks[&workspace].reader()) {
        runs -= 1;
        carla.disks[&workspace].restore(runs).unwrap();
    }
    carla.restart(false);
    let wire = Wire::greet(98, &mut carla);
    carla.input(Input::PeerDown { peer: wire.id });
    give(&carla, &mut anna, workspace);
    assert_eq!(anna.replica.workspace(workspace).unwrap().members().len(), 3);
    // A log that was lost comes back from the peers.
    ben.disks.clear();
    assert_eq!(ben.restart(true), [Opened::Workspace]);
}

#[test]
fn a_device_that_is_shown_its_own_entries_leaves_its_log_at_once() {
    let (mut anna, mut ben, workspace) = pair();
    let backup = ben.disks[&workspace].durable_runs();
    let old = ben.own_log(workspace);
    for number in 0..10 {
        ben.edit(workspace, number);
    }
    give(&ben, &mut anna, workspace);
    let published = ben.own_runs(workspace, 0);
    ben.disks[&workspace].restore(backup).unwrap();
    assert_eq!(ben.restart(false), [Opened::Workspace], "the marker missed it");
    assert_eq!(ben.own_log(workspace), old);
    let wire = Wire::member(50, &mut ben, workspace);
    wire.say_runs(&mut ben, workspace, published);
    let remembered = ben.outputs.iter().any(|output| matches!(output, Output::Remember(_)));
    assert!(remembered && ben.own_log(workspace) != old);
    // Also if the device is started again before it writes.
    ben.restart(false);
    ben.edit(workspace, 50);
    let own = ben.own_log(workspace);
    assert_ne!(own, old);
    let chains = ben.disks[&workspace].reader().chains();
    assert_eq!(chains.iter().filter(|chain| chain.log == own).count(), 1);
    give(&ben, &mut anna, workspace);
    assert_eq!(anna.heads(workspace), ben.heads(workspace));
    assert_eq!(anna.replica.logs(workspace).unwrap().chains_of(old).len(), 1, "no fork");
    let peer = DeviceId(SecretKey::from_seed(&[50; 32]).public());
    ben.input(Input::PeerDown { peer });
}

#[test]
fn a_log_that_something_else_continued_is_not_opened() {
    let (_, mut ben, workspace) = pair();
    ben.edit(workspace, 1);
    let reader = ben.disks[&workspace].reader();
    let own = ben.own_log(workspace);
    let (number, chain) =
        (0..).map(ChainNo).zip(reader.chains()).find(|(_, chain)| chain.log == own).unwrap();
    let mut writer = RunWriter::new(own, chain.origin, chain.end);
    let (kind, hlc, salt) = (EntryKind::ACK, Hlc(1), [0; 8]);
    let (auth, epoch, deps) = (None, None, Vec::new());
    let header = Header { version: HEADER_VERSION, kind, hlc, auth, deps, epoch, salt, body_len: 0 };
    writer.push(header, &[]).unwrap();
    let forged = writer.seal_locally(workspace, &SecretKey::from_seed(&[77; 32])).unwrap();
    let (origin, run, end) = (chain.origin, forged.run().clone(), forged.end());
    let runs = vec![BatchRun { chain: number, origin, run, end }];
    ben.disks.get_mut(&workspace).unwrap().append(&Batch { runs }).unwrap();
    let mut replica = Replica::new(ben.identity.clone(), [1; 32]);
    let opened = replica.open_workspace(ben.records[&workspace].clone(), None, &reader, false);
    assert!(
        matches!(&opened, Err(StoreError::Read(reason)) if reason.contains("another program")),
        "{opened:?}"
    );
    assert_eq!(replica.workspaces(), []);
}

#[test]
fn a_local_seal_is_worth_nothing_on_the_wire() {
    let (mut anna, mut ben, workspace) = pair();
    ben.edit(workspace, 1);
    let own = ben.own_log(workspace);
    let reader = ben.disks[&workspace].reader();
    let number = reader.chains().iter().position(|chain| chain.log == own).unwrap() as u32;
    let unsigned = reader.read_run(ChainNo(number), ben.own_end(workspace) - 1).unwrap().unwrap();
    let held = anna.heads(workspace);
    let wire = Wire::member(50, &mut anna, workspace);
    wire.say_runs(&mut anna, workspace, vec![unsigned]);
    assert!(anna.disconnected().is_some_and(|reason| reason.contains("seal")));
    assert_eq!(anna.heads(workspace), held);
}
