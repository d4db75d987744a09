//! A file is fetched from several peers, some of which have nothing, lie, or go away.

use super::*;
use crate::blob::{ContentCipher, ContentKey, PART};
use proptest::prelude::*;

const HOME: WorkspaceId = WorkspaceId([1; 32]);

fn device(n: u8) -> DeviceId {
    DeviceId([n; 32])
}

/// A file of so many parts: its manifest's name, and its blobs with the manifest.
fn file(parts: u8) -> (BlobId, BTreeMap<BlobId, Vec<u8>>) {
    let size = u64::from(parts) * PART as u64;
    let cipher = ContentCipher::new(&ContentKey::from_bytes([parts; 32]), size);
    let sealed = (0..parts).map(|n| cipher.seal(u32::from(n), &vec![n; PART]).unwrap());
    let named: Vec<(BlobId, Vec<u8>)> = sealed.map(|blob| (BlobId::of(&blob), blob)).collect();
    let manifest = Manifest::new(size, named.iter().map(|(id, _)| *id).collect()).unwrap().encode();
    let id = BlobId::of(&manifest);
    (id, named.into_iter().chain([(id, manifest)]).collect())
}

/// What a device keeps of one file, and its fetching.
struct Fetcher {
    fetches: Fetches,
    manifest: BlobId,
    here: BTreeMap<BlobId, Vec<u8>>,
    now_ms: u64,
    lies: usize,
}

impl Fetcher {
    fn new(manifest: BlobId) -> Self {
        let mut fetcher =
            Self { fetches: Fetches::default(), manifest, here: BTreeMap::new(), now_ms: 0, lies: 0 };
        fetcher.want();
        fetcher
    }

    fn meet(&mut self, n: u8) {
        self.fetches.meet(device(n), [HOME].into());
    }

    fn want(&mut self) {
        let manifest = self.here.get(&self.manifest).map(|blob| Manifest::decode(blob).unwrap());
        let known = manifest.map(|manifest| {
            let missing = manifest.blobs().iter().filter(|blob| !self.here.contains_key(*blob)).copied();
            Known { missing: missing.collect(), manifest }
        });
        assert!(self.fetches.want(self.now_ms, (HOME, self.manifest), Urgency::Viewed, known));
    }

    fn take(&mut self, peer: DeviceId, ask: &Ask, answer: Answer) {
        match self.fetches.answered(self.now_ms, peer, ask, answer) {
            Outcome::Keep { workspace, blob, bytes, is_manifest } => {
                assert_eq!((workspace, BlobId::of(&bytes)), (HOME, blob));
                assert!(self.here.insert(blob, bytes).is_none(), "fetched twice");
                self.fetches.stored(workspace, blob);
                if is_manifest {
                    self.want();
                }
            }
            Outcome::Lied { .. } => self.lies += 1,
            Outcome::Nothing => {}
        }
    }
}

#[test]
fn several_peers_share_the_work_and_nothing_is_fetched_twice() {
    let (manifest, blobs) = file(12);
    let mut fetcher = Fetcher::new(manifest);
    (1..=3).for_each(|n| fetcher.meet(n));
    let mut asked = BTreeMap::<DeviceId, usize>::new();
    while !fetcher.fetches.is_idle() {
        let mut under_way = Vec::new();
        while let Some((peer, ask)) = fetcher.fetches.next(fetcher.now_ms) {
            under_way.push((peer, ask));
        }
        assert!(!under_way.is_empty() && under_way.len() <= 3, "one piece for each peer");
        for (peer, ask) in under_way {
            *asked.entry(peer).or_default() += 1;
            fetcher.now_ms += 1;
            fetcher.take(peer, &ask, Answer::of(&ask, &blobs[&ask.blob]));
        }
    }
    assert_eq!(fetcher.here, blobs);
    assert_eq!(asked.len(), 3, "{asked:?}");
}

