//! Fingerprints: six words by which people compare keys, over the phone or across a table.
//!
//! An id is 64 digits, which nobody compares. Six words of a list of 2,048 are 66 bits of a hash of it:
//! whoever wants to be taken for a device or person has to make about 2^66 keys until one has the same
//! words. The first digits of an id, which lists show, take no more than minutes.

use crate::id::{DeviceId, PersonId};
use bip39::Language;

/// Words in a fingerprint.
pub const WORDS: usize = 6;
/// Bits that a word stands for.
const BITS: usize = 11;

impl DeviceId {
    /// The words by which people know the device.
    pub fn words(&self) -> String {
        words("velo 2026 device words", &self.0)
    }
}

impl PersonId {
    /// The words by which people know the person.
    pub fn words(&self) -> String {
        words("velo 2026 person words", &self.0)
    }
}

/// What it is of is hashed with it: a person's own key can be a device of theirs, too.
fn words(what: &str, key: &[u8; 32]) -> String {
    let hash = blake3::derive_key(what, key);
    let list = Language::English.word_list();
    let bit = |at: usize| usize::from(hash[at / 8] >> (7 - at % 8) & 1);
    let number = |word: usize| (word * BITS..(word + 1) * BITS).fold(0, |number, at| number << 1 | bit(at));
    let chosen: Vec<&str> = (0..WORDS).filter_map(|word| list.get(number(word)).copied()).collect();
    chosen.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// People have written them down: they never change.
    #[test]
    fn words_stay_the_same() {
        assert_eq!(DeviceId([7; 32]).words(), "text margin river pottery idea speak");
        assert_eq!(PersonId([7; 32]).words(), "network work hair toss guide grass");
    }

    #[test]
    fn each_key_has_six_words_of_its_own() {
        let all: BTreeSet<String> = (0..=255).map(|byte| DeviceId([byte; 32]).words()).collect();
        assert_eq!(all.len(), 256);
        assert!(all.iter().all(|words| words.split(' ').count() == WORDS));
        // Every bit of the six words is used.
        let last: BTreeSet<&str> = all.iter().filter_map(|words| words.split(' ').next_back()).collect();
        assert!(last.len() > 200, "{}", last.len());
    }
}
