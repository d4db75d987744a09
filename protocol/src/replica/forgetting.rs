//! Taking a workspace off this device: the end of [`Replica::add`].
//!
//! It is for where the person of the device is not in, or no longer: their ticket was refused or never
//! used, they left, were removed, or what let them in was taken back. What they wrote there has no effect
//! for anybody, or is with the others. Whoever is in leaves first: others would go on to share every new
//! key with a device that has nothing to read with it.
//!
//! Nothing of this is said to anybody. Sessions go on without the workspace, see [`crate::session`], and
//! a new ticket begins it anew.

use super::{Event, Holding, Logs, Output, Refusal, Replica, RequestId};
use crate::{access::Role, id::WorkspaceId, time::Now};

impl Holding {
    /// Refuses where the person is in, and this device may act for them.
    fn check_out(&self) -> Result<(), Refusal> {
        let is_out = self.may(Role::Viewer).is_err() || self.is_joining() || self.refused.is_some();
        let access = self.members.access();
        let Some(role) = access.role_of(self.record.origin.person).filter(|_| !is_out) else {
            return Ok(());
        };
        Err(Refusal::Role(if access.members().count() == 1 {
            "you are the only one in this workspace: it would be gone for good, since nobody else keeps it"
                .to_owned()
        } else {
            let are = role.with_article();
            format!(
                "you are {are} in this workspace, and the others go on to count you in until you leave: \
                 `velo member leave` comes first"
            )
        }))
    }
}

impl Replica {
    /// Takes a workspace off this device.
    pub(super) fn forget(
        &mut self,
        now: Now,
        request: RequestId,
        workspace: WorkspaceId,
        logs: &dyn Logs,
    ) -> Result<(), Refusal> {
        self.check_opened(workspace)?;
        let holding = self.holdings.get(&workspace).ok_or(Refusal::NoWorkspace(workspace))?;
        holding.check_out()?;
        self.take_off_list(now, workspace, logs)?;
        self.drop_holding(workspace);
        self.done(request);
        Ok(())
    }

    /// Refuses what is on the disk and could not be opened: nobody knows what is there.
    pub(super) fn check_opened(&self, workspace: WorkspaceId) -> Result<(), Refusal> {
        if self.unopened.contains(&workspace) { Err(Refusal::Unopened) } else { Ok(()) }
    }

    fn drop_holding(&mut self, workspace: WorkspaceId) {
        let Some(holding) = self.holdings.remove(&workspace) else { return };
        for batch in self.in_flight.values_mut().filter(|batch| batch.workspace == workspace) {
            batch.ends.clear();
        }
        self.outputs.push_back(Output::Forget(workspace));
        self.outputs.push_back(Output::Event(Event::WorkspaceForgotten { workspace }));
        for (peer, session) in &mut self.sessions {
            if session.part_with(workspace, &holding.record.secret) {
                self.outputs.push_back(Output::Event(Event::PeerChanged { peer: *peer }));
            }
        }
    }
}
