//! Workspaces: create, list, show; join one. And who this device's person is.

use super::{
    ApiError, Json, answer, date,
    member::{MemberRow, RoleName},
    network,
    reference::Precision,
    scope::{self, Scope},
};
use crate::{
    data_dir::{self, checked},
    handle::{NodeError, NodeEvent, NodeHandle},
};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use std::{io, path::Path, time::Duration};
use tokio::sync::broadcast::error::RecvError;
use velo_protocol::{
    id::{PersonId, WorkspaceId},
    model::Kind,
    replica::{Command, Reply},
    ticket::Ticket,
    workspace::Workspace,
};

/// Holds the name of the person in the data directory.
const PERSON_FILE: &str = "person.json";

/// How a person introduces themselves in every workspace.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// The name others see.
    pub name: String,
}

impl Introduction {
    /// What was noted in a data directory, if anything was.
    pub fn read(data_dir: &Path) -> Result<Option<Self>, ApiError> {
        let path = data_dir.join(PERSON_FILE);
        let damaged = |reason: String| {
            ApiError::Failed(format!(
                "{} is damaged ({reason}): delete it and run `velo init`",
                path.display()
            ))
        };
        match std::fs::read(&path) {
            Ok(bytes) => {
                let text = checked::without_sum(&bytes).ok_or_else(|| damaged(checked::WRONG.to_owned()))?;
                serde_json::from_slice(text).map(Some).map_err(|error| damaged(error.to_string()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ApiError::Failed(format!("reading {}: {error}", path.display()))),
        }
    }

    /// Notes the name. Durable when it returns.
    pub fn write(&self, data_dir: &Path) -> Result<(), ApiError> {
        data_dir::create_private_dir(data_dir).map_err(|error| ApiError::Failed(error.to_string()))?;
        let text = serde_json::to_vec(self).map_err(|error| ApiError::Failed(error.to_string()))?;
        data_dir::write_durably(&data_dir.join(PERSON_FILE), &checked::with_sum(&text))
            .map_err(|error| ApiError::Failed(error.to_string()))
    }

    /// Checks a name as a profile would take it.
    pub fn new(name: &str) -> Result<Self, ApiError> {
        let name = velo_protocol::value::Value::text(name.trim());
        velo_protocol::model::check(Kind::Profile, &velo_protocol::model::profile::NAME.into(), &name)?;
        Ok(Self { name: name.as_text().unwrap_or_default().to_owned() })
    }
}

/// Actions on workspaces.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Start a new workspace on this device
    Create(Create),
    /// List the workspaces on this device
    #[command(after_help = "Example:\n  velo workspace list")]
    List,
    /// Show a workspace and its members
    #[command(after_help = "Examples:\n  velo workspace show\n  velo --workspace Workshop workspace show")]
    Show,
    /// Switch automatic sync of a workspace on or off on this device
    AutoSync(AutoSync),
    /// Remove a workspace from this device that you are not in
    Forget(Forget),
}

/// Switches automatic sync on or off.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(
    after_help = "Examples:\n  velo workspace auto-sync off\n  velo --workspace Workshop workspace auto-sync on\n\n\
    While it is off, this device neither sends nor takes anything of the workspace, except for half a minute \
    after each `velo sync`."
)]
pub struct AutoSync {
    /// On or off
    pub switch: Switch,
}

/// On or off.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Switch {
    /// By itself.
    On,
    /// Only when a person asks.
    Off,
}

/// Takes a workspace off this device.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(
    after_help = "Examples:\n  velo workspace forget Workshop\n  velo workspace forget 3f9a01 --yes\n\n\
    It is for a workspace that you are not in: your ticket was refused or is not used yet, you were removed, \
    or you left with `velo member leave` and somebody has heard of it. Its files on this device are deleted, and work of yours that has no \
    effect is gone for good. The others keep what they have. A new ticket brings it here again, once you are let in."
)]
pub struct Forget {
    /// Which, by name or the start of the id; part of the name will do where you are asked first
    pub name: String,
    /// Also if you left and nobody has heard of it, nor perhaps of what you did before
    #[arg(long)]
    pub unsent: bool,
    /// Do not ask first
    #[arg(long)]
    #[serde(skip)]
    pub yes: bool,
}

/// Founds a workspace.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(
    after_help = "Examples:\n  velo workspace create Workshop\n  velo workspace create Workshop --another\n\n\
    A workspace is made once and shared: whoever works in it joins with a ticket of `velo invite`."
)]
pub struct Create {
    /// What the team calls it
    pub name: String,
    /// Also if there is one of that name on this device
    #[arg(long)]
    #[serde(default)]
    pub another: bool,
}

/// Joins with a ticket.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Join {
    /// The text that `velo invite` printed.
    pub ticket: String,
    /// Seconds to wait for the workspace's content, at most a day.
    #[serde(default)]
    pub wait: u64,
}

