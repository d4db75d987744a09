//! Laying answers out for people: aligned tables, and colours only where they are seen.

use anstyle::{AnsiColor, Style};
use std::fmt::{Display, Write};
use unicode_width::UnicodeWidthStr;

/// Headings.
pub const HEADING: Style = Style::new().bold();
/// What went well.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// What needs attention.
pub const NOTICE: Style = AnsiColor::Yellow.on_default();
/// What failed.
pub const BAD: Style = AnsiColor::Red.on_default();

const GAP: &str = "  ";

/// `text` in a style. Whoever prints takes the style away again where no terminal is.
pub fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Prints a line, in colour only where a terminal shows it. A pipe that nobody reads any more, as in
/// `velo history | head`, is no failure.
pub fn say(text: impl Display) {
    let _ = std::io::Write::write_fmt(&mut anstream::stdout(), format_args!("{text}\n"));
}

/// As [`say`], where errors go.
pub fn complain(text: impl Display) {
    let _ = std::io::Write::write_fmt(&mut anstream::stderr(), format_args!("{text}\n"));
}

/// Rows under a heading, every column as wide as its widest cell.
#[derive(Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these headings.
    pub fn new<const N: usize>(heading: [&str; N]) -> Self {
        Self { rows: vec![heading.map(str::to_owned).into()] }
    }

    /// Adds a row.
    pub fn row<const N: usize>(&mut self, cells: [String; N]) {
        self.rows.push(cells.into());
    }

    /// The table as text; `empty` if it has no rows.
    pub fn show(&self, empty: &str) -> String {
        if self.rows.len() < 2 {
            return format!("{empty}\n");
        }
        let widths = self.widths();
        let mut text = String::new();
        for (number, row) in self.rows.iter().enumerate() {
            let line = line(row, &widths);
            let line = if number == 0 { styled(HEADING, &line) } else { line };
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    fn widths(&self) -> Vec<usize> {
        let columns = self.rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(column));
            cells.map(|cell| cell.width()).max().unwrap_or(0)
        };
        (0..columns).map(width).collect()
    }
}

fn line(row: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    for (cell, width) in row.iter().zip(widths) {
        let padding = width.saturating_sub(cell.width());
        line.push_str(cell);
        line.push_str(&" ".repeat(padding));
        line.push_str(GAP);
    }
    line.trim_end().to_owned()
}

/// Lines of `name  value`, aligned. Empty values are left out.
pub fn fields<const N: usize>(fields: &[(&str, String); N]) -> String {
    let shown = || fields.iter().filter(|(_, value)| !value.is_empty());
    let width = shown().map(|(name, _)| name.width()).max().unwrap_or(0);
    shown().fold(String::new(), |mut text, (name, value)| {
        let padding = " ".repeat(width - name.width());
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}{padding}{GAP}{value}", styled(HEADING, name));
        text
    })
}

/// Every item on a line of its own.
pub fn lines<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().fold(String::new(), |mut text, item| {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{item}");
        text
    })
}

/// `1 task`, `2 tasks`.
pub fn count(number: usize, what: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {what}{ending}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_also_with_wide_letters() {
        let mut table = Table::new(["ID", "TITLE", "DUE"]);
        table.row(["A-1".into(), "日本".into(), "friday".into()]);
        table.row(["A-10".into(), "tea".into(), String::new()]);
        let text = anstream::adapter::strip_str(&table.show("nothing")).to_string();
        assert_eq!(text, "ID    TITLE  DUE\nA-1   日本   friday\nA-10  tea\n");
    }

    #[test]
    fn an_empty_table_says_what_to_do() {
        assert_eq!(Table::new(["ID"]).show("no tasks yet"), "no tasks yet\n");
    }
}
