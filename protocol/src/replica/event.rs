//! What the replica tells people of.

use crate::{
    id::{DeviceId, LogId, PersonId, WorkspaceId},
    model::EntityKey,
};

/// Something worth telling.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The visible state changed. Own changes are told at once, others' when durable.
    Changed {
        /// Where.
        workspace: WorkspaceId,
        /// What.
        entities: Vec<EntityKey>,
        /// Whether this device made the change.
        own: bool,
    },
    /// A workspace is open.
    WorkspaceOpened {
        /// Which.
        workspace: WorkspaceId,
    },
    /// A workspace is no longer on this device.
    WorkspaceForgotten {
        /// Which.
        workspace: WorkspaceId,
    },
    /// This device was taken in by another one of the person, or brought back by the phrase.
    Linked {
        /// Whose device it is.
        person: PersonId,
    },
    /// The ticket that this device holds cannot be used.
    JoinRefused {
        /// Of which workspace.
        workspace: WorkspaceId,
        /// Why, for people.
        reason: String,
    },
    /// Something about a peer changed: see [`crate::replica::Replica::peers`].
    PeerChanged {
        /// Which.
        peer: DeviceId,
    },
    /// Somebody came, went, or looks at something else: see [`crate::replica::Replica::present`].
    PresenceChanged {
        /// Where.
        workspace: WorkspaceId,
    },
    /// A device wrote two entries at one place of its log. Both are kept.
    Forked {
        /// Where.
        workspace: WorkspaceId,
        /// Which log.
        log: LogId,
    },
    /// Something stored cannot be read. What it holds is neither shown after a restart nor sent,
    /// unless it can be read then.
    Damaged {
        /// Where.
        workspace: WorkspaceId,
        /// Which log, if it is known.
        log: Option<LogId>,
        /// Why, for people.
        reason: String,
    },
    /// Saving failed; nothing more is written.
    ReadOnly {
        /// Why, for people.
        reason: String,
    },
}
