//! What a log lost at its end: entries that were durable, and of which nothing is left that could wait
//! for them.
//!
//! Damage at the end of the files looks like an append that was torn, and is cut off. Only the note of
//! how far the own log reached, which lies elsewhere, tells the two apart. What it tells is kept beside
//! the log files, one line for each log, until a peer or a backup has brought the entries back.

use super::{FileLog, Shared, gaps::Gap};
use serde::{Deserialize, Serialize};
use std::{fs, io, path::PathBuf};
use velo_protocol::{id::LogId, log::Origin, store::ChainInfo};

/// Bytes of the notes that are read: some hundred logs. Only a device that is restored again and again
/// makes more.
const MOST: usize = 64 * 1024;

/// How far a log once reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Reached {
    log: LogId,
    origin: Origin,
    position: u64,
}

fn path(shared: &Shared) -> PathBuf {
    shared.files.dir.join("lost")
}

/// Notes that cannot be read are as good as none: they only explain.
fn read(shared: &Shared) -> Vec<Reached> {
    let text = fs::read_to_string(path(shared)).unwrap_or_default();
    let whole = text.get(..MOST).unwrap_or(&text);
    whole.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

impl FileLog {
    /// Notes that a log of this device had durable entries up to `position`, more than are here.
    pub fn note_lost(&self, log: LogId, origin: Origin, position: u64) -> io::Result<()> {
        let mut notes = read(&self.shared);
        notes.retain(|note| note.log != log);
        notes.push(Reached { log, origin, position });
        let lines: Vec<String> = notes.iter().filter_map(|note| serde_json::to_string(note).ok()).collect();
        fs::write(path(&self.shared), lines.join("\n"))
    }
}

/// Logs that ended further on, and have not come back.
pub(super) fn gaps(shared: &Shared, held: &[ChainInfo]) -> Vec<Gap> {
    let gap = |note: Reached| {
        let chains = held.iter().filter(|chain| chain.log == note.log);
        let end = chains.map(|chain| chain.end.head.position).max().unwrap_or(0);
        let lost = note.position.saturating_sub(end);
        (lost > 0).then_some(Gap { of: Some((note.log, note.origin)), lost, waiting: 0 })
    };
    read(shared).into_iter().filter_map(gap).collect()
}
