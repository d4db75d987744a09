//! A newcomer among several devices that have everything: each of them should send a part, and nothing
//! should come twice.

use super::pair::{catch_up, frame_bytes, free_port};
use crate::{
    api::{Action, ApiError, network},
    demo::{Stage, peer::Peer},
};
use std::{path::Path, time::Duration};

/// How long the connections to all of them may take to come up.
const MEET: Duration = Duration::from_secs(2);

/// What the newcomer took.
pub(super) struct Many {
    /// From joining until everything is applied and durable.
    pub catchup: Duration,
    /// Bytes of frames received for it.
    pub wire_bytes: u64,
}

/// Measures a newcomer beside the two devices of [`super::pair`], which have everything and are off, and a
/// third that catches up first.
pub(super) async fn measure(complete: [&mut Peer; 2], home: &Path, stage: &Stage) -> Result<Many, ApiError> {
    stage.step("A newcomer among three complete devices");
    let [old, new] = complete;
    let metrics = free_port()?;
    let (mut third, mut newcomer) = (Peer::new("Carla", home)?, Peer::new("Dora", home)?);
    newcomer.options = vec!["--metrics".to_owned(), metrics.to_string()];
    for peer in [&mut *old, &mut *new, &mut third, &mut newcomer] {
        peer.start(true).await?;
    }
    connect(&third, &[old, new]).await?;
    catch_up(old, &third).await?;
    connect(&newcomer, &[old, new, &third]).await?;
    let before = frame_bytes(metrics, "in")?;
    let catchup = catch_up(old, &newcomer).await?;
    let wire_bytes = frame_bytes(metrics, "in")? - before;
    for peer in [old, new, &mut third, &mut newcomer] {
        peer.stop().await?;
    }
    Ok(Many { catchup, wire_bytes })
}

async fn connect(peer: &Peer, others: &[&Peer]) -> Result<(), ApiError> {
    for other in others {
        let add = network::Request::Add(network::Add { address: other.listen.clone() });
        peer.ask::<serde_json::Value>(Action::Network(add)).await?;
    }
    tokio::time::sleep(MEET).await;
    Ok(())
}
