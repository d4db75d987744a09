//! From the sets to the text: a walk over the tree of elements, from left to right.
//!
//! The walk keeps its own stack, since whoever types a novel makes a tree as deep as it is long. Each
//! run is met once, also where somebody forged ids so that it hangs in several places.

use super::{Anchor, Edits, ElementId, Run, Side, Splice};
use crate::{id::OpId, limits, value::Value};
use std::{collections::BTreeMap, ops::Range};

/// Elements with consecutive offsets that stand beside each other, all shown or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    pub first: ElementId,
    pub count: u32,
    pub visible: bool,
}

/// The whole text, with where each character comes from.
#[derive(Debug, Clone)]
pub(super) struct Rendered {
    pub value: Value,
    /// In order of the text, what is not shown included.
    pub spans: Vec<Span>,
}

impl Rendered {
    pub fn of(text: &Edits) -> Self {
        let mut walk = Walk::new(text);
        walk.run();
        let value = if walk.out.is_empty() { Value::Unset } else { Value::text(walk.out) };
        Self { value, spans: walk.spans }
    }

    pub fn str(&self) -> &str {
        self.value.as_text().unwrap_or_default()
    }

    /// What of `count` elements from `from` on is shown, to be erased.
    pub fn visible_in(&self, from: ElementId, count: u32) -> impl Iterator<Item = Splice> {
        let end = from.plus(count).offset;
        let visible = self.spans.iter().filter(move |span| span.visible && span.first.op == from.op);
        visible.filter_map(move |span| {
            let start = span.first.offset.max(from.offset);
            let end = span.first.plus(span.count).offset.min(end);
            (start < end)
                .then(|| Splice::Erase { from: ElementId { offset: start, ..from }, count: end - start })
        })
    }
}

/// So many children of a run are counted, more are searched.
const FEW_CHILDREN: usize = 8;

/// Something that hangs on an element: what it hangs on, its first element, and the place of its run.
type Child = (Anchor, ElementId, usize);

/// A run, or the rest of one.
#[derive(Clone)]
struct Rest<'a> {
    first: ElementId,
    count: u32,
    text: &'a str,
    shown: bool,
    /// Which children hang on its elements.
    children: Range<usize>,
}

impl<'a> Rest<'a> {
    fn end(&self) -> ElementId {
        self.first.plus(self.count)
    }

    /// Takes so many elements from its start, without what hangs on them.
    fn take(&mut self, count: u32) -> Self {
        let at = if self.text.is_ascii() {
            count as usize
        } else {
            self.text.char_indices().nth(count as usize).map_or(self.text.len(), |(at, _)| at)
        };
        let (text, rest): (&'a str, &'a str) = self.text.split_at_checked(at).unwrap_or((self.text, ""));
        let taken = Self { first: self.first, count, text, shown: self.shown, children: 0..0 };
        (self.first, self.count, self.text) = (self.first.plus(count), self.count - count, rest);
        taken
    }
}

enum Step<'a> {
    /// Elements, and what hangs on them.
    Walk(Rest<'a>),
    /// A child, by the place of its run.
    Child(usize),
}

struct Walk<'a> {
    /// `None` once it was met.
    runs: Vec<Option<Rest<'a>>>,
    /// In order: of one element on one side by their ids.
    children: Vec<Child>,
    /// In order, none touching another.
    erased: BTreeMap<OpId, Vec<Range<u32>>>,
    stack: Vec<Step<'a>>,
    out: String,
    spans: Vec<Span>,
}

impl<'a> Walk<'a> {
    fn new(text: &'a Edits) -> Self {
        let runs: Vec<(ElementId, &Run)> = text.counted().collect();
        let child = |(place, (first, run)): (usize, &(ElementId, &Run))| (run.anchor, *first, place);
        let mut children: Vec<Child> = runs.iter().enumerate().map(child).collect();
        children.sort_unstable();
        let mut erased: BTreeMap<OpId, Vec<Range<u32>>> = BTreeMap::new();
        for (op, range) in text.standing().flat_map(|(_, erasure)| &erasure.ranges) {
            erased.entry(*op).or_default().push(range.clone());
        }
        erased.values_mut().for_each(join);
        let runs = with_children(&runs, &children);
        Self { runs, children, erased, stack: Vec::new(), out: String::new(), spans: Vec::new() }
    }

    fn run(&mut self) {
        let at_start = self.children.partition_point(|(anchor, ..)| anchor.element.is_none());
        self.push_children(0..at_start, None);
        while let Some(step) = self.stack.pop() {
            match step {
                Step::Walk(rest) => self.walk(rest),
                Step::Child(place) => {
                    if let Some(run) = self.runs.get_mut(place).and_then(Option::take) {
                        self.walk(run);
                    }
                }
            }
        }
    }

