//! Chains that a peer is sent, run by run: always the run that was written first. Causes come before
//! effects by their stamps, so the receiver seldom has to wait for another log.

use super::Source;
use crate::{
    limits,
    log::{self, LogError, Run},
    store::{ChainNo, StoreError},
    time::Hlc,
};
use std::collections::BTreeMap;

/// See the module.
#[derive(Debug)]
#[cfg_attr(feature = "sim", derive(Clone))]
pub(super) struct Reading {
    /// From which position on each chain is to be read. One that is read up to its end leaves.
    from: BTreeMap<ChainNo, u64>,
    /// The next runs of the first of them.
    ahead: BTreeMap<ChainNo, Ahead>,
    /// Of a chain whose next run is longer nothing is sent.
    most_bytes: usize,
    failures: Vec<(ChainNo, StoreError)>,
}

/// A run read ahead.
#[derive(Debug)]
#[cfg_attr(feature = "sim", derive(Clone))]
pub(crate) struct Ahead {
    pub chain: ChainNo,
    pub run: Run,
    /// The position of its last entry.
    pub last: u64,
    /// The stamp of its first.
    pub hlc: Hlc,
}

impl Ahead {
    /// Bytes that it takes in a message, at most.
    pub fn size(&self) -> usize {
        self.run.bytes.len() + limits::RUN_FRAME_BYTES
    }
}

impl Reading {
    /// Reads runs up to a size.
    pub const fn new(most_bytes: usize) -> Self {
        Self { from: BTreeMap::new(), ahead: BTreeMap::new(), most_bytes, failures: Vec::new() }
    }

    /// A chain is to be read behind `position`, or further on if it is read already.
    pub fn add(&mut self, chain: ChainNo, position: u64) {
        let from = self.from.entry(chain).or_insert(position);
        if position > *from {
            *from = position;
            self.ahead.remove(&chain);
        }
    }

    /// The chains to be read.
    pub fn chains(&self) -> Vec<ChainNo> {
        self.from.keys().copied().collect()
    }

    /// Nothing is to be read.
    pub fn clear(&mut self) {
        self.from.clear();
        self.ahead.clear();
    }

    /// Whether there is nothing to be read.
    pub fn is_empty(&self) -> bool {
        self.from.is_empty()
    }

    /// What could not be read since this was asked last.
    pub fn take_failures(&mut self) -> Vec<(ChainNo, StoreError)> {
        std::mem::take(&mut self.failures)
    }

    /// What the next run takes in a message, at most.
    pub fn next_size(&mut self, source: &Source<'_>) -> Option<usize> {
        self.read_ahead(source);
        self.first().map(Ahead::size)
    }

    /// The next run, if it fits into `room`.
    pub fn next(&mut self, room: usize, source: &Source<'_>) -> Option<Ahead> {
        self.read_ahead(source);
        let first = self.first().filter(|first| first.size() <= room)?;
        let (chain, last) = (first.chain, first.last);
        self.from.insert(chain, last);
        self.ahead.remove(&chain)
    }

    /// Of those read ahead the one that was written first.
    fn first(&self) -> Option<&Ahead> {
        self.ahead.values().min_by_key(|ahead| (ahead.hlc, ahead.chain))
    }

    /// Afterwards a chain read up to its end is no longer among those to be read.
    fn read_ahead(&mut self, source: &Source<'_>) {
        while let Some((chain, from)) = self.unread() {
            match read_next(chain, from, source) {
                Ok(Some(ahead)) if ahead.run.bytes.len() <= self.most_bytes => {
                    self.ahead.insert(chain, ahead);
                }
                Ok(_) => {
                    self.from.remove(&chain);
                }
                Err(error) => {
                    self.from.remove(&chain);
                    self.failures.push((chain, error));
                }
            }
        }
    }

    /// The next chain to read from, unless enough is at hand.
    fn unread(&self) -> Option<(ChainNo, u64)> {
        if self.ahead.len() >= limits::READ_AHEAD {
            return None;
        }
        let mut chains = self.from.iter().map(|(chain, from)| (*chain, *from));
        chains.find(|(chain, _)| !self.ahead.contains_key(chain))
    }
}

/// The run of a chain behind a position, as it is sent.
pub(crate) fn read_next(chain: ChainNo, from: u64, source: &Source<'_>) -> Result<Option<Ahead>, StoreError> {
    let Source { logs, reader, signer } = source;
    let Some(held) = logs.chain(chain).filter(|held| from < held.durable) else { return Ok(None) };
    let run = match logs.latest_run(chain, from) {
        None => reader.read_run(chain, from)?,
        latest => latest,
    };
    let Some(mut run) = run else { return Ok(None) };
    run.origin = (run.after.position == 0).then_some(held.origin);
    let unreadable = |error: LogError| StoreError::Read(error.to_string());
    signer.sign(&mut run).map_err(unreadable)?;
    let (count, hlc) = log::survey(&run.bytes).map_err(unreadable)?;
    Ok(Some(Ahead { chain, run, last: from + count, hlc }))
}
