//! What an edit of a long text took out and put in, in a few words.

use crate::{
    id::OpId,
    limits,
    model::{EntityKey, Field},
    text::{Splice, Text, changed_words},
};
use std::collections::BTreeMap;

/// Characters of one piece that are told.
const PIECE: usize = 40;
/// Places of one edit that are told.
const PLACES: usize = 3;

/// What an edit did: of each place what went and what came, a few of them in short. Everything is on one
/// line, without characters that would hide or turn round what stands beside them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Edit {
    /// At most three.
    pub places: Vec<Place>,
    /// How many more there are.
    pub more: usize,
    /// Characters that went, of which is not known here what they said.
    pub unknown: u64,
}

/// One place of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// What went; empty if nothing did.
    pub removed: String,
    /// What came.
    pub inserted: String,
}

impl Edit {
    fn between(old: &str, new: &str) -> Self {
        Self::of(changed_words(old, new).into_iter())
    }

    fn of(changes: impl Iterator<Item = (String, String)>) -> Self {
        let clipped =
            changes.map(|(removed, inserted)| Place { removed: clip(&removed), inserted: clip(&inserted) });
        let is_seen = |place: &Place| !place.removed.is_empty() || !place.inserted.is_empty();
        let mut places: Vec<Place> = clipped.filter(is_seen).collect();
        let more = places.len().saturating_sub(PLACES);
        places.truncate(PLACES);
        Self { places, more, unknown: 0 }
    }

    /// Of an edit of which is not known what the text said before.
    pub fn alone(splices: &[Splice]) -> Self {
        let inserted = splices.iter().filter_map(|splice| match splice {
            Splice::First { text } | Splice::Insert { text, .. } => Some((String::new(), text.to_string())),
            Splice::Erase { .. } | Splice::Restore { .. } => None,
        });
        let erased =
            |splice: &Splice| if let Splice::Erase { count, .. } = splice { u64::from(*count) } else { 0 };
        Self { unknown: splices.iter().map(erased).sum(), ..Self::of(inserted) }
    }

    /// As it stands in a sentence: `"old" → "new", +"more"`. Empty if there is nothing to be seen.
    pub fn words(&self) -> String {
        let say = |place: &Place| match (place.removed.as_str(), place.inserted.as_str()) {
            ("", inserted) => format!("+\"{inserted}\""),
            (removed, "") => format!("−\"{removed}\""),
            (removed, inserted) => format!("\"{removed}\" → \"{inserted}\""),
        };
        let mut words: Vec<String> = self.places.iter().map(say).collect();
        match self.unknown {
            0 => {}
            1 => words.push("−1 character".to_owned()),
            count => words.push(format!("−{count} characters")),
        }
        if self.more > 0 {
            words.push(format!("and {} more", self.more));
        }
        words.join(", ")
    }
}

/// The edits of an entity's long texts, in the order in which they came.
#[derive(Debug, Default)]
pub(super) struct Edits(Vec<(OpId, Field, Vec<Splice>)>);

impl Edits {
    pub fn push(&mut self, op: OpId, field: Field, splices: &[Splice]) {
        self.0.push((op, field, splices.to_vec()));
    }

    /// What each of the latest did. The text is laid out for those alone: of the others is told what they
    /// say themselves, however many there are.
    pub fn tell(self, key: EntityKey) -> BTreeMap<OpId, Edit> {
        let mut texts: BTreeMap<Field, Text> = BTreeMap::new();
        let first = self.0.len().saturating_sub(limits::EXCERPTS);
        let mut told = BTreeMap::new();
        for (number, (op, field, splices)) in self.0.into_iter().enumerate() {
            let text = texts.entry(field).or_default();
            let said = |text: &Text| text.value().as_text().unwrap_or_default().to_owned();
            let before = (number >= first).then(|| said(text));
            text.apply((key, field), op, &splices, true);
            let edit = match before {
                Some(before) => Edit::between(&before, &said(text)),
                None => Edit::alone(&splices),
            };
            told.insert(op, edit);
        }
        told
    }
}

