//! `velo invite`, `velo join`: tickets as text and as pictures.
//!
//! Pictures are drawn and read here, by the command that a person typed, and not by the process that
//! answers it: that one may stand in another folder, and only tickets travel to it.

use super::{
    Command, Layout, Settings, answered,
    output::{NOTICE, Table, complain, count, lines, say, styled},
    read,
};
use crate::{
    api::{
        Action, ApiError,
        invite::{self, InviteRow, TicketAnswer},
        workspace::{self, JoinAnswer},
    },
    qr::{self, QrError},
};
use anstyle::{Ansi256Color, Style};
use clap::Args;
use serde_json::{Error, Value as Json};
use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};
use tempfile::NamedTempFile;
use velo_protocol::ticket::Ticket;

/// Dark squares on light ones, whatever colours the terminal has: readers take no other.
const INK: Style = Style::new()
    .fg_color(Some(anstyle::Color::Ansi256(Ansi256Color(16))))
    .bg_color(Some(anstyle::Color::Ansi256(Ansi256Color(231))));

/// Makes a ticket, or deals with those that were made.
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
#[group(skip)]
pub(super) struct Invite {
    #[command(flatten)]
    make: invite::Invite,
    /// Show the ticket as a QR code too
    #[arg(long)]
    qr: bool,
    /// Write the ticket's QR code into a new PNG file
    #[arg(long, value_name = "FILE")]
    png: Option<PathBuf>,
    #[command(subcommand)]
    made: Option<invite::Request>,
}

/// Joins a workspace.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  velo join velo1aeaqcaibaeaqcaibaeaqcaibae…\n  \
    velo join --image ticket.png\n\n\
    The ticket's addresses are tried as long as a node runs: `velo node`, or the app. A command on its \
    own waits until the workspace has arrived, for at most --wait seconds, and exits with 4 if nobody \
    was reached by then: the joining holds all the same.")]
pub(super) struct Join {
    /// The text that `velo invite` printed
    #[arg(required_unless_present = "image", conflicts_with = "image")]
    ticket: Option<String>,
    /// A picture of the ticket's QR code instead, PNG or JPEG
    #[arg(long, value_name = "FILE")]
    image: Option<PathBuf>,
    /// Seconds to wait for the workspace's content, at most a day
    #[arg(long, default_value_t = 20)]
    wait: u64,
}

impl Invite {
    /// What is asked, and how the answer is laid out.
    pub(super) fn request(self) -> (Action, Layout) {
        match self.made {
            None => (Action::Invite(self.make), ticket),
            Some(request) => {
                let layout = match request {
                    invite::Request::List => open_tickets,
                    invite::Request::Revoke(_) => withdrawn,
                };
                (Action::Tickets(request), layout)
            }
        }
    }

    pub(super) fn run(self, settings: &Settings) -> Result<ExitCode, ApiError> {
        let shows = self.qr;
        if shows && settings.json {
            let told = "--qr draws for people: leave out --json, or write a picture with --png FILE";
            return Err(ApiError::Invalid(told.to_owned()));
        }
        // Before there is a ticket that could not be written.
        let picture = self.png.clone().map(Picture::begin).transpose()?;
        let (answer, code) = answered(Command::Invite(self), settings)?;
        if !shows && picture.is_none() {
            return Ok(code);
        }
        let other = |error| ApiError::Failed(format!("an answer of another version: {error}"));
        let squares = qr::matrix(&read::<TicketAnswer>(&answer).map_err(other)?.ticket)?;
        if shows {
            say(lines(qr::half_blocks(&squares).iter().map(|line| styled(INK, line))).trim_end());
        }
        if let Some(picture) = picture {
            picture.finish(&qr::png(&squares)?)?;
        }
        Ok(code)
    }
}

impl Join {
    /// What is asked, once a picture has been read.
    pub(super) fn request(self) -> (Action, Layout) {
        let ticket = self.ticket.unwrap_or_default();
        (Action::Join(workspace::Join { ticket, wait: self.wait }), joined)
    }

    /// Reads the ticket from the picture, if there is one, and says whose it is.
    pub(super) fn with_ticket(mut self, json: bool) -> Result<Self, ApiError> {
        if let Some(path) = self.image.take() {
            self.ticket = Some(qr::find_in_file::<Ticket>(&path)?.to_string());
        }
        let ticket = self.ticket.as_ref().and_then(|text| text.parse::<Ticket>().ok());
        if let Some(ticket) = ticket.filter(|_| !json) {
            complain(format!("Invited by somebody whose words are: {}", ticket.inviter.words()));
        }
        Ok(self)
    }
}

