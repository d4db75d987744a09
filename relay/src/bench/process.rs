//! Relays in processes of their own, and devices in this one.

use serde_json::Value as Json;
use std::{
    net::SocketAddr,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use velo_node::{
    api::ApiError,
    handle::{NetOptions, Node, NodeConfig, NodeError},
    net::{Multiaddr, device_in},
};
use velo_protocol::{
    id::{DeviceId, WorkspaceId},
    replica::{Command as Ask, Reply},
};

/// How long a process may take to say that it is ready: it opens what it carries.
const START: Duration = Duration::from_mins(5);
/// How long it may take to end when asked.
const END: Duration = Duration::from_secs(30);
/// How long a relay may take until it has everything.
const FILL: Duration = Duration::from_mins(10);
/// How often it is asked meanwhile.
const POLL: Duration = Duration::from_millis(20);

/// How a relay is started.
pub(super) struct Plan<'a> {
    pub home: &'a Path,
    pub database: &'a str,
    /// Where it listens.
    pub listen: String,
    /// Where it answers HTTP.
    pub http: Option<SocketAddr>,
    /// Whether it has devices meet each other over it.
    pub has_circuits: bool,
}

/// A running relay. Dropping it kills its process.
pub(super) struct Relay {
    child: Child,
    /// As devices dial it, with its id.
    pub address: String,
    pub device: DeviceId,
}

impl Relay {
    pub async fn start(plan: &Plan<'_>) -> Result<Self, ApiError> {
        let failed = |error: std::io::Error| ApiError::Failed(format!("starting a relay: {error}"));
        let program = std::env::current_exe().map_err(failed)?;
        let mut command = Command::new(program);
        command.args(["node", "--json", "--with-parent", "--no-mdns", "--name", "Relay"]);
        command.arg("--data-dir").arg(plan.home.join("data")).args(["--listen", &plan.listen]);
        if plan.has_circuits {
            command.arg("--relay");
        }
        command.env("DATABASE_URL", plan.database).env("VELO_STATE_DIR", plan.home.join("state"));
        command.env_remove("VELO_HTTP").env_remove("JWT_SECRET");
        if let Some(http) = plan.http {
            command.env("VELO_HTTP", http.to_string());
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
        let mut child = command.spawn().map_err(failed)?;
        let line = tokio::time::timeout(START, first_line(&mut child)).await;
        let line = line.ok().and_then(Result::ok).flatten().unwrap_or_default();
        let ready: Json = serde_json::from_str(&line).unwrap_or_default();
        let address = ready.pointer("/addresses/0").and_then(Json::as_str).unwrap_or_default().to_owned();
        let device = address.parse::<Multiaddr>().ok().and_then(|address| device_in(&address));
        let device = device.ok_or_else(|| ApiError::Failed("a relay did not start".to_owned()))?;
        Ok(Self { child, address, device })
    }

    /// Ends it cleanly.
    pub async fn stop(mut self) -> Result<(), ApiError> {
        // It ends when its standard input does.
        drop(self.child.stdin.take());
        match tokio::time::timeout(END, self.child.wait()).await {
            Ok(Ok(status)) if status.success() => Ok(()),
            ended => Err(ApiError::Failed(format!("a relay did not end as asked: {ended:?}"))),
        }
    }

    /// Bytes of its memory.
    pub fn memory(&self) -> Option<u64> {
        self.child.id().and_then(velo_node::bench::rss_bytes)
    }
}

async fn first_line(child: &mut Child) -> std::io::Result<Option<String>> {
    let Some(stdout) = child.stdout.take() else { return Ok(None) };
    BufReader::new(stdout).lines().next_line().await
}

/// A device in this process which nobody can dial: what it hears comes through relays.
pub(super) async fn device(home: &Path) -> Result<Node, ApiError> {
    let net = NetOptions { listen: Vec::new(), ..NetOptions::loopback() };
    let config = NodeConfig {
        state_dir: Some(home.join("state")),
        network: Some(net),
        ..NodeConfig::offline(home.join("data"))
    };
    let started = tokio::task::spawn_blocking(move || Node::start(config)).await;
    Ok(started.map_err(|error| ApiError::Failed(error.to_string()))??)
}

/// Has it ended, on a thread that may wait.
pub(super) async fn end(node: Node) -> Result<(), ApiError> {
    let ended = tokio::task::spawn_blocking(move || node.shutdown()).await;
    Ok(ended.map_err(|error| ApiError::Failed(error.to_string()))??)
}

/// Founds a workspace.
pub(super) async fn found(node: &Node) -> Result<WorkspaceId, ApiError> {
    let found = Ask::CreateWorkspace { name: "Bench".into(), person_name: "Anna".into() };
    match node.submit(found).await? {
        Reply::Workspace(id) => Ok(id),
        _ => Err(NodeError::Stopped.into()),
    }
}

/// Has a relay carry a workspace, and waits until it has everything.
pub(super) async fn carry(
    node: &Node,
    workspace: WorkspaceId,
    relay: &Relay,
    token: &str,
) -> Result<(), ApiError> {
    let (address, token) = (relay.address.clone(), token.to_owned());
    node.submit(Ask::AddRelay { workspace, relay: relay.device, address, token }).await?;
    wait_kept(node, workspace, relay.device).await
}

/// Waits until a relay has everything that is here.
pub(super) async fn wait_kept(node: &Node, workspace: WorkspaceId, relay: DeviceId) -> Result<(), ApiError> {
    eventually("a relay has everything", || {
        node.peers().iter().filter(|peer| peer.status.peer == relay && peer.status.connected).any(|peer| {
            peer.status
                .workspaces
                .iter()
                .any(|copy| copy.workspace == workspace && copy.relay.is_some() && copy.lacks == 0)
        })
    })
    .await
}

/// Waits for something.
pub(super) async fn eventually(what: &str, mut holds: impl FnMut() -> bool) -> Result<(), ApiError> {
    let start = Instant::now();
    while !holds() {
        if start.elapsed() > FILL {
            return Err(ApiError::NotYet(format!("not within {FILL:?}: {what}")));
        }
        tokio::time::sleep(POLL).await;
    }
    Ok(())
}
