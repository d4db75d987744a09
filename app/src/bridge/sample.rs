//! The sample board, as if it had been made for today.

use velo_node::import::{self, ImportError, Target};
use velo_protocol::{
    change::Change,
    id::WorkspaceId,
    value::{Date, Value},
};

/// The day on which the embedded board looks current: 8 April 2025, in days since 1970-01-01.
const BOARD_DAY: i32 = 20_186;

/// The changes that put the board into a workspace, its dates moved so that they lie around `today`.
pub fn changes(workspace: WorkspaceId, today: i32) -> Result<Vec<Change>, ImportError> {
    let target = Target { workspace, project: None };
    let mut changes = import::read_trello(import::DEMO_BOARD.as_bytes(), target)?.changes;
    // Whole weeks: what was due on a Friday still is.
    let days = (today - BOARD_DAY).div_euclid(7) * 7;
    for change in &mut changes {
        match change {
            Change::Create { fields, .. } => fields.iter_mut().for_each(|(_, value)| shift(value, days)),
            Change::Set { value, .. } => shift(value, days),
            _ => {}
        }
    }
    Ok(changes)
}

fn shift(value: &mut Value, days: i32) {
    match value {
        Value::Date(Date::Day(day)) => *day = day.saturating_add(days),
        Value::Date(Date::At { ms, .. }) => *ms = ms.saturating_add(i64::from(days) * 86_400_000),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_move_by_whole_weeks_and_nothing_else_changes() {
        let id = WorkspaceId([1; 32]);
        let (then, now) = (changes(id, BOARD_DAY).unwrap(), changes(id, BOARD_DAY + 700).unwrap());
        assert_eq!(then.len(), now.len());
        let days = |changes: &[Change]| -> Vec<i64> {
            let created = changes.iter().filter_map(|change| match change {
                Change::Create { fields, .. } => Some(fields),
                _ => None,
            });
            let values = created.flatten().filter_map(|(_, value)| value.as_date());
            values
                .map(|date| match date {
                    Date::Day(day) => i64::from(*day) * 86_400_000,
                    Date::At { ms, .. } => *ms,
                })
                .collect()
        };
        let moved = days(&then).into_iter().zip(days(&now)).all(|(then, now)| now - then == 700 * 86_400_000);
        assert!(moved && !days(&then).is_empty());
    }
}