#[test]
fn a_peer_whose_blob_is_wrong_is_not_asked_for_it_again() {
    let (manifest, blobs) = file(3);
    let mut fetcher = Fetcher::new(manifest);
    fetcher.meet(1);
    let mut asks = 0;
    while let Some((peer, ask)) = fetcher.fetches.next(fetcher.now_ms) {
        asks += 1;
        assert!(asks < 1000, "it is asked for ever");
        let wrong = vec![0; blobs[&ask.blob].len()];
        fetcher.take(peer, &ask, Answer::of(&ask, &wrong));
    }
    assert_eq!(fetcher.lies, 1, "the manifest");
    fetcher.meet(2);
    while let Some((peer, ask)) = fetcher.fetches.next(fetcher.now_ms) {
        fetcher.take(peer, &ask, Answer::of(&ask, &blobs[&ask.blob]));
        fetcher.now_ms += 1;
    }
    assert_eq!(fetcher.here, blobs, "another peer has it");
}

#[test]
fn what_cannot_be_a_piece_is_refused() {
    let (manifest, _) = file(1);
    let piece = |total, len: usize| Answer::Piece { total, bytes: vec![0; len] };
    let over = limits::BLOB as u32 + 1;
    for answer in [piece(over, 10), piece(5, 10), piece(100, 0), piece(limits::BLOB as u32, 2000)] {
        let mut fetcher = Fetcher::new(manifest);
        fetcher.meet(1);
        let (peer, ask) = fetcher.fetches.next(0).unwrap();
        fetcher.take(peer, &ask, answer.clone());
        assert_eq!(fetcher.lies, 1, "{answer:?}");
    }
}

#[test]
fn somebody_who_looks_goes_before_what_is_fetched_in_advance() {
    let mut fetches = Fetches::default();
    fetches.meet(device(1), [HOME].into());
    for n in 0..limits::FETCHES {
        assert!(fetches.want(0, (HOME, BlobId::of(&[n as u8])), Urgency::Background, None));
    }
    let late = BlobId::of(b"late");
    assert!(!fetches.want(0, (HOME, late), Urgency::Background, None), "there is no room");
    assert!(fetches.want(0, (HOME, late), Urgency::Viewed, None));
    assert_eq!(fetches.next(0).unwrap().1.blob, late);
}

/// The peers of whom something is asked now, and what.
fn asked(fetcher: &mut Fetcher) -> Vec<(DeviceId, Ask)> {
    std::iter::from_fn(|| fetcher.fetches.next(fetcher.now_ms)).collect()
}

/// Two peers have the file. One is asked first and does as it likes; the other one is honest.
fn comes_from_the_other(mut first: impl FnMut(&mut Fetcher, &Ask)) {
    let (manifest, blobs) = file(4);
    let mut fetcher = Fetcher::new(manifest);
    fetcher.meet(1);
    let (peer, ask) = asked(&mut fetcher)[0];
    assert_eq!(peer, device(1));
    first(&mut fetcher, &ask);
    fetcher.meet(2);
    for _ in 0..200 {
        fetcher.now_ms += 1_000;
        while let Some((peer, ask)) = fetcher.fetches.next(fetcher.now_ms) {
            if peer == device(1) {
                first(&mut fetcher, &ask);
            } else {
                fetcher.take(peer, &ask, Answer::of(&ask, &blobs[&ask.blob]));
            }
        }
    }
    assert!(fetcher.here == blobs, "{} of {} blobs are here", fetcher.here.len(), blobs.len());
}

#[test]
fn a_peer_that_never_has_time_keeps_nothing_from_the_others() {
    comes_from_the_other(|fetcher, ask| fetcher.take(device(1), ask, Answer::Later));
}

#[test]
fn a_peer_whose_questions_fail_keeps_nothing_from_the_others() {
    comes_from_the_other(|fetcher, ask| fetcher.fetches.failed(fetcher.now_ms, device(1), ask));
}

