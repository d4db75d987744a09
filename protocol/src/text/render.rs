//! From the sets to the text: a walk over the tree of elements, from left to right.
//!
//! The walk keeps its own stack, since whoever types a novel makes a tree as deep as it is long. Each
//! run is met once, also where somebody forged ids so that it hangs in several places.

use super::{Anchor, Edits, ElementId, Run, Side, Splice};
use crate::{id::OpId, limits, value::Value};
use std::ops::Range;

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

    /// The element before a place, which is counted in characters shown.
    pub fn before(&self, place: usize) -> Option<ElementId> {
        let mut left = place as u32;
        let mut last = None;
        for span in self.spans.iter().filter(|span| span.visible) {
            if left == 0 {
                break;
            }
            let taken = left.min(span.count);
            left -= taken;
            last = Some(span.first.plus(taken - 1));
        }
        last
    }

    /// How many characters are shown up to an element and with it; none before the start of the text.
    pub fn behind(&self, element: Option<ElementId>) -> usize {
        let Some(element) = element else { return 0 };
        let mut shown = 0;
        for span in &self.spans {
            let is_here = span.first.op == element.op
                && (span.first.offset..span.first.plus(span.count).offset).contains(&element.offset);
            let up_to = if is_here { element.offset - span.first.offset + 1 } else { span.count };
            shown += if span.visible { up_to as usize } else { 0 };
            if is_here {
                break;
            }
        }
        shown
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

/// Something that hangs on an element: what it hangs on, its first element, and the place of its run.
type Child = (Anchor, ElementId, u32);

/// Elements of one operation that were erased.
type Erased = (OpId, Range<u32>);

/// A run, or the rest of one. Texts have as many as there were edits, met in no order of memory: it fits
/// into a cache line.
#[derive(Clone)]
struct Rest<'a> {
    first: ElementId,
    count: u32,
    text: &'a str,
    shown: bool,
    hanging: Hanging,
    /// Which ranges of those that were erased may hit it.
    erased: Range<u32>,
}

/// What hangs on the elements of a run.
#[derive(Clone)]
enum Hanging {
    /// These children.
    Children(Range<u32>),
    /// One, whose run is at this place, behind the last element: somebody typed on.
    Next(u32),
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
        let taken = Self { count, text, hanging: Hanging::Children(0..0), ..self.clone() };
        (self.first, self.count, self.text) = (self.first.plus(count), self.count - count, rest);
        taken
    }

    /// Leaves out the ranges that lie before it: a run of thousands of them may be taken apart element by
    /// element.
    fn leave_behind(&mut self, erased: &[Erased]) {
        while self.erased.start < self.erased.end
            && erased.get(self.erased.start as usize).is_some_and(|(_, range)| range.end <= self.first.offset)
        {
            self.erased.start += 1;
        }
    }
}

enum Step<'a> {
    /// Elements, and what hangs on them.
    Walk(Rest<'a>),
    /// A child, by the place of its run.
    Child(u32),
}

struct Walk<'a> {
    /// `None` once it was met.
    runs: Vec<Option<Rest<'a>>>,
    /// In order: of one element on one side by their ids.
    children: Vec<Child>,
    /// In order, none touching another of the same operation.
    erased: Vec<Erased>,
    stack: Vec<Step<'a>>,
    out: String,
    spans: Vec<Span>,
}

impl<'a> Walk<'a> {
    fn new(text: &'a Edits) -> Self {
        let child = |(place, (first, run)): (u32, (ElementId, &Run))| (run.anchor, first, place);
        let mut children: Vec<Child> = (0..).zip(text.counted()).map(child).collect();
        children.sort_unstable();
        let erased = joined(text);
        let runs = linked(text, &children, &erased);
        Self { runs, children, erased, stack: Vec::new(), out: String::new(), spans: Vec::new() }
    }

    fn run(&mut self) {
        let at_start = self.children.partition_point(|(anchor, ..)| anchor.element.is_none());
        self.push_children(0..at_start as u32, None);
        while let Some(step) = self.stack.pop() {
            match step {
                Step::Walk(rest) => self.walk(rest),
                Step::Child(place) => self.walk_run(place),
            }
        }
    }

    fn walk_run(&mut self, mut place: u32) {
        while let Some(run) = self.runs.get_mut(place as usize).and_then(Option::take) {
            let Hanging::Next(next) = run.hanging else { return self.walk(run) };
            self.emit(run);
            place = next;
        }
    }

