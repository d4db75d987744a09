//! `velo bundle`: a workspace in a file.
//!
//! The file is this process's: the node that answers makes and reads single parts. So it lies where the
//! person stands, with their rights, and the terminal shows how far it is.

use super::{
    Settings,
    client::Client,
    output::{GOOD, NOTICE, complain, count, say, say_json, styled},
    read,
};
use crate::api::{
    Action, ApiError, Request,
    bundle::{self, Begun, Part, Taken},
};
use clap::{Args, Subcommand};
use data_encoding::BASE64;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::{
    fs::File,
    io::{self, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};
use velo_protocol::{
    bundle::{Head, PartNo},
    limits,
};

/// Actions on bundles.
#[derive(Debug, Clone, Subcommand)]
pub(super) enum Bundle {
    /// Write the workspace into a file
    Export(Export),
    /// Take in what such a file holds
    Import(Import),
}

/// Writes a bundle.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  velo bundle export workshop.velo\n  \
    velo bundle export for-ben.velo --since Ben\n\n\
    The file is encrypted: only devices of the workspace can read it. It serves as a backup, and carries what \
    changed to devices that no network reaches. Attached files are not in it.")]
pub(super) struct Export {
    /// The file to make
    file: PathBuf,
    /// Leave out what this device, or the only device of this person, is known to have
    #[arg(long, value_name = "DEVICE")]
    since: Option<String>,
    /// Replace the file if it is there already
    #[arg(long)]
    force: bool,
}

/// Reads a bundle.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  velo bundle import workshop.velo\n\n\
    What is here already is left as it is, so a bundle can be imported again. A device that is not in the \
    workspace joins first, `velo join TICKET`; nobody has to be reached for that.")]
pub(super) struct Import {
    /// The file
    file: PathBuf,
}

impl Bundle {
    pub(super) fn run(self, settings: &Settings) -> Result<ExitCode, ApiError> {
        let client = Client::open(&settings.data_dir, false)?;
        let desk = Desk { client: &client, settings };
        let done = match self {
            Self::Export(export) => desk.export(&export),
            Self::Import(import) => desk.import(&import),
        };
        client.close()?;
        done.map(|()| ExitCode::SUCCESS)
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
        read(&json).map_err(|error| ApiError::Failed(format!("the answer is not understood: {error}")))
    }

    fn export(&self, export: &Export) -> Result<(), ApiError> {
        let failed =
            |error: io::Error| ApiError::Failed(format!("writing {}: {error}", export.file.display()));
        if export.file.exists() && !export.force {
            let told =
                format!("{} is there already: name another file, or give --force", export.file.display());
            return Err(ApiError::Invalid(told));
        }
        let begun: Begun = self.ask(bundle::Request::Begin { since: export.since.clone() })?;
        let (total, mut cursor) = (begun.cursor.remaining(), Some(begun.cursor));
        // In place only once it is whole: an older bundle is not lost to a full stick.
        let folder = export.file.parent().filter(|folder| !folder.as_os_str().is_empty());
        let mut file = tempfile::NamedTempFile::new_in(folder.unwrap_or(Path::new("."))).map_err(failed)?;
        let bar = self.bar(total, "{pos} of {len} changes");
        let mut bytes = Head::BYTES as u64;
        file.write_all(&cursor.as_ref().map_or([0; Head::BYTES], |cursor| cursor.head.to_bytes()))
            .map_err(failed)?;
        while let Some(at) = cursor {
            let made: Part = self.ask(bundle::Request::Export(at))?;
            let part = BASE64.decode(made.part.as_bytes());
            let part =
                part.map_err(|error| ApiError::Failed(format!("the answer is not understood: {error}")))?;
            file.write_all(&(part.len() as u32).to_le_bytes()).map_err(failed)?;
            file.write_all(&part).map_err(failed)?;
            bytes += 4 + part.len() as u64;
            cursor = made.next;
            bar.set_position(total - cursor.as_ref().map_or(0, |cursor| cursor.remaining()).min(total));
        }
        bar.finish_and_clear();
        file.as_file().sync_all().map_err(failed)?;
        file.persist(&export.file).map_err(|error| failed(error.error))?;
        if self.settings.json {
            say_json(
                &json!({ "workspace": begun.workspace, "file": export.file, "changes": total, "bytes": bytes }),
            );
        } else {
            let changes = count(total as usize, "change");
            let (name, file) = (begun.workspace, export.file.display());
            say(format!("{} {changes} of {name} are in {file}, {bytes} bytes.", styled(GOOD, "done:")));
        }
        Ok(())
    }

    fn import(&self, import: &Import) -> Result<(), ApiError> {
        let failed =
            |error: io::Error| ApiError::Failed(format!("reading {}: {error}", import.file.display()));
        let file = File::open(&import.file).map_err(failed)?;
        let bar = self.bar(file.metadata().map_err(failed)?.len(), "{bytes} of {total_bytes}");
        let mut parts = Parts::open(bar.wrap_read(BufReader::new(file)), &import.file)?;
        let mut sum: Option<Taken> = None;
        while let Some((at, part)) = parts.next()? {
            let part = BASE64.encode(&part);
            let taken: Taken = self.ask(bundle::Request::Import { head: parts.head, at, part })?;
            sum = Some(match sum {
                None => taken,
                Some(before) => added(&before, taken),
            });
        }
        bar.finish_and_clear();
        let Some(sum) = sum else { return Err(parts.cut_short()) };
        self.tell(&sum);
        Ok(())
    }

    fn tell(&self, Taken { workspace, brought }: &Taken) {
        if self.settings.json {
            return say_json(&json!({
                "workspace": workspace,
                "changes": brought.entries,
                "gaps": brought.gaps,
                "refused": brought.refused,
            }));
        }
        let name = if workspace.is_empty() { "the workspace" } else { workspace };
        match brought.entries {
            0 => say(format!("{} everything in it was here already.", styled(GOOD, "done:"))),
            some => {
                let changes = count(some as usize, "change");
                say(format!("{} {changes} came into {name}.", styled(GOOD, "done:")));
            }
        }
        if brought.gaps > 0 {
            let told = "part of it goes on from changes that are not here: have the bundle made again without \
                        --since";
            complain(format!("{} {told}", styled(NOTICE, "warning:")));
        }
        if brought.refused > 0 {
            let told = "some of it was left out: there are more logs of one device than Velo keeps";
            complain(format!("{} {told}", styled(NOTICE, "warning:")));
        }
    }

    fn bar(&self, length: u64, template: &str) -> ProgressBar {
        let bar = if self.settings.json { ProgressBar::hidden() } else { ProgressBar::new(length) };
        if let Ok(style) = ProgressStyle::with_template(&format!("{{bar:24.green}} {template}")) {
            bar.set_style(style);
        }
        bar
    }
}

fn added(before: &Taken, mut taken: Taken) -> Taken {
    taken.brought.entries += before.brought.entries;
    taken.brought.gaps += before.brought.gaps;
    taken.brought.refused += before.brought.refused;
    taken
}

/// The parts of a file, one after the other.
struct Parts<'a, R> {
    file: R,
    path: &'a Path,
    head: Head,
    number: u64,
    /// The length of the next one. Which is the last shows only at the end of the file.
    next: Option<u32>,
}

