//! Who asks: which device, of whom, in which workspace, and whether they are in at this very moment.

use super::{App, problem::Problem, server::Remote};
use axum::{
    extract::{FromRequestParts, Path},
    http::{HeaderMap, StatusCode, header::AUTHORIZATION, request::Parts},
};
use std::{collections::HashMap, time::Instant};
use velo_node::handle::NodeHandle;
use velo_protocol::id::{DeviceId, WorkspaceId};

/// A device of a member, shown by its token. Made for every request anew.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caller {
    pub device: DeviceId,
    pub workspace: WorkspaceId,
}

impl Caller {
    /// Whether the device is one of somebody who is in. What was true when the token was given out says
    /// nothing.
    pub fn check(&self, node: &NodeHandle) -> Result<(), Problem> {
        let member = node.member_by_device(self.workspace, self.device);
        member.map(drop).ok_or_else(not_in)
    }
}

/// The same for a workspace that is not here, so that nobody learns which are.
pub(super) fn not_in() -> Problem {
    Problem::forbidden(
        "not_a_member",
        "this device is none of a member of that workspace, as far as is known here",
    )
}

/// What stands in the `Authorization` header behind `Bearer`.
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let given = headers.get(AUTHORIZATION).and_then(|given| given.to_str().ok());
    let token = given.and_then(|given| {
        let (scheme, token) = given.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    token.ok_or_else(|| {
        let detail = "send a token: Authorization: Bearer TOKEN";
        Problem::new(StatusCode::UNAUTHORIZED, "token_missing", detail)
    })
}

/// The token is of one workspace, and its address names another, or none.
pub(super) fn elsewhere() -> Problem {
    Problem::forbidden("other_workspace", "the token is not for that workspace")
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let claims = app.tokens.read(bearer(&parts.headers)?)?;
        let path = Path::<HashMap<String, String>>::from_request_parts(parts, app).await;
        let Path(named) = path.map_err(|_| elsewhere())?;
        if named.get("id").is_some_and(|id| id.parse() != Ok(claims.workspace)) {
            return Err(elsewhere());
        }
        let caller = Self { device: claims.sub, workspace: claims.workspace };
        caller.check(&app.node)?;
        let room = app.per_device.take(caller.device.0, Instant::now());
        room.map_err(|wait| Problem::busy(wait.as_secs() + 1, "this device asks too often"))?;
        Ok(caller)
    }
}

/// Where a request comes from.
pub(super) fn remote(parts: &Parts) -> Option<Remote> {
    parts.extensions.get::<Remote>().copied()
}
