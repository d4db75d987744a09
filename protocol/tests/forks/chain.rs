//! Entries that depend on each other in one long chain, in the worst order there is.

use crate::{Copy, linked};
use velo_protocol::{
    id::EntryId,
    log::{EntryKind, Run, RunWriter},
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
        runs.extend(writer.map(|run: RunWriter| author.seal(run)));
    }
    authors.map(|(_, runs)| runs)
}

/// The whole log of the one comes first: nothing of it can be applied before the other's comes.
#[test]
fn a_chain_of_a_million_dependencies_overflows_nothing() {
    const ENTRIES: usize = 1_000_000;
    let [first, second] = in_turns(ENTRIES);
    let mut copy = Copy::new();
    for run in second.into_iter().chain(first) {
        copy.receive(run).unwrap();
    }
    let applied: u64 = copy.logs.chains().map(|(_, chain)| chain.applied).sum();
    assert_eq!(applied, ENTRIES as u64 + 2, "with what introduces the two");
}
