//! Long text that several people edit at once: merged character by character.
//!
//! A list CRDT after Fugue (Weidner, Kleppmann: "The Art of the Fugue", arXiv 2305.00583). Every
//! character is an *element* with an id that nobody else can have: the operation that inserted it and a
//! number. An element hangs on another one, to its left or right, and so all of them form a tree; read
//! from left to right it is the text. Whoever types goes on to the right of what was typed before, so
//! what one person wrote at a stretch stays together, wherever others wrote at the same time.
//!
//! What is kept are three sets: runs of inserted characters, erasures by their operation, and erasures
//! that were taken back. A text is a function of these, computed when it is read ([`render`]). So the
//! order in which operations arrive cannot matter, a character may come after one that hangs on it, and
//! the erasure of a character before the character.
//!
//! An operation that has no effect shows nothing and erases nothing. What it inserted still holds up
//! what others hung on it: their text stays where they typed it.
//!
//! The first text that a field ever gets takes its ids from what it says. So two devices that import
//! the same board, or fill in the same template, do not write it twice.

mod diff;
#[cfg(any(test, feature = "sim"))]
pub(crate) mod naive;
mod render;
mod splice;
#[cfg(test)]
mod tests;

pub use diff::TextEdit;
pub(crate) use diff::changed_words;
pub use splice::{Anchor, ElementId, Side, Splice};

use crate::{
    id::{EntityId, OpId},
    model::{EntityKey, Field, Kind},
    value::Value,
};
use imbl::{OrdMap, OrdSet};
use render::Rendered;
use serde::{Deserialize, Serialize};
use smol_str::SmolStr;
use std::{
    borrow::Cow,
    collections::BTreeSet,
    ops::Range,
    sync::{Arc, OnceLock},
};

/// Characters that were inserted in one piece.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
struct Run {
    anchor: Anchor,
    /// A letter or two as a rule: those take no memory of their own.
    text: SmolStr,
    /// Whether an operation with an effect inserted it.
    shown: bool,
}

/// What an operation erased.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Erasure {
    /// Elements of one operation each, by their offsets.
    ranges: Vec<(OpId, Range<u32>)>,
}

/// The text of one field. See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Text {
    /// What most texts are: written once, by this operation, and not changed since.
    Plain(Value, OpId),
    /// Any other.
    Edited(Box<Edits>),
}

/// Who wrote what nobody wrote.
const NOBODY: OpId = OpId { entry: 0, index: 0 };

/// Which text: the ids of a first text depend on it.
pub(crate) type Place = (EntityKey, Field);

impl Default for Text {
    fn default() -> Self {
        Self::Plain(Value::Unset, NOBODY)
    }
}

impl Text {
    /// What it says: a [`Value::Text`], or [`Value::Unset`] if that is empty.
    pub fn value(&self) -> &Value {
        match self {
            Self::Plain(value, _) => value,
            Self::Edited(edits) => &edits.rendered().value,
        }
    }

    /// Takes in an operation. `shown`: whether it has an effect.
    pub fn apply(&mut self, place: Place, op: OpId, splices: &[Splice], shown: bool) {
        match (&mut *self, splices) {
            (Self::Plain(value @ Value::Unset, by), [Splice::First { text }])
                if shown && !text.is_empty() =>
            {
                (*value, *by) = (Value::Text(text.clone()), op);
            }
            (Self::Plain(..), []) => {}
            (Self::Plain(..), _) => {
                let mut edits = self.edits(place).into_owned();
                edits.apply(place, op, splices, shown);
                *self = Self::Edited(Box::new(edits));
            }
            (Self::Edited(edits), _) => edits.apply(place, op, splices, shown),
        }
    }

