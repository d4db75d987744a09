//! Text and numbers as the database takes them.

/// The years 0 to 9999, as days since 1970-01-01: what the schema lets through, and every calendar knows.
const DAYS: std::ops::RangeInclusive<i32> = -719_528..=2_932_896;

/// The text without the one character that the database's texts cannot hold.
pub(super) fn clean(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// The first characters of it.
pub(super) fn clipped(text: &str, most: usize) -> String {
    clean(&text.chars().take(most).collect::<String>())
}

/// Ids with commas between them.
pub(super) fn joined(ids: impl Iterator<Item = String>) -> String {
    ids.collect::<Vec<_>>().join(",")
}

/// A day, if the database has it.
pub(super) fn in_range(day: i32) -> Option<i32> {
    DAYS.contains(&day).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_database_cannot_hold_is_replaced() {
        assert_eq!(clean("a\0b"), "a\u{fffd}b");
        assert_eq!(clipped("äöü\0", 2), "äö");
        assert_eq!(clipped("\0x", 2), "\u{fffd}x");
    }
}