#[test]
fn what_was_asked_before_a_peer_went_away_fails_without_harm() {
    let (manifest, blobs) = file(1);
    let mut fetcher = Fetcher::new(manifest);
    fetcher.meet(1);
    let (peer, first) = asked(&mut fetcher)[0];
    let piece = Answer::of(&first, &blobs[&first.blob]);
    fetcher.take(peer, &first, piece);
    let (_, before) = asked(&mut fetcher)[0];
    fetcher.fetches.meet(peer, BTreeSet::new());
    fetcher.meet(1);
    let (_, now) = asked(&mut fetcher)[0];
    assert_ne!(before, now);
    fetcher.fetches.failed(fetcher.now_ms, peer, &before);
    fetcher.take(peer, &now, Answer::of(&now, &blobs[&now.blob]));
    assert_eq!(asked(&mut fetcher).len(), 1, "it is asked for more at once");
}

#[test]
fn a_peer_that_is_silent_keeps_nothing_from_the_others() {
    comes_from_the_other(|_, _| {});
}

#[test]
fn a_peer_that_stops_half_way_keeps_nothing_from_the_others() {
    let mut given = 0;
    let (_, blobs) = file(4);
    comes_from_the_other(|fetcher, ask| {
        given += 1;
        let answer = if given <= 2 { Answer::of(ask, &blobs[&ask.blob]) } else { Answer::Later };
        fetcher.take(device(1), ask, answer);
    });
}

#[test]
fn what_nobody_has_gives_way() {
    let mut fetches = Fetches::default();
    fetches.meet(device(1), [HOME].into());
    fetches.meet(device(2), [HOME].into());
    for n in 0..limits::FETCHES {
        assert!(fetches.want(0, (HOME, BlobId::of(&[n as u8])), Urgency::Viewed, None));
    }
    let late = BlobId::of(b"late");
    assert!(!fetches.want(0, (HOME, late), Urgency::Small, None), "all are asked for yet");
    for _ in 0..limits::FETCHES {
        let (first, ask) = fetches.next(0).unwrap();
        fetches.answered(0, first, &ask, Answer::NotHere);
    }
    assert!(!fetches.want(0, (HOME, late), Urgency::Small, None), "one of them may have it");
    while let Some((peer, ask)) = fetches.next(0) {
        fetches.answered(0, peer, &ask, Answer::NotHere);
    }
    assert!(fetches.want(0, (HOME, late), Urgency::Small, None));
    assert_eq!(fetches.next(0).unwrap().1.blob, late);
}

#[test]
fn what_somebody_looks_at_now_takes_the_place_of_what_was_looked_at_first() {
    let mut fetches = Fetches::default();
    let name = |n: usize| (HOME, BlobId::of(&[n as u8]));
    for n in 0..=limits::FETCHES {
        assert!(fetches.want(0, name(n), Urgency::Viewed, None), "{n}");
    }
    assert!(!fetches.is_wanted(name(0)));
    assert!((1..=limits::FETCHES).all(|n| fetches.is_wanted(name(n))));
}

/// What was asked and not answered, after everything was asked that can be; nothing more comes before it
/// is due.
fn ask_all(fetcher: &mut Fetcher, open: &mut Vec<(DeviceId, Ask)>) {
    open.extend(asked(fetcher));
    let peers: BTreeSet<DeviceId> = open.iter().map(|(peer, _)| *peer).collect();
    assert_eq!(peers.len(), open.len(), "one question for each peer");
    let due = fetcher.fetches.next_due(fetcher.now_ms);
    assert!(due.is_none_or(|due| due > fetcher.now_ms));
    let before = due.map_or(u64::MAX / 2, |due| due - 1);
    assert_eq!(fetcher.fetches.next(before), None, "before {due:?}");
}

