//! The text once more, as simply as the rule can be read: every character an object, all of it walked
//! by recursion. For tests and the simulator to compare with.

use super::{Anchor, ElementId, Place, Side, Splice, splice};
use crate::id::OpId;
use std::collections::{BTreeMap, BTreeSet};

/// An operation, and whether it has an effect.
pub(crate) type Done = (OpId, Vec<Splice>, bool);

/// Every character with what it hangs on.
#[derive(Default)]
pub(crate) struct Naive {
    chars: BTreeMap<ElementId, (char, bool)>,
    children: BTreeMap<Anchor, Vec<ElementId>>,
}

impl Naive {
    /// What the operations on one text make of it, whatever their order.
    pub(crate) fn read(place: Place, done: &[Done]) -> String {
        let mut naive = Self::default();
        let mut erased = BTreeSet::new();
        let restored: Vec<OpId> = done
            .iter()
            .filter(|(.., shown)| *shown)
            .flat_map(|(_, splices, _)| splices)
            .filter_map(|splice| if let Splice::Restore { op } = splice { Some(*op) } else { None })
            .collect();
        for (op, splices, shown) in done {
            let mut offset = 0;
            for splice in splices {
                match splice {
                    Splice::First { text } => {
                        let op = splice::first_op(place.0, place.1, text);
                        naive.insert(ElementId { op, offset: 0 }, Anchor::START, text, *shown);
                    }
                    Splice::Insert { anchor, text } => {
                        naive.insert(ElementId { op: *op, offset }, *anchor, text, *shown);
                        offset += text.chars().count() as u32;
                    }
                    Splice::Erase { from, count } if *shown && !restored.contains(op) => {
                        erased.extend((0..*count).map(|more| from.plus(more)));
                    }
                    _ => {}
                }
            }
        }
        let mut out = String::new();
        for side in [Side::Left, Side::Right] {
            naive.walk(Anchor { element: None, side }, &erased, &mut out);
        }
        out
    }

    fn insert(&mut self, first: ElementId, anchor: Anchor, text: &str, shown: bool) {
        let mut anchor = anchor;
        for (number, char) in text.chars().enumerate() {
            let element = first.plus(number as u32);
            if let Some((_, before)) = self.chars.get_mut(&element) {
                *before |= shown;
            } else {
                self.chars.insert(element, (char, shown));
                self.children.entry(anchor).or_default().push(element);
            }
            anchor = Anchor { element: Some(element), side: Side::Right };
        }
    }

    fn walk(&self, anchor: Anchor, erased: &BTreeSet<ElementId>, out: &mut String) {
        let mut children = self.children.get(&anchor).cloned().unwrap_or_default();
        children.sort_unstable();
        for element in children {
            let on = |side| Anchor { element: Some(element), side };
            self.walk(on(Side::Left), erased, out);
            if let Some((char, true)) = self.chars.get(&element).filter(|_| !erased.contains(&element)) {
                out.push(*char);
            }
            self.walk(on(Side::Right), erased, out);
        }
    }
}
