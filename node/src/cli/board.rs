//! `velo project`, `velo column`, `velo label`, `velo favourite`, `velo comment`: how their answers are laid out.

use super::{
    Layout,
    output::{Table, block, count},
    read, task,
};
use crate::api::{
    column::{self, ColumnRow},
    comment::{self, CommentRow},
    favourite::{self, FavouriteRow},
    label::{self, LabelRow},
    project::{self, ProjectDetail, ProjectRow},
};
use serde_json::{Error, Value as Json};

/// How the answer to a request on projects is laid out.
pub(super) fn project_layout(request: &project::Request) -> Layout {
    match request {
        project::Request::Add(_) => |json| {
            let project: ProjectRow = read(json)?;
            let columns = count(project.columns, "column");
            Ok(format!("Added project \"{}\" ({}-…) with {columns}\n", project.name, project.prefix))
        },
        project::Request::Delete(_) => |json| {
            let project: ProjectRow = read(json)?;
            let tasks = count(project.tasks, "task");
            Ok(format!("Deleted project \"{}\" with {tasks}. `velo undo` brings it back.\n", project.name))
        },
        project::Request::Show(_) => |json| {
            let detail: ProjectDetail = read(json)?;
            let description = match detail.project.description.trim_end() {
                "" => String::new(),
                text => format!("{}\n\n", block(text)),
            };
            let heading = format!("{} ({}-…)\n\n", detail.project.name, detail.project.prefix);
            Ok(format!("{heading}{description}{}", columns(&detail.board)))
        },
        project::Request::List => projects,
    }
}

fn projects(json: &Json) -> Result<String, Error> {
    let mut table = Table::new(["PROJECT", "PREFIX", "COLUMNS", "TASKS", "ID"]);
    for row in read::<Vec<ProjectRow>>(json)? {
        let name = if row.archived { format!("{} (archived)", row.name) } else { row.name };
        table.row([name, row.prefix, row.columns.to_string(), row.tasks.to_string(), row.id.to_string()]);
    }
    Ok(table.show("No projects. `velo project add NAME` makes one."))
}

/// How the answer to a request on columns is laid out.
pub(super) fn column_layout(request: &column::Request) -> Layout {
    match request {
        column::Request::Add(_) => |json| column_line(json, "Added"),
        column::Request::Rename(_) => |json| column_line(json, "Renamed"),
        column::Request::Delete(_) => |json| column_line(json, "Deleted"),
        column::Request::List(_) => |json| Ok(columns(&read::<Vec<ColumnRow>>(json)?)),
    }
}

fn column_line(json: &Json, what: &str) -> Result<String, Error> {
    let column: ColumnRow = read(json)?;
    Ok(format!("{what} column \"{}\" of {}\n", column.name, column.project))
}

fn columns(rows: &[ColumnRow]) -> String {
    let mut table = Table::new(["COLUMN", "CATEGORY", "TASKS", "ID"]);
    for row in rows {
        let name = if row.archived { format!("{} (archived)", row.name) } else { row.name.clone() };
        table.row([name, row.category.clone(), row.tasks.to_string(), row.id.to_string()]);
    }
    table.show("No columns. `velo column add NAME` makes one.")
}

/// How the answer to a request on labels is laid out.
pub(super) fn label_layout(request: &label::Request) -> Layout {
    match request {
        label::Request::Add(_) => |json| Ok(format!("Added label \"{}\"\n", read::<LabelRow>(json)?.name)),
        label::Request::Delete(_) => {
            |json| Ok(format!("Deleted label \"{}\"\n", read::<LabelRow>(json)?.name))
        }
        label::Request::List => |json| {
            let mut table = Table::new(["LABEL", "COLOR", "ID"]);
            for row in read::<Vec<LabelRow>>(json)? {
                table.row([row.name, row.color.to_string(), row.id.to_string()]);
            }
            Ok(table.show("No labels. `velo label add NAME` makes one."))
        },
    }
}

/// How the answer to a request on comments is laid out.
pub(super) fn comment_layout(request: &comment::Request) -> Layout {
    match request {
        comment::Request::Add(_) => |json| Ok(format!("Added comment {}\n", read::<CommentRow>(json)?.short)),
        comment::Request::Delete(_) => {
            |json| Ok(format!("Deleted comment {}\n", read::<CommentRow>(json)?.short))
        }
        comment::Request::List(_) => |json| {
            let rows: Vec<CommentRow> = read(json)?;
            let none = "No comments. `velo comment add TASK TEXT` writes one.\n";
            Ok(if rows.is_empty() { none.to_owned() } else { task::comment_lines(&rows) })
        },
    }
}

/// How the answer to a request on favourites is laid out.
pub(super) fn favourite_layout(request: &favourite::Request) -> Layout {
    match request {
        favourite::Request::Add(_) => |json| {
            let row: FavouriteRow = read(json)?;
            Ok(format!("\"{}\" is a favourite of yours now, on all of your devices.\n", row.name))
        },
        favourite::Request::Remove(_) => |json| {
            let row: FavouriteRow = read(json)?;
            Ok(format!("\"{}\" is no favourite of yours any more.\n", row.name))
        },
        favourite::Request::List => |json| {
            let mut table = Table::new(["WORKSPACE", "KIND", "ID", "NAME"]);
            for row in read::<Vec<FavouriteRow>>(json)? {
                let id = if row.short_id.is_empty() { row.id.short() } else { row.short_id };
                table.row([row.workspace_name, row.kind, id, row.name]);
            }
            Ok(table.show("No favourites. `velo favourite add NAME` makes a project or task one."))
        },
    }
}
