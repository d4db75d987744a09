//! Further devices of a person: linked by a code, brought back by the phrase, taken away.

use crate::device::*;
use velo_protocol::{
    access::Role,
    founding::Founding,
    id::{DeviceId, WorkspaceId},
    keys::{secret::EpochKey, wrap::wrap},
    link_code::LinkCode,
    message::{Message, Recovered},
    model::Kind,
    replica::{Command, Event, Input, Output, Refusal, Reply},
    root::Root,
};

pub fn code_of(device: &mut Device) -> LinkCode {
    match device.command(Command::ShowLinkCode { addresses: Vec::new() }).unwrap() {
        Reply::LinkCode(code) => code.to_string().parse().unwrap(),
        other => panic!("{other:?}"),
    }
}

/// Has `old` take in the device that shows `code`. Answered later.
pub fn link(old: &mut Device, code: LinkCode) {
    old.input(Input::Command { request: 9, command: Command::Link { code } });
}

pub fn answer(device: &Device) -> Option<&Result<Reply, Refusal>> {
    device.outputs.iter().find_map(|output| match output {
        Output::Reply { request: 9, result } => Some(result),
        _ => None,
    })
}

/// The device as it comes back after it became another person's.
pub fn become_linked(device: &mut Device) {
    let identity = device.outputs.iter().rev().find_map(|output| match output {
        Output::Become(identity) => Some((**identity).clone()),
        _ => None,
    });
    device.identity = identity.unwrap();
}

pub fn shown(device: &Device, workspace: WorkspaceId) -> (usize, u64) {
    let state = device.replica.workspace(workspace).unwrap();
    (state.shown(Kind::Project).count(), state.locked_entries())
}

#[test]
fn a_second_device_reads_and_writes_as_its_person() {
    let (mut anna, mut ben, workspace) = pair();
    anna.edit(workspace, 1);
    let mut phone = Device::new(30);
    let code = code_of(&mut phone);
    link(&mut anna, code);
    meet(&mut anna, &mut phone);
    assert_eq!(answer(&anna), Some(&Ok(Reply::Done)));
    become_linked(&mut phone);
    assert_eq!(phone.identity.person, anna.identity.person);
    assert!(phone.events().any(|event| matches!(event, Event::Linked { .. })));
    meet(&mut anna, &mut phone);
    assert_eq!(shown(&phone, workspace), (1, 0), "it reads what was written before");
    phone.edit(workspace, 2);
    meet(&mut phone, &mut ben);
    assert_eq!(shown(&ben, workspace), (2, 0));
    let roster = ben.replica.workspace(workspace).unwrap().roster().clone();
    assert_eq!(roster.members[&anna.identity.person].devices.len(), 2);

    // It survives a restart, and is taken away again, by a device that has seen the first change.
    meet(&mut anna, &mut ben);
    phone.restart(false);
    phone.edit(workspace, 3);
    anna.command(Command::Unlink { device: phone.id(), root: None }).unwrap();
    phone.edit(workspace, 4);
    meet(&mut anna, &mut ben);
    meet(&mut phone, &mut ben);
    assert_eq!(shown(&ben, workspace).0, 2, "the others were not seen before the device was taken away");
    let told = phone.command(Command::Edit { workspace, changes: Vec::new() });
    assert!(matches!(&told, Err(Refusal::Role(words)) if words.contains("taken from you")), "{told:?}");
    ben.edit(workspace, 5);
    meet(&mut phone, &mut ben);
    assert!(shown(&phone, workspace).1 > 0, "what is written from now on it cannot read");
}

#[test]
fn only_who_read_the_code_takes_a_device_in() {
    let (mut anna, _, workspace) = pair();
    let mut phone = Device::new(30);
    let mut code = code_of(&mut phone);
    code.secret.0[0] ^= 1;
    link(&mut anna, code);
    meet(&mut anna, &mut phone);
    assert_eq!(answer(&anna), None);
    assert!(phone.replica.workspaces().is_empty());
    assert!(phone.disconnected().is_some());
    anna.pass(61_000);
    let told = answer(&anna);
    assert!(matches!(told, Some(Err(Refusal::Link(words))) if words.contains("not reached")), "{told:?}");
    // A device that is in a workspace belongs to its person.
    let refused = anna.command(Command::ShowLinkCode { addresses: Vec::new() });
    assert!(matches!(refused, Err(Refusal::Link(_))));
    let own = LinkCode { device: anna.id(), ..code_of(&mut phone) };
    assert!(matches!(anna.command(Command::Link { code: own }), Err(Refusal::Link(_))));
    assert_eq!(anna.replica.workspace(workspace).unwrap().members().len(), 2);
}

