//! The seeds of the fuzz targets whose input is not text: made here, and small. Fuzzing starts from
//! them, so it does not have to guess what a log file or a key file looks like.
//!
//! `VELO_NEW_SEEDS=1 cargo test -p velo-node --test fuzz_seeds` writes them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::expect_used,
    reason = "a test may fail by panicking, in its helpers too"
)]

#[path = "../../fuzz/fuzz_targets/shared/anna.rs"]
mod anna;

use anna::Anna;
use std::{fs, os::unix::fs::PermissionsExt, path::PathBuf, sync::Arc};
use velo_node::{
    data_dir::{DataDir, Records},
    keystore::Keys,
    store::{
        disk::OsDisk,
        log_files::{FileLog, LogOptions},
    },
};
use velo_protocol::{
    bundle, codec,
    crypto::{SecretKey, Sig},
    id::{DeviceId, EntryId, LogId, WorkspaceId},
    keys::wrap::ReceivingKey,
    log::{Head, Run},
    message::{Chunk, Heads, Message, Ops, Want, Wanted},
    presence::{Presence, SEALED},
    replica::{Carried, Command, Identity, Reply},
    root::Root,
    store::{
        ChainNo, LogStore,
        conformance::{Author, WORKSPACE, batch},
    },
    workspace::Workspace,
};

/// Fails if `bytes` are not those of the seed.
fn assert_seed(target: &str, name: &str, bytes: &[u8]) {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds").join(target);
    let path = folder.join(name);
    if std::env::var_os("VELO_NEW_SEEDS").is_some() {
        fs::create_dir_all(&folder).unwrap();
        fs::write(&path, bytes).unwrap();
    }
    let seed = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(seed == bytes, "{} is not what is made of it now", path.display());
}

