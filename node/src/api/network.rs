//! Other devices: which are known, how to reach one, and comparing with them now.

use super::{
    ApiError, Json, answer, checkup, date,
    scope::{self, Scope},
};
use crate::{
    handle::{NodeHandle, PeerInfo},
    limits,
    net::{NetStatus, RelayStatus},
};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use velo_protocol::{
    id::{DeviceId, WorkspaceId},
    replica::{Breach, PeerWorkspace, Stall, relays_of},
    roster::Parting,
};

/// How often progress is looked at while waiting; peers also wake the wait at once.
const LOOK: Duration = Duration::from_millis(200);

/// Actions on the network.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// List the other devices: who is here, who lacks what, and why
    #[command(after_help = "Examples:\n  velo peers list\n  velo peers list --json\n\n\
        Works without a running node too: from what is remembered of the last time.")]
    List,
    /// Connect to a device at an address, or use a relay there
    Add(Add),
    /// Dial an address or a device no more, or use a relay no more
    Remove(Remove),
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

/// What became of an address that was added.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AddAnswer {
    /// Whether a device answered there that speaks with this one, or a relay.
    pub reached: bool,
    /// Which device or relay that is, or why none was reached. It is kept all the same, and tried again.
    pub told: String,
    /// Every known peer.
    pub peers: Vec<PeerRow>,
}

/// Removes an address or a device from what is remembered.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(
    after_help = "Examples:\n  velo peers remove /ip4/192.168.1.7/tcp/4001\n  velo peers remove 3f9a\n\n\
    Who shares a workspace is remembered again when it is met again. To put a person out, see \
    `velo member remove`; to put a device out, `velo device unlink`."
)]
pub struct Remove {
    /// An address as it was added, or the start of a device's id
    pub what: String,
}

/// A relay that this device uses.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RelayRow {
    /// Which device it is.
    pub device: DeviceId,
    /// Where it is.
    pub address: String,
    /// Whether others reach this device through it at the moment.
    pub reserved: bool,
    /// Why not, if so.
    pub trouble: Option<String>,
}

impl RelayRow {
    /// What is known of it, in a line.
    pub fn told(&self) -> String {
        let Self { address, trouble, .. } = self;
        match trouble {
            None => format!("{address}: others reach this device through it"),
            Some(trouble) => format!("{address}: {trouble}"),
        }
    }
}

/// Every relay in use.
pub(super) fn relays(network: Option<&NetStatus>) -> Vec<RelayRow> {
    let relays = network.map(|network| network.relays.as_slice()).unwrap_or_default();
    let row = |relay: &RelayStatus| RelayRow {
        device: relay.peer,
        address: relay.address.to_string(),
        reserved: relay.reserved,
        trouble: relay.trouble.clone(),
    };
    relays.iter().map(row).collect()
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
    /// Where it is reached, if it is a relay of a workspace.
    #[serde(default)]
    pub relay: Option<String>,
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
    /// Whether it is connected and every shared workspace was equal when last compared, by its own word.
    pub synced: bool,
    /// How many changes that are here it has not acknowledged; of one that is away, since it was here last.
    pub lacks: u64,
    /// Those of them that this device's person made.
    #[serde(default)]
    pub lacks_own: u64,
    /// How many changes it announced that are not here yet.
    pub we_lack: u64,
    /// Each workspace that it shares, or did when it was here last.
    #[serde(default)]
    pub workspaces: Vec<SharedRow>,
    /// The same of the workspace that one's own devices share with nobody else.
    #[serde(default)]
    pub private: Option<SharedRow>,
    /// Why nothing moves although it is connected, or what else is worth knowing, a sentence each.
    #[serde(default)]
    pub stalls: Vec<String>,
    /// What it did not long ago that no honest peer does, and what to do, a sentence each.
    #[serde(default)]
    pub breaches: Vec<String>,
    /// Why it is not connected, and what is being done. `None` without a running node: nothing is.
    pub trouble: Option<String>,
}

