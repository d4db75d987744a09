//! The first start: a name, then a workspace of one's own, somebody else's, or a sample to try.

use super::model::Model;
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

/// Reads a ticket that somebody pasted.
pub fn read_ticket(text: &str, now_ms: u64) -> Result<Ticket, TicketError> {
    let ticket: Ticket = text.parse()?;
    ticket.check_expiry(now_ms)?;
    Ok(ticket)
}