    /// All that is known of it.
    fn edits(&self, place: Place) -> Cow<'_, Edits> {
        match self {
            Self::Edited(edits) => Cow::Borrowed(edits),
            Self::Plain(value, by) => {
                let mut edits = Edits::default();
                if let Value::Text(text) = value {
                    let first = Splice::First { text: text.clone() };
                    edits.apply(place, *by, &[first], true);
                }
                Cow::Owned(edits)
            }
        }
    }

    /// What makes it say `new`.
    pub fn edit(&self, place: Place, new: &str) -> TextEdit {
        match self {
            Self::Plain(Value::Unset, _) => TextEdit::first(new),
            _ => self.edits(place).edit(new),
        }
    }

    /// What it would say if these operations, which it knows, had an effect.
    pub fn value_with(&self, place: Place, ops: &[(OpId, &[Splice])]) -> Value {
        let mut text = self.clone();
        for (op, splices) in ops {
            text.apply(place, *op, splices, true);
        }
        text.value().clone()
    }

    /// The splices that take back what an operation did, as far as it still stands. `own`: which
    /// operations are by whom takes it back.
    pub fn revert(
        &self,
        place: Place,
        (op, splices): (OpId, &[Splice]),
        own: impl Fn(OpId) -> bool,
    ) -> Vec<Splice> {
        self.edits(place).revert(place, op, splices, own)
    }
}

/// A long text as somebody has it before them, to write on from there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextVersion {
    place: Place,
    text: Text,
}

impl TextVersion {
    pub(crate) fn new(place: Place, text: Option<&Text>) -> Self {
        Self { place, text: text.cloned().unwrap_or_default() }
    }

    /// What makes it say `new`. The edit fits any later state of the text.
    pub fn edit(&self, new: &str) -> TextEdit {
        self.text.edit(self.place, new)
    }
}

/// Puts what two made of the same text together, as their edits would. `carets`, counted in characters of
/// `mine`, stay behind the characters that they stand behind.
pub fn merge(base: &str, theirs: &str, mine: &str, carets: &mut [usize]) -> String {
    let place = (EntityKey::new(Kind::Task, EntityId([0; 16])), Field(0));
    let op = |entry| OpId { entry, index: 0 };
    let mut text = Text::default();
    text.apply(place, op(1), &text.edit(place, base).splices, true);
    let [theirs, mine] = [theirs, mine].map(|new| text.edit(place, new).splices);
    text.apply(place, op(3), &mine, true);
    let held = carets.iter().map(|caret| text.edits(place).rendered().before(*caret)).collect::<Vec<_>>();
    text.apply(place, op(2), &theirs, true);
    for (caret, element) in carets.iter_mut().zip(held) {
        *caret = text.edits(place).rendered().behind(element);
    }
    text.value().as_text().unwrap_or_default().to_owned()
}

/// All operations on a text.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Edits {
    /// By first element. There is one of an id, unless its author made two operations of one
    /// [`OpId`]; then the lowest counts, for everybody.
    runs: OrdMap<ElementId, Vec<Run>>,
    /// Of first texts that operations with an effect inserted: these.
    firsts: OrdMap<ElementId, BTreeSet<OpId>>,
    erasures: OrdMap<OpId, Erasure>,
    /// Erasures that an operation with an effect took back, known or not.
    restored: OrdSet<OpId>,
    #[serde(skip)]
    rendered: OnceLock<Arc<Rendered>>,
}

impl PartialEq for Edits {
    fn eq(&self, other: &Self) -> bool {
        let sets = |edits: &Self| {
            (edits.runs.clone(), edits.firsts.clone(), edits.erasures.clone(), edits.restored.clone())
        };
        sets(self) == sets(other)
    }
}

impl Eq for Edits {}

