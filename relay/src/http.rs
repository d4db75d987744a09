//! The relay over HTTP: for scripts, bots and dashboards that do not speak libp2p.
//!
//! It runs beside the node and goes through the same door as everybody: what comes in is verified like what a
//! peer sends, and who asks is found in the log at every request. So it adds no second truth: a device's token
//! says who speaks, never what they may do.
//!
//! ```text
//! server      connections and their bounds          problem     how refusals look
//! auth        a device signs a nonce -> token       caller      who asks, and whether they are in
//! changes     by cursor, with long polling          sync        runs in, changes out
//! rate        how often somebody may ask            places      how much they may have open
//! logs        heads and ranges                      entities    tasks, projects, comments as JSON
//! ops         what bots write                       operations  health, figures, this API's description
//! ```
//!
//! What is absent: TLS, which a proxy in front of it does, and sessions: nothing is kept of who asked but
//! nonces that were used, and counts of how often.

mod auth;
mod body;
mod caller;
mod changes;
mod cursor;
mod entities;
mod generation;
mod logs;
mod operations;
mod ops;
mod places;
mod problem;
mod rate;
mod server;
mod sync;
mod token;

use crate::{arrivals::Arrivals, database::Database, limits, store::InDatabase};
use auth::Nonces;
use axum::{
    Router,
    body::Body,
    extract::{FromRequestParts, Query, State},
    http::{Request, request::Parts},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, post},
};
use places::Places;
use problem::Problem;
use rate::Buckets;
use serde::de::DeserializeOwned;
use std::{
    any::Any,
    env,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::Arc,
    time::{Duration, Instant},
};
use token::Tokens;
use tokio::{
    sync::{Mutex, Semaphore},
    task::AbortHandle,
};
use velo_node::{companion::Companion, handle::NodeHandle, metrics};
use velo_protocol::replica::{Command, Reply};

/// Where it listens, as `IP:PORT`.
const LISTEN_VAR: &str = "VELO_HTTP";
/// Signs tokens and cursors.
const SECRET_VAR: &str = "JWT_SECRET";
/// Between two looks at what was measured.
const UPKEEP: Duration = Duration::from_secs(10);
/// Between two times at which old operations of integrations are forgotten.
const FORGETTING: Duration = Duration::from_hours(24);

/// The HTTP API, not started yet.
#[derive(Debug)]
pub struct Http {
    listen: String,
    secret: Option<String>,
    database: Option<Arc<InDatabase>>,
}

impl Http {
    /// As the environment says; `None`: nobody wants it.
    pub fn from_env(database: Option<Arc<InDatabase>>) -> Option<Self> {
        let given = |name| env::var(name).ok().filter(|value| !value.is_empty());
        Some(Self { listen: given(LISTEN_VAR)?, secret: given(SECRET_VAR), database })
    }

    fn secret(&self) -> Result<Vec<u8>, String> {
        let Some(secret) = &self.secret else {
            let mut drawn = vec![0; limits::SECRET_BYTES];
            getrandom::fill(&mut drawn).map_err(|error| format!("the system gave no randomness: {error}"))?;
            tracing::info!("{SECRET_VAR} is not set: tokens and cursors are good until this relay ends");
            return Ok(drawn);
        };
        if secret.len() < limits::SECRET_BYTES {
            let (least, given) = (limits::SECRET_BYTES, secret.len());
            return Err(format!(
                "{SECRET_VAR} has {given} bytes, and needs at least {least}: make one with `openssl rand -hex 32`"
            ));
        }
        Ok(secret.clone().into_bytes())
    }
}

impl Companion for Http {
    fn start(&self, node: &NodeHandle) -> Result<Box<dyn Any + Send>, String> {
        let listen: SocketAddr = self.listen.parse().map_err(|_| {
            format!(
                "{LISTEN_VAR} is an address with a port, such as 127.0.0.1:8080, and not \"{}\"",
                self.listen
            )
        })?;
        let secret = self.secret()?;
        let database = self.database.as_ref().map(|database| database.database().cloned()).transpose();
        let database = database.map_err(|error| error.to_string())?;
        let arrivals = self.database.as_ref().map(|database| database.arrivals()).transpose();
        let arrivals = arrivals.map_err(|error| error.to_string())?;
        let kept = database.clone();
        let app = App::new(node.clone(), database, arrivals, secret)?;
        let failed = |error: std::io::Error| format!("HTTP cannot be served on {listen}: {error}");
        let listener = TcpListener::bind(listen).map_err(failed)?;
        listener.set_nonblocking(true).map_err(failed)?;
        let listener = tokio::net::TcpListener::from_std(listener).map_err(failed)?;
        tracing::info!(%listen, "HTTP is served");
        let places = Arc::clone(&app.places);
        let serving = tokio::spawn(server::serve(listener, router(app), places));
        let measuring = tokio::spawn(async {
            loop {
                metrics::upkeep();
                tokio::time::sleep(UPKEEP).await;
            }
        });
        let forgetting = tokio::spawn(async move {
            while let Some(database) = &kept {
                ops::forget_old(database).await;
                tokio::time::sleep(FORGETTING).await;
            }
        });
        Ok(Box::new(Running([serving, measuring, forgetting].map(|task| task.abort_handle()))))
    }
}

/// Ends with this.
struct Running([AbortHandle; 3]);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.iter().for_each(AbortHandle::abort);
    }
}

/// What every request is answered with.
struct Inner {
    node: NodeHandle,
    database: Option<Database>,
    arrivals: Option<Arc<Arrivals>>,
    secret: Vec<u8>,
    tokens: Tokens,
    nonces: Nonces,
    places: Arc<Places>,
    per_address: Buckets<IpAddr>,
    auth_per_address: Buckets<IpAddr>,
    per_device: Buckets<[u8; 32]>,
    waiting: Semaphore,
    reading: Arc<Semaphore>,
    /// Held by whoever writes for an integration.
    writing: Mutex<()>,
}

