//! `velo node`: the peer without a window.

use super::{
    Settings,
    output::{GOOD, styled},
};
use crate::{
    api::{self, ApiError, workspace::Introduction},
    handle::{NetOptions, Node as Peer, NodeConfig, NodeError, NodeEvent},
    metrics,
};
use clap::Args;
use serde_json::json;
use std::{io, net::SocketAddr, process::ExitCode};
use tokio::sync::broadcast::{Receiver, error::RecvError};

/// Runs a peer until it is interrupted.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    velo node\n  \
    velo node --listen /ip4/0.0.0.0/tcp/4001 --metrics 127.0.0.1:9100\n\n\
    Other `velo` commands work beside it, over its control socket. Ctrl-C or SIGTERM ends it cleanly.")]
pub(crate) struct Node {
    /// Listen here; may be repeated [default: any free port]
    #[arg(long, value_name = "MULTIADDRESS")]
    listen: Vec<String>,
    /// Neither look for peers on the LAN nor be found
    #[arg(long)]
    no_mdns: bool,
    /// Talk to nobody
    #[arg(long, conflicts_with_all = ["listen", "no_mdns"])]
    offline: bool,
    /// End when standard input ends: for a process that another one started
    #[arg(long, hide = true)]
    with_parent: bool,
    /// Serve Prometheus metrics here, at /metrics
    #[arg(long, value_name = "IP:PORT")]
    metrics: Option<SocketAddr>,
}

impl Node {
    pub(super) fn run(&self, settings: &Settings) -> Result<ExitCode, ApiError> {
        if Introduction::read(&settings.data_dir)?.is_none() {
            return Err(ApiError::NoIdentity);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.map_err(NodeError::Thread)?;
        if let Some(address) = self.metrics {
            metrics::serve(address).map_err(|error| ApiError::Failed(error.to_string()))?;
        }
        let node = Peer::start(self.config(settings))?;
        let ended = runtime.block_on(self.serve(&node, settings.json));
        // A read of standard input that is still waiting must not hold up the end.
        runtime.shutdown_background();
        node.shutdown()?;
        ended.map(|()| ExitCode::SUCCESS)
    }

    fn config(&self, settings: &Settings) -> NodeConfig {
        let mut config = NodeConfig::online(settings.data_dir.clone());
        let mut net = NetOptions { mdns: !self.no_mdns, ..NetOptions::default() };
        if !self.listen.is_empty() {
            net.listen.clone_from(&self.listen);
        }
        config.network = (!self.offline).then_some(net);
        config
    }

    /// Answers commands until it is time to end.
    async fn serve(&self, node: &Peer, json: bool) -> Result<(), ApiError> {
        let events = node.subscribe();
        let _control = api::serve(node.handle()).map_err(|error| ApiError::Failed(error.to_string()))?;
        announce(node, json);
        let failed = |error| ApiError::Failed(format!("waiting for the end: {error}"));
        tokio::select! {
            result = interrupted() => result.map_err(failed),
            result = parent_gone(self.with_parent) => result.map_err(failed),
            () = watch(events, json) => Err(NodeError::Stopped.into()),
        }
    }
}

/// Says that commands are answered from now on, and where peers reach this device.
fn announce(node: &Peer, json: bool) {
    let status = node.status();
    if json {
        let process = std::process::id();
        let ready = json!({
            "ready": true, "device": status.device, "addresses": status.addresses, "process": process
        });
        anstream::println!("{ready}");
        return;
    }
    for address in &status.addresses {
        anstream::println!("Listening on {address}");
    }
    anstream::println!("{} Data in {}. Ctrl-C ends it.", styled(GOOD, "Ready."), status.data_dir.display());
}

/// Tells what happens, until the node stops.
async fn watch(mut events: Receiver<NodeEvent>, json: bool) {
    loop {
        match events.recv().await {
            Ok(NodeEvent::Stopped) | Err(RecvError::Closed) => return,
            Ok(NodeEvent::Listening { address }) if !json => anstream::println!("Listening on {address}"),
            Ok(NodeEvent::ReadOnly { reason }) => anstream::eprintln!("Saving failed: {reason}"),
            _ => {}
        }
    }
}

/// Returns when whoever started this process closes its standard input, or has died.
async fn parent_gone(with_parent: bool) -> io::Result<()> {
    if !with_parent {
        return std::future::pending().await;
    }
    let ended = tokio::task::spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink()));
    ended.await.map_err(io::Error::other)?.map(|_| ())
}

/// Returns at Ctrl-C, and on Unix at SIGTERM.
#[cfg(unix)]
pub(crate) async fn interrupted() -> io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    tokio::select! {
        result = tokio::signal::ctrl_c() => result,
        _ = terminate.recv() => Ok(()),
    }
}

/// Returns at Ctrl-C.
#[cfg(not(unix))]
pub(crate) async fn interrupted() -> io::Result<()> {
    tokio::signal::ctrl_c().await
}
