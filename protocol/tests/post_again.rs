//! What somebody did before they heard that they were out: told, and posted again once they are back.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[expect(dead_code, reason = "shared with the tests of sessions")]
#[path = "sync/device.rs"]
mod device;

use device::{Device, give, pair};
use velo_protocol::{
    access::Role,
    change::Change,
    id::{EntityId, PersonId, WorkspaceId},
    model::{EntityKey, Kind, project, task},
    replica::{Command, Refusal, Replica, Reply},
    store::LogStore,
    value::Value,
};

fn project_key(number: u64) -> EntityKey {
    EntityKey::new(Kind::Project, EntityId::new(number, [0; 10]))
}

fn task_key(number: u64) -> EntityKey {
    EntityKey::new(Kind::Task, EntityId::new(number, [1; 10]))
}

fn shows(device: &Device, workspace: WorkspaceId, key: EntityKey) -> bool {
    device.replica.workspace(workspace).unwrap().is_shown(key)
}

fn name_of(device: &Device, workspace: WorkspaceId, number: u64) -> String {
    device.replica.workspace(workspace).unwrap().text(project_key(number), project::NAME).to_owned()
}

fn offered(device: &Device, workspace: WorkspaceId) -> usize {
    device.replica.workspace(workspace).unwrap().void_work()
}

fn person(device: &Device) -> PersonId {
    device.identity.person
}

fn set_role(device: &mut Device, workspace: WorkspaceId, of: PersonId, role: Option<Role>) {
    device.command(Command::SetRole { workspace, person: of, role }).unwrap();
}

fn change(device: &mut Device, workspace: WorkspaceId, change: Change) {
    device.command(Command::Edit { workspace, changes: vec![change] }).unwrap();
}

fn rename(device: &mut Device, workspace: WorkspaceId, number: u64, name: &str) {
    let (key, slot) = (project_key(number), project::NAME.into());
    change(device, workspace, Change::Set { key, slot, value: Value::text(name) });
}

fn again(device: &mut Device, workspace: WorkspaceId) -> (usize, Vec<String>) {
    match device.command(Command::PostAgain { workspace }).unwrap() {
        Reply::Edited { operations, kept, .. } => (operations, kept),
        other => panic!("{other:?}"),
    }
}

fn meet(one: &mut Device, other: &mut Device, workspace: WorkspaceId) {
    give(one, other, workspace);
    give(other, one, workspace);
}

fn agree(one: &Device, other: &Device, workspace: WorkspaceId) -> bool {
    let hash = |device: &Device| device.replica.workspace(workspace).unwrap().state_hash();
    hash(one) == hash(other)
}

/// As a start from the pages that were written last does: nothing of the log is applied again.
fn restart_from_pages(device: &mut Device, workspace: WorkspaceId) {
    let mut state = device.replica.workspace(workspace).unwrap().clone();
    state.set_void_work(99);
    let record = device.records[&workspace].clone();
    device.replica = Replica::new(device.identity.clone(), [77; 32]);
    let reader = device.disks[&workspace].reader();
    let _ = device.replica.open_workspace(record, Some(state), &reader, false).unwrap();
}

/// Anna removes Ben, who does not hear of it before he has done what `work` does.
fn removed(work: impl FnOnce(&mut Device, WorkspaceId)) -> (Device, Device, WorkspaceId) {
    let (mut anna, mut ben, workspace) = pair();
    for number in [1, 2] {
        ben.edit(workspace, number);
    }
    give(&ben, &mut anna, workspace);
    set_role(&mut anna, workspace, person(&ben), None);
    work(&mut ben, workspace);
    assert_eq!(offered(&ben, workspace), 0, "he does not know yet");
    meet(&mut ben, &mut anna, workspace);
    (anna, ben, workspace)
}

fn back(anna: &mut Device, ben: &mut Device, workspace: WorkspaceId, role: Role) {
    set_role(anna, workspace, person(ben), Some(role));
    meet(anna, ben, workspace);
}

