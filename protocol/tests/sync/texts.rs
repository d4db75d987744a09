//! A description that several people write at once, offline and online, and one of them is removed.

use crate::device::*;
use velo_protocol::{
    change::Change,
    id::{EntityId, WorkspaceId},
    model::{EntityKey, Kind, task},
    replica::Command,
    value::Value,
};

const TASK: EntityKey = EntityKey::new(Kind::Task, EntityId([3; 16]));

fn edit(device: &mut Device, workspace: WorkspaceId, changes: Vec<Change>) {
    device.command(Command::Edit { workspace, changes }).unwrap();
}

fn write(device: &mut Device, workspace: WorkspaceId, text: &str) {
    let (slot, value) = (task::DESCRIPTION.into(), Value::text(text));
    edit(device, workspace, vec![Change::Set { key: TASK, slot, value }]);
}

fn read(device: &Device, workspace: WorkspaceId) -> String {
    device.replica.workspace(workspace).unwrap().text(TASK, task::DESCRIPTION).to_owned()
}

fn hash(device: &Device, workspace: WorkspaceId) -> [u8; 32] {
    device.replica.workspace(workspace).unwrap().state_hash()
}

/// Anna, Ben and Carla, who all have a task with this description.
fn three(text: &str) -> ([Device; 3], WorkspaceId) {
    let (mut anna, mut ben, workspace) = pair();
    let mut carla = Device::new(3);
    carla.join(&anna.invite(workspace)).unwrap();
    meet(&mut anna, &mut carla);
    meet(&mut anna, &mut carla);
    let fields = vec![
        (task::TITLE.into(), Value::text("Build the shed")),
        (task::DESCRIPTION.into(), Value::text(text)),
    ];
    edit(&mut anna, workspace, vec![Change::Create { key: TASK, fields }]);
    meet(&mut anna, &mut ben);
    meet(&mut anna, &mut carla);
    assert_eq!((read(&ben, workspace), read(&carla, workspace)), (text.to_owned(), text.to_owned()));
    ([anna, ben, carla], workspace)
}

/// Everybody meets until nothing new is told.
fn gather([anna, ben, carla]: &mut [Device; 3]) {
    for _ in 0..2 {
        meet(anna, ben);
        meet(ben, carla);
        meet(anna, carla);
    }
}

#[test]
fn what_three_write_offline_is_merged_by_character() {
    let (mut devices, workspace) = three("Roof: tin. Walls: wood.");
    write(&mut devices[0], workspace, "Roof: tin, red. Walls: wood.");
    write(&mut devices[1], workspace, "Roof: tin. Walls: larch wood.");
    write(&mut devices[2], workspace, "Roof: tin. Walls: wood. Floor: gravel.");
    gather(&mut devices);
    for device in &devices {
        assert_eq!(read(device, workspace), "Roof: tin, red. Walls: larch wood. Floor: gravel.");
        assert_eq!(device.replica.workspace(workspace).unwrap().conflict_count(), 0);
        assert_eq!(hash(device, workspace), hash(&devices[0], workspace));
    }
    // The state is read back from its pages, and made again from the log.
    devices[1].restart(false);
    assert_eq!(hash(&devices[1], workspace), hash(&devices[0], workspace));
}

#[test]
fn who_is_removed_late_takes_their_words_along_and_nobody_elses() {
    let (mut devices, workspace) = three("Roof: tin.");
    let carla = devices[2].identity.person;
    // Carla and Ben write on; he goes on inside of her sentence.
    write(&mut devices[2], workspace, "Roof: tin. Walls: wood.");
    let [_, ben, carlas] = &mut devices;
    meet(ben, carlas);
    write(&mut devices[1], workspace, "Roof: tin. Walls: larch wood.");
    // Anna, who has seen neither, removes her.
    devices[0].command(Command::SetRole { workspace, person: carla, role: None }).unwrap();
    write(&mut devices[0], workspace, "Roof: red tin.");
    write(&mut devices[2], workspace, "Roof: tin. Walls: larch wood. Floor: gravel.");
    gather(&mut devices);
    for device in &devices[..2] {
        assert_eq!(read(device, workspace), "Roof: red tin.larch ", "what he typed stands where he typed it");
        assert_eq!(hash(device, workspace), hash(&devices[0], workspace));
    }
    // Let in again, she posts it again.
    let role = Some(velo_protocol::access::Role::Member);
    devices[0].command(Command::SetRole { workspace, person: carla, role }).unwrap();
    gather(&mut devices);
    assert_eq!(devices[2].replica.workspace(workspace).unwrap().void_work(), 2);
    devices[2].command(Command::PostAgain { workspace }).unwrap();
    gather(&mut devices);
    for device in &devices {
        let text = read(device, workspace);
        assert!(
            ["Roof: red tin.", "Walls: ", "larch ", "wood.", "Floor: gravel."]
                .iter()
                .all(|part| text.contains(part)),
            "{text}"
        );
        assert_eq!(hash(device, workspace), hash(&devices[0], workspace));
    }
}

