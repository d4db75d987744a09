//! Who is served: not everybody who managed to write an entry, and whose ticket ended hears of it.

use crate::{
    device::*,
    linking::{become_linked, code_of, link},
};
use velo_protocol::{
    codec,
    control::{CONTROL_VERSION, Link},
    id::{EntityId, Incarnation, WorkspaceId},
    limits,
    log::{ChainEnd, EntryKind, HEADER_VERSION, Header, Origin, Run, RunWriter},
    message::Message,
    model::{EntityKey, Kind},
    replica::{Command, Event, Identity, Input, Refusal},
    ticket::Ticket,
    time::Hlc,
};

/// One entry that goes on with a log, signed by its device.
pub fn forged(
    identity: &Identity,
    workspace: WorkspaceId,
    origin: Origin,
    end: ChainEnd,
    kind: EntryKind,
    body: &[u8],
) -> Run {
    let mut writer = RunWriter::new(origin.log_id(workspace), origin, end);
    let (version, hlc, salt) = (HEADER_VERSION, Hlc::from_ms(EPOCH_MS), [0; 8]);
    let header = Header { version, kind, hlc, auth: None, deps: Vec::new(), epoch: None, salt, body_len: 0 };
    writer.push(header, body).unwrap();
    writer.seal(workspace, &identity.device).unwrap().run().clone()
}

/// The log of a stranger: it begins with certificates of their own making, and may go on with something
/// of that kind.
pub fn stranger(number: u8, workspace: WorkspaceId, kind: Option<EntryKind>) -> Vec<Run> {
    let identity = Identity::from_seeds([number; 32], &[number; 32]);
    let (person, device) = (identity.person, identity.device_id());
    let origin = Origin { person, device, incarnation: Incarnation([number; 8]), founder: false };
    let link = codec::encode(&Link { version: CONTROL_VERSION, chain: identity.chain.clone() });
    let start = ChainEnd::start(origin.log_id(workspace));
    let first = forged(&identity, workspace, origin, start, EntryKind::LINK, &link);
    let entries = velo_protocol::log::parse_entries(first.after, &first.bytes).unwrap();
    let mut end = start;
    end.advance(entries[0].id, first.bytes.len() as u32);
    let second = kind.map(|kind| forged(&identity, workspace, origin, end, kind, &[2]));
    std::iter::once(first).chain(second).collect()
}

/// Whether any of these says what there is.
fn tells(heard: &[Message]) -> bool {
    heard.iter().any(|message| match message {
        Message::Ops(_) | Message::Chunk(_) => true,
        Message::Heads(heads) => !heads.heads.is_empty(),
        _ => false,
    })
}

fn holds(device: &Device, workspace: WorkspaceId, other: &Device) -> bool {
    let log = other.own_log(workspace);
    device.replica.logs(workspace).unwrap().first_chain(log).is_some()
}

pub fn shows(device: &Device, workspace: WorkspaceId, number: u64) -> bool {
    let key = EntityKey::new(Kind::Project, EntityId::new(number, [0; 10]));
    device.replica.workspace(workspace).unwrap().is_shown(key)
}

pub fn members(device: &Device, workspace: WorkspaceId) -> usize {
    device.replica.workspace(workspace).unwrap().members().len()
}

/// How often it was said since it was asked last that the ticket is of no use.
pub fn refusals(device: &mut Device) -> usize {
    let count = device.events().filter(|event| matches!(event, Event::JoinRefused { .. })).count();
    device.outputs.clear();
    count
}

