//! What the app needs from the world: snapshots, peers, the time, and a way to ask for changes.
//!
//! Everything behind [`Bridge`] may use threads, files and clocks; nothing in front of it does. No
//! method but [`Bridge::pause`] blocks: what needs the disk is a [`Request`]. Whoever implements it calls `request_repaint` when something has changed.

use crate::view::{
    attachments::{Found, Of},
    date::Moment,
    doctor::{Bundle, Checkup},
    keys::Keeping,
    phrase::Words,
    picture::{Picture, Wanted},
    relay::RelayLine,
    secret::Secret,
    state::Preferences,
    storage::Space,
    story::Told,
};
use std::{collections::BTreeMap, path::PathBuf};
use velo_protocol::{
    blob::AtRelay,
    id::{DeviceId, EntityId, PersonId, WorkspaceId},
    model::EntityKey,
    replica::{Command, PeerStatus, Present, Reply, RequestId},
    root::Root,
    workspace::Workspace,
};

#[cfg(not(target_arch = "wasm32"))]
pub mod attachments;
#[cfg(not(target_arch = "wasm32"))]
pub mod door;
#[cfg(not(target_arch = "wasm32"))]
pub mod node;
#[cfg(not(target_arch = "wasm32"))]
pub mod sample;
#[cfg(not(target_arch = "wasm32"))]
mod help;
#[cfg(not(target_arch = "wasm32"))]
mod keys;
#[cfg(not(target_arch = "wasm32"))]
pub mod picture;
#[cfg(not(target_arch = "wasm32"))]
mod refusals;
#[cfg(not(target_arch = "wasm32"))]
mod troubles;
#[cfg(not(target_arch = "wasm32"))]
mod worker;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// The replica.
    Replica(Command),
    /// Connects to a multiaddress.
    Dial(String),
    /// Has the relay at a multiaddress carry a workspace, with a token of its operator.
    AddRelay(WorkspaceId, RelayLine),
    /// Puts the sample board into a workspace.
    Sample(WorkspaceId),
    /// What happened to a task.
    Story(WorkspaceId, EntityId),
    /// Brings something deleted back, with what was deleted together with it.
    Restore(WorkspaceId, EntityKey),
    /// Brings a person back to this new device. The second is where a device of their team may be
    /// reached; empty for the same network.
    Recover(Root, String),
    /// The 24 words of whoever is here.
    Phrase,
    /// Wipes the root from the device, if these are the 24 words.
    ConfirmPhrase(Words),
    /// Puts the keys under another passphrase, or under none. The first opens them now.
    SetPassphrase(Option<Secret>, Option<Secret>),
    /// Looks for a code in a picture.
    ReadPicture(Wanted, Picture),
    /// Attaches files to a task.
    Attach(WorkspaceId, EntityId, Vec<PathBuf>),
    /// What of a task's attachments is here.
    Attachments(Of),
    /// Fetches the content of an attachment.
    FetchContent(WorkspaceId, EntityId),
    /// Saves it to a file.
    SaveContent(WorkspaceId, EntityId),
    /// What a workspace takes on the disk.
    Storage(WorkspaceId),
    /// Drops the content of deleted attachments first.
    CleanStorage(WorkspaceId),
    /// What is between this device and every other.
    Doctor,
    /// Writes the diagnostics file.
    Diagnose,
}

/// What is answered to a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// It is done.
    Reply(Reply),
    /// What was asked for with [`Request::Story`].
    Story(Vec<Told>),
    /// The 24 words; `None` if they were confirmed and are gone.
    Phrase(Option<Words>),
    /// The text of the code in a picture.
    Picture(String),
    /// What was asked for with [`Request::Attachments`].
    Attachments(Vec<Found>),
    /// Where content was saved.
    Saved(String),
    /// What was asked for with [`Request::Storage`].
    Storage(Space),
    /// What was asked for with [`Request::Doctor`].
    Doctor(Vec<Checkup>),
    /// The diagnostics file.
    Diagnosed(Bundle),
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Of which request.
    pub request: RequestId,
    /// What became of it, or a sentence for people.
    pub result: Result<Answered, String>,
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
    /// What it has of attachments, where it is a relay and said so.
    pub at_relay: BTreeMap<WorkspaceId, AtRelay>,
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
    /// Every workspace of the device that is shared with others.
    fn workspaces(&self) -> Vec<WorkspaceId>;
    /// A snapshot of one; cheap.
    fn workspace(&self, id: WorkspaceId) -> Option<Workspace>;
    /// The workspace that the person's devices share with nobody else, once it is open.
    fn private(&self) -> Option<Workspace>;
    /// Every known peer.
    fn peers(&self) -> Vec<Peer>;
    /// Who else is in a workspace and here.
    fn present(&self, id: WorkspaceId) -> Vec<Present>;
    /// Whether a workspace syncs by itself on this device.
    fn syncs_by_itself(&self, id: WorkspaceId) -> bool;
    /// Where this device can be reached, as multiaddresses.
    fn addresses(&self) -> Vec<String>;
    /// What keeps this device from showing or saving everything, a sentence each.
    fn troubles(&self) -> Vec<String>;
    /// Workspaces whose ticket cannot be used, and why.
    fn refusals(&self) -> Vec<(WorkspaceId, String)>;
    /// Whether whoever is here has not yet confirmed that they have their 24 words.
    fn owes_phrase(&self) -> bool;
    /// How the keys of this device are kept; `None` while that is not known.
    fn keys(&self) -> Option<Keeping>;
    /// The name of whoever is here, if one was given.
    fn name(&self) -> Option<String>;
    /// Notes the name of whoever is here.
    fn introduce(&mut self, name: &str);
    /// A new id.
    fn new_id(&mut self) -> EntityId;
    /// Asks for something. The answer comes with [`Self::answers`].
    fn send(&mut self, id: RequestId, request: Request);
    /// Answers that have come since the last call.
    fn answers(&mut self) -> Vec<Answer>;
    /// Counts what has come from peers of the content of attachments.
    fn arrived(&self) -> u64;
    /// Waits a moment for answers: about a hundredth of a second. Only for the end of the app.
    fn pause(&self);
    /// What the person preferred last time.
    fn preferences(&self) -> Preferences;
    /// Keeps what the person prefers.
    fn keep_preferences(&mut self, preferences: &Preferences);
}
