//! The text against a naive one.

use super::{
    naive::{Done, Naive},
    *,
};
use crate::{
    id::EntityId,
    model::{Kind, task},
};
use proptest::prelude::*;

const PLACE: Place = (EntityKey::new(Kind::Task, EntityId([1; 16])), task::DESCRIPTION);

fn op(number: u64) -> OpId {
    OpId { entry: number, index: 0 }
}

fn text_of(done: &[Done]) -> Text {
    let mut text = Text::default();
    for (op, splices, shown) in done {
        text.apply(PLACE, *op, splices, *shown);
    }
    text
}

fn str_of(text: &Text) -> &str {
    text.value().as_text().unwrap_or_default()
}

fn any_element() -> impl Strategy<Value = ElementId> {
    (0..12u64, 0..5u32).prop_map(|(number, offset)| ElementId { op: op(number), offset })
}

fn any_splice() -> impl Strategy<Value = Splice> {
    let side = any::<bool>().prop_map(|left| if left { Side::Left } else { Side::Right });
    let anchor = (proptest::option::weighted(0.9, any_element()), side)
        .prop_map(|(element, side)| Anchor { element, side });
    prop_oneof![
        1 => "[a-cä]{1,4}".prop_map(|text| Splice::First { text: text.into() }),
        6 => (anchor, "[a-eß€]{1,5}").prop_map(|(anchor, text)| Splice::Insert { anchor, text: text.into() }),
        3 => (any_element(), 1..5u32).prop_map(|(from, count)| Splice::Erase { from, count }),
        1 => (0..12u64).prop_map(|number| Splice::Restore { op: op(number) }),
    ]
}

/// Any operations at all: they hang on what comes later, or never, and on themselves.
fn any_work() -> impl Strategy<Value = Vec<Done>> {
    let done = (prop::collection::vec(any_splice(), 1..4), prop::bool::weighted(0.8));
    prop::collection::vec(done, 1..12).prop_map(|all| {
        let numbered = (0..).zip(all);
        numbered.map(|(number, (splices, shown))| (op(number), splices, shown)).collect()
    })
}

/// What somebody writes in the place of what stands there.
fn any_prose() -> impl Strategy<Value = String> {
    prop::collection::vec("[a-c]{1,3}|ö| |\n", 0..14).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn it_says_what_a_naive_reading_of_the_rule_says(done in any_work()) {
        let text = text_of(&done);
        prop_assert_eq!(str_of(&text), Naive::read(PLACE, &done));
    }

    #[test]
    fn the_order_of_arrival_does_not_matter(
        (done, shuffled) in any_work().prop_flat_map(|done| (Just(done.clone()), Just(done).prop_shuffle())),
    ) {
        let (text, other) = (text_of(&done), text_of(&shuffled));
        prop_assert_eq!(str_of(&text), str_of(&other));
        let bytes = crate::codec::encode(&other);
        let (read, _): (Text, usize) = crate::codec::decode_local(&bytes).unwrap();
        prop_assert_eq!(str_of(&read), str_of(&text));
    }

    /// Ids that collide, which only their author can bring about, do no harm but to the text itself.
    #[test]
    fn two_operations_of_one_id_say_the_same_everywhere(done in any_work(), twice in 0..6u64) {
        let mut done = done;
        for (id, ..) in &mut done {
            id.entry %= twice + 1;
        }
        let forwards = text_of(&done);
        done.reverse();
        let backwards = text_of(&done);
        prop_assert_eq!(str_of(&forwards), str_of(&backwards));
    }

    #[test]
    fn an_edit_makes_it_say_what_was_wanted(done in any_work(), wanted in any_prose()) {
        let mut text = text_of(&done);
        let edit = text.edit(PLACE, &wanted);
        let is_same = str_of(&text) == wanted;
        prop_assert_eq!(is_same, edit.splices.is_empty());
        text.apply(PLACE, op(99), &edit.splices, true);
        prop_assert_eq!(str_of(&text), wanted);
    }

    /// Both write on from the same text; whoever hears of the other later sees the same, and what each
    /// wrote and nobody erased is there.
    #[test]
    fn what_two_write_at_the_same_time_is_all_there(before in any_prose(), a in any_prose(), b in any_prose()) {
        let mut base = Text::default();
        base.apply(PLACE, op(1), &base.edit(PLACE, &before).splices, true);
        let edits = [(op(2), base.edit(PLACE, &a)), (op(3), base.edit(PLACE, &b))];
        let (mut one, mut other) = (base.clone(), base);
        for (op, edit) in &edits {
            one.apply(PLACE, *op, &edit.splices, true);
        }
        for (op, edit) in edits.iter().rev() {
            other.apply(PLACE, *op, &edit.splices, true);
        }
        prop_assert_eq!(str_of(&one), str_of(&other));
        for (_, edit) in &edits {
            for splice in &edit.splices {
                if let Splice::Insert { text, .. } = splice {
                    prop_assert!(str_of(&one).contains(&**text), "{:?} is torn apart in {:?}", text, str_of(&one));
                }
            }
        }
    }

    /// A person's edits, taken back one after the other, leave what another one wrote between them.
    #[test]
    fn taking_back_leaves_what_others_wrote(
        mine in prop::collection::vec(any_prose(), 1..5),
        theirs in "[X-Z]{1,3}",
    ) {
        let mut text = Text::default();
        let mut done: Vec<(OpId, Vec<Splice>)> = Vec::new();
        let mut states = vec![String::new()];
        for (number, wanted) in (10..).zip(&mine) {
            let splices = text.edit(PLACE, wanted).splices;
            text.apply(PLACE, op(number), &splices, true);
            done.push((op(number), splices));
            states.push(wanted.clone());
        }
        let mut other = Text::default();
        other.apply(PLACE, op(5), &[Splice::First { text: theirs.clone().into() }], true);
        text.apply(PLACE, op(5), &[Splice::First { text: theirs.clone().into() }], true);
        let turns = 100..;
        for (turn, ((id, splices), before)) in turns.zip(done.iter().zip(&states).rev()) {
            let own = |op: OpId| op == *id || op.entry >= 100;
            let reverts = text.revert(PLACE, (*id, splices), own);
            text.apply(PLACE, op(turn), &reverts, true);
            let rest: String = str_of(&text).replacen(&theirs, "", 1);
            prop_assert_eq!(&rest, before);
        }
        prop_assert_eq!(str_of(&text), theirs);
    }
}

