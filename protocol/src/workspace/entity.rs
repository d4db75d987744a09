//! One entity: its registers, what deletions listed, and the way back to the log.

use super::registers::{Registers, Tell, Voids};
use crate::{
    id::{EntityId, OpId},
    log::Origin,
    model::{ALIVE, Field, Kind, Slot},
    register::{self, Live, Lives, Names, Rank, Register, Tally},
    snapshot::PageNo,
    store::{ChainNo, EntryAt},
    text::{self, Splice, Text},
    time::Hlc,
    value::{Element, Value},
};
use serde::{Deserialize, Serialize};

/// When and by whom something was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stamp {
    pub op: OpId,
    pub hlc: Hlc,
    pub chain: ChainNo,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Entity {
    registers: Registers,
    /// Of long texts what they say; their registers hold the edits that nobody has edited over.
    texts: Vec<(Field, Text)>,
    touched: Trail,
    /// The earliest value that its register of existence ever got.
    pub created: Option<(Hlc, ChainNo)>,
    rare: Option<Box<Rare>>,
    /// Where the snapshot keeps it.
    #[serde(skip)]
    pub page: PageNo,
    #[serde(skip)]
    tally: Tally,
}

/// What few entities have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Rare {
    /// Everything that deletions list, known or not.
    listed: Names,
    /// The latest deletion.
    deletion: Option<Stamp>,
    #[serde(deserialize_with = "register::read_map")]
    voids: Voids,
}

impl Entity {
    pub fn new(page: PageNo) -> Self {
        Self { page, ..Self::default() }
    }

    /// To be called once after reading, before anything else.
    pub fn open<'a>(&mut self, kind: Kind, origin: impl Fn(ChainNo) -> Option<&'a Origin>) {
        let tally = &mut self.tally;
        self.registers.open(|register| {
            register.open(&Rank { kind, field: register.field(), origin: &origin });
            tally.replace(Tally::default(), register.tally(kind));
        });
    }

    /// Whether some live value is listed by no deletion.
    pub fn is_shown(&self) -> bool {
        self.tally.unlisted > 0
    }

    pub fn has_values(&self) -> bool {
        self.tally.live > 0
    }

    /// Registers whose values differ where people are told.
    pub fn conflicts(&self) -> usize {
        self.tally.conflicts as usize
    }

    /// Whether it can have a conflict of its own: most entities never do.
    pub fn may_conflict(&self) -> bool {
        self.tally.conflicts > 0 || self.deletion().is_some()
    }

    pub fn registers(&self) -> impl Iterator<Item = &Register> {
        self.registers.iter()
    }

    /// Every live value of every register.
    pub fn lives(&self) -> impl Iterator<Item = &Live> {
        self.registers.iter().flat_map(|register| register.live().iter())
    }

    pub fn live(&self, field: Field, element: Option<&Element>) -> Lives<'_> {
        self.registers.live(field, element)
    }

    /// The value shown, `None` if unset.
    pub fn value(&self, field: Field) -> Option<&Value> {
        self.shown(field, None)
    }

    /// The value shown of a field or of one of its elements, `None` if unset.
    pub fn shown(&self, field: Field, element: Option<&Element>) -> Option<&Value> {
        match self.text(field) {
            Some(text) => Some(text.value()).filter(|value| **value != Value::Unset),
            None => shown_value(self.live(field, element)),
        }
    }

    /// A long text that something was ever written of.
    pub fn text(&self, field: Field) -> Option<&Text> {
        self.texts.iter().find(|(of, _)| *of == field).map(|(_, text)| text)
    }

    /// Every such text, in order of fields.
    pub fn texts(&self) -> impl Iterator<Item = (Field, &Text)> {
        self.texts.iter().map(|(field, text)| (*field, text))
    }

    /// Takes in an operation on a long text. `shown`: whether it has an effect.
    pub fn edit_text(&mut self, place: text::Place, op: OpId, splices: &[Splice], shown: bool) {
        let field = place.1;
        let index = self.texts.partition_point(|(of, _)| *of < field);
        if self.texts.get(index).is_none_or(|(of, _)| *of != field) {
            self.texts.insert(index, (field, Text::default()));
        }
        if let Some((_, text)) = self.texts.get_mut(index) {
            text.apply(place, op, splices, shown);
        }
    }

    /// The entity that a field refers to.
    pub fn reference(&self, field: Field) -> Option<EntityId> {
        self.value(field).and_then(Value::as_entity)
    }

    /// The registers of one field, by element.
    pub fn elements(&self, field: Field) -> impl Iterator<Item = &Register> {
        self.registers.of_field(field)
    }

    pub fn deletion(&self) -> Option<&Stamp> {
        self.rare.as_ref()?.deletion.as_ref()
    }

    pub fn touched(&self) -> &Trail {
        &self.touched
    }

    pub fn touch(&mut self, at: EntryAt) {
        self.touched.push(at);
    }

    /// Gives a register a value and removes what `replaces` names. `undo`: to give back what the
    /// named ones had replaced.
    pub fn set<'a>(
        &mut self,
        slot: Slot,
        mut live: Live,
        (replaces, undo): (&[OpId], bool),
        rank: &Rank<impl Fn(ChainNo) -> Option<&'a Origin>>,
    ) {
        live.listed = self.rare.as_ref().is_some_and(|rare| rare.listed.contains(live.op));
        let voids = self.rare.as_ref().map(|rare| &rare.voids);
        self.registers.change(slot, &mut self.tally, rank.kind, |register, tell| {
            tell(live.op);
            let op = live.op;
            register.settle(op, replaces);
            // Names first: the register then holds one value throughout, which needs no allocation.
            name(register, voids, replaces, tell);
            register.add(live, rank);
            if undo {
                register.note_undo(op, replaces);
            }
        });
    }

    /// Marks what `lists` names as seen by a deletion.
    pub fn delete(&mut self, stamp: Stamp, lists: &[OpId], later: impl Fn(&Stamp, &Stamp) -> bool) {
        let rare = self.rare.get_or_insert_default();
        if rare.deletion.as_ref().is_none_or(|old| later(&stamp, old)) {
            rare.deletion = Some(stamp);
        }
        self.list(lists);
    }

    /// Remembers what a void operation names, and passes it on if the operation itself is named.
    /// Whether it is.
    pub fn void(&mut self, kind: Kind, op: OpId, names: &[OpId]) -> bool {
        let rare = self.rare.get_or_insert_default();
        rare.voids.entry(op).or_default().extend_from_slice(names);
        let mut passed_on = false;
        self.registers.change_mentioning(op, &mut self.tally, kind, |register, tell| {
            if register.is_named(op) {
                name(register, Some(&rare.voids), names, tell);
                passed_on = true;
            }
        });
        if rare.listed.contains(op) {
            self.list(names);
            passed_on = true;
        }
        passed_on
    }

    /// Operations on it that have no effect.
    pub fn void_ops(&self) -> impl Iterator<Item = OpId> {
        self.rare.iter().flat_map(|rare| rare.voids.keys().copied())
    }

    fn list(&mut self, lists: &[OpId]) {
        let rare = self.rare.get_or_insert_default();
        let mut pending = lists.to_vec();
        while let Some(op) = pending.pop() {
            if rare.listed.insert(op) {
                pending.extend(rare.voids.get(&op).into_iter().flatten());
                self.tally.unlisted -= self.registers.list(op);
            }
        }
    }

    /// Notes that it was created, or restored, unless that happened before. `earlier` compares
    /// chains by something that all devices agree on.
    pub fn note_created(&mut self, stamp: (Hlc, ChainNo), earlier: impl Fn(ChainNo, ChainNo) -> bool) {
        let replace = self.created.is_none_or(|(hlc, chain)| {
            stamp.0 < hlc || (stamp.0 == hlc && chain != stamp.1 && earlier(stamp.1, chain))
        });
        if replace {
            self.created = Some(stamp);
        }
    }
}