#[test]
fn an_undo_takes_back_ones_own_words_alone() {
    let (mut devices, workspace) = three("Roof: tin.");
    write(&mut devices[0], workspace, "Roof: red tin.");
    let [anna, ben, _] = &mut devices;
    meet(anna, ben);
    write(ben, workspace, "Roof: dark red tin. Walls: wood.");
    meet(anna, ben);
    anna.command(Command::Undo { workspace }).unwrap();
    meet(anna, ben);
    assert_eq!(read(ben, workspace), "Roof: dark tin. Walls: wood.");
    anna.command(Command::Redo { workspace }).unwrap();
    meet(anna, ben);
    assert_eq!(read(ben, workspace), "Roof: dark red tin. Walls: wood.");
    assert_eq!(read(anna, workspace), read(ben, workspace));
}

#[test]
fn an_edit_brings_a_task_back_that_somebody_deleted_unaware() {
    let (mut devices, workspace) = three("Roof: tin.");
    edit(&mut devices[0], workspace, vec![Change::Delete { key: TASK }]);
    write(&mut devices[1], workspace, "Roof: red tin.");
    gather(&mut devices);
    for device in &devices {
        let state = device.replica.workspace(workspace).unwrap();
        assert!(state.is_shown(TASK));
        assert_eq!(state.conflict_count(), 1, "whether it stays is for people to decide");
        assert_eq!(read(device, workspace), "Roof: red tin.");
    }
}

#[test]
fn a_value_is_no_edit() {
    let (mut anna, _, workspace) = pair();
    let key = EntityKey::new(Kind::Task, EntityId([4; 16]));
    let edit = anna.replica.workspace(workspace).unwrap().text_version(key, task::DESCRIPTION).edit("x");
    let fields = vec![(task::TITLE.into(), Value::text("Build the shed"))];
    let change = |key| Change::Edit { key, field: task::TITLE, edit: edit.clone() };
    let changes = vec![Change::Create { key, fields }, change(key)];
    let refused = anna.command(Command::Edit { workspace, changes }).unwrap_err();
    assert!(refused.to_string().contains("title takes a value, not edits"), "{refused}");
}

fn edit_as_seen(device: &mut Device, workspace: WorkspaceId, edit: velo_protocol::text::TextEdit) {
    self::edit(device, workspace, vec![Change::Edit { key: TASK, field: task::DESCRIPTION, edit }]);
}

#[test]
fn a_text_in_any_script_is_rewritten_and_one_that_grew_too_long_is_mended() {
    let ([mut anna, ..], workspace) = three("Roof: tin.");
    let chinese = |word: &str| word.repeat(3_600);
    write(&mut anna, workspace, &chinese("\u{5c4b}\u{9876}"));
    write(&mut anna, workspace, &chinese("\u{5899}\u{58c1}"));
    assert_eq!(read(&anna, workspace), chinese("\u{5899}\u{58c1}"));
    // What two inserted at once is longer than one may write.
    let version = anna.replica.workspace(workspace).unwrap().text_version(TASK, task::DESCRIPTION);
    for letter in ["a", "b", "c"] {
        let longer = format!("{}{}", chinese("\u{5899}\u{58c1}"), letter.repeat(20_000));
        let edit = version.edit(&longer);
        let changes = vec![Change::Edit { key: TASK, field: task::DESCRIPTION, edit }];
        let saved = anna.command(Command::Edit { workspace, changes });
        assert_eq!(saved.is_ok(), letter == "a", "{letter}: 48 KiB are the most");
    }
    let shorter =
        anna.replica.workspace(workspace).unwrap().text_version(TASK, task::DESCRIPTION).edit("Roof.");
    edit_as_seen(&mut anna, workspace, shorter);
    assert_eq!(read(&anna, workspace), "Roof.");
}

#[test]
fn who_takes_back_a_first_text_leaves_it_to_who_wrote_the_same() {
    let ([mut anna, mut ben, _], workspace) = three("");
    write(&mut anna, workspace, "to do");
    write(&mut ben, workspace, "to do");
    meet(&mut anna, &mut ben);
    assert_eq!(read(&anna, workspace), "to do");
    ben.command(Command::Undo { workspace }).unwrap();
    meet(&mut anna, &mut ben);
    assert_eq!((read(&anna, workspace), read(&ben, workspace)), ("to do".to_owned(), "to do".to_owned()));
    anna.command(Command::Undo { workspace }).unwrap();
    assert_eq!(read(&anna, workspace), "to do", "nor does she take it from him");
}
