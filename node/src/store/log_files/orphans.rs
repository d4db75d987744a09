//! Runs of which no record says any more whose they are.
//!
//! They wait until some chain holds the same entries. How long a chain is says nothing: it may be
//! another author's. So the bytes are compared, which name the time and what was done.

use super::Shared;
use crate::store::{
    record::{self, Record},
    scan::Waiting,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::FileExt,
};
use velo_protocol::store::{ChainInfo, ChainNo, chains::StoredRun};

/// Those of them that a chain holds.
pub(super) fn held(shared: &Shared, chains: &[ChainInfo], waiting: &[Waiting]) -> BTreeSet<record::Place> {
    // In one file a number stands for one chain, so the next run is most often in the same one.
    let mut followed: BTreeMap<(u32, u32), Stretch> = BTreeMap::new();
    let mut held = BTreeSet::new();
    for run in waiting.iter().filter(|run| run.of.is_none()) {
        let Some(stored) = read(shared, run) else { continue };
        let number = (run.place.file, run.local);
        let before = followed.remove(&number);
        if let Some(stretch) = find(shared, chains, &stored, before) {
            held.insert(run.place);
            followed.insert(number, stretch);
        }
    }
    held
}

/// Entries of a chain, from one position to its next checkpoint.
struct Stretch {
    chain: ChainNo,
    /// Position up to which they were followed.
    after: u64,
    bytes: Vec<u8>,
    /// Where in `bytes` the next one begins.
    at: usize,
}

impl Stretch {
    /// What cannot be read is not held: then it is told of.
    fn read(shared: &Shared, chain: ChainNo, after: u64) -> Option<Self> {
        let plan = shared.table().plan_run(chain, after)?;
        let run = plan.carry_out(&shared.files).ok()?;
        Some(Self { chain, after, bytes: run.bytes, at: 0 })
    }

    /// Goes on behind `run`, if that comes next.
    fn follow(mut self, run: &StoredRun) -> Option<Self> {
        let is_next = self.after == run.after && self.bytes.get(self.at..)?.starts_with(&run.bytes);
        self.at += run.bytes.len();
        self.after = self.after.saturating_add(u64::from(run.entries));
        is_next.then_some(self)
    }
}

/// Looks in the stretch before the run, then further on in its chain, then in every chain.
fn find(shared: &Shared, chains: &[ChainInfo], run: &StoredRun, before: Option<Stretch>) -> Option<Stretch> {
    let same = before.as_ref().map(|stretch| stretch.chain);
    if let Some(next) = before.and_then(|stretch| stretch.follow(run)) {
        return Some(next);
    }
    let reaches = |chain: &ChainInfo| chain.end.head.position > run.after;
    let all = chains.iter().zip((0..).map(ChainNo)).filter(|(chain, _)| reaches(chain)).map(|(_, no)| no);
    let mut likely = same.into_iter().chain(all);
    likely.find_map(|chain| Stretch::read(shared, chain, run.after)?.follow(run))
}

/// The run as its file holds it.
fn read(shared: &Shared, run: &Waiting) -> Option<StoredRun> {
    let mut bytes = vec![0; usize::try_from(run.place.len).ok()?];
    shared.files.get(run.place.file).ok()?.read_exact_at(&mut bytes, run.place.offset).ok()?;
    match record::read(&bytes)?.decode()? {
        Record::Run(_, run) => Some(run),
        Record::Chain(_) | Record::Known(_) => None,
    }
}
