//! What a person's devices share with nobody else.

use crate::{device::*, linking::*};
use velo_protocol::{
    id::{EntityId, WorkspaceId},
    model::{EntityKey, Kind, personal},
    private::{self, About, KnownWorkspace},
    replica::{Command, Input, Output, Refusal},
    root::Root,
    ticket::SessionSecret,
    value::Value,
    workspace::Workspace,
};

/// A person's first device, as a node makes it.
pub fn first(number: u8) -> Device {
    let mut device = Device::new(number);
    let root = Root::from_seed([number; 32]);
    device.identity.private = Some(Box::new(root.private_workspace()));
    device.restart(false);
    device
}

pub fn private(device: &Device) -> &Workspace {
    device.replica.workspace(device.replica.private_id().unwrap()).expect("it is open")
}

fn task(workspace: WorkspaceId) -> About {
    About::entity(workspace, EntityKey::new(Kind::Task, EntityId([3; 16])))
}

fn keep(device: &mut Device, about: &About, draft: &str) {
    let change = about.keep([
        (personal::FAVOURITE, Value::Bool(true)),
        (personal::DRAFT, Value::text(draft)),
        (personal::VIEW, Value::text("list")),
    ]);
    let workspace = device.replica.private_id().unwrap();
    device.command(Command::Edit { workspace, changes: vec![change] }).unwrap();
}

#[test]
fn it_opens_with_the_first_workspace_and_lists_it() {
    let mut anna = first(1);
    anna.pass(100);
    assert!(
        anna.replica.workspaces().is_empty(),
        "a device that is in nothing yet may still become another's"
    );
    let workspace = anna.found();
    let known = private::workspaces(private(&anna));
    let secret = anna.records[&workspace].secret.clone();
    assert_eq!(known, [KnownWorkspace { id: workspace, secret, addresses: Vec::new() }]);
    let before = anna.own_end(anna.replica.private_id().unwrap());
    anna.restart(false);
    anna.pass(100);
    assert_eq!(private::workspaces(private(&anna)), known);
    assert_eq!(anna.own_end(anna.replica.private_id().unwrap()), before, "nothing is listed twice");
}

#[test]
fn what_one_device_keeps_and_joins_the_others_show_and_take_in() {
    let (mut anna, mut phone) = (first(1), first(30));
    let workspace = anna.found();
    let code = code_of(&mut phone);
    link(&mut anna, code);
    meet(&mut anna, &mut phone);
    become_linked(&mut phone);
    assert_eq!(phone.replica.private_id(), anna.replica.private_id());
    keep(&mut anna, &task(workspace), "Half a thought");
    meet(&mut anna, &mut phone);
    let about = task(workspace);
    assert_eq!(private::favourites(private(&phone)), [about]);
    assert_eq!(private::draft(private(&phone), &about), "Half a thought");
    assert_eq!(private::view(private(&phone), &about), "list");

    // A workspace that one of them founds comes to the other by itself.
    let second = phone.found();
    phone.edit(second, 1);
    meet(&mut anna, &mut phone);
    assert_eq!(shown(&anna, second), (1, 0));
    anna.edit(second, 2);
    meet(&mut anna, &mut phone);
    assert_eq!(shown(&phone, second), (2, 0));
}

#[test]
fn nobody_else_is_shown_any_of_it() {
    let (mut anna, mut ben) = (first(1), first(2));
    let workspace = anna.found();
    let ticket = anna.invite(workspace);
    ben.join(&ticket).unwrap();
    keep(&mut anna, &task(workspace), "What I think of Ben");
    meet(&mut anna, &mut ben);
    assert_eq!(ben.replica.workspaces().len(), 2, "the one they share, and his own private one");
    assert!(ben.replica.workspace(anna.replica.private_id().unwrap()).is_none());
    let id = anna.replica.private_id().unwrap();
    let set_role = Command::SetRole { workspace: id, person: ben.identity.person, role: None };
    assert_eq!(anna.command(set_role), Err(Refusal::NoWorkspace(id)));
}

