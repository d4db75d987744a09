//! Taking a workspace off this device: the end of [`Replica::add`].
//!
//! It is for where the person of the device is not in, or no longer: their ticket was refused or never
//! used, they left, were removed, or what let them in was taken back. Whoever is in leaves first: others
//! would go on to share every new key with a device that has nothing to read with it. For the same reason
//! somebody else has to have heard of the leaving, and with it of all that was done before, unless the
//! person lets that go. A bare word that the ticket is no longer good is not enough where they are in:
//! anybody with the session secret can say it.
//!
//! Nothing of this is said to anybody. Sessions go on without the workspace, see [`crate::session`], and
//! a new ticket begins it anew.

use super::{Event, Holding, Logs, Output, Refusal, Replica, RequestId, holding::Refused};
use crate::{access::Role, id::WorkspaceId, roster::Parting, time::Now};

const UNHEARD: &str = "nobody that is connected has heard of your leaving, nor perhaps of what you did before: \
                       meet one of the others, with `velo node` or the app, and try again; or lose it with \
                       `velo workspace forget --unsent`";

impl Holding {
    /// Refuses where the person is in, and this device may act for them.
    fn check_out(&self) -> Result<(), Refusal> {
        let is_refused = self.refused.is_some_and(|how| how != Refused::Told { granted: false });
        let is_out = self.may(Role::Viewer).is_err() || self.is_joining() || is_refused;
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
        (workspace, unsent): (WorkspaceId, bool),
        logs: &dyn Logs,
    ) -> Result<(), Refusal> {
        self.check_opened(workspace)?;
        let holding = self.holdings.get(&workspace).ok_or(Refusal::NoWorkspace(workspace))?;
        holding.check_out()?;
        let has_left = holding.members.parting(holding.record.origin.person) == Some(Parting::Left);
        if has_left && !unsent && !self.is_heard(workspace, holding) {
            return Err(Refusal::Role(UNHEARD.to_owned()));
        }
        self.take_off_list(now, workspace, logs)?;
        self.drop_holding(workspace);
        self.done(request);
        Ok(())
    }

    /// Whether a connected peer has everything that this device wrote.
    fn is_heard(&self, workspace: WorkspaceId, holding: &Holding) -> bool {
        let device = self.identity.device_id();
        let mut copies = self.sessions.values().filter_map(|session| session.copies.get(&workspace));
        copies.any(|copy| {
            let mut chains = holding.logs.chains().filter(|(_, chain)| chain.origin.device == device);
            chains.all(|(number, chain)| copy.has(&holding.logs, number) >= chain.end.head.position)
        })
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
        self.pulling.part_with(workspace);
        self.outputs.push_back(Output::Forget(workspace));
        self.outputs.push_back(Output::Event(Event::WorkspaceForgotten { workspace }));
        for (peer, session) in &mut self.sessions {
            if session.part_with(workspace, &holding.record.secret) {
                self.outputs.push_back(Output::Event(Event::PeerChanged { peer: *peer }));
            }
        }
    }
}
