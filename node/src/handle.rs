//! The node as the app, the command line and tests see it.
//!
//! [`Node::start`] opens a data directory and runs a peer in threads of its own. [`NodeHandle`] is
//! the way to it: cheap to clone, and never waiting for disk or network to read. What it shows are
//! immutable snapshots; what it changes goes through commands:
//!
//! ```no_run
//! # fn main() -> Result<(), velo_node::handle::NodeError> {
//! use velo_node::handle::{Node, NodeConfig};
//! use velo_protocol::replica::{Command, Reply};
//!
//! let node = Node::start(NodeConfig::offline("/tmp/velo".into()))?;
//! let found = Command::CreateWorkspace { name: "Workshop".into(), person_name: "Anna".into() };
//! if let Reply::Workspace(id) = node.submit_blocking(found)? {
//!     let shown = node.workspace(id).map(|workspace| workspace.name().to_owned());
//!     println!("{shown:?}");
//! }
//! node.shutdown()
//! # }
//! ```

use crate::{
    blobs::content::ContentFault,
    data_dir::{self, DataDirError},
    driver,
    keystore::{self, KeystoreError, Passphrase},
    net::{self, NetError, NetHandle, TargetStage, TargetStatus},
    operator::Operator,
    store::{
        home::{InFiles, LogHome},
        log_files::OpenError,
    },
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::{Arc, atomic::Ordering},
    thread::JoinHandle,
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::sync::{broadcast, mpsc, oneshot};
use velo_protocol::{
    id::{DeviceId, EntityId, LogId, PersonId, WorkspaceId},
    model::EntityKey,
    replica::{Command, PeerStatus, PeerWorkspace, Present, Refusal, Reply},
    store::{LogReader, StoreError},
    workspace::Workspace,
};

mod attachments;
mod keys;
mod relay;
mod shared;
mod status;
mod stored;

pub use attachments::Space;
pub(crate) use shared::{Owner, Published, Request, Shared};
pub use status::{NodeStatus, PeerInfo, PeerLink, WorkspaceStatus};
pub use stored::StoredEntry;

/// What a node is started with.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// Where everything is kept; see [`crate::data_dir::default_path`].
    pub data_dir: PathBuf,
    /// Where it is noted how far the own logs reached; `None` for the platform's place. See
    /// [`crate::data_dir::marker`].
    pub state_dir: Option<PathBuf>,
    /// `None` to stay offline.
    pub network: Option<NetOptions>,
    /// Opens the keys, if they are under one. `None` to look for it as [`Passphrase::find`] does.
    pub passphrase: Option<Passphrase>,
    /// Where the logs of workspaces lie.
    pub log_home: Arc<dyn LogHome>,
    /// Who decides what this device carries as a relay; nobody, where it is none.
    pub operator: Option<Arc<dyn Operator>>,
}

impl NodeConfig {
    /// A node that talks to nobody.
    pub fn offline(data_dir: PathBuf) -> Self {
        Self {
            data_dir,
            state_dir: None,
            network: None,
            passphrase: None,
            log_home: Arc::new(InFiles),
            operator: None,
        }
    }

    /// A node as a person runs it: listening on a free port, found by peers on the LAN.
    pub fn online(data_dir: PathBuf) -> Self {
        Self { network: Some(NetOptions::default()), ..Self::offline(data_dir) }
    }
}

/// How a node reaches its peers.
#[derive(Debug, Clone)]
pub struct NetOptions {
    /// libp2p multiaddresses to listen on.
    pub listen: Vec<String>,
    /// Whether to find peers on the LAN, and be found.
    pub mdns: bool,
    /// Whether to carry connections between others: see [`net::NetConfig::is_relay`].
    pub is_relay: bool,
    /// libp2p multiaddresses at which others reach this device beside those it listens on.
    pub external: Vec<String>,
}

impl Default for NetOptions {
    fn default() -> Self {
        let listen = vec!["/ip4/0.0.0.0/tcp/0".into()];
        Self { listen, mdns: true, is_relay: false, external: Vec::new() }
    }
}

