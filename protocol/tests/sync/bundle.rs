//! A workspace in a file: what it carries, to whom, and what is not taken.

use crate::{
    admission::members,
    device::{Device, meet, pair},
};
use velo_protocol::{
    bundle::{Head, PartNo, Portion, seal},
    id::{DeviceId, EntityId, WorkspaceId},
    limits,
    replica::{Brought, Carried, Command, ExportCursor, Refusal, Reply},
};

/// The head and the parts of a bundle.
type Bundle = (Head, Vec<Vec<u8>>);

fn export(device: &mut Device, workspace: WorkspaceId, since: Option<DeviceId>) -> Bundle {
    let Ok(Reply::Exporting(begun)) = device.command(Command::BeginExport { workspace, since }) else {
        panic!("not begun")
    };
    let (head, mut cursor, mut parts) = (begun.head, begun, Vec::new());
    while cursor.remaining() > 0 {
        cursor = carry(device, workspace, cursor, Carried::Entries, &mut parts);
    }
    carry(device, workspace, cursor, Carried::End, &mut parts);
    (head, parts)
}

/// Makes one part.
fn carry(
    device: &mut Device,
    workspace: WorkspaceId,
    cursor: Box<ExportCursor>,
    what: Carried,
    parts: &mut Vec<Vec<u8>>,
) -> Box<ExportCursor> {
    match device.command(Command::Export { workspace, cursor, what }) {
        Ok(Reply::Exported { part, next }) => {
            parts.push(part);
            next
        }
        other => panic!("{other:?}"),
    }
}

fn import_part(device: &mut Device, (head, parts): &Bundle, number: usize) -> Result<Brought, Refusal> {
    let at = PartNo { number: number as u64, last: number + 1 == parts.len() };
    let part = parts[number].clone();
    match device.command(Command::Import { head: *head, at, part })? {
        Reply::Imported(brought) => Ok(brought),
        Reply::Opened { workspace, portion: Portion::End } => {
            assert_eq!(number + 1, parts.len());
            Ok(Brought { workspace, entries: 0, gaps: 0, refused: 0 })
        }
        other => panic!("{other:?}"),
    }
}

/// Entries and gaps that all parts brought.
fn import(device: &mut Device, bundle: &Bundle) -> Result<(u64, u64), Refusal> {
    let (mut entries, mut gaps) = (0, 0);
    for number in 0..bundle.1.len() {
        let brought = import_part(device, bundle, number)?;
        entries += brought.entries;
        gaps += brought.gaps;
    }
    Ok((entries, gaps))
}

fn heads(device: &Device, workspace: WorkspaceId) -> [u8; 32] {
    device.replica.logs(workspace).unwrap().digest()
}

fn shown(device: &Device, workspace: WorkspaceId) -> [u8; 32] {
    device.replica.workspace(workspace).unwrap().state_hash()
}

#[test]
fn who_has_a_ticket_joins_and_answers_by_bundles_alone() {
    let (mut anna, mut ben) = (Device::new(1), Device::new(2));
    let workspace = anna.found();
    anna.add(workspace, 1, 100);
    let ticket = anna.invite(workspace);
    let bundle = export(&mut anna, workspace, None);
    ben.join(&ticket).unwrap();
    let (entries, gaps) = import(&mut ben, &bundle).unwrap();
    assert!(entries > 0);
    assert_eq!((gaps, members(&ben, workspace)), (0, 2), "the ticket was used");
    assert_eq!(import(&mut ben, &bundle), Ok((0, 0)), "again it brings nothing");

    ben.edit(workspace, 2);
    let back = export(&mut ben, workspace, Some(anna.id()));
    import(&mut anna, &back).unwrap();
    assert_eq!(members(&anna, workspace), 2);
    // Keys and acknowledgements go to and fro a few more times.
    for _ in 0..3 {
        let there = export(&mut anna, workspace, Some(ben.id()));
        import(&mut ben, &there).unwrap();
        let back = export(&mut ben, workspace, Some(anna.id()));
        import(&mut anna, &back).unwrap();
    }
    assert_eq!(shown(&anna, workspace), shown(&ben, workspace));
    meet(&mut anna, &mut ben);
    assert_eq!(heads(&anna, workspace), heads(&ben, workspace));
}

#[test]
fn a_large_workspace_goes_in_parts_and_leaves_out_what_somebody_has() {
    let (mut anna, mut ben) = (Device::new(1), Device::new(2));
    let workspace = anna.found();
    ben.join(&anna.invite(workspace)).unwrap();
    meet(&mut anna, &mut ben);
    for number in 0..120 {
        anna.add(workspace, number, 10_000);
    }
    meet(&mut anna, &mut ben);
    // He tells what he has seen by what he writes.
    ben.edit(workspace, 1);
    meet(&mut anna, &mut ben);
    anna.add(workspace, 200, 10);
    let whole = export(&mut anna, workspace, None);
    assert!(whole.1.len() > 2);
    assert!(whole.1.iter().all(|part| part.len() <= limits::FRAME));
    let rest = export(&mut anna, workspace, Some(ben.id()));
    assert_eq!(rest.1.len(), 2, "entries and the end");
    assert!(rest.1[0].len() < 4_096, "{}", rest.1[0].len());
    let (entries, gaps) = import(&mut ben, &rest).unwrap();
    assert_eq!((entries, gaps), (1, 0));
    assert_eq!(shown(&anna, workspace), shown(&ben, workspace));

    // Somebody who has less is told so, and nothing is lost by trying.
    let mut cleo = Device::new(3);
    cleo.join(&anna.invite(workspace)).unwrap();
    let rest = export(&mut anna, workspace, Some(ben.id()));
    let (_, gaps) = import(&mut cleo, &rest).unwrap();
    assert!(gaps > 0);
    let whole = export(&mut anna, workspace, None);
    import(&mut cleo, &whole).unwrap();
    assert_eq!(cleo.replica.workspace(workspace).unwrap().name(), "Workshop");
}

