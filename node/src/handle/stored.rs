//! What a workspace's log holds, read from the disk.

use super::{NodeError, NodeHandle};
use crate::{
    limits,
    store::log_files::{Damage, OpenError, VerifyReport},
};
use std::{
    sync::atomic::Ordering,
    thread,
    time::{Duration, Instant},
};
use velo_protocol::{
    history::LoggedEntry,
    id::WorkspaceId,
    keys::ciphers::Contents,
    log::{self, Entry, LogError, Origin},
    store::{ChainInfo, EntryAt, LogReader, StoreError},
};

/// How often is looked whether an entry has become durable.
const COMMIT_POLL: Duration = Duration::from_millis(2);

/// An entry as it is stored.
#[derive(Debug, Clone)]
pub struct StoredEntry {
    /// Whose log it stands in.
    pub origin: Origin,
    /// Its id, position and header.
    pub entry: Entry,
    /// What it says, as far as this device can read it.
    pub contents: Contents<'static>,
}

impl StoredEntry {
    /// As the history takes it; `None` if it cannot be read.
    pub fn logged(self) -> Option<LoggedEntry> {
        let (prefix, header) = (self.entry.id.prefix(), self.entry.header);
        let body = self.contents.plain()?.to_vec();
        Some(LoggedEntry { prefix, origin: self.origin, header, body })
    }
}

impl NodeHandle {
    /// Reads a workspace's whole log from the disk and checks it. `None` if it is not open. Takes
    /// its time: seconds for large logs.
    pub fn verify(&self, workspace: WorkspaceId) -> Option<Result<VerifyReport, OpenError>> {
        let reader = self.shared.read().readers.get(&workspace).cloned()?;
        Some(reader.verify_all(Some(&self.shared.key)))
    }

    /// What damage took from a workspace's log, and what waits for it. `None` if it is not open. Takes
    /// its time if there was any damage: the whole log is read.
    pub fn damage(&self, workspace: WorkspaceId) -> Option<Result<Damage, OpenError>> {
        let reader = self.shared.read().readers.get(&workspace).cloned()?;
        Some(reader.damage())
    }

    /// Every chain of a workspace's log, by number, with what is durable of it.
    pub fn chains(&self, workspace: WorkspaceId) -> Vec<ChainInfo> {
        let reader = self.shared.read().readers.get(&workspace).cloned();
        reader.map(|reader| reader.chains()).unwrap_or_default()
    }

    /// An entry as it is stored, for history; read from the disk. `None` if it is not there. Own
    /// changes are shown before they are durable: what is on its way to the disk is waited for.
    pub fn read_entry(&self, workspace: WorkspaceId, at: EntryAt) -> Result<Option<StoredEntry>, NodeError> {
        Ok(self.read(workspace, at, 1)?.into_iter().next())
    }

    /// The same of an entry and those behind it in one run, for who reads on. Empty if it is not there.
    pub fn read_entries(&self, workspace: WorkspaceId, at: EntryAt) -> Result<Vec<StoredEntry>, NodeError> {
        self.read(workspace, at, usize::MAX)
    }

    fn read(&self, workspace: WorkspaceId, at: EntryAt, most: usize) -> Result<Vec<StoredEntry>, NodeError> {
        let Some(reader) = self.shared.read().readers.get(&workspace).cloned() else { return Ok(Vec::new()) };
        let failed = |source| NodeError::Store { workspace, source };
        let Some(before) = at.position.checked_sub(1) else { return Ok(Vec::new()) };
        let patience = Instant::now() + Duration::from_millis(limits::COMMIT_PATIENCE_MS);
        let run = loop {
            // Looked at before reading: what is committed in between is read.
            let is_coming = self.shared.in_flight.load(Ordering::Acquire) > 0 && Instant::now() < patience;
            let run = reader.read_run(at.chain, before).map_err(failed)?;
            if run.is_some() || !is_coming {
                break run;
            }
            thread::sleep(COMMIT_POLL);
        };
        let Some(run) = run else { return Ok(Vec::new()) };
        let damaged = |error: LogError| failed(StoreError::Read(error.to_string()));
        let entries = log::parse_entries(run.after, &run.bytes).map_err(damaged)?;
        let Some(chain) = reader.chains().into_iter().nth(at.chain.0 as usize) else { return Ok(Vec::new()) };
        let ciphers = self.workspace(workspace).map(|shown| shown.ciphers().clone()).unwrap_or_default();
        let mut previous = run.after.id;
        let open = |entry: Entry| {
            let contents = ciphers.open(run.log, previous, &entry, &run.bytes).into_owned();
            previous = entry.id;
            StoredEntry { origin: chain.origin, entry, contents }
        };
        Ok(entries.into_iter().take(most).map(open).collect())
    }
}
