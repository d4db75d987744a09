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
//!
//! Registers hold one value and a few names as a rule, and then take little memory. A hundred
//! thousand of either is only slower by the depth of a tree ([`limits::FEW`]).

mod crowd;
mod names;
mod settled;
mod values;

pub(crate) use names::Names;
pub(crate) use settled::{Was, read_map};
pub use values::Lives;

use crate::{
    id::OpId,
    limits,
    log::Origin,
    model::{Elements, Field, FieldType, Kind, Slot},
    store::ChainNo,
    time::Hlc,
    value::{Element, Value},
};
use serde::{Deserialize, Serialize};
use settled::Settled;
use std::cmp::Ordering;
use values::Values;

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

/// One register of one entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Register {
    field: Field,
    rare: Option<Box<Rare>>,
    values: Values,
    named: Names,
}

/// What few registers have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Rare {
    element: Option<Element>,
    settled: Option<Box<Settled>>,
}

impl Register {
    pub(crate) fn new(slot: Slot) -> Self {
        Self {
            field: slot.field,
            rare: slot.element.map(|element| Box::new(Rare { element: Some(element), settled: None })),
            values: Values::NONE,
            named: Names::default(),
        }
    }

    pub(crate) fn field(&self) -> Field {
        self.field
    }

    pub(crate) fn element(&self) -> Option<&Element> {
        self.rare.as_ref()?.element.as_ref()
    }

    fn settled(&self) -> Option<&Settled> {
        self.rare.as_ref()?.settled.as_deref()
    }

    fn settled_mut(&mut self) -> Option<&mut Settled> {
        self.rare.as_mut()?.settled.as_deref_mut()
    }

    fn make_settled(&mut self) -> &mut Settled {
        self.rare.get_or_insert_default().settled.get_or_insert_default()
    }

    pub(crate) fn slot(&self) -> Slot {
        Slot { field: self.field, element: self.element().cloned() }
    }

    /// Compares the place of this register with that of `slot`.
    pub(crate) fn cmp_slot(&self, field: Field, element: Option<&Element>) -> Ordering {
        self.field.cmp(&field).then_with(|| self.element().cmp(&element))
    }

    /// The live values; the first is shown.
    pub(crate) fn live(&self) -> Lives<'_> {
        self.values.lives()
    }

    pub(crate) fn is_named(&self, op: OpId) -> bool {
        self.named.contains(op)
    }

    /// Every operation that has a value here or was named.
    pub(crate) fn mentioned(&self) -> impl Iterator<Item = OpId> {
        self.named.iter().chain(self.live().iter().map(|live| live.op))
    }

    /// Adds a value, unless it was named already.
    pub(crate) fn add<'a>(&mut self, live: Live, rank: &Rank<impl Fn(ChainNo) -> Option<&'a Origin>>) {
        if !self.named.contains(live.op) {
            self.values.insert(live, rank);
        } else if let Some(settled) = self.settled_mut() {
            settled.came_late(&live);
        }
    }

    /// To be called before `names` are named, which `by` replaces.
    pub(crate) fn settle(&mut self, by: OpId, names: &[OpId]) {
        if !(2..=limits::SETTLED).contains(&names.len()) {
            return;
        }
        let new = names.iter().filter(|op| !self.named.contains(**op));
        let ended: Vec<(OpId, Vec<Was>)> =
            new.map(|op| (*op, self.live().of(*op).map(Was::of).collect())).collect();
        self.make_settled().settle(by, names, ended);
    }

    /// Remembers what an undo replaced, to be called after it was added.
    pub(crate) fn note_undo(&mut self, op: OpId, names: &[OpId]) {
        let ended = self.settled().is_some_and(|settled| settled.has_ended(op));
        if names.len() <= limits::SETTLED && (ended || !self.named.contains(op)) {
            self.make_settled().undo(op, names);
        }
    }

    /// The value that a live value gives back, if an undo did. `rank` decides between several.
    pub(crate) fn origin<K: Ord>(&self, live: &Live, rank: impl Fn(&Was) -> K) -> Option<Was> {
        self.settled()?.origin(live.op, &live.value, rank)
    }

    /// To be called once after reading, before anything else.
    pub(crate) fn open<'a>(&mut self, rank: &Rank<impl Fn(ChainNo) -> Option<&'a Origin>>) {
        self.values.settle(rank);
    }

    /// Names a value, known or not. Whether the name is new.
    pub(crate) fn name(&mut self, op: OpId) -> bool {
        let new = self.named.insert(op);
        if new {
            self.values.remove(op);
        }
        if let Some(settled) = self.settled_mut() {
            settled.named(op, !new);
        }
        new
    }

    /// Marks a value as seen by a deletion. How many were not marked before: there is one of an
    /// operation, unless ids collide.
    pub(crate) fn list(&mut self, op: OpId) -> u32 {
        self.values.list(op)
    }

    /// What this register adds to the counts of its entity.
    pub(crate) fn tally(&self, kind: Kind) -> Tally {
        let live = self.live();
        let told = || kind.field(self.field).is_some_and(|spec| spec.conflicts);
        let conflict = live.len() > 1 && live.differ() && told();
        Tally { live: live.len() as u32, unlisted: live.unlisted(), conflicts: u32::from(conflict) }
    }
}

