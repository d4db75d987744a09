//! Many devices connected to one relay at the same time, in teams that each share a workspace.
//!
//! They are whole nodes with keys, logs and sessions of their own, though in this process: a machine has not
//! the memory for a process each. Only the relay is measured, which runs in another one. Nobody can dial them, so
//! each asks the relay for a place where the others of its team meet it.

use super::process::{CIRCUITS, Relay, carry, device, end, eventually, found, join, token};
use std::path::Path;
use velo_node::{api::ApiError, handle::Node};
use velo_protocol::{
    change::Change,
    id::WorkspaceId,
    model::{EntityKey, Kind, project},
    replica::Command,
    value::Value,
};

/// What the relay took.
pub(super) struct Crowd {
    pub devices: usize,
    pub teams: usize,
    /// Bytes of its memory before anybody came.
    pub alone: Option<u64>,
    /// With everybody connected, after everybody has heard of an edit.
    pub full: Option<u64>,
}

struct Team {
    workspace: WorkspaceId,
    nodes: Vec<Node>,
}

/// Measures `devices` in teams of `team`, over an empty database.
pub(super) async fn measure(url: &str, home: &Path, devices: usize, team: usize) -> Result<Crowd, ApiError> {
    let count = devices.div_ceil(team);
    let token = token(url, home, count as u32).await?;
    let mut relay = Relay::start(home, url, None, &[CIRCUITS]).await?;
    let alone = relay.memory();
    let mut teams = Vec::new();
    for number in 0..count {
        let size = team.min(devices - number * team);
        teams.push(gather(&home.join(number.to_string()), size, &relay, &token).await?);
    }
    for team in &teams {
        meet(team, &relay).await?;
    }
    let full = relay.memory();
    for node in teams.into_iter().flat_map(|team| team.nodes) {
        end(node).await?;
    }
    relay.stop().await?;
    Ok(Crowd { devices, teams: count, alone, full })
}

async fn gather(home: &Path, size: usize, relay: &Relay, token: &str) -> Result<Team, ApiError> {
    let founder = device(&home.join("0")).await?;
    let workspace = found(&founder).await?;
    carry(&founder, workspace, relay, token).await?;
    let mut nodes = vec![founder];
    for number in 1..size {
        let guest = device(&home.join(number.to_string())).await?;
        join(&nodes[0], &guest, workspace, &[relay]).await?;
        nodes.push(guest);
    }
    Ok(Team { workspace, nodes })
}

/// Everybody is connected, and hears of an edit.
async fn meet(team: &Team, relay: &Relay) -> Result<(), ApiError> {
    let Some(founder) = team.nodes.first() else { return Ok(()) };
    let key = EntityKey::new(Kind::Project, founder.new_entity_id());
    let fields = vec![(project::NAME.into(), Value::text("House"))];
    let (workspace, changes) = (team.workspace, vec![Change::Create { key, fields }]);
    founder.submit(Command::Edit { workspace, changes }).await?;
    eventually("a whole team is connected and has heard of an edit", || {
        team.nodes.iter().all(|node| {
            let has_it = node.workspace(workspace).is_some_and(|state| state.projects().len() == 1);
            has_it
                && node.peers().iter().any(|peer| peer.status.peer == relay.device && peer.status.connected)
        })
    })
    .await
}
