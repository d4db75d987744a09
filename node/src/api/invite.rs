//! Tickets: make one, list those that are open, withdraw one.
//!
//! A ticket is a text that lets whoever holds it join, until it expires or is withdrawn. Beside it
//! stands an entry in the log, the *invite*, which every device knows: only that is listed here,
//! since the text itself is nowhere but in the hands of those to whom it was sent.

use super::{ApiError, Json, answer, date, member::RoleName, reference, scope::Scope};
use crate::{handle::NodeHandle, limits};
use clap::{Args, Subcommand};
use serde::{Deserialize, Serialize};
use std::time::{Duration, Instant};
use velo_protocol::{
    access::Role,
    id::{EntryId, PersonId},
    limits::TICKET_ADDRESSES,
    replica::{Command, Reply},
    roster::OpenInvite,
    workspace::Workspace,
};

/// Makes a ticket.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Examples:\n  velo invite\n  velo invite --role viewer --qr\n  \
    velo invite --days 1 --address /ip4/192.168.1.7/tcp/4001")]
pub struct Invite {
    /// How many days the ticket is good for
    #[arg(long, default_value_t = 7, value_parser = clap::value_parser!(u16).range(1..=365))]
    pub days: u16,
    /// For one person: the ticket is withdrawn once somebody joined with it
    #[arg(long)]
    #[serde(default)]
    pub once: bool,
    /// What the one who joins may do: a ticket gives at most the role of a member
    #[arg(long, value_enum, default_value_t = TicketRole::Member)]
    #[serde(default)]
    pub role: TicketRole,
    /// Where this device can be reached, besides the addresses it listens on; may be repeated
    #[arg(long, value_name = "MULTIADDRESS")]
    #[serde(default)]
    pub address: Vec<String>,
}

/// What a ticket gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TicketRole {
    /// Reads and writes.
    #[default]
    Member,
    /// Reads.
    Viewer,
}

impl From<TicketRole> for Role {
    fn from(role: TicketRole) -> Self {
        match role {
            TicketRole::Member => Self::Member,
            TicketRole::Viewer => Self::Viewer,
        }
    }
}

/// Actions on tickets that were made.
#[derive(Debug, Clone, Subcommand, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// List the open tickets
    #[command(after_help = "Example:\n  velo invite list")]
    List,
    /// Withdraw a ticket, so that nobody can join with it any more
    Revoke(Revoke),
}

/// Withdraws a ticket.
#[derive(Debug, Clone, Args, Serialize, Deserialize)]
#[command(after_help = "Example:\n  velo invite revoke 3f9a01\n\n\
    Who joined with it, and this device has not heard of, is out again, on every device.")]
pub struct Revoke {
    /// Which, by the start of its id: see `velo invite list`
    pub id: String,
}

/// A ticket, as an answer.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TicketAnswer {
    /// To be sent to the person invited.
    pub ticket: String,
    /// The entry that stands for it, by which it can be withdrawn.
    pub invite: EntryId,
    /// What it gives.
    pub role: RoleName,
    /// Until when it is good, RFC 3339.
    pub expires: String,
    /// Where the joiner will look for this device.
    pub addresses: Vec<String>,
    /// By which the joiner knows who invites them: see [`velo_protocol::fingerprint`].
    #[serde(default)]
    pub words: String,
}

/// An open ticket in a list.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InviteRow {
    /// The entry that stands for it.
    pub id: EntryId,
    /// Who made it.
    pub person: PersonId,
    /// The name shown for that person.
    pub by: String,
    /// What it gives.
    pub role: RoleName,
    /// Until when it is good, RFC 3339.
    pub expires: String,
    /// Whether that is over, by this device's clock.
    pub expired: bool,
}

impl InviteRow {
    fn of(workspace: &Workspace, invite: &OpenInvite) -> Self {
        Self {
            id: invite.id,
            person: invite.by,
            by: workspace.person_name(invite.by),
            role: invite.role.into(),
            expires: date::moment(invite.expires_ms),
            expired: date::wall_ms() > invite.expires_ms,
        }
    }

    /// Those that expire first come first.
    fn all(workspace: &Workspace) -> Vec<Self> {
        let mut open: Vec<_> = workspace.roster().invites.iter().collect();
        open.sort_by_key(|invite| (invite.expires_ms, invite.id));
        open.into_iter().map(|invite| Self::of(workspace, invite)).collect()
    }
}

/// Carries out a request on tickets that were made.
pub(super) async fn execute(request: Request, scope: Scope<'_>) -> Result<Json, ApiError> {
    match request {
        Request::List => answer(&InviteRow::all(&scope.workspace)),
        Request::Revoke(revoke) => answer(&withdraw(&revoke.id, scope).await?),
    }
}

async fn withdraw(text: &str, mut scope: Scope<'_>) -> Result<InviteRow, ApiError> {
    let mut found = InviteRow::all(&scope.workspace);
    found.retain(|row| reference::starts(&row.id.to_string(), text));
    let candidates: Vec<_> = found.iter().map(|row| row.id.short()).collect();
    let Some(row) = found.pop() else {
        return Err(ApiError::not_found("open ticket", text, "see `velo invite list`"));
    };
    if !found.is_empty() {
        return Err(ApiError::Ambiguous { kind: "ticket".into(), text: text.into(), candidates });
    }
    scope.submit(Command::Revoke { workspace: scope.id, invite: row.id }).await?;
    Ok(row)
}

/// What somebody says of where this device can be reached: it must be right, since the ticket is
/// used when nobody who could mend it is there.
fn checked_addresses(said: &[String]) -> Result<Vec<String>, ApiError> {
    let (found, most) = (said.len(), TICKET_ADDRESSES);
    if found > most {
        return Err(ApiError::Invalid(format!("a ticket holds at most {most} addresses, these are {found}")));
    }
    let checked = said.iter().map(|address| {
        NodeHandle::check_address(address)?;
        Ok(address.trim().to_owned())
    });
    checked.collect()
}

/// Gives a node that has just started a moment to listen: a ticket without an address leads only to
/// peers on the same LAN. Returns when there are addresses and no more have come since the last look.
async fn listening(node: &NodeHandle) {
    let mut found = node.listen_addresses().len();
    if found > 0 || node.status().network.is_none() {
        return;
    }
    let until = Instant::now() + Duration::from_millis(limits::INVITE_LISTEN_MS);
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(limits::INVITE_POLL_MS)).await;
        let now = node.listen_addresses().len();
        if now > 0 && now == found {
            return;
        }
        found = now;
    }
}

/// Makes a ticket.
pub(super) async fn make(invite: Invite, scope: &Scope<'_>) -> Result<Json, ApiError> {
    let addresses = checked_addresses(&invite.address)?;
    listening(scope.node).await;
    let expires_ms = date::wall_ms() + u64::from(invite.days) * 86_400_000;
    // The node adds those it listens on.
    let (role, single_use) = (invite.role.into(), invite.once);
    let command = Command::Invite { workspace: scope.id, role, single_use, expires_ms, addresses };
    match scope.node.submit(command).await? {
        Reply::Ticket(ticket) => answer(&TicketAnswer {
            ticket: ticket.to_string(),
            invite: ticket.invite,
            role: Role::from(invite.role).into(),
            expires: date::moment(expires_ms),
            addresses: ticket.addresses.clone(),
            words: ticket.inviter.words(),
        }),
        _ => Err(ApiError::Failed("the node answered something else".into())),
    }
}