impl NetOptions {
    /// On this machine only, without discovery: for tests and for several devices on one machine.
    pub fn loopback() -> Self {
        Self { listen: vec!["/ip4/127.0.0.1/tcp/0".into()], mdns: false, ..Self::default() }
    }
}

/// Why the node did not do what was asked. Each says what to do.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// The data directory.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The keys.
    #[error(transparent)]
    Keystore(#[from] KeystoreError),
    /// The log of a workspace.
    #[error("workspace {}: {source}", workspace.short())]
    Store {
        /// Which.
        workspace: WorkspaceId,
        /// Why.
        source: StoreError,
    },
    /// The log files of a workspace.
    #[error("workspace {}: {source}", workspace.short())]
    Log {
        /// Which.
        workspace: WorkspaceId,
        /// Why.
        source: OpenError,
    },
    /// Where the logs lie cannot be reached: why, and what to do.
    #[error("{0}")]
    LogHome(String),
    /// The content of an attachment.
    #[error(transparent)]
    Content(#[from] ContentFault),
    /// A file that is to be attached.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why not.
        source: Box<NodeError>,
    },
    /// Something stands where a file is to be saved.
    #[error("{} is there already: choose another name", .0.display())]
    PlaceTaken(PathBuf),
    /// A file cannot be saved.
    #[error("writing {}: {source}", path.display())]
    Place {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// Part of the workspace cannot be read, so nobody knows what it shows.
    #[error(
        "part of the workspace cannot be read here yet, and may show what would be dropped: see `velo doctor`"
    )]
    Unread,
    /// The network could not be started.
    #[error(transparent)]
    Network(#[from] NetError),
    /// The node was started without a network.
    #[error("this node is offline: start it without --offline")]
    Offline,
    /// There is nothing to remove.
    #[error(
        "\"{0}\" is no address and no start of one device's id that is remembered: see `velo peers list`"
    )]
    NotRemembered(String),
    /// Not a libp2p multiaddress.
    #[error("\"{address}\" cannot be used as an address, such as /ip4/192.168.1.7/tcp/4001: {reason}")]
    Address {
        /// What was given.
        address: String,
        /// Why not.
        reason: String,
    },
    /// The command cannot be done; nothing was changed.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Too many commands wait already.
    #[error("too much is being done at once: try again in a moment")]
    Busy,
    /// It was shut down, or its thread ended.
    #[error("the node has stopped: start it again")]
    Stopped,
    /// A thread or the runtime could not be started.
    #[error("the system gave no thread for the node: {0}")]
    Thread(std::io::Error),
}

/// Something worth showing. Snapshots are published before the event that speaks of them.
#[derive(Debug, Clone)]
pub enum NodeEvent {
    /// The visible state changed.
    Changed {
        /// Where.
        workspace: WorkspaceId,
        /// What.
        entities: Arc<[EntityKey]>,
        /// Whether this device made the change.
        own: bool,
    },
    /// A workspace was founded, joined or opened.
    WorkspaceOpened {
        /// Which.
        workspace: WorkspaceId,
    },
    /// A workspace is no longer on this device.
    WorkspaceForgotten {
        /// Which.
        workspace: WorkspaceId,
    },
    /// This device was taken in by another one of its person, or a person was brought back to it.
    Linked {
        /// Whose device it is now.
        person: PersonId,
    },
    /// The ticket that this device holds cannot be used.
    JoinRefused {
        /// Of which workspace.
        workspace: WorkspaceId,
        /// Why, for people.
        reason: String,
    },
    /// Something about a peer changed: see [`NodeHandle::peers`].
    PeerChanged {
        /// Which.
        peer: DeviceId,
    },
    /// Somebody came, went, or looks at something else: see [`NodeHandle::present`].
    PresenceChanged {
        /// Where.
        workspace: WorkspaceId,
    },
    /// A device wrote two entries at one place of its log. Both are kept.
    Forked {
        /// Where.
        workspace: WorkspaceId,
        /// Which log.
        log: LogId,
    },
    /// Part of a workspace cannot be read from the disk: it is not sent to peers, and may not be
    /// shown.
    Damaged {
        /// Where.
        workspace: WorkspaceId,
        /// Why, for people.
        reason: String,
    },
    /// Saving failed; nothing more is written until Velo is restarted.
    ReadOnly {
        /// Why, for people.
        reason: String,
    },
    /// The content of an attachment has come from a peer, all of it.
    ContentArrived {
        /// Where.
        workspace: WorkspaceId,
    },
    /// The node can be reached at one more address.
    Listening {
        /// A libp2p multiaddress.
        address: String,
    },
    /// The node has stopped; no more events follow.
    Stopped,
}

