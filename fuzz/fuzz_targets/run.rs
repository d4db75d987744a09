//! Entries from a peer: parsing never panics, and without the author's key nothing verifies.
#![no_main]

use libfuzzer_sys::fuzz_target;
use velo_protocol::{
    crypto::{PublicKey, SecretKey, Sig},
    id::{LogId, WorkspaceId},
    log::{ChainEnd, Run, parse_entries, survey, verify_run},
};

fuzz_target!(|bytes: &[u8]| {
    let (log, workspace) = (LogId([1; 32]), WorkspaceId([2; 32]));
    let end = ChainEnd::start(log);
    let parsed = parse_entries(end.head, bytes);
    if let Ok(entries) = &parsed {
        assert_eq!(survey(bytes).map(|(count, _)| count), Ok(entries.len() as u64));
    }
    let key = PublicKey::parse(&SecretKey::from_seed(&[3; 32]).public()).expect("a good key");
    let run = Run { origin: None, log, after: end.head, bytes: bytes.to_vec(), seal: Sig([4; 64]) };
    assert!(verify_run(workspace, &key, end, run).is_err());
});
