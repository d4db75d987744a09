//! Comparing with peers who holds what: digests, and heads where digests differ.

use super::{Logs, Output, Replica, event::Event};
use crate::{
    id::{DeviceId, WorkspaceId},
    message::{Digest, Heads, Message},
    time::Now,
};

impl Replica {
    /// Both have the workspace: compare.
    pub(super) fn shared(&mut self, now: Now, peer: DeviceId, workspace: WorkspaceId) {
        let Some(holding) = self.holdings.get(&workspace) else { return };
        let secret = holding.record.secret.clone();
        self.note_seen(now, peer);
        if let Some(holding) = self.holdings.get_mut(&workspace) {
            holding.words.part(peer);
        }
        self.offer(now, peer, workspace, &secret);
        self.say_claim(peer, workspace);
        self.say_digest(now, peer, workspace, false);
        self.outputs.push_back(Output::Event(Event::PeerChanged { peer }));
    }

    pub(super) fn say_digest(&mut self, now: Now, peer: DeviceId, workspace: WorkspaceId, asks: bool) {
        let (Some(session), Some(holding)) =
            (self.sessions.get_mut(&peer), self.holdings.get_mut(&workspace))
        else {
            return;
        };
        if holding.syncs(now) {
            session.say(&Message::Digest(Digest { workspace, hash: holding.digest(), asks }));
        }
    }

    /// Says what is due of the heads we hold.
    pub(super) fn say_heads(&mut self, now: Now, peer: DeviceId, workspace: WorkspaceId) {
        let admitted = self.admits(now, peer, workspace);
        let (Some(session), Some(holding)) = (self.sessions.get_mut(&peer), self.holdings.get(&workspace))
        else {
            return;
        };
        let Some(copy) = session.copies.get_mut(&workspace) else { return };
        if holding.syncs(now) {
            let heads = if admitted {
                copy.due_heads(now, workspace, &holding.logs)
            } else {
                copy.due_denial(now, workspace)
            };
            session.say_all(&heads);
        } else {
            copy.stay_silent();
        }
    }

    pub(super) fn digest(&mut self, now: Now, peer: DeviceId, digest: &Digest, logs: &dyn Logs) {
        let (Some(session), Some(holding)) =
            (self.sessions.get_mut(&peer), self.holdings.get_mut(&digest.workspace))
        else {
            return;
        };
        let Some(copy) = session.copies.get_mut(&digest.workspace) else { return };
        let was_silent = copy.contact.hear(now);
        let equal = holding.digest() == digest.hash;
        // Who has no entry yet is equal to everybody else who has none.
        let has_entered = equal && !holding.is_joining() && holding.has_entries();
        holding.carrying.has_caught_up |= has_entered && holding.members.is_in(peer);
        let news = was_silent || equal && !copy.synced(&holding.logs);
        copy.on_digest(equal, &holding.logs);
        // Who can take nothing asks for nothing: the peer would send everything again and again.
        let announces = !equal && self.read_only.is_none();
        if announces {
            copy.announce_all(now);
            self.say_heads(now, peer, digest.workspace);
        } else if equal && digest.asks {
            self.say_digest(now, peer, digest.workspace, false);
        }
        if news {
            self.outputs.push_back(Output::Event(Event::PeerChanged { peer }));
        }
        if has_entered {
            self.is_served(peer, digest.workspace);
        }
        if equal {
            self.relay_equal(now, peer, digest.workspace);
        }
        self.say_confirmed(now, peer, digest.workspace);
        if equal {
            // Whatever keys it has sent are here.
            self.ask_for_keys(peer, digest.workspace);
            self.withdraw_spent(now, digest.workspace, logs);
            self.forget_recovery(now, digest.workspace, logs);
        }
    }

    pub(super) fn heads(&mut self, now: Now, peer: DeviceId, heads: &Heads, logs: &dyn Logs) {
        let admitted = self.admits(now, peer, heads.workspace);
        if !heads.heads.is_empty() {
            self.is_served(peer, heads.workspace);
        }
        let (Some(session), Some(holding)) =
            (self.sessions.get_mut(&peer), self.holdings.get(&heads.workspace))
        else {
            return;
        };
        let Some(copy) = session.copies.get_mut(&heads.workspace) else { return };
        copy.contact.hear(now);
        let answers = self.read_only.is_none() && holding.syncs(now);
        self.pulling.look_in(heads.workspace);
        if copy.on_heads(now, peer, heads, &holding.logs) && answers {
            let answer = if admitted {
                copy.full_heads(now, heads.workspace, &holding.logs)
            } else {
                copy.denial(now, heads.workspace)
            };
            session.say_all(&answer);
        }
        self.relay_heads(now, peer, heads);
        self.outputs.push_back(Output::Event(Event::PeerChanged { peer }));
        self.push(now, peer, logs);
    }
}