/// The same, to be handed around.
#[derive(Clone)]
struct App(Arc<Inner>);

impl std::ops::Deref for App {
    type Target = Inner;
    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl App {
    fn new(
        node: NodeHandle,
        database: Option<Database>,
        arrivals: Option<Arc<Arrivals>>,
        secret: Vec<u8>,
    ) -> Result<Self, String> {
        let tokens = Tokens::new(&secret).map_err(|error| format!("{SECRET_VAR}: {error}"))?;
        let nonces = Nonces::new().map_err(|error| format!("the system gave no randomness: {error}"))?;
        Ok(Self(Arc::new(Inner {
            node,
            database,
            arrivals,
            secret,
            tokens,
            nonces,
            places: Places::new(limits::HTTP_PER_ADDRESS),
            per_address: Buckets::new(limits::PER_ADDRESS),
            auth_per_address: Buckets::new(limits::AUTH_PER_ADDRESS),
            per_device: Buckets::new(limits::PER_DEVICE),
            waiting: Semaphore::new(limits::WAITING),
            reading: Arc::new(Semaphore::new(limits::READING)),
            writing: Mutex::default(),
        })))
    }

    /// Has a command done. Where saving takes long, such as while the database is away, nobody knows for a while
    /// whether it is: whoever asked sends it again.
    async fn submit(&self, command: Command) -> Result<Reply, Problem> {
        let patience = Duration::from_millis(limits::SAVE_PATIENCE_MS);
        match tokio::time::timeout(patience, self.node.submit(command)).await {
            Ok(done) => Ok(done?),
            Err(_) => Err(Problem::too_long()),
        }
    }

    fn database(&self) -> Result<&Database, Problem> {
        self.database.as_ref().ok_or_else(Problem::needs_database)
    }

    fn arrivals(&self) -> Result<&Arrivals, Problem> {
        self.arrivals.as_deref().ok_or_else(Problem::needs_database)
    }
}

/// Every address there is, with its method: the description of the API is held to it.
fn routes() -> Vec<(&'static str, &'static str, MethodRouter<App>)> {
    vec![
        ("/v1/auth/challenge", "post", post(auth::challenge)),
        ("/v1/auth/token", "post", post(auth::token)),
        ("/v1/sync", "post", post(sync::sync)),
        ("/v1/workspaces/{id}/changes", "get", get(changes::changes)),
        ("/v1/workspaces/{id}/logs", "get", get(logs::heads)),
        ("/v1/workspaces/{id}/logs/{log}/entries", "get", get(logs::entries)),
        ("/v1/workspaces/{id}/ops", "post", post(ops::ops)),
        ("/v1/workspaces/{id}/tasks", "get", get(entities::tasks)),
        ("/v1/workspaces/{id}/projects", "get", get(entities::projects)),
        ("/v1/workspaces/{id}/comments", "get", get(entities::comments)),
        ("/healthz", "get", get(operations::healthz)),
        ("/readyz", "get", get(operations::readyz)),
        ("/metrics", "get", get(operations::figures::<Body>)),
        ("/openapi.json", "get", get(operations::openapi)),
    ]
}

fn router(app: App) -> Router {
    let mut router = Router::new();
    for (path, _, method) in routes() {
        router = router.route(path, method.fallback(operations::otherwise));
    }
    let limited = middleware::from_fn_with_state(app.clone(), limit);
    router.fallback(operations::nowhere).layer(limited).with_state(app)
}

/// Whoever asks too often waits, or too much at once through a proxy. Whether the relay runs is told all the same.
async fn limit(State(app): State<App>, request: Request<Body>, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let path = parts.uri.path();
    let remote = caller::remote(&parts).filter(|_| !matches!(path, "/healthz" | "/readyz"));
    let mut place = None;
    if let Some(remote) = remote {
        let (address, now) = (remote.address(&parts.headers), Instant::now());
        let mut room = app.per_address.take(address, now);
        if path.starts_with("/v1/auth/") {
            room = room.and(app.auth_per_address.take(address, now));
        }
        if let Err(wait) = room {
            return Problem::busy(wait.as_secs() + 1, "this address asks too often").into_response();
        }
        if let Some(proxied) = remote.proxied(&parts.headers) {
            let Ok(taken) = app.places.take(proxied) else {
                return Problem::busy(1, "this address asks too much at once").into_response();
            };
            place = Some(taken);
        }
    }
    let answer = next.run(Request::from_parts(parts, body)).await;
    drop(place);
    answer
}

/// What an address asks behind its question mark, or a problem.
#[derive(Debug)]
struct Asked<T>(T);

impl<T: DeserializeOwned> FromRequestParts<App> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let asked = Query::<T>::from_request_parts(parts, app).await;
        let asked = asked.map_err(|error| Problem::bad("invalid_query", error.body_text()))?;
        Ok(Self(asked.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    #[test]
    fn the_description_tells_of_every_address_and_of_no_other() {
        let described: Value = serde_json::from_str(operations::OPENAPI).unwrap();
        let paths = described["paths"].as_object().unwrap();
        let mut told: Vec<(String, String)> = Vec::new();
        for (path, methods) in paths {
            let methods = methods.as_object().unwrap().keys().filter(|method| *method != "parameters");
            told.extend(methods.map(|method| (path.clone(), method.clone())));
        }
        let mut there: Vec<(String, String)> =
            routes().iter().map(|(path, method, _)| ((*path).to_owned(), (*method).to_owned())).collect();
        told.sort();
        there.sort();
        assert_eq!(told, there);
    }
}
