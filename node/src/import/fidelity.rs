//! What became of everything in an imported file.
//!
//! While the file is read, a [`Ledger`] counts the values at every path. A path is written as a
//! pattern: `cards[].due` stands for the due date of every card. Afterwards each pattern gets the
//! fate that the importer's rules give it, and the values that went another way than the rule says,
//! such as a title that had to be cut, have been moved to rows of their own. Thus the counts of all
//! rows of a path add up to the values found there.

use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// Examples shown in a row.
const EXAMPLES: usize = 3;
/// Characters of an example.
const EXAMPLE_CHARS: usize = 60;
/// Widest column of paths in the table; a longer one shifts its own line.
const PATH_WIDTH: usize = 60;
/// Patterns told apart. A file that uses ids as keys has one for each; beyond this many they share
/// [`FURTHER`], so that the report stays small.
const PATTERNS: usize = 2_000;
/// The pattern that stands for all those beyond [`PATTERNS`].
const FURTHER: &str = "(further paths)";

/// What became of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It is there as it was.
    Kept,
    /// It is there in another form; the note says which.
    Mapped,
    /// It is not there; the note says why.
    Dropped,
}

/// The values at one path that met one fate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The pattern, such as `cards[].due`.
    pub path: String,
    /// Their fate.
    pub fate: Fate,
    /// Where they went, how they were mapped, or why they were dropped.
    pub note: String,
    /// How many values.
    pub count: usize,
    /// How many of these say nothing: null, false, 0, an empty text, list or object.
    pub empty: usize,
    /// Up to three of the others, shortened.
    pub examples: Vec<String>,
}

/// How many entities an import makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Imported {
    /// Columns, archived ones included.
    pub columns: usize,
    /// Tasks, archived ones included.
    pub tasks: usize,
    /// Lines of checklists.
    pub checklist_items: usize,
    /// Comments, continued parts of long texts included.
    pub comments: usize,
    /// Attachments.
    pub attachments: usize,
    /// Labels.
    pub labels: usize,
    /// People of the source.
    pub contacts: usize,
    /// Custom fields.
    pub custom_fields: usize,
}

/// The fidelity report. `Display` renders it as a table, in which paths of one part of the file that
/// met the same fate for the same reason share a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fidelity {
    /// The name of what is imported.
    pub name: String,
    /// What it makes.
    pub imported: Imported,
    /// One row for each path and fate, by path.
    pub rows: Vec<Row>,
}

impl Fidelity {
    /// The rows of one fate in which something was said.
    pub fn rows_of(&self, fate: Fate) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| row.fate == fate && row.count > row.empty)
    }
}

impl fmt::Display for Imported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let counts = [
            (self.columns, "columns"),
            (self.tasks, "tasks"),
            (self.checklist_items, "checklist items"),
            (self.comments, "comments"),
            (self.attachments, "attachments"),
            (self.labels, "labels"),
            (self.contacts, "contacts"),
            (self.custom_fields, "custom fields"),
        ];
        let said: Vec<String> = counts
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, what)| {
                format!("{count} {}", if count == 1 { &what[..what.len() - 1] } else { what })
            })
            .collect();
        f.write_str(if said.is_empty() { "nothing" } else { "" })?;
        f.write_str(&said.join(", "))
    }
}

impl fmt::Display for Fidelity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {}", self.name, self.imported)?;
        for (fate, title) in [(Fate::Dropped, "Dropped"), (Fate::Mapped, "Mapped"), (Fate::Kept, "Kept")] {
            let lines = lines(self.rows_of(fate));
            if !lines.is_empty() {
                writeln!(f, "\n{title}")?;
            }
            let width =
                lines.iter().map(|line| line.place().chars().count()).max().unwrap_or(0).min(PATH_WIDTH);
            for line in lines {
                write!(f, "  {:width$}  {:>6}  {}", line.place(), line.count, line.first.note)?;
                if let Some(example) = line.first.examples.first() {
                    write!(f, " (such as {example})")?;
                }
                writeln!(f)?;
            }
        }
        let silent = self.rows.iter().filter(|row| row.count == row.empty).count();
        if silent > 0 {
            writeln!(f, "\n{silent} more fields are empty in this file.")?;
        }
        Ok(())
    }
}

/// A line of the table: the rows of one part of the file with the same note. A board's history alone
/// has hundreds of paths that are dropped for one reason.
struct Line<'a> {
    first: &'a Row,
    more: usize,
    count: usize,
}

impl Line<'_> {
    fn place(&self) -> String {
        match self.more {
            0 => self.first.path.clone(),
            more => format!("{} and {more} more", self.first.path),
        }
    }
}

fn lines<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<Line<'a>> {
    let mut lines: Vec<Line<'a>> = Vec::new();
    let mut places = BTreeMap::new();
    for row in rows {
        let part = row.path.split(['[', '.']).next().unwrap_or_default();
        let place = *places.entry((part, &*row.note)).or_insert(lines.len());
        let said = row.count - row.empty;
        match lines.get_mut(place) {
            Some(line) => {
                line.more += 1;
                line.count = line.count.saturating_add(said);
            }
            None => lines.push(Line { first: row, more: 0, count: said }),
        }
    }
    lines
}

