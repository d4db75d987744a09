//! The dialog about what takes up space on this device.

use velo_protocol::replica::Fetching;

/// What the workspace takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Space {
    /// Everything that was ever changed.
    pub changes: u64,
    /// What can be rebuilt from that.
    pub index: u64,
    /// Content of attachments that are shown.
    pub attachments: u64,
    /// The same of those of which something is missing yet.
    pub pending: u64,
    /// Content of deleted attachments.
    pub deleted: u64,
    /// The largest attachments, and their bytes.
    pub largest: Vec<(String, u64)>,
    /// What is free on the disk, if that is known.
    pub free: Option<u64>,
    /// When content is fetched.
    pub fetching: Fetching,
}

/// The dialog.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StorageDialog {
    /// The figures, once they are known.
    pub space: Option<Space>,
    /// Whether something is being done.
    pub working: bool,
    /// What is wrong, for people.
    pub problem: Option<String>,
}

/// The choices of when content is fetched, with what they mean.
pub const CHOICES: [(Fetching, &str, &str); 3] = [
    (Fetching::Always, "Everything", "Content comes as soon as another device has it."),
    (Fetching::Viewed, "What I look at", "Small files come in advance, pictures when their task is open."),
    (Fetching::Metered, "Only what I ask for", "For a line that costs money or is slow."),
];
