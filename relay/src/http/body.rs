//! Bodies of requests: JSON, within a size and a time.

use super::problem::Problem;
use crate::limits;
use axum::{
    body::{Body, HttpBody},
    http::{HeaderMap, Request, StatusCode, header::CONTENT_TYPE},
};
use http_body_util::BodyExt;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Reads a body of at most `most` bytes.
pub(super) async fn read<T: DeserializeOwned>(request: Request<Body>, most: usize) -> Result<T, Problem> {
    check_type(request.headers())?;
    let reading = collect(request.into_body(), most);
    let read = tokio::time::timeout(Duration::from_millis(limits::HTTP_BODY_MS), reading).await;
    let bytes = read.map_err(|_| {
        let detail = "the body did not come in time: send it at once";
        Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", detail)
    })??;
    serde_json::from_slice(&bytes).map_err(|error| Problem::bad("invalid_json", error.to_string()))
}

async fn collect(mut body: Body, most: usize) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    // Said before anything is read, where the sender tells the length: then it need not send it.
    let mut is_too_large = body.size_hint().lower() > most as u64;
    // What is too large is passed over for a while: who is still sending does not hear an answer, and a proxy
    // takes a connection that ends meanwhile for a broken one.
    let mut passed_over = 0;
    while !is_too_large || passed_over < limits::BODY_PASSED_OVER {
        let Some(frame) = body.frame().await else { break };
        let frame = frame.map_err(|_| Problem::bad("body_broken", "the body ended before its time"))?;
        let Ok(data) = frame.into_data() else { continue };
        is_too_large |= bytes.len() + data.len() > most;
        if is_too_large {
            passed_over += data.len();
        } else {
            bytes.extend_from_slice(&data);
        }
    }
    if is_too_large { Err(Problem::too_large(most)) } else { Ok(bytes) }
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let given = headers.get(CONTENT_TYPE).and_then(|given| given.to_str().ok()).unwrap_or_default();
    let essence = given.split(';').next().unwrap_or_default().trim();
    if essence.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let detail = "say what it is: Content-Type: application/json";
    Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "not_json", detail))
}