#[test]
fn who_only_wrote_an_entry_is_not_served() {
    let (mut anna, _, workspace) = pair();
    // Sixty is the number of the device's key: the peer is who wrote the entry.
    let mut wire = Wire::greet(60, &mut anna);
    wire.prove_secret(&mut anna, workspace);
    wire.say_runs(&mut anna, workspace, stranger(60, workspace, None));
    let held =
        anna.replica.logs(workspace).unwrap().chains().any(|(_, chain)| chain.origin.device == wire.id);
    assert!(held, "it was taken, and has no effect");
    anna.edit(workspace, 1);
    wire.announce(&mut anna, workspace, Vec::new(), true);
    anna.pass(4 * limits::RESEND_MS);
    let heard = wire.heard(&mut anna);
    assert!(!tells(&heard), "{heard:?}");
    // Nor in the next session.
    anna.input(Input::PeerDown { peer: wire.id });
    let mut wire = Wire::greet(60, &mut anna);
    wire.prove_secret(&mut anna, workspace);
    wire.announce(&mut anna, workspace, Vec::new(), true);
    anna.pass(4 * limits::RESEND_MS);
    let heard = wire.heard(&mut anna);
    assert!(!tells(&heard), "{heard:?}");
}

/// Anna, and Ben who took a ticket of hers from somebody who had not heard that it was withdrawn.
pub fn undone() -> (Device, Device, WorkspaceId) {
    let (mut anna, mut ben) = (Device::new(1), Device::new(2));
    let workspace = anna.found();
    let ticket = anna.invite(workspace);
    anna.edit(workspace, 1);
    ben.join(&ticket).unwrap();
    give(&anna, &mut ben, workspace);
    ben.edit(workspace, 2);
    anna.command(Command::Revoke { workspace, invite: ticket.invite }).unwrap();
    anna.edit(workspace, 3);
    (anna, ben, workspace)
}

#[test]
fn whose_ticket_was_withdrawn_before_their_joining_counted_hears_it_and_gets_in_with_another() {
    let (mut anna, mut ben, workspace) = undone();
    assert_eq!(members(&ben, workspace), 2, "he cannot know");
    meet(&mut anna, &mut ben);
    assert!(holds(&anna, workspace, &ben), "what he says is taken");
    assert_eq!((members(&anna, workspace), members(&ben, workspace)), (1, 2));
    assert!(!shows(&ben, workspace, 3), "the ticket opens what is written, so he is not sent it");
    assert_eq!(refusals(&mut ben), 1);
    // Again and again is not said again, and what he does is not hindered.
    meet(&mut anna, &mut ben);
    assert_eq!(refusals(&mut ben), 0);
    ben.edit(workspace, 4);
    let second = anna.invite(workspace);
    ben.join(&second).unwrap();
    meet(&mut anna, &mut ben);
    assert_eq!(refusals(&mut ben), 0);
    meet(&mut anna, &mut ben);
    ben.edit(workspace, 5);
    meet(&mut anna, &mut ben);
    for device in [&anna, &ben] {
        assert_eq!(members(device, workspace), 2);
        assert_eq!(
            [1, 2, 3, 4, 5].map(|number| shows(device, workspace, number)),
            [true, false, true, false, true]
        );
    }
    assert_eq!(ben.join(&second), Err(Refusal::AlreadyJoined));
    assert_eq!(anna.heads(workspace), ben.heads(workspace));
}

#[test]
fn who_is_served_changes_with_who_is_in_while_a_session_lasts() {
    let (mut anna, mut ben) = (Device::new(1), Device::new(2));
    let workspace = anna.found();
    let ticket = anna.invite(workspace);
    ben.join(&ticket).unwrap();
    give(&anna, &mut ben, workspace);
    // Carla's device has not heard of the withdrawal when Ben connects.
    let mut carla = Device::new(3);
    carla.join(&anna.invite(workspace)).unwrap();
    meet(&mut anna, &mut carla);
    let end = anna.own_end(workspace);
    anna.command(Command::Revoke { workspace, invite: ticket.invite }).unwrap();
    let news = anna.own_runs(workspace, end);
    carla.input(Input::PeerUp { peer: ben.id() });
    ben.input(Input::PeerUp { peer: carla.id() });
    talk(&mut carla, &mut ben);
    carla.edit(workspace, 1);
    talk(&mut carla, &mut ben);
    assert!(shows(&ben, workspace, 1));
    assert_eq!(refusals(&mut ben), 0);
    // Now she hears of it.
    let wire = Wire::member(99, &mut carla, workspace);
    wire.say_runs(&mut carla, workspace, news);
    carla.edit(workspace, 2);
    talk(&mut carla, &mut ben);
    assert!(!shows(&ben, workspace, 2));
    assert_eq!(refusals(&mut ben), 1);
}

