//! Who is in a workspace, for screens: the access rule's answers as they are now.
//!
//! A roster is made anew whenever a control entry changed something, and shared: whoever shows or
//! checks anything reads it without asking the rule again.

use crate::{
    access::Role,
    id::{DeviceId, EntryId, PersonId},
};
use std::collections::BTreeMap;

/// A person who has a role.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// What they may do.
    pub role: Role,
    /// The devices that can act for them, without the root key.
    pub devices: Vec<DeviceId>,
}

/// Why somebody is no longer in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parting {
    /// Removed by this person.
    Removed(PersonId),
    /// Left.
    Left,
    /// What let them in was taken back: their ticket, or the role of who gave it.
    Undone,
}

/// A ticket with which one can join now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenInvite {
    /// The `Invite` entry.
    pub id: EntryId,
    /// Who made it.
    pub by: PersonId,
    /// What it gives.
    pub role: Role,
    /// Until when: milliseconds since the Unix epoch.
    pub expires_ms: u64,
    /// Whether it is for one person.
    pub single_use: bool,
}

/// See the module.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roster {
    /// Everybody with a role.
    pub members: BTreeMap<PersonId, Standing>,
    /// Everybody who had one.
    pub former: BTreeMap<PersonId, Parting>,
    /// By entry.
    pub invites: Vec<OpenInvite>,
    /// Who made each ticket there ever was, by its `Invite` entry: for history.
    pub inviters: BTreeMap<EntryId, PersonId>,
}

impl Roster {
    /// What somebody may do. `None`: they are not in.
    pub fn role_of(&self, person: PersonId) -> Option<Role> {
        self.members.get(&person).map(|standing| standing.role)
    }
}
