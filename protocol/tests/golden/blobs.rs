//! What attachments are made of, and what peers say about it.

use crate::{assert_golden, golden::reader::Reader};
use chacha20poly1305::{
    KeyInit, XChaCha20Poly1305,
    aead::{Aead, Payload},
};
use velo_protocol::{
    blob::{Answer, Ask, ContentCipher, ContentKey, Manifest, PART},
    id::{BlobId, WorkspaceId},
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
    let ask = Ask { workspace, blob, offset: 70_000, len: 8_192 };
    assert_golden("blob-ask", &ask.encode());
    assert_eq!(Ask::decode(&ask.encode()), Ok(ask));
    let bytes = ask.encode();
    let mut reader = Reader(&bytes);
    assert_eq!((reader.take(32), reader.take(32)), (&[9; 32][..], &[1; 32][..]));
    assert_eq!((reader.number(), reader.number()), (70_000, 8_192));
    assert!(reader.0.is_empty());
    let piece = Answer::Piece { total: 300, bytes: vec![5; 3] };
    for (name, answer) in
        [("blob-piece", piece), ("blob-not-here", Answer::NotHere), ("blob-later", Answer::Later)]
    {
        assert_golden(name, &answer.encode());
        assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
    }
    let bytes = Answer::Piece { total: 300, bytes: vec![5; 3] }.encode();
    let mut reader = Reader(&bytes);
    assert_eq!((reader.number(), reader.number(), reader.number()), (0, 300, 3));
    assert_eq!(reader.take(3), [5; 3]);
}