#[test]
fn a_lie_about_a_ticket_is_a_notice_and_no_more() {
    let (mut anna, mut ben, workspace) = pair();
    let lie = Message::Withdrawn(workspace);
    let liar = Wire::member(61, &mut ben, workspace);
    liar.say(&mut ben, &lie);
    liar.say(&mut ben, &lie);
    assert_eq!(refusals(&mut ben), 1);
    ben.edit(workspace, 1);
    // Whoever serves him says otherwise.
    meet(&mut anna, &mut ben);
    assert!(shows(&anna, workspace, 1));
    assert_eq!(ben.join(&anna.invite(workspace)), Err(Refusal::AlreadyJoined));
    liar.say(&mut ben, &lie);
    assert_eq!(refusals(&mut ben), 1, "nobody else is there");
    // Another ticket does no harm.
    let ticket: Ticket = anna.invite(workspace);
    ben.join(&ticket).unwrap();
    meet(&mut anna, &mut ben);
    ben.edit(workspace, 2);
    meet(&mut anna, &mut ben);
    assert!(shows(&anna, workspace, 2));
    assert_eq!((members(&anna, workspace), refusals(&mut ben)), (2, 0));
    assert!(!anna.replica.workspace(workspace).unwrap().roster().invites.is_empty(), "it was not used");
}

pub fn connect(a: &mut Device, b: &mut Device) {
    a.input(Input::PeerUp { peer: b.id() });
    b.input(Input::PeerUp { peer: a.id() });
    talk(a, b);
}

#[test]
fn those_who_came_with_one_withdrawn_ticket_do_not_vouch_for_each_other() {
    let (mut anna, mut ben, mut carla) = (Device::new(1), Device::new(2), Device::new(3));
    let workspace = anna.found();
    let ticket = anna.invite(workspace);
    for joining in [&mut ben, &mut carla] {
        joining.join(&ticket).unwrap();
        give(&anna, joining, workspace);
    }
    anna.command(Command::Revoke { workspace, invite: ticket.invite }).unwrap();
    // Ben's phone came with no ticket at all.
    let mut phone = Device::new(30);
    let code = code_of(&mut phone);
    link(&mut ben, code);
    meet(&mut ben, &mut phone);
    become_linked(&mut phone);
    meet(&mut ben, &mut phone);
    connect(&mut ben, &mut carla);
    connect(&mut ben, &mut phone);
    assert_eq!((members(&carla, workspace), members(&phone, workspace)), (3, 3));
    for device in [&mut ben, &mut carla, &mut phone] {
        assert_eq!(refusals(device), 0, "they know of nothing");
    }
    for device in [&mut ben, &mut carla, &mut phone] {
        connect(&mut anna, device);
        assert_eq!(refusals(device), 1);
    }
    // Nor does it end the notice that they are served by each other.
    ben.edit(workspace, 1);
    for device in [&mut carla, &mut phone] {
        talk(&mut ben, device);
        assert!(shows(device, workspace, 1));
        assert!(device.replica.is_refused(workspace));
    }
}

#[test]
fn those_whose_tickets_were_withdrawn_together_believe_the_founder() {
    let (mut anna, mut ben, mut carla) = (Device::new(1), Device::new(2), Device::new(3));
    let workspace = anna.found();
    let tickets = [anna.invite(workspace), anna.invite(workspace)];
    for (joining, ticket) in [&mut ben, &mut carla].into_iter().zip(&tickets) {
        joining.join(ticket).unwrap();
        give(&anna, joining, workspace);
    }
    for ticket in &tickets {
        anna.command(Command::Revoke { workspace, invite: ticket.invite }).unwrap();
    }
    connect(&mut ben, &mut carla);
    for device in [&mut ben, &mut carla] {
        connect(&mut anna, device);
        assert_eq!(refusals(device), 1, "whoever else serves them");
        assert!(device.replica.is_refused(workspace));
    }
}
