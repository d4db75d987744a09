//! Bodies of requests: JSON, within a size and a time.

use super::problem::Problem;
use crate::limits;
use axum::{
    body::{Body, to_bytes},
    http::{
        HeaderMap, Request, StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
    },
};
use http_body_util::LengthLimitError;
use serde::de::DeserializeOwned;
use std::time::Duration;

/// Reads a body of at most `most` bytes.
pub(super) async fn read<T: DeserializeOwned>(request: Request<Body>, most: usize) -> Result<T, Problem> {
    check_type(request.headers())?;
    let told = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    // Said before anything is read: the sender need not send it.
    if told.is_some_and(|length: u64| length > most as u64) {
        return Err(Problem::too_large(most));
    }
    let reading = to_bytes(request.into_body(), most);
    let read = tokio::time::timeout(Duration::from_millis(limits::HTTP_BODY_MS), reading).await;
    let bytes = read.map_err(|_| {
        let detail = "the body did not come in time: send it at once";
        Problem::new(StatusCode::REQUEST_TIMEOUT, "too_slow", detail)
    })?;
    let bytes = bytes.map_err(|error| match is_too_long(&error) {
        true => Problem::too_large(most),
        false => Problem::bad("body_broken", "the body ended before its time"),
    })?;
    serde_json::from_slice(&bytes).map_err(|error| Problem::bad("invalid_json", error.to_string()))
}

fn is_too_long(error: &axum::Error) -> bool {
    std::error::Error::source(error).is_some_and(|source| source.is::<LengthLimitError>())
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
