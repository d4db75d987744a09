//! Why there are no keys, and the way out of each.

use super::passphrase::PASSPHRASE_VAR;
use crate::{data_dir::DataDirError, limits};
use std::{io, path::PathBuf};
use velo_protocol::{id::WorkspaceId, root::PhraseError};

/// See the module.
#[derive(Debug, thiserror::Error)]
pub enum KeystoreError {
    /// Others can read it.
    #[error(
        "{} can be read by other users of this machine, so it is not used: run `chmod 600 {}`",
        path.display(),
        path.display()
    )]
    Open {
        /// The key file, or that of a passphrase.
        path: PathBuf,
    },
    /// Not what this program wrote.
    #[error(
        "the key file {} is damaged: restore it from a backup. Without it this device cannot be itself; \
         in another --data-dir it can join anew",
        path.display()
    )]
    Damaged {
        /// The key file.
        path: PathBuf,
    },
    /// It is gone, although this device wrote in workspaces before. New keys would be those of a
    /// stranger to everybody else: what they sign would never be taken.
    #[error(
        "the key file {} is missing, and the workspaces here cannot be changed without it: restore it from a \
         backup. In another --data-dir this device can join anew",
        path.display()
    )]
    Missing {
        /// Where it should be.
        path: PathBuf,
    },
    /// Keys were to be made where there are some.
    #[error("there are keys already in {}: choose another --data-dir for another device", path.display())]
    Taken {
        /// The key file.
        path: PathBuf,
    },
    /// The keys of another device.
    #[error(
        "the key file {} is that of another device than the one that wrote in workspace {}: restore the right \
         one from a backup. In another --data-dir this device can join anew",
        path.display(),
        workspace.short()
    )]
    NotThisDevice {
        /// The key file.
        path: PathBuf,
        /// Where the right one was used.
        workspace: WorkspaceId,
    },
    /// The disk or its permissions.
    #[error(transparent)]
    DataDir(#[from] DataDirError),
    /// The system gave no random bytes.
    #[error("no random numbers can be had from the system: {0}")]
    NoRandomness(getrandom::Error),
    /// More than the cipher takes; our own keys never are.
    #[error("the keys are too large to be sealed")]
    TooLarge,
    /// Another process changes the keys.
    #[error("another `velo key` is at work on these keys: end it, then try again")]
    Busy,
    /// Nobody is there to be asked.
    #[error(
        "the keys of this device are under a passphrase: start Velo in a terminal or with its window, which ask \
         for it, or name in {PASSPHRASE_VAR} a file that holds it and that only you can read"
    )]
    PassphraseNeeded,
    /// Not that of these keys.
    #[error(
        "the passphrase is wrong: try again. Nothing replaces it; if it is lost, your 24 words or another device \
         of yours bring you back on a new one"
    )]
    WrongPassphrase,
    /// Not fit for one.
    #[error(
        "a passphrase has {} letters at least and {} bytes at most: choose another, such as several words",
        limits::PASSPHRASE_LEAST,
        limits::PASSPHRASE
    )]
    PassphraseLength,
    /// There is nobody to choose one.
    #[error("a new passphrase is typed in a terminal, or read from the file that `--new-file` names")]
    NoTerminalForNew,
    /// Typed twice, and not the same.
    #[error("the two were not the same, and nothing was changed: try again")]
    TypedOtherwise,
    /// The file that should hold the passphrase.
    #[error("no passphrase can be read from {}: {reason}", path.display())]
    PassphraseFile {
        /// Which.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// A keyring has a lock of its own.
    #[error("the keys are in the system's keyring, which has its own lock: run `velo key move file` first")]
    KeyringNeedsNone,
    /// The terminal could not be read.
    #[error("the terminal cannot be read: {0}")]
    Terminal(io::Error),
    /// No service keeps secrets here.
    #[error(
        "this system has no keyring that can be reached ({reason}): log in to a desktop with GNOME Keyring, \
         KWallet or KeePassXC, or keep the keys in their file with `velo key move file`"
    )]
    NoKeyring {
        /// What the system says.
        reason: String,
    },
    /// It is there, and nobody opened it.
    #[error("the system's keyring is locked ({reason}): unlock it and try again")]
    KeyringLocked {
        /// What it says.
        reason: String,
    },
    /// Somebody took it out, or it is that of another user or machine.
    #[error(
        "the system's keyring has no entry `{entry}` of service `velo`, where the keys of this device should \
         be: log in as the user who put them there, or restore the keyring from a backup. In another \
         --data-dir this device can join anew"
    )]
    NotInKeyring {
        /// Its name.
        entry: String,
    },
    /// It gives back something else than it was given.
    #[error("the system's keyring does not give back what it is given: the keys stay where they are")]
    KeyringForgets,
    /// The keys were moved, and the entry stayed.
    #[error(
        "the keys are in their file now, but entry `{entry}` of service `velo` could not be taken out of the \
         system's keyring ({reason}): remove it there"
    )]
    LeftInKeyring {
        /// Its name.
        entry: String,
        /// Why.
        reason: Box<KeystoreError>,
    },
    /// Anything else.
    #[error("the system's keyring failed: {reason}")]
    KeyringFailed {
        /// What it says.
        reason: String,
    },
    /// Not a phrase.
    #[error("{0}")]
    Phrase(#[from] PhraseError),
    /// A phrase with wrong words.
    #[error("{}: look at what you wrote down", not_yours(numbers))]
    WrongWords {
        /// Which, counted from 1.
        numbers: Vec<usize>,
    },
    /// A phrase, and not this person's.
    #[error("this is the phrase of somebody else: look for the one that `velo key phrase` showed")]
    OtherPhrase,
}

fn not_yours(numbers: &[usize]) -> String {
    let listed: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    match listed.as_slice() {
        [one] => format!("word {one} is not that of your phrase"),
        [first @ .., last] => {
            format!("words {} and {last} are not those of your phrase", first.join(", "))
        }
        [] => "the words are not those of your phrase".into(),
    }
}
