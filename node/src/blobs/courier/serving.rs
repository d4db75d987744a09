//! Pieces for peers that ask, each of which has passed the driver's door.

use super::Courier;
use crate::net::AskId;
use std::time::Duration;
use tokio::time::Instant;
use velo_protocol::{
    blob::{Answer, Ask},
    id::DeviceId,
    limits,
};

/// Bytes served to a peer since the time.
pub(super) struct Served {
    since: Instant,
    bytes: u64,
}

impl Courier {
    pub(super) fn serve(&mut self, peer: DeviceId, id: AskId, ask: &Ask) {
        let answer = self.answer(peer, ask);
        if let Answer::Piece { bytes, .. } = &answer {
            metrics::counter!("velo_blob_bytes_out_total").increment(bytes.len() as u64);
            self.served(peer).bytes += bytes.len() as u64;
            self.offering.served(self.now_ms(), peer, ask.workspace);
        }
        if let Some(net) = &self.net {
            net.answer_blob(id, answer);
        }
    }

    fn served(&mut self, peer: DeviceId) -> &mut Served {
        let now = Instant::now();
        let over = |served: &Served| now - served.since >= Duration::from_millis(limits::BLOB_QUOTA_MS);
        self.served.retain(|_, served| !over(served));
        self.served.entry(peer).or_insert(Served { since: now, bytes: 0 })
    }

    fn answer(&mut self, peer: DeviceId, ask: &Ask) -> Answer {
        if self.served(peer).bytes >= limits::BLOB_QUOTA {
            return Answer::Later;
        }
        let key = (ask.workspace, ask.blob);
        if let Some((last, bytes)) = &self.last_served
            && *last == key
        {
            return Answer::of(ask, bytes);
        }
        let Some(holding) = self.holdings.get_mut(&ask.workspace) else { return Answer::NotHere };
        match holding.store.read(ask.blob) {
            Ok(Some(bytes)) => {
                let answer = Answer::of(ask, &bytes);
                self.last_served = Some((key, bytes));
                answer
            }
            Ok(None) => Answer::NotHere,
            Err(error) => {
                tracing::warn!(%error, "part of an attachment cannot be read");
                Answer::NotHere
            }
        }
    }
}
