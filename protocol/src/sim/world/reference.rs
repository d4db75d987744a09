//! The visible state made a second time, as simply as possible: every entry that the founder's device
//! holds, in causal order, with the verdicts of the [`oracle`](super::oracle).

use super::{
    World,
    oracle::{Oracle, is_newer},
};
use crate::{
    access::{Role, Why},
    control::Control,
    id::{EntryId, PersonId, WorkspaceId},
    keys::{
        ciphers::{Ciphers, Contents},
        epoch::{KeyEpoch, KeyShare},
        ring::KeyRing,
        wrap::RecipientKey,
    },
    log::{EntryKind, Origin},
    log_set::{LogSet, Ready},
    op,
    store::LogStore,
    workspace::Workspace,
};
use std::collections::{BTreeMap, BTreeSet};

/// See the module.
pub(super) struct Reference {
    workspace: WorkspaceId,
    /// Whether each takes effect.
    entries: Vec<(Ready, Origin, bool)>,
    pub roles: BTreeMap<PersonId, Role>,
    /// Who is in, or was.
    pub let_in: BTreeSet<PersonId>,
    /// Opens what any honest device, ticket or recovery key opens.
    pub ciphers: Ciphers,
}

impl Reference {
    pub fn read(world: &World, workspace: WorkspaceId) -> Result<Self, String> {
        // A fault that has not struck yet strikes nothing here.
        world.devices[0].disk.log.reopen();
        let reader = world.devices[0].disk.log.reader();
        let fault = |error: crate::store::StoreError| error.to_string();
        let (mut logs, _) = LogSet::open(workspace, &reader, |_| 0).map_err(fault)?;
        let cheat = world.plan.byzantine.map(|device| world.devices[device].identity.person);
        let mut ring = world.secrets.ring_of_all(workspace, cheat);
        let (mut oracle, mut read) = (Oracle::default(), Vec::new());
        while let Some(ready) = logs.next_ready(&reader).map_err(fault)? {
            let origin = logs.chain(ready.at.chain).ok_or("no chain")?.origin;
            let contents = ready.open(&Ciphers::default()).into_owned();
            let body = contents.plain().unwrap_or_default();
            oracle.add(workspace, &logs, &ready, origin, body);
            note_keys(&mut ring, &ready, body);
            read.push((ready, origin));
        }
        let judged = read.into_iter().map(|(ready, origin)| {
            let effective = oracle.says(ready.at);
            (ready, origin, effective)
        });
        let (entries, ciphers) = (judged.collect(), ring.ciphers());
        Ok(Self { workspace, entries, roles: oracle.roles(), let_in: oracle.let_in(), ciphers })
    }

    /// The state of somebody who has these keys.
    pub fn state(&self, ciphers: &Ciphers) -> Workspace {
        let mut state = Workspace::new(self.workspace);
        for (ready, origin, effective) in &self.entries {
            let contents = ready.open(ciphers);
            let void = (!effective).then_some(Why::Malformed);
            state.apply(&ready.turn(origin, &contents), void);
        }
        state
    }

    /// Entries, and whether each takes effect.
    pub fn entries(&self) -> impl Iterator<Item = (&Ready, &Origin, bool)> {
        self.entries.iter().map(|(ready, origin, effective)| (ready, origin, *effective))
    }

    /// Those with a content.
    pub fn contents(&self) -> impl Iterator<Item = (&Ready, &Origin, bool)> {
        self.entries().filter(|(ready, ..)| op::has_data_body(ready.entry().header.kind))
    }

    /// The epochs of effective contents that somebody honest can open.
    pub fn epochs(&self) -> BTreeSet<EntryId> {
        let effective = self.contents().filter(|(_, _, effective)| *effective);
        let epochs = effective.filter_map(|(ready, ..)| ready.entry().header.epoch);
        epochs.filter(|epoch| self.ciphers.holds(*epoch)).collect()
    }

    /// How many entries there are whose contents are refused by everybody who has the key.
    pub fn refused(&self) -> u64 {
        self.contents().filter(|(ready, ..)| ready.open(&self.ciphers) == Contents::Refused).count() as u64
    }

    /// Whether somebody who may wrote a control entry of a newer version.
    pub fn needs_update(&self) -> bool {
        self.entries().any(|(ready, _, effective)| effective && is_newer(ready.entry().header.kind))
    }

    /// The recovery keys that entries name: of who never wrote one, nobody can know it.
    pub fn recovery_keys(&self) -> BTreeSet<RecipientKey> {
        let read = self.entries().filter_map(|(ready, origin, _)| {
            let contents = ready.open(&Ciphers::default()).into_owned();
            let control = Control::read(ready.entry().header.kind, origin.person, contents.plain()?)?;
            control.ok()?.recovery()
        });
        read.collect()
    }

    /// How many entries take no effect.
    pub fn void(&self) -> u64 {
        self.entries.iter().filter(|(_, _, effective)| !effective).count() as u64
    }
}

fn note_keys(ring: &mut KeyRing, ready: &Ready, body: &[u8]) {
    let entry = ready.entry();
    match entry.header.kind {
        EntryKind::KEY_EPOCH => {
            if let Ok(body) = KeyEpoch::read(body) {
                ring.add_epoch(entry.id, &body, true);
            }
        }
        EntryKind::KEY_SHARE => {
            if let Ok(body) = KeyShare::read(body) {
                ring.add_share(entry.id, &body, true);
            }
        }
        _ => {}
    }
}