impl Edits {
    fn apply(&mut self, (key, field): Place, op: OpId, splices: &[Splice], shown: bool) {
        self.rendered.take();
        let mut offset = 0;
        for splice in splices {
            match splice {
                Splice::First { text } | Splice::Insert { text, .. } if text.is_empty() => {}
                Splice::First { text } => {
                    let run = Run { anchor: Anchor::START, text: SmolStr::new(text), shown };
                    let first = ElementId { op: splice::first_op(key, field, text), offset: 0 };
                    self.insert(first, run);
                    if shown {
                        self.firsts.entry(first).or_default().insert(op);
                    }
                }
                Splice::Insert { anchor, text } => {
                    let run = Run { anchor: *anchor, text: SmolStr::new(text), shown };
                    self.insert(ElementId { op, offset }, run);
                    offset += text.chars().count() as u32;
                }
                Splice::Erase { from, count } if shown => {
                    let range = from.offset..from.offset.saturating_add(*count);
                    self.erasures.entry(op).or_default().ranges.push((from.op, range));
                }
                Splice::Restore { op } if shown => _ = self.restored.insert(*op),
                Splice::Erase { .. } | Splice::Restore { .. } => {}
            }
        }
    }

    fn insert(&mut self, first: ElementId, run: Run) {
        let runs = self.runs.entry(first).or_default();
        let same = |known: &&mut Run| (&known.anchor, &known.text) == (&run.anchor, &run.text);
        if let Some(known) = runs.iter_mut().find(same) {
            known.shown |= run.shown;
        } else {
            runs.push(run);
            runs.sort_unstable();
        }
    }

    fn rendered(&self) -> &Rendered {
        self.rendered.get_or_init(|| Arc::new(Rendered::of(self)))
    }

    /// Whether nothing was ever inserted.
    fn is_blank(&self) -> bool {
        self.runs.is_empty()
    }

    /// The run that counts at each place.
    fn counted(&self) -> impl Iterator<Item = (ElementId, &Run)> {
        self.runs.iter().filter_map(|(first, runs)| Some((*first, runs.first()?)))
    }

    /// Erasures that stand, with their operations.
    fn standing(&self) -> impl Iterator<Item = (&OpId, &Erasure)> {
        self.erasures.iter().filter(|(op, _)| !self.restored.contains(*op))
    }

    fn revert(
        &self,
        (key, field): Place,
        op: OpId,
        splices: &[Splice],
        own: impl Fn(OpId) -> bool,
    ) -> Vec<Splice> {
        let mut reverts = Vec::new();
        let (mut offset, mut erased) = (0, Vec::new());
        for splice in splices {
            match splice {
                Splice::First { text } => {
                    let from = ElementId { op: splice::first_op(key, field, text), offset: 0 };
                    let others = self.firsts.get(&from).into_iter().flatten();
                    if others.filter(|by| **by != op).any(|by| !own(*by)) {
                        // Somebody else wrote the same.
                        continue;
                    }
                    reverts.extend(self.rendered().visible_in(from, text.chars().count() as u32));
                }
                Splice::Insert { text, .. } => {
                    let count = text.chars().count() as u32;
                    reverts.extend(self.rendered().visible_in(ElementId { op, offset }, count));
                    offset += count;
                }
                Splice::Erase { from, count } => {
                    erased.push((from.op, from.offset..from.offset.saturating_add(*count)));
                }
                Splice::Restore { op } => {
                    erased_again(self, *op, &mut reverts);
                }
            }
        }
        let touches = |erasure: &Erasure| {
            erasure
                .ranges
                .iter()
                .any(|(of, range)| erased.iter().any(|(op, other)| op == of && overlap(range, other)))
        };
        let standing = self.standing().filter(|(by, erasure)| own(**by) && touches(erasure));
        let by: BTreeSet<OpId> = standing.map(|(by, _)| *by).collect();
        reverts.extend(by.into_iter().map(|op| Splice::Restore { op }));
        reverts
    }
}

/// The elements that an erasure hit which was taken back, to be erased again.
fn erased_again(text: &Edits, op: OpId, splices: &mut Vec<Splice>) {
    let Some(erasure) = text.erasures.get(&op).filter(|_| text.restored.contains(&op)) else { return };
    for (of, range) in &erasure.ranges {
        let from = ElementId { op: *of, offset: range.start };
        splices.extend(text.rendered().visible_in(from, range.end - range.start));
    }
}

fn overlap(a: &Range<u32>, b: &Range<u32>) -> bool {
    a.start < b.end && b.start < a.end
}
