//! `velo storage`: how its answers are laid out.

use super::{
    Layout,
    output::{HEADING, Table, fields, styled},
    read,
};
use crate::{
    api::{
        Action,
        storage::{CleanAnswer, Storage, StorageAnswer, WorkspaceSpace},
    },
    blobs::usage::Sum,
};
use indicatif::HumanBytes;
use serde_json::{Error, Value as Json};

/// What is asked, and how the answer is laid out.
pub(super) fn request(storage: Storage) -> (Action, Layout) {
    let layout: Layout = if storage.request.is_some() { cleaned } else { figures };
    (Action::Storage(storage), layout)
}

fn cleaned(json: &Json) -> Result<String, Error> {
    let CleanAnswer { dropped } = read(json)?;
    if dropped.blobs == 0 {
        return Ok("Nothing to drop: everything that is kept is shown somewhere.\n".to_owned());
    }
    Ok(format!("Dropped {} of deleted attachments.\n", HumanBytes(dropped.bytes)))
}

fn figures(json: &Json) -> Result<String, Error> {
    let StorageAnswer { workspaces, free } = read(json)?;
    let free = free.map(|free| format!("Free on the disk: {}\n", HumanBytes(free)));
    Ok(workspaces.iter().map(of_workspace).chain(free).collect())
}

fn of_workspace(space: &WorkspaceSpace) -> String {
    let bytes = |bytes: u64| HumanBytes(bytes).to_string();
    let some = |sum: Sum, note: &str| match sum.bytes {
        0 => String::new(),
        bytes => format!("{}{note}", HumanBytes(bytes)),
    };
    let facts = fields(&[
        ("Changes", bytes(space.log)),
        ("Index", bytes(space.state)),
        ("Attachments", bytes(space.attachments.bytes)),
        ("Carried", some(Sum { blobs: 0, bytes: space.carried }, " of attachments")),
        ("On their way", some(space.pending, "")),
        ("Deleted", some(space.unshown, ", `velo storage clean` drops it")),
    ]);
    let mut parts = vec![format!("{}\n{facts}", styled(HEADING, &space.name))];
    if space.projects.len() > 1 {
        let mut table = Table::new(["PROJECT", "ATTACHMENTS"]);
        for row in &space.projects {
            table.row([row.project.clone().unwrap_or_default(), bytes(row.bytes)]);
        }
        parts.push(table.show(""));
    }
    if !space.largest.is_empty() {
        let mut table = Table::new(["LARGEST", "TASK", "SIZE", "ATTACHMENT"]);
        for row in &space.largest {
            let one = &row.attachment;
            table.row([one.name.clone(), one.task.clone(), bytes(row.bytes), one.short.clone()]);
        }
        parts.push(table.show(""));
    }
    format!("{}\n", parts.join("\n"))
}
