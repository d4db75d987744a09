//! What every [`LogStore`] must do. Each implementation runs [`check`] in its own tests.

use super::{Batch, BatchRun, ChainNo, LogReader, LogStore, StoreError};
use crate::{
    crypto::{PublicKey, SecretKey, Sig},
    id::{DeviceId, Incarnation, LogId, PersonId, WorkspaceId},
    limits,
    log::{
        ChainEnd, Entry, EntryKind, HEADER_VERSION, Header, Origin, Run, RunWriter, Signer, VerifiedRun,
        is_own_seal, verify_run, verify_seal,
    },
    time::Hlc,
};
use std::cell::Cell;

/// The workspace of every [`Author`].
pub const WORKSPACE: WorkspaceId = WorkspaceId([7; 32]);

/// A device that writes a log. Equal seeds write equal bytes.
#[derive(Debug, Clone)]
pub struct Author {
    key: SecretKey,
    origin: Origin,
    log: LogId,
    end: ChainEnd,
    written: Vec<Entry>,
}

impl Author {
    /// The author of an empty log.
    pub fn new(seed: u8) -> Self {
        let key = SecretKey::from_seed(&[seed; 32]);
        let (person, device) = (PersonId([seed; 32]), DeviceId(key.public()));
        let origin = Origin { person, device, incarnation: Incarnation([seed; 8]), founder: false };
        let log = origin.log_id(WORKSPACE);
        Self { key, origin, log, end: ChainEnd::start(log), written: Vec::new() }
    }

    /// The end of what was written.
    pub fn end(&self) -> ChainEnd {
        self.end
    }

    /// The log.
    pub fn log(&self) -> LogId {
        self.log
    }

    /// Everything written, by position.
    pub fn written(&self) -> &[Entry] {
        &self.written
    }

    /// The device's key.
    pub fn key(&self) -> &SecretKey {
        &self.key
    }

    /// Writes one run of up to `entries` entries of `body` bytes each. It ends at a checkpoint.
    pub fn write(&mut self, chain: ChainNo, entries: usize, body: usize) -> BatchRun {
        let verified = self.entries(entries, body).seal(WORKSPACE, &self.key);
        self.taken(chain, verified)
    }

    /// Writes one entry as its device stores it at first: under a local seal.
    pub fn write_locally(&mut self, chain: ChainNo, body: usize) -> BatchRun {
        let verified = self.entries(1, body).seal_locally(WORKSPACE, &self.key);
        self.taken(chain, verified)
    }

    fn entries(&self, entries: usize, body: usize) -> RunWriter {
        let mut writer = RunWriter::new(self.log, self.origin, self.end);
        for position in (self.end.head.position + 1..).take(entries.max(1)) {
            let text = format!("{}.{position} ", self.log.short());
            let body: Vec<u8> = text.bytes().cycle().take(body).collect();
            writer.push(header(position), &body).unwrap_or_else(|error| fail(&error));
            if writer.is_full() {
                break;
            }
        }
        writer
    }

    fn taken(&mut self, chain: ChainNo, verified: Option<VerifiedRun>) -> BatchRun {
        let Some(verified) = verified else { unreachable!("at least one entry was pushed") };
        self.end = verified.end();
        self.written.extend_from_slice(verified.entries());
        BatchRun { chain, origin: self.origin, run: verified.run().clone(), end: verified.end() }
    }

    /// Signs a run as its device does before it sends it, and checks it as a peer whose copy ends at
    /// `end` would; returns the end behind it.
    pub fn verify(&self, end: ChainEnd, mut run: Run) -> Option<ChainEnd> {
        Signer { key: &self.key, workspace: WORKSPACE, last: &Cell::new(None) }.sign(&mut run).ok()?;
        let key = PublicKey::parse(&self.key.public()).ok()?;
        verify_run(WORKSPACE, &key, end, run).ok().map(|verified| verified.end())
    }

    /// Pulls a whole chain run by run, from the start of the log, verifying each. The entries seen
    /// are those written, and no run but the last ends between checkpoints. Returns how many runs
    /// it took.
    ///
    /// # Panics
    /// If the store does not hold exactly what this author wrote.
    pub fn assert_held(&self, reader: &impl LogReader, chain: ChainNo) -> usize {
        let (mut end, mut runs) = (ChainEnd::start(self.log), 0);
        while let Some(run) = reader.read_run(chain, end.head.position).unwrap_or_else(|e| fail(&e)) {
            assert_eq!(run.origin.is_some(), end.head.position == 0, "the origin comes with the first run");
            let next = self.verify(end, run);
            end = next.unwrap_or_else(|| fail(&format!("a bad run after {}", end.head.position)));
            runs += 1;
            assert!(end == self.end || end.checkpoint_due(), "a run ends too early: {end:?}");
        }
        assert_eq!(end, self.end, "the chain's end");
        runs
    }
}

