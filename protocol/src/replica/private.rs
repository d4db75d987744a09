//! The private workspace at work: opened together with the first other one, and kept in step with what
//! workspaces there are. What one device of a person joins, the others take in.

use super::{
    Command, Holding, Logs, NoLog, Output, Refusal, Replica, WorkspaceRecord, io::Way, write::Draft,
};
use crate::{
    access::Role,
    change::{self, Change},
    id::{EntryId, WorkspaceId},
    keys::wrap::ReceivingKey,
    limits,
    log::EntryKind,
    model::{EntityKey, Kind},
    op::DataBody,
    private::{self, KnownWorkspace},
    time::Now,
    workspace::Workspace,
};

impl Replica {
    /// The workspace that this person's devices share with nobody else, whether it is open or not.
    pub fn private_id(&self) -> Option<WorkspaceId> {
        self.identity.private.as_ref().map(|private| private.id)
    }

    /// Whether this device is in no workspace yet.
    pub(super) fn is_new(&self) -> bool {
        let private = self.private_id();
        self.unopened.is_empty() && self.holdings.keys().all(|id| Some(*id) == private)
    }

    /// A private workspace is shared with nobody, and goes with the device.
    pub(super) fn check_shared(&self, command: &Command) -> Result<(), Refusal> {
        let workspace = match command {
            Command::Invite { workspace, .. }
            | Command::Revoke { workspace, .. }
            | Command::SetRole { workspace, .. }
            | Command::AddRelay { workspace, .. }
            | Command::RemoveRelay { workspace, .. }
            | Command::Forget { workspace, .. } => *workspace,
            _ => return Ok(()),
        };
        if Some(workspace) == self.private_id() { Err(Refusal::NoWorkspace(workspace)) } else { Ok(()) }
    }

    /// Something was written or became durable, and this changed by it.
    pub(super) fn note_for_private(&mut self, workspace: WorkspaceId, changed: &[EntityKey]) {
        let is_private = Some(workspace) == self.private_id();
        // The workspace's own entity changes with who is in.
        self.private_is_stale |= is_private || changed.iter().any(|key| key.kind == Kind::Workspace);
    }

    /// Brings the private workspace and the others in step, if something changed.
    pub(super) fn tend_private(&mut self, now: Now, logs: &dyn Logs) {
        let is_due = self.private_is_stale && self.read_only.is_none();
        let Some(id) = self.private_id().filter(|_| is_due) else { return };
        if self.is_new() && !self.linking.is_recovering() && !self.holdings.contains_key(&id) {
            return;
        }
        self.private_is_stale = false;
        self.open_private(now);
        let Some(holding) = self.holdings.get(&id) else { return };
        if holding.may(Role::Member).is_err() || holding.state.needs_update() {
            return;
        }
        let private = holding.state.clone();
        // Looks at everything that is kept: once.
        let known = private::workspaces(&private);
        let changes = self.list_changes(&private, &known);
        for known in known.into_iter().filter(|known| known.id != id) {
            self.learn_of(now, known);
        }
        self.write_private(now, id, &changes, logs);
    }

    /// Keeps something in the private workspace, which is open.
    fn write_private(&mut self, now: Now, id: WorkspaceId, changes: &[Change], logs: &dyn Logs) {
        let Some(holding) = self.holdings.get(&id).filter(|_| !changes.is_empty()) else { return };
        let Ok(groups) = change::build(&holding.state, changes, [0; 2]) else { return };
        let bodies = change::pack(groups).into_iter().map(DataBody::new);
        let drafts = bodies.map(|body| Draft::new(EntryKind::DATA, &body)).collect();
        self.write_unasked(now, id, drafts, logs);
    }

