//! How long an edit takes from one device to another's screen.

use super::{peer::Peer, report::Latency};
use crate::api::{
    Action, ApiError,
    status::{Wait, Waited},
    task,
};
use serde_json::Value as Json;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use velo_protocol::id::EntityId;

/// How long one edit may take to arrive: a stall is to show among the times.
const ARRIVE_MS: u64 = 60_000;
/// Before each edit: the question what will arrive has been asked by then.
const ASKED: Duration = Duration::from_millis(5);

/// `from` edits a task `count` times, `to` waits for each edit.
///
/// Time runs from the moment before the request to `from` is made until `to`'s `Changed` event,
/// which comes after its commit. All processes read the clock of one machine.
pub(crate) async fn edits(from: &Peer, to: &Peer, task: EntityId, count: u32) -> Result<Latency, ApiError> {
    let mut latency = Latency::default();
    let mut revision = to.ask::<Waited>(Action::Wait(Wait::default())).await?.revision;
    for number in 0..count {
        let wait = Wait { past: Some(revision), state_hash: None, timeout_ms: ARRIVE_MS };
        let (watched, start) =
            tokio::try_join!(to.ask::<Waited>(Action::Wait(wait)), edit(from, task, number))?;
        if !watched.reached {
            let names = (from.name, to.name);
            return Err(ApiError::NotYet(format!(
                "an edit by {} did not reach {} in {ARRIVE_MS} ms",
                names.0, names.1
            )));
        }
        revision = watched.revision;
        // What arrived before the edit was made is not the edit.
        if let Some(ns) = watched.at_ns.checked_sub(start) {
            latency.add(ns);
        }
    }
    Ok(latency)
}

/// Returns when it began, in nanoseconds since the epoch.
async fn edit(from: &Peer, task: EntityId, number: u32) -> Result<u64, ApiError> {
    tokio::time::sleep(ASKED).await;
    let start = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64);
    let fields = task::Fields { estimate: Some((number + 1).to_string()), ..task::Fields::default() };
    let edit = task::Edit { task: task.to_string(), fields, ..task::Edit::default() };
    from.ask::<Json>(Action::Task(task::Request::Edit(edit))).await.map(|_| start)
}