/// Values counted together.
#[derive(Debug, Default)]
struct Tally {
    count: usize,
    empty: usize,
    examples: Vec<String>,
}

impl Tally {
    fn example(&mut self, text: impl FnOnce() -> String) {
        if self.examples.len() < EXAMPLES {
            let example = shorten(&text());
            if !self.examples.contains(&example) {
                self.examples.push(example);
            }
        }
    }
}

/// Counts what stands at every path, and what became of it where that is not what the rules say.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    seen: BTreeMap<String, Tally>,
    moved: BTreeMap<(String, Fate, String), Tally>,
}

impl Ledger {
    /// Counts one value. `shown` gives its text for an example, and is not called for empty ones.
    pub(super) fn saw(&mut self, path: &str, empty: bool, shown: impl FnOnce() -> String) {
        let path = if self.seen.len() < PATTERNS || self.seen.contains_key(path) { path } else { FURTHER };
        if !self.seen.contains_key(path) {
            self.seen.insert(path.to_owned(), Tally::default());
        }
        if let Some(tally) = self.seen.get_mut(path) {
            tally.count += 1;
            if empty {
                tally.empty += 1;
            } else {
                tally.example(shown);
            }
        }
    }

    /// Says that one value at `path` met another fate than the rules give it.
    pub(super) fn instead(&mut self, path: &str, fate: Fate, note: impl Into<String>, example: &str) {
        let tally = self.moved.entry((path.to_owned(), fate, note.into())).or_default();
        tally.count += 1;
        tally.example(|| format!("{example:?}"));
    }

    /// The report: `rule` gives a pattern's fate and note.
    pub(super) fn report(
        self,
        name: String,
        imported: Imported,
        rule: impl Fn(&str) -> (Fate, &'static str),
    ) -> Fidelity {
        let mut seen = self.seen;
        let mut rows = Vec::new();
        for ((path, fate, note), tally) in self.moved {
            // What stands in for a value that is missing in the file has nothing to account for.
            let Some(rest) = seen.get_mut(&path) else { continue };
            let count = tally.count.min(rest.count);
            rest.count -= count;
            if count > 0 {
                rows.push(Row { path, fate, note, count, empty: 0, examples: tally.examples });
            }
        }
        for (path, Tally { count, empty, examples }) in seen {
            if count > 0 {
                let (fate, note) = rule(&path);
                let empty = empty.min(count);
                rows.push(Row { path, fate, note: note.to_owned(), count, empty, examples });
            }
        }
        rows.sort_by(|a, b| (&a.path, a.fate, &a.note).cmp(&(&b.path, b.fate, &b.note)));
        Fidelity { name, imported, rows }
    }
}

fn shorten(text: &str) -> String {
    match text.char_indices().nth(EXAMPLE_CHARS) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rows_of_a_path_add_up() {
        let mut ledger = Ledger::default();
        for title in ["a", "b", ""] {
            ledger.saw("cards[].name", title.is_empty(), || title.to_owned());
        }
        ledger.instead("cards[].name", Fate::Mapped, "named", "");
        let report = ledger.report("board".to_owned(), Imported::default(), |_| (Fate::Kept, "title"));
        let counts: Vec<_> = report.rows.iter().map(|row| (row.fate, row.count)).collect();
        assert_eq!(counts, [(Fate::Kept, 2), (Fate::Mapped, 1)]);
    }

    #[test]
    fn the_table_gathers_what_has_one_reason() {
        let mut ledger = Ledger::default();
        for path in ["cards[].a", "cards[].b", "lists[].a"] {
            ledger.saw(path, false, || "7".to_owned());
        }
        let report = ledger.report("board".to_owned(), Imported::default(), |_| (Fate::Dropped, "why"));
        let table = report.to_string();
        assert!(table.contains("  cards[].a and 1 more       2  why (such as 7)\n"), "{table}");
        assert!(table.contains("  lists[].a                  1  why (such as 7)\n"), "{table}");
    }

    #[test]
    fn a_long_path_shifts_only_its_own_line() {
        let mut ledger = Ledger::default();
        // Wider than what the formatting of the standard library takes.
        ledger.saw(&"x".repeat(70_000), false, || "7".to_owned());
        ledger.saw("y", false, || "7".to_owned());
        let report = ledger.report("board".to_owned(), Imported::default(), |_| (Fate::Dropped, "why"));
        let table = report.to_string();
        assert!(table.contains(&format!("  y{:59}       1  why", "")), "{}", &table[70_000..]);
    }

    #[test]
    fn a_file_with_ids_as_keys_does_not_blow_up_the_report() {
        let mut ledger = Ledger::default();
        for number in 0..3 * PATTERNS {
            ledger.saw(&format!("votes.{number}"), false, || number.to_string());
        }
        let report = ledger.report("board".to_owned(), Imported::default(), |_| (Fate::Dropped, "why"));
        assert_eq!(report.rows.len(), PATTERNS + 1);
        assert_eq!(report.rows.iter().map(|row| row.count).sum::<usize>(), 3 * PATTERNS);
    }
}