    /// Takes a workspace off the list, before this device forgets it: it would learn of it again. Other
    /// devices that have it keep it, and do not list it again for that; one that lists it at the same time
    /// may bring it back.
    pub(super) fn take_off_list(
        &mut self,
        now: Now,
        workspace: WorkspaceId,
        logs: &dyn Logs,
    ) -> Result<(), Refusal> {
        let Some((id, holding)) = self.private_id().and_then(|id| Some((id, self.holdings.get(&id)?))) else {
            return Ok(());
        };
        // Who is in, on a device that was taken away, stays so on the others.
        let is_in = self.holdings.get(&workspace).is_some_and(Holding::is_taken);
        let listed = private::workspaces(&holding.state).into_iter().find(|known| known.id == workspace);
        let listed = listed.filter(|_| !is_in);
        // A device that may not write to it does not take in what is listed either.
        let Some(listed) = listed.filter(|_| holding.may(Role::Member).is_ok()) else { return Ok(()) };
        self.writable(id)?;
        self.write_private(now, id, &[listed.forget(&[])], logs);
        Ok(())
    }

    /// Opens the private workspace, if it is not open yet, with the entry that founded it.
    fn open_private(&mut self, now: Now) {
        let Some(private) = self.identity.private.as_deref().cloned() else { return };
        let (id, secret) = (private.id, private.secret);
        if self.unopened.contains(&id) {
            return;
        }
        if !self.holdings.contains_key(&id) {
            let (origin, way) = (self.origin(false), Way::Linked { recovery: None });
            self.add(WorkspaceRecord::new(id, secret, origin, way));
            // The key of the phrase does not reach the disk: with no other device left, nobody would tell
            // that it is needed no more. One that is left shares its keys when it is asked.
            let key = self.linking.recovery_secret().map(|seed| ReceivingKey::from_seed(&seed.0));
            if let (Some(key), Some(holding)) = (key, self.holdings.get_mut(&id)) {
                holding.ring.receive_under(key);
            }
            self.offer_to_all(now, id);
        }
        let Some(holding) = self.holdings.get_mut(&id) else { return };
        if holding.logs.chains().next().is_none()
            && let Ok((Some(taken), _)) = holding.receive(private.genesis, &NoLog)
        {
            self.keep(id, &[taken], None, false);
        }
    }

    /// What the list of workspaces lacks, or still has of those that the person is out of. What was taken
    /// off is listed again only by a device that knows what put the person out and that they are in all the
    /// same, that saw them come back, or has them come in with a ticket: one that has not heard of their going
    /// would list it against the one that has, without end.
    fn list_changes(&mut self, private: &Workspace, known: &[KnownWorkspace]) -> Vec<Change> {
        let (person, id) = (self.identity.person, self.private_id());
        let mut changes = Vec::new();
        for (id, holding) in self.holdings.iter_mut().filter(|(other, _)| Some(**other) != id) {
            let access = holding.members.access();
            let listed = known.iter().find(|known| known.id == *id);
            if access.role_of(person).is_none() {
                let is_out = access.why_out(person).is_some();
                holding.was_out |= is_out || holding.record.way.invited().is_some();
                let out_by = access.out_by(person).into_iter().filter_map(|at| holding.logs.id_at(at));
                let out_by: Vec<EntryId> = out_by.collect();
                changes.extend(listed.filter(|_| is_out).map(|listed| listed.forget(&out_by)));
                continue;
            }
            let out_by = KnownWorkspace::out_by(private, *id);
            let is_known = |id: &EntryId| holding.logs.has_applied(*id);
            let came_back = !out_by.is_empty() && out_by.iter().all(is_known);
            let is_new = !KnownWorkspace::was_listed(private, *id)
                || came_back
                || std::mem::take(&mut holding.was_out);
            if listed.is_none() && is_new {
                let invited = holding.record.way.invited();
                let addresses = invited.map_or_else(Vec::new, |invited| invited.ticket.addresses.clone());
                let secret = holding.record.secret.clone();
                changes.push(KnownWorkspace { id: *id, secret, addresses }.keep());
            }
        }
        changes
    }

    /// Another device of the person is in a workspace.
    fn learn_of(&mut self, now: Now, known: KnownWorkspace) {
        let has_room = self.holdings.len() <= limits::WORKSPACES_SHARED;
        if has_room && !self.holdings.contains_key(&known.id) && !self.unopened.contains(&known.id) {
            self.outputs.push_back(Output::Dial { addresses: known.addresses });
            self.add_linked(now, known.id, known.secret, self.linking.recovery_secret());
        }
    }
}
