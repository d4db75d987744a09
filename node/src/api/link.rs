//! Further devices of a person: shown by a code, taken in, brought back with the phrase.

use super::{ApiError, Json, answer, workspace::Introduction};
use crate::handle::NodeHandle;
use clap::Args;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;
use velo_protocol::{
    id::PersonId,
    link_code::LinkCode,
    replica::{Command, Reply},
    root::Root,
};

/// What to do about further devices.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Shows the code of this new device.
    Code,
    /// Waits until this device was taken in.
    Wait(Wait),
    /// Takes in the device that shows a code.
    Link(Link),
    /// Brings a person back to this new device.
    Recover(Recover),
}

/// Waits until this device was taken in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Wait {
    /// Seconds.
    pub wait: u64,
}

/// Takes in the device that shows a code.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
pub struct Link {
    /// What `velo device code` printed on the new device
    pub code: String,
}

/// Brings a person back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Recover {
    /// What the 24 words stand for.
    pub root: Root,
    /// Where a device of the team can be reached; on a LAN it is found without.
    pub addresses: Vec<String>,
    /// Seconds to wait for it.
    pub wait: u64,
}

/// The code of a new device.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CodeAnswer {
    /// To be given to another device of the person.
    pub code: String,
}

/// Whose device it is.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LinkedAnswer {
    /// Whether it was taken in, or brought back, by now.
    pub linked: bool,
    /// The person.
    pub person: PersonId,
    /// Their name, where it is known.
    pub name: Option<String>,
    /// How many workspaces are here.
    pub workspaces: usize,
}

/// Carries out a request.
pub(super) async fn execute(request: Request, node: &NodeHandle) -> Result<Json, ApiError> {
    match request {
        Request::Code => code(node).await,
        Request::Wait(Wait { wait }) => {
            let before = node.workspaces().len();
            let linked = linked(node, wait, before).await;
            answer(&told(node, linked))
        }
        Request::Link(Link { code }) => {
            let code: LinkCode = code.parse().map_err(|error| ApiError::Invalid(format!("{error}")))?;
            node.submit(Command::Link { code }).await?;
            answer(&told(node, true))
        }
        Request::Recover(recover) => bring_back(recover, node).await,
    }
}

async fn code(node: &NodeHandle) -> Result<Json, ApiError> {
    match node.submit(Command::ShowLinkCode { addresses: Vec::new() }).await? {
        Reply::LinkCode(code) => answer(&CodeAnswer { code: code.to_string() }),
        _ => Err(ApiError::Failed("the node answered something else".into())),
    }
}

async fn bring_back(recover: Recover, node: &NodeHandle) -> Result<Json, ApiError> {
    for address in &recover.addresses {
        NodeHandle::check_address(address)?;
    }
    node.submit(Command::Recover { root: recover.root }).await?;
    for address in &recover.addresses {
        node.add_peer(address)?;
    }
    let linked = linked(node, recover.wait, 0).await;
    answer(&told(node, linked))
}

/// Waits until this device was taken in, and what it was told of has arrived.
async fn linked(node: &NodeHandle, seconds: u64, before: usize) -> bool {
    let mut events = node.subscribe();
    let arrived = async {
        while !has_arrived(node, before) {
            if matches!(events.recv().await, Err(RecvError::Closed)) {
                break;
            }
        }
    };
    let wait = Duration::from_secs(seconds.min(crate::limits::LONGEST_WAIT_S));
    // Out of time is fine: the rest arrives while a node runs.
    let _ = tokio::time::timeout(wait, arrived).await;
    has_arrived(node, before)
}

fn has_arrived(node: &NodeHandle, before: usize) -> bool {
    let all = node.workspaces();
    let shown = |id: &_| {
        node.workspace(*id).is_some_and(|workspace| {
            let own = workspace.roster().members.get(&node.person());
            own.is_some_and(|own| own.devices.contains(&node.device())) && workspace.locked_entries() == 0
        })
    };
    all.len() > before && all.iter().all(shown)
}

fn told(node: &NodeHandle, linked: bool) -> LinkedAnswer {
    let person = node.person();
    let all = node.workspaces();
    let named = all
        .iter()
        .filter_map(|id| node.workspace(*id))
        .find(|shown| shown.roster().role_of(person).is_some());
    let name = named.map(|shown| shown.person_name(person));
    if let Some(name) = name.as_deref().filter(|_| linked) {
        // Workspaces that are made or joined from now on show the same name.
        let noted = Introduction::new(name).and_then(|known| known.write(node.data_dir()));
        if let Err(error) = noted {
            tracing::warn!(%error, "the name was not noted");
        }
    }
    LinkedAnswer { linked, person, name, workspaces: all.len() }
}
