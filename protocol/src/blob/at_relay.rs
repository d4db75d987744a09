//! What a device knows of its attachments at a relay, for people.

use crate::{model::Kind, workspace::Workspace};
use serde::{Deserialize, Serialize};

/// What a relay has of the attachments that are whole on this device, as it said itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtRelay {
    /// How many it lacks.
    pub lacks: u64,
    /// For how many of them it has no room.
    pub has_no_room_for: u64,
}

impl AtRelay {
    /// What is known of a workspace, if the relay said something of it since this device was started. Where
    /// there are no attachments nothing needs to be said.
    pub fn known(said: Option<&Self>, workspace: &Workspace) -> Option<Self> {
        said.copied().or_else(|| {
            let mut shown = workspace.shown(Kind::Attachment);
            let has_any = shown.any(|attachment| workspace.content(attachment).is_some());
            (!has_any).then(Self::default)
        })
    }

    /// Why some do not get there, and what to do.
    pub fn no_room_words(self) -> Option<&'static str> {
        (self.has_no_room_for > 0).then_some(
            "the relay has no room for some attachments, which stay on the devices that have them: its operator can give \
             it more",
        )
    }
}