/// The way to a running node. See the module.
#[derive(Clone)]
pub struct NodeHandle {
    shared: Arc<Shared>,
}

impl std::fmt::Debug for NodeHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "NodeHandle({})", self.shared.data_dir.display())
    }
}

impl NodeHandle {
    /// The person whose device this is.
    pub fn person(&self) -> PersonId {
        self.shared.owner().person
    }

    /// This device.
    pub fn device(&self) -> DeviceId {
        self.shared.device
    }

    /// Has a command done. For changes the answer comes when they are durable.
    pub fn submit(
        &self,
        command: Command,
    ) -> impl Future<Output = Result<Reply, NodeError>> + Send + 'static {
        let requests = self.shared.requests.clone();
        async move {
            let (answer, answered) = oneshot::channel();
            let request = Request { command, answer };
            requests.send(request).await.map_err(|_| NodeError::Stopped)?;
            answered.await.map_err(|_| NodeError::Stopped)?
        }
    }

    /// As [`Self::submit`], for threads that may wait.
    pub fn submit_blocking(&self, command: Command) -> Result<Reply, NodeError> {
        futures::executor::block_on(self.submit(command))
    }

    /// As [`Self::submit`], without ever waiting: the answer arrives in the receiver, to be looked
    /// for with `try_recv`.
    ///
    /// # Errors
    /// [`NodeError::Busy`] when too many commands wait already.
    pub fn send(&self, command: Command) -> Result<oneshot::Receiver<Result<Reply, NodeError>>, NodeError> {
        let (answer, answered) = oneshot::channel();
        self.shared.requests.try_send(Request { command, answer }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NodeError::Busy,
            mpsc::error::TrySendError::Closed(_) => NodeError::Stopped,
        })?;
        Ok(answered)
    }

    /// Every open workspace that is shared with others, by id.
    pub fn workspaces(&self) -> Vec<WorkspaceId> {
        let private = self.private_id();
        self.all_workspaces().into_iter().filter(|id| Some(*id) != private).collect()
    }

    /// Every open workspace, by id: also the private one.
    pub fn all_workspaces(&self) -> Vec<WorkspaceId> {
        self.shared.read().workspaces.keys().copied().collect()
    }

    /// The workspace that the person's devices share with nobody else; see [`velo_protocol::private`].
    pub fn private_id(&self) -> Option<WorkspaceId> {
        self.shared.owner().private
    }

    /// The private workspace, once it is open: together with the first other one.
    pub fn private(&self) -> Option<Workspace> {
        self.private_id().and_then(|id| self.workspace(id))
    }

    /// Whether a workspace syncs by itself on this device, or only when a person asks.
    pub fn syncs_by_itself(&self, id: WorkspaceId) -> bool {
        !self.shared.read().by_hand.contains(&id)
    }

    /// The visible state. A clone of a snapshot: cheap, and it never changes.
    pub fn workspace(&self, id: WorkspaceId) -> Option<Workspace> {
        self.shared.read().workspaces.get(&id).cloned()
    }

    /// Events from now on. A subscriber that falls behind by [`crate::limits::EVENT_QUEUE`] gets
    /// `Lagged` once and should read everything anew.
    pub fn subscribe(&self) -> broadcast::Receiver<NodeEvent> {
        self.shared.events.subscribe()
    }

    /// Every peer that shared a workspace, also before this start, and those that are dialled.
    pub fn peers(&self) -> Vec<PeerInfo> {
        let targets = self.targets();
        let link = |peer| targets.iter().find(|target| target.peer == Some(peer)).map(PeerLink::of);
        let published = self.shared.read();
        let (met, at_relays) = (published.peers.clone(), published.at_relays.clone());
        drop(published);
        let stranger = |target: &TargetStatus| {
            let peer = target.peer.filter(|peer| met.iter().all(|status| status.peer != *peer))?;
            let connected = matches!(target.stage, TargetStage::Connected { .. });
            let last_seen_ms = target.last_session_ms.unwrap_or(0);
            let workspaces = Vec::new();
            let status = PeerStatus { peer, connected, last_seen_ms, clock_ahead_ms: None, workspaces };
            Some(PeerInfo { status, link: PeerLink::of(target), private: None, at_relay: BTreeMap::new() })
        };
        let strangers: Vec<PeerInfo> = targets.iter().filter_map(stranger).collect();
        let private = self.private_id();
        let known = met.into_iter().map(|mut status| {
            // Own devices compare that one as well, and it is nobody else's.
            let is_private = |shared: &mut PeerWorkspace| Some(shared.workspace) == private;
            let private = status.workspaces.extract_if(.., is_private).next();
            let said = at_relays.iter().filter(|((relay, _), _)| *relay == status.peer);
            let at_relay = said.map(|((_, workspace), said)| (*workspace, *said)).collect();
            PeerInfo { link: link(status.peer).unwrap_or_default(), status, private, at_relay }
        });
        known.chain(strangers).collect()
    }

    /// Whom and where the network dials, or would: from the address book where there is no network.
    fn targets(&self) -> Vec<TargetStatus> {
        match &self.shared.net {
            Some(net) => net.status().targets,
            None => net::remembered(&data_dir::address_book(&self.shared.data_dir)),
        }
    }

    /// Who else is in a workspace and here, as far as this device hears. What the person at this device does is
    /// told with [`Command::SetPresence`].
    pub fn present(&self, id: WorkspaceId) -> Vec<Present> {
        self.shared.read().present.get(&id).cloned().unwrap_or_default()
    }

    /// Connects to a peer at a libp2p multiaddress, now and after every interruption. That is
    /// remembered: see [`NetHandle::dial`].
    pub fn add_peer(&self, address: &str) -> Result<(), NodeError> {
        let net = self.shared.net.as_ref().ok_or(NodeError::Offline)?;
        let wrong = |reason: String| NodeError::Address { address: address.to_owned(), reason };
        net.dial(Self::check_address(address)?).map_err(|error| wrong(error.to_string()))
    }

    /// Dials an address or a device no more, and uses no relay there: `what` is a multiaddress, or the start of
    /// a device's id. Whoever shares a workspace is remembered again when it is met again.
    pub async fn remove_peer(&self, what: &str) -> Result<(), NodeError> {
        let net = self.shared.net.as_ref().ok_or(NodeError::Offline)?;
        let what = what.trim();
        let was_known = if what.starts_with('/') {
            net.forget_address(&Self::check_address(what)?).await
        } else {
            let status = net.status();
            let known = status.targets.iter().filter_map(|target| target.peer);
            let known = known.chain(status.relays.iter().map(|relay| relay.peer));
            let named = known.filter(|device| !what.is_empty() && device.to_string().starts_with(what));
            let named: Vec<_> = named.collect::<std::collections::BTreeSet<_>>().into_iter().collect();
            match named.as_slice() {
                [device] => net.forget_device(*device).await,
                _ => false,
            }
        };
        if was_known { Ok(()) } else { Err(NodeError::NotRemembered(what.to_owned())) }
    }

    /// Reads an address that a device can be dialled at, with or without the device's id at its end.
    pub fn check_address(address: &str) -> Result<net::Multiaddr, NodeError> {
        let wrong = |reason: String| NodeError::Address { address: address.to_owned(), reason };
        let parsed: net::Multiaddr = address.trim().parse().map_err(|error| wrong(format!("{error}")))?;
        net::check_dialable(&parsed).map_err(|error| wrong(error.to_string()))?;
        Ok(parsed)
    }

    /// Dials every known peer at once and compares with all.
    pub fn sync_now(&self) -> impl Future<Output = Result<(), NodeError>> + Send + 'static {
        let done = self.submit(Command::SyncNow);
        async move { done.await.map(|_| ()) }
    }

    /// Where peers reach this node: libp2p multiaddresses with its peer id, as they stand in
    /// tickets. Empty when offline.
    pub fn listen_addresses(&self) -> Vec<String> {
        self.shared.addresses()
    }

    /// A new random id, for an entity about to be created. Ids are ordered by time.
    pub fn new_entity_id(&self) -> EntityId {
        EntityId::new(wall_ms(), random_or_stop())
    }

    /// Whether everything that this device shows by now is saved: `Ok(false)` while some of it is on its way
    /// to the disk, and `Err` says why it never will be.
    pub fn is_saved(&self) -> Result<bool, NodeError> {
        let is_saved = self.shared.in_flight.load(Ordering::Acquire) == 0;
        match self.shared.failed.get() {
            Some(reason) => Err(NodeError::Refused(Refusal::ReadOnly(reason.clone()))),
            None => Ok(is_saved),
        }
    }

    /// Where everything is kept.
    pub fn data_dir(&self) -> &Path {
        &self.shared.data_dir
    }

    /// Why workspaces of this device could not be opened at the start, a sentence each.
    pub fn unopened(&self) -> &[String] {
        &self.shared.unopened
    }

    /// The state of node, network and workspaces.
    pub fn status(&self) -> NodeStatus {
        let private = self.private_id();
        let (states, read_only, connected) = {
            let published = self.shared.read();
            let with_reader =
                |state: &Workspace| (state.clone(), published.readers.get(&state.id()).cloned());
            let shown = published.workspaces.values().filter(|state| Some(state.id()) != private);
            let states: Vec<_> = shown.map(with_reader).collect();
            let connected = published.peers.iter().filter(|peer| peer.connected).count();
            (states, published.read_only.clone(), connected)
        };
        // Without the lock: counting takes its time, and the driver waits to publish.
        let workspaces = states.iter().map(|(state, reader)| {
            let chains = reader.as_ref().map(LogReader::chains).unwrap_or_default();
            WorkspaceStatus::of(state, &chains)
        });
        NodeStatus {
            person: self.person(),
            device: self.shared.device,
            data_dir: self.shared.data_dir.clone(),
            addresses: self.shared.addresses(),
            read_only,
            connected,
            workspaces: workspaces.collect(),
            unopened: self.shared.unopened.clone(),
            network: self.shared.net.as_ref().map(NetHandle::status),
        }
    }

    /// The runtime of the node's network, for tasks that live as long as the node does, such as
    /// [`crate::control::serve`].
    pub fn runtime(&self) -> &tokio::runtime::Handle {
        &self.shared.runtime
    }
}