/// The words on one line, with the middle of a long piece left out.
fn clip(text: &str) -> String {
    let shown = |c: &char| !is_hidden(*c);
    let plain: String = text.chars().map(|c| if c.is_whitespace() { ' ' } else { c }).filter(shown).collect();
    let words: Vec<&str> = plain.split_whitespace().collect();
    let line: Vec<char> = words.join(" ").chars().collect();
    if line.len() <= PIECE {
        return line.into_iter().collect();
    }
    let (start, end) = (&line[..PIECE / 2], &line[line.len() - PIECE / 2..]);
    let (start, end): (String, String) = (start.iter().collect(), end.iter().collect());
    format!("{} … {}", start.trim_end(), end.trim_start())
}

/// What a terminal obeys, and what turns the reading direction: cut off from its end it would turn
/// everything that follows.
fn is_hidden(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        id::EntityId,
        model::{Kind, task},
        text::ElementId,
    };

    const KEY: EntityKey = EntityKey::new(Kind::Task, EntityId([7; 16]));

    /// Writes texts one after the other, as the application does; the words of each edit.
    fn told(texts: &[&str]) -> Vec<String> {
        let (mut text, mut edits) = (Text::default(), Edits::default());
        for (number, new) in (1..).zip(texts) {
            let op = OpId { entry: number, index: 0 };
            let edit = text.edit((KEY, task::DESCRIPTION), new);
            edits.push(op, task::DESCRIPTION, &edit.splices);
            text.apply((KEY, task::DESCRIPTION), op, &edit.splices, true);
        }
        edits.tell(KEY).into_values().map(|edit| edit.words()).collect()
    }

    #[test]
    fn what_came_and_went_is_told_in_whole_words() {
        let words = told(&[
            "Order the paint",
            "Order the blue paint",
            "Order the blue paint and two brushes",
            "Order two brushes",
            "Order three brushes",
            "Order three brushes. Call Ben",
            "Reorder three brushes. Call Benjamin",
            "",
        ]);
        assert_eq!(
            words,
            [
                "+\"Order the paint\"",
                "+\"blue\"",
                "+\"and two brushes\"",
                "−\"the blue paint and\"",
                "\"two\" → \"three\"",
                "+\". Call Ben\"",
                "\"Order\" → \"Reorder\", \"Ben\" → \"Benjamin\"",
                "−\"Reorder three brushes. Call Benjamin\"",
            ]
        );
    }

    #[test]
    fn long_pieces_are_clipped_and_many_are_counted() {
        let long = "word ".repeat(40);
        assert_eq!(told(&[&long]), ["+\"word word word word … word word word word\""]);
        let words = told(&["a b c d e f g h i j k l", "a 1 c 2 e 3 g 4 i 5 k 6"]);
        assert_eq!(words[1], "\"b\" → \"1\", \"d\" → \"2\", \"f\" → \"3\", and 3 more");
    }

    #[test]
    fn nothing_in_them_turns_the_sentence_round_or_breaks_the_line() {
        let words = told(&["one\u{202e}\u{2066}two\n\n\u{1b}[2Jthree\u{200f}", "one\u{202e}\u{2066}two"]);
        assert_eq!(words[0], "+\"onetwo [2Jthree\"");
        let bad = |c: char| is_hidden(c) || c == '\n';
        assert!(!words.concat().contains(bad), "{words:?}");
        assert_eq!(told(&["a", "a \u{202e}"])[1], "", "nothing to be seen");
    }

    #[test]
    fn of_an_old_edit_is_told_what_it_says_itself() {
        let texts: Vec<String> =
            (0..limits::EXCERPTS + 5).map(|number| format!("version {number}")).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        let words = told(&texts);
        assert_eq!(words[1], "+\"1\", −1 character");
        assert_eq!(words.last().unwrap(), &format!("\"{0}\" → \"{1}\"", texts.len() - 2, texts.len() - 1));
    }

    #[test]
    fn what_hostile_edits_take_out_is_counted() {
        let from = ElementId { op: OpId { entry: 9, index: 0 }, offset: u32::MAX };
        let splices = [Splice::Erase { from, count: u32::MAX }, Splice::Erase { from, count: 2 }];
        assert_eq!(Edit::alone(&splices).words(), "−4294967297 characters");
        let mut edits = Edits::default();
        edits.push(OpId { entry: 1, index: 0 }, task::DESCRIPTION, &splices);
        assert_eq!(edits.tell(KEY).into_values().next().unwrap().words(), "");
    }
}
