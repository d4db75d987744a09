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

/// Why a text is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArmourError {
    /// It does not start as it should.
    SomethingElse,
    /// Letters are missing or wrong.
    Damaged(&'static str),
    /// From a newer version.
    Newer,
}

/// What a kind of text starts with, and its version.
#[derive(Debug, Clone, Copy)]
pub struct Armour {
    /// The first letters.
    pub prefix: &'static str,
    /// The version written by this program.
    pub version: u8,
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
        let letters = text.strip_prefix(self.prefix).ok_or(ArmourError::SomethingElse)?;
        if text.len() > limits::TICKET_CHARS {
            return Err(ArmourError::Damaged("too long"));
        }
        let wrong = ArmourError::Damaged("a letter is wrong or missing");
        let letters = letters.to_uppercase();
        let bytes = data_encoding::BASE32_NOPAD.decode(letters.as_bytes()).map_err(|_| wrong)?;
        let short = ArmourError::Damaged("too short");
        let (bytes, sum) = bytes.split_last_chunk::<SUM>().ok_or(short)?;
        if blake3::hash(bytes).as_bytes()[..SUM] != sum[..] {
            return Err(wrong);
        }
        let (version, rest) = bytes.split_first().ok_or(short)?;
        if *version != self.version {
            return Err(ArmourError::Newer);
        }
        codec::decode(rest).map_err(|_| ArmourError::Damaged("its content is not understood"))
    }
}
