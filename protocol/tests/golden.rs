//! Golden vectors: the bytes of every wire type, frozen, and read back by a decoder written from
//! `docs/protocol.md` alone, without bincode or serde.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test may fail by panicking, and vectors are files"
)]

mod golden {
    pub mod blobs;
    pub mod people;
    pub mod reader;
}

use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{Aead, Payload},
};
use golden::reader::Reader;
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::collections::BTreeSet;
use velo_protocol::{
    access::Role,
    codec,
    control::{CONTROL_VERSION, Invite},
    crypto::{LinkCert, SecretKey, Sig},
    id::{DeviceId, EntityId, EntryId, Incarnation, LogId, OpId, PersonId, WorkspaceId},
    keys::{
        body::BodyCipher,
        epoch::{KEYS_VERSION, KeyEpoch, KeyShare, Older, OlderKey},
        ring::KeyRing,
        secret::{EpochKey, SealedKey},
        wrap::{ReceivingKey, RecipientKey, Wrap, wrap},
    },
    log::{ChainEnd, EntryKind, HEADER_VERSION, Head, Header, Origin, Run, RunWriter},
    message::{Auth, Digest, Heads, Hello, Message, Ops},
    model::{EntityKey, Kind, Slot, task},
    op::{DataBody, Group, Op, Reverts},
    presence::{Presence, SEALED},
    text::{Anchor, ElementId, Side, Splice},
    ticket::{SessionSecret, Ticket},
    time::Hlc,
    value::{Date, Element, OrderKey, Value},
};

fn header() -> Header {
    Header {
        version: HEADER_VERSION,
        kind: EntryKind::DATA,
        hlc: Hlc(0x0102_0304_0506_0708),
        auth: Some(EntryId([1; 32])),
        deps: vec![EntryId([2; 32])],
        epoch: None,
        salt: [3; 8],
        body_len: 300,
    }
}

fn values() -> Vec<Value> {
    vec![
        Value::Unset,
        Value::Bool(true),
        Value::Int(-2),
        Value::text("Fix pump"),
        Value::Entity(EntityId([4; 16])),
        Value::Person(PersonId([5; 32])),
        Value::Date(Date::Day(-1)),
        Value::Date(Date::At { ms: 1_000, zone: "Europe/Zurich".into() }),
        Value::Order(OrderKey([0x80, 1].into())),
    ]
}

fn body() -> DataBody {
    let op = OpId { entry: 0x1122_3344_5566_7788, index: 300 };
    let key = EntityKey::new(Kind::Task, EntityId([6; 16]));
    let set = |slot, value| Op::Set { slot, value, replaces: vec![op] };
    let mut ops: Vec<Op> = values().into_iter().map(|value| set(task::TITLE.into(), value)).collect();
    let elements = [
        Element::Entity(EntityId([7; 16])),
        Element::Person(PersonId([8; 32])),
        Element::Mark(PersonId([9; 32]), "+1".into()),
        Element::Text("key".into()),
    ];
    ops.extend(
        elements.into_iter().map(|element| set(Slot::element(task::LABELS, element), Value::Bool(false))),
    );
    ops.push(Op::Delete { lists: vec![op, op] });
    let element = ElementId { op, offset: 200 };
    let anchor = |side| Anchor { element: Some(element), side };
    let splices = vec![
        Splice::First { text: "Fix".into() },
        Splice::Insert { anchor: Anchor::START, text: "the ".into() },
        Splice::Insert { anchor: anchor(Side::Left), text: "old ".into() },
        Splice::Insert { anchor: anchor(Side::Right), text: "pump".into() },
        Splice::Erase { from: element, count: 70_000 },
        Splice::Restore { op },
    ];
    ops.push(Op::Edit { field: task::DESCRIPTION, splices, replaces: vec![op] });
    let reverts = Some(Reverts { transaction: 70_000, redo: true });
    DataBody { continues: Some(5), reverts, ..DataBody::new(vec![Group { key, ops }]) }
}

fn run() -> Run {
    let origin = Origin {
        person: PersonId([1; 32]),
        device: DeviceId([2; 32]),
        incarnation: Incarnation([3; 8]),
        founder: true,
    };
    let after = Head { position: 251, id: EntryId([4; 32]) };
    Run { origin: Some(origin), log: LogId([5; 32]), after, bytes: vec![6; 3], seal: Sig([7; 64]) }
}

