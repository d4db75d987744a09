#![allow(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]
#![allow(missing_docs, reason = "criterion's macros make public items")]
//! What the parts of the hot path cost on the workload that every figure is measured on: per
//! operation where a whole trace is worked through.

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use std::{collections::BTreeMap, hint::black_box};
use velo_protocol::{
    codec,
    crypto::PublicKey,
    id::EntryId,
    keys::ciphers::Ciphers,
    log::{self, ChainEnd, Entry},
    log_set::{Body, LogSet, Received, Turn},
    members::Members,
    op::{self, DataBody},
    store::{BatchRun, ChainInfo, ChainNo, EntryAt, LogReader, StoreError},
    workload::{self, Trace},
    workspace::Workspace,
};

/// Nothing is read back: what was received is at hand.
struct NoLog;

impl LogReader for NoLog {
    fn chains(&self) -> Vec<ChainInfo> {
        Vec::new()
    }

    fn read_run(&self, _: ChainNo, _: u64) -> Result<Option<log::Run>, StoreError> {
        Ok(None)
    }

    fn entry_id(&self, _: ChainNo, _: u64) -> Result<Option<EntryId>, StoreError> {
        Ok(None)
    }
}

const OPERATIONS: u64 = 50_000;

fn trace() -> (Trace, Vec<BatchRun>) {
    let mut runs = Vec::new();
    let trace = workload::generate(1, OPERATIONS, &mut |batch| {
        runs.extend(batch.runs);
        Ok(())
    });
    (trace.unwrap(), runs)
}

/// An entry and what it says.
type Open = (Entry, Vec<u8>);

/// The entries of a run, decrypted.
fn entries(run: &BatchRun, ciphers: &Ciphers) -> Vec<Open> {
    let mut previous = run.run.after.id;
    let entries = log::parse_entries(run.run.after, &run.run.bytes).unwrap();
    let open = entries.into_iter().map(|entry| {
        let contents = ciphers.open(run.run.log, previous, &entry, &run.run.bytes);
        previous = entry.id;
        let body = contents.plain().unwrap().to_vec();
        (entry, body)
    });
    open.collect()
}

/// Everybody's verdict on everything.
fn judge(trace: &Trace, runs: &[BatchRun]) {
    let (mut logs, mut members) = (LogSet::new(trace.record.id), Members::new(trace.record.id));
    for run in runs {
        let taken = match logs.receive(run.run.clone(), &NoLog).unwrap() {
            Received::News(taken) => taken,
            Received::Known(_) => unreachable!("each run comes once"),
        };
        logs.persisted(taken.chain, taken.run.end().head.position);
        while let Some(ready) = logs.next_ready(&NoLog).unwrap() {
            let contents = ready.open(&Ciphers::default());
            let origin = logs.chain(ready.at.chain).unwrap().origin;
            members.note(&logs, &ready.turn(&origin, &contents));
        }
    }
}

/// The runs are in the order in which they were written, so their entries are in causal order.
fn applied(trace: &Trace, runs: &[(BatchRun, Vec<Open>)]) -> Workspace {
    let mut state = Workspace::new(trace.record.id);
    for (run, entries) in runs {
        for (entry, body) in entries {
            let at = EntryAt { chain: run.chain, position: entry.position };
            let Entry { id, header, .. } = entry;
            let body = Body::Plain(body);
            state.apply(&Turn { at, id: *id, origin: &run.origin, header, body }, None);
        }
    }
    state.set_roster(trace.state.roster().clone());
    state
}

fn bodies(runs: &[(BatchRun, Vec<Open>)]) -> Vec<Vec<u8>> {
    let entries = runs.iter().flat_map(|(_, entries)| entries);
    let data = entries.filter(|(entry, _)| op::has_data_body(entry.header.kind));
    data.map(|(_, body)| body.clone()).collect()
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
    let parsed: Vec<_> = runs.iter().map(|run| (run.clone(), entries(run, trace.state.ciphers()))).collect();
    let bodies = bodies(&parsed);
    let decoded: Vec<_> = bodies.iter().map(|body| DataBody::read(body).unwrap()).collect();
    let mut state = applied(&trace, &parsed);
    assert_eq!(state.state_hash(), trace.state.state_hash());
    let pages = state.take_pages();

    let mut group = c.benchmark_group("per operation");
    group.sample_size(10).throughput(Throughput::Elements(trace.operations));
    group.bench_function("verify runs", |b| b.iter(|| verify(&trace, &runs)));
    group.bench_function("verify runs and judge", |b| b.iter(|| judge(&trace, &runs)));
    group.bench_function("decrypt bodies", |b| {
        b.iter(|| runs.iter().for_each(|run| _ = black_box(entries(run, trace.state.ciphers()))));
    });
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
