//! `velo attach`: files on tasks, and waiting for what is not on this device yet.

use super::{
    Layout, Settings,
    client::Client,
    output::{self, NOTICE, Table, lines, styled},
    print, read,
};
use crate::{
    api::{
        Action, ApiError, Request,
        attach::{self, AttachmentRow, FetchingAnswer, When},
    },
    blobs::named,
    limits,
};
use indicatif::{HumanBytes, ProgressBar, ProgressStyle};
use serde_json::{Error, Value as Json};
use std::{
    env, io,
    path::{Path, PathBuf},
    process::ExitCode,
    thread,
    time::{Duration, Instant},
};

/// What is asked, and how the answer is laid out.
pub(super) fn request(request: attach::Request) -> (Action, Layout) {
    let layout = layout(&request);
    (Action::Attach(request), layout)
}

fn layout(request: &attach::Request) -> Layout {
    match request {
        attach::Request::Add(_) => |json| {
            let rows = read::<Vec<AttachmentRow>>(json)?;
            let line = |row: &AttachmentRow| {
                format!("Attached {} ({}) to {}: {}", row.name, HumanBytes(row.size), row.task, row.short)
            };
            Ok(lines(rows.iter().map(line)))
        },
        attach::Request::List(_) => |json| Ok(table(&read::<Vec<AttachmentRow>>(json)?)),
        attach::Request::Save(_) => |json| {
            let row = read::<AttachmentRow>(json)?;
            Ok(format!("Saved {} ({})\n", row.name, HumanBytes(row.size)))
        },
        attach::Request::Fetch(_) => |json| {
            let row = read::<AttachmentRow>(json)?;
            Ok(format!("{} ({}) is on this device\n", row.name, HumanBytes(row.size)))
        },
        attach::Request::Remove(_) => |json| {
            let row = read::<AttachmentRow>(json)?;
            Ok(format!("Removed {} from {}. `velo undo` brings it back.\n", row.name, row.task))
        },
        attach::Request::Fetching(_) => fetching,
    }
}

fn fetching(json: &Json) -> Result<String, Error> {
    let told = match read::<FetchingAnswer>(json)?.fetching {
        When::Always => "always: all content is fetched as soon as another device has it",
        When::Viewed => "viewed: what you look at is fetched, and small files in advance",
        When::Metered => "metered: only what you ask for is fetched",
    };
    Ok(format!("{told}\n"))
}

fn table(rows: &[AttachmentRow]) -> String {
    let mut table = Table::new(["ATTACHMENT", "NAME", "SIZE", "ADDED BY", "HERE"]);
    for row in rows {
        let by = row.added.as_ref().map(|added| added.by.clone()).unwrap_or_default();
        table.row([row.short.clone(), row.name.clone(), HumanBytes(row.size).to_string(), by, here(row)]);
    }
    table.show("No attachments. `velo attach add TASK FILE` adds one.")
}

/// What of the content is on this device.
fn here(row: &AttachmentRow) -> String {
    match row.content {
        None => row.url.clone().unwrap_or_default(),
        Some(content) if content.whole => "yes".to_owned(),
        Some(content) if content.have == 0 => styled(NOTICE, "not yet"),
        Some(content) => styled(NOTICE, &format!("{} of {} parts", content.have, content.of)),
    }
}

/// Attachments under each other, each with what names it.
pub(super) fn attachment_lines(rows: &[AttachmentRow]) -> String {
    lines(rows.iter().map(|row| {
        let where_to = row.url.clone().unwrap_or_else(|| HumanBytes(row.size).to_string());
        format!("{}  {} ({where_to})", row.short, row.name)
    }))
}

/// Makes paths whole: the process that answers may stand in another folder.
pub(super) fn with_whole_paths(add: &mut attach::Add) -> Result<(), ApiError> {
    for file in &mut add.files {
        let failed = |error: io::Error| ApiError::Failed(format!("opening {}: {error}", file.display()));
        *file = file.canonicalize().map_err(failed)?;
    }
    Ok(())
}

/// What becomes of content once it is here.
enum Then {
    /// It is saved there; `None`: under its own name.
    Save(Option<PathBuf>),
    /// Nothing.
    Leave,
}

