//! A workspace out of a file and into one: see [`crate::bundle`].
//!
//! Both go part by part, so that neither needs more memory for a large workspace, and whoever asks can show
//! how far it is. Entries that come in are judged like what a peer sends. Blobs are the driver's: here they
//! are only encrypted and decrypted.

use super::{
    Logs, Replica, RequestId,
    holding::Holding,
    io::{Output, Refusal, Reply},
    reader_of,
};
use crate::{
    bundle::{self, BundleError, Head, PartNo, Portion},
    causality::Frontier,
    id::{DeviceId, EntityId, WorkspaceId},
    limits,
    log::Run,
    log_set::Rejected,
    session::{Ahead, Source, read_next},
    store::{ChainNo, EntryAt, StoreError},
};
use std::collections::BTreeMap;

/// How far a bundle is written.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct ExportCursor {
    /// How the file starts.
    pub head: Head,
    /// The part to be made next.
    number: u64,
    /// Up to where each chain is not wanted.
    from: Vec<(ChainNo, u64)>,
    /// Up to where each chain was written or is not wanted.
    done: Vec<(ChainNo, u64)>,
    /// Up to where each chain goes: what comes while the bundle is written is not in it.
    until: Vec<(ChainNo, u64)>,
}

impl ExportCursor {
    /// Entries that are still to be written.
    pub fn remaining(&self) -> u64 {
        let done: BTreeMap<ChainNo, u64> = self.done.iter().copied().collect();
        let left =
            |(chain, until): &(ChainNo, u64)| until.saturating_sub(done.get(chain).copied().unwrap_or(0));
        self.until.iter().map(left).sum()
    }

    /// Entries of the workspace, wanted or not.
    pub fn entries(&self) -> u64 {
        self.until.iter().map(|(_, until)| until).sum()
    }

    /// Whether the bundle holds this entry, or will.
    pub fn holds(&self, at: EntryAt) -> bool {
        let bound = |bounds: &[(ChainNo, u64)]| bounds.iter().find(|(chain, _)| *chain == at.chain).copied();
        let after = bound(&self.from).is_none_or(|(_, from)| at.position > from);
        after && bound(&self.until).is_some_and(|(_, until)| at.position <= until)
    }

    /// The same once all entries are written: it goes to and fro with each blob.
    fn without_entries(&mut self) {
        for bounds in [&mut self.from, &mut self.done, &mut self.until] {
            bounds.clear();
        }
    }
}

/// What goes into the next part of a bundle. All entries first: they say which blobs are wanted.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Carried {
    /// The next entries.
    Entries,
    /// A blob of an attachment.
    Blob {
        /// Whose.
        attachment: EntityId,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// The end.
    End,
}

/// What a part of a bundle brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Brought {
    /// Into which workspace.
    pub workspace: WorkspaceId,
    /// Entries that were not here.
    pub entries: u64,
    /// Runs that go on from what is not here: the bundle was made for somebody who has more.
    pub gaps: u64,
    /// Runs of more logs or branches than are kept.
    pub refused: u64,
}

impl Replica {
    /// Starts a bundle: of everything, or of what a device is not known to have.
    pub(super) fn begin_export(
        &mut self,
        request: RequestId,
        workspace: WorkspaceId,
        since: Option<DeviceId>,
    ) -> Result<(), Refusal> {
        let salt = self.random();
        let holding = self.holdings.get(&workspace).ok_or(Refusal::NoWorkspace(workspace))?;
        let known = since.map(|device| self.known_to(device, workspace, holding)).unwrap_or_default();
        let logs = &holding.logs;
        let base = |number| logs.chain(number).and_then(|chain| chain.parent).map_or(0, |at| at.position);
        let from: Vec<_> =
            logs.chains().map(|(number, _)| (number, known.get(number).max(base(number)))).collect();
        let cursor = ExportCursor {
            head: Head::new(&holding.record.secret, salt),
            number: 0,
            done: from.clone(),
            from,
            until: logs.chains().map(|(number, chain)| (number, chain.durable)).collect(),
        };
        let reply = Reply::Exporting(Box::new(cursor));
        self.outputs.push_back(Output::Reply { request, result: Ok(reply) });
        Ok(())
    }

    /// What a device has seen before it wrote, and what it said since it is connected.
    fn known_to(&self, device: DeviceId, workspace: WorkspaceId, holding: &Holding) -> Frontier {
        let logs = &holding.logs;
        let own = logs.chains().filter(|(_, chain)| chain.origin.device == device);
        let heads: Vec<EntryAt> =
            own.map(|(chain, known)| EntryAt { chain, position: known.durable }).collect();
        let mut known = logs.past(&heads, Frontier::default());
        for at in heads {
            known.raise(at);
        }
        let copy = self.sessions.get(&device).and_then(|session| session.copies.get(&workspace));
        for (chain, _) in logs.chains() {
            if let Some(copy) = copy {
                known.raise(EntryAt { chain, position: copy.has(logs, chain) });
            }
        }
        known
    }

