//! A live edit from one device to another where each reaches another relay, and the relays have nothing but
//! their database in common.
//!
//! Nobody can dial the devices. The relays move to other ports once both devices are in, and each device is
//! told of one of them only: so no other way is left. That is looked after.

use super::{
    process::{Relay, carry, device, end, found, join, token, wait_kept},
    server,
};
use crate::{database::Database, limits};
use std::{
    path::Path,
    time::{Duration, Instant},
};
use tokio::sync::broadcast::{Receiver, error::RecvError};
use velo_node::{
    api::ApiError,
    bench::Latency,
    handle::{Node, NodeEvent},
};
use velo_protocol::{
    change::Change,
    id::{DeviceId, WorkspaceId},
    model::{EntityKey, Kind, project},
    replica::Command,
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
    let token = token(url, home, 1).await?;
    let mut first = Relay::start(&home.join("first"), url, None, &[]).await?;
    let mut second = Relay::start(&home.join("second"), url, None, &[]).await?;
    let (anna, ben) = (device(&home.join("anna")).await?, device(&home.join("ben")).await?);
    let workspace = found(&anna).await?;
    carry(&anna, workspace, &first, &token).await?;
    carry(&anna, workspace, &second, &token).await?;
    join(&anna, &ben, workspace, &[&first]).await?;
    first.move_on().await?;
    second.move_on().await?;
    anna.add_peer(first.address())?;
    ben.add_peer(second.address())?;
    wait_kept(&anna, workspace, first.device).await?;
    wait_kept(&ben, workspace, second.device).await?;
    let edit = edits(&anna, &ben, workspace, count).await?;
    alone_with(&anna, first.device)?;
    alone_with(&ben, second.device)?;
    let commit = commits(&server::open(url).await?, count).await?;
    end(anna).await?;
    end(ben).await?;
    first.stop().await?;
    second.stop().await?;
    Ok(Live { edit, commit })
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
    let done = database.ask(limits::WRITE_PATIENCE_MS, move |pool| async move {
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
