//! Relays of a workspace: peers that stay awake and carry it without reading it, and whether they have
//! everything.

use super::{
    ApiError, Json, answer, date,
    member::RoleName,
    network::{Names, breach_words},
    scope::Scope,
};
use crate::handle::{NodeHandle, PeerInfo};
use crate::net;
use clap::{Args, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};
use velo_protocol::{
    access::Role,
    blob::AtRelay,
    id::{DeviceId, PersonId},
    model::workspace::Relay,
    replica::{Command, PeerWorkspace, Stall, relays_of},
};

/// Actions on relays.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Have a relay carry the workspace: who is never online together meets there
    Add(Add),
    /// List the relays of the workspace, and whether they have everything
    #[command(after_help = "Examples:\n  velo relay list\n  velo relay list --json")]
    List,
    /// Have a relay carry the workspace no more; what it has it keeps
    Remove(Which),
    /// Say what a relay may read and write: by default nothing
    Role(SetRole),
}

/// Adds a relay.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Example:\n  \
    velo relay add /ip4/203.0.113.7/tcp/4001/p2p/12D3KooWAuqSjbRNfGvvdkmgKm2yEQyTLzSqNnGjbxj24XK7T3bM \
    --token velo-pine-4f2a\n\n\
    `velo-relay token add NAME` prints the whole line. The relay stores what it cannot read: it knows who is in, \
    and when and how much they write. Everybody in the workspace uses it from then on, and tickets name it.")]
pub struct Add {
    /// Its libp2p multiaddress, as the relay prints it
    pub address: String,
    /// What its operator gave you
    #[arg(long, default_value = "")]
    #[serde(default)]
    pub token: String,
}

/// Names a relay.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(after_help = "Examples:\n  velo relay remove\n  velo relay remove 203.0.113.7")]
pub struct Which {
    /// Part of its address, or the start of its id; not needed where there is only one
    pub relay: Option<String>,
}

/// What a relay may do.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Examples:\n  velo relay role viewer\n  velo relay role none\n\n\
    A viewer gets the keys, and can answer questions about tasks over HTTP and SQL. A member writes, too: for \
    bots. What a relay has read it may keep.")]
pub struct SetRole {
    /// What it may do from now on
    #[arg(value_enum)]
    pub role: RelayRole,
    /// Part of its address, or the start of its id; not needed where there is only one
    pub relay: Option<String>,
}

/// What a relay may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RelayRole {
    /// Carry what it cannot read
    None,
    /// Read
    Viewer,
    /// Read and write
    Member,
}

impl From<RelayRole> for Option<Role> {
    fn from(role: RelayRole) -> Self {
        match role {
            RelayRole::None => None,
            RelayRole::Viewer => Some(Role::Viewer),
            RelayRole::Member => Some(Role::Member),
        }
    }
}

/// A relay of a workspace.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RelayRow {
    /// Its root.
    pub id: PersonId,
    /// Where it is reached.
    pub addresses: Vec<String>,
    /// What it may do; nothing where it only carries.
    pub role: Option<RoleName>,
    /// Whether it is connected.
    pub connected: bool,
    /// Whether everything that is here is there, as far as it has acknowledged, the attachments too. None before
    /// it was ever met.
    pub has_everything: Option<bool>,
    /// How many changes that are here it has not acknowledged.
    pub lacks: u64,
    /// How many attachments that are here it lacks. None: it has not said since this device was started.
    pub lacks_attachments: Option<u64>,
    /// When it last said what it has, RFC 3339.
    pub heard: Option<String>,
    /// Why nothing moves, if so.
    pub stall: Option<String>,
    /// Why it is not connected, if so, and what is being done.
    #[serde(default)]
    pub trouble: Option<String>,
    /// What it did not long ago that no honest relay does, and what to do.
    #[serde(default)]
    pub breach: Option<String>,
}

impl RelayRow {
    /// What is amiss, a sentence each.
    pub fn amiss(&self) -> impl Iterator<Item = &String> {
        self.breach.iter().chain(self.trouble.iter().filter(|_| !self.connected)).chain(&self.stall)
    }

    /// What people want to know: whether their work is safe there.
    pub fn told(&self) -> String {
        let time = self.heard.as_deref().unwrap_or("never");
        match (self.has_everything, self.connected) {
            (None, _) => "was not met yet".to_owned(),
            (Some(false), true) if self.lacks == 0 => match self.lacks_attachments {
                Some(1) => "has every change, and not 1 attachment yet".to_owned(),
                Some(count) => format!("has every change, and not {count} attachments yet"),
                None => "has every change, and has not said which attachments".to_owned(),
            },
            (Some(false), false) if self.lacks == 0 => match self.lacks_attachments {
                Some(1) => format!("has every change up to {time}, and not 1 attachment"),
                Some(count) => format!("has every change up to {time}, and not {count} attachments"),
                None => format!("has every change up to {time}"),
            },
            (Some(true), true) => "has everything".to_owned(),
            (Some(true), false) => format!("has everything up to {time}"),
            (Some(false), true) => format!("has not got {} changes yet", self.lacks),
            (Some(false), false) => {
                format!("has not got {} changes, and was last heard at {time}", self.lacks)
            }
        }
    }
}