/// A workspace in a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkspaceRow {
    /// Which.
    pub id: WorkspaceId,
    /// Its name; empty until the founder's device was met.
    pub name: String,
    /// How many projects are shown.
    pub projects: usize,
    /// How many tasks are shown.
    pub tasks: usize,
    /// How many people are in it.
    pub members: usize,
    /// Conflicts to be settled.
    pub conflicts: usize,
    /// Whether it syncs by itself on this device.
    #[serde(default)]
    pub auto_sync: bool,
    /// The person of this device in it.
    #[serde(default)]
    pub you: Option<MemberRow>,
    /// Whether this device can act for them.
    #[serde(default)]
    pub device_is_in: bool,
}

/// A workspace that is no longer on this device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Forgotten {
    /// As it was.
    #[serde(flatten)]
    pub workspace: WorkspaceRow,
    /// What the person did on this device that had no effect: gone with it.
    pub without_effect: usize,
}

/// What joining led to.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct JoinAnswer {
    /// What is there of it.
    #[serde(flatten)]
    pub workspace: WorkspaceRow,
    /// What the ticket gave; `None` as long as it was not taken.
    #[serde(default)]
    pub role: Option<RoleName>,
    /// Whether that is all that a peer has.
    pub arrived: bool,
    /// Who made the ticket.
    #[serde(default)]
    pub inviter: Option<Inviter>,
}

/// Who invited somebody.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Inviter {
    /// Who.
    pub person: PersonId,
    /// By which people know them: see [`velo_protocol::fingerprint`].
    pub words: String,
    /// The name shown, once it is known.
    pub name: Option<String>,
}

impl Inviter {
    /// As far as a ticket tells.
    pub fn of(ticket: &Ticket) -> Self {
        Self { person: ticket.inviter, words: ticket.inviter.words(), name: None }
    }
}

/// A workspace with its members.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct WorkspaceDetail {
    /// What lists show.
    #[serde(flatten)]
    pub workspace: WorkspaceRow,
    /// BLAKE3 over everything visible, in hexadecimal: equal on devices that hold the same entries.
    pub state_hash: String,
    /// By name.
    pub people: Vec<MemberRow>,
    /// The person of this device, whether or not they are in.
    #[serde(default)]
    pub you: Option<MemberRow>,
}

impl WorkspaceRow {
    /// The workspace as it is now.
    pub fn of(node: &NodeHandle, workspace: &Workspace) -> Self {
        let you = node.person();
        let standing = workspace.roster().members.get(&you);
        Self {
            id: workspace.id(),
            name: workspace.name().to_owned(),
            projects: workspace.projects().len(),
            tasks: workspace.shown(Kind::Task).count(),
            members: workspace.members().len(),
            conflicts: workspace.conflict_count(),
            auto_sync: node.syncs_by_itself(workspace.id()),
            you: Some(MemberRow::of(workspace, you, you)),
            device_is_in: standing.is_some_and(|standing| standing.devices.contains(&node.device())),
        }
    }
}

/// The state hash of a workspace, in hexadecimal.
pub fn state_hash(workspace: &Workspace) -> String {
    data_encoding::HEXLOWER.encode(&workspace.state_hash())
}

/// Carries out a request on workspaces.
pub(super) async fn execute(
    request: Request,
    wanted: Option<&str>,
    node: &NodeHandle,
) -> Result<Json, ApiError> {
    match request {
        Request::Create(create) => create_workspace(create, node).await,
        Request::List => {
            let all = node.workspaces().into_iter().filter_map(|id| node.workspace(id));
            answer(&all.map(|workspace| WorkspaceRow::of(node, &workspace)).collect::<Vec<_>>())
        }
        Request::AutoSync(request) => {
            let scope = Scope::open(node, wanted)?;
            let on = request.switch == Switch::On;
            node.submit(Command::SetAutoSync { workspace: scope.id, on }).await?;
            answer(&WorkspaceRow::of(node, &scope.workspace))
        }
        Request::Forget(request) => forget(request, node).await,
        Request::Show => {
            let scope = Scope::open(node, wanted)?;
            answer(&WorkspaceDetail {
                workspace: WorkspaceRow::of(node, &scope.workspace),
                state_hash: state_hash(&scope.workspace),
                people: MemberRow::all(&scope.workspace, node.person()),
                you: Some(MemberRow::of(&scope.workspace, node.person(), node.person())),
            })
        }
    }
}

