//! Names of things: fixed-size newtypes, so that one kind of id can never stand for another.
//!
//! Ids are bytes on the wire and lower-case hexadecimal for people and JSON.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::{fmt, str::FromStr};

/// The text given is not an id of the wanted kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} is written as {expected} hexadecimal digits, found \"{found}\"")]
pub struct ParseIdError {
    kind: &'static str,
    expected: usize,
    found: String,
}

macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// Length in bytes.
            pub const LEN: usize = $len;

            /// The bytes of this id.
            pub const fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }

            /// The first eight hexadecimal digits: enough for a person to tell two apart in a list.
            pub fn short(&self) -> String {
                data_encoding::HEXLOWER.encode(&self.0[..4])
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&data_encoding::HEXLOWER.encode(&self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({})", stringify!($name), self.short())
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                let wrong = || ParseIdError {
                    kind: stringify!($name),
                    expected: 2 * $len,
                    found: text.chars().take(80).collect(),
                };
                let bytes = data_encoding::HEXLOWER_PERMISSIVE
                    .decode(text.as_bytes())
                    .map_err(|_| wrong())?;
                bytes.try_into().map(Self).map_err(|_| wrong())
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    self.0.serialize(serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    let text = String::deserialize(deserializer)?;
                    text.parse().map_err(serde::de::Error::custom)
                } else {
                    <[u8; $len]>::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}

byte_id!(
    /// A workspace: BLAKE3 over its founding log and `Genesis` entry, so that nobody can found it twice.
    WorkspaceId, 32
);
byte_id!(
    /// A person: the public half of the root key.
    PersonId, 32
);
byte_id!(
    /// A device: its ed25519 public key, which is also its libp2p identity.
    DeviceId, 32
);
byte_id!(
    /// A log: BLAKE3 over workspace, root, device and incarnation.
    LogId, 32
);
byte_id!(
    /// An entry: BLAKE3 over the previous id, the header and the hash of the body.
    EntryId, 32
);
byte_id!(
    /// Eight random bytes that set apart the logs one device has in one workspace. A device that
    /// may have forgotten entries it once published opens a new incarnation.
    Incarnation, 8
);
byte_id!(
    /// A blob, part of an attachment's content: BLAKE3 over its bytes, which are encrypted.
    BlobId, 32
);
byte_id!(
    /// Something a person works with: a task, a project, a comment. Time-ordered and random, or
    /// derived from its source by an import.
    EntityId, 16
);

impl EntityId {
    /// A new id: 48 bits of milliseconds, then 80 random bits.
    pub fn new(wall_ms: u64, random: [u8; 10]) -> Self {
        let mut bytes = [0; 16];
        bytes[..6].copy_from_slice(&wall_ms.to_be_bytes()[2..]);
        bytes[6..].copy_from_slice(&random);
        Self(bytes)
    }

    /// The id an import gives to an object of its source: the same source always yields the same id.
    /// `parts` are hashed with their lengths, so that no two lists of parts run together.
    pub fn derived(parts: &[&[u8]]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key("velo 2026 entity id");
        for part in parts {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(bytes)
    }
}

impl From<PersonId> for EntityId {
    /// The entity that holds a person's profile.
    fn from(person: PersonId) -> Self {
        Self::derived(&[b"profile", &person.0])
    }
}

impl EntryId {
    /// The first eight bytes, as operations refer to an entry. See [`OpId`].
    pub fn prefix(&self) -> u64 {
        let mut first = [0; 8];
        first.copy_from_slice(&self.0[..8]);
        u64::from_be_bytes(first)
    }
}

/// An operation: the first eight bytes of its entry's id and its place in the entry.
///
/// Short on purpose: references are most of what a small edit costs. Two entries with equal
/// prefixes can only be made by one author among his own entries; a reference then names the
/// operations of both, on every peer alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId {
    /// [`EntryId::prefix`] of the entry.
    pub entry: u64,
    /// Counts the operations of an entry from 0, across its groups.
    pub index: u16,
}

impl fmt::Display for OpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}.{}", self.entry, self.index)
    }
}

impl Serialize for OpId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            serializer.collect_str(self)
        } else {
            // As bytes: a variable-length integer would cost nine for a random number.
            (self.entry.to_be_bytes(), self.index).serialize(serializer)
        }
    }
}

impl<'de> Deserialize<'de> for OpId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
        } else {
            let (entry, index) = <([u8; 8], u16)>::deserialize(deserializer)?;
            Ok(Self { entry: u64::from_be_bytes(entry), index })
        }
    }
}

impl FromStr for OpId {
    type Err = ParseIdError;
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let parsed = text.split_once('.').and_then(|(entry, index)| {
            Some(Self { entry: u64::from_str_radix(entry, 16).ok()?, index: index.parse().ok()? })
        });
        parsed.ok_or_else(|| ParseIdError {
            kind: "OpId",
            expected: 16,
            found: text.chars().take(80).collect(),
        })
    }
}
