#![allow(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]
#![allow(missing_docs, reason = "criterion's macros make public items")]
//! What long texts cost: a million edits of one character each, as nobody types them who is sane, and
//! one more edit of a description that was edited a thousand times.

use criterion::{BatchSize, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;
use velo_protocol::{
    codec,
    id::{DeviceId, EntityId, EntryId, Incarnation, OpId, PersonId, WorkspaceId},
    log::{EntryKind, Header, Origin},
    log_set::{Body, Turn},
    model::{EntityKey, Kind, task},
    op::{DataBody, Group, Op},
    snapshot::PageNo,
    store::{ChainNo, EntryAt},
    text::{Anchor, ElementId, Side, Splice},
    time::Hlc,
    workspace::Workspace,
};

const WORKSPACE: WorkspaceId = WorkspaceId([1; 32]);
const KEY: EntityKey = EntityKey::new(Kind::Task, EntityId([2; 16]));

/// The id of a numbered entry, as scattered as a hash.
fn entry_id(number: u64) -> EntryId {
    EntryId(*blake3::hash(&number.to_le_bytes()).as_bytes())
}

/// A letter typed behind the one before; every tenth takes that away again first.
fn typed(number: u64) -> Op {
    let op = |number| OpId { entry: entry_id(number).prefix(), index: 0 };
    let before = number.checked_sub(1).map(|before| ElementId { op: op(before), offset: 0 });
    let anchor = Anchor { element: before, side: Side::Right };
    let insert = Splice::Insert { anchor, text: "x".into() };
    let erase = before.filter(|_| number.is_multiple_of(10)).map(|from| Splice::Erase { from, count: 1 });
    let splices = erase.into_iter().chain([insert]).collect();
    let replaces = number.checked_sub(1).map(op).into_iter().collect();
    Op::Edit { field: task::DESCRIPTION, splices, replaces }
}

fn bodies(count: u64) -> Vec<Vec<u8>> {
    let body = |number| DataBody::new(vec![Group { key: KEY, ops: vec![typed(number)] }]);
    (0..count).map(|number| codec::encode(&body(number))).collect()
}

fn apply(workspace: &mut Workspace, number: u64, body: &[u8]) {
    let origin = Origin {
        person: PersonId([3; 32]),
        device: DeviceId([4; 32]),
        incarnation: Incarnation([5; 8]),
        founder: true,
    };
    let header = Header::new(EntryKind::DATA, Hlc(number), Vec::new());
    let at = EntryAt { chain: ChainNo(0), position: number + 1 };
    let turn = Turn { at, id: entry_id(number), origin: &origin, header: &header, body: Body::Plain(body) };
    workspace.apply(&turn, None);
}

fn applied(bodies: &[Vec<u8>]) -> Workspace {
    let mut workspace = Workspace::new(WORKSPACE);
    for (number, body) in (0..).zip(bodies) {
        apply(&mut workspace, number, body);
    }
    workspace
}

fn length(workspace: &Workspace) -> usize {
    workspace.text(KEY, task::DESCRIPTION).len()
}

fn long_texts(c: &mut Criterion) {
    let mut group = c.benchmark_group("long text");
    group.sample_size(10);
    for count in [10_000, 100_000, 1_000_000] {
        let bodies = bodies(count);
        group.throughput(Throughput::Elements(count));
        let id = |name| BenchmarkId::new(name, count);
        group.bench_function(id("apply single-character edits"), |b| {
            b.iter(|| black_box(length(&applied(&bodies))));
        });
        let pages = applied(&bodies).take_pages();
        let copy = || -> Vec<(PageNo, Vec<u8>)> { pages.pages.clone() };
        group.bench_function(id("load single-character edits"), |b| {
            // What is loaded is given back, so that dropping it does not count.
            let load = |read| {
                let loaded = Workspace::from_pages(WORKSPACE, &pages.meta, read).unwrap();
                (length(&loaded), loaded)
            };
            b.iter_batched(copy, load, BatchSize::LargeInput);
        });
    }
    let (count, all) = (1_000, bodies(1_001));
    let (last, before) = all.split_last().unwrap();
    let workspace = applied(before);
    length(&workspace);
    group.throughput(Throughput::Elements(1));
    group.bench_function("one more edit after 1000, and what it says", |b| {
        let edit = |mut next: Workspace| {
            apply(&mut next, count, last);
            length(&next)
        };
        b.iter_batched(|| workspace.clone(), edit, BatchSize::SmallInput);
    });
    group.finish();
}

criterion_group!(benches, long_texts);
criterion_main!(benches);
