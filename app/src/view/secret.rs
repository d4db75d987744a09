//! What is typed into a field that shows dots.

use egui::{TextBuffer, text::CharIndex};
use std::{any::TypeId, fmt, ops::Range};
use zeroize::Zeroizing;

/// The sign shown for each letter.
const DOT: char = egui::epaint::text::PASSWORD_REPLACEMENT_CHAR;
/// More than any passphrase has: what does not fit is not taken.
const MOST_BYTES: usize = 1024;

/// A text that is wiped when it is no longer needed. Whatever paints the field keeps what it is shown,
/// to lay it out and to undo: it is only ever shown dots.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secret {
    text: Zeroizing<String>,
    dots: String,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl Secret {
    /// Whether nothing was typed.
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// What was typed.
    pub fn text(&self) -> &Zeroizing<String> {
        &self.text
    }

    /// Forgets what was typed.
    pub fn wipe(&mut self) {
        *self = Self::default();
    }

    fn byte(&self, at: CharIndex) -> usize {
        self.text.char_indices().nth(at.0).map_or(self.text.len(), |(byte, _)| byte)
    }

    /// A text that grows leaves copies behind: this one has room for all from the start.
    fn make_room(&mut self) {
        if self.text.capacity() < MOST_BYTES {
            let mut roomy = Zeroizing::new(String::with_capacity(MOST_BYTES));
            roomy.push_str(&self.text);
            self.text = roomy;
        }
    }

    fn count_dots(&mut self) {
        self.dots = std::iter::repeat_n(DOT, self.text.chars().count()).collect();
    }
}

impl TextBuffer for Secret {
    fn is_mutable(&self) -> bool {
        true
    }

    fn as_str(&self) -> &str {
        &self.dots
    }

    fn insert_text(&mut self, text: &str, at: CharIndex) -> usize {
        if self.text.len() + text.len() > MOST_BYTES {
            return 0;
        }
        self.make_room();
        let byte = self.byte(at);
        self.text.insert_str(byte, text);
        self.count_dots();
        text.chars().count()
    }

    fn delete_char_range(&mut self, range: Range<CharIndex>) {
        let (from, to) = (self.byte(range.start), self.byte(range.end));
        if from < to {
            // In its own place the end of the old text would stay behind the new one.
            let old = std::mem::take(&mut self.text);
            self.make_room();
            self.text.push_str(&old[..from]);
            self.text.push_str(&old[to..]);
            self.count_dots();
        }
    }

    /// Undo knows nothing but dots.
    fn replace_with(&mut self, _dots: &str) {}

    fn type_id(&self) -> TypeId {
        TypeId::of::<Self>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Secret {
        let mut secret = Secret::default();
        secret.insert_text(text, CharIndex(0));
        secret
    }

    #[test]
    fn what_paints_the_field_sees_dots_only() {
        let mut secret = typed("größe");
        assert_eq!(TextBuffer::as_str(&secret), "•••••");
        assert_eq!(secret.insert_text("x", CharIndex(3)), 1);
        assert_eq!(**secret.text(), *"gröxße");
        secret.delete_char_range(CharIndex(2)..CharIndex(4));
        assert_eq!((secret.text().as_str(), secret.as_str()), ("grße", "••••"));
        secret.replace_with("•");
        assert_eq!(**secret.text(), *"grße", "undo cannot bring dots into it");
        assert!(!format!("{secret:?}").contains("gr"));
        secret.wipe();
        assert!(secret.is_empty() && secret.as_str().is_empty());
    }

    #[test]
    fn what_does_not_fit_is_not_taken() {
        let mut secret = typed(&"a".repeat(MOST_BYTES));
        assert_eq!(secret.insert_text("b", CharIndex(0)), 0);
        assert_eq!(secret.text().len(), MOST_BYTES);
        secret.delete_char_range(CharIndex(0)..CharIndex(5_000));
        assert!(secret.is_empty());
    }
}
