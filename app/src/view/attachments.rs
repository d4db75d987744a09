//! The attachments of the open task: what of their content is on this device, and adding one.
//!
//! What is here is found out on the disk, by the bridge. Like the story of a task it is asked for one time
//! after the other, and the last answer is shown until the next has come.

use egui::TextureHandle;
use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    path::PathBuf,
    sync::Arc,
};
use velo_protocol::{
    id::{EntityId, WorkspaceId},
    workspace::Workspace,
};

/// While something is being fetched, it is looked again after this time.
pub const LOOK_MS: u64 = 500;
/// The longer side of a picture in the list, in pixels: 48 points on a dense screen.
pub const THUMBNAIL: u32 = 96;

/// A picture in small.
#[derive(Clone, PartialEq, Eq)]
pub struct Thumbnail {
    /// Width and height.
    pub size: [usize; 2],
    /// Four bytes for each pixel.
    pub rgba: Arc<[u8]>,
}

impl fmt::Debug for Thumbnail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Thumbnail({:?})", self.size)
    }
}

/// What of one attachment is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub id: EntityId,
    /// Bytes of it that are here, or on their way.
    pub bytes: u64,
    /// Whether all of it is here.
    pub whole: bool,
    /// If it is a picture that was not shown before.
    pub thumbnail: Option<Thumbnail>,
    /// Whether it was read to be shown as a picture. Without a thumbnail it cannot be.
    pub tried: bool,
}

/// What is looked for: the attachments of a task at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Of {
    /// Where.
    pub workspace: WorkspaceId,
    /// The task.
    pub task: EntityId,
    /// Attachments whose pictures are known, or that cannot be shown as one.
    pub known: BTreeSet<EntityId>,
    at: (u64, u64, u64),
}

/// See the module.
#[derive(Default)]
pub struct Attachments {
    /// By attachment.
    pub found: BTreeMap<EntityId, Found>,
    /// Their pictures,
    pub thumbnails: BTreeMap<EntityId, Thumbnail>,
    /// and the same ready to be painted, once they were.
    pub textures: BTreeMap<EntityId, TextureHandle>,
    /// Those that were read to be shown: not again, whatever came of it.
    tried: BTreeSet<EntityId>,
    /// Those that somebody asked for.
    pub fetching: BTreeSet<EntityId>,
    /// Where a file to be added lies, as it is typed; `None`: nobody is adding one.
    pub path: Option<String>,
    /// How many files are being added.
    pub adding: usize,
    /// Why the last was not added.
    pub problem: Option<String>,
    task: Option<EntityId>,
    have: Option<Of>,
    asked: Option<Of>,
}

impl fmt::Debug for Attachments {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachments")
            .field("found", &self.found)
            .field("adding", &self.adding)
            .finish_non_exhaustive()
    }
}

impl Attachments {
    /// What to look for, when the open task, its workspace or what is here has changed. `arrived` counts
    /// what came from peers.
    pub fn ask(
        &mut self,
        workspace: &Workspace,
        open: Option<EntityId>,
        (arrived, wall_ms): (u64, u64),
    ) -> Option<Of> {
        if self.task != open {
            let adding = self.adding;
            *self = Self { task: open, adding, ..Self::default() };
        }
        let Some(task) = open.filter(|task| !workspace.attachments(*task).is_empty()) else {
            self.found.clear();
            return None;
        };
        let tick = if self.is_coming() { wall_ms / LOOK_MS } else { 0 };
        let at = (workspace.revision(), arrived, tick);
        let is_known = |of: &Of| (of.workspace, of.task, of.at) == (workspace.id(), task, at);
        if self.asked.is_some() || self.have.as_ref().is_some_and(is_known) {
            return None;
        }
        let known = self.tried.clone();
        let of = Of { workspace: workspace.id(), task, known, at };
        self.asked = Some(of.clone());
        Some(of)
    }

    /// Whether something is on its way.
    pub fn is_coming(&self) -> bool {
        let waits = |id: &EntityId| self.found.get(id).is_some_and(|found| !found.whole);
        self.fetching.iter().any(waits) || self.found.values().any(|found| !found.whole && found.bytes > 0)
    }

    /// Takes what was found, unless another task has been opened since.
    pub fn take(&mut self, of: Of, found: Vec<Found>) {
        self.asked = None;
        if self.task != Some(of.task) {
            return;
        }
        self.have = Some(of);
        self.found.clear();
        for mut one in found {
            self.tried.extend(one.tried.then_some(one.id));
            self.thumbnails.extend(one.thumbnail.take().map(|thumbnail| (one.id, thumbnail)));
            self.found.insert(one.id, one);
        }
    }

    /// It could not be looked for: it is tried again when something changes.
    pub fn failed(&mut self, of: Of) {
        self.asked = None;
        self.have = Some(of);
    }

    /// Files were added, or not.
    pub fn added(&mut self, count: usize, problem: Option<String>) {
        self.adding = self.adding.saturating_sub(count);
        if problem.is_none() {
            self.path = None;
        }
        self.problem = problem;
    }
}

/// What was typed as the place of a file.
pub fn typed_path(text: &str) -> PathBuf {
    super::picture::PictureField { path: text.to_owned(), ..Default::default() }.typed()
}

/// Bytes as people read them.
pub fn bytes(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["B", "kB", "MB", "GB"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1000.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 9.95);
    format!("{value:.digits$} {}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_written_as_people_read_them() {
        let written = [0, 999, 1_000, 9_949, 9_960, 999_499, 999_600, 4_900_000, 1 << 30].map(bytes);
        assert_eq!(
            written,
            ["0 B", "999 B", "1.0 kB", "9.9 kB", "10 kB", "999 kB", "1.0 MB", "4.9 MB", "1.1 GB"]
        );
    }
}
