//! Why a request was not carried out, as RFC 9457 has it: `application/problem+json`.
//!
//! The `code` is stable, for programs; the `detail` is for people and says what to do.

use axum::{
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE},
    },
    response::{IntoResponse, Response},
};
use serde_json::json;
use velo_node::handle::NodeError;
use velo_protocol::replica::Refusal;

/// See the module.
#[derive(Debug, Clone)]
pub(super) struct Problem {
    status: StatusCode,
    code: &'static str,
    detail: String,
    /// Seconds after which it is worth trying again.
    retry_after: Option<u64>,
}

impl Problem {
    pub fn new(status: StatusCode, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), retry_after: None }
    }

    /// The request is not understood.
    pub fn bad(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, detail)
    }

    pub fn forbidden(code: &'static str, detail: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, code, detail)
    }

    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", detail)
    }

    pub fn too_large(most: usize) -> Self {
        let detail = format!("a request to this address has at most {most} bytes: split it");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", detail)
    }

    /// Somebody asks too often, or there is too much to do.
    pub fn busy(seconds: u64, detail: &str) -> Self {
        let problem = Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_requests", detail);
        problem.after(seconds)
    }

    pub fn after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    /// Nothing but a database holds what was asked for.
    pub fn needs_database() -> Self {
        let detail = "this relay has no database: start it with DATABASE_URL to be asked this";
        Self::new(StatusCode::NOT_IMPLEMENTED, "needs_database", detail)
    }

    /// What the database said is for the operator. Whoever asked may try again.
    pub fn database(error: &sqlx::Error) -> Self {
        tracing::warn!(%error, "a request failed in the database");
        let detail = "the relay's database does not answer: try again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "database_away", detail).after(5)
    }

    /// Saving takes longer than anybody should wait.
    pub fn too_long() -> Self {
        let detail = "it is not known yet whether that was saved: send the same again in a moment";
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "not_saved_yet", detail).after(5)
    }

    /// The relay itself failed. Why is for the operator.
    pub fn internal(error: &dyn std::fmt::Display) -> Self {
        tracing::error!(%error, "a request failed");
        let detail = "the relay failed: its log says why";
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", detail)
    }

    pub fn status(&self) -> StatusCode {
        self.status
    }

    pub fn code(&self) -> &'static str {
        self.code
    }

    pub fn detail(&self) -> &str {
        &self.detail
    }
}

impl From<NodeError> for Problem {
    fn from(error: NodeError) -> Self {
        let refused = |status, code| Self::new(status, code, error.to_string());
        match &error {
            NodeError::Refused(Refusal::Change(_)) => {
                refused(StatusCode::UNPROCESSABLE_ENTITY, "change_refused")
            }
            NodeError::Refused(Refusal::Role(_)) => refused(StatusCode::FORBIDDEN, "role_refused"),
            NodeError::Refused(Refusal::NoWorkspace(_)) => Self::not_found("there is no such workspace"),
            NodeError::Refused(Refusal::ReadOnly(_)) | NodeError::Stopped => {
                let detail = "the relay saves nothing at the moment: its log says why";
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "read_only", detail).after(30)
            }
            NodeError::Refused(_) => refused(StatusCode::CONFLICT, "refused"),
            NodeError::Busy => Self::busy(1, "too much is being done at once"),
            _ => Self::internal(&error),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let title = self.status.canonical_reason().unwrap_or("Error");
        let told = json!({
            "type": "about:blank", "title": title, "status": self.status.as_u16(),
            "code": self.code, "detail": self.detail,
        });
        let mut response = (self.status, told.to_string()).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