    /// Goes on to the first element on which something hangs.
    fn walk(&mut self, mut rest: Rest<'a>) {
        let Range { start, end } = rest.children.clone();
        let hanging = self.children.get(start..end).unwrap_or_default();
        let Some((Anchor { element: Some(holder), .. }, ..)) = hanging.first() else {
            return self.emit(rest);
        };
        let holder = *holder;
        let on_holder = |side| Anchor { element: Some(holder), side };
        let lefts = hanging.iter().take_while(|(anchor, ..)| *anchor == on_holder(Side::Left)).count();
        let rights =
            hanging[lefts..].iter().take_while(|(anchor, ..)| *anchor == on_holder(Side::Right)).count();
        let before = rest.take(holder.offset - rest.first.offset);
        self.emit(before);
        let held = rest.take(1);
        rest.children = start + lefts + rights..end;
        let rest = Some(rest).filter(|rest| rest.count > 0);
        self.push_children(start + lefts..start + lefts + rights, rest);
        self.stack.push(Step::Walk(held));
        self.push_children(start..start + lefts, None);
    }

    /// Has children walked next, the lowest id first, and among them the rest of a run.
    fn push_children(&mut self, children: Range<usize>, mut rest: Option<Rest<'a>>) {
        for (_, first, place) in self.children[children].iter().rev() {
            if let Some(rest) = rest.take_if(|rest| rest.first > *first) {
                self.stack.push(Step::Walk(rest));
            }
            self.stack.push(Step::Child(*place));
        }
        self.stack.extend(rest.map(Step::Walk));
    }

    /// Puts elements out, in parts that are shown or not.
    fn emit(&mut self, mut rest: Rest<'a>) {
        let erased = self.erased.get(&rest.first.op).map_or(&[][..], Vec::as_slice);
        let next = erased.partition_point(|range| range.end <= rest.first.offset);
        let mut ranges = erased[next..].iter();
        while rest.count > 0 {
            let (start, end) = (rest.first.offset, rest.end().offset);
            let range = ranges.next().filter(|range| range.start < end).cloned().unwrap_or(end..end);
            let shown = rest.take(range.start.clamp(start, end) - start);
            let fits = self.out.len() + shown.text.len() <= limits::LONG_TEXT_SHOWN;
            put(&mut self.spans, &mut self.out, &shown, shown.shown && fits);
            let hidden = rest.take(range.end.min(end) - rest.first.offset);
            put(&mut self.spans, &mut self.out, &hidden, false);
        }
    }
}

/// Runs, each with which of the children hang on its elements. Both are in order.
fn with_children<'a>(runs: &[(ElementId, &'a Run)], children: &[Child]) -> Vec<Option<Rest<'a>>> {
    let mut start = 0;
    let mut rests = Vec::with_capacity(runs.len());
    for (first, run) in runs {
        let count = run.text.chars().count() as u32;
        let end = first.plus(count);
        let hangs_before = |place: usize, element| {
            children.get(place).is_some_and(|(anchor, ..): &Child| anchor.element < Some(element))
        };
        while hangs_before(start, *first) {
            start += 1;
        }
        // As a rule there is one, or none.
        let mut past = start;
        while past < start + FEW_CHILDREN && hangs_before(past, end) {
            past += 1;
        }
        if hangs_before(past, end) {
            past += children[past..].partition_point(|(anchor, ..)| anchor.element < Some(end));
        }
        let (text, shown) = (&*run.text, run.shown);
        rests.push(Some(Rest { first: *first, count, text, shown, children: start..past }));
    }
    rests
}

fn put(spans: &mut Vec<Span>, out: &mut String, rest: &Rest<'_>, visible: bool) {
    if rest.count == 0 {
        return;
    }
    if visible {
        out.push_str(rest.text);
    }
    match spans.last_mut().filter(|last| last.visible == visible && last.first.plus(last.count) == rest.first)
    {
        Some(last) => last.count += rest.count,
        None => spans.push(Span { first: rest.first, count: rest.count, visible }),
    }
}

/// Puts ranges in order and joins those that touch.
fn join(ranges: &mut Vec<Range<u32>>) {
    ranges.sort_unstable_by_key(|range| range.start);
    let mut joined: Vec<Range<u32>> = Vec::new();
    for range in ranges.drain(..) {
        match joined.last_mut().filter(|last| range.start <= last.end) {
            Some(last) => last.end = last.end.max(range.end),
            None => joined.push(range),
        }
    }
    *ranges = joined;
}
