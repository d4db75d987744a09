//! Registers: values that several devices may set at once.
//!
//! Every `Set` names the values its author saw in the register. **A value is live until an
//! operation names it.** Two devices that set the same register without knowing of each other both
//! leave a live value; the next one who saw both names both. What was named is remembered for ever,
//! so that a name may arrive before the value it names, and so that two operations with the same
//! [`OpId`] (which only one author, among his own entries, can bring about) are both hit. The
//! register is therefore two sets, values and names, and the order of arrival cannot matter.
//!
//! Which of several live values is shown follows from the values alone: the one with the highest
//! stamp; in a set-like field a present element before an absent one.

use crate::{
    id::OpId,
    log::Origin,
    model::{Elements, Field, FieldType, Kind, Slot},
    store::ChainNo,
    time::Hlc,
    value::{Element, Value},
};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::cmp::Ordering;

/// A value that no operation replaced yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Live {
    /// The operation that set it.
    #[serde(with = "op_numbers")]
    pub op: OpId,
    /// When, by its author's clock.
    pub hlc: Hlc,
    /// The chain it came on, which tells the author: [`crate::workspace::Workspace::author`].
    pub chain: ChainNo,
    /// Whether a deletion saw it: an entity is shown while it has a live value that none saw.
    pub listed: bool,
    /// The value.
    pub value: Value,
}

/// Operations by number instead of bytes: a cache is read more often than it is sent.
mod op_numbers {
    use super::{Deserialize, OpId, Serialize};
    use serde::{Deserializer, Serializer};

    pub fn serialize<S: Serializer>(op: &OpId, serializer: S) -> Result<S::Ok, S::Error> {
        (op.entry, op.index).serialize(serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<OpId, D::Error> {
        let (entry, index) = Deserialize::deserialize(deserializer)?;
        Ok(OpId { entry, index })
    }
}

/// An [`OpId`] without padding: names are what a register holds most of.
type Packed = [u8; 10];

fn packed(op: OpId) -> Packed {
    let mut bytes = [0; 10];
    bytes[..8].copy_from_slice(&op.entry.to_be_bytes());
    bytes[8..].copy_from_slice(&op.index.to_be_bytes());
    bytes
}

/// A set of operations, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Names(Box<[Packed]>);

impl Serialize for Names {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(self.0.as_flattened())
    }
}

impl<'de> Deserialize<'de> for Names {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let bytes = crate::log::bytes_field::deserialize(deserializer)?;
        let (names, rest) = bytes.as_chunks();
        let ordered = names.is_sorted_by(|a, b| a < b) && rest.is_empty();
        ordered.then(|| Self(names.into())).ok_or_else(|| D::Error::custom("names out of order"))
    }
}

impl Names {
    pub(crate) fn contains(&self, op: OpId) -> bool {
        self.0.binary_search(&packed(op)).is_ok()
    }

    /// Whether it was not there before.
    pub(crate) fn insert(&mut self, op: OpId) -> bool {
        let op = packed(op);
        let Err(place) = self.0.binary_search(&op) else { return false };
        let mut names = std::mem::take(&mut self.0).into_vec();
        names.reserve_exact(1);
        names.insert(place, op);
        self.0 = names.into();
        true
    }
}

/// The live values of a register: nearly always one, which then needs no allocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
enum Values {
    One(Live),
    Other(Vec<Live>),
}

impl Values {
    fn as_slice(&self) -> &[Live] {
        match self {
            Self::One(live) => std::slice::from_ref(live),
            Self::Other(values) => values,
        }
    }

    fn as_mut_slice(&mut self) -> &mut [Live] {
        match self {
            Self::One(live) => std::slice::from_mut(live),
            Self::Other(values) => values,
        }
    }

    fn insert(&mut self, place: usize, live: Live) {
        let mut values = match std::mem::replace(self, Self::Other(Vec::new())) {
            Self::Other(values) if values.is_empty() => {
                *self = Self::One(live);
                return;
            }
            Self::Other(values) => values,
            Self::One(first) => vec![first],
        };
        values.insert(place, live);
        *self = Self::Other(values);
    }

    fn remove(&mut self, op: OpId) {
        match self {
            Self::One(live) if live.op == op => *self = Self::Other(Vec::new()),
            Self::One(_) => (),
            Self::Other(values) => {
                values.retain(|live| live.op != op);
                if values.len() == 1
                    && let Some(last) = values.pop()
                {
                    *self = Self::One(last);
                }
            }
        }
    }
}

/// One register of one entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Register {
    field: Field,
    /// Boxed, because few registers have one and it is large.
    element: Option<Box<Element>>,
    values: Values,
    named: Names,
}