/// Fails with both texts if `bytes` are not those of the vector file. A new file is written only
/// when `VELO_NEW_GOLDEN` is set: formats are frozen.
fn assert_golden(name: &str, bytes: &[u8]) {
    let path = format!("{}/tests/golden/{name}.hex", env!("CARGO_MANIFEST_DIR"));
    let text = data_encoding::HEXLOWER.encode(bytes);
    if std::env::var_os("VELO_NEW_GOLDEN").is_some() {
        std::fs::write(&path, format!("{text}\n")).unwrap();
    }
    let golden = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    assert_eq!(golden.trim(), text, "{name} changed its bytes");
}

#[test]
fn header_bytes_are_frozen() {
    let bytes = codec::encode(&header());
    assert_golden("header", &bytes);
    let mut reader = Reader(&bytes);
    assert_eq!((reader.byte(), reader.byte()), (1, 33));
    assert_eq!(reader.number(), 0x0102_0304_0506_0708);
    assert_eq!((reader.byte(), reader.take(32)), (1, &[1; 32][..]));
    assert_eq!((reader.number(), reader.take(32)), (1, &[2; 32][..]));
    assert_eq!(reader.byte(), 0);
    assert_eq!(reader.take(8), [3; 8]);
    assert_eq!(reader.number(), 300);
    assert!(reader.0.is_empty());
}

#[test]
fn body_bytes_are_frozen() {
    let bytes = codec::encode(&body());
    assert_golden("data-body", &bytes);
    assert_eq!(DataBody::read(&bytes), Ok(body()));
    let mut reader = Reader(&bytes);
    assert_eq!(reader.byte(), 1);
    assert_eq!((reader.byte(), reader.number()), (1, 5));
    assert_eq!((reader.byte(), reader.number(), reader.byte()), (1, 70_000, 1));
    assert_eq!(reader.number(), 1);
    assert_eq!((reader.byte(), reader.take(16)), (7, &[6; 16][..]));
    assert_eq!(reader.number(), 15);
    for expected in
        ["unset", "true", "-2", "Fix pump", "entity", "person", "day -1", "at 1000 Europe/Zurich", "order"]
    {
        assert_eq!(reader.set(), expected);
    }
    for expected in ["entity", "person", "mark +1", "text key"] {
        assert_eq!(reader.set(), format!("{expected} = false"));
    }
    assert_eq!((reader.number(), reader.number()), (1, 2));
    let op = (0x1122_3344_5566_7788, 300);
    assert_eq!((reader.name(), reader.name()), (op, op));
    // The edit of a long text: field, splices, names.
    assert_eq!((reader.number(), reader.byte(), reader.number()), (2, 2, 6));
    assert_eq!((reader.number(), reader.text()), (0, "Fix".into()));
    assert_eq!((reader.number(), reader.byte(), reader.number(), reader.text()), (1, 0, 1, "the ".into()));
    for (side, words) in [(0, "old "), (1, "pump")] {
        assert_eq!((reader.number(), reader.byte(), reader.name(), reader.number()), (1, 1, op, 200));
        assert_eq!((reader.number(), reader.text()), (side, words.into()));
    }
    assert_eq!((reader.number(), reader.name(), reader.number(), reader.number()), (2, op, 200, 70_000));
    assert_eq!((reader.number(), reader.name()), (3, op));
    assert_eq!((reader.number(), reader.name()), (1, op));
    assert!(reader.0.is_empty());
}

