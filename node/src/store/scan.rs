//! Reading log files from their bytes: finds records, and damage between them.

use super::record::{self, Definition, Place, Record};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use velo_protocol::{
    crypto::{PublicKey, SecretKey, Sig},
    id::{DeviceId, LogId, WorkspaceId},
    log::{ChainEnd, Head, Origin, is_own_seal, parse_entries, verify_seal},
    store::{
        ChainNo, StoreError,
        chains::{ChainTable, PieceSource, StoredRun},
    },
};

/// Extents closer than this are read together.
const GAP: u64 = 4 * 1024;
/// An extent is not made longer than this.
const EXTENT: u64 = 192 * 1024;

/// Consecutive records of one file that hold runs of one chain, and maybe a few of others between.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    pub file: u32,
    pub offset: u32,
    pub len: u32,
    /// The chain's number in the file.
    pub local: u32,
}

impl Extent {
    fn end(&self) -> u64 {
        u64::from(self.offset) + u64::from(self.len)
    }

    /// Takes `next` into this extent if both are of one chain and near each other.
    pub fn merge(&mut self, next: &Self) -> bool {
        let near = u64::from(next.offset) <= self.end() + GAP;
        let len = next.end().saturating_sub(u64::from(self.offset));
        let joins = self.file == next.file && self.local == next.local && near && len <= EXTENT;
        if joins {
            self.len = len as u32;
        }
        joins
    }
}

/// What a number stands for within one file.
#[derive(Debug, Clone)]
enum Local {
    Chain(ChainNo),
    /// Defined, no run seen yet.
    Defined(Box<Definition>),
    /// Its beginning is lost.
    Unknown(LogId, Origin),
}

/// Whose seals count besides signatures.
#[derive(Debug, Clone, Copy)]
pub struct SealCheck<'a> {
    /// The key of this device, which closes its own entries with local seals; `None` counts none.
    pub own: Option<&'a SecretKey>,
}

impl SealCheck<'_> {
    fn fits(self, workspace: WorkspaceId, log: LogId, device: DeviceId, head: Head, seal: &Sig) -> bool {
        match self.own.filter(|key| key.public() == device.0) {
            Some(key) => is_own_seal(key, workspace, log, head, seal),
            None => PublicKey::parse(&device.0)
                .is_ok_and(|key| verify_seal(&key, workspace, log, head, seal).is_ok()),
        }
    }
}

/// Builds a table from records.
pub struct Builder<'source, S> {
    pub table: ChainTable<Extent>,
    source: &'source S,
    workspace: WorkspaceId,
    seals: Option<SealCheck<'source>>,
    locals: BTreeMap<u32, Local>,
    /// Extents that start before this offset of the present file are not made longer: damage, or a
    /// record without a place, lies between.
    barrier: u64,
    /// Damage that was reported when it was found.
    pub known: Vec<Place>,
    pub damage: Vec<Place>,
    /// Records with a good checksum that continue nothing, because what comes before them is lost.
    pub loose: Vec<Place>,
    /// What the runs among the loose records hold.
    pub waiting: Vec<Waiting>,
    /// Runs whose seal does not fit, if seals are checked.
    pub bad_seals: Vec<Place>,
}

/// Entries of a run that continues nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Whose log they are of; `None` if the record that says it is lost too.
    pub of: Option<(LogId, Origin)>,
    /// Position of the entry before them.
    pub after: u64,
    /// How many they are.
    pub entries: u64,
    /// The record that holds them.
    pub place: Place,
    /// The number of their chain in that file.
    pub local: u32,
}

/// What the end of a file looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FileEnd {
    /// Behind the last good record.
    pub good: u64,
    /// Bytes behind that, of which nothing can be read.
    pub rest: u64,
    /// Zeros there instead: room for records to come.
    pub room: u64,
}

impl<'source, S: PieceSource<Piece = Extent>> Builder<'source, S> {
    pub fn new(workspace: WorkspaceId, source: &'source S, seals: Option<SealCheck<'source>>) -> Self {
        Self {
            table: ChainTable::default(),
            source,
            workspace,
            seals,
            locals: BTreeMap::new(),
            barrier: 0,
            known: Vec::new(),
            damage: Vec::new(),
            loose: Vec::new(),
            waiting: Vec::new(),
            bad_seals: Vec::new(),
        }
    }

    /// Goes on from an index: in a file whose numbers are `locals`.
    pub fn resume(&mut self, table: ChainTable<Extent>, locals: &BTreeMap<ChainNo, u32>) {
        self.table = table;
        self.locals = locals.iter().map(|(no, local)| (*local, Local::Chain(*no))).collect();
    }

    /// The numbers of the present file. `None` if some of them mean nothing: the file is then not
    /// continued.
    pub fn locals(&self) -> Option<BTreeMap<ChainNo, u32>> {
        let chain = |(local, what): (&u32, &Local)| match what {
            Local::Chain(no) => Some((*no, *local)),
            Local::Defined(_) | Local::Unknown(..) => None,
        };
        self.locals.iter().map(chain).collect()
    }

    /// Numbers do not carry over from file to file.
    pub fn next_file(&mut self) {
        self.locals.clear();
        self.barrier = 0;
    }

