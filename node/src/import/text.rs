//! Fitting foreign text, dates and places into Velo's fields.

use jiff::Timestamp;
use velo_protocol::value::{Date, OrderKey, Value};

/// A text made to fit a one-line field.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    /// What fits.
    pub(super) text: String,
    /// What was cut off.
    pub(super) rest: String,
    /// What had to be done, for the report.
    pub(super) note: Option<&'static str>,
}

/// Makes `text` one line of at most `max` characters; if nothing visible is in it, `fallback`, which
/// may itself come from the source.
pub(super) fn line(text: &str, max: usize, fallback: &str) -> Line {
    let single = without_controls(text);
    if single.trim().is_empty() {
        let fallback: String = without_controls(fallback).chars().take(max).collect();
        let name = if fallback.trim().is_empty() { "Untitled".to_owned() } else { fallback };
        return Line { text: name, rest: String::new(), note: Some("was empty: given a name") };
    }
    // One character of the room is for the ellipsis.
    let cut = single.chars().count() > max;
    let Some((at, _)) = single.char_indices().nth(max.saturating_sub(1)).filter(|_| cut) else {
        let note = (single != text).then_some("line breaks became spaces");
        return Line { text: single, rest: String::new(), note };
    };
    Line { text: format!("{}…", &single[..at]), rest: single[at..].to_owned(), note: Some("too long: cut") }
}

fn without_controls(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Cuts `text` into parts of at most `max` bytes, at a line break or space where one is near.
/// An empty text is one empty part.
pub(super) fn parts(text: &str, max: usize) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut rest = text;
    while rest.len() > max {
        let end = rest.floor_char_boundary(max);
        let near = rest.floor_char_boundary(end - end / 8);
        let tail = &rest[near..end];
        let at = tail.rfind('\n').or_else(|| tail.rfind(' ')).map_or(end, |at| near + at + 1);
        let (part, remainder) = rest.split_at(at);
        parts.push(part);
        rest = remainder;
    }
    parts.push(rest);
    parts
}

/// Reads an RFC 3339 instant within the years 0 to 9999, as milliseconds since the Unix epoch.
pub(super) fn instant(text: &str) -> Option<i64> {
    let instant: Timestamp = text.parse().ok()?;
    // Through UTC: an offset may carry the year over either end.
    let year = instant.to_zoned(jiff::tz::TimeZone::UTC).year();
    (0..=9999).contains(&year).then(|| instant.as_millisecond())
}

/// An instant as the value of a date field. Exports give UTC and no zone of the author's.
pub(super) fn date(ms: i64) -> Value {
    Value::Date(Date::At { ms, zone: "UTC".into() })
}

/// The bytes of a number, ordered as the numbers are (IEEE 754 total order).
fn sortable(number: f64) -> [u8; 8] {
    let bits = number.to_bits();
    let flipped = if number.is_sign_negative() { !bits } else { bits | 1 << 63 };
    flipped.to_be_bytes()
}

/// The order key of something at `path`, the positions from the outermost container inwards.
///
/// It depends on the source's own numbers only, not on the siblings: moving one card in the source
/// changes one key here, and two devices that import write equal keys. Most sources count in steps
/// of 65536 or so, of which two to four bytes remain.
pub(super) fn order(path: &[f64]) -> Value {
    let mut key: Vec<u8> = path.iter().copied().flat_map(sortable).collect();
    // A key must not end in zero: there would be no room right below it.
    while key.last() == Some(&0) {
        key.pop();
    }
    Value::Order(OrderKey(key.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_is_cut_cleaned_or_named() {
        assert_eq!(line("a\tb", 9, "x").text, "a b");
        assert_eq!(line(" \n\0", 9, "x").text, "x");
        assert_eq!(line("", 9, "\n").text, "Untitled");
        let cut = line("äöüäöü", 4, "x");
        assert_eq!((&*cut.text, &*cut.rest), ("äöü…", "äöü"));
        assert_eq!(line("äöüä", 4, "x").note, None);
    }

    #[test]
    fn instants_outside_the_calendar_are_refused() {
        assert_eq!(instant("1970-01-01T00:00:01.5Z"), Some(1_500));
        for wrong in ["", "2024-05-17", "2024-13-01T00:00:00Z", "-000001-01-01T00:00:00Z"] {
            assert_eq!(instant(wrong), None, "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn parts_fit_and_add_up(text in "(\\PC|\n| ){0,400}", max in 8usize..64) {
            let parts = parts(&text, max);
            prop_assert_eq!(parts.concat(), &*text);
            prop_assert!(parts.iter().all(|part| part.len() <= max));
        }

        #[test]
        fn keys_are_ordered_as_the_numbers(a in -1e12f64..1e12, b in -1e12f64..1e12, outer in 0f64..1e6) {
            let key = |path: &[f64]| order(path).as_order().unwrap().clone();
            prop_assert!(key(&[a]).is_well_formed());
            prop_assert_eq!(key(&[a]).cmp(&key(&[b])), a.total_cmp(&b));
            prop_assert_eq!(key(&[outer, a]).cmp(&key(&[outer, b])), a.total_cmp(&b));
        }
    }
}
