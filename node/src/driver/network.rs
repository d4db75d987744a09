//! What the network tells the driver, and whom it is to dial.

use super::{Driver, Input};
use crate::{blobs::courier::Job, net::NetEvent};
use velo_protocol::{
    id::{DeviceId, WorkspaceId},
    replica::relays_of,
};

impl Driver {
    /// The first shared workspace makes a colleague of a stranger.
    pub(super) fn trust_if_shared(&mut self, peer: DeviceId) {
        if let Some(net) = &self.net
            && !self.trusted.contains(&peer)
            && self.replica.shares_with(&peer)
        {
            self.trusted.insert(peer);
            net.trust(peer);
        }
    }

    pub(super) fn redial(&self) {
        if let Some(net) = &self.net {
            net.redial_now();
        }
    }

    /// Completes the addresses of a ticket: after those given, the ones this device listens on, and where
    /// relays of the workspace are, which are there when this device is not.
    pub(super) fn complete(&self, workspace: Option<WorkspaceId>, addresses: &mut Vec<String>) {
        let state = workspace.and_then(|workspace| self.replica.workspace(workspace));
        let relays = state.map(relays_of).unwrap_or_default().into_iter().map(|relay| relay.address);
        let most = velo_protocol::limits::TICKET_ADDRESSES;
        let relays: Vec<String> = relays.filter(|relay| !addresses.contains(relay)).take(most / 2).collect();
        for own in self.shared.addresses() {
            if addresses.len() + relays.len() < most && !addresses.contains(&own) {
                addresses.push(own);
            }
        }
        addresses.extend(relays);
        addresses.truncate(most);
    }

    /// Addresses of a ticket: of another network, perhaps, and of another time. The most promising
    /// comes first in it; what is given last stands in front.
    pub(super) fn dial_all(&self, addresses: &[String]) {
        let Some(net) = &self.net else { return };
        for address in addresses.iter().rev() {
            let dialled = address.parse().map_err(|error| format!("{error}"));
            if let Err(reason) =
                dialled.and_then(|address| net.dial(address).map_err(|error| error.to_string()))
            {
                tracing::info!(address, reason, "an address of the ticket cannot be dialled");
            }
        }
    }

    pub(super) fn take_net_event(&mut self, event: NetEvent) {
        match event {
            NetEvent::PeerUp { peer, path, .. } => {
                tracing::info!(peer = %peer.short(), ?path, "session open");
                self.input(Input::PeerUp { peer });
            }
            NetEvent::PeerDown { peer, reason } => {
                tracing::info!(peer = %peer.short(), reason, "session closed");
                self.trusted.remove(&peer);
                self.input(Input::PeerDown { peer });
            }
            NetEvent::Frame { peer, frame } => {
                metrics::counter!("velo_frames_in_total").increment(1);
                metrics::counter!("velo_frame_bytes_in_total").increment(frame.len() as u64);
                self.input(Input::Received { peer, frame });
            }
            NetEvent::BlobAsked { peer, id, question } => self.blob_asked(peer, id, question),
            NetEvent::BlobAnswered { peer, question, answer } => {
                self.courier.tell(Job::Answered { peer, question, answer });
            }
            NetEvent::Sent { peer, bytes } => self.input(Input::Sent { peer, bytes }),
            NetEvent::Listening(address) => self.outbox.listening(address.to_string()),
            NetEvent::DialFailed { address, reason, .. } => tracing::debug!(%address, reason, "dial failed"),
            NetEvent::Discovered { peer, .. } => tracing::debug!(peer = %peer.short(), "discovered"),
            NetEvent::ListenFailed { reason }
            | NetEvent::DiscoveryFailed { reason }
            | NetEvent::BookFailed { reason } => tracing::warn!(reason, "trouble with the network"),
        }
    }
}