impl From<QrError> for ApiError {
    fn from(error: QrError) -> Self {
        let message = error.to_string();
        match error {
            QrError::File(..) | QrError::Unmade(_) => Self::Failed(message),
            _ => Self::Invalid(message),
        }
    }
}

/// A picture that is being made: nothing stands in its place before it is whole, and nothing that
/// stood there is lost. Whoever can read it can join, so only its owner may.
struct Picture {
    path: PathBuf,
    file: NamedTempFile,
}

impl Picture {
    fn begin(path: PathBuf) -> Result<Self, ApiError> {
        if path.exists() {
            let told = format!("{} is there already: choose another name", path.display());
            return Err(ApiError::Refused(told));
        }
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        let file = NamedTempFile::new_in(folder.unwrap_or(Path::new(".")));
        let file = file.map_err(|error| unwritten(&path, &error))?;
        Ok(Self { path, file })
    }

    fn finish(mut self, bytes: &[u8]) -> Result<(), ApiError> {
        let written = self.file.write_all(bytes).and_then(|()| self.file.as_file().sync_all());
        written.map_err(|error| unwritten(&self.path, &error))?;
        let kept = self.file.persist_noclobber(&self.path);
        kept.map(drop).map_err(|error| unwritten(&self.path, &error.error))
    }
}

fn unwritten(path: &Path, error: &io::Error) -> ApiError {
    ApiError::Failed(format!("writing {}: {error}", path.display()))
}

/// A ticket, alone on its line so that it can be copied.
fn ticket(json: &Json) -> Result<String, Error> {
    let TicketAnswer { ticket, invite, role, expires, addresses, words } = read(json)?;
    let reach =
        if addresses.is_empty() { String::new() } else { format!(" It leads to {}.", addresses.join(", ")) };
    let (role, id) = (role.with_article(), invite.short());
    Ok(format!(
        "{ticket}\n\nWhoever has it joins as {role}. Good until {expires}.{reach}\n\
         The other person runs: velo join TICKET\nIt shows them your words: {words}\nTo withdraw it: velo invite revoke {id}\n"
    ))
}

/// What is wrong with a ticket that was made all the same.
pub(super) fn warning(json: &Json) -> Option<String> {
    let leads_nowhere = read::<TicketAnswer>(json).is_ok_and(|answer| answer.addresses.is_empty());
    leads_nowhere.then(|| {
        "this device is not listening, so the ticket leads to no address. Make another one beside `velo node`, \
         once that says where it listens, or give --address."
            .to_owned()
    })
}

fn open_tickets(json: &Json) -> Result<String, Error> {
    let mut table = Table::new(["TICKET", "BY", "ROLE", "GOOD UNTIL"]);
    for row in read::<Vec<InviteRow>>(json)? {
        let until =
            if row.expired { styled(NOTICE, &format!("{} (expired)", row.expires)) } else { row.expires };
        table.row([row.id.short(), row.by, row.role.name().to_owned(), until]);
    }
    Ok(table.show("No ticket is open. `velo invite` makes one."))
}

fn withdrawn(json: &Json) -> Result<String, Error> {
    let InviteRow { id, by, role, .. } = read(json)?;
    Ok(format!(
        "The ticket {} is withdrawn, which {by} had made for {}: nobody joins with it any more. Who did, and \
         was not seen here yet, is out again.\n",
        id.short(),
        role.with_article()
    ))
}

/// What joining led to.
fn joined(json: &Json) -> Result<String, Error> {
    let JoinAnswer { workspace: row, role, arrived, inviter } = read(json)?;
    if row.name.is_empty() {
        let told = "Your ticket is kept. No device of the workspace was reached yet: it arrives as soon as one is, while `velo node` or the app runs.";
        return Ok(format!("{}\n", styled(NOTICE, told)));
    }
    let Some(role) = role else {
        let told = "the ticket was not taken yet: the device that was reached does not know it. It is taken once \
                    one is met that does, while `velo node` or the app runs. Who was in before needs no \
                    ticket: an admin lets them in again with `velo member role NAME member`.";
        return Ok(format!("\"{}\" is here, and you are not in yet: {}\n", row.name, styled(NOTICE, told)));
    };
    let (projects, tasks) = (count(row.projects, "project"), count(row.tasks, "task"));
    let joined = format!("Joined \"{}\" as {}: {projects}, {tasks}", row.name, role.with_article());
    let by = inviter.and_then(|by| Some(format!("Invited by {}: {}\n", by.name?, by.words)));
    let by = by.unwrap_or_default();
    if arrived {
        return Ok(format!("{joined}\n{by}"));
    }
    let told = "so far. More is on its way: it arrives while `velo node` or the app runs.";
    Ok(format!("{joined} {}\n{by}", styled(NOTICE, told)))
}