    /// Goes on to the first element on which something hangs.
    fn walk(&mut self, mut rest: Rest<'a>) {
        let Range { start, end } = match &rest.hanging {
            Hanging::Children(children) => children.clone(),
            Hanging::Next(next) => {
                self.stack.push(Step::Child(*next));
                0..0
            }
        };
        let hanging = &self.children[start as usize..end as usize];
        let Some((Anchor { element: Some(holder), .. }, ..)) = hanging.first() else {
            return self.emit(rest);
        };
        let holder = *holder;
        let on_holder = |side| Anchor { element: Some(holder), side };
        let lefts = hanging.iter().take_while(|(anchor, ..)| *anchor == on_holder(Side::Left)).count();
        let rights =
            hanging[lefts..].iter().take_while(|(anchor, ..)| *anchor == on_holder(Side::Right)).count();
        let (rights_at, others_at) = (start + lefts as u32, start + (lefts + rights) as u32);
        let before = rest.take(holder.offset - rest.first.offset);
        self.emit(before);
        let held = rest.take(1);
        rest.leave_behind(&self.erased);
        rest.hanging = Hanging::Children(others_at..end);
        let rest = Some(rest).filter(|rest| rest.count > 0);
        self.push_children(rights_at..others_at, rest);
        self.stack.push(Step::Walk(held));
        self.push_children(start..rights_at, None);
    }

    /// Has children walked next, the lowest id first, and among them the rest of a run.
    fn push_children(&mut self, children: Range<u32>, mut rest: Option<Rest<'a>>) {
        for (_, first, place) in self.children[children.start as usize..children.end as usize].iter().rev() {
            if let Some(rest) = rest.take_if(|rest| rest.first > *first) {
                self.stack.push(Step::Walk(rest));
            }
            self.stack.push(Step::Child(*place));
        }
        self.stack.extend(rest.map(Step::Walk));
    }

    /// Puts elements out, in parts that are shown or not.
    fn emit(&mut self, mut rest: Rest<'a>) {
        let mut erased = rest.erased.clone();
        while rest.count > 0 {
            let (start, end) = (rest.first.offset, rest.end().offset);
            let next = erased.next().map_or(end..end, |place| self.erased[place as usize].1.clone());
            if next.end <= start {
                continue;
            }
            let shown = rest.take(next.start.clamp(start, end) - start);
            let fits = self.out.len() + shown.text.len() <= limits::LONG_TEXT_SHOWN;
            put(&mut self.spans, &mut self.out, &shown, shown.shown && fits);
            let hidden = rest.take(next.end.min(end) - rest.first.offset);
            put(&mut self.spans, &mut self.out, &hidden, false);
        }
    }
}

/// Runs, each with what hangs on its elements and what of them was erased. All are in order, so one walk
/// along them finds that.
fn linked<'a>(text: &'a Edits, children: &[Child], erased: &[Erased]) -> Vec<Option<Rest<'a>>> {
    let (mut children_at, mut erased_at) = (0, 0);
    let mut linked = Vec::with_capacity(children.len());
    for (first, run) in text.counted() {
        let count = run.text.chars().count() as u32;
        let end = first.plus(count);
        skip(children, &mut children_at, |(anchor, ..)| anchor.element < Some(first));
        let mut children_end = children_at;
        skip(children, &mut children_end, |(anchor, ..)| anchor.element < Some(end));
        // One range may hit several runs of its operation.
        skip(erased, &mut erased_at, |(op, range)| (*op, range.end) <= (first.op, first.offset));
        let mut erased_end = erased_at;
        skip(erased, &mut erased_end, |(op, range)| (*op, range.start) < (end.op, end.offset));
        linked.push(Some(Rest {
            first,
            count,
            text: &run.text,
            shown: run.shown,
            hanging: Hanging::of(children, children_at..children_end, end),
            erased: erased_at as u32..erased_end as u32,
        }));
    }
    linked
}

/// Goes on over all that are before something.
fn skip<T>(items: &[T], at: &mut usize, is_before: impl Fn(&T) -> bool) {
    while items.get(*at).is_some_and(&is_before) {
        *at += 1;
    }
}

impl Hanging {
    /// `end`: behind the last element of the run.
    fn of(children: &[Child], at: Range<usize>, end: ElementId) -> Self {
        match &children[at.clone()] {
            [(Anchor { element: Some(holder), side: Side::Right }, _, place)] if holder.plus(1) == end => {
                Self::Next(*place)
            }
            _ => Self::Children(at.start as u32..at.end as u32),
        }
    }
}

/// What was erased, in order, those ranges joined that touch.
fn joined(text: &Edits) -> Vec<Erased> {
    let mut erased: Vec<Erased> =
        text.standing().flat_map(|(_, erasure)| erasure.ranges.iter().cloned()).collect();
    erased.sort_unstable_by_key(|(op, range)| (*op, range.start));
    erased.dedup_by(|(op, range), (last_op, last)| {
        let touches = op == last_op && range.start <= last.end;
        if touches {
            last.end = last.end.max(range.end);
        }
        touches
    });
    erased
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
