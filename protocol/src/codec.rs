//! bincode behind a few functions, so that it could be swapped in this one file.
//!
//! The format is little-endian with variable-length integers (bincode's `standard` configuration).
//! It is not canonical: an integer may be written longer than needed. Where bytes are hashed, use
//! [`decode_canonical`], which writes the value again and compares. Callers cap the input before
//! they decode; no wire type is recursive, so decoding needs bounded stack.

use crate::limits;
use serde::{Serialize, de::DeserializeOwned};

/// Why bytes were not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    /// Truncated, or not a value of the wanted type.
    #[error("not a valid {0}: {1}")]
    Malformed(&'static str, String),
    /// A value, then more bytes.
    #[error("{1} bytes follow the {0}")]
    Trailing(&'static str, usize),
    /// The same value can be written in fewer bytes.
    #[error("the {0} is not in canonical form")]
    NotCanonical(&'static str),
}

/// More than any value of our own takes in memory. Without a bound a damaged length would ask for
/// more memory than there is, and that ends the program.
const LOCAL_BYTES: usize = 1 << 30;

/// Room for what an edit writes. The encoder brings single bytes: from nothing, a target would grow, and be
/// moved, half a dozen times.
const USUAL_BYTES: usize = 256;

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_limit::<{ limits::FRAME }>()
}

fn name<T>() -> &'static str {
    let full = std::any::type_name::<T>();
    full.rsplit("::").next().unwrap_or(full)
}

/// The bytes of `value`.
///
/// # Panics
/// Never, as [`encode_into`].
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(USUAL_BYTES);
    encode_into(value, &mut bytes);
    // Some are kept for long.
    bytes.shrink_to_fit();
    bytes
}

/// Appends the bytes of `value`.
///
/// # Panics
/// Never for the types of this crate: none has a fallible `Serialize` or a sequence of unknown
/// length, and a `Vec` as target cannot fail.
#[expect(clippy::expect_used, reason = "see Panics above")]
pub fn encode_into<T: Serialize>(value: &T, bytes: &mut Vec<u8>) {
    bincode::serde::encode_into_std_write(value, bytes, bincode::config::standard())
        .expect("serialising to memory");
}

/// As [`decode_prefix`], for what this device wrote itself and keeps under a checksum: of nearly any
/// size.
pub fn decode_local<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), CodecError> {
    bincode::serde::decode_from_slice(bytes, bincode::config::standard().with_limit::<LOCAL_BYTES>())
        .map_err(|error| CodecError::Malformed(name::<T>(), error.to_string()))
}

/// Reads a value that fills `bytes` exactly.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    filling(bytes, decode_prefix(bytes)?)
}

/// Reads a value from the start of `bytes` and tells how many bytes it took.
pub fn decode_prefix<T: DeserializeOwned>(bytes: &[u8]) -> Result<(T, usize), CodecError> {
    bincode::serde::decode_from_slice(bytes, config())
        .map_err(|error| CodecError::Malformed(name::<T>(), error.to_string()))
}

/// How many bytes a number takes.
pub(crate) const fn number_len(number: u64) -> usize {
    match number {
        0..=250 => 1,
        251..=0xFFFF => 3,
        0x1_0000..=0xFFFF_FFFF => 5,
        _ => 9,
    }
}

/// As [`decode`], and the bytes must be those that [`encode`] would write.
pub fn decode_canonical<T: Serialize + DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    let value: T = decode(bytes)?;
    let mut again = Vec::with_capacity(bytes.len());
    encode_into(&value, &mut again);
    if again == bytes { Ok(value) } else { Err(CodecError::NotCanonical(name::<T>())) }
}

/// As [`decode_local`], and the value must fill `bytes` exactly: for files of our own whose checksum was verified.
pub fn decode_own<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, CodecError> {
    filling(bytes, decode_local(bytes)?)
}

/// The value, if it took all of `bytes`.
fn filling<T>(bytes: &[u8], (value, used): (T, usize)) -> Result<T, CodecError> {
    match bytes.len() - used {
        0 => Ok(value),
        rest => Err(CodecError::Trailing(name::<T>(), rest)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_longer_than_memory_is_refused() {
        for length in [u64::MAX, 1 << 40] {
            let bytes = [&[253][..], &length.to_le_bytes(), b"text"].concat();
            assert!(decode_own::<String>(&bytes).is_err());
            assert!(decode::<String>(&bytes).is_err());
        }
    }
}
