//! The driver's part in carrying blobs: it lets through what may travel now.

use super::Driver;
use crate::{
    blobs::courier::{Job, Turn},
    handle::wall_ms,
    net::AskId,
};
use velo_protocol::{
    blob::{Answer, Ask},
    id::DeviceId,
    replica::Carriage,
    time::Now,
};

impl Driver {
    fn carriage(&self, peer: DeviceId, ask: &Ask) -> Carriage {
        let now = Now { wall_ms: wall_ms(), mono_ms: self.mono_ms() };
        self.replica.carries_blobs(now, peer, ask.workspace)
    }

    /// The courier would ask a peer.
    pub(super) fn take_turn(&self, (peer, ask): Turn) {
        let Some(net) = &self.net else { return };
        match self.carriage(peer, &ask) {
            Carriage::Now => net.ask_blob(peer, ask),
            // As the peer itself would answer.
            Carriage::Later => self.courier.tell(Job::Answered { peer, ask, answer: Some(Answer::Later) }),
            Carriage::Never => self.courier.tell(Job::Answered { peer, ask, answer: Some(Answer::NotHere) }),
        }
    }

    /// A peer asks.
    pub(super) fn blob_asked(&self, peer: DeviceId, id: AskId, ask: Ask) {
        let Some(net) = &self.net else { return };
        match self.carriage(peer, &ask) {
            Carriage::Now if self.courier.ask(Job::Serve { peer, id, ask }) => {}
            Carriage::Now | Carriage::Later => net.answer_blob(id, Answer::Later),
            Carriage::Never => net.answer_blob(id, Answer::NotHere),
        }
    }

    /// Something about a peer changed: perhaps what it may be asked for.
    pub(super) fn tell_courier_of(&self, peer: DeviceId) {
        self.courier.tell_peer(peer, self.replica.shared_with(peer));
    }
}
