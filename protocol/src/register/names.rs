//! Sets of operations, which is what registers hold most of.

use crate::{id::OpId, limits};
use imbl::OrdSet;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// An [`OpId`] without padding.
type Packed = [u8; 10];

fn packed(op: OpId) -> Packed {
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&op.entry.to_be_bytes());
    bytes[8..].copy_from_slice(&op.index.to_be_bytes());
    bytes
}

fn unpacked(bytes: &Packed) -> OpId {
    let (mut entry, mut index) = ([0; 8], [0; 2]);
    entry.copy_from_slice(&bytes[..8]);
    index.copy_from_slice(&bytes[8..]);
    OpId { entry: u64::from_be_bytes(entry), index: u16::from_be_bytes(index) }
}

/// A set of operations: a sorted list while there are few, as is usual, else a tree, so that nobody
/// can make the next name cost more than a few steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Names {
    Few(Box<[Packed]>),
    Many(Box<OrdSet<Packed>>),
}

impl Default for Names {
    fn default() -> Self {
        Self::Few(Box::default())
    }
}

impl Serialize for Names {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Few(names) => serializer.serialize_bytes(names.as_flattened()),
            Self::Many(names) => {
                serializer.serialize_bytes(&names.iter().flatten().copied().collect::<Vec<u8>>())
            }
        }
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = crate::log::bytes_field::deserialize(deserializer)?;
        let (names, rest) = bytes.as_chunks();
        if !rest.is_empty() || !names.is_sorted_by(|a, b| a < b) {
            return Err(D::Error::custom("names out of order"));
        }
        Ok(if names.len() > limits::FEW {
            Self::Many(Box::new(names.iter().copied().collect()))
        } else {
            Self::Few(names.into())
        })
    }
}

impl Names {
    pub(crate) fn contains(&self, op: OpId) -> bool {
        match self {
            Self::Few(names) => names.binary_search(&packed(op)).is_ok(),
            Self::Many(names) => names.contains(&packed(op)),
        }
    }

    /// Whether it was not there before.
    pub(crate) fn insert(&mut self, op: OpId) -> bool {
        let op = packed(op);
        match self {
            Self::Few(names) => {
                let Err(place) = names.binary_search(&op) else { return false };
                let mut list = std::mem::take(names).into_vec();
                list.reserve_exact(1);
                list.insert(place, op);
                *self = if list.len() > limits::FEW {
                    Self::Many(Box::new(list.into_iter().collect()))
                } else {
                    Self::Few(list.into())
                };
                true
            }
            Self::Many(names) => names.insert(op).is_none(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = OpId> {
        let (few, many) = match self {
            Self::Few(names) => (&**names, None),
            Self::Many(names) => (&[][..], Some(names)),
        };
        few.iter().chain(many.into_iter().flat_map(|names| names.iter())).map(unpacked)
    }
}