/// Fetches content, and saves it if that is what is asked.
pub(super) fn fetch_and_save(request: attach::Request, settings: &Settings) -> Result<ExitCode, ApiError> {
    let layout = layout(&request);
    let (attachment, wait, then) = match request {
        attach::Request::Save(attach::Save { attachment, path, wait }) => {
            (attachment, wait, Then::Save(path))
        }
        attach::Request::Fetch(attach::Fetch { attachment, wait }) => (attachment, wait, Then::Leave),
        _ => return Err(ApiError::Failed("only content that is fetched is waited for".into())),
    };
    let fetcher = Fetcher { client: Client::open(&settings.data_dir, true)?, settings };
    let answer = fetcher.run(&attachment, Duration::from_secs(wait.min(limits::LONGEST_WAIT_S)), &then);
    fetcher.client.close()?;
    print(&answer?, layout, settings.json)?;
    Ok(ExitCode::SUCCESS)
}

struct Fetcher<'a> {
    client: Client,
    settings: &'a Settings,
}

impl Fetcher<'_> {
    fn call(&self, request: attach::Request) -> Result<Json, ApiError> {
        let workspace = self.settings.workspace.clone();
        self.client.call(Request { workspace, action: Action::Attach(request) })
    }

    fn run(&self, attachment: &str, wait: Duration, then: &Then) -> Result<Json, ApiError> {
        // What is found damaged when it is written out is fetched again.
        for _ in 0..limits::SAVE_TRIES {
            let (json, row) = self.wait_for(attachment, wait)?;
            let Then::Save(path) = then else { return Ok(json) };
            let path = place(path.as_deref(), &row.name)?;
            let request = attach::Save { attachment: row.id.to_string(), path: Some(path), wait: 0 };
            match self.call(attach::Request::Save(request)) {
                Err(ApiError::NotYet(_)) => {}
                answer => return answer,
            }
        }
        Err(ApiError::Failed("the content is damaged again and again: is the disk failing?".into()))
    }

    /// Waits until all of the content is here.
    fn wait_for(&self, attachment: &str, wait: Duration) -> Result<(Json, AttachmentRow), ApiError> {
        let mut bar = None;
        let (mut had, mut moved) = (0, Instant::now());
        loop {
            let request = attach::Fetch { attachment: attachment.to_owned(), wait: 0 };
            let json = self.call(attach::Request::Fetch(request))?;
            let row: AttachmentRow = read(&json)
                .map_err(|error| ApiError::Failed(format!("the answer is not understood: {error}")))?;
            let Some(content) = row.content.filter(|content| !content.whole) else {
                return Ok((json, row));
            };
            if content.have != had {
                (had, moved) = (content.have, Instant::now());
            }
            if moved.elapsed() >= wait {
                return Err(not_here(&row, wait));
            }
            let bar = bar.get_or_insert_with(|| progress(&row.name, self.settings.json));
            bar.set_length(content.of);
            bar.set_position(content.have);
            thread::sleep(Duration::from_millis(limits::FETCH_POLL_MS));
        }
    }
}

fn not_here(row: &AttachmentRow, wait: Duration) -> ApiError {
    let by = row.added.as_ref().map(|added| added.by.as_str()).unwrap_or_default();
    ApiError::NotYet(format!(
        "nothing of \"{}\" has come for {} s: no device that has it is connected. {by} attached it. It goes on \
         where it stopped when you try again",
        output::plain_lines(&row.name),
        wait.as_secs()
    ))
}

/// Nothing where JSON is wanted or no terminal is.
fn progress(name: &str, json: bool) -> ProgressBar {
    if json {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} parts");
    let bar = ProgressBar::new(0).with_message(output::plain_lines(name));
    style.map_or_else(|_| ProgressBar::hidden(), |style| bar.with_style(style))
}

/// Where to save: at `path`, in that folder, or in this one.
fn place(path: Option<&Path>, name: &str) -> Result<PathBuf, ApiError> {
    let here = || env::current_dir().map_err(|error| ApiError::Failed(format!("this folder: {error}")));
    let path = here()?.join(path.unwrap_or(Path::new("")));
    Ok(if path.is_dir() { path.join(named::safe_name(name)) } else { path })
}