#[test]
fn the_phrase_alone_brings_a_person_back() {
    let (mut anna, mut ben, workspace) = pair();
    anna.edit(workspace, 1);
    meet(&mut anna, &mut ben);
    let lost = anna.id();
    let root = Root::from_seed([1; 32]);
    assert_eq!(root.person(), anna.identity.person);
    drop(anna);
    let mut new = Device::new(31);
    new.command(Command::Recover { root: root.clone() }).unwrap();
    become_linked(&mut new);
    meet(&mut new, &mut ben);
    meet(&mut new, &mut ben);
    assert_eq!(shown(&new, workspace), (1, 0), "everything is readable again");
    new.edit(workspace, 2);
    let refused = new.command(Command::Unlink { device: lost, root: None });
    assert!(matches!(&refused, Err(Refusal::Role(words)) if words.contains("24 words")), "{refused:?}");
    meet(&mut new, &mut ben);
    assert_eq!(shown(&ben, workspace), (2, 0));
    // The key of the phrase is forgotten once the device has keys of its own.
    let record = format!("{:?}", new.records[&workspace].way);
    assert!(record.contains("recovery: None"), "{record}");
    new.restart(false);
    assert_eq!(shown(&new, workspace), (2, 0));
    // Another person's root opens nothing.
    let mut stranger = Device::new(32);
    stranger.command(Command::Recover { root: Root::from_seed([77; 32]) }).unwrap();
    meet(&mut stranger, &mut ben);
    assert_eq!(stranger.replica.workspaces(), [stranger.replica.private_id().unwrap()], "their own alone");
}

/// What somebody who knows a workspace tells a person who comes back to it, with a session secret of
/// their own choice.
fn told(founding: &Founding, workspace: WorkspaceId, secret: [u8; 32], root: &Root) -> Message {
    let mut rng = <rand_chacha::ChaCha20Rng as rand_core::SeedableRng>::from_seed([6; 32]);
    let recovery = root.recovery().public();
    let secret = wrap(&EpochKey::from_bytes(secret), workspace, recovery, &mut rng).unwrap();
    Message::Recovered(Recovered { workspace, founding: founding.clone(), secret })
}

#[test]
fn who_tells_a_person_who_comes_back_something_else_is_not_believed() {
    let (anna, mut ben, workspace) = pair();
    let root = Root::from_seed([1; 32]);
    let run = anna.own_runs(workspace, 0).remove(0);
    let founding = Founding::of(run.origin.unwrap(), run).unwrap();
    let secret = anna.records[&workspace].secret.0;
    let mut new = Device::new(31);
    new.command(Command::Recover { root: root.clone() }).unwrap();
    become_linked(&mut new);
    let liar = Wire::greet(60, &mut new);
    let opened = |device: &Device| device.replica.workspaces().contains(&workspace);
    liar.say(&mut new, &told(&founding, workspace, [5; 32], &root));
    assert!(!opened(&new), "it is another secret");
    let other = Root::from_seed([77; 32]).private_workspace();
    let of_another = Founding::of(other.genesis.origin.unwrap(), other.genesis).unwrap();
    liar.say(&mut new, &told(&of_another, workspace, other.secret.0, &root));
    assert!(!opened(&new), "it is how another workspace began");
    meet(&mut new, &mut ben);
    assert!(opened(&new));
    // Whoever tells the truth may be anybody.
    let mut second = Device::new(32);
    second.command(Command::Recover { root: root.clone() }).unwrap();
    become_linked(&mut second);
    let stranger = Wire::greet(60, &mut second);
    stranger.say(&mut second, &told(&founding, workspace, secret, &root));
    assert!(opened(&second));
}

