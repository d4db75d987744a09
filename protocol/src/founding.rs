//! How a workspace began, told to somebody who does not have its log.
//!
//! The id of a workspace is the hash of the entry that founds it, and that entry commits to the session
//! secret. So whoever is told of a workspace, by whomever, can check at once that the secret is the
//! right one, before any entry is exchanged under it.

use crate::{
    codec,
    control::{Control, Genesis},
    id::WorkspaceId,
    log::{Header, Origin, ReadRun, Run},
    ticket::SessionSecret,
};
use serde::{Deserialize, Serialize};

/// The entry that founds a workspace, with the log that it begins. Its signature is not needed: the
/// workspace's id tells it from any other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Founding {
    origin: Origin,
    /// As encoded in the entry.
    header: Vec<u8>,
    body: Vec<u8>,
}

impl Founding {
    /// Takes it from the first run of the log that `origin` begins. `None` if that is no such run.
    pub fn of(origin: Origin, first: Run) -> Option<Self> {
        let read = ReadRun::parse(first).ok().filter(|read| read.run().after.position == 0)?;
        let (entry, bytes) = (read.entries().first()?, &read.run().bytes);
        Some(Self { origin, header: entry.header_bytes(bytes).to_vec(), body: entry.body(bytes).to_vec() })
    }

    /// Whose log begins with it.
    pub const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What it says, if this very entry founded the workspace.
    pub fn read(&self, workspace: WorkspaceId) -> Option<Genesis> {
        let founds = self.origin.founder && self.origin.workspace_id(&self.header, &self.body) == workspace;
        let header: Header = codec::decode(&self.header).ok().filter(|_| founds)?;
        match Control::read(header.kind, self.origin.person, &self.body)? {
            Ok(Control::Genesis(genesis)) => Some(genesis),
            _ => None,
        }
    }

    /// Whether this is how the workspace began, and that its session secret.
    pub fn confirms(&self, workspace: WorkspaceId, secret: &SessionSecret) -> bool {
        self.read(workspace).is_some_and(|genesis| genesis.session == secret.commitment())
    }
}
