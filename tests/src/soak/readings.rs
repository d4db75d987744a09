//! What was read in a run, as a table that can be kept, and whether it is flat.
//!
//! *Flat* does not mean constant: an allocator keeps what it was given once, connections come and go, and
//! the log grows with every edit. So the run is cut into six windows of equal length, and the median of the
//! last is compared with that of the third: in the first two everything starts, and sled's file is written
//! anew for the first times, after each of which its tables take up more (`docs/soak.md`). Medians, because
//! a single reading may fall into a commit or a reconnection.

use super::gauge::Use;
use anyhow::{Context, bail, ensure};
use std::fmt;

/// The first line of the table.
pub const HEAD: &str = "second,edits,peer,kind,resident_kib,own_kib,descriptors,sockets,threads,cpu_ms";
/// Windows a run is cut into,
const WINDOWS: u64 = 6;
/// and the one with which the last is compared, counted from 0.
const EARLY: u64 = 2;
/// Memory that may be added for each edit that the log has grown by: the run that it came in, kept at hand
/// up to a bound, its place in the index, and what causality remembers of it.
const EDIT_BYTES: u64 = 2 * 1024;
/// Memory that may be added besides: an allocator does not give everything back.
const SLACK_KIB: u64 = 1024;
/// Descriptors that may be added: a connection that is being made, a file that is being written.
const SLACK_DESCRIPTORS: u64 = 3;
/// Threads that may be added: the runtime has one for what blocks, and lets it go when it has nothing to do.
const SLACK_THREADS: u64 = 1;

/// What happens to a peer in the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Nothing.
    Steady,
    /// It sleeps now and then.
    Sleeps,
    /// Its cable is pulled now and then.
    Unplugged,
    /// It ends or crashes now and then, and starts anew.
    Restarts,
}

const KINDS: [(Kind, &str); 4] = [
    (Kind::Steady, "steady"),
    (Kind::Sleeps, "sleeps"),
    (Kind::Unplugged, "unplugged"),
    (Kind::Restarts, "restarts"),
];

/// One reading of one peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// Since the beginning.
    pub second: u64,
    /// Made in the workspace until then, by all.
    pub edits: u64,
    /// Whose it is.
    pub peer: usize,
    /// What happens to that one.
    pub kind: Kind,
    /// What it used.
    pub used: Use,
}

impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (Self { second, edits, peer, .. }, used) = (self, &self.used);
        let kind = KINDS.iter().find(|(kind, _)| *kind == self.kind).map_or("", |(_, name)| name);
        write!(f, "{second},{edits},{peer},{kind},{},{},", used.resident_kib, used.own_kib)?;
        write!(f, "{},{},{},{}", used.descriptors, used.sockets, used.threads, used.cpu_ms)
    }
}

fn parse(line: &str) -> Option<Reading> {
    let mut fields = line.split(',');
    let mut number = || fields.next()?.parse().ok();
    let (second, edits, peer) = (number()?, number()?, number()?);
    let kind = fields.next()?;
    let kind = KINDS.iter().find(|(_, name)| *name == kind).map(|(kind, _)| *kind)?;
    let mut number = || fields.next()?.parse().ok();
    let used = Use {
        resident_kib: number()?,
        own_kib: number()?,
        descriptors: number()?,
        sockets: number()?,
        threads: number()?,
        cpu_ms: number()?,
    };
    Some(Reading { second, edits, peer: peer as usize, kind, used })
}

/// Reads a table.
///
/// # Errors
/// If it is another one, or damaged.
pub fn from_csv(text: &str) -> anyhow::Result<Vec<Reading>> {
    let mut lines = text.lines();
    ensure!(lines.next() == Some(HEAD), "the table does not begin with {HEAD}");
    lines.map(|line| parse(line).with_context(|| format!("no reading: {line}"))).collect()
}

/// The value in the middle; 0 of nothing.
pub fn median(mut values: Vec<u64>) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

/// What a run came to, of the peers to which nothing happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Edits from the early window to the last.
    pub edits: u64,
    /// Each figure in the early window and in the last.
    pub figures: Vec<Figure>,
}

/// One figure, early and late.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Figure {
    /// What.
    pub name: &'static str,
    /// The median in the early window: of each peer, and of these that of all.
    pub early: u64,
    /// The same in the last.
    pub late: u64,
    /// The most by which one peer's own median grew.
    pub worst: u64,
    /// By how much that may be.
    pub allowed: u64,
}

impl Figure {
    fn is_flat(&self) -> bool {
        self.worst <= self.allowed
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} edits from window {} of {WINDOWS} to the last", self.edits, EARLY + 1)?;
        for Figure { name, early, late, worst, allowed } in &self.figures {
            writeln!(
                f,
                "{name}: median {early}, then {late}; of one peer at most {worst} more, allowed {allowed}"
            )?;
        }
        Ok(())
    }
}

