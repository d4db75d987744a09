//! Changing how keys are kept, also beside a running node, which has read them already.

use super::{
    Ask, Kept, Keys, KeystoreError, Passphrase, Place, file, sealed::SealingKey, stored::Stored,
    system::EntryName,
};
use std::{
    fs::File,
    path::{Path, PathBuf},
    sync::{Mutex, MutexGuard, PoisonError},
};
use velo_protocol::replica::Identity;
use zeroize::Zeroizing;

/// As many wrong words are called wrong. With more it is another phrase.
const WRONG_WORDS: usize = 4;

/// Open keys that nobody else can change meanwhile.
#[derive(Debug)]
pub struct Change {
    keys: Keys,
    /// Unlocked by the system when it is closed.
    _lock: File,
}

impl Change {
    /// Opens the keys in `folder`.
    pub fn begin(folder: &Path, ask: Ask<'_>) -> Result<Self, KeystoreError> {
        Self::begin_knowing(folder, None, ask)
    }

    fn begin_knowing(folder: &Path, known: Option<&SealingKey>, ask: Ask<'_>) -> Result<Self, KeystoreError> {
        let lock = file::lock(folder)?;
        Ok(Self { keys: Keys::open(folder, known, ask)?, _lock: lock })
    }

    /// The keys.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// The person's 24 words, unless they are confirmed and gone.
    pub fn phrase(&self) -> Option<Zeroizing<String>> {
        self.keys.stored.root().map(|root| root.phrase())
    }

    /// Wipes the root, if `phrase` is it. Does nothing where it is wiped already.
    pub fn confirm(&mut self, phrase: &str) -> Result<(), KeystoreError> {
        let Some(root) = self.keys.stored.root() else { return self.recognise(phrase) };
        let numbers = root.wrong_words(phrase)?;
        match numbers.len() {
            0 => {}
            1..=WRONG_WORDS => return Err(KeystoreError::WrongWords { numbers }),
            _ => return Err(KeystoreError::OtherPhrase),
        }
        self.keys.stored.forget_root();
        self.keys.save()
    }

    fn recognise(&self, phrase: &str) -> Result<(), KeystoreError> {
        let root = velo_protocol::root::Root::from_phrase(phrase)?;
        if root.person() == self.keys.person() { Ok(()) } else { Err(KeystoreError::OtherPhrase) }
    }

    /// The device is one of another person from now on: its own root, which nobody knows it by yet, goes.
    pub fn become_device_of(&mut self, identity: &Identity) -> Result<(), KeystoreError> {
        self.keys.stored = Stored::new(None, identity);
        self.keys.save()
    }

    /// Puts the keys under a passphrase, or under none.
    pub fn set_passphrase(&mut self, passphrase: Option<&Passphrase>) -> Result<(), KeystoreError> {
        if matches!(self.keys.kept, Kept::Keyring(_)) {
            return Err(KeystoreError::KeyringNeedsNone);
        }
        self.keys.kept = match passphrase {
            None => Kept::Plain,
            Some(passphrase) => {
                passphrase.check()?;
                Kept::Sealed(SealingKey::new(passphrase)?)
            }
        };
        self.keys.save()
    }

    /// Moves the keys, and returns whether they were elsewhere. A passphrase does not go with them to
    /// a keyring, which has a lock of its own.
    pub fn move_to(&mut self, place: Place) -> Result<bool, KeystoreError> {
        match (&self.keys.kept, place) {
            (Kept::Keyring(_), Place::Keyring) | (Kept::Plain | Kept::Sealed(_), Place::File) => Ok(false),
            (Kept::Plain | Kept::Sealed(_), Place::Keyring) => self.move_to_keyring().map(|()| true),
            (Kept::Keyring(entry), Place::File) => self.move_to_file(*entry).map(|()| true),
        }
    }

    fn move_to_keyring(&mut self) -> Result<(), KeystoreError> {
        let entry = EntryName::random()?;
        let before = std::mem::replace(&mut self.keys.kept, Kept::Keyring(entry));
        self.keys.save().inspect_err(|_| {
            self.keys.kept = before;
            // The file does not name it. Where the keyring cannot be reached it does not exist.
            let _ = entry.remove();
        })
    }

    fn move_to_file(&mut self, entry: EntryName) -> Result<(), KeystoreError> {
        self.keys.kept = Kept::Plain;
        self.keys.save()?;
        entry.remove().map_err(|error| {
            let reason = Box::new(error);
            KeystoreError::LeftInKeyring { entry: entry.to_string(), reason }
        })
    }
}

/// How a running node comes back to the keys, for what its person asks of them. It may wait for the
/// disk and the keyring.
pub struct KeyDoor {
    folder: PathBuf,
    /// What opened sealed keys at the start, or since they were sealed anew.
    sealing: Mutex<Option<SealingKey>>,
}

impl std::fmt::Debug for KeyDoor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "KeyDoor({})", self.folder.display())
    }
}

impl KeyDoor {
    pub(super) fn new(folder: PathBuf, sealing: Option<SealingKey>) -> Self {
        Self { folder, sealing: Mutex::new(sealing) }
    }

    fn begin(&self) -> Result<Change, KeystoreError> {
        let known = self.sealing().clone();
        // Whoever runs the node may not be at its terminal.
        Change::begin_knowing(&self.folder, known.as_ref(), &|| Err(KeystoreError::PassphraseNeeded))
    }

    fn sealing(&self) -> MutexGuard<'_, Option<SealingKey>> {
        // Nobody panics while holding the lock.
        self.sealing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Only for whoever knows the passphrase there is, also where what it opens is known.
    pub(crate) fn set_passphrase(
        &self,
        now: Option<&Passphrase>,
        new: Option<&Passphrase>,
    ) -> Result<(), KeystoreError> {
        let ask = || now.cloned().ok_or(KeystoreError::PassphraseNeeded);
        let mut change = Change::begin(&self.folder, &ask)?;
        change.set_passphrase(new)?;
        *self.sealing() = change.keys.kept_sealing();
        Ok(())
    }

    pub(crate) fn phrase(&self) -> Result<Option<Zeroizing<String>>, KeystoreError> {
        // What is gone needs no passphrase to be told.
        if self.standing()?.phrase_confirmed { Ok(None) } else { Ok(self.begin()?.phrase()) }
    }

    pub(crate) fn confirm_phrase(&self, phrase: &str) -> Result<(), KeystoreError> {
        self.begin()?.confirm(phrase)
    }

    pub(crate) fn become_device_of(&self, identity: &Identity) -> Result<(), KeystoreError> {
        self.begin()?.become_device_of(identity)
    }

    pub(crate) fn standing(&self) -> Result<super::Standing, KeystoreError> {
        super::Standing::of(&self.folder)
    }
}
