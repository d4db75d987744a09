//! How the keys of this device are kept, and the dialog that changes it.

use super::secret::Secret;

/// Where keys lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In a file, as they are.
    Plain,
    /// In a file, under a passphrase.
    Sealed,
    /// In the keyring of the system.
    Keyring,
}

/// How they are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Keeping {
    /// Where they lie.
    pub place: Place,
    /// The folder of their file.
    pub folder: String,
}

impl Keeping {
    /// How things are, and what that means.
    pub fn words(&self) -> &'static str {
        match self.place {
            Place::Plain => {
                "They lie in a file that only you can read on this machine, without a passphrase. Whoever gets a \
                 copy of that file can act as you."
            }
            Place::Sealed => {
                "They lie in a file under a passphrase: a copy of the file is of no use without it. Velo asks for \
                 it at every start."
            }
            Place::Keyring => {
                "They lie in the keyring of this system, which is opened when you log in. It needs no further \
                 passphrase."
            }
        }
    }
}

/// How far the dialog is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Step {
    /// How the keys are kept is told.
    #[default]
    Told,
    /// A passphrase is being chosen.
    Choosing,
    /// The passphrase is to be taken away.
    Removing,
}

/// The dialog.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KeysDialog {
    /// How far it is.
    pub step: Step,
    /// Whether what was asked for is being done.
    pub working: bool,
    /// The passphrase there is.
    pub now: Secret,
    /// A new one.
    pub new: Secret,
    /// The same again.
    pub again: Secret,
    /// What is wrong, for people.
    pub problem: Option<String>,
}

impl KeysDialog {
    /// Whether enough was typed. `sealed`: whether there is a passphrase.
    pub fn is_ready(&self, sealed: bool) -> bool {
        let opens = !self.working && (!sealed || !self.now.is_empty());
        match self.step {
            Step::Choosing => opens && !self.new.is_empty() && !self.again.is_empty(),
            Step::Removing => opens,
            Step::Told => false,
        }
    }

    /// What was chosen: `None` for no passphrase. `Err`: what is wrong with it.
    pub fn chosen(&self) -> Result<Option<Secret>, &'static str> {
        match self.step {
            Step::Choosing if self.new != self.again => {
                Err("The two are not the same. Type the new passphrase again.")
            }
            Step::Choosing => Ok(Some(self.new.clone())),
            _ => Ok(None),
        }
    }

    /// Says why it was refused, with everything to be typed again.
    pub fn complain(&mut self, words: &str) {
        *self = Self { step: self.step, problem: Some(words.to_owned()), ..Self::default() };
    }
}
