//! Opening what a crash left.

use crate::device::*;
use velo_protocol::{
    crypto::SecretKey,
    id::DeviceId,
    replica::{Input, Opened, Output},
    store::LogReader,
    store::LogStore,
};

#[test]
fn a_workspace_without_its_first_entry_is_dropped_and_can_be_joined_again() {
    let mut anna = Device::new(1);
    let workspace = anna.found();
    let ticket = anna.invite(workspace);
    let mut ben = Device::new(2);
    ben.join(&ticket).unwrap();
    // The power went before the Join was durable.
    ben.disks.clear();
    assert_eq!(ben.restart(false), [Opened::Nothing]);
    assert_eq!(ben.replica.workspaces(), []);
    ben.records.clear();
    ben.join(&ticket).unwrap();
    give(&ben, &mut anna, workspace);
    assert_eq!(anna.replica.workspace(workspace).unwrap().members().len(), 2);
    // But a log that was lost comes back from the peers.
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
