//! `velo bundle`: a workspace in a file.
//!
//! The file is this process's: the node that answers makes and reads single parts. So it lies where the
//! person stands, with their rights, and the terminal shows how far it is.

mod import;

use super::{
    Settings,
    client::Client,
    output::{self, GOOD, NOTICE, complain, count, say, say_json, styled},
    read,
};
use crate::api::{
    Action, ApiError, Request,
    bundle::{self, Begun, BlobPart, Part},
};
use crate::data_dir;
use clap::{Args, Subcommand};
use data_encoding::BASE64;
use indicatif::{HumanBytes, ProgressBar};
use serde_json::json;
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};
use tempfile::NamedTempFile;
use velo_protocol::{bundle::Head, id::EntityId, replica::ExportCursor};

/// Moves a workspace by files.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum Bundle {
    /// Write a workspace into a file
    Export(Export),
    /// Take in what such a file holds
    Import(Import),
}

/// Writes a bundle.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  velo bundle export workshop.velo\n  \
    velo bundle export workshop.velo --without-attachments\n  \
    velo bundle export for-ben.velo --since Ben\n\n\
    The file is encrypted: only devices of the workspace can read it. It serves as a backup, and carries what \
    changed to devices that no network reaches. Of attachments it carries what this device holds; with --since \
    those that the other device is not known to know of.")]
pub(super) struct Export {
    /// The file to make
    file: PathBuf,
    /// Leave out what this device, or the only device of this person, is known to have
    #[arg(long, value_name = "DEVICE")]
    since: Option<String>,
    /// Leave out the content of attachments
    #[arg(long)]
    without_attachments: bool,
    /// Replace the file if it is there already
    #[arg(long)]
    force: bool,
}

/// Reads a bundle.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  velo bundle import workshop.velo\n\n\
    What is here already is left as it is, so a bundle can be imported again: also to go on where an import was \
    interrupted. Of a damaged one everything is taken that is whole. A device that is not in the workspace joins \
    first, `velo join TICKET`; nobody has to be reached for that.")]
pub(super) struct Import {
    /// The file
    file: PathBuf,
}

impl Bundle {
    pub(super) fn run(self, settings: &Settings) -> Result<ExitCode, ApiError> {
        let client = Client::open(settings, false)?;
        let desk = Desk { client: &client, settings };
        let done = match self {
            Self::Export(export) => desk.export(&export),
            Self::Import(import) => desk.import(&import.file),
        };
        // What went wrong before the end says more than the end does.
        let closed = client.close();
        done?;
        closed.map(|()| ExitCode::SUCCESS)
    }
}

struct Desk<'a> {
    client: &'a Client,
    settings: &'a Settings,
}

impl Desk<'_> {
    fn ask<T: serde::de::DeserializeOwned>(&self, request: bundle::Request) -> Result<T, ApiError> {
        let workspace = self.settings.workspace.clone();
        let json = self.client.call(Request { workspace, action: Action::Bundle(request) })?;
        read(&json).map_err(|error| not_understood(&error))
    }

    fn export(&self, export: &Export) -> Result<(), ApiError> {
        if export.file.exists() && !export.force {
            return Err(is_there(&export.file));
        }
        let (since, attachments) = (export.since.clone(), !export.without_attachments);
        let begun: Begun = self.ask(bundle::Request::Begin { since, attachments })?;
        let loads = begun.attachments.iter().map(|(_, bytes)| bytes).sum::<u64>();
        let sum = Exported {
            changes: begun.cursor.remaining(),
            attachments: begun.attachments.len(),
            missing: begun.missing,
            bytes: begun.entry_bytes + loads,
        };
        if !self.settings.json {
            say(format!("About {}: {}", HumanBytes(sum.bytes), sum.words()));
        }
        // In place only once it is whole: an older bundle is not lost to a full stick.
        let folder = export.file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let folder = folder.unwrap_or(Path::new("."));
        let file = NamedTempFile::new_in(folder);
        let file = file.map_err(|error| failed(&export.file, &error))?;
        let bar = output::bytes_bar("", sum.bytes, self.settings.json);
        let writer = Writer { desk: self, to: BufWriter::new(file.as_file()), path: &export.file, bar: &bar };
        let bytes = writer.write(begun.cursor, begun.entry_bytes, &begun.attachments)?;
        bar.finish_and_clear();
        file.as_file().sync_all().map_err(|error| failed(&export.file, &error))?;
        put_in_place(file, folder, &export.file, export.force)?;
        self.tell_export(export, &begun.workspace, &Exported { bytes, ..sum });
        Ok(())
    }

    fn tell_export(&self, export: &Export, workspace: &str, sum: &Exported) {
        if self.settings.json {
            return say_json(&json!({
                "workspace": workspace,
                "file": export.file,
                "changes": sum.changes,
                "attachments": sum.attachments,
                "missing": sum.missing,
                "bytes": sum.bytes,
            }));
        }
        let (name, file, size) = (workspace, export.file.display(), HumanBytes(sum.bytes));
        say(format!("{} {} of {name} are in {file}, {size}.", styled(GOOD, "done:"), sum.words()));
        if sum.missing > 0 {
            let of = count(sum.missing, "attachment");
            let told = format!(
                "of {of} something is not on this device, and so not in the file: `velo attach fetch` brings it"
            );
            complain(format!("{} {told}", styled(NOTICE, "warning:")));
        }
    }
}

