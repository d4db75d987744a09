//! The chains that a peer lacks part of, and the run of each that is sent next.

use super::{Source, marks::Marks};
use crate::{
    limits,
    log::{self, LogError, Run},
    store::{ChainNo, StoreError},
    time::{Hlc, Now},
};
use std::collections::{BTreeMap, BTreeSet};

/// See the module.
#[derive(Debug, Default)]
#[cfg_attr(feature = "sim", derive(Clone))]
pub(super) struct Backlog {
    lagging: BTreeSet<ChainNo>,
    /// The next runs of the first of them.
    ahead: BTreeMap<ChainNo, Ahead>,
    /// Chains of a transfer, which the peer most likely gets from where we have it from. Live edits
    /// of other chains do not wait for them.
    delayed: BTreeSet<ChainNo>,
    /// When they are sent after all, and until when that may be put off.
    forward_at: Option<u64>,
    forward_by: u64,
    /// Chains that could not be read. They are tried again when the peer announces all it holds.
    unreadable: BTreeSet<ChainNo>,
    failures: Vec<(ChainNo, StoreError)>,
}

/// A run read ahead.
#[derive(Debug)]
#[cfg_attr(feature = "sim", derive(Clone))]
pub(crate) struct Ahead {
    pub run: Run,
    pub last: u64,
    pub hlc: Hlc,
}

impl Ahead {
    /// Bytes that it takes in a message, at most.
    pub fn size(&self) -> usize {
        self.run.bytes.len() + limits::RUN_FRAME_BYTES
    }
}

impl Backlog {
    /// When the delayed chains are sent after all.
    pub const fn forward_at(&self) -> Option<u64> {
        self.forward_at
    }

    /// The peer lacks part of a chain.
    pub fn add(&mut self, number: ChainNo) {
        if !self.unreadable.contains(&number) && !self.delayed.contains(&number) {
            self.lagging.insert(number);
        }
    }

    /// Entries of a chain that the peer lacks came just now. `live`: somebody is typing.
    pub fn arrived(&mut self, now: Now, number: ChainNo, live: bool) {
        if live {
            self.delayed.remove(&number);
        } else if !self.lagging.contains(&number) && self.delayed.insert(number) {
            if self.forward_at.is_none() {
                self.forward_by = now.mono_ms + limits::FORWARD_LATEST_MS;
            }
            self.delay(now);
        }
        self.add(number);
    }

    /// The peer's heads move: it gets the delayed chains from elsewhere.
    pub fn postpone(&mut self, now: Now) {
        if self.forward_at.is_some() {
            self.delay(now);
        }
    }

    fn delay(&mut self, now: Now) {
        self.forward_at = Some(self.forward_by.min(now.mono_ms + limits::FORWARD_DELAY_MS));
    }

    /// Sends the delayed chains if their time has come.
    pub fn wake(&mut self, now: Now) {
        if self.forward_at.is_some_and(|at| now.mono_ms >= at) {
            self.forward_at = None;
            self.lagging.append(&mut self.delayed);
        }
    }

    /// The peer lacks nothing.
    pub fn clear(&mut self) {
        *self = Self { failures: std::mem::take(&mut self.failures), ..Self::default() };
    }

    /// Tries again what could not be read.
    pub fn retry(&mut self) {
        self.unreadable.clear();
    }

    /// What could not be read since this was asked last.
    pub fn take_failures(&mut self) -> Vec<(ChainNo, StoreError)> {
        std::mem::take(&mut self.failures)
    }

    /// The chain whose next run was written first, if that run fits into `room`. Causes come before
    /// effects by their stamps, so the receiver seldom has to wait for another log.
    pub fn next(
        &mut self,
        room: Option<usize>,
        marks: &Marks,
        source: &Source<'_>,
    ) -> Option<(ChainNo, Ahead)> {
        self.read_ahead(marks, source);
        let (number, ahead) = self.ahead.iter().min_by_key(|(number, ahead)| (ahead.hlc, **number))?;
        if room.is_some_and(|room| ahead.size() > room) {
            return None;
        }
        let number = *number;
        self.ahead.remove(&number).map(|ahead| (number, ahead))
    }

    fn read_ahead(&mut self, marks: &Marks, source: &Source<'_>) {
        let logs = source.logs;
        let lagging = &self.lagging;
        self.ahead.retain(|number, ahead| {
            lagging.contains(number) && ahead.run.after.position == marks.has(logs, *number)
        });
        while let Some(number) = self.unread() {
            match read_next(number, marks.has(logs, number), source) {
                Ok(Some(ahead)) => {
                    self.ahead.insert(number, ahead);
                }
                Ok(None) => {
                    self.lagging.remove(&number);
                }
                Err(error) => {
                    self.lagging.remove(&number);
                    self.unreadable.insert(number);
                    self.failures.push((number, error));
                }
            }
        }
    }

    /// The next chain to read from, unless enough is at hand.
    fn unread(&self) -> Option<ChainNo> {
        if self.ahead.len() >= limits::READ_AHEAD {
            return None;
        }
        self.lagging.iter().copied().find(|number| !self.ahead.contains_key(number))
    }
}

/// The run of a chain behind a position, as it is sent.
pub(crate) fn read_next(
    number: ChainNo,
    from: u64,
    source: &Source<'_>,
) -> Result<Option<Ahead>, StoreError> {
    let Source { logs, reader, signer } = source;
    let Some(chain) = logs.chain(number).filter(|chain| from < chain.durable) else { return Ok(None) };
    let run = match logs.latest_run(number, from) {
        None => reader.read_run(number, from)?,
        latest => latest,
    };
    let Some(mut run) = run else { return Ok(None) };
    run.origin = (run.after.position == 0).then_some(chain.origin);
    let unreadable = |error: LogError| StoreError::Read(error.to_string());
    signer.sign(&mut run).map_err(unreadable)?;
    let (count, hlc) = log::survey(&run.bytes).map_err(unreadable)?;
    Ok(Some(Ahead { run, last: from + count, hlc }))
}
