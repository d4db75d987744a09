//! What the rule is given, and what it says about it.

use crate::{
    id::{DeviceId, PersonId},
    store::EntryAt,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// What a person may do in a workspace. Each role may do all that those below it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Role {
    /// Reads, and writes the own profile.
    Viewer = 1,
    /// Writes.
    Member,
    /// Invites, and lets members and viewers in and out.
    Admin,
    /// Appoints and removes admins and the owners below.
    Owner,
}

impl Role {
    /// Every role, the strongest first.
    pub const ALL: [Self; 4] = [Self::Owner, Self::Admin, Self::Member, Self::Viewer];

    /// What people call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Member => "member",
            Self::Admin => "admin",
            Self::Owner => "owner",
        }
    }

    /// The same in a sentence.
    pub const fn with_article(self) -> &'static str {
        match self {
            Self::Viewer => "a viewer",
            Self::Member => "a member",
            Self::Admin => "an admin",
            Self::Owner => "an owner",
        }
    }

    /// The role it takes to give this role, or to take from somebody who has it.
    #[must_use]
    pub fn given_by(self) -> Self {
        if self >= Self::Admin { Self::Owner } else { Self::Admin }
    }
}

/// A control entry, as far as the rule is concerned. The caller has checked seal and chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Act {
    /// Where it stands.
    pub at: EntryAt,
    /// The key that sealed it.
    pub device: DeviceId,
    /// Whose log it stands in.
    pub person: PersonId,
    /// The grant of its own person that it is done under; for a [`ActKind::Join`] the invite.
    pub auth: Option<EntryAt>,
    /// What it does.
    pub kind: ActKind,
}

/// What an act does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ActKind {
    /// Founds the workspace. The caller has checked that the workspace's id commits to this very
    /// entry; any other is [`ActKind::Unreadable`].
    Genesis,
    /// Gives somebody a role.
    Grant {
        /// To whom.
        subject: PersonId,
        /// Which.
        role: Role,
    },
    /// Lowers somebody's role: to none is removal, on oneself is leaving or stepping down.
    Cap {
        /// Whose.
        subject: PersonId,
        /// What is left; nothing for `None`.
        role: Option<Role>,
    },
    /// Makes a ticket.
    Invite {
        /// The role of those who join with it.
        role: Role,
    },
    /// Takes a ticket: gives its author the role of the invite. The caller has checked the
    /// signature of the invite's key.
    Join,
    /// Withdraws a ticket.
    Revoke {
        /// Which.
        invite: EntryAt,
    },
    /// Links devices of its author.
    Link,
    /// Takes a device from its person.
    Unlink {
        /// The device's key.
        device: DeviceId,
    },
    /// What does not fit its schema. It is void, and whoever cites it is void too.
    Unreadable,
}

impl ActKind {
    /// Whether it can void what others did.
    pub(super) fn is_judge(self) -> bool {
        matches!(self, Self::Cap { .. } | Self::Unlink { .. } | Self::Revoke { .. })
    }
}

/// A certificate: `parent` answers for `child`, both keys of the author of the entry that brings it.
/// The caller has checked both signatures. The root key's bytes are those of the person's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// The root key, or a device linked under it.
    pub parent: DeviceId,
    /// The device.
    pub child: DeviceId,
}

/// Why something is void, for the people concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, thiserror::Error)]
pub enum Why {
    /// It does not fit its schema, or cites what cannot be an authority for it.
    #[error("it rests on no role that its author could have had")]
    Malformed,
    /// The grant or invite that it cites is void.
    #[error("the role or ticket it rests on was not valid")]
    NoAuthority,
    /// Its author may not do this.
    #[error("its author's role does not allow it")]
    RoleTooLow {
        /// The cap that lowered the role, if one did.
        by: Option<EntryAt>,
    },
    /// Its author had been removed.
    #[error("its author had been removed")]
    Removed {
        /// The cap.
        by: EntryAt,
    },
    /// Its author had left.
    #[error("its author had left")]
    Left {
        /// The cap.
        by: EntryAt,
    },
    /// No certificate leads from the person to the device.
    #[error("the device does not belong to the person")]
    NotLinked,
    /// The device, or one that answered for it, had been unlinked.
    #[error("the device had been taken from its person")]
    Unlinked,
    /// The device it would unlink does not stand below the one that wrote it.
    #[error("a device can take away only those that it brought in")]
    NotBelow,
    /// The ticket had been revoked.
    #[error("the ticket had been withdrawn")]
    TicketRevoked {
        /// The revocation.
        by: EntryAt,
    },
}

/// What one more act changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Older acts whose verdict turned, each once. The act that was added is not among them.
    pub acts: Vec<EntryAt>,
    /// People whose other entries may be judged differently now; those of nobody else are. Ask
    /// [`super::Access::segments`] for their logs.
    pub people: BTreeSet<PersonId>,
    /// How many acts were judged: what it cost. Never more than are stored.
    pub judged: usize,
}