#[expect(clippy::panic, reason = "a suite for tests")]
fn fail<T>(problem: &dyn std::fmt::Display) -> T {
    panic!("{problem}")
}

fn header(position: u64) -> Header {
    Header {
        version: HEADER_VERSION,
        kind: EntryKind::DATA,
        hlc: Hlc::default(),
        auth: None,
        deps: Vec::new(),
        epoch: None,
        salt: position.to_le_bytes(),
        body_len: 0,
    }
}

/// A batch of these runs.
pub fn batch(runs: impl IntoIterator<Item = BatchRun>) -> Batch {
    Batch { runs: runs.into_iter().collect() }
}

/// Runs the whole suite; `fresh` makes an empty store.
///
/// # Panics
/// If the store does not conform.
pub fn check<S: LogStore>(mut fresh: impl FnMut() -> S) {
    empty(&fresh());
    edits_are_joined_up_to_the_checkpoint(&mut fresh());
    any_position_can_be_continued(&mut fresh());
    local_seals_stay_as_they_are(&mut fresh());
    chains_keep_apart(&mut fresh());
    large_entries(&mut fresh());
    branches(&mut fresh());
    refuses_gaps(&mut fresh());
    readers_see_appends(&mut fresh());
}

fn append<S: LogStore>(store: &mut S, runs: impl IntoIterator<Item = BatchRun>) {
    store.append(&batch(runs)).unwrap_or_else(|error| fail(&error));
}

fn empty<S: LogStore>(store: &S) {
    let reader = store.reader();
    assert!(reader.chains().is_empty());
    assert!(matches!(reader.read_run(ChainNo(0), 0), Ok(None)));
    assert!(matches!(reader.entry_id(ChainNo(0), 0), Ok(None)));
}

fn edits_are_joined_up_to_the_checkpoint<S: LogStore>(store: &mut S) {
    let mut author = Author::new(1);
    for count in 1..=2 * limits::CHECKPOINT_ENTRIES as usize + 10 {
        append(store, [author.write(ChainNo(0), 1, 20)]);
        if count % 97 == 0 {
            author.assert_held(&store.reader(), ChainNo(0));
        }
    }
    assert_eq!(author.assert_held(&store.reader(), ChainNo(0)), 3);
    let infos = store.reader().chains();
    assert_eq!(infos.len(), 1);
    assert_eq!(infos[0].end, author.end());
    assert_eq!((infos[0].log, infos[0].origin), (author.log, author.origin));
}

fn any_position_can_be_continued<S: LogStore>(store: &mut S) {
    let mut author = Author::new(2);
    // Runs of several lengths, so that positions fall inside stored runs.
    append(store, [3, 7, 1, 200, 90, 256, 5].map(|entries| author.write(ChainNo(0), entries, 30)));
    continued_anywhere(store, &author);
}

/// What a device stores of its own: single entries, signed only where a checkpoint is due.
fn local_seals_stay_as_they_are<S: LogStore>(store: &mut S) {
    let mut author = Author::new(7);
    for count in 1..=2 * limits::CHECKPOINT_ENTRIES as usize + 40 {
        let signed = count % 50 == 0;
        append(
            store,
            [if signed { author.write(ChainNo(0), 3, 30) } else { author.write_locally(ChainNo(0), 30) }],
        );
    }
    continued_anywhere(store, &author);
    let head = author.end.head;
    let last = store.reader().read_run(ChainNo(0), head.position - 1).unwrap_or_else(|e| fail(&e));
    let last = last.unwrap_or_else(|| fail(&"the last run is missing"));
    assert!(is_own_seal(&author.key, WORKSPACE, author.log, head, &last.seal));
    let key = author.key.public_key();
    assert!(verify_seal(&key, WORKSPACE, author.log, head, &last.seal).is_err(), "it is a local one");
}

fn continued_anywhere<S: LogStore>(store: &S, author: &Author) {
    let reader = store.reader();
    let mut end = ChainEnd::start(author.log);
    for entry in author.written() {
        let run = reader.read_run(ChainNo(0), end.head.position).unwrap_or_else(|e| fail(&e));
        let run = run.unwrap_or_else(|| fail(&"a run is missing"));
        assert_eq!(run.after, end.head, "a run starts exactly after the position asked for");
        assert!(author.verify(end, run).is_some(), "a run after {} verifies", end.head.position);
        assert_eq!(id(&reader, ChainNo(0), entry.position), Some(entry.id));
        end.advance(entry.id, entry.at[2] - entry.at[0]);
    }
    assert!(matches!(reader.read_run(ChainNo(0), end.head.position), Ok(None)));
    assert_eq!(id(&reader, ChainNo(0), end.head.position + 1), None);
}

