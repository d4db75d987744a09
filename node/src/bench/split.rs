//! What catching up consists of: the same trace taken in, one part after the other, in one thread and
//! without disk and network.

use crate::{api::ApiError, store::log_files::FileReader};
use std::time::{Duration, Instant};
use velo_protocol::{
    keys::ciphers::Contents,
    log::{self, Run},
    log_set::{LogSet, Ready, Received},
    members::Members,
    store::{ChainNo, LogReader, StoreError},
    workload::Trace,
    workspace::Workspace,
};

/// How long each part of taking in the whole trace took.
pub(super) struct Split {
    /// Hashes, seals and causal order.
    pub verify: Duration,
    /// The access rule's verdict on every entry.
    pub judge: Duration,
    /// Opening every body.
    pub decrypt: Duration,
    /// Operations into the visible state.
    pub apply: Duration,
}

impl Split {
    /// What access and keys cost.
    pub fn of_access(&self) -> Duration {
        self.judge + self.decrypt
    }
}

/// Takes the trace in.
pub(super) fn measure(trace: &Trace, reader: &FileReader) -> Result<Split, ApiError> {
    let failed = |error: &dyn std::fmt::Display| ApiError::Failed(format!("taking the trace in: {error}"));
    let runs = runs(reader).map_err(|error| failed(&error))?;
    let mut logs = LogSet::new(trace.record.id);
    let mut ready: Vec<Ready> = Vec::new();
    let verify = timed(|| {
        for run in runs {
            let received = logs.receive(run, reader).map_err(|error| failed(&error))?;
            let Received::News(taken) = received else { continue };
            logs.persisted(taken.chain, taken.run.end().head.position);
            while let Some(next) = logs.next_ready(reader).map_err(|error| failed(&error))? {
                ready.push(next);
            }
        }
        Ok::<_, ApiError>(())
    })?;
    let mut members = Members::new(trace.record.id);
    let closed: Vec<Contents<'_>> = ready.iter().map(|ready| ready.open(&<_>::default())).collect();
    let mut verdicts = Vec::with_capacity(ready.len());
    let judge = timed(|| {
        for (ready, contents) in ready.iter().zip(&closed) {
            let Some(chain) = logs.chain(ready.at.chain) else { continue };
            verdicts.push(members.note(&logs, &ready.turn(&chain.origin, contents)).void);
        }
        Ok::<_, ApiError>(())
    })?;
    let mut open = Vec::with_capacity(ready.len());
    let decrypt = timed(|| {
        open.extend(ready.iter().map(|ready| ready.open(trace.state.ciphers())));
        Ok::<_, ApiError>(())
    })?;
    let mut state = Workspace::new(trace.record.id);
    let apply = timed(|| {
        for ((ready, contents), void) in ready.iter().zip(&open).zip(verdicts) {
            let Some(chain) = logs.chain(ready.at.chain) else { continue };
            state.apply(&ready.turn(&chain.origin, contents), void);
        }
        Ok::<_, ApiError>(())
    })?;
    state.set_roster(members.roster());
    if state.state_hash() != trace.state.state_hash() {
        return Err(failed(&"it shows something else than it should"));
    }
    Ok(Split { verify, judge, decrypt, apply })
}

fn timed(work: impl FnOnce() -> Result<(), ApiError>) -> Result<Duration, ApiError> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed())
}

fn runs(reader: &FileReader) -> Result<Vec<Run>, StoreError> {
    let mut runs = Vec::new();
    for (number, chain) in (0..).map(ChainNo).zip(reader.chains()) {
        let mut position = chain.base.position;
        while let Some(run) = reader.read_run(number, position)? {
            let counted = log::survey(&run.bytes);
            let (count, _) = counted.map_err(|error| StoreError::Read(error.to_string()))?;
            position += count;
            runs.push(run);
        }
    }
    Ok(runs)
}
