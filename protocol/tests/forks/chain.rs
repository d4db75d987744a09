//! Entries that depend on each other in one long chain, in the worst order there is.

use crate::{Copy, linked};
use std::time::{Duration, Instant};
use velo_protocol::{
    id::EntryId,
    log::{EntryKind, Run},
};

/// Entries that two devices write in turns, each naming the other's last one.
fn in_turns(entries: usize) -> [Vec<Run>; 2] {
    let mut authors = [linked(1), linked(2)].map(|(author, run)| (author, vec![run]));
    let mut writers = [0, 1].map(|n: usize| Some(authors[n].0.writer()));
    let mut last: Option<EntryId> = None;
    for turn in 0..entries {
        let ((author, runs), writer) = (&mut authors[turn % 2], &mut writers[turn % 2]);
        let mut run = writer.take().unwrap_or_else(|| author.writer());
        last = Some(author.push(&mut run, EntryKind::ACK, last.into_iter().collect(), &[]));
        if run.is_full() {
            runs.push(author.seal(run));
        } else {
            *writer = Some(run);
        }
    }
    for ((author, runs), writer) in authors.iter_mut().zip(writers) {
        runs.extend(writer.map(|run: velo_protocol::log::RunWriter| author.seal(run)));
    }
    authors.map(|(_, runs)| runs)
}

/// Takes the whole log of the one first: nothing of it can be applied before the other's comes.
fn take(entries: usize) -> Duration {
    let [first, second] = in_turns(entries);
    let (mut copy, start) = (Copy::new(), Instant::now());
    for run in second.into_iter().chain(first) {
        copy.receive(run).unwrap();
    }
    let applied: u64 = copy.logs.chains().map(|(_, chain)| chain.applied).sum();
    assert_eq!(applied, entries as u64 + 2, "with what introduces the two");
    start.elapsed()
}

#[test]
fn a_chain_of_a_million_dependencies_overflows_nothing() {
    let times = [250_000, 1_000_000].map(take);
    println!("250,000 entries: {:?}; 1,000,000: {:?}", times[0], times[1]);
}
