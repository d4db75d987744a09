//! The body of an entry, from a member who may be hostile: reading and applying it never panics, and
//! its pages bring back an equal state.
#![no_main]

use libfuzzer_sys::fuzz_target;
use velo_protocol::{
    codec,
    id::{DeviceId, EntryId, Incarnation, PersonId, WorkspaceId},
    keys::{
        epoch::{KeyEpoch, KeyShare},
        ring::KeyRing,
        wrap::ReceivingKey,
    },
    log::{EntryKind, HEADER_VERSION, Header, Origin},
    store::{ChainNo, EntryAt},
    time::Hlc,
    workspace::Workspace,
};

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, body)) = bytes.split_first() else { return };
    key_entries(EntryKind(*kind), body);
    let id = WorkspaceId([1; 32]);
    let mut workspace = Workspace::new(id);
    let origin = Origin {
        person: PersonId([2; 32]),
        device: DeviceId([3; 32]),
        incarnation: Incarnation([4; 8]),
        founder: false,
    };
    let header = Header {
        version: HEADER_VERSION,
        kind: EntryKind(*kind),
        hlc: Hlc::from_ms(5),
        auth: None,
        deps: Vec::new(),
        epoch: None,
        salt: [0; 8],
        body_len: body.len() as u32,
    };
    let at = EntryAt { chain: ChainNo(0), position: 1 };
    workspace.apply(&origin, at, EntryId([6; 32]), &header, body);
    let hash = workspace.state_hash();
    let pages = workspace.take_pages();
    let again = Workspace::from_pages(id, &pages.meta, pages.pages).expect("own pages are readable");
    assert_eq!(again.state_hash(), hash);
});

fn key_entries(kind: EntryKind, body: &[u8]) {
    let mut ring = KeyRing::new(WorkspaceId([1; 32]), vec![ReceivingKey::from_seed(&[2; 32])]);
    match kind {
        EntryKind::KEY_EPOCH => {
            let Ok(epoch) = KeyEpoch::read(body) else { return };
            assert_eq!(codec::encode(&epoch), body);
            ring.add_epoch(EntryId([6; 32]), &epoch, true);
        }
        EntryKind::KEY_SHARE => {
            let Ok(share) = KeyShare::read(body) else { return };
            assert_eq!(codec::encode(&share), body);
            ring.add_share(EntryId([6; 32]), &share, true);
        }
        _ => (),
    }
}
