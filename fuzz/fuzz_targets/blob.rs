//! What peers and files say about attachments: questions, answers, and the list of a file's parts. Reading
//! it never panics, what is read keeps its bounds, and a fetch in which a peer answers anything neither
//! panics nor keeps a blob under a name that is not its own. The first byte says which.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::collections::BTreeSet;
use velo_protocol::{
    blob::{Answer, Ask, Fetches, Known, Manifest, Outcome, Question, Urgency},
    id::{BlobId, DeviceId, WorkspaceId},
    limits,
};

const WORKSPACE: WorkspaceId = WorkspaceId([1; 32]);
const PEER: DeviceId = DeviceId([2; 32]);

fuzz_target!(|input: &[u8]| {
    let Some((which, bytes)) = input.split_first() else { return };
    match which % 4 {
        0 => question(bytes),
        1 => answer(bytes),
        2 => manifest(bytes),
        _ => fetch(bytes),
    }
});

fn question(bytes: &[u8]) {
    let Ok(question) = Question::decode(bytes) else { return };
    assert!(question.encode().len() <= limits::BLOB_QUESTION);
    assert_eq!(Question::decode(&question.encode()).as_ref(), Ok(&question));
    let ask = match question {
        Question::Piece(ask) => ask,
        Question::Offer(offer) => return assert!(offer.attachments.len() <= limits::OFFER),
    };
    assert!(ask.len <= limits::PIECE_MOST);
    let answer = Answer::of(&ask, bytes).encode();
    assert!(answer.len() <= limits::BLOB_ANSWER);
    assert!(Answer::decode(&answer).is_ok());
}

fn answer(bytes: &[u8]) {
    if let Ok(answer) = Answer::decode(bytes) {
        assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
    }
}

fn manifest(bytes: &[u8]) {
    let Ok(manifest) = Manifest::decode(bytes) else { return };
    assert_eq!(manifest.encode(), bytes);
    assert_eq!(manifest.blobs().len() as u64, Manifest::parts(manifest.size()));
}

/// A part of three bytes and its list are fetched from a peer, who may have it or offered it, by the first byte.
/// Each further byte of the input is an answer: the truth, something like it, or none.
fn fetch(bytes: &[u8]) {
    let Some((first, bytes)) = bytes.split_first() else { return };
    let is_offered = first % 2 == 1;
    let part = [7; 3];
    let manifest = Manifest::new(3, vec![BlobId::of(&part)]).expect("one part");
    let list = manifest.encode();
    let key = (WORKSPACE, BlobId::of(&list));
    let mut fetches = Fetches::default();
    fetches.meet(PEER, BTreeSet::from([WORKSPACE]));
    let want = |fetches: &mut Fetches, known| match is_offered {
        true => fetches.take_offer(PEER, key, known),
        false => fetches.want(0, key, Urgency::Viewed, known),
    };
    want(&mut fetches, None);
    for (turn, byte) in (0_u64..).zip(bytes) {
        let now_ms = turn * 20_000;
        let Some((peer, ask)) = fetches.next(now_ms) else { continue };
        let blob = if ask.blob == key.1 { &list[..] } else { &part[..] };
        let Some(answer) = answer_by(*byte, &ask, blob) else {
            fetches.failed(now_ms, peer, &ask);
            continue;
        };
        if let Outcome::Keep { workspace, blob, bytes, is_manifest } =
            fetches.answered(now_ms, peer, &ask, answer)
        {
            assert_eq!(BlobId::of(&bytes), blob);
            if is_manifest {
                let missing = manifest.blobs().iter().copied().collect();
                want(&mut fetches, Some(Known { manifest: manifest.clone(), missing }));
            }
            fetches.stored(workspace, blob);
        }
    }
}

fn answer_by(byte: u8, ask: &Ask, blob: &[u8]) -> Option<Answer> {
    let total = blob.len() as u32;
    let count = usize::from(byte >> 3);
    Some(match byte % 8 {
        0 | 1 => Answer::of(ask, blob),
        2 => Answer::of(&Ask { len: ask.len.min(count as u32), ..*ask }, blob),
        3 => Answer::Piece { total, bytes: vec![byte; count] },
        4 => Answer::Piece { total: u32::from(byte) << 24, bytes: vec![byte; count] },
        5 => Answer::NotHere,
        6 => Answer::Later,
        _ => return None,
    })
}
