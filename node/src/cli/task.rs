//! `velo task`: how tasks are laid out.

use super::{
    Layout,
    attach::attachment_lines,
    conflict,
    output::{NOTICE, Table, block, count, fields, lines, styled},
    read,
};
use crate::api::{
    comment::CommentRow,
    task::{ChecklistRow, Request, TaskDetail, TaskSummary},
};
use serde_json::{Error, Value as Json};

/// How the answer to a request is laid out.
pub(super) fn layout(request: &Request) -> Layout {
    match request {
        Request::Add(_) => |json| one(json, "Added"),
        Request::Edit(_) => |json| one(json, "Changed"),
        Request::Move(_) => |json| one(json, "Moved"),
        Request::Done(_) => |json| one(json, "Done:"),
        Request::Delete(_) => |json| one(json, "Deleted"),
        Request::Restore(_) => |json| one(json, "Restored"),
        Request::Show(_) => |json| Ok(detail(&read(json)?)),
        Request::List(_) => |json| Ok(table(&read::<Vec<TaskSummary>>(json)?)),
    }
}

fn one(json: &Json, what: &str) -> Result<String, Error> {
    let task: TaskSummary = read(json)?;
    let place = [task.project.as_deref(), task.column.as_deref()];
    let place: Vec<_> = place.into_iter().flatten().collect();
    let place = if place.is_empty() { String::new() } else { format!(" in {}", place.join(" › ")) };
    Ok(format!("{what} {} \"{}\"{place}\n", task.short, task.title))
}

fn table(tasks: &[TaskSummary]) -> String {
    let mut table =
        Table::new(["ID", "TITLE", "PROJECT", "COLUMN", "PRIORITY", "DUE", "LABELS", "ASSIGNEES"]);
    for task in tasks {
        let mark = if task.conflicts > 0 { " ⚠" } else { "" };
        table.row([
            task.short.clone(),
            format!("{}{mark}", task.title),
            task.project.clone().unwrap_or_default(),
            task.column.clone().unwrap_or_default(),
            priority(task),
            task.due.clone().unwrap_or_default(),
            task.labels.join(", "),
            task.assignees.join(", "),
        ]);
    }
    table.show("No tasks. `velo task add \"Title\"` makes one.")
}

fn priority(task: &TaskSummary) -> String {
    if task.priority == "none" { String::new() } else { task.priority.clone() }
}

fn detail(detail: &TaskDetail) -> String {
    let parts = [
        facts(detail),
        block(detail.description.trim_end()),
        if detail.subtasks.is_empty() { String::new() } else { table(&detail.subtasks) },
        lines(detail.checklist.iter().map(checklist_line)),
        attachment_lines(&detail.attachments),
        comment_lines(&detail.comments),
        lines(detail.open_conflicts.iter().map(|one| styled(NOTICE, conflict::lines(one).trim_end()))),
    ];
    let shown: Vec<_> = parts.iter().map(|part| part.trim_end()).filter(|part| !part.is_empty()).collect();
    format!("{}\n", shown.join("\n\n"))
}

fn facts(detail: &TaskDetail) -> String {
    let task = &detail.task;
    let restore = || format!("`velo task restore {}` brings it back", task.short);
    fields(&[
        (task.short.as_str(), task.title.clone()),
        ("Project", task.project.clone().unwrap_or_default()),
        ("Column", task.column.clone().unwrap_or_default()),
        ("Priority", priority(task)),
        ("Start", task.start.clone().unwrap_or_default()),
        ("Due", task.due.clone().unwrap_or_default()),
        ("Estimate", task.estimate.map(|minutes| format!("{minutes} min")).unwrap_or_default()),
        ("Labels", task.labels.join(", ")),
        ("Assignees", task.assignees.join(", ")),
        ("Part of", detail.parent.clone().unwrap_or_default()),
        (
            "Created",
            detail.created.as_ref().map(|set| format!("{} by {}", set.at, set.by)).unwrap_or_default(),
        ),
        ("Archived", if task.archived { "yes".to_owned() } else { String::new() }),
        ("Deleted", if task.deleted { restore() } else { String::new() }),
        (
            "Comments",
            if detail.comments.is_empty() { String::new() } else { count(detail.comments.len(), "comment") },
        ),
        ("Id", task.id.to_string()),
    ])
}

fn checklist_line(item: &ChecklistRow) -> String {
    let list = item.list.as_ref().map(|list| format!("{list}: ")).unwrap_or_default();
    format!("[{}] {list}{}", if item.done { "x" } else { " " }, item.title)
}

/// Comments under each other, each with what names it.
pub(super) fn comment_lines(comments: &[CommentRow]) -> String {
    let line = |one: &CommentRow| format!("{}  {} ({}): {}", one.short, one.by, one.at, one.text);
    lines(comments.iter().map(line))
}
