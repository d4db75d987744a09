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
        assert!(self.fetches.want((HOME, self.manifest), Urgency::Viewed, known));
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
        assert!(fetches.want((HOME, BlobId::of(&[n as u8])), Urgency::Background, None));
    }
    let late = BlobId::of(b"late");
    assert!(!fetches.want((HOME, late), Urgency::Background, None), "there is no room");
    assert!(fetches.want((HOME, late), Urgency::Viewed, None));
    assert_eq!(fetches.next(0).unwrap().1.blob, late);
}

proptest! {
    /// Whatever peers do, a whole file comes about once an honest one stays; nothing wrong is kept.
    #[test]
    fn the_file_comes_whole(script in proptest::collection::vec((1u8..4, 0u8..6), 0..200)) {
        let (manifest, blobs) = file(4);
        let mut fetcher = Fetcher::new(manifest);
        for (n, what) in script {
            fetcher.now_ms += 300;
            if what == 0 {
                fetcher.fetches.meet(device(n), BTreeSet::new());
                continue;
            }
            fetcher.meet(n);
            let Some((peer, ask)) = fetcher.fetches.next(fetcher.now_ms) else { continue };
            let mut answer = Answer::of(&ask, &blobs[&ask.blob]);
            match what {
                1 => fetcher.fetches.failed(fetcher.now_ms, peer),
                2 => fetcher.take(peer, &ask, Answer::NotHere),
                3 => fetcher.take(peer, &ask, Answer::Later),
                4 => {
                    if let Answer::Piece { bytes, .. } = &mut answer {
                        bytes[0] ^= 1;
                    }
                    fetcher.take(peer, &ask, answer);
                }
                _ => fetcher.take(peer, &ask, answer),
            }
        }
        fetcher.meet(9);
        for _ in 0..200 {
            fetcher.now_ms += 1_000;
            while let Some((peer, ask)) = fetcher.fetches.next(fetcher.now_ms) {
                fetcher.take(peer, &ask, Answer::of(&ask, &blobs[&ask.blob]));
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
