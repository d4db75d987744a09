//! Which characters of a text that others wrote are obeyed rather than shown.

/// Whether terminals and programs obey this character rather than showing it: control characters, line and
/// paragraph separators, and those that turn the reading direction, so that `photo\u{202e}gpj.exe` is shown
/// as if it were a picture.
pub(crate) fn is_obeyed(c: char) -> bool {
    let turns =
        matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || turns || matches!(c, '\u{2028}' | '\u{2029}')
}