/// Names values in a register, and what void operations among the names name themselves.
fn name(register: &mut Register, voids: Option<&Voids>, names: &[OpId], tell: Tell<'_>) {
    let Some(voids) = voids.filter(|voids| !voids.is_empty()) else {
        for op in names {
            register.name(*op);
            tell(*op);
        }
        return;
    };
    let mut pending = names.to_vec();
    while let Some(op) = pending.pop() {
        if register.name(op) {
            tell(op);
            pending.extend(voids.get(&op).into_iter().flatten());
        }
    }
}

/// The first live value, unless it is the one that stands for nothing.
pub(crate) fn shown_value(live: Lives<'_>) -> Option<&Value> {
    live.first().map(|live| &live.value).filter(|value| **value != Value::Unset)
}

/// Whether an operation on `slot` brings an entity into being.
pub(crate) fn creates(slot: &Slot) -> bool {
    slot.field == ALIVE.field
}

/// Places in the store, a few bytes each: chain and position as LEB128.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Trail(#[serde(with = "crate::log::bytes_field")] Vec<u8>);

impl Trail {
    /// Appends, unless it is the last one already.
    fn push(&mut self, at: EntryAt) {
        let start = self.0.len();
        push_leb(&mut self.0, u64::from(at.chain.0));
        push_leb(&mut self.0, at.position);
        let (before, new) = self.0.split_at(start);
        let whole = |rest: &[u8]| rest.last().is_none_or(|byte| *byte < 0x80);
        if before.strip_suffix(new).is_some_and(whole) {
            self.0.truncate(start);
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = EntryAt> + '_ {
        let mut rest = self.0.as_slice();
        std::iter::from_fn(move || {
            let chain = ChainNo(pop_leb(&mut rest)? as u32);
            Some(EntryAt { chain, position: pop_leb(&mut rest)? })
        })
    }
}

fn push_leb(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn pop_leb(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        if *byte < 0x80 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trail_gives_back_what_it_was_given_without_repeats() {
        let at = |chain, position| EntryAt { chain: ChainNo(chain), position };
        let places = [at(130, 5), at(2, 5), at(2, 133), at(5, 1), at(1, 5), at(u32::MAX, u64::MAX)];
        let mut trail = Trail::default();
        for place in places {
            trail.push(place);
            trail.push(place);
        }
        assert_eq!(trail.iter().collect::<Vec<_>>(), places);
    }
}
