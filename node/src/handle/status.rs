//! What a person may want to know of a node and its peers.

use crate::net::{self, NetStatus, TargetStage, TargetStatus};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};
use velo_protocol::{
    blob::AtRelay,
    id::{DeviceId, LogId, PersonId, WorkspaceId},
    replica::{PeerStatus, PeerWorkspace},
    store::ChainInfo,
    workspace::Workspace,
};

/// What is known of a peer, for people.
#[derive(Debug, Clone, serde::Serialize)]
pub struct PeerInfo {
    /// What its session tells.
    #[serde(flatten)]
    pub status: PeerStatus,
    /// How it is reached.
    pub link: PeerLink,
    /// The same of the workspace that the person's devices share with nobody else, if it is one of them.
    pub private: Option<PeerWorkspace>,
    /// What it has of attachments, where it is a relay and said so since this device was started.
    pub at_relay: BTreeMap<WorkspaceId, AtRelay>,
}

/// How a peer is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct PeerLink {
    /// "lan", "direct" or "relay" while it is connected.
    pub path: Option<String>,
    /// The address in use, or the most promising one.
    pub address: Option<String>,
    /// While it is not connected: why not, and what is being done, in a plain sentence.
    pub trouble: Option<String>,
}

impl PeerLink {
    pub(super) fn of(target: &TargetStatus) -> Self {
        if let TargetStage::Connected { path, address, .. } = &target.stage {
            let path = match path {
                net::Path::Lan => "lan",
                net::Path::Direct => "direct",
                net::Path::Relayed => "relay",
            };
            return Self { path: Some(path.into()), address: Some(address.to_string()), trouble: None };
        }
        let doing = match &target.stage {
            TargetStage::Waiting { next_try_ms } => {
                format!("next try in {} s", next_try_ms.div_ceil(1000))
            }
            TargetStage::Dialling => "being dialled".to_owned(),
            TargetStage::Unattended => return Self { address: first(target), ..Self::default() },
            TargetStage::Idle | TargetStage::Connected { .. } => "no address is known".to_owned(),
        };
        let trouble = match &target.last_failure {
            Some(reason) => format!("{reason}; {doing}"),
            None => doing,
        };
        Self { path: None, address: first(target), trouble: Some(trouble) }
    }
}

fn first(target: &TargetStatus) -> Option<String> {
    target.addresses.first().map(|record| record.address.to_string())
}

/// What a person may want to know of a node.
#[derive(Debug, Clone, serde::Serialize)]
pub struct NodeStatus {
    /// The person.
    pub person: PersonId,
    /// This device.
    pub device: DeviceId,
    /// Where everything is kept.
    pub data_dir: PathBuf,
    /// Where peers reach it; empty when offline.
    pub addresses: Vec<String>,
    /// Why nothing can be changed, if so.
    pub read_only: Option<String>,
    /// Peers with an open session.
    pub connected: usize,
    /// By id.
    pub workspaces: Vec<WorkspaceStatus>,
    /// Why workspaces of this device could not be opened at the start, a sentence each.
    pub unopened: Vec<String>,
    /// Listening, discovery and dialling; `None` when offline.
    pub network: Option<NetStatus>,
}

/// One workspace in [`NodeStatus`].
#[derive(Debug, Clone, serde::Serialize)]
pub struct WorkspaceStatus {
    /// Which.
    pub id: WorkspaceId,
    /// Its name.
    pub name: String,
    /// Entries on disk.
    pub entries: u64,
    /// Logs they stand in.
    pub logs: usize,
    /// Conflicts to be resolved.
    pub conflicts: usize,
}

impl WorkspaceStatus {
    pub(super) fn of(state: &Workspace, chains: &[ChainInfo]) -> Self {
        let logs: BTreeSet<LogId> = chains.iter().map(|chain| chain.log).collect();
        let entries = chains.iter().map(|chain| chain.end.head.position.saturating_sub(chain.base.position));
        Self {
            id: state.id(),
            name: state.name().to_owned(),
            entries: entries.sum(),
            logs: logs.len(),
            conflicts: state.conflict_count(),
        }
    }
}