impl<'a, R: Read> Parts<'a, R> {
    fn open(mut file: R, path: &'a Path) -> Result<Self, ApiError> {
        let mut head = [0; Head::BYTES];
        let told = |error: &dyn std::fmt::Display| ApiError::Invalid(format!("{}: {error}", path.display()));
        file.read_exact(&mut head).map_err(|_| told(&velo_protocol::bundle::BundleError::NotABundle))?;
        let head = Head::from_bytes(&head).map_err(|error| told(&error))?;
        let mut parts = Self { file, path, head, number: 0, next: None };
        parts.next = parts.length()?;
        Ok(parts)
    }

    fn next(&mut self) -> Result<Option<(PartNo, Vec<u8>)>, ApiError> {
        let Some(length) = self.next.take() else { return Ok(None) };
        if length as usize > limits::FRAME {
            let told = format!("{}: {}", self.path.display(), velo_protocol::bundle::BundleError::Damaged);
            return Err(ApiError::Invalid(told));
        }
        let mut part = vec![0; length as usize];
        self.file.read_exact(&mut part).map_err(|_| self.cut_short())?;
        self.next = self.length()?;
        let at = PartNo { number: self.number, last: self.next.is_none() };
        self.number += 1;
        Ok(Some((at, part)))
    }

    /// The length of the part that follows; `None` at the end of the file.
    fn length(&mut self) -> Result<Option<u32>, ApiError> {
        let mut bytes = Vec::new();
        let mut four = (&mut self.file).take(4);
        four.read_to_end(&mut bytes)
            .map_err(|error| ApiError::Failed(format!("reading {}: {error}", self.path.display())))?;
        match (bytes.first_chunk::<4>(), bytes.is_empty()) {
            (Some(length), _) => Ok(Some(u32::from_le_bytes(*length))),
            (None, true) => Ok(None),
            (None, false) => Err(self.cut_short()),
        }
    }

    fn cut_short(&self) -> ApiError {
        let told = "ends early: what was read so far is kept. Copy it again from where it was made, and import it \
                    again";
        ApiError::Invalid(format!("{} {told}", self.path.display()))
    }
}
