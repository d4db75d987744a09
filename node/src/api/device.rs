//! The devices that act for the people of a workspace: list them, take one away, show a relay who this one is.

use super::{ApiError, Json, answer, reference, scope::Scope};
use clap::{Args, Subcommand};
use data_encoding::BASE64URL_NOPAD;
use serde::{Deserialize, Serialize};
use velo_protocol::{
    id::{DeviceId, PersonId, WorkspaceId},
    relay_token::Challenge,
    replica::Command,
    root::Root,
};

/// Actions on devices.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// List your devices
    List(List),
    /// Take a device away from yourself, such as one that was lost
    Unlink(Unlink),
    /// Sign a relay's challenge, for a token of its HTTP API
    SignChallenge(SignChallenge),
}

/// Signs what a relay asks of whoever wants a token for its HTTP API.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Example:\n  velo device sign-challenge --relay RELAY NONCE\n\n\
    The relay and the nonce are those that `POST /v1/auth/challenge` answers with. The signature is good for this \
    relay, this workspace and this nonce alone.")]
pub struct SignChallenge {
    /// The relay's device key, as it says itself
    #[arg(long, value_name = "KEY")]
    pub relay: String,
    /// What the relay gave out
    pub nonce: String,
}

/// A signed challenge, as `POST /v1/auth/token` takes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SignedChallenge {
    /// This device.
    pub device: DeviceId,
    /// For which workspace.
    pub workspace: WorkspaceId,
    /// As it was given.
    pub nonce: String,
    /// In base64, as URLs take it.
    pub signature: String,
}

/// Lists devices.
#[derive(Debug, Clone, Default, Args, Serialize, Deserialize)]
#[command(after_help = "Examples:\n  velo device list\n  velo device list --all")]
pub struct List {
    /// Also those of everybody else in the workspace
    #[arg(long)]
    #[serde(default)]
    pub all: bool,
}

/// Takes a device away.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Examples:\n  velo device unlink 3f9a01\n  velo device unlink 3f9a01 --words\n\n\
    It is taken away in all of your workspaces. Words are asked for, or read from standard input. \
    What it wrote and this device has not seen has no effect, on every device. It keeps what it has \
    read.")]
pub struct Unlink {
    /// Which, by the start of its id: at least six digits
    pub device: String,
    /// With your 24 words: any device of yours, also one that this device did not take in
    #[arg(long)]
    #[serde(skip)]
    pub words: bool,
    /// What the words stand for.
    #[arg(skip)]
    #[serde(default)]
    pub root: Option<Root>,
    /// Do not ask first
    #[arg(long)]
    #[serde(skip)]
    pub yes: bool,
}

/// A device in a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct DeviceRow {
    /// Which.
    pub device: DeviceId,
    /// Whose.
    pub person: PersonId,
    /// The name shown for that person.
    pub name: String,
    /// By which people know it: see [`velo_protocol::fingerprint`].
    #[serde(default)]
    pub words: String,
    /// Whether it is this one.
    pub this: bool,
    /// Whether it is connected now.
    pub connected: bool,
}

/// Carries out a request on devices.
pub(super) async fn execute(request: Request, scope: Scope<'_>) -> Result<Json, ApiError> {
    match request {
        Request::List(List { all }) => answer(&rows(&scope, all)),
        Request::Unlink(unlink) => answer(&take_away(&unlink, scope).await?),
        Request::SignChallenge(wish) => answer(&sign(&wish, &scope)?),
    }
}

fn sign(wish: &SignChallenge, scope: &Scope<'_>) -> Result<SignedChallenge, ApiError> {
    let relay = wish.relay.trim().parse().map_err(|error| ApiError::Invalid(format!("--relay: {error}")))?;
    let nonce = BASE64URL_NOPAD.decode(wish.nonce.trim().as_bytes()).ok();
    let Some(nonce) = nonce.and_then(|nonce| nonce.try_into().ok()) else {
        return Err(ApiError::Invalid("the nonce is not what a relay gives out: copy all of it".to_owned()));
    };
    let challenge = Challenge { relay, workspace: scope.id, nonce };
    let signature = BASE64URL_NOPAD.encode(&scope.node.sign_challenge(&challenge).0);
    let device = scope.node.device();
    Ok(SignedChallenge { device, workspace: scope.id, nonce: wish.nonce.trim().to_owned(), signature })
}

/// By person's name, this device first among the own ones.
pub(super) fn rows(scope: &Scope<'_>, all: bool) -> Vec<DeviceRow> {
    let (you, this) = (scope.node.person(), scope.node.device());
    let peers = scope.node.peers();
    let connected = |device| peers.iter().any(|peer| peer.status.peer == device && peer.status.connected);
    let members = scope.workspace.members().into_iter().filter(|member| all || member.person == you);
    let mut rows = Vec::new();
    for member in members {
        let row = |device: DeviceId| DeviceRow {
            device,
            person: member.person,
            name: member.name.clone(),
            words: device.words(),
            this: device == this,
            connected: connected(device),
        };
        rows.extend(member.devices.iter().copied().map(row));
    }
    rows.sort_by_key(|row| (row.person != you, !row.this));
    rows
}

async fn take_away(unlink: &Unlink, mut scope: Scope<'_>) -> Result<DeviceRow, ApiError> {
    let mut own = rows(&scope, false);
    let is_meant = |row: &DeviceRow| reference::starts(&row.device.to_string(), &unlink.device);
    if let Some(row) =
        rows(&scope, true).iter().find(|row| row.person != scope.node.person() && is_meant(row))
        && !own.iter().any(is_meant)
    {
        let told = format!("that is a device of {}: they alone can take it away", row.name);
        return Err(ApiError::Refused(told));
    }
    if own.len() == 1 && own.iter().all(|row| row.this) {
        let told = "this is your only device here: `velo member leave` leaves the workspace";
        return Err(ApiError::Refused(told.to_owned()));
    }
    own.retain(is_meant);
    let candidates: Vec<_> = own.iter().map(|row| row.device.short()).collect();
    let (row, others) = match own.pop() {
        Some(row) => (row, own.len()),
        None => return Err(ApiError::not_found("device", &unlink.device, "see `velo device list`")),
    };
    if others > 0 {
        let text = unlink.device.clone();
        return Err(ApiError::Ambiguous { kind: "device".into(), text, candidates });
    }
    scope.submit(Command::Unlink { device: row.device, root: unlink.root.clone() }).await?;
    Ok(row)
}
