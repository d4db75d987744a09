//! Where a passphrase comes from: a file that a variable names, or whoever sits at the terminal.

use super::{KeystoreError, file};
use crate::limits;
use std::{
    env,
    fs::File,
    io::{self, IsTerminal, Read},
    path::{Path, PathBuf},
};
use zeroize::Zeroizing;

/// Names a file that holds the passphrase, for starts that nobody attends.
pub const PASSPHRASE_VAR: &str = "VELO_PASSPHRASE_FILE";

/// Wiped from memory when dropped, and never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Passphrase(Zeroizing<String>);

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(…)")
    }
}

/// Gives the passphrase, when it is needed.
pub type Ask<'a> = &'a dyn Fn() -> Result<Passphrase, KeystoreError>;

impl Passphrase {
    /// This one.
    pub fn new(text: String) -> Self {
        Self(Zeroizing::new(text))
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Whether keys may be put under it.
    pub(super) fn check(&self) -> Result<(), KeystoreError> {
        let is_long_enough = self.0.chars().count() >= limits::PASSPHRASE_LEAST;
        let fits = is_long_enough && self.0.len() <= limits::PASSPHRASE;
        if fits { Ok(()) } else { Err(KeystoreError::PassphraseLength) }
    }

    /// The passphrase in a file, without the end of its line.
    pub fn from_file(path: &Path) -> Result<Self, KeystoreError> {
        let trouble = |reason: String| KeystoreError::PassphraseFile { path: path.to_owned(), reason };
        let mut text = Zeroizing::new(String::with_capacity(limits::PASSPHRASE + 3));
        let file = File::open(path).map_err(|error| trouble(error.to_string()))?;
        if file::is_open_to_others(&file).map_err(|error| trouble(error.to_string()))? {
            return Err(KeystoreError::Open { path: path.to_owned() });
        }
        // With room for the end of a line.
        let read = file.take(limits::PASSPHRASE as u64 + 2).read_to_string(&mut text);
        read.map_err(|error| trouble(error.to_string()))?;
        let passphrase = text.strip_suffix('\n').unwrap_or(&text);
        let passphrase = passphrase.strip_suffix('\r').unwrap_or(passphrase);
        if passphrase.is_empty() {
            return Err(trouble("it is empty".into()));
        }
        Ok(Self::new(passphrase.to_owned()))
    }

    /// What a person types, without showing it.
    pub fn typed(prompt: &str) -> Result<Self, KeystoreError> {
        rpassword::prompt_password(prompt).map(Self::new).map_err(KeystoreError::Terminal)
    }

    /// From the file that [`PASSPHRASE_VAR`] names, else typed, where somebody can.
    pub fn find() -> Result<Self, KeystoreError> {
        match env::var_os(PASSPHRASE_VAR).filter(|path| !path.is_empty()) {
            Some(path) => Self::from_file(&PathBuf::from(path)),
            None if io::stdin().is_terminal() => Self::typed("Passphrase of this device's keys: "),
            None => Err(KeystoreError::PassphraseNeeded),
        }
    }
}
