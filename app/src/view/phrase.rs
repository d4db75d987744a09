//! The 24 words of a person: shown once they ask, then typed in, so that it is known that they have
//! them.

use std::fmt;
use zeroize::Zeroizing;

/// Words that nobody else should see. They are wiped when they are no longer needed, and not logged.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Words(pub Zeroizing<String>);

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Words(…)")
    }
}

/// How far it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Step {
    /// What the words are for is being read.
    #[default]
    Told,
    /// The words were asked for.
    Asked,
    /// Here they are.
    Shown(Words),
    /// They are to be typed in.
    Typing,
    /// What was typed is being compared.
    Comparing,
}

/// The dialog about them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Phrase {
    /// How far it is.
    pub step: Step,
    /// What has been typed.
    pub typed: Words,
    /// What is wrong, for people.
    pub problem: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_do_not_get_into_a_log() {
        let words = Words(Zeroizing::new("abandon art".to_owned()));
        assert!(!format!("{:?}", Step::Shown(words)).contains("abandon"));
    }
}
