//! Secrets as a text that people can send, type, or show as a QR code: tickets and link codes.
//!
//! ```text
//!   prefix | base32 of: version (1), bincode of the value, first 4 bytes of BLAKE3 of all before
//! ```
//!
//! Lower-case letters and digits 2 to 7 survive reading aloud, and stay small in a QR code. Blanks and
//! case do not matter, and every damage is noticed.

use crate::{codec, limits};
use serde::{Serialize, de::DeserializeOwned};

const SUM: usize = 4;

/// Why a text is not what it should be. Each says what to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ArmourError {
    /// It does not start as it should.
    #[error("this is not a {}: {}s start with \"{}\". {}", .0.name, .0.name, .0.prefix, .0.help)]
    SomethingElse(Armour),
    /// Letters are missing or wrong.
    #[error("the {} is damaged ({}): copy it again, from \"{}\" to the last letter", .0.name, .1, .0.prefix)]
    Damaged(Armour, &'static str),
    /// From a newer version.
    #[error("the {} was made with a newer version of Velo: update this one", .0.name)]
    Newer(Armour),
}

/// What a kind of text is called and starts with, and its version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Armour {
    /// What people call it.
    pub name: &'static str,
    /// The first letters.
    pub prefix: &'static str,
    /// The version written by this program.
    pub version: u8,
    /// Where to get one, as a sentence.
    pub help: &'static str,
}

impl Armour {
    /// The text of a value.
    pub fn wrap(self, value: &impl Serialize) -> String {
        let mut bytes = vec![self.version];
        codec::encode_into(value, &mut bytes);
        let sum = blake3::hash(&bytes);
        bytes.extend_from_slice(&sum.as_bytes()[..SUM]);
        format!("{}{}", self.prefix, data_encoding::BASE32_NOPAD.encode(&bytes).to_lowercase())
    }

    /// The value of a text.
    pub fn unwrap<T: DeserializeOwned>(self, text: &str) -> Result<T, ArmourError> {
        let text = text.chars().filter(|c| !c.is_whitespace()).take(limits::TICKET_CHARS + 1);
        let text = text.collect::<String>().to_lowercase();
        let letters = text.strip_prefix(self.prefix).ok_or(ArmourError::SomethingElse(self))?;
        if text.len() > limits::TICKET_CHARS {
            return Err(self.damaged("too long"));
        }
        let wrong = self.damaged("a letter is wrong or missing");
        let letters = letters.to_uppercase();
        let bytes = data_encoding::BASE32_NOPAD.decode(letters.as_bytes()).map_err(|_| wrong)?;
        let short = self.damaged("too short");
        let (bytes, sum) = bytes.split_last_chunk::<SUM>().ok_or(short)?;
        if blake3::hash(bytes).as_bytes()[..SUM] != sum[..] {
            return Err(wrong);
        }
        let (version, rest) = bytes.split_first().ok_or(short)?;
        if *version != self.version {
            return Err(ArmourError::Newer(self));
        }
        codec::decode(rest).map_err(|_| self.damaged("its content is not understood"))
    }

    /// Refuses a value whose list of addresses is longer than this program writes.
    pub fn check_addresses(self, addresses: &[String]) -> Result<(), ArmourError> {
        let fits = addresses.len() <= limits::TICKET_ADDRESSES;
        if fits { Ok(()) } else { Err(self.damaged("too many addresses")) }
    }

    const fn damaged(self, why: &'static str) -> ArmourError {
        ArmourError::Damaged(self, why)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_something_else_is_told_by_its_name() {
        let armour = Armour { name: "note", prefix: "velonote1", version: 2, help: "Write one" };
        let text = armour.wrap(&7_u32);
        assert_eq!(armour.unwrap(&text), Ok(7_u32));
        let words = |found: Result<u32, ArmourError>| found.unwrap_err().to_string();
        let other = words(armour.unwrap("velo1abc"));
        assert_eq!(other, "this is not a note: notes start with \"velonote1\". Write one");
        let damaged = words(armour.unwrap(&text[..text.len() - 1]));
        assert!(
            damaged.starts_with("the note is damaged (") && damaged.contains("from \"velonote1\""),
            "{damaged}"
        );
        let newer = words(armour.unwrap(&Armour { version: 3, ..armour }.wrap(&7_u32)));
        assert_eq!(newer, "the note was made with a newer version of Velo: update this one");
    }
}