impl Register {
    pub(crate) fn new(slot: Slot) -> Self {
        Self {
            field: slot.field,
            element: slot.element.map(Box::new),
            values: Values::Other(Vec::new()),
            named: Names::default(),
        }
    }

    pub(crate) fn field(&self) -> Field {
        self.field
    }

    pub(crate) fn element(&self) -> Option<&Element> {
        self.element.as_deref()
    }

    pub(crate) fn slot(&self) -> Slot {
        Slot { field: self.field, element: self.element().cloned() }
    }

    /// Compares the place of this register with that of `slot`.
    pub(crate) fn cmp_slot(&self, field: Field, element: Option<&Element>) -> Ordering {
        self.field.cmp(&field).then_with(|| self.element().cmp(&element))
    }

    /// The live values; the first is shown.
    pub(crate) fn live(&self) -> &[Live] {
        self.values.as_slice()
    }

    pub(crate) fn is_named(&self, op: OpId) -> bool {
        self.named.contains(op)
    }

    /// Adds a value, unless it was named already. `rank` says which of two is shown.
    pub(crate) fn add(&mut self, live: Live, rank: impl Fn(&Live, &Live) -> Ordering) {
        if !self.named.contains(live.op) {
            let place = self.live().partition_point(|other| rank(other, &live) == Ordering::Greater);
            self.values.insert(place, live);
        }
    }

    /// Names a value, known or not. Whether the name is new.
    pub(crate) fn name(&mut self, op: OpId) -> bool {
        let new = self.named.insert(op);
        if new {
            self.values.remove(op);
        }
        new
    }

    /// Marks the values that a deletion saw.
    pub(crate) fn list(&mut self, is_listed: impl Fn(OpId) -> bool) {
        for live in self.values.as_mut_slice() {
            live.listed |= is_listed(live.op);
        }
    }

    /// Whether there are live values that differ.
    pub(crate) fn is_contested(&self) -> bool {
        match self.live() {
            [first, rest @ ..] => rest.iter().any(|live| live.value != first.value),
            [] => false,
        }
    }
}

/// Whether a field is a set, whose elements are present or absent, rather than a map or a single
/// value.
pub(crate) fn is_set_like(kind: Kind, field: Field) -> bool {
    kind.field(field).is_some_and(|spec| spec.elements != Elements::None && spec.ty == FieldType::Bool)
}

/// Which of two live values is shown: the greater. `origin` breaks the tie between two equal
/// values under one [`OpId`], since chain numbers differ from device to device.
pub(crate) fn rank<'a>(
    set_like: impl Fn() -> bool,
    origin: impl Fn(ChainNo) -> Option<&'a Origin>,
) -> impl Fn(&Live, &Live) -> Ordering {
    move |a, b| {
        let present = |live: &Live| live.value.is_true() && set_like();
        (present(a), a.hlc, a.op, &a.value).cmp(&(present(b), b.hlc, b.op, &b.value)).then_with(|| {
            if a.chain == b.chain { Ordering::Equal } else { origin(a.chain).cmp(&origin(b.chain)) }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(entry: u64, value: Value) -> Live {
        let op = OpId { entry, index: 0 };
        Live { op, hlc: Hlc(entry), chain: ChainNo(0), listed: false, value }
    }

    fn add(register: &mut Register, set_like: bool, live: Live) {
        register.add(live, rank(|| set_like, |_| None));
    }

    #[test]
    fn the_highest_stamp_is_shown_and_a_named_value_is_gone_whichever_came_first() {
        let mut register = Register::new(Field(1).into());
        for entry in [2, 3, 1] {
            add(&mut register, false, live(entry, Value::Int(entry as i64)));
        }
        let shown: Vec<u64> = register.live().iter().map(|live| live.op.entry).collect();
        assert_eq!(shown, [3, 2, 1]);
        assert!(register.is_contested());

        assert!(register.name(OpId { entry: 3, index: 0 }));
        assert!(register.name(OpId { entry: 9, index: 0 }));
        add(&mut register, false, live(9, Value::Int(9)));
        add(&mut register, false, live(3, Value::Int(4)));
        assert_eq!(register.live().len(), 2, "neither the named nor its double came back");
    }

    #[test]
    fn a_present_element_is_shown_before_a_later_absent_one() {
        let mut register = Register::new(Field(1).into());
        add(&mut register, true, live(1, Value::Bool(true)));
        add(&mut register, true, live(2, Value::Bool(false)));
        assert!(register.live()[0].value.is_true());
    }

    #[test]
    fn registers_stay_small() {
        assert!(size_of::<Live>() <= 72 && size_of::<Register>() <= 104);
    }
}
