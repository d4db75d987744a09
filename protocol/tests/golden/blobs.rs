//! What attachments and bundles are made of, and what peers say when they pull.

use crate::{assert_golden, golden::reader::Reader};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{Aead, Payload},
};
use velo_protocol::{
    blob::{Answer, Ask, ContentCipher, ContentKey, Manifest, Offer, Offered, PART, Question, Uptake},
    bundle::{self, PartNo, Portion},
    codec,
    id::{BlobId, EntityId, EntryId, WorkspaceId},
    message::{Chunk, Message, Want, Wanted},
    ticket::SessionSecret,
};

#[test]
fn manifests_are_frozen() {
    let size = PART as u64 + 3;
    let manifest = Manifest::new(size, vec![BlobId([1; 32]), BlobId([2; 32])]).unwrap();
    let blob = manifest.encode();
    assert_golden("manifest", &blob);
    assert_eq!(Manifest::decode(&blob), Ok(manifest));
    let mut reader = Reader(&blob);
    assert_eq!((reader.byte(), reader.number(), reader.number()), (1, 262_131, 2));
    assert_eq!((reader.take(32), reader.take(32)), (&[1; 32][..], &[2; 32][..]));
    assert!(reader.0.is_empty());
}

#[test]
fn parts_are_encrypted_as_the_specification_says() {
    let size = PART as u64 + 3;
    let blob = ContentCipher::new(&ContentKey::from_bytes([7; 32]), size).seal(1, b"abc").unwrap();
    assert_golden("encrypted-part", &blob);
    let key = blake3::derive_key("velo 2026 attachment cipher key", &[7; 32]);
    let mut nonce = [0; 24];
    nonce[0] = 1;
    let payload = Payload { msg: &blob, aad: &size.to_le_bytes() };
    let part = XChaCha20Poly1305::new(&key.into()).decrypt(&nonce.into(), payload).unwrap();
    assert_eq!(part, b"abc");
}

#[test]
fn questions_and_answers_are_frozen() {
    let (workspace, blob) = (WorkspaceId([9; 32]), BlobId([1; 32]));
    let ask = Question::Piece(Ask { workspace, blob, offset: 70_000, len: 8_192 });
    let offered = Offered { manifest: blob, size: 70_000 };
    let offer = Question::Offer(Offer { workspace, attachments: vec![offered] });
    for (name, question) in [("blob-ask", &ask), ("blob-offer", &offer)] {
        assert_golden(name, &question.encode());
        assert_eq!(Question::decode(&question.encode()).as_ref(), Ok(question));
    }
    let bytes = ask.encode();
    let mut reader = Reader(&bytes);
    assert_eq!((reader.number(), reader.take(32), reader.take(32)), (0, &[9; 32][..], &[1; 32][..]));
    assert_eq!((reader.number(), reader.number()), (70_000, 8_192));
    assert!(reader.0.is_empty());
    let bytes = offer.encode();
    let mut reader = Reader(&bytes);
    assert_eq!((reader.number(), reader.take(32), reader.number()), (1, &[9; 32][..], 1));
    assert_eq!((reader.take(32), reader.number()), (&[1; 32][..], 70_000));
    assert!(reader.0.is_empty());
    let piece = Answer::Piece { total: 300, bytes: vec![5; 3] };
    let uptakes = vec![Uptake::Here, Uptake::Wanted, Uptake::Later, Uptake::NoRoom];
    for (name, answer) in [
        ("blob-piece", piece),
        ("blob-not-here", Answer::NotHere),
        ("blob-later", Answer::Later),
        ("blob-offered", Answer::Offered(uptakes)),
    ] {
        assert_golden(name, &answer.encode());
        assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
    }
    let bytes = Answer::Piece { total: 300, bytes: vec![5; 3] }.encode();
    let mut reader = Reader(&bytes);
    assert_eq!((reader.number(), reader.number(), reader.number()), (0, 300, 3));
    assert_eq!(reader.take(3), [5; 3]);
}

#[test]
fn pulls_are_frozen() {
    let (workspace, head) = (WorkspaceId([9; 32]), EntryId([1; 32]));
    let wanted = Wanted { head, after: vec![EntryId([2; 32]), EntryId([3; 32])] };
    let messages = [
        ("want", Message::Want(Want { pull: 70_000, workspace, heads: vec![wanted] })),
        ("chunk", Message::Chunk(Chunk { pull: 70_000, runs: vec![crate::run()] })),
        ("taken", Message::Taken(70_000)),
        ("end", Message::End(70_000)),
        ("stop", Message::Stop(70_000)),
    ];
    for ((name, message), tag) in messages.into_iter().zip(32..) {
        let frame = message.encode();
        assert_golden(name, &frame);
        let mut reader = Reader(&frame);
        assert_eq!((reader.byte(), Message::decode(&frame)), (tag, Ok(message)), "{name}");
        match name {
            "want" => {
                assert_eq!((reader.number(), reader.take(32), reader.number()), (70_000, &[9; 32][..], 1));
                assert_eq!((reader.take(32), reader.number()), (&[1; 32][..], 2));
                assert_eq!((reader.take(32), reader.take(32)), (&[2; 32][..], &[3; 32][..]));
            }
            "chunk" => {
                assert_eq!((reader.number(), reader.number()), (70_000, 1));
                assert_eq!(reader.take(reader.0.len()), codec::encode(&crate::run()));
            }
            _ => assert_eq!(reader.number(), 70_000),
        }
        assert!(reader.0.is_empty(), "{name}");
    }
}

/// The page's words, with the primitives alone.
#[test]
fn bundles_are_frozen() {
    let secret = SessionSecret([7; 32]);
    let head = bundle::Head::new(&secret, [1; 32]);
    let derived = |context| *blake3::keyed_hash(&blake3::derive_key(context, &[7; 32]), &[1; 32]).as_bytes();
    let bytes = head.to_bytes();
    assert_golden("bundle-head", &bytes);
    assert_eq!(bytes[..16], *b"velo bundle 1\r\n\0");
    assert_eq!((&bytes[16..48], &bytes[48..]), (&[1; 32][..], &derived("velo 2026 bundle tag")[..]));
    let cipher = XChaCha20Poly1305::new(&derived("velo 2026 bundle key").into());
    let attachment = EntityId([3; 16]);
    let portions = [
        ("bundle-runs", Portion::Runs(vec![crate::run()])),
        ("bundle-blob", Portion::Blob { attachment, bytes: vec![5; 3] }),
        ("bundle-end", Portion::End),
    ];
    for ((name, portion), number) in portions.into_iter().zip(300_u64..) {
        let last = portion == Portion::End;
        let at = PartNo { number, last };
        let part = bundle::seal(&secret, &head, at, &portion).unwrap();
        assert_golden(name, &part);
        assert_eq!(bundle::open(&secret, &head, at, &part).as_ref(), Ok(&portion));
        let mut nonce = [0; 24];
        nonce[..8].copy_from_slice(&number.to_le_bytes());
        nonce[8] = u8::from(last);
        let plain = cipher.decrypt(&nonce.into(), &*part).unwrap();
        let expected = match portion {
            Portion::Runs(_) => [&[0, 1][..], &codec::encode(&crate::run())].concat(),
            Portion::Blob { .. } => [&[1][..], &[3; 16], &[5; 3]].concat(),
            Portion::End => vec![2],
        };
        assert_eq!(plain, expected, "{name}");
    }
}
