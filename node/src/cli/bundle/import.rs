//! Reading a bundle: part by part, as far as it is whole.

use super::{Desk, bundle};
use crate::{
    api::{ApiError, bundle::Taken},
    blobs::{carry::Took, content::Presence},
    cli::output::{self, GOOD, NOTICE, complain, count, say, say_json, styled},
    store::disk,
};
use data_encoding::BASE64;
use indicatif::HumanBytes;
use serde_json::{Value as Json, json};
use std::{
    fs::File,
    io::{BufReader, Read},
    path::Path,
};
use velo_protocol::{
    bundle::{BundleError, Head, PartNo},
    id::{EntityId, WorkspaceId},
    limits,
};

/// Why something of a bundle cannot be taken that is whole, and what to do.
const GAP: &str = "It goes on from changes that are not on this device, and cannot be taken without them: have the \
                   bundle made again without --since, or import the earlier one that holds them first";

/// What a bundle has brought so far.
#[derive(Debug, Default)]
struct Sum {
    workspace: String,
    changes: u64,
    gaps: u64,
    refused: u64,
    /// Attachments of which blobs came, and of which all is here, or not.
    whole: usize,
    partial: usize,
    /// Bytes of blobs that were not here.
    new_bytes: u64,
    /// Blobs that nothing here names.
    unnamed: usize,
    damaged: usize,
    /// Whether the end was read.
    ended: bool,
}

impl Desk<'_> {
    pub(super) fn import(&self, path: &Path) -> Result<(), ApiError> {
        let failed = |error: std::io::Error| {
            ApiError::Failed(format!("reading {}: {}", path.display(), disk::unreadable(&error)))
        };
        let file = File::open(path).map_err(failed)?;
        let bar = output::bytes_bar("", file.metadata().map_err(failed)?.len(), self.settings.json);
        let mut parts = Parts::open(bar.wrap_read(BufReader::new(file)), path)?;
        let mut reading = Reading { desk: self, sum: Sum::default(), open: None };
        let read = reading.read(&mut parts);
        // What came of the last attachment counts as well where the bundle ends early.
        let read = read.and(reading.settle());
        bar.finish_and_clear();
        let sum = reading.sum;
        let read = read.and_then(|()| sum.check(path));
        // A bundle of another workspace gave nothing, and the reason says what to do.
        read.map_err(|error| if sum.is_empty() { error } else { sum.with_what_came(error) })?;
        if self.settings.json {
            say_json(&sum.json());
        } else {
            sum.tell();
        }
        Ok(())
    }
}

/// Hands part after part to the node.
struct Reading<'a> {
    desk: &'a Desk<'a>,
    sum: Sum,
    /// The attachment whose blobs are coming.
    open: Option<(WorkspaceId, EntityId)>,
}

impl Reading<'_> {
    fn read(&mut self, parts: &mut Parts<'_, impl Read>) -> Result<(), ApiError> {
        while let Some((at, part)) = parts.next()? {
            let part = BASE64.encode(&part);
            let ask =
                |at| self.desk.ask(bundle::Request::Import { head: parts.head, at, part: part.clone() });
            let taken = match ask(at)? {
                // Cut off right behind a part: that one is not the last, and good.
                Taken::Damaged if at.last => ask(PartNo { last: false, ..at })?,
                taken => taken,
            };
            self.take(taken)?;
        }
        Ok(())
    }

    fn take(&mut self, taken: Taken) -> Result<(), ApiError> {
        match taken {
            Taken::Entries { workspace, brought } => {
                self.sum.workspace = workspace;
                self.sum.changes += brought.entries;
                self.sum.gaps += brought.gaps;
                self.sum.refused += brought.refused;
            }
            Taken::Blob { took: Took::Unnamed, .. } => self.sum.unnamed += 1,
            Taken::Blob { workspace, attachment, took, bytes } => {
                if self.open != Some((workspace, attachment)) {
                    self.settle()?;
                    self.open = Some((workspace, attachment));
                }
                self.sum.new_bytes += if took == Took::New { bytes } else { 0 };
            }
            Taken::End => self.sum.ended = true,
            Taken::Damaged => self.sum.damaged += 1,
        }
        Ok(())
    }

    /// All that the bundle has of an attachment was read.
    fn settle(&mut self) -> Result<(), ApiError> {
        let Some((workspace, attachment)) = self.open.take() else { return Ok(()) };
        let here: Option<Presence> = self.desk.ask(bundle::Request::Settle { workspace, attachment })?;
        if here.is_some_and(|here| here.whole) {
            self.sum.whole += 1;
        } else {
            self.sum.partial += 1;
        }
        Ok(())
    }
}

impl Sum {
    fn is_empty(&self) -> bool {
        self.changes == 0 && self.whole + self.partial == 0
    }