fn id(reader: &impl LogReader, chain: ChainNo, position: u64) -> Option<crate::id::EntryId> {
    reader.entry_id(chain, position).unwrap_or_else(|e| fail(&e))
}

fn chains_keep_apart<S: LogStore>(store: &mut S) {
    let mut authors: Vec<Author> = (1..=5).map(Author::new).collect();
    for round in 0..120 {
        let runs = authors.iter_mut().zip(0..).filter(|(_, no)| round % (no + 1) == 0);
        let runs = runs.map(|(author, no)| author.write(ChainNo(no), 1 + round as usize % 3, 40));
        append(store, runs.collect::<Vec<_>>());
    }
    let reader = store.reader();
    let logs: Vec<LogId> = reader.chains().iter().map(|chain| chain.log).collect();
    assert_eq!(logs, authors.iter().map(Author::log).collect::<Vec<_>>(), "in order of appearance");
    for (author, no) in authors.iter().zip(0..) {
        author.assert_held(&reader, ChainNo(no));
    }
}

fn large_entries<S: LogStore>(store: &mut S) {
    let mut author = Author::new(3);
    for body in [0, 1, 127, 128, 20_000, limits::BODY, limits::BODY, 16_384] {
        append(store, [author.write(ChainNo(0), 3, body)]);
    }
    author.assert_held(&store.reader(), ChainNo(0));
}

/// A fork in the middle of a span, inside a stored run, and one at the first entry.
fn branches<S: LogStore>(store: &mut S) {
    let mut trunk = Author::new(4);
    append(store, [trunk.write(ChainNo(0), 300, 30), trunk.write(ChainNo(0), 4, 30)]);
    let mut branch = trunk.clone();
    append(store, [trunk.write(ChainNo(0), 20, 31)]);
    // 260 of the trunk, then other entries: the base lies inside the run of four.
    let keep = 258;
    branch.written.truncate(keep);
    branch.end = ChainEnd::start(branch.log);
    for entry in &branch.written {
        branch.end.advance(entry.id, entry.at[2] - entry.at[0]);
    }
    let base = branch.end.head;
    let mut first = Author::new(4);
    append(store, [branch.write(ChainNo(1), 2, 77), first.write(ChainNo(2), 9, 78)]);
    append(store, [branch.write(ChainNo(1), 300, 33), trunk.write(ChainNo(0), 300, 32)]);
    let reader = store.reader();
    for (author, no) in [&trunk, &branch, &first].into_iter().zip(0..) {
        author.assert_held(&reader, ChainNo(no));
        for entry in author.written() {
            assert_eq!(id(&reader, ChainNo(no), entry.position), Some(entry.id));
        }
    }
    let bases: Vec<u64> = reader.chains().iter().map(|chain| chain.base.position).collect();
    assert_eq!(bases, [0, keep as u64, 0]);
    assert_eq!(reader.chains()[1].base, base);
}

fn refuses_gaps<S: LogStore>(store: &mut S) {
    let mut author = Author::new(5);
    let first = author.write(ChainNo(0), 2, 10);
    author.write(ChainNo(0), 1, 10);
    let third = author.write(ChainNo(0), 1, 10);
    append(store, [first]);
    assert!(matches!(store.append(&batch([third])), Err(StoreError::Write(_))));
    assert_eq!(store.reader().chains()[0].end.head.position, 2, "nothing of it was kept");
}

fn readers_see_appends<S: LogStore>(store: &mut S) {
    let (mut author, reader) = (Author::new(6), store.reader());
    let first = author.write(ChainNo(0), 2, 10);
    append(store, [first]);
    let (elsewhere, held) = (reader.clone(), author.clone());
    let runs =
        std::thread::scope(|scope| scope.spawn(move || held.assert_held(&elsewhere, ChainNo(0))).join().ok());
    assert_eq!(runs, Some(1), "another thread can read");
    append(store, [author.write(ChainNo(0), 1, 10)]);
    author.assert_held(&reader, ChainNo(0));
    let last = reader.read_run(ChainNo(0), 2).unwrap_or_else(|e| fail(&e));
    assert!(last.is_some_and(|run| run.seal != Sig([0; 64])));
}