#[test]
fn message_bytes_are_frozen() {
    let workspace = WorkspaceId([9; 32]);
    let head = Head { position: 70_000, id: EntryId([1; 32]) };
    let messages = [
        ("hello", Message::Hello(Hello { version: 1, nonce: [3; 32], wall_ms: 1_767_225_600_000 })),
        ("auth", Message::Auth(Auth { tag: [1; 32], mac: [2; 32] })),
        ("digest", Message::Digest(Digest { workspace, hash: [4; 32], asks: false })),
        (
            "heads",
            Message::Heads(Heads { workspace, more: false, full: true, heads: vec![(LogId([5; 32]), head)] }),
        ),
        ("ops", Message::Ops(Ops { workspace, runs: vec![run()] })),
        ("bye", Message::Bye),
        (
            "presence",
            Message::Presence(Presence {
                workspace,
                device: DeviceId([6; 32]),
                counter: 1_767_225_600_000,
                epoch: EntryId([5; 32]),
                nonce: [4; 24],
                state: vec![3; SEALED],
                by_device: Sig([7; 64]),
            }),
        ),
    ];
    for (name, message) in messages {
        let frame = message.encode();
        assert_golden(name, &frame);
        assert_eq!(Message::decode(&frame), Ok(message));
    }
    let frame = Message::Ops(Ops { workspace, runs: vec![run()] }).encode();
    let mut reader = Reader(&frame);
    assert_eq!((reader.byte(), reader.take(32), reader.number()), (4, &[9; 32][..], 1));
    assert_eq!((reader.byte(), reader.take(32), reader.take(32)), (1, &[1; 32][..], &[2; 32][..]));
    assert_eq!((reader.take(8), reader.byte()), (&[3; 8][..], 1));
    assert_eq!((reader.take(32), reader.number(), reader.take(32)), (&[5; 32][..], 251, &[4; 32][..]));
    assert_eq!((reader.number(), reader.take(3), reader.take(64)), (3, &[6; 3][..], &[7; 64][..]));
    assert!(reader.0.is_empty());
}

#[test]
fn certificates_and_tickets_are_frozen() {
    let (root, device) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
    let cert = LinkCert::issue(PersonId(root.public()), &root, &device, [3; 32]);
    assert_golden("link-cert", &codec::encode(&cert));
    let receiving = RecipientKey([6; 32]);
    let (version, key, role, expires_ms) = (CONTROL_VERSION, [4; 32], Role::Member, 5);
    assert_golden(
        "invite",
        &codec::encode(&Invite { version, key, receiving, role, expires_ms, single_use: true }),
    );
    let ticket = Ticket {
        workspace: WorkspaceId([1; 32]),
        invite: EntryId([6; 32]),
        seed: [2; 32],
        secret: SessionSecret([3; 32]),
        inviter: PersonId([4; 32]),
        expires_ms: 5,
        addresses: vec!["/ip4/127.0.0.1/tcp/4001".into()],
    };
    assert_golden("ticket", ticket.to_string().as_bytes());
}

#[test]
fn local_seals_are_frozen() {
    let (key, workspace) = (SecretKey::from_seed(&[1; 32]), WorkspaceId([9; 32]));
    let mut writer = RunWriter::new(LogId([5; 32]), run().origin.unwrap(), ChainEnd::start(LogId([5; 32])));
    writer.push(header(), b"body").unwrap();
    let written = writer.seal_locally(workspace, &key).unwrap();
    let (seal, head) = (written.run().seal, written.end().head);
    assert_golden("local-seal", &seal.0);
    let key = blake3::derive_key("velo 2026 local seal", &[1; 32]);
    let message = [&[9; 32][..], &[5; 32], &1_u64.to_le_bytes(), &head.id.0].concat();
    assert_eq!(seal.0[..32], *blake3::keyed_hash(&key, &message).as_bytes());
    assert_eq!(seal.0[32..], [0; 32]);
}

/// The page's words, with the primitives alone.
#[test]
fn encrypted_bodies_are_frozen() {
    let (key, log, previous) = ([1; 32], LogId([2; 32]), EntryId([3; 32]));
    let mut header = header();
    let sealed = BodyCipher::new(&EpochKey::from_bytes(key)).seal(log, previous, &mut header, b"Fix pump");
    let (bytes, sealed) = (codec::encode(&header), sealed.unwrap());
    assert_golden("encrypted-entry", &[&bytes[..], &sealed].concat());
    let derived = |context| blake3::derive_key(context, &key);
    let salted = [&previous.0[..], &header.hlc.0.to_le_bytes(), b"Fix pump"].concat();
    let salt = blake3::keyed_hash(&derived("velo 2026 body salt key"), &salted);
    assert_eq!(header.salt, salt.as_bytes()[..8]);
    assert_eq!(header.body_len, 24);
    let placed = [&previous.0[..], &bytes].concat();
    let nonce = blake3::keyed_hash(&derived("velo 2026 body nonce key"), &placed);
    let nonce = <[u8; 24]>::try_from(&nonce.as_bytes()[..24]).unwrap();
    let cipher = XChaCha20Poly1305::new(&derived("velo 2026 body cipher key").into());
    let payload = Payload { msg: &sealed, aad: &[&log.0[..], &placed].concat() };
    assert_eq!(cipher.decrypt(&nonce.into(), payload).unwrap(), b"Fix pump");
}

