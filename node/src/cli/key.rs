//! `velo key`: the phrase, and how the keys of this device are kept.
//!
//! Other commands have a node carry them out. These open the key file themselves: a phrase or a
//! passphrase should not travel over a socket, and a node reads its keys only when it starts.

use super::{
    Settings,
    output::{GOOD, NOTICE, complain, fields, say, say_json, styled},
};
use crate::{
    api::{ApiError, workspace::Introduction},
    data_dir,
    handle::NodeError,
    keystore::{Change, KeystoreError, PASSPHRASE_VAR, Passphrase, Place, Standing},
    limits,
};
use clap::{Args, Subcommand};
use serde_json::json;
use std::{
    fmt::Write as _,
    io::{self, BufRead, IsTerminal, Read, Write},
    path::PathBuf,
    process::ExitCode,
};
use velo_protocol::root::Root;
use zeroize::Zeroizing;

/// What is told of the phrase on a device that another one took in: that one has it, or had it.
const ELSEWHERE: &str = "never on this device: the one that took it in has it, until it is confirmed there";

/// Said as long as the phrase is not confirmed.
pub(super) const REMINDER: &str = "not confirmed yet: write down what `velo key phrase` shows in a terminal, \
                                   then `velo key confirm`";

#[derive(Debug, Subcommand)]
pub(super) enum Key {
    /// Show how the keys are kept, without any secret
    #[command(after_help = "Examples:\n  velo key show\n  velo key show --json")]
    Show,
    /// Show the 24 words that are you, to be written down on paper
    #[command(after_help = "Example:\n  velo key phrase\n\n\
        Whoever has the words is you, and without them nobody can bring you back once your devices are \
        lost. They are shown in a terminal only, until `velo key confirm`.")]
    Phrase,
    /// Type the 24 words in again, after which they are no longer on this device
    #[command(after_help = "Example:\n  velo key confirm\n\n\
        Without a terminal the words are read from standard input.")]
    Confirm,
    /// Put the key file under a passphrase, change it or take it away
    Passphrase(SetPassphrase),
    /// Move the keys into the system's keyring, or back into their file
    Move(Move),
}

/// Sets, changes or removes the passphrase.
#[derive(Debug, Args)]
#[command(after_help = format!("Examples:\n  \
    velo key passphrase\n  \
    velo key passphrase --new-file new.txt\n  \
    velo key passphrase --remove\n\n\
    Velo asks for it at every start then, or reads it from the file that {PASSPHRASE_VAR} names."))]
pub(super) struct SetPassphrase {
    /// Read the new one from this file, which only you may be able to read
    #[arg(long, value_name = "FILE", conflicts_with = "remove")]
    new_file: Option<PathBuf>,
    /// Keep the keys without a passphrase
    #[arg(long)]
    remove: bool,
}

/// Moves the keys.
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  velo key move keyring\n  velo key move file")]
pub(super) struct Move {
    /// Where to
    #[arg(value_enum)]
    to: Place,
}

