//! Other devices: which are known, how to reach one, and comparing with them now.

use super::{ApiError, Json, answer, date, scope::Scope};
use crate::{
    handle::{NodeHandle, PeerInfo},
    limits,
};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use velo_protocol::{
    id::{DeviceId, WorkspaceId},
    replica::PeerWorkspace,
};

/// How often progress is looked at while waiting; peers also wake the wait at once.
const LOOK: Duration = Duration::from_millis(200);

/// Actions on the network.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// List the devices met since the start, and what they lack
    #[command(after_help = "Examples:\n  velo peers list\n  velo peers list --json")]
    List,
    /// Connect to a device at an address, or use a relay there
    Add(Add),
    /// Compare with every peer now, and wait until all are equal
    #[command(skip)]
    Sync(Sync),
}

/// Adds an address.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Example:\n  velo peers add /ip4/192.168.1.7/tcp/4001\n\n\
    `velo node` and `velo status` print the addresses of a device.\n\n\
    What answers there as a relay (`velo node --relay`) is used as one from then on: others reach this \
    device through it, and tickets say so.")]
pub struct Add {
    /// A libp2p multiaddress
    pub address: String,
}

/// Compares with every peer.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Examples:\n  velo sync\n  velo sync --wait 60 --peers 2\n\n\
    Exits with 4 if not every connected peer of the workspace had the same when the time was over.")]
pub struct Sync {
    /// Seconds to wait, at most a day
    #[arg(long, default_value_t = 10)]
    pub wait: u64,
    /// Wait for at least so many peers
    #[arg(long, default_value_t = 1)]
    pub peers: usize,
}

/// A peer in a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct PeerRow {
    /// Which device.
    pub device: DeviceId,
    /// The person's name, if a workspace of this device knows the device, whether it is connected or not.
    pub name: Option<String>,
    /// Whether a session is open.
    pub connected: bool,
    /// "lan", "direct" or "relay" while it is connected.
    pub path: Option<String>,
    /// The address in use, or the last one that worked.
    pub address: Option<String>,
    /// When it was last heard, also before this start, RFC 3339; `None` if it never was.
    pub last_seen: Option<String>,
    /// Whether it is connected and has shown that it shares a workspace with this device.
    pub shares: bool,
    /// Whether every shared workspace was equal when last compared.
    pub synced: bool,
    /// How many of my entries it has not acknowledged.
    pub lacks: u64,
    /// How many entries it announced that are not here yet.
    pub we_lack: u64,
    /// Why it is not connected, and what is being done.
    pub trouble: Option<String>,
}

/// What became of a comparison.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SyncAnswer {
    /// Whether enough peers that share the workspace are connected, and each has exactly what is
    /// here.
    pub synced: bool,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// What is known of each, with regard to this workspace.
    pub peers: Vec<PeerRow>,
}

impl PeerRow {
    /// `scope`: the only workspace that counts; all of them without it.
    fn of(node: &NodeHandle, info: PeerInfo, scope: Option<WorkspaceId>) -> Self {
        let counts = |one: &PeerWorkspace| scope.is_none_or(|scope| one.workspace == scope);
        let shared: Vec<PeerWorkspace> = info.status.workspaces.into_iter().filter(counts).collect();
        Self {
            device: info.status.peer,
            name: person_of(node, info.status.peer, scope),
            connected: info.status.connected,
            path: info.link.path,
            address: info.link.address,
            last_seen: Some(info.status.last_seen_ms).filter(|ms| *ms > 0).map(date::moment),
            shares: !shared.is_empty(),
            synced: !shared.is_empty()
                && shared.iter().all(|one| one.synced && one.lacks == 0 && one.we_lack == 0),
            lacks: shared.iter().map(|one| one.lacks).sum(),
            we_lack: shared.iter().map(|one| one.we_lack).fold(0, u64::saturating_add),
            trouble: info.link.trouble,
        }
    }
}

/// Who uses a device, by the workspace meant or else by any: a peer that has gone shares none at the
/// moment.
fn person_of(node: &NodeHandle, device: DeviceId, scope: Option<WorkspaceId>) -> Option<String> {
    let workspaces = scope.into_iter().chain(node.workspaces());
    let mut members = workspaces.filter_map(|id| node.workspace(id)).flat_map(|one| one.members());
    members.find(|member| member.devices.contains(&device)).map(|member| member.name)
}

/// Every peer known since the start, with regard to one workspace or to all that are shared.
pub(super) fn rows(node: &NodeHandle, scope: Option<WorkspaceId>) -> Vec<PeerRow> {
    node.peers().into_iter().map(|info| PeerRow::of(node, info, scope)).collect()
}

/// Carries out a request on the network.
pub(super) async fn execute(
    request: Request,
    wanted: Option<&str>,
    node: &NodeHandle,
) -> Result<Json, ApiError> {
    match request {
        Request::List => answer(&rows(node, None)),
        Request::Add(add) => {
            node.add_peer(&add.address)?;
            answer(&rows(node, None))
        }
        Request::Sync(sync) => {
            let scope = Scope::open(node, wanted)?;
            answer(&compare(sync, &scope).await?)
        }
    }
}

async fn compare(sync: Sync, scope: &Scope<'_>) -> Result<SyncAnswer, ApiError> {
    let (node, start) = (scope.node, Instant::now());
    let until = start + Duration::from_secs(sync.wait.min(limits::LONGEST_WAIT_S));
    let mut events = node.subscribe();
    node.sync_now().await?;
    loop {
        let peers = rows(node, Some(scope.id));
        // Somebody else's device on the same LAN has nothing to be compared with.
        let sharing = peers.iter().filter(|peer| peer.shares);
        let synced = sharing.clone().count() >= sync.peers && sharing.clone().all(|peer| peer.synced);
        if synced || Instant::now() >= until {
            return Ok(SyncAnswer { synced, took_ms: start.elapsed().as_millis() as u64, peers });
        }
        // Whatever happens, or nothing for a while: look again.
        let _ = tokio::time::timeout(LOOK, events.recv()).await;
    }
}
