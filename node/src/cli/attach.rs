//! `velo attach`: files on tasks, waiting for what is not on this device yet, and opening what is.

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
use indicatif::{HumanBytes, ProgressBar};
use serde_json::{Error, Value as Json};
use std::{
    env, fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::mpsc,
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
        // Asked only while another one is answered.
        attach::Request::Adding { .. } => |_| Ok(String::new()),
        attach::Request::Open(_) => |json| {
            let row = read::<AttachmentRow>(json)?;
            Ok(format!("Opened {} ({})\n", row.name, HumanBytes(row.size)))
        },
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

/// Attaches files, and shows how far it is.
pub(super) fn add(mut add: attach::Add, settings: &Settings) -> Result<ExitCode, ApiError> {
    with_whole_paths(&mut add)?;
    let size = add.files.iter().map(|file| fs::metadata(file).map_or(0, |meta| meta.len())).sum();
    let (files, request) = (add.files.clone(), attach::Request::Add(add));
    let layout = layout(&request);
    let desk = Fetcher { client: Client::open(settings, false)?, settings };
    let bar = output::bytes_bar("", size, settings.json);
    let answer = if bar.is_hidden() { desk.call(request) } else { desk.add(request, &files, &bar) };
    bar.finish_and_clear();
    desk.client.close()?;
    print(&answer?, layout, settings.json)?;
    Ok(ExitCode::SUCCESS)
}

/// Makes paths whole: the process that answers may stand in another folder.
fn with_whole_paths(add: &mut attach::Add) -> Result<(), ApiError> {
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
    /// It is opened.
    Open,
    /// Nothing.
    Leave,
}

/// Fetches content, and saves or opens it if that is what is asked.
pub(super) fn fetch_and_save(request: attach::Request, settings: &Settings) -> Result<ExitCode, ApiError> {
    let layout = layout(&request);
    let (attachment, wait, then) = match request {
        attach::Request::Save(attach::Save { attachment, path, wait }) => {
            (attachment, wait, Then::Save(path))
        }
        attach::Request::Open(attach::Open { attachment, wait }) => (attachment, wait, Then::Open),
        attach::Request::Fetch(attach::Fetch { attachment, wait }) => (attachment, wait, Then::Leave),
        _ => return Err(ApiError::Failed("only content that is fetched is waited for".into())),
    };
    let fetcher = Fetcher { client: Client::open(settings, true)?, settings };
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

    /// Has files attached, and meanwhile asks how far it is.
    fn add(&self, request: attach::Request, files: &[PathBuf], bar: &ProgressBar) -> Result<Json, ApiError> {
        let (done, answer) = mpsc::channel();
        thread::scope(|scope| {
            // Nobody waits for it once the command has ended.
            scope.spawn(move || drop(done.send(self.call(request))));
            loop {
                match answer.recv_timeout(Duration::from_millis(limits::FETCH_POLL_MS)) {
                    Ok(answer) => return answer,
                    Err(mpsc::RecvTimeoutError::Disconnected) => {
                        return Err(ApiError::Failed("the request was not answered".into()));
                    }
                    Err(mpsc::RecvTimeoutError::Timeout) => {
                        let json = self.call(attach::Request::Adding { files: files.to_vec() });
                        // One that fails tells why by the answer that is waited for.
                        if let Some(bytes) = json.ok().and_then(|json| json.as_u64()) {
                            bar.set_position(bytes);
                        }
                    }
                }
            }
        })
    }

    fn run(&self, attachment: &str, wait: Duration, then: &Then) -> Result<Json, ApiError> {
        if matches!(then, Then::Open) {
            self.check_opening(attachment)?;
        }
        // What is found damaged when it is written out is fetched again.
        for _ in 0..limits::SAVE_TRIES {
            let (json, row) = self.wait_for(attachment, wait)?;
            let path = match then {
                Then::Leave => return Ok(json),
                Then::Save(path) => place(path.as_deref(), &row.name)?,
                Then::Open => folder_for_opening()?.join(named::safe_name(&row.name)),
            };
            let request = attach::Save { attachment: row.id.to_string(), path: Some(path.clone()), wait: 0 };
            match (self.call(attach::Request::Save(request)), then) {
                (Err(ApiError::NotYet(_)), _) => {}
                (Ok(json), Then::Open) => return open(&path, attachment).map(|()| json),
                (answer, _) => return answer,
            }
        }
        Err(ApiError::Failed("the content is damaged again and again: is the disk failing?".into()))
    }

    /// Before anything is fetched: whether it can be opened here at all.
    fn check_opening(&self, attachment: &str) -> Result<(), ApiError> {
        let request = attach::Fetch { attachment: attachment.to_owned(), wait: 0 };
        let row: AttachmentRow = read(&self.call(attach::Request::Fetch(request))?)
            .map_err(|error| ApiError::Failed(format!("the answer is not understood: {error}")))?;
        if !named::opens_safely(&row.name) {
            let name = output::plain_lines(&row.name);
            return Err(ApiError::Refused(format!(
                "\"{name}\" is not opened, since such a file can do harm: `velo attach save {attachment}` saves it"
            )));
        }
        if has_screen() { Ok(()) } else { Err(no_program("there is no screen here", attachment)) }
    }

    /// Waits until all of the content is here.
    fn wait_for(&self, attachment: &str, wait: Duration) -> Result<(Json, AttachmentRow), ApiError> {
        let mut bar = None;
        let begun = Instant::now();
        let (mut had, mut moved) = (0, begun);
        loop {
            let request = attach::Fetch { attachment: attachment.to_owned(), wait: 0 };
            let json = self.call(attach::Request::Fetch(request))?;
            let row: AttachmentRow = read(&json)
                .map_err(|error| ApiError::Failed(format!("the answer is not understood: {error}")))?;
            let Some(content) = row.content.filter(|content| !content.whole) else {
                return Ok((json, row));
            };
            // What was known before may be over: asking has it tried again.
            let may_be_old = begun.elapsed() < Duration::from_millis(limits::FETCH_TROUBLE_MS);
            if let Some(trouble) = row.trouble.as_ref().filter(|_| !may_be_old) {
                let name = output::plain_lines(&row.name);
                return Err(ApiError::Failed(format!("\"{name}\" cannot be kept: {trouble}")));
            }
            if content.bytes != had {
                (had, moved) = (content.bytes, Instant::now());
            }
            if moved.elapsed() >= wait {
                return Err(not_here(&row, wait));
            }
            let bar: &mut ProgressBar =
                bar.get_or_insert_with(|| output::bytes_bar(&row.name, row.size, self.settings.json));
            bar.set_position(content.bytes);
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

/// A folder of its own, which the system clears away with its other temporary files.
fn folder_for_opening() -> Result<PathBuf, ApiError> {
    let folder = tempfile::Builder::new().prefix("velo-").tempdir();
    folder
        .map(tempfile::TempDir::keep)
        .map_err(|error| ApiError::Failed(format!("a folder for temporary files: {error}")))
}

/// Hands the copy to the system's program for such files.
fn open(path: &Path, attachment: &str) -> Result<(), ApiError> {
    // Whoever would change it is told that it is not the attachment.
    let read_only = fs::metadata(path).and_then(|meta| {
        let mut permissions = meta.permissions();
        permissions.set_readonly(true);
        fs::set_permissions(path, permissions)
    });
    if let Err(error) = read_only {
        tracing::debug!(%error, "a copy for reading can be written to");
    }
    open::that_detached(path).map_err(|error| no_program(&error.to_string(), attachment))
}

fn no_program(why: &str, attachment: &str) -> ApiError {
    ApiError::Failed(format!(
        "no program was found that opens it ({why}): `velo attach save {attachment}` saves it"
    ))
}

/// Whether a window can be opened. Other systems than those with X or Wayland say so themselves.
fn has_screen() -> bool {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let asks = cfg!(all(unix, not(target_os = "macos")));
    !asks || ["WAYLAND_DISPLAY", "DISPLAY", "WSL_DISTRO_NAME"].into_iter().any(is_set)
}

/// Where to save: at `path`, in that folder, or in this one.
fn place(path: Option<&Path>, name: &str) -> Result<PathBuf, ApiError> {
    let here = || env::current_dir().map_err(|error| ApiError::Failed(format!("this folder: {error}")));
    let path = here()?.join(path.unwrap_or(Path::new("")));
    Ok(if path.is_dir() { path.join(named::safe_name(name)) } else { path })
}