#[test]
fn key_entries_are_frozen() {
    let sealed = SealedKey { text: [4; 32], tag: [5; 16] };
    let key = EpochKey::from_bytes([1; 32]);
    let held =
        Older { epoch: EntryId([6; 32]), key: Some(OlderKey { commitment: key.commitment(), sealed }) };
    let body = KeyEpoch {
        version: KEYS_VERSION,
        commitment: key.commitment(),
        older: vec![held, Older { epoch: EntryId([7; 32]), key: None }],
        wraps: vec![(RecipientKey([8; 32]), Wrap { enc: [9; 32], key: sealed })],
    };
    let bytes = codec::encode(&body);
    assert_golden("key-epoch", &bytes);
    assert_eq!(KeyEpoch::read(&bytes), Ok(body));
    let commitment = blake3::derive_key("velo 2026 epoch key commitment", &[1; 32]);
    let mut reader = Reader(&bytes);
    assert_eq!((reader.byte(), reader.take(32), reader.number()), (1, &commitment[..], 2));
    assert_eq!((reader.take(32), reader.byte(), reader.take(32)), (&[6; 32][..], 1, &commitment[..]));
    assert_eq!((reader.take(32), reader.take(16)), (&[4; 32][..], &[5; 16][..]));
    assert_eq!((reader.take(32), reader.byte(), reader.number()), (&[7; 32][..], 0, 1));
    assert_eq!((reader.take(32), reader.take(32)), (&[8; 32][..], &[9; 32][..]));
    assert_eq!((reader.take(32), reader.take(16), reader.0.len()), (&[4; 32][..], &[5; 16][..], 0));

    let workspace = WorkspaceId([1; 32]);
    let to = ReceivingKey::from_seed(&[2; 32]);
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let shares = KeyShare::split(workspace, EntryId([6; 32]), &key, [to.public()], &mut rng);
    let bytes = codec::encode(&shares[0]);
    assert_golden("key-share", &bytes);
    let mut rng = ChaCha20Rng::from_seed([3; 32]);
    let again = wrap(&key, workspace, to.public(), &mut rng).unwrap();
    let mut reader = Reader(&bytes);
    assert_eq!((reader.byte(), reader.take(32), reader.number()), (1, &[6; 32][..], 1));
    assert_eq!((reader.take(32), reader.take(32)), (&to.public().0[..], &again.enc[..]));
    assert_eq!((reader.take(32), reader.take(16)), (&again.key.text[..], &again.key.tag[..]));
    assert!(reader.0.is_empty());
    assert!(to.unwrap(workspace, key.commitment(), &shares[0].wraps[0].1).is_ok());
}

/// The key of an older epoch under a newer one, with the primitives alone.
#[test]
fn older_keys_are_frozen() {
    let (older, id) = (EpochKey::from_bytes([1; 32]), EntryId([6; 32]));
    let mut ring = KeyRing::new(WorkspaceId([1; 32]), Vec::new());
    let body =
        KeyEpoch { version: KEYS_VERSION, commitment: older.commitment(), older: vec![], wraps: vec![] };
    ring.add_epoch(id, &body, true);
    ring.learn(older.clone());
    let rotation = ring.rotate(&BTreeSet::new(), &mut ChaCha20Rng::from_seed([3; 32]));
    assert_golden("key-epoch-older", &codec::encode(&rotation.body));
    let sealed = rotation.body.older[0].key.unwrap().sealed;
    let name = [id.0, older.commitment().0].concat();
    let nonce = blake3::derive_key("velo 2026 older key nonce", &name);
    let nonce = <[u8; 24]>::try_from(&nonce[..24]).unwrap();
    let key = blake3::derive_key("velo 2026 older key cipher key", rotation.key.as_bytes());
    let text = [&sealed.text[..], &sealed.tag].concat();
    let opened =
        XChaCha20Poly1305::new(&key.into()).decrypt(&nonce.into(), Payload { msg: &text, aad: &name });
    assert_eq!(opened.unwrap(), older.as_bytes());
}
