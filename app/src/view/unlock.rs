//! The page before everything else, where the keys of the device lie under a passphrase.

use super::secret::Secret;

/// What has been entered.
#[derive(Debug, Default)]
pub struct Unlock {
    /// The passphrase.
    pub typed: Secret,
    /// What is wrong, for people.
    pub problem: Option<String>,
    /// Whether it is being tried.
    pub opening: bool,
    /// Whether what to do without it is shown.
    pub forgotten: bool,
    /// Where everything of the device is kept.
    pub data_dir: String,
}

/// Said after a wrong passphrase.
pub const WRONG: &str = "That is not the passphrase of this device. Try again: capital letters count.";

impl Unlock {
    /// What to do without the passphrase, in order.
    pub fn ways_back(&self) -> [String; 3] {
        [
            "Nothing replaces the passphrase: the keys of this device stay closed without it.".to_owned(),
            "You can come back as a new device. On another machine start Velo, and choose “I lost my devices” \
             with your 24 words, or “I use Velo on another device”."
                .to_owned(),
            format!(
                "To do that on this machine, first rename the folder {}, and start Velo again. Keep the folder: \
                 what was written here and has not reached anybody is only there.",
                self.data_dir
            ),
        ]
    }
}
