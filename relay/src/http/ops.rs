//! What programs write: operations in JSON, as the relay's own device carries them out.
//!
//! An operation has an id of its sender's, under which it is done once. The row that says so is written before
//! the change and marked after it. Where a crash comes in between, the operation is done again when it is sent
//! again, and finds most of it so already: entities have ids that follow from the sender's names for them.

mod build;
mod once;

use super::{App, body, caller::bearer, caller::elsewhere, problem::Problem};
use crate::{
    database::Database,
    integration::{self, Integration, PREFIX},
    limits,
};
use axum::{
    Json,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, Request, StatusCode},
};
use build::{Builder, Entity};
pub(super) use once::forget_old;
use once::{Begun, Step};
use serde::{Deserialize, Serialize};
use serde_json::Value as Payload;
use std::time::{Duration, Instant};
use velo_node::api::date::wall_ms;
use velo_protocol::{
    access::Role,
    id::{EntityId, WorkspaceId},
    replica::Command,
    workspace::Workspace,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    ops: Vec<Op>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub(super) enum Type {
    Upsert,
    Delete,
}

/// One operation.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Op {
    id: String,
    entity: Entity,
    #[serde(rename = "type")]
    kind: Type,
    #[serde(default)]
    payload: Option<Payload>,
    /// Milliseconds since 1970.
    timestamp: i64,
}

#[derive(Debug, Serialize)]
struct Applied {
    id: String,
    entity: EntityId,
}

#[derive(Debug, Serialize)]
struct Rejected {
    id: String,
    code: &'static str,
    detail: String,
}

/// What became of them.
#[derive(Debug, Default, Serialize)]
pub(super) struct Answer {
    applied: Vec<Applied>,
    rejected: Vec<Rejected>,
}

pub(super) async fn ops(
    State(app): State<App>,
    Path(id): Path<String>,
    headers: HeaderMap,
    request: Request<Body>,
) -> Result<Json<Answer>, Problem> {
    let token = bearer(&headers)?.to_owned();
    let database = app.database()?;
    let workspace: WorkspaceId = id.parse().map_err(|_| elsewhere())?;
    let integration = identify(&app, database, workspace, &token).await?;
    writable(&app, workspace)?;
    let wish: Wish = body::read(request, limits::OPS_BODY).await?;
    if wish.ops.is_empty() || wish.ops.len() > limits::OPS_PER_REQUEST {
        let detail = format!("ops holds from 1 to {} operations", limits::OPS_PER_REQUEST);
        return Err(Problem::bad("invalid_ops", detail));
    }
    // One after the other: each sees what those before it made.
    let patience = Duration::from_millis(limits::SAVE_PATIENCE_MS);
    let turn = tokio::time::timeout(patience, app.writing.lock()).await;
    let _turn = turn.map_err(|_| Problem::too_long())?;
    let mut answer = Answer::default();
    for op in &wish.ops {
        let shown = writable(&app, workspace)?;
        match carry_out(&app, database, &integration, &shown, op).await {
            Ok(entity) => answer.applied.push(Applied { id: op.id.clone(), entity }),
            Err(problem) if problem.status().is_server_error() => return Err(problem),
            Err(problem) => {
                let (code, detail) = (problem.code(), problem.detail().to_owned());
                answer.rejected.push(Rejected { id: op.id.clone(), code, detail });
            }
        }
    }
    Ok(Json(answer))
}

async fn identify(
    app: &App,
    database: &Database,
    workspace: WorkspaceId,
    token: &str,
) -> Result<Integration, Problem> {
    let found = if token.starts_with(PREFIX) {
        integration::find(database, workspace, token).await
    } else {
        Ok(None)
    };
    let found = found.map_err(|error| Problem::database(&error))?.ok_or_else(|| {
        let detail = "that is no token of an integration of this workspace: see `velo-relay token`";
        Problem::new(StatusCode::UNAUTHORIZED, "token_invalid", detail)
    })?;
    let room = app.per_device.take(integration::hash(token), Instant::now());
    room.map_err(|wait| Problem::busy(wait.as_secs() + 1, "this integration asks too often"))?;
    Ok(found)
}

/// The workspace, if the relay may write to it.
fn writable(app: &App, workspace: WorkspaceId) -> Result<Workspace, Problem> {
    let shown = app.node.workspace(workspace);
    let may = |shown: &Workspace| shown.roster().role_of(app.node.person()) >= Some(Role::Member);
    shown.filter(may).ok_or_else(|| {
        let detail = "this relay may not write there: a member has to give it the role \"member\"";
        Problem::forbidden("relay_cannot_write", detail)
    })
}

async fn carry_out(
    app: &App,
    database: &Database,
    integration: &Integration,
    shown: &Workspace,
    op: &Op,
) -> Result<EntityId, Problem> {
    check(op)?;
    let builder = Builder { workspace: shown, name: &integration.name, timestamp: op.timestamp };
    let key = builder.key(&op.entity)?;
    let digest = blake3::derive_key("velo 2026 integration op", &serde_json::to_vec(op).unwrap_or_default());
    let begun = Begun { integration, id: &op.id, digest, entity: key.id, made_at: op.timestamp };
    match begun.begin(database).await? {
        Step::Done(entity) => return Ok(entity),
        Step::Begun => {}
    }
    let built = builder.changes(key, op.kind, op.payload.as_ref());
    let done = match built {
        Ok(changes) if changes.is_empty() => Ok(()),
        Ok(changes) => {
            let edit = Command::Edit { workspace: shown.id(), changes };
            app.submit(edit).await.map(drop)
        }
        Err(problem) => Err(problem),
    };
    match done {
        // Nobody knows whether it was: the row stays, and whoever sends it again later has it done again.
        Err(problem) if problem.status().is_server_error() => Err(problem),
        done => {
            begun.end(database, done.is_ok()).await?;
            done.map(|()| key.id)
        }
    }
}

fn check(op: &Op) -> Result<(), Problem> {
    let wrong = |detail: String| Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_op", detail);
    build::check_name("id", &op.id)?;
    build::check_name("entity.id", &op.entity.id)?;
    let latest = i64::try_from(wall_ms()).unwrap_or(i64::MAX).saturating_add(limits::CLOCK_AHEAD_MS);
    if !(0..=latest).contains(&op.timestamp) {
        return Err(wrong("timestamp: milliseconds since 1970, and not in the future".to_owned()));
    }
    match (op.kind, &op.payload) {
        (Type::Upsert, None) => Err(wrong("an UPSERT has a payload".to_owned())),
        (Type::Delete, Some(payload)) if !payload.is_null() => {
            Err(wrong("a DELETE has no payload".to_owned()))
        }
        _ => Ok(()),
    }
}