/// A peer's copy of one workspace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SharedRow {
    /// Which.
    pub workspace: WorkspaceId,
    /// Its name.
    pub name: String,
    /// Whether both hold the same, by the peer's own word.
    pub synced: bool,
    /// How many changes that are here it has not acknowledged.
    pub lacks: u64,
    /// Those of them that this device's person made.
    pub lacks_own: u64,
    /// How many changes it announced that are not here yet.
    pub we_lack: u64,
    /// When it last said something about it, RFC 3339.
    pub heard: Option<String>,
    /// Why nothing moves, if so.
    pub stall: Option<Stall>,
    /// What it did not long ago that no honest peer does.
    #[serde(default)]
    pub breach: Option<Breach>,
}

impl SharedRow {
    fn of(shared: &PeerWorkspace, name: String) -> Self {
        Self {
            workspace: shared.workspace,
            name,
            synced: shared.synced && shared.lacks == 0 && shared.we_lack == 0,
            lacks: shared.lacks,
            lacks_own: shared.lacks_own,
            we_lack: shared.we_lack,
            heard: moment(shared.heard_ms),
            stall: shared.stall,
            breach: shared.breach,
        }
    }

    /// Whether waiting is of no use any more.
    fn is_settled(&self) -> bool {
        self.synced || self.stall == Some(Stall::Declined)
    }

    /// Why nothing moves, with the name of the workspace.
    fn told(&self) -> Option<String> {
        Some(format!("\"{}\": {}", self.name, self.stall?.words()))
    }

    /// What it did that no honest peer does, with the name of the workspace.
    fn broken(&self, node: &NodeHandle, names: Names) -> Option<String> {
        let breach = self.breach?;
        Some(format!("\"{}\": {}", self.name, breach_words(node, breach, names)))
    }
}

/// What a peer did that no honest one does, when that was seen last, and what to do.
pub(super) fn breach_words(node: &NodeHandle, breach: Breach, names: Names) -> String {
    let witness = breach.kind.witness().filter(|_| matches!(names, Names::Given));
    let witness = witness.map(|device| match person_of(node, device, None) {
        Some(name) => format!("{name}'s device {}", device.short()),
        None => format!("device {}", device.short()),
    });
    format!("{} (seen {})", breach.kind.words(witness.as_deref()), date::moment(breach.at_ms))
}

fn moment(ms: u64) -> Option<String> {
    Some(ms).filter(|ms| *ms > 0).map(date::moment)
}

/// What to tell of a clock that is far off: dates hang on it, and no change is lost by it.
fn clock_words(ahead_ms: i64) -> String {
    let minutes = ahead_ms.unsigned_abs() / 60_000;
    let (by, off) = match minutes {
        0..120 => (minutes, "minutes"),
        120..2880 => (minutes / 60, "hours"),
        _ => (minutes / 1440, "days"),
    };
    let way = if ahead_ms > 0 { "ahead of" } else { "behind" };
    format!("its clock is {by} {off} {way} this one: set the one that is wrong, dates of changes hang on it")
}

/// Whether what people gave a name is called by it.
#[derive(Clone, Copy)]
pub(super) enum Names {
    Given,
    /// For a file that is sent to somebody.
    LeftOut,
}

impl Names {
    /// What a workspace is called.
    fn title(self, node: &NodeHandle, workspace: WorkspaceId) -> String {
        match self {
            Self::Given => scope::title(node, workspace),
            Self::LeftOut => workspace.short(),
        }
    }
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
    /// Whether this device's person is out of the workspace, and how that came about: then being equal says
    /// little.
    #[serde(default)]
    pub out: Option<String>,
}

/// See [`SyncAnswer::out`].
fn out_of(node: &NodeHandle, workspace: WorkspaceId) -> Option<String> {
    let (state, person) = (node.workspace(workspace)?, node.person());
    let roster = state.roster();
    let parting = roster.former.get(&person).filter(|_| !roster.members.contains_key(&person))?;
    let how = match parting {
        Parting::Removed(by) => format!("{} removed you from this workspace", state.person_name(*by)),
        Parting::Left => "you left this workspace".to_owned(),
        Parting::Undone => "what let you into this workspace was taken back".to_owned(),
    };
    Some(format!("{how}: what the others write from then on is not for you, and what you do reaches nobody"))
}

