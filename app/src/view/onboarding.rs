//! The first start: a name, then a workspace of one's own, somebody else's, or a sample to try.

use velo_protocol::ticket::{Ticket, TicketError};

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
    /// What is wrong, for people.
    pub problem: Option<String>,
    /// Whether the answer is being waited for.
    pub waiting: bool,
}

/// Reads a ticket that somebody pasted.
pub fn read_ticket(text: &str, now_ms: u64) -> Result<Ticket, TicketError> {
    let ticket: Ticket = text.parse()?;
    ticket.check_expiry(now_ms)?;
    Ok(ticket)
}