#[test]
fn it_holds_nothing_but_what_is_kept_privately() {
    let mut anna = first(1);
    let workspace = anna.found();
    let id = anna.replica.private_id().unwrap();
    let change = task(workspace).keep([(personal::FAVOURITE, Value::Bool(true))]);
    let shared = anna.command(Command::Edit { workspace, changes: vec![change] });
    assert!(matches!(&shared, Err(Refusal::Change(words)) if words.contains("private")), "{shared:?}");
    let project = velo_protocol::change::Change::Create {
        key: EntityKey::new(Kind::Project, EntityId([9; 16])),
        fields: vec![(velo_protocol::model::project::NAME.into(), Value::text("Garden"))],
    };
    let private = anna.command(Command::Edit { workspace: id, changes: vec![project] });
    assert!(matches!(&private, Err(Refusal::Change(_))), "{private:?}");
}

#[test]
fn the_phrase_opens_it_and_it_leads_to_the_others() {
    let (mut anna, mut phone) = (first(1), first(30));
    let workspace = anna.found();
    anna.edit(workspace, 1);
    let code = code_of(&mut phone);
    link(&mut anna, code);
    meet(&mut anna, &mut phone);
    become_linked(&mut phone);
    keep(&mut anna, &task(workspace), "Half a thought");
    meet(&mut anna, &mut phone);
    drop(anna);
    let mut new = first(31);
    new.command(Command::Recover { root: Root::from_seed([1; 32]) }).unwrap();
    become_linked(&mut new);
    assert_eq!(new.replica.workspaces(), [new.replica.private_id().unwrap()], "before anybody is met");
    meet(&mut new, &mut phone);
    meet(&mut new, &mut phone);
    assert_eq!(private::draft(private(&new), &task(workspace)), "Half a thought");
    assert_eq!(shown(&new, workspace), (1, 0));
    // The key of the phrase is forgotten once the device has one of its own.
    keep(&mut new, &task(workspace), "A whole one");
    meet(&mut new, &mut phone);
    let record = format!("{:?}", new.records[&new.replica.private_id().unwrap()].way);
    assert!(record.contains("recovery: None"), "{record}");
}

#[test]
fn a_workspace_that_the_person_left_is_listed_no_more() {
    let (mut anna, mut ben) = (first(1), first(2));
    let workspace = anna.found();
    ben.join(&anna.invite(workspace)).unwrap();
    meet(&mut anna, &mut ben);
    assert_eq!(private::workspaces(private(&ben)).len(), 1);
    let person = ben.identity.person;
    ben.command(Command::SetRole { workspace, person, role: None }).unwrap();
    ben.pass(100);
    assert_eq!(private::workspaces(private(&ben)), []);
}

#[test]
fn addresses_of_a_ticket_help_the_other_devices_to_come_in() {
    let (mut anna, mut ben, mut phone) = (first(1), first(2), first(30));
    ben.found();
    let code = code_of(&mut phone);
    link(&mut ben, code);
    meet(&mut ben, &mut phone);
    become_linked(&mut phone);
    let workspace = anna.found();
    let mut ticket = anna.invite(workspace);
    ticket.addresses = vec!["/ip4/10.0.0.7/tcp/4001".into()];
    ben.join(&ticket).unwrap();
    meet(&mut anna, &mut ben);
    phone.outputs.clear();
    meet(&mut ben, &mut phone);
    let dialled = phone
        .outputs
        .iter()
        .any(|output| matches!(output, Output::Dial { addresses } if *addresses == ticket.addresses));
    assert!(dialled);
    assert!(phone.replica.workspace(workspace).is_some());
    phone.input(Input::Wake);
}

#[test]
fn a_crash_before_its_first_entry_is_made_up_for() {
    let mut anna = first(1);
    anna.found();
    let id = anna.replica.private_id().unwrap();
    anna.disks.remove(&id);
    anna.restart(false);
    anna.pass(100);
    assert_eq!(private::workspaces(private(&anna)).len(), 1);
    assert_ne!(anna.records[&id].secret, SessionSecret([0; 32]));
}
