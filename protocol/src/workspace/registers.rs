//! The registers of one entity, and which of them an operation concerns.

use crate::{
    id::OpId,
    limits,
    model::{Field, Kind, Slot},
    register::{Lives, Register, Tally},
    value::Element,
};
use imbl::{OrdMap, OrdSet};
use serde::{Deserialize, Deserializer, Serialize, Serializer, ser::SerializeSeq};

/// What void operations name: whoever names the void operation names these too.
pub(super) type Voids = OrdMap<OpId, Vec<OpId>>;

/// In order of slots: a list while there are few, as is usual, else a tree. After reading it is a
/// list, until [`Registers::open`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Registers {
    Few(Vec<Register>),
    Many(Box<Table>),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Table {
    registers: OrdMap<Slot, Register>,
    /// Where an operation is live or named. An operation leaves a register's values only by being
    /// named in it, so nothing is ever taken out.
    mentions: OrdSet<(OpId, Slot)>,
}

impl Default for Registers {
    fn default() -> Self {
        Self::Few(Vec::new())
    }
}

impl Serialize for Registers {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(Some(self.len()))?;
        for register in self.iter() {
            list.serialize_element(register)?;
        }
        list.end()
    }
}

impl<'de> Deserialize<'de> for Registers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::Few(Vec::deserialize(deserializer)?))
    }
}

impl Registers {
    fn len(&self) -> usize {
        match self {
            Self::Few(registers) => registers.len(),
            Self::Many(table) => table.registers.len(),
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &Register> {
        let (few, many) = match self {
            Self::Few(registers) => (registers.as_slice(), None),
            Self::Many(table) => (&[][..], Some(table)),
        };
        few.iter().chain(many.into_iter().flat_map(|table| table.registers.values()))
    }

    /// To be called once after reading, before anything else; `each` with every register.
    pub fn open(&mut self, each: impl FnMut(&mut Register)) {
        if let Self::Few(registers) = self {
            registers.iter_mut().for_each(each);
        }
        self.settle();
    }

    /// The registers of one field, by element.
    pub fn of_field(&self, field: Field) -> impl Iterator<Item = &Register> {
        let (few, many) = match self {
            Self::Few(registers) => {
                let start = registers.partition_point(|register| register.field() < field);
                (registers.get(start..).unwrap_or_default(), None)
            }
            Self::Many(table) => (&[][..], Some(table.registers.range(Slot::from(field)..))),
        };
        let many = many.into_iter().flatten().map(|(_, register)| register);
        few.iter().chain(many).take_while(move |register| register.field() == field)
    }

    pub fn live(&self, field: Field, element: Option<&Element>) -> Lives<'_> {
        let register = match self {
            Self::Few(registers) => find(registers, field, element).ok().and_then(|at| registers.get(at)),
            Self::Many(table) => table.registers.get(&Slot { field, element: element.cloned() }),
        };
        register.map(Register::live).unwrap_or_default()
    }

    /// Changes the register of `slot`, made if there was none. The change tells every operation
    /// that it makes live or names.
    pub fn change(
        &mut self,
        slot: Slot,
        tally: &mut Tally,
        kind: Kind,
        change: impl FnOnce(&mut Register, Tell<'_>),
    ) {
        match self {
            Self::Few(registers) => {
                let place = find(registers, slot.field, slot.element.as_ref()).unwrap_or_else(|place| {
                    grow(registers);
                    registers.insert(place, Register::new(slot));
                    place
                });
                if let Some(register) = registers.get_mut(place) {
                    counted(register, tally, kind, |register| change(register, &mut |_| ()));
                }
                self.settle();
            }
            Self::Many(table) => {
                let made = || Register::new(slot.clone());
                let register = table.registers.entry(slot.clone()).or_insert_with(made);
                let mentions = &mut table.mentions;
                let mut tell = |op| _ = mentions.insert((op, slot.clone()));
                counted(register, tally, kind, |register| change(register, &mut tell));
            }
        }
    }

    /// Changes each register in which `op` may be live or named.
    pub fn change_mentioning(
        &mut self,
        op: OpId,
        tally: &mut Tally,
        kind: Kind,
        mut change: impl FnMut(&mut Register, Tell<'_>),
    ) {
        match self {
            Self::Few(registers) => {
                for register in registers {
                    counted(register, tally, kind, |register| change(register, &mut |_| ()));
                }
            }
            Self::Many(table) => {
                for slot in table.mentioning(op) {
                    let Some(register) = table.registers.get_mut(&slot) else { continue };
                    let mentions = &mut table.mentions;
                    let mut tell = |op| _ = mentions.insert((op, slot.clone()));
                    counted(register, tally, kind, |register| change(register, &mut tell));
                }
            }
        }
    }

    /// Marks the value of `op` as seen by a deletion. How many were not marked before.
    pub fn list(&mut self, op: OpId) -> u32 {
        match self {
            Self::Few(registers) => registers.iter_mut().map(|register| register.list(op)).sum(),
            Self::Many(table) => {
                let slots = table.mentioning(op);
                slots.iter().filter_map(|slot| Some(table.registers.get_mut(slot)?.list(op))).sum()
            }
        }
    }

    /// Gives a list that has become long the shape of a long one.
    fn settle(&mut self) {
        if let Self::Few(registers) = self
            && registers.len() > limits::FEW
        {
            let mut table = Table::default();
            for register in std::mem::take(registers) {
                let slot = register.slot();
                table.mentions.extend(register.mentioned().map(|op| (op, slot.clone())));
                table.registers.insert(slot, register);
            }
            *self = Self::Many(Box::new(table));
        }
    }
}

impl Table {
    fn mentioning(&self, op: OpId) -> Vec<Slot> {
        let from = (op, Slot::from(Field(0)));
        self.mentions.range(from..).take_while(|(of, _)| *of == op).map(|(_, slot)| slot.clone()).collect()
    }
}

/// Called with each operation that a change makes live or names in a register.
pub(super) type Tell<'a> = &'a mut dyn FnMut(OpId);

fn counted(register: &mut Register, tally: &mut Tally, kind: Kind, change: impl FnOnce(&mut Register)) {
    let before = register.tally(kind);
    change(register);
    tally.replace(before, register.tally(kind));
}

fn find(registers: &[Register], field: Field, element: Option<&Element>) -> Result<usize, usize> {
    registers.binary_search_by(|register| register.cmp_slot(field, element))
}

/// Makes room for one more: exactly while there are few, as is usual, doubling later.
fn grow<T>(list: &mut Vec<T>) {
    if list.len() == list.capacity() && list.len() < 16 {
        list.reserve_exact(1);
    }
}
