//! The connection doctor and the diagnostics file, as their dialogs show them.

use std::path::PathBuf;

/// The dialog of the connection doctor.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Doctor {
    /// It is looking.
    #[default]
    Looking,
    /// What it found, of every device and address.
    Found(Vec<Checkup>),
    /// Why it found nothing.
    Failed(String),
}

/// What is between this device and one other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checkup {
    /// The other device, or the address.
    pub whom: String,
    /// Whether every step is good.
    pub well: bool,
    /// Those that were taken: the last is the first that is not good.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Which.
    pub name: &'static str,
    /// How it went.
    pub verdict: Verdict,
    /// What was found.
    pub told: String,
    /// What to do.
    pub advice: Option<&'static str>,
}

/// How a step went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// As it should be.
    Good,
    /// It is still going on.
    Notice,
    /// It fails.
    Bad,
}

/// The dialog of the diagnostics file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Diagnostics {
    /// It says what will be in it.
    #[default]
    Told,
    /// It is being written.
    Writing,
    /// Where it is.
    Written(Bundle),
    /// Why it could not be written.
    Failed(String),
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// Where.
    pub path: PathBuf,
    /// The files in it, with what each says.
    pub parts: Vec<(String, String)>,
}