#[test]
fn the_words_take_away_any_device() {
    let (mut anna, mut ben, workspace) = pair();
    anna.edit(workspace, 1);
    meet(&mut anna, &mut ben);
    let root = Root::from_seed([1; 32]);
    let mut back = |number| {
        let mut new = Device::new(number);
        new.command(Command::Recover { root: root.clone() }).unwrap();
        become_linked(&mut new);
        // Until it has a key of its own, and forgets that of the phrase.
        for _ in 0..3 {
            meet(&mut new, &mut ben);
        }
        new
    };
    let (mut new, mut third) = (back(31), back(33));
    let unlink = |device: DeviceId, root: &Root| Command::Unlink { device, root: Some(root.clone()) };
    new.command(unlink(anna.id(), &Root::from_seed([77; 32]))).unwrap_err();
    new.command(unlink(anna.id(), &root)).unwrap();
    let gone = new.command(unlink(anna.id(), &root));
    assert!(matches!(&gone, Err(Refusal::Role(words)) if words.contains("none of your devices")), "{gone:?}");
    meet(&mut new, &mut ben);
    // Each time the root writes to a log of its own, and has seen the one before.
    meet(&mut third, &mut ben);
    third.command(unlink(new.id(), &root)).unwrap();
    meet(&mut third, &mut ben);
    let roster = ben.replica.workspace(workspace).unwrap().roster().clone();
    assert_eq!(roster.members[&root.person()].devices, [third.id()]);
    ben.edit(workspace, 2);
    for gone in [&mut anna, &mut new] {
        meet(gone, &mut ben);
        assert!(shown(gone, workspace).1 > 0, "what is written from now on they cannot read");
    }
    meet(&mut third, &mut ben);
    assert_eq!(shown(&third, workspace), (2, 0));
    // What it wrote counts after a restart as well.
    third.restart(false);
    assert_eq!(third.replica.workspace(workspace).unwrap().roster().members[&root.person()].devices.len(), 1);
}

#[test]
fn what_is_taken_away_reads_nothing_more_with_the_key_of_the_phrase() {
    let (mut anna, mut ben, workspace) = pair();
    anna.edit(workspace, 1);
    meet(&mut anna, &mut ben);
    let root = Root::from_seed([1; 32]);
    let mut new = Device::new(31);
    new.command(Command::Recover { root: root.clone() }).unwrap();
    become_linked(&mut new);
    meet(&mut new, &mut ben);
    assert_eq!(shown(&new, workspace), (1, 0));
    let way = |device: &Device| format!("{:?}", device.records[&workspace].way);
    assert!(way(&new).contains("recovery: Some"), "it has no key of its own yet: {}", way(&new));
    new.restart(false);
    assert!(way(&new).contains("recovery: Some"), "nor is it lost in a restart: {}", way(&new));
    assert_eq!(shown(&new, workspace), (1, 0));
    meet(&mut anna, &mut ben);
    anna.command(Command::Unlink { device: new.id(), root: Some(root) }).unwrap();
    meet(&mut anna, &mut ben);
    meet(&mut new, &mut ben);
    assert!(way(&new).contains("recovery: None"), "{}", way(&new));
    ben.edit(workspace, 2);
    meet(&mut new, &mut ben);
    let (projects, locked) = shown(&new, workspace);
    assert!(projects == 1 && locked > 0, "{projects} projects, {locked} entries locked");
    // What it read with that key it can still read.
    new.restart(false);
    assert_eq!(shown(&new, workspace), (1, locked));
}

#[test]
fn a_viewer_links_a_device_that_reads() {
    let (mut anna, mut ben, workspace) = pair();
    let person = ben.identity.person;
    anna.edit(workspace, 1);
    anna.command(Command::SetRole { workspace, person, role: Some(Role::Viewer) }).unwrap();
    meet(&mut anna, &mut ben);
    let mut phone = Device::new(30);
    let code = code_of(&mut phone);
    link(&mut ben, code);
    meet(&mut ben, &mut phone);
    assert_eq!(answer(&ben), Some(&Ok(Reply::Done)));
    become_linked(&mut phone);
    meet(&mut ben, &mut phone);
    assert_eq!(shown(&phone, workspace), (1, 0));
    let refused = phone.command(Command::Edit { workspace, changes: Vec::new() });
    assert!(refused.is_ok(), "nothing was asked: {refused:?}");
}

#[test]
fn a_ticket_for_one_person_is_withdrawn_once_somebody_came() {
    let mut anna = Device::new(1);
    let workspace = anna.found();
    let command = Command::Invite {
        workspace,
        role: Role::Member,
        single_use: true,
        expires_ms: u64::MAX,
        addresses: Vec::new(),
    };
    let Ok(Reply::Ticket(ticket)) = anna.command(command) else { panic!("no ticket") };
    let (mut ben, mut carla) = (Device::new(2), Device::new(3));
    ben.join(&ticket).unwrap();
    meet(&mut anna, &mut ben);
    anna.pass(12_000);
    meet(&mut anna, &mut ben);
    assert!(anna.replica.workspace(workspace).unwrap().roster().invites.is_empty());
    carla.join(&ticket).unwrap();
    meet(&mut ben, &mut carla);
    assert!(carla.events().any(|event| matches!(event, Event::JoinRefused { .. })));
    assert_eq!(ben.replica.workspace(workspace).unwrap().members().len(), 2);
    ben.edit(workspace, 1);
    meet(&mut ben, &mut carla);
    assert_eq!(shown(&carla, workspace).0, 0, "what is written from now on it cannot read");
}