/// Gives a file its name, durably. What has come to stand there meanwhile is replaced only if that is wanted.
fn put_in_place(file: NamedTempFile, folder: &Path, path: &Path, force: bool) -> Result<(), ApiError> {
    let placed = if force {
        file.persist(path).map(drop).map_err(|failed| failed.error)
    } else {
        data_dir::persist_new(file, path)
    };
    placed.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => is_there(path),
        _ => failed(path, &error),
    })?;
    if let Err(error) = data_dir::sync_dir(folder) {
        // Some shares cannot: the file stands there all the same.
        tracing::warn!(%error, "the name of the bundle may not be durable yet");
    }
    Ok(())
}

fn is_there(path: &Path) -> ApiError {
    ApiError::Invalid(format!("{} is there already: name another file, or give --force", path.display()))
}

/// What goes into a bundle.
struct Exported {
    changes: u64,
    attachments: usize,
    missing: usize,
    bytes: u64,
}

impl Exported {
    fn words(&self) -> String {
        let changes = count(self.changes as usize, "change");
        match self.attachments {
            0 => changes,
            some => format!("{changes} and {}", count(some, "attachment")),
        }
    }
}

/// Writes the parts one after the other.
struct Writer<'a> {
    desk: &'a Desk<'a>,
    to: BufWriter<&'a File>,
    path: &'a Path,
    bar: &'a ProgressBar,
}

impl Writer<'_> {
    /// Returns how many bytes there are.
    fn write(
        mut self,
        begun: Box<ExportCursor>,
        entry_bytes: u64,
        attachments: &[(EntityId, u64)],
    ) -> Result<u64, ApiError> {
        let (total, mut cursor) = (begun.remaining(), begun);
        self.to.write_all(&cursor.head.to_bytes()).map_err(|error| failed(self.path, &error))?;
        let mut bytes = Head::BYTES as u64;
        while cursor.remaining() > 0 {
            let made: Part = self.desk.ask(bundle::Request::Export(cursor))?;
            bytes += self.part(&made)?;
            cursor = made.next;
            let done = u128::from(total - cursor.remaining().min(total)) * u128::from(entry_bytes);
            self.bar.set_position((done / u128::from(total.max(1))) as u64);
        }
        for (attachment, _) in attachments {
            let mut from = 0;
            loop {
                let request =
                    bundle::Request::ExportBlob { cursor: cursor.clone(), attachment: *attachment, from };
                let Some(made) = self.desk.ask::<Option<BlobPart>>(request)? else { break };
                let written = self.part(&made.part)?;
                bytes += written;
                self.bar.inc(written);
                (cursor, from) = (made.part.next, made.from);
            }
        }
        let end: Part = self.desk.ask(bundle::Request::End(cursor))?;
        bytes += self.part(&end)?;
        self.to.flush().map_err(|error| failed(self.path, &error))?;
        Ok(bytes)
    }

    fn part(&mut self, made: &Part) -> Result<u64, ApiError> {
        let part = BASE64.decode(made.part.as_bytes()).map_err(|error| not_understood(&error))?;
        let length = (part.len() as u32).to_le_bytes();
        let written = self.to.write_all(&length).and_then(|()| self.to.write_all(&part));
        written.map_err(|error| failed(self.path, &error))?;
        Ok((length.len() + part.len()) as u64)
    }
}

fn failed(path: &Path, error: &io::Error) -> ApiError {
    ApiError::Failed(format!("writing {}: {error}", path.display()))
}

fn not_understood(error: &dyn std::fmt::Display) -> ApiError {
    ApiError::Failed(format!("the answer is not understood: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_has_come_meanwhile_is_replaced_only_if_that_is_wanted() {
        let stick = tempfile::tempdir().unwrap();
        let path = stick.path().join("workshop.velo");
        let put = |bytes: &[u8], force| {
            let mut file = NamedTempFile::new_in(stick.path()).unwrap();
            file.write_all(bytes).unwrap();
            put_in_place(file, stick.path(), &path, force)
        };
        put(b"first", false).unwrap();
        let told = put(b"second", false).unwrap_err().to_string();
        assert!(told.contains("--force"), "{told}");
        assert_eq!(fs::read(&path).unwrap(), b"first");
        put(b"third", true).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"third");
        assert_eq!(fs::read_dir(stick.path()).unwrap().count(), 1, "nothing is left behind");
    }
}
