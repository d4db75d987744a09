//! Runs in, changes out, in one request.
//!
//! A run comes as the entries' own bytes with the seal over the last: `seals[n]` closes `ops[n]`. The core
//! verifies it as if a peer had sent it, and it is durable when it is acknowledged. Sending it again changes
//! nothing and is acknowledged again.

use super::{
    App, body,
    caller::{Caller, elsewhere},
    changes::{ChangeRow, Reader},
    problem::Problem,
};
use crate::limits;
use axum::{Json, body::Body, extract::State, http::Request};
use data_encoding::BASE64;
use serde::{Deserialize, Serialize};
use velo_protocol::{
    crypto::Sig,
    id::{EntryId, LogId, WorkspaceId},
    log::{Head, Origin, Run, parse_entries},
    replica::{Command, NotTaken, Reply, RunAnswer},
};

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    workspace: WorkspaceId,
    #[serde(default)]
    ops: Vec<Op>,
    #[serde(default)]
    seals: Vec<String>,
    cursor: Option<String>,
    limit: Option<i64>,
}

/// A run without its seal. The same is given out by [`super::logs`].
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Op {
    log: LogId,
    /// Whose log it is, where the run starts it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    origin: Option<Origin>,
    /// The place that it continues.
    after: Head,
    /// Headers and bodies, one after the other, in base64.
    entries: String,
}

#[derive(Debug, Serialize)]
struct Rejection {
    /// The run's last entry, as far as it can be read.
    id: Option<EntryId>,
    /// The run's place among `ops`.
    op: usize,
    code: &'static str,
    reason: String,
}

/// What became of it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Answer {
    /// Every entry that is durable now.
    ack: Vec<EntryId>,
    rejected: Vec<Rejection>,
    changes: Vec<ChangeRow>,
    /// None on a relay without a database, which keeps no order of arrival.
    next_cursor: Option<String>,
    more: bool,
    restarted: bool,
}

impl Op {
    /// A run, and its seal.
    pub fn of(run: &Run) -> (Self, String) {
        let entries = BASE64.encode(&run.bytes);
        let op = Self { log: run.log, origin: run.origin, after: run.after, entries };
        (op, BASE64.encode(&run.seal.0))
    }

    fn run(&self, seal: &str) -> Result<Run, String> {
        let wrong = |what: &str| format!("the {what} is not base64 of the right length");
        let bytes = BASE64.decode(self.entries.as_bytes()).map_err(|_| wrong("entries"))?;
        let seal = BASE64.decode(seal.as_bytes()).ok().and_then(|seal| seal.try_into().ok());
        let seal = seal.map(Sig).ok_or_else(|| wrong("seal"))?;
        Ok(Run { origin: self.origin, log: self.log, after: self.after, bytes, seal })
    }
}

/// A run on its way in.
struct Coming {
    ids: Vec<EntryId>,
    run: Option<Run>,
    /// Why it does not even get that far.
    fault: String,
}

impl Coming {
    fn of(op: &Op, seal: &str) -> Self {
        let read = op.run(seal).and_then(|run| {
            let entries = parse_entries(run.after, &run.bytes).map_err(|error| error.to_string())?;
            Ok((run, entries.iter().map(|entry| entry.id).collect()))
        });
        match read {
            Ok((run, ids)) => Self { ids, run: Some(run), fault: String::new() },
            Err(fault) => Self { ids: Vec::new(), run: None, fault },
        }
    }
}

pub(super) async fn sync(
    State(app): State<App>,
    caller: Caller,
    request: Request<Body>,
) -> Result<Json<Answer>, Problem> {
    let wish: Wish = body::read(request, limits::SYNC_BODY).await?;
    if wish.workspace != caller.workspace {
        return Err(elsewhere());
    }
    if wish.ops.len() > limits::SYNC_OPS || wish.ops.len() != wish.seals.len() {
        let detail = format!("there is one seal for each of at most {} ops", limits::SYNC_OPS);
        return Err(Problem::bad("invalid_sync", detail));
    }
    let coming: Vec<Coming> =
        wish.ops.iter().zip(&wish.seals).map(|(op, seal)| Coming::of(op, seal)).collect();
    // It may have taken a while until all of it was here.
    caller.check(&app.node)?;
    let answers = take(&app, &caller, &coming).await?;
    let mut answer = Answer {
        ack: Vec::new(),
        rejected: Vec::new(),
        changes: Vec::new(),
        next_cursor: None,
        more: false,
        restarted: false,
    };
    let mut answers = answers.into_iter();
    for (op, coming) in coming.into_iter().enumerate() {
        let invalid = || RunAnswer { not_taken: Some(NotTaken::Invalid), reason: coming.fault.clone() };
        let told = if coming.run.is_some() { None } else { Some(invalid()) };
        let told = told.or_else(|| answers.next()).unwrap_or_else(invalid);
        match told.not_taken {
            None => answer.ack.extend(coming.ids),
            Some(why) => {
                let (id, code, reason) = (coming.ids.last().copied(), why.code(), told.reason);
                answer.rejected.push(Rejection { id, op, code, reason });
            }
        }
    }
    if let Some(database) = &app.database {
        let reader = Reader { node: &app.node, database, secret: &app.secret, workspace: caller.workspace };
        let page = reader.page(wish.cursor.as_deref(), wish.limit).await?;
        answer.changes = page.changes;
        answer.next_cursor = Some(page.next_cursor);
        (answer.more, answer.restarted) = (page.more, page.restarted);
    }
    Ok(Json(answer))
}

/// Hands over what can be read, and says what became of each.
async fn take(app: &App, caller: &Caller, coming: &[Coming]) -> Result<Vec<RunAnswer>, Problem> {
    let runs: Vec<Run> = coming.iter().filter_map(|coming| coming.run.clone()).collect();
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    let (workspace, device) = (caller.workspace, caller.device);
    match app.submit(Command::TakeRuns { workspace, device: Some(device), runs }).await? {
        Reply::RunsTaken(answers) => Ok(answers),
        other => Err(Problem::internal(&format!("the core answered {other:?} to runs"))),
    }
}
