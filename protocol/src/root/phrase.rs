//! A root as 24 words that a person can write down: BIP39, the English list.
//!
//! The entropy of the phrase is the root itself, nothing is derived: whoever holds the words holds
//! the root, and any BIP39 program can tell whether they belong together. Eight bits of the last word
//! are a checksum, so one mistyped word of 256 goes unnoticed, and then names another person.

use super::Root;
use bip39::{Language, Mnemonic};
use zeroize::Zeroizing;

/// Words in a phrase.
pub const WORDS: usize = 24;
/// Words that are offered for one that is not in the list.
const NEAREST: usize = 3;
/// Letters that may differ in a word that is offered.
const FAR: usize = 2;
/// Letters of a word that are looked at and told of. The longest word of the list has 8.
const LETTERS: usize = 16;

/// Why a text is not the phrase of anybody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PhraseError {
    /// Too many or too few.
    #[error("a phrase has {WORDS} words, and this has {given}")]
    Count {
        /// How many were given.
        given: usize,
    },
    /// A word that no phrase has.
    #[error("word {number}, \"{word}\", is not in the list of words{}", or_rather(nearest))]
    Unknown {
        /// Counted from 1.
        number: usize,
        /// As it was given, cut where it is long.
        word: String,
        /// Words of the list that look like it.
        nearest: Vec<&'static str>,
    },
    /// Every word is in the list.
    #[error("all words exist, but they do not belong together: look for a swapped or mistyped word")]
    Checksum,
}

fn or_rather(nearest: &[&str]) -> String {
    if nearest.is_empty() { String::new() } else { format!("; did you mean {}?", nearest.join(" or ")) }
}

impl Root {
    /// The 24 words.
    ///
    /// # Panics
    /// Never: 32 bytes are entropy of a length that BIP39 knows.
    #[expect(clippy::expect_used, reason = "see Panics above")]
    pub fn phrase(&self) -> Zeroizing<String> {
        let mnemonic = Mnemonic::from_entropy(self.seed()).expect("32 bytes");
        // Room for all at once: a text that grows leaves copies behind.
        let mut phrase = Zeroizing::new(String::with_capacity(WORDS * LETTERS));
        for word in mnemonic.words() {
            if !phrase.is_empty() {
                phrase.push(' ');
            }
            phrase.push_str(word);
        }
        phrase
    }

    /// Reads 24 words. Capitals, line ends, commas and numbering such as "1." do not matter.
    pub fn from_phrase(text: &str) -> Result<Self, PhraseError> {
        let words = known_words(text)?;
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, &words);
        let (entropy, _) = mnemonic.map_err(|_| PhraseError::Checksum)?.to_entropy_array();
        let entropy = Zeroizing::new(entropy);
        let mut seed = [0; 32];
        seed.copy_from_slice(&entropy[..32]);
        Ok(Self::from_seed(seed))
    }

    /// Which words of `text` are not those of this root's phrase, counted from 1. None if it is the
    /// phrase.
    pub fn wrong_words(&self, text: &str) -> Result<Vec<usize>, PhraseError> {
        let (given, right) = (known_words(text)?, self.phrase());
        let pairs = (1..).zip(given.split(' ').zip(right.split(' ')));
        Ok(pairs.filter(|(_, (given, right))| given != right).map(|(number, _)| number).collect())
    }
}

/// The words of a text in small letters, one space between; all 24, and all of the list.
fn known_words(text: &str) -> Result<Zeroizing<String>, PhraseError> {
    // Small letters may take more bytes than capitals, by half at most.
    let mut words = Zeroizing::new(String::with_capacity(2 * text.len()));
    let mut given = 0;
    for word in split(text) {
        if given > 0 {
            words.push(' ');
        }
        words.extend(word.chars().flat_map(char::to_lowercase));
        given += 1;
    }
    if given != WORDS {
        return Err(PhraseError::Count { given });
    }
    match (1..).zip(words.split(' ')).find(|(_, word)| Language::English.find_word(word).is_none()) {
        None => Ok(words),
        Some((number, word)) => Err(unknown(number, word)),
    }
}

