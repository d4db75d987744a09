//! A device that was sent everything and has no key: its whole store holds nothing that people wrote.

use crate::device::*;
use velo_protocol::{
    access::Role,
    crypto::SecretKey,
    id::Incarnation,
    keys::wrap::ReceivingKey,
    log::Origin,
    replica::{Command, Identity, Replica, Reply, Way, WorkspaceRecord},
    root::Root,
};

const WRITTEN: [&str; 4] =
    ["Repaint the north wall", "Anna Zwiebelfisch", "Werkstatt Nord", "the flange leaks again"];

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

#[test]
fn the_store_of_a_device_without_keys_holds_no_title_name_or_comment() {
    let [title, person_name, name, comment] = WRITTEN.map(str::to_owned);
    let mut anna = Device::new(1);
    let found = anna.command(Command::CreateWorkspace { name, person_name });
    let Ok(Reply::Workspace(workspace)) = found else { panic!("{found:?}") };
    anna.write_texts(workspace, &title, &comment);
    let mut ben = Device::new(2);
    ben.join(&anna.invite(workspace)).unwrap();
    meet(&mut anna, &mut ben);
    let person = ben.identity.person;
    anna.command(Command::SetRole { workspace, person, role: Some(Role::Viewer) }).unwrap();
    meet(&mut anna, &mut ben);

    // A further device of Anna's, which meets nobody but a viewer: he may serve it, and share no key.
    let mut carrier = Device::new(40);
    let (device, receiving) = (SecretKey::from_seed(&[41; 32]), ReceivingKey::from_seed(&[42; 32]));
    let identity = Identity::under_root(&Root::from_seed([1; 32]), device, receiving);
    carrier.identity = Identity { private: None, ..identity };
    carrier.replica = Replica::new(carrier.identity.clone(), [43; 32]);
    let (person, device) = (carrier.identity.person, carrier.id());
    let origin = Origin { person, device, incarnation: Incarnation([1; 8]), founder: false };
    let secret = anna.records[&workspace].secret.clone();
    let way = Way::Linked { recovery: None };
    carrier.records.insert(workspace, WorkspaceRecord::new(workspace, secret, origin, way));
    carrier.restart(false);
    meet(&mut ben, &mut carrier);
    meet(&mut ben, &mut carrier);

    for head in anna.heads(workspace) {
        assert!(carrier.has(workspace, head), "it was sent everything");
    }
    let state = carrier.replica.workspace_mut(workspace).unwrap();
    assert!(state.locked_entries() > 0, "and has no key for it");
    let pages = state.take_pages();
    let mut store: Vec<u8> = pages.pages.iter().flat_map(|(_, page)| page.iter().copied()).collect();
    store.extend(&pages.meta);
    store.extend(carrier.runs(workspace).into_iter().flat_map(|run| run.bytes));
    assert!(store.len() > 2_000);
    for text in WRITTEN {
        for word in text.split(' ').filter(|word| word.len() > 4).chain([text]) {
            assert!(!holds(&store, word), "{word}");
        }
    }
    // The same search finds what is there where there are keys.
    let pages = anna.replica.workspace_mut(workspace).unwrap().take_pages();
    let shown: Vec<u8> = pages.pages.iter().flat_map(|(_, page)| page.iter().copied()).collect();
    assert!(WRITTEN.iter().all(|text| holds(&shown, text)));
}