#[test]
fn a_late_verdict_takes_the_text_of_one_and_leaves_that_of_the_other_where_it_was_typed() {
    let splices = |text: &Text, new: &str| text.edit(PLACE, new).splices;
    let mut text = Text::default();
    let mut done = vec![(op(1), splices(&text, "Order paint"), true)];
    text = text_of(&done);
    // Ben, who is removed, writes in the middle; Carla goes on inside of what he wrote.
    done.push((op(2), splices(&text, "Order the blue paint"), true));
    text = text_of(&done);
    done.push((op(3), splices(&text, "Order the light blue paint"), true));
    assert_eq!(str_of(&text_of(&done)), "Order the light blue paint");
    done[1].2 = false;
    assert_eq!(str_of(&text_of(&done)), "Order light paint");
}

#[test]
fn the_same_first_text_on_two_devices_is_one() {
    let first = |number| (op(number), vec![Splice::First { text: "From the board".into() }], true);
    assert_eq!(str_of(&text_of(&[first(1), first(2)])), "From the board");
    let other = (op(3), vec![Splice::First { text: "Another".into() }], true);
    let both = text_of(&[first(1), other]);
    assert_eq!(str_of(&both).len(), "From the boardAnother".len());
}

#[test]
fn what_somebody_hung_before_the_start_is_written_before_all_the_same() {
    let anchor = Anchor { element: None, side: Side::Left };
    let mut text = text_of(&[(op(1), vec![Splice::Insert { anchor, text: "b".into() }], true)]);
    text.apply(PLACE, op(2), &text.edit(PLACE, "ab").splices, true);
    assert_eq!(str_of(&text), "ab");
}

#[test]
fn words_that_stay_are_not_written_again() {
    let mut text = Text::default();
    text.apply(PLACE, op(1), &text.edit(PLACE, "one two three four").splices, true);
    let edit = text.edit(PLACE, "one 2 three 4 five");
    assert_eq!(edit.inserted(), "2".len() + "4 five".len(), "{edit:?}");
    assert_eq!(edit.erased(), "two".len() + "four".len());
    // Blanks alone are no ground to keep.
    assert_eq!(text.edit(PLACE, "quite something else").splices.len(), 2);
}

#[test]
fn a_text_as_deep_as_it_is_long_is_read_without_recursion() {
    let mut edits = Edits::default();
    let mut anchor = Anchor::START;
    for number in 0..50_000 {
        edits.apply(PLACE, op(number), &[Splice::Insert { anchor, text: "x".into() }], true);
        anchor = Anchor { element: Some(ElementId { op: op(number), offset: 0 }), side: Side::Right };
    }
    assert_eq!(edits.rendered().str().len(), 50_000);
}

/// Where a mark stands, and the text without it.
fn marked(text: &str) -> (String, usize) {
    let at = text.chars().position(|letter| letter == '|').unwrap();
    (text.replace('|', ""), at)
}

#[test]
fn a_caret_stays_behind_the_letter_it_stands_behind() {
    for (base, theirs, mine, merged) in [
        ("one three", "one two three", "one three four|", "one two three four|"),
        ("one three", "one two three", "|one three four", "|one two three four"),
        ("ein Wort", "ein großes Wort", "ein W|ort mehr", "ein großes W|ort mehr"),
        // Behind what the other one erased it stands where that was.
        ("one big cat", "one cat", "one big| cat and", "one |cat and"),
        ("", "theirs", "mi|ne", "mi|netheirs"),
    ] {
        let (mine, at) = marked(mine);
        let mut caret = [at];
        let text = merge(base, theirs, &mine, &mut caret);
        let mut with: Vec<char> = text.chars().collect();
        with.insert(caret[0], '|');
        assert_eq!(with.iter().collect::<String>(), merged);
    }
}