#[test]
fn what_was_done_while_out_is_told_and_posted_again_as_one() {
    let (mut anna, mut ben, workspace) = removed(|ben, workspace| {
        ben.edit(workspace, 3);
        ben.add(workspace, 4, 10);
        rename(ben, workspace, 1, "Shed");
    });
    assert_eq!((offered(&ben, workspace), offered(&anna, workspace)), (3, 0));
    for restart in [|ben: &mut Device, _| drop(ben.restart(false)), restart_from_pages] {
        restart(&mut ben, workspace);
        assert_eq!(offered(&ben, workspace), 3, "it is kept across a start");
    }
    let refused = ben.command(Command::PostAgain { workspace }).unwrap_err();
    assert!(matches!(&refused, Refusal::Role(words) if words.contains("Anna removed you")), "{refused}");

    back(&mut anna, &mut ben, workspace, Role::Member);
    assert_eq!(offered(&ben, workspace), 3, "coming back gives nothing back by itself");
    assert!(!shows(&ben, workspace, project_key(3)));
    let (operations, kept) = again(&mut ben, workspace);
    assert!(operations > 3 && kept.is_empty(), "{kept:?}");
    assert_eq!(offered(&ben, workspace), 0);
    meet(&mut ben, &mut anna, workspace);
    for device in [&anna, &ben] {
        assert!(shows(device, workspace, project_key(3)) && shows(device, workspace, task_key(4)));
        assert_eq!(name_of(device, workspace, 1), "Shed");
    }
    assert!(agree(&anna, &ben, workspace));
    assert!(matches!(ben.command(Command::PostAgain { workspace }), Err(Refusal::NothingTo(_))));
    for restart in [|ben: &mut Device, _| drop(ben.restart(false)), restart_from_pages] {
        restart(&mut ben, workspace);
        assert_eq!(offered(&ben, workspace), 0, "the log tells that it was posted again");
    }

    ben.command(Command::Undo { workspace }).unwrap();
    assert!(!shows(&ben, workspace, project_key(3)) && !shows(&ben, workspace, task_key(4)));
    assert_eq!(name_of(&ben, workspace, 1), "Project 1");
    ben.command(Command::Redo { workspace }).unwrap();
    assert!(shows(&ben, workspace, task_key(4)) && name_of(&ben, workspace, 1) == "Shed");
    assert_eq!(offered(&ben, workspace), 0);
}

#[test]
fn what_no_longer_fits_is_left_alone_and_told() {
    let (mut anna, mut ben, workspace) = removed(|ben, workspace| {
        rename(ben, workspace, 1, "Shed");
        rename(ben, workspace, 2, "Garden");
        change(ben, workspace, Change::Delete { key: project_key(2) });
    });
    change(&mut anna, workspace, Change::Delete { key: project_key(1) });
    rename(&mut anna, workspace, 2, "Yard");
    back(&mut anna, &mut ben, workspace, Role::Member);
    let (_, kept) = again(&mut ben, workspace);
    assert_eq!(kept, ["project \"Project 1\" was deleted: restore it first"]);
    assert!(!shows(&ben, workspace, project_key(2)), "it replaces what is live now");
    meet(&mut ben, &mut anna, workspace);
    assert!(agree(&anna, &ben, workspace));
    assert_eq!(offered(&ben, workspace), 0, "what was left alone is not offered again");
}

#[test]
fn what_was_taken_back_meanwhile_is_not_counted() {
    let (_, mut ben, workspace) = removed(|ben, workspace| {
        ben.edit(workspace, 3);
        ben.edit(workspace, 4);
        ben.command(Command::Undo { workspace }).unwrap();
        ben.edit(workspace, 5);
        ben.command(Command::Undo { workspace }).unwrap();
        ben.command(Command::Redo { workspace }).unwrap();
    });
    assert_eq!(offered(&ben, workspace), 2, "3, and 5, which was made again");
    ben.restart(false);
    assert_eq!(offered(&ben, workspace), 2);
}

