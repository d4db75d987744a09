//! When a peer said something about a workspace last, and what it was told besides entries.

use crate::{limits, time::Now};

/// See the module.
#[derive(Debug, Clone)]
pub struct Contact {
    /// When it last said something about the workspace, or began to share it.
    heard: Now,
    /// Whether people were told that it says nothing.
    is_noted_silent: bool,
    /// Whether it was told who is here.
    pub knows_presence: bool,
}

impl Contact {
    pub(super) const fn new(now: Now) -> Self {
        Self { heard: now, is_noted_silent: false, knows_presence: false }
    }

    /// The peer says something. Returns whether people were told that it says nothing.
    pub fn hear(&mut self, now: Now) -> bool {
        self.heard = now;
        std::mem::take(&mut self.is_noted_silent)
    }

    /// When it last did, or began to share the workspace.
    pub const fn heard(&self) -> Now {
        self.heard
    }

    /// Whether it has said nothing for longer than a digest can take.
    pub const fn is_silent(&self, now: Now) -> bool {
        now.mono_ms >= self.heard.mono_ms + limits::SILENT_MS
    }

    /// Whether it is silent, and people were not told yet.
    pub const fn turned_silent(&mut self, now: Now) -> bool {
        let is_news = self.is_silent(now) && !self.is_noted_silent;
        self.is_noted_silent |= is_news;
        is_news
    }
}