impl PeerRow {
    /// Whose device or which relay it is, and which device.
    pub fn title(&self) -> String {
        let device = self.device.short();
        match (&self.name, &self.relay) {
            (Some(name), _) => format!("{name} ({device})"),
            (None, Some(address)) => format!("relay {address} ({device})"),
            (None, None) => device,
        }
    }

    /// `scope`: the only workspace that counts; all of them without it.
    fn of(node: &NodeHandle, info: PeerInfo, scope: Option<WorkspaceId>, names: Names) -> Self {
        let counts = |one: &&PeerWorkspace| scope.is_none_or(|scope| one.workspace == scope);
        let shared = info.status.workspaces.iter().filter(counts);
        let relay = shared.clone().find_map(|one| relay_address(node, one));
        let workspaces: Vec<_> =
            shared.map(|one| SharedRow::of(one, names.title(node, one.workspace))).collect();
        let connected = info.status.connected;
        let clock = info.status.clock_ahead_ms.map(clock_words);
        Self {
            device: info.status.peer,
            name: person_of(node, info.status.peer, scope).filter(|_| matches!(names, Names::Given)),
            relay,
            connected,
            path: info.link.path,
            address: info.link.address,
            last_seen: moment(info.status.last_seen_ms),
            shares: connected && !workspaces.is_empty(),
            synced: connected && !workspaces.is_empty() && workspaces.iter().all(|one| one.synced),
            lacks: workspaces.iter().map(|one| one.lacks).sum(),
            lacks_own: workspaces.iter().map(|one| one.lacks_own).sum(),
            // Counts by the peer's word.
            we_lack: workspaces.iter().map(|one| one.we_lack).fold(0, u64::saturating_add),
            stalls: workspaces.iter().filter_map(SharedRow::told).chain(clock).collect(),
            breaches: workspaces.iter().filter_map(|one| one.broken(node, names)).collect(),
            private: info.private.as_ref().map(|one| SharedRow::of(one, names.title(node, one.workspace))),
            workspaces,
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

/// Where a relay of a workspace is reached, as the workspace says.
fn relay_address(node: &NodeHandle, shared: &PeerWorkspace) -> Option<String> {
    let (root, state) = (shared.relay?, node.workspace(shared.workspace)?);
    relays_of(&state).into_iter().find(|relay| relay.root == root).map(|relay| relay.address)
}

/// Every known peer, with regard to one workspace or to all that are shared.
pub(super) fn rows(node: &NodeHandle, scope: Option<WorkspaceId>) -> Vec<PeerRow> {
    node.peers().into_iter().map(|info| PeerRow::of(node, info, scope, Names::Given)).collect()
}

/// The same without any name: for a file that is sent to somebody.
pub(crate) fn rows_without_names(node: &NodeHandle) -> Vec<PeerRow> {
    node.peers().into_iter().map(|info| PeerRow::of(node, info, None, Names::LeftOut)).collect()
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
            let (reached, told) = checkup::reach(node, &add.address).await?;
            answer(&AddAnswer { reached, told, peers: rows(node, None) })
        }
        Request::Remove(remove) => {
            node.remove_peer(&remove.what).await?;
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
        // The person's own devices have a workspace of their own besides.
        let agrees = |peer: &PeerRow| {
            let shared = peer.workspaces.iter().all(SharedRow::is_settled);
            shared && peer.private.as_ref().is_none_or(|own| own.synced)
        };
        let synced = sharing.clone().count() >= sync.peers && sharing.clone().all(agrees);
        if synced || Instant::now() >= until {
            let (took_ms, out) = (start.elapsed().as_millis() as u64, out_of(node, scope.id));
            return Ok(SyncAnswer { synced, took_ms, peers, out });
        }
        // Whatever happens, or nothing for a while: look again.
        let _ = tokio::time::timeout(LOOK, events.recv()).await;
    }
}
