//! What a person asks of their keys while the node runs. Each may wait for the disk and for the
//! system's keyring.

use super::NodeHandle;
use crate::keystore::{KeystoreError, Passphrase, Standing};
use zeroize::Zeroizing;

impl NodeHandle {
    /// The person's 24 words, for them alone to see. `None` once they are confirmed and gone, and on
    /// devices that never had them.
    pub fn phrase(&self) -> Result<Option<Zeroizing<String>>, KeystoreError> {
        self.shared.keys.phrase()
    }

    /// Wipes the root from this device, if `phrase` is its 24 words: the person has them.
    pub fn confirm_phrase(&self, phrase: &str) -> Result<(), KeystoreError> {
        self.shared.keys.confirm_phrase(phrase)
    }

    /// Puts the keys under another passphrase, or under none. `now` opens them, if they are under one. Takes
    /// half a second for each.
    pub fn set_passphrase(
        &self,
        now: Option<&Passphrase>,
        new: Option<&Passphrase>,
    ) -> Result<(), KeystoreError> {
        self.shared.keys.set_passphrase(now, new)
    }

    /// How the keys are kept now, and whether the phrase is confirmed.
    pub fn key_standing(&self) -> Result<Standing, KeystoreError> {
        self.shared.keys.standing()
    }
}
