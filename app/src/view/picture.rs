//! Reading a ticket or a link code from a picture of its QR code.

use std::{path::PathBuf, sync::Arc};

/// What is looked for in a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// A ticket.
    Ticket,
    /// The code of a new device.
    LinkCode,
}

/// A picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Picture {
    /// In a file.
    File(PathBuf),
    /// In memory.
    Bytes(Arc<[u8]>),
}

/// What stands below the field for the text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PictureField {
    /// Whether more than a button is shown.
    pub open: bool,
    /// Where the picture lies, as typed.
    pub path: String,
    /// Whether a picture is being read.
    pub reading: bool,
    /// What is wrong, for people.
    pub problem: Option<String>,
}

impl PictureField {
    /// What was typed as the place of a file: copied paths come with quotes, or as a web address.
    pub fn typed(&self) -> PathBuf {
        let text = self.path.trim();
        let quoted = |mark| text.strip_prefix(mark).and_then(|text| text.strip_suffix(mark));
        let text = quoted('\'').or_else(|| quoted('"')).unwrap_or(text);
        text.strip_prefix("file://").unwrap_or(text).into()
    }

    /// Says why a picture is of no use.
    pub fn complain(&mut self, words: String) {
        (self.reading, self.open, self.problem) = (false, true, Some(words));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copied_paths_are_understood() {
        for (typed, path) in [
            (" /home/anna/code.png\n", "/home/anna/code.png"),
            ("'/home/anna/a b.png'", "/home/anna/a b.png"),
            ("\"C:\\code.png\"", "C:\\code.png"),
            ("file:///home/anna/code.png", "/home/anna/code.png"),
            ("it's.png'", "it's.png'"),
        ] {
            let field = PictureField { path: typed.to_owned(), ..PictureField::default() };
            assert_eq!(field.typed(), PathBuf::from(path));
        }
    }
}