fn split(text: &str) -> impl Iterator<Item = &str> {
    let is_between = |c: char| c.is_whitespace() || c == ',' || c == ';';
    let is_around = |c: char| c.is_ascii_digit() || c.is_ascii_punctuation();
    text.split(is_between).map(move |word| word.trim_matches(is_around)).filter(|word| !word.is_empty())
}

fn unknown(number: usize, word: &str) -> PhraseError {
    let cut = word.chars().nth(LETTERS).is_some();
    let mut word: String = word.chars().take(LETTERS).collect();
    let nearest = nearest(&word);
    if cut {
        word.push('…');
    }
    PhraseError::Unknown { number, word, nearest }
}

/// The words of the list that differ least, if by little.
fn nearest(word: &str) -> Vec<&'static str> {
    let all = Language::English.word_list().iter();
    let mut near: Vec<(usize, &'static str)> =
        all.map(|other| (distance(word, other), *other)).filter(|(distance, _)| *distance <= FAR).collect();
    near.sort_unstable();
    let least = near.first().map_or(0, |(distance, _)| *distance);
    near.into_iter().filter(|(distance, _)| *distance == least).map(|(_, word)| word).take(NEAREST).collect()
}

/// How many letters must be put in, taken out or changed to make one word the other (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (down, letter) in (1..).zip(one.chars()) {
        let mut diagonal = row[0];
        row[0] = down;
        for (at, across) in other.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *across);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(1 + row[at]).min(1 + diagonal);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn phrase(seed: [u8; 32]) -> Zeroizing<String> {
        Root::from_seed(seed).phrase()
    }

    /// The first and last test vector of 256 bits of the reference implementation (trezor/python-mnemonic).
    #[test]
    fn phrases_are_those_of_the_standard() {
        assert_eq!(*phrase([0; 32]), format!("{}art", "abandon ".repeat(23)));
        let hex = "f585c11aec520db57dd353c69554b21a89b20fb0650966fa0a9d6f74fd989d8f";
        let seed = data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap().try_into().unwrap();
        let words = "void come effort suffer camp survey warrior heavy shoot primary clutch crush open \
                     amazing screen patrol group space point ten exist slush involve unfold";
        assert_eq!(*phrase(seed), words);
    }

    #[test]
    fn a_phrase_is_read_as_people_write_it() {
        let right = phrase([7; 32]);
        let lines = (1..).zip(right.split(' ')).map(|(n, word)| format!("{n}. {}", word.to_uppercase()));
        let numbered = lines.collect::<Vec<_>>().join("\r\n");
        for text in [numbered, right.replace(' ', ",\t "), format!("\n{}.", right.replace(' ', "  "))] {
            assert_eq!(Root::from_phrase(&text).unwrap().seed(), &[7; 32], "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_plainly() {
        let right = phrase([0; 32]);
        let said = |text: &str| Root::from_phrase(text).unwrap_err().to_string();
        assert_eq!(said("abandon art"), "a phrase has 24 words, and this has 2");
        assert_eq!(said(""), "a phrase has 24 words, and this has 0");
        assert_eq!(
            said(&right.replace("art", "abandn")),
            "word 24, \"abandn\", is not in the list of words; did you mean abandon?"
        );
        let long = said(&right.replace("art", &"ä".repeat(1_000_000)));
        assert_eq!(long, format!("word 24, \"{}…\", is not in the list of words", "ä".repeat(16)));
        assert!(said(&right.replace("art", "zoo")).starts_with("all words exist, but"));
    }

    #[test]
    fn wrong_words_are_counted_without_telling_the_right_ones() {
        let root = Root::from_seed([7; 32]);
        let mut words: Vec<String> = root.phrase().split(' ').map(str::to_owned).collect();
        assert_eq!(root.wrong_words(&words.join(" ")), Ok(Vec::new()));
        words.swap(3, 9);
        assert_eq!(root.wrong_words(&words.join(" ")), Ok(vec![4, 10]));
        assert_eq!(root.wrong_words("zoo"), Err(PhraseError::Count { given: 1 }));
    }

    proptest! {
        #[test]
        fn every_root_comes_back(seed: [u8; 32]) {
            prop_assert_eq!(Root::from_phrase(&phrase(seed)), Ok(Root::from_seed(seed)));
        }

        #[test]
        fn any_text_is_read_or_refused(text: String) {
            prop_assert!(Root::from_phrase(&text).is_err());
        }
    }
}
