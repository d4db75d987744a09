//! The first start: a name, then a workspace of one's own, somebody else's, or a sample to try.

use super::{model::Model, phrase::Words, qr::Qr};
use velo_protocol::ticket::{Ticket, TicketError};

/// What somebody is called who looks at the sample board without saying their name. It is never
/// noted as one: the name is asked for as soon as others would see it.
pub const UNNAMED: &str = "Me";

/// Which way to begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Way {
    /// A new workspace.
    #[default]
    New,
    /// By ticket.
    Join,
    /// As a further device of somebody.
    Device,
    /// With the 24 words, without any other device.
    Lost,
}

/// The code of this device, for another one of the person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Code {
    /// Its text.
    pub text: String,
    /// The text as a QR code; `None` if it is too long for one.
    pub qr: Option<Qr>,
}

/// What has been entered.
#[derive(Debug, Clone, Default)]
pub struct Onboarding {
    /// The person's name.
    pub name: String,
    /// The new workspace's name.
    pub workspace: String,
    /// The ticket's text.
    pub ticket: String,
    /// The code of this device.
    pub code: Option<Code>,
    /// The 24 words.
    pub words: Words,
    /// Where a device of the team may be reached.
    pub address: String,
    /// Whether the person's workspaces are being looked for.
    pub recovering: bool,
    /// Which way.
    pub way: Way,
    /// Whether to begin although workspaces of this device cannot be shown.
    pub anyway: bool,
    /// What is wrong, for people.
    pub problem: Option<String>,
    /// Whether the answer is being waited for.
    pub waiting: bool,
}

impl Onboarding {
    /// The person's name: the one that is known, or what has been entered.
    pub fn person(&self, model: &Model) -> String {
        model.name.clone().unwrap_or_else(|| self.name.trim().to_owned())
    }
}

/// By which people know who made a ticket, once a whole one is there. That the ticket is theirs is made sure
/// of when it is used.
pub fn inviter(text: &str) -> Option<String> {
    if text.trim().is_empty() {
        return None;
    }
    text.parse::<Ticket>().ok().map(|ticket| ticket.inviter.words())
}

/// Reads a ticket that somebody pasted.
pub fn read_ticket(text: &str, now_ms: u64) -> Result<Ticket, TicketError> {
    let ticket: Ticket = text.parse()?;
    ticket.check_expiry(now_ms)?;
    Ok(ticket)
}
