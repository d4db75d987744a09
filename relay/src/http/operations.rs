//! What operators ask: whether the relay runs, and how it is.

use super::{App, caller::remote, problem::Problem};
use crate::limits;
use axum::{
    Json,
    extract::State,
    http::{Request, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};
use velo_node::metrics;

/// The description of this API.
pub(super) const OPENAPI: &str = include_str!("openapi.json");

/// It runs.
pub(super) async fn healthz() -> Json<Value> {
    Json(json!({ "status": "ok" }))
}

/// It can do its work: it saves what it is given, and the database answers.
pub(super) async fn readyz(State(app): State<App>) -> Result<Json<Value>, Problem> {
    app.node.is_saved()?;
    if let Some(database) = app.database.as_ref() {
        let asked = database.ask(limits::HTTP_PATIENCE_MS, |pool| async move {
            sqlx::query("SELECT 1").execute(&pool).await.map(drop)
        });
        asked.await.map_err(|error| Problem::database(&error))?;
    }
    Ok(Json(json!({ "status": "ready", "database": app.database.is_some() })))
}

/// Figures tell who works when, so they stay on the machine.
pub(super) async fn figures<B>(request: Request<B>) -> Result<Response, Problem> {
    let (parts, _) = request.into_parts();
    if remote(&parts).is_none_or(|remote| !remote.is_here(&parts.headers)) {
        return Err(Problem::forbidden("not_here", "figures are shown on the relay's own machine only"));
    }
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4")], metrics::text()).into_response())
}

pub(super) async fn openapi() -> Response {
    ([(CONTENT_TYPE, "application/json")], OPENAPI).into_response()
}

/// There is no such address.
pub(super) async fn nowhere() -> Problem {
    Problem::not_found("there is no such address: see /openapi.json")
}

/// There is, and it is asked otherwise.
pub(super) async fn otherwise() -> Problem {
    let detail = "this address is asked with another method: see /openapi.json";
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail)
}