/// The golden vector of the protocol crate.
fn golden(name: &str) -> Vec<u8> {
    let path = format!("{}/../protocol/tests/golden/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    data_encoding::HEXLOWER.decode(fs::read_to_string(path).unwrap().trim().as_bytes()).unwrap()
}

#[test]
fn messages_bodies_and_tickets() {
    let mut stream = vec![5];
    let names = [
        "hello",
        "auth",
        "digest",
        "heads",
        "ops",
        "bye",
        "presence",
        "claim-invite",
        "claim-certificates",
        "withdrawn",
        "need-keys",
        "link-offer",
        "link-accept",
        "link-done",
        "recover",
        "recovered",
    ];
    for name in names {
        let frame = golden(name);
        assert!(Message::decode(&frame).is_ok(), "{name}");
        assert_seed("message", name, &frame);
        stream.extend((frame.len() as u32).to_le_bytes());
        stream.extend(frame);
    }
    assert_seed("frames", "every-message", &stream);
    for (name, kind, vector) in
        [("data", 33, "data-body"), ("key-epoch", 9, "key-epoch"), ("key-share", 10, "key-share")]
    {
        assert_seed("body", name, &[vec![kind], golden(vector)].concat());
    }
    assert_seed("ticket", "ticket", &golden("ticket"));
    assert_seed("run", "three-entries", &Author::new(1).write(ChainNo(0), 3, 9).run.bytes);
}

#[cfg(feature = "fuzzing")]
#[test]
fn announcements() {
    use std::net::{Ipv4Addr, SocketAddrV4};
    use velo_node::fuzzing::{mdns_packet, peer_id};
    use velo_protocol::id::DeviceId;
    let peer = peer_id(&DeviceId(SecretKey::from_seed(&[1; 32]).public())).unwrap();
    let addresses = [4001, 4002].map(|port| SocketAddrV4::new(Ipv4Addr::new(10, 0, 0, 1), port));
    let minute = std::time::Duration::from_mins(1);
    assert_seed("announcement", "a-device", &mdns_packet::announce(&peer, "somebody", &addresses, minute));
    assert_seed("announcement", "a-query", &mdns_packet::query());
}

/// Three entries of a stranger's log.
fn run() -> Run {
    Author::new(1).write(ChainNo(0), 3, 9).run
}

/// A pull of a head, and an answer to one.
fn pull(workspace: WorkspaceId, head: EntryId) -> [(&'static str, Message); 5] {
    let wanted = Wanted { head, after: vec![EntryId([8; 32])] };
    [
        ("want", Message::Want(Want { pull: 1, workspace, heads: vec![wanted] })),
        ("chunk", Message::Chunk(Chunk { pull: 1, runs: vec![run()] })),
        ("taken", Message::Taken(1)),
        ("end", Message::End(1)),
        ("stop", Message::Stop(1)),
    ]
}

/// An input to a target that takes several things, one after the other.
fn sequence(parts: &[Vec<u8>]) -> Vec<u8> {
    parts.iter().flat_map(|part| [&(part.len() as u16).to_le_bytes()[..], part].concat()).collect()
}

#[test]
fn pulls() {
    for (name, message) in pull(WORKSPACE, EntryId([7; 32])) {
        assert_seed("message", name, &message.encode());
    }
}

#[test]
fn what_a_member_says() {
    let mut anna = Anna::with_member();
    let (workspace, later) = (anna.workspace(), Vec::new());
    let (log, head) = anna.heads()[0];
    let [want, chunk, taken, end, stop] = pull(workspace, head.id).map(|(_, message)| message.encode());
    anna.hear(want.clone());
    let chunks = anna.said.iter().filter(|said| matches!(Message::decode(said), Ok(Message::Chunk(_))));
    assert_eq!(chunks.count(), 1, "the target would not get far");
    assert_seed("member", "it-pulls", &sequence(&[want.clone(), later.clone(), taken, want, stop]));
    let unknown = Head { position: head.position + 3, id: EntryId([7; 32]) };
    let heads = Heads { workspace, more: false, full: true, heads: vec![(log, unknown)] };
    let heads = Message::Heads(heads).encode();
    let answered = [heads, later.clone(), later.clone(), chunk, end];
    assert_seed("member", "it-is-asked", &sequence(&answered));
    let presence = Presence {
        workspace,
        device: DeviceId([6; 32]),
        counter: 1_767_225_600_000,
        epoch: head.id,
        nonce: [4; 24],
        state: vec![3; SEALED],
        by_device: Sig([7; 64]),
    };
    let said = [Message::Presence(presence).encode(), later];
    assert_seed("member", "it-is-here", &sequence(&said));
    let ops = Message::Ops(Ops { workspace, runs: vec![run()] }).encode();
    assert_seed("member", "it-pushes", &sequence(&[ops, Message::Bye.encode()]));
}

#[test]
fn attachments() {
    for (name, which, vector) in [
        ("ask", 0, "blob-ask"),
        ("offer", 0, "blob-offer"),
        ("piece", 1, "blob-piece"),
        ("not-here", 1, "blob-not-here"),
        ("later", 1, "blob-later"),
        ("offered", 1, "blob-offered"),
        ("manifest", 2, "manifest"),
    ] {
        assert_seed("blob", name, &[vec![which], golden(vector)].concat());
    }
    assert_seed("blob", "a-fetch", &[3, 0, 6, 7, 10, 0, 0, 5, 18, 0]);
    assert_seed("blob", "an-offer", &[3, 1, 6, 7, 10, 0, 0, 5, 18, 0]);
}

#[test]
fn bundles() {
    let mut anna = Anna::alone();
    let workspace = anna.workspace();
    let begin = Command::BeginExport { workspace, since: None };
    let Ok(Reply::Exporting(cursor)) = anna.command(begin) else { panic!("a bundle is begun") };
    let text = serde_json::to_vec(&cursor).unwrap();
    let secret = anna.secret();
    let export = Command::Export { workspace, cursor: cursor.clone(), what: Carried::Entries };
    let Ok(Reply::Exported { part, .. }) = anna.command(export) else { panic!("a part") };
    let opened = bundle::open(&secret, &cursor.head, bundle::PartNo { number: 0, last: false }, &part);
    let Ok(bundle::Portion::Runs(own)) = opened else { panic!("entries") };
    let [own, strange] = [own, vec![run()]].map(|runs| codec::encode(&runs));
    assert_seed("bundle", "parts", &[vec![0], sequence(&[own, strange])].concat());
    assert_seed("bundle", "a-cursor", &[vec![2], text].concat());
    assert_seed("bundle", "a-head", &[vec![3], cursor.head.to_bytes().to_vec()].concat());
}

/// A part of an input to target `log_files`.
fn part(which: u8, bytes: &[u8]) -> Vec<u8> {
    [&[which][..], &(bytes.len() as u16).to_le_bytes(), bytes].concat()
}

#[test]
fn log_files() {
    let dir = tempfile::tempdir().unwrap();
    let options = LogOptions { file_bytes: 400, disk: Arc::new(OsDisk) };
    let (mut log, _) = FileLog::open_with(dir.path(), WORKSPACE, None, options).unwrap();
    let mut author = Author::new(1);
    for _ in 0..3 {
        log.append(&batch(vec![author.write(ChainNo(0), 1, 9)])).unwrap();
    }
    let files = ["000001.vlog", "000002.vlog"].map(|name| fs::read(dir.path().join(name)).unwrap());
    let [first, second] = &files;
    let index = log.index();
    let index = &index[..index.len() - 4];
    let mut damaged = first.clone();
    damaged[300] ^= 1;
    for (name, mend, parts) in [
        ("one-file", 1, vec![part(1, first)]),
        ("two-files", 1, vec![part(1, first), part(2, second)]),
        ("an-index", 3, vec![part(0, index), part(1, first), part(2, second)]),
        ("the-first-file-lost", 1, vec![part(2, second)]),
        ("damage-between", 0, vec![part(1, &damaged), part(2, second)]),
    ] {
        assert_seed("log_files", name, &[vec![mend], parts.concat()].concat());
    }
}

#[test]
fn a_saved_state() {
    let pages = Workspace::new(WorkspaceId([1; 32])).take_pages();
    let item =
        |kind: u8, bytes: &[u8]| [&[kind, 0, 2][..], &(bytes.len() as u16).to_le_bytes(), bytes].concat();
    let first = pages.pages.iter().map(|(_, page)| item(1, page)).next().unwrap_or_default();
    let items = [item(0, b""), first, item(2, &pages.meta), item(3, b"index"), item(4, b"")];
    assert_seed("saved_state", "an-empty-workspace", &items.concat());
}

#[test]
fn key_files() {
    let (device, receiving) = (SecretKey::from_seed(&[2; 32]), ReceivingKey::from_seed(&[3; 32]));
    let identity = Identity::under_root(&Root::from_seed([1; 32]), device, receiving);
    let Identity { person, recovery, ref chain, ref private, .. } = identity;
    let keys = codec::encode(&(Some([1_u8; 32]), [2_u8; 32], [3_u8; 32], person, recovery, chain, private));
    let content = [b"VELOKEYS\0", &*keys].concat();
    let home = tempfile::tempdir().unwrap();
    let dir = DataDir::open(home.path()).unwrap();
    let path = dir.keys().join("device.key");
    fs::write(&path, [&*content, blake3::hash(&content).as_bytes()].concat()).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(Keys::of_device(&dir, &Records::default()).unwrap().identity().person, person);
    assert_seed("keystore", "a-first-device", &[vec![1], content].concat());
    let cost = (64_u32 * 1024, 3_u32, 1_u32, [4_u8; 16]);
    let sealed = [b"VELOKEYS\x01", &*codec::encode(&(true, cost, [5_u8; 24], vec![6_u8; 48]))].concat();
    assert_seed("keystore", "under-a-passphrase", &[vec![1], sealed].concat());
    let entry = [b"VELOKEYS\x02", &*codec::encode(&(false, [7_u8; 16]))].concat();
    assert_seed("keystore", "in-the-keyring", &[vec![1], entry].concat());
}

#[test]
fn a_marker() {
    let content = [&LogId([3; 32]).0[..], &7_u64.to_le_bytes()].concat();
    assert_seed("data_dir", "marker", &[vec![b'5'], content].concat());
}
