//! The body of an entry, from a member who may be hostile: applying it never panics, and its pages
//! bring back an equal state.
#![no_main]

use libfuzzer_sys::fuzz_target;
use velo_protocol::{
    id::{DeviceId, EntryId, Incarnation, PersonId, WorkspaceId},
    log::{EntryKind, HEADER_VERSION, Header, Origin},
    store::{ChainNo, EntryAt},
    time::Hlc,
    workspace::Workspace,
};

fuzz_target!(|bytes: &[u8]| {
    let Some((kind, body)) = bytes.split_first() else { return };
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
