#![allow(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]
#![allow(missing_docs, reason = "criterion's macros make public items")]
//! What encryption costs: bodies of usual lengths, each opened and sealed with a header of its own,
//! and epoch keys wrapped and unwrapped. Poly1305's backend is chosen when the program is built
//! (`docs/decisions/0019-poly1305.md`).

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;
use std::hint::black_box;
use velo_protocol::{
    codec,
    id::{EntryId, LogId, WorkspaceId},
    keys::{
        body::BodyCipher,
        secret::EpochKey,
        wrap::{ReceivingKey, wrap},
    },
    log::{EntryKind, HEADER_VERSION, Header},
    time::Hlc,
};

const LOG: LogId = LogId([2; 32]);
const PREVIOUS: EntryId = EntryId([3; 32]);

/// That of an edit which names nothing new, as most do.
fn header() -> Header {
    Header {
        version: HEADER_VERSION,
        kind: EntryKind::DATA,
        hlc: Hlc::from_ms(1_700_000_000_000),
        auth: None,
        deps: Vec::new(),
        epoch: None,
        salt: [0; 8],
        body_len: 0,
    }
}

fn bodies(c: &mut Criterion) {
    let cipher = BodyCipher::new(&EpochKey::from_bytes([1; 32]));
    let mut group = c.benchmark_group("body");
    for length in [60, 200, 2_000] {
        let (text, mut sealed) = (vec![7; length], header());
        let body = cipher.seal(LOG, PREVIOUS, &mut sealed, &text).unwrap();
        let bytes = codec::encode(&sealed);
        group.bench_function(BenchmarkId::new("open", length), |b| {
            b.iter(|| cipher.open(LOG, PREVIOUS, black_box(&bytes), black_box(&body)).unwrap());
        });
        group.bench_function(BenchmarkId::new("seal", length), |b| {
            b.iter(|| cipher.seal(LOG, PREVIOUS, &mut header(), black_box(&text)).unwrap());
        });
    }
    group.finish();
}

fn wraps(c: &mut Criterion) {
    let (key, to) = (EpochKey::from_bytes([1; 32]), ReceivingKey::from_seed(&[2; 32]));
    let (workspace, mut rng) = (WorkspaceId([3; 32]), ChaCha20Rng::from_seed([4; 32]));
    let wrapped = wrap(&key, workspace, to.public(), &mut rng).unwrap();
    let mut group = c.benchmark_group("epoch key");
    group.bench_function("wrap", |b| {
        b.iter(|| wrap(&key, workspace, black_box(to.public()), &mut rng).unwrap());
    });
    let commitment = key.commitment();
    group.bench_function("unwrap", |b| {
        b.iter(|| to.unwrap(workspace, commitment, black_box(&wrapped)).unwrap());
    });
    group.finish();
}

criterion_group!(benches, bodies, wraps);
criterion_main!(benches);
