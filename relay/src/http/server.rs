//! Connections: so many at once, each with bounds on how long it may take.

use crate::limits;
use axum::{
    Router,
    body::Body,
    http::{HeaderMap, Request},
};
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    service::TowerToHyperService,
};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

/// Where a connection comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Remote(SocketAddr);

impl Remote {
    /// Who asks: the other end, or whom a proxy on this machine speaks for. Nobody else is believed.
    pub fn address(self, headers: &HeaderMap) -> IpAddr {
        let own = self.0.ip().to_canonical();
        if !own.is_loopback() {
            return own;
        }
        let passed_on = headers.get_all("x-forwarded-for").into_iter().next_back();
        let passed_on =
            passed_on.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
        passed_on.unwrap_or(own)
    }

    /// Whether it is this machine itself that asks, and not for somebody else.
    pub fn is_here(self, headers: &HeaderMap) -> bool {
        let proxied = ["x-forwarded-for", "forwarded", "via"].iter().any(|name| headers.contains_key(*name));
        self.0.ip().to_canonical().is_loopback() && !proxied
    }
}

/// Serves until it is dropped.
pub(super) async fn serve(listener: TcpListener, router: Router) {
    let room = Arc::new(Semaphore::new(limits::HTTP_CONNECTIONS));
    let mut connections = JoinSet::new();
    let service = TowerToHyperService::new(router);
    loop {
        let Ok(permit) = Arc::clone(&room).acquire_owned().await else { return };
        let stream = tokio::select! {
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
        };
        match stream {
            Ok((stream, remote)) => {
                let service = service.clone();
                connections.spawn(async move {
                    converse(stream, Remote(remote), service).await;
                    drop(permit);
                });
            }
            Err(error) => {
                // Out of file handles, as a rule: they come back as connections end.
                tracing::warn!(%error, "an HTTP connection was not taken");
                tokio::time::sleep(Duration::from_millis(limits::RETRY_MS)).await;
            }
        }
    }
}

async fn converse(stream: TcpStream, remote: Remote, service: TowerToHyperService<Router>) {
    // Answers are written whole.
    let _ = stream.set_nodelay(true);
    let answer = hyper::service::service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(remote);
        service.call(request)
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_millis(limits::HTTP_HEAD_MS))
        .serve_connection(TokioIo::new(stream), answer);
    tokio::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = tokio::time::sleep(Duration::from_millis(limits::HTTP_CONNECTION_MS)) => {
            connection.as_mut().graceful_shutdown();
            let last = Duration::from_millis(limits::HTTP_LAST_MS);
            tokio::time::timeout(last, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an HTTP connection broke");
    }
}
