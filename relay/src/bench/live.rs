//! A live edit from one device to another where each reaches another relay, and the relays have nothing but
//! their database in common.
//!
//! Nobody can dial the devices. The relays move to other ports once both devices are in, and each device is
//! told of one of them only: so no other way is left. That is looked after.

use super::process::{Plan, Relay, carry, device, end, eventually, found, wait_kept};
use crate::{
    database::Database,
    store::InDatabase,
    tokens::{Token, Tokens},
};
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use velo_node::{
    api::ApiError,
    bench::{Latency, free_port},
    handle::{Node, NodeEvent},
};
use velo_protocol::{
    access::Role,
    change::Change,
    id::{DeviceId, WorkspaceId},
    model::{EntityKey, Kind, project},
    replica::{Command, Reply},
    value::Value,
};

/// Between two edits: those of a person do not meet each other.
const PAUSE: Duration = Duration::from_millis(30);
/// How long one edit may take.
const ARRIVE: Duration = Duration::from_mins(1);

/// What came of it.
pub(super) struct Live {
    /// From the command on one device to the other's event.
    pub edit: Latency,
    /// What the database takes to commit a row, beside it.
    pub commit: Latency,
}

/// Measures `count` edits, over an empty database.
pub(super) async fn measure(url: &str, home: &Path, count: u32) -> Result<Live, ApiError> {
    let logs = Arc::new(InDatabase::at(url.to_owned()));
    let tokens = token(&logs, home, 1).await?;
    let homes = ["first", "second"].map(|name| home.join(name));
    let plan = |home, listen| Plan { home, database: url, listen, http: None, has_circuits: false };
    let any = || "/ip4/127.0.0.1/tcp/0".to_owned();
    let (first, second) =
        (Relay::start(&plan(&homes[0], any())).await?, Relay::start(&plan(&homes[1], any())).await?);
    let (anna, ben) = (device(&home.join("anna")).await?, device(&home.join("ben")).await?);
    let workspace = found(&anna).await?;
    carry(&anna, workspace, &first, &tokens).await?;
    carry(&anna, workspace, &second, &tokens).await?;
    join(&anna, &ben, workspace, &[&first]).await?;
    first.stop().await?;
    second.stop().await?;

    let elsewhere = || free_port().map(|at| format!("/ip4/127.0.0.1/tcp/{}", at.port()));
    let first = Relay::start(&plan(&homes[0], elsewhere()?)).await?;
    let second = Relay::start(&plan(&homes[1], elsewhere()?)).await?;
    anna.add_peer(&first.address)?;
    ben.add_peer(&second.address)?;
    wait_kept(&anna, workspace, first.device).await?;
    wait_kept(&ben, workspace, second.device).await?;
    let edit = edits(&anna, &ben, workspace, count).await?;
    alone_with(&anna, first.device)?;
    alone_with(&ben, second.device)?;
    let database = logs.database().map_err(|error| ApiError::Failed(error.to_string()))?.clone();
    let commit = commits(&database, count).await?;
    end(anna).await?;
    end(ben).await?;
    first.stop().await?;
    second.stop().await?;
    Ok(Live { edit, commit })
}

/// A token that is good for so many workspaces.
pub(super) async fn token(logs: &Arc<InDatabase>, home: &Path, most: u32) -> Result<String, ApiError> {
    let (logs, home) = (Arc::clone(logs), home.to_owned());
    let made = tokio::task::spawn_blocking(move || {
        let token = Token::new("bench", None, most)?;
        Tokens::of(Some(logs)).add(&home, &token)
    });
    let made = made.await.map_err(|error| ApiError::Failed(error.to_string()))?;
    made.map_err(|error| ApiError::Failed(error.to_string()))
}

/// Lets somebody in, who comes by these relays, and waits until both show the same.
pub(super) async fn join(
    host: &Node,
    guest: &Node,
    workspace: WorkspaceId,
    relays: &[&Relay],
) -> Result<(), ApiError> {
    let addresses = relays.iter().map(|relay| relay.address.clone()).collect();
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

async fn edits(from: &Node, to: &Node, workspace: WorkspaceId, count: u32) -> Result<Latency, ApiError> {
    let key = EntityKey::new(Kind::Project, from.new_entity_id());
    let name = |number: u32| (project::NAME.into(), Value::text(format!("House {number}")));
    let mut events = to.subscribe();
    let create = vec![Change::Create { key, fields: vec![name(0)] }];
    from.submit(Command::Edit { workspace, changes: create }).await?;
    arrived(&mut events, key).await?;
    let mut latency = Latency::default();
    for number in 1..=count {
        tokio::time::sleep(PAUSE).await;
        let (slot, value) = name(number);
        let changes = vec![Change::Set { key, slot, value }];
        let start = Instant::now();
        let done = from.submit(Command::Edit { workspace, changes });
        let (done, seen) = tokio::join!(done, arrived(&mut events, key));
        done?;
        seen?;
        latency.add(start.elapsed().as_nanos() as u64);
    }
    Ok(latency)
}

async fn arrived(events: &mut Receiver<NodeEvent>, key: EntityKey) -> Result<(), ApiError> {
    let seen = async {
        loop {
            match events.recv().await {
                Ok(NodeEvent::Changed { entities, .. }) if entities.contains(&key) => return Ok(()),
                Ok(_) | Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return Err(ApiError::Failed("a device has stopped".into())),
            }
        }
    };
    let late = |_| ApiError::NotYet(format!("an edit did not arrive in {ARRIVE:?}"));
    tokio::time::timeout(ARRIVE, seen).await.map_err(late)?
}

/// A way round the database would make the figure one of something else.
fn alone_with(node: &Node, relay: DeviceId) -> Result<(), ApiError> {
    let others =
        node.peers().iter().filter(|peer| peer.status.connected && peer.status.peer != relay).count();
    if others == 0 { Ok(()) } else { Err(ApiError::Failed("a device found another way".to_owned())) }
}

async fn commits(database: &Database, count: u32) -> Result<Latency, ApiError> {
    let done = database.ask(super::server::PATIENCE_MS, move |pool| async move {
        sqlx::raw_sql("CREATE TABLE IF NOT EXISTS bare (row integer)").execute(&pool).await?;
        let mut latency = Latency::default();
        for row in 0..count as i32 {
            let start = Instant::now();
            sqlx::query("INSERT INTO bare VALUES ($1)").bind(row).execute(&pool).await?;
            latency.add(start.elapsed().as_nanos() as u64);
        }
        Ok(latency)
    });
    done.await.map_err(|error| ApiError::Failed(format!("committing: {error}")))
}