/// Takes a workspace off this device. What cannot be opened is refused by the replica, in its words.
async fn forget(forget: Forget, node: &NodeHandle) -> Result<Json, ApiError> {
    let id = match forget.name.parse() {
        Ok(id) => id,
        Err(_) => scope::find(node, &forget.name, Precision::Whole)?,
    };
    let before =
        node.workspace(id).map(|workspace| (WorkspaceRow::of(node, &workspace), workspace.void_work()));
    node.submit(Command::Forget { workspace: id, unsent: forget.unsent }).await?;
    let (workspace, without_effect) = before.ok_or(ApiError::NoWorkspace)?;
    answer(&Forgotten { workspace, without_effect })
}

async fn create_workspace(create: Create, node: &NodeHandle) -> Result<Json, ApiError> {
    let (name, person_name) = (create.name.trim().to_owned(), person_name(node)?);
    if !create.another && !name.is_empty() {
        check_new(node, &name)?;
    }
    let command = Command::CreateWorkspace { name, person_name };
    founded(&node.submit(command).await?, node)
}

/// Refuses a name that a workspace of this device has: who meant that one would go on working in an
/// empty one, of which nobody else knows.
fn check_new(node: &NodeHandle, name: &str) -> Result<(), ApiError> {
    let (how, named) = match scope::called(node, name).as_slice() {
        [] => return Ok(()),
        [only] => (format!("--workspace \"{}\"", only.name()), only.name().to_owned()),
        [first, ..] => (format!("--workspace {}", first.id().short()), first.name().to_owned()),
    };
    Err(ApiError::Refused(format!(
        "there is a workspace \"{named}\" on this device already: commands use it with {how}; \
         `velo workspace create \"{name}\" --another` starts one more of that name"
    )))
}

/// Joins with a ticket. Returns when the joining is durable here and, if a peer was reached in
/// time, all that it holds has arrived.
pub(super) async fn join(join: Join, node: &NodeHandle) -> Result<Json, ApiError> {
    let ticket: Ticket = join.ticket.parse().map_err(|error| ApiError::Invalid(format!("{error}")))?;
    ticket.check_expiry(date::wall_ms()).map_err(|error| ApiError::Invalid(error.to_string()))?;
    let mut inviter = Inviter::of(&ticket);
    let person_name = person_name(node)?;
    let mut events = node.subscribe();
    let reply = node.submit(Command::Join { ticket, person_name }).await?;
    let Reply::Workspace(id) = reply else { return founded(&reply, node) };
    let arrived = async {
        while !has_arrived(node, id)? {
            match events.recv().await {
                Ok(NodeEvent::JoinRefused { workspace, reason }) if workspace == id => {
                    let short = id.short();
                    return Err(ApiError::Refused(format!(
                        "{reason}. `velo workspace forget {short}` takes what is here of it off this device"
                    )));
                }
                Err(RecvError::Closed) => return Ok(false),
                _ => {}
            }
        }
        Ok(true)
    };
    // Out of time is fine: what the ticket opens arrives with the first peer that is met.
    let wait = Duration::from_secs(join.wait.min(crate::limits::LONGEST_WAIT_S));
    let reached = tokio::time::timeout(wait, arrived).await.unwrap_or(Ok(false));
    // What a peer writes from then on, such as that it has taken note of this device, is not waited for.
    let arrived = reached?;
    scope::remember_last(node.data_dir(), id);
    let workspace = node.workspace(id).ok_or(ApiError::NoWorkspace)?;
    let role = workspace.roster().role_of(node.person()).map(RoleName::from);
    let is_known = workspace.roster().members.contains_key(&inviter.person);
    inviter.name = is_known.then(|| workspace.person_name(inviter.person));
    answer(&JoinAnswer {
        workspace: WorkspaceRow::of(node, &workspace),
        role,
        arrived,
        inviter: Some(inviter),
    })
}

/// Whether a peer holds nothing more than this device, and all of it is saved here, the joining too.
fn has_arrived(node: &NodeHandle, id: WorkspaceId) -> Result<bool, NodeError> {
    let entered = node.workspace(id).is_some_and(|workspace| {
        !workspace.name().is_empty() && workspace.roster().role_of(node.person()).is_some()
    });
    let is_here = entered && network::rows(node, Some(id)).iter().any(|peer| peer.synced);
    // Asked last: what is shown on its way to the disk may not get there.
    Ok(node.is_saved()? && is_here)
}

fn founded(reply: &Reply, node: &NodeHandle) -> Result<Json, ApiError> {
    let Reply::Workspace(id) = reply else {
        return Err(ApiError::Failed("the node answered something else".into()));
    };
    scope::remember_last(node.data_dir(), *id);
    let workspace = node.workspace(*id).ok_or(ApiError::NoWorkspace)?;
    answer(&WorkspaceRow::of(node, &workspace))
}

fn person_name(node: &NodeHandle) -> Result<String, ApiError> {
    let known = Introduction::read(node.data_dir())?;
    known.map(|person| person.name).ok_or(ApiError::NoIdentity)
}
