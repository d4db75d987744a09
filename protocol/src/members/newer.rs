//! Control entries of newer versions: what they do cannot be told, only whether they may do anything.

use crate::{
    access::{Access, Role},
    id::{DeviceId, PersonId},
    keys::epoch::KEYS_VERSION,
    log::EntryKind,
    log_set::Turn,
    store::{ChainNo, EntryAt},
};
use std::collections::BTreeMap;

/// Where they stand, and on what they rest.
///
/// Of a chain only the first is kept that rests on one grant and needs one role: who takes the right
/// to it away takes it from all that follow. So nobody makes this grow without citing ever more grants.
#[derive(Debug, Clone, Default)]
pub(super) struct Newer {
    first: BTreeMap<(ChainNo, EntryAt, Role), First>,
    /// Whether the workspace itself was founded so.
    founding: bool,
}

#[derive(Debug, Clone, Copy)]
struct First {
    position: u64,
    person: PersonId,
    device: DeviceId,
}

impl Newer {
    /// Notes one. `auth`: the grant it rests on, if that lies in its past.
    pub fn note(&mut self, turn: &Turn<'_>, auth: Option<EntryAt>) {
        let (EntryAt { chain, position }, origin) = (turn.at, turn.origin);
        self.founding |= turn.header.kind == EntryKind::GENESIS && origin.founder && position == 1;
        if let Some(auth) = auth {
            let (person, device) = (origin.person, origin.device);
            let key = (chain, auth, lowest_need(turn.header.kind));
            self.first.entry(key).or_insert(First { position, person, device });
        }
    }

    /// Whether one of them may have an effect, by the verdicts of now.
    pub fn counts(&self, access: &Access) -> bool {
        let allowed = |(key, first): (&(ChainNo, EntryAt, Role), &First)| {
            let (&(chain, auth, need), &First { position, person, device }) = (key, first);
            access.allows(EntryAt { chain, position }, person, device, auth, need)
        };
        self.founding || self.first.iter().any(allowed)
    }
}

/// Whether an entry that the access rule does not look into is a control entry of a newer version.
pub(super) fn is_newer(kind: EntryKind, body: &[u8]) -> bool {
    match kind {
        EntryKind::KEY_EPOCH | EntryKind::KEY_SHARE => {
            body.first().is_some_and(|version| *version != KEYS_VERSION)
        }
        kind => kind.is_control() && !kind.is_known(),
    }
}

/// The lowest role with which an entry of a kind may have an effect, whatever it says.
const fn lowest_need(kind: EntryKind) -> Role {
    match kind {
        EntryKind::GRANT | EntryKind::INVITE | EntryKind::REVOKE => Role::Admin,
        EntryKind::KEY_EPOCH | EntryKind::KEY_SHARE => Role::Member,
        _ => Role::Viewer,
    }
}