/// A running node. Dropping it shuts it down.
#[derive(Debug)]
pub struct Node {
    handle: NodeHandle,
    thread: Option<JoinHandle<()>>,
}

impl std::ops::Deref for Node {
    type Target = NodeHandle;
    fn deref(&self) -> &NodeHandle {
        &self.handle
    }
}

impl Node {
    /// Opens the data directory, making it and the keys where needed, and starts the node's
    /// threads. Waits until every workspace is open.
    pub fn start(config: NodeConfig) -> Result<Self, NodeError> {
        let (shared, thread) = driver::start(config)?;
        Ok(Self { handle: NodeHandle { shared }, thread: Some(thread) })
    }

    /// The way to it.
    pub fn handle(&self) -> &NodeHandle {
        &self.handle
    }

    /// Saves everything and ends. Waits until it is done.
    pub fn shutdown(mut self) -> Result<(), NodeError> {
        self.stop()
    }

    fn stop(&mut self) -> Result<(), NodeError> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        self.handle.shared.stop.notify_one();
        thread.join().map_err(|_| NodeError::Stopped)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Err(error) = self.stop() {
            tracing::error!(%error, "the node's thread ended by a panic");
        }
    }
}

/// The device's clock: milliseconds since the Unix epoch.
pub(crate) fn wall_ms() -> u64 {
    // A clock before 1970 counts as 1970; nothing but display hangs on it.
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_millis() as u64)
}

#[expect(clippy::expect_used, reason = "the system gave randomness at the start; it does not take it back")]
fn random_or_stop() -> [u8; 10] {
    keystore::random().expect("randomness of the system")
}
