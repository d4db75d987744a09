//! Connections: so many at once, each with bounds on how long it may take.

use super::places::{NoPlace, Place, Places};
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
    net::{IpAddr, Ipv6Addr, SocketAddr},
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
        self.proxied(headers).unwrap_or_else(|| network(self.0.ip()))
    }

    /// For whom a proxy on this machine speaks.
    pub fn proxied(self, headers: &HeaderMap) -> Option<IpAddr> {
        if !self.is_local() {
            return None;
        }
        let last = headers.get_all("x-forwarded-for").into_iter().next_back()?;
        last.to_str().ok()?.rsplit(',').next()?.trim().parse().ok().map(network)
    }

    /// Its place among the connections of its address. This machine needs none.
    fn place(self, places: &Arc<Places>) -> Result<Option<Place>, NoPlace> {
        if self.is_local() { Ok(None) } else { places.take(network(self.0.ip())).map(Some) }
    }

    /// Whether the other end is on this machine.
    fn is_local(self) -> bool {
        self.0.ip().to_canonical().is_loopback()
    }

    /// Whether it is this machine itself that asks, and not for somebody else.
    pub fn is_here(self, headers: &HeaderMap) -> bool {
        let proxied = ["x-forwarded-for", "forwarded", "via"].iter().any(|name| headers.contains_key(*name));
        self.is_local() && !proxied
    }
}

/// What counts as one address: an IPv6 network of 64 bits does, since that is what one household is given.
fn network(ip: IpAddr) -> IpAddr {
    match ip.to_canonical() {
        IpAddr::V6(ip) if !ip.is_loopback() => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() >> 64 << 64)),
        other => other,
    }
}

/// Serves until it is dropped.
pub(super) async fn serve(listener: TcpListener, router: Router, places: Arc<Places>) {
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
                let remote = Remote(remote);
                let Ok(place) = remote.place(&places) else {
                    // Closed without a word: whoever has that many open knows why.
                    tracing::debug!(?remote, "an HTTP connection too many of one address");
                    continue;
                };
                let service = service.clone();
                connections.spawn(async move {
                    converse(stream, remote, service).await;
                    drop((permit, place));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_household_counts_as_one_and_a_proxy_of_this_machine_is_believed() {
        let from = |ip: &str| Remote(SocketAddr::new(ip.parse().unwrap(), 1));
        let asks = |ip: &str, passed_on: &str| {
            let headers = [("x-forwarded-for".parse().unwrap(), passed_on.parse().unwrap())];
            from(ip).address(&HeaderMap::from_iter(headers)).to_string()
        };
        assert_eq!(from("192.0.2.1").address(&HeaderMap::new()).to_string(), "192.0.2.1");
        assert_eq!(from("2001:db8::1:2:3:4").address(&HeaderMap::new()).to_string(), "2001:db8::");
        assert_eq!(from("::ffff:192.0.2.1").address(&HeaderMap::new()).to_string(), "192.0.2.1");
        assert_eq!(asks("127.0.0.1", "198.51.100.1, 2001:db8:0:1::7"), "2001:db8:0:1::");
        assert_eq!(asks("::1", "192.0.2.7"), "192.0.2.7");
        assert_eq!(asks("192.0.2.1", "192.0.2.7"), "192.0.2.1", "nobody else is believed");
        assert_eq!(asks("127.0.0.1", "nonsense"), "127.0.0.1");
    }
}
