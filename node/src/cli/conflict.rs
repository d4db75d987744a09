//! `velo conflicts`: how conflicts are laid out.

use super::{Layout, output, read};
use crate::api::conflict::{ConflictRow, OptionRow, Request, Settled};

/// How the answer to a request is laid out.
pub(super) fn layout(request: &Request) -> Layout {
    match request {
        Request::List => |json| {
            let rows: Vec<ConflictRow> = read(json)?;
            if rows.is_empty() {
                return Ok("No conflicts.\n".to_owned());
            }
            let text = output::lines(rows.iter().map(lines));
            Ok(format!("{text}Settle one with `velo conflicts resolve ID --pick NUMBER`.\n"))
        },
        Request::Resolve(_) => |json| {
            let settled: Settled = read(json)?;
            Ok(format!("Settled: {}\n", settled.sentence))
        },
    }
}

/// A conflict and what can be picked.
pub(super) fn lines(row: &ConflictRow) -> String {
    let short = row.short.as_ref().map(|short| format!("{short}: ")).unwrap_or_default();
    let option = |(place, one): (usize, &OptionRow)| {
        let shown = if one.shown { " (shown now)" } else { "" };
        format!("   {}) {}, by {} at {}{shown}", place + 1, one.value, one.set.by, one.set.at)
    };
    let options = output::lines(row.options.iter().enumerate().map(option));
    format!("{}  {short}{}\n{options}", row.id, row.sentence)
}
