//! What a register holds.

use crate::{
    id::{EntityId, PersonId},
    limits,
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A value of a field. [`crate::model`] says which field takes which.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// Nothing: the field is empty.
    Unset,
    /// Yes or no; whether an element is in a set.
    Bool(bool),
    /// A number, or the place of a choice in its list.
    Int(i64),
    /// UTF-8 text.
    Text(Box<str>),
    /// Another entity.
    Entity(EntityId),
    /// A person.
    Person(PersonId),
    /// A day or an instant.
    Date(Date),
    /// A place among siblings.
    Order(OrderKey),
}

impl Value {
    /// A text value.
    pub fn text(text: impl Into<Box<str>>) -> Self {
        Self::Text(text.into())
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The number, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        match self {
            Self::Int(number) => Some(*number),
            _ => None,
        }
    }

    /// The entity, if it is one.
    pub fn as_entity(&self) -> Option<EntityId> {
        match self {
            Self::Entity(id) => Some(*id),
            _ => None,
        }
    }

    /// The date, if it is one.
    pub fn as_date(&self) -> Option<&Date> {
        match self {
            Self::Date(date) => Some(date),
            _ => None,
        }
    }

    /// The order key, if it is one.
    pub fn as_order(&self) -> Option<&OrderKey> {
        match self {
            Self::Order(key) => Some(key),
            _ => None,
        }
    }

    /// Whether this is `Bool(true)`.
    pub fn is_true(&self) -> bool {
        matches!(self, Self::Bool(true))
    }
}

/// When something starts or is due.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Date {
    /// A civil day, the same everywhere: days since 1970-01-01.
    Day(i32),
    /// An instant and the zone in which it was meant.
    At {
        /// Milliseconds since the Unix epoch.
        ms: i64,
        /// IANA name, such as `Europe/Zurich`.
        zone: Box<str>,
    },
}

/// What a set-like field holds several of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Element {
    /// A label, a related task, a contact, a custom field.
    Entity(EntityId),
    /// A person with keys.
    Person(PersonId),
    /// One person's mark, such as a reaction.
    Mark(PersonId, Box<str>),
    /// A key in a small map, such as a view's setting.
    Text(Box<str>),
}

/// A place among siblings: a fraction between 0 and 1 in base 256, compared as bytes.
///
/// After Figma's and Evan Wallace's fractional indexing: a key between two others always exists.
/// The last bytes are the author device's suffix, so that two devices inserting at the same place
/// rarely make equal keys; equal keys fall back to the entity id.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OrderKey(pub Box<[u8]>);

impl fmt::Debug for OrderKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "OrderKey({})", data_encoding::HEXLOWER.encode(&self.0))
    }
}

impl OrderKey {
    /// How far a key at either end stands from its neighbour: room for a million between two.
    const STEP: u32 = 0x1000;

    /// A key strictly between `low` and `high` (open where `None`), ending in `suffix`.
    ///
    /// At an end the first four bytes count up or down, so that appending does not lengthen keys;
    /// in between the key bisects. If the neighbours are equal or out of order, which concurrent
    /// moves can bring about, the new key stands right after `low`.
    pub fn between(low: Option<&Self>, high: Option<&Self>, suffix: [u8; 2]) -> Self {
        let high = high.filter(|high| low.is_none_or(|low| *high > low) && high.is_well_formed());
        let mut key = Self::at_end(low, high)
            .unwrap_or_else(|| Self::bisect(low.map_or(&[], |key| &key.0), high.map(|key| &*key.0)));
        key.extend(suffix.map(|byte| byte.max(1)));
        Self(key.into())
    }

    /// The key of one of `count` siblings that get new keys all together: they stand evenly in the
    /// middle half, with room before the first and behind the last.
    pub fn nth_of(place: usize, count: usize, suffix: [u8; 2]) -> Self {
        let step = (1 << 63) / (count as u64 + 1);
        let number = (1 << 62) + step * (place as u64 + 1);
        // Half of the number is enough unless the steps are smaller than that.
        let len = if step >> 32 > 0 { 4 } else { 8 };
        let mut key = number.to_be_bytes()[..len].to_vec();
        key.extend(suffix.map(|byte| byte.max(1)));
        Self(key.into())
    }

    /// A key that ends in zero has no room right below it, so nobody may write one.
    pub fn is_well_formed(&self) -> bool {
        self.0.last().is_some_and(|byte| *byte != 0) && self.0.len() <= limits::ORDER_KEY
    }

    fn at_end(low: Option<&Self>, high: Option<&Self>) -> Option<Vec<u8>> {
        let head = |key: &Self| {
            let mut first = [0; 4];
            let len = key.0.len().min(4);
            first[..len].copy_from_slice(&key.0[..len]);
            u32::from_be_bytes(first)
        };
        let number = match (low, high) {
            (None, None) => Some(1 << 31),
            (Some(low), None) => head(low).checked_add(Self::STEP),
            (None, Some(high)) => head(high).checked_sub(Self::STEP),
            (Some(_), Some(_)) => None,
        }?;
        Some(number.to_be_bytes().to_vec())
    }

    fn bisect(low: &[u8], high: Option<&[u8]>) -> Vec<u8> {
        let mut key = Vec::with_capacity(low.len() + 3);
        // Copy the common prefix; the first byte with room in between ends the search.
        let mut bounded = true;
        loop {
            let at = key.len();
            let floor = low.get(at).copied().unwrap_or(0);
            let ceiling = match high {
                Some(high) if bounded => u16::from(high.get(at).copied().unwrap_or(0)),
                _ => 256,
            };
            let middle = u16::midpoint(u16::from(floor), ceiling);
            if middle > u16::from(floor) {
                key.push(middle as u8);
                return key;
            }
            key.push(floor);
            bounded = bounded && u16::from(floor) == ceiling;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_key_always_fits_between(places in proptest::collection::vec((0usize..1000, any::<[u8; 2]>()), 1..200)) {
            let mut keys: Vec<OrderKey> = Vec::new();
            for (place, suffix) in places {
                let at = place % (keys.len() + 1);
                let low = at.checked_sub(1).and_then(|i| keys.get(i));
                let key = OrderKey::between(low, keys.get(at), suffix);
                prop_assert!(low.is_none_or(|low| low < &key));
                prop_assert!(keys.get(at).is_none_or(|high| &key < high));
                keys.insert(at, key);
            }
        }
    }
}
