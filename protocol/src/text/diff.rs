//! What turns one text into another: found by words, so that what two people rewrite stays readable.

use super::{Anchor, Edits, ElementId, Side, Splice, render::Span};
use crate::limits;
use serde::{Deserialize, Serialize};
use similar::{Algorithm, DiffOp};
use std::{collections::BTreeSet, ops::Range};

/// What somebody changed in a text that they had before them. It fits any later state of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextEdit {
    /// To be written as one operation; none if nothing changed.
    pub splices: Vec<Splice>,
}

/// A part of the old text that gives way to a new one.
struct Replaced<'a> {
    /// Characters of the old text, from and to.
    from: usize,
    to: usize,
    new: &'a str,
}

impl TextEdit {
    /// The first text of a field.
    pub(super) fn first(text: &str) -> Self {
        let first = (!text.is_empty()).then(|| Splice::First { text: text.into() });
        Self { splices: first.into_iter().collect() }
    }

    /// Bytes that it inserts.
    pub(crate) fn inserted(&self) -> usize {
        let text = |splice: &Splice| match splice {
            Splice::First { text } | Splice::Insert { text, .. } => text.len(),
            Splice::Erase { .. } | Splice::Restore { .. } => 0,
        };
        self.splices.iter().map(text).sum()
    }

    /// Characters that it erases.
    #[cfg(test)]
    pub(crate) fn erased(&self) -> usize {
        let count =
            |splice: &Splice| if let Splice::Erase { count, .. } = splice { *count as usize } else { 0 };
        self.splices.iter().map(count).sum()
    }

    /// As parts that fit into operations.
    pub(crate) fn into_parts(self) -> Vec<Vec<Splice>> {
        let (mut parts, mut bytes) = (Vec::<Vec<Splice>>::new(), 0);
        for splice in self.splices {
            let size = splice.bytes();
            match parts.last_mut() {
                Some(part) if bytes + size <= limits::EDIT_BYTES && part.len() < limits::SPLICES_PER_OP => {
                    part.push(splice);
                    bytes += size;
                }
                _ => {
                    parts.push(vec![splice]);
                    bytes = size;
                }
            }
        }
        parts
    }
}

impl Edits {
    pub(super) fn edit(&self, new: &str) -> TextEdit {
        if self.is_blank() {
            return TextEdit::first(new);
        }
        let rendered = self.rendered();
        let mut places = Places::new(&rendered.spans);
        let mut parts = Vec::new();
        for Replaced { from, to, new } in replaced(rendered.str(), new) {
            let (before, next) = places.around(from as u32);
            let mut erased = Vec::new();
            places.erase(from as u32, to as u32, &mut erased);
            parts.push((before, next, new, erased));
        }
        let held = self.held(&parts.iter().map(|(before, ..)| *before).collect());
        let mut splices = Vec::new();
        for (before, next, new, erased) in parts {
            if !new.is_empty() {
                let is_held = held.contains(&before) || self.goes_on(before);
                splices.push(Splice::Insert { anchor: anchor(is_held, before, next), text: new.into() });
            }
            splices.extend(erased);
        }
        TextEdit { splices }
    }

    /// Of these elements, or the start, those on whose right side something hangs. The start has one side,
    /// whatever somebody forges.
    fn held(&self, of: &BTreeSet<Option<ElementId>>) -> BTreeSet<Option<ElementId>> {
        let anchors = self.counted().map(|(_, run)| run.anchor);
        let right = anchors.filter(|anchor| anchor.side == Side::Right || anchor.element.is_none());
        right.map(|anchor| anchor.element).filter(|element| of.contains(element)).collect()
    }

    /// Whether an element is not the last of its run.
    fn goes_on(&self, element: Option<ElementId>) -> bool {
        let Some(element) = element else { return false };
        let run = self.runs.get_prev(&element).filter(|(first, _)| first.op == element.op);
        let count = run.and_then(|(first, runs)| Some((first, runs.first()?.text.chars().count() as u32)));
        count.is_some_and(|(first, count)| element.plus(1) < first.plus(count))
    }
}