#[test]
fn strangers_learn_nothing_and_damage_is_noticed() {
    let (mut anna, mut eve) = (Device::new(1), Device::new(2));
    let workspace = anna.found();
    for number in 0..120 {
        anna.add(workspace, number, 10_000);
    }
    let bundle = export(&mut anna, workspace, None);
    eve.found();
    let told = import(&mut eve, &bundle);
    assert!(matches!(&told, Err(Refusal::Bundle(words)) if words.contains("velo join TICKET")), "{told:?}");

    let mut ben = Device::new(3);
    ben.join(&anna.invite(workspace)).unwrap();
    let bundle = export(&mut anna, workspace, None);
    let (head, parts) = &bundle;
    let damaged = |ben: &mut Device, parts: Vec<Vec<u8>>, number| {
        let told = import_part(ben, &(*head, parts), number);
        assert_eq!(told, Err(Refusal::DamagedPart));
    };
    let mut swapped = parts.clone();
    swapped.swap(0, 1);
    damaged(&mut ben, swapped, 0);
    let mut flipped = parts.clone();
    flipped[0][77] ^= 1;
    damaged(&mut ben, flipped, 0);
    // The end was cut off.
    damaged(&mut ben, parts[..1].to_vec(), 0);
    import(&mut ben, &bundle).unwrap();
    assert_eq!(members(&ben, workspace), 2);
}

#[test]
fn what_comes_before_a_fault_is_kept() {
    let (mut anna, mut ben, workspace) = pair();
    let before = anna.own_end(workspace);
    for number in 0..40 {
        anna.add(workspace, number, 10_000);
    }
    let mut runs = anna.own_runs(workspace, before);
    assert!(runs.len() > 2);
    // Somebody who has the secret makes a part that breaks off.
    runs.truncate(2);
    *runs[1].bytes.last_mut().unwrap() ^= 1;
    let secret = &ben.records[&workspace].secret;
    let head = Head::new(secret, [7; 32]);
    let part = seal(secret, &head, PartNo { number: 0, last: false }, &Portion::Runs(runs)).unwrap();
    let told = import_part(&mut ben, &(head, vec![part, Vec::new()]), 0);
    assert!(matches!(&told, Err(Refusal::Bundle(words)) if words.contains("not valid")), "{told:?}");
    meet(&mut anna, &mut ben);
    assert_eq!(heads(&ben, workspace), heads(&anna, workspace));
    ben.edit(workspace, 100);
    meet(&mut anna, &mut ben);
    assert_eq!(shown(&ben, workspace), shown(&anna, workspace));
    ben.restart(false);
    assert_eq!(heads(&ben, workspace), heads(&anna, workspace));
}

#[test]
fn blobs_are_carried_for_those_in_the_workspace_and_told_apart_from_entries() {
    let (mut anna, mut ben) = (Device::new(1), Device::new(2));
    let workspace = anna.found();
    ben.join(&anna.invite(workspace)).unwrap();
    meet(&mut anna, &mut ben);
    let Ok(Reply::Exporting(begun)) = anna.command(Command::BeginExport { workspace, since: None }) else {
        panic!("not begun")
    };
    let (head, attachment, bytes) = (begun.head, EntityId([3; 16]), vec![9; limits::BLOB]);
    let mut parts = Vec::new();
    let what = Carried::Blob { attachment, bytes: bytes.clone() };
    let next = carry(&mut anna, workspace, begun, what, &mut parts);
    carry(&mut anna, workspace, next, Carried::End, &mut parts);
    let import = |device: &mut Device, number, last| {
        let at = PartNo { number, last };
        device.command(Command::Import { head, at, part: parts[number as usize].clone() })
    };
    let portion = Portion::Blob { attachment, bytes };
    assert_eq!(import(&mut ben, 0, false), Ok(Reply::Opened { workspace, portion }));
    // Neither is the end missed, nor can something else pass for it.
    assert_eq!(import(&mut ben, 0, true), Err(Refusal::DamagedPart));
    assert_eq!(import(&mut ben, 1, false), Err(Refusal::DamagedPart));
    assert_eq!(import(&mut ben, 1, true), Ok(Reply::Opened { workspace, portion: Portion::End }));
    let mut eve = Device::new(3);
    eve.found();
    assert!(matches!(import(&mut eve, 0, false), Err(Refusal::Bundle(_))));
}