    /// Makes the next part.
    pub(super) fn export(
        &mut self,
        request: RequestId,
        workspace: WorkspaceId,
        mut cursor: ExportCursor,
        what: Carried,
        logs: &dyn Logs,
    ) -> Result<(), Refusal> {
        let holding = self.holdings.get(&workspace).ok_or(Refusal::NoWorkspace(workspace))?;
        let secret = &holding.record.secret;
        if !cursor.head.is_of(secret) {
            return Err(Refusal::Bundle("that bundle was begun for another workspace".to_owned()));
        }
        let portion = match what {
            Carried::Entries => {
                let unreadable = |error: StoreError| Refusal::Bundle(error.to_string());
                let source = holding.source(&self.identity, reader_of(logs, workspace));
                Portion::Runs(next_runs(&mut cursor, &source).map_err(unreadable)?)
            }
            Carried::Blob { attachment, bytes } => Portion::Blob { attachment, bytes },
            Carried::End => Portion::End,
        };
        if cursor.remaining() == 0 {
            cursor.without_entries();
        }
        let at = PartNo { number: cursor.number, last: portion == Portion::End };
        let part = bundle::seal(secret, &cursor.head, at, &portion).map_err(told)?;
        cursor.number += 1;
        let reply = Reply::Exported { part, next: Box::new(cursor) };
        self.outputs.push_back(Output::Reply { request, result: Ok(reply) });
        Ok(())
    }

    /// Takes in a part, like what a peer sends.
    pub(super) fn import(
        &mut self,
        request: RequestId,
        head: &Head,
        at: PartNo,
        part: &[u8],
        logs: &dyn Logs,
    ) -> Result<(), Refusal> {
        let found = self.holdings.iter_mut().find(|(_, holding)| head.is_of(&holding.record.secret));
        let Some((&workspace, holding)) = found else {
            let words = "this bundle is of a workspace that is not on this device. Join it first with a ticket \
                         (`velo join TICKET`), also if nobody can be reached now, then import the bundle again";
            return Err(Refusal::Bundle(words.to_owned()));
        };
        let runs = match bundle::open(&holding.record.secret, head, at, part).map_err(told)? {
            Portion::Runs(runs) => runs,
            portion => {
                let reply = Reply::Opened { workspace, portion };
                self.outputs.push_back(Output::Reply { request, result: Ok(reply) });
                return Ok(());
            }
        };
        let reader = reader_of(logs, workspace);
        let mut brought = Brought { workspace, entries: 0, gaps: 0, refused: 0 };
        let (mut fresh, mut fault) = (Vec::new(), None);
        for run in runs {
            match holding.receive(run, reader) {
                Ok((Some(taken), _)) => {
                    brought.entries += taken.run.entries().len() as u64;
                    fresh.push(taken);
                }
                Ok((None, _)) => {}
                Err(Rejected::Gap) => brought.gaps += 1,
                Err(Rejected::Bound) => brought.refused += 1,
                Err(rejected @ (Rejected::Fault(_) | Rejected::Introduction)) => {
                    fault = Some(Refusal::Bundle(format!("the bundle holds what is not valid: {rejected}")));
                    break;
                }
            }
        }
        // What came before a fault is good, and is in the log: it has to be kept.
        let reply = fault.is_none().then_some((request, Reply::Imported(brought)));
        self.keep(workspace, &fresh, reply, true);
        fault.map_or(Ok(()), Err)
    }
}

fn told(error: BundleError) -> Refusal {
    match error {
        BundleError::Damaged => Refusal::DamagedPart,
        BundleError::NotABundle => Refusal::Bundle(error.to_string()),
    }
}

/// The runs of the next part, in the order of their stamps, as far as the first chains of those that are
/// left go: so those who read them seldom have to wait for another log.
fn next_runs(cursor: &mut ExportCursor, source: &Source<'_>) -> Result<Vec<Run>, StoreError> {
    let until: BTreeMap<ChainNo, u64> = cursor.until.iter().copied().collect();
    let mut ahead: BTreeMap<ChainNo, Ahead> = BTreeMap::new();
    let (mut runs, mut bytes) = (Vec::new(), 0);
    loop {
        for (number, done) in &mut cursor.done {
            let end = until.get(number).copied().unwrap_or(0);
            if *done >= end || ahead.contains_key(number) {
                continue;
            }
            // So many runs of memory and no more, as for a pull.
            if ahead.len() >= limits::READ_AHEAD {
                break;
            }
            match read_next(*number, *done, source)? {
                Some(next) => _ = ahead.insert(*number, next),
                None => *done = end,
            }
        }
        let first = ahead.iter().min_by_key(|(number, ahead)| (ahead.hlc, **number));
        let Some((number, size)) = first.map(|(number, ahead)| (*number, ahead.size())) else { break };
        if bytes > 0 && bytes + size > limits::BUNDLE_PART {
            break;
        }
        let Some(taken) = ahead.remove(&number) else { break };
        if let Some((_, done)) = cursor.done.iter_mut().find(|(other, _)| *other == number) {
            *done = taken.last;
        }
        bytes += size;
        runs.push(taken.run);
    }
    Ok(runs)
}