proptest! {
    /// Whatever peers do, a whole file comes about once an honest one stays; nothing wrong is kept, and
    /// nothing twice.
    #[test]
    fn the_file_comes_whole(script in proptest::collection::vec((1u8..4, 0u8..7, 0u64..3_000), 0..200)) {
        let (manifest, blobs) = file(4);
        let mut fetcher = Fetcher::new(manifest);
        let mut open: Vec<(DeviceId, Ask)> = Vec::new();
        for (n, what, pause_ms) in script {
            fetcher.now_ms += pause_ms;
            if what == 0 {
                fetcher.fetches.meet(device(n), BTreeSet::new());
                open.retain(|(peer, _)| *peer != device(n));
                continue;
            }
            fetcher.meet(n);
            ask_all(&mut fetcher, &mut open);
            let Some(at) = open.iter().position(|(peer, _)| *peer == device(n)) else { continue };
            let (peer, ask) = open.swap_remove(at);
            let mut answer = Answer::of(&ask, &blobs[&ask.blob]);
            match what {
                1 => fetcher.fetches.failed(fetcher.now_ms, peer, &ask),
                2 => fetcher.take(peer, &ask, Answer::NotHere),
                3 => fetcher.take(peer, &ask, Answer::Later),
                4 => {
                    if let Answer::Piece { bytes, .. } = &mut answer {
                        bytes[0] ^= 1;
                    }
                    fetcher.take(peer, &ask, answer);
                }
                5 => open.push((peer, ask)),
                _ => fetcher.take(peer, &ask, answer),
            }
        }
        // The others say nothing more.
        fetcher.meet(9);
        for _ in 0..200 {
            ask_all(&mut fetcher, &mut open);
            match open.iter().position(|(peer, _)| *peer == device(9)) {
                Some(at) => {
                    let (peer, ask) = open.swap_remove(at);
                    fetcher.take(peer, &ask, Answer::of(&ask, &blobs[&ask.blob]));
                }
                None => match fetcher.fetches.next_due(fetcher.now_ms) {
                    Some(due) => fetcher.now_ms = due,
                    None => break,
                },
            }
        }
        prop_assert!(fetcher.fetches.is_idle());
        prop_assert_eq!(fetcher.here, blobs);
    }
}

#[test]
fn what_is_on_its_way_is_counted_until_it_is_kept() {
    let (manifest, blobs) = file(2);
    let mut fetcher = Fetcher::new(manifest);
    fetcher.meet(1);
    let (mut last, mut seen) = (0, 0);
    while let Some((peer, ask)) = fetcher.fetches.next(fetcher.now_ms) {
        fetcher.now_ms += 100;
        let before = fetcher.here.len();
        fetcher.take(peer, &ask, Answer::of(&ask, &blobs[&ask.blob]));
        let coming = fetcher.fetches.coming().get(&(HOME, manifest)).copied().unwrap_or(0);
        if fetcher.here.len() > before || ask.blob == manifest {
            assert_eq!(coming, 0, "a whole part is no longer on its way, a manifest is none");
        } else {
            assert!(coming > last, "{coming} after {last}");
            seen += 1;
        }
        last = coming;
    }
    assert!(seen > 0 && fetcher.here.len() == 3);
}