    /// Takes in the records of `file` from `start`, where `bytes` begin. Damage with good records
    /// behind it is noted; what lies behind the last good record is the caller's to judge.
    pub fn file(&mut self, file: u32, start: u64, bytes: &[u8]) -> Result<FileEnd, StoreError> {
        let mut at = 0;
        while at < bytes.len() {
            let Some(raw) = record::read(&bytes[at..]) else {
                if bytes[at..].iter().all(|byte| *byte == 0) {
                    let (good, room) = (start + at as u64, (bytes.len() - at) as u64);
                    return Ok(FileEnd { good, rest: 0, room });
                }
                let Some(next) = (at + 1..bytes.len()).find(|next| record::read(&bytes[*next..]).is_some())
                else {
                    break;
                };
                self.damage.push(Place { file, offset: start + at as u64, len: (next - at) as u64 });
                self.barrier = start + next as u64;
                at = next;
                continue;
            };
            let place = Place { file, offset: start + at as u64, len: raw.len as u64 };
            if !raw.decode().map_or(Ok(false), |record| self.record(place, record))? {
                self.loose.push(place);
                self.barrier = place.offset + place.len;
            }
            at += raw.len;
        }
        Ok(FileEnd { good: start + at as u64, rest: (bytes.len() - at) as u64, room: 0 })
    }

    /// Whether the record found its place.
    fn record(&mut self, place: Place, record: Record) -> Result<bool, StoreError> {
        match record {
            Record::Known(known) => self.known.push(known),
            Record::Chain(definition) => return self.define(definition),
            Record::Run(local, run) => return self.run(place, local, &run),
        }
        Ok(true)
    }

    fn define(&mut self, definition: Definition) -> Result<bool, StoreError> {
        let local = definition.local;
        if self.locals.contains_key(&local) {
            // A file gives each number once. What the old one stands for is read by it.
            return Ok(false);
        }
        let what = if let Some(no) = self.table.ending_at(definition.log, definition.from.head) {
            Local::Chain(no)
        } else if definition.from == definition.base && self.base_is_held(&definition)? {
            Local::Defined(Box::new(definition))
        } else {
            Local::Unknown(definition.log, definition.origin)
        };
        let good = !matches!(what, Local::Unknown(..));
        self.locals.insert(local, what);
        Ok(good)
    }

    fn base_is_held(&self, definition: &Definition) -> Result<bool, StoreError> {
        let base = definition.base.head;
        let held = || self.table.left_by(definition.log, base, self.source).map(|left| left.is_some());
        if base.position == 0 { Ok(base == Head::start(definition.log)) } else { held() }
    }

    fn run(&mut self, place: Place, local: u32, run: &StoredRun) -> Result<bool, StoreError> {
        let end = match self.locals.get(&local) {
            Some(Local::Chain(no)) => self.table.end(*no),
            Some(Local::Defined(definition)) => Some(definition.base),
            Some(Local::Unknown(..)) | None => None,
        };
        let Some(next) = end.and_then(|end| end_after(end, run)) else {
            let entries = u64::from(run.entries);
            self.waiting.push(Waiting { of: self.whose(local), after: run.after, entries, place, local });
            return Ok(false);
        };
        let no = self.number(local)?;
        if self.seals.is_some_and(|seals| !self.seal_fits(seals, no, next, run)) {
            self.bad_seals.push(place);
        }
        let extent = Extent { file: place.file, offset: place.offset as u32, len: place.len as u32, local };
        let barrier = self.barrier;
        self.table.extend(no, next, extent, |last, next| {
            (last.file != next.file || u64::from(last.offset) >= barrier) && last.merge(next)
        });
        Ok(true)
    }

    /// Whose log a number stands for.
    fn whose(&self, local: u32) -> Option<(LogId, Origin)> {
        match self.locals.get(&local)? {
            Local::Chain(no) => self.table.definition(*no).map(|(log, origin, _)| (log, origin)),
            Local::Defined(definition) => Some((definition.log, definition.origin)),
            Local::Unknown(log, origin) => Some((*log, *origin)),
        }
    }

    /// The chain a number stands for; it starts with its first run.
    fn number(&mut self, local: u32) -> Result<ChainNo, StoreError> {
        let no = match self.locals.get(&local) {
            Some(Local::Chain(no)) => return Ok(*no),
            Some(Local::Defined(definition)) => {
                let (log, base) = (definition.log, definition.base);
                let left = self.table.left_by(log, base.head, self.source)?;
                self.table.start_chain(log, definition.origin, base, left)
            }
            Some(Local::Unknown(..)) | None => {
                return Err(StoreError::Read("a run without its chain".into()));
            }
        };
        self.locals.insert(local, Local::Chain(no));
        Ok(no)
    }

    fn seal_fits(&self, seals: SealCheck<'_>, no: ChainNo, end: ChainEnd, run: &StoredRun) -> bool {
        let definition = self.table.definition(no);
        definition.is_some_and(|(log, origin, _)| {
            seals.fits(self.workspace, log, origin.device, end.head, &run.seal)
        })
    }
}

/// The chain's end after `run`, if that continues it in good form.
fn end_after(mut end: ChainEnd, run: &StoredRun) -> Option<ChainEnd> {
    if run.after != end.head.position {
        return None;
    }
    let entries = parse_entries(end.head, &run.bytes).ok()?;
    for entry in &entries {
        end.advance(entry.id, entry.at[2] - entry.at[0]);
    }
    (!entries.is_empty() && entries.len() == run.entries as usize).then_some(end)
}
