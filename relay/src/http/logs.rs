//! The logs of a workspace: where they end, and what stands in them.

use super::{App, Asked, caller::Caller, problem::Problem, sync::Op};
use crate::limits;
use axum::{
    Json,
    extract::{Path, State},
};
use serde::{Deserialize, Serialize};
use velo_node::handle::NodeHandle;
use velo_protocol::{
    id::{LogId, WorkspaceId},
    log::{Head, Origin, survey},
    store::ChainNo,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct HeadsQuery {
    #[serde(default)]
    offset: usize,
    limit: Option<usize>,
}

/// A log, or a branch of one that its device forked.
#[derive(Debug, Serialize)]
struct LogRow {
    log: LogId,
    chain: u32,
    origin: Origin,
    /// Where it leaves another chain of its log; position 0 at the start of the log.
    base: Head,
    head: Head,
}

#[derive(Debug, Serialize)]
pub(super) struct Heads {
    logs: Vec<LogRow>,
    /// Where to go on, if there are more.
    next: Option<usize>,
}

pub(super) async fn heads(
    State(app): State<App>,
    caller: Caller,
    Asked(query): Asked<HeadsQuery>,
) -> Result<Json<Heads>, Problem> {
    let limit = query.limit.unwrap_or(limits::ROWS).clamp(1, limits::ROWS);
    let chains = app.node.chains(caller.workspace);
    let next = query.offset.saturating_add(limit);
    let more = next < chains.len();
    let rows = chains.into_iter().zip(0..).skip(query.offset).take(limit);
    let rows = rows.map(|(chain, number)| LogRow {
        log: chain.log,
        chain: number,
        origin: chain.origin,
        base: chain.base,
        head: chain.end.head,
    });
    Ok(Json(Heads { logs: rows.collect(), next: more.then_some(next) }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EntriesQuery {
    /// The first position wanted.
    from: Option<u64>,
    /// The last.
    to: Option<u64>,
    /// Of which branch, where there are several.
    chain: Option<u32>,
}

#[derive(Debug, Serialize)]
struct RunRow {
    #[serde(flatten)]
    run: Op,
    seal: String,
}

/// Runs that hold what is wanted. They may hold more behind it: a seal covers a run to its end.
#[derive(Debug, Serialize)]
pub(super) struct Entries {
    runs: Vec<RunRow>,
    /// The position from which to go on, if there is more.
    next: Option<u64>,
}

pub(super) async fn entries(
    State(app): State<App>,
    caller: Caller,
    Path((_, log)): Path<(String, String)>,
    Asked(query): Asked<EntriesQuery>,
) -> Result<Json<Entries>, Problem> {
    let unknown = || Problem::not_found("there is no such log in this workspace: see .../logs");
    let log: LogId = log.parse().map_err(|_| unknown())?;
    let chains = app.node.chains(caller.workspace);
    let mut chains = chains.iter().zip(0..).filter(|(chain, _)| chain.log == log);
    let found = match query.chain {
        Some(wanted) => chains.find(|(_, number)| *number == wanted),
        None => chains.next(),
    };
    let (chain, number) = found.ok_or_else(unknown)?;
    let range = (query.from.unwrap_or(1).max(1), query.to.unwrap_or(u64::MAX).min(chain.end.head.position));
    let (node, workspace) = (app.node.clone(), caller.workspace);
    // The disk, or the database, is waited for.
    let room = app.reading.clone().acquire_owned().await.map_err(|error| Problem::internal(&error))?;
    let read = tokio::task::spawn_blocking(move || {
        let _room = room;
        read(&node, workspace, ChainNo(number), range)
    });
    read.await.map_err(|error| Problem::internal(&error))?.map(Json)
}

fn read(
    node: &NodeHandle,
    workspace: WorkspaceId,
    chain: ChainNo,
    (from, to): (u64, u64),
) -> Result<Entries, Problem> {
    let (mut runs, mut reached, mut bytes) = (Vec::new(), from - 1, 0);
    while reached < to && bytes < limits::PAGE_BYTES as usize {
        let Some(run) = node.read_run(workspace, chain, reached)? else { break };
        let (count, _) = survey(&run.bytes).map_err(|error| Problem::internal(&error))?;
        reached += count.max(1);
        bytes += run.bytes.len();
        let (run, seal) = Op::of(&run);
        runs.push(RunRow { run, seal });
    }
    let next = (reached < to && !runs.is_empty()).then_some(reached + 1);
    Ok(Entries { runs, next })
}