#[test]
fn a_relay_asks_those_who_offer_and_only_as_long_as_they_are_there() {
    let (manifest, blobs) = file(3);
    let key = (HOME, manifest);
    let mut fetcher = Fetcher { manifest, ..Fetcher::new(BlobId::of(b"other")) };
    fetcher.fetches.unwant((HOME, BlobId::of(b"other")));
    (1..=3).for_each(|n| fetcher.meet(n));
    assert_eq!(fetcher.fetches.next(0), None, "nothing was offered");
    assert!(fetcher.fetches.take_offer(device(2), key, None));
    let asked = |fetcher: &mut Fetcher| {
        let mut under_way = Vec::new();
        while let Some(turn) = fetcher.fetches.next(fetcher.now_ms) {
            under_way.push(turn);
        }
        under_way
    };
    let turns = asked(&mut fetcher);
    assert_eq!(turns.iter().map(|(peer, _)| *peer).collect::<Vec<_>>(), [device(2)]);
    // It goes, and with it what nobody else offers.
    fetcher.fetches.meet(device(2), BTreeSet::new());
    assert!(fetcher.fetches.is_idle());
    assert!(
        fetcher.fetches.take_offer(device(1), key, None) && fetcher.fetches.take_offer(device(3), key, None)
    );
    let mut from = BTreeSet::new();
    while !fetcher.fetches.is_idle() {
        for (peer, ask) in asked(&mut fetcher) {
            from.insert(peer);
            fetcher.now_ms += 1;
            let answer = Answer::of(&ask, &blobs[&ask.blob]);
            let outcome = fetcher.fetches.answered(fetcher.now_ms, peer, &ask, answer);
            let Outcome::Keep { blob, bytes, is_manifest, .. } = outcome else { continue };
            assert!(fetcher.here.insert(blob, bytes).is_none(), "fetched twice");
            fetcher.fetches.stored(HOME, blob);
            if is_manifest {
                let named = Manifest::decode(&fetcher.here[&blob]).unwrap();
                let missing = named.blobs().iter().copied().collect();
                assert!(fetcher.fetches.learn(key, Some(Known { manifest: named, missing })));
            }
        }
    }
    assert_eq!(fetcher.here, blobs);
    assert_eq!(from, [device(1), device(3)].into());
}

#[test]
fn what_is_offered_keeps_its_bounds_and_who_lied_is_not_believed_again() {
    let mut fetches = Fetches::default();
    let named = |from: u8, n: usize| (HOME, BlobId::of(&[&[from], &n.to_le_bytes()[..]].concat()));
    let mut taken = 0;
    for from in 0..64 {
        fetches.meet(device(from), [HOME].into());
        let of_one = (0..100).filter(|n| fetches.take_offer(device(from), named(from, *n), None)).count();
        assert!(of_one <= limits::OFFERS_TAKEN_FROM);
        taken += of_one;
    }
    assert_eq!(taken, limits::OFFERS_TAKEN);
    assert!(fetches.want(0, named(99, 0), Urgency::Viewed, None), "that keeps nobody from looking");
    // What is taken already may be offered by others as well; one who has not got it is not asked again.
    let key = named(0, 0);
    fetches.meet(device(99), [HOME].into());
    assert!(fetches.take_offer(device(99), key, None));
    fetches.unwant(named(99, 0));
    fetches.meet(device(0), BTreeSet::new());
    assert!(
        fetches.is_offered(key) && !fetches.is_offered(named(0, 1)),
        "it has gone with what it offered alone"
    );
    let (peer, ask) = std::iter::from_fn(|| fetches.next(0)).find(|(peer, _)| *peer == device(99)).unwrap();
    fetches.answered(1, peer, &ask, Answer::NotHere);
    assert!(!fetches.is_offered(key));
    // Who sends something else is not asked for that attachment again.
    let mut fetches = Fetches::default();
    fetches.meet(device(1), [HOME].into());
    assert!(fetches.take_offer(device(1), key, None));
    let (peer, ask) = fetches.next(0).unwrap();
    let lied = fetches.answered(1, peer, &ask, Answer::of(&ask, b"something else"));
    assert_eq!(lied, Outcome::Lied { blob: key.1 });
    assert!(fetches.is_idle() && !fetches.take_offer(device(1), key, None));
    // The lists of what is missing are bounded together.
    let large = Manifest::new(
        limits::ATTACHMENT_BYTES,
        vec![BlobId([1; 32]); Manifest::parts(limits::ATTACHMENT_BYTES) as usize],
    )
    .unwrap();
    let missing: BTreeSet<BlobId> = (0..large.blobs().len()).map(|n| BlobId::of(&n.to_le_bytes())).collect();
    let known = Known { manifest: large, missing };
    let taken = (2..34).map(|from| {
        fetches.meet(device(from), [HOME].into());
        (0..4).filter(|n| fetches.take_offer(device(from), named(from, *n), Some(known.clone()))).count()
    });
    assert_eq!(taken.sum::<usize>(), limits::OFFERED_PARTS / known.missing.len());
}