    /// Whether all of the bundle was read.
    fn check(&self, path: &Path) -> Result<(), ApiError> {
        if self.damaged > 0 {
            let what = format!("{}: of the bundle {} damaged", path.display(), parts(self.damaged));
            let told = format!("{what}: copy it again from where it was made, and import it again");
            return Err(ApiError::Invalid(told));
        }
        if !self.ended {
            return Err(cut_short(path));
        }
        if self.gaps > 0 && self.is_empty() {
            return Err(ApiError::Refused(format!(
                "{}: nothing of it could be taken. {GAP}",
                path.display()
            )));
        }
        Ok(())
    }

    /// Adds to an error what came all the same.
    fn with_what_came(&self, error: ApiError) -> ApiError {
        let told = |words: String| format!("{words}. What is whole was taken: {}", self.words());
        match error {
            ApiError::Invalid(words) => ApiError::Invalid(told(words)),
            ApiError::Failed(words) => ApiError::Failed(told(words)),
            ApiError::Refused(words) => ApiError::Refused(told(words)),
            other => other,
        }
    }

    /// What came, such as "3 changes, and 2 attachments (4 MiB)".
    fn words(&self) -> String {
        let name = if self.workspace.is_empty() { "the workspace" } else { &self.workspace };
        let mut came = Vec::new();
        if self.changes > 0 {
            came.push(count(self.changes as usize, "change"));
        }
        if self.new_bytes > 0 {
            let of = count(self.whole + self.partial, "attachment");
            came.push(format!("{} of {of}", HumanBytes(self.new_bytes)));
        }
        match came.as_slice() {
            [] => "everything in it was here already".to_owned(),
            some => format!("{} came into {name}", some.join(" and ")),
        }
    }

    fn json(&self) -> Json {
        json!({
            "workspace": self.workspace,
            "changes": self.changes,
            "gaps": self.gaps,
            "refused": self.refused,
            "attachments": {
                "whole": self.whole,
                "partial": self.partial,
                "bytes": self.new_bytes,
                "unnamed": self.unnamed,
            },
        })
    }

    fn tell(&self) {
        say(format!("{} {}.", styled(GOOD, "done:"), self.words()));
        let warn = |told: &str| complain(format!("{} {told}", styled(NOTICE, "warning:")));
        if self.partial > 0 {
            let of = count(self.partial, "attachment");
            warn(&format!("of {of} only a part was in the bundle: the rest is fetched from other devices"));
        }
        if self.unnamed > 0 {
            warn(
                "content of attachments was left out that nothing here shows: they were deleted, or what names \
                 them cannot be read yet. Then import the bundle again later",
            );
        }
        if self.gaps > 0 {
            warn(&format!("part of it could not be taken. {GAP}"));
        }
        if self.refused > 0 {
            warn("some of it was left out: there are more logs of one device than Velo keeps");
        }
    }
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
        file.read_exact(&mut head).map_err(|_| told(&BundleError::NotABundle))?;
        let head = Head::from_bytes(&head).map_err(|error| told(&error))?;
        let mut parts = Self { file, path, head, number: 0, next: None };
        parts.next = parts.length()?;
        Ok(parts)
    }

    fn next(&mut self) -> Result<Option<(PartNo, Vec<u8>)>, ApiError> {
        let Some(length) = self.next.take() else { return Ok(None) };
        if length as usize > limits::BUNDLE_SEALED {
            // Where the next part begins is not known.
            let told = format!("{}, from here on: {}", self.path.display(), BundleError::Damaged);
            return Err(ApiError::Invalid(told));
        }
        let mut part = vec![0; length as usize];
        self.file.read_exact(&mut part).map_err(|_| cut_short(self.path))?;
        self.next = self.length()?;
        let at = PartNo { number: self.number, last: self.next.is_none() };
        self.number += 1;
        Ok(Some((at, part)))
    }

    /// The length of the part that follows; `None` at the end of the file, also if that is cut off within.
    fn length(&mut self) -> Result<Option<u32>, ApiError> {
        let mut bytes = Vec::new();
        let mut four = (&mut self.file).take(4);
        four.read_to_end(&mut bytes)
            .map_err(|error| ApiError::Failed(format!("reading {}: {error}", self.path.display())))?;
        Ok(bytes.first_chunk::<4>().map(|length| u32::from_le_bytes(*length)))
    }
}

fn parts(number: usize) -> String {
    format!("{} {}", count(number, "part"), if number == 1 { "is" } else { "are" })
}

fn cut_short(path: &Path) -> ApiError {
    let told = "ends early: copy it again from where it was made, and import it again";
    ApiError::Invalid(format!("{} {told}", path.display()))
}
