#![allow(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]
#![allow(missing_docs, reason = "criterion's macros make public items")]
//! What the parts of the hot path cost on the workload that every figure is measured on: per
//! operation where a whole trace is worked through.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::{collections::BTreeMap, hint::black_box};
use velo_protocol::{
    codec,
    crypto::PublicKey,
    log::{self, ChainEnd, Entry},
    log_set::Turn,
    op::{self, DataBody},
    store::{BatchRun, ChainNo, EntryAt},
    workload::{self, Trace},
    workspace::Workspace,
};

const OPERATIONS: u64 = 50_000;

fn trace() -> (Trace, Vec<BatchRun>) {
    let mut runs = Vec::new();
    let trace = workload::generate(1, OPERATIONS, &mut |batch| {
        runs.extend(batch.runs);
        Ok(())
    });
    (trace.unwrap(), runs)
}

fn entries(run: &BatchRun) -> Vec<Entry> {
    log::parse_entries(run.run.after, &run.run.bytes).unwrap()
}

/// The runs are in the order in which they were written, so their entries are in causal order.
fn applied(trace: &Trace, runs: &[(BatchRun, Vec<Entry>)]) -> Workspace {
    let mut state = Workspace::new(trace.record.id);
    for (run, entries) in runs {
        for entry in entries {
            let at = EntryAt { chain: run.chain, position: entry.position };
            let Entry { id, header, .. } = entry;
            let body = entry.body(&run.run.bytes);
            state.apply(&Turn { at, id: *id, origin: &run.origin, header, body }, None);
        }
    }
    state
}

fn bodies(runs: &[(BatchRun, Vec<Entry>)]) -> Vec<Vec<u8>> {
    let entries = runs.iter().flat_map(|(run, entries)| entries.iter().map(move |entry| (run, entry)));
    let data = entries.filter(|(_, entry)| op::has_data_body(entry.header.kind));
    data.map(|(run, entry)| entry.body(&run.run.bytes).to_vec()).collect()
}

fn verify(trace: &Trace, runs: &[BatchRun]) {
    let mut ends: BTreeMap<ChainNo, ChainEnd> = BTreeMap::new();
    for run in runs {
        let key = PublicKey::parse(&run.origin.device.0).unwrap();
        let end = ends.entry(run.chain).or_insert_with(|| ChainEnd::start(run.run.log));
        *end = log::verify_run(trace.record.id, &key, *end, run.run.clone()).unwrap().end();
    }
}

fn parts(c: &mut Criterion) {
    let (trace, runs) = trace();
    let parsed: Vec<_> = runs.iter().map(|run| (run.clone(), entries(run))).collect();
    let bodies = bodies(&parsed);
    let decoded: Vec<_> = bodies.iter().map(|body| DataBody::read(body).unwrap()).collect();
    let mut state = applied(&trace, &parsed);
    assert_eq!(state.state_hash(), trace.state.state_hash());
    let pages = state.take_pages();

    let mut group = c.benchmark_group("per operation");
    group.sample_size(10).throughput(Throughput::Elements(trace.operations));
    group.bench_function("verify runs", |b| b.iter(|| verify(&trace, &runs)));
    group.bench_function("decode bodies", |b| {
        b.iter(|| bodies.iter().for_each(|body| _ = black_box(DataBody::read(body))));
    });
    group.bench_function("encode bodies", |b| {
        b.iter(|| decoded.iter().for_each(|body| _ = black_box(codec::encode(body))));
    });
    group.bench_function("apply", |b| b.iter_with_large_drop(|| applied(&trace, &parsed)));
    group.bench_function("open pages", |b| {
        b.iter_batched(
            || pages.pages.clone(),
            |list| Workspace::from_pages(trace.record.id, &pages.meta, list).unwrap(),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

criterion_group!(benches, parts);
criterion_main!(benches);
