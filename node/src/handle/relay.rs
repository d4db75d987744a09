//! What a relay's HTTP API needs of a node, and what a device says to one.

use super::{NodeError, NodeHandle};
use std::cell::Cell;
use velo_protocol::{
    access::Role,
    crypto::Sig,
    id::{DeviceId, LogId, PersonId, WorkspaceId},
    log::{self, Head, Run, Signer},
    relay_token::Challenge,
    store::{ChainNo, LogReader, StoreError},
};

impl NodeHandle {
    /// Signs what a relay asks of a device that wants a token.
    pub fn sign_challenge(&self, challenge: &Challenge) -> Sig {
        challenge.sign(&self.shared.key)
    }

    /// Who acts with a device in a workspace, and what they may do there. `None`: nobody who is in, or the
    /// workspace is not here.
    pub fn member_by_device(&self, workspace: WorkspaceId, device: DeviceId) -> Option<(PersonId, Role)> {
        let shown = self.workspace(workspace)?;
        let mut members = shown.roster().members.iter();
        let found = members.find(|(_, standing)| standing.devices.contains(&device));
        found.map(|(person, standing)| (*person, standing.role))
    }

    /// The seal over what this device wrote as others can check it. `None` if the stored one is not its own: then
    /// something else wrote there.
    pub fn seal_for_others(
        &self,
        workspace: WorkspaceId,
        log: LogId,
        head: Head,
        stored: &Sig,
    ) -> Option<Sig> {
        let key = &self.shared.key;
        log::is_own_seal(key, workspace, log, head, stored).then(|| log::seal(key, workspace, log, head))
    }

    /// The next stored run behind a position of a chain, under a seal that anybody can check; `None` at the
    /// chain's end. It is read from the disk.
    pub fn read_run(
        &self,
        workspace: WorkspaceId,
        chain: ChainNo,
        position: u64,
    ) -> Result<Option<Run>, NodeError> {
        let Some(reader) = self.shared.read().readers.get(&workspace).cloned() else { return Ok(None) };
        let failed = |source| NodeError::Store { workspace, source };
        let Some(mut run) = reader.read_run(chain, position).map_err(failed)? else { return Ok(None) };
        let origin = reader.chains().get(chain.0 as usize).map(|chain| chain.origin);
        if origin.is_none_or(|origin| origin.device != self.device()) {
            return Ok(Some(run));
        }
        let last = Cell::new(None);
        let signer = Signer { key: &self.shared.key, workspace, last: &last };
        signer.sign(&mut run).map_err(|error| failed(StoreError::Read(error.to_string())))?;
        Ok(Some(run))
    }
}