/// Where to hang what stands right behind `before`. `is_held`: something hangs or goes on there; `next`: what
/// stands there now, shown or not.
fn anchor(is_held: bool, before: Option<ElementId>, next: Option<ElementId>) -> Anchor {
    match next.filter(|_| is_held) {
        Some(next) => Anchor { element: Some(next), side: Side::Left },
        None => Anchor { element: before, side: Side::Right },
    }
}

/// Finds elements by their place among the shown characters, going forward.
struct Places<'a> {
    spans: &'a [Span],
    /// The span looked at, and how many shown characters stand before it.
    span: usize,
    before: u32,
}

impl<'a> Places<'a> {
    fn new(spans: &'a [Span]) -> Self {
        Self { spans, span: 0, before: 0 }
    }

    /// Goes to the span with the shown character at `place`, or to the end.
    fn go_to(&mut self, place: u32) -> Option<Span> {
        while let Some(span) = self.spans.get(self.span) {
            let visible = if span.visible { span.count } else { 0 };
            if place < self.before + visible {
                return Some(*span);
            }
            self.before += visible;
            self.span += 1;
        }
        None
    }

    /// The shown character right before `place`, and what stands behind that, shown or not.
    fn around(&mut self, place: u32) -> (Option<ElementId>, Option<ElementId>) {
        let Some(before) = place.checked_sub(1) else {
            return (None, self.spans.first().map(|span| span.first));
        };
        let Some(span) = self.go_to(before) else { return (None, None) };
        let element = span.first.plus(before - self.before);
        let next = element.plus(1);
        let is_inside = next < span.first.plus(span.count);
        let following = self.spans.get(self.span + 1).map(|span| span.first);
        (Some(element), if is_inside { Some(next) } else { following })
    }

    /// Erases the shown characters from and to.
    fn erase(&mut self, mut from: u32, to: u32, splices: &mut Vec<Splice>) {
        while from < to
            && let Some(span) = self.go_to(from)
        {
            let skipped = from - self.before;
            let count = (span.count - skipped).min(to - from);
            splices.push(Splice::Erase { from: span.first.plus(skipped), count });
            from += count;
        }
    }
}

/// The whole words in which two texts differ: of each place what went and what came.
pub(crate) fn changed_words(old: &str, new: &str) -> Vec<(String, String)> {
    let (old_chars, new_chars): (Vec<char>, Vec<char>) = (old.chars().collect(), new.chars().collect());
    let mut places: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    let (mut came, mut went) = (0, 0);
    for Replaced { from, to, new } in replaced(old, new) {
        let start = from + came - went;
        let length = new.chars().count();
        (came, went) = (came + length, went + to - from);
        let place = whole_words((&old_chars, from..to), (&new_chars, start..start + length));
        let place = without_same((&old_chars, place.0), (&new_chars, place.1));
        match places.last_mut().filter(|last| place.0.start <= last.0.end) {
            Some(last) => (last.0.end, last.1.end) = (place.0.end, place.1.end),
            None => places.push(place),
        }
    }
    let text = |chars: &[char], range: Range<usize>| chars[range].iter().collect();
    places.into_iter().map(|(old, new)| (text(&old_chars, old), text(&new_chars, new))).collect()
}

/// Leaves out the words with which both begin or end: a letter that another word shares had hidden them.
fn without_same(
    (old, mut gone): (&[char], Range<usize>),
    (new, mut come): (&[char], Range<usize>),
) -> (Range<usize>, Range<usize>) {
    let is_word = |chars: &[char], at: usize| chars.get(at).is_some_and(|char| char.is_alphanumeric());
    let is_border = |chars: &[char], at: usize| at == 0 || !(is_word(chars, at - 1) && is_word(chars, at));
    let most = gone.len().min(come.len());
    let same = (1..=most).take_while(|count| old[gone.start + count - 1] == new[come.start + count - 1]);
    let first = same.filter(|count| is_border(old, gone.start + count) && is_border(new, come.start + count));
    let first = first.last().unwrap_or(0);
    (gone.start, come.start) = (gone.start + first, come.start + first);
    let same = (1..=most - first).take_while(|count| old[gone.end - count] == new[come.end - count]);
    let last = same.filter(|count| is_border(old, gone.end - count) && is_border(new, come.end - count));
    let last = last.last().unwrap_or(0);
    (gone.end, come.end) = (gone.end - last, come.end - last);
    (gone, come)
}

