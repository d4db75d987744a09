//! What was not told to the outside yet.

use crate::{
    handle::{NodeError, NodeEvent, Shared},
    limits,
};
use std::{collections::BTreeSet, sync::PoisonError};
use tokio::sync::oneshot;
use velo_protocol::{
    id::WorkspaceId,
    replica::{Event, Replica, Reply},
    time::Now,
};

type Answer = (oneshot::Sender<Result<Reply, NodeError>>, Result<Reply, NodeError>);

/// Gathers events and answers until the snapshots they speak of are published.
#[derive(Default)]
pub(super) struct Outbox {
    events: Vec<NodeEvent>,
    answers: Vec<Answer>,
    changed: BTreeSet<WorkspaceId>,
    peers_changed: bool,
    presence_changed: BTreeSet<WorkspaceId>,
    read_only: Option<String>,
    /// When something was published last.
    published_ms: u64,
}

impl Outbox {
    pub fn event(&mut self, event: Event) {
        let event = match event {
            Event::Changed { workspace, entities, own } => {
                self.changed.insert(workspace);
                NodeEvent::Changed { workspace, entities: entities.into(), own }
            }
            Event::WorkspaceOpened { workspace } => {
                self.changed.insert(workspace);
                NodeEvent::WorkspaceOpened { workspace }
            }
            Event::WorkspaceForgotten { workspace } => {
                self.changed.insert(workspace);
                NodeEvent::WorkspaceForgotten { workspace }
            }
            Event::Linked { person } => NodeEvent::Linked { person },
            Event::JoinRefused { workspace, reason } => {
                tracing::warn!(workspace = %workspace.short(), reason, "a ticket cannot be used");
                NodeEvent::JoinRefused { workspace, reason }
            }
            Event::PeerChanged { peer } => {
                self.peers_changed = true;
                NodeEvent::PeerChanged { peer }
            }
            Event::PresenceChanged { workspace } => {
                self.presence_changed.insert(workspace);
                NodeEvent::PresenceChanged { workspace }
            }
            Event::Forked { workspace, log } => {
                tracing::warn!(workspace = %workspace.short(), log = %log.short(), "a log was forked; both branches are kept");
                NodeEvent::Forked { workspace, log }
            }
            Event::Damaged { workspace, log, reason } => {
                let log = log.map(|log| log.short());
                tracing::error!(workspace = %workspace.short(), ?log, reason, "part of a workspace cannot be read");
                NodeEvent::Damaged { workspace, reason }
            }
            Event::ReadOnly { reason } => {
                self.read_only = Some(reason.clone());
                NodeEvent::ReadOnly { reason }
            }
        };
        self.events.push(event);
    }

    pub fn listening(&mut self, address: String) {
        self.events.push(NodeEvent::Listening { address });
    }

    pub fn answer(
        &mut self,
        to: oneshot::Sender<Result<Reply, NodeError>>,
        result: Result<Reply, NodeError>,
    ) {
        self.answers.push((to, result));
    }

    pub fn is_empty(&self) -> bool {
        self.events.is_empty() && self.answers.is_empty()
    }

    /// Whether what waits should be published although more is coming.
    pub fn is_overdue(&self, now_ms: u64) -> bool {
        !self.is_empty() && self.published_ms + limits::PUBLISH_MS <= now_ms
    }

    /// Publishes snapshots, then tells events and answers.
    pub fn publish(&mut self, now: Now, replica: &Replica, shared: &Shared) {
        self.published_ms = now.mono_ms;
        // A workspace that is gone is published as such.
        let changed = std::mem::take(&mut self.changed).into_iter();
        let states: Vec<_> = changed.map(|id| (id, replica.workspace(id).cloned())).collect();
        let peers = std::mem::take(&mut self.peers_changed).then(|| replica.peers(now));
        let here = std::mem::take(&mut self.presence_changed).into_iter();
        let here: Vec<_> = here.map(|id| (id, replica.present(id))).collect();
        if let Some(peers) = &peers {
            metrics::gauge!("velo_peers").set(peers.iter().filter(|peer| peer.connected).count() as f64);
        }
        for (id, state) in states.iter().filter_map(|(id, state)| Some((id, state.as_ref()?))) {
            metrics::gauge!("velo_entries", "workspace" => id.short()).set(state.revision() as f64);
        }
        let replaced: Vec<_> = {
            let mut published = shared.published.write().unwrap_or_else(PoisonError::into_inner);
            if let Some(peers) = peers {
                published.peers = peers;
            }
            published.present.extend(here);
            for (gone, _) in states.iter().filter(|(_, state)| state.is_none()) {
                published.present.remove(gone);
            }
            if self.read_only.is_some() {
                published.read_only.clone_from(&self.read_only);
            }
            let shown = &mut published.workspaces;
            let show = |(id, state)| match state {
                Some(state) => shown.insert(id, state),
                None => shown.remove(&id),
            };
            states.into_iter().map(show).collect()
        };
        // Outside the lock: the last holder of a large state takes its time.
        drop(replaced);
        for event in self.events.drain(..) {
            if let NodeEvent::Changed { workspace, entities, .. } = &event {
                shared.tell_courier_of(*workspace, entities);
            }
            // Nobody may be listening.
            let _ = shared.events.send(event);
        }
        for (to, result) in self.answers.drain(..) {
            // Whoever asked may have left.
            let _ = to.send(result);
        }
    }
}
