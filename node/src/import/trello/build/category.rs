//! What a column's name says of the work in it.

const BACKLOG: usize = 0;
const TODO: usize = 1;
const DOING: usize = 2;
const DONE: usize = 3;
const CANCELLED: usize = 4;

/// Words that say a category, in the order in which they are looked for. English, and what is common
/// in German, French, Spanish and Italian.
#[rustfmt::skip]
const WORDS: &[(usize, &[&str])] = &[
    (CANCELLED, &[
        "cancelled", "canceled", "rejected", "declined", "abandoned", "wontfix", "verworfen", "abgebrochen",
    ]),
    (DONE, &[
        "done", "complete", "completed", "finished", "closed", "resolved", "shipped", "released", "delivered",
        "deployed", "live", "archive", "erledigt", "fertig", "abgeschlossen", "terminé", "hecho", "fatto",
    ]),
    (DOING, &[
        "doing", "progress", "wip", "review", "reviewing", "testing", "qa", "inspection", "check", "active",
        "ongoing", "started", "arbeit", "bearbeitung", "prüfung", "cours", "progreso", "corso",
    ]),
    (BACKLOG, &[
        "backlog", "idea", "ideas", "icebox", "inbox", "someday", "later", "wishlist", "brainstorming", "ideen",
        "idées", "idee",
    ]),
];

/// Words that turn what follows into its opposite: "Not started" is not started.
const NOT: &[&str] = &["not", "nicht", "pas", "no", "non"];

/// The category of a column of this name, as a place in
/// [`velo_protocol::model::column::CATEGORIES`]. A name that says nothing is `todo`.
pub(super) fn guess(name: &str) -> usize {
    let lower = name.to_lowercase();
    let words: Vec<&str> = lower.split(|c: char| !c.is_alphanumeric()).collect();
    if words.iter().any(|word| NOT.contains(word)) {
        return TODO;
    }
    let found = WORDS.iter().find(|(_, known)| words.iter().any(|word| known.contains(word)));
    found.map_or(TODO, |(category, _)| *category)
}

#[cfg(test)]
mod tests {
    use super::*;
    use velo_protocol::model::column::CATEGORIES;

    #[test]
    fn categories_are_guessed_from_whole_words() {
        let cases = [
            ("Ideas", "backlog"),
            ("To do", "todo"),
            ("Assigned, Ready for Work", "todo"),
            ("In Progress", "doing"),
            ("Ready for review", "doing"),
            ("Done ✅", "done"),
            ("Not done", "todo"),
            ("Abandonedware", "todo"),
            ("Canceled/Rejected", "cancelled"),
            ("", "todo"),
        ];
        for (name, wanted) in cases {
            assert_eq!(CATEGORIES[guess(name)], wanted, "{name}");
        }
    }
}