/// Every relay that a workspace names.
pub(crate) fn rows(scope: &Scope<'_>) -> Vec<RelayRow> {
    let mut rows: Vec<RelayRow> = Vec::new();
    let peers = scope.node.peers();
    for Relay { root, address } in relays_of(&scope.workspace) {
        match rows.iter_mut().find(|row| row.id == root) {
            Some(row) => row.addresses.push(address),
            None => rows.push(row(scope, &peers, root, address)),
        }
    }
    rows
}

fn row(scope: &Scope<'_>, peers: &[PeerInfo], id: PersonId, address: String) -> RelayRow {
    let copies = peers.iter().flat_map(|peer| peer.status.workspaces.iter().map(move |copy| (peer, copy)));
    let of_relay = copies.filter(|(_, copy)| copy.workspace == scope.id && copy.relay == Some(id));
    let breach = of_relay.clone().filter_map(|(_, copy)| copy.breach).max_by_key(|breach| breach.at_ms);
    // The one of its devices that has most: they share what they have.
    let said = |peer: &PeerInfo| AtRelay::known(peer.at_relay.get(&scope.id), &scope.workspace);
    let best: Option<(&PeerInfo, &PeerWorkspace)> = of_relay.min_by_key(|(peer, copy)| {
        (copy.lacks, said(peer).map_or(u64::MAX, |said| said.lacks), !peer.status.connected)
    });
    let said = best.and_then(|(peer, _)| said(peer));
    let no_room = said.and_then(AtRelay::no_room_words);
    RelayRow {
        id,
        addresses: vec![address],
        role: scope.workspace.roster().role_of(id).map(RoleName::from),
        connected: best.is_some_and(|(peer, _)| peer.status.connected),
        has_everything: best.map(|(_, copy)| copy.lacks == 0 && said.is_some_and(|said| said.lacks == 0)),
        lacks: best.map_or(0, |(_, copy)| copy.lacks),
        lacks_attachments: said.map(|said| said.lacks),
        heard: best.map(|(_, copy)| date::moment(copy.heard_ms)),
        stall: best.and_then(|(_, copy)| copy.stall.map(Stall::words).or(no_room)).map(str::to_owned),
        trouble: best.and_then(|(peer, _)| peer.link.trouble.clone()),
        breach: breach.map(|breach| breach_words(scope.node, breach, Names::Given)),
    }
}

/// Carries out a request on relays.
pub(super) async fn execute(request: Request, mut scope: Scope<'_>) -> Result<Json, ApiError> {
    match request {
        Request::List => {}
        Request::Add(add) => {
            let relay = device_at(&add.address)?;
            let (workspace, address) = (scope.id, add.address.trim().to_owned());
            let token = add.token.trim().to_owned();
            scope.submit(Command::AddRelay { workspace, relay, address, token }).await?;
        }
        Request::Remove(which) => {
            let root = meant(&scope, which.relay.as_deref())?;
            scope.submit(Command::RemoveRelay { workspace: scope.id, root }).await?;
        }
        Request::Role(set) => {
            let person = meant(&scope, set.relay.as_deref())?;
            let (workspace, role) = (scope.id, set.role.into());
            scope.submit(Command::SetRole { workspace, person, role }).await?;
        }
    }
    answer(&rows(&scope))
}

/// The device that an address names.
fn device_at(address: &str) -> Result<DeviceId, ApiError> {
    let address = NodeHandle::check_address(address)?;
    net::device_in(&address).ok_or_else(|| {
        let told = "that address does not name the relay: take it whole, with /p2p/ and the id at its end";
        ApiError::Invalid(told.to_owned())
    })
}

/// The relay that is meant.
fn meant(scope: &Scope<'_>, text: Option<&str>) -> Result<PersonId, ApiError> {
    let hint = "see `velo relay list`".to_owned();
    let text = text.unwrap_or_default().trim();
    let fits = |row: &RelayRow| {
        row.id.to_string().starts_with(text) || row.addresses.iter().any(|address| address.contains(text))
    };
    let rows: Vec<RelayRow> = rows(scope).into_iter().filter(fits).collect();
    match rows.as_slice() {
        [row] => Ok(row.id),
        [] => Err(ApiError::NotFound { kind: "relay".to_owned(), text: text.to_owned(), hint }),
        several => Err(ApiError::Ambiguous {
            kind: "relay".to_owned(),
            text: text.to_owned(),
            candidates: several
                .iter()
                .map(|row| format!("{}  {}", row.id.short(), row.addresses[0]))
                .collect(),
        }),
    }
}
