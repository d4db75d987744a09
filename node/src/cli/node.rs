//! `velo node`: the peer without a window.

use super::{
    Settings,
    output::{GOOD, complain, say, styled},
};
use crate::{
    api::{self, ApiError, workspace::Introduction},
    handle::{NetOptions, Node as Peer, NodeConfig, NodeError, NodeEvent},
    metrics,
};
use clap::Args;
use serde_json::json;
use std::{io, net::SocketAddr, process::ExitCode, time::Duration};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use velo_protocol::{presence::Doing, replica::Command};

/// How long the ready line waits for an address to listen on.
const LISTEN: Duration = Duration::from_secs(5);

/// Runs a peer until it is interrupted.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  \
    velo node\n  \
    velo node --listen /ip4/0.0.0.0/tcp/4001 --metrics 127.0.0.1:9100\n  \
    velo node --relay --listen /ip4/0.0.0.0/tcp/4001 --external /ip4/203.0.113.7/tcp/4001\n\n\
    Devices behind routers meet through a relay: give its address to `velo peers add` on one of them, and \
    invite the others from there. The relay sees who meets whom, and nothing of what they say.\n\n\
    Other `velo` commands work beside it, over its control socket. Ctrl-C or SIGTERM ends it cleanly.")]
pub(crate) struct Node {
    /// Listen here; may be repeated [default: any free port]
    #[arg(long, value_name = "MULTIADDRESS")]
    listen: Vec<String>,
    /// Neither look for peers on the LAN nor be found
    #[arg(long)]
    no_mdns: bool,
    #[command(flatten)]
    relaying: Relaying,
    /// Talk to nobody
    #[arg(long, conflicts_with_all = ["listen", "no_mdns", "relay", "external"])]
    offline: bool,
    /// Introduce this device by this name, if `velo init` never did
    #[arg(long)]
    name: Option<String>,
    /// End when standard input ends: for a process that another one started
    #[arg(long, hide = true)]
    with_parent: bool,
    /// Serve Prometheus metrics here, at /metrics
    #[arg(long, value_name = "IP:PORT")]
    metrics: Option<SocketAddr>,
}

/// What this device does for others, and where they find it.
#[derive(Debug, Clone, Args)]
struct Relaying {
    /// Carry connections between devices that cannot reach each other; not announced on the LAN unless
    /// with --mdns
    #[arg(long)]
    relay: bool,
    /// Announce a relay on the LAN, too
    #[arg(long, requires = "relay", conflicts_with = "no_mdns")]
    mdns: bool,
    /// Others reach this device here, too, such as at a router's forwarded port; may be repeated
    #[arg(long, value_name = "MULTIADDRESS")]
    external: Vec<String>,
}

impl Node {
    pub(super) fn run(&self, settings: &Settings) -> Result<ExitCode, ApiError> {
        self.introduce(settings)?;
        // Two: what one request computes must not hold up all others.
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        let runtime = runtime.map_err(NodeError::Thread)?;
        let signals = {
            let _inside = runtime.enter();
            // Before anything is open that would have to be closed.
            Signals::catch().map_err(waiting_failed)?
        };
        if let Some(address) = self.metrics {
            let _inside = runtime.enter();
            metrics::serve(address).map_err(|error| ApiError::Failed(error.to_string()))?;
        }
        let node = Peer::start(self.config(settings))?;
        let ended = runtime.block_on(async {
            tokio::select! {
                result = signals.received() => result.map_err(waiting_failed),
                result = parent_gone(self.with_parent) => result.map_err(waiting_failed),
                result = self.serve(&node, settings) => result,
            }
        });
        // A read of standard input that is still waiting must not hold up the end.
        runtime.shutdown_background();
        node.shutdown()?;
        ended.map(|()| ExitCode::SUCCESS)
    }

    fn introduce(&self, settings: &Settings) -> Result<(), ApiError> {
        if Introduction::read(&settings.data_dir)?.is_some() {
            return Ok(());
        }
        let name = self.name.as_deref().ok_or(ApiError::NoIdentity)?;
        Introduction::new(name)?.write(&settings.data_dir)
    }

