//! What damage took from a log: entries that are lost, and those behind them that wait.
//!
//! An entry that was damaged breaks its log's chain: what stands behind it cannot be checked until it
//! is here again, so it is neither shown nor sent. It stays in the files, and is told of until
//! a peer, or a copy, has brought the log further than it reaches.

use super::{
    Shared, lost,
    open::{OpenError, list, scan_files},
    orphans,
};
use crate::store::{
    record::Place,
    scan::{Builder, Waiting},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};
use velo_protocol::{id::LogId, log::Origin, store::ChainInfo};

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Damage {
    /// Damaged places met so far.
    pub places: usize,
    /// Whether some of it was met since the opening: the next one copies it aside and copes with it.
    pub is_fresh: bool,
    /// Where copies of them lie.
    pub quarantine: PathBuf,
    /// Logs that lack something still.
    pub gaps: Vec<Gap>,
}

/// What one log lacks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Gap {
    /// Which, and whose; `None` if the record that says it is lost too.
    pub of: Option<(LogId, Origin)>,
    /// Entries between its end and the first that waits, or behind its end if none does; 0 if nothing
    /// says where its end is.
    pub lost: u64,
    /// Entries that are in the files and continue nothing.
    pub waiting: u64,
}

pub(super) fn damage(shared: &Shared) -> Result<Damage, OpenError> {
    let (known, quarantine) = (&shared.known_damage, shared.files.quarantine());
    let is_suspect = shared.files.suspect().exists();
    let cut_off = lost::gaps(shared, &shared.table().infos());
    if known.is_empty() && !is_suspect {
        let places = cut_off.len();
        return Ok(Damage { places, quarantine, gaps: cut_off, ..Damage::default() });
    }
    let lengths = list(&shared.files.dir)?;
    let mut builder = Builder::new(shared.workspace, &shared.files, None);
    scan_files(&shared.files, &mut builder, shared.workspace, &lengths, (0, 0), &mut 0)?;
    // What has come while the files were read does not wait any more.
    let held = shared.table().infos();
    let found = orphans::held(shared, &held, &builder.waiting);
    let fresh = builder.damage.iter().filter(|place| !known.contains(place)).count();
    if fresh > 0 {
        // The next opening repairs it only if it looks at everything.
        shared.files.mark_suspect();
    }
    // Damage at the very end looks like a torn append, so it is only suspected.
    let is_fresh = is_suspect || fresh > 0;
    Ok(Damage {
        places: known.len() + fresh + cut_off.len(),
        is_fresh,
        quarantine,
        gaps: with(cut_off, gaps(&held, &builder.waiting, &found)),
    })
}

/// What waits tells more of a log than that its end is gone.
fn with(cut_off: Vec<Gap>, waiting: Vec<Gap>) -> Vec<Gap> {
    let told = |gap: &Gap| waiting.iter().any(|other| other.of == gap.of);
    let more: Vec<Gap> = cut_off.into_iter().filter(|gap| !told(gap)).collect();
    waiting.into_iter().chain(more).collect()
}

/// Sums up what waits, by log.
fn gaps(held: &[ChainInfo], waiting: &[Waiting], found: &BTreeSet<Place>) -> Vec<Gap> {
    let mut gaps: BTreeMap<Option<LogId>, (u64, Gap)> = BTreeMap::new();
    for run in waiting {
        let log = run.of.map(|(log, _)| log);
        let end = log.map_or(0, |log| end_of(held, log));
        let is_here = if log.is_some() {
            end >= run.after.saturating_add(run.entries)
        } else {
            found.contains(&run.place)
        };
        if is_here {
            continue;
        }
        let none = Gap { of: run.of, lost: 0, waiting: 0 };
        let (first, gap) = gaps.entry(log).or_insert((u64::MAX, none));
        *first = run.after.min(*first);
        gap.lost = if log.is_some() { first.saturating_sub(end) } else { 0 };
        gap.waiting = gap.waiting.saturating_add(run.entries);
    }
    gaps.into_values().map(|(_, gap)| gap).collect()
}

/// How far a log reaches.
fn end_of(held: &[ChainInfo], log: LogId) -> u64 {
    let fits = held.iter().filter(|chain| chain.log == log);
    fits.map(|chain| chain.end.head.position).max().unwrap_or(0)
}
