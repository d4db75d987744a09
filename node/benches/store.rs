#![allow(clippy::unwrap_used, reason = "a benchmark may fail by panicking")]
#![allow(missing_docs, reason = "criterion's macros make public items")]
//! What a durable edit costs: against the bare append and `fdatasync` of as many bytes.

use criterion::{Criterion, criterion_group, criterion_main};
use std::{fs::OpenOptions, io::Write};
use velo_node::store::log_files::FileLog;
use velo_protocol::store::{
    ChainNo, LogReader, LogStore,
    conformance::{Author, WORKSPACE, batch},
};

/// Bytes of a typical edit's body.
const BODY: usize = 80;

fn durable_edit(c: &mut Criterion) {
    let mut group = c.benchmark_group("durable edit");
    group.sample_size(30);
    let dir = tempfile::tempdir().unwrap();

    let mut author = Author::new(1);
    let (mut log, _) = FileLog::open(&dir.path().join("log"), WORKSPACE, None).unwrap();
    group.bench_function("append to the log", |b| {
        b.iter(|| log.append(&batch([author.write_locally(ChainNo(0), BODY)])).unwrap());
    });

    // As many bytes as a record of the log has.
    let bytes = vec![7; author.write(ChainNo(0), 1, BODY).run.bytes.len() + 80];
    let mut file = OpenOptions::new().create(true).append(true).open(dir.path().join("bare")).unwrap();
    group.bench_function("bare append and fdatasync", |b| {
        b.iter(|| {
            file.write_all(&bytes).unwrap();
            file.sync_data().unwrap();
        });
    });

    let mut author = Author::new(2);
    group.bench_function("writing and sealing the entry alone", |b| {
        b.iter(|| author.write_locally(ChainNo(0), BODY));
    });
    group.finish();
}

fn serve(c: &mut Criterion) {
    let dir = tempfile::tempdir().unwrap();
    let (mut log, _) = FileLog::open(dir.path(), WORKSPACE, None).unwrap();
    let mut author = Author::new(1);
    for _ in 0..20 {
        log.append(&batch((0..200).map(|_| author.write(ChainNo(0), 1, BODY)))).unwrap();
    }
    let reader = log.reader();
    c.bench_function("read a run of 24 KiB of live edits", |b| {
        b.iter(|| reader.read_run(ChainNo(0), 0).unwrap());
    });
}

criterion_group!(benches, durable_edit, serve);
criterion_main!(benches);