    fn config(&self, settings: &Settings) -> NodeConfig {
        let mut config = settings.node();
        let mut net = NetOptions {
            mdns: if self.relaying.relay { self.relaying.mdns } else { !self.no_mdns },
            is_relay: self.relaying.relay,
            external: self.relaying.external.clone(),
            ..NetOptions::default()
        };
        if !self.listen.is_empty() {
            net.listen.clone_from(&self.listen);
        }
        config.network = (!self.offline).then_some(net);
        config
    }

    /// Answers commands until the node stops by itself.
    async fn serve(&self, node: &Peer, settings: &Settings) -> Result<(), ApiError> {
        let mut events = node.subscribe();
        let _control = api::serve(node.handle()).map_err(|error| ApiError::Failed(error.to_string()))?;
        let beside = settings.companions.iter().map(|companion| companion.start(node.handle()));
        let _beside = beside.collect::<Result<Vec<_>, String>>().map_err(ApiError::Failed)?;
        if !self.offline {
            // A port that is taken shows in the log file and in `velo doctor`; commands work all the same.
            let _ = tokio::time::timeout(LISTEN, listening(node, &mut events)).await;
        }
        // Others see that the device is on. Nothing hangs on it.
        let running = Command::SetPresence { doing: Doing::Running, workspace: None };
        let _ = node.submit(running).await;
        let told = announce(node, settings.json);
        watch(events, settings.json, told).await;
        Err(NodeError::Stopped.into())
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as map_err gives it")]
fn waiting_failed(error: io::Error) -> ApiError {
    ApiError::Failed(format!("waiting for the end: {error}"))
}

/// Returns as soon as peers can reach this device.
async fn listening(node: &Peer, events: &mut Receiver<NodeEvent>) {
    while node.listen_addresses().is_empty() && !matches!(events.recv().await, Err(RecvError::Closed)) {}
}

/// Says that commands are answered from now on, and where peers reach this device.
fn announce(node: &Peer, json: bool) -> Vec<String> {
    let status = node.status();
    if json {
        let process = std::process::id();
        let ready = json!({
            "ready": true, "device": status.device, "addresses": status.addresses, "process": process
        });
        say(ready);
        return status.addresses;
    }
    for address in &status.addresses {
        say(format!("Listening on {address}"));
    }
    let data = status.data_dir.display();
    say(format!("{} Data in {data}. Ctrl-C ends it.", styled(GOOD, "Ready.")));
    status.addresses
}

/// Tells what happens, until the node stops. `told`: addresses that were told already.
async fn watch(mut events: Receiver<NodeEvent>, json: bool, told: Vec<String>) {
    loop {
        match events.recv().await {
            Ok(NodeEvent::Stopped) | Err(RecvError::Closed) => return,
            Ok(NodeEvent::Listening { address }) if !json && !told.contains(&address) => {
                say(format!("Listening on {address}"));
            }
            Ok(NodeEvent::Damaged { reason, .. }) => {
                complain(format!("Part of a workspace cannot be read: {reason}"));
            }
            Ok(NodeEvent::ReadOnly { reason }) => complain(format!("Saving failed: {reason}")),
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

/// What asks a process to end, caught from the moment this is made: Ctrl-C, and on Unix SIGTERM.
#[cfg(unix)]
pub(crate) struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    /// Call it in a tokio runtime.
    pub(crate) fn catch() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self { interrupt: signal(SignalKind::interrupt())?, terminate: signal(SignalKind::terminate())? })
    }

    /// Returns when there was one.
    pub(crate) async fn received(mut self) -> io::Result<()> {
        tokio::select! {
            _ = self.interrupt.recv() => Ok(()),
            _ = self.terminate.recv() => Ok(()),
        }
    }
}

/// What asks a process to end.
#[cfg(not(unix))]
pub(crate) struct Signals;

#[cfg(not(unix))]
impl Signals {
    pub(crate) fn catch() -> io::Result<Self> {
        Ok(Self)
    }

    /// Returns at Ctrl-C.
    pub(crate) async fn received(self) -> io::Result<()> {
        tokio::signal::ctrl_c().await
    }
}

/// Returns when this process is asked to end.
pub async fn interrupted() -> io::Result<()> {
    Signals::catch()?.received().await
}