#[test]
fn what_is_let_go_is_not_offered_again() {
    let (mut anna, mut ben, workspace) = removed(|ben, workspace| {
        ben.edit(workspace, 3);
        ben.edit(workspace, 4);
    });
    back(&mut anna, &mut ben, workspace, Role::Member);
    let reply = ben.command(Command::LetGo { workspace }).unwrap();
    assert!(matches!(reply, Reply::Edited { operations: 0, .. }), "{reply:?}");
    assert_eq!(offered(&ben, workspace), 0);
    ben.restart(false);
    assert_eq!(offered(&ben, workspace), 0);
    assert!(!shows(&ben, workspace, project_key(3)));
    // The next thing to take back is what he did before he was removed.
    ben.command(Command::Undo { workspace }).unwrap();
    assert!(!shows(&ben, workspace, project_key(2)) && shows(&ben, workspace, project_key(1)));
}

#[test]
fn only_a_member_posts_again_and_a_lower_role_is_not_being_out() {
    let (mut anna, mut ben, workspace) = removed(|ben, workspace| ben.edit(workspace, 3));
    back(&mut anna, &mut ben, workspace, Role::Viewer);
    assert_eq!(offered(&ben, workspace), 1);
    assert!(matches!(ben.command(Command::PostAgain { workspace }), Err(Refusal::Role(_))));
    back(&mut anna, &mut ben, workspace, Role::Member);
    again(&mut ben, workspace);
    // Lowered while he works on.
    meet(&mut ben, &mut anna, workspace);
    set_role(&mut anna, workspace, person(&ben), Some(Role::Viewer));
    ben.edit(workspace, 4);
    meet(&mut ben, &mut anna, workspace);
    assert!(!shows(&ben, workspace, project_key(4)));
    assert_eq!(offered(&ben, workspace), 0);
}

/// Removed twice: what was posted again in between, and was not seen, is void work of its own.
#[test]
fn what_was_posted_again_and_became_void_is_offered_once() {
    let (mut anna, mut ben, workspace) = removed(|ben, workspace| ben.edit(workspace, 3));
    back(&mut anna, &mut ben, workspace, Role::Member);
    set_role(&mut anna, workspace, person(&ben), None);
    again(&mut ben, workspace);
    ben.add(workspace, 4, 10);
    meet(&mut ben, &mut anna, workspace);
    assert!(!shows(&ben, workspace, project_key(3)));
    assert_eq!(offered(&ben, workspace), 2, "3 once, and 4");
    back(&mut anna, &mut ben, workspace, Role::Member);
    again(&mut ben, workspace);
    meet(&mut ben, &mut anna, workspace);
    assert!(shows(&anna, workspace, project_key(3)) && shows(&anna, workspace, task_key(4)));
    ben.restart(false);
    assert_eq!(offered(&ben, workspace), 0);
    assert_eq!(name_of(&anna, workspace, 3), "Project 3");
}

#[test]
fn a_task_whose_column_has_gone_is_kept_without_it() {
    let column = EntityKey::new(Kind::Column, EntityId::new(8, [2; 10]));
    let (mut anna, mut ben, workspace) = pair();
    ben.edit(workspace, 1);
    let fields = vec![
        (velo_protocol::model::column::NAME.into(), Value::text("To do")),
        (velo_protocol::model::column::PROJECT.into(), Value::Entity(project_key(1).id)),
    ];
    change(&mut ben, workspace, Change::Create { key: column, fields });
    give(&ben, &mut anna, workspace);
    set_role(&mut anna, workspace, person(&ben), None);
    let fields =
        vec![(task::TITLE.into(), Value::text("Paint")), (task::COLUMN.into(), Value::Entity(column.id))];
    change(&mut ben, workspace, Change::Create { key: task_key(9), fields });
    meet(&mut ben, &mut anna, workspace);
    change(&mut anna, workspace, Change::Delete { key: column });
    back(&mut anna, &mut ben, workspace, Role::Member);
    let (_, kept) = again(&mut ben, workspace);
    assert!(kept.len() == 1 && kept[0].contains("was deleted"), "{kept:?}");
    assert!(shows(&ben, workspace, task_key(9)));
    assert_eq!(ben.replica.workspace(workspace).unwrap().tasks_without_project(), [task_key(9).id]);
}
