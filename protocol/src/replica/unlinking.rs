//! Taking a device from its person: in every workspace, the private one among them.
//!
//! A device can take away those that it took in, and itself. Over all of them stands the root: who has
//! the phrase takes away any, in a log of the root's own. That log is begun for the occasion and never
//! gone on with, since the root is here only for a moment.

use super::{
    Event, Holding, Identity, Logs, Output, Refusal, Replica, Reply, RequestId, reader_of,
    write::{Draft, Written},
};
use crate::{
    access::{ActKind, Role},
    control::{CONTROL_VERSION, Unlink},
    id::{DeviceId, Incarnation, WorkspaceId},
    log::{EntryKind, Origin},
    root::Root,
    store::{BatchRun, LogReader},
    time::Now,
};

const NOT_THIS_ONE: &str = "this device cannot take that one away: do it on the one that took it in, or give \
                            your 24 words";

impl Replica {
    /// Takes a device from this person. With the root, it may be any of theirs.
    pub(super) fn unlink(
        &mut self,
        now: Now,
        request: RequestId,
        device: DeviceId,
        root: Option<&Root>,
        logs: &dyn Logs,
    ) -> Result<(), Refusal> {
        let person = self.identity.person;
        if root.is_some_and(|root| root.person() != person) {
            return Err(Refusal::Role("these are the words of somebody else".to_owned()));
        }
        let is_there = |holding: &Holding| holding.members.access().devices(person).any(|own| own == device);
        if !self.holdings.values().any(is_there) {
            return Err(Refusal::Role("that is none of your devices: see `velo device list`".to_owned()));
        }
        // The root takes it away also where this device has not heard of it yet.
        let is_open = |holding: &Holding| {
            let is_in = holding.members.access().role_of(person).is_some();
            is_in && !holding.state.needs_update() && (root.is_some() || is_there(holding))
        };
        let holdings = self.holdings.iter().filter(|(_, holding)| is_open(holding));
        let workspaces: Vec<WorkspaceId> = holdings.map(|(id, _)| *id).collect();
        // The root is no device that anybody sits at.
        let is_only = |holding: &Holding| {
            holding.members.access().devices(person).filter(|own| own.0 != person.0).count() == 1
        };
        let own = workspaces.iter().filter_map(|id| self.holdings.get(id));
        if device == self.identity.device_id() && own.into_iter().any(is_only) {
            let words = "this is your only device here: `velo member leave` leaves the workspace";
            return Err(Refusal::Role(words.to_owned()));
        }
        if root.is_none() {
            for id in &workspaces {
                self.holdings.get(id).map_or(Ok(()), |holding| holding.can_unlink(device))?;
            }
        }
        let mut written = Vec::new();
        for id in workspaces {
            written.push((id, self.write_unlink(now, id, device, root, logs)));
        }
        let Some((last, runs)) = written.pop() else {
            return Err(Refusal::NeedsUpdate);
        };
        for (id, runs) in written {
            self.persist_part(id, runs, request);
        }
        self.persist(last, runs, Some((request, Reply::Done)));
        Ok(())
    }

    fn write_unlink(
        &mut self,
        now: Now,
        id: WorkspaceId,
        device: DeviceId,
        root: Option<&Root>,
        logs: &dyn Logs,
    ) -> Vec<BatchRun> {
        let (reader, incarnation) = (reader_of(logs, id), Incarnation(self.random()));
        let Some(holding) = self.holdings.get_mut(&id) else { return Vec::new() };
        let unlink = Draft::new(EntryKind::UNLINK, &Unlink { version: CONTROL_VERSION, device });
        // Whoever has the device now may have seen tickets, the one it came with among them. First, since
        // a device that takes itself away may do nothing after.
        let mut drafts = if holding.may(Role::Admin).is_ok() { holding.revokes() } else { Vec::new() };
        let mut by_root = Written::default();
        match root {
            Some(root) => {
                holding.write_as_root(now, &self.identity, (root, incarnation), unlink, &mut by_root, reader);
            }
            None => drafts.push(unlink),
        }
        let Written { mut runs, changed: mut entities, .. } = by_root;
        let own = holding.write(now, &self.identity, drafts, &mut self.rng, reader);
        runs.extend(own.runs);
        entities.extend(own.changed);
        self.note_for_private(id, &entities);
        self.outputs.push_back(Output::Event(Event::Changed { workspace: id, entities, own: true }));
        runs
    }
}

impl Holding {
    /// Whether it would have an effect if this device took that one away.
    fn can_unlink(&self, device: DeviceId) -> Result<(), Refusal> {
        let person = self.record.origin.person;
        self.may(Role::Viewer)?;
        let after = self.tried(ActKind::Unlink { device }, Role::Viewer).ok();
        let takes = after.is_some_and(|after| after.devices(person).all(|own| own != device));
        if takes { Ok(()) } else { Err(Refusal::Role(NOT_THIS_ONE.to_owned())) }
    }

    /// Appends an entry of the root to a log that is begun for it.
    fn write_as_root(
        &mut self,
        now: Now,
        identity: &Identity,
        (root, incarnation): (&Root, Incarnation),
        draft: Draft,
        written: &mut Written,
        reader: &dyn LogReader,
    ) {
        let key = root.signing_key();
        let device = DeviceId(key.public());
        let origin = Origin { device, incarnation, founder: false, ..self.record.origin };
        let identity = Identity { device: key, chain: Vec::new(), ..identity.clone() };
        let own = (self.own, std::mem::take(&mut self.own_past), self.record.origin);
        self.record.origin = origin;
        self.own = Some(self.logs.open_own(origin, identity.device.public_key()));
        let drafts = self.introduced(vec![draft], &identity);
        self.append(now, &identity, drafts, written, reader);
        (self.own, self.own_past, self.record.origin) = own;
    }
}
