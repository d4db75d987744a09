//! A program that asks over HTTP, on one connection.

use data_encoding::BASE64URL_NOPAD;
use http_body_util::{BodyExt, Full};
use hyper::{
    Method, Request,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
};
use hyper_util::rt::TokioIo;
use serde_json::{Value as Json, json};
use std::{
    net::SocketAddr,
    time::{Duration, Instant},
};
use tokio::net::TcpStream;
use velo_node::api::ApiError;
use velo_protocol::{
    crypto::SecretKey,
    id::{DeviceId, WorkspaceId},
    relay_token::{Challenge, NONCE},
};

/// How often the server is looked for while it starts.
const TRIES: u32 = 100;

/// See the module.
pub(super) struct Client {
    server: SocketAddr,
    sender: SendRequest<Full<Bytes>>,
    token: String,
}

/// What is of interest of an answer.
pub(super) struct Page {
    /// From the question until all of the answer is here.
    pub took: Duration,
    pub entries: u64,
    pub next_cursor: String,
    pub more: bool,
}

impl Client {
    pub async fn connect(server: SocketAddr) -> Result<Self, ApiError> {
        let mut tries = 0;
        let stream = loop {
            match TcpStream::connect(server).await {
                Ok(stream) => break stream,
                Err(error) if tries == TRIES => return Err(failed(error)),
                Err(_) => tries += 1,
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        };
        stream.set_nodelay(true).map_err(failed)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(failed)?;
        tokio::spawn(connection);
        Ok(Self { server, sender, token: String::new() })
    }

    /// Gets a token.
    pub async fn introduce(
        &mut self,
        device: DeviceId,
        key: &SecretKey,
        workspace: WorkspaceId,
    ) -> Result<(), ApiError> {
        let made = self.ask(Method::POST, "/v1/auth/challenge", Some(json!({ "device": device }))).await?;
        let answer: Json = serde_json::from_slice(&made).map_err(failed)?;
        let nonce = answer["nonce"].as_str().unwrap_or_default().to_owned();
        let bytes = BASE64URL_NOPAD.decode(nonce.as_bytes()).ok();
        let bytes: Option<[u8; NONCE]> = bytes.and_then(|bytes| bytes.try_into().ok());
        let bytes = bytes.ok_or_else(|| ApiError::Failed(format!("no nonce in {answer}")))?;
        let relay = serde_json::from_value(answer["relay"].clone()).map_err(failed)?;
        let sig = Challenge { relay, workspace, nonce: bytes }.sign(key);
        let signature = BASE64URL_NOPAD.encode(&sig.0);
        let wish =
            json!({ "device": device, "workspace": workspace, "nonce": nonce, "signature": signature });
        let made = self.ask(Method::POST, "/v1/auth/token", Some(wish)).await?;
        let answer: Json = serde_json::from_slice(&made).map_err(failed)?;
        answer["token"].as_str().unwrap_or_default().clone_into(&mut self.token);
        Ok(())
    }

    /// One page of changes. An empty cursor: the first one.
    pub async fn changes(
        &mut self,
        workspace: WorkspaceId,
        cursor: &str,
        limit: Option<u32>,
    ) -> Result<Page, ApiError> {
        let cursor = (!cursor.is_empty()).then(|| format!("cursor={cursor}"));
        let wish: Vec<String> =
            cursor.into_iter().chain(limit.map(|limit| format!("limit={limit}"))).collect();
        let path = format!("/v1/workspaces/{workspace}/changes?{}", wish.join("&"));
        let start = Instant::now();
        let page = self.ask(Method::GET, &path, None).await?;
        let took = start.elapsed();
        let page: Json = serde_json::from_slice(&page).map_err(failed)?;
        Ok(Page {
            took,
            entries: page["changes"].as_array().map_or(0, Vec::len) as u64,
            next_cursor: page["nextCursor"].as_str().unwrap_or_default().to_owned(),
            more: page["more"] == true,
        })
    }

    async fn ask(&mut self, method: Method, path: &str, body: Option<Json>) -> Result<Bytes, ApiError> {
        let mut request = Request::builder().method(method).uri(path).header(HOST, self.server.to_string());
        if !self.token.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {}", self.token));
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Bytes::new, |body| body.to_string().into());
        let request = request.body(Full::new(body)).map_err(failed)?;
        self.sender.ready().await.map_err(failed)?;
        let answer = self.sender.send_request(request).await.map_err(failed)?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(failed)?.to_bytes();
        if status.is_success() {
            return Ok(body);
        }
        let told = String::from_utf8_lossy(&body);
        Err(ApiError::Failed(format!("the relay answered {path} with {status}: {told}")))
    }
}

fn failed(error: impl std::fmt::Display) -> ApiError {
    ApiError::Failed(format!("asking the relay over HTTP: {error}"))
}
