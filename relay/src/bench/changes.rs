//! The changes query as a program asks it: over HTTP, with a device's token, at any cursor.

use super::client::Client;
use std::{net::SocketAddr, time::Duration};
use velo_node::{api::ApiError, bench::Latency};
use velo_protocol::{
    crypto::SecretKey,
    dice::Dice,
    id::{DeviceId, WorkspaceId},
};

/// What a device is allowed is 20 questions a second.
const PACE: Duration = Duration::from_millis(51);
/// As many as fit, for reading through everything.
const WHOLE: u32 = 1_000;

/// What came of it.
pub(super) struct Changes {
    /// Entries that were paged through: all there are.
    pub entries: u64,
    /// Of one page as large as one gets without asking for another size, at random cursors.
    pub page: Latency,
    /// Entries on such a page.
    pub page_entries: u64,
}

/// Reads everything once, then `queries` pages at random.
pub(super) async fn measure(
    http: SocketAddr,
    workspace: WorkspaceId,
    device: &SecretKey,
    queries: u32,
    seed: u64,
) -> Result<Changes, ApiError> {
    let mut client = Client::connect(http).await?;
    client.introduce(DeviceId(device.public()), device, workspace).await?;
    let mut cursors = vec![String::new()];
    let mut entries = 0;
    loop {
        let cursor = cursors.last().cloned().unwrap_or_default();
        let page = client.changes(workspace, &cursor, Some(WHOLE)).await?;
        entries += page.entries;
        if !page.more {
            break;
        }
        cursors.push(page.next_cursor);
        tokio::time::sleep(PACE).await;
    }
    let mut dice = Dice::new(seed);
    let (mut page, mut page_entries) = (Latency::default(), 0);
    for _ in 0..queries {
        tokio::time::sleep(PACE).await;
        let Some(cursor) = dice.pick(&cursors) else { break };
        let found = client.changes(workspace, cursor, None).await?;
        page.add(found.took.as_nanos() as u64);
        page_entries = found.entries.max(page_entries);
    }
    Ok(Changes { entries, page, page_entries })
}
