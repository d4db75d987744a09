//! Laying answers out for people: aligned tables, and colours only where they are seen.
//!
//! Much of what is printed was written by others: titles, comments, names. A terminal obeys control
//! characters, so a comment could clear the screen, forge a line or turn the reading direction
//! round. Therefore every text of an answer is made plain ([`plain_answer`], [`plain_lines`]) before
//! it is laid out, in one place that no layout can forget.

use crate::plain::is_obeyed;
use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value as Json;
use std::{
    fmt::{Display, Write},
    time::Duration,
};
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
/// Before every line of a text but its first, so that none passes for a line of Velo's own.
const INDENT: &str = "    ";
/// Stands for the end of a line where there is room for one line only.
const LINE_END: &str = " ⏎ ";

/// `text` in a style. Whoever prints takes the style away again where no terminal is.
pub fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// A text of one line in which what a terminal would obey is shown as its number, such as `<001B>`.
fn plain_line(line: &str) -> String {
    line.chars().fold(String::with_capacity(line.len()), |mut plain, c| {
        match c {
            '\t' => plain.push_str(INDENT),
            // Writing to a string cannot fail.
            c if is_obeyed(c) => _ = write!(plain, "<{:04X}>", u32::from(c)),
            c => plain.push(c),
        }
        plain
    })
}

/// A text in which what a terminal would obey is shown as its number; lines stay lines.
pub fn plain_lines(text: &str) -> String {
    text.lines().map(plain_line).collect::<Vec<_>>().join("\n")
}

/// As [`plain_lines`], with all lines but the first indented.
fn plain(text: &str) -> String {
    plain_lines(text.trim_end_matches('\n')).replace('\n', &format!("\n{INDENT}"))
}

/// An answer with every text in it made plain, to be laid out. Names of fields are Velo's own.
pub fn plain_answer(answer: &Json) -> Json {
    match answer {
        Json::String(text) => Json::String(plain(text)),
        Json::Array(elements) => elements.iter().map(plain_answer).collect(),
        Json::Object(fields) => {
            fields.iter().map(|(name, value)| (name.clone(), plain_answer(value))).collect()
        }
        other => other.clone(),
    }
}

/// A text of several lines, made plain before, as a block: all of it indented.
pub fn block(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{INDENT}{text}") }
}

/// Prints a JSON value on one line. What a terminal would obey is escaped: readers get the same.
pub fn say_json(value: &Json) {
    say(escaped(value));
}

fn escaped(value: &Json) -> String {
    let mut text = String::new();
    // Such characters stand nowhere but inside texts.
    for c in value.to_string().chars() {
        if is_obeyed(c) {
            // Writing to a string cannot fail. None of them lies beyond the sixteen bits.
            let _ = write!(text, "\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
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

/// A sign of life on a terminal, with the time it takes.
pub fn waiting(what: &'static str, quiet: bool) -> ProgressBar {
    let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new_spinner() };
    if let Ok(style) = ProgressStyle::with_template("{spinner:.green} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar.enable_steady_tick(Duration::from_millis(100));
    bar
}

/// How many of so many bytes are done, on a terminal.
pub fn bytes_bar(what: &str, bytes: u64, quiet: bool) -> ProgressBar {
    let bar = if quiet { ProgressBar::hidden() } else { ProgressBar::new(bytes) };
    let template = "{msg}{bar:24.green} {bytes} of {total_bytes}, {eta} left";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    let space = if what.is_empty() { "" } else { " " };
    bar.with_message(format!("{}{space}", plain_lines(what)))
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
        let in_one_line =
            |cell: String| cell.replace(&format!("\n{INDENT}"), LINE_END).replace('\n', LINE_END);
        self.rows.push(cells.map(in_one_line).into());
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
    fn what_a_terminal_would_obey_is_shown_instead() {
        let nasty = "a\u{1b}[2J\u{1b}]0;b\u{7}c\rd\u{9b}e\u{202e}f\u{2066}g\u{2028}h";
        let line = plain(nasty);
        assert_eq!(line, "a<001B>[2J<001B>]0;b<0007>c<000D>d<009B>e<202E>f<2066>g<2028>h");
        let answer = serde_json::json!({ "rows": [{ "title": nasty, "tasks": 3 }] });
        assert_eq!(plain_answer(&answer), serde_json::json!({ "rows": [{ "title": line, "tasks": 3 }] }));
        for text in ["Müller & Söhne", "日本", "👩\u{200d}🔧", "שלום"] {
            assert_eq!(plain(text), text);
        }
    }

    #[test]
    fn no_line_of_a_text_passes_for_one_of_velos_own() {
        assert_eq!(plain("one\r\n\ttwo\n\nthree\n"), "one\n        two\n    \n    three");
        let mut table = Table::new(["WHAT"]);
        table.row([plain("one\n1. Anna: two")]);
        let text = anstream::adapter::strip_str(&table.show("nothing")).to_string();
        assert_eq!(text, "WHAT\none ⏎ 1. Anna: two\n");
    }

    #[test]
    fn json_says_the_same_without_bytes_that_a_terminal_obeys() {
        let value = serde_json::json!({ "title": "a\u{1b}\u{9b}\u{7f}\u{202e}\n\\b" });
        let text = escaped(&value);
        assert!(!text.chars().any(is_obeyed), "{text}");
        assert_eq!(serde_json::from_str::<Json>(&text).unwrap(), value);
    }

    #[test]
    fn an_empty_table_says_what_to_do() {
        assert_eq!(Table::new(["ID"]).show("no tasks yet"), "no tasks yet\n");
    }
}
