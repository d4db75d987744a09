//! Pages of the visible state from a damaged disk: reading them never panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use velo_protocol::{id::WorkspaceId, snapshot::PageNo, workspace::Workspace};

fuzz_target!(|input: (Vec<u8>, Vec<Vec<u8>>)| {
    let (meta, pages) = input;
    let pages = pages.into_iter().enumerate().map(|(number, page)| (PageNo(number as u32), page));
    if let Ok(workspace) = Workspace::from_pages(WorkspaceId([1; 32]), &meta, pages) {
        workspace.state_hash();
        workspace.conflicts();
    }
});
