//! What those may add to the logs of others who are out, or never were in.

use crate::{
    admission::connect,
    device::*,
    linking::{become_linked, code_of, link},
    peers::stall,
};
use velo_protocol::{
    codec,
    control::{CONTROL_VERSION, Link},
    crypto::{LinkCert, SecretKey},
    id::{DeviceId, EntryId, Incarnation, WorkspaceId},
    limits,
    log::{ChainEnd, EntryKind, HEADER_VERSION, Header, Origin, Run, RunWriter},
    message::{Claim, ClaimBy, Message},
    replica::{Command, Identity, Input, Stall},
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

/// A log as somebody makes it who writes it by hand, on a device that their root certified.
struct Forger {
    identity: Identity,
    origin: Origin,
    workspace: WorkspaceId,
    end: ChainEnd,
}

impl Forger {
    fn new(root: u8, device: u8, workspace: WorkspaceId) -> Self {
        Self::of(Identity::from_seeds([root; 32], &[device; 32]), workspace)
    }

    /// Begins another log of a device.
    fn of(identity: Identity, workspace: WorkspaceId) -> Self {
        let (person, device) = (identity.person, identity.device_id());
        let origin = Origin { person, device, incarnation: Incarnation([9; 8]), founder: false };
        Self { identity, origin, workspace, end: ChainEnd::start(origin.log_id(workspace)) }
    }

    fn write(&mut self, kind: EntryKind, deps: Vec<EntryId>, body: &[u8]) -> Run {
        let mut writer = RunWriter::new(self.origin.log_id(self.workspace), self.origin, self.end);
        let (version, hlc) = (HEADER_VERSION, Hlc::from_ms(EPOCH_MS));
        let header = Header { version, kind, hlc, auth: None, deps, epoch: None, salt: [0; 8], body_len: 0 };
        writer.push(header, body).unwrap();
        let run = writer.seal(self.workspace, &self.identity.device).unwrap();
        self.end = run.end();
        run.run().clone()
    }

    fn link(&mut self) -> Run {
        let link = Link { version: CONTROL_VERSION, chain: self.identity.chain.clone() };
        self.write(EntryKind::LINK, Vec::new(), &codec::encode(&link))
    }

    /// An entry of 20 KiB.
    fn data(&mut self, deps: Vec<EntryId>) -> Run {
        self.write(EntryKind::DATA, deps, &vec![7; 20 * 1024])
    }
}

/// A log of so many entries of 20 KiB each, the first of which names `dep`.
fn flood(
    (root, device): (u8, u8),
    workspace: WorkspaceId,
    dep: Option<EntryId>,
    entries: usize,
) -> (DeviceId, Vec<Run>) {
    let mut forger = Forger::new(root, device, workspace);
    let mut runs = vec![forger.link(), forger.data(dep.into_iter().collect())];
    runs.extend((1..entries).map(|_| forger.data(Vec::new())));
    (forger.origin.device, runs)
}

/// Somebody who has the session secret, and nothing that lets them in.
fn outsider(number: u8, device: &mut Device, workspace: WorkspaceId) -> Wire {
    let mut wire = Wire::greet(number, device);
    wire.prove_secret(device, workspace);
    wire
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
fn what_is_not_taken_is_told_and_seldom_talked_about() {
    let (mut anna, _, mut mal, workspace) = three();
    connect(&mut anna, &mut mal);
    let mut announced = Vec::new();
    for second in 0..120 {
        for frame in frames(&mut anna, mal.id()) {
            let message = Message::decode(&frame).unwrap();
            announced.extend(is_full(&message).then_some(second));
            mal.input(Input::Received { peer: anna.id(), frame });
        }
        talk(&mut anna, &mut mal);
        anna.pass(1_000);
        mal.pass(1_000);
    }
    assert_eq!(stall(&anna, mal.id()), Some(Stall::Declined));
    assert!(announced.iter().all(|second| *second < 30), "{announced:?}");
    // Let in again, everything is equal within the time that it takes to compare.
    let (person, role) = (mal.identity.person, Some(velo_protocol::access::Role::Member));
    anna.command(Command::SetRole { workspace, person, role }).unwrap();
    for _ in 0..60 {
        talk(&mut anna, &mut mal);
        anna.pass(500);
        mal.pass(500);
    }
    assert_eq!(stall(&anna, mal.id()), None);
    assert_eq!(digest(&anna, workspace), digest(&mal, workspace));
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
        let wire = outsider(number, &mut anna, workspace);
        // Two in league wait for what does not exist.
        let (device, runs) = flood((number, number), workspace, (number < 202).then_some(missing), 30);
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

#[test]
fn who_is_out_makes_no_room_by_naming_each_other() {
    let (mut anna, _, workspace) = pair();
    let wire = outsider(200, &mut anna, workspace);
    let mut league = [210, 211].map(|number| Forger::new(number, number, workspace));
    let first = league.each_mut().map(Forger::link);
    wire.say_runs(&mut anna, workspace, first.to_vec());
    for turn in 0..60 {
        let of_other = league[(turn + 1) % 2].end.head.id;
        let run = league[turn % 2].data(vec![of_other]);
        wire.say_runs(&mut anna, workspace, vec![run]);
    }
    let taken = bytes_of(&anna, workspace, &league.map(|forger| forger.origin.device));
    assert!(taken <= limits::ADDED_OUTSIDE + limits::RUN_BYTES as u64, "{taken} bytes");
}

#[test]
fn who_was_removed_gets_no_more_by_more_devices() {
    let (mut anna, _, mal, workspace) = three();
    drop(mal);
    let mut devices = Vec::new();
    for number in 200..230 {
        let wire = outsider(number, &mut anna, workspace);
        let (device, runs) = flood((3, number), workspace, None, 20);
        wire.say_runs(&mut anna, workspace, runs);
        devices.push(device);
    }
    let taken = bytes_of(&anna, workspace, &devices);
    assert!(taken > 0 && taken <= limits::ADDED_OUTSIDE + limits::RUN_BYTES as u64, "{taken} bytes");
}

/// A member, and their phone, which was taken from them.
fn taken() -> (Device, Device, WorkspaceId) {
    let (mut anna, _, workspace) = pair();
    let mut phone = Device::new(30);
    let code = code_of(&mut phone);
    link(&mut anna, code);
    meet(&mut anna, &mut phone);
    become_linked(&mut phone);
    meet(&mut anna, &mut phone);
    anna.command(Command::Unlink { device: phone.id(), root: None }).unwrap();
    (anna, phone, workspace)
}

#[test]
fn a_device_that_was_taken_makes_no_room_by_its_certificates() {
    let (mut anna, phone, workspace) = taken();
    let before = bytes_of(&anna, workspace, &[phone.id()]);
    let wire = outsider(200, &mut anna, workspace);
    let mut forger = Forger::of(phone.identity.clone(), workspace);
    for _ in 0..10 {
        let certificates = forger.link();
        wire.say_runs(&mut anna, workspace, vec![certificates]);
        let runs = (0..10).map(|_| forger.data(Vec::new())).collect();
        wire.say_runs(&mut anna, workspace, runs);
    }
    let taken = bytes_of(&anna, workspace, &[phone.id()]) - before;
    assert!(taken > 0 && taken <= limits::ADDED_OUTSIDE + limits::RUN_BYTES as u64, "{taken} bytes");
}

#[test]
fn whom_a_taken_device_certified_brings_no_more() {
    let (mut anna, phone, workspace) = taken();
    let before = bytes_of(&anna, workspace, &[phone.id()]);
    let wire = outsider(201, &mut anna, workspace);
    let (person, key) = (phone.identity.person, SecretKey::from_seed(&[201; 32]));
    let mut chain = phone.identity.chain.clone();
    chain.push(LinkCert::issue(person, &phone.identity.device, &key, phone.identity.receiving.public().0));
    let by = ClaimBy::Certificates { person, chain };
    wire.say(&mut anna, &Message::Claim(Claim { workspace, by }));
    let mut forger = Forger::of(phone.identity.clone(), workspace);
    let mut runs = vec![forger.link()];
    runs.extend((0..60).map(|_| forger.data(Vec::new())));
    wire.say_runs(&mut anna, workspace, runs);
    let taken = bytes_of(&anna, workspace, &[phone.id()]) - before;
    assert!(taken > 0 && taken <= limits::ADDED_OUTSIDE + limits::RUN_BYTES as u64, "{taken} bytes");
}