impl Key {
    pub(super) fn run(&self, settings: &Settings) -> Result<ExitCode, ApiError> {
        let store = Store::of(settings)?;
        match self {
            Self::Show => store.show()?,
            Self::Phrase => store.phrase()?,
            Self::Confirm => store.confirm()?,
            Self::Passphrase(request) => store.passphrase(request)?,
            Self::Move(request) => store.move_to(request.to)?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl From<KeystoreError> for ApiError {
    fn from(error: KeystoreError) -> Self {
        match error {
            KeystoreError::Phrase(_)
            | KeystoreError::WrongWords { .. }
            | KeystoreError::OtherPhrase
            | KeystoreError::PassphraseLength
            | KeystoreError::TypedOtherwise => Self::Invalid(error.to_string()),
            KeystoreError::Busy => Self::Busy(error.to_string()),
            other => NodeError::from(other).into(),
        }
    }
}

/// The keys of a data directory, and how to tell of them.
struct Store {
    folder: PathBuf,
    json: bool,
}

impl Store {
    fn of(settings: &Settings) -> Result<Self, ApiError> {
        let folder = data_dir::keys(&settings.data_dir);
        if Introduction::read(&settings.data_dir)?.is_none() && !folder.exists() {
            return Err(ApiError::NoIdentity);
        }
        Ok(Self { folder, json: settings.json })
    }

    fn begin(&self) -> Result<Change, KeystoreError> {
        Change::begin(&self.folder, &Passphrase::find)
    }

    fn standing(&self) -> Result<Standing, KeystoreError> {
        Standing::of(&self.folder)
    }

    /// Says what was done, or the standing after it.
    fn tell(&self, done: &str) -> Result<(), ApiError> {
        if self.json {
            say_json(&json!(self.standing()?));
        } else {
            say(format!("{} {done}", styled(GOOD, "✓")));
        }
        Ok(())
    }

    fn show(&self) -> Result<(), ApiError> {
        let standing = self.standing()?;
        let identity = match self.begin() {
            Ok(change) => Some(change.keys().identity()),
            // Who it is stands under the passphrase too.
            Err(KeystoreError::PassphraseNeeded) => None,
            Err(error) => return Err(error.into()),
        };
        let (person, device) = (
            identity.as_ref().map(|me| me.person),
            identity.as_ref().map(velo_protocol::replica::Identity::device_id),
        );
        if self.json {
            let mut shown = json!(standing);
            shown["folder"] = json!(self.folder);
            shown["person"] = json!(person);
            shown["device"] = json!(device);
            say_json(&shown);
            return Ok(());
        }
        let hidden = || "known to whoever has the passphrase".to_owned();
        let phrase = match &identity {
            _ if !standing.phrase_confirmed => styled(NOTICE, REMINDER),
            Some(me) if me.chain.len() > 1 => ELSEWHERE.to_owned(),
            Some(_) => "confirmed, and no longer on this device".to_owned(),
            None => "not on this device: confirmed, or on the device that took this one in".to_owned(),
        };
        say(fields(&[
            ("Keys", self.place_words(standing)),
            ("Person", person.map_or_else(hidden, |id| id.short())),
            ("Device", device.map_or_else(hidden, |id| id.short())),
            ("Phrase", phrase),
        ])
        .trim_end());
        Ok(())
    }

    fn place_words(&self, standing: Standing) -> String {
        match (standing.place, standing.passphrase) {
            (Place::Keyring, _) => "in the system's keyring".to_owned(),
            (Place::File, true) => format!("in {}, under a passphrase", self.folder.display()),
            (Place::File, false) => format!("in {}, without a passphrase", self.folder.display()),
        }
    }

    fn phrase(&self) -> Result<(), ApiError> {
        // What is gone needs neither terminal nor passphrase to be told.
        let gone = || {
            ApiError::Refused(
                "the phrase is no longer on this device, or never was: look at what you wrote down, or at the \
                 device that took this one in"
                    .into(),
            )
        };
        if self.standing()?.phrase_confirmed {
            return Err(gone());
        }
        if self.json || !io::stdout().is_terminal() {
            return Err(ApiError::Refused(
                "the phrase is shown in a terminal only, not into a file or a pipe, where it could stay: run \
                 `velo key phrase` in a terminal"
                    .into(),
            ));
        }
        let phrase = self.begin()?.phrase().ok_or_else(gone)?;
        say("These 24 words are you. Write them on paper and keep it where no one else comes.\n");
        let mut out = io::stdout();
        let shown = out.write_all(grid(&phrase).as_bytes()).and_then(|()| out.flush());
        shown.map_err(|error| ApiError::Failed(format!("the terminal cannot be written: {error}")))?;
        say("\nThen run `velo key confirm`, which takes them off this device, and clear this terminal.");
        Ok(())
    }

    fn confirm(&self) -> Result<(), ApiError> {
        let mut change = self.begin()?;
        let phrase = typed_phrase()?;
        let was_here = change.phrase().is_some();
        change.confirm(&phrase)?;
        self.tell(if was_here {
            "That is your phrase. It is no longer on this device: only what you wrote down can bring you back."
        } else {
            "That is your phrase. It was confirmed before and is no longer on this device."
        })
    }

    fn passphrase(&self, request: &SetPassphrase) -> Result<(), ApiError> {
        let had = self.standing()?.passphrase;
        let mut change = self.begin()?;
        let new = if request.remove { None } else { Some(new_passphrase(request.new_file.as_ref())?) };
        change.set_passphrase(new.as_ref())?;
        self.tell(match (new.is_some(), had) {
            (true, false) => "The keys are under the passphrase. Nothing replaces it if it is forgotten.",
            (true, true) => "The keys are under the new passphrase. Nothing replaces it if it is forgotten.",
            (false, true) => "The keys are in their file without a passphrase.",
            (false, false) => "The keys had no passphrase; nothing was changed.",
        })
    }

    fn move_to(&self, place: Place) -> Result<(), ApiError> {
        let moved = self.begin()?.move_to(place)?;
        self.tell(match (moved, place) {
            (true, Place::Keyring) => "The keys are in the system's keyring; the file only says so.",
            (true, Place::File) => "The keys are in their file, without a passphrase.",
            (false, Place::Keyring) => "The keys are in the system's keyring already.",
            (false, Place::File) => "The keys are in their file already.",
        })
    }
}

/// Four columns of six, numbered from above to below.
fn grid(phrase: &str) -> Zeroizing<String> {
    let words: Vec<(usize, &str)> = (1..).zip(phrase.split(' ')).collect();
    let rows = words.len().div_ceil(4);
    let mut text = Zeroizing::new(String::with_capacity(1024));
    for row in 0..rows {
        for (number, word) in words.iter().skip(row).step_by(rows) {
            // Writing to a string cannot fail.
            let _ = write!(text, "  {number:>2}. {word:<9}");
        }
        text.push('\n');
    }
    text
}

/// The root that typed words stand for.
pub(super) fn typed_root() -> Result<Root, ApiError> {
    Root::from_phrase(&typed_phrase()?).map_err(|error| ApiError::Invalid(error.to_string()))
}

/// What is typed up to an empty line, or everything that comes through a pipe.
fn typed_phrase() -> Result<Zeroizing<String>, ApiError> {
    let is_terminal = io::stdin().is_terminal();
    if is_terminal {
        complain("Type your 24 words; end with an empty line:");
    }
    let mut text = Zeroizing::new(String::with_capacity(limits::PHRASE_TEXT + 1));
    let mut input = io::stdin().lock().take(limits::PHRASE_TEXT as u64);
    loop {
        let before = text.len();
        let read = input.read_line(&mut text);
        let read = read.map_err(|error| ApiError::Failed(format!("the words cannot be read: {error}")))?;
        if read == 0 || (is_terminal && text[before..].trim().is_empty()) {
            return Ok(text);
        }
    }
}

fn new_passphrase(file: Option<&PathBuf>) -> Result<Passphrase, KeystoreError> {
    if let Some(path) = file {
        return Passphrase::from_file(path);
    }
    if !io::stdin().is_terminal() {
        return Err(KeystoreError::NoTerminalForNew);
    }
    let new = Passphrase::typed("New passphrase: ")?;
    let again = Passphrase::typed("The same again: ")?;
    if new == again { Ok(new) } else { Err(KeystoreError::TypedOtherwise) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grid_reads_from_above_to_below() {
        let phrase: Vec<String> = (1..=24).map(|n| format!("w{n}")).collect();
        let grid = grid(&phrase.join(" "));
        let lines: Vec<&str> = grid.lines().collect();
        assert_eq!(lines.len(), 6);
        assert_eq!(
            lines[0].split_whitespace().collect::<Vec<_>>(),
            ["1.", "w1", "7.", "w7", "13.", "w13", "19.", "w19"]
        );
        assert!(lines[5].trim_end().ends_with("24. w24"));
    }
}
