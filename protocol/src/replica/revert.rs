//! Undo and redo: reads what a transaction did from the log and writes its reverse.

use super::{Holding, Logs, Refusal, Replica, RequestId, commands::Edited, reader_of};
use crate::{
    access::Role,
    id::{OpId, WorkspaceId},
    log_set::EntryReader,
    model::EntityKey,
    op::{DataBody, Op, has_data_body},
    store::EntryAt,
    time::Now,
    undo::{Reverted, Step},
};

impl Replica {
    pub(super) fn revert(
        &mut self,
        now: Now,
        request: RequestId,
        workspace: WorkspaceId,
        redo: bool,
        logs: &dyn Logs,
    ) -> Result<(), Refusal> {
        let holding = self.writable(workspace)?;
        holding.may(Role::Member)?;
        let step = if redo { holding.journal.next_redo() } else { holding.journal.next_undo() };
        let step = step.ok_or_else(|| Refusal::NothingTo(if redo { "redo" } else { "undo" }.to_owned()))?;
        let reader = EntryReader::new(&holding.logs, reader_of(logs, workspace));
        let entries = bodies_of(holding, &step, &reader);
        let lookup = |op: OpId| operations(holding, op, &reader);
        let reverted = holding.journal.revert(&holding.state, &step, &entries, &lookup);
        let Reverted { groups, kept } = reverted;
        let edited = Edited { groups, reverts: Some(step.reverts), kept };
        self.write_groups(now, request, workspace, edited, logs);
        Ok(())
    }
}

/// The entries of a transaction that carry operations.
fn bodies_of(holding: &Holding, step: &Step, reader: &EntryReader<'_>) -> Vec<(u64, DataBody)> {
    let places = step
        .spans
        .iter()
        .flat_map(|span| (span.first..=span.last).map(|position| EntryAt { chain: span.chain, position }));
    let body = |at: EntryAt| {
        let ready = reader.read(at)?;
        let readable = has_data_body(ready.entry().header.kind);
        let body = DataBody::read(holding.contents(&ready).plain()?).ok().filter(|_| readable)?;
        Some((holding.logs.id_at(at)?.prefix(), body))
    };
    places.filter_map(body).collect()
}

/// The operations that an id names.
fn operations(holding: &Holding, op: OpId, reader: &EntryReader<'_>) -> Vec<(EntityKey, Op)> {
    let find = |at: EntryAt| {
        let ready = reader.read(at)?;
        let body = DataBody::read(holding.contents(&ready).plain()?).ok()?;
        body.ops().nth(op.index as usize).map(|(_, key, op)| (key, op.clone()))
    };
    holding.logs.find_prefix(op.entry).into_iter().filter_map(find).collect()
}
