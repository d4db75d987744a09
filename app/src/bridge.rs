//! What the app needs from the world: snapshots, peers, the time, and a way to ask for changes.
//!
//! Everything behind [`Bridge`] may use threads, files and clocks; nothing in front of it does. No
//! method blocks. Whoever implements it calls `request_repaint` when something has changed.

use crate::view::{date::Moment, state::Preferences};
use velo_protocol::{
    history::LoggedEntry,
    id::{DeviceId, EntityId, PersonId, WorkspaceId},
    replica::{Command, PeerStatus, RequestId},
    store::EntryAt,
    workspace::Workspace,
};

#[cfg(not(target_arch = "wasm32"))]
pub mod node;
#[cfg(not(target_arch = "wasm32"))]
pub mod sample;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// The replica.
    Replica(Command),
    /// Connects to a multiaddress.
    Dial(String),
    /// Puts the sample board into a workspace.
    Sample(WorkspaceId),
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Of which request.
    pub request: RequestId,
    /// What became of it, or a sentence for people.
    pub result: Result<velo_protocol::replica::Reply, String>,
}

/// A peer, and the way to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// What its session tells.
    pub status: PeerStatus,
    /// "lan", "direct" or "relay" while it is connected.
    pub path: Option<String>,
    /// Why it is not connected, in a plain sentence.
    pub trouble: Option<String>,
}

/// Who is at this device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Me {
    /// The person.
    pub person: PersonId,
    /// The device.
    pub device: DeviceId,
}

/// See the module.
pub trait Bridge {
    /// Now, where the person is.
    fn moment(&self) -> Moment;
    /// Who is at this device.
    fn me(&self) -> Me;
    /// Every workspace of the device.
    fn workspaces(&self) -> Vec<WorkspaceId>;
    /// A snapshot of one; cheap.
    fn workspace(&self, id: WorkspaceId) -> Option<Workspace>;
    /// Every known peer.
    fn peers(&self) -> Vec<Peer>;
    /// Where this device can be reached, as multiaddresses.
    fn addresses(&self) -> Vec<String>;
    /// An entry as it is stored, for the history of a task.
    fn entry(&self, workspace: WorkspaceId, at: EntryAt) -> Option<LoggedEntry>;
    /// A new id.
    fn new_id(&mut self) -> EntityId;
    /// Asks for something. The answer comes with [`Self::answers`].
    fn send(&mut self, id: RequestId, request: Request);
    /// Answers that have come since the last call.
    fn answers(&mut self) -> Vec<Answer>;
    /// What the person preferred last time.
    fn preferences(&self) -> Preferences;
    /// Keeps what the person prefers.
    fn keep_preferences(&mut self, preferences: &Preferences);
}