/// Widens a difference to the words in which it begins and ends: those letters are in both texts.
fn whole_words(
    (old, mut gone): (&[char], Range<usize>),
    (new, mut come): (&[char], Range<usize>),
) -> (Range<usize>, Range<usize>) {
    let is_word = |chars: &[char], at: Option<usize>| {
        at.and_then(|at| chars.get(at)).is_some_and(|char| char.is_alphanumeric())
    };
    let cuts = |at: &dyn Fn(&Range<usize>) -> usize, gone: &Range<usize>, come: &Range<usize>| {
        let within = |chars, range: &Range<usize>| !range.is_empty() && is_word(chars, Some(at(range)));
        within(old, gone) || within(new, come)
    };
    while is_word(old, gone.start.checked_sub(1)) && cuts(&|range| range.start, &gone, &come) {
        (gone.start, come.start) = (gone.start - 1, come.start - 1);
    }
    while is_word(old, Some(gone.end)) && cuts(&|range| range.end - 1, &gone, &come) {
        (gone.end, come.end) = (gone.end + 1, come.end + 1);
    }
    (gone, come)
}

/// The parts in which two texts differ.
fn replaced<'a>(old: &str, new: &'a str) -> Vec<Replaced<'a>> {
    let same = old.chars().zip(new.chars()).take_while(|(a, b)| a == b);
    let (start, start_chars) =
        same.fold((0, 0), |(bytes, chars), (char, _)| (bytes + char.len_utf8(), chars + 1));
    let (old, new) = (&old[start..], &new[start..]);
    let same = old.chars().rev().zip(new.chars().rev()).take_while(|(a, b)| a == b);
    let end: usize = same.map(|(char, _)| char.len_utf8()).sum();
    let (old, new) = (&old[..old.len() - end], &new[..new.len() - end]);
    let (old_words, new_words) = (words(old), words(new));
    let whole = || Replaced { from: start_chars, to: start_chars + old.chars().count(), new };
    if old.is_empty() && new.is_empty() {
        return Vec::new();
    }
    if old_words.len().max(new_words.len()) > limits::DIFF_WORDS {
        return vec![whole()];
    }
    let ops = similar::capture_diff_slices(Algorithm::Myers, &old_words, &new_words);
    parts(&ops, &old_words, &new_words, new, start_chars)
}

/// The parts, where those are one between which no word stays: blanks and commas are no ground that two
/// people share.
fn parts<'a>(ops: &[DiffOp], old: &[&str], new: &[&str], text: &'a str, start: usize) -> Vec<Replaced<'a>> {
    let (mut chars, mut bytes) = (start, 0);
    // From and to in characters of the old text, and in bytes of the new one.
    let mut parts: Vec<(Range<usize>, Range<usize>)> = Vec::new();
    for op in ops {
        let gone: usize = old[op.old_range()].iter().map(|word| word.chars().count()).sum();
        let come: usize = new[op.new_range()].iter().map(|word| word.len()).sum();
        let (gone, come) = (chars..chars + gone, bytes..bytes + come);
        (chars, bytes) = (gone.end, come.end);
        if matches!(op, DiffOp::Equal { .. }) {
            continue;
        }
        let is_apart = |last: &&mut (Range<usize>, Range<usize>)| {
            text[last.1.end..come.start].contains(char::is_alphanumeric)
        };
        match parts.last_mut().filter(|last| !is_apart(last)) {
            Some(last) => (last.0.end, last.1.end) = (gone.end, come.end),
            None => parts.push((gone, come)),
        }
    }
    parts
        .into_iter()
        .map(|(gone, come)| Replaced { from: gone.start, to: gone.end, new: &text[come] })
        .collect()
}

/// Letters and digits in a row are one word, everything else is by itself.
fn words(text: &str) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let len = if first.is_alphanumeric() {
            rest.find(|char: char| !char.is_alphanumeric()).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (word, after) = rest.split_at(len);
        words.push(word);
        rest = after;
    }
    words
}