/// Counts over registers, kept in step so that nobody has to walk past all of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Live values.
    pub live: u32,
    /// Those that no deletion saw.
    pub unlisted: u32,
    /// Registers whose values differ where people are told.
    pub conflicts: u32,
}

impl Tally {
    /// Puts what a register counts `now` in the place of what it counted `before`.
    pub(crate) fn replace(&mut self, before: Self, now: Self) {
        self.live = self.live - before.live + now.live;
        self.unlisted = self.unlisted - before.unlisted + now.unlisted;
        self.conflicts = self.conflicts - before.conflicts + now.conflicts;
    }
}

/// Whether a field is a set, whose elements are present or absent, rather than a map or a single
/// value.
pub(crate) fn is_set_like(kind: Kind, field: Field) -> bool {
    kind.field(field).is_some_and(|spec| spec.elements != Elements::None && spec.ty == FieldType::Bool)
}

/// Which of two live values of a field is shown: the greater.
pub(crate) struct Rank<F> {
    pub kind: Kind,
    pub field: Field,
    /// Whose a chain is. Breaks the tie between two equal values under one [`OpId`], since chain
    /// numbers differ from device to device.
    pub origin: F,
}

impl<'a, F: Fn(ChainNo) -> Option<&'a Origin>> Rank<F> {
    /// Whether a value is that of an element that is there: it goes before absent ones.
    fn is_present(&self, live: &Live) -> bool {
        live.value.is_true() && is_set_like(self.kind, self.field)
    }

    fn cmp(&self, a: &Live, b: &Live) -> Ordering {
        let key = |live: &Live| (self.is_present(live), live.hlc, live.op);
        key(a).cmp(&key(b)).then_with(|| a.value.cmp(&b.value)).then_with(|| {
            if a.chain == b.chain {
                Ordering::Equal
            } else {
                (self.origin)(a.chain).cmp(&(self.origin)(b.chain))
            }
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

    const TITLE: Field = crate::model::task::TITLE;
    const LABELS: Field = crate::model::task::LABELS;

    fn rank(field: Field) -> Rank<impl Fn(ChainNo) -> Option<&'static Origin>> {
        Rank { kind: Kind::Task, field, origin: |_| None }
    }

    fn op(entry: u64) -> OpId {
        OpId { entry, index: 0 }
    }

    #[test]
    fn the_highest_stamp_is_shown_and_a_named_value_is_gone_whichever_came_first() {
        let mut register = Register::new(TITLE.into());
        for entry in [2, 3, 1] {
            register.add(live(entry, Value::Int(entry as i64)), &rank(TITLE));
        }
        let shown: Vec<u64> = register.live().iter().map(|live| live.op.entry).collect();
        assert_eq!(shown, [3, 2, 1]);
        assert_eq!(register.tally(Kind::Task), Tally { live: 3, unlisted: 3, conflicts: 1 });

        assert!(register.name(op(3)));
        assert!(register.name(op(9)));
        register.add(live(9, Value::Int(9)), &rank(TITLE));
        register.add(live(3, Value::Int(4)), &rank(TITLE));
        assert_eq!(register.live().len(), 2, "neither the named nor its double came back");
    }

    #[test]
    fn a_present_element_is_shown_before_a_later_absent_one() {
        let mut register = Register::new(LABELS.into());
        register.add(live(1, Value::Bool(true)), &rank(LABELS));
        register.add(live(2, Value::Bool(false)), &rank(LABELS));
        assert!(register.live().first().unwrap().value.is_true());
    }

    #[test]
    fn many_values_and_names_are_as_few_are() {
        // Every operation on a plain list and on the register, across the bound and back.
        let mut register = Register::new(LABELS.into());
        let mut plain: Vec<Live> = Vec::new();
        let count = 3 * limits::FEW as u64;
        let scattered = |number: u64| number * 71 % count;
        for number in 0..count {
            let live = live(scattered(number), Value::Bool(number % 3 == 0));
            plain.push(live.clone());
            register.add(live, &rank(LABELS));
            assert_same(&mut plain, &register);
        }
        for number in 0..count {
            let gone = op(scattered(number * 5));
            let marked = op(scattered(number));
            let found = plain.iter_mut().find(|live| live.op == marked && !live.listed);
            assert_eq!(register.list(marked), u32::from(found.is_some()));
            if let Some(live) = found {
                live.listed = true;
            }
            assert!(register.name(gone));
            assert!(!register.name(gone) && register.is_named(gone));
            plain.retain(|live| live.op != gone);
            assert_same(&mut plain, &register);
        }
        assert_eq!(register.mentioned().count() as u64, count);
    }

    fn assert_same(plain: &mut [Live], register: &Register) {
        plain.sort_by(|a, b| rank(LABELS).cmp(b, a));
        assert!(register.live().iter().eq(&*plain));
        assert_eq!(register.live().first(), plain.first());
        let differ = plain.iter().any(|live| live.value != plain[0].value);
        assert_eq!((register.live().len(), register.live().differ()), (plain.len(), differ));
        assert_eq!(register.live().unlisted(), plain.iter().map(|live| u32::from(!live.listed)).sum::<u32>());
        let (mut read, _): (Register, usize) =
            crate::codec::decode_local(&crate::codec::encode(register)).unwrap();
        read.open(&rank(LABELS));
        assert_eq!(read, *register);
    }

    #[test]
    fn registers_stay_small() {
        assert!(size_of::<Live>() <= 72 && size_of::<Register>() <= 104);
    }
}
