//! The driver's part in carrying blobs: it lets through what may travel now.

use super::Driver;
use crate::{
    blobs::courier::{Job, Met, Turn},
    handle::wall_ms,
    net::AskId,
};
use velo_protocol::{
    blob::{Answer, Question},
    id::{DeviceId, WorkspaceId},
    replica::Carriage,
    time::Now,
};

impl Driver {
    fn carriage(&self, peer: DeviceId, workspace: WorkspaceId) -> Carriage {
        self.replica.carries_blobs(self.blob_time(), peer, workspace)
    }

    fn blob_time(&self) -> Now {
        Now { wall_ms: wall_ms(), mono_ms: self.mono_ms() }
    }

    /// The courier would ask a peer, or says what it keeps.
    pub(super) fn take_turn(&mut self, turn: Turn) {
        let (peer, question) = match turn {
            Turn::Ask(peer, question) => (peer, question),
            Turn::Keeps { workspace, bytes } => return self.replica.note_blobs(workspace, bytes),
        };
        let Some(net) = &self.net else { return };
        // As the peer itself would answer.
        let refused = match self.carriage(peer, question.workspace()) {
            Carriage::Now => return net.ask_blob(peer, question),
            Carriage::Later => Answer::Later,
            Carriage::Never => Answer::NotHere,
        };
        self.courier.tell(Job::Answered { peer, question, answer: Some(refused) });
    }

    /// A peer asks.
    pub(super) fn blob_asked(&self, peer: DeviceId, id: AskId, question: Question) {
        let Some(net) = &self.net else { return };
        let (carriage, job) = match question {
            Question::Piece(ask) => (self.carriage(peer, ask.workspace), Job::Serve { peer, id, ask }),
            Question::Offer(offer) => {
                let room = self.replica.room_for_blobs(offer.workspace);
                let takes = self.replica.takes_offers(self.blob_time(), peer, offer.workspace);
                (takes, Job::Offered { peer, id, offer, room })
            }
        };
        match carriage {
            Carriage::Now if self.courier.ask(job) => {}
            Carriage::Now | Carriage::Later => net.answer_blob(id, Answer::Later),
            Carriage::Never => net.answer_blob(id, Answer::NotHere),
        }
    }

    /// Something about a peer changed: perhaps what it may be asked for.
    pub(super) fn tell_courier_of(&self, peer: DeviceId) {
        let (shared, carried) = (self.replica.shared_with(peer), self.replica.carried_by(peer));
        self.courier.tell_peer(peer, Met { shared, carried });
    }
}