impl Verdict {
    /// Compares the windows.
    ///
    /// # Errors
    /// If a window is empty.
    pub fn of(readings: &[Reading]) -> anyhow::Result<Self> {
        let length = readings.iter().map(|reading| reading.second + 1).max().unwrap_or(0);
        let window = |number: u64| -> Vec<Reading> {
            let is_in = |reading: &&Reading| reading.second * WINDOWS / length.max(1) == number;
            readings.iter().filter(is_in).filter(|reading| reading.kind == Kind::Steady).copied().collect()
        };
        let (early, late) = (window(EARLY), window(WINDOWS - 1));
        if early.is_empty() || late.is_empty() {
            bail!("too few readings to compare: {}", readings.len());
        }
        let edits_in = |window: &[Reading]| median(window.iter().map(|reading| reading.edits).collect());
        let edits = edits_in(&late).saturating_sub(edits_in(&early));
        let memory = SLACK_KIB + edits * EDIT_BYTES / 1024;
        let figures = vec![
            figure("memory of its own in KiB", memory, &early, &late, |used| used.own_kib),
            figure("descriptors", SLACK_DESCRIPTORS, &early, &late, |used| used.descriptors),
            figure("threads", SLACK_THREADS, &early, &late, |used| used.threads),
        ];
        Ok(Self { edits, figures })
    }

    /// Says what grew more than it may.
    ///
    /// # Errors
    /// If something did.
    pub fn check(&self) -> anyhow::Result<()> {
        let grown: Vec<_> = self.figures.iter().filter(|figure| !figure.is_flat()).collect();
        ensure!(grown.is_empty(), "not flat: {grown:?}");
        Ok(())
    }
}

fn figure(
    name: &'static str,
    allowed: u64,
    early: &[Reading],
    late: &[Reading],
    value: impl Fn(&Use) -> u64,
) -> Figure {
    let of = |window: &[Reading], peer: usize| {
        let own = window.iter().filter(|reading| reading.peer == peer);
        median(own.map(|reading| value(&reading.used)).collect())
    };
    let mut peers: Vec<_> = early.iter().map(|reading| reading.peer).collect();
    peers.sort_unstable();
    peers.dedup();
    let medians: Vec<_> = peers.iter().map(|peer| (of(early, *peer), of(late, *peer))).collect();
    let worst = medians.iter().map(|(early, late)| late.saturating_sub(*early)).max().unwrap_or(0);
    let (early, late) = medians.into_iter().unzip();
    Figure { name, early: median(early), late: median(late), worst, allowed }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Ten steady peers and a restless one for an hour; `change` is told the minute, the peer and what
    /// it uses.
    fn run(change: impl Fn(u64, usize, &mut Use)) -> Vec<Reading> {
        let mut readings = Vec::new();
        for minute in 0..60 {
            for peer in 0..=10 {
                let kind = if peer == 10 { Kind::Restarts } else { Kind::Steady };
                // It starts, and then it wavers.
                let own_kib = 20_000.min(10_000 + 2_000 * minute) + minute * 7 % 5 * 100;
                let mut used = Use { resident_kib: own_kib + 9_000, own_kib, ..Use::default() };
                (used.descriptors, used.sockets, used.threads) = (80 + minute % 3, 50, 12);
                change(minute, peer, &mut used);
                readings.push(Reading { second: minute * 60, edits: minute * 50, peer, kind, used });
            }
        }
        readings
    }

    fn is_flat(change: impl Fn(u64, usize, &mut Use)) -> bool {
        Verdict::of(&run(change)).unwrap().check().is_ok()
    }

    #[test]
    fn what_wavers_is_flat_and_what_leaks_is_not() {
        assert!(is_flat(|_, _, _| {}));
        assert!(!is_flat(|minute, _, used| used.own_kib += minute * 200), "memory");
        assert!(!is_flat(|minute, peer, used| used.own_kib += minute * 400 * u64::from(peer == 3)), "of one");
        assert!(!is_flat(|minute, _, used| used.descriptors += minute / 5), "descriptors");
        assert!(!is_flat(|minute, _, used| used.threads += minute / 10), "threads");
        assert!(
            is_flat(|minute, peer, used| used.descriptors += minute * u64::from(peer == 10)),
            "not judged"
        );
        assert!(is_flat(|minute, _, used| used.own_kib += 9_000 * u64::from(minute % 10 == 9)), "spikes");
    }

    #[test]
    fn what_the_log_grows_by_is_allowed() {
        // 50 edits a minute, of 1 KiB, and of 10 KiB.
        assert!(is_flat(|minute, _, used| used.own_kib += minute * 50));
        assert!(!is_flat(|minute, _, used| used.own_kib += minute * 500));
    }

    #[test]
    fn a_table_comes_back_and_another_is_refused() {
        let readings = run(|_, _, _| {});
        let lines: Vec<_> = readings.iter().map(Reading::to_string).collect();
        let lines = lines.join("\n");
        assert_eq!(from_csv(&format!("{HEAD}\n{lines}")).unwrap(), readings);
        assert!(from_csv(&lines).is_err());
        assert!(from_csv(&format!("{HEAD}\n1,2,3,steady,4")).is_err());
        assert!(Verdict::of(&[]).is_err());
    }
}
