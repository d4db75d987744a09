//! Relays in processes of their own, and devices in this one.

use crate::{
    store::InDatabase,
    tokens::{Token, Tokens},
};
use std::{
    net::SocketAddr,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use velo_node::{
    api::ApiError,
    bench::{Peer, free_port, rss_bytes},
    handle::{NetOptions, Node, NodeConfig, NodeError},
    net::{Multiaddr, device_in},
};
use velo_protocol::{
    access::Role,
    id::{DeviceId, WorkspaceId},
    replica::{Command, Reply},
};

/// How long a relay may take until it has everything, and devices until they show the same.
const FILL: Duration = Duration::from_mins(10);
/// How often it is asked meanwhile.
const POLL: Duration = Duration::from_millis(20);
/// Has a relay bring devices together, and take as many as it can.
pub(super) const CIRCUITS: &str = "--relay";

/// A running relay. Dropping it kills its process.
pub(super) struct Relay {
    peer: Peer,
    pub device: DeviceId,
}

impl Relay {
    /// Starts one that keeps its data in `home`, and its logs in a database. `http`: where it answers.
    pub async fn start(
        home: &Path,
        database: &str,
        http: Option<SocketAddr>,
        options: &[&str],
    ) -> Result<Self, ApiError> {
        let mut peer = Peer::new("Relay", home)?;
        // This process may be told where a relay answers: none of these is that one.
        let http = http.map_or_else(String::new, |http| http.to_string());
        peer.vars = vec![("DATABASE_URL", database.to_owned()), ("VELO_HTTP", http)];
        peer.options = options.iter().map(|option| (*option).to_owned()).collect();
        peer.start(true).await?;
        let device = peer.address().parse::<Multiaddr>().ok().and_then(|address| device_in(&address));
        let device = device.ok_or_else(|| ApiError::Failed("a relay listens nowhere".to_owned()))?;
        Ok(Self { peer, device })
    }

    /// As devices dial it, with its id.
    pub fn address(&self) -> &str {
        self.peer.address()
    }

    /// Has it listen at another port, where nobody knows it.
    pub async fn move_on(&mut self) -> Result<(), ApiError> {
        self.stop().await?;
        self.peer.listen = format!("/ip4/127.0.0.1/tcp/{}", free_port()?.port());
        self.peer.start(true).await
    }

    /// Ends it cleanly.
    pub async fn stop(&mut self) -> Result<(), ApiError> {
        self.peer.stop().await
    }

    /// Bytes of its memory.
    pub fn memory(&self) -> Option<u64> {
        self.peer.process().and_then(rss_bytes)
    }
}

/// Has something done on a thread that may wait.
pub(super) async fn blocking<T: Send + 'static, E>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, ApiError>
where
    E: std::fmt::Display + Send + 'static,
{
    let done =
        tokio::task::spawn_blocking(work).await.map_err(|error| ApiError::Failed(error.to_string()))?;
    done.map_err(|error| ApiError::Failed(error.to_string()))
}

/// A token that is good for so many workspaces.
pub(super) async fn token(url: &str, home: &Path, most: u32) -> Result<String, ApiError> {
    let (logs, home) = (Arc::new(InDatabase::at(url.to_owned())), home.to_owned());
    blocking(move || Tokens::of(Some(logs)).add(&home, &Token::new("bench", None, most)?)).await
}

/// A device in this process which nobody can dial: what it hears comes through relays.
pub(super) async fn device(home: &Path) -> Result<Node, ApiError> {
    let net = NetOptions { listen: Vec::new(), ..NetOptions::loopback() };
    let config = NodeConfig {
        state_dir: Some(home.join("state")),
        network: Some(net),
        ..NodeConfig::offline(home.join("data"))
    };
    blocking(move || Node::start(config)).await
}

/// Has it ended.
pub(super) async fn end(node: Node) -> Result<(), ApiError> {
    blocking(move || node.shutdown()).await
}

/// Founds a workspace.
pub(super) async fn found(node: &Node) -> Result<WorkspaceId, ApiError> {
    let found = Command::CreateWorkspace { name: "Bench".into(), person_name: "Anna".into() };
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
    let (address, token) = (relay.address().to_owned(), token.to_owned());
    node.submit(Command::AddRelay { workspace, relay: relay.device, address, token }).await?;
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

/// Lets somebody in, who comes by these relays, and waits until both show the same.
pub(super) async fn join(
    host: &Node,
    guest: &Node,
    workspace: WorkspaceId,
    relays: &[&Relay],
) -> Result<(), ApiError> {
    let addresses = relays.iter().map(|relay| relay.address().to_owned()).collect();
    let (single_use, expires_ms) = (false, u64::MAX);
    let invite = Command::Invite { workspace, role: Role::Member, single_use, expires_ms, addresses };
    let Reply::Ticket(ticket) = host.submit(invite).await? else {
        return Err(ApiError::Failed("no ticket".to_owned()));
    };
    guest.submit(Command::Join { ticket, person_name: "Ben".into() }).await?;
    let shown = |node: &Node| node.workspace(workspace).map(|state| state.state_hash());
    eventually("both devices show the same", || {
        let (there, here) = (shown(host), shown(guest));
        there.is_some()
            && there == here
            && guest
                .workspace(workspace)
                .is_some_and(|state| state.roster().role_of(guest.person()).is_some())
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
